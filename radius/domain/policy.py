"""The decision: may this device be online now, on which right and with which limits.

`reserve` is all of it after the secret was right; it changes the aggregate it is given (slot, leases, a first login
that starts a window) and the caller commits that, or decides again on a newer aggregate. Refusals are values.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from radius.domain import calendar, charging, entitlement, lifecycle, reauth
from radius.domain.entitlement import Right, RightState
from radius.domain.identity import MacAddress, ReservationId, class_value
from radius.domain.intent import IntentReason
from radius.domain.limits import Limits
from radius.domain.nas import CoaScope, Nas
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from radius.domain.terms import INTERIM_S_MIN, ExtraDevice, Service, Terms
from radius.domain.world import (
    LINE_BPS_DEFAULT,
    LIVE_MAX,
    SESSION_S_MAX,
    SESSION_S_MAX_UNHEEDED,
    SESSION_S_MAX_UNREACHABLE,
    World,
)


class Reason(StrEnum):
    """Why not: the closed list. Messages, metrics and logs know these and no others."""

    BAD_CREDENTIALS = "bad_credentials"
    BLOCKED = "blocked"
    NO_PACKAGE = "no_package"
    EXPIRED = "expired"
    QUOTA_USED = "quota_used"
    TIME_USED = "time_used"
    QUOTA_LEASED = "quota_leased"
    OUTSIDE_HOURS = "outside_hours"
    WRONG_SITE = "wrong_site"
    WRONG_SERVICE = "wrong_service"
    DEVICE_LIMIT = "device_limit"
    CALLER_MISMATCH = "caller_mismatch"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    METHOD_UNSUPPORTED = "method_unsupported"
    MALFORMED = "malformed"


# The most useful thing to tell a customer several of whose rights do not help: the first of these that applies.
_TELLING = (
    Reason.DEVICE_LIMIT,
    Reason.QUOTA_LEASED,
    Reason.QUOTA_USED,
    Reason.TIME_USED,
    Reason.OUTSIDE_HOURS,
    Reason.WRONG_SITE,
    Reason.WRONG_SERVICE,
    Reason.EXPIRED,
    Reason.NO_PACKAGE,
)


class Ask(NamedTuple):
    """The question of one Access-Request. `device` is the caller's MAC, or what stands for it (PPPoE without one)."""

    device: str
    mac: MacAddress | None
    service: Service
    acct_session_id: str
    reservation: ReservationId


class Accept(NamedTuple):
    """Yes, with `limits`, on the slot that `session` describes."""

    limits: Limits
    session: Session
    intents: tuple[IntentReason, ...] = ()  # what it demands of the sender: the slot of another device was taken


class Reject(NamedTuple):
    """No, because."""

    reason: Reason


def reserve(subscriber: Subscriber, ask: Ask, nas: Nas, world: World) -> Accept | Reject:
    """Decide, and reserve the slot and the leases in `subscriber`. The secret has been checked already."""
    if subscriber.blocked:
        return Reject(Reason.BLOCKED)
    if subscriber.caller is not None and ask.mac != subscriber.caller:
        return Reject(Reason.CALLER_MISMATCH)
    lifecycle.settle(subscriber, world)
    pending = tuple(subscriber.intents)
    refused: list[Reason] = []
    candidates = usable(subscriber, ask.service, nas, world, refused)
    running = reauth.running(subscriber, nas.id, ask.acct_session_id, ask.device)
    if running is not None:
        subscriber.sessions.remove(running)  # decided anew, without what it holds
    lifecycle.release_device(subscriber, ask.device, nas.id, world.now)
    session: Session | None = None
    for index, (right, terms) in enumerate(candidates):
        reason = _make_room(subscriber, right, terms, nas, world.now)
        if reason is None:
            session = _book(subscriber, ask, nas, candidates[index:], world)
            if session is not None:
                if ask.mac is not None:
                    subscriber.remember(ask.mac)
                if running is not None:
                    session = reauth.go_on(subscriber, running, session)
                limits = limits_of(subscriber, session, nas, terms, world)
                return Accept(limits, session, lifecycle.added(subscriber, pending))
            reason = Reason.QUOTA_LEASED
        refused.append(reason)
    return Reject(next((reason for reason in _TELLING if reason in refused), Reason.NO_PACKAGE))


