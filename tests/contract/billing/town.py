"""A shop over some store: one customer, one package, a provider that remembers. Time is T0 + seconds."""

import random
from collections.abc import Callable
from itertools import count

import msgspec

from billing.domain.draw import account_number, token_hash
from billing.domain.journal import Account, AccountKind
from billing.domain.payment import Payment, PaymentEvent
from billing.domain.settle import Proof, Settlement
from billing.domain.thing import Thing
from billing.ports import Claim, ClaimKind, Customer, Kept, Posting
from billing.provider import Accepted, Addresses, Notice, Pushed, PushRequest, Queried, Refused, Unknown
from billing.services import walk
from billing.services.book import Book, Stores
from billing.services.check import LedgerCheck
from billing.services.checkout import Buy, Cashier, Checkout
from billing.services.settle import Settle
from billing.store.ports import BillingStore
from billing.store.rows import Rows
from radius.domain import subscriber as aggregate
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.ports import Outcome
from radius.services.terms import TermsBook
from radius.store.open import Store
from tests.contract.billing.values import PACKAGE, TERMS
from tests.contract.values import change, name, soon
from tests.unit.billing.values import DAY, T0, TILL, VAT

DEVICE = "aabbccddeeff"
DAY_BEFORE = "2026-11-24"


class Killed(BaseException):
    """The process ends here."""


class DyingRows:
    """`Rows` that end the process at the nth request: before or after it took effect. -1: never."""

    def __init__(self, rows: Rows, at: int = -1, *, after: bool = False, error: type[BaseException] = Killed) -> None:
        self.rows = rows
        self.at = at
        self.after = after
        self.error = error
        self.count = 0

    def __getattr__(self, method: str) -> Callable[..., object]:
        def ask(*arguments: object, **named: object) -> object:
            self.count += 1
            dies = self.count == self.at
            if dies and not self.after:
                raise self.error("before")
            answer = getattr(self.rows, method)(*arguments, **named)
            if dies:
                raise self.error("after")
            return answer

        return ask


class FakeProvider:
    """Answers pushes with `answer` (None: accepted), and remembers them."""

    shortcode = TILL
    doors: Addresses | None = None
    gives_back = True

    def __init__(self) -> None:
        self.pushes: list[PushRequest] = []
        self.answer: Pushed | None = None
        self.said: dict[str, Queried] = {}
        self.queries: list[str] = []

    def push(self, request: PushRequest, now: int) -> Pushed:
        self.pushes.append(request)
        return self.answer or Accepted(checkout_of(request))

    def query(self, checkout_id: str, now: int) -> Queried:
        self.queries.append(checkout_id)
        return self.said.get(checkout_id, Unknown("silence"))

    def says(self, checkout_id: str, event: PaymentEvent, code: str) -> None:
        self.said[checkout_id] = Proof(event, checkout_id=checkout_id, code=code)

    def transaction_status(self, mpesa_receipt: str, now: int) -> Refused:
        return Refused("not here")

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Refused:
        return Refused("not here")

    def register_urls(self, now: int) -> Refused:
        return Refused("not here")


def checkout_of(request: PushRequest) -> str:
    return f"ws_CO_{request.reference}"


class Town:
    """The services of one process, and customer number `who`. `provider` and the stores outlive it."""

    def __init__(
        self, store: Store, rows: Rows, provider: FakeProvider | None = None, seed: int = 1, who: int = 1
    ) -> None:
        self.customer = name(who)
        self.account = account_number(random.Random(who).randbytes)
        self.phone = f"07123{who:05}"
        self.receipt = f"TKP{who:07}"
        self.core = store
        self.rows = rows
        self.billing = BillingStore(rows)
        self.provider = provider or FakeProvider()
        self.rung: list[str] = []
        ids = (f"w{seed}-{number}" for number in count(1))
        b = self.billing
        self.book = Book(
            Stores(b, b, b, b, b, b, store.subscribers),
            TermsBook(store.catalogue, lambda: soon() - 20, 20),
            (VAT,),
            lambda: next(ids),
            soon,
            self.rung.append,
        )
        self.settle = Settle(self.book)
        chance = random.Random(1_000 * who + seed)
        self.cashier = Cashier(self.book, self.provider, chance.randbytes, lambda phone: f"hash of {phone}")

    def found(self) -> None:
        """Package, terms and customer."""
        self.core.catalogue.add(TERMS, soon())
        self.billing.add(PACKAGE, soon())
        body = aggregate.encode(Subscriber(self.customer, Credential(SecretKind.DEVICE), T0))
        self.core.subscribers.create(change(self.customer, 1, body=body), [f"n:{self.customer}"], soon())
        self.billing.post(
            Posting(
                f"found{self.account}",
                claims=(Claim(ClaimKind.ACCOUNT, self.account, self.customer),),
                customer=Customer(self.customer, self.account, 0, 1),
            ),
            soon(),
        )

    def buy(self, key: str = "page1", package: str = "standard.1", cents: int = 0, now: int = T0) -> Checkout:
        return self.cashier.buy(Buy(self.customer, self.phone, package, cents, key, DEVICE), now)

    def callback(self, number: int = 1, now: int = T0 + 20, **fields: object) -> Settlement | None:
        """The callback of the nth push, paid if `fields` say nothing else."""
        push = self.provider.pushes[number - 1]
        said: dict[str, object] = {"cents": push.cents, "mpesa_receipt": self.receipt, "paid_at": T0 + 15, **fields}
        proof = Proof(PaymentEvent.CALLBACK_PAID, push.token, checkout_of(push))
        payment = self.billing.owner(ClaimKind.CALLBACK, token_hash(push.token), soon()) or ""
        return self.settle.prove(payment, msgspec.structs.replace(proof, **said), now)

    def query(self, payment: str, now: int = T0 + 30) -> Settlement | None:
        proof = Proof(PaymentEvent.QUERY_PAID, checkout_id=f"ws_CO_{self.payment(payment).reference}", code="0")
        return self.settle.prove(payment, proof, now)

    def notice(self, reference: str, receipt: str = "", cents: int = 5_000, now: int = T0 + 16) -> object:
        return self.settle.notice(Notice(receipt or self.receipt, cents, TILL, reference, "", T0 + 15), now)

    # -- what is looked at afterwards ------------------------------------------------------------------------------

    def payment(self, payment: str) -> Payment:
        kept = self.billing.payment(payment, soon())
        assert kept
        return kept.payment

    def aggregate(self) -> Subscriber:
        stored = self.core.subscribers.read(self.customer, soon())
        assert stored
        return aggregate.decode(stored.body)

    def rights(self) -> list[str]:
        return [right.id for right in self.aggregate().rights]

    def balance(self) -> int:
        customer = self.billing.customer(self.customer, soon())
        assert customer
        return customer.balance_cents

    def findings(self) -> list[object]:
        """What `ledger check` says."""
        return list(LedgerCheck(self.book).check(DAY_BEFORE, DAY, T0 + 900))

    def mpesa_cents(self) -> int:
        """What the books say is in the till."""
        return self.cents(Account(AccountKind.MPESA, TILL))

    def cents(self, account: Account, first: str = DAY_BEFORE, last: str = DAY) -> int:
        """What the books say of an account."""
        found = (entry for day in walk.days(first, last) for entry in walk.entries(self.book, day))
        return sum(leg.cents for entry in found for leg in entry.journal.legs if leg.account == account)

    def put(self, kept: Kept[Thing]) -> None:
        """Write a thing behind the back of its service."""
        assert self.billing.post(Posting(self.book.new_id(), things=(kept,)), soon()).outcome is Outcome.COMMITTED
