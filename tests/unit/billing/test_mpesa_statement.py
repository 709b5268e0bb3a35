import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.mpesa.statement import PROBLEMS_MAX, Row, parse_statement, read_statement
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


def test_a_row_is_proof_for_the_payment_it_names() -> None:
    row = parse_statement(FILE.read_bytes())[0]
    assert row.proof("W37CRTX9H") == Proof(
        PaymentEvent.RECEIPT_FOUND,
        reference="W37CRTX9H",
        cents=5_000,
        mpesa_receipt="SKO1AAAA01",
        paid_at=DAY + 8 * HOUR + 1_800,
    )


def test_the_head_says_whose_it_is_and_for_when() -> None:
    found = read_statement(FILE.read_bytes())
    assert (found.shortcode, found.since, found.until, found.problems) == ("174379", DAY, DAY + 24 * HOUR, ())


@pytest.mark.parametrize(
    "head", ["", "Short Code:,our till\nTime Period:,From yesterday To today\n", "Time Period:\n,\nShort Code:\n"]
)
def test_without_a_head_the_period_is_that_of_the_rows(head: str) -> None:
    line = "SKO1AAAA01,{},Completed,1\n"
    rows = line.format("2026-11-24 09:00:00") + line.format("2026-11-24 08:00:00")
    found = read_statement(f"{head}{HEAD}{rows}".encode())
    assert (found.shortcode, found.since, found.until) == ("", DAY + 8 * HOUR, DAY + 9 * HOUR + 1)


def test_a_row_that_cannot_be_read_costs_no_other() -> None:
    good = "SKO1AAAA01,2026-11-24 08:30:00,Completed,50\n"
    found = read_statement((HEAD + good + "?,2026-11-24 08:30:00,Completed,1\n\n" + good.replace("50", "1e3")).encode())
    assert [row.line for row in found.rows] == [2]
    assert [problem.field for problem in found.problems] == ["line 3, receipt no", "line 5, paid in"]
    with pytest.raises(Malformed, match=f"more than {PROBLEMS_MAX} lines"):
        read_statement((HEAD + "?\n" * (PROBLEMS_MAX + 1)).encode())


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
