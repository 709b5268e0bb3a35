"""Accounting-Request over the memory store: durable first, then acknowledged; whose it is; and nobody's sessions."""

import pytest

from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import NasId, ReservationId, SubscriberId, parse_class, session_uid
from radius.domain.intent import IntentReason
from radius.domain.record import SessionRecord
from radius.domain.request import Status
from radius.domain.subscriber import SessionState
from radius.domain.world import CLOSED_KEPT_MAX
from radius.ports import Change, Outcome
from radius.services.accounting import Counted, day_at
from radius.store.memory import MemoryStore
from tests.unit.domain.builders import MIB, NAS, OTHER_NAS, PHONE, T0, day_terms
from tests.unit.services.wired import ROUTER, SECRET, SITE, Node, access_request, accounting_request

START, INTERIM, STOP = Status.START, Status.INTERIM, Status.STOP


class Customer:
    """One who has logged in, and what the router then says of the session."""

    def __init__(self, node: Node, quota_mib: int = 100) -> None:
        self.node = node
        self.id = node.customer(terms=day_terms(quota_bytes=quota_mib * MIB))
        self.class_of = parse_class(node.log_in(access_request()).limits.class_text)

    def say(self, status: Status, at_s: int = 0, mib: int | None = None, **fields: object) -> Counted:
        used = (None, None) if mib is None else (mib * MIB // 4, mib * MIB * 3 // 4)
        plain = {"class_of": self.class_of, **fields}
        request = accounting_request(status, T0 + at_s, used, None if status is START else at_s, **plain)
        self.node.now = max(self.node.now, T0 + at_s)
        return self.node.account(request)

    @property
    def used_mib(self) -> float:
        return self.node.home(self.id).rights[0].used_bytes / MIB

    @property
    def record(self) -> SessionRecord:
        found = self.node.records()
        assert len(found) == 1
        return found[0]


def test_a_session_from_start_to_stop() -> None:
    customer = Customer(Node())
    assert customer.say(START).what == "counted"
    assert (customer.record.closed_at, customer.record.revision) == (0, 1)
    customer.say(INTERIM, 300, 40)
    assert customer.record.revision == 1, "an ordinary interim update writes no record"
    stop = customer.say(STOP, 600, 80, cause="User-Request")
    assert stop.accounted is not None
    assert (stop.what, stop.subscriber, stop.accounted.closed) == ("counted", customer.id, True)
    assert (customer.record.in_bytes, customer.record.out_bytes, customer.record.time_s) == (20 * MIB, 60 * MIB, 600)
    assert (customer.record.closed_at, customer.record.cause, customer.record.clean_stop) == (
        T0 + 600,
        "User-Request",
        True,
    )
    assert (customer.record.site, customer.record.day, customer.record.framed_ip) == (
        "kilimani",
        "20251124",
        "10.5.0.7",
    )
    assert customer.used_mib == 80
    assert [one.filed for one in customer.node.home(customer.id).sessions] == [True]


def test_a_repetition_is_known_and_writes_nothing() -> None:
    customer = Customer(Node())
    for status, at_s, mib in ((START, 0, None), (INTERIM, 300, 40), (STOP, 600, 80)):
        customer.say(status, at_s, mib)
        version = customer.node.version(customer.id)
        assert customer.say(status, at_s, mib).what == "known"
        assert customer.node.version(customer.id) == version


def test_what_must_happen_next_is_in_the_same_write() -> None:
    customer = Customer(Node(), quota_mib=50)
    customer.say(START)
    version = customer.node.version(customer.id)
    customer.say(INTERIM, 300, 51)
    home = customer.node.home(customer.id)
    assert customer.node.version(customer.id) == version + 1
    assert [intent.reason for intent in home.intents] == [IntentReason.QUOTA]
    stored = customer.node.store.read(customer.id, customer.node.deadline)
    assert stored is not None
    assert stored.due_at == T0 + 300


def test_an_interim_reads_nothing_on_the_node_that_knows_the_subscriber() -> None:
    customer = Customer(Node())
    customer.say(START)
    asked = customer.node.requests()
    customer.say(INTERIM, 300, 40)
    assert asked == ["commit"]


def test_nothing_is_acknowledged_while_the_store_is_away() -> None:
    customer = Customer(Node())
    customer.node.store.faults.before = lambda _: True
    with pytest.raises(Unavailable):
        customer.say(START)
    customer.node.store.faults.before = lambda _: False
    assert customer.say(START).what == "counted"


def test_an_answer_that_was_lost_is_counted_once() -> None:
    customer = Customer(Node())
    customer.say(START)
    customer.node.store.faults.after = lambda method: method == "commit"
    with pytest.raises(Unavailable):
        customer.say(INTERIM, 300, 40)
    customer.node.store.faults.after = lambda _: False
    assert customer.say(INTERIM, 300, 40).what == "known"
    assert customer.used_mib == 40


def test_two_nodes_hear_parts_of_one_session() -> None:
    customer = Customer(Node())
    other = Node(customer.node.store, name="b")
    customer.say(START)
    for at_s in (300, 600, 900):
        node = (customer.node, other)[at_s // 300 % 2]
        node.now = T0 + at_s
        used = (0, at_s * MIB // 10)
        node.account(accounting_request(INTERIM, T0 + at_s, used, at_s, class_of=customer.class_of))
    assert customer.used_mib == 90


# -- whose packet it is ------------------------------------------------------------------------------------------


def test_without_our_class_the_name_leads_to_the_subscriber() -> None:
    customer = Customer(Node())
    found = customer.say(START, class_of=None, user_name="+254 712 345 678")
    assert found.subscriber == customer.id
    assert len(customer.node.home(customer.id).sessions) == 1, "the slot that was waiting for it"


def test_with_our_class_nobody_looks_at_the_name() -> None:
    customer = Customer(Node())
    assert customer.say(START, user_name="somebody-else").subscriber == customer.id


@pytest.mark.parametrize("name", ["", "0799999999"])
def test_nobodys_session_is_kept_as_evidence_that_is_never_open(name: str) -> None:
    node = Node()
    fields = {"user_name": name, "device": "aabbccddee09", "cause": ""}
    assert node.account(accounting_request(START, T0, **fields)) == Counted("orphan")
    node.now = T0 + 600
    assert node.account(accounting_request(STOP, T0 + 600, (5, 9), 600, **fields)) == Counted("orphan")
    late = accounting_request(INTERIM, T0 + 300, (2, 4), 300, **fields)
    assert node.account(late) == Counted("orphan")
    (record,) = node.records()
    assert (record.subscriber, record.right, record.started_at, record.cause) == ("", "", T0, "orphan")
    assert (record.in_bytes, record.out_bytes, record.time_s) == (5, 9, 600)
    assert (record.closed_at, record.clean_stop) == (T0 + 600, True)
    assert node.store.open_on(NAS, T0 + 9999, 9, node.deadline) == []


def test_a_class_of_a_subscriber_that_was_erased_is_nobodys_session() -> None:
    node = Node()
    gone = (SubscriberId("gonegonegonegone"), ReservationId("res0000001"))
    assert node.account(accounting_request(START, T0, class_of=gone)).what == "orphan"
    assert node.records()[0].uid == session_uid(NAS, "81c00001", PHONE, gone[1])


def test_orphans_of_another_generation_are_another_record() -> None:
    node = Node()
    for node.now, used in ((T0 + 600, (5, 9)), (T0 + 9600, (1, 1))):
        node.account(accounting_request(STOP, node.now, used, 600, user_name=""))
    assert sorted((one.started_at, one.in_bytes) for one in node.records()) == [(T0, 5), (T0 + 9000, 1)]


def test_a_router_that_is_not_registered_is_never_acknowledged() -> None:
    node = Node()
    with pytest.raises(Malformed, match="not registered"):
        node.account(accounting_request(START, T0, router=NasId("nowhere")))


def test_what_is_no_session_is_answered_and_not_counted() -> None:
    node = Node()
    assert node.account(accounting_request(Status.IGNORED, T0)) == Counted("ignored")
    assert node.records() == []


# -- filed sessions ----------------------------------------------------------------------------------------------


def filed_and_forgotten(customer: Customer) -> None:
    """Two hours after its Stop a session is in its record only."""
    customer.node.now = T0 + 600 + 7200
    customer.node.sweep.visit(customer.id, customer.node.now)
    assert customer.node.home(customer.id).sessions == []


def test_a_packet_of_a_filed_session_is_judged_by_its_record() -> None:
    customer = Customer(Node())
    customer.say(START)
    customer.say(STOP, 600, 80)
    filed_and_forgotten(customer)
    kept_s = customer.node.now - T0  # the packets waited in their router, which says so
    assert customer.say(INTERIM, 300, 40, delay_s=kept_s - 300).what == "known"
    assert customer.say(STOP, 600, 80, delay_s=kept_s - 600).what == "known"
    assert customer.node.home(customer.id).sessions == []
    revision = customer.record.revision
    more = customer.say(INTERIM, 500, 81, delay_s=kept_s - 500)  # late, and proves more
    assert (more.what, customer.used_mib) == ("counted", 81)
    assert (
        customer.record.revision,
        customer.record.closed_at,
        customer.record.in_bytes + customer.record.out_bytes,
    ) == (
        revision + 1,
        T0 + 600,
        81 * MIB,
    )


class Apart(MemoryStore):
    """A store where the record is a write of its own, as DynamoDB is. `loses` records while true."""

    records_atomic = False
    loses = False

    def commit(self, change: Change, deadline: float) -> Outcome:
        outcome = super().commit(change._replace(records=()), deadline)
        for record in change.records if outcome is Outcome.COMMITTED else ():
            if self.loses:
                raise Unavailable("the record was lost")
            self.file(record, deadline)
        return outcome


@pytest.mark.parametrize("status", [START, STOP])
def test_a_record_that_was_lost_between_two_writes_is_made_good_by_the_retry(status: Status) -> None:
    store = Apart(clock=lambda: 0.0)
    shared = Node(store)  # a given store has no router yet
    shared.provision.site(SITE)
    shared.provision.router(ROUTER, SECRET)
    shared.directory.refresh(T0, shared.deadline)
    customer = Customer(shared)
    if status is STOP:
        customer.say(START)
    store.loses = True
    with pytest.raises(Unavailable):
        customer.say(status, 600 if status is STOP else 0, 80 if status is STOP else None)
    store.loses = False
    assert customer.say(status, 600 if status is STOP else 0, 80 if status is STOP else None).what == "known"
    assert (customer.record.closed_at > 0) is (status is STOP)
    assert customer.record.time_s == (600 if status is STOP else 0)
    sessions = shared.home(customer.id).sessions
    assert [one.filed for one in sessions] == [False], "the worker makes sure"


# -- boots and clocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.ON, Status.OFF])
def test_a_boot_is_one_write_whatever_number_of_sessions_it_ends(status: Status) -> None:
    node = Node()
    asked = node.requests()
    node.now = T0 + 50
    assert node.account(accounting_request(status, T0 + 40, user_name="", acct_session_id="")) == Counted("boot")
    assert asked == ["boot"]
    assert node.directory.boots == {NAS: T0 + 40}, "it counts at once on the node that hears it"
    assert node.store.boots(node.deadline) == {NAS: T0 + 40}


def test_a_late_boot_moves_nothing_back() -> None:
    node = Node()
    node.now = T0 + 1000
    for at in (T0 + 900, T0 + 500):
        node.account(accounting_request(Status.ON, at, user_name="", acct_session_id=""))
    assert node.directory.boots == node.store.boots(node.deadline) == {NAS: T0 + 900}


def test_a_boot_ends_the_slots_of_that_router_and_of_no_other() -> None:
    customer = Customer(Node())
    customer.say(START)
    node = customer.node
    node.now = T0 + 20
    for router, state, cause in ((OTHER_NAS, SessionState.OPEN, ""), (NAS, SessionState.CLOSED, "nas-reboot")):
        node.directory.booted(router, T0 + 10)
        node.sweep.visit(customer.id, node.now)
        (one,) = node.home(customer.id).sessions
        assert (one.state, one.cause) == (state, cause)


@pytest.mark.parametrize(
    ("event_timestamp", "delay_s", "original_at", "last_at"),
    [
        (T0 + 300, None, None, T0 + 300),
        (5, None, None, T0 + 400),  # a router in 1970: our receipt
        (5, 60, None, T0 + 340),  # ... less the delay it admits
        (T0 + 9000, None, None, T0 + 400),  # a clock that runs ahead
        (None, None, T0 + 350, T0 + 350),  # spooled: received when FreeRADIUS wrote it down
    ],
)
def test_clocks_that_lie(
    event_timestamp: int | None, delay_s: int | None, original_at: int | None, last_at: int
) -> None:
    customer = Customer(Node())
    customer.say(START)
    customer.node.now = T0 + 400
    request = accounting_request(
        INTERIM,
        0,
        (1, 1),
        300,
        class_of=customer.class_of,
        event_timestamp=event_timestamp,
        delay_s=delay_s,
        original_at=original_at,
    )
    customer.node.account(request)
    assert customer.node.home(customer.id).sessions[0].last_at == last_at


def test_a_spooled_packet_is_counted_at_its_receipt() -> None:
    """The replayer hands the receipt time over as `now`: a right that has ended since is charged all the same."""
    customer = Customer(Node())
    customer.say(START)
    customer.node.now = T0 + 5 * 86_400
    request = accounting_request(INTERIM, T0 + 300, (0, MIB), 300, class_of=customer.class_of)
    counted = customer.node.accounting.account(request, T0 + 301, customer.node.deadline)
    assert counted.accounted is not None
    assert (customer.used_mib, customer.node.home(customer.id).intents) == (1, [])


def test_the_local_day_of_a_session() -> None:
    assert day_at(T0 + 5 * 3600 - 1, "Africa/Nairobi") == "20251124"
    assert day_at(T0 + 5 * 3600, "Africa/Nairobi") == "20251125"
    assert day_at(T0 + 5 * 3600, "UTC") == "20251124"


def test_a_device_at_the_edge_of_the_signal_does_not_fill_its_customers_item() -> None:
    """It logs in and out every few seconds; what comes late of a session that had to leave is counted all the same."""
    node = Node()
    customer = node.customer(terms=day_terms(quota_bytes=100 * MIB))

    def said(status: Status, began_s: int, for_s: int, mib: int = 0) -> None:
        used = (None, None) if status is START else (0, mib * MIB)
        known = {"class_of": classes[began_s], "acct_session_id": f"s{began_s:07x}"}
        node.account(accounting_request(status, T0 + began_s + for_s, used, for_s, **known))

    classes = {}
    for began_s in range(0, 8 * CLOSED_KEPT_MAX, 4):
        node.now = T0 + began_s
        granted = node.log_in(access_request(acct_session_id=f"s{began_s:07x}"))
        classes[began_s] = parse_class(granted.limits.class_text)
        said(START, began_s, 0)
        said(STOP, began_s, 2, mib=0 if began_s else 1)
    assert len(node.home(customer).sessions) <= CLOSED_KEPT_MAX + 2
    assert node.home(customer).rights[0].used_bytes == MIB
    for _ in range(2):
        said(STOP, 0, 3, mib=3)
        assert node.home(customer).rights[0].used_bytes == 3 * MIB
