"""Why somebody is not online: the chain from the money to the router, link by link, the first that is broken named.

Pure: everything was gathered before (`why`). A link is whole, broken, or unknown, where nothing here can tell.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from billing.cli.heard import Heard
from billing.cli.show import size, span, when
from billing.cli.words import REASONS, STATES, ending
from billing.domain.batch import Batch, BatchState
from billing.domain.daraja import RESULTS
from billing.domain.payment import PAID_STATES, Payment, PaymentState, prompt_open
from billing.domain.voucher import Voucher, VoucherState
from radius.domain import entitlement
from radius.domain.attempt import Attempt
from radius.domain.entitlement import RightState
from radius.domain.intent import ENDS, Intent, IntentReason
from radius.domain.nas import Nas, Router
from radius.domain.policy import Reason
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.terms import Terms

RECENT_S = 86_400  # a payment or a refusal that is older explains nothing today
CAME_S = 120  # the log-in after a payment may be a moment ahead of the news of it
ASKED_S = 900  # who was let in or refused within this time asked for this


class Name(StrEnum):
    """The links, in the order in which they hold."""

    KNOWN = "known here"
    VOUCHER = "voucher"
    PAYMENT = "payment"
    ACCOUNT = "account"
    PACKAGE = "package"
    ROUTER = "router"
    LOG_IN = "log-in"
    DEVICES = "devices"
    ENFORCEMENT = "what its router was told"
    SESSION = "session"


class Link(NamedTuple):
    """`good` None: nothing here can tell. `fix` "": nothing is to be done."""

    name: Name
    good: bool | None
    text: str
    fix: str = ""


class Place(NamedTuple):
    """The router at which somebody wants in. `live`: a RADIUS node says that it lives; `heard`: it hears the router."""

    name: str
    router: Router | None = None
    nas: Nas | None = None
    broken: str = ""
    live: bool = True
    heard: bool = True
    unheard: tuple[int, str] = (0, "")


class Case(NamedTuple):
    """What was gathered. `verdict`: what policy says to a log-in now; None: yes. `device`: the one that asks, "" any.

    `log`: whether a RADIUS node logs here; `attempts`: the last of each session; `last`: the latest session begun.
    `slip`: what is wrong with what was typed, as the code of a voucher.
    """

    now: int
    subscriber: Subscriber | None
    place: Place | None
    terms: Callable[[str], Terms]
    verdict: Reason | None = None
    payment: Payment | None = None
    voucher: Voucher | None = None
    batch: Batch | None = None
    device: str = ""
    log: bool = False
    heard: Heard | None = None
    attempts: Mapping[str, Attempt] = {}
    last: SessionRecord | None = None
    slip: str = ""


def chain(case: Case) -> list[Link]:
    """All links that can be told of, in order."""
    if case.subscriber is None:
        return [_unknown(case)]
    links = [Link(Name.KNOWN, good=True, text=f"customer {case.subscriber.id}")]
    links += _voucher(case)
    package = _package(case, case.subscriber)
    links += _payment(case, missed=package.good is False)
    links += [_account(case.subscriber, case.verdict), package]
    links += _router(case)
    links += [_log_in(case), _devices(case, case.subscriber)]
    links += _told(case, case.subscriber)
    links.append(_session(case, case.subscriber))
    return links


def is_online(links: list[Link]) -> bool:
    """Whether they are, rightly or not."""
    return any(link.name is Name.SESSION and link.good for link in links)


def first_broken(case: Case, links: list[Link]) -> Link | None:
    """Where the chain breaks; None if nothing is in the way, or somebody is online who may be.

    Whoever is online although blocked: the cut has not arrived, and what the router was told says why. Where they are
    asked about at a router that is not registered, that is what is wrong.
    """
    if not is_online(links):
        return next((link for link in links if link.good is False), None)
    bad = {link.name: link for link in reversed(links) if link.good is False}
    if Name.ACCOUNT in bad and case.subscriber is not None and case.subscriber.blocked:
        return bad.get(Name.ENFORCEMENT) or bad.get(Name.ROUTER) or bad[Name.ACCOUNT]
    return bad.get(Name.ROUTER) if case.place is not None and case.place.router is None else None


def _unknown(case: Case) -> Link:
    text, fix = (
        f"nobody has that name, number, code or device{case.slip}",
        "Ask for the number that was paid with, or the code's serial.",
    )
    heard = case.heard
    if heard is not None:
        text += f"; that device was refused at {when(heard.at)} on {heard.router}: {heard.reason}"
    return Link(Name.KNOWN, good=False, text=text, fix=fix)


def _voucher(case: Case) -> Iterator[Link]:
    voucher, batch = case.voucher, case.batch
    if voucher is None:
        return
    over = bool(voucher.redeem_by) and case.now >= voucher.redeem_by
    why = {VoucherState.VOID: "was cancelled", VoucherState.EXPIRED: "was not used in time"}.get(voucher.state, "")
    why = why or ("was not used in time" if over and voucher.state is not VoucherState.USED else "")
    why = why or (
        "is of a batch that was cancelled"
        if batch and batch.state is BatchState.VOID and voucher.state is not VoucherState.USED
        else ""
    )
    if why:
        yield Link(
            Name.VOUCHER, good=False, text=f"{voucher.serial} {why}", fix="Sell another; a lost one is replaced."
        )
    else:
        yield Link(Name.VOUCHER, good=True, text=f"{voucher.serial} is {voucher.state.value}")


_UNPAID = {
    PaymentState.PENDING: ("was sent, and nothing was heard of it", "wifibilling payments reconcile"),
    PaymentState.CREATED: ("was not sent to M-Pesa yet", "wifibilling payments reconcile"),
    PaymentState.UNKNOWN: ("was sent, and M-Pesa's answer was lost", "wifibilling payments reconcile"),
    PaymentState.EXPIRED: ("was not answered by the customer", "Buy again; was it paid: payments show M-PESA-CODE."),
    PaymentState.DISPUTED: (
        "another amount came than was asked for",
        "wifibilling payments claim M-PESA-CODE --to WHO",
    ),
}


def _payment(case: Case, *, missed: bool) -> Iterator[Link]:
    """The last payment, while it is recent. Who has a package besides (not `missed`) is not offline for want of it."""
    payment = case.payment
    if payment is None or payment.created_at < case.now - RECENT_S:
        return
    said = f"{payment.id} of {when(payment.created_at)}"
    if payment.state in PAID_STATES:
        yield Link(Name.PAYMENT, good=True, text=f"{said} is paid")
        return
    text, fix = _unpaid(payment, case.now)
    yield Link(Name.PAYMENT, good=False if missed else None, text=f"{said} {text}", fix=fix if missed else "")


def _unpaid(payment: Payment, now: int) -> tuple[str, str]:
    if payment.state is PaymentState.PENDING and prompt_open(payment, now):
        return "waits for the PIN on the customer's phone", "Wait, or unlock the phone."
    if payment.state is PaymentState.FAILED:
        known = RESULTS.get(payment.code)
        return f"failed: {known.meaning if known else payment.code or 'refused'}", "The customer pays again."
    return _UNPAID[payment.state]


def _account(subscriber: Subscriber, verdict: Reason | None) -> Link:
    if subscriber.blocked:
        return Link(
            Name.ACCOUNT, good=False, text=f"is blocked: {subscriber.blocked}",
            fix=f"wifibilling customers unblock {subscriber.id}",
        )  # fmt: skip
    if verdict is Reason.CALLER_MISMATCH:
        return Link(
            Name.ACCOUNT, good=False, text=f"is tied to the device {subscriber.caller}, and another one asks",
            fix="Use that device, or tie the line to this one.",
        )  # fmt: skip
    return Link(Name.ACCOUNT, good=True, text="is not blocked")


_BUY = "The customer buys again."
_PACKAGE = {
    Reason.NO_PACKAGE: ("nothing was bought or given, or it was taken back", _BUY),
    Reason.EXPIRED: ("is over", _BUY),
    Reason.QUOTA_USED: ("its data is used up", _BUY),
    Reason.TIME_USED: ("its time online is used up", _BUY),
    Reason.OUTSIDE_HOURS: ("does not hold at this hour", "Wait for its hours, or buy another package."),
    Reason.WRONG_SITE: ("is not for this site", "Go to its site, or buy one for this."),
    Reason.WRONG_SERVICE: ("is for another kind of line (hotspot or home)", "Buy one of the right kind."),
}


def _package(case: Case, subscriber: Subscriber) -> Link:
    held = ", ".join(_right(case, right) for right in subscriber.rights) or "none"
    told = _PACKAGE.get(case.verdict) if case.verdict is not None else None
    if told is not None:
        return Link(Name.PACKAGE, good=False, text=f"{told[0]} (has: {held})", fix=told[1])
    if case.place is None or case.place.nas is None:
        live = any(
            entitlement.state(right, case.now) in {RightState.LIVE, RightState.DORMANT} for right in subscriber.rights
        )
        return Link(Name.PACKAGE, good=live, text=f"has: {held}", fix="" if live else _BUY)
    return Link(Name.PACKAGE, good=True, text=f"has: {held}")


def _right(case: Case, right: entitlement.Right) -> str:
    terms = case.terms(right.terms)
    state = entitlement.state(right, case.now)
    said = {RightState.DORMANT: "begins at the first log-in", RightState.REVOKED: "taken back"}.get(state, "")
    said = said or f"{'until' if state is RightState.LIVE else 'ended'} {when(right.ends_at)}"
    left = entitlement.remaining_bytes(right, terms)
    online = entitlement.remaining_s(right, terms)
    rest = [size(left)] if left is not None else []
    rest += [span(online)] if online is not None else []
    return f"{right.terms} {said}" + (f", {' and '.join(rest)} left" if rest else "")


def _router(case: Case) -> Iterator[Link]:
    place = case.place
    if place is None:
        yield Link(Name.ROUTER, good=None, text="it is not known where: say --router", fix="")
        return
    wrong = _place(place)
    if wrong:
        yield Link(Name.ROUTER, good=False, text=f"{place.name} {wrong[0]}", fix=wrong[1])
    else:
        yield Link(Name.ROUTER, good=True, text=f"{place.name} is heard")


def _place(place: Place) -> tuple[str, str] | None:
    """The first thing that is wrong with a router, and the fix."""
    look = f"wifibilling routers health {place.name}"
    packets, why = place.unheard
    found = (
        (place.router is None, "is not registered", f"wifibilling routers add {place.name} ..."),
        (bool(place.broken), f"has a record that cannot be used: {place.broken}", look),
        (place.router is not None and place.router.disabled, "is switched off here", look),
        (not place.live, "asks RADIUS nodes of which none says that it lives", "Is FreeRADIUS running?"),
        (bool(packets), f"sends packets that are not heard: {why}", look),
        (
            not place.heard,
            "was not heard since the RADIUS node started",
            "Is it on? Does it ask this server, under the right secret?",
        ),
    )
    return next(((text, fix) for wrong, text, fix in found if wrong), None)


_REFUSED = {
    Reason.BAD_CREDENTIALS.value: ("a wrong name, code or password", "Type it again; a lost password is set anew."),
    Reason.TOO_MANY_ATTEMPTS.value: ("too many wrong tries", "Wait ten minutes, then type it right."),
    Reason.METHOD_UNSUPPORTED.value: (
        "a method that this account's password cannot serve", "Let the router use PAP, or set the password anew.",
    ),
    Reason.MALFORMED.value: ("a request that could not be read", "Look at the router's version and configuration."),
}  # fmt: skip


def _log_in(case: Case) -> Link:
    """What the last Access-Request was answered; a reason that policy tells better stands in its own link."""
    heard = case.heard
    if heard is None:
        text = (
            "no log-in of this customer is in this machine's log" if case.log else "no RADIUS node logs on this machine"
        )
        return Link(Name.LOG_IN, good=None, text=text)
    at = f"{when(heard.at)} on {heard.router}"
    if heard.strange:
        text = f"another device, never let in under this name, was refused at {at}: {heard.reason}"
        return Link(Name.LOG_IN, good=None, text=text)
    if heard.since is not None:
        link, other = _log_in(case._replace(heard=heard._replace(since=None))), heard.since
        return link._replace(text=f"{link.text}; another device since, at {when(other.at)}: {other.reason}")
    if not heard.reason:
        return Link(Name.LOG_IN, good=True, text=f"let in at {at}")
    told = _REFUSED.get(heard.reason)
    if told is not None and heard.at >= case.now - RECENT_S:
        return Link(Name.LOG_IN, good=False, text=f"refused at {at}: {told[0]}", fix=told[1])
    return Link(Name.LOG_IN, good=None, text=f"refused at {at}: {heard.reason}")


def _devices(case: Case, subscriber: Subscriber) -> Link:
    live = [session for session in subscriber.sessions if session.state is not SessionState.CLOSED]
    on = ", ".join(f"{session.device} on {session.nas}" for session in live) or "none"
    if case.verdict is Reason.DEVICE_LIMIT:
        return Link(
            Name.DEVICES, good=False, text=f"as many are online as the package allows: {on}",
            fix="Log one out, or: wifibilling sessions disconnect SESSION",
        )  # fmt: skip
    if case.verdict is Reason.QUOTA_LEASED:
        return Link(
            Name.DEVICES, good=False, text=f"what is left is in use on others: {on}", fix="Log one out, or buy more.",
        )  # fmt: skip
    return Link(Name.DEVICES, good=True, text=f"online: {on}")


_NO_START = "Does the router send accounting to this server? Log in once more."


def _session(case: Case, subscriber: Subscriber) -> Link:
    mine = [session for session in subscriber.sessions if case.device in {"", session.device}]
    is_open = [session for session in mine if session.state is SessionState.OPEN]
    if is_open:
        return Link(Name.SESSION, good=True, text=_online(is_open[-1]))
    reserved = [session for session in mine if session.state is SessionState.RESERVED]
    if reserved:
        since, where = when(reserved[-1].opened_at), reserved[-1].nas
        return Link(Name.SESSION, good=False, text=f"let in at {since}, and {where} reported no start", fix=_NO_START)
    closed = [session for session in mine if session.state is SessionState.CLOSED]
    ended = [(each.closed_at, each.cause, f"{each.uid} of {each.device} on {each.nas}") for each in closed]
    last = case.last
    if last is not None and last.closed_at and case.device in {"", last.device}:
        ended.append((last.closed_at, last.cause, f"{last.uid} of {last.device} on {last.nas}"))
    at, cause, which = max(ended, default=(0, "", ""))
    heard = case.heard
    if heard is not None and not heard.reason and heard.at >= case.now - ASKED_S and heard.at > at:
        return Link(Name.SESSION, good=False, text="was let in, and its router reported no start", fix=_NO_START)
    if ended:
        text = f"the last ended at {when(at)}: {ending(cause)} ({which})"
        return Link(Name.SESSION, good=False, text=text, fix="The device logs in again.")
    return _never(case, subscriber)


def _never(case: Case, subscriber: Subscriber) -> Link:
    """Nothing is kept of a session of theirs, or of the device that is asked about."""
    if case.device and (case.last is not None or subscriber.sessions):
        text, fix = "that device has not been online of late", "Log in on that device."
    elif subscriber.devices:
        text, fix = "no device has been online of late", "The device logs in again."
    else:
        text, fix = "no device has logged in", "Join the WiFi, and log in."
    return Link(Name.SESSION, good=False, text=text, fix=fix)


def _came(case: Case, intent: Intent) -> bool:
    """True of a device that waited, came in, and left again since."""
    last = case.last
    return last is not None and last.device == intent.session and last.started_at >= intent.created_at - CAME_S


def _online(session: Session) -> str:
    slow = ", slowed down at its quota" if session.slowed else ""
    return f"{session.device} is online on {session.nas} since {when(session.opened_at)}{slow}"


def _told(case: Case, subscriber: Subscriber) -> Iterator[Link]:
    """What was to be done to it: a device that waits to be let in, a cut, other limits."""
    for intent in subscriber.intents:
        if intent.state in ENDS or _came(case, intent):
            continue
        step = case.attempts.get(intent.session)
        said = f" ({step.words})" if step is not None and step.words else ""
        waits = intent.reason is IntentReason.REAUTHORIZE
        text = f"{REASONS[intent.reason]}: {STATES[intent.state]}{said}"
        fix = "The customer logs in on the page." if waits else "wifibilling pending"
        fix += f"; wifibilling routers health {step.nas}" if said and step is not None and not waits else ""
        yield Link(Name.ENFORCEMENT, good=False, text=text, fix=fix)
