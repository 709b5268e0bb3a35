"""Due work without a packet: silent sessions, boots, records that did not follow; each step twice comes to the same."""

import pytest

from radius.domain import subscriber as aggregate
from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress, SubscriberId, parse_class
from radius.domain.intent import Intent, IntentReason
from radius.domain.request import Status
from radius.domain.subscriber import Session, SessionState
from radius.ports import Change
from radius.ports import Node as Heartbeat
from radius.services.due import FIRST_LOOK_S, WINDOW_S_MAX
from radius.services.sweep import WORKER, Swept
from tests.unit.domain.builders import DAY_S, MIB, NAS, T0, day_terms
from tests.unit.services.wired import Node, access_request, accounting_request


class Told:
    """What the sweep said it found."""

    def __init__(self) -> None:
        self.ends: list[tuple[SubscriberId, str, int, str]] = []
        self.alarms: list[tuple[SubscriberId, Exception]] = []

    def ended(self, subscriber: SubscriberId, session: Session, site: str) -> None:
        self.ends.append((subscriber, session.cause, session.total_bytes, site))

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        self.alarms.append((subscriber, error))


def start(node: Node, name: str = "0712345678", number: int = 1) -> SubscriberId:
    """A customer who is online since T0, with one interim update at T0 + 300."""
    found = node.provision.customer([name], "karibu", node.now)
    node.grant(found, day_terms(quota_bytes=100 * MIB))
    mac = MacAddress(f"02000000{number:04d}")
    request = access_request(name, mac=mac, acct_session_id=f"81c{number:05d}")
    class_of = parse_class(node.log_in(request).limits.class_text)
    fields = {"class_of": class_of, "mac": mac, "device": mac, "acct_session_id": f"81c{number:05d}"}
    node.account(accounting_request(Status.START, node.now, **fields))
    at, node.now = node.now, node.now + 300
    node.account(accounting_request(Status.INTERIM, at + 300, (0, 5 * MIB), 300, **fields))
    node.now = at
    return found


def until_done(node: Node, now: int) -> list[Swept]:
    """Poll until nothing is left to look at, as a worker does."""
    found = [node.sweep.poll(now)]
    while found[-1].more:
        found.append(node.sweep.poll(now))
        assert len(found) < 1000
    return found


def test_a_silent_session_is_closed_filed_and_told_of_once() -> None:
    told = Told()
    node = Node(news=told)
    found = start(node)
    until_done(node, T0 + 1000)  # somebody looked at that time
    assert until_done(node, T0 + 2100)[-1].closed == 1
    home = node.home(found)
    assert [(one.state, one.cause, one.filed) for one in home.sessions] == [(SessionState.CLOSED, "silent", True)]
    (record,) = node.records()
    assert (record.closed_at, record.cause, record.clean_stop) == (T0 + 300, "silent", False)
    assert (record.user_name, record.framed_ip, record.site, record.day) == (
        "0712345678",
        "10.5.0.7",
        "kilimani",
        "20251124",
    ), "names that only packets carry are taken from its earlier record"
    assert told.ends == [(found, "silent", 5 * MIB, "kilimani")]
    assert sum(one.closed for one in until_done(node, T0 + 2200)) == 0
    assert len(told.ends) == 1


def test_nothing_is_due_before_its_time() -> None:
    node = Node()
    found = start(node)
    before = node.version(found)
    until_done(node, T0 + 2099)
    assert (node.version(found), node.home(found).sessions[0].state) == (before, SessionState.OPEN)


def test_a_healthy_session_is_looked_at_and_put_back() -> None:
    node = Node()
    found = start(node)
    node.now = T0 + 2000
    session = node.home(found).sessions[0]
    fields = {"class_of": (found, session.reservation), "mac": None, "device": session.device}
    node.account(
        accounting_request(Status.INTERIM, T0 + 2000, (0, 6 * MIB), 2000, acct_session_id="81c00001", **fields)
    )
    until_done(node, T0 + 1000)
    polls = until_done(node, T0 + 2200)
    assert (sum(one.visited for one in polls), sum(one.closed for one in polls)) == (1, 0)
    assert node.store.due(T0, T0 + 2300, 9, node.deadline) == []
    assert node.home(found).sessions[0].state is SessionState.OPEN


