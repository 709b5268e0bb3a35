"""The store behind a proxy that makes what no engine makes. Once as embedded, once as DynamoDB."""

import threading
import time
from collections import Counter

import pytest
from pydynox.exceptions import ValidationException

from radius.domain.errors import Unavailable
from radius.ports import Outcome, Stored
from radius.store.breaker import FAILURES_MAX
from radius.store.open import Store, StoreKind
from tests.contract.values import change, name, record
from tests.fakes.store_proxy import FaultKind, StoreProxy
from tests.fixtures_engine import FAULT_TIMEOUT_S

SILENT = (FaultKind.SWALLOW, FaultKind.BLACK_HOLE)
WRITES = {StoreKind.EMBEDDED: "TransactWriteItems", StoreKind.DYNAMODB: "PutItem"}


def in_time() -> float:
    return time.monotonic() + FAULT_TIMEOUT_S


def patiently(store: Store, number: int, version: int, write_id: str = "") -> Outcome:
    """As a caller that repeats the same change until it hears an outcome."""
    mine = change(name(number), version, write_id or f"{number}.{version}", records=(record(f"u{number}"),))
    for _ in range(60):
        try:
            return store.subscribers.commit(mine, in_time())
        except Unavailable:
            time.sleep(0.05)
    pytest.fail("no outcome after 60 tries")


@pytest.mark.parametrize("silence", [FaultKind.SWALLOW, FaultKind.CUT_AFTER])
def test_a_lost_answer_to_a_commit_is_committed_when_asked_again(
    proxied: Store, proxy: StoreProxy, kind: StoreKind, silence: FaultKind
) -> None:
    mine = change(name(1), 1, "mine", records=(record(),))
    proxy.inject(silence, operation=WRITES[kind], count=2)
    with pytest.raises(Unavailable):
        proxied.subscribers.commit(mine, in_time())
    proxy.heal()
    assert proxied.subscribers.read(name(1), in_time()) == Stored(b"{}", 1, 0)
    assert proxied.subscribers.commit(mine, in_time()) is Outcome.COMMITTED
    assert proxied.sessions.find(record().uid, in_time()) == [record()]


def test_one_cut_connection_is_not_even_noticed(proxied: Store, proxy: StoreProxy) -> None:
    for cut in (FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER):
        proxy.inject(cut, count=1)
        mine = change(name(1), 1 if cut is FaultKind.CUT_BEFORE else 2)
        assert proxied.subscribers.commit(mine, in_time()) is Outcome.COMMITTED
        proxy.inject(cut, count=1)
        assert proxied.subscribers.read(name(1), in_time()) is not None
    assert not proxied.breaker.is_open


def test_an_answer_lost_before_the_records_heals_by_the_same_change(
    proxied: Store, proxy: StoreProxy, kind: StoreKind
) -> None:
    mine = change(name(1), 1, "mine", records=(record(),))
    proxy.inject(FaultKind.SERVER_ERROR, when=lambda request: "SessionsTable" in str(request), count=1)
    with pytest.raises(Unavailable):
        proxied.subscribers.commit(mine, in_time())
    assert (proxied.subscribers.read(name(1), in_time()) is None) == proxied.subscribers.records_atomic
    assert proxied.subscribers.commit(mine, in_time()) is Outcome.COMMITTED
    assert proxied.sessions.find(record().uid, in_time()) == [record()]


@pytest.mark.parametrize("fault", [FaultKind.THROTTLE, FaultKind.THROUGHPUT, FaultKind.SERVER_ERROR, *SILENT])
def test_a_store_that_does_not_serve_is_unavailable(proxied: Store, proxy: StoreProxy, fault: FaultKind) -> None:
    proxy.inject(fault)
    with pytest.raises(Unavailable):
        proxied.subscribers.read(name(1), in_time())
    with pytest.raises(Unavailable):
        proxied.subscribers.commit(change(name(1), 1), in_time())
    with pytest.raises(Unavailable):
        proxied.due_work.checkpoint("sweep", in_time())
    assert fault in proxy.injected


def test_a_refused_connection_is_unavailable_and_the_store_comes_back(proxied: Store, proxy: StoreProxy) -> None:
    assert proxied.subscribers.commit(change(name(1), 1), in_time()) is Outcome.COMMITTED
    proxy.refuse()
    with pytest.raises(Unavailable):
        proxied.subscribers.read(name(1), in_time())
    with pytest.raises(Unavailable):
        proxied.due_work.checkpoint("sweep", in_time())
    proxy.listen_again()
    assert proxied.subscribers.read(name(1), in_time()) == Stored(b"{}", 1, 0)
    assert proxied.due_work.checkpoint("sweep", in_time()) == 0


def test_few_conflicts_are_waited_out(proxied: Store, proxy: StoreProxy, kind: StoreKind) -> None:
    proxy.inject(FaultKind.CONFLICT, operation=WRITES[kind], count=2)
    assert proxied.subscribers.commit(change(name(1), 1), in_time()) is Outcome.COMMITTED
    proxy.inject(FaultKind.CONFLICT, operation="TransactWriteItems", count=2)
    assert proxied.subscribers.create(change(name(2), 1), ["n:a"], in_time()) is Outcome.COMMITTED
    assert proxied.numbers()["conflicts"] == 4


def test_endless_conflicts_mean_another_writer(proxied: Store, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.CONFLICT)
    assert proxied.subscribers.commit(change(name(1), 1), in_time()) is Outcome.STALE
    with pytest.raises(Unavailable):
        proxied.subscribers.create(change(name(2), 1), ["n:a"], in_time())
    proxy.heal()
    assert proxied.subscribers.read(name(1), in_time()) is None


