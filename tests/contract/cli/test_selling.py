"""`packages`, `vouchers`, `sell`, `close-day` over the engine: what is booked and printed, what is asked first."""

import csv
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from billing.cli.exits import Exit
from billing.domain.agent import Agent
from billing.domain.voucher import VoucherState
from billing.paper.table import ENCODING
from billing.ports import Kept, Posting
from radius.domain import subscriber as aggregate
from radius.domain.errors import Unavailable
from tests.contract.cli.isp import World
from tests.contract.values import soon
from tests.unit.billing.values import DAY

JANE = "0712345678"


@pytest.fixture
def shop(world: World) -> World:
    """Sells a day and two weeks."""
    day = ("--name", "Day", "--name-sw", "Siku", "--price", "50", "--lasts", "1d", "--speed", "2M/5M", "--data", "2GB")
    assert world("packages", "add", "daily", *day).code == Exit.DONE
    week = ("--name", "Week", "--price", "1,250", "--lasts", "2w", "--devices", "2")
    assert world("packages", "add", "week", *week).code == Exit.DONE
    return world


def cash(world: World, seller: str = "mary") -> int:
    rows = world("ledger", "account", f"cash_in_hand:{seller}", "--from", DAY, "--json").json()
    return sum(row["cents"] for row in rows)


def test_what_is_sold(shop: World) -> None:
    rows = shop("packages", "list", "--json").json()
    assert [(row["package"], row["cents"], row["lasts"], row["speed"]) for row in rows] == [
        ("daily.1", 5_000, "1 day", "2M/5M"),
        ("week.1", 125_000, "2 weeks", ""),
    ]
    text = shop("packages", "list").out.splitlines()
    assert text[0].split() == ["PACKAGE", "NAME", "PRICE", "LASTS", "DATA", "TIME", "SPEED", "DEVICES", "SOLD"]
    assert text[1].split() == ["daily.1", "Day", "KES", "50", "1", "day", "2.0", "GB", "-", "2M/5M", "1", "yes"]


def test_a_package_changes_by_a_new_version_and_goes_by_another(shop: World) -> None:
    again = ("--name", "Day", "--price", "60", "--lasts", "1d")
    assert "daily.2 is on sale for KES 60" in shop("packages", "add", "daily", *again).out
    assert shop("packages", "show", "daily", "--json").json()["cents"] == 6_000
    assert shop("packages", "show", "daily.1", "--json").json()["sold"] is False
    assert shop("packages", "hide", "daily").code == Exit.DONE
    assert shop("packages", "hide", "nosuch").code == Exit.NOBODY
    assert [row["package"] for row in shop("packages", "list", "--json").json()] == ["week.1"]
    listed = [row["package"] for row in shop("packages", "list", "--all", "--json").json()]
    assert listed == ["daily.1", "daily.2", "daily.3", "week.1"]
    assert shop("packages", "show", "night").code == Exit.NOBODY


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--price", "0", "--lasts", "1d"), "price_cents"),
        (("--price", "50.50", "--lasts", "1d"), "whole shillings"),
        (("--price", "50", "--lasts", "soon"), "30m, 3h"),
        (("--price", "50", "--lasts", "1d", "--speed", "fast"), "2M/5M"),
        (("--price", "50", "--lasts", "1d", "--data", "-2GB"), "500MB"),
    ],
)
def test_a_package_that_cannot_be_is_not_sold(world: World, words: tuple[str, ...], said: str) -> None:
    ran = world("packages", "add", "odd", "--name", "Odd", *words)
    assert (ran.code, said in ran.err) == (Exit.USAGE, True)
    assert world("packages", "list", "--all", "--json").json() == []


def test_the_examples_are_a_dry_run_first(world: World) -> None:
    assert "Dry run: these 10" in world("packages", "examples").err
    assert world("packages", "list", "--json").json() == []
    ran = world("packages", "examples", "--apply", "--json")
    assert (ran.err, len(ran.json())) == ("", 10)
    assert world("packages", "examples", "--apply").out == "All of them are there.\n"