def test_a_spool_that_is_not_drained_holds_silence_back() -> None:
    node = Node()
    found = start(node)
    for spool_oldest_at, state in ((T0 + 400, SessionState.OPEN), (0, SessionState.CLOSED)):
        node.store.publish(Heartbeat("a", T0 + 9000, spool_oldest_at, (NAS,)), node.deadline)
        node.directory.refresh(T0 + 9000, node.deadline)
        node.sweep.visit(found, T0 + 9000)
        assert node.home(found).sessions[0].state is state
    assert node.home(found).sessions[0].cause == "silent"


def test_the_work_is_done_however_long_no_worker_ran() -> None:
    node = Node()
    found = start(node)
    until_done(node, T0 + 400)
    polls = until_done(node, T0 + 5 * DAY_S)
    assert len(polls) == -(-(5 * DAY_S - 400) // (WINDOW_S_MAX - 120)), "window by window, skipping nothing"
    assert sum(one.closed for one in polls) == 1
    assert node.home(found).sessions[0].cause == "silent"
    assert node.store.checkpoint(WORKER, node.deadline) == T0 + 5 * DAY_S


def test_where_no_worker_ever_was_it_begins_a_day_back() -> None:
    node = Node()
    node.sweep.poll(T0)
    assert node.store.checkpoint(WORKER, node.deadline) == T0 - FIRST_LOOK_S + WINDOW_S_MAX - 120


def test_the_checkpoint_stays_when_the_store_goes_away() -> None:
    node = Node()
    start(node)
    until_done(node, T0 + 2000)
    before = node.store.checkpoint(WORKER, node.deadline)
    node.store.faults.before = lambda method: method == "commit"
    with pytest.raises(Unavailable):
        until_done(node, T0 + 2200)
    node.store.faults.before = lambda _: False
    assert node.store.checkpoint(WORKER, node.deadline) == before
    assert sum(one.closed for one in until_done(node, T0 + 2200)) == 1


def test_a_record_that_did_not_follow_at_once_is_filed() -> None:
    """A store where aggregate and record are two writes, and the second was lost."""
    node = Node()
    found = start(node)
    home = node.home(found)
    home.sessions[0].state, home.sessions[0].cause, home.sessions[0].closed_at = SessionState.CLOSED, "stop", T0 + 400
    node.meddle(found, sessions=home.sessions)
    node.desk.read(found, node.deadline)
    assert node.sweep.visit(found, T0 + 600) == Swept(1, closed=1, filed=1)
    assert node.home(found).sessions[0].filed
    assert (node.records()[0].cause, node.records()[0].revision) == ("stop", home.sessions[0].revision)
    assert node.sweep.visit(found, T0 + 700) == Swept(1, 0, 0, stays=True)


def test_a_session_that_changed_after_its_record_was_written_is_filed_again() -> None:
    node = Node()
    found = start(node)
    home = node.home(found)
    home.sessions[0].state, home.sessions[0].cause, home.sessions[0].closed_at = SessionState.CLOSED, "stop", T0 + 400
    node.meddle(found, sessions=home.sessions)
    node.desk.read(found, node.deadline)

    def a_late_packet(method: str) -> bool:
        if method == "file":
            node.store.faults.before = lambda _: False
            changed = node.home(found).sessions
            changed[0].revision, changed[0].in_bytes = changed[0].revision + 1, 7
            node.meddle(found, sessions=changed)
        return False

    node.store.faults.before = a_late_packet
    assert node.sweep.visit(found, T0 + 600) == Swept(1, closed=1, filed=0)
    assert not node.home(found).sessions[0].filed
    assert node.sweep.visit(found, T0 + 700) == Swept(1, closed=1, filed=1)
    assert node.records()[0].in_bytes == 7


# -- intents -----------------------------------------------------------------------------------------------------


def test_an_intent_that_nobody_works_on_does_not_hide_what_falls_due_after_it() -> None:
    node = Node()
    found = start(node)
    node.meddle(found, intents=[Intent("uid", IntentReason.QUOTA, 0, T0, due_at=T0)])
    node.desk.read(found, node.deadline)
    node.sweep.visit(found, T0 + 59)
    assert node.home(found).intents[0].due_at == T0, "its sender may be about to do it"
    node.sweep.visit(found, T0 + 100)
    assert node.home(found).intents[0].due_at == T0 + 200
    node.sweep.visit(found, T0 + 5000)
    assert node.home(found).intents[0].due_at == T0 + 5300, "at least every five minutes"
    assert node.home(found).sessions[0].cause == "silent"


def test_due_work_of_another_worker_is_not_looked_at_all_the_time() -> None:
    node = Node()
    found = start(node)
    body = node.home(found)
    body.intents = [Intent("uid", IntentReason.QUOTA, 0, T0 + 400, due_at=T0 + 400)]
    stored = node.store.read(found, node.deadline)
    assert stored is not None
    node.store.commit(Change(found, stored.version + 1, "x", aggregate.encode(body), T0 + 400), node.deadline)
    until_done(node, T0 + 390)
    node.desk.read(found, node.deadline)
    looked = [sum(one.visited for one in until_done(node, T0 + at)) for at in (405, 410, 440, 466)]
    assert looked == [1, 0, 0, 1]


# -- one bad record ----------------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_read_is_an_alarm_and_keeps_nobody_else_waiting() -> None:
    told = Told()
    node = Node(news=told)
    bad, good = start(node), start(node, "0733333333", 2)
    stored = node.store.read(bad, node.deadline)
    assert stored is not None
    node.store.commit(Change(bad, stored.version + 1, "x", b"{broken", T0 + 2090), node.deadline)
    node.desk.read(bad, node.deadline)
    until_done(node, T0 + 1000)
    assert sum(one.closed for one in until_done(node, T0 + 2200)) == 1
    assert node.home(good).sessions[0].cause == "silent"
    assert [one[0] for one in told.alarms] == [bad]


# -- boots -------------------------------------------------------------------------------------------------------


def test_a_boot_ends_all_sessions_of_its_router_in_batches() -> None:
    told = Told()
    node = Node(news=told)
    everybody = [start(node, f"07{number:08d}", number) for number in range(130)]
    node.directory.booted(NAS, T0 + 1000)
    assert [node.sweep.boots(NAS, T0 + 1001) for _ in range(3)] == [100, 30, 0]
    assert {node.home(one).sessions[0].cause for one in everybody} == {"nas-reboot"}
    assert {record.closed_at for record in node.records()} == {T0 + 300}
    assert len(told.ends) == 130
    assert node.store.count_open(NAS, node.deadline) == 0


def test_a_session_with_evidence_after_the_boot_is_passed_over_once() -> None:
    node = Node()
    found = start(node)
    node.directory.booted(NAS, T0 + 200)  # its start is older, its interim update is not
    assert [node.sweep.boots(NAS, T0 + 400) for _ in range(3)] == [1, 0, 0]
    assert node.home(found).sessions[0].state is SessionState.OPEN
    node.directory.booted(NAS, T0 + 350)
    assert [node.sweep.boots(NAS, T0 + 400) for _ in range(2)] == [1, 0], "a later boot is looked at anew"
    assert node.home(found).sessions[0].cause == "nas-reboot"


def test_a_router_without_a_boot_has_nothing_to_end() -> None:
    node = Node()
    start(node)
    asked = node.requests()
    assert node.sweep.boots(NAS, T0 + 400) == 0
    assert asked == []
