"""Intents to effects: what is sent, what follows from each answer, and what holds when workers die or race."""

import msgspec
import pytest

from coa.codec import Code
from coa.outcome import Reason, Refused
from coa.steps import AGAIN_S, CONFIRM_S, HELD_S_MAX, LEASE_S, STAYS_MAX
from radius.domain.identity import NasId
from radius.domain.intent import IntentState
from radius.domain.nas import PortPair
from radius.domain.request import Status
from radius.domain.subscriber import SessionState
from radius.domain.world import END_GRACE_S, SESSION_S_MAX_UNHEEDED
from radius.ports import Outcome
from tests.unit.coa.dispatched import (
    ACK,
    ARUBA,
    CAFE,
    COOVA,
    MIKROTIK,
    QUOTA,
    SILENCE,
    SLOW,
    SLOWING,
    UNIFI,
    Works,
    nak,
)
from tests.unit.domain.builders import MIB, day_terms
from tests.unit.services.wired import SECRET, access_request, second_device


@pytest.fixture
def works() -> Works:
    return Works()


# -- the way of a cut ------------------------------------------------------------------------------------------------


def test_a_used_up_quota_is_cut_and_its_stop_confirms_it(works: Works) -> None:
    found = works.used_up()
    works.poll()
    out = works.answer(ACK)
    assert (out.request.code, out.values) == (
        Code.DISCONNECT_REQUEST,
        {"Acct-Session-Id": "81c00001", "User-Name": "0712345678"},
    )
    assert (out.das.address, out.das.port, out.das.secret) == ("10.8.0.11", 3799, SECRET.encode())
    (intent,) = works.node.home(found).intents
    assert (intent.state, intent.due_at) == (IntentState.ACKED, works.node.now + CONFIRM_S)
    works.report(found, 101 * MIB, Status.STOP, pass_s=1)
    assert works.one.check(works.node.now) == 1
    home = works.node.home(found)
    assert (home.sessions[0].state, home.intents) == (SessionState.CLOSED, [])
    assert works.told.outcomes == ["acked", "confirmed"]
    assert works.told.ends == [1.0]
    first, last = works.audit(found)
    assert (first.reason, first.request, first.target, first.number, first.round_trip_ms, first.verdict) == (
        "quota",
        "disconnect",
        "10.8.0.11:3799",
        1,
        10,
        "done",
    )
    assert (last.outcome, last.request) == ("confirmed", "")
    works.wait(CONFIRM_S + 5)
    assert works.out == []


def test_mikrotik_gets_what_it_needs_to_find_the_session(works: Works) -> None:
    works.used_up(on=MIKROTIK)
    works.poll()
    assert works.take().values == {
        "Acct-Session-Id": "81c00001",
        "User-Name": "0712345678",
        "Framed-IP-Address": "10.5.0.7",
        "NAS-IP-Address": "10.8.0.2",
    }


def test_nothing_is_sent_before_its_time_and_nothing_twice(works: Works) -> None:
    found = works.online()
    works.wait(3)
    assert works.out == []
    works.report(found, 100 * MIB)
    works.poll()
    works.poll()
    works.one.visit(found, works.node.now)
    assert len(works.out) == 1


def test_a_payment_overtakes_the_cut(works: Works) -> None:
    found = works.used_up(SLOWING, MIKROTIK)
    works.node.grant(found, SLOWING, "right002")
    works.poll()
    out = works.answer(ACK)
    assert out.request.code is Code.COA_REQUEST
    assert out.values["Mikrotik-Rate-Limit"] == "2M/5M"
    home = works.node.home(found)
    assert (home.intents, home.sessions[0].told) == ([], None)


@pytest.mark.parametrize("on", [COOVA, ARUBA])
def test_a_cut_that_its_router_has_not_answered_is_repeated_no_more_once_it_is_paid_for(
    works: Works, on: NasId
) -> None:
    """Its first transmission was lost, and the next would cut somebody who has paid meanwhile."""
    found = works.used_up(on=on)
    works.poll()
    works.one.visit(found, works.node.now)
    assert works.called_off == []
    works.node.grant(found, QUOTA, "right002")
    works.one.visit(found, works.node.now)
    assert works.called_off == works.out
    works.answer(SILENCE)
    works.wait(30)
    assert [out.request.code for out in works.out] == ([Code.COA_REQUEST] if on is COOVA else [])
    assert works.node.home(found).sessions[0].state is SessionState.OPEN
    assert works.told.outcomes[0] == "pending"
    assert works.told.alarms == []


