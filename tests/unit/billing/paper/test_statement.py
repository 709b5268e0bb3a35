import pytest

from billing.paper.statement import COLUMNS, DayClose, Sold, render
from radius.domain.errors import Malformed
from radius.domain.nas import Language

SOLD = (Sold("1 hour", 12, 60_000), Sold("Week, two devices, five megabits a second", 1, 50_000))
CLOSE = DayClose("2026-11-25", "Kibera", "Asha", 110_000, 109_950, SOLD, 100_000)

EXPECTED = """\
          Kijani WiFi
      Day close 2026-11-25
Site                      Kibera
Seller                      Asha
--------------------------------
12 x 1 hour              KES 600
1 x Week, two devices,
five megabits a second   KES 500
Sold                   KES 1,100
--------------------------------
Booked                 KES 1,100
Counted             KES 1,099.50
Difference SHORT       -KES 0.50
Handed in              KES 1,000
Left in hand           KES 99.50


________________________________
Seller's signature


________________________________
Received by
"""


def test_the_statement_of_a_day_literally() -> None:
    assert render("Kijani WiFi", CLOSE) == EXPECTED


def test_a_surplus_is_called_one_and_a_right_count_nothing() -> None:
    over = render("K", DayClose("2026-11-25", "s", "a", 100, 300), 80, Language.SWAHILI)
    assert "Tofauti ZIADA" in over
    assert "Ksh 2" in over
    even = render("K", DayClose("2026-11-25", "s", "a", 100, 100))
    assert "SHORT" not in even
    assert "OVER" not in even


def test_a_statement_of_all_sites_names_none() -> None:
    assert "Site" not in render("K", DayClose("2026-11-25", "", "a", 100, 100))


def test_what_was_booked_and_not_sold_is_shown() -> None:
    assert "Other bookings           -KES 50\n" in render(
        "K", DayClose("d", "s", "a", 5_000, 5_000, (Sold("x", 1, 10_000),))
    )


@pytest.mark.parametrize("paper_mm", COLUMNS)
@pytest.mark.parametrize("language", Language)
def test_no_line_is_wider_than_the_paper(paper_mm: int, language: Language) -> None:
    long = "A very long name of a shop " * 4
    close = DayClose("2026-11-25", long, "x" * 100, 10**14, -(10**14), (Sold(long, 9_999, 10**14),))
    assert max(map(len, render(long, close, paper_mm, language).splitlines())) <= COLUMNS[paper_mm]


def test_a_name_gives_the_printer_no_orders_and_breaks_no_line() -> None:
    text = render("K\x1bp\x00", DayClose("2026-11-25", "Ki\nbera", "José\x1d", 0, 0))
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert "Kibera\n" in text
    assert "Jose\n" in text


def test_paper_of_another_width_is_refused() -> None:
    with pytest.raises(Malformed, match="paper_mm: must be one of 58, 80"):
        render("K", CLOSE, 57)
