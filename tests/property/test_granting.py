"""Invariants 5 and 6: what is granted never exceeds what there is, ends by itself, and nobody competes with himself.

An operator with several devices, several rights and two routers does anything in any order. The auditor adds up leases
and charges by itself.
"""

from hypothesis import given
from hypothesis import strategies as st

from radius.domain import enforcement, entitlement, lifecycle, policy, session
from radius.domain.identity import MacAddress, NasId, ReservationId, parse_class
from radius.domain.nas import CoaScope, Nas
from radius.domain.policy import Accept, Reason, Reject
from radius.domain.session import Kind
from radius.domain.subscriber import Session, SessionState, Subscriber, decode, encode
from radius.domain.terms import ExtraDevice, Hours, PeriodUnit, Rate, Terms, Window, WindowStart
from tests.unit.domain.builders import (
    DAY_S,
    LAPTOP,
    MIB,
    NAS,
    OTHER_NAS,
    PHONE,
    T0,
    TABLET,
    Catalogue,
    ask,
    capabilities,
    nas,
    packet,
    subscriber,
    world,
)

DAY = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)
MONTH = Window(WindowStart.PURCHASE, 1, PeriodUnit.MONTH)
FIRST = Window(WindowStart.FIRST_LOGIN, 2, PeriodUnit.DAY)
SLOW = Rate(64_000, 64_000)
CATALOGUE = Catalogue(
    Terms(id="day.1", window=DAY, quota_bytes=100 * MIB),
    Terms(id="time.1", window=DAY, quota_s=3600),
    Terms(id="both.1", window=DAY, quota_bytes=200 * MIB, quota_s=7200),
    Terms(id="free.1", window=DAY),
    Terms(id="duo.1", window=DAY, quota_bytes=100 * MIB, devices=2, extra_device=ExtraDevice.REPLACE_OLDEST),
    Terms(id="trio.1", window=MONTH, quota_bytes=40 * MIB, quota_s=9000, devices=3),
    Terms(id="daily.1", window=MONTH, quota_bytes=50 * MIB, period=PeriodUnit.DAY, slow_rate=SLOW),
    Terms(id="printed.1", window=FIRST, quota_bytes=70 * MIB),
    Terms(id="night.1", window=MONTH, hours=(Hours(127, 22 * 60, 6 * 60),)),
)
DEVICES = (PHONE, LAPTOP, TABLET)


class House:
    """One customer with devices and routers. `now` only grows; the aggregate is stored as text between steps."""

    def __init__(self, coa: CoaScope, *, moves_caps: bool) -> None:
        can = capabilities(coa=coa, coa_byte_cap=moves_caps and coa is CoaScope.CHANGE)
        self.nas: dict[NasId, Nas] = {NAS: nas(can=can), OTHER_NAS: nas(OTHER_NAS, can=can)}
        self.boots: dict[NasId, int] = {}
        self.now = T0
        self.count = 0
        self.body = encode(subscriber())
        self.accepted: list[tuple[Session, int]] = []

    def load(self) -> Subscriber:
        return decode(self.body)

    def buy(self, terms: str) -> None:
        present = self.load()
        self.count += 1
        present.rights.append(entitlement.issue(f"right{self.count:03}", CATALOGUE[terms], self.now))
        self.body = encode(present)

    def login(self, device: MacAddress, on: NasId) -> Accept | Reject:
        present, self.count = self.load(), self.count + 1
        before = self.load()
        question = ask(device, f"res{self.count:07}", acct_session_id=f"81{self.count:06}")
        answer = policy.reserve(present, question, self.nas[on], world(self.now, CATALOGUE, boots=self.boots))
        self._does_not_compete(before, device, on, answer)
        if isinstance(answer, Accept):
            self.body = encode(present)
            self.accepted.append((answer.session, self.now))
            check_accept(present, answer, self.now)
        return answer

    def _does_not_compete(self, before: Subscriber, device: MacAddress, on: NasId, answer: Accept | Reject) -> None:
        lifecycle.settle(before, world(self.now, CATALOGUE, boots=self.boots))
        before.sessions = [one for one in before.sessions if one.device != device]
        question = ask(device, "res9999999")
        alone = policy.reserve(before, question, self.nas[on], world(self.now, CATALOGUE, boots=self.boots))
        assert type(alone) is type(answer)
        if isinstance(alone, Reject) and isinstance(answer, Reject):
            assert alone.reason is answer.reason

    def account(self, which: Session, begun: int, kind: Kind, used: int, *, classless: bool) -> None:
        present = self.load()
        leases_before = leases_by_right(present)
        event = packet(
            kind,
            self.now,
            None if kind is Kind.START else used // 3,
            None if kind is Kind.START else used - used // 3,
            self.now - begun,
            reservation="" if classless else which.reservation,
            device=MacAddress(which.device),
            on=which.nas,
            acct_session_id=which.acct_session_id,
        )
        there = world(self.now, CATALOGUE, boots=self.boots)
        result = session.account(present, event, self.nas[which.nas], there)
        check_grants(present, leases_before)
        check_slots(present)
        if result.changed:
            self.body = encode(present)
            enforcement.due_at(present, 0)