def test_where_a_payment_takes_a_new_log_in_the_cut_is_repeated(works: Works) -> None:
    found = works.used_up(on=MIKROTIK)  # whose cap no request moves
    works.poll()
    works.node.grant(found, QUOTA, "right002")
    works.one.visit(found, works.node.now)
    assert works.called_off == []


def test_an_unblocked_customer_is_not_cut(works: Works) -> None:
    found = works.online()
    works.node.provision.block(found, "chargeback", works.node.now)
    works.node.provision.block(found, "", works.node.now)
    works.poll()
    assert (works.out, works.told.outcomes, works.node.home(found).intents) == ([], ["superseded"], [])


def test_a_cut_that_is_to_be_repeated_is_withdrawn_as_soon_as_the_customer_is_unblocked(works: Works) -> None:
    found = works.online()
    works.node.provision.block(found, "chargeback", works.node.now)
    works.poll()
    works.answer(SILENCE)
    works.node.provision.block(found, "", works.node.now)
    works.poll()
    assert (works.out, works.told.outcomes[-1], works.node.home(found).intents) == ([], "superseded", [])


def test_a_log_in_that_was_never_used_crowds_nobody_out(works: Works) -> None:
    """Its lease is what the other device runs short of: it lapsed after two minutes, also where nobody wrote that."""
    found = works.online(day_terms("two.1", quota_bytes=100 * MIB, devices=2), on=ARUBA)
    waiting = second_device(access_request(router=ARUBA))
    works.node.log_in(msgspec.structs.replace(waiting, acct_session_id=""))
    works.report(found, 51 * MIB)
    works.poll()
    assert (works.out, works.told.outcomes, works.node.home(found).intents) == ([], ["superseded"], [])


def test_who_is_blocked_once_more_after_a_failure_is_tried_once_more(works: Works) -> None:
    found = works.online()
    works.node.provision.block(found, "chargeback", works.node.now)
    works.poll()
    works.answer(nak(501))
    works.node.provision.block(found, "chargeback", works.node.now)
    works.poll()
    assert works.take().request.code is Code.DISCONNECT_REQUEST


def test_a_session_that_ended_by_itself_is_left_alone(works: Works) -> None:
    found = works.used_up()
    works.report(found, 100 * MIB, Status.STOP, pass_s=1)
    works.poll()
    assert (works.out, works.told.stages) == ([], [])


