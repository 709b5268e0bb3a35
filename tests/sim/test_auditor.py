"""What the auditor holds against the product, and what it may not: whoever cries wolf is soon not heard."""

from contextlib import nullcontext

import msgspec
import pytest

from coa.codec import Code
from radius.domain.identity import CLASS_PREFIX, MacAddress, NasId, SubscriberId
from radius.domain.limits import Limits
from radius.domain.nas import Family
from radius.domain.request import Status
from radius.domain.subscriber import Credential, SecretKind, SessionState, Subscriber, encode
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.ports import Change
from tests.sim.auditor import Auditor
from tests.sim.plan import MIB, T0, RouterPlan
from tests.sim.routers import TrueSession
from tests.sim.stage import Stage
from tests.unit.domain.builders import CAN, live, nas, right

WHO, DEVICE = SubscriberId("abcdefghijklmnop"), MacAddress("aabbcc000100")
ROUTER = RouterPlan("router-0", Family.MIKROTIK, {}, 0, reuses_ids=False, says_on=True, tries=1)
LONG = Window(WindowStart.PURCHASE, 7200, PeriodUnit.SECOND)
SMALL, ENDLESS = Terms("small.1", LONG, quota_bytes=MIB), Terms("endless.1", LONG)


def evening(session: TrueSession, *, closed_at: int = 0) -> Auditor:
    """A stage on which that session is online, and is (or was taken for silent) in the store too."""
    stage = Stage(0)
    stage.plan = stage.plan._replace(routers=(ROUTER,), terms=(SMALL, ENDLESS))
    stage.quiet = True
    ours = live(DEVICE, "res0000001", on=NasId(ROUTER.name), at=T0, acct_session_id=session.acct_session_id)
    if closed_at:
        ours.state, ours.cause, ours.closed_at, ours.leases = SessionState.CLOSED, "silent", closed_at, []
    rights = [right("right001", SMALL.id, starts_at=T0), right("right002", ENDLESS.id, starts_at=T0)]
    body = encode(Subscriber(WHO, Credential(SecretKind.CODE), T0, rights=rights, sessions=[ours]))
    stage.store.commit(Change(WHO, 1, "w", body, 0), stage.clock.monotonic() + 1)
    stage.begins(session)
    auditor = Auditor(stage)
    auditor.buys(WHO, "right001", SMALL.id)
    auditor.bought(WHO, "right001")
    return auditor


def online(*, bps: int = 1000, cap_bytes: int | None = 10 * MIB) -> TrueSession:
    can = msgspec.structs.replace(CAN, byte_cap=cap_bytes is not None)
    limits = Limits(7200, 300, T0 + 7200, "Africa/Nairobi", f"{CLASS_PREFIX}{WHO}.res0000001")
    return TrueSession(
        ROUTER, nas(NasId(ROUTER.name), can=can), WHO, "0712000001", DEVICE, "00000001", limits, degraded=False,
        began_at=T0, bps_in=bps, bps_out=0, cap_bytes=cap_bytes, must_end_at=T0 + 7200, interims=[300],
    )  # fmt: skip


@pytest.mark.parametrize(("counted", "wrong"), [(True, True), (False, False)])
def test_silence_is_told_by_what_every_node_can_know(counted: bool, wrong: bool) -> None:
    """A report that went into another node's spool a moment ago is nothing that this one could know."""
    session = online()
    auditor = evening(session, closed_at=T0 + 1010)
    for at, heard in ((T0 + 1000, counted), (T0 + 1020, True)):
        auditor._stage.clock.now = at
        told = nullcontext() if not (wrong and heard) else pytest.raises(AssertionError, match=r"silent\?")
        with told:
            auditor.acknowledged(session, session.say(Status.INTERIM, at), at, counted=heard)


def cut(auditor: Auditor, session: TrueSession, at: int, asked_at: int) -> None:
    auditor._stage.clock.now = at
    auditor.asks(WHO, DEVICE)
    auditor.cut(session, Code.DISCONNECT_REQUEST, asked_at)


def test_a_cut_with_something_left_is_wrong_and_one_without_is_right() -> None:
    idle, spent = online(bps=0), online(bps=MIB)
    with pytest.raises(AssertionError, match="is cut, but"):
        cut(evening(idle), idle, T0 + 100, T0 + 99)
    cut(evening(spent), spent, T0 + 5, T0 + 4)


@pytest.mark.parametrize(("paid_at", "wrong"), [(T0 + 3, True), (T0 + 4, False)])
def test_a_cut_after_paying_is_wrong_but_not_one_that_was_decided_before(paid_at: int, wrong: bool) -> None:
    spent = online(bps=MIB, cap_bytes=None)
    auditor = evening(spent)
    auditor._stage.clock.now = paid_at
    auditor.buys(WHO, "right002", ENDLESS.id)
    auditor.bought(WHO, "right002")
    if wrong:
        with pytest.raises(AssertionError, match="right002"):
            cut(auditor, spent, T0 + 5, T0 + 4)
    else:
        cut(auditor, spent, T0 + 5, T0 + 4)


@pytest.mark.parametrize(("used", "wrong"), [(0, True), (MIB, False)])
def test_behind_a_cap_that_no_request_moves_what_comes_next_takes_a_log_in(used: int, wrong: bool) -> None:
    session = online(bps=used)
    auditor = evening(session)
    auditor.buys(WHO, "right002", ENDLESS.id)
    auditor.bought(WHO, "right002")
    if wrong:
        with pytest.raises(AssertionError, match="right001"):
            cut(auditor, session, T0 + 5, T0 + 4)
    else:
        cut(auditor, session, T0 + 5, T0 + 4)
