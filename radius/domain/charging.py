"""Leases and charges: what sessions may still use of rights, and what they have used.

Invariants: a commit that grants keeps charged + open leases <= quota; charges never go down; what a session uses
beyond its lease is charged all the same (overspend, recorded) because it was used.
"""

from radius.domain import entitlement
from radius.domain.entitlement import Right, RightState
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from radius.domain.terms import Terms
from radius.domain.world import LEASE_FLOOR_BYTES, LEASE_FLOOR_S, World

UNLIMITED = -1


def live(session: Session) -> bool:
    """Reserved or open: it holds a slot and leases."""
    return session.state is not SessionState.CLOSED


def open_leases(subscriber: Subscriber, right_id: str, but: Session | None) -> tuple[int, int]:
    """Bytes and seconds of a right promised to live sessions other than `but`."""
    total_bytes = total_s = 0
    for session in subscriber.sessions:
        if session is but or not live(session):
            continue
        for lease in session.leases:
            if lease.right == right_id:
                total_bytes += max(0, lease.bytes)
                total_s += max(0, lease.seconds)
    return total_bytes, total_s


def devices_on(subscriber: Subscriber, right_id: str, but: Session | None) -> list[Session]:
    """Live sessions other than `but` whose slot counts against this right, oldest first.

    A session that is to run on into a right holds its slot there already. So does one that a router serves without a
    lease (its Start came after the slot had gone to another device): it is online, until it is cut.
    """
    holders = (s for s in subscriber.sessions if s is not but and live(s) and _holds(s, right_id))
    return sorted(holders, key=lambda s: s.opened_at)


def _holds(session: Session, right_id: str) -> bool:
    return session.right == right_id or any(lease.right == right_id for lease in session.leases)


def lease_of(subscriber: Subscriber, right: Right, terms: Terms, but: Session | None) -> Lease | None:
    """The share of `right` that one more session gets; None when all that remains is promised to others.

    A right for one device leases all that remains; a shared one the remainder by free slots, with a floor.
    """
    taken_bytes, taken_s = open_leases(subscriber, right.id, but)
    free_slots = max(1, terms.devices - len(devices_on(subscriber, right.id, but)))
    share_bytes = _share(entitlement.remaining_bytes(right, terms), taken_bytes, free_slots, LEASE_FLOOR_BYTES)
    share_s = _share(entitlement.remaining_s(right, terms), taken_s, free_slots, LEASE_FLOOR_S)
    return None if 0 in (share_bytes, share_s) else Lease(right.id, share_bytes, share_s)


def _share(remaining: int | None, taken: int, free_slots: int, floor: int) -> int:
    if remaining is None:
        return UNLIMITED
    unleased = max(0, remaining - taken)
    return min(unleased, max(unleased // free_slots, floor))


def charge(
    subscriber: Subscriber,
    session: Session,
    delta_bytes: int,
    delta_s: int,
    since: int,
    at: int,
    world: World,
    *,
    slows: bool = True,
) -> int:
    """Charge use to the rights the session holds leases of, in order; return the bytes beyond every quota.

    `slows`: the router can slow down, so that use beyond a quota that does so is none too much.

    The whole delta from `since` (the last report) to `at` goes to the periods and rights that were current at `since`
    (split at the interim points); only then do periods turn and ended rights step aside.
    """
    for lease in session.leases:
        right = subscriber.right(lease.right)
        if right is None:
            continue
        take_bytes, lease.bytes = _take(lease.bytes, delta_bytes)
        take_s, lease.seconds = _take(lease.seconds, delta_s)
        entitlement.use(right, world.terms(right.terms), since, take_bytes, take_s)
        delta_bytes, delta_s = delta_bytes - take_bytes, delta_s - take_s
    over = _charge_beyond(subscriber, session, delta_bytes, delta_s, since, world, slows=slows)
    for right in subscriber.rights:
        entitlement.roll_period(right, world.terms(right.terms), at)
    _step_on(subscriber, session, at)
    return over


def _take(leased: int, used: int) -> tuple[int, int]:
    """What a lease covers of a use, and what is left of it then."""
    if leased == UNLIMITED:
        return used, UNLIMITED
    return min(used, leased), leased - min(used, leased)


def _charge_beyond(
    subscriber: Subscriber, session: Session, left_bytes: int, left_s: int, since: int, world: World, *, slows: bool
) -> int:
    """Charge what no lease covers to the last right; return the bytes beyond its quota."""
    last = subscriber.right(session.leases[-1].right if session.leases else session.right)
    if last is None or not (left_bytes or left_s):
        return 0
    terms, before = world.terms(last.terms), last.used_bytes
    entitlement.use(last, terms, since, left_bytes, left_s)
    quota = terms.quota_bytes
    if quota is None or (slows and terms.slow_rate is not None):
        return 0
    return max(0, last.used_bytes - quota) - max(0, before - quota)


def _step_on(subscriber: Subscriber, session: Session, at: int) -> None:
    while len(session.leases) > 1:
        first = session.leases[0]
        right = subscriber.right(first.right)
        alive = right is not None and entitlement.state(right, at) is RightState.LIVE
        if alive and first.bytes != 0 and first.seconds != 0:
            break
        session.leases.pop(0)
    if session.leases:
        session.right = session.leases[0].right


def covered(session: Session, delta_bytes: int, delta_s: int) -> bool:
    """True when the session's leases are enough for this use."""
    total_bytes = total_s = 0
    for lease in session.leases:
        total_bytes += delta_bytes if lease.bytes == UNLIMITED else lease.bytes
        total_s += delta_s if lease.seconds == UNLIMITED else lease.seconds
    return total_bytes >= delta_bytes and total_s >= delta_s


def spent(session: Session) -> bool:
    """True when nothing of any lease is left."""
    return all(lease.bytes == 0 or lease.seconds == 0 for lease in session.leases)
