"""Selling, put together over the core: one set of services for the portal, the workers and the command line."""

import secrets as chance
import time
from typing import NamedTuple

from billing.domain.money import VAT_KENYA, TaxRate
from billing.provider import Provider
from billing.services.book import Book, Stores, Told
from billing.services.callbacks import Callbacks, Read, ReadNotice, Seals
from billing.services.check import LedgerCheck
from billing.services.checkout import Cashier
from billing.services.reconcile import Bucket, Reconciler
from billing.services.redeem import Redeem
from billing.services.settle import Settle
from billing.services.strays import Strays
from billing.store.open import Opened, open_billing
from radius import secrets
from radius.wiring import BACKGROUND_DEADLINE_S, Core

CALLBACK_FIELD = "callback"  # what a sealed token is for


class BillingSettings(NamedTuple):
    """`rates`: of tax, by their first day; () for who is not registered.

    `queries_per_minute`: what the provider lets one shortcode ask. `approval_cents`: corrections and gifts of more than
    this need a second person.
    """

    rates: tuple[TaxRate, ...] = VAT_KENYA
    queries_per_minute: float = 5
    approval_cents: int = 0


class Billing(NamedTuple):
    """The services of selling."""

    store: Opened
    book: Book
    cashier: Cashier
    settle: Settle
    callbacks: Callbacks
    reconciler: Reconciler
    strays: Strays
    redeem: Redeem
    check: LedgerCheck


def build_billing(
    core: Core,
    settings: BillingSettings,
    provider: Provider,
    read: Read,
    read_notice: ReadNotice = lambda _: None,
    told: Told = lambda _before, _after: None,
) -> Billing:
    """Wire the services. `read` makes a proof of the body of the provider's callback; `told`: see `Book`."""
    store = open_billing(core.store)
    ports = store.ports
    book = Book(
        Stores(ports, ports, ports, ports, ports, ports, core.store.subscribers),
        core.terms,
        settings.rates,
        secrets.new_subscriber_id,  # 80 bits: two postings must not agree by chance
        lambda: time.monotonic() + BACKGROUND_DEADLINE_S,
        core.bell.ring,
        told=told,
    )
    settle = Settle(book)
    seals = Seals(
        lambda token, payment: core.vault.seal(token, payment, CALLBACK_FIELD, 0),
        lambda sealed, payment: core.vault.unseal(sealed, payment, CALLBACK_FIELD, 0),
    )
    bucket = Bucket(settings.queries_per_minute)
    return Billing(
        store,
        book,
        Cashier(book, provider, chance.token_bytes, lambda phone: core.keys.alias_key(f"prompt:{phone}")),
        settle,
        Callbacks(book, settle, read, seals, read_notice),
        Reconciler(book, settle, provider, bucket, time.monotonic),
        Strays(book),
        Redeem(book),
        LedgerCheck(book, settings.approval_cents),
    )
