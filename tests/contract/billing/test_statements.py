"""The provider's statement against the books, over memory and the engine: nothing is lost or credited twice."""

import contextlib
from datetime import UTC, datetime

import pytest

from billing.domain.compared import Compared
from billing.domain.give_back import Way
from billing.domain.journal import Account, AccountKind, Cause
from billing.domain.ledger import Reason
from billing.domain.payment import PaymentState
from billing.domain.reversal import ReversalState
from billing.domain.settle import Settled
from billing.domain.statement import Statement
from billing.mpesa.statement import read_statement
from billing.ports import UnmatchedState
from billing.provider import Notice
from billing.services.refunds import Ask, Refunds
from billing.services.settle import SAME_MONEY_S, Landed, Settle
from billing.services.statements import Imported, Statements
from billing.services.strays import Strays
from billing.services.word import Word
from billing.store.ports import BillingStore
from radius.domain.errors import Corrupt, Malformed
from radius.store.open import Store
from tests.contract.billing.test_refunds import Bank
from tests.contract.billing.town import DyingRows, Killed, Town
from tests.contract.values import soon
from tests.unit.billing.values import DAY, T0, TILL

NEXT_DAY = T0 + 86_400
HEAD = (
    f"Short Code:,{TILL}\n"
    'Time Period:,"From 25-11-2026 00:00:00 To 25-11-2026 23:59:59"\n'
    "Receipt No.,Completion Time,Transaction Status,Paid In,Withdrawn,Linked Transaction ID,A/C No.\n"
)
WORD = Word("achieng", "the customer showed the message")


def row(
    receipt: str, at: int = T0 + 15, paid: object = "50.00", out: str = "", linked: str = "", account: str = ""
) -> str:
    when = datetime.fromtimestamp(at + 3 * 3_600, UTC)
    return f"{receipt},{when:%d-%m-%Y %H:%M:%S},Completed,{paid},{out},{linked},{account}\n"


def said(*rows: str, head: str = HEAD) -> Statement:
    return read_statement((head + "".join(rows)).encode())


def statements(town: Town, refunds: Refunds | None = None) -> Statements:
    refunds = refunds or Refunds(town.book, Bank(), 10_000)
    return Statements(town.book, town.settle, Strays(town.book), refunds, (TILL, "600111"))


def take(town: Town, *rows: str, now: int = NEXT_DAY) -> Imported:
    """Import it, and again: the second time changes nothing."""
    service, statement = statements(town), said(*rows)
    first = service.take(statement, "achieng", now)
    again = service.take(statement, "achieng", now)
    assert (again.found, again.fees_cents, again.match) == ((), 0, first.match)
    assert first.match.missing_here == ()
    return first


def test_what_a_day_came_to_is_kept_for_reports(town: Town) -> None:
    begun = town.buy()
    town.callback(mpesa_receipt="TKP0000091", paid_at=T0 + 15)
    gone = town.buy(key="page2", now=T0 + 600)
    town.callback(2, now=T0 + 620, mpesa_receipt="TKP0000092", paid_at=T0 + 615)
    assert begun.payment.id != gone.payment.id
    service = statements(town)
    service.take(said(row("TKP0000091")), "achieng", NEXT_DAY)
    kept = town.billing.thing(Compared, DAY, soon())
    assert kept
    assert kept.thing == Compared(DAY, NEXT_DAY, matched=1, missing_there=1)
    service.take(said(row("TKP0000091"), row("TKP0000092", T0 + 615)), "achieng", NEXT_DAY + 5)
    kept = town.billing.thing(Compared, DAY, soon())
    assert kept
    assert kept.thing == Compared(DAY, NEXT_DAY + 5, matched=2)
    part = Statement((), T0, T0 + 60, TILL)
    service.take(part, "achieng", NEXT_DAY + 9)
    again = town.billing.thing(Compared, DAY, soon())
    assert again == kept  # a part of a day says nothing of the day


