"""The auditor against a product with one deliberate defect each: whoever is never caught out may see nothing.

Every defect is a mistake that somebody's biller makes. The days are those of the ordinary run; a defect must be seen on
one of the first few, and for what it is.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billing.domain import payment as life
from billing.domain import settle as rules
from billing.domain.payment import Effect, Payment, PaymentEvent, PaymentState, Step
from billing.domain.settle import Proof, Settlement, Why
from billing.mpesa import callbacks, wire
from billing.ports import Body, ClaimKind, Part
from billing.services import checkout, settle
from billing.services.book import Book
from billing.services.callbacks import Callbacks
from billing.services.reconcile import Reconciler, Round
from billing.services.strays import Strays
from billing.store.ports import BillingStore
from billing.store.rows import MemoryRows
from radius.ports import Change, Outcome
from tests.sim.billing.bank import Teller
from tests.sim.billing.clockwork import Badness
from tests.sim.billing.market import Market

DAYS_MAX = 8
Mutant = Callable[[pytest.MonkeyPatch], None]
S, E = PaymentState, PaymentEvent


def cell(state: PaymentState, event: PaymentEvent, step: Step) -> Mutant:
    """Another cell in the table of a payment's life."""
    return lambda patch: patch.setitem(life.TABLE, (state, event), step)


def unconditional(part: Part) -> Mutant:
    """That part of a posting is written over whatever is there."""

    def mutate(patch: pytest.MonkeyPatch) -> None:
        met = MemoryRows._met
        patch.setattr(
            MemoryRows, "_met", lambda rows, write, room: None if write.part is part else met(rows, write, room)
        )

    return mutate


def anybody_knocks(patch: pytest.MonkeyPatch) -> None:
    """The token in a callback's path is not compared: what names a checkout is believed."""
    patch.setattr(rules, "compare_digest", lambda _one, _other: True)


def amount_unchecked(patch: pytest.MonkeyPatch) -> None:
    right = rules.settle

    def as_asked_for(payment: Payment, proof: Proof, now: int) -> Settlement:
        named = proof.cents is not None
        return right(payment, msgspec.structs.replace(proof, cents=payment.cents) if named else proof, now)

    patch.setattr(settle.rules, "settle", as_asked_for)


def receipt_unclaimed(patch: pytest.MonkeyPatch) -> None:
    """Credited under its payment, and the receipt is anybody's again."""
    claims = settle._claims
    patch.setattr(
        settle,
        "_claims",
        lambda before, found: tuple(c for c in claims(before, found) if c.kind is not ClaimKind.MPESA),
    )


def receipt_lost(patch: pytest.MonkeyPatch) -> None:
    """A query has proven it; the callback that names the receipt finds it settled and is put away."""
    patch.setitem(life.TABLE, (S.PROVEN, E.CALLBACK_PAID), Step(S.PROVEN, Effect.NOTHING))
    patch.setitem(life.TABLE, (S.PROVEN, E.RECEIPT_FOUND), Step(S.PROVEN, Effect.NOTHING))


def proven_money_is_free(patch: pytest.MonkeyPatch) -> None:
    """The receipt of a payment that a query proved is taken for other money."""
    right = rules.settle

    def other(payment: Payment, proof: Proof, now: int) -> Settlement:
        if payment.state is S.PROVEN and proof.mpesa_receipt:
            return rules.Refused(payment, Why.OTHER_MONEY, alarm=True, unmatched=True)
        return right(payment, proof, now)

    patch.setattr(settle.rules, "settle", other)


def double_credit(patch: pytest.MonkeyPatch) -> None:
    """And booked once more."""
    proven_money_is_free(patch)
    first_come(patch)


def unknown_code_fails(patch: pytest.MonkeyPatch) -> None:
    for module in (callbacks, wire):
        patch.setattr(module, "fails", lambda code: code != "0")


def pending_fails(patch: pytest.MonkeyPatch) -> None:
    """What is not paid when it is asked about has failed."""
    fails = wire.fails
    patch.setattr(wire, "fails", lambda code: code == "4999" or fails(code))


def answered_before_stored(patch: pytest.MonkeyPatch) -> None:
    keep = BillingStore.keep

    def forgets(store: BillingStore, body: Body, deadline: float) -> Outcome:
        return keep(store, body, deadline) if int(body.id[:2], 16) % 4 else Outcome.COMMITTED

    patch.setattr(BillingStore, "keep", forgets)


def put_away_first(patch: pytest.MonkeyPatch) -> None:
    """A callback is marked as done before it is settled: whoever dies in between loses it."""
    right = Callbacks.finish

    def finish(self: Callbacks, body: str, now: int) -> Any:
        self._stores.bodies.looked_at(body, self._book.deadline())
        return right(self, body, now)

    patch.setattr(Callbacks, "finish", finish)


def nobody_sweeps(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Callbacks, "sweep", lambda _self, _now: [])


def nobody_asks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "round", lambda _self, _now: Round())


def pushed_again(patch: pytest.MonkeyPatch) -> None:
    """A push whose reply was lost is sent once more."""
    push = Teller.push

    def twice(self: Teller, request: Any, now: int) -> Any:
        answer = push(self, request, now)
        return push(self, request, now) if isinstance(answer, checkout.Unknown) else answer

    patch.setattr(Teller, "push", twice)