def test_a_batch_from_codes_to_paper_and_what_may_not_be_done_twice(shop: World, tmp_path: Path) -> None:
    made = ("vouchers", "batch", "B1", "--package", "daily", "--count", "3", "--holder", "mary")
    assert shop(*made, "--json").json()["state"] == "made"
    assert shop(*made).code == Exit.DONE  # begun once, finished by the same command
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b1.pdf")).code == Exit.DECLINED
    assert not (tmp_path / "b1.pdf").exists()
    printed = shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b1.pdf"), "--brand", "Kilimani", yes=True)
    assert printed.code == Exit.DONE
    with pypdfium2.PdfDocument(tmp_path / "b1.pdf") as pdf:
        assert "B1-0003" in pdf[0].get_textpage().get_text_bounded()
    assert (tmp_path / "b1.pdf").stat().st_mode & 0o777 == 0o600
    again = shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "c.pdf"), yes=True)
    assert (again.code, "printed before" in again.out, (tmp_path / "c.pdf").exists()) == (Exit.NOT, True, False)
    assert [row["state"] for row in shop("vouchers", "list", "--json").json()] == ["exported"]


def test_a_batch_that_takes_longer_codes_says_how_and_has_them(shop: World, tmp_path: Path) -> None:
    made = ("vouchers", "batch", "B1", "--package", "daily", "--holder", "mary")
    refused = shop(*made, "--count", "9999")
    assert (refused.code, "use at least" in refused.err, "--length" in refused.err) == (Exit.USAGE, True, True)
    assert shop(*made, "--count", "2", "--length", "13").code == Exit.DONE
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b.csv"), yes=True).code == Exit.DONE
    assert {len(row["code"].replace(" ", "")) for row in rows_of(tmp_path / "b.csv")} == {13}


def test_a_scanned_code_leads_to_the_portals_page_of_vouchers(shop: World, tmp_path: Path) -> None:
    with (shop.folder / "settings.toml").open("a") as settings:
        settings.write('\nportal_url = "https://portal.example.net"\n')
    shop("vouchers", "batch", "B1", "--package", "daily", "--count", "1", "--holder", "mary")
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b.pdf"), yes=True).code == Exit.DONE
    with pypdfium2.PdfDocument(tmp_path / "b.pdf") as pdf:
        (found,) = zxingcpp.read_barcodes(pdf[0].render(scale=4).to_pil())
    address, _, code = found.text.partition("#")
    assert (address, len(code)) == ("https://portal.example.net/v", 12)


def test_what_cannot_be_printed_is_found_out_before_the_codes_are_gone(shop: World, tmp_path: Path) -> None:
    shop("vouchers", "batch", "B1", "--package", "daily", "--count", "1", "--holder", "mary")
    for words in (("--per-page", "7"), ("--roll", "60"), ("--brand", "WiFi 無線")):
        assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "x.pdf"), *words, yes=True).code == Exit.USAGE
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "x.txt"), yes=True).code == Exit.USAGE
    (tmp_path / "there.csv").write_text("mine")
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "there.csv"), yes=True).code == Exit.USAGE
    assert list(tmp_path.glob("x*")) == []
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b.csv"), yes=True).code == Exit.DONE
    (row,) = rows_of(tmp_path / "b.csv")
    assert (row["serial"], len(row["code"]), row["price"]) == ("B1-0001", 14, "50")


def test_a_name_that_a_spreadsheet_would_run_is_led_by_an_apostrophe(shop: World, tmp_path: Path) -> None:
    shop("packages", "add", "odd", "--name", "=1+1", "--price", "50", "--lasts", "1d")
    shop("vouchers", "batch", "B2", "--package", "odd", "--count", "1", "--holder", "mary")
    assert shop("vouchers", "sheet", "B2", "--out", str(tmp_path / "b.csv"), yes=True).code == Exit.DONE
    (row,) = rows_of(tmp_path / "b.csv")
    assert row["package"] == "'=1+1"


def rows_of(file: Path) -> list[dict[str, str]]:
    """Lines of what is given to a print shop, their codes as people read them."""
    return list(csv.DictReader(file.read_text(ENCODING).splitlines()))


