"""Money that names nobody goes back to who sent it, once; while it is on its way nobody can claim it."""

import contextlib

import pytest

from billing.domain.give_back import Refund, Way
from billing.domain.journal import Account, AccountKind
from billing.domain.ledger import Reason
from billing.domain.reversal import ReversalState
from billing.mpesa.statement import read_statement
from billing.ports import UnmatchedState
from billing.provider import Notice, Refused, Result
from billing.services.check import LedgerCheck
from billing.services.refunds import UNUSED, Ask, Heard, Refunds
from billing.services.settle import SAME_MONEY_S
from billing.services.statements import Statements
from billing.services.strays import Claimed, Strays
from billing.services.word import Word
from billing.store.ports import BillingStore
from radius.store.open import Store
from tests.contract.billing.test_refunds import Bank
from tests.contract.billing.test_statements import HEAD, row
from tests.contract.billing.town import DAY_BEFORE, DyingRows, Killed, Town
from tests.contract.values import soon
from tests.unit.billing.values import DAY, T0, TILL

CODE = "TKP0000001"
HELD = f"unmatched_in:{CODE}"
ALONE, BOTH = Word("achieng", "paid the wrong till"), Word("achieng", "paid the wrong till", "otieno")
NOW = T0 + 2 * SAME_MONEY_S


class Till:
    """A till that holds money which names nobody."""

    def __init__(self, town: Town, bank: Bank | None = None, cents: int = 5_000, code: str = CODE) -> None:
        self.town, self.bank, self.code = town, bank or Bank(), code
        self.refunds = Refunds(town.book, self.bank, 4_000)
        self.strays = Strays(town.book)
        if cents:
            town.settle.notice(Notice(code, cents, TILL, "", "", T0 + 15), T0 + 16)
            self.strays.round(T0 + 16 + SAME_MONEY_S)

    def ask(self, way: Way = Way.MPESA, word: Word = BOTH, cents: int = 0, seller: str = "") -> Refund | Reason:
        return self.refunds.ask(Ask(f"k1-{self.code}", f"unmatched_in:{self.code}", way, cents, seller), word, NOW)

    def sent(self) -> Refund:
        asked = self.ask()
        assert isinstance(asked, Refund)
        return self.refunds.send(asked.id, NOW + 1)

    def state(self) -> UnmatchedState:
        money = self.town.billing.unmatched(self.code, soon())
        assert money
        return money.state

    def findings(self) -> list[object]:
        return list(LedgerCheck(self.town.book, 4_000).check(DAY_BEFORE, DAY, NOW + 900))


@pytest.fixture
def till(town: Town) -> Till:
    return Till(town)


def test_it_goes_back_once_and_nobody_claims_it_meanwhile(till: Till) -> None:
    assert till.sent().state is ReversalState.SENT
    assert till.bank.reversed == [(CODE, 5_000)]
    assert till.state() is UnmatchedState.RETURNED
    assert till.strays.claim(CODE, till.town.customer, NOW + 2) is Claimed.GONE
    for _ in range(2):
        heard = till.refunds.result(Result("AG_1", "0", done=True), NOW + 3)
        assert isinstance(heard, Heard)
        assert (heard.refund.state, heard.alarm) == (ReversalState.DONE, False)
    assert (till.town.mpesa_cents(), till.town.cents(Account(AccountKind.UNMATCHED, CODE))) == (0, 0)
    assert isinstance(till.ask(), Refund), "the same key is the same refund"
    other = till.refunds.ask(Ask("k2", HELD, Way.MPESA), BOTH, NOW + 4)
    assert isinstance(other, Reason)
    assert till.findings() == []


def test_cash_goes_back_out_of_a_sellers_hand(till: Till) -> None:
    asked = till.ask(Way.CASH, seller="achieng")
    assert isinstance(asked, Refund)
    assert (asked.state, till.state()) == (ReversalState.DONE, UnmatchedState.RETURNED)
    assert till.town.cents(Account(AccountKind.CASH, "achieng")) == -5_000
    assert till.findings() == []


