"""`customers`: who they are, what they have, what may be done to them. Block: may not return, until unblocked."""

import re
import secrets
from typing import Annotated, Any

import typer

from billing.cli import find, live, sessions
from billing.cli.books import day_of
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.keyed import key_of, once
from billing.cli.show import Column, amount, size, span, when
from billing.cli.vouchers import version_of
from billing.cli.words import owed
from billing.domain.person import Person
from billing.ports import PAGE_MAX
from billing.services.word import Word
from radius.domain import entitlement
from radius.domain.entitlement import Right
from radius.domain.errors import Malformed
from radius.domain.identity import NameKind, SubscriberId, parse_mac
from radius.domain.intent import IntentReason
from radius.domain.subscriber import SessionState, Subscriber
from radius.ports import Where

app = typer.Typer(name="customers", help="Customers.", no_args_is_help=True)

LIST_MAX = 50
READS_MAX = 2_000  # session records read to find so many customers
PASSWORD_BYTES = 6
_ID = re.compile(r"[A-Za-z0-9]{1,32}", re.ASCII)

_Who = Annotated[
    str, typer.Argument(metavar="WHO", help="Phone, MAC address, code, serial, account number, M-Pesa code or id.")
]
_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]

FOUND = (Column("CUSTOMER", "customer"), Column("NAMED BY", "named"), Column("NAMES", "names"), Column("SITE", "site"))
LISTED = (
    Column("CUSTOMER", "customer"),
    Column("NAMES", "names"),
    Column("SINCE", "since", when),
    Column("LAST PACKAGE", "package"),
    Column("ONLINE", "online"),
    Column("BLOCKED", "blocked"),
)
SEEN = (
    Column("CUSTOMER", "customer"),
    Column("LAST NAME USED", "user"),
    Column("LAST CAME", "since", when),
    Column("ROUTER", "router"),
    Column("SESSIONS", "sessions", right=True),
    Column("ONLINE", "online"),
)
ONE = (
    Column("CUSTOMER", "customer"),
    Column("NAMES", "names"),
    Column("SITE", "site"),
    Column("SINCE", "created_at", when),
    Column("BLOCKED", "blocked"),
    Column("ACCOUNT NUMBER", "account"),
    Column("BALANCE", "balance_cents", amount),
    Column("RENEWS BY ITSELF", "renews"),
    Column("DEVICES SEEN", "devices"),
    Column("TIED TO", "caller"),
    Column("FIXED ADDRESS", "fixed_ip"),
    Column("POOL", "pool"),
    Column("STILL OWED", "owed", owed),
)
RIGHTS = (
    Column("PACKAGE", "package"),
    Column("STATE", "state"),
    Column("FROM", "starts_at", when),
    Column("UNTIL", "ends_at", when),
    Column("DATA LEFT", "left_bytes", size, right=True),
    Column("TIME LEFT", "left_s", span, right=True),
    Column("RIGHT", "right"),
)
DEVICES = (
    Column("DEVICE", "device"),
    Column("NAME", "name"),
    Column("ONLINE ON", "router"),
    Column("LOGS IN BY ITSELF", "by_itself"),
)


@command(app, "search", "customers search 0712345678\ncustomers search TKP0000001\ncustomers search aa:bb:cc:dd:ee:01")
def search(frame: Frame, who: _Who) -> Exit:
    """Everybody whom a number, a name, a device, a code, its serial or an M-Pesa code can mean; exact ones only."""
    found = find.search(frame, who)
    rows = []
    for each in found:
        present = find.read(frame, each.subscriber)
        rows.append({"customer": each.subscriber, "named": each.named, "names": names(present), "site": present.site})
    frame.show.table(rows, FOUND, "Nobody.")
    return Exit.DONE if rows else Exit.NOBODY


