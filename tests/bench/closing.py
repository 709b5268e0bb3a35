"""A site closes: thousands of sessions must end in the same second. How long until the last one has?

The intents of all fall due at one instant (what as many reports after closing time leave behind). The clock runs until
the Stop of the last session was acknowledged, on one router, on ten, on a hundred; with two sizes it shows growth.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from radius.domain.nas import Family
from tests.bench import enforced, packets, table
from tests.bench.enforced import Place, Stack
from tests.bench.obeying import Obeying, Seen, obeying
from tests.bench.processes import BenchError, free_port

PATIENCE_S = 600.0
LOOK_S = 0.25
COLUMNS = ("routers", "sessions", "first Disconnect s", "last Disconnect s", "last end s", "ends/s", "ended once",
           "coa CPU us", "radiusd CPU us", "store CPU us", "worker CPU us")  # fmt: skip
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Evening:
    """One closing. Seconds from the instant at which all fell due; processor seconds by program."""

    routers: int
    sessions: int
    first_s: float
    last_asked_s: float
    last_end_s: float
    disconnects: int
    processor_s: tuple[float, float, float, float]

    def line(self) -> list[str]:
        """The texts under COLUMNS."""
        return [
            str(self.routers),
            f"{self.sessions:,}",
            f"{self.first_s:.2f}",
            f"{self.last_asked_s:.1f}",
            f"{self.last_end_s:.1f}",
            f"{self.sessions / self.last_end_s:,.0f}",
            f"{self.sessions / self.disconnects:.1%}",
            *(f"{seconds / self.sessions * 1e6:,.0f}" for seconds in self.processor_s),
        ]


def places(count: int, family: Family = Family.WISPR) -> list[Place]:
    """Routers on loopback addresses of their own."""
    port = free_port()
    return [
        Place(packets.Router(f"closing-{number}", f"127.0.{2 + number // 250}.{1 + number % 250}"), family, port)
        for number in range(count)
    ]


def measure(dynoxide: Path, folder: Path, routers: int, sessions: int) -> Evening:
    """One closing on a product of its own."""
    where = places(routers)
    terms = enforced.closed_now(time.time())
    with (
        enforced.running(dynoxide, folder, where, terms) as stack,
        obeying(where, stack.radius.acct_port) as at,
    ):
        due_at = enforced.seed(stack, where, sessions, terms)
        before = _processor_s(stack)
        seen = _await(stack, at, sessions, due_at)
        used = tuple(now - then for now, then in zip(_processor_s(stack), before, strict=True))
        assert len(used) == 4
        return _evening(seen, routers, sessions, due_at + time.monotonic() - time.time(), used)


def _await(stack: Stack, at: Obeying, sessions: int, due_at: int) -> Seen:
    end = time.monotonic() + due_at - time.time() + PATIENCE_S
    while at.ended() < sessions:
        if time.monotonic() > end:
            raise BenchError(f"{at.ended()} of {sessions} sessions ended in {PATIENCE_S:g} s; {stack.radius.log}")
        time.sleep(LOOK_S)
    return at.seen()


def _evening(
    seen: Seen, routers: int, sessions: int, due_at: float, processor_s: tuple[float, float, float, float]
) -> Evening:
    asked = seen.asked_at.values()
    counted = sum(counts.total() for counts in seen.answers.values())
    return Evening(
        routers,
        sessions,
        min(asked) - due_at,
        max(asked) - due_at,
        max(seen.ended_at.values()) - due_at,
        counted,
        processor_s,
    )


def _processor_s(stack: Stack) -> tuple[float, float, float, float]:
    coa, radiusd, store, worker = (_used_s(pid) for pid in (stack.coa, stack.radius.pid, stack.store, stack.worker))
    return coa, radiusd, store, worker


def _used_s(pid: int) -> float:
    """Processor time of a process, all its threads: utime and stime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def report(evenings: Sequence[Evening], *, markdown: bool) -> str:
    """The table."""
    return table.render(COLUMNS, [evening.line() for evening in evenings], markdown=markdown)
