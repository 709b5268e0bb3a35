"""Figures of a report: each definition by an example, and by the dumb way over random worlds."""

import random
from collections.abc import Iterable, Mapping

import pytest

from billing.domain.journal import Account, AccountKind, Journal, business_day
from billing.domain.ledger import refund, sale_by_cash, top_up
from billing.domain.ledger import void as unsay
from billing.domain.money import VAT_KENYA, split
from billing.domain.payment import Payment, PaymentState
from billing.reports import figures
from billing.reports.arithmetic import ALL
from billing.reports.figures import Part, Revenue, Sold, sessions, trade
from billing.reports.paying import Failed, Family, paying
from billing.reports.people import DAY_S, GONE_S, Bought, came_back, churn, people
from billing.reports.span import begin, closes_at
from radius.domain.identity import NasId, SessionUid
from radius.domain.record import SessionRecord
from tests.unit.billing.values import DAY, T0, came, fact, sale

CASH = Account(AccountKind.CASH, "mary")


def revenue(entries: Iterable[Sold]) -> Revenue:
    homes = {"jane": "lodge", "otieno": "mall"}
    return figures.revenue(entries, [DAY], homes.__getitem__)


def sold(id_: str, cents: int, package: str = "day.1", who: str = "jane") -> Sold:
    return Sold(sale_by_cash(fact(id_), sale(id_, cents=cents, package=package), "mary"), who)


def session(uid: str, start: int, end: int, **fields: object) -> SessionRecord:
    plain: dict[str, object] = {
        "subscriber": "jane", "nas": NasId("gate"), "site": "lodge", "acct_session_id": uid, "user_name": "x",
        "device": "d", "right": "r", "in_bytes": 1, "out_bytes": 2, "time_s": max(0, end - start), "last_at": end,
        "closed_at": end, "clean_stop": True,
    }  # fmt: skip
    return SessionRecord(SessionUid(uid), start, 1, **{**plain, **fields})  # type: ignore[arg-type]


def payment(id_: str, state: PaymentState, code: str = "", paid_after: int = 0, checkout: str = "ws_1") -> Payment:
    paid_at = T0 + paid_after if paid_after else 0
    return Payment(id_, 5_000, "600999", "W1", "h", T0, "jane", "day.1", state, checkout, code=code, paid_at=paid_at)


def test_revenue_is_without_tax_and_refunds_count_when_they_are_made() -> None:
    first, second = sold("s1", 5_000), sold("s2", 20_000, "week.2")
    back = refund(fact("r1"), first.journal, 2_000, [], CASH, "K1-1")
    assert isinstance(back, Journal)
    found = revenue([first, second, Sold(back, "jane")])
    net = {cents: split(cents, VAT_KENYA[0]).net_cents for cents in (5_000, 20_000, 2_000)}
    assert (found.gross_cents, found.refunds_cents) == (net[5_000] + net[20_000], net[2_000])
    assert found.net_cents + found.tax_cents == 5_000 + 20_000 - 2_000
    assert found.by_package == {"day": Part(net[5_000], net[2_000]), "week": Part(net[20_000])}
    assert found.by_day == {DAY: Part(found.gross_cents, found.refunds_cents)}
    assert found.taken_cents == {"cash_in_hand": 25_000}


def test_what_was_unsaid_is_no_revenue_and_a_balance_is_none_yet() -> None:
    mistake = sold("s1", 5_000)
    gone = unsay(fact(mistake.journal.id), mistake.journal, [])
    assert isinstance(gone, Journal)
    money = top_up(fact("p1"), "jane", came(7_000, "TKP1", "p1"), "K1-2")
    found = revenue([mistake, Sold(gone, "jane"), Sold(money, "jane")])
    assert (found.net_cents, found.tax_cents) == (0, 0)
    assert found.taken_cents["mpesa_clearing"] == 7_000


def test_sales_are_counted_at_their_price() -> None:
    found = trade([sold("s1", 1_000), sold("s2", 2_000), sold("s3", 9_000, who="otieno"), sold("s4", 9_000, who="")])
    assert (found.sales, found.mean_cents, found.median_cents, found.payers) == (4, 5_250, 2_000, 2)
    assert found.by_way == {"sale_cash": 4}
    assert trade([]) == (0, 0, 0, 0, {})


def test_revenue_by_site_is_that_of_the_customers() -> None:
    entries = [sold("s1", 1_000), sold("s2", 2_000, who="otieno"), sold("s3", 3_000, who="")]
    found = revenue(entries)
    assert set(found.by_site) == {"lodge", "mall", ""}
    assert sum(part.net_cents for part in found.by_site.values()) == found.net_cents