def pushed_unwritten(patch: pytest.MonkeyPatch) -> None:
    """Whether the payment was committed is not looked at."""
    commit = checkout.Cashier._commit

    def hopeful(self: Any, *asked: Any) -> Any:
        post = self._book.post
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self._book, "post", lambda posting: post(posting)._replace(outcome=Outcome.COMMITTED))
            return commit(self, *asked)

    patch.setattr(checkout.Cashier, "_commit", hopeful)


def no_right(patch: pytest.MonkeyPatch) -> None:
    """Booked and numbered, and the right was to follow."""
    credit = settle.Settle._credit

    def only_books(self: Any, posting: Any, payment: Payment, now: int, attempt: int) -> Any:
        credited = credit(self, posting, payment, now, attempt)
        return credited and credited._replace(changes=())

    patch.setattr(settle.Settle, "_credit", only_books)


def right_in_a_second_step(patch: pytest.MonkeyPatch) -> None:
    """The right is written after the money, by another request: whoever dies in between leaves a customer outside."""
    post = Book.post

    def in_two(self: Book, posting: Any) -> Any:
        first = post(self, posting._replace(changes=()))
        if posting.payment and posting.changes and first.outcome is Outcome.COMMITTED:
            post(self, posting._replace(payment=None, claims=(), entries=(), customer=None, unmatched=None))
        return first

    patch.setattr(Book, "post", in_two)


def nobody_lets_in(patch: pytest.MonkeyPatch) -> None:
    give = Book.give

    def without(self: Book, given: Any, posting: str, now: int) -> Change | None:
        return give(self, given._replace(device=""), posting, now)

    patch.setattr(Book, "give", without)


def first_come(patch: pytest.MonkeyPatch) -> None:
    """Money that names nobody is its payer's at once, prompt or no prompt."""
    patch.setattr(Strays, "may_be_a_payments", lambda *_given, **_named: False)


# What is wrong, what the auditor says of it, and the first day to play: most show on any, some on few.
MUTANTS: dict[str, tuple[Mutant, str, int]] = {
    "callback without token": (anybody_knocks, "is in the books and not at the bank", 0),
    "amount unchecked": (amount_unchecked, "is with a payment of another amount", 1),
    "receipt unclaimed": (receipt_unclaimed, "is in 2 places", 0),
    "receipt lost": (receipt_lost, "a callback was taken, and there is", 0),
    "double credit": (double_credit, "money without a receipt", 0),
    "unknown code fails": (unknown_code_fails, "does not say so", 0),
    "pending fails": (pending_fails, "does not say so", 3),
    "answered before stored": (answered_before_stored, "a callback with a token of ours is not there", 0),
    "put away first": (put_away_first, "a callback was taken, and there is", 0),
    "nobody sweeps": (nobody_sweeps, "was never settled", 0),
    "nobody asks": (nobody_asks, "is paid, and nobody asked", 0),
    "pushed again": (pushed_again, "was pushed 2 times", 0),
    "pushed unwritten": (pushed_unwritten, "was committed and is not there", 3),
    "no right": (no_right, "has the rights []", 0),
    "right in a second step": (right_in_a_second_step, "has the rights", 0),
    "nobody lets in": (nobody_lets_in, "paid, and nobody lets the device in", 0),
    "first come": (first_come, "was paid for", 0),
    "failure overwrites success": (
        cell(S.PAID, E.CALLBACK_FAILED, Step(S.FAILED, Effect.NOTHING)),
        "has its money and is failed",
        1,
    ),
    "expired is final": (cell(S.EXPIRED, E.CALLBACK_PAID, Step(S.EXPIRED, Effect.NOTHING)), "a callback was taken", 2),
    "failed is final": (cell(S.FAILED, E.CALLBACK_PAID, Step(S.FAILED, Effect.NOTHING)), "a callback was taken", 2),
    "balance written over": (unconditional(Part.CUSTOMER), "cents, paid", 0),
    "aggregate written over": (unconditional(Part.SUBSCRIBER), "reports", 0),
    "numbers given twice": (unconditional(Part.NUMBER), "receipts were numbered", 2),
}


def bad_day(seed: int) -> Market:
    """Few customers who buy much, and everything that can go wrong at once."""
    market = Market(seed)
    market.world.badness = Badness(switched=0.5, death=0.01, before=0.02, after=0.02, index_lag=0.3)
    market.bank.till = seed % 2 == 0
    market.people.customers = market.people.customers[:2]
    market.people.oddity, market.shop.busy, market.shop.series = 0.7, 0.2, 1
    return market


@pytest.mark.parametrize("seed", range(3))
def test_on_the_same_days_it_has_nothing_to_say_of_what_is_right(seed: int) -> None:
    bad_day(seed).run()


@pytest.mark.parametrize("name", MUTANTS)
def test_the_auditor_sees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, complaint, first = MUTANTS[name]
    mutate(monkeypatch)
    for seed in range(first, first + DAYS_MAX):
        try:
            bad_day(seed).run()
        except AssertionError as seen:
            if complaint in str(seen):
                return
    pytest.fail(f"nobody saw it in {DAYS_MAX} days")
