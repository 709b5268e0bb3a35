"""An account with 1,000 devices: interim updates write small shards, nothing is lost, and the root stays exact."""

import time
from itertools import count

import pytest

from radius.domain import spill
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import issue
from radius.domain.identity import MacAddress, NasId, ReservationId, SubscriberId, parse_class
from radius.domain.nas import Family, Nas, Router, Site
from radius.domain.policy import Accept, Ask, reserve
from radius.domain.request import AccountingRequest, Status
from radius.domain.subscriber import Credential, SecretKind, Session, SessionState, Subscriber
from radius.domain.terms import PeriodUnit, Service, Terms, Window, WindowStart
from radius.domain.world import World
from radius.ports import Change, Outcome
from radius.rlm import vendors
from radius.services.accounting import Accounting
from radius.services.desk import MARKS, Decided, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook
from radius.services.sweep import Sweep
from radius.store.memory import MemoryStore

DEVICES = 1_000
NOW = 1_800_000_000
TERMS = Terms("campus.1", Window(WindowStart.PURCHASE, 30, PeriodUnit.DAY), quota_bytes=10**13, devices=2_000)
CAMPUS = SubscriberId("campusaaaaaaaaaa")


class Campus:
    """The account, all its devices online, over the memory store."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now = NOW
        ids = count()
        self.desk: Desk[Subscriber] = Desk(self.store, lambda: f"w{next(ids)}", time.monotonic, 1_000)
        marks: Desk[spill.Shard] = Desk(self.store, lambda: f"m{next(ids)}", time.monotonic, 1_000, codec=MARKS)
        directory = Directory(self.store, self.store, lambda *_: "secret", vendors.capabilities_of)
        router = Router(NasId("campus-1"), "campus", Family.MIKROTIK, ("192.0.2.1",))
        directory.put([router], [Site("campus")], {}, (), NOW)
        nas = directory.nas("campus-1")
        assert nas is not None
        self.nas: Nas = nas
        names = NameBook(self.store, str, time.monotonic, 100, 30)
        self.accounting = Accounting(self.desk, marks, names, directory, self.store, self.store, self.world)
        self.sweep = Sweep(
            self.desk, marks, self.store, self.store, directory, self.world, time.monotonic, deadline_s=5.0
        )
        account = Subscriber(CAMPUS, Credential(SecretKind.SEALED, "x"), NOW, rights=[issue("r1", TERMS, NOW)])
        change = Change(CAMPUS, 1, "w", aggregate.encode(account), 0)
        assert self.store.create(change, ["n:campus"], self.deadline) is Outcome.COMMITTED
        self.classes = [self._log_in(number) for number in range(DEVICES)]

    @property
    def deadline(self) -> float:
        return time.monotonic() + 60

    def world(self, now: int) -> World:
        return World(now, lambda _: TERMS, {}, lambda _: now)

    def _log_in(self, number: int) -> str:
        ask = Ask(_mac(number), MacAddress(_mac(number)), Service.HOTSPOT, _sid(number), ReservationId(f"r{number}"))

        def decide(present: Subscriber) -> Decided[str]:
            answer = reserve(present, ask, self.nas, self.world(self.now))
            spill.note(present)
            assert isinstance(answer, Accept)
            return Decided(answer.limits.class_text, changed=True)

        text = self.desk.change(CAMPUS, decide, self.deadline)
        assert text is not None
        return text

    def say(self, number: int, status: Status, up: int | None, down: int | None, seconds: int | None) -> str:
        request = AccountingRequest(
            status=status,
            router=NasId("campus-1"),
            source="192.0.2.1",
            acct_session_id=_sid(number),
            user_name="campus",
            mac=MacAddress(_mac(number)),
            device=_mac(number),
            class_of=parse_class(self.classes[number]),
            in_bytes=up,
            out_bytes=down,
            gigawords=True,
            time_s=seconds,
            delay_s=None,
            event_timestamp=self.now,
            original_at=None,
            cause="",
            framed_ip="",
            nas_ip="",
            nas_identifier="campus-1",
        )
        return self.accounting.account(request, self.now, self.deadline).what

    def account(self) -> Subscriber:
        stored = self.store.read(CAMPUS, self.deadline)
        assert stored is not None
        return aggregate.decode(stored.body)

    def version(self) -> int:
        stored = self.store.read(CAMPUS, self.deadline)
        assert stored is not None
        return stored.version


def _mac(number: int) -> str:
    return f"02{number:010x}"


def _sid(number: int) -> str:
    return f"81{number:06x}"


@pytest.fixture(scope="module")
def campus() -> Campus:
    return Campus()


def test_an_evening_of_a_thousand_devices(campus: Campus) -> None:
    for number in range(DEVICES):
        assert campus.say(number, Status.START, None, None, None) == "counted"
    before = campus.version()
    sizes = []
    for minute in (1, 2):
        campus.now = NOW + minute * 300
        for number in range(DEVICES):
            assert campus.say(number, Status.INTERIM, minute * 100, minute * 900, minute * 300) == "counted"
    assert campus.version() == before, "an ordinary interim update writes no root"
    for key in spill.shard_ids(CAMPUS):
        stored = campus.store.read(key, campus.deadline)
        if stored is not None:
            sizes.append(len(stored.body))
    assert (
        sum(len(spill.decode(s.body).marks) for k in spill.shard_ids(CAMPUS) if (s := campus.store.read(k, 9e9)))
        == 1000
    )
    assert max(sizes) < 4_096, "an interim update stays within a few write units"
    assert campus.say(0, Status.INTERIM, 100, 900, 300) == "known", "a late repetition changes nothing"

    # A Stop without counters: what the shard knew is charged, once.
    campus.now = NOW + 700
    assert campus.say(7, Status.STOP, None, None, None) == "counted"
    account = campus.account()
    ended = next(s for s in account.sessions if s.device == _mac(7))
    assert (ended.state, ended.total_bytes, ended.time_s) == (SessionState.CLOSED, 2_000, 600)
    assert account.rights[0].used_bytes == 2_000

    # An ordinary Stop of another.
    assert campus.say(8, Status.STOP, 300, 2_700, 700) == "counted"
    assert campus.account().rights[0].used_bytes == 5_000

    # The building loses power: everyone falls silent. The worker knows when they were last heard.
    campus.now = NOW + 86_400
    campus.sweep.visit(CAMPUS, campus.now)
    account = campus.account()
    live: list[Session] = [s for s in account.sessions if s.state is SessionState.OPEN]
    assert live == []
    assert account.rights[0].used_bytes == 998 * 2_000 + 2_000 + 3_000
    assert {s.last_at for s in account.sessions if s.cause == "silent"} == {NOW + 600}


def test_a_log_in_does_not_take_devices_for_silent_whose_marks_are_elsewhere() -> None:
    campus = Campus()
    for number in range(DEVICES):
        campus.say(number, Status.START, None, None, None)
        campus.say(number, Status.INTERIM, 1, 1, 1)
    for hour in range(1, 4):
        campus.now = NOW + hour * 3600
        for number in (1, 2, 3):
            assert campus.say(number, Status.INTERIM, hour * 10, hour * 10, hour * 3600) == "counted"
    campus._log_in(DEVICES + 1)
    states = {s.device: s.state for s in campus.account().sessions}
    assert [states[_mac(number)] for number in (1, 2, 3)] == [SessionState.OPEN] * 3
