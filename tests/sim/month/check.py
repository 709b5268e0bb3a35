"""Reports beside the recount, figure by figure."""

from collections.abc import Iterator
from typing import Any

from billing.cli.report import plain
from billing.reports.gather import Gather
from tests.contract.cli.isp import World
from tests.contract.values import soon
from tests.sim.month.diary import Diary
from tests.sim.month.life import END
from tests.sim.month.recount import Recount, day_of

MONTH = ("2026-10-01", "2026-10-31")
SITES = ("kilimani", "lodge")


def asked(diary: Diary) -> Iterator[tuple[str, str, str]]:
    """First day, last day, site: the month, a week over its begin, and days on which something went otherwise."""
    yield from ((*MONTH, site) for site in ("", *SITES))
    yield "2026-09-28", "2026-10-04", ""
    for day in sorted(set(peculiar(diary).values()) - {""}):
        yield day, day, ""


def peculiar(diary: Diary) -> dict[str, str]:
    """A day of the month for each thing that must have happened in it, "" for what did not."""
    sales = [sale for sale in diary.sales if inside(sale.at)]
    stays = [stay for stay in diary.stays if inside(stay.end)]
    backs = [back for back in diary.backs if inside(back.at)]
    kinds = {
        "late": [sale.at for sale in sales if sale.noted_at > sale.at + 86_400],
        "early morning": [sale.at for sale in sales if (sale.at + 3 * 3_600) % 86_400 < 3 * 3_600],
        "balance": [sale.at for sale in sales if sale.way == "purchase"],
        "voucher": [sale.at for sale in sales if sale.way == "voucher_redeemed"],
        "refund": [back.at for back in backs if not back.unsaid and day_of(back.sale.at) < day_of(back.at)],
        "unsaid": [back.at for back in backs if back.unsaid],
        "reaped": [stay.end for stay in stays if not stay.stopped],
        "over midnight": [stay.end for stay in stays if day_of(stay.begin) != day_of(stay.end)],
        "nothing": [stay.end for stay in stays if stay.stopped and stay.begin == stay.end],
        "beyond": [stay.end for stay in stays if stay.excess],
        "open": [each.at for each in diary.tries if each.end == "open" and inside(each.at)],
    }
    return {kind: day_of(min(ats)) if ats else "" for kind, ats in kinds.items()}


def inside(at: int) -> bool:
    """Of the month."""
    return MONTH[0] <= day_of(at) <= MONTH[1]


class Remembered:
    """A store whose answers are kept: nothing happens any more, and reports are asked for again and again."""

    def __init__(self, target: Any) -> None:
        self._target, self._kept = target, {}  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        def ask(*given: Any) -> Any:
            key = (name, repr(given[:-1]))  # without the deadline
            if key not in self._kept:
                self._kept[key] = getattr(self._target, name)(*given)
            return self._kept[key]

        return ask


class Asker:
    """Asks for reports of one world."""

    def __init__(self, world: World) -> None:
        self._book = world.billing().book
        self._book.stores = type(self._book.stores)(*map(Remembered, self._book.stores))
        self._sessions: Any = Remembered(world.core.store.sessions)
        self._tallies = world.core.store.tallies

    def told(self, first: str, last: str, site: str) -> dict[str, Any]:
        """The report as JSON has it, without what no recount can know."""
        gather = Gather(self._book, self._sessions, self._tallies, SITES, "2026-07-01", soon)
        found = plain(gather.report(first, last, site, END))
        found["paying"]["by_code"] = sorted(list(each.values()) for each in found["paying"]["by_code"])
        del found["sessions"]["peak_at"]
        return {name: found[name] for name in ("revenue", "trade", "people", "churn", "sessions", "paying")}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """What is not the same, by its name."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted({*one, *other}, key=str)
        return [line for name in names for line in differences(one.get(name), other.get(name), f"{path}.{name}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for at, (a, b) in pairs for line in differences(a, b, f"{path}.{at}")]
    return [] if one == other else [f"{path}: the report says {one}, the recount {other}"]


def check(asker: Asker, diary: Diary) -> list[str]:
    """Every difference in every report that is asked for."""
    return [
        f"{first} to {last} {site}{line}"
        for first, last, site in asked(diary)
        for line in differences(asker.told(first, last, site), Recount(diary, first, last, site, END).figures())
    ]