def test_what_was_booked_after_its_day_was_closed_is_marked() -> None:
    on_time = sold("s1", 1_000)
    late = Sold(sale_by_cash(fact("s2", closes_at(DAY)), sale("s2", cents=2_000), "mary"), "jane")
    found = revenue([on_time, late])
    assert (found.late_entries, found.late_days) == (1, (DAY,))
    assert found.late_net_cents == split(2_000, VAT_KENYA[0]).net_cents
    assert found.net_cents == found.late_net_cents + split(1_000, VAT_KENYA[0]).net_cents
    assert revenue([on_time]).late_days == ()


def test_people_are_the_mean_of_the_days() -> None:
    active: Mapping[str, frozenset[str]] = {"2026-11-01": frozenset("abc"), "2026-11-02": frozenset("ab")}
    found = people(active, {"a": "2026-11-01", "c": "2026-11-01"}, 1, 900, 3)
    assert (found.active, found.new, found.came_back) == (2, 2, 1)
    assert (found.arpu_cents, found.arppu_cents) == (450, 300)
    assert found.new_by_day == {"2026-11-01": 2, "2026-11-02": 0}
    assert found.active_by_day == {"2026-11-01": 3, "2026-11-02": 2}
    assert people({"2026-11-01": frozenset()}, {}, 0, 900, 0).arpu_cents is None


def bought(*spans: tuple[int, int]) -> list[Bought]:
    return [Bought(at, ends_at, "") for at, ends_at in spans]


@pytest.mark.parametrize(
    ("spans", "gone", "back"),
    [
        ([(T0 - DAY_S, T0 + 10)], 1, 0),
        ([(T0 - DAY_S, T0 - 10)], 0, 0),  # ended before the span
        ([(T0 - DAY_S, T0 + 10), (T0 + 500, T0 + 2 * DAY_S)], 0, 0),  # bought again soon
        ([(T0 - DAY_S, T0 + 10), (T0 + 5, T0 + 2 * DAY_S)], 0, 0),  # had another already
        ([(T0 - DAY_S, T0 + 10), (T0 + GONE_S + 500, T0 + 2 * GONE_S)], 1, 1),
        ([(T0 - DAY_S, T0 + DAY_S + 10)], 0, 0),  # ends after the span
    ],
)
def test_who_is_gone(spans: list[tuple[int, int]], gone: int, back: int) -> None:
    mine = {"jane": bought(*spans)}
    found = churn(mine, frozenset({"jane", "otieno"}), T0, T0 + DAY_S, T0 + GONE_S, 30)
    assert (found.gone, found.back, found.at_start, found.share) == (gone, back, 2, gone * ALL // 2)
    assert not found.matured
    early = churn(mine, frozenset({"jane"}), T0, T0 + DAY_S, T0 + 5, 30)
    assert early.gone == 0  # nothing has ended yet
    assert churn({}, frozenset(), T0, T0 + DAY_S, T0 + DAY_S + GONE_S, 30).matured


def test_who_is_gone_for_a_week_may_not_be_for_a_month() -> None:
    mine = {"jane": bought((T0 - DAY_S, T0 + 10), (T0 + 10 * DAY_S, T0 + 11 * DAY_S))}
    asked = {days: churn(mine, frozenset(), T0, T0 + DAY_S, T0 + 40 * DAY_S, days) for days in (7, 30)}
    assert [(each.gone, each.back, each.matured) for each in asked.values()] == [(1, 1, True), (0, 0, True)]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(T0 - 40 * DAY_S, T0 - 39 * DAY_S), (T0 + 5, T0 + DAY_S)], 1),
        ([(T0 - 40 * DAY_S, T0 - 9 * DAY_S), (T0 + 5, T0 + DAY_S)], 0),  # nine days are no absence
        ([(T0 - 40 * DAY_S, T0 - 39 * DAY_S), (T0 + 2 * DAY_S, T0 + 3 * DAY_S)], 0),  # after the span
        ([(T0 + 5, T0 + DAY_S)], 1),  # bought before what is read: so long ago
    ],
)
def test_who_came_back(spans: list[tuple[int, int]], expected: int) -> None:
    mine = {"jane": [Bought(at, ends_at, business_day(at)) for at, ends_at in spans]}
    assert came_back(mine, frozenset(), DAY, DAY) == expected
    assert came_back(mine, frozenset({"jane"}), DAY, DAY) == 0  # new