def usable(
    subscriber: Subscriber, service: Service, nas: Nas, world: World, refused: list[Reason]
) -> list[tuple[Right, Terms]]:
    """Rights that allow a session here and now, in the order that wastes least: soonest end first.

    A dormant right wastes nothing by waiting and comes after those that run; what is used up and only slow comes last.
    Why the others do not is appended to `refused`.
    """
    found = []
    for right in subscriber.rights:
        terms = world.terms(right.terms)
        reason = refusal(right, terms, service, nas, world.now)
        if reason is None:
            end = entitlement.prospective_end(right, terms, world.now)
            rank = 2 if entitlement.exhausted(right, terms) else int(not right.starts_at)
            found.append((rank, end, right.granted_at, right.id, right, terms))
        else:
            refused.append(reason)
    return [(entry[-2], entry[-1]) for entry in sorted(found, key=lambda entry: entry[:4])]


def refusal(  # noqa: PLR0911 - one rule a line, first that applies
    right: Right, terms: Terms, service: Service, nas: Nas, now: int
) -> Reason | None:
    """Why this right does not allow a session here and now; None if it does."""
    state = entitlement.state(right, now)
    if state is RightState.REVOKED:
        return Reason.NO_PACKAGE
    if state is RightState.ENDED:
        return Reason.EXPIRED
    if service is not terms.service and Service.ANY not in (terms.service, service):
        return Reason.WRONG_SERVICE
    if terms.sites and nas.site.id not in terms.sites:
        return Reason.WRONG_SITE
    if terms.hours and calendar.closes_at(terms.hours, nas.site.zone, now) == now:
        return Reason.OUTSIDE_HOURS
    if not can_slow(nas, terms):
        if entitlement.remaining_bytes(right, terms) == 0:
            return Reason.QUOTA_USED
        if entitlement.remaining_s(right, terms) == 0:
            return Reason.TIME_USED
    return None


def _make_room(subscriber: Subscriber, right: Right, terms: Terms, nas: Nas, now: int) -> Reason | None:
    holders = charging.devices_on(subscriber, right.id, None)
    if len(holders) < terms.devices:
        full = sum(map(charging.live, subscriber.sessions)) >= LIVE_MAX  # on several rights together
        return Reason.DEVICE_LIMIT if full else None
    if terms.extra_device is ExtraDevice.REJECT:
        return Reason.DEVICE_LIMIT
    leaving = holders[: len(holders) - terms.devices + 1]
    if not _has_room(subscriber, right, terms, nas, leaving):
        return Reason.QUOTA_LEASED  # nobody is cut for a device that is not let in here
    for session in leaving:
        lifecycle.close(subscriber, session, "replaced", now)
        lifecycle.add_intent(subscriber, session.uid, IntentReason.REPLACED, now)
    return None


def _has_room(subscriber: Subscriber, right: Right, terms: Terms, nas: Nas, leaving: list[Session]) -> bool:
    """True when the right would carry one more session without those that are to leave."""
    staying = [session for session in subscriber.sessions if session not in leaving]
    without = msgspec.structs.replace(subscriber, sessions=staying)
    return _slow(right, terms, nas) or charging.lease_of(without, right, terms, None) is not None


def can_slow(nas: Nas, terms: Terms) -> bool:
    """True when these terms slow down at the quota and this router knows speeds; elsewhere the quota cuts."""
    return terms.slow_rate is not None and nas.capabilities.rate


def _slow(right: Right, terms: Terms, nas: Nas) -> bool:
    return can_slow(nas, terms) and entitlement.exhausted(right, terms)


def _book(
    subscriber: Subscriber, ask: Ask, nas: Nas, candidates: list[tuple[Right, Terms]], world: World
) -> Session | None:
    right, terms = candidates[0]
    slow = _slow(right, terms, nas)
    leases = [] if slow else chain(subscriber, candidates)
    if not slow and not leases:
        return None
    entitlement.start(right, terms, world.now)
    session = Session(
        reservation=ask.reservation,
        nas=nas.id,
        device=ask.device,
        state=SessionState.RESERVED,
        opened_at=world.now,
        last_at=world.now,
        ends_at=0,
        right=right.id,
        acct_session_id=ask.acct_session_id,
        leases=leases,
        slowed=slow,
        # Two devices with one address are both offline: it is for the one that came first.
        addressed=bool(subscriber.fixed_ip)
        and not any(other.addressed and charging.live(other) for other in subscriber.sessions),
    )
    session.ends_at = end_of(subscriber, session, nas, terms, world)
    session.cap_bytes = cap_bytes(session, nas, terms) or 0
    session.interim_s = interim_of(session, nas, terms)
    subscriber.sessions.append(session)
    return session


def chain(subscriber: Subscriber, candidates: list[tuple[Right, Terms]]) -> list[Lease]:
    """Leases of the first right and of those that follow it without a change that the router would have to know."""
    leases: list[Lease] = []
    for right, terms in candidates:
        if leases and not _same_shape(candidates[0][1], terms):
            break
        if leases and not right.starts_at:
            break  # a dormant right is started by a log-in, never by running on
        if leases and charging.devices_on(subscriber, right.id, None):
            break  # its slot is another device's
        lease = charging.lease_of(subscriber, right, terms, None)
        if lease is None:
            break
        leases.append(lease)
        if terms.devices > 1:
            break  # a shared right is leased in parts; the next part is a renewal
    return leases