def test_throttling_is_waited_out_where_there_is_time(proxied: Store, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.THROTTLE, operation="UpdateItem", count=2)
    assert proxied.due_work.advance("sweep", 5, in_time()) is Outcome.COMMITTED
    assert proxied.numbers()["throttled"] == 2


def test_silence_opens_the_breaker_and_an_answer_closes_it(proxied: Store, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.SERVER_ERROR)
    for _ in range(FAILURES_MAX):
        with pytest.raises(Unavailable):
            proxied.subscribers.read(name(1), in_time())
    assert proxied.breaker.is_open
    asked = len(proxy.requests)
    with pytest.raises(Unavailable, match="breaker"):
        proxied.subscribers.read(name(1), in_time())
    with pytest.raises(Unavailable, match="breaker"):
        proxied.nodes.nodes(in_time())
    assert len(proxy.requests) == asked
    proxy.heal()
    assert patiently(proxied, 1, 1) is Outcome.COMMITTED
    assert not proxied.breaker.is_open


def test_unprocessed_keys_are_asked_again(proxied: Store, proxy: StoreProxy) -> None:
    for number in range(30):
        proxied.subscribers.commit(change(name(number), 1, body=str(number).encode()), time.monotonic() + 20)
    proxy.inject(FaultKind.UNPROCESSED, count=2)
    proxy.inject(FaultKind.SLOW, operation="GetItem", delay_s=0.1)  # so that the others wait and travel together
    answers: dict[int, Stored | None] = {}

    def work(number: int) -> None:
        answers[number] = proxied.subscribers.read(name(number), time.monotonic() + 20)

    run_all([threading.Thread(target=work, args=(number,)) for number in range(30)])
    assert answers == {number: Stored(str(number).encode(), 1, 0) for number in range(30)}
    assert FaultKind.UNPROCESSED in proxy.injected


def test_keys_that_stay_unprocessed_are_an_answer_to_everybody(proxied: Store, proxy: StoreProxy) -> None:
    """pydynox insists for three seconds and cannot be told not to; `Coalescer` gives its slot to others meanwhile."""
    proxy.inject(FaultKind.UNPROCESSED)
    proxy.inject(FaultKind.SLOW, operation="GetItem", delay_s=0.1)
    heard: list[bool] = []

    def work(number: int) -> None:
        try:
            proxied.subscribers.read(name(number), in_time())
        except Unavailable:
            heard.append(False)
        else:
            heard.append(True)

    run_all([threading.Thread(target=work, args=(number,)) for number in range(30)])
    assert len(heard) == 30
    assert False in heard
    assert proxied.numbers()["throttled"] >= 1
    assert not proxied.breaker.is_open
    proxy.heal()
    assert read_again(proxied, 99) is None


def test_waiting_callers_hear_at_their_own_deadline(proxied: Store, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.BLACK_HOLE)
    late: list[float] = []

    def work(number: int) -> None:
        deadline = time.monotonic() + 0.1
        with pytest.raises(Unavailable):
            proxied.subscribers.read(name(number), deadline)
        late.append(time.monotonic() - deadline)

    run_all([threading.Thread(target=work, args=(number,)) for number in range(20)])
    assert len(late) == 20
    asked = sum(operation in ("GetItem", "BatchGetItem") for operation, _ in proxy.requests)
    assert asked < 20  # those who only waited are not sent after their time


def test_one_bad_request_hurts_only_its_own_caller(proxied: Store, proxy: StoreProxy) -> None:
    proxy.inject(FaultKind.SLOW, delay_s=0.05)
    outcomes: dict[int, object] = {}

    def work(number: int) -> None:
        body = b"x" * 500_000 if number == 7 else b"{}"
        try:
            outcomes[number] = proxied.subscribers.commit(change(name(number), 1, body=body), time.monotonic() + 20)
        except ValidationException as fault:
            outcomes[number] = type(fault).__name__

    run_all([threading.Thread(target=work, args=(number,)) for number in range(20)])
    assert outcomes.pop(7) == "ValidationException"
    assert set(outcomes.values()) == {Outcome.COMMITTED}


def test_under_a_storm_of_faults_every_change_is_there_once(proxied: Store, proxy: StoreProxy) -> None:
    """Ten writers of their own subscribers and a contested one: what was answered COMMITTED is there, in order."""
    for fault, probability in (
        (FaultKind.CONFLICT, 0.1),
        (FaultKind.THROTTLE, 0.05),
        (FaultKind.SERVER_ERROR, 0.05),
        (FaultKind.CUT_AFTER, 0.1),
        (FaultKind.CUT_BEFORE, 0.05),
        (FaultKind.SWALLOW, 0.02),
    ):
        proxy.inject(fault, probability=probability)
    won: Counter[int] = Counter()
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for version in range(1, 9):
                while patiently(proxied, number, version) is Outcome.STALE:
                    pass  # endless conflicts: nobody else writes here, so the same change may go again
                won[version] += patiently(proxied, 99, version, f"{number}.{version}") is Outcome.COMMITTED
        except BaseException as fault:  # noqa: BLE001 - told by the main thread
            faults.append(fault)

    run_all([threading.Thread(target=work, args=(number,)) for number in range(10)])
    proxy.heal()
    assert not faults
    for number in range(10):
        stored = read_again(proxied, number)
        assert stored is not None
        assert stored.version == 8
    contested = read_again(proxied, 99)
    assert contested is not None
    assert all(wins <= 1 for wins in won.values())
    assert len(proxy.injected) > 20


def read_again(store: Store, number: int) -> Stored | None:
    for _ in range(60):
        try:
            return store.subscribers.read(name(number), in_time())
        except Unavailable:
            time.sleep(0.05)
    pytest.fail("the store did not come back")


def run_all(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
