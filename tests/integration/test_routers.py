"""Routers come, change their secrets and forget Message-Authenticator: who is answered, who is listed."""

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import replace as altered

import msgspec
import pytest

from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Router
from radius.settings import Settings
from tests.fakes.nas import FakeRouter, NoAnswer, Session
from tests.integration.box import DAY, DEADLINE_S, SECRET, Box, new_mac, wait_until
from tests.integration.freeradius_lab import bare_access_request, missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
NEW_SECRET = "the-secret-that-comes-next"
PROMISE_S = 30  # a new router works within this
LIFETIME = "lifetime = 30"  # wifibilling_pair: FreeRADIUS remembers a client this long


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    more = {"router-rotating": "127.0.0.20", "router-old": "127.0.0.21", "router-strict": "127.0.0.22"}
    made = Box(tmp_path_factory.mktemp("routers") / "box", routers=more)
    for pair in ("a", "b"):  # half a minute of waiting in each of two tests would prove nothing more
        site = made.lab.layout.raddb_dir / "sites-available" / f"wifibilling_pair_{pair}"
        text = site.read_text()
        assert LIFETIME in text
        site.write_text(text.replace(LIFETIME, "lifetime = 3"))
    with made as one:
        yield one


def answered(router: FakeRouter) -> bool:
    """Whether a packet of this router is answered at all."""
    try:
        router.login("0788888888", "wrong", new_mac())
    except NoAnswer:
        return False
    return True


def listed(box: Box, source: str) -> list[tuple[int, int, str]]:
    """(packets, last instant, why) of a source nobody answered."""
    found = box.core.store.routers.unknown(int(time.time()), time.monotonic() + DEADLINE_S)
    return [(count, at, why) for name, count, at, why in found if name == source]


def silent(router: FakeRouter) -> FakeRouter:
    """The same router, for packets that nobody will answer: half a second tells."""
    return altered(router, timeout_s=0.5)


def test_a_stranger_is_not_answered_and_is_listed_with_time_and_count(box: Box) -> None:
    stranger = silent(box.router("stranger", "127.0.0.77"))
    before = int(time.time())
    for _ in range(3):
        assert not answered(stranger)
    wait_until(lambda: sum(count for count, _, _ in listed(box, "127.0.0.77")) == 3, "the stranger is listed")
    [(_, at, why)] = listed(box, "127.0.0.77")
    assert before <= at <= time.time()
    assert why == "unknown source"


def test_a_new_router_works_within_30_s_without_a_restart(box: Box) -> None:
    assert Settings.model_fields["routers_refresh_s"].default < PROMISE_S
    router = box.router("router-new", "127.0.0.30")
    assert not answered(silent(router))
    pid = box.lab.process.pid if box.lab.process else 0
    box.add_router("router-new", "127.0.0.30")
    wait_until(lambda: answered(silent(router)), "the new router is answered", patience_s=PROMISE_S)
    assert router.login(box.customer(DAY), "karibu", new_mac())[0]
    assert box.lab.process is not None
    assert box.lab.process.pid == pid


def test_a_secret_rotates_with_an_overlap_on_the_second_pair(box: Box) -> None:
    old = box.router("router-rotating", "127.0.0.20")
    new = box.router("router-rotating", "127.0.0.20", secret=NEW_SECRET, pair="B")
    assert (answered(old), answered(silent(new))) == (True, False)
    record = record_of(box, "router-rotating")
    assert box.core.provision.rotate_secret(record, NEW_SECRET).rotating_to == "B"
    time.sleep(3)  # the node has read the record by now, and nothing was heard on the new pair
    assert answered(old)
    assert record_of(box, "router-rotating").rotating_to == "B"
    wait_until(lambda: answered(silent(new)), "the new secret is answered on pair B")
    assert new.login(box.customer(DAY), "karibu", new_mac())[0]
    wait_until(lambda: not record_of(box, "router-rotating").rotating_to, "the rotation ends: the router was seen on B")
    assert record_of(box, "router-rotating").secret_a == ""
    wait_until(lambda: not answered(silent(old)), "the old secret is answered no more")
    assert answered(new)
    assert not answered(silent(box.router("router-rotating", "127.0.0.20", secret=SECRET, pair="B")))


def record_of(box: Box, name: str) -> Router:
    found = box.core.store.routers.routers(time.monotonic() + DEADLINE_S)
    return next(router for router in found if router.id == name)


