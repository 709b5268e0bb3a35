"""The store goes away while customers come and go: what begins, ends and reboots meanwhile is counted exactly once."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from radius.domain.subscriber import SessionState
from radius.domain.terms import PeriodUnit, Window, WindowStart
from tests.fakes.nas import FakeRouter, How, NoAnswer, Session, total_limit
from tests.fakes.store_proxy import FaultKind
from tests.integration.box import DAY, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs
from tests.integration.load import Evening, charged, charged_is, percentile, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
CUSTOMERS = 16
OUTAGE_S = 4
PATIENCE_S = 1.1  # RouterOS as it is delivered


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "box", proxied=True) as one:
        one.terms("wide.1", quota_bytes=1 << 40)
        one.terms("voucher.1", window=Window(WindowStart.FIRST_LOGIN, 1, PeriodUnit.DAY))
        yield one


def go_away(box: Box, how: str) -> None:
    assert box.proxy is not None
    if how == "refused":
        box.proxy.refuse()
    else:
        box.proxy.inject(FaultKind.BLACK_HOLE)


def come_back(box: Box, how: str) -> None:
    assert box.proxy is not None
    if how == "refused":
        box.proxy.listen_again()
    else:
        box.proxy.heal()


def drained(box: Box) -> bool:
    return not list(box.lab.layout.spool_dir.glob("acct-*"))


def silent(router: FakeRouter, name: str, password: str, mac: str, how: How = How.CHAP) -> bool:
    try:
        router.login(name, password, mac, how=how)
    except NoAnswer:
        return True
    return False


@pytest.mark.parametrize("how", ["black hole", "refused"])
def test_customers_come_and_go_while_the_store_is_away(box: Box, how: str) -> None:
    evenings = [Evening(box, "wide.1", box.router(timeout_s=3.0), seed) for seed in range(CUSTOMERS)]
    box.worker.start()
    with running(evenings):
        wait_until(lambda: all(len(one.waits) > 5 for one in evenings), "everybody is or was online")
        gone_at = time.monotonic()
        go_away(box, how)
        time.sleep(OUTAGE_S)
        back_at = time.monotonic()
        come_back(box, how)
        wait_until(lambda: all(one.waits[-1][0] > back_at + 2 for one in evenings), "everybody is counted again")
    for one in evenings:
        one.finish()
    waits = [wait_s for one in evenings for at, wait_s in one.waits if gone_at <= at < back_at]
    assert len(waits) >= 10 * CUSTOMERS, "the load went on"
    assert percentile(waits, 0.99) < PATIENCE_S
    wait_until(lambda: drained(box), "the worker plays the spool back")
    assert not (box.lab.layout.spool_dir / "parked.detail").exists()
    for one in evenings:
        least, most = one.owed()
        assert (one.refusals, least) == (0, most)
        wait_until(partial(charged_is, box, one.phone, least), f"{one.phone} is charged exactly {least:,} bytes")
        assert {session.state for session in box.aggregate(one.phone).sessions} == {SessionState.CLOSED}
        assert box.aggregate(one.phone).intents == []


def test_who_is_let_in_while_the_store_is_away(box: Box) -> None:
    router, mac = box.router(timeout_s=1.5), new_mac()
    known, stranger, blocked = box.customer(DAY), box.customer(DAY), box.customer(DAY)
    box.core.provision.voucher("never-used-code", "voucher.1", int(time.time()))
    for phone in (known, blocked):
        assert router.login(phone, "karibu", mac)[0]
    assert box.core.provision.block(box.find(blocked), "unpaid", int(time.time()))
    assert not router.login(blocked, "karibu", mac)[0]  # now this node has read it
    assert not router.login("never-used-code", "guessed", mac, how=How.PAP)[0]  # it knows the voucher too, asleep
    go_away(box, "refused")
    wait_until(lambda: silent(router, stranger, "karibu", new_mac()), "a stranger is left to the second server")

    for how in (How.PAP, How.CHAP, How.CHAP_BARE, How.MSCHAP2):
        assert not router.login(known, "guessed", mac, how=how)[0], "the secret is checked all the same"
    good, reply = router.login(known, "karibu", mac)
    assert good
    assert (0 < reply["Session-Timeout"] <= 1_800, 0 < (total_limit(reply) or 0) <= 50 << 20) == (True, True)
    assert silent(router, known, "karibu", mac), "one lease an outage"
    assert silent(router, "never-used-code", "", mac, How.PAP), "a voucher is not started on a copy"
    assert silent(router, blocked, "karibu", mac)
    assert silent(router, "0799999997", "karibu", mac)

    come_back(box, "refused")
    wait_until(lambda: not silent(router, stranger, "karibu", new_mac()), "the store is back")
    assert box.aggregate("never-used-code").rights[0].starts_at == 0
    assert router.login("never-used-code", "", mac, how=How.PAP)[0]


def test_a_reboot_heard_while_the_store_is_away_ends_what_was_before_it_only(box: Box) -> None:
    two = box.router("router-two", "127.0.0.2", timeout_s=3.0)
    before, after = box.customer("wide.1"), box.customer("wide.1")
    old, new = new_mac(), new_mac()
    assert two.login(before, "karibu", old)[0]
    two.start(old)
    two.use(old, 100, 200, 1)
    two.interim(old)
    go_away(box, "refused")
    time.sleep(1.1)  # boots and evidence are told apart by whole seconds
    two.boot()
    time.sleep(1.1)
    two.sessions[new] = Session(after, new, "after-the-boot", {})
    two.start(new)
    two.use(new, 10, 20, 1)
    two.interim(new)
    come_back(box, "refused")
    box.worker.start()
    wait_until(lambda: drained(box), "the worker plays the spool back")
    wait_until(lambda: box.aggregate(before).sessions[0].state is SessionState.CLOSED, "the old session has ended")
    assert (box.aggregate(before).sessions[0].cause, charged(box, before)) == ("nas-reboot", 300)
    [kept] = box.aggregate(after).sessions
    assert (kept.state, charged(box, after)) == (SessionState.OPEN, 30)
