"""ACK, NAK and silence by router family, and how long an end takes: from the product's own metrics.

Routers of each family that hears Disconnect-Requests refuse and stay silent to a set share of them. They count what
they did, and the table says whether the product's sender counted the same.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from radius.domain.nas import CoaScope, Family
from radius.rlm.vendors import PROFILES
from tests.bench import enforced, packets, table
from tests.bench.enforced import Place, Stack
from tests.bench.obeying import Habit, Seen, obeying
from tests.bench.processes import BenchError, free_port
from tests.bench.told import Told

FAMILIES = tuple(family for family, profile in PROFILES.items() if profile.capabilities.coa is not CoaScope.NONE)
PATIENCE_S = 240.0  # a silence takes 30 s, the pause after it 15 s, and a router that was down is tried once in a while
LOOK_S = 0.25
ANSWERS = {"acks": "router_acks_total", "naks": "router_naks_total", "silences": "router_silences_total"}
COLUMNS = ("family", "requests", "ACK", "NAK", "silent", "end p50 s", "end p99 s", "router counted")


@dataclass(frozen=True)
class Share:
    """One family: what the product counted and what its router did, by `ANSWERS`; bounds of the seconds to the end."""

    family: Family
    counted: Mapping[str, int]
    done: Mapping[str, int]
    p50_s: float | None
    p99_s: float | None

    @property
    def agrees(self) -> bool:
        """Whether both counted the same."""
        return dict(self.counted) == dict(self.done)

    def line(self) -> list[str]:
        """The texts under COLUMNS."""
        total = sum(self.counted.values())
        shares = (f"{self.counted[name] / total:.1%}" if total else "-" for name in ANSWERS)
        bounds = ("-" if bound is None else f"<= {bound:g}" for bound in (self.p50_s, self.p99_s))
        theirs = "the same" if self.agrees else ", ".join(f"{count} {name}" for name, count in self.done.items())
        return [self.family.value, str(total), *shares, *bounds, theirs]


def habits(sessions: int, shares: Mapping[Habit, float]) -> dict[int, Habit]:
    """Which sessions are not obeyed at first: the same share of each family's, who have them in turns."""
    found: dict[int, Habit] = {}
    for at in range(len(FAMILIES)):
        mine = iter(range(at, sessions, len(FAMILIES)))
        each = sessions // len(FAMILIES)
        for habit, share in shares.items():
            found |= {next(mine): habit for _ in range(round(each * share))}
    return found


def measure(dynoxide: Path, folder: Path, each: int, shares: Mapping[Habit, float]) -> list[Share]:
    """One closing of all families at once, `each` sessions a family."""
    port, sessions = free_port(), each * len(FAMILIES)
    places = [
        Place(packets.Router(family.value, f"127.0.2.{at}"), family, port) for at, family in enumerate(FAMILIES, 1)
    ]
    terms = enforced.closed_now(time.time())
    with (
        enforced.running(dynoxide, folder, places, terms) as stack,
        obeying(places, stack.radius.acct_port, habits(sessions, shares)) as at,
    ):
        due_at = enforced.seed(stack, places, sessions, terms)
        end = time.monotonic() + due_at - time.time() + PATIENCE_S
        while at.ended() < sessions or not _settled(stack, at.seen()):
            if time.monotonic() > end:
                raise BenchError(f"{at.ended()} of {sessions} sessions ended in {PATIENCE_S:g} s; {folder}/coa.log")
            time.sleep(LOOK_S)
        told, seen = stack.told(), at.seen()
    return [_share(family, told, seen) for family in FAMILIES]


def _settled(stack: Stack, seen: Seen) -> bool:
    """Every answer was counted and every end told; what is said to be gone at the first request is no end of ours."""
    told = stack.told()
    ends = sum(told.value("enforcement_end_seconds_count", family=family.value) for family in FAMILIES)
    return ends >= len(seen.ended_at) - seen.gone.total()


def _share(family: Family, told: Told, seen: Seen) -> Share:
    return Share(
        family,
        {name: int(told.value(series, family=family.value)) for name, series in ANSWERS.items()},
        {name: seen.answers[family.value][name] for name in ANSWERS},
        told.below_s(0.5, "enforcement_end_seconds", family=family.value),
        told.below_s(0.99, "enforcement_end_seconds", family=family.value),
    )


def report(found: Sequence[Share], *, markdown: bool) -> str:
    """The table."""
    return table.render(COLUMNS, [share.line() for share in found], markdown=markdown)