def without_authenticator(box: Box, address: str, name: str, password: str) -> bytes | None:
    """The answer to a PAP request as old routers send it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((address, 0))
        udp.settimeout(0.5)
        udp.sendto(bare_access_request(name, password, SECRET), ("127.0.0.1", box.lab.port("A", "auth")))
        try:
            return udp.recv(4096)
        except TimeoutError:
            return None


def test_a_packet_without_message_authenticator_is_dropped_and_listed_with_the_routers_name(box: Box) -> None:
    phone = box.customer(DAY)
    assert without_authenticator(box, "127.0.0.22", phone, "karibu") is None
    wait_until(lambda: listed(box, "router-strict"), "the router is listed by its name")
    [(count, _, why)] = listed(box, "router-strict")
    assert (count, why.partition(": ")[0]) == (1, "no Message-Authenticator")
    assert "/radius set [find] require-message-auth=yes-for-request-resp" in why
    assert box.aggregate(phone).sessions == []
    assert box.router("router-strict", "127.0.0.22").login(phone, "karibu", new_mac())[0]


def test_an_exception_for_one_router_is_for_that_router(box: Box) -> None:
    record = record_of(box, "router-old")
    change_router(box, record, message_authenticator_required=False)
    phone = box.customer(DAY)
    answers: list[bytes] = []

    def let_in() -> bool:
        answer = without_authenticator(box, "127.0.0.21", phone, "karibu")
        answers.extend([answer] if answer else [])
        return bool(answers)

    wait_until(let_in, "the exception is known to the node")
    assert answers[0][0] == 2  # Access-Accept
    assert b"\x50\x12" in answers[0]  # ... with a Message-Authenticator all the same
    assert without_authenticator(box, "127.0.0.1", phone, "karibu") is None
    wait_until(lambda: told_excepted(box) == ["router-old"], "the log names who is excepted")


def told_excepted(box: Box) -> list[str]:
    lines = [json.loads(line) for line in box.log().splitlines()]
    return [line["details"]["nas"] for line in lines if line["message"].startswith("Router is excepted from")]


def change_router(box: Box, router: Router, **fields: object) -> None:
    changed = msgspec.structs.replace(router, version=router.version + 1, **fields)
    box.core.store.routers.put_router(changed, time.monotonic() + DEADLINE_S)


def test_two_routers_that_claim_one_address_are_both_silent_there(box: Box) -> None:
    """FreeRADIUS knows a client by its source address only: behind one NAT each router needs a tunnel of its own."""
    router = box.router("router-left", "127.0.0.40")
    box.add_router("router-left", "127.0.0.40")
    wait_until(lambda: answered(silent(router)), "one router has that address")
    with pytest.raises(Malformed, match="router-left"):
        box.add_router("router-right", "127.0.0.40")
    # Two operators at the same instant may both have looked before either wrote.
    left = next(one for one in box.core.store.routers.routers(time.monotonic() + DEADLINE_S) if one.id == "router-left")
    right = msgspec.structs.replace(left, id=NasId("router-right"), version=1)
    box.core.store.routers.put_router(right, time.monotonic() + DEADLINE_S)
    wait_until(lambda: not answered(silent(router)), "two routers have that address")
    wait_until(lambda: listed(box, "127.0.0.40"), "the address is listed")


def test_a_disabled_router_is_silent(box: Box) -> None:
    router = box.router("router-closed", "127.0.0.50")
    box.add_router("router-closed", "127.0.0.50", disabled=True)
    wait_until(lambda: box.core.store.routers.routers(time.monotonic() + DEADLINE_S), "the record is there")
    time.sleep(3)
    assert not answered(silent(router))
    assert NasId("router-closed") in [one.id for one in box.core.store.routers.routers(time.monotonic() + DEADLINE_S)]


def test_the_snapshot_on_disk_names_the_routers_when_the_store_is_away_at_the_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with Box(tmp_path_factory.mktemp("snapshot") / "box", proxied=True) as box:
        assert box.proxy is not None
        assert answered(box.router())
        assert box.lab.stop() == 0
        box.proxy.refuse()
        box.lab.start()
        router = box.router()
        mac = new_mac()
        assert not answered(silent(router))  # nobody is known: silence
        router.sessions[mac] = Session("0711111111", mac, f"s-{mac}", {})
        router.start(mac)  # but its accounting is taken
        assert mac in box.lab.spooled()
        box.proxy.listen_again()
        wait_until(lambda: answered(silent(router)), "the store is back")
