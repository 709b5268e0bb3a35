"""Customers who pay, cancel, pay twice, by hand, the wrong amount; a forger; and what runs by itself."""

import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from random import Random
from typing import Any

from billing.domain.draw import account_number, parse_reference
from billing.domain.payment import PaymentEvent, PaymentState
from billing.domain.settle import Proof, Settled
from billing.mpesa.callbacks import parse_notice
from billing.mpesa.statement import Row, parse_statement
from billing.ports import ClaimKind
from billing.provider import Notice
from billing.services.checkout import Begun, Buy, Checkout
from billing.services.settle import Landed
from billing.store.ports import BillingStore
from radius.domain.identity import SubscriberId
from tests.fakes.daraja import stk_callback
from tests.sim.billing.bank import ASKED_MAX, SHORTCODE, Bank, draw_plan
from tests.sim.billing.clockwork import Clockwork
from tests.sim.billing.shop import PACKAGES, Services, Shop

PAGE_TRIES_MAX = 4
UNDECIDED = frozenset(PaymentState) - {PaymentState.PAID, PaymentState.DISPUTED}


class Customer:
    """Somebody with a phone, an account number, a device."""

    def __init__(self, number: int, random: Random) -> None:
        self.id = SubscriberId(f"s{number:015d}")
        self.phone = f"254712{number:06d}"
        self.account = account_number(random.randbytes)
        self.device = f"aabbcc{number:06x}"
        self.known_phone = random.random() < 0.3  # they gave us their number for paying by hand

    @property
    def payer(self) -> str:
        return sha256(self.phone.encode()).hexdigest() if self.known_phone else ""