def _same_shape(first: Terms, other: Terms) -> bool:
    """True when a router sees no difference between the two but the amounts."""
    return (
        (first.rate, first.slow_rate, first.hours, first.sites, first.service, first.idle_s, first.interim_s)
        == (other.rate, other.slow_rate, other.hours, other.sites, other.service, other.idle_s, other.interim_s)
        and first.devices == other.devices == 1
        and (first.quota_bytes is None) == (other.quota_bytes is None)
        and (first.quota_s is None) == (other.quota_s is None)
    )


def end_of(subscriber: Subscriber, session: Session, nas: Nas, terms: Terms, world: World) -> int:
    """The instant at which the router itself is to end the session."""
    reachable = nas.capabilities.coa is not CoaScope.NONE
    ends = [world.now + (SESSION_S_MAX if reachable else SESSION_S_MAX_UNREACHABLE)]
    if subscriber.unheeded_on == nas.id and world.now < subscriber.unheeded_until:
        ends.append(world.now + SESSION_S_MAX_UNHEEDED)
    rights = [subscriber.right(lease.right) for lease in session.leases] or [subscriber.right(session.right)]
    windows = [right.ends_at for right in rights if right is not None]
    # With amounts, the first end bounds all: what is left of the first right must not be used up on the second.
    metered = terms.quota_bytes is not None or terms.quota_s is not None
    ends.append(windows[0] if metered else max(windows))
    closing = calendar.closes_at(terms.hours, nas.site.zone, world.now)
    if closing is not None:
        ends.append(closing)
    slow = subscriber.right(session.right) if session.slowed else None
    if slow is not None and slow.period_ends_at and nas.capabilities.coa is not CoaScope.CHANGE:
        ends.append(slow.period_ends_at)  # the full speed that is back then comes with a new log-in
    seconds = [lease.seconds for lease in session.leases]
    if seconds and charging.UNLIMITED not in seconds and not _slows_live(nas, terms):
        ends.append(world.now + sum(seconds))
    return max(world.now + 1, min(ends))


def limits_of(subscriber: Subscriber, session: Session, nas: Nas, terms: Terms, world: World) -> Limits:
    """What the router of a session is told, from now on."""
    return Limits(
        session_s=session.ends_at - world.now,
        interim_s=interim_of(session, nas, terms),
        ends_at=session.ends_at,
        zone=nas.site.zone,
        class_text=class_value(subscriber.id, session.reservation),
        idle_s=terms.idle_s,
        total_bytes=session.cap_bytes or None,
        rate=terms.slow_rate if session.slowed or (session.held and terms.slow_rate is not None) else terms.rate,
        # The router must let the newcomer in before the oldest is cut.
        devices=terms.devices + (terms.extra_device is ExtraDevice.REPLACE_OLDEST),
        fixed_ip=subscriber.fixed_ip if session.addressed else "",
        pool=subscriber.pool,
    )


def interim_of(session: Session, nas: Nas, terms: Terms) -> int:
    """Seconds between two reports that the router is told: fewer where what is left may be used up before the next.

    Only where a report can be acted on (a cut or a slow-down, by RFC 5176 or in its answer) and the router does not
    count for itself.
    """
    can, amounts = nas.capabilities, [lease.bytes for lease in session.leases]
    told = can.by_answer or can.coa is not CoaScope.NONE
    if not told or not amounts or charging.UNLIMITED in amounts or (session.cap_bytes and can.byte_cap):
        return terms.interim_s
    rate = terms.rate if can.rate else None
    bps = rate.up_bps + rate.down_bps if rate is not None else LINE_BPS_DEFAULT
    return max(INTERIM_S_MIN, min(terms.interim_s, sum(amounts) * 8 // bps))


def cap_bytes(session: Session, nas: Nas, terms: Terms) -> int | None:
    """The byte cap for the router: what the session used and may still use; None for none."""
    amounts = [lease.bytes for lease in session.leases]
    if not amounts or charging.UNLIMITED in amounts:
        return None
    if _slows_live(nas, terms):
        return None
    return session.total_bytes + sum(amounts)


def _slows_live(nas: Nas, terms: Terms) -> bool:
    """At the quota the router is told the slow rate by CoA: a cap or a time-out at that point would cut instead."""
    return can_slow(nas, terms) and nas.capabilities.coa is CoaScope.CHANGE
