"""Invariant 1: usage is a high-water mark. Histories are permuted, repeated and lost; the auditor recounts dumbly."""

from hypothesis import assume, given
from hypothesis import strategies as st

from radius.domain import lifecycle, policy, session
from radius.domain.record import SessionRecord
from radius.domain.session import Accounted, Event, Kind
from radius.domain.subscriber import SessionState, Subscriber, decode, encode
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from tests.property.history import WRAP, Router, Said, plain, received, turning
from tests.unit.domain.builders import (
    DAY_S,
    MIB,
    T0,
    Catalogue,
    ask,
    capabilities,
    nas,
    packet,
    right,
    subscriber,
    world,
)

LONG = Window(WindowStart.PURCHASE, 1, PeriodUnit.MONTH)
CATALOGUE = Catalogue(
    Terms(id="free.1", window=LONG),
    Terms(id="small.1", window=LONG, quota_bytes=50 * MIB, quota_s=1000),
    Terms(id="daily.1", window=LONG, quota_bytes=300 * MIB, period=PeriodUnit.DAY),
)


class Desk:
    """A subscriber behind the store: stored as text between packets, closed sessions filed and forgotten at will."""

    def __init__(self, router: Router, terms: list[str], *, announced: bool) -> None:
        self.nas = nas(can=capabilities(acct_gigawords=router.gigawords))
        self.now = T0
        rights = [right(f"right{n:03}", one, ends_at=T0 + 30 * DAY_S) for n, one in enumerate(terms)]
        for one in rights:
            one.period_ends_at = T0 + DAY_S if one.terms == "daily.1" else 0
        self.body = encode(subscriber(*rights))
        self.records: dict[tuple[str, int], SessionRecord] = {}
        if announced:
            present = self.load()
            policy.reserve(present, ask(), self.nas, world(T0, CATALOGUE))
            self.body = encode(present)

    def load(self) -> Subscriber:
        return decode(self.body)

    def hear(self, event: Event) -> Accounted:
        self.now = max(self.now, event.at)
        present = self.load()
        filed = sorted(
            (record for (uid, _), record in self.records.items() if uid == event.uid), key=lambda one: one.started_at
        )
        wanted = session.needs_record(present, event)
        result = session.account(present, event, self.nas, world(self.now, CATALOGUE), filed if wanted else ())
        if result.changed:
            self.body = encode(present)
            if result.session.state is SessionState.CLOSED or result.opened:
                self._store_record(present, result, event)
        return result

    def _store_record(self, present: Subscriber, result: Accounted, event: Event) -> None:
        record = session.record_of(present.id, result.session, event, self.nas, "20251124")
        known = self.records.get((record.uid, record.started_at))
        if known is None or known.revision < record.revision:
            self.records[record.uid, record.started_at] = record
        for one in present.sessions:
            one.filed = one.filed or one.uid == record.uid
        self.body = encode(present)

    def settle(self, later_s: int) -> None:
        self.now += later_s
        present = self.load()
        lifecycle.settle(present, world(self.now, CATALOGUE))
        self.body = encode(present)

    def forget(self) -> None:
        """File what is closed, as a worker does, and let it leave the aggregate."""
        present = self.load()
        for one in [one for one in present.sessions if one.state is SessionState.CLOSED]:
            event = Event(session.Kind.STOP, one.nas, one.acct_session_id, one.device, None, one.reservation, 0, False)
            record = session.record_of(present.id, one, event, self.nas, "20251124")
            known = self.records.get((record.uid, record.started_at))
            if known is None or known.revision < record.revision:
                self.records[record.uid, record.started_at] = record
            present.sessions.remove(one)
        self.body = encode(present)

    def totals(self) -> tuple[int, int]:
        """Bytes and seconds of all sessions, in the aggregate and filed, each once."""
        found = {key: (record.in_bytes + record.out_bytes, record.time_s) for key, record in self.records.items()}
        for one in self.load().sessions:
            found[one.uid, one.opened_at] = (one.total_bytes, one.total_s)
        return sum(one[0] for one in found.values()), sum(one[1] for one in found.values())

    def charged(self) -> tuple[int, int]:
        rights = self.load().rights
        return sum(one.used_bytes + one.past_bytes for one in rights), sum(one.used_s + one.past_s for one in rights)


class Audit:
    """The dumb recount: what the packets heard so far prove, and what was truly used by then."""

    def __init__(self) -> None:
        self.in_bytes = self.out_bytes = self.time_s = self.true_bytes = self.true_s = 0

    def hear(self, said: Said) -> None:
        self.in_bytes = max(self.in_bytes, said.event.in_bytes or 0)
        self.out_bytes = max(self.out_bytes, said.event.out_bytes or 0)
        self.time_s = max(self.time_s, said.event.time_s or 0)
        self.true_bytes = max(self.true_bytes, said.true_in + said.true_out)
        self.true_s = max(self.true_s, said.true_s)


