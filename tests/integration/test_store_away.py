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
from tests.integration.load import evenings, running

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(170),
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
CUSTOMERS = 16
MISCHIEF = (
    FaultKind.CONFLICT,
    FaultKind.THROTTLE,
    FaultKind.SERVER_ERROR,
    FaultKind.SWALLOW,
    FaultKind.CUT_AFTER,
)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    with Box(tmp_path / "box", proxied=True) as one:
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


def is_charged(box: Box, phone: str, wanted: int) -> bool:
    return box.charged(phone) == wanted


def silent(router: FakeRouter, name: str, password: str, mac: str, how: How = How.CHAP) -> bool:
    try:
        router.login(name, password, mac, how=how)
    except NoAnswer:
        return True
    return False


@pytest.mark.parametrize("how", ["black hole", "refused"])
def test_customers_come_and_go_while_the_store_is_away(box: Box, how: str) -> None:
    customers = evenings(box, CUSTOMERS, timeout_s=3.0)
    router, stranger = box.router(timeout_s=1.5), box.customer(DAY)
    box.worker.start()
    with running(customers):
        wait_until(lambda: all(len(one.answered) > 5 for one in customers), "everybody is or was online")
        gone_at = time.monotonic()
        go_away(box, how)
        # Who logs out meanwhile gets in again once.
        wait_until(lambda: sum(one.answers_since(gone_at) for one in customers) >= 5 * CUSTOMERS, "the load goes on")
        come_back(box, how)
        wait_until(lambda: not silent(router, stranger, "karibu", new_mac()), "the breaker closes")
        back_at = time.monotonic()
        wait_until(lambda: all(one.answers_since(back_at) >= 3 for one in customers), "everybody is counted again")
    for one in customers:
        one.finish(3.0)
    wait_until(lambda: not box.spooled(), "the worker plays the spool back")
    assert not box.parked()
    for one in customers:
        least, most = one.owed()
        assert (one.refusals, least) == (0, most)
        wait_until(partial(is_charged, box, one.phone, least), f"{one.phone} is charged exactly {least:,} bytes")
        assert {session.state for session in box.aggregate(one.phone).sessions} == {SessionState.CLOSED}
        assert box.aggregate(one.phone).intents == []


def test_a_store_that_misbehaves_loses_and_doubles_nothing(box: Box) -> None:
    assert box.proxy is not None
    customers = evenings(box, CUSTOMERS, timeout_s=3.0)
    for kind in MISCHIEF:
        box.proxy.inject(kind, probability=0.05)
    with running(customers):
        wait_until(lambda: set(MISCHIEF) <= set(box.proxy.injected), "all kinds of mischief")
        wait_until(lambda: all(len(one.answered) > 10 for one in customers), "everybody was served for a while")
    box.proxy.heal()
    wait_until(lambda: not silent(customers[0].router, box.customer(DAY), "karibu", new_mac()), "the breaker closes")
    for one in customers:
        one.finish(3.0)
    box.worker.start()
    wait_until(lambda: not box.spooled(), "the worker plays the spool back")
    assert not box.parked()
    for one in customers:
        least, most = one.owed()
        assert least == most
        wait_until(partial(is_charged, box, one.phone, least), f"{one.phone} is charged exactly {least:,} bytes")


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
    before, after = box.customer(DAY), box.customer(DAY)
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
    wait_until(lambda: not box.spooled(), "the worker plays the spool back")
    wait_until(lambda: box.aggregate(before).sessions[0].state is SessionState.CLOSED, "the old session has ended")
    assert (box.aggregate(before).sessions[0].cause, box.charged(before)) == ("nas-reboot", 300)
    [kept] = box.aggregate(after).sessions
    assert (kept.state, box.charged(after)) == (SessionState.OPEN, 30)