def paper(shop: World, tmp_path: Path, count: int = 3) -> list[dict[str, str]]:
    shop("vouchers", "batch", "B1", "--package", "daily", "--count", str(count), "--holder", "mary")
    assert shop("vouchers", "sheet", "B1", "--out", str(tmp_path / "b.csv"), yes=True).code == Exit.DONE
    return rows_of(tmp_path / "b.csv")


def states(shop: World) -> list[str]:
    return [row["state"] for row in shop("vouchers", "list", "B1", "--json").json()]


def test_vouchers_are_sold_cancelled_and_replaced(shop: World, tmp_path: Path) -> None:
    paper(shop, tmp_path)
    sold = shop("vouchers", "sell", "B1", "B1-0001", "B1-0002", yes=True)
    assert (sold.code, "Sold for KES 100" in sold.out) == (Exit.DONE, True)
    assert states(shop) == ["sold", "sold", "stock"]
    assert shop("vouchers", "sell", "B1", "B1-0002", yes=True).code == Exit.NOT
    cancel = ("vouchers", "cancel", "B1-0001", "--reason", "torn")
    assert "say who pays" in shop(*cancel, yes=True).out
    assert shop(*cancel, "--paid-back-from", "cash:mary", yes=True).code == Exit.DONE
    assert cash(shop) == 5_000
    assert shop("vouchers", "cancel", "B1-0003", "--reason", "x").code == Exit.DECLINED
    replaced = shop("vouchers", "replace", "B1-0002", "--reason", "lost", "--json", yes=True).json()
    assert (replaced["serial"], len(replaced["code"])) == ("B1-0002.2", 12)
    assert states(shop) == ["void", "sold", "stock"]
    assert shop("vouchers", "show", "B1-0009").code == Exit.NOBODY
    assert shop("vouchers", "show", "B1-0002", "--json").json()["state"] == "void"


def test_a_batch_is_cancelled_dry_first(shop: World, tmp_path: Path) -> None:
    paper(shop, tmp_path)
    shop("vouchers", "sell", "B1", "B1-0001", yes=True)
    dry = shop("vouchers", "cancel", "B1", "--reason", "stolen", "--json").json()
    assert (dry["good"], dry["sold"], states(shop)) == (3, 1, ["sold", "stock", "stock"])
    ran = shop("vouchers", "cancel", "B1", "--reason", "stolen", "--apply", "--json")
    assert (ran.json()["cancelled"], ran.json()["left"], ran.code) == (2, 1, Exit.NOT)
    assert states(shop) == ["sold", "void", "void"]


def test_a_sale_at_the_counter(shop: World) -> None:
    jane = shop.customer(JANE, terms=None)
    assert shop("sell", "daily", "--to", JANE).code == Exit.DECLINED
    sold = shop("sell", "daily", "--to", JANE, "--key", "slip 7", yes=True)
    assert (sold.code, "Sold: daily.1 to 0712345678 for KES 50, receipt K" in sold.out) == (Exit.DONE, True)
    again = shop("sell", "daily", "--to", JANE, "--key", "slip 7", "--json", yes=True).json()
    assert again["again"]
    assert ("mary", "sell", jane, f"done: daily.1 for KES 50, receipt {again['receipt']}") in shop.deeds()
    stored = shop.core.store.subscribers.read(jane, soon())
    assert stored
    assert [right.terms for right in aggregate.decode(stored.body).rights] == ["daily.1"]
    assert cash(shop) == 5_000
    walk_in = shop("sell", "daily", "--to", "0799000000", yes=True)
    assert (walk_in.code, "wifibilling customers add 0799000000" in walk_in.err) == (Exit.NOBODY, True)
    assert shop("sell", "gone", "--to", JANE, yes=True).code == Exit.USAGE


def test_a_package_of_one_site_is_sold_to_its_customers(shop: World) -> None:
    shop("packages", "add", "hill", "--name", "Hill", "--price", "20", "--lasts", "1d", "--site", "kilimani")
    shop.customer(JANE, terms=None)
    shop.customer("0722000111", terms=None, site="lodge")
    assert shop("sell", "hill", "--to", JANE, yes=True).code == Exit.DONE
    assert "not sold here now" in shop("sell", "hill", "--to", "0722000111", yes=True).err
    assert "say where" in shop("sell", "hill", yes=True).err
    assert shop("sell", "hill", "--site", "kilimani", yes=True).code == Exit.DONE


