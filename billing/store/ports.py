"""The ports of `billing.ports` over `Rows`: which items answer which question."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from billing.domain.journal import Receipt
from billing.domain.package import Package
from billing.domain.thing import Thing
from billing.ports import (
    PAGE_MAX,
    Body,
    ClaimKind,
    Customer,
    Entry,
    Kept,
    KeptPayment,
    KeptVoucher,
    Page,
    Posted,
    Posting,
    Prompt,
    Unmatched,
)
from billing.store import keys, records
from billing.store.rows import Found, Key, Rows
from radius.domain.identity import SubscriberId
from radius.ports import Outcome
from radius.store.records import Item

T = TypeVar("T")
ThingT = TypeVar("ThingT", bound=Thing)


@dataclass(frozen=True)
class BillingStore:
    """Every port of `billing.ports`."""

    rows: Rows

    def post(self, posting: Posting, deadline: float) -> Posted:
        """See `Postings.post`."""
        return self.rows.transact(posting.id, records.writes(posting), deadline)

    def owner(self, kind: ClaimKind, key: str, deadline: float) -> str | None:
        """See `Postings.owner`."""
        item = self.rows.get(records.claim_key(kind, key), deadline)
        return None if item is None else str(item["o"])

    def release(self, kind: ClaimKind, key: str, owner: str, deadline: float) -> None:
        """See `Postings.release`."""
        self.rows.release(records.claim_key(kind, key), owner, deadline)

    # -- payments --------------------------------------------------------------------------------------------------

    def payment(self, payment: str, deadline: float) -> KeptPayment | None:
        """See `Payments.payment`."""
        return self._one(keys.PAYMENT, payment, KeptPayment, deadline)

    def prompt(self, phone: str, deadline: float) -> Prompt | None:
        """See `Payments.prompt`."""
        return self._one(keys.PROMPT, phone, Prompt, deadline)

    def due(self, until: int, limit: int, deadline: float) -> list[tuple[str, int]]:
        """See `Payments.due`."""
        return self._due(keys.PAYMENT, until, limit, deadline)

    def begun_on(self, day: str, after: str | None, deadline: float) -> Page:
        """See `Payments.begun_on`."""
        return self._page(keys.PAYMENT, day, after, deadline)

    def latest_on(self, day: str, limit: int, deadline: float) -> list[str]:
        """See `Payments.latest_on`."""
        shards = keys.day_keys(keys.PAYMENT, day)
        found = [each for key in shards for each in self.rows.day(key, None, limit, deadline, newest=True)]
        return [keys.name_of(each.pk) for each in sorted(found, reverse=True)[:limit]]

    def latest_at(self, site: str, day: str, after: str | None, limit: int, deadline: float) -> Page:
        """See `Payments.latest_at`."""
        return self._list(keys.site_list(site, day), after, limit, deadline)

    def latest_by(self, subscriber: str, after: str | None, limit: int, deadline: float) -> Page:
        """See `Payments.latest_by`."""
        return self._list(keys.customer_list(subscriber), after, limit, deadline)

    def payments(self, ids: Sequence[str], deadline: float) -> list[KeptPayment]:
        """See `Payments.payments`."""
        found = self.rows.many([_key(keys.PAYMENT, name) for name in ids], deadline)
        return [records.decode(item, KeptPayment) for item in found]

    # -- raw callbacks ---------------------------------------------------------------------------------------------

    def keep(self, body: Body, deadline: float) -> Outcome:
        """See `Bodies.keep`."""
        there = self.rows.put_new(records.body_item(body), deadline)
        return Outcome.COMMITTED if there is None else Outcome.ALREADY_DONE

    def looked_at(self, body: str, deadline: float) -> None:
        """See `Bodies.looked_at`."""
        self.rows.no_longer_due(_key(keys.BODY, body), deadline)

    def waiting(self, until: int, limit: int, deadline: float) -> list[str]:
        """See `Bodies.waiting`."""
        return [name for name, _ in self._due(keys.BODY, until, limit, deadline)]

    def body(self, body: str, deadline: float) -> Body | None:
        """See `Bodies.body`."""
        return self._one(keys.BODY, body, Body, deadline)

    # -- the ledger ------------------------------------------------------------------------------------------------

    def entry(self, journal: str, deadline: float) -> Entry | None:
        """See `Ledger.entry`."""
        return self._one(keys.JOURNAL, journal, Entry, deadline)

    def last_number(self, series: str, deadline: float) -> int:
        """See `Ledger.last_number`."""
        found = self.rows.partition(keys.key(keys.RECEIPT, series), "", 1, deadline, newest=True)
        return records.decode(found[0], Receipt).number if found else 0

    def booked_on(self, day: str, after: str | None, deadline: float) -> Page:
        """See `Ledger.booked_on`."""
        return self._page(keys.JOURNAL, day, after, deadline)

    def entries(self, journals: Sequence[str], deadline: float) -> list[Entry]:
        """See `Ledger.entries`."""
        found = self.rows.many([_key(keys.JOURNAL, name) for name in journals], deadline)
        return [records.decode(item, Entry) for item in found]

    def numbered(self, series: str, after: int, limit: int, deadline: float) -> list[Receipt]:
        """See `Ledger.numbered`."""
        pk = keys.key(keys.RECEIPT, series)
        found = self.rows.partition(pk, keys.number_key(after), limit, deadline)
        return [records.decode(item, Receipt) for item in found]

    # -- customers, money without a name, vouchers -----------------------------------------------------------------

    def customer(self, subscriber: SubscriberId, deadline: float) -> Customer | None:
        """See `Customers.customer`."""
        return self._one(keys.CUSTOMER, subscriber, Customer, deadline)

    def unmatched(self, receipt: str, deadline: float) -> Unmatched | None:
        """See `Customers.unmatched`."""
        return self._one(keys.UNMATCHED, receipt, Unmatched, deadline)

    def waiting_money(self, until: int, limit: int, deadline: float) -> list[str]:
        """See `Customers.waiting_money`."""
        return [name for name, _ in self._due(keys.UNMATCHED, until, limit, deadline)]

    def voucher(self, serial: str, deadline: float) -> KeptVoucher | None:
        """See `Customers.voucher`."""
        return self._one(keys.VOUCHER, serial, KeptVoucher, deadline)

    def vouchers(self, serials: Sequence[str], deadline: float) -> list[KeptVoucher]:
        """See `Customers.vouchers`."""
        found = self.rows.many([_key(keys.VOUCHER, serial) for serial in serials], deadline)
        return [records.decode(item, KeptVoucher) for item in found]

    def thing(self, shape: type[ThingT], name: str, deadline: float) -> Kept[ThingT] | None:
        """See `Customers.thing`."""
        item = self.rows.get(_key(shape.KIND, name), deadline)
        return None if item is None else _kept(item, shape)

    def things(self, shape: type[ThingT], names: Sequence[str], deadline: float) -> list[Kept[ThingT]]:
        """See `Customers.things`."""
        found = self.rows.many([_key(shape.KIND, name) for name in names], deadline)
        return [_kept(item, shape) for item in found]

    def due_things(self, shape: type[ThingT], until: int, limit: int, deadline: float) -> list[str]:
        """See `Customers.due_things`."""
        return [name for name, _ in self._due(shape.KIND, until, limit, deadline)]

    # -- packages --------------------------------------------------------------------------------------------------

    def packages(self, deadline: float) -> list[Package]:
        """See `Packages.packages`; by id."""
        found: list[Package] = []
        read = partial(self.rows.partition, keys.PACKAGES, limit=PAGE_MAX, deadline=deadline)
        while True:
            page = [records.decode(item, Package) for item in read(after=found[-1].id if found else "")]
            found += page
            if not page:
                return found

    def package(self, package: str, deadline: float) -> Package | None:
        """See `Packages.package`."""
        item = self.rows.get({"pk": keys.PACKAGES, "sk": package}, deadline)
        return None if item is None else records.decode(item, Package)

    def add(self, package: Package, deadline: float) -> Outcome:
        """See `Packages.add`."""
        there = self.rows.put_new(records.package_item(package), deadline)
        if there is None:
            return Outcome.COMMITTED
        return Outcome.ALREADY_DONE if records.decode(there, Package) == package else Outcome.CONFLICT

    # -- how -------------------------------------------------------------------------------------------------------

    def _one(self, kind: str, name: str, shape: type[T], deadline: float) -> T | None:
        item = self.rows.get(_key(kind, name), deadline)
        return None if item is None else records.decode(item, shape)

    def _due(self, kind: str, until: int, limit: int, deadline: float) -> list[tuple[str, int]]:
        found = [entry for k in keys.due_keys(kind) for entry in self.rows.due(k, until, limit, deadline)]
        return [(keys.name_of(pk), due_at) for due_at, pk in sorted(found)[:limit]]

    def _list(self, pk: str, after: str | None, limit: int, deadline: float) -> Page:
        found = [str(item["sk"]) for item in self.rows.partition(pk, after or "", limit, deadline, newest=True)]
        ids = tuple(keys.name_of(place) for place in found)
        return Page(ids, found[-1] if len(found) == limit else None)

    def _page(self, kind: str, day: str, after: str | None, deadline: float) -> Page:
        """A page of one shard; `more` names the shard and the last entry, or the next shard."""
        shard, _, rest = (after or "0|").partition("|")
        at, _, pk = rest.partition("|")
        last = Found(int(at), pk) if rest else None
        found = self.rows.day(keys.day_keys(kind, day)[int(shard)], last, PAGE_MAX, deadline)
        more: str | None = None
        if len(found) == PAGE_MAX:
            more = f"{shard}|{found[-1].at}|{found[-1].pk}"
        elif int(shard) + 1 < keys.DAY_SHARDS:
            more = f"{int(shard) + 1}|"
        return Page(tuple(keys.name_of(each.pk) for each in found), more)


def _kept(item: Item, shape: type[ThingT]) -> Kept[ThingT]:
    found = records.decode(item, shape)
    return Kept(found, int(item["v"]), int(item.get("d", 0)), int(item.get("expires_at", 0)))


def _key(kind: str, name: str) -> Key:
    return {"pk": keys.key(kind, name), "sk": keys.NONE}