@command(
    app, "list",
    "customers list --site kilimani\ncustomers list --site kilimani --after 1764064200.q7m2xv9k4t3b8c1d\n"
    "customers list --site kilimani --day 2026-11-24",
)  # fmt: skip
def list_customers(
    frame: Frame,
    day: Annotated[str, typer.Option(metavar="DAY", help="Only who came online that day: 2026-11-25.")] = "",
    after: Annotated[str, typer.Option(metavar="KEY", help="Go on behind this one, as the list before said.")] = "",
    without_site: Annotated[bool, typer.Option("--without-site", help="Those who belong to no site.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=READS_MAX, help="At most so many.")] = LIST_MAX,
) -> None:
    """Customers of a site, the newest first; or those who came online there on a day, the latest first.

    A voucher's user is no customer of this list: `vouchers list`, and `--day`, which has whoever was online.
    """
    site = _the_site(frame, without_site=without_site)
    if day:
        frame.show.table(_came_online(frame, site, day, limit), SEEN, "Nobody came online there that day.")
        return
    rows: list[dict[str, Any]] = []
    place = _place(after) if after else None
    while len(rows) < limit:
        wanted = min(PAGE_MAX, limit - len(rows))
        page = frame.core.store.lists.latest(site, place, wanted, frame.deadline())
        present = live.owners(frame, (subscriber for subscriber, _ in page))
        rows += [_row(present[subscriber], at) for subscriber, at in page if subscriber in present]
        if len(page) < wanted:
            break
        place = (page[-1][1], page[-1][0])
    frame.show.table(rows, LISTED, "Nobody is listed there.")
    if len(rows) >= limit and place and not frame.as_json:
        frame.note(f"The next ones: --after {place[0]}.{place[1]}")


def _the_site(frame: Frame, *, without_site: bool) -> str:
    """The site that is meant: where there is only one it need not be said."""
    if without_site:
        return ""
    sites = [frame.site] if frame.site else [each.id for each in frame.directory.all_sites()]
    if len(sites) != 1:
        raise Malformed("site", f"say which (--site SITE): {', '.join(sites) or 'there is none yet'}")
    return sites[0]


def _place(text: str) -> tuple[int, SubscriberId]:
    at, _, subscriber = text.partition(".")
    if not (at.isdecimal() and _ID.fullmatch(subscriber)):
        raise Malformed("after", "must be what the list before said")
    return int(at), SubscriberId(subscriber)


def _row(present: Subscriber, at: int) -> dict[str, Any]:
    online = [each for each in present.sessions if each.state is SessionState.OPEN]
    return {
        "customer": present.id,
        "names": names(present),
        "since": at,
        "package": present.rights[-1].terms if present.rights else "",
        "sessions": len(online),
        "online": bool(online),
        "blocked": present.blocked,
    }


def _came_online(frame: Frame, site: str, day: str, limit: int) -> list[dict[str, Any]]:
    keys = frame.core.store.sessions.begun_on(
        Where.SITE, site, day_of(day).replace("-", ""), READS_MAX, frame.deadline()
    )
    rows: dict[str, dict[str, Any]] = {}
    for record in sessions.records_of(frame, keys):
        if not record.subscriber:
            continue
        row = rows.get(record.subscriber)
        if row is None:
            if len(rows) == limit:
                break
            row = {
                "customer": record.subscriber,
                "user": find.shown_name(record.user_name, record.device),
                "since": record.started_at,
                "router": record.nas,
                "sessions": 0,
                "online": False,
            }
            rows[record.subscriber] = row
        row["sessions"] += 1
        row["online"] |= not record.closed_at
    return list(rows.values())


@command(app, "show", "customers show 0712345678")
def show(frame: Frame, who: _Who) -> None:
    """One customer: names, balance, packages, live sessions."""
    subscriber = find.customer(frame, who)
    present = live.owner(frame, subscriber)
    rights = [right_facts(frame, right) for right in reversed(present.rights)]
    online = [live.facts(each) for each in live.of_customer(frame, subscriber)]
    told = {**facts(frame, present), "packages": rights, "online": online}
    frame.show.item(told, ONE)
    if not frame.as_json:
        frame.show.table(rights, RIGHTS, "No package.")
        frame.show.table(online, sessions.COLUMNS, "Not online.")


@command(app, "add", "customers add 0712345678 --site kilimani\ncustomers add lodge-home-4 --site lodge --hashed")
def add(
    frame: Frame,
    name: Annotated[list[str], typer.Argument(metavar="NAME...", help="Phones or account names to log in with.")],
    hashed: Annotated[bool, typer.Option("--hashed", help="Keep only a hash of the password (PAP only).")] = False,
    reason: _Reason = "",
) -> None:
    """Register a customer with a password, which is shown once."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    with frame.deed("new customer", reason) as came:
        made = frame.core.provision.customer(name, password, frame.now, site=frame.site, hashed=hashed)
        came(f"done: {made}")
    text = f"Customer {made} logs in with {' or '.join(name)}.\nThe password, shown this once: {password}"
    frame.show.done(text, {"customer": made, "password": password})


@command(app, "block", "customers block 0712345678 --reason 'chargeback'")
def block(frame: Frame, who: _Who, reason: _Reason = "") -> None:
    """Block a customer: live sessions are cut, and no new one begins until unblocked."""
    subscriber = find.customer(frame, who)
    online = live.of_customer(frame, subscriber)
    frame.sure(f"Block {who} ({subscriber})? {len(online)} live session(s) will be cut, and they may not return.")
    why = frame.why(reason)
    with frame.deed(subscriber, why):
        frame.core.provision.block(subscriber, why, frame.now)
    text = f"{who} is blocked; {len(online)} session(s) are being cut (wifibilling pending)."
    frame.show.done(text, {"customer": subscriber, "blocked": True, "sessions": len(online)})


@command(app, "unblock", "customers unblock 0712345678 --reason 'paid'")
def unblock(frame: Frame, who: _Who, reason: _Reason = "") -> None:
    """Let a customer in again. A cut that did not come through yet is withdrawn."""
    subscriber = find.customer(frame, who)
    cuts = [each for each in find.read(frame, subscriber).intents if each.reason is IntentReason.BLOCKED]
    with frame.deed(subscriber, frame.why(reason)):
        frame.core.provision.block(subscriber, "", frame.now)
    text = f"{who} may log in again."
    text += " The cut that was still to be made is withdrawn within seconds (wifibilling pending)." if cuts else ""
    frame.show.done(text, {"customer": subscriber, "blocked": False})


@command(app, "give", "customers give 0712345678 day --reason 'outage on Tuesday' --approved-by otieno")
def give(
    frame: Frame,
    who: _Who,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="A code, or one version.")],
    device: Annotated[str, typer.Option(metavar="MAC", help="That waits to be let in.")] = "",
    from_end: Annotated[bool, typer.Option("--from-end", help="It begins where what they have ends.")] = False,
    reason: _Reason = "",
    approved_by: Annotated[str, typer.Option(metavar="NAME", help="A second person, where it takes one.")] = "",
    key: Annotated[str, typer.Option(help="Your name for it: the same key is given once.")] = "",
) -> None:
    """Give a package without money. What is worth more than a limit takes a second person's word."""
    subscriber = find.customer(frame, who)
    version = version_of(frame, package)
    mac = parse_mac(device) if device else None
    if device and mac is None:
        raise Malformed("device", f"{device} is no MAC address")
    frame.sure(f"Give {version.id}, worth {amount(version.price_cents)}, to {who}?")
    word = Word(frame.actor, frame.why(reason), approved_by)
    name = key_of(key)
    with once(frame, name), frame.deed(subscriber, word.reason):
        right = frame.billing.desk.grants.give(
            name, subscriber, version.id, word, frame.now, device=mac or "", from_end=from_end
        )
    frame.show.done(f"{who} has {version.id}.", {"customer": subscriber, "package": version.id, "right": right})


@command(
    app, "devices",
    "customers devices 0712345678\ncustomers devices 0712345678 --add aa:bb:cc:dd:ee:01 --name laptop\n"
    "customers devices 0712345678 --forget aa:bb:cc:dd:ee:01",
)  # fmt: skip
def devices(
    frame: Frame,
    who: _Who,
    new: Annotated[str, typer.Option("--add", metavar="MAC", help="Remember a device.")] = "",
    name: Annotated[str, typer.Option(help="What it is called.")] = "device",
    forget: Annotated[
        str, typer.Option(metavar="MAC", help="Forget a device: it does not log in by itself any more.")
    ] = "",
    reason: _Reason = "",
) -> None:
    """Devices of a registered customer: named ones, those seen, and where they are online."""
    subscriber = find.customer(frame, who)
    people = frame.billing.desk.people
    if new or forget:
        mac = parse_mac(new or forget)
        if mac is None:
            raise Malformed("device", f"{new or forget} is no MAC address")
        with frame.deed(subscriber, reason):
            if new:
                people.name_device(subscriber, mac, name, frame.now)
            else:
                people.forget_device(subscriber, mac)
    person = _person(frame, subscriber)
    present = live.owner(frame, subscriber)
    online = {each.session.device: each.session.nas for each in live.of_customer(frame, subscriber)}
    named = person.devices if person else {}
    rows = [
        {"device": mac, "name": named.get(mac, ""), "router": online.get(mac, ""),
         "by_itself": bool(person and person.by_itself and mac in named)}
        for mac in dict.fromkeys([*named, *online, *present.devices])
    ]  # fmt: skip
    frame.show.table(rows, DEVICES, "No device was seen.")


@command(
    app, "bind",
    "customers bind lodge-home-4 --device aa:bb:cc:dd:ee:01 --address 100.64.7.7\n"
    "customers bind lodge-home-4 --pool homes\ncustomers bind lodge-home-4 --undo --reason 'moved out'",
)  # fmt: skip
def bind(
    frame: Frame,
    who: _Who,
    device: Annotated[str, typer.Option(metavar="MAC", help="The only device that may use the line.")] = "",
    address: Annotated[str, typer.Option(metavar="IP", help="The address that the line always gets.")] = "",
    pool: Annotated[str, typer.Option(metavar="NAME", help="The router's pool that its address comes from.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Untie it from all of them first.")] = False,
    reason: _Reason = "",
) -> None:
    """Tie a PPPoE line to a device, a fixed address or a pool, from its next log-in on; what is not given stays."""
    if not (device or address or pool or undo):
        raise Malformed("bind", "say to what (--device, --address, --pool), or --undo")
    mac = parse_mac(device) if device else None
    if device and mac is None:
        raise Malformed("device", f"{device} is no MAC address")
    subscriber = find.customer(frame, who)
    before = find.read(frame, subscriber)
    kept = (None, "", "") if undo else (before.caller, before.fixed_ip, before.pool)
    caller, fixed, named = mac or kept[0], address or kept[1], pool or kept[2]
    tied = ", ".join(each for each in (caller, fixed, named) if each) or "nothing"
    frame.sure(f"Tie {who} to {tied}? From the next log-in on nothing else is let in on that line.")
    with frame.deed(subscriber, frame.why(reason)):
        frame.core.provision.bind_caller(subscriber, caller, fixed, named)
    told = {"customer": subscriber, "caller": caller or "", "fixed_ip": fixed, "pool": named}
    frame.show.done(f"{who} is tied to {tied}.", told)


@command(app, "erase", "customers erase 0712345678 --reason 'asked for it by letter'")
def erase(frame: Frame, who: _Who, reason: _Reason = "") -> None:
    """Forget a person, who asked for it: phone, e-mail, devices. The books keep what was paid, under a bare number."""
    subscriber = find.customer(frame, who)
    frame.billing.desk.people.anybody(subscriber)
    frame.sure(f"Forget {who} for ever? What was bought stays, and no name leads to it any more.")
    with frame.deed(subscriber, frame.why(reason)):
        frame.billing.desk.people.erase(subscriber, frame.now)
    frame.show.done(f"Customer {subscriber} has no name any more.", {"customer": subscriber, "erased": True})


@command(app, "export", "customers export 0712345678")
def export(frame: Frame, who: _Who, reason: _Reason = "") -> None:
    """All that is kept of a person, as JSON, for that person. It is audited."""
    subscriber = find.customer(frame, who)
    with frame.deed(subscriber, reason):
        frame.show.document(frame.billing.desk.people.export(subscriber))


def facts(frame: Frame, present: Subscriber) -> dict[str, Any]:
    """What is told of a customer."""
    customer = frame.billing.store.ports.customer(present.id, frame.deadline())
    person = _person(frame, present.id)
    return {
        "customer": present.id,
        "names": names(present),
        "site": present.site,
        "created_at": present.created_at,
        "blocked": present.blocked,
        "account": customer.number if customer else "",
        "balance_cents": customer.balance_cents if customer else 0,
        "renews": person.renews if person else "",
        "devices": list(present.devices),
        "caller": present.caller or "",
        "fixed_ip": present.fixed_ip,
        "pool": present.pool,
        "owed": [intent.reason.value for intent in present.intents],
    }


def right_facts(frame: Frame, right: Right) -> dict[str, Any]:
    """What is told of a package that somebody has."""
    terms = frame.core.terms(right.terms)
    return {
        "right": right.id,
        "package": right.terms,
        "state": entitlement.state(right, frame.now).value,
        "starts_at": right.starts_at,
        "ends_at": right.ends_at,
        "left_bytes": entitlement.remaining_bytes(right, terms),
        "left_s": entitlement.remaining_s(right, terms),
        "used_bytes": right.past_bytes + right.used_bytes,
    }


def names(present: Subscriber) -> list[str]:
    """What somebody logs in with; a code or an account name is kept as a hash, and cannot be shown."""
    shown = []
    for alias in present.aliases:
        kind, _, text = alias.partition(":")
        shown.append("a code or account name" if kind == NameKind.NAME.value else text)
    return shown


def _person(frame: Frame, subscriber: SubscriberId) -> Person | None:
    kept = frame.billing.store.ports.thing(Person, subscriber, frame.deadline())
    return kept.thing if kept else None
