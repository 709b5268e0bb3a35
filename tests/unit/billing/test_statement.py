"""What the rows of a statement are, and whose they can be."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.statement import Known, Row, days_covered, match, sort, sure
from billing.mpesa.statement import parse_statement
from radius.domain.errors import Malformed

FILE = Path(__file__).parents[2] / "vectors" / "mpesa" / "statement.csv"
HEAD = "Receipt No.,Completion Time,Transaction Status,Paid In\n"
DAY = 1_795_467_600  # 2026-11-24 00:00 in Nairobi
HOUR = 3_600


def test_the_rows_are_told_apart() -> None:
    found = sort(parse_statement(FILE.read_bytes()))
    assert [row.mpesa_receipt for row in found.came] == ["SKO1AAAA05", "SKO1AAAA01", "SKO1AAAA02"]
    assert [(row.line, row.withdrawn_cents) for row in found.charges] == [(7, 50)]
    assert [(row.mpesa_receipt, row.linked_receipt) for row in found.reversals] == [("SKO1AAAA04", "SKO1AAAA01")]
    assert found.other == ()


def test_a_charge_stands_under_what_it_is_for_and_all_else_that_left_is_a_persons() -> None:
    charge = Row(1, "SKO1AAAA04", DAY, done=True, paid_in_cents=0, withdrawn_cents=300)
    back = charge._replace(line=2, withdrawn_cents=5_000, linked_receipt="SKO1AAAA01")
    bank = charge._replace(line=3, mpesa_receipt="SKO1AAAA09", withdrawn_cents=900_000)
    undone = charge._replace(line=4, done=False)
    found = sort([charge, back, bank, undone])
    assert (found.came, found.charges, found.reversals, found.other) == ((), (charge,), (back,), (bank,))


def test_each_receipt_is_in_exactly_one_list() -> None:
    known = [
        Known("SKO1AAAA01", 5_000, DAY + 8 * HOUR),
        Known("SKO1AAAA02", 123_400, DAY + 9 * HOUR),  # another amount
        Known("SKO1AAAA03", 10_000, DAY + 10 * HOUR),  # it failed there
        Known("SKO1AAAA99", 1_000, DAY - 1),  # yesterday's: not of this statement
    ]
    found = match(sort(parse_statement(FILE.read_bytes())).came, known, DAY, DAY + 24 * HOUR)
    assert [row.mpesa_receipt for row in found.matched] == ["SKO1AAAA01"]
    assert [row.mpesa_receipt for row in found.missing_here] == ["SKO1AAAA05"]
    assert [one.mpesa_receipt for one in found.missing_there] == ["SKO1AAAA03"]
    assert [one.mpesa_receipt for _, one in found.different] == ["SKO1AAAA02"]


def test_a_receipt_of_ours_at_the_edge_of_the_period_is_known_to_its_row() -> None:
    found = match(parse_statement(FILE.read_bytes())[-1:], [Known("SKO1AAAA05", 2_000, DAY - 5)], DAY, DAY + 24 * HOUR)
    assert [row.mpesa_receipt for row in found.matched] == ["SKO1AAAA05"]


def test_a_receipt_listed_twice_counts_once_and_may_not_contradict_itself() -> None:
    line = "SKO1AAAA01,2026-11-24 08:30:00,Completed,{}\n"
    rows = parse_statement((HEAD + line.format(50) * 2).encode())
    assert len(match(sort(rows).came, [], DAY, DAY + 1).missing_here) == 1
    with pytest.raises(Malformed, match="line 3"):
        sort(parse_statement((HEAD + line.format(50) + line.format(60)).encode()))


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (DAY, DAY + 24 * HOUR, ("2026-11-24", "2026-11-24")),
        (DAY - 24 * HOUR, DAY + 24 * HOUR, ("2026-11-23", "2026-11-24")),
        (DAY + 1, DAY + 48 * HOUR, ("2026-11-25", "2026-11-25")),
        (DAY, DAY + 24 * HOUR - 1, None),
        (DAY + 1, DAY + 24 * HOUR + 5, None),
        (0, 0, None),
    ],
)
def test_a_day_is_covered_when_all_of_it_is(since: int, until: int, days: tuple[str, str] | None) -> None:
    assert days_covered(since, until) == days


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"p": ["x"]}, {"p": "x"}),
        ({"p": ["x", "y"]}, {}),
        ({"p": ["x"], "q": ["x", "y"]}, {"p": "x", "q": "y"}),
        ({"p": ["x"], "q": ["x"]}, {}),
        ({"p": ["x"], "q": ["x"], "r": ["x", "y"]}, {}),
        ({"p": ["x", "y"], "q": ["x", "y"]}, {}),
        ({"p": []}, {}),
    ],
)
def test_what_can_be_only_one_is_that(options: dict[str, list[str]], found: dict[str, str]) -> None:
    assert sure(options) == found


@given(st.permutations(range(6)), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_what_is_sure_is_so_in_every_way_the_money_can_have_come(truth: list[int], more: set[tuple[int, int]]) -> None:
    """Whatever else it might be, each payment's own row is among its options: what is told is then that row."""
    options = {f"p{key}": {f"r{truth[key]}"} | {f"r{value}" for own, value in more if own == key} for key in range(6)}
    assert all(value == f"r{truth[int(key[1:])]}" for key, value in sure(options).items())
