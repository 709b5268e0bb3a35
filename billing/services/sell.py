"""Staff and agents sell: the customer is online, the money is in somebody's hand, in one posting."""

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from billing.domain.agent import Agent, check_seller
from billing.domain.journal import Cause, Fact, Journal
from billing.domain.ledger import Missing, Sale, sale_by_cash
from billing.domain.money import rate_on
from billing.domain.package import Door, Package, for_sale
from billing.domain.thing import Thing
from billing.domain.trade import sale_by_agent
from billing.ports import Entry, Kept, Posting
from billing.services.book import Book, Given, fact
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.ports import Outcome


class Order(NamedTuple):
    """One sale. `key` is the seller's own name for it: the same key is the same sale.

    `agent`: whose float pays, "" when `seller` takes cash. `device`: the MAC that waits, "" for none.
    """

    key: str
    seller: str
    package: str
    subscriber: SubscriberId
    device: str = ""
    site: str = ""
    agent: str = ""


class SoldNow(NamedTuple):
    """What was sold. `again`: by an earlier try of the same key."""

    right: str
    receipt: str
    again: bool = False


def event_id(*parts: str) -> str:
    """16 hex digits that name one event of one actor, the same for each try of it."""
    return blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def check_same(done: Entry, subscriber: SubscriberId, package: str) -> None:
    """What was booked under a key must be what is asked for under it again; raises Malformed."""
    if (done.subscriber, code_of(done.journal.package)) != (subscriber, code_of(package)):
        raise Malformed("key", f"is that of another one: {done.journal.package} for {done.subscriber}. Say a new one")


def code_of(version: str) -> str:
    """A package's code, without the version: its price may have changed since."""
    return version.rpartition(".")[0] or version


def on_sale(book: Book, package: str, site: str, now: int) -> Package:
    """A version that a desk sells at a site now, for money; raises Malformed."""
    offered = for_sale(book.stores.packages.packages(book.deadline()), site, Door.DESK, now)
    found = next((each for each in offered if each.id == package), None)
    if found is None or found.trial is not None:
        raise Malformed("package", f"{package} is not sold here now")
    return found


def agent_of(book: Book, name: str) -> Kept[Agent]:
    """An agent as stored; raises Malformed for nobody."""
    kept = book.stores.customers.thing(Agent, name, book.deadline())
    if kept is None:
        raise Malformed("agent", f"{name} is not known; add the agent first")
    return kept


class Sell:
    """Sells packages to customers who are there."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def sell(self, order: Order, now: int) -> SoldNow | Missing:
        """Sell one package. Missing: the agent's float is too small. Raises Malformed, Unavailable, Contended."""
        check_seller("seller", order.seller)
        package = on_sale(self._book, order.package, order.site, now)
        right = event_id(order.seller, order.key)
        cause = Cause.SALE_AGENT if order.agent else Cause.SALE_CASH
        for attempt in self._book.tries(right):
            done = self._book.stores.ledger.entry(f"{cause.value}:{right}", self._book.deadline())
            if done is not None:
                check_same(done, order.subscriber, package.id)
                return SoldNow(right, done.journal.receipt, again=True)
            number = self._book.number(right, attempt)
            booked = fact(right, now, now, order.seller)
            sale = Sale(package.id, package.price_cents, rate_on(self._book.rates, booked.day), right, number.text)
            paid = self._paid(order, booked, sale)
            if isinstance(paid, Missing):
                return paid
            journal, things = paid
            id_ = self._book.new_id()
            change = self._book.give(Given(order.subscriber, right, package.id, order.device, sold=True), id_, now)
            if change is None:
                raise Malformed("subscriber", "is nobody; register first")
            posting = Posting(id_, entries=(number.entry(journal, order.subscriber),), changes=(change,), things=things)
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return SoldNow(right, number.text)
        raise AssertionError  # `tries` ends by raising

    def _paid(self, order: Order, booked: Fact, sale: Sale) -> tuple[Journal, tuple[Kept[Thing], ...]] | Missing:
        """The journal, and the agent after it."""
        if not order.agent:
            return sale_by_cash(booked, sale, order.seller), ()
        kept = agent_of(self._book, order.agent)
        agent = kept.thing
        points = agent.basis_points(sale.package)
        journal = sale_by_agent(booked, sale, agent.id, points, agent.float_cents, agent.ceiling_cents)
        return journal if isinstance(journal, Missing) else (journal, (agent_after(kept, journal),))


def agent_after(kept: Kept[Agent], journal: Journal) -> Kept[Agent]:
    """The agent as a journal leaves float and commission."""
    agent = kept.thing
    moved = {leg.account.kind.value: -leg.cents for leg in journal.legs if leg.account.of == agent.id}
    after = msgspec.structs.replace(
        agent,
        float_cents=agent.float_cents + moved.get("agent_float", 0),
        earned_cents=agent.earned_cents + moved.get("agent_commission", 0),
    )
    return Kept(after, kept.version + 1)
