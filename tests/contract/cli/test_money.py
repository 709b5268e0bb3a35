"""`payments` and `ledger` over the engine, with a provider that takes reversals: what is told and booked, by whom."""

import csv
from pathlib import Path

import pytest

from billing.cli import progress
from billing.cli.exits import Exit
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof, Settled
from billing.ports import Posting
from billing.provider import Notice
from billing.wallet import ByHand
from radius.domain.identity import SubscriberId
from tests.contract.billing.town import checkout_of
from tests.contract.cli.isp import World
from tests.unit.billing.values import DAY, TILL

JANE, OTIENO = "0712345678", "0722000111"
DAYS = ("--name", "Day", "--price", "50", "--lasts", "1d")


PAYMENTS = """\
PAYMENT           WHEN                 AMOUNT  PACKAGE  STATE  M-PESA      CUSTOMER
{0}  2026-11-25 13:00:00  KES 50  daily.1  paid   TKP0000001  {1}
"""
REFUNDS = """\
REFUND            OF                           AMOUNT  BY     STATE  ASKED BY  APPROVED BY  REASON
{0}  sale_mpesa:{1}  KES 50  mpesa  asked  mary      -            no network
{2}  sale_mpesa:{3}  KES 50  mpesa  sent   mary      otieno       no light
"""


class Till:
    """A place that sells by M-Pesa, and two customers."""

    def __init__(self, world: World) -> None:
        self.world = world
        world("packages", "add", "daily", *DAYS)
        self.jane = world.registered(JANE)
        self.otieno = world.registered(OTIENO, site="lodge")
        self.paid = world.buys(self.jane, "daily.1", "TKP0000001")
        world.clock.now += 60

    def stray(self, receipt: str = "TKP0000009") -> None:
        """Money that names nobody, booked as such."""
        billing, now = self.world.billing(), self.world.clock.now
        billing.settle.notice(Notice(receipt, 7_000, TILL, "my rent", "", now), now)
        self.world.clock.now += 3_600
        billing.strays.look(receipt, self.world.clock.now)

    def balance(self, who: SubscriberId) -> int:
        kept = self.world.billing_store.ports.customer(who, self.world.billing().book.deadline())
        assert kept
        return kept.balance_cents


@pytest.fixture
def till(world: World) -> Till:
    return Till(world)


def test_payments_of_a_day(till: Till) -> None:
    world = till.world
    waits = world.buys(till.otieno, "daily.1", "TKP0000002", paid=False, phone=OTIENO)
    rows = world("payments", "list", "--json").json()
    assert [(row["payment"], row["state"], row["mpesa_receipt"]) for row in rows] == [
        (waits, "pending", ""),
        (till.paid, "paid", "TKP0000001"),
    ]
    assert [row["payment"] for row in world("payments", "list", "--state", "paid", "--json").json()] == [till.paid]
    assert [row["payment"] for row in world("payments", "list", "--site", "lodge", "--json").json()] == [waits]
    assert [row["payment"] for row in world("payments", "list", "--user", JANE, "--json").json()] == [till.paid]
    assert [row["payment"] for row in world("payments", "list", "--limit", "1", "--json").json()] == [waits]
    assert world("payments", "list", "--day", "2026-11-24").out == "No such payment that day.\n"
    assert world("payments", "list", "--day", "yesterday").code == Exit.USAGE
    assert world("payments", "list", "--state", "lost").code == Exit.USAGE
    assert world("payments", "list", "--state", "paid").out == PAYMENTS.format(till.paid, till.jane)


