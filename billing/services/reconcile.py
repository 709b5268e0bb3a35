"""The reconciler: asks about payments whose callback has not come, and expires them.

A payment is claimed by the write that says when it is asked about next: two reconcilers do not ask twice, and one that
ends leaves nothing locked. All queries of the shortcode go through one bucket, and there may be far more to ask than it
holds: what needs no question never waits for what does, and questions go in turns to a payment whose customer still
looks at its page and to the one that has waited longest. One for which there is no turn is put off, once nobody looks.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from billing.domain.payment import BY_HAND, EXPIRES_S, PAID_STATES, PaymentState
from billing.domain.settle import Proof, Settled, Settlement, expire
from billing.ports import PAGE_MAX, KeptPayment, Posting
from billing.provider import Provider, TooMany
from billing.services.arrivals import ONLINE_AFTER_S, Arrivals, Driven, Missing, Seen
from billing.services.book import Book
from billing.services.rounds import try_each
from billing.services.settle import FAILED_UNTIL_S, RECEIPT_ASKED_AFTER_S, Settle
from radius.domain.errors import Corrupt
from radius.ports import Outcome

ROUND_MAX = 1_000  # payments looked at in one round
QUICK_S, QUICK_UNTIL_S = 25, 180  # the customer waits, and nobody looks at a waiting page for longer
SLOW_S = 120
RARE_S, RARE_UNTIL_S = 600, 86_400  # then a person asks
RECEIPT_S = 6 * 3_600  # a proven payment waits for a statement: due until it has its receipt (`strays` counts on it)
RECEIPT_LATE_S = 3 * 86_400  # statements come daily


class Turns(Protocol):
    """Whose turn it is to ask: one rate for all who ask about a shortcode. `at` in seconds of one clock."""

    def take(self, at: float) -> bool:
        """True if a query may be sent now."""

    def refused(self, at: float, wait_s: float) -> None:
        """The provider said: too many; not before `wait_s`."""


class Round(NamedTuple):
    """What a round did. `by_hand`: payments that a person must ask about: no answer, or no receipt.

    `online_s`: seconds from credit to session of devices that came; `let_in`: how many were let in again; `missing`:
    payments whose device did not come; `failed`: why payments could not be looked at.
    """

    asked: int = 0
    settled: int = 0
    expired: int = 0
    by_hand: tuple[str, ...] = ()
    online_s: tuple[int, ...] = ()
    let_in: int = 0
    missing: tuple[str, ...] = ()
    failed: tuple[Exception, ...] = ()

    def plus(self, other: "Round") -> "Round":
        """Both."""
        return Round(
            self.asked + other.asked,
            self.settled + other.settled,
            self.expired + other.expired,
            self.by_hand + other.by_hand,
            self.online_s + other.online_s,
            self.let_in + other.let_in,
            self.missing + other.missing,
            self.failed + other.failed,
        )


class Reconciler:
    """Feeds the same settle as callbacks do."""

    def __init__(
        self,
        book: Book,
        settle: Settle,
        provider: Provider,
        turns: Turns,
        clock: Callable[[], float],
        arrivals: Arrivals | None = None,
    ) -> None:
        """`clock`: UTC seconds, that of `turns`. `arrivals` None: whose device waits is nobody's business here."""
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._provider = provider
        self._turns = turns
        self._clock = clock
        self._arrivals = arrivals
        self._oldest = False  # whose turn the next question is

    def round(self, now: int) -> Round:
        """Look at what is due."""
        due = self._stores.payments.due(now, ROUND_MAX, self._book.deadline())
        kept, unread = self._read([payment for payment, _ in due])
        ordered = sorted(kept.values(), key=lambda each: self._rank(each, now))
        found, failed = try_each((each.payment.id for each in ordered), lambda payment: self._one(kept[payment], now))
        total = Round(failed=(*unread, *failed))
        for done in found:
            total = total.plus(done)
        if total.asked:
            self._oldest = not self._oldest
        return total

    def _read(self, due: list[str]) -> tuple[dict[str, KeptPayment], list[Exception]]:
        """Payments by id, as they are; of one that cannot be read, why."""
        kept: list[KeptPayment] = []
        failed: list[Exception] = []
        for first in range(0, len(due), PAGE_MAX):
            page = due[first : first + PAGE_MAX]
            try:
                kept += self._stores.payments.payments(page, self._book.deadline())
            except Corrupt:  # one of them
                found, bad = try_each(page, lambda one: self._stores.payments.payment(one, self._book.deadline()))
                kept += [each for each in found if each is not None]
                failed += bad
        return {each.payment.id: each for each in kept}, failed

    def _rank(self, kept: KeptPayment, now: int) -> tuple[bool, bool, int, int]:
        """Those first that cost no question; then by turns, and in each turn whoever was asked about least."""
        young = now < kept.payment.created_at + QUICK_UNTIL_S
        return _asks(kept, now), young is self._oldest, kept.tries, kept.due_at

    def _one(self, kept: KeptPayment, now: int) -> Round:
        if not 0 < kept.due_at <= now:
            return Round()  # the index is behind
        return self._arrival(kept, now) if _arrives(kept) else self._look(kept, now)

    def _look(self, kept: KeptPayment, now: int) -> Round:
        """Expire it, ask about it, put it off, or leave it to the next round."""
        may = _asks(kept, now) and self._turns.take(self._clock())
        failed = kept.payment.state is PaymentState.FAILED
        late = now >= kept.payment.created_at + (FAILED_UNTIL_S if failed else EXPIRES_S)
        claimed = self._claim(kept, now, asks=may) if may or late or not _asks(kept, now) else None
        if claimed is None:
            return Round()
        expired = claimed.payment.state is not kept.payment.state
        silent = not claimed.due_at and not failed and kept.payment.code != BY_HAND  # who did not pay is no loss
        by_hand = (kept.payment.id,) if silent or _receipt_is_late(claimed, now) else ()
        settled = may and isinstance(self._ask(claimed, now), Settled)
        return Round(int(may), int(settled), int(expired), by_hand)

    def _arrival(self, kept: KeptPayment, now: int) -> Round:
        """Whether the device came; the look that finds it, and the last one, let the payment go."""
        found = self._arrivals.look(kept, now) if self._arrivals else Seen()
        done = not isinstance(found, Driven)
        after = kept._replace(version=kept.version + 1, due_at=now + ONLINE_AFTER_S, tries=kept.tries + 1)
        if done:
            proven = kept.payment.state is PaymentState.PROVEN
            after = after._replace(device="", due_at=now + RECEIPT_ASKED_AFTER_S if proven else 0, tries=0)
        if self._book.post(Posting(self._book.new_id(), after)).outcome is not Outcome.COMMITTED:
            return Round()
        match found:
            case Seen(after_s):
                return Round(online_s=() if after_s is None else (after_s,))
            case Driven():
                return Round(let_in=1)
            case Missing():
                return Round(missing=(kept.payment.id,))

    def _claim(self, kept: KeptPayment, now: int, *, asks: bool) -> KeptPayment | None:
        """Expired if it is late, and due when it is to be asked about again."""
        payment = expire(kept.payment, now).payment
        due_at = _next(kept, now, asks=asks)
        after = kept._replace(payment=payment, version=kept.version + 1, due_at=due_at, tries=kept.tries + asks)
        posted = self._book.post(Posting(self._book.new_id(), after))
        if posted.outcome is not Outcome.COMMITTED:
            return None
        self._book.told(kept.payment, payment)
        return after

    def _ask(self, kept: KeptPayment, now: int) -> Settlement | None:
        answer = self._provider.query(kept.payment.checkout_id, int(self._clock()))  # a round takes its time
        match answer:
            case Proof():
                return self._settle.prove(kept.payment.id, answer, now)
            case TooMany(wait_s, refused=True):
                self._turns.refused(self._clock(), wait_s)
        return None


