"""`customers` over the engine: who is found by what, what is shown, and what is done to them, by whom and why."""

import pytest

from billing.cli.exits import Exit
from billing.domain.check_digit import DIGITS, with_check
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Subscriber
from tests.contract.cli.isp import ANNEX, DAY, LAPTOP, PHONE, World
from tests.contract.values import soon

JANE, OTIENO, AMINA = "0712345678", "0722000111", "0733000222"
ONE = """\
CUSTOMER         {customer}
NAMES            254712345678
SITE             kilimani
SINCE            2026-11-25 13:00:00
BLOCKED          -
ACCOUNT NUMBER   -
BALANCE          KES 0
RENEWS BY ITSELF -
DEVICES SEEN     -
TIED TO          -
FIXED ADDRESS    -
POOL             -
STILL OWED       -
PACKAGE  STATE  FROM                 UNTIL                DATA LEFT  TIME LEFT  RIGHT
basic.1  live   2026-11-25 13:00:00  2026-11-26 13:00:00   990.0 MB          -  r5678
"""


CAME = """\
CUSTOMER          LAST NAME USED  LAST CAME            ROUTER       SESSIONS  ONLINE
{customer}  0712345678      2026-11-25 12:58:20  kilimani-01         2  yes
"""
LISTED = """\
CUSTOMER          NAMES         SINCE                LAST PACKAGE  ONLINE  BLOCKED
{2}  254712000002  2026-11-25 13:00:02  basic.1       yes     -
{1}  254712000001  2026-11-25 13:00:01  basic.1       no      chargeback
{0}  254712000000  2026-11-25 13:00:00  -             no      -
"""


def home(world: World, who: SubscriberId) -> Subscriber:
    stored = world.core.store.subscribers.read(who, soon())
    assert stored
    return aggregate.decode(stored.body)


@pytest.fixture
def place(world: World) -> World:
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    return world


