import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.mpesa.statement import Known, Row, match, parse_statement
from radius.domain.errors import Malformed

FILE = Path(__file__).parents[2] / "vectors" / "mpesa" / "statement.csv"
HEAD = "Receipt No.,Completion Time,Transaction Status,Paid In\n"
DAY = 1_795_467_600  # 2026-11-24 00:00 in Nairobi
HOUR = 3_600


def test_the_portals_file_is_read_with_all_that_stands_around_it() -> None:
    rows = parse_statement(FILE.read_bytes())
    assert rows[:3] == [
        Row(6, "SKO1AAAA01", DAY + 8 * HOUR + 1_800, done=True, paid_in_cents=5_000, account="W37CRTX9H"),
        Row(7, "SKO1AAAA01", DAY + 8 * HOUR + 1_800, done=True, paid_in_cents=0, withdrawn_cents=50),
        Row(8, "SKO1AAAA02", DAY + 9 * HOUR, done=True, paid_in_cents=123_450, account="52810476"),
    ]
    assert not rows[3].done
    assert (rows[4].withdrawn_cents, rows[4].linked_receipt) == (5_000, "SKO1AAAA01")


def test_the_same_file_from_another_program_is_the_same() -> None:
    assert parse_statement(FILE.read_bytes().replace(b"\n", b"\r\n")) == parse_statement(FILE.read_bytes())


def test_each_receipt_is_in_exactly_one_list() -> None:
    known = [
        Known("SKO1AAAA01", 5_000, DAY + 8 * HOUR),
        Known("SKO1AAAA02", 123_400, DAY + 9 * HOUR),  # another amount
        Known("SKO1AAAA03", 10_000, DAY + 10 * HOUR),  # it failed there
        Known("SKO1AAAA99", 1_000, DAY - 1),  # yesterday's: not of this statement
    ]
    found = match(parse_statement(FILE.read_bytes()), known, DAY, DAY + 24 * HOUR)
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
    assert len(match(rows, [], DAY, DAY + 1).missing_here) == 1
    with pytest.raises(Malformed, match="line 3"):
        match(parse_statement((HEAD + line.format(50) + line.format(60)).encode()), [], DAY, DAY + 1)


def test_a_row_is_proof_for_the_payment_it_names() -> None:
    row = parse_statement(FILE.read_bytes())[0]
    assert row.proof("W37CRTX9H") == Proof(
        PaymentEvent.RECEIPT_FOUND,
        reference="W37CRTX9H",
        cents=5_000,
        mpesa_receipt="SKO1AAAA01",
        paid_at=DAY + 8 * HOUR + 1_800,
    )


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "statement"),
        ("Receipt No.,Paid In\n", "line 1"),
        (HEAD + "x,2026-11-24 08:30:00,Completed,1\n", "line 2, receipt no"),
        (HEAD + "SKO1AAAA01,11/24/2026 08:30:00,Completed,1\n", "line 2, completion time"),
        (HEAD + "SKO1AAAA01,2026-11-24 08:30:00,Completed,1e3\n", "line 2, paid in"),
        (HEAD + 'SKO1AAAA01,"2026', "line 2"),
    ],
)
def test_what_cannot_be_read_names_line_and_column(text: str, field: str) -> None:
    with pytest.raises(Malformed) as bad:
        parse_statement(text.encode())
    assert bad.value.field == field


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (HEAD + text).encode(errors="replace")))
def test_any_file_is_rows_or_malformed(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse_statement(data)