CHAINS = st.sampled_from(
    [["free.1"], ["small.1"], ["small.1", "small.1", "free.1"], ["daily.1"], ["daily.1", "small.1"]]
)


@given(plain(), CHAINS, st.booleans(), st.data())
def test_any_order_loss_and_repetition_gives_the_maximum_that_was_heard(
    history: tuple[Router, list[Said]], terms: list[str], announced: bool, data: st.DataObject
) -> None:
    router, said = history
    desk, audit = Desk(router, terms, announced=announced), Audit()
    for one in data.draw(received(said)):
        action = data.draw(st.sampled_from(["", "", "settle", "forget"]))
        if action == "settle":
            desk.settle(data.draw(st.integers(0, 10_000)))
        elif action == "forget":
            desk.forget()
        desk.hear(one.event)
        audit.hear(one)
        assert desk.totals() == (audit.in_bytes + audit.out_bytes, audit.time_s)
        assert desk.charged() == desk.totals()


@given(turning(), CHAINS, st.booleans(), st.data())
def test_with_wraps_and_resets_never_more_than_was_used_and_never_less_than_before(
    history: tuple[Router, list[Said]], terms: list[str], announced: bool, data: st.DataObject
) -> None:
    router, said = history
    desk, audit = Desk(router, terms, announced=announced), Audit()
    before = (0, 0)
    for one in data.draw(received(said)):
        if data.draw(st.integers(0, 4)) == 0:
            desk.settle(data.draw(st.integers(0, 10_000)))
            if data.draw(st.booleans()):
                desk.forget()
        desk.hear(one.event)
        audit.hear(one)
        total_bytes, total_s = desk.totals()
        assert before[0] <= total_bytes <= audit.true_bytes
        assert before[1] <= total_s <= audit.true_s
        assert desk.charged() == (total_bytes, total_s)
        before = (total_bytes, total_s)


@given(st.lists(st.tuples(st.integers(20, 900), st.integers(0, WRAP - 1), st.integers(0, WRAP - 1)), max_size=9))
def test_every_wrap_of_a_32_bit_router_is_counted_when_no_interim_is_lost(steps: list[tuple[int, int, int]]) -> None:
    router = Router(gigawords=False, stamps=True, echoes_class=True, timed=True)
    desk = Desk(router, ["free.1"], announced=True)
    at, true_in, true_out = T0, 0, 0
    desk.hear(packet(Kind.START, at))
    for seconds, used_in, used_out in [(60, 1, 1), *steps]:
        at, true_in, true_out = at + seconds, true_in + used_in, true_out + used_out
        raw_in, raw_out = true_in % WRAP, true_out % WRAP
        assume(raw_in or raw_out)  # two zeros say nothing: not to be told from a router that forgot its counters
        desk.hear(packet(Kind.INTERIM, at, raw_in, raw_out, at - T0))
        assert desk.totals() == (true_in + true_out, at - T0)


@given(st.lists(st.tuples(st.booleans(), st.integers(20, 900), st.integers(1, MIB), st.integers(0, MIB)), max_size=9))
def test_every_visible_reset_of_a_64_bit_router_is_counted(steps: list[tuple[bool, int, int, int]]) -> None:
    router = Router(gigawords=True, stamps=True, echoes_class=True, timed=True)
    desk = Desk(router, ["free.1"], announced=True)
    at, marks, ended = T0, (0, 0), 0
    desk.hear(packet(Kind.START, at))
    for reset, seconds, used_in, used_out in steps:
        at += seconds
        raw = (used_in, used_out) if reset else (marks[0] + used_in, marks[1] + used_out)
        if raw[0] < marks[0] or raw[1] < marks[1]:
            ended += sum(marks)
        marks = raw
        desk.hear(packet(Kind.INTERIM, at, *raw, at - T0))
        assert desk.totals() == (ended + sum(marks), at - T0)


@given(st.lists(st.tuples(st.booleans(), st.integers(20, 900), st.integers(1, MIB), st.integers(0, MIB)), max_size=9))
def test_a_restart_that_takes_session_time_with_it_is_counted(steps: list[tuple[bool, int, int, int]]) -> None:
    router = Router(gigawords=True, stamps=True, echoes_class=True, timed=True)
    desk = Desk(router, ["free.1"], announced=True)
    at = begun = T0
    marks, ended_bytes, ended_s = (0, 0), 0, 0
    desk.hear(packet(Kind.START, at))
    for restart, seconds, used_in, used_out in [(False, 60, 1, 1), *steps]:
        if restart and seconds < at - begun:  # else the new count has run as long as the old: no evidence
            ended_bytes, ended_s, begun, marks = ended_bytes + sum(marks), ended_s + at - begun, at, (0, 0)
        at += seconds
        marks = (marks[0] + used_in, marks[1] + used_out)
        desk.hear(packet(Kind.INTERIM, at, *marks, at - begun))
        assert desk.totals() == (ended_bytes + sum(marks), ended_s + at - begun)
