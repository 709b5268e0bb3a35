"""Whatever tells of money, in any order and however late: everybody has what they paid for, and nobody has it twice.

Two prompts of one amount and one payment by hand, at a till (nothing is named) or a paybill; callbacks, queries,
notices, statements and codes that are shown, with pauses from seconds to hours. 150 short histories take some 10 s.
"""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from billing.domain.journal import Account, AccountKind, business_day
from billing.domain.payment import Payment, PaymentEvent, PaymentState
from billing.domain.settle import Proof
from billing.domain.statement import Row, Statement
from billing.provider import Notice, Queried
from billing.services.check import LedgerCheck
from billing.services.reconcile import Reconciler
from billing.services.refunds import Refunds
from billing.services.shown import ShownCodes
from billing.services.statements import Statements
from billing.services.strays import Strays
from billing.services.word import Word
from billing.store.rows import MemoryRows
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.contract.billing.test_refunds import Bank
from tests.contract.billing.town import DAY_BEFORE, FakeProvider, Town
from tests.unit.billing.values import T0, TILL

PRICE = 5_000
HOUR = 3_600
WORD = Word("achieng", "showed the message")


class Money(NamedTuple):
    """What somebody paid: customer `who`, for a payment or by hand."""

    receipt: str
    who: int
    paid_at: int
    payment: str = ""
    reference: str = ""


class Truth(FakeProvider):
    """A provider that knows what was paid, and until then says what a prompt looks like that nobody answered."""

    def __init__(self) -> None:
        super().__init__()
        self.paid: dict[str, int] = {}

    def query(self, checkout_id: str, now: int) -> Queried:
        paid_at = self.paid.get(checkout_id)
        if paid_at is not None and now >= paid_at:
            return Proof(PaymentEvent.QUERY_PAID, checkout_id=checkout_id, code="0")
        if now < T0 + 120:
            return Proof(PaymentEvent.QUERY_OPEN, checkout_id=checkout_id, code="4999")
        return Proof(PaymentEvent.QUERY_FAILED, checkout_id=checkout_id, code="1037")


class Always:
    """Turns that nobody waits for."""

    def take(self, at: float) -> bool:
        return True

    def refused(self, at: float, wait_s: float) -> None:
        raise AssertionError("nobody refuses here")