def test_more_than_one_person_may_decide_waits_and_what_is_refused_is_held_again(till: Till) -> None:
    asked = till.ask(word=ALONE)
    assert isinstance(asked, Refund)
    assert (asked.state, till.state()) == (ReversalState.ASKED, UnmatchedState.RETURNED)
    assert till.refunds.refuse(asked.id, "otieno", NOW + 5).state is ReversalState.DROPPED
    assert till.state() is UnmatchedState.HELD
    assert till.strays.claim(CODE, till.town.customer, NOW + 6) is Claimed.CLAIMED
    assert isinstance(till.refunds.ask(Ask("k2", HELD, Way.MPESA), BOTH, NOW + 7), Reason)
    assert (till.town.balance(), till.findings()) == (5_000, [])


def test_what_the_provider_refuses_is_held_again_and_may_have_gone_back_all_the_same(till: Till) -> None:
    till.bank.answer = Refused("21")
    failed = till.sent()
    assert (failed.state, till.state()) == (ReversalState.FAILED, UnmatchedState.HELD)
    statements = Statements(till.town.book, till.town.settle, till.strays, till.refunds, (TILL,))
    back = row(CODE) + row("TKP0000080", T0 + 300, paid="", out="-50.00", linked=CODE)
    assert statements.take(read_statement((HEAD + back).encode()), "achieng", NOW + 9).outside == ("TKP0000080",)
    again = till.refunds.ask(Ask("k2", HELD, Way.MPESA), BOTH, NOW + 10)
    assert isinstance(again, Refund)
    till.bank.answer = None
    till.refunds.send(again.id, NOW + 11)
    assert statements.take(read_statement((HEAD + back).encode()), "achieng", NOW + 12).outside == ()
    assert (till.state(), till.town.mpesa_cents(), till.findings()) == (UnmatchedState.RETURNED, 0, [])


def test_a_late_result_of_what_somebody_claimed_meanwhile_is_an_alarm(till: Till) -> None:
    sent = till.sent()
    till.refunds.result(Result("AG_1", "1", done=False), NOW + 3)
    assert till.state() is UnmatchedState.HELD
    assert till.strays.claim(CODE, till.town.customer, NOW + 4) is Claimed.CLAIMED
    late = till.refunds.result(Result("AG_1", "0", done=True), NOW + 5)
    assert isinstance(late, Heard)
    assert (late.refund.id, late.alarm) == (sent.id, True)
    assert till.findings() == []


@pytest.mark.parametrize(("way", "cents"), [(Way.BALANCE, 0), (Way.MPESA, 100), (Way.MPESA, UNUSED)])
def test_what_cannot_be_given_back_so(till: Till, way: Way, cents: int) -> None:
    assert isinstance(till.ask(way, cents=cents), Reason)
    assert till.state() is UnmatchedState.HELD


def test_what_is_no_whole_shilling_goes_back_in_cash_only(town: Town) -> None:
    till = Till(town, cents=5_050)
    assert isinstance(till.ask(), Reason)
    assert isinstance(till.ask(Way.CASH, seller="achieng"), Refund)
    assert till.findings() == []


@pytest.mark.parametrize("after", [True, False])
def test_giving_back_may_end_at_any_step(store: Store, billing: BillingStore, after: bool) -> None:
    """Every 3rd request, so that the file stays quick over the engine."""
    for who, at in enumerate(range(1, 90, 3), 1):
        town, code = Town(store, billing.rows, who=who), f"TKR{who:07}"
        town.found()
        till = Till(town, code=code)
        dying = DyingRows(billing.rows, at, after=after)
        mortal = Till(Town(store, dying, town.provider, seed=2, who=who), till.bank, cents=0, code=code)
        with contextlib.suppress(Killed):
            mortal.ask(Way.CASH, seller="achieng")
        assert isinstance(till.ask(Way.CASH, seller="achieng"), Refund)
        assert till.town.cents(Account(AccountKind.UNMATCHED, code)) == 0
        if dying.count < at:
            break
    else:
        raise AssertionError("it never ended by itself")
    assert till.findings() == []