def leases_by_right(present: Subscriber) -> dict[str, tuple[int, int]]:
    """Bytes and seconds promised, by right, added up the dumb way."""
    found: dict[str, tuple[int, int]] = {}
    for one in present.sessions:
        for lease in one.leases if one.state in (SessionState.RESERVED, SessionState.OPEN) else []:
            byte_sum, second_sum = found.get(lease.right, (0, 0))
            found[lease.right] = (byte_sum + max(0, lease.bytes), second_sum + max(0, lease.seconds))
    return found


def check_grants(present: Subscriber, before: dict[str, tuple[int, int]]) -> None:
    """Where promises grew, charged + promised fits the quota."""
    promised = leases_by_right(present)
    for right in present.rights:
        terms = CATALOGUE[right.terms]
        for index, quota, used in ((0, terms.quota_bytes, right.used_bytes), (1, terms.quota_s, right.used_s)):
            now_promised = promised.get(right.id, (0, 0))[index]
            if quota is not None and now_promised > before.get(right.id, (0, 0))[index]:
                assert used + now_promised <= quota


def check_accept(present: Subscriber, answer: Accept, now: int) -> None:
    limits = answer.limits
    assert 1 <= limits.session_s <= 7 * DAY_S
    assert limits.ends_at == now + limits.session_s
    assert limits.interim_s >= 60
    assert limits.total_bytes is None or limits.total_bytes > 0
    assert parse_class(limits.class_text) == (present.id, answer.session.reservation)
    granted = {lease.right for lease in answer.session.leases}
    check_grants(present, {one: all_ for one, all_ in leases_by_right(present).items() if one not in granted})
    remaining = sum(
        max(0, (CATALOGUE[one.terms].quota_bytes or 0) - one.used_bytes) for one in present.rights if one.id in granted
    )
    if limits.total_bytes is not None:
        assert limits.total_bytes <= remaining
    check_slots(present)
    for right in (right for right in present.rights if right.id in granted | {answer.session.right}):
        # Whoever is online on a right that this Accept grants counts, also one who was let in behind our back.
        online = [one for one in present.sessions if one.state is not SessionState.CLOSED and holds(one, right.id)]
        assert len({one.device for one in online}) <= CATALOGUE[right.terms].devices
        if answer.session.right == right.id:
            assert right.starts_at
            assert answer.session.ends_at <= max(
                one.ends_at for one in present.rights if one.id in {right.id, *(x.right for x in answer.session.leases)}
            )


def holds(one: Session, right_id: str) -> bool:
    return one.right == right_id or right_id in {lease.right for lease in one.leases}


def check_slots(present: Subscriber) -> None:
    """No right is granted to more devices than it is for, whatever was heard.

    A router may serve one more all the same (its Start came after its slot had lapsed): that one is granted nothing,
    its use is charged to a right that is another's, and it waits to be cut.
    """
    live = [one for one in present.sessions if one.state is not SessionState.CLOSED]
    for right in present.rights:
        granted = [one for one in live if holds(one, right.id) and (one.leases or one.slowed)]
        assert len(granted) <= CATALOGUE[right.terms].devices
    for one in live:
        if one.state is SessionState.OPEN and not one.leases and not one.slowed:
            assert any(intent.session == one.uid for intent in present.intents)