def squeezed(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_one_customer_with_all_that_they_have(world: World) -> None:
    jane = world.customer(JANE)
    world.online(JANE)
    shown = squeezed(world("customers", "show", JANE).out)
    assert shown[: len(ONE.splitlines())] == squeezed(ONE.format(customer=jane))
    assert shown[-1][1:4] == [JANE, "kilimani-01", PHONE]
    told = world("customers", "show", JANE, "--json").json()
    assert (told["packages"][0]["left_bytes"], told["online"][0]["bytes"]) == (990_000_000, 10_000_000)
    assert world("customers", "show", "0799999999").code == Exit.NOBODY


def test_who_is_found_by_what(place: World) -> None:
    amina = place.registered(AMINA)
    place.buys(amina, "daily.1", "TKP0000001", phone=AMINA)
    kept = place.billing_store.ports.customer(amina, soon())
    assert kept
    for word, named in (
        (AMINA, "phone"),
        ("+254 733 000 222", "phone"),
        ("02:07:33:00:02:22", "MAC address"),
        (kept.number, "account number"),
        (amina, "id"),
        ("tkp0000001", "M-Pesa code"),
    ):
        rows = place("customers", "search", word, "--json").json()
        assert [(row["customer"], row["named"]) for row in rows] == [(amina, named)], word
    assert place("customers", "search", "0799999999").code == Exit.NOBODY
    code = place("sell", "daily", "--json", yes=True).json()["code"]
    (row,) = place("customers", "search", code, "--json").json()
    assert (row["named"], row["names"]) == ("code or account name", ["a code or account name"])


def test_who_came_online_at_a_site_on_a_day(world: World) -> None:
    jane, _ = world.customer(JANE), world.customer(OTIENO, site="lodge")
    world.online(JANE, seconds=3_000)
    world.online(JANE, session="81c00002", seconds=100)
    world.online(OTIENO, mac=LAPTOP, router=ANNEX, session="91c00001")
    today = ("customers", "list", "--site", "kilimani", "--day", "2026-11-25")
    rows = world(*today, "--json").json()
    assert [(row["customer"], row["sessions"], row["online"]) for row in rows] == [(jane, 2, True)]
    assert world(*today).out == CAME.format(customer=jane)
    assert world("customers", "list", "--site", "lodge", "--day", "2026-11-24", "--json").json() == []


def test_customers_of_a_site_the_newest_first_page_by_page(world: World) -> None:
    made = []
    for number in range(3):
        made.append(world.customer(f"071200000{number}", DAY if number else None))
        world.clock.now += 1
    world.customer(OTIENO, site="lodge")
    nowhere = world.customer(AMINA, site="")
    world.online("0712000002")
    world.core.provision.block(made[1], "chargeback", world.clock.now)
    asked = ("customers", "list", "--site", "kilimani")
    assert world(*asked).out == LISTED.format(*made)
    first = world(*asked, "--limit", "2")
    assert first.out.count("basic.1") == 2
    key = first.err.split()[-1]
    assert [row["customer"] for row in world(*asked, "--after", key, "--json").json()] == made[:1]
    assert world(*asked, "--after", "yesterday").code == Exit.USAGE
    assert [row["customer"] for row in world("customers", "list", "--without-site", "--json").json()] == [nowhere]
    told = world("customers", "list")
    assert (told.code, "kilimani, lodge" in told.err) == (Exit.USAGE, True)


def test_a_printed_voucher_is_no_customer_of_the_list(place: World) -> None:
    place("vouchers", "batch", "B1", "--package", "daily", "--count", "2", "--holder", "mary", "--site", "kilimani")
    assert place("customers", "list", "--site", "kilimani").out == "Nobody is listed there.\n"


def test_a_new_customer_is_told_the_password_once(world: World) -> None:
    made = world("customers", "add", AMINA, "--site", "lodge", "--json").json()
    present = home(world, SubscriberId(made["customer"]))
    sealed = present.credential.value
    assert world.core.vault.unseal(sealed, made["customer"], "secret", 1) == made["password"]
    assert (present.site, present.aliases) == ("lodge", ["p:254733000222"])
    again = world("customers", "add", AMINA)
    assert (again.code, f"{AMINA} belongs to somebody else" in again.err) == (Exit.USAGE, True)
    assert [deed[1:3] for deed in world.deeds()] == [("customers add", "new customer")] * 2


def test_a_block_cuts_and_keeps_out_until_it_is_taken_back(world: World) -> None:
    jane = world.customer(JANE)
    world.online(JANE)
    assert world("customers", "block", JANE, "--reason", "chargeback").code == Exit.DECLINED
    assert world("customers", "block", JANE, yes=True).code == Exit.USAGE
    assert home(world, jane).blocked == ""
    done = world("customers", "block", JANE, "--reason", "chargeback", yes=True)
    assert "1 session(s) are being cut" in done.out
    assert (home(world, jane).blocked, len(home(world, jane).intents)) == ("chargeback", 1)
    undone = world("customers", "unblock", JANE, "--reason", "paid")
    assert (undone.code, "cut that was still to be made is withdrawn" in undone.out) == (Exit.DONE, True)
    (row,) = world("pending", "--json").json()
    assert row["why"] == "the customer was blocked, and is not any more: it is withdrawn"
    assert home(world, jane).blocked == ""
    deeds = world.core.store.deeds.on("2026-11-25", 0, soon())
    (block,) = [deed for deed in deeds if (deed.what, deed.outcome) == ("customers block", "done")]
    assert (block.actor, block.about, block.reason) == ("mary", jane, "chargeback")


def test_a_package_is_given_on_two_persons_word(place: World) -> None:
    jane = place.customer(JANE, terms=None)
    args = ("customers", "give", JANE, "daily", "--reason", "outage", "--key", "slip 1")
    assert place(*args).code == Exit.DECLINED
    alone = place(*args, yes=True)
    assert alone.code == Exit.USAGE
    assert "approved-by: must name a second person: nothing is given by one alone" in alone.err
    for _ in range(2):
        assert place(*args, "--approved-by", "otieno", yes=True).code == Exit.DONE
    assert [right.terms for right in home(place, jane).rights] == ["daily.1"]
    assert place("ledger", "check", "--from", "2026-11-25").code == Exit.DONE


def test_devices_are_named_seen_and_forgotten(place: World) -> None:
    amina = place.registered(AMINA)
    mac = "02:aa:bb:cc:dd:09"
    place("customers", "devices", AMINA, "--add", mac, "--name", "laptop")
    place.online(AMINA)
    rows = place("customers", "devices", AMINA, "--json").json()
    assert [(row["device"], row["name"], row["router"]) for row in rows] == [
        ("02aabbccdd09", "laptop", ""),
        (PHONE, "", "kilimani-01"),
    ]
    place("customers", "devices", AMINA, "--forget", mac)
    assert [row["name"] for row in place("customers", "devices", AMINA, "--json").json()] == [""]
    assert place("customers", "devices", AMINA, "--add", "tablet").code == Exit.USAGE
    assert {about for _, what, about, _ in place.deeds() if what == "customers devices"} == {amina}


def test_a_person_is_shown_all_of_it_and_forgotten(place: World) -> None:
    amina = place.registered(AMINA)
    place.buys(amina, "daily.1", "TKP0000001", phone=AMINA)
    told = place("customers", "export", AMINA).json()
    assert (told["phone"], told["packages"][0]["package"]) == ("254733000222", "daily.1")
    assert place("customers", "erase", AMINA, "--reason", "letter").code == Exit.DECLINED
    assert place("customers", "erase", AMINA, "--reason", "letter", yes=True).code == Exit.DONE
    assert place("customers", "show", AMINA).code == Exit.NOBODY
    assert place("customers", "export", amina).code == Exit.USAGE
    assert place("ledger", "account", "revenue:daily", "--json").json()[0]["customer"] == amina
    assert {deed[1] for deed in place.deeds() if deed[2] == amina} == {"customers export", "customers erase"}


def test_who_was_added_by_hand_is_shown_and_forgotten_too(place: World) -> None:
    added = place("customers", "add", "0722000006", "jane-home", "--site", "kilimani", "--json").json()["customer"]
    told = place("customers", "export", "0722000006").json()
    assert (told["subscriber"], told["logs_in_with"]) == (added, ["254722000006"])
    assert place("customers", "erase", "0722000006", "--reason", "letter", yes=True).code == Exit.DONE
    assert place("customers", "search", "0722000006").code == Exit.NOBODY
    assert place("customers", "search", "jane-home").code == Exit.NOBODY
    assert place("customers", "show", added, "--json").json()["names"] == []
    again = place("customers", "export", added)
    assert (again.code, "was forgotten" in again.err) == (Exit.USAGE, True)
    assert place("customers", "add", "0722000006").code == Exit.DONE


def test_two_who_share_a_name_are_not_confused(place: World) -> None:
    """Twelve digits are a phone, a device and a code: whoever has one of them is named, never guessed."""
    jane = place.customer(JANE)
    code = place.core.provision.device("25:47:12:34:56:78", place.clock.now)
    rows = place("customers", "search", "254712345678", "--json").json()
    assert {row["customer"] for row in rows} >= {jane}
    shown = place("customers", "show", "25:47:12:34:56:78", "--json")
    assert shown.json()["customer"] == code


def test_a_line_is_tied_to_a_device_an_address_and_a_pool(world: World) -> None:
    home = world.customer("0712345678")
    asked = world("customers", "bind", "0712345678", "--device", "aa:bb:cc:dd:ee:01", "--reason", "contract")
    assert (asked.code, world.deeds()) == (Exit.DECLINED, [])
    why = ("--reason", "contract")
    world("customers", "bind", "0712345678", "--device", "aa:bb:cc:dd:ee:01", *why, yes=True)
    ran = world("customers", "bind", "0712345678", "--address", "100.64.7.7", "--pool", "homes", *why, yes=True)
    assert (ran.code, ran.out) == (Exit.DONE, "0712345678 is tied to aabbccddee01, 100.64.7.7, homes.\n")
    shown = world("customers", "show", "0712345678", "--json").json()
    assert (shown["caller"], shown["fixed_ip"], shown["pool"]) == ("aabbccddee01", "100.64.7.7", "homes")
    world("customers", "bind", "0712345678", "--undo", "--pool", "homes", *why, yes=True)
    shown = world("customers", "show", "0712345678", "--json").json()
    assert (shown["caller"], shown["fixed_ip"], shown["pool"]) == ("", "", "homes")
    assert "is tied to nothing" in world("customers", "bind", "0712345678", "--undo", *why, yes=True).out
    assert world.deeds() == [("mary", "customers bind", home, "done")] * 4


def test_a_line_is_not_tied_to_what_cannot_be(world: World) -> None:
    world.customer("0712345678")
    for words, said in (
        ((), "say to what"),
        (("--device", "aa:bb"), "aa:bb is no MAC address"),
        (("--address", "100.64.7"), "fixed_ip"),
        (("--pool", "h" * 300), "pool: must be 1 to"),
    ):
        ran = world("customers", "bind", "0712345678", *words, "--reason", "x", yes=True)
        assert (ran.code, ran.out) == (Exit.USAGE, ""), words
        assert said in ran.err
    assert world("customers", "bind", "0712345678", "--pool", "homes", yes=True).code == Exit.USAGE  # no reason


def test_a_code_that_is_mistyped_is_told_from_one_that_nobody_has(world: World) -> None:
    right = with_check("12345678901", DIGITS)
    wrong = f"{right[:-1]}{(int(right[-1]) + 1) % 10}"
    for code, said in ((right, False), (wrong, True), (right[:-1], True), (f"{wrong[:4]} {wrong[4:]}", True)):
        ran = world("customers", "show", code)
        assert (ran.code, "it is mistyped" in ran.err) == (Exit.NOBODY, said), code
    assert "mistyped" not in world("customers", "show", "lodge-home-4").err
    assert "it is mistyped" in world("customers", "why", wrong).out
