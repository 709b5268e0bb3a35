"""Recomputes the dumb way, from the packets that were acknowledged, what the product must have come to."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from radius.domain.identity import NasId, ReservationId, SubscriberId, session_uid
from radius.domain.record import SessionRecord
from radius.domain.request import AccountingRequest, Status
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.world import SESSION_S_MAX

if TYPE_CHECKING:
    from radius.services.access import Granted
    from tests.sim.cluster import RadiusNode
    from tests.sim.evening import Evening
    from tests.sim.routers import TrueSession

ENFORCEMENT_S = 120  # the sender looks every 10 s and fails three times in ten
WRAP = 1 << 32


class Auditor:
    """Knows packets and what the store shows; none of the product's decisions."""

    def __init__(self, evening: Evening) -> None:
        self._evening = evening
        self._quota = {terms.id: terms for terms in evening.plan.terms}

    def uid(self, session: TrueSession) -> str:
        """The name under which the product must keep this session."""
        nas, reservation = NasId(session.router.name), ReservationId(session.reservation)
        return session_uid(nas, session.acct_session_id, session.device, reservation)

    def fail(self, who: str, what: str) -> None:
        """Stop, with the story."""
        evening = self._evening
        story = [*evening.stories["*"], f"--- {who}", *evening.stories[who]]
        rights = [body for body in evening.store.bodies() if body.id == who]
        raise AssertionError("\n".join([what, *story, *map(str, rights), str(evening.plan)]))

    # -- while it runs -----------------------------------------------------------------------------------------

    def acknowledged(self, session: TrueSession, packet: AccountingRequest, made_at: int) -> None:
        """A node answered: from now on this must be counted."""
        if packet.status is not Status.START:
            true_in, true_out = session.used(made_at)
            session.mine.append((packet.status, true_in, true_out, packet.time_s or 0))
        else:
            session.mine.append((packet.status, 0, 0, 0))

    def granted(self, subscriber: SubscriberId, granted: Granted, nodes: list[RadiusNode]) -> None:
        """An Accept went out."""
        limits = granted.limits
        if not 1 <= limits.session_s <= SESSION_S_MAX or (limits.total_bytes is not None and limits.total_bytes < 1):
            self.fail(subscriber, f"an Accept without an end: {limits}")
        if granted.degraded:
            return
        for body in self._evening.store.bodies():
            if body.id == subscriber:
                self._promises(body)

    def _promises(self, body: Subscriber) -> None:
        """After a grant, what is charged and what is promised fit into the quotas it is on."""
        live = [session for session in body.sessions if session.state is SessionState.RESERVED]
        on = {lease.right for session in live[-1:] for lease in session.leases}
        for right in (right for right in body.rights if right.id in on):
            quota = self._quota[right.terms].quota_bytes
            leased = sum(
                max(0, lease.bytes)
                for session in body.sessions
                if session.state is not SessionState.CLOSED
                for lease in session.leases
                if lease.right == right.id
            )
            if quota is not None and leased and right.used_bytes + leased > quota:
                self.fail(body.id, f"{right.id}: {right.used_bytes} used and {leased} leased of {quota}")
        for session in live[-1:]:
            right = body.right(session.right)
            holders = {s.device for s in body.sessions if s.state is not SessionState.CLOSED and s.right == session.right}
            if right is not None and len(holders) > self._quota[right.terms].devices:
                self.fail(body.id, f"{len(holders)} devices on {right.id}")

    # -- at the end --------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """Nothing waits, everything ended, and every total is what the packets said."""
        evening = self._evening
        records: dict[str, list[SessionRecord]] = defaultdict(list)
        for record in evening.store.all_records():
            assert isinstance(record, SessionRecord)
            records[record.uid].append(record)
        for node in evening.nodes:
            if node.spool:
                self.fail("*", f"{node.name}: {len(node.spool)} packets still wait")
        for body in evening.store.bodies():
            self._all_over(body)
        for found in records.values():
            for record in found:
                if not record.closed_at:
                    self.fail(record.subscriber, f"an open record: {record}")
        self._every_session(records)
        self._every_right(records)

    def _all_over(self, body: Subscriber) -> None:
        live = [s for s in body.sessions if s.state is SessionState.OPEN]
        if live:
            self.fail(body.id, f"still live at the end: {live}")
        unfiled = [s for s in body.sessions if s.state is SessionState.CLOSED and not s.filed]
        if unfiled:
            self.fail(body.id, f"never filed: {unfiled}")

    def _every_session(self, records: dict[str, list[SessionRecord]]) -> None:
        by_uid: dict[str, list[TrueSession]] = defaultdict(list)
        for session in self._evening.sessions:
            if session.mine:
                by_uid[self.uid(session)].append(session)
        for uid, true in by_uid.items():
            counted_in = sum(record.in_bytes for record in records[uid])
            counted_out = sum(record.out_bytes for record in records[uid])
            counted_s = sum(record.time_s for record in records[uid])
            said = [[max(said[column] for said in s.mine) for s in true] for column in (1, 2, 3)]
            wanted = tuple(map(sum, said))
            got = (counted_in, counted_out, counted_s)
            plain = all(s.nas.capabilities.acct_gigawords or max(s.used(1 << 40)) < WRAP for s in true)
            exact = plain and (len(true) == 1)
            if (got != wanted) if exact else any(g > w for g, w in zip(got, wanted, strict=True)):
                who = true[0].subscriber
                sessions = [(s.acct_session_id, s.began_at, s.ended_at, s.mine) for s in true]
                self.fail(who, f"{uid}: counted {got}, the packets say {wanted}\n{sessions}\n{records[uid]}")

    def _every_right(self, records: dict[str, list[SessionRecord]]) -> None:
        for body in self._evening.store.bodies():
            own = [r for found in records.values() for r in found if r.subscriber == body.id]
            used = sum(r.in_bytes + r.out_bytes for r in own)
            charged = sum(right.used_bytes + right.past_bytes for right in body.rights)
            unowned = any(not record.right for record in own)
            if charged > used or (charged != used and not unowned):
                self.fail(body.id, f"rights were charged {charged}, sessions used {used}: {own}")
            self._overspend(body, own)

    def _overspend(self, body: Subscriber, own: list[SessionRecord]) -> None:
        """Beyond the quotas there is only what sessions could use before they were cut, or behind our back."""
        over = bound = 0
        for right in body.rights:
            terms = self._quota[right.terms]
            if terms.quota_bytes is None or terms.slow_rate is not None:
                return
            over += max(0, right.used_bytes - terms.quota_bytes)
        for session in self._evening.sessions:
            if session.subscriber == body.id:
                bound += self._beyond(session, own)
        if over > bound:
            self.fail(body.id, f"{over} bytes beyond the quotas, {bound} can be explained")

    def _beyond(self, session: TrueSession, own: list[SessionRecord]) -> int:
        """What one session may use beyond what was left."""
        everything = sum(session.used(1 << 40))
        record = next((r for r in own if r.uid == self.uid(session)), None)
        untroubled = record is not None and record.clean_stop and not session.degraded
        if session.cap_bytes is not None and untroubled and self._held_its_slot(session):
            return session.bps_in + session.bps_out  # it looks once a second
        if session.nas.capabilities.coa == "none" or not untroubled:
            return everything
        instants = [session.began_at, *session.counted_at, session.ended_at or session.began_at]
        gap_s = max(b - a for a, b in zip(sorted(instants), sorted(instants)[1:], strict=False))
        return min(everything, (session.bps_in + session.bps_out) * (gap_s + ENFORCEMENT_S))

    def _held_its_slot(self, session: TrueSession) -> bool:
        """The product heard of it in time, and never long enough nothing to give its lease away."""
        instants = [session.began_at, *session.counted_at]
        return all(b - a <= 100 for a, b in zip(instants[:1], instants[1:2], strict=False)) and len(instants) > 1