def test_money_that_nothing_told_of_lands_where_it_says(town: Town) -> None:
    """The callback was lost, the customer paid the account by hand, and a stranger named nobody."""
    begun = town.buy()
    done = take(
        town,
        row("TKP0000001", account=begun.payment.reference),
        row("TKP0000002", paid='"1,000.00"', account=town.account),
        row("TKP0000003", paid="30.00", account="jirani"),
    )
    assert done.found == ("TKP0000001", "TKP0000002", "TKP0000003")
    assert (done.match.missing_there, done.match.different, done.waiting, done.unproven) == ((), (), (), ())
    assert len(done.match.matched) == 3
    paid = town.payment(begun.payment.id)
    assert (paid.state, paid.mpesa_receipt) == (PaymentState.PAID, "TKP0000001")
    assert (town.rights(), town.balance()) == ([begun.payment.id], 100_000)
    assert town.cents(Account(AccountKind.UNMATCHED, "TKP0000003")) == -3_000
    assert town.findings() == []


def test_a_payment_that_a_query_proved_gets_its_receipt_and_no_second_credit(town: Town) -> None:
    begun = town.buy()
    town.query(begun.payment.id)
    town.notice(begun.payment.reference)
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert take(town, row(town.receipt, account=begun.payment.reference)).found == (town.receipt,)
    paid = town.payment(begun.payment.id)
    assert (paid.state, paid.mpesa_receipt) == (PaymentState.PAID, town.receipt)
    money = town.billing.unmatched(town.receipt, soon())
    assert money
    assert money.state is UnmatchedState.SAME
    assert isinstance(town.callback(now=NEXT_DAY), Settled)
    assert (town.rights(), town.mpesa_cents(), town.balance()) == ([begun.payment.id], 5_000, 0)
    assert town.findings() == []


def test_at_a_till_the_only_row_that_it_can_be_is_its_receipt(town: Town) -> None:
    begun = town.buy()
    town.query(begun.payment.id)
    town.notice("")
    done = take(town, row(town.receipt), row("TKP0000077", T0 + 9_000), row("TKP0000078", paid="49.00"))
    assert (done.found, done.unproven) == ((town.receipt, "TKP0000078", "TKP0000077"), ())
    assert town.payment(begun.payment.id).mpesa_receipt == town.receipt
    assert (town.rights(), town.mpesa_cents()) == ([begun.payment.id], 14_900)
    assert town.findings() == []


def test_of_two_that_it_may_be_a_person_says_which(town: Town) -> None:
    begun = town.buy()
    town.query(begun.payment.id)
    service = statements(town)
    done = take(town, row(town.receipt), row("TKP0000077", T0 + 20))
    assert (done.found, done.unproven) == ((), (begun.payment.id,))
    assert done.waiting == (town.receipt, "TKP0000077")
    assert isinstance(service.decide("TKP0000099", begun.payment.id, WORD, NEXT_DAY), Reason)
    assert isinstance(service.decide(town.receipt, "nobody", WORD, NEXT_DAY), Reason)
    with pytest.raises(Malformed, match="reason"):
        service.decide(town.receipt, begun.payment.id, Word("achieng", " "), NEXT_DAY)
    assert isinstance(service.decide("TKP0000077", begun.payment.id, WORD, NEXT_DAY), Settled)
    assert isinstance(service.decide(town.receipt, begun.payment.id, WORD, NEXT_DAY), Reason)
    assert Strays(town.book).round(NEXT_DAY + 3_600) == 1
    assert town.payment(begun.payment.id).mpesa_receipt == "TKP0000077"
    assert town.cents(Account(AccountKind.UNMATCHED, town.receipt)) == -5_000
    assert (town.rights(), town.mpesa_cents(), town.findings()) == ([begun.payment.id], 10_000, [])