class World:
    """Three customers of one till."""

    def __init__(self, delays: tuple[int | None, int | None], by_hand_at: int, *, named: bool) -> None:
        store = memory_store(MemoryStore())
        rows, self.truth = MemoryRows(store.subscribers), Truth()  # type: ignore[arg-type]
        self.towns = [Town(store, rows, self.truth, seed=who, who=who) for who in (1, 2, 3)]
        self.now, self.named, self.money = T0, named, list[Money]()
        for town in self.towns:
            town.found()
        self.bought = [town.buy() for town in self.towns[:2]]
        for who, (delay, begun) in enumerate(zip(delays, self.bought, strict=True)):
            if delay is not None:
                payment = begun.payment
                self.money.append(Money(f"TKX000000{who}", who, T0 + delay, payment.id, payment.reference))
                self.truth.paid[f"ws_CO_{payment.reference}"] = T0 + delay
        self.money.append(Money("TKY0000009", 2, T0 + by_hand_at))
        town = self.towns[0]
        self.strays = Strays(town.book)
        self.shown = ShownCodes(town.book, town.settle, self.strays, self.truth, (TILL,))
        refunds = Refunds(town.book, Bank(), 0)
        self.statements = Statements(town.book, town.settle, self.strays, refunds, (TILL,), seen=self.shown.look)
        self.reconciler = Reconciler(town.book, town.settle, self.truth, Always(), lambda: float(self.now))

    # -- what happens ----------------------------------------------------------------------------------------------

    def came(self) -> list[Money]:
        return [each for each in self.money if each.paid_at <= self.now]

    def callback(self, who: int) -> None:
        for money in self.came():
            if money.who == who and money.payment:
                self.towns[who].callback(who + 1, self.now, mpesa_receipt=money.receipt, paid_at=money.paid_at)

    def failed(self, who: int) -> None:
        """A callback that nobody answered; one that says so after it was paid came late."""
        push = self.truth.pushes[who]
        proof = Proof(PaymentEvent.CALLBACK_FAILED, push.token, f"ws_CO_{push.reference}", code="1037")
        self.towns[who].settle.prove(self.bought[who].payment.id, proof, self.now)

    def notices(self, _: int) -> None:
        for money in self.came():
            reference = money.reference if self.named else ""
            self.towns[0].settle.notice(Notice(money.receipt, PRICE, TILL, reference, "", money.paid_at), self.now)

    def show(self, who: int) -> None:
        for money in self.came():
            if money.who == who:
                self.shown.show(money.receipt, self.towns[who].customer, money.payment, self.now)

    def claim(self, who: int) -> None:
        """For the balance, whatever it was paid for."""
        for money in self.came():
            if money.who == who:
                self.shown.show(money.receipt, self.towns[who].customer, "", self.now)

    def rounds(self, _: int) -> None:
        self.reconciler.round(self.now)
        self.strays.round(self.now)
        self.shown.round(self.now)

    def statement(self, _: int) -> None:
        rows = [
            Row(line, each.receipt, each.paid_at, done=True, paid_in_cents=PRICE,
                account=each.reference if self.named else "")
            for line, each in enumerate(self.came(), 2)
        ]  # fmt: skip
        self.statements.take(Statement(tuple(rows), T0 - HOUR, self.now), "achieng", self.now)

    def end(self) -> None:
        """Everybody who paid says so, the statement comes, and a person decides what no machine can."""
        for _ in range(2):
            self.now += 30 * HOUR
            self.rounds(0)
            for who in range(3):
                self.show(who)
            self.statement(0)
        for money in self.money:
            if money.payment and self.payment(money).state is PaymentState.PROVEN:
                self.statements.decide(money.receipt, money.payment, WORD, self.now)
        for _ in range(2):
            self.now += HOUR
            self.rounds(0)
            for who in range(3):
                self.show(who)

    # -- what is looked at -----------------------------------------------------------------------------------------

    def payment(self, money: Money) -> Payment:
        return self.towns[0].payment(money.payment)

    def has_cents(self, who: int) -> int:
        return PRICE * len(self.towns[who].rights()) + self.towns[who].balance()

    def booked_cents(self) -> int:
        return self.towns[0].cents(Account(AccountKind.MPESA, TILL), DAY_BEFORE, business_day(self.now))

    def findings(self) -> list[object]:
        return list(LedgerCheck(self.towns[0].book).check(DAY_BEFORE, business_day(self.now), self.now))


STEPS: dict[str, Callable[[World, int], None]] = {
    "callback": World.callback, "failed": World.failed, "notices": World.notices, "show": World.show,
    "rounds": World.rounds, "statement": World.statement, "claim": World.claim,
}  # fmt: skip
DELAYS = st.sampled_from([15, 50, 700, 5_000, None])
HISTORY = st.lists(
    st.tuples(st.sampled_from([0, 5, 130, 700, 4_000]), st.sampled_from(sorted(STEPS)), st.integers(0, 1)),
    min_size=8,
    max_size=20,
)


@given(st.tuples(DELAYS, DELAYS), st.sampled_from([20, 60, 900]), st.booleans(), HISTORY)
def test_everybody_has_what_they_paid_for_once(
    delays: tuple[int | None, int | None], by_hand_at: int, named: bool, history: list[tuple[int, str, int]]
) -> None:
    world = World(delays, by_hand_at, named=named)
    for pause_s, step, who in history:
        world.now += pause_s
        STEPS[step](world, who)
        assert world.booked_cents() <= PRICE * len(world.came())
    world.end()
    assert world.findings() == []
    for who in range(3):
        paid = PRICE * sum(each.who == who for each in world.money)
        disputed = any(
            each.who == who and each.payment and world.payment(each).state is PaymentState.DISPUTED
            for each in world.money
        )
        assert world.has_cents(who) == paid or (disputed and world.has_cents(who) < paid), who
    assert world.booked_cents() == PRICE * len(world.money)