def test_a_code_on_a_slip_of_paper_is_shown_once(shop: World) -> None:
    sold = shop("sell", "daily", "--key", "slip 8", "--json", yes=True).json()
    kept = shop.billing_store.ports.voucher(sold["serial"], soon())
    assert kept
    assert (kept.voucher.state, len(sold["code"])) == (VoucherState.SOLD, 12)
    again = shop("sell", "daily", "--key", "slip 8", yes=True)
    assert (again.code, f"vouchers replace {sold['serial']}" in again.out) == (Exit.NOT, True)
    assert cash(shop) == 5_000


def test_who_looks_at_sessions_cannot_read_the_code_that_somebody_paid_for(shop: World) -> None:
    code = shop("sell", "daily", "--key", "slip 9", "--json", yes=True).json()["code"]
    shop.online(code, session="81c0c0de")
    for words in (
        ("sessions", "list"),
        ("sessions", "history", "--user", code),
        ("customers", "list", "--site", "kilimani", "--day", DAY),
    ):
        out = shop(*words).out
        assert f"...{code[-4:]}" in out, words
        assert code not in out, words


def test_all_accounts_of_a_kind_are_shown_by_its_name_alone(shop: World) -> None:
    shop.customer(JANE, terms=None)
    for seller in ("amina", "mary"):
        shop("sell", "daily", "--to", JANE, "--as", seller, yes=True)
    rows = shop("ledger", "account", "cash_in_hand", "--from", DAY, "--json").json()
    assert sorted(row["account"] for row in rows) == ["cash_in_hand:amina", "cash_in_hand:mary"]
    assert rows[-1]["balance_cents"] == 10_000


def test_an_agent_sells_as_far_as_the_float_goes(shop: World) -> None:
    shop.customer(JANE, terms=None)
    agent = Kept(Agent("duka-1", {"": 500}, float_cents=5_000))
    shop.billing_store.ports.post(Posting("float", things=(agent,)), soon())
    args = ("sell", "daily", "--to", JANE, "--agent", "duka-1")
    assert shop(*args, yes=True).code == Exit.DONE
    short = shop(*args, yes=True)
    assert (short.code, short.out) == (Exit.NOT, "Not sold: duka-1 lacks KES 50.\n")


def test_a_sale_to_somebody_who_is_blocked_says_so(shop: World) -> None:
    shop.customer(JANE, terms=None)
    assert shop("customers", "block", JANE, "--reason", "x", yes=True).code == Exit.DONE
    assert "is blocked and cannot log in" in shop("sell", "daily", "--to", JANE, yes=True).err


def test_the_key_of_another_sale_is_refused(shop: World) -> None:
    shop.customer(JANE, terms=None)
    shop.customer("0733000001", terms=None)
    assert shop("sell", "daily", "--to", JANE, "--key", "p9", yes=True).code == Exit.DONE
    other = shop("sell", "daily", "--to", "0733000001", "--key", "p9", yes=True)
    assert (other.code, "key: is that of another one: daily.1" in other.err) == (Exit.USAGE, True)
    give = ("customers", "give", "--reason", "x", "--approved-by", "boss", "--key", "g")
    assert shop(*give, JANE, "daily", yes=True).code == Exit.DONE
    assert shop(*give, JANE, "daily", yes=True).code == Exit.DONE
    assert "key: is that of another one" in shop(*give, "0733000001", "daily", yes=True).err
    piles = ("vouchers", "batch", "B1", "--package", "daily", "--count", "3", "--holder", "mary", "--reason", "x")
    assert shop(*piles, yes=True).code == Exit.DONE
    assert shop("vouchers", "sheet", "B1", "--out", str(shop.folder / "b.pdf"), yes=True).code == Exit.DONE
    assert shop("vouchers", "sell", "B1", "B1-0001", "--key", "v", yes=True).code == Exit.DONE
    assert shop("vouchers", "sell", "B1", "B1-0001", "--key", "v", yes=True).code == Exit.DONE
    assert "key: is that of another pile" in shop("vouchers", "sell", "B1", "B1-0002", "--key", "v", yes=True).err
    assert shop("agents", "put", "duka-1", "--commission", "10", "--reason", "x").code == Exit.DONE
    assert shop("agents", "pay-in", "duka-1", "1000", "--key", "p1", yes=True).code == Exit.DONE
    more = shop("agents", "pay-in", "duka-1", "2000", "--key", "p1", yes=True)
    assert (more.code, "key: is that of another payment, of KES 1,000" in more.err) == (Exit.USAGE, True)