def test_payments_of_a_site_and_of_a_customer_are_found_whatever_others_paid(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = till.world
    waits = world.buys(till.otieno, "daily.1", "TKP0000002", paid=False, phone=OTIENO)
    monkeypatch.setattr(progress, "LOOKED_MAX", 0)
    one = ("payments", "list", "--limit", "1", "--json")
    assert [row["payment"] for row in world(*one, "--site", "kilimani").json()] == [till.paid]
    assert [row["payment"] for row in world(*one, "--user", JANE).json()] == [till.paid]
    ran = world(*one, "--state", "paid")  # no index knows states: it looks at as many as it may, and says so
    assert (ran.json(), ran.err) == ([], "Looked at 1 payments; --all looks at every one.\n")
    assert [row["payment"] for row in world(*one, "--state", "paid", "--all").json()] == [till.paid]
    world.clock.now += 86_400
    assert world(*one).json() == []
    assert [row["payment"] for row in world(*one, "--user", OTIENO).json()] == [waits]
    assert world(*one, "--user", OTIENO, "--day", "2026-11-26").json() == []
    assert [row["payment"] for row in world(*one, "--user", OTIENO, "--day", "2026-11-25").json()] == [waits]


def test_one_payment_by_either_name(till: Till) -> None:
    shown = till.world("payments", "show", "tkp0000001", "--json").json()
    assert (shown["payment"], shown["journal"], shown["cents"]) == (till.paid, f"sale_mpesa:{till.paid}", 5_000)
    assert till.world("payments", "show", till.paid, "--json").json() == shown
    assert till.world("payments", "show", "TKP9999999").code == Exit.NOBODY


def test_a_failure_says_what_m_pesa_meant(till: Till) -> None:
    world = till.world
    failed = world.buys(till.otieno, "daily.1", "TKP0000002", paid=False, phone=OTIENO)
    world.provider.says(checkout_of(world.provider.pushes[-1]), PaymentEvent.QUERY_FAILED, "1032")
    world.clock.now += 120
    ran = world("payments", "reconcile", "--json")
    assert (ran.code, ran.json()["asked"]) == (Exit.DONE, 1)
    shown = world("payments", "show", failed, "--json").json()
    assert (shown["state"], shown["code"], shown["code_words"]) == ("failed", "1032", "cancelled")


def test_money_without_a_name_goes_to_whoever_shows_its_code(till: Till) -> None:
    till.stray()
    shown = till.world("payments", "show", "TKP0000009", "--json").json()
    assert (shown["state"], shown["reference"]) == ("held", "my rent")
    claim = ("payments", "claim", "TKP0000009", "--to", OTIENO, "--reason", "showed the SMS")
    assert till.world(*claim).code == Exit.DECLINED
    assert till.balance(till.otieno) == 0
    assert till.world(*claim, yes=True).out == "The money is on the customer's balance.\n"
    assert till.balance(till.otieno) == 7_000
    again = till.world(*claim, yes=True)
    assert (again.code, again.out) == (Exit.NOT, "Somebody has that money already.\n")
    assert till.world("payments", "claim", "TKP7777777", "--to", OTIENO, yes=True).code == Exit.NOBODY


def test_a_refund_takes_two_persons(till: Till) -> None:
    world = till.world
    asked = world("payments", "refund", "TKP0000001", "--reason", "no network", "--json", yes=True)
    refund = asked.json()
    assert (refund["state"], refund["cents"], asked.code) == ("asked", 5_000, Exit.DONE)
    assert "second person" in asked.err
    same = world("payments", "approve", refund["refund"], yes=True)
    assert (same.code, same.out) == (Exit.NOT, "Not done: a second person must approve it.\n")
    sent = world("payments", "approve", refund["refund"], "--json", "--as", "otieno", yes=True).json()
    assert (sent["state"], sent["approved_by"]) == ("sent", "otieno")
    assert world("payments", "show", till.paid, "--json").json()["refund"] == refund["refund"]
    deeds = [(actor, what, outcome) for actor, what, _, outcome in world.deeds() if what.startswith("payments")]
    assert sorted(deeds) == [
        ("mary", "payments approve", "refused"),
        ("mary", "payments refund", "asked"),
        ("otieno", "payments approve", "sent"),
    ]


def test_a_second_persons_word_that_comes_later_counts_for_what_was_asked(till: Till) -> None:
    ask = ("payments", "refund", "TKP0000001", "--way", "cash", "--reason", "no network")
    assert till.world(*ask, "--json", yes=True).json()["state"] == "asked"
    other = till.world(*ask, "--amount", "20", "--approved-by", "otieno", yes=True)
    assert (other.code, "was asked for otherwise: KES 50 by cash" in other.out) == (Exit.NOT, True)
    assert till.world(*ask, "--approved-by", "mary", "--json", yes=True).json()["state"] == "asked"
    done = till.world(*ask, "--approved-by", "otieno", "--json", yes=True).json()
    assert (done["state"], done["approved_by"]) == ("done", "otieno")
    assert till.world("ledger", "check", "--from", "2026-11-25").code == Exit.DONE


def test_refunds_that_are_open_those_that_wait_for_a_person_first(till: Till) -> None:
    world, found = till.world, []
    assert world("payments", "refunds").out == "No refund is open.\n"
    other = world.buys(till.otieno, "daily.1", "TKP0000002", phone=OTIENO)
    for paid, why in ((other, "no light"), (till.paid, "no network")):
        asked = world("payments", "refund", paid, "--reason", why, "--json", yes=True).json()
        found.append(asked["refund"])
    assert world("payments", "approve", found[0], "--as", "otieno", yes=True).code == Exit.DONE
    assert world("payments", "refunds").out == REFUNDS.format(found[1], till.paid, found[0], other)
    here = world("payments", "refunds", "--site", "kilimani", "--json").json()
    assert [row["refund"] for row in here] == [found[1]]
    assert world.billing().desk.refunds.round(world.clock.now) == 0  # what waits for a person is no round's work
    world("payments", "refuse", found[1], "--reason", "was used")
    assert [row["refund"] for row in world("payments", "refunds", "--json").json()] == [found[0]]


def test_without_m_pesa_here_what_needs_it_is_left_to_the_worker(till: Till) -> None:
    asked = till.world("payments", "refund", "TKP0000001", "--reason", "x", "--json", yes=True).json()
    till.world.money = ByHand()
    done = till.world("payments", "approve", asked["refund"], "--json", "--as", "otieno", yes=True).json()
    assert done["state"] == "approved"
    ran = till.world("payments", "reconcile")
    assert (ran.code, "M-Pesa was not asked" in ran.err) == (Exit.DONE, True)
    assert till.world("payments", "refund-state", asked["refund"], "--json").json()["state"] == "approved"


def test_a_refund_in_parts_to_the_balance_and_one_that_is_refused(till: Till) -> None:
    args = ("payments", "refund", till.paid, "--way", "balance", "--reason", "half a day", "--approved-by", "otieno")
    assert till.world(*args, "--amount", "20").code == Exit.DECLINED
    done = till.world(*args, "--amount", "20", "--json", yes=True).json()
    assert (done["state"], till.balance(till.jane)) == ("done", 2_000)
    more = till.world(*args, "--amount", "40", yes=True)
    assert (more.code, "KES 30" in more.out) == (Exit.NOT, True)
    waits = till.world("payments", "refund", till.paid, "--reason", "rest", "--json", yes=True).json()
    dropped = till.world("payments", "refuse", waits["refund"], "--reason", "was used", "--json").json()
    assert (dropped["state"], till.balance(till.jane)) == ("dropped", 2_000)
    assert till.world("payments", "refund-state", waits["refund"], "--json").json() == dropped
    assert till.world("payments", "refund", "nothing", "--reason", "x", yes=True).code == Exit.NOBODY
    assert till.world("payments", "approve", "nothing", yes=True).code == Exit.NOBODY
    assert till.world(*args, "--unused", "--amount", "1", yes=True).code == Exit.USAGE
    assert till.world("payments", "show", till.paid, "--json").json()["given_back_cents"] == 2_000


def test_a_person_says_which_code_is_a_payments(till: Till) -> None:
    waits = till.world.buys(till.otieno, "daily.1", "TKP0000022", paid=False, phone=OTIENO)
    billing, now = till.world.billing(), till.world.clock.now
    kept = till.world.billing_store.ports.payment(waits, billing.book.deadline())
    assert kept
    begun = kept.payment
    for code in ("TKP0000021", "TKP0000022"):
        billing.settle.notice(Notice(code, begun.cents, TILL, "", "", now + 5), now + 6)
    args = ("payments", "attach", "tkp0000022", "--to", begun.id, "--reason", "showed the SMS")
    assert till.world(*args, "--json", yes=True).json()["attached"] is False
    proof = Proof(PaymentEvent.QUERY_PAID, checkout_id=begun.checkout_id, code="0")
    assert isinstance(billing.settle.prove(begun.id, proof, now + 30), Settled)
    assert till.world(*args).code == Exit.DECLINED
    assert till.world(*args, "--json", yes=True).json()["attached"] is True
    assert till.world("payments", "show", "TKP0000022", "--json").json()["payment"] == begun.id
    assert till.world("payments", "attach", "TKP0000021", "--to", begun.id, "--reason", "x", yes=True).code == Exit.NOT
    assert till.world("ledger", "check", "--from", DAY).code == Exit.DONE


def test_money_without_a_name_goes_back_by_its_code(till: Till) -> None:
    till.stray()
    args = ("payments", "refund", "TKP0000009", "--way", "cash", "--reason", "wrong till", "--approved-by", "otieno")
    done = till.world(*args, "--json", yes=True).json()
    assert (done["journal"], done["cents"], done["state"]) == ("unmatched_in:TKP0000009", 7_000, "done")
    claimed = till.world("payments", "claim", "TKP0000009", "--to", OTIENO, "--reason", "x", yes=True)
    assert claimed.code == Exit.NOT
    assert till.world("ledger", "check", "--from", DAY).code == Exit.DONE


def test_a_statement_brings_what_was_missed(till: Till, tmp_path: Path) -> None:
    file = tmp_path / "november.csv"
    file.write_text(
        f"Short Code:,{TILL}\nReceipt No.,Completion Time,Transaction Status,Paid In,Withdrawn,A/C No.\n"
        "TKP0000001,2026-11-25 13:00:05,Completed,50.00,,\nTKP0000005,2026-11-25 09:00:00,Completed,20.00,,\n"
    )
    first = till.world("payments", "statement", str(file), "--json").json()
    assert first["found"] == ["TKP0000005"]
    assert till.world("payments", "statement", str(file), "--json").json()["found"] == []
    assert till.world("payments", "statement", str(tmp_path / "none.csv")).code == Exit.USAGE
    head = f'Short Code:,{TILL}\nTime Period:,"From 2026-11-25 00:00:00 To 2026-11-25 23:59:59"\n'
    columns = "Receipt No.,Completion Time,Transaction Status,Paid In\n"
    file.write_text(f"{head}{columns}TKP0000005,2026-11-25 09:00:00,Completed,21.00\n")
    differs = till.world("payments", "statement", str(file), "--json")
    assert differs.code == Exit.NOT
    assert (differs.json()["different"], differs.json()["missing_there"]) == (["TKP0000005"], ["TKP0000001"])


def test_the_books_are_right_or_say_where_not(till: Till) -> None:
    world = till.world
    right = world("ledger", "check", "--from", DAY)
    assert (right.code, right.out) == (Exit.DONE, f"The books are right, from {DAY} to {DAY}.\n")
    till.stray()
    world("payments", "claim", "TKP0000009", "--to", OTIENO, "--reason", "x", yes=True)
    ports, soon = world.billing_store.ports, world.billing().book.deadline()
    kept = ports.customer(till.otieno, soon)
    assert kept
    ports.post(Posting("behind", customer=kept._replace(balance_cents=9, version=kept.version + 1)), soon)
    wrong = world("ledger", "check", "--from", DAY, "--json")
    assert (wrong.code, [row["rule"] for row in wrong.json()]) == (Exit.NOT, ["balance"])


def test_an_account_of_the_books(till: Till) -> None:
    rows = till.world("ledger", "account", "revenue:daily", "--json").json()
    assert [(row["journal"], row["cents"], row["mpesa_receipt"]) for row in rows] == [
        (f"sale_mpesa:{till.paid}", -4_310, "TKP0000001")
    ]
    sums = {row["account"]: row["cents"] for row in till.world("ledger", "account", "--json").json()}
    assert sums == {f"mpesa_clearing:{TILL}": 5_000, "revenue:daily": -4_310, "tax:2021-01-01.1600": -690}
    assert till.world("ledger", "account", "piggybank").code == Exit.USAGE
    assert till.world("ledger", "account", "--from", "2026-11-26", "--to", "2026-11-25").code == Exit.USAGE


def test_the_books_for_a_bookkeeper(till: Till, tmp_path: Path) -> None:
    out = tmp_path / "november.csv"
    assert till.world("ledger", "export", "--from", DAY, "--out", str(out)).out == f"3 lines are in {out}.\n"
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert sum(int(row["cents"]) for row in rows) == 0
    assert {row["customer"] for row in rows} == {till.jane}
    assert till.world("ledger", "export", "--from", DAY).out == out.read_text()
    assert till.world("ledger", "export", "--out", "/nowhere/x.csv").code == Exit.USAGE


def test_a_till_without_an_interface_registers_nothing(till: Till) -> None:
    assert till.world("payments", "register").code == Exit.DECLINED
    ran = till.world("payments", "register", yes=True)
    assert (ran.code, "import its statement instead" in ran.out) == (Exit.NOT, True)
