"""What routes do, without HTTP: each call is one customer's request, and waits for the store."""

from billing.domain.package import Door, Package, for_sale
from billing.domain.payment import check_phone
from billing.domain.voucher import VoucherRefusal
from billing.portal import shapes
from billing.portal.deps import Deps
from billing.portal.holdings import held
from billing.portal.limits import Gate
from billing.portal.problems import Code, Refusal
from billing.ports import ClaimKind, KeptPayment
from billing.services.checkout import Begun, Buy
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.guessing import Shape
from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_code, parse_mac
from radius.domain.intent import Waiting

PROMPT_WAIT_S = 60  # a prompt lives some 60 s


class Shop:
    """Threads may share it."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._stores = deps.book.stores

    def offers(self, site: str) -> list[Package]:
        """What is for sale at a place. Trials are not: they want a phone that was proven."""
        self.place(site)
        every = self._stores.packages.packages(self._deps.book.deadline())
        return [each for each in for_sale(every, site, Door.PORTAL, self._deps.now()) if each.trial is None]

    def trials(self, site: str) -> list[Package]:
        """What may be tried at a place by who proved a phone."""
        self.place(site)
        every = self._stores.packages.packages(self._deps.book.deadline())
        return [each for each in for_sale(every, site, Door.PORTAL, self._deps.now()) if each.trial is not None]

    def buy(self, purchase: shapes.Purchase, key: str, waits: Waiting | None = None) -> shapes.Status:
        """Begin a payment, or find the one of this key. `waits`: where the device does, if its router told."""
        deps = self._deps
        if purchase.package not in {each.id for each in self.offers(purchase.site)}:
            raise Refusal(Code.NOT_SOLD)
        phone, device = check_phone(purchase.phone), device_of(purchase.device)
        wait_s = deps.gates.enter(Gate.PROMPTS, deps.pseudonyms.of("name", phone))
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        now = deps.now()
        customer = deps.customers.whose(device, purchase.site, now)
        begun = deps.cashier.buy(Buy(customer, phone, purchase.package, key=key, device=device, waits=waits), now)
        if begun.begun in {Begun.ACCEPTED, Begun.UNKNOWN, Begun.REFUSED}:
            deps.pulse.note(taken=begun.begun is Begun.ACCEPTED)
        match begun.begun:
            case Begun.BUSY:  # with whose payment is not said
                raise Refusal(Code.PHONE_BUSY, PROMPT_WAIT_S)
            case Begun.REFUSED:
                raise Refusal(Code.NOT_SENT)
            case Begun.REPEATED if begun.payment.package != purchase.package:
                raise Refusal(Code.KEY_REUSED)
        return shapes.status(begun.payment, deps.tokens.of(begun.payment.id))

    def status(self, token: str) -> shapes.Status:
        """A payment, for whoever has its token."""
        return shapes.status(self._payment(token).payment, token)

    def show(self, token: str, receipt: str) -> shapes.Shown:
        """Who has a payment's token says that it is paid, and by which code."""
        kept = self._payment(token)
        wait_s = self._deps.gates.enter(Gate.RECEIPTS, kept.payment.id)
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)
        subscriber = SubscriberId(kept.payment.subscriber)
        answer = self._deps.shown.show(receipt, subscriber, kept.payment.id, self._deps.now())
        return shapes.Shown(answer=answer, payment=self.status(token))

    def usage(self, token: str) -> shapes.Usage:
        """What is left of what a payment bought, and nothing else of that customer."""
        kept = self._payment(token)
        stored = self._stores.subscribers.read(SubscriberId(kept.payment.subscriber), self._deps.book.deadline())
        right = aggregate.decode(stored.body).right(kept.payment.id) if stored else None
        if right is None:
            raise Refusal(Code.NO_RIGHT)
        now = self._deps.now()
        return shapes.usage(*held(self._deps, right, now), now)

    def redeem(self, coupon: shapes.Coupon) -> shapes.Redeemed:
        """Turn a voucher into a right. Guessing is slowed as at the routers: a portal is one more place to try."""
        deps = self._deps
        self.place(coupon.site)
        device, now_ms = device_of(coupon.device), int(deps.monotonic() * 1000)
        verdict = deps.guard.check(
            now_ms, NasId(coupon.site), "", device, shape=Shape.CODE, known_to_node=False, remembered=True
        )
        if not verdict.allowed:
            raise Refusal(Code.TOO_MANY, verdict.wait_s)
        found = self._redeemed(coupon, device)
        if isinstance(found, shapes.Redeemed):
            return found
        deps.guard.failed(now_ms, NasId(coupon.site), "", device, shape=Shape.CODE, unknown=True)
        raise Refusal(found)

    def _redeemed(self, coupon: shapes.Coupon, device: MacAddress) -> shapes.Redeemed | Code:
        try:
            code = self._deps.code_key(parse_code(coupon.code).normal)
        except Malformed:  # it reads as a phone number: no voucher is made so
            return Code.NO_CODE
        if self._stores.postings.owner(ClaimKind.CODE, code, self._deps.book.deadline()) is None:
            return Code.NO_CODE  # before a customer is made of whoever guesses
        now = self._deps.now()
        customer = self._deps.customers.whose(device, coupon.site, now)
        found = self._deps.redeem.by_code(code, customer, device, now)
        if found is None:
            return Code.NO_CODE
        if isinstance(found, VoucherRefusal):
            return Code.CODE_OVER
        return shapes.Redeemed(package=found.package, again=found.again)

    def place(self, site: str) -> None:
        """Raises Refusal for what is no place of ours."""
        if site not in self._deps.sites():
            raise Refusal(Code.NO_SITE)

    def ready(self) -> None:
        """Raises Unavailable if a customer could not be served."""
        self._deps.now()
        self._stores.payments.prompt("ready", self._deps.book.deadline())

    def _payment(self, token: str) -> KeptPayment:
        payment = self._deps.tokens.payment(token)
        kept = self._stores.payments.payment(payment, self._deps.book.deadline()) if payment else None
        if kept is None:
            raise Refusal(Code.NO_PAYMENT)
        return kept


def device_of(text: str) -> MacAddress:
    """A MAC address as sent; raises Malformed."""
    device = parse_mac(text)
    if device is None:
        raise Malformed("device", shapes.FIXES["device"])
    return device
