"""`report` over the engine: days of sales and sessions made by the services, and figures recomputed by hand."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from billing.cli.exits import Exit
from billing.cli.show import amount
from billing.domain.money import VAT_KENYA, split
from tests.contract.cli.isp import ANNEX, LAPTOP, World
from tests.contract.values import soon
from tests.unit.billing.values import TILL

JANE, OTIENO, AMINA = "0712345678", "0722000111", "0733000222"
DAY_S = 86_400


def net(cents: int) -> int:
    return split(cents, VAT_KENYA[0]).net_cents


@pytest.fixture
def days(world: World) -> World:
    """Jane pays and is online; Otieno, at the lodge, does not pay. The day after both pay, and she gets half back."""
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    jane, otieno = world.registered(JANE), world.registered(OTIENO, site="lodge")
    world.buys(jane, "daily.1", "TKP0000001", phone=JANE)
    world.buys(otieno, "daily.1", "TKP0000002", phone=OTIENO, paid=False)
    world.online(JANE, seconds=600)
    world.stops(JANE)
    world.clock.now += DAY_S
    world("sell", "daily", "--to", OTIENO, yes=True)
    second = world.buys(jane, "daily.1", "TKP0000003", phone=JANE)
    world.online(OTIENO, mac=LAPTOP, router=ANNEX, session="91c00001", used=(1_000, 4_000_000_000), seconds=1_200)
    world.stops(OTIENO, ANNEX, "91c00001", LAPTOP)
    back = ("--way", "balance", "--amount", "25", "--reason", "rain", "--approved-by", "otieno")
    assert world("payments", "refund", second, *back, yes=True).code == Exit.DONE
    world.clock.now += DAY_S
    return world


def test_a_day(days: World) -> None:
    told = days("report", "daily", "--day", "2026-11-25", "--json").json()
    assert (told["first"], told["last"]) == ("2026-11-25", "2026-11-25")
    assert told["revenue"]["gross_cents"] == told["revenue"]["net_cents"] == net(5_000)
    assert told["revenue"]["taken_cents"] == {"mpesa_clearing": 5_000}
    assert told["trade"] == {
        "sales": 1, "mean_cents": 5_000, "median_cents": 5_000, "payers": 1, "by_way": {"sale_mpesa": 1},
    }  # fmt: skip
    assert (told["people"]["active"], told["people"]["new"], told["people"]["arppu_cents"]) == (1, 1, net(5_000))
    assert (told["sessions"]["ended"], told["sessions"]["mean_s"], told["sessions"]["peak"]) == (1, 600, 1)
    assert (told["paying"]["begun"], told["paying"]["paid"], told["paying"]["conversion"]) == (2, 1, 5_000)


def test_a_week_with_its_refund_and_its_sites(days: World) -> None:
    told = days("report", "weekly", "--day", "2026-11-27", "--json").json()
    assert (told["first"], told["last"]) == ("2026-11-23", "2026-11-29")
    revenue = told["revenue"]
    assert (revenue["gross_cents"], revenue["refunds_cents"]) == (3 * net(5_000), net(2_500))
    assert revenue["net_cents"] + revenue["tax_cents"] == 3 * 5_000 - 2_500
    assert {name: part["net_cents"] for name, part in revenue["by_package"].items()} == {"daily": revenue["net_cents"]}
    assert {name: (part["gross_cents"], part["refunds_cents"]) for name, part in revenue["by_site"].items()} == {
        "kilimani": (2 * net(5_000), net(2_500)), "lodge": (net(5_000), 0),
    }  # fmt: skip
    assert revenue["taken_cents"] == {"cash_in_hand": 5_000, "mpesa_clearing": 10_000}
    assert told["people"]["new_by_day"] == {
        **{f"2026-11-{day}": 0 for day in (23, 24, 27, 28, 29)}, "2026-11-25": 1, "2026-11-26": 1,
    }  # fmt: skip
    assert told["sessions"]["data_bytes"] == 10_000_000 + 4_000_001_000
    assert told["sessions"]["top"][0][1] == 4_000_001_000
    assert [(each["days"], each["matured"]) for each in told["churn"]] == [(7, False), (30, False), (90, False)]


def test_a_month_of_one_site(days: World) -> None:
    told = days("report", "monthly", "--day", "2026-11-03", "--site", "lodge", "--json").json()
    assert (told["first"], told["last"], told["site"]) == ("2026-11-01", "2026-11-30", "lodge")
    assert told["revenue"]["net_cents"] == net(5_000)
    assert (told["sessions"]["ended"], told["paying"]["paid"], told["paying"]["begun"]) == (1, 0, 1)


def test_the_books_and_the_report_agree(days: World) -> None:
    sums = {row["account"]: row["cents"] for row in days("ledger", "account", "--from", "2026-11-23", "--json").json()}
    told = days("report", "weekly", "--day", "2026-11-26", "--json").json()
    assert told["revenue"]["net_cents"] == -sums["revenue:daily"] - sums["refunds:daily"]
    assert told["revenue"]["taken_cents"]["mpesa_clearing"] == sums[f"mpesa_clearing:{TILL}"]


def test_for_people_and_for_a_spreadsheet(days: World, tmp_path: Path) -> None:
    out = tmp_path / "week.csv"
    ran = days("report", "weekly", "--day", "2026-11-26", "--csv", str(out))
    assert ran.out.splitlines()[0] == "2026-11-23 to 2026-11-29 (not over yet)"
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["net", "daily", "KES", "107.75"] in lines
    assert ["paid", "of", "all", "66.7", "%"] in lines
    rows = dict(csv.reader(out.read_text().splitlines()))
    assert (rows["revenue.gross_cents"], rows["paying.begun"]) == (str(3 * net(5_000)), "3")
    assert days("report", "weekly", "--csv", "/nowhere/x.csv").code == Exit.USAGE
    assert days("report", "weekly", "--html", "/nowhere/x.html").code == Exit.USAGE
    assert days("report", "daily", "--day", "2027-01-01").code == Exit.USAGE
    assert days("report", "daily").out.splitlines()[0] == "2026-11-26 to 2026-11-26"


def test_a_page_with_charts(days: World, tmp_path: Path) -> None:
    out = tmp_path / "week.html"
    ran = days("report", "weekly", "--day", "2026-11-26", "--html", str(out), "--json")
    text = out.read_text(encoding="utf-8")
    assert "23 to 29 November 2026" in text
    assert f"<td>{amount(ran.json()['revenue']['net_cents'])}</td>" in text
    assert text.count("<svg") > 5


def test_how_the_service_ran_is_what_its_processes_kept(days: World) -> None:
    assert "not recorded" in days("report", "daily", "--day", "2026-11-25").out
    for process, counts in (("radius@a", {"AuthLatency<=0.025": 99}), ("radius@b", {"AuthLatency<=0.3": 1})):
        days.core.store.tallies.tally("2026-11-25", process, counts, days.clock.now, soon())
    told = days("report", "daily", "--day", "2026-11-25", "--json").json()["running"]
    assert told["clocks"][0] == {
        "name": "AuthLatency", "measured": 100, "p50_s": 0.025, "p95_s": 0.025, "p99_s": 0.025,
    }  # fmt: skip
    assert (told["recorded_days"], told["rates"][0]["millionths"]) == (1, None)
    assert days("report", "daily", "--day", "2026-11-26", "--json").json()["running"]["recorded_days"] == 0


def test_pictures_cost_those_who_want_them() -> None:
    seen = "import sys, billing.cli.app; sys.exit('pygal' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", seen], check=False).returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--period", "weekly", "--json"),
        ("--json", "--period=weekly"),
        ("--json", "--day", "2026-11-18", "--period=weekly"),
    ],
)
def test_the_period_as_an_option(days: World, words: tuple[str, ...]) -> None:
    told = days("report", "--json", *words).json()
    assert (told["first"], told["last"]) == ("2026-11-16", "2026-11-22")
    assert days("report", "--period", "hourly").code == Exit.USAGE


SPRING = """\
REVENUE (without tax)  gross        KES 43.10
"""


def test_the_first_lines_of_a_day(days: World) -> None:
    lines = days("report", "daily", "--day", "2026-11-25").out.splitlines()
    assert lines[2].split() == SPRING.split()
    assert lines[3].split() == ["refunds", "KES", "0"]
