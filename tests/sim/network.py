"""Accounting packets on their way: lost, late, repeated, tried again, answered by a node or put into its spool."""

import msgspec

from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import NasId
from radius.domain.request import AccountingRequest, Status
from tests.sim.auditor import Auditor
from tests.sim.plan import T0, RouterPlan
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage

TRY_AGAIN_S = 3


class Network:
    """Between routers and nodes."""

    def __init__(self, stage: Stage, auditor: Auditor) -> None:
        self._stage = stage
        self._auditor = auditor

    def say(self, session: TrueSession, status: Status) -> None:
        """A session's router tells how it stands."""
        now = self._stage.clock.now
        self._send(session, session.say(status, now), session.router, now, 1)

    def boot(self, router: RouterPlan) -> None:
        """A router is up again and says so."""
        said = AccountingRequest(
            status=Status.ON, router=NasId(router.name), source="", acct_session_id="", user_name="", mac=None,
            device="x", class_of=None, in_bytes=None, out_bytes=None, gigawords=False, time_s=None, delay_s=0,
            event_timestamp=None, original_at=None, cause="", framed_ip="", nas_ip="", nas_identifier="",
        )  # fmt: skip
        self._send(None, said, router, self._stage.clock.now, 1)

    def _send(
        self, session: TrueSession | None, packet: AccountingRequest, router: RouterPlan, made_at: int, tries: int
    ) -> None:
        """One try: a router asks again until somebody answers or it gives up."""
        stage, bad = self._stage, self._stage.plan.badness
        if stage.dark(router.name):
            return
        if stage.chance(bad.late):
            stage.later(1, 40, lambda: self._arrive(session, packet, made_at))
        else:
            answered = not stage.chance(bad.lost) and self._arrive(session, packet, made_at)
            if (not answered or stage.chance(bad.answer_lost)) and tries < router.tries:
                again = tries + 1
                stage.later(1, 2 * TRY_AGAIN_S, lambda: self._send(session, packet, router, made_at, again))
        if stage.chance(bad.twice):
            stage.later(0, 150, lambda: self._arrive(session, packet, made_at))

    def _arrive(self, session: TrueSession | None, packet: AccountingRequest, made_at: int) -> bool:
        """A node takes the packet: counted, or in its spool. False: nobody answered."""
        stage = self._stage
        now, node = stage.clock.now, stage.random.choice(stage.nodes)
        if not node.takes(now):
            return False
        packet = msgspec.structs.replace(packet, delay_s=now - made_at)
        node.heard.add(packet.router)
        try:
            outcome = node.process.accounting.account(packet, now, node.process.deadline()).what
        except Malformed:
            return False  # it came up while the store was away, and knows no routers yet
        except Unavailable:
            node.spool.append((packet, now))
            outcome = "spooled"
        if session is None:
            self._auditor.booted(packet.router, now, counted=outcome == "boot")
            return True
        self._auditor.acknowledged(session, packet, made_at, counted=outcome != "spooled")
        stage.note(
            session.subscriber,
            f"{node.name} {packet.status} {packet.router}/{packet.acct_session_id} made {made_at - T0} "
            f"in {packet.in_bytes} out {packet.out_bytes} t {packet.time_s}: {outcome}",
        )
        return True
