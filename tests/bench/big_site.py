"""One large site as items: what its customers, sessions, payments and vouchers leave in the store.

Made by the product's own record functions, number by number, so that a hundred thousand are as cheap to say as ten. A
tenth of the customers are online unless another number is said; payments are spread over the last thirty days.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from billing.domain.batch import BATCH_COUNT_MAX, Batch, BatchState
from billing.domain.give_back import Refund, Way
from billing.domain.journal import Account, AccountKind, Cause, Fact, business_day
from billing.domain.ledger import Sale, sold
from billing.domain.money import TaxRate
from billing.domain.payment import Payment, PaymentState
from billing.domain.voucher import Voucher
from billing.ports import Claim, ClaimKind, Entry, Kept, KeptPayment, KeptVoucher, Posting
from billing.store import records as money
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, NameKind, NasId, ReservationId, SubscriberId
from radius.domain.nas import Family, Router
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Credential, SecretKind, Session, SessionState, Subscriber
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import Change, Listed
from radius.store import keys, records

SITE = "estate"
ROUTERS = 20
DAYS = 30
DAY_S = 86_400
PRICE_CENTS = 5_000
REFUNDS_OPEN = 40
DAY = Terms(
    "day.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY), quota_bytes=5_000_000_000, rate=Rate(2_000_000, 5_000_000)
)
_STATES = (PaymentState.PAID,) * 17 + (PaymentState.FAILED,) * 2 + (PaymentState.EXPIRED,)

Placed = tuple[str, records.Item]  # the table, and the item


class Size(NamedTuple):
    """How large."""

    customers: int
    online: int
    payments: int
    vouchers: int


def routers() -> list[Router]:
    """All of the site."""
    return [
        Router(NasId(f"{SITE}-{number:02}"), SITE, Family.MIKROTIK, (f"10.9.{number}.2",)) for number in range(ROUTERS)
    ]


def name_of(number: int) -> str:
    """The phone of a customer."""
    return f"07{number:08d}"


def subscriber_id(number: int) -> SubscriberId:
    """Of a customer."""
    return SubscriberId(f"estate{number:010d}")


def items(size: Size, now: int) -> Iterator[Placed]:
    """Everything. The due work that this leaves is of the far future, but for what is open."""
    for number in range(size.customers):
        yield from _customer(number, size, now)
    for number in range(size.payments):
        yield from _payment(number, size, now)
    for first in range(0, size.vouchers, BATCH_COUNT_MAX):
        yield from _batch(first // BATCH_COUNT_MAX, min(BATCH_COUNT_MAX, size.vouchers - first), now)
    for number in range(min(REFUNDS_OPEN, size.payments)):
        yield from _refund(number, size, now)


def _customer(number: int, size: Size, now: int) -> Iterator[Placed]:
    subscriber, phone = subscriber_id(number), f"254{name_of(number)[1:]}"
    alias = f"{NameKind.PHONE.value}:{phone}"
    came_at = now - DAYS * DAY_S * (size.customers - number) // size.customers
    right = entitlement.issue(f"r{number}", DAY, now - 3_600)
    right = msgspec.structs.replace(right, used_bytes=number % 4_000 * 1_000_000)
    sessions = [_session(number, right.id, now)] if number < size.online else []
    body = Subscriber(
        subscriber,
        Credential(SecretKind.SEALED, "c2VhbGVk" * 9, 1),
        came_at,
        aliases=[alias],
        rights=[right],
        sessions=sessions,
        devices=[_mac(number)],
        site=SITE,
    )
    due_at = sessions[0].ends_at if sessions else 0
    yield keys.USERS, records.subscriber_item(Change(subscriber, 1, "bench", aggregate.encode(body), due_at))
    yield keys.USERS, {"pk": keys.alias_key(alias), "s": subscriber}
    yield keys.USERS, records.listed_item(subscriber, Listed(SITE, came_at))
    for session in sessions:
        yield keys.SESSIONS, records.record_item(_record(number, session, subscriber))


def _session(number: int, right: str, now: int) -> Session:
    began = now - 600 - number % 3_000
    return Session(
        ReservationId(f"r{number:09d}"), NasId(f"{SITE}-{number % ROUTERS:02}"), _mac(number), SessionState.OPEN, began,
        now - number % 300, now + 7_200, right=right, acct_session_id=f"8{number:07x}",
        in_bytes=number % 4_000 * 100_000, out_bytes=number % 4_000 * 900_000, time_s=600 + number % 3_000,
        interim_seen=True, interim_s=300,
    )  # fmt: skip


def _record(number: int, session: Session, subscriber: SubscriberId) -> SessionRecord:
    day = business_day(session.opened_at).replace("-", "")
    return SessionRecord(
        session.uid, session.opened_at, 1, subscriber, session.nas, SITE, session.acct_session_id, name_of(number),
        session.device, session.right, 0, 0, 0, session.opened_at, f"10.5.{number // 250 % 250}.{number % 250}",
        reservation=session.reservation, day=day,
    )  # fmt: skip


def _mac(number: int) -> MacAddress:
    return MacAddress(f"02{number:010x}")


def _payment(number: int, size: Size, now: int) -> Iterator[Placed]:
    at = now - DAYS * DAY_S * (size.payments - number) // size.payments
    who = subscriber_id(number % size.customers)
    state = _STATES[number % len(_STATES)]
    paid = state is PaymentState.PAID
    receipt = f"T{number:09d}" if paid else ""
    payment = Payment(
        f"pay{number:013d}", PRICE_CENTS, "174379", f"R{number}", f"h{number}", at, who, DAY.id, state,
        f"ws_CO_{number}", receipt, "0" if paid else "1032", at + 20 if paid else 0,
    )  # fmt: skip
    kept = KeptPayment(payment, 2, _mac(number % size.customers), payer=f"payer{number}")
    posting = Posting("bench", kept, listed=SITE)
    if paid:
        fact = Fact(payment.id, at + 20, business_day(at + 20), "mpesa")
        sale = Sale(DAY.id, PRICE_CENTS, TaxRate("2020-01-01", 1_600), f"r{number}", f"K1-{number:06}")
        till = Account(AccountKind.MPESA, "174379")
        booked = sold(Cause.SALE_MPESA, fact, sale, till, payment=payment.id, mpesa_receipt=receipt)
        posting = posting._replace(
            claims=(Claim(ClaimKind.MPESA, receipt, payment.id),), entries=(Entry(booked, subscriber=who),)
        )
    yield from _written(posting)


def _batch(number: int, count: int, now: int) -> Iterator[Placed]:
    name = f"B{number}"
    batch = Batch(
        name, DAY.id, PRICE_CENTS, count, now - DAY_S, "mary", site=SITE, state=BatchState.EXPORTED, made=count
    )
    yield from _written(Posting("bench", things=(Kept(batch, 2, now + 3_600),)))
    for at in range(1, count + 1):
        subscriber = SubscriberId(f"v{number:05d}{at:010d}")
        alias = f"{NameKind.NAME.value}:{name}{at}"
        body = Subscriber(subscriber, Credential(SecretKind.CODE), now - DAY_S, aliases=[alias], site=SITE)
        yield keys.USERS, records.subscriber_item(Change(subscriber, 1, "bench", aggregate.encode(body), 0))
        yield keys.USERS, {"pk": keys.alias_key(alias), "s": subscriber}
        kept = KeptVoucher(Voucher(name, at), 1, f"{name}{at}", DAY.id, PRICE_CENTS, subscriber, "r", "mary")
        yield from _written(Posting("bench", voucher=kept))


def _refund(number: int, size: Size, now: int) -> Iterator[Placed]:
    found = Refund(
        f"refund{number:010d}", f"sale_mpesa:pay{number:013d}", PRICE_CENTS, Way.MPESA,
        subscriber_id(number % size.customers), "mary", "no network",
    )  # fmt: skip
    yield from _written(Posting("bench", things=(Kept(found, 1, now + 60),)))


def _written(posting: Posting) -> Iterator[Placed]:
    return ((write.table, write.item) for write in money.writes(posting))
