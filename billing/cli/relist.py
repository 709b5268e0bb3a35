"""`relist`: the lists of customers, payments and agents, for what was made before there were lists.

deploy/update runs it.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import typer

from billing.cli import everybody, progress
from billing.cli.frame import Frame, command
from billing.cli.show import Column
from billing.domain.journal import business_day
from billing.ports import PAGE_MAX, KeptPayment
from billing.services import walk
from billing.store import keys as money_keys
from billing.store.records import listed_items
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import SecretKind, Subscriber
from radius.ports import Listed
from radius.store import keys
from radius.store.copying import write_all
from radius.store.records import Item, attributes, listed_item

COLUMNS = (
    Column("CUSTOMERS LISTED", "customers"),
    Column("PAYMENTS LISTED", "payments"),
    Column("AGENTS LISTED", "agents"),
)


def register(app: typer.Typer) -> None:
    """Put the command where operators type it."""
    command(app, "relist", "relist\nrelist --json")(relist)


def relist(frame: Frame) -> None:
    """Put every customer, payment and agent into the lists: those from before there were lists are in none.

    It reads the whole table of customers, and the books: an agent of whom nothing was ever booked is not found there.
    Again is safe, while everything serves, and so is Ctrl-C.
    """
    with frame.deed("lists"):
        told = {"customers": _customers(frame), "payments": _payments(frame), "agents": _agents(frame)}
    frame.show.item(told, COLUMNS)


def _customers(frame: Frame) -> int:
    """A row holds what never changes of a customer: to write it again changes nothing. Printed vouchers have none."""
    table, count = frame.settings.table_prefix + keys.USERS, 0
    for page in everybody.pages(frame):
        rows = [_row(each) for each in page if each.credential.kind is not SecretKind.CODE]
        write_all(frame.raw_client, table, [attributes(row) for row in rows])
        count += len(rows)
    return count


def _row(present: Subscriber) -> Item:
    return listed_item(present.id, Listed(present.site, present.created_at))


def _payments(frame: Frame) -> int:
    ports, count, days = frame.billing.store.ports, 0, _days(frame)
    for day in progress.each(frame, "Payments, day by day", days, len(days)):
        ids = (each for page in walk.pages(_begun(frame, day)) for each in page)
        while page := list(islice(ids, PAGE_MAX)):
            count += _list_all(frame, ports.payments(page, frame.deadline()))
    return count


def _agents(frame: Frame) -> int:
    days = _days(frame)
    return frame.billing.desk.agents.enrol(progress.each(frame, "Agents, day by day", days, len(days)))


def _days(frame: Frame) -> list[str]:
    return list(walk.days(frame.selling.first_day, business_day(frame.now)))


def _begun(frame: Frame, day: str) -> Any:
    ports = frame.billing.store.ports
    return lambda after: ports.begun_on(day, after, frame.deadline())


def _list_all(frame: Frame, kept: Sequence[KeptPayment]) -> int:
    whose = [SubscriberId(each.payment.subscriber) for each in kept]
    known = frame.core.store.lists.many(list(dict.fromkeys(whose)), frame.deadline())
    site = {each: aggregate.decode(stored.body).site for each, stored in known.items()}
    rows = [
        row for each in kept for row in listed_items(each.payment, site.get(SubscriberId(each.payment.subscriber), ""))
    ]
    table = frame.settings.table_prefix + money_keys.BILLING
    write_all(frame.raw_client, table, [attributes({**row, "v": 1}) for row in rows])
    return len(kept)
