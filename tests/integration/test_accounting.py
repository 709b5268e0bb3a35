"""Slots, leases and counters through real FreeRADIUS, with real concurrency and packets as routers really send them."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from radius.domain import calendar
from radius.domain.intent import IntentReason
from radius.domain.subscriber import SessionState, Subscriber
from radius.store import keys
from tests.contract.values import day_keys
from tests.fakes.nas import FakeRouter, Session, total_limit
from tests.integration.box import DAY, DEADLINE_S, GIGABYTE, Box, new_mac, new_phone, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
ROUNDS = 50
SESSIONS_AT_BOOT = 2_000
DEVICES_AT_BOOT = 20  # of each of a hundred subscribers
GIB = 1 << 30


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    more = {"router-three": "127.0.0.3", "router-boot": "127.0.0.4"}
    with Box(tmp_path_factory.mktemp("accounting") / "box", routers=more) as one:
        one.terms("wide.1", quota_bytes=10 * GIB)
        one.terms("crowd.1", quota_bytes=None, devices=DEVICES_AT_BOOT)
        yield one


@pytest.fixture
def router(box: Box) -> FakeRouter:
    return box.router()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run at the same instant, each on a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def live(subscriber: Subscriber) -> list[str]:
    return [session.device for session in subscriber.sessions if session.state is not SessionState.CLOSED]


# -- slots ---------------------------------------------------------------------------------------------------------


def test_of_two_devices_at_the_same_instant_one_wins_the_last_slot(box: Box) -> None:
    one, two = box.router(), box.router("router-two", "127.0.0.2")
    for _ in range(ROUNDS):
        phone, macs = box.customer(DAY), (new_mac(), new_mac())
        answers = together(
            *(lambda r=r, m=m, p=phone: r.login(p, "karibu", m)[0] for r, m in zip((one, two), macs, strict=True))
        )
        assert sorted(answers) == [False, True]
        assert live(box.aggregate(phone)) == [macs[answers.index(True)].replace(":", "").lower()]


def test_the_last_slot_has_one_winner_also_between_two_nodes(box: Box) -> None:
    with box.second_node() as other:
        one, two = box.router(), box.router("router-two", "127.0.0.2", node=other)
        winners = {0, 1}
        for _ in range(ROUNDS):
            phone, macs = box.customer(DAY), (new_mac(), new_mac())
            answers = together(
                *(lambda r=r, m=m, p=phone: r.login(p, "karibu", m)[0] for r, m in zip((one, two), macs, strict=True))
            )
            assert sorted(answers) == [False, True]
            winners.discard(answers.index(True))
            assert live(box.aggregate(phone)) == [macs[answers.index(True)].replace(":", "").lower()]


def test_a_device_takes_over_its_own_slot_on_any_router(box: Box, router: FakeRouter) -> None:
    phone, mac, other = box.customer(DAY), new_mac(), box.router("router-two", "127.0.0.2")
    assert router.login(phone, "karibu", mac)[0]
    router.start(mac)
    router.use(mac, 1_000, 2_000, 60)
    router.interim(mac)
    good, reply = other.login(phone, "karibu", mac)
    assert good
    assert total_limit(reply) == GIGABYTE - 3_000  # the old lease shrank to what was used
    old, new = box.aggregate(phone).sessions
    assert (old.state, old.cause, new.state, new.nas) == (
        SessionState.CLOSED,
        "replaced",
        SessionState.RESERVED,
        "router-two",
    )
    assert [intent.reason for intent in box.aggregate(phone).intents] == [IntentReason.REPLACED]


def test_an_accept_without_start_lapses(box: Box, router: FakeRouter) -> None:
    phone, second = box.customer(DAY), new_mac()
    assert router.login(phone, "karibu", new_mac())[0]
    assert not router.login(phone, "karibu", second)[0]

    def two_minutes_ago(present: Subscriber) -> None:
        present.sessions[0].opened_at -= 121

    box.edit(phone, two_minutes_ago)
    # This node decides on its own copy first: the other writer's change shows as Stale, and it decides again.
    assert router.login(phone, "karibu", second)[0]
    assert live(box.aggregate(phone)) == [second.replace(":", "").lower()]


# -- counting ------------------------------------------------------------------------------------------------------


def test_repeated_packets_count_once(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer(DAY), new_mac()
    assert router.login(phone, "karibu", mac)[0]
    router.start(mac)
    router.use(mac, 10_000, 20_000, 300)
    session = router.sessions[mac]
    for _ in range(3):
        router.interim(mac)
    again = [
        lambda delay=delay: router.copy().account(session, "Interim-Update", **{"Acct-Delay-Time": delay})
        for delay in range(6)
    ]
    together(*again)
    assert box.aggregate(phone).rights[0].used_bytes == 30_000
    router.stop(mac)
    router.copy().account(session, "Stop")
    router.copy().account(session, "Interim-Update")  # late news
    router.copy().account(session, "Start")
    stored = box.aggregate(phone)
    assert (stored.rights[0].used_bytes, live(stored)) == (30_000, [])


def test_counters_and_caps_beyond_4_gib(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer("wide.1"), new_mac()
    good, reply = router.login(phone, "karibu", mac)
    assert good
    assert 10 * GIB - 1 <= (total_limit(reply) or 0) <= 10 * GIB
    assert reply["Mikrotik-Total-Limit-Gigawords"] in (1, 2)
    router.start(mac)
    router.use(mac, 5 * GIB + 7, GIB + 1, 3_600)
    router.interim(mac)
    assert box.aggregate(phone).rights[0].used_bytes == 6 * GIB + 8
    router.stop(mac)
    good, reply = router.login(phone, "karibu", mac)
    assert (good, total_limit(reply)) == (True, 4 * GIB - 8)
    assert "Mikrotik-Total-Limit-Gigawords" not in reply


def test_the_interim_that_reaches_the_quota_commits_the_intent_before_its_answer(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer(DAY), new_mac()
    router.login(phone, "karibu", mac)
    router.start(mac)
    router.use(mac, 0, GIGABYTE - 1, 60)
    router.interim(mac)
    assert box.aggregate(phone).intents == []
    router.use(mac, 0, 1, 60)
    router.interim(mac)
    intents = box.aggregate(phone).intents
    assert [(intent.reason, intent.session) for intent in intents] == [
        (IntentReason.QUOTA, box.aggregate(phone).sessions[0].uid)
    ]
    now = int(time.time())
    due = box.core.store.due_work.due(now - 60, now + 60, 100, time.monotonic() + DEADLINE_S)
    assert box.find(phone) in [subscriber for subscriber, _ in due]


def test_a_finished_session_is_found_by_router_by_site_and_by_subscriber(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer(DAY), new_mac()
    router.login(phone, "karibu", mac)
    router.start(mac)
    router.use(mac, 1, 2, 60)
    router.stop(mac)
    session = box.aggregate(phone).sessions[0]
    [record] = box.core.store.sessions.find(session.uid, time.monotonic() + DEADLINE_S)
    assert (record.in_bytes, record.out_bytes, record.time_s, record.cause) == (1, 2, 60, "User-Request")
    assert (record.user_name, record.site, record.nas, record.clean_stop) == (phone, "nairobi", "router-one", True)
    day = calendar.local(session.opened_at, "Africa/Nairobi").strftime("%Y%m%d")
    for index, name in (
        (keys.ROUTER_INDEX, "router-one"),
        (keys.SITE_INDEX, "nairobi"),
        (keys.SUBSCRIBER_INDEX, box.find(phone)),
    ):
        assert session.uid in found_by(box, index, day_keys(name, day)), index


def found_by(box: Box, index: str, hash_keys: list[str]) -> list[str]:
    client = box.client()
    described = client.describe_table(TableName=keys.SESSIONS)["Table"]["GlobalSecondaryIndexes"]
    [schema] = [one["KeySchema"] for one in described if one["IndexName"] == index]
    [hash_name] = [part["AttributeName"] for part in schema if part["KeyType"] == "HASH"]
    found: list[str] = []
    for key in hash_keys:
        answer = client.query(
            TableName=keys.SESSIONS,
            IndexName=index,
            KeyConditionExpression="#k = :k",
            ExpressionAttributeNames={"#k": hash_name},
            ExpressionAttributeValues={":k": {"S": key}},
        )
        found += [item["uid"]["S"] for item in answer["Items"]]
    return found


def test_text_that_is_not_utf8_and_names_as_long_as_can_be_are_counted(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer(DAY), new_mac()
    ssid = {"Called-Station-Id": b"AA-BB-CC-DD-EE-FF:caf\xe9 \xff"}
    assert router.login(phone, "karibu", mac, more=ssid)[0]
    router.start(mac)
    router.use(mac, 5, 5, 60)
    router.interim(mac)
    assert box.aggregate(phone).rights[0].used_bytes == 10
    for name in (b"caf\xe9", b"x" * 253, "jîna".encode() + b"y" * 200):
        stranger = new_mac()
        router.sessions[stranger] = Session(name, stranger, f"s{stranger}", {})
        router.start(stranger)
        router.stop(stranger)
    assert box.lab.spooled() == ""


def test_a_name_that_escaping_makes_too_long_is_acknowledged_and_parked(box: Box, router: FakeRouter) -> None:
    mac = new_mac()
    router.sessions[mac] = Session(b"\xff" * 253, mac, "long-one", {})
    router.stop(mac)
    assert "long-one" in box.lab.spooled()
    time.sleep(2.5)  # the worker leaves a fresh file alone
    assert box.worker_once() == 0
    assert box.parked().startswith(b"# Malformed") is False
    assert b"longer than" in box.parked()
    assert '"setting":"User-Name"' in box.worker_log()
    assert box.worker_once("--replay-parked") == 1  # still too long
    assert b"longer than" in box.parked()
    (box.lab.layout.spool_dir / "parked.detail").unlink()


def test_what_was_parked_because_its_router_was_not_registered_comes_back(box: Box, router: FakeRouter) -> None:
    phone, mac = box.customer(DAY), new_mac()
    assert router.login(phone, "karibu", mac)[0]
    router.start(mac)
    router.use(mac, 1_000, 9_000, 60)
    router.interim(mac)
    assert box.charged(phone) == 10_000
    packet = f"""Tue Nov 24 00:00:00 2026
