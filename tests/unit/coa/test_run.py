"""The worker around the dispatcher: bell, poll, threads that end, a store that is away. Over memory, with real UDP."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from coa import run as runs
from coa.run import Runner
from radius import log as logs
from radius.bell import Bell
from radius.domain.clock import ClockGuard
from radius.domain.identity import SubscriberId
from radius.metrics import InProcess
from radius.rlm.clocks import Clocks
from radius.settings import Settings
from radius.store.open import memory_store
from radius.wiring import Core, Vault
from tests.fakes.router_das import FakeDas, Manners
from tests.unit.coa.dispatched import MIKROTIK, Works
from tests.unit.domain.builders import MIB
from tests.unit.services.wired import SECRET

BASE = 1_800_000_000  # after the release, before which no clock is believed
PATIENCE_S = 30.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


class Machine:
    """A runner in a thread of its own, a router that obeys, and a customer at the end of a quota."""

    def __init__(self, folder: Path, das: FakeDas) -> None:
        self.works, self.das, self.folder = Works(), das, folder
        node = self.works.node
        node.now, node.monotonic_s = BASE, 0.0  # the runner's deadlines are of this machine's clock, which is further
        self.works.refresh()
        router = node.directory.router(MIKROTIK)
        assert router is not None
        here = msgspec.structs.replace(router, coa_address="127.0.0.1", coa_port=das.port, version=router.version + 1)
        node.store.put_router(here, node.deadline)
        settings = Settings(state_dir=folder, spool_dir=folder, node_id="here", store_endpoint="http://127.0.0.1:1")
        parts = (node.keys, Vault(node.keys), node.desk, node.marks, node.names, node.directory, node.terms)
        core = Core(settings, memory_store(node.store), *parts, node.provision, node.world, Bell(folder))
        self.core = core
        self.metrics = InProcess("test", strict=True)
        self.log = logs.open_log(folder / "log.jsonl", strict=True, metrics=self.metrics)
        self.wall_s = float(BASE)
        clocks = Clocks(lambda: self.wall_s, time.monotonic, lambda: 0.0, ClockGuard(0, BASE - 1000), lambda: False)
        self.runner = Runner(core, self.metrics, self.log, clocks)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.runner.run, args=(self.stop,))

    def start(self) -> None:
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        if self.thread.is_alive():
            self.thread.join()
        self.runner.close()
        self.core.close()
        self.log.sink.close()

    def used_up(self) -> SubscriberId:
        """Proven by a report of just now."""
        node = self.works.node
        node.now -= 300
        found = self.works.online(on=MIKROTIK)
        session = self.works.session(found)
        self.das.add(session.acct_session_id, "0712345678", "10.5.0.7")
        node.monotonic_s -= 300
        self.works.report(found, 100 * MIB)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    before = set(threading.enumerate())
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        one = Machine(tmp_path, das)
        yield one
        one.end()
    assert set(threading.enumerate()) == before, "every thread has ended"


def test_the_bell_is_enough(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.runner.dispatcher, "poll", lambda *_: False)
    found = machine.used_up()
    machine.start()
    bell = Bell(machine.folder)
    bell.ring(found)
    wait_until(lambda: not machine.das.sessions, "the Disconnect")
    bell.close()
    wait_until(lambda: machine.metrics.value("RouterAcks", Family="mikrotik") == 1, "the ACK")


def test_the_poll_is_enough(machine: Machine) -> None:
    machine.used_up()
    machine.start()
    wait_until(lambda: not machine.das.sessions, "the Disconnect")
    wait_until(lambda: machine.lines, "the log")
    details = machine.lines[0]["details"]
    assert (details["nas"], details["reason"], details["operation"], details["outcome"]) == (
        "mikrotik-1",
        "quota",
        "disconnect",
        "acked",
    )
    assert machine.metrics.value("DisconnectsSent", Family="mikrotik") == 1


def test_a_store_that_is_away_is_waited_for(machine: Machine) -> None:
    machine.used_up()
    away = threading.Event()
    away.set()
    machine.works.node.store.faults.before = lambda _: away.is_set()
    machine.start()
    wait_until(lambda: any("waits for the store" in line["message"] for line in machine.lines), "it is told")
    assert machine.das.sessions
    away.clear()
    wait_until(lambda: not machine.das.sessions, "the Disconnect")


def test_on_a_wrong_clock_nothing_is_done(machine: Machine) -> None:
    machine.used_up()
    machine.wall_s = 1000.0
    machine.start()
    wait_until(lambda: machine.metrics.value("ClockSuspect", Reason="below_floor") > 1, "it is counted")
    assert machine.das.sessions
    machine.wall_s = float(BASE)
    wait_until(lambda: not machine.das.sessions, "the Disconnect")


def test_a_visit_that_a_wrong_clock_kept_from_its_thread_is_queued_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_visit, first = machine.runner._queue_visit, iter([1000.0])

    def while_the_clock_leaps(subscriber: SubscriberId, **named: Any) -> None:
        machine.wall_s = next(first, machine.wall_s)
        queue_visit(subscriber, **named)

    monkeypatch.setattr(machine.runner, "_queue_visit", while_the_clock_leaps)
    machine.used_up()
    machine.start()
    wait_until(lambda: machine.metrics.value("ClockSuspect", Reason="below_floor") > 1, "it is counted")
    machine.wall_s = float(BASE)
    wait_until(lambda: not machine.das.sessions, "the Disconnect")


def test_a_fault_of_ours_ends_no_thread(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatcher, broken = machine.runner.dispatcher, iter([True] * runs.THREADS * 2)
    visit = dispatcher.visit

    def sometimes(*arguments: Any, **named: Any) -> int:
        if next(broken, False):
            raise RuntimeError("ours")
        return visit(*arguments, **named)

    monkeypatch.setattr(dispatcher, "visit", sometimes)
    found = machine.used_up()
    machine.start()
    bell = Bell(machine.folder)

    def is_cut() -> bool:
        bell.ring(found)  # again and again: one that is full drops it
        return not machine.das.sessions

    wait_until(is_cut, "the Disconnect")
    bell.close()
    assert [line for line in machine.lines if line["message"] == "Enforcement job failed"]


def test_while_its_threads_are_busy_it_neither_spins_nor_queues_a_customer_twice(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher, free, polls, checks, visits = machine.runner.dispatcher, threading.Event(), [0], [0], []
    found = [SubscriberId(f"customer{number}") for number in range(runs.WAITING_MAX // 2)]

    def poll(now: int, visit: Callable[[SubscriberId, bool], object]) -> bool:
        polls[0] += 1
        for subscriber in [] if free.is_set() else found:
            visit(subscriber, False)
        return not free.is_set()

    def visit(subscriber: SubscriberId, *_: Any, **__: Any) -> int:
        visits.append(subscriber)
        return int(free.wait(PATIENCE_S))

    def check(now: int) -> int:
        checks[0] += 1
        return 0

    for name, fake in (("poll", poll), ("visit", visit), ("check", check)):
        monkeypatch.setattr(dispatcher, name, fake)
    machine.start()
    wait_until(lambda: len(visits) == runs.THREADS, "all threads are busy")
    began, checks[0] = time.monotonic(), 0
    wait_until(lambda: checks[0] > 20, "the loop goes on")
    assert checks[0] <= (time.monotonic() - began) / runs.BUSY_S + 3
    assert polls[0] > 1
    free.set()
    wait_until(machine.runner._jobs.empty, "all were visited")
    assert sorted(visits[runs.THREADS :]) == sorted(set(visits[runs.THREADS :]))
    assert set(visits) == set(found)


def test_without_a_folder_for_the_bell_it_polls(tmp_path: Path) -> None:
    with FakeDas(SECRET.encode(), Manners.MIKROTIK, nas_ip="10.8.0.2") as das:
        one = Machine(tmp_path, das)
        deep = tmp_path / ("x" * 120)
        core = one.runner._core
        runner = Runner(
            core._replace(settings=core.settings.model_copy(update={"state_dir": deep})), one.metrics, one.log
        )
        assert any("No bell" in line["message"] for line in one.lines)
        runner.close()
        one.end()
