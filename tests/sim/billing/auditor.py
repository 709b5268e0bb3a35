"""The evening after: what the bank says was paid, by whom and for what, against all that the store holds.

It has the bank's books and what people did, and shares no rule with the product: it never asks `settle` or the audit
what should be, it asks of every receipt where its money is, and of every right whose money it was.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from billing.domain.journal import AccountKind, Cause, business_day
from billing.domain.payment import Payment, PaymentState
from billing.ports import Entry, KeptPayment, UnmatchedState
from billing.services.book import SERIES
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.intent import IntentReason
from radius.domain.subscriber import Subscriber
from tests.fakes.daraja import Money
from tests.sim.billing.bank import Bank
from tests.sim.billing.people import Customer, People
from tests.sim.billing.shop import Shop

DAYS = 5
LATE_S = 600  # a notice that names nobody waits so long for another proof of the same money (SAME_MONEY_S)
Kind = AccountKind


class Place(NamedTuple):
    """Where the money of a receipt is: with a payment, on a balance, or unmatched."""

    payment: str = ""
    balance: str = ""
    cents: int = 0


class Auditor:
    """Reads everything once, past all faults."""

    def __init__(self, shop: Shop, people: People, bank: Bank) -> None:
        self._shop, self._bank = shop, bank
        self._ports = BillingStore(shop.rows)
        self._days = [
            (date.fromisoformat(business_day(shop.world.now)) - timedelta(days=back)).isoformat()
            for back in range(DAYS)
        ]
        self._customers = people.customers
        self._entries = self._all_entries()
        self._kept = self._all_payments()
        self._payments = {kept.payment.id: kept.payment for kept in self._kept}
        self._by_reference = {payment.reference: payment for payment in self._payments.values()}
        self._aggregates = {customer.id: self._aggregate(customer) for customer in self._customers}
        self._places = self._all_places()

    def failures(self) -> list[str]:
        """All that is not as it must be."""
        found = [f"ledger check: {finding}" for finding in self._ledger_check()]
        for receipt, money in self._bank.daraja.money.items():
            found += [f"{receipt}: {text} ({money})" for text in self._money(receipt, money)]
        found += [f"{receipt} is in the books and not at the bank" for receipt in self._unknown()]
        for customer in self._customers:
            found += [f"{customer.id}: {text}" for text in self._rights(customer)]
            found += [f"{customer.id}: {text}" for text in self._balance(customer)]
        return [*found, *self._totals(), *self._numbers(), *self._left(), *self._prompts(), *self._failed()]

    # -- reading ---------------------------------------------------------------------------------------------------

    def _all_entries(self) -> list[Entry]:
        found: list[Entry] = []
        for day in self._days:
            more: str | None = None
            while True:
                page = self._ports.booked_on(day, more, self._shop.deadline())
                found += self._ports.entries(page.ids, self._shop.deadline())
                more = page.more
                if more is None:
                    break
        return found

    def _all_payments(self) -> list[KeptPayment]:
        found: list[KeptPayment] = []
        for day in self._days:
            more: str | None = None
            while True:
                page = self._ports.begun_on(day, more, self._shop.deadline())
                found += self._ports.payments(page.ids, self._shop.deadline())
                more = page.more
                if more is None:
                    break
        return found

    def _aggregate(self, customer: Customer) -> Subscriber:
        stored = self._shop.store.subscribers.read(customer.id, self._shop.deadline())
        assert stored
        return aggregate.decode(stored.body)

    def _all_places(self) -> dict[str, list[Place]]:
        """Every place of every receipt. Money that was claimed has gone from unmatched to a balance."""
        claimed = {
            entry.journal.fact.subject: entry
            for entry in self._entries
            if entry.journal.cause is Cause.UNMATCHED_CLAIMED
        }
        places: dict[str, list[Place]] = defaultdict(list)
        went_on: dict[str, list[Place]] = defaultdict(list)
        for entry in self._entries:
            journal = entry.journal
            sold = journal.payment and journal.cause in {Cause.SALE_MPESA, Cause.TOP_UP}
            if sold and not any(leg.account.kind is AccountKind.MPESA for leg in journal.legs):
                payment = self._payments[journal.payment]
                went_on[payment.mpesa_receipt].append(Place(payment=payment.id, cents=journal.cents))
            elif journal.cause is Cause.SALE_MPESA or (journal.cause is Cause.TOP_UP and journal.payment):
                payment = self._payments.get(journal.payment)
                receipt = journal.mpesa_receipt or (payment.mpesa_receipt if payment else "")
                places[receipt].append(Place(payment=journal.payment, cents=journal.cents))
            elif journal.cause is Cause.TOP_UP:
                places[journal.mpesa_receipt].append(Place(balance=entry.subscriber, cents=journal.cents))
            elif journal.cause is Cause.UNMATCHED_IN:
                owner = claimed.get(journal.fact.subject)
                places[journal.mpesa_receipt].append(
                    Place(balance=owner.subscriber if owner else "", cents=journal.cents)
                )
        for receipt, later in went_on.items():
            for place in later:  # each leaves one place, where there is one
                before = next((each for each in places[receipt] if not each.payment), None)
                places[receipt] = [*(each for each in places[receipt] if each is not before), place]
        return places

    # -- every shilling --------------------------------------------------------------------------------------------

    def _money(self, receipt: str, money: Money) -> Iterator[str]:
        places = self._places.get(receipt, [])
        if len(places) != 1:
            yield f"is in {len(places)} places: {places}"
            return
        (place,) = places
        if place.cents != money.shillings * 100:
            yield f"was booked with {place.cents} cents"
        wanted = self._wanted(money)
        if place.payment:
            if wanted is None or wanted.id != place.payment:
                yield f"is with the payment {place.payment}, and was paid for {wanted and wanted.id}"
            if self._payments[place.payment].cents != money.shillings * 100:
                yield "is with a payment of another amount"
            return
        if wanted is not None and wanted.cents == money.shillings * 100 and not self._other(wanted, money):
            yield f"was paid for {wanted}, which does not have it: it is at {place}"
        yield from self._not_for_a_payment(money, place)

    def _wanted(self, money: Money) -> Payment | None:
        """The payment that this money was paid for: of its prompt, or of the reference that was typed."""
        if money.checkout_id:
            return self._by_reference.get(self._bank.daraja.prompts[money.checkout_id].reference)
        return None if self._bank.till else self._by_reference.get(money.reference.strip().upper())

    def _other(self, payment: Payment, money: Money) -> bool:
        """True if the payment has other money already, or if nothing told us in time whose money this was.

        At a till only a callback or a query can; where it had failed before, or its reply was lost, nobody asks.
        A callback that comes after the money was given to its payer makes a dispute of it, which a person looks at.
        """
        if payment.mpesa_receipt and payment.mpesa_receipt != money.receipt:
            return True
        failed = payment.state is PaymentState.FAILED and self._bank.failed(money.checkout_id)
        return self._bank.till and (not payment.checkout_id or failed or payment.state is PaymentState.DISPUTED)

    def _not_for_a_payment(self, money: Money, place: Place) -> Iterator[str]:
        payer = next(each for each in self._customers if each.phone == money.phone)
        named = next((each for each in self._customers if each.account == money.reference), None)
        if named is not None and not money.checkout_id and not self._bank.till:
            if place.balance != named.id:
                yield f"names the account of {named.id}, and is at {place}"
        elif place.balance and place.balance != payer.id:
            yield f"is on the balance of {place.balance}, and {payer.id} paid it"

    def _unknown(self) -> Iterator[str]:
        for receipt, places in self._places.items():
            if receipt not in self._bank.daraja.money:
                yield f"{receipt or 'money without a receipt'} {places}"

    # -- every customer --------------------------------------------------------------------------------------------

    def _rights(self, customer: Customer) -> Iterator[str]:
        """The rights are those of the payments whose money is with them, each once."""
        given = Counter(right.id for right in self._aggregates[customer.id].rights)
        paid = {
            place.payment: self._payments[place.payment]
            for places in self._places.values()
            for place in places
            if place.payment and self._payments[place.payment].subscriber == customer.id
        }
        bought = {name for name, payment in paid.items() if payment.package}
        if given != Counter(bought):
            yield f"has the rights {sorted(given.elements())}, paid for {sorted(bought)}"
        for right in self._aggregates[customer.id].rights:
            if right.id in paid and right.terms != paid[right.id].package:
                yield f"has {right.terms} for {paid[right.id].package}"
        for name, payment in paid.items():
            if payment.state is not PaymentState.PAID:
                yield f"{name} has its money and is {payment.state}"
        if self._aggregates[customer.id].unheeded_until != self._shop.reports[customer.id]:
            yield f"has {self._aggregates[customer.id].unheeded_until} of {self._shop.reports[customer.id]} reports"
        intents = {intent.session for intent in self._aggregates[customer.id].intents}
        reasons = {intent.reason for intent in self._aggregates[customer.id].intents}
        if bought and (customer.device not in intents or IntentReason.REAUTHORIZE not in reasons):
            yield "paid, and nobody lets the device in"

    def _balance(self, customer: Customer) -> Iterator[str]:
        """Top-ups by prompt, what was paid to the account number, what was claimed."""
        cents = 0
        for places in self._places.values():
            for place in places:
                top_up = place.payment and not self._payments[place.payment].package
                if place.balance == customer.id or (top_up and self._payments[place.payment].subscriber == customer.id):
                    cents += place.cents
        kept = self._ports.customer(customer.id, self._shop.deadline())
        if kept is None or kept.balance_cents != cents:
            yield f"has {kept and kept.balance_cents} cents, paid {cents}"

    # -- the whole -------------------------------------------------------------------------------------------------

    def _totals(self) -> Iterator[str]:
        legs: Counter[AccountKind] = Counter()
        for entry in self._entries:
            for leg in entry.journal.legs:
                legs[leg.account.kind] += leg.cents
        bank = sum(money.shillings * 100 for money in self._bank.daraja.money.values())
        if legs[Kind.MPESA] != bank:
            yield f"the books say {legs[Kind.MPESA]} cents came, the bank {bank}"
        if sum(legs.values()):
            yield f"the legs of everything sum to {sum(legs.values())}"
        held = sum(
            money.cents
            for receipt in self._bank.daraja.money
            if (money := self._ports.unmatched(receipt, self._shop.deadline())) and money.state is UnmatchedState.HELD
        )
        if -legs[Kind.UNMATCHED] != held:
            yield f"{-legs[Kind.UNMATCHED]} cents are unmatched in the books, {held} are held"

    def _numbers(self) -> Iterator[str]:
        printed = 0
        for series in SERIES:
            numbers = [each.number for each in self._ports.numbered(series, 0, 10_000, self._shop.deadline())]
            printed += len(numbers)
            if numbers != list(range(1, len(numbers) + 1)):
                yield f"series {series} has {numbers}"
        wanted = sum(entry.journal.cause is not Cause.UNMATCHED_IN for entry in self._entries)
        if printed != wanted:
            yield f"{printed} receipts were numbered for {wanted} sales"

    def _left(self) -> Iterator[str]:
        """After so long nothing is due any more."""
        now = self._shop.world.now
        for payment, _ in self._ports.due(now + 10**7, 500, self._shop.deadline()):
            yield f"{self._payments[payment]} is still asked about"
        for body in self._ports.waiting(now + 10**7, 500, self._shop.deadline()):
            yield f"the callback {body} was never settled"
        for receipt in self._ports.waiting_money(now + 10**7, 500, self._shop.deadline()):
            yield f"{receipt} still waits"

    def _prompts(self) -> Iterator[str]:
        """A payment is pushed once, whatever happens, and only after it was written down."""
        for reference, times in self._bank.pushes.items():
            if times > 1 or reference not in self._by_reference:
                yield f"{reference} was pushed {times} times for {self._by_reference.get(reference)}"

    def _failed(self) -> Iterator[str]:
        """Only what M-Pesa says of a prompt fails its payment, and only if it is one of the codes that are known to."""
        for checkout_id, prompt in self._bank.daraja.prompts.items():
            payment = self._by_reference.get(prompt.reference)
            if payment and payment.state is PaymentState.FAILED and not self._bank.failed(checkout_id):
                yield f"{payment} has failed, and {prompt} does not say so"

    def _ledger_check(self) -> list[object]:
        services = self._shop.worker()
        return list(services.check.check(self._days[-1], self._days[0], self._shop.world.now))
