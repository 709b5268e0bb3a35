"""`customers why`: gathers what is known of one customer, and says where the chain to the network is broken."""

import secrets
from typing import Annotated

import typer

from billing.cli import customers, find, live, sessions
from billing.cli.chain import Case, Link, Place, chain, first_broken, is_online
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.heard import Log
from billing.cli.routers import NODE_FRESH_S
from billing.cli.show import Column
from billing.domain.batch import Batch
from billing.domain.payment import Payment
from billing.domain.person import Person
from billing.domain.voucher import Voucher, VoucherEvent, decide
from billing.ports import ClaimKind, KeptVoucher
from radius.domain import policy
from radius.domain import subscriber as aggregate
from radius.domain.attempt import Attempt
from radius.domain.errors import Malformed
from radius.domain.identity import (
    MacAddress,
    NameKind,
    NasId,
    ReservationId,
    SessionUid,
    SubscriberId,
    parse_mac,
    parse_phone,
)
from radius.domain.policy import Ask, Reason, Reject
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Subscriber
from radius.domain.terms import Service
from radius.ports import Where

app = customers.app

UNHEARD_S = 3_600  # packets that were not heard within this time are what somebody waits for
LAST_DAYS = 7  # back that the last session is looked for, where its customer has forgotten it

COLUMNS = (Column("", "mark"), Column("LINK", "link"), Column("WHAT IS SO", "text"))


@command(
    app, "why",
    "customers why 0712345678\ncustomers why aa:bb:cc:dd:ee:01 --router kilimani-01\ncustomers why 'B7K2 9QXA 31ZD'",
)  # fmt: skip
def why(
    frame: Frame,
    who: Annotated[str, typer.Argument(metavar="WHO", help="Phone, MAC address, code, serial, account number or id.")],
    router: Annotated[str, typer.Option(help="Where; default: where they were last.")] = "",
    device: Annotated[str, typer.Option(metavar="MAC", help="Which of their devices; default: any.")] = "",
) -> Exit:
    """Why somebody is not online: payment, package, log-in, devices, session, router; names the first broken link.

    Exit code 0 if they are online, 1 if not, or if they are and should not be (blocked, and the cut has not arrived) or
    `--router` is not registered, 3 if nobody is named so.
    """
    if device and parse_mac(device) is None:
        raise Malformed("device", f"{device} is no MAC address")
    case = gather(frame, who, router, device)
    links = chain(case)
    broken, online = first_broken(case, links), is_online(links)
    if frame.as_json:
        told = [{"link": each.name.value, "good": each.good, "text": each.text, "fix": each.fix} for each in links]
        frame.show.document({"online": online, "broken": broken.name.value if broken else "", "links": told})
    else:
        frame.show.table([_row(link, broken) for link in links], COLUMNS, "")
        frame.show.line(_verdict(case, broken, online=online))
    if case.subscriber is None:
        return Exit.NOBODY
    return Exit.DONE if online and broken is None else Exit.NOT


def _row(link: Link, broken: Link | None) -> dict[str, str]:
    mark = "-->" if link is broken else {True: "ok", None: "?", False: "no"}[link.good]
    return {"mark": mark, "link": link.name.value, "text": link.text}


def _verdict(case: Case, broken: Link | None, *, online: bool) -> str:
    if broken is None:
        return "They are online."
    said = f"The first broken link: {broken.name.value}: {broken.text}." + (f" {broken.fix}" if broken.fix else "")
    blocked = case.subscriber is not None and case.subscriber.blocked
    return (("Online, although blocked: the cut has not arrived. " if blocked else "Online. ") if online else "") + said


def gather(frame: Frame, who: str, router: str, device: str) -> Case:
    """Everything that is known."""
    log = Log(frame)
    try:
        subscriber, named = find.one(frame, who)
    except Nobody:
        asks = parse_mac(device) or parse_mac(who)
        heard = log.of_device(asks) if asks else None
        return Case(frame.now, None, None, frame.core.terms, log=log.there, heard=heard, slip=find.slip(who))
    # A code or a phone of twelve digits reads as a MAC address too: it is one only where it named them as such.
    mac = parse_mac(device) or (parse_mac(who) if named == find.KINDS[NameKind.MAC] else None)
    present, last = live.owner(frame, subscriber), _last(frame, subscriber)
    heard = log.last(subscriber, _own(present, last), mac)
    place = _place(frame, router or _where(frame, present, heard.router if heard else ""))
    case = Case(
        frame.now, present, place, frame.core.terms, _verdict_of(frame, present, place, mac),
        _payment(frame, subscriber, who), device=mac or "", log=log.there, heard=heard,
        attempts=_attempts(frame, present), last=last,
    )  # fmt: skip
    return _with_voucher(frame, case, present)


