"""What goes in and out as JSON. Unknown fields are refused. Money is integer cents of KES, times are UTC seconds."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from billing.domain.package import Package
from billing.domain.payment import BY_HAND, Payment, PaymentState
from billing.portal.holdings import Holdings
from billing.services.shown import Answer
from radius.domain import entitlement
from radius.domain.entitlement import Right
from radius.domain.nas import Language
from radius.domain.terms import PeriodUnit, Service, Terms, WindowStart

_MAC_PATTERN = (
    r"^(?:[0-9A-Fa-f]{12}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}|[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}"
    r"|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})$"
)
Phone = Annotated[str, StringConstraints(pattern=r"^(?:(?:\+|00)?254|0)[ -]?[17](?:[ -]?[0-9]){8}$", max_length=32)]
PackageId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,23}\.[1-9][0-9]{0,5}$")]
Place = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Device = Annotated[str, StringConstraints(pattern=_MAC_PATTERN)]
Typed = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z](?:[ -]?[0-9A-Za-z]){3,63}$")]
OneTimeCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}[ -]?[0-9]{3}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
MpesaCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{10}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{48}$")]

# What fits in a field, in words: the fix of a problem.
FIXES = {
    "phone": "must be a mobile number such as 0712 345 678 or +254 110 345 678",
    "package": "must be a version of a package as the list of packages names it, such as day.3",
    "site": "must be the name of the place as the login page has it",
    "device": "must be a MAC address such as AA:BB:CC:DD:EE:FF",
    "code": "must be the code on the voucher, 4 to 64 digits or letters, or the six digits of the text message",
    "language": "must be en or sw",
    "receipt": "must be the code that M-Pesa's message begins with, such as NLJ7RT61SV",
    "Idempotency-Key": "must be 16 to 64 letters, digits, dashes or underscores, new for each purchase",
}


class Strict(BaseModel):
    """Refuses what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Speed(Strict):
    """Bits per second; up is what the customer sends."""

    up_bps: int
    down_bps: int


class Offer(Strict):
    """A package on sale. None: no such limit. `lasts` units from purchase or first login; `service` where it works."""

    id: str
    name_en: str
    name_sw: str
    price_cents: int
    currency: Literal["KES"] = "KES"
    lasts: int
    unit: PeriodUnit
    starts: WindowStart
    service: Service
    quota_bytes: int | None
    quota_s: int | None
    quota_per: PeriodUnit | None
    speed: Speed | None
    devices: int


class Offers(Strict):
    """Packages of a place, in order."""

    packages: list[Offer]


def offer(package: Package) -> Offer:
    """A package as a customer sees it."""
    terms = package.terms
    return Offer(
        id=package.id,
        name_en=package.name_en,
        name_sw=package.name_sw,
        price_cents=package.price_cents,
        lasts=terms.window.count,
        unit=terms.window.unit,
        starts=terms.window.start,
        service=terms.service,
        quota_bytes=terms.quota_bytes,
        quota_s=terms.quota_s,
        quota_per=terms.period,
        speed=Speed(up_bps=terms.rate.up_bps, down_bps=terms.rate.down_bps) if terms.rate else None,
        devices=terms.devices,
    )


class Purchase(Strict):
    """What a customer asks for: the phone that pays, the device that is to be online."""

    phone: Phone
    package: PackageId
    site: Place
    device: Device


class Stage(StrEnum):
    """What a waiting page must know of a payment."""

    WAITING = "waiting"
    PAID = "paid"
    FAILED = "failed"  # nothing was paid; should it still be, it becomes paid
    REVIEW = "review"  # money came that does not fit: staff look


class Reason(StrEnum):
    """Why it failed, as far as a customer can do something about it."""

    CANCELLED = "cancelled"
    NO_ANSWER = "no_answer"
    NO_MONEY = "no_money"
    WRONG_PIN = "wrong_pin"
    LIMIT = "limit"
    EXPIRED = "expired"
    OTHER = "other"


_STAGES = {
    PaymentState.PAID: Stage.PAID,
    PaymentState.PROVEN: Stage.PAID,
    PaymentState.FAILED: Stage.FAILED,
    PaymentState.EXPIRED: Stage.FAILED,
    PaymentState.DISPUTED: Stage.REVIEW,
}
_REASONS = {
    "1": Reason.NO_MONEY,
    "1031": Reason.CANCELLED,
    "1032": Reason.CANCELLED,
    "1037": Reason.NO_ANSWER,
    "1019": Reason.EXPIRED,
    "2001": Reason.WRONG_PIN,
    **dict.fromkeys(("2", "3", "4", "8"), Reason.LIMIT),
}
POLL_S = 3  # of a page that does not listen to events