@pytest.mark.parametrize("hidden", ["claimed", "unreadable", "period"])
def test_a_receipt_is_not_given_while_it_may_be_anothers(town: Town, hidden: str) -> None:
    """By hand and claimed since, in a row that could not be read, or at the edge of what the statement covers."""
    if hidden == "claimed":
        town.notice("", "TKP0000077")
        assert Strays(town.book).round(T0 + SAME_MONEY_S + 60) == 1
    begun = town.buy()
    town.query(begun.payment.id)
    rows = [row(town.receipt)] if hidden == "period" else [row(town.receipt), row("TKP0000077", T0 + 20)]
    if hidden == "unreadable":
        rows[1] = rows[1].replace("50.00", "fifty")
    statement = said(*rows, head=HEAD.replace("23:59:59", "13:02:00") if hidden == "period" else HEAD)
    done = statements(town).take(statement, "achieng", NEXT_DAY)
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert (done.found, len(done.problems)) == ((), int(hidden == "unreadable"))
    assert town.billing.due(NEXT_DAY + 86_400, 9, soon())
    assert town.findings() == []


def test_a_proven_payment_whose_money_is_not_there_is_named(town: Town) -> None:
    begun = town.buy()
    town.query(begun.payment.id)
    done = take(town)
    assert (done.unproven, done.match.matched) == ((begun.payment.id,), ())


def test_what_we_credited_and_the_statement_does_not_have_is_named(town: Town) -> None:
    """A forged notice under the path that only the provider was told."""
    town.notice(town.account)
    town.notice("", "TKP0000078")
    Strays(town.book).round(T0 + SAME_MONEY_S + 60)
    missing = {(known.mpesa_receipt, known.cents) for known in take(town).match.missing_there}
    assert missing == {(town.receipt, 5_000), ("TKP0000078", 5_000)}
    later = HEAD.replace("25-11-2026", "26-11-2026")
    assert statements(town).take(said(head=later), "achieng", NEXT_DAY).match.missing_there == ()


def test_another_amount_than_was_credited_is_named(town: Town) -> None:
    begun = town.buy()
    town.callback()
    town.notice("", "TKP0000078")
    done = take(town, row(town.receipt, paid="60.00"), row("TKP0000078", paid="51.00"))
    assert [(known.mpesa_receipt, known.cents) for _, known in done.match.different] == [
        (town.receipt, 5_000),
        ("TKP0000078", 5_000),
    ]
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert town.mpesa_cents() == 10_000


def test_who_pays_another_amount_by_hand_leaves_the_payment_as_it_is(town: Town) -> None:
    begun = town.buy()
    town.query(begun.payment.id)
    done = take(town, row("TKP0000077", paid="40.00", account=begun.payment.reference), row(town.receipt, account="x"))
    assert done.unproven == (begun.payment.id,)
    assert town.payment(begun.payment.id).state is PaymentState.PROVEN
    assert town.cents(Account(AccountKind.UNMATCHED, "TKP0000077")) == -4_000


def test_what_the_provider_kept_is_booked_once_and_the_till_is_right(town: Town) -> None:
    town.buy()
    town.callback()
    rows = (row(town.receipt), row(town.receipt, paid="", out="-0.50"), row(town.receipt, paid="", out="-0.50"))
    assert take(town, *rows, row("TKP0000090", paid="", out="-20.00")).withdrawn[0].mpesa_receipt == "TKP0000090"
    assert town.cents(Account(AccountKind.FEES, TILL)) == 100
    assert town.mpesa_cents() == 4_900
    assert town.findings() == []


