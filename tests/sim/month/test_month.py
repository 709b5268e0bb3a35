"""Reports of a simulated month against a recount that knows nothing of the product; and reports that are wrong."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.domain.daraja import ErrorClass
from billing.domain.journal import Cause
from billing.domain.payment import PaymentState
from billing.reports import figures, gather, paying, people, span
from billing.reports.gather import Gather
from tests.contract.cli.conftest import make
from tests.fixtures_engine import Engine
from tests.sim.month import recount
from tests.sim.month.check import MONTH, Asker, check, differences, peculiar
from tests.sim.month.diary import Diary
from tests.sim.month.life import END, Life
from tests.sim.month.recount import Recount

SEED, CUSTOMERS = 4, 30  # all that is peculiar happens
Mutant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def lived(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asker, Diary]]:
    for world in make(engine, tmp_path_factory.mktemp("month")):
        diary = Life(world, SEED, CUSTOMERS).run()
        assert all(peculiar(diary).values())
        yield Asker(world), diary


def test_every_figure_is_that_of_the_diary(lived: tuple[Asker, Diary]) -> None:
    assert check(*lived) == []


def test_the_recount_knows_nothing_of_the_product() -> None:
    tree = ast.parse(Path(recount.__file__).read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in named if name and name.partition(".")[0] in {"billing", "coa", "radius"}}
    assert "tests.sim.month.diary" in named


def days_of_utc(patch: pytest.MonkeyPatch) -> None:
    """A day begins at midnight in Greenwich."""
    right = span.begin
    patch.setattr(span, "begin", lambda day: right(day) + 3 * 3_600)


def refunds_on_the_day_of_the_sale(patch: pytest.MonkeyPatch) -> None:
    right = Gather._around

    def around(self: Gather, *given: Any) -> list[figures.Sold]:
        found, moved = right(self, *given), []
        day_of = {each.journal.id: each.journal.fact.day for each in found}
        for each in found:
            day = day_of.get(each.journal.reverses, each.journal.fact.day)
            fact = msgspec.structs.replace(each.journal.fact, day=day)
            moved.append(each._replace(journal=msgspec.structs.replace(each.journal, fact=fact)))
        return moved

    patch.setattr(Gather, "_around", around)


def by_the_day_it_was_booked(patch: pytest.MonkeyPatch) -> None:
    """What came late counts when it came."""
    right = gather.walk.entries

    def entries(book: Any, day: str) -> Iterator[Any]:
        for back in range(4):
            for each in right(book, span.shifted(day, -back)):
                if gather.business_day(each.journal.fact.at) == day:
                    fact = msgspec.structs.replace(each.journal.fact, day=day)
                    yield each._replace(journal=msgspec.structs.replace(each.journal, fact=fact))

    patch.setattr(gather.walk, "entries", entries)


def twice(name: str) -> Mutant:
    """What is read is counted twice."""
    right = getattr(Gather, name)

    def read(self: Gather, *given: Any) -> Iterator[Any]:
        for each in right(self, *given):
            yield from (each, each)

    return lambda patch: patch.setattr(Gather, name, read)


def records(change: Callable[[Any], dict[str, Any]]) -> Mutant:
    """Session records are understood otherwise."""
    right = Gather._records

    def read(self: Gather, *given: Any) -> Iterator[Any]:
        for each in right(self, *given):
            yield msgspec.structs.replace(each, **change(each))

    return lambda patch: patch.setattr(Gather, "_records", read)


def setting(where: Any, name: str, value: Any) -> Mutant:
    return lambda patch: patch.setattr(where, name, value)


def everybody_is_new(patch: pytest.MonkeyPatch) -> None:
    """The mark of the first sale is not looked at: who was away for long is new again."""
    right = Gather._home
    patch.setattr(Gather, "_home", lambda self, who: right(self, who)._replace(bought_at=0))


MUTANTS: dict[str, tuple[Mutant, str]] = {
    "days of UTC": (days_of_utc, ".sessions"),
    "refunds on the sale's day": (refunds_on_the_day_of_the_sale, ".revenue"),
    "late events on the day they came": (by_the_day_it_was_booked, ".revenue"),
    "payments twice": (twice("_payments"), ".paying"),
    "journals twice": (twice("_sold"), ".revenue"),
    "money on balances is sold": (setting(figures, "SALES", figures.SALES | {Cause.TOP_UP}), ".trade"),
    "balances sell nothing": (setting(figures, "SALES", figures.SALES - {Cause.PURCHASE}), ".trade"),
    "vouchers sell nothing": (setting(gather, "SALES", gather.SALES - {Cause.VOUCHER_REDEEMED}), ".churn"),
    "a mean for a median": (setting(figures, "rank", lambda values, _part: figures.mean(values)), ".trade.median"),
    "who only pays is not active": (setting(gather, "PAID", frozenset()), ".people.active"),
    "everybody is new": (everybody_is_new, ".people.new"),
    "open payments have failed": (
        setting(paying, "_FAILED", paying._FAILED | {PaymentState.PENDING}), ".paying.success",
    ),
    "customers' doing is ours": (setting(paying, "fault", lambda _payment: ErrorClass.SYSTEM), ".paying.system"),
    "nothing is late": (setting(figures, "closes_at", lambda day: span.begin(span.shifted(day, 9))), ".revenue.late"),
    "any gap is an absence": (setting(people, "GONE_S", 0), ".people.came_back"),
    "a week is eight days": (setting(gather, "GONE_DAYS", (8, 30, 90)), ".churn.0"),
    "reaped sessions have a length": (records(lambda each: {"clean_stop": True}), ".sessions.reaped"),
    "empty sessions have a length": (records(lambda each: {"time_s": each.time_s or 1}), ".sessions.ended"),
    "sessions end when they begin": (records(lambda each: {"closed_at": each.started_at}), ".sessions"),
    "only what is downloaded is data": (records(lambda each: {"in_bytes": 0}), ".sessions.data"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_report_that_is_wrong_is_found_out(
    name: str, lived: tuple[Asker, Diary], monkeypatch: pytest.MonkeyPatch
) -> None:
    asker, diary = lived
    mutate, where = MUTANTS[name]
    mutate(monkeypatch)
    found = differences(asker.told(*MONTH, ""), Recount(diary, *MONTH, "", END).figures())
    assert [line for line in found if line.startswith(where)], found