\tAcct-Status-Type = Stop
\tUser-Name = "{phone}"
\tCalling-Station-Id = "{mac}"
\tAcct-Session-Id = "{router.sessions[mac].session_id}"
\tAcct-Input-Octets = 2000
\tAcct-Output-Octets = 18000
\tAcct-Session-Time = 61
\tTmp-String-0 = "router-late"
\tTimestamp = {int(time.time())}

"""
    spooled = box.lab.layout.spool_dir / "acct-202611240000.detail"
    spooled.write_text(packet)
    os.utime(spooled, (time.time() - 60,) * 2)
    assert box.worker_once() == 0
    assert b"router-late is not registered" in box.parked()
    spooled.with_name("parked.detail").write_bytes(box.parked().replace(b"router-late", b"router-one"))
    assert box.worker_once("--replay-parked") == 0
    assert (box.charged(phone), box.parked()) == (20_000, b"")


# -- a power cut at the router ---------------------------------------------------------------------------------------


def test_accounting_on_with_2000_open_sessions_is_answered_at_once_and_worked_off(box: Box) -> None:
    phones = [box.customer("crowd.1") for _ in range(SESSIONS_AT_BOOT // DEVICES_AT_BOOT)]

    def fill(part: list[str]) -> None:
        router = box.router("router-boot", "127.0.0.4")
        for phone in part:
            for _ in range(DEVICES_AT_BOOT):
                mac = new_mac()
                router.sessions[mac] = Session(phone, mac, f"{mac}-{os.getpid()}", {})
                router.start(mac)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fill, [phones[number::8] for number in range(8)]))

    def open_now() -> int:
        return box.core.store.sessions.count_open(box.router_id("router-boot"), time.monotonic() + DEADLINE_S)

    assert open_now() == SESSIONS_AT_BOOT
    time.sleep(1.1)  # evidence and boot are told apart by whole seconds
    booted = int(time.time())
    router = box.router(
        "router-boot", "127.0.0.4", timeout_s=1.1
    )  # the patience of RouterOS as it is delivered, one try
    router.boot()
    phone = phones[0]
    new = new_mac()
    assert router.login(phone, "karibu", new)[
        0
    ]  # every slot was taken: they ended with the boot wherever they are read
    box.worker.start()
    wait_until(lambda: open_now() == 0, "the worker closes what the boot ended", patience_s=100)
    assert box.worker.stop() == 0
    sessions = box.aggregate(phones[1]).sessions
    assert len(sessions) == DEVICES_AT_BOOT
    assert {(one.state, one.cause, one.last_at < booted) for one in sessions} == {
        (SessionState.CLOSED, "nas-reboot", True)
    }


# -- what it costs -----------------------------------------------------------------------------------------------------


@pytest.fixture
def metered(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """The same node talking DynamoDB's way (single puts), every request of it seen by the proxy."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with Box(tmp_path / "box", proxied=True, overrides={"store_kind": "dynamodb", "names_cache_s": 600}) as one:
        yield one


