import csv
import io
from pathlib import Path

import pytest

from billing.domain.batch import Batch
from billing.domain.catalogue import CATALOGUE
from billing.paper.slips import Brand, Slip, check_brand, slips
from billing.paper.table import COLUMNS, ENCODING, write_csv
from billing.paper.words import WORDS, last_day
from radius.domain.errors import Malformed
from radius.domain.nas import Language

BATCH = Batch("B12", "hour", 5_000, 3, made_at=1_790_000_000, holder="asha", redeem_by=1_798_750_800, site="kibera")


def rows(*given: Slip) -> list[list[str]]:
    out = io.StringIO(newline="")
    write_csv(given, out)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))


def test_a_batch_becomes_slips_in_the_order_of_serial_numbers() -> None:
    made = list(slips(BATCH, CATALOGUE[0], ["111", "222", "333"], Language.SWAHILI, "Kibera"))
    assert [(each.serial, each.code) for each in made] == [
        ("B12-0001", "111"),
        ("B12-0002", "222"),
        ("B12-0003", "333"),
    ]
    assert {(each.package, each.price_cents, each.redeem_by, each.site) for each in made} == {
        (CATALOGUE[0].name_sw, 5_000, BATCH.redeem_by, "Kibera")
    }


@pytest.mark.parametrize("codes", [["111", "222"], ["1", "2", "3", "4"]])
def test_codes_that_do_not_count_to_the_batch_are_a_broken_contract(codes: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        list(slips(BATCH, CATALOGUE[0], codes, Language.ENGLISH))


def test_csv_has_the_columns_and_a_line_for_each_voucher() -> None:
    assert rows(
        Slip("B12-0001", "123456789012", "1 hour", 5_050, 1_798_750_800, "Kibera"), Slip("B1-0002", "12345", "x", 100)
    ) == [
        list(COLUMNS),
        ["B12-0001", "1234 5678 9012", "1 hour", "50.50", "2026-12-31", "Kibera"],
        ["B1-0002", "1234 5", "x", "1", "", ""],
    ]


@pytest.mark.parametrize("bad", ["=1+1", "+254", "-2", "@SUM(A1)", "\tx", "\r=1", "  =1", "\n=1", "＝1"])  # noqa: RUF001
def test_no_cell_is_run_by_a_spreadsheet(bad: str) -> None:
    [_, row] = rows(Slip("S", "1", bad, 100, 0, bad))
    assert [row[2], row[5]] == [f"'{bad}"] * 2


def test_quotes_commas_and_accents_survive(tmp_path: Path) -> None:
    path = tmp_path / "vouchers.csv"
    with path.open("w", encoding=ENCODING, newline="") as file:
        write_csv([Slip("S", "1", 'Café, "big"', 100)], file)
    with path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file))[1][2] == 'Café, "big"'
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("redeem_by", "day"),
    [(0, ""), (1_798_750_800, "31/12/2026"), (1_798_750_799, "31/12/2026 23:59"), (1_798_772_400, "01/01/2027 06:00")],
)
def test_the_last_day_is_one_on_which_it_still_works(redeem_by: int, day: str) -> None:
    assert last_day(redeem_by) == day


@pytest.mark.parametrize(
    ("brand", "field"),
    [
        (Brand(""), "brand"),
        (Brand("x" * 25), "brand"),
        (Brand("two\nlines"), "brand"),
        (Brand("网络"), "brand"),
        (Brand("Kijani", "x" * 21), "support"),
        (Brand("Kijani", portal_url="ftp://x"), "portal_url"),
        (Brand("Kijani", portal_url="https://u:p@x/"), "portal_url"),
        (Brand("Kijani", portal_url="https:///x"), "portal_url"),
        (Brand("Kijani", portal_url="https://x/?code="), "portal_url"),
        (Brand("Kijani", portal_url="https://x/#"), "portal_url"),
        (Brand("Kijani", portal_url="https://x/ y"), "portal_url"),
        (Brand("Kijani", portal_url="https://" + "x" * 73), "portal_url"),
    ],
)
def test_a_brand_that_cannot_be_printed_is_refused_by_name(brand: Brand, field: str) -> None:
    with pytest.raises(Malformed, match=f"^{field}: must"):
        check_brand(brand)


def test_what_fits_is_a_brand() -> None:
    brand = Brand("Café Kijani", "0712 345 678", portal_url="http://10.5.50.1/redeem")
    assert check_brand(brand) is brand


def test_both_languages_say_everything_and_not_the_same() -> None:
    for english, swahili in zip(WORDS[Language.ENGLISH], WORDS[Language.SWAHILI], strict=True):
        assert english
        assert swahili
        assert english != swahili
