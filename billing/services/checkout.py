"""Checkout: a payment is committed before anything is sent, and pushed once.

A key that comes again finds its payment and never pushes: whoever asks cannot tell a lost reply from a lost request,
and two prompts may both be paid. Whether a payment that was only created was pushed, nobody knows after a crash: it is
treated as pushed, waits for its callback, and expires.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from billing.domain import draw
from billing.domain.draw import Draw
from billing.domain.payment import (
    BY_HAND,
    EXPIRES_S,
    PAID_STATES,
    Payment,
    PaymentEvent,
    PaymentState,
    check_amount,
    check_phone,
    prompt_open,
)
from billing.domain.settle import Refused as NotPaid
from billing.domain.settle import pushed
from billing.ports import (
    KEY_KEPT_S,
    Claim,
    ClaimKind,
    KeptPayment,
    Part,
    Posting,
    Prompt,
)
from billing.provider import Accepted, PayByHand, Provider, PushRequest, Refused, Unknown
from billing.services.book import Book
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.domain.intent import Waiting
from radius.ports import Outcome

ASKED_AFTER_S = 20  # nobody has typed a PIN before, and a query that comes too early is an error


class Buy(NamedTuple):
    """What a customer asks for. `package` "": a top-up of `cents`, else the version's price is taken.

    `key`: idempotency key of the page, "" for none. `device`: the MAC that waits for it, `waits`: where.
    """

    subscriber: SubscriberId
    phone: str
    package: str = ""
    cents: int = 0
    key: str = ""
    device: str = ""
    waits: Waiting | None = None


class Begun(StrEnum):
    """What became of it."""

    ACCEPTED = "accepted"  # the prompt is on its way
    UNKNOWN = "unknown"  # it may be: wait, and never push again
    REFUSED = "refused"  # nothing was sent; a new try is safe
    BUSY = "busy"  # another prompt is open on that phone
    BY_HAND = "by_hand"  # nothing is sent at this till: the payer pays from the menu of the phone, and shows the code
    REPEATED = "repeated"  # the key's payment, as it stands


class Checkout(NamedTuple):
    """The payment (of a phone that is busy: the one that has its prompt). `code`: the provider's, when refused."""

    begun: Begun
    payment: Payment
    code: str = ""