def test_what_a_login_and_an_interim_cost(metered: Box) -> None:
    proxy, router = metered.proxy, metered.router()
    assert proxy is not None
    phone, mac = metered.customer(DAY), new_mac()

    def spent(call: Callable[[], Any]) -> list[tuple[str, dict[str, Any]]]:
        """Requests to UsersTable and SessionsTable; the keeper's look only at ConfigTable."""
        seen = len(proxy.requests)
        call()
        return [(what, body) for what, body in proxy.requests[seen:] if body.get("TableName") != keys.CONFIG]

    cold = spent(lambda: router.login(phone, "wrong", new_mac()))
    assert [(what, body["ConsistentRead"]) for what, body in cold] == [("GetItem", True)] * 2
    warm = spent(lambda: router.login(phone, "wrong", new_mac()))
    assert [(what, body["ConsistentRead"]) for what, body in warm] == [("GetItem", True)]
    accept = spent(lambda: router.login(phone, "karibu", mac))
    assert [what for what, _ in accept] == ["GetItem", "PutItem"]
    start = spent(lambda: router.start(mac))
    assert [(what, body["TableName"]) for what, body in start] == [("PutItem", keys.USERS), ("PutItem", keys.SESSIONS)]
    router.use(mac, 1_000_000, 10_000_000, 300)
    [(_, first)] = spent(lambda: router.interim(mac))  # from now on silence would be noticed: that is a new due instant
    due = [first["Item"].get(name) for name in ("k", "d")]
    for _ in range(5):
        router.use(mac, 1_000_000, 10_000_000, 300)
        [(what, body)] = spent(lambda: router.interim(mac))
        assert (what, body["TableName"]) == ("PutItem", keys.USERS)
        assert (
            keys.item_bytes({name: next(iter(value.values())) for name, value in body["Item"].items()})
            <= keys.WRITE_UNIT_BYTES
        )
        assert [body["Item"].get(name) for name in ("k", "d")] == due  # no index key moves
    assert new_phone() != phone
