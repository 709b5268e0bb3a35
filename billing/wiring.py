"""Selling, put together over the core: one set of services for the portal, the workers and the command line."""

import hmac
import secrets as chance
import time
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Network
from typing import NamedTuple

from billing.domain.money import VAT_KENYA, TaxRate
from billing.domain.silence import Hours
from billing.mail.port import Mail
from billing.provider import Provider, QueueTimedOut, Result
from billing.services.agents import Agents
from billing.services.arrivals import Arrivals
from billing.services.batches import Batches
from billing.services.book import Book, Stores, Told
from billing.services.books_watch import BooksWatch
from billing.services.callbacks import Callbacks, Hear, Read, ReadNotice, Seals, Unread
from billing.services.check import LedgerCheck
from billing.services.checkout import Cashier
from billing.services.close_day import CloseDay
from billing.services.codes import Codes
from billing.services.day_ends import DayEndWatch
from billing.services.deliveries import Deliveries
from billing.services.doors import Doors
from billing.services.grants import Grants
from billing.services.incidents import Incidents
from billing.services.joining import Hub, Joining, Roads
from billing.services.joining import Secrets as JoiningSecrets
from billing.services.moves import Moves
from billing.services.notices import Notices
from billing.services.opt_outs import OptOuts
from billing.services.paper_care import PaperCare
from billing.services.paper_sales import PaperSales
from billing.services.people import People, Secrets
from billing.services.pulls import Pulls
from billing.services.reconcile import Reconciler
from billing.services.redeem import Redeem
from billing.services.refunds import Heard, Refunds
from billing.services.renew import Renew
from billing.services.sell import Sell
from billing.services.settle import Landed, Settle
from billing.services.shelf import Shelf
from billing.services.shown import ShownCodes
from billing.services.signs import Signs
from billing.services.statements import Statements
from billing.services.strays import Strays
from billing.services.trials import Trials
from billing.services.turns import SharedTurns
from billing.services.vitals import Pulse
from billing.sms.port import Message
from billing.store.open import Opened, open_billing
from radius import secrets
from radius.domain.errors import Malformed
from radius.domain.nas import PortPair
from radius.hub.files import public_key
from radius.services.tunnels import Tunnels
from radius.settings import Settings
from radius.wiring import BACKGROUND_DEADLINE_S, Core

ReadResult = Callable[[str, bool], Result | QueueTimedOut | None]

ROUTER_KEY_CHARS = 32  # 128 bits
CALLBACK_FIELD = "callback"  # what a sealed token is for
UAM_SECRET_BYTES = 24


class BillingSettings(NamedTuple):
    """`rates`: of tax, by their first day; () for who is not registered.

    `queries_per_minute`: what the provider lets one shortcode ask. `approval_cents`: corrections and gifts of more than
    this need a second person. `brand`: who messages come from. `first_day`: ISO day before which nothing was sold.
    `also_paid_to`: numbers that stand for the provider's shortcode in statements and answers (the store of a till).
    `hours`: when people buy; silence within them is an alarm.
    """

    rates: tuple[TaxRate, ...] = VAT_KENYA
    queries_per_minute: float = 5
    approval_cents: int = 0
    brand: str = "WiFi"
    first_day: str = "2026-11-01"
    also_paid_to: tuple[str, ...] = ()
    hours: Hours = Hours()


class Desk(NamedTuple):
    """What staff, agents and registered customers do."""

    sell: Sell
    agents: Agents
    close_day: CloseDay
    batches: Batches
    paper_sales: PaperSales
    paper_care: PaperCare
    refunds: Refunds
    grants: Grants
    people: People
    renew: Renew
    trials: Trials
    shelf: Shelf
    moves: Moves
    signs: Signs
    notices: Notices
    opt_outs: OptOuts
    incidents: Incidents

    def rounds(self) -> dict[str, Callable[[int], int]]:
        """What is to be done again and again, each minute or so: how many things were looked at or booked."""
        return {"vouchers": self.paper_care.round, "refunds": self.refunds.round, "renewals": self.renew.round}


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
    desk: Desk
    day_ends: DayEndWatch
    books: BooksWatch
    shown: ShownCodes
    statements: Statements
    doors: Doors
    joining: Joining
    deliveries: Deliveries
    router_key: Callable[[str], str]  # in the address that a router's own script asks
    pulse: Pulse
    pulls: Pulls | None = None


