"""The morning after: what the store shows against what routers were acknowledged and customers truly used."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from radius.domain.entitlement import Right
from radius.domain.record import SessionRecord
from radius.domain.subscriber import SessionState, Subscriber
from tests.sim.plan import MIDNIGHT
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage

# The longest that a router which can be told needs, from the report that proves a limit: at most BAD_IN_A_ROW_MAX
# times bad manners (30 s of silence each, then 15, 30 and 60 s of back-off), two senders that die with a claim (60 s
# lease and 60 s until hidden work is looked at again, each), and three polls of 10 s.
ENFORCEMENT_S = 3 * 30 + 105 + 2 * 120 + 30
SILENCE_S = 100  # a session that was not heard for longer may have lost its slot
BEHIND_S = 900  # due work that is older was passed by
LATE_END_S = 30  # evidence this long after its end proves that a router serves a session on
CLOCK_S = 5  # routers whose clock is believed are off by less
WRAP = 1 << 32
FOREVER = 1 << 40

Objection = tuple[str, str]  # about whom, what


class Key(NamedTuple):
    """By what a router names a session in every packet of it."""

    nas: str
    acct_session_id: str
    device: str
    reservation: str


def objections(stage: Stage, bought: Mapping[str, Mapping[str, object]]) -> Iterator[Objection]:
    """Everything that did not come right, worst first."""
    records: dict[Key, list[SessionRecord]] = defaultdict(list)
    for record in stage.store.all_records():
        records[Key(record.nas, record.acct_session_id, record.device, record.reservation)].append(record)
    bodies = stage.store.bodies()
    for node in stage.nodes:
        if node.spool:
            yield "*", f"{node.name}: {len(node.spool)} packets still wait"
    yield from _all_over(stage, bodies, records)
    yield from _every_session(stage, records)
    of: dict[str, list[SessionRecord]] = defaultdict(list)
    for record in stage.store.all_records():
        of[record.subscriber].append(record)
    for body in bodies:
        own = of[body.id]
        yield from _every_purchase(body, set(bought.get(body.id, {})))
        yield from _every_charge(body, own)
        yield from _overspend(stage, body, own)
        yield from _periods(stage, body)


def _all_over(stage: Stage, bodies: list[Subscriber], records: dict[Key, list[SessionRecord]]) -> Iterator[Objection]:
    for body in bodies:
        for session in body.sessions:
            if session.state is SessionState.OPEN:
                yield body.id, f"still live: {session}"
            if session.state is SessionState.CLOSED and not session.filed:
                yield body.id, f"never filed: {session}"
    yield from ((body.id, f"never settled: {intent}") for body in bodies for intent in body.intents)
    for who, due_at in stage.store.due_items():
        if due_at < stage.clock.now - BEHIND_S:
            yield who, f"due since {stage.clock.now - due_at} s, and nobody looks"
    for found in records.values():
        for record in found:
            if not record.closed_at:
                yield record.subscriber, f"an open record: {record}"


def _every_session(stage: Stage, records: dict[Key, list[SessionRecord]]) -> Iterator[Objection]:
    """Exactly what was acknowledged, where counters neither wrap nor names are used twice; never more anywhere."""
    true: dict[Key, list[TrueSession]] = defaultdict(list)
    for session in stage.sessions:
        if session.mine:
            true[Key(session.router.name, session.acct_session_id, session.device, session.reservation)].append(session)
    for key, sessions in true.items():
        found = records[key]
        counted = [sum(r.in_bytes for r in found), sum(r.out_bytes for r in found), sum(r.time_s for r in found)]
        most = [
            (max(s.in_bytes for s in one.mine), max(s.out_bytes for s in one.mine), max(s.time_s for s in one.mine))
            for one in sessions
        ]
        wanted = [sum(column) for column in zip(*most, strict=True)]
        wide = all(one.nas.capabilities.acct_gigawords or max(one.used(FOREVER)) < WRAP for one in sessions)
        if len(sessions) == 1 and wide:
            wrong = counted != wanted
        else:
            wrong = any(got > known for got, known in zip(counted, wanted, strict=True))
        owners = {str(one.subscriber) for one in sessions} | {str(record.subscriber) for record in found}
        if wrong or len(owners) > 1:
            said = [(one.began_at, one.ended_at, one.mine) for one in sessions]
            yield sessions[0].subscriber, f"{key}: counted {counted}, the packets say {wanted}\n{said}\n{found}"


def _every_purchase(body: Subscriber, bought: set[str]) -> Iterator[Objection]:
    """One payment, one right."""
    there = [right.id for right in body.rights]
    if len(there) != len(set(there)) or set(there) != bought:
        yield body.id, f"bought {sorted(bought)}, has {sorted(there)}"


def _every_charge(body: Subscriber, own: list[SessionRecord]) -> Iterator[Objection]:
    """Rights were charged what sessions used: nothing twice, and nothing is lost unless nobody was to be blamed."""
    unowned = any(not record.right for record in own)
    used = (sum(one.in_bytes + one.out_bytes for one in own), sum(one.time_s for one in own))
    charged = (
        sum(right.used_bytes + right.past_bytes for right in body.rights),
        sum(right.used_s + right.past_s for right in body.rights),
    )
    for got, wanted in zip(charged, used, strict=True):
        if got > wanted or (got != wanted and not unowned):
            yield body.id, f"rights were charged {charged}, sessions used {used}: {own}"
            return


def _overspend(stage: Stage, body: Subscriber, own: list[SessionRecord]) -> Iterator[Objection]:
    """Beyond each quota there is only what sessions could use before they were cut, or behind our back."""
    terms_by_id = {terms.id: terms for terms in stage.plan.terms}
    sessions = stage.of[body.id]
    unhindered = [_unhindered_s(session, own) for session in sessions]
    bound_bytes = sum(
        min(sum(one.used(FOREVER)), one.bps * seconds) for one, seconds in zip(sessions, unhindered, strict=True)
    )
    bound_s = sum(min(one.lived(FOREVER), seconds) for one, seconds in zip(sessions, unhindered, strict=True))
    for right in body.rights:
        terms = terms_by_id[right.terms]
        if terms.slow_rate is not None:
            continue
        yield from _beyond(body, right, "B", right.used_bytes, terms.quota_bytes, bound_bytes)
        yield from _beyond(body, right, "s", right.used_s, terms.quota_s, bound_s)


def _beyond(body: Subscriber, right: Right, unit: str, used: int, quota: int | None, bound: int) -> Iterator[Objection]:
    if quota is not None and used > quota + bound:
        yield body.id, f"{right.id}: {used - quota} {unit} beyond the quota, {bound} can be explained"


def _periods(stage: Stage, body: Subscriber) -> Iterator[Objection]:
    """Charged to the new day is at most what was used in it: what began in the old one belongs there.

    A right that began since has no older day: it may have to bear what was used before, and reported late.
    """
    turned = [right for right in body.rights if right.starts_at < MIDNIGHT < right.period_ends_at]
    own = stage.of[body.id]
    used = sum(sum(one.used(FOREVER)) - sum(one.used(MIDNIGHT - CLOCK_S)) for one in own)
    if sum(right.used_bytes for right in turned) > used:
        yield body.id, f"charged to the new day: {turned}, used in it: {used}"


def _unhindered_s(session: TrueSession, own: list[SessionRecord]) -> int:
    """For how long a session may have used what it was not, or no longer, promised."""
    record = next((one for one in own if _belongs(one, session)), None)
    clean = record is not None and record.clean_stop and not session.degraded
    if not clean or (session.nas.capabilities.coa == "none" and session.displaced):
        return FOREVER
    instants = sorted([session.began_at, *session.reported_at, session.ended_at])
    gap_s = max(after - before for before, after in pairwise(instants))
    if session.router.keeps_time and session.cap_bytes is not None and _undisputed(session):
        return 2  # it looks once a second
    return FOREVER if session.nas.capabilities.coa == "none" else gap_s + LATE_END_S + ENFORCEMENT_S


def _belongs(record: SessionRecord, session: TrueSession) -> bool:
    return (record.nas, record.acct_session_id, record.device) == (
        session.router.name, session.acct_session_id, session.device
    )  # fmt: skip


def _undisputed(session: TrueSession) -> bool:
    """Nobody took its slot: the product heard of it in time, and never long enough nothing to give its lease away."""
    if session.displaced:
        return False
    instants = [session.began_at, *sorted(session.counted_at), session.ended_at]
    silence_s = 3 * min(session.interims)
    return instants[1] - instants[0] <= SILENCE_S and all(b - a <= silence_s for a, b in pairwise(instants))
