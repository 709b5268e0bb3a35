"""Amounts as people and Daraja write them, and taxes that lose no cent."""

import pytest

from billing.domain import money
from billing.domain.money import NO_TAX, VAT_KENYA, TaxRate, rate_on, split
from radius.domain.errors import Malformed
from radius.domain.nas import Language


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("50", 5_000),
        ("5.00", 500),
        ("1.0", 100),
        ("0.5", 50),
        ("0.05", 5),
        ("0", 0),
        (" KES 1,234.50 ", 123_450),
        ("Ksh 50", 5_000),
        ("sh. 7", 700),
        ("1,000,000", 100_000_000),
        ("250000", 25_000_000),
        ("5.000", 500),
        ("10000000000", 10**12),
    ],
)
def test_an_amount_is_read_to_the_cent(text: str, cents: int) -> None:
    assert money.parse(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "+5",
        "5.",
        ".5",
        "5.001",
        "1e3",
        "12,34",
        "1,2345",
        "1.234,50",
        "5 0",
        "\u0665",
        "NaN",
        "USD 5",
        "5/-",
        "1_000",
    ],
)
def test_what_is_no_amount_is_refused_and_named(text: str) -> None:
    with pytest.raises(Malformed, match=r"^price: must be shillings"):
        money.parse(text, "price")


def test_more_than_any_book_holds_is_a_typing_error() -> None:
    with pytest.raises(Malformed, match="at most 10,000,000,000 shillings"):
        money.parse("10000000000.01")


@pytest.mark.parametrize(
    ("cents", "english", "swahili"),
    [
        (5_000, "KES 50", "Ksh 50"),
        (123_450, "KES 1,234.50", "Ksh 1,234.50"),
        (5, "KES 0.05", "Ksh 0.05"),
        (0, "KES 0", "Ksh 0"),
        (-105, "-KES 1.05", "-Ksh 1.05"),
    ],
)
def test_an_amount_is_printed_for_people(cents: int, english: str, swahili: str) -> None:
    assert money.text(cents) == english
    assert money.text(cents, Language.SWAHILI) == swahili


def test_daraja_is_asked_for_whole_shillings_only() -> None:
    assert money.whole_shillings(5_000) == 50
    for cents in (5_001, 99, 0, -100):
        with pytest.raises(Malformed, match="whole shillings, at least 1"):
            money.whole_shillings(cents)


@pytest.mark.parametrize(
    ("gross", "points", "net", "tax"),
    [
        (5_000, 1_600, 4_310, 690),  # 689.66
        (11_600, 1_600, 10_000, 1_600),
        (1, 1_600, 1, 0),
        (4, 1_600, 3, 1),  # 0.55
        (5_000, 0, 5_000, 0),
        (3, 10_000, 1, 2),  # 1.5 counts up
        (0, 1_600, 0, 0),
    ],
)
def test_the_tax_is_taken_out_of_the_price(gross: int, points: int, net: int, tax: int) -> None:
    assert split(gross, TaxRate("2021-01-01", points)) == (net, tax)


def test_the_rate_is_that_of_the_day() -> None:
    rates = (TaxRate("2021-01-01", 1_600), TaxRate("2020-04-01", 1_400), TaxRate("2027-07-01", 1_800))
    assert rate_on(rates, "2020-03-31") is NO_TAX
    assert rate_on(rates, "2020-04-01").basis_points == 1_400
    assert rate_on(rates, "2020-12-31").basis_points == 1_400
    assert rate_on(rates, "2021-01-01").basis_points == 1_600
    assert rate_on(rates, "2027-06-30").basis_points == 1_600
    assert rate_on(rates, "2030-01-01").basis_points == 1_800
    assert rate_on((), "2026-11-25") is NO_TAX
    assert rate_on(VAT_KENYA, "2026-11-25").id == "2021-01-01.1600"


def test_a_share_is_rounded_down() -> None:
    assert money.share(5_000, 2, 3) == 3_333