def build_billing(
    core: Core,
    settings: BillingSettings,
    provider: Provider,
    read: Read,
    read_notice: ReadNotice = lambda _: None,
    told: Told = lambda _before, _after: None,
    read_result: ReadResult | None = None,
    send: Callable[[Message], object] = lambda _message: None,
    troubled: Callable[[Heard], object] = lambda _heard: None,
    write: Callable[[Mail], object] = lambda _mail: None,
) -> Billing:
    """Wire the services. `read` makes a proof of the body of the provider's callback; `told`: see `Book`.

    `read_result` reads a result that comes later, or (True) that the provider waits for it no longer; None: it says
    nothing. Without it results wait for a person. `send` takes a message once and raises nothing,
    `write` a letter. `troubled`: see `Refunds`.
    """
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
    turns = SharedTurns(book, provider.shortcode, settings.queries_per_minute)
    refunds = Refunds(book, provider, settings.approval_cents, troubled)
    renew_words = {"brand": settings.brand, "paybill": provider.shortcode}
    desk = _desk(core, book, settings, refunds, lambda people: Renew(book, people, send, renew_words, write))
    strays = Strays(book, desk.renew.renew)
    paid_to = (provider.shortcode, *settings.also_paid_to)
    shown = ShownCodes(book, settle, strays, provider, paid_to)
    check = LedgerCheck(book, settings.approval_cents)
    return Billing(
        store,
        book,
        Cashier(book, provider, chance.token_bytes, lambda phone: core.keys.alias_key(f"prompt:{phone}")),
        settle,
        Callbacks(
            book,
            settle,
            read,
            seals,
            read_notice,
            _hear(desk.refunds, shown, read_result) if read_result else None,
            desk.renew.renew,
        ),
        Reconciler(book, settle, provider, turns, time.time, Arrivals(book, core.provision.let_in)),
        strays,
        Redeem(book),
        check,
        desk,
        DayEndWatch(book, settings.hours),
        BooksWatch(check, settings.first_day),
        shown,
        Statements(book, settle, strays, desk.refunds, paid_to, desk.renew.renew, shown.look),
        Doors(book, provider),
        _joining(core, book),
        Deliveries(book, core.keys.alias_key),
        _router_key(core),
        Pulse(book, settings.hours if provider.shortcode else None),
    )


def _router_key(core: Core) -> Callable[[str], str]:
    key = core.keys.subkey("router waiting")
    return lambda router: hmac.new(key, router.encode(), sha256).hexdigest()[:ROUTER_KEY_CHARS]


def _joining(core: Core, book: Book) -> Joining:
    settings = core.settings
    tunnels = None
    if settings.hub_endpoint is not None:
        tunnels = Tunnels(core.store.tunnels, IPv4Network(settings.hub_network), book.deadline)
    return Joining(
        book,
        lambda: core.store.routers.routers(book.deadline()),
        core.provision,
        tunnels,
        JoiningSecrets(
            core.vault.unseal, chance.token_bytes, lambda: chance.token_urlsafe(UAM_SECRET_BYTES), _router_key(core)
        ),
        lambda: roads_of(settings),
    )


def roads_of(settings: Settings) -> Roads:
    """How routers reach us, as settings and the hub's own file say it now. Raises Malformed without a portal."""
    if settings.portal_url is None:
        raise Malformed("portal_url", "is not set: routers fetch their script from there")
    return Roads(
        settings.portal_url,
        settings.radius_address or "",
        {
            PortPair.A: (settings.radius_auth_port, settings.radius_acct_port),
            PortPair.B: (settings.radius_rotated_auth_port, settings.radius_rotated_acct_port),
        },
        _hub_of(settings),
        settings.radius_second_address or "",
        tuple(settings.coa_addresses.split(",")) if settings.coa_addresses else (),
    )


def _hub_of(settings: Settings) -> Hub | None:
    if settings.hub_endpoint is None:
        return None
    key = settings.hub_public_key or public_key(settings.state_dir)
    host, _, port = settings.hub_endpoint.rpartition(":")
    return Hub(host, int(port), IPv4Network(settings.hub_network), key) if key else None


def _desk(
    core: Core, book: Book, settings: BillingSettings, refunds: Refunds, renew: Callable[[People], Renew]
) -> Desk:
    keyed = core.keys.alias_key
    codes, signs = Codes(book, keyed), Signs(book)
    batches = Batches(book, codes, core.keys, chance.token_bytes)
    private = Secrets(core.keys.subkey("one-time"), lambda text: keyed(f"person:{text}"), core.keys, payer_hash)
    people = People(book, core.store.names, private, chance.token_bytes)
    opt_outs = OptOuts(book, lambda phone: keyed(f"opt-out:{phone}"))
    return Desk(
        Sell(book),
        Agents(book),
        CloseDay(book, settings.first_day),
        batches,
        PaperSales(book, codes, chance.token_bytes),
        PaperCare(book, codes, batches, chance.token_bytes),
        refunds,
        Grants(book, settings.approval_cents),
        people,
        renew(people),
        Trials(book, people, lambda text: keyed(f"trial:{text}")),
        Shelf(book, core.provision.terms),
        Moves(book, people),
        signs,
        Notices(book, people, opt_outs, core.store.lists),
        opt_outs,
        Incidents(book, signs, chance.token_bytes),
    )


def payer_hash(phone: str) -> str:
    """A number as C2B notices have it: see `billing.provider.Notice`."""
    return sha256(phone.encode()).hexdigest()


def _hear(refunds: Refunds, shown: ShownCodes, read_result: ReadResult) -> Hear:
    """An answer goes to whoever asked: about a code that was shown, or about a refund."""

    def hear(text: str, late: bool, now: int) -> Heard | Landed | Unread | None:
        said = read_result(text, late)
        landed = shown.result(said, now) if said else None
        match said:
            case None:
                return Unread.UNREADABLE
            case _ if landed is not None:
                return landed
            case QueueTimedOut(conversation):
                return refunds.timed_out(conversation, now)
            case result:
                return refunds.result(result, now)

    return hear