class Cashier:
    """Begins payments."""

    def __init__(self, book: Book, provider: Provider, random: Draw, phone_key: Callable[[str], str]) -> None:
        """`phone_key`: keyed hash of a number, which is all that is kept of it."""
        self._book = book
        self._stores = book.stores
        self._provider = provider
        self._random = random
        self._phone_key = phone_key

    def buy(self, buy: Buy, now: int) -> Checkout:
        """Commit a payment, then push it. Raises Malformed for what cannot be asked for, Unavailable, Contended."""
        phone = check_phone(buy.phone)
        cents = self._price(buy)
        check_amount(cents)
        stored = self._stores.subscribers.read(buy.subscriber, self._book.deadline())
        if stored is None:
            raise Malformed("subscriber", "is nobody; register first")
        site = aggregate.decode(stored.body).site
        for _ in self._book.tries(buy.key or buy.subscriber):
            standing = self._standing(buy, phone, now)
            if standing is not None:
                return standing
            token = draw.callback_token(self._random)
            kept = self._commit(buy, phone, cents, token, site, now)
            if kept is not None:
                return self._push(kept, phone, token, now)
        raise AssertionError  # `tries` ends by raising

    def paid(self, payments: Sequence[str], phone: str) -> bool:
        """Whether this phone was asked to pay one of these payments, and did."""
        kept = self._stores.payments.payments(payments, self._book.deadline()) if payments else []
        key = self._phone_key(check_phone(phone))
        return any(each.payer == key and each.payment.state in PAID_STATES for each in kept)

    def _price(self, buy: Buy) -> int:
        if not buy.package:
            return buy.cents
        package = self._stores.packages.package(buy.package, self._book.deadline())
        if package is None or package.trial is not None:
            raise Malformed("package", "is not sold")
        return package.price_cents

    def _standing(self, buy: Buy, phone: str, now: int) -> Checkout | None:
        """The payment of this key, or the one that has the phone's prompt."""
        payments, deadline = self._stores.payments, self._book.deadline
        known = self._stores.postings.owner(ClaimKind.IDEMPOTENCY, _own(buy), deadline()) if buy.key else None
        kept = payments.payment(known, deadline()) if known else None
        if kept is not None:
            return Checkout(Begun.REPEATED, kept.payment)
        prompt = payments.prompt(self._phone_key(phone), deadline())
        kept = payments.payment(prompt.payment, deadline()) if prompt else None
        if kept is not None and prompt_open(kept.payment, now):
            return Checkout(Begun.BUSY, kept.payment)
        return None

    def _commit(self, buy: Buy, phone: str, cents: int, token: str, site: str, now: int) -> KeptPayment | None:
        """The payment with its names and the phone's prompt; None when something was overtaken or drawn twice."""
        id_ = draw.callback_token(self._random)[:16]
        reference = draw.reference(self._random)
        payment = Payment(
            id_, cents, self._provider.shortcode, reference, draw.token_hash(token), now, buy.subscriber, buy.package
        )
        kept = KeptPayment(payment, 1, buy.device, now + ASKED_AFTER_S, waits=buy.waits, payer=self._phone_key(phone))
        claims = [Claim(ClaimKind.REFERENCE, reference, id_), Claim(ClaimKind.CALLBACK, payment.token_hash, id_)]
        if buy.key:
            claims.append(Claim(ClaimKind.IDEMPOTENCY, _own(buy), id_, now + KEY_KEPT_S))
        key = self._phone_key(phone)
        before = self._stores.payments.prompt(key, self._book.deadline())
        if before is not None and self._open(before, now):
            return None  # somebody came between
        prompt = Prompt(key, id_, before.version + 1 if before else 1)
        posted = self._book.post(Posting(self._book.new_id(), kept, tuple(claims), prompt=prompt, listed=site))
        if posted.outcome is not Outcome.COMMITTED:
            return None
        self._book.told(None, payment)
        return kept

    def _open(self, prompt: Prompt, now: int) -> bool:
        kept = self._stores.payments.payment(prompt.payment, self._book.deadline())
        return kept is not None and prompt_open(kept.payment, now)

    def _push(self, kept: KeptPayment, phone: str, token: str, now: int) -> Checkout:
        payment = kept.payment
        answer = self._provider.push(PushRequest(phone, payment.cents, payment.reference, token), now)
        match answer:
            case Accepted(checkout_id):
                return self._heard(payment.id, PaymentEvent.PUSH_ACCEPTED, Begun.ACCEPTED, now, checkout_id=checkout_id)
            case Refused(code=code):
                return self._heard(payment.id, PaymentEvent.PUSH_REFUSED, Begun.REFUSED, now, code=code)
            case Unknown():
                return self._heard(payment.id, PaymentEvent.PUSH_UNKNOWN, Begun.UNKNOWN, now)
            case PayByHand():
                return self._by_hand(kept)

    def _by_hand(self, kept: KeptPayment) -> Checkout:
        """No prompt will answer for it: it waits for its money, and expires."""
        payment = msgspec.structs.replace(kept.payment, code=BY_HAND)
        after = kept._replace(payment=payment, version=kept.version + 1, due_at=payment.created_at + EXPIRES_S)
        if self._book.post(Posting(self._book.new_id(), after)).outcome is Outcome.COMMITTED:
            return Checkout(Begun.BY_HAND, payment)
        found = self._stores.payments.payment(payment.id, self._book.deadline())
        return Checkout(Begun.BY_HAND, found.payment if found else payment)  # its money was quicker

    def _heard(
        self, payment: str, event: PaymentEvent, begun: Begun, now: int, checkout_id: str = "", code: str = ""
    ) -> Checkout:
        """Commit the reply to the push; a callback may have come before it."""
        for _ in self._book.tries(payment):
            kept = self._stores.payments.payment(payment, self._book.deadline())
            if kept is None:
                raise AssertionError(f"payment {payment} was committed and is not there")
            found = pushed(kept.payment, event, now, checkout_id, code)
            if found.payment == kept.payment:
                return Checkout(begun, kept.payment, code)
            failed = isinstance(found, NotPaid) and found.payment.state is PaymentState.FAILED
            after = kept._replace(payment=found.payment, version=kept.version + 1, due_at=0 if failed else kept.due_at)
            named = found.payment.checkout_id
            new = named and named != kept.payment.checkout_id
            claims = (Claim(ClaimKind.CHECKOUT, named, payment),) if new else ()
            posted = self._book.post(Posting(self._book.new_id(), after, claims))
            if posted.outcome is Outcome.COMMITTED:
                self._book.told(kept.payment, found.payment)
                return Checkout(begun, found.payment, code)
            if Part.CHECKOUT in posted.parts:  # two payments never share one: it cannot be known which this is
                return Checkout(Begun.UNKNOWN, kept.payment, code)
        raise AssertionError  # `tries` ends by raising


def _own(buy: Buy) -> str:
    """The key as one of this customer's: nobody sees another's payment by it."""
    return f"{buy.subscriber}:{buy.key}"