def test_a_reversal_that_nobody_told_of_is_booked_with_its_charge(town: Town) -> None:
    refunds = Refunds(town.book, Bank(), 10_000)
    begun = town.buy()
    town.callback()
    sale = f"{Cause.SALE_MPESA.value}:{begun.payment.id}"
    asked = refunds.ask(Ask("k", sale, Way.MPESA), Word("achieng", "wrong package", "otieno"), T0 + 100)
    assert not isinstance(asked, Reason)
    assert refunds.send(asked.id, T0 + 101).state is ReversalState.SENT
    back = (
        row(town.receipt),
        row("TKP0000080", T0 + 300, paid="", out="-50.00", linked=town.receipt),
        row("TKP0000080", T0 + 300, paid="", out="-3.00"),
        row("TKP0000081", T0 + 400, paid="", out="-50.00", linked="TKP0000070"),
    )
    for _ in range(2):
        done = statements(town, refunds).take(said(*back), "achieng", T0 + 3_600)
        assert done.outside == ("TKP0000081",)
    assert town.cents(Account(AccountKind.FEES, TILL)) == 300
    assert town.mpesa_cents() == -300
    assert town.findings() == []


def test_another_tills_statement_and_one_that_contradicts_itself_change_nothing(town: Town) -> None:
    service = statements(town)
    with pytest.raises(Malformed, match="short code"):
        service.take(said(row("TKP0000001"), head=HEAD.replace(TILL, "700700")), "achieng", NEXT_DAY)
    with pytest.raises(Malformed, match="line 5"):
        service.take(said(row("TKP0000001"), row("TKP0000001", paid="60.00")), "achieng", NEXT_DAY)
    assert town.billing.unmatched("TKP0000001", soon()) is None
    known = said(row("TKP0000001"), head=HEAD.replace(TILL, "600111"))
    assert service.take(known, "achieng", NEXT_DAY).found == ("TKP0000001",)


def test_a_row_that_cannot_be_settled_keeps_no_other_waiting(town: Town) -> None:
    begun = town.buy()

    class Broken(Settle):
        def notice(self, notice: Notice, now: int, *, last: bool = False) -> Landed:
            if notice.mpesa_receipt == "TKP0000001":
                raise Corrupt("somebody wrote into the store")
            return super().notice(notice, now, last=last)

    service = Statements(town.book, Broken(town.book), Strays(town.book), Refunds(town.book, Bank(), 0), (TILL,))
    rows = (
        row("TKP0000001"),
        row("TKP0000002", account=begun.payment.reference),
        row("TKP0000002", paid="", out="-1.00"),
    )
    with pytest.raises(ExceptionGroup, match="1 failed"):
        service.take(said(*rows), "achieng", NEXT_DAY)
    assert (town.rights(), town.cents(Account(AccountKind.FEES, TILL))) == ([begun.payment.id], 100)
    assert take(town, *rows).found == ("TKP0000001",)


@pytest.mark.parametrize("after", [True, False])
def test_an_import_may_end_at_any_step_and_the_next_finishes_it(
    store: Store, billing: BillingStore, after: bool
) -> None:
    """Every 17th request, so that the file stays quick over the engine."""
    for who, at in enumerate(range(1, 400, 17), 1):
        town = Town(store, billing.rows, who=who)
        town.found()
        begun = town.buy(cents=who * 100, package="")
        town.query(begun.payment.id)
        rows = (
            row(f"TKA{who:07}", paid=f"{who}.00", account=begun.payment.reference),
            row(f"TKA{who:07}", paid="", out="-0.50"),
            row(f"TKB{who:07}", paid="7.00", account=town.account),
            row(f"TKC{who:07}", paid="8.00", account="jirani"),
        )
        dying = DyingRows(billing.rows, at, after=after)
        with contextlib.suppress(Killed):
            statements(Town(store, dying, town.provider, seed=2, who=who)).take(said(*rows), "achieng", NEXT_DAY)
        statements(town).take(said(*rows), "achieng", NEXT_DAY)
        assert town.payment(begun.payment.id).mpesa_receipt == f"TKA{who:07}"
        assert town.balance() == who * 100 + 700
        if dying.count < at:
            break
    else:
        raise AssertionError("it never ended by itself")
    assert town.cents(Account(AccountKind.FEES, TILL)) == who * 50
    assert town.findings() == []