def _own(present: Subscriber, last: SessionRecord | None) -> set[str]:
    """The devices that have been online as this customer."""
    online = {session.device for session in present.sessions} | ({last.device} if last is not None else set())
    return {*online, *present.devices} - {""}


def _where(frame: Frame, present: Subscriber, heard_on: str) -> str:
    """Where they were last, else the only router of their site, else nowhere."""
    if present.sessions:
        return max(present.sessions, key=lambda session: session.last_at).nas
    here = [each.id for each in frame.directory.all_routers() if present.site in {"", each.site}]
    return heard_on or (here[0] if len(here) == 1 else "")


def _place(frame: Frame, name: str) -> Place | None:
    if not name:
        return None
    nodes = [node for node in frame.core.store.nodes.nodes(frame.deadline()) if node.at >= frame.now - NODE_FRESH_S]
    unheard = next(
        (each for each in frame.core.store.routers.unknown(frame.now, frame.deadline()) if each[0] == name), None
    )
    late = unheard is not None and unheard[2] >= frame.now - UNHEARD_S
    return Place(
        name, frame.directory.router(name), frame.directory.nas(name),
        frame.directory.broken.get(NasId(name), ""), bool(nodes), any(name in node.routers for node in nodes),
        (unheard[1], unheard[3]) if unheard is not None and late else (0, ""),
    )  # fmt: skip


def _verdict_of(frame: Frame, present: Subscriber, place: Place | None, mac: MacAddress | None) -> Reason | None:
    """What a log-in would be answered now, after the right secret: decided on a copy that nobody keeps."""
    if place is None or place.nas is None:
        return None
    copy = aggregate.decode(aggregate.encode(present))
    device = mac or (present.caller or (present.devices[-1] if present.devices else MacAddress("020000000000")))
    asked = Ask(device, device, _service(copy), "", ReservationId(secrets.token_hex(5)))
    decided = policy.reserve(copy, asked, place.nas, frame.core.world(frame.now))
    return decided.reason if isinstance(decided, Reject) else None


def _service(present: Subscriber) -> Service:
    """A line that is tied to a device, an address or a pool is a home line."""
    return Service.PPPOE if present.caller or present.fixed_ip or present.pool else Service.HOTSPOT


def _payment(frame: Frame, subscriber: SubscriberId, who: str) -> Payment | None:
    """The last payment: by the prompt of the phone, else the last of all."""
    ports = frame.billing.store.ports
    phone = parse_phone(who) or _phone(frame, subscriber)
    prompt = ports.prompt(frame.core.keys.alias_key(f"prompt:{phone}"), frame.deadline()) if phone else None
    kept = ports.payment(prompt.payment, frame.deadline()) if prompt else None
    if kept is not None and kept.payment.subscriber == subscriber:
        return kept.payment
    last = ports.payments(ports.latest_by(subscriber, None, 1, frame.deadline()).ids, frame.deadline())
    return last[0].payment if last else None


def _phone(frame: Frame, subscriber: SubscriberId) -> str:
    kept = frame.billing.store.ports.thing(Person, subscriber, frame.deadline())
    return frame.billing.desk.people.phone_of(kept.thing) if kept else ""


def _attempts(frame: Frame, present: Subscriber) -> dict[str, Attempt]:
    found: dict[str, Attempt] = {}
    for session in {intent.session for intent in present.intents}:
        steps = frame.core.store.attempts.of_session(SessionUid(session), frame.now, frame.deadline())
        found |= {session: steps[-1]} if steps else {}
    return found


def _last(frame: Frame, subscriber: SubscriberId) -> SessionRecord | None:
    return next(iter(sessions.begun(frame, Where.SUBSCRIBER, subscriber, LAST_DAYS, 1)), None)


def _used(kept: KeptVoucher, present: Subscriber) -> Voucher:
    """The voucher; one whose code has logged in is used, though that may not be booked yet."""
    right = present.right(kept.right)
    used = decide(kept.voucher, VoucherEvent.USE, right.starts_at) if right is not None and right.starts_at else None
    return used if isinstance(used, Voucher) else kept.voucher


def _with_voucher(frame: Frame, case: Case, present: Subscriber) -> Case:
    """A printed code is a customer of its own, whose name is the code."""
    ports = frame.billing.store.ports
    for alias in present.aliases:
        serial = ports.owner(ClaimKind.CODE, alias.partition(":")[2], frame.deadline())
        kept = ports.voucher(serial, frame.deadline()) if serial else None
        if kept is not None:
            batch = ports.thing(Batch, kept.voucher.batch, frame.deadline())
            return case._replace(voucher=_used(kept, present), batch=batch.thing if batch else None)
    return case