class Status(Strict):
    """A payment. `token` names it for whoever began it; `reference` is what to type when paying by hand.

    `pay_to`: no prompt comes; pay this number from the menu of the phone, and show the code of M-Pesa's message.
    """

    token: Token
    stage: Stage
    reason: Reason | None
    package: str
    price_cents: int
    reference: str
    pay_to: str
    ask_again_s: int


def status(payment: Payment, token: str) -> Status:
    """A payment as its page sees it."""
    stage = _STAGES.get(payment.state, Stage.WAITING)
    reason = None
    if payment.state is PaymentState.EXPIRED:
        reason = Reason.EXPIRED
    elif stage is Stage.FAILED:
        reason = _REASONS.get(payment.code, Reason.OTHER)
    return Status(
        token=token,
        stage=stage,
        reason=reason,
        package=payment.package,
        price_cents=payment.cents,
        reference=payment.reference,
        pay_to=payment.shortcode if payment.code == BY_HAND else "",
        ask_again_s=POLL_S if stage is Stage.WAITING else 0,
    )


class Receipt(Strict):
    """The code that M-Pesa's message begins with."""

    receipt: MpesaCode


class Shown(Strict):
    """What became of a code, and of the payment: `waits` until its money is known here, then it pays by itself."""

    answer: Answer
    payment: Status


class Usage(Strict):
    """What is left of what was bought. `ends_at` 0: it begins with the first login. None: no such limit."""

    package: str
    state: Literal["dormant", "live", "ended", "revoked"]
    starts_at: int
    ends_at: int
    used_bytes: int
    left_bytes: int | None
    left_s: int | None
    devices: int


def usage(right: Right, terms: Terms, now: int) -> Usage:
    """What is left of a right, which is in the quota period of `now`."""
    return Usage(
        package=right.terms,
        state=entitlement.state(right, now).value,
        starts_at=right.starts_at,
        ends_at=right.ends_at,
        used_bytes=right.past_bytes + right.used_bytes,
        left_bytes=entitlement.remaining_bytes(right, terms),
        left_s=entitlement.remaining_s(right, terms),
        devices=terms.devices,
    )


class Coupon(Strict):
    """A voucher's code and the device that is to be online."""

    code: Typed
    site: Place
    device: Device


class Redeemed(Strict):
    """The package that the code became. `again`: this device had it already."""

    package: str
    again: bool


class PhoneHere(Strict):
    """A phone, and the device that whoever has it is on. `language`: of the text message."""

    phone: Phone
    site: Place
    device: Device
    language: Language = Language.ENGLISH


class CodeAsked(Strict):
    """Said whether a code was sent or not: when it may be asked for again."""

    ask_again_s: int


class PhoneProof(PhoneHere):
    """The code that came, typed on the device that asked for it."""

    code: OneTimeCode


class SignedIn(Strict):
    """`token`: for the header `Authorization: Bearer`, on this device, for `lasts_s`."""

    token: str
    lasts_s: int


class MyDevice(Strict):
    """`name`: what its owner calls it, "" for none."""

    device: Device
    name: str
    online: bool


class MyPayment(Strict):
    """`receipt`: M-Pesa's code."""

    paid_at: int
    package: str
    price_cents: int
    receipt: str


class Mine(Strict):
    """What a customer has: rights that are not over, the first to end first, and payments, the last first.

    `account_number` "": there is no account; `balance_cents` is on it. `notices`: is told of outages and works.
    """

    rights: list[Usage]
    devices: list[MyDevice]
    payments: list[MyPayment]
    account_number: str
    balance_cents: int
    notices: bool


def mine(has: Holdings, now: int) -> Mine:
    """Holdings as of `now`."""
    return Mine(
        rights=[usage(*each, now) for each in has.rights],
        devices=[MyDevice(device=each.mac, name=each.name, online=each.online) for each in has.devices],
        payments=[
            MyPayment(paid_at=each.paid_at, package=each.package, price_cents=each.cents, receipt=each.mpesa_receipt)
            for each in has.payments
        ],
        account_number=has.customer.number if has.customer else "",
        balance_cents=has.customer.balance_cents if has.customer else 0,
        notices=has.notices,
    )


class DeviceGone(Strict):
    """A device that is to be its customer's no more."""

    device: Device


class Alive(Strict):
    """It is there."""

    status: Literal["ok"] = "ok"


class Acknowledged(Strict):
    """What M-Pesa is answered; the names are theirs."""

    ResultCode: int | str
    ResultDesc: str


class NoticesWanted(Strict):
    """Whether messages about outages and works are wanted."""

    wanted: bool
