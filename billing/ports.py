"""What selling needs from outside. One method = one atomic store request, answered as in `radius.ports`.

Only idempotency keys and raw bodies are deleted, by their age (`expires_at`), by the store itself: DynamoDB does, and
on the embedded engine `radius.store.expiry` does. Money, receipts and journals stay.

The central value is a `Posting`: everything that one event changes, committed as one transaction or not at all. Each
part carries the version that it was decided on; when one of them is no more so, the answer names the parts and the
service decides again. No part is hot: a customer's balance is in that customer's own account item, a receipt's number
is the next of one of several series, and the totals of the books are derived from journals.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from billing.domain.journal import Journal, Receipt
from billing.domain.package import Package
from billing.domain.payment import Payment
from billing.domain.thing import Thing
from billing.domain.voucher import Voucher
from radius.domain.identity import SubscriberId
from radius.domain.intent import Waiting
from radius.ports import Change, Outcome

T = TypeVar("T", bound=Thing)
T_co = TypeVar("T_co", bound=Thing, covariant=True)

PAGE_MAX = 100  # what one BatchGetItem takes
BODY_BYTES_MAX = 16_384  # of a callback: Daraja's have less than 2 KB
KEY_KEPT_S = 2 * 86_400  # an idempotency key: no page waits longer
BODY_KEPT_S = 90 * 86_400  # raw bodies, for disputes


class KeptPayment(NamedTuple):
    """A payment as read or to be written. It applies only if the stored version is `version` - 1 (0: there is none).

    `device`: the MAC that waits for it, "" for none; `waits`: where, as its router told the page. `due_at`: when the
    reconciler asks about it next, 0 for never. `tries`: how often it has asked. `payer`: keyed hash of the phone that
    was asked to pay, "" for none.
    """

    payment: Payment
    version: int
    device: str = ""
    due_at: int = 0
    tries: int = 0
    waits: Waiting | None = None
    payer: str = ""


class Prompt(NamedTuple):
    """Who has the one prompt of a phone. `phone` is a keyed hash of the number."""

    phone: str
    payment: str
    version: int


class Customer(NamedTuple):
    """What billing keeps of one customer: the number to pay to by hand, and the balance that `version` stands for.

    The balance is what the journals say (`ledger check` compares); it is kept so that spending it is conditional.
    """

    subscriber: SubscriberId
    number: str
    balance_cents: int
    version: int


class UnmatchedState(StrEnum):
    """What became of money that named nobody."""

    WAITS = "waits"  # may be the money of a payment that was proven by query: not booked until its receipt is known
    SAME = "same"  # it was
    HELD = "held"  # booked as unmatched
    CLAIMED = "claimed"  # by somebody who showed its code, or by the late proof of `Unmatched.payment`
    RETURNED = "returned"


class Unmatched(NamedTuple):
    """Money under its M-Pesa receipt. `payment`: whose money it may be. `reference`: what the payer typed."""

    receipt: str
    cents: int
    shortcode: str
    paid_at: int
    state: UnmatchedState
    version: int
    payment: str = ""
    reference: str = ""
    payer: str = ""
    due_at: int = 0


class KeptVoucher(NamedTuple):
    """A voucher under its serial number. `code`: keyed hash; `subscriber` and `right`: what the paper opens."""

    voucher: Voucher
    version: int
    code: str
    package: str
    price_cents: int
    subscriber: SubscriberId
    right: str
    seller: str = ""


class Kept(NamedTuple, Generic[T_co]):
    """A thing as read or to be written, on the condition that the stored version is `version` - 1.

    `due_at`: when a sweep looks at it next, 0 for never. `expires_at`: when it may be deleted, 0 for never.
    """

    thing: T_co
    version: int = 1
    due_at: int = 0
    expires_at: int = 0


class Entry(NamedTuple):
    """A journal, its numbered receipt if it has one, and the customer whom it concerns."""

    journal: Journal
    receipt: Receipt | None = None
    subscriber: str = ""


class Claim(NamedTuple):
    """A name that only one thing may have: `key` of `kind` leads to `owner`. `expires_at` 0: for ever."""

    kind: "ClaimKind"
    key: str
    owner: str
    expires_at: int = 0


class ClaimKind(StrEnum):
    """What names lead to."""

    REFERENCE = "reference"  # AccountReference -> payment
    CHECKOUT = "checkout"  # CheckoutRequestID -> payment
    CALLBACK = "callback"  # hash of a callback's token -> payment
    MPESA = "mpesa"  # M-Pesa receipt -> what has its money: a payment, or the journal
    IDEMPOTENCY = "idempotency"  # key of a checkout -> payment
    ACCOUNT = "account"  # account number -> subscriber
    PAYER = "payer"  # hash of a number as C2B notices have it -> subscriber
    CODE = "code"  # keyed hash of a voucher's code -> serial number
    CONVERSATION = "conversation"  # ConversationID of a reversal -> refund


class Posting(NamedTuple):
    """All that one event changes, in one transaction. `id` is new for each decision, the same for each try of it."""

    id: str
    payment: KeptPayment | None = None
    claims: tuple[Claim, ...] = ()
    entries: tuple[Entry, ...] = ()
    changes: tuple[Change, ...] = ()
    customer: Customer | None = None
    voucher: KeptVoucher | None = None
    unmatched: Unmatched | None = None
    prompt: Prompt | None = None
    vouchers: tuple[KeptVoucher, ...] = ()
    things: tuple[Kept[Thing], ...] = ()
    listed: str | None = None  # with a new payment: the site of its list ("": of none); None: it is no new one


class Part(StrEnum):
    """A part of a posting that was not as it was decided on."""

    PAYMENT = "payment"
    REFERENCE = "reference"
    CHECKOUT = "checkout"
    CALLBACK = "callback"
    MPESA = "mpesa"
    IDEMPOTENCY = "idempotency"
    ACCOUNT = "account"
    PAYER = "payer"
    CODE = "code"
    CONVERSATION = "conversation"
    JOURNAL = "journal"
    NUMBER = "number"
    SUBSCRIBER = "subscriber"
    CUSTOMER = "customer"
    VOUCHER = "voucher"
    UNMATCHED = "unmatched"
    PROMPT = "prompt"
    THING = "thing"


class Posted(NamedTuple):
    """COMMITTED (also when what is there carries the posting's own id), or STALE and the parts that were."""

    outcome: Outcome
    parts: frozenset[Part] = frozenset()


class BodyKind(StrEnum):
    """What a body is about."""

    CALLBACK = "callback"  # of a push
    NOTICE = "notice"  # money paid by hand
    RESULT = "result"  # of a status request or a reversal
    LATE = "late"  # the provider gave up waiting for such a result: it may have one all the same


class Body(NamedTuple):
    """A body as it came. `due_at` 0: it is settled.

    `payment`: whose path a callback came by, its token sealed; both "" for what came by a path of the deployment.
    """

    id: str
    payment: str
    at: int
    text: str
    token: str = ""
    due_at: int = 0
    expires_at: int = 0
    kind: BodyKind = BodyKind.CALLBACK


class Page(NamedTuple):
    """Up to `PAGE_MAX` ids and where to go on: None at the end."""

    ids: tuple[str, ...]
    more: str | None


class Postings(Protocol):
    """The one write of money."""

    def post(self, posting: Posting, deadline: float) -> Posted:
        """All parts or none. At most 100 items (ValueError)."""

    def owner(self, kind: ClaimKind, key: str, deadline: float) -> str | None:
        """What a name leads to; strongly consistent."""

    def release(self, kind: ClaimKind, key: str, owner: str, deadline: float) -> None:
        """Delete a name that leads to `owner`, when a person is to be forgotten. Names of money are never deleted."""


class Payments(Protocol):
    """Payments, their prompts, and what is due."""

    def payment(self, payment: str, deadline: float) -> KeptPayment | None:
        """Strongly consistent."""

    def prompt(self, phone: str, deadline: float) -> Prompt | None:
        """The phone's prompt, open or not; strongly consistent."""

    def due(self, until: int, limit: int, deadline: float) -> list[tuple[str, int]]:
        """Payments to ask about: (id, due_at), the oldest first; eventually consistent."""

    def begun_on(self, day: str, after: str | None, deadline: float) -> Page:
        """Payments created on an ISO day, a page at a time; eventually consistent."""

    def latest_on(self, day: str, limit: int, deadline: float) -> list[str]:
        """The last `limit` payments created on an ISO day, the latest first; eventually consistent."""

    def latest_at(self, site: str, day: str, after: str | None, limit: int, deadline: float) -> Page:
        """Payments of a site's customers begun on an ISO day, the latest first; strongly consistent."""

    def latest_by(self, subscriber: str, after: str | None, limit: int, deadline: float) -> Page:
        """Payments of one customer, the latest first; strongly consistent."""

    def payments(self, ids: Sequence[str], deadline: float) -> list[KeptPayment]:
        """Up to `PAGE_MAX` at once, in any order; strongly consistent."""


class Bodies(Protocol):
    """Raw callbacks: stored before they are answered."""

    def keep(self, body: Body, deadline: float) -> Outcome:
        """COMMITTED, or ALREADY_DONE when it came before."""

    def looked_at(self, body: str, deadline: float) -> None:
        """It is not due any more."""

    def waiting(self, until: int, limit: int, deadline: float) -> list[str]:
        """Ids of bodies that nobody finished, the oldest first; eventually consistent."""

    def body(self, body: str, deadline: float) -> Body | None:
        """Strongly consistent."""


class Ledger(Protocol):
    """Journals and numbered receipts."""

    def entry(self, journal: str, deadline: float) -> Entry | None:
        """Strongly consistent."""

    def last_number(self, series: str, deadline: float) -> int:
        """The highest number of a series, 0 for none; strongly consistent."""

    def booked_on(self, day: str, after: str | None, deadline: float) -> Page:
        """Journals of a business day, a page at a time; eventually consistent."""

    def entries(self, journals: Sequence[str], deadline: float) -> list[Entry]:
        """Up to `PAGE_MAX` at once, in any order; strongly consistent."""

    def numbered(self, series: str, after: int, limit: int, deadline: float) -> list[Receipt]:
        """Receipts of a series from `after` + 1 on; strongly consistent."""


class Customers(Protocol):
    """Customers' money, unmatched money, vouchers, and the other things that billing keeps."""

    def customer(self, subscriber: SubscriberId, deadline: float) -> Customer | None:
        """Strongly consistent."""

    def unmatched(self, receipt: str, deadline: float) -> Unmatched | None:
        """Strongly consistent."""

    def waiting_money(self, until: int, limit: int, deadline: float) -> list[str]:
        """Receipts of money in WAITS that is due, the oldest first; eventually consistent."""

    def voucher(self, serial: str, deadline: float) -> KeptVoucher | None:
        """Strongly consistent."""

    def vouchers(self, serials: Sequence[str], deadline: float) -> list[KeptVoucher]:
        """Up to `PAGE_MAX` at once, in any order; strongly consistent."""

    def thing(self, shape: type[T], name: str, deadline: float) -> Kept[T] | None:
        """Strongly consistent."""

    def things(self, shape: type[T], names: Sequence[str], deadline: float) -> list[Kept[T]]:
        """Up to `PAGE_MAX` at once, in any order; strongly consistent."""

    def due_things(self, shape: type[T], until: int, limit: int, deadline: float) -> list[str]:
        """Names of things of a kind that are due, the earliest first; eventually consistent."""


class Packages(Protocol):
    """Immutable versions of packages."""

    def packages(self, deadline: float) -> list[Package]:
        """All versions of all packages; strongly consistent."""

    def package(self, package: str, deadline: float) -> Package | None:
        """One version by its id, ``day.3``; strongly consistent."""

    def add(self, package: Package, deadline: float) -> Outcome:
        """COMMITTED; ALREADY_DONE when exactly this is there; CONFLICT when that version means something else."""