STEPS = ["login", "login", "account", "account", "account", "buy", "time", "boot", "settle", "classless"]


@given(st.sampled_from(CoaScope), st.booleans(), st.data())
def test_no_history_grants_more_than_there_is(coa: CoaScope, moves_caps: bool, data: st.DataObject) -> None:
    house = House(coa, moves_caps=moves_caps)
    house.buy(data.draw(st.sampled_from(sorted(CATALOGUE))))
    for step in data.draw(st.lists(st.sampled_from(STEPS), max_size=25)):
        on = data.draw(st.sampled_from([NAS, OTHER_NAS]))
        if step == "login":
            house.login(data.draw(st.sampled_from(DEVICES)), on)
        elif step == "buy":
            house.buy(data.draw(st.sampled_from(sorted(CATALOGUE))))
        elif step == "time":
            house.now += data.draw(st.one_of(st.integers(1, 400), st.integers(1, 2 * DAY_S)))
        elif step == "boot":
            house.boots[on] = house.now
        elif step == "settle":
            present = house.load()
            lifecycle.settle(present, world(house.now, CATALOGUE, boots=house.boots))
            house.body = encode(present)
        elif house.accepted:
            which, granted_at = data.draw(st.sampled_from(house.accepted))
            begun = data.draw(st.integers(granted_at, house.now))
            kind = data.draw(st.sampled_from(Kind))
            house.account(which, begun, kind, data.draw(st.integers(0, 150 * MIB)), classless=step == "classless")


@given(st.lists(st.tuples(st.sampled_from([NAS, OTHER_NAS]), st.integers(0, 100_000), st.booleans()), max_size=12))
def test_one_device_is_never_refused_for_its_own_old_session(logins: list[tuple[NasId, int, bool]]) -> None:
    house = House(CoaScope.DISCONNECT, moves_caps=False)
    house.buy("free.1")
    house.buy("day.1")
    for on, seconds, starts in logins:
        answer = house.login(PHONE, on)
        assert isinstance(answer, Accept) or answer.reason is Reason.EXPIRED
        if starts and isinstance(answer, Accept):
            house.account(answer.session, house.now, Kind.START, 0, classless=False)
        house.now += seconds


WILD = st.one_of(st.none(), st.integers(0, (1 << 64) - 1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Kind),
            st.integers(T0, T0 + 40 * DAY_S),
            WILD,
            WILD,
            st.one_of(st.none(), st.integers(0, (1 << 32) - 1)),
            st.sampled_from(["", "res0000001", "res0000002"]),
            st.sampled_from(["81c00001", "81c00002", ""]),
            st.sampled_from(DEVICES),
            st.booleans(),
        ),
        max_size=20,
    ),
    st.lists(st.sampled_from(sorted(CATALOGUE)), max_size=4),
    st.booleans(),
)
def test_no_packet_of_any_kind_raises(
    packets: list[tuple[Kind, int, int | None, int | None, int | None, str, str, MacAddress, bool]],
    terms: list[str],
    gigawords: bool,
) -> None:
    rights = [entitlement.issue(f"right{n:03}", CATALOGUE[one], T0) for n, one in enumerate(terms)]
    present, now = subscriber(*rights), T0
    router = nas(can=capabilities(coa=CoaScope.CHANGE, coa_byte_cap=True, acct_gigawords=gigawords))
    totals: dict[tuple[str, int], int] = {}
    policy.reserve(present, ask(), router, world(T0, CATALOGUE))
    for kind, at, in_bytes, out_bytes, time_s, reservation, acct_id, device, stamped in packets:
        now = max(now, at)
        event = packet(
            kind,
            at,
            in_bytes,
            out_bytes,
            time_s,
            reservation=ReservationId(reservation),
            acct_session_id=acct_id,
            device=device,
            stamped=stamped,
        )
        result = session.account(present, event, router, world(now, CATALOGUE))
        assert result.delta_bytes >= 0
        assert result.delta_s >= 0
        present = decode(encode(present))
        for one in present.sessions:
            key = (one.uid, one.opened_at)
            assert one.total_bytes >= totals.get(key, 0)
            totals[key] = one.total_bytes
        enforcement.due_at(present, 0)
        lifecycle.settle(present, world(now, CATALOGUE))
