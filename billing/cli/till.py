"""`sell` and `close-day`: what happens at the counter. Money moves, so it asks; a sale has a key, so it is one sale."""

from typing import Annotated

import typer

from billing.cli import find, vouchers
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.keyed import key_of, once
from billing.cli.show import amount
from billing.domain import money
from billing.domain.journal import Account, AccountKind
from billing.domain.ledger import Missing
from billing.domain.package import Package
from billing.paper.statement import render
from billing.services.close_day import Count
from billing.services.paper_sales import GivenCode, PileOrder, SoldPile, Unsold
from billing.services.sell import Order
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId, parse_mac

_Key = Annotated[
    str, typer.Option("--key", help="Your name for this sale: the same key of the same seller is the same sale.")
]
_Agent = Annotated[str, typer.Option("--agent", help="Out of whose float; default: for cash, in your hand.")]
_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]


app = vouchers.app


def register(root: typer.Typer) -> None:
    """Both stand beside the groups."""
    command(
        root, "sell",
        "sell day --to 0712345678\nsell day\nsell week --to 0712345678 --agent duka-1 --device aa:bb:cc:dd:ee:01",
    )(sell)  # fmt: skip
    command(root, "close-day", "close-day mary --counted 12,500 --handed-in 12,000")(close_day)


def sell(
    frame: Frame,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="A code, or one version.")],
    to: Annotated[str, typer.Option(metavar="WHO", help="Phone, MAC address, account number; default: a code.")] = "",
    device: Annotated[str, typer.Option(metavar="MAC", help="That waits to be let in.")] = "",
    agent: _Agent = "",
    key: _Key = "",
    reason: _Reason = "",
) -> Exit:
    """Sell a package for cash: to a customer, who is online at once, or as a code on a slip of paper."""
    version = vouchers.version_of(frame, package)
    if agent and not to:
        raise Malformed("agent", "sells to a customer (--to WHO), or a pile of vouchers; a code is for cash")
    if not to:
        frame.sure(f"Sell {version.id} as a code for {amount(version.price_cents)}?")
        return _sell_code(frame, version, key_of(key), reason)
    customer = _buyer(frame, to)
    buyer = find.read(frame, customer)
    blocked = f"{to} is blocked and cannot log in until `wifibilling customers unblock {to}`." if buyer.blocked else ""
    frame.sure(f"{blocked} Sell {version.id} to {to} for {amount(version.price_cents)}?".strip())
    mac = parse_mac(device) if device else None
    if device and mac is None:
        raise Malformed("device", f"{device} is no MAC address")
    site = frame.site or buyer.site
    order = Order(key_of(key), frame.actor, version.id, customer, mac or "", site, agent)
    with once(frame, order.key), frame.deed(customer, reason) as came:
        sold = frame.billing.desk.sell.sell(order, frame.now)
        came("refused" if isinstance(sold, Missing) else _sold(version, sold.receipt))
    if isinstance(sold, Missing):
        return missing(frame, sold, agent)
    again = " (it was sold before, by the same key)" if sold.again else ""
    text = f"Sold: {version.id} to {to} for {amount(version.price_cents)}, receipt {sold.receipt}{again}."
    frame.show.done(text, {"right": sold.right, "receipt": sold.receipt, "again": sold.again, "customer": customer})
    if blocked:
        frame.note(blocked)
    return Exit.DONE


def _sold(version: Package, receipt: str) -> str:
    """As the audit has it."""
    return f"done: {version.id} for {amount(version.price_cents)}, receipt {receipt}"


def _buyer(frame: Frame, to: str) -> SubscriberId:
    try:
        return find.customer(frame, to)
    except Nobody as nobody:
        ways = f"`wifibilling customers add {to}` first, or sell a code on a slip (without --to)"
        raise Nobody(f"{nobody}. For somebody new: {ways}") from None


def _sell_code(frame: Frame, version: Package, key: str, reason: str) -> Exit:
    if version.sites and not frame.site:
        raise Malformed("site", f"{version.id} is for {', '.join(version.sites)}: say where (--site SITE)")
    package = version.id
    with once(frame, key), frame.deed(package, reason) as came:
        sold: GivenCode = frame.billing.desk.paper_sales.sell_code(key, frame.actor, package, frame.site, frame.now)
        came(_sold(version, sold.receipt))
    facts = {"serial": sold.serial, "receipt": sold.receipt, "code": sold.code}
    if not sold.code:
        lost = f"wifibilling vouchers replace {sold.serial}"
        frame.show.done(f"It was sold before by this key, receipt {sold.receipt}; is its code lost: {lost}", facts)
        return Exit.NOT
    frame.show.done(f"Code {sold.code}, serial number {sold.serial}, receipt {sold.receipt}.", facts)
    return Exit.DONE


