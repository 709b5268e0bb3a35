"""The reconciler: asks about payments whose callback has not come, oldest and watched first, and expires them.

A payment is claimed by the write that says when it is asked about next: two reconcilers do not ask twice, and one that
ends leaves nothing locked. All queries of the shortcode go through one bucket.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from billing.domain.payment import BY_HAND, EXPIRES_S, OPEN_STATES, PAID_STATES, PaymentState
from billing.domain.settle import Proof, Settled, Settlement, expire
from billing.ports import KeptPayment, Posting
from billing.provider import Provider, TooMany
from billing.services.arrivals import ONLINE_AFTER_S, Arrivals, Driven, Missing, Seen
from billing.services.book import Book
from billing.services.rounds import try_each
from billing.services.settle import RECEIPT_ASKED_AFTER_S, Settle
from radius.ports import Outcome

ROUND_MAX = 200  # payments looked at in one round
WATCHED_MAX = 1_000  # pages that are open at once
WATCHED_S = 180  # nobody looks at a waiting page for longer
QUICK_S, QUICK_UNTIL_S = 25, 180  # the customer waits
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


class Bucket:
    """Queries of one shortcode: `per_minute` of them, never two at once; half of it for a while after a refusal.

    GCRA with a burst of 1. Times are seconds of any one clock.
    """

    def __init__(self, per_minute: float = 5, slowed_s: float = 300) -> None:
        self._pause_s = 60 / per_minute
        self._slowed_s = slowed_s
        self._next_at = 0.0
        self._slow_until = 0.0

    def take(self, at: float) -> bool:
        """True if one may be sent now."""
        if at < self._next_at:
            return False
        self._next_at = at + self._pause_s * (2 if at < self._slow_until else 1)
        return True

    def refused(self, at: float, wait_s: float) -> None:
        """The provider said: too many; not before `wait_s`."""
        self._slow_until = at + self._slowed_s
        self._next_at = at + max(wait_s, 2 * self._pause_s)


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
        """`clock`: that of `turns`. `arrivals` None: whose device waits is nobody's business here."""
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._provider = provider
        self._turns = turns
        self._clock = clock
        self._arrivals = arrivals
        self._watched: dict[str, int] = {}

    def watch(self, payment: str, now: int) -> None:
        """Somebody looks at the page of this payment."""
        self._watched.pop(payment, None)
        self._watched[payment] = now
        while len(self._watched) > WATCHED_MAX:
            del self._watched[next(iter(self._watched))]

    def round(self, now: int) -> Round:
        """Look at what is due."""
        self._watched = {name: at for name, at in self._watched.items() if at > now - WATCHED_S}
        due = self._stores.payments.due(now, ROUND_MAX, self._book.deadline())
        ordered = sorted(due, key=lambda each: (each[0] not in self._watched, each[1]))
        found, failed = try_each((payment for payment, _ in ordered), lambda payment: self._one(payment, now))
        total = Round(failed=tuple(failed))
        for done in found:
            total = total.plus(done)
        return total

    def _one(self, payment: str, now: int) -> Round:
        kept = self._stores.payments.payment(payment, self._book.deadline())
        if kept is None or not 0 < kept.due_at <= now:
            return Round()  # the index is behind
        waits = bool(kept.device) and kept.payment.state in PAID_STATES
        return self._arrival(kept, now) if waits else self._look(kept, now)

    def _look(self, kept: KeptPayment, now: int) -> Round:
        """Expire it, ask about it, or leave it to the next round."""
        wants = bool(kept.payment.checkout_id) and kept.payment.state is not PaymentState.PROVEN
        may = wants and self._turns.take(self._clock())
        late = now >= kept.payment.created_at + EXPIRES_S and kept.payment.state in OPEN_STATES
        claimed = self._claim(kept, now) if may or late or not wants else None
        if claimed is None:
            return Round()
        expired = claimed.payment.state is not kept.payment.state
        silent = not claimed.due_at and kept.payment.code != BY_HAND  # who did not pay by hand is no loss of ours
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

    def _claim(self, kept: KeptPayment, now: int) -> KeptPayment | None:
        """Expired if it is late, and due when it is to be asked about again."""
        payment = expire(kept.payment, now).payment
        after = kept._replace(payment=payment, version=kept.version + 1, due_at=_next(kept, now), tries=kept.tries + 1)
        posted = self._book.post(Posting(self._book.new_id(), after))
        if posted.outcome is not Outcome.COMMITTED:
            return None
        self._book.told(kept.payment, payment)
        return after

    def _ask(self, kept: KeptPayment, now: int) -> Settlement | None:
        answer = self._provider.query(kept.payment.checkout_id, now)
        match answer:
            case Proof():
                return self._settle.prove(kept.payment.id, answer, now)
            case TooMany(wait_s):
                self._turns.refused(self._clock(), wait_s)
        return None


def _next(kept: KeptPayment, now: int) -> int:
    """When to look again; 0: never by a machine."""
    payment = kept.payment
    age_s = now - payment.created_at
    if payment.state is PaymentState.PROVEN:
        return now + RECEIPT_S
    if age_s < QUICK_UNTIL_S:
        return now + QUICK_S
    if age_s < EXPIRES_S:
        return now + SLOW_S
    return now + RARE_S if payment.checkout_id and age_s < RARE_UNTIL_S else 0


def _receipt_is_late(kept: KeptPayment, now: int) -> bool:
    return kept.payment.state is PaymentState.PROVEN and now >= kept.payment.paid_at + RECEIPT_LATE_S