class People:
    """Everybody outside, and the clock of the workers."""

    def __init__(self, world: Clockwork, shop: Shop, bank: Bank, customers: int, oddity: float) -> None:
        self.world, self.shop, self.bank, self.oddity = world, shop, bank, oddity
        self.customers = [Customer(number, world.random) for number in range(customers)]
        self.pages = 0
        self.references: list[str] = []
        self.payments: list[str] = []
        self.told: list[str] = []  # payments whose callback said paid and was taken
        self.truth = BillingStore(shop.rows)  # past all faults
        bank.deliver = self.deliver

    # -- customers -------------------------------------------------------------------------------------------------

    def visit(self) -> None:
        """Somebody opens the portal and buys, or pays by hand."""
        world = self.world
        customer = world.random.choice(self.customers)
        if world.chance(0.12):
            typed = world.random.choice((customer.account, customer.account, "rent", customer.account[::-1], ""))
            self.bank.pay_by_hand(customer.phone, world.random.choice((10, 50, 50, 7)), typed)
            return
        self.bank.daraja.plans[customer.phone] = draw_plan(world.random, self.oddity)
        topped_up = world.chance(0.2)
        package = "" if topped_up else world.random.choice(PACKAGES).id
        cents = world.random.choice((2_000, 5_000)) if topped_up else 0
        self.pages += 1
        key = f"page{self.pages}" if world.chance(0.9) else ""
        buy = Buy(customer.id, customer.phone, package, cents, key, customer.device)
        self._tap(customer, buy, 1)
        if world.chance(0.15):  # an impatient thumb
            again = buy if world.chance(0.5) else buy._replace(key=f"{key}b")
            world.later(0, 4, partial(self._tap, customer, again, 1))

    def _tap(self, customer: Customer, buy: Buy, attempt: int) -> None:
        services, now = self.shop.web(), self.world.now

        def done(answer: object) -> None:
            if isinstance(answer, Checkout):
                self._bought(customer, answer)
            elif attempt < PAGE_TRIES_MAX and buy.key:  # without a key a page does not ask again by itself
                self.world.later(1, 40, partial(self._tap, customer, buy, attempt + 1))

        self.world.begin(f"buy {buy.key}", lambda: services.cashier.buy(buy, now), done)

    def _bought(self, customer: Customer, answer: Checkout) -> None:
        world, payment = self.world, answer.payment
        world.note(f"{customer.id} {answer.begun.value} {payment.id} {payment.reference}")
        if self.truth.payment(payment.id, self.shop.deadline()) is None:
            world.lie(f"{answer} was said, and there is no such payment")
        if answer.begun in {Begun.BUSY, Begun.REPEATED}:
            return
        self.references.append(payment.reference)
        self.payments.append(payment.id)
        for chance in (0.12, 0.05):  # by hand, with the reference that is shown; some then pay twice
            if world.chance(chance):
                right = payment.cents // 100
                shillings = right if world.chance(0.7) else world.random.choice((1, right + 10))
                typed = world.random.choice((payment.reference, payment.reference.lower(), f"{payment.reference} "))
                wait_s = world.random.choice((5, 60, 1_200, 5_000))
                world.later(0, wait_s, partial(self.bank.pay_by_hand, customer.phone, shillings, typed))

    def claim(self) -> None:
        """Somebody shows the M-Pesa code of money that found no home."""
        world = self.world
        money = list(self.bank.daraja.money.values())
        if not money:
            return
        shown = world.random.choice(money)
        customer = next(each for each in self.customers if each.phone == shown.phone)
        services, now = self.shop.web(), world.now
        world.begin(f"claim {shown.receipt}", lambda: services.strays.claim(shown.receipt, customer.id, now))

    # -- what the bank tells, and what a forger says ---------------------------------------------------------------

    def deliver(self, url: str, body: dict[str, Any]) -> None:
        """A callback or a confirmation comes in by the post."""
        services, now = self.shop.web(), self.world.now
        text = json.dumps(body)
        if "/stk/" in url:
            token = url.rpartition("/")[2]
            self.world.begin("callback", lambda: self._callback(services, token, text, now), self._settled)
        else:
            notice = parse_notice(text.encode())
            self.world.begin("notice", lambda: services.settle.notice(notice, now), partial(self._landed, notice))
        if self.world.chance(0.3):  # at the same moment
            self.round()

    def _callback(self, services: Services, token: str, text: str, now: int) -> object:
        taken = services.callbacks.take(token, text, now)
        body = taken and self.truth.body(taken, self.shop.deadline())
        if not body:
            self.world.lie("a callback with a token of ours is not there")
            return None
        if '"Amount"' in text:  # one that names no amount is a reason to ask, no proof
            self.told.append(body.payment)
        return services.callbacks.finish(body.id, now)

    # -- what was answered is so -----------------------------------------------------------------------------------

    def _settled(self, answer: object) -> None:
        if isinstance(answer, Settled):
            kept = self.truth.payment(answer.payment.id, self.shop.deadline())
            if kept is None or kept.payment.state not in {PaymentState.PAID, PaymentState.PROVEN}:
                self.world.lie(f"{answer} was said, and there is {kept}")

    def _landed(self, notice: Notice, answer: object) -> None:
        if isinstance(answer, Landed):
            owner = self.truth.owner(ClaimKind.MPESA, notice.mpesa_receipt, self.shop.deadline())
            written = self.truth.unmatched(notice.mpesa_receipt, self.shop.deadline())
            if owner is None and written is None:
                self.world.lie(f"{answer} was said of {notice}, which is nowhere")

    def by_now(self) -> None:
        """Whatever became of a callback that was taken, its payment is not open any more."""
        for payment in self.told:
            kept = self.truth.payment(payment, self.shop.deadline())
            if kept is None or kept.payment.state in UNDECIDED:
                self.world.lie(f"a callback was taken, and there is {kept}")

    def asked_by_now(self) -> None:
        """Whatever became of its callbacks, M-Pesa says of each of these that it is paid, and answers who asks."""
        for checkout_id, prompt in self.bank.daraja.prompts.items():
            payment = self.truth.owner(ClaimKind.CHECKOUT, checkout_id, self.shop.deadline())
            kept = self.truth.payment(payment, self.shop.deadline()) if payment else None
            answered = prompt.code == "0" and len(prompt.plan.queries) < ASKED_MAX
            open_ = kept is not None and kept.payment.state in UNDECIDED - {PaymentState.PROVEN}
            # Where a callback is the first to name the checkout, and late, its money may be booked already.
            could = kept is not None and bool(kept.due_at or kept.tries)
            if answered and open_ and could and not self.bank.failed(checkout_id):
                self.world.lie(f"{prompt} is paid, and nobody asked: {kept}")

    def forge(self) -> None:
        """A body that says paid, by a path that is made up; and past the door, with a token that is not this one's."""
        world = self.world
        prompts = list(self.bank.daraja.prompts.values())
        if not prompts or not self.payments:
            return
        prompt = world.random.choice(prompts)
        receipt = f"FORGED{world.random.randrange(10**4):04}"
        items = [{"Name": "Amount", "Value": prompt.shillings}, {"Name": "MpesaReceiptNumber", "Value": receipt}]
        text = json.dumps(stk_callback(prompt.checkout_id, 0, items))
        token = world.random.randbytes(16).hex()
        services, now = self.shop.web(), world.now
        world.begin("forged", lambda: self._forged(services, token, text, now))
        cents, victim = prompt.shillings * 100, world.random.choice(self.payments)
        proof = Proof(PaymentEvent.CALLBACK_PAID, token, prompt.checkout_id, cents=cents, mpesa_receipt=receipt)
        world.begin("forged proof", lambda: services.settle.prove(victim, proof, now))

    @staticmethod
    def _forged(services: Services, token: str, text: str, now: int) -> None:
        taken = services.callbacks.take(token, text, now)
        if taken is not None:
            services.callbacks.finish(taken, now)

    # -- workers ---------------------------------------------------------------------------------------------------

    def round(self) -> None:
        """Everything that runs by itself, once, each in a process of its own."""
        now = self.world.now
        jobs: list[tuple[str, Callable[[Services], object]]] = [
            ("reconcile", lambda services: services.reconciler.round(now)),
            ("sweep", lambda services: services.callbacks.sweep(now)),
            ("strays", lambda services: services.strays.round(now)),
        ]
        self.world.random.shuffle(jobs)
        for what, job in jobs:
            services = self.shop.worker()
            self.world.begin(what, partial(job, services))

    def import_statement(self) -> None:
        """The operator's: what the statement has and we have not goes through settlement; what is left, by hand."""
        services, now = self.shop.worker(), self.world.now
        rows = parse_statement(self.bank.statement())
        self.world.begin("statement", lambda: [self._row(services, row, now) for row in rows])

    def _row(self, services: Services, row: Row, now: int) -> None:
        deadline = self.shop.deadline
        if services.ports.owner(ClaimKind.MPESA, row.mpesa_receipt, deadline()) is not None:
            return
        reference = parse_reference(row.account) or ""
        owner = services.ports.owner(ClaimKind.REFERENCE, reference, deadline()) if reference else None
        asked = self.bank.daraja.money[row.mpesa_receipt].checkout_id
        by_checkout = services.ports.owner(ClaimKind.CHECKOUT, asked, deadline()) if asked else None
        if by_checkout is not None:  # who asks M-Pesa about a checkout is told its receipt
            services.settle.prove(by_checkout, row.proof("", asked), now)
        elif owner is not None:
            services.settle.prove(owner, row.proof(reference), now)
        if services.ports.owner(ClaimKind.MPESA, row.mpesa_receipt, deadline()) is None:
            notice = Notice(row.mpesa_receipt, row.paid_in_cents, SHORTCODE, row.account, "", row.completed_at)
            services.settle.notice(notice, now)