@command(app, "sell", "vouchers sell B12 B12-0001 B12-0002 --agent duka-1")
def sell_pile(
    frame: Frame,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="Capital letters and digits, such as B12.")],
    serials: Annotated[list[str], typer.Argument(metavar="SERIAL...", help="Which ones, up to 90.")],
    agent: _Agent = "",
    key: _Key = "",
    reason: _Reason = "",
) -> Exit:
    """Book a pile of vouchers as sold, all or none."""
    frame.sure(f"Book {len(serials)} vouchers of {batch} as sold?")
    order = PileOrder(key_of(key), frame.actor, batch, tuple(serials), agent)
    with once(frame, order.key), frame.deed(batch, reason) as came:
        sold = frame.billing.desk.paper_sales.sell(order, frame.now)
        came("done" if isinstance(sold, SoldPile) else "refused")
    match sold:
        case SoldPile(receipt, cents, again):
            said = " (before, by the same key)" if again else ""
            facts = {"receipt": receipt, "cents": cents, "again": again}
            frame.show.done(f"Sold for {amount(cents)}{said}, receipt {receipt}.", facts)
            return Exit.DONE
        case Missing():
            return missing(frame, sold, agent)
        case Unsold(serial, why):
            frame.show.done(f"Nothing was sold: {serial} is {why.value}.", {"serial": serial, "why": why.value})
        case refusal:
            frame.show.done(f"Nothing was sold: the batch is {refusal.value}.", {"why": refusal.value})
    return Exit.NOT


def close_day(
    frame: Frame,
    seller: Annotated[str, typer.Argument(metavar="SELLER", help="Whose cash it is.")],
    counted: Annotated[str, typer.Option(metavar="SHILLINGS", help="What is in hand.")],
    handed_in: Annotated[str, typer.Option(metavar="SHILLINGS", help="How much of it is handed in.")] = "0",
    into: Annotated[str, typer.Option(metavar="WHERE", help="bank:main, or cash:SELLER.")] = "bank:main",
    reason: Annotated[str, typer.Option("--reason", help="Of a difference: without one it is not booked.")] = "",
    key: Annotated[str, typer.Option("--key", help="Your name for this close: the same key is the same close.")] = "",
    paper: Annotated[int, typer.Option(help="Width of the receipt printer's paper: 58 or 80 mm.")] = 58,
) -> Exit:
    """Close a seller's day: what the books say, what was counted, what was handed in. Prints the statement.

    Exit code 1 if money is missing or over. The same close again is booked once.
    """
    counted_cents, handed_cents = money.parse(counted, "counted"), money.parse(handed_in, "handed-in")
    place = place_of("into", into)
    desk = frame.billing.desk.close_day
    if not desk.known(seller, frame.now):
        raise Nobody(f"no cash was ever in the hand of a seller {seller}")
    frame.sure(
        f"Close the day of {seller}: {amount(counted_cents)} counted, {amount(handed_cents)} handed in to {into}?"
    )
    count = Count(seller, counted_cents, handed_cents, place, reason, key_of(key))
    with once(frame, count.key), frame.deed(seller, reason) as came:
        closed = desk.close(count, frame.site, frame.actor, frame.now)
        came("closed before" if closed.again else "done")
    if closed.again:
        frame.note(f"{seller} closed {closed.day} already, by the same count: nothing was booked again.")
    facts = {
        "day": closed.day, "seller": closed.seller, "booked_cents": closed.booked_cents,
        "counted_cents": closed.counted_cents, "difference_cents": closed.difference_cents,
        "handed_in_cents": closed.handed_in_cents, "again": closed.again,
        "sold": [{"package": each.package, "count": each.count, "cents": each.cents} for each in closed.sold],
    }  # fmt: skip
    frame.show.done(render(frame.selling.brand, closed, paper).rstrip("\n"), facts)
    return Exit.DONE if not closed.difference_cents else Exit.NOT


def place_of(field: str, text: str) -> Account:
    """Where money is: `cash:mary` or `bank:main`; raises Malformed."""
    kind, _, of = text.partition(":")
    kinds = {"bank": AccountKind.BANK, "cash": AccountKind.CASH}
    if kind not in kinds or not of:
        raise Malformed(field, "must be bank:main or cash:SELLER")
    return Account(kinds[kind], of)


def missing(frame: Frame, found: Missing, agent: str) -> Exit:
    """The agent's float is too small."""
    text = f"Not sold: {agent} lacks {amount(found.cents)}."
    frame.show.done(text, {"agent": agent, "missing_cents": found.cents})
    return Exit.NOT
