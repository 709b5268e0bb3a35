"""Figures of a report: each definition by an example, and by the dumb way over random worlds."""

import random
from collections.abc import Mapping

import pytest

from billing.domain.journal import Account, AccountKind, Journal
from billing.domain.ledger import refund, sale_by_cash, top_up
from billing.domain.ledger import void as unsay
from billing.domain.money import VAT_KENYA, split
from billing.domain.payment import Payment, PaymentState
from billing.reports.figures import ALL, CHURN_S, Sold, by_site, churn, paying, people, revenue, sessions, trade
from radius.domain.identity import NasId, SessionUid
from radius.domain.record import SessionRecord
from tests.unit.billing.values import T0, came, fact, sale

DAY_S = 86_400
CASH = Account(AccountKind.CASH, "mary")


def sold(id_: str, cents: int, package: str = "day.1", who: str = "jane") -> Sold:
    return Sold(sale_by_cash(fact(id_), sale(id_, cents=cents, package=package), "mary"), who)


def session(uid: str, start: int, end: int, **fields: object) -> SessionRecord:
    plain: dict[str, object] = {
        "subscriber": "jane", "nas": NasId("gate"), "site": "lodge", "acct_session_id": uid, "user_name": "x",
        "device": "d", "right": "r", "in_bytes": 1, "out_bytes": 2, "time_s": max(0, end - start), "last_at": end,
        "closed_at": end, "clean_stop": True,
    }  # fmt: skip
    return SessionRecord(SessionUid(uid), start, 1, **{**plain, **fields})  # type: ignore[arg-type]


def payment(id_: str, state: PaymentState, code: str = "", paid_after: int = 0) -> Payment:
    paid_at = T0 + paid_after if paid_after else 0
    return Payment(id_, 5_000, "600999", "W1", "h", T0, "jane", "day.1", state, code=code, paid_at=paid_at)


def test_revenue_is_without_tax_and_refunds_count_when_they_are_made() -> None:
    first, second = sold("s1", 5_000), sold("s2", 20_000, "week.2")
    back = refund(fact("r1"), first.journal, 2_000, [], CASH, "K1-1")
    assert isinstance(back, Journal)
    found = revenue([first, second, Sold(back, "jane")])
    net = {cents: split(cents, VAT_KENYA[0]).net_cents for cents in (5_000, 20_000, 2_000)}
    assert (found.gross_cents, found.refunds_cents) == (net[5_000] + net[20_000], net[2_000])
    assert found.net_cents + found.tax_cents == 5_000 + 20_000 - 2_000
    assert found.by_package == {"day": net[5_000] - net[2_000], "week": net[20_000]}
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
    assert trade([]) == (0, 0, 0, 0)


def test_revenue_by_site_is_that_of_the_customers() -> None:
    entries = [sold("s1", 1_000), sold("s2", 2_000, who="otieno"), sold("s3", 3_000, who="")]
    home = {"jane": "lodge", "otieno": "mall"}
    found = by_site(entries, home.__getitem__)
    assert set(found) == {"lodge", "mall", ""}
    assert sum(found.values()) == revenue(entries).net_cents


def test_people_are_the_mean_of_the_days() -> None:
    active: Mapping[str, frozenset[str]] = {"2026-11-01": frozenset("abc"), "2026-11-02": frozenset("ab")}
    found = people(list(active), active, {"a": "2026-11-01", "b": "2026-10-01", "c": "2026-11-01"}, 900, 3)
    assert (found.active, found.new, found.arpu_cents, found.arppu_cents) == (2, 2, 450, 300)
    assert found.new_by_day == {"2026-11-01": 2, "2026-11-02": 0}
    assert people(["2026-11-01"], {}, {}, 900, 0).arpu_cents is None


@pytest.mark.parametrize(
    ("bought", "gone", "back"),
    [
        ([(T0 - DAY_S, T0 + 10)], 1, 0),
        ([(T0 - DAY_S, T0 - 10)], 0, 0),  # ended before the span
        ([(T0 - DAY_S, T0 + 10), (T0 + 500, T0 + 2 * DAY_S)], 0, 0),  # bought again soon
        ([(T0 - DAY_S, T0 + 10), (T0 + 5, T0 + 2 * DAY_S)], 0, 0),  # had another already
        ([(T0 - DAY_S, T0 + 10), (T0 + CHURN_S + 500, T0 + 2 * CHURN_S)], 1, 1),
        ([(T0 - DAY_S, T0 + DAY_S + 10)], 0, 0),  # ends after the span
    ],
)
def test_who_is_gone(bought: list[tuple[int, int]], gone: int, back: int) -> None:
    found = churn({"jane": bought}, frozenset({"jane", "otieno"}), T0, T0 + DAY_S, T0 + CHURN_S)
    assert (found.gone, found.back, found.at_start, found.share) == (gone, back, 2, gone * ALL // 2)
    assert not found.matured
    early = churn({"jane": bought}, frozenset({"jane"}), T0, T0 + DAY_S, T0 + 5)
    assert early.gone == 0  # nothing has ended yet
    assert churn({}, frozenset(), T0, T0 + DAY_S, T0 + DAY_S + CHURN_S).matured


def test_churn_by_the_dumb_way() -> None:
    chance = random.Random(7)
    for _ in range(200):
        bought = sorted(
            (at, at + chance.choice((1, 3, 7, 30)) * DAY_S) for at in chance.sample(range(T0, T0 + 90 * DAY_S), 4)
        )
        since, until = T0 + 30 * DAY_S, T0 + 60 * DAY_S
        # Walk the hours: the last moment within the span at which a right ended and none was running after it.
        ends = [end for _, end in bought if since <= end < until]
        lapses = [end for end in ends if not any(at <= end < other for at, other in bought)]
        last = max(lapses, default=None)
        after_last = [end for _, end in bought if last is not None and last < end < until]
        expected = 0
        if last is not None and not after_last:
            expected = int(not any(last <= at < last + CHURN_S for at, _ in bought))
        assert churn({"jane": bought}, frozenset(), since, until, until).gone == expected


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
    assert found.data_bytes == 3 * 3 + 1 + 10**9
    assert [who for who, _ in found.top] == ["otieno", "jane"]
    assert found.peak == 4  # a, b, c and the one that goes on


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
    ])  # fmt: skip
    assert (found.begun, found.paid, found.failed) == (8, 3, 4)
    assert (found.success, found.conversion) == (3 * ALL // 7, 3 * ALL // 8)
    assert found.system == 3 * ALL // 5  # cancelled twice by the customer; 2028 and the silence are not
    assert found.by_code[0] == ("1032", "customer", 2)
    assert (found.wait_median_s, found.wait_p90_s) == (20, 40)