def test_churn_by_the_dumb_way() -> None:
    chance = random.Random(7)
    for _ in range(200):
        spans = sorted(
            (at, at + chance.choice((1, 3, 7, 30)) * DAY_S) for at in chance.sample(range(T0, T0 + 90 * DAY_S), 4)
        )
        since, until = T0 + 30 * DAY_S, T0 + 60 * DAY_S
        # Walk the hours: the last moment within the span at which a right ended and none was running after it.
        ends = [end for _, end in spans if since <= end < until]
        lapses = [end for end in ends if not any(at <= end < other for at, other in spans)]
        last = max(lapses, default=None)
        after_last = [end for _, end in spans if last is not None and last < end < until]
        expected = 0
        if last is not None and not after_last:
            expected = int(not any(last <= at < last + GONE_S for at, _ in spans))
        assert churn({"jane": bought(*spans)}, frozenset(), since, until, until, 30).gone == expected


def test_sessions_that_ended_in_the_span() -> None:
    found = sessions(
        [
            session("a", T0, T0 + 100),
            session("a", T0, T0 + 100),  # the same record twice
            session("b", T0, T0 + 300, subscriber="otieno", out_bytes=10**9),
            session("c", T0, T0 + 500, clean_stop=False),
            session("d", T0, T0),  # of no length
            session("e", T0 - DAY_S, T0 - 1),  # before
            session("f", T0, 0),  # goes on
        ],
        T0,
        T0 + DAY_S,
    )
    assert (found.ended, found.mean_s, found.median_s, found.p90_s, found.reaped) == (2, 200, 100, 300, 1)
    assert found.empty == 1
    assert found.data_bytes == 3 * 3 + 1 + 10**9
    assert [who for who, _ in found.top] == ["otieno", "jane"]
    assert (found.peak, found.peak_at) == (4, T0)  # a, b, c and the one that goes on
    assert found.peak_by_day == {DAY: 4}
    assert found.bytes_by_day == {DAY: found.data_bytes}


def test_whoever_used_no_data_is_not_among_those_who_used_most() -> None:
    none = session("a", T0, T0 + 100, in_bytes=0, out_bytes=0)
    assert sessions([none], T0, T0 + DAY_S).top == ()


def test_whoever_is_online_at_midnight_is_so_on_both_days() -> None:
    midnight = begin("2026-11-26")
    found = sessions(
        [session("a", midnight - 50, midnight + 50), session("b", midnight - 60, midnight - 20, out_bytes=5)],
        begin(DAY),
        begin("2026-11-27"),
    )
    assert found.peak_by_day == {DAY: 2, "2026-11-26": 1}
    assert found.bytes_by_day == {DAY: 6, "2026-11-26": 3}


def test_the_peak_by_the_dumb_way() -> None:
    chance = random.Random(11)
    for _ in range(50):
        found = [session(str(n), T0 + chance.randrange(60), T0 + 60 + chance.randrange(60)) for n in range(12)]
        online = max(sum(s.started_at <= at < s.closed_at for s in found) for at in range(T0 + 30, T0 + 100))
        assert sessions(found, T0 + 30, T0 + 100).peak == online


def test_how_paying_went() -> None:
    found = paying([
        payment("p1", PaymentState.PAID, paid_after=20),
        payment("p2", PaymentState.PROVEN, paid_after=40),
        payment("p3", PaymentState.FAILED, "1032"),
        payment("p4", PaymentState.FAILED, "1032"),
        payment("p5", PaymentState.FAILED, "2028"),
        payment("p6", PaymentState.EXPIRED),
        payment("p7", PaymentState.PENDING),
        payment("p8", PaymentState.PAID),
        payment("p9", PaymentState.FAILED, "404.001.03", checkout=""),
    ])  # fmt: skip
    assert (found.begun, found.paid, found.failed, found.open) == (9, 3, 5, 1)
    assert (found.success, found.conversion) == (3 * ALL // 8, 3 * ALL // 9)
    assert found.system == 3 * ALL // 6  # cancelled twice by the customer; the others are not
    assert found.by_class == {"customer": 2, "network": 0, "system": 0, "configuration": 2, "unknown": 1}
    assert found.by_code[0] == Failed(Family.RESULT, "1032", "customer", 2, 4_000)
    assert {(each.family, each.code) for each in found.by_code[1:]} == {
        (Family.RESULT, "2028"), (Family.PUSH, "404.001.03"), (Family.SILENCE, "expired"),
    }  # fmt: skip
    assert (found.wait_median_s, found.wait_p90_s) == (20, 40)