def test_a_lost_answer_tells_how_to_ask_again(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    jane = shop.customer(JANE, terms=None)

    def lost(*_: object, **__: object) -> object:
        raise Unavailable("no answer")

    monkeypatch.setattr("billing.services.sell.Sell.sell", lost)
    ran = shop("sell", "daily", "--to", JANE, "--key", "slip 9", yes=True)
    assert (ran.code, "--key slip 9" in ran.err) == (Exit.AWAY, True)
    assert ("mary", "sell", jane, "failed: the store did not answer") in shop.deeds()
    monkeypatch.setattr("billing.services.grants.Grants.give", lost)
    ran = shop("customers", "give", JANE, "daily", "--reason", "x", "--approved-by", "boss", "--key", "g7", yes=True)
    assert (ran.code, "--key g7" in ran.err) == (Exit.AWAY, True)
    monkeypatch.undo()
    receipt = shop("sell", "daily", "--to", JANE, "--json", yes=True).json()
    monkeypatch.setattr("billing.services.refunds.Refunds.ask", lost)
    ran = shop("payments", "refund", f"sale_cash:{receipt['right']}", "--way", "cash", "--reason", "x", yes=True)
    assert (ran.code, "--key " in ran.err) == (Exit.AWAY, True)


def test_a_day_is_closed_with_its_statement(shop: World) -> None:
    shop.customer(JANE, terms=None)
    shop("sell", "daily", "--to", JANE, yes=True)
    args = ("close-day", "mary", "--counted", "40", "--handed-in", "40", "--site", "kilimani")
    assert shop(*args).code == Exit.DECLINED
    assert "reason: the books of mary say another sum" in shop(*args, yes=True).err
    assert cash(shop) == 5_000
    closed = shop(*args, "--reason", "wrong change", yes=True)
    assert closed.code == Exit.NOT
    assert "1 x daily.1" in closed.out
    assert "-KES 10" in closed.out
    again = shop(*args, "--reason", "wrong change", yes=True)
    assert (again.code, again.out, "already" in again.err) == (Exit.NOT, closed.out, True)
    assert cash(shop) == 0
    even = shop("close-day", "mary", "--counted", "0", "--json", yes=True)
    assert (even.code, even.json()["difference_cents"]) == (Exit.DONE, 0)
    assert shop("close-day", "mary", "--counted", "1", "--into", "mattress", yes=True).code == Exit.USAGE


def test_nobodys_day_is_closed_and_no_money_comes_of_a_slip(shop: World) -> None:
    shop.customer(JANE, terms=None)
    shop("sell", "daily", "--to", JANE, yes=True)
    ran = shop("close-day", "marry", "--counted", "60", "--handed-in", "60", "--reason", "x", yes=True)
    assert (ran.code, ran.err) == (Exit.NOBODY, "wifibilling: no cash was ever in the hand of a seller marry\n")
    assert shop("ledger", "account", "bank:main", "--from", DAY, "--json").json() == []


def test_a_close_whose_answer_is_lost_tells_its_key(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.customer(JANE, terms=None)
    shop("sell", "daily", "--to", JANE, yes=True)

    def lost(*_: object, **__: object) -> object:
        raise Unavailable("no answer")

    monkeypatch.setattr("billing.services.close_day.CloseDay.close", lost)
    ran = shop("close-day", "mary", "--counted", "50", "--key", "eve 9", yes=True)
    assert (ran.code, "--key eve 9" in ran.err) == (Exit.AWAY, True)