def _arrives(kept: KeptPayment) -> bool:
    """It is paid, and its device was not seen yet."""
    return bool(kept.device) and kept.payment.state in PAID_STATES


def _asks(kept: KeptPayment, now: int) -> bool:
    """Only the provider can say more; after a failure it is asked once, and in time."""
    if kept.payment.state is PaymentState.FAILED and (kept.tries or now >= kept.payment.created_at + FAILED_UNTIL_S):
        return False
    return bool(kept.payment.checkout_id) and kept.payment.state not in PAID_STATES


def _next(kept: KeptPayment, now: int, *, asks: bool) -> int:
    """When to look again; 0: never by a machine. It stays due while it is asked about: `strays` counts on it."""
    payment = kept.payment
    age_s = now - payment.created_at
    if payment.state is PaymentState.FAILED:
        return now + QUICK_S if asks else 0
    if payment.state is PaymentState.PROVEN:
        return now + RECEIPT_S
    if age_s < QUICK_UNTIL_S:
        return now + QUICK_S
    if age_s < EXPIRES_S:
        return now + SLOW_S
    return now + RARE_S if payment.checkout_id and age_s < RARE_UNTIL_S else 0


def _receipt_is_late(kept: KeptPayment, now: int) -> bool:
    return kept.payment.state is PaymentState.PROVEN and now >= kept.payment.paid_at + RECEIPT_LATE_S