def test_the_stop_may_be_faster_than_the_answer(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.report(found, 100 * MIB, Status.STOP, pass_s=1)
    works.answer(nak(503))
    assert works.told.outcomes == ["confirmed"]
    assert works.node.home(found).sessions[0].cause == "stop"


def test_a_router_that_has_no_such_session_closes_it_here(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.answer(nak(None))  # CoovaChilli gives no cause: it means 503
    session = works.session(found)
    assert (session.state, session.cause, session.leases) == (SessionState.CLOSED, "gone", [])
    assert works.node.home(found).intents == []
    works.report(found, 120 * MIB)
    assert works.session(found).state is SessionState.OPEN, "it was not gone after all: reports go on"
    works.poll()
    assert works.out


def test_an_ack_without_stop_is_asked_again_and_then_given_up(works: Works) -> None:
    found = works.used_up()
    works.poll()
    for number in range(1, STAYS_MAX + 1):
        works.answer(ACK)
        assert works.node.home(found).intents[0].attempts == number
        works.wait(CONFIRM_S - 1)
        assert works.out == []
        works.wait(3)
    assert works.out == []
    assert works.told.outcomes == ["acked", "refuted"] * (STAYS_MAX - 1) + ["acked", "abandoned"]
    assert works.told.alarms == [f"Acknowledged {STAYS_MAX} times, and the session goes on."]
    works.report(found, 200 * MIB)
    works.wait(60)
    assert works.out == [], "given up: every report would ask again else"


def test_where_a_router_does_not_obey_the_next_session_is_short(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.answer(nak(501))
    works.report(found, 100 * MIB, Status.STOP, pass_s=1)
    assert works.node.home(found).intents == []
    works.node.grant(found, QUOTA, "right002")
    granted = works.node.log_in(access_request(router=COOVA, acct_session_id="81c00009"))
    assert granted.limits.session_s == SESSION_S_MAX_UNHEEDED


@pytest.mark.parametrize("cause", [401, 402, 403, 404, 407, 508])
def test_what_is_set_up_wrongly_is_an_alarm_and_not_retried(works: Works, cause: int) -> None:
    found = works.used_up()
    works.poll()
    works.answer(nak(cause))
    assert works.told.outcomes == ["abandoned"]
    assert f"{cause} " in works.told.alarms[0]
    works.report(found, 150 * MIB)
    works.wait(400)
    assert works.out == []


def test_what_is_busy_is_asked_again_later_each_time(works: Works) -> None:
    works.used_up()
    works.poll()
    waits = []
    for _ in range(7):
        works.answer(nak(506))
        waits.append(works.await_request())
    assert waits == [15, 30, 60, 120, 240, 300, 300]
    works.answer(nak(506))
    assert works.told.outcomes == ["pending"] * 7 + ["abandoned"]


def test_silence_is_given_up_for_an_hour_at_a_time_with_one_alarm(works: Works) -> None:
    works.used_up()
    works.poll()
    for _ in range(8):
        works.await_request()
        works.answer(SILENCE)
    assert works.told.outcomes == ["pending"] * 7 + ["abandoned"]
    assert len(works.told.alarms) == 1
    assert AGAIN_S <= works.await_request() <= AGAIN_S + 60
    works.answer(SILENCE)
    assert len(works.told.alarms) == 1
    works.await_request()
    works.answer(ACK)
    assert works.told.outcomes[-1] == "acked"


def test_a_router_that_is_down_is_held_back_uncounted_until_it_is_an_alarm(works: Works) -> None:
    found = works.used_up()
    works.poll()
    began = works.node.now
    while not works.told.alarms:
        works.await_request()
        works.answer(Refused(Reason.DOWN, retry_after_s=120.0))
        assert works.node.home(found).intents[0].attempts <= 1
    assert works.node.now - began >= HELD_S_MAX
    assert set(works.told.outcomes) == {"pending", "abandoned"}


# -- changes ---------------------------------------------------------------------------------------------------------


def test_slowed_down_at_the_quota_and_restored_by_a_top_up(works: Works) -> None:
    found = works.used_up(SLOWING)
    works.poll()
    slow = works.answer(ACK)
    assert slow.request.code is Code.COA_REQUEST
    assert slow.values["WISPr-Bandwidth-Max-Down"] == str(SLOW.down_bps)
    assert {"Session-Timeout", "Acct-Interim-Interval"} <= slow.values.keys(), "a replace-all router gets the full set"
    assert (works.session(found).slowed, works.session(found).told) == (True, None)
    works.node.grant(found, SLOWING, "right002")
    works.poll()
    fast = works.answer(ACK)
    assert fast.values["WISPr-Bandwidth-Max-Down"] == "5000000"
    home = works.node.home(found)
    assert (home.intents, home.sessions[0].slowed, home.sessions[0].told) == ([], False, None)
    assert works.told.outcomes == ["acked", "confirmed", "confirmed"]
    assert len(works.told.sends) == 2


def test_a_slow_down_that_is_kept_is_confirmed_by_later_reports(works: Works) -> None:
    found = works.used_up(SLOWING)
    works.poll()
    works.answer(ACK)
    for used in (130, 131, 132):  # the first covers some fast seconds
        works.report(found, used * MIB)
        works.poll()
    assert (works.told.outcomes, works.node.home(found).intents) == (["acked", "confirmed"], [])


def test_a_slow_down_that_is_not_kept_becomes_a_disconnect(works: Works) -> None:
    found = works.used_up(SLOWING)
    works.poll()
    works.answer(ACK)
    for used in (130, 200):
        works.report(found, used * MIB)
        works.poll()
    assert works.told.outcomes == ["acked", "refuted"]
    assert works.take().request.code is Code.DISCONNECT_REQUEST


def test_without_further_reports_a_slow_down_counts_as_kept(works: Works) -> None:
    found = works.used_up(SLOWING)
    works.poll()
    works.answer(ACK)
    works.wait(2500)
    assert (works.told.outcomes[-1], works.node.home(found).intents, works.out) == ("confirmed", [], [])


@pytest.mark.parametrize("cause", [401, 405, 407])
def test_a_change_that_is_refused_becomes_a_disconnect_at_once(works: Works, cause: int) -> None:
    works.used_up(SLOWING)
    works.poll()
    works.answer(nak(cause))
    out = works.answer(ACK)
    assert out.request.code is Code.DISCONNECT_REQUEST
    assert works.told.outcomes == ["pending", "acked"]


def test_a_change_without_answer_becomes_a_disconnect_after_some_tries(works: Works) -> None:
    works.used_up(SLOWING)
    works.poll()
    codes = []
    for _ in range(4):
        works.await_request()
        codes.append(works.answer(SILENCE).request.code)
    assert codes == [Code.COA_REQUEST] * 3 + [Code.DISCONNECT_REQUEST]


def test_a_cap_that_the_router_cannot_move_is_a_disconnect_and_a_new_log_in(works: Works) -> None:
    found = works.used_up(on=MIKROTIK)
    works.node.grant(found, QUOTA, "right002")
    works.poll()
    assert works.take().request.code is Code.DISCONNECT_REQUEST


def test_a_router_that_only_disconnects_is_not_bothered_with_what_it_was_never_told(works: Works) -> None:
    found = works.used_up(on=ARUBA)
    works.node.grant(found, QUOTA, "right002")
    works.poll()
    assert (works.out, works.told.outcomes) == ([], ["superseded"])
    assert works.session(found).leases[0].right == "right002"


def test_a_top_up_moves_the_cap_of_a_live_session(works: Works) -> None:
    found = works.online()
    works.node.grant(found, QUOTA, "right002")
    works.poll()
    out = works.answer(ACK)
    assert out.values["ChilliSpot-Max-Total-Octets"] == str(200 * MIB)


# -- who cannot be reached -------------------------------------------------------------------------------------------


def test_a_router_that_cannot_be_told_is_recorded_once_and_left(works: Works) -> None:
    found = works.used_up(on=UNIFI)
    works.poll()
    assert (works.out, works.told.outcomes) == ([], ["abandoned"])
    for used in (150, 200):
        works.report(found, used * MIB)
        works.poll()
    works.pass_time(works.session(found).ends_at + END_GRACE_S - works.node.now + 1)
    works.one.visit(found, works.node.now)
    assert [attempt.outcome for attempt in works.audit(found)] == ["abandoned"]
    assert "ends by its Session-Timeout" in works.audit(found)[0].words


def test_a_router_that_this_worker_does_not_know_yet_is_waited_for(works: Works) -> None:
    works.used_up()
    known, works.node.directory.nas = works.node.directory.nas, lambda _: None  # type: ignore[method-assign]
    works.poll()
    assert (works.out, works.told.stages) == ([], [])
    works.node.directory.nas = known  # type: ignore[method-assign]
    works.wait(61)
    assert works.take().request.code is Code.DISCONNECT_REQUEST


def test_a_router_without_an_address_says_what_to_register(works: Works) -> None:
    router = works.node.directory.router(COOVA)
    assert router is not None
    wide = msgspec.structs.replace(router, addresses=("10.9.0.0/24",), version=router.version + 1)
    assert works.node.store.put_router(wide, works.node.deadline) is Outcome.COMMITTED
    works.refresh()
    works.used_up()
    works.poll()
    assert "coa_address" in works.told.alarms[0]


def test_the_registered_address_goes_before_all_others(works: Works) -> None:
    router = works.node.directory.router(COOVA)
    assert router is not None
    tunnel = msgspec.structs.replace(router, coa_address="10.99.0.1", coa_port=1700, version=router.version + 1)
    works.node.store.put_router(tunnel, works.node.deadline)
    works.refresh()
    works.used_up()
    works.poll()
    assert (works.out[0].das.address, works.out[0].das.port) == ("10.99.0.1", 1700)


def test_while_a_secret_is_rotated_the_old_one_is_spoken(works: Works) -> None:
    router = works.node.directory.router(COOVA)
    assert router is not None
    changed = works.node.provision.rotate_secret(router, "another-secret-of-a-router")
    works.refresh()
    assert works.node.directory.secret(COOVA) == SECRET
    works.node.provision.seen_on(changed, PortPair.B)
    works.refresh()
    assert works.node.directory.secret(COOVA) == "another-secret-of-a-router"
    assert works.node.directory.secret(NasId("nobody")) == ""


# -- workers ---------------------------------------------------------------------------------------------------------


def test_two_workers_send_one_request(works: Works) -> None:
    other = works.elsewhere("two")
    found = works.used_up()
    works.poll()
    works.poll(other)
    other.visit(found, works.node.now)
    assert len(works.out) == 1


def test_a_worker_that_dies_before_or_after_it_sent_is_replaced(works: Works) -> None:
    works.used_up()
    works.poll()
    dead = works.take()
    works.wait(LEASE_S - 1)
    assert works.out == []
    works.wait(2)
    again = works.answer(ACK)
    assert again.request == dead.request
    assert works.told.outcomes == ["acked"]
    dead.done(nak(506))  # it was only slow: what it says changes nothing any more
    works.wait(CONFIRM_S - 2)
    assert works.out == []


def test_another_intent_that_comes_meanwhile_is_done_afterwards(works: Works) -> None:
    found = works.used_up(SLOWING)
    works.poll()
    works.node.provision.block(found, "chargeback", works.node.now)
    works.wait(2)
    works.answer(ACK)
    works.poll()
    assert works.take().request.code is Code.DISCONNECT_REQUEST


def test_the_sweep_and_the_sender_do_not_starve_each_other(works: Works) -> None:
    cut, silent = works.used_up(), works.online(name="0712345679", on=MIKROTIK)
    works.report(silent, MIB)
    for _ in range(40):
        works.pass_time(60)
        while works.node.sweep.poll(works.node.now).more:
            pass
        works.poll()
        if works.out:
            works.answer(SILENCE)
    assert works.session(silent).cause == "silent"
    assert len([outcome for outcome in works.told.outcomes if outcome == "pending"]) >= 3
    assert works.session(cut).cause == "silent"


def test_a_broken_record_keeps_nobody_else(works: Works) -> None:
    found = works.used_up()
    broken = works.node.provision.customer(["0712345670"], "karibu", works.node.now)
    stored = works.node.store.read(broken, works.node.deadline)
    assert stored is not None
    works.node.store._state.subscribers[broken] = works.node.store._state.subscribers[found]._replace(
        subscriber=broken, body=b"{", due_at=works.node.now
    )
    works.poll()
    assert len(works.out) == 1
    assert works.told.errors


# -- routers that only hear answers ------------------------------------------------------------------------------------


def test_what_an_answer_tells_is_no_alarm_and_one_that_does_not_heed_it_is(works: Works) -> None:
    found = works.used_up(on=CAFE)
    works.poll()
    works.wait(2 * 300)
    assert (works.out, works.told.outcomes) == ([], []), "its next reports are answered with the end"
    works.wait(300 + 60)
    assert (works.out, works.told.outcomes, len(works.told.alarms)) == ([], ["abandoned"], 1)
    works.report(found, 101 * MIB, Status.STOP)
    assert works.node.home(found).intents == []


def test_what_was_bought_waits_for_the_next_answer(works: Works) -> None:
    found = works.online(on=CAFE)
    works.node.grant(found, QUOTA, "right002")
    works.poll()
    assert (works.out, works.told.outcomes, works.told.alarms) == ([], ["superseded"], [])
    assert "the answer to its next report tells its router" in works.told.stages[0].attempt.words


# -- a worker that dies between an ACK and the Stop --------------------------------------------------------------------


def test_the_end_that_a_dead_worker_awaited_is_told_of_by_the_next_and_once(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.answer(ACK)
    works.report(found, 101 * MIB, Status.STOP, pass_s=1)
    two = works.another("two")
    works.pass_time(CONFIRM_S)
    works.poll(two)
    assert (works.told.outcomes, works.told.ends) == (["acked", "confirmed"], [1.0 + CONFIRM_S])
    assert [(row.worker, row.outcome) for row in works.audit(found)] == [("one", "acked"), ("two", "confirmed")]
    assert works.node.home(found).intents == []
    works.one.check(works.node.now)
    assert works.told.outcomes == ["acked", "confirmed"], "one that only looked dead tells nothing twice"


def test_a_session_that_is_gone_when_the_next_worker_asks_has_ended(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.answer(ACK)  # its Stop is lost
    two = works.another("two")
    works.pass_time(CONFIRM_S)
    works.poll(two)
    works.answer(nak(503))
    assert works.told.outcomes == ["acked", "refuted", "confirmed"]
    assert works.told.ends == [float(CONFIRM_S)]
    assert works.session(found).cause == "gone"


def test_what_is_done_anew_before_the_end_was_told_of_is_not_taken_for_done(works: Works) -> None:
    found = works.used_up()
    works.poll()
    works.answer(ACK)
    works.report(found, 101 * MIB, Status.STOP, pass_s=1)
    works.report(found, 110 * MIB, pass_s=1)  # it goes on
    states = [intent.state for intent in works.node.home(found).intents]
    assert states == [IntentState.CONFIRMED, IntentState.PENDING]
    works.poll()
    assert works.take().request.code is Code.DISCONNECT_REQUEST
    assert works.told.outcomes == ["acked", "confirmed"]
