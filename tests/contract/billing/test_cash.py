"""Money in somebody's hand, over memory and the engine: sold once, counted right, and never more than a float."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from billing.domain.agent import Agent
from billing.domain.journal import Account, AccountKind
from billing.domain.ledger import Missing, cash_of
from billing.domain.trade import agent_commission
from billing.paper.statement import DayClose, Sold
from billing.services.agents import Agents, Line, Moved
from billing.services.close_day import CloseDay, Count
from billing.services.sell import Order, Sell, SoldNow
from billing.store.ports import BillingStore
from billing.store.rows import Found
from radius.domain.errors import Malformed, RadiusError
from radius.domain.intent import IntentReason
from radius.store.open import Store
from tests.contract.billing.town import DAY_BEFORE, DEVICE, DyingRows, Killed, Town
from tests.contract.values import name, soon
from tests.unit.billing.values import DAY, T0

BANK = Account(AccountKind.BANK, "main")


def order(town: Town, key: str = "k1", agent: str = "", package: str = "standard.1") -> Order:
    return Order(key, "achieng", package, town.customer, DEVICE, agent=agent)


def agent(town: Town, ceiling_cents: int = 0) -> Agents:
    agents = Agents(town.book)
    agents.put(Agent("duka-1", {"standard": 1_000}, ceiling_cents))
    return agents


def held(town: Town) -> tuple[int, int]:
    kept = town.billing.thing(Agent, "duka-1", soon())
    assert kept
    return kept.thing.float_cents, kept.thing.earned_cents


# -- a seller ----------------------------------------------------------------------------------------------------------


def test_a_cash_sale_puts_the_customer_online_once(town: Town) -> None:
    sell = Sell(town.book)
    sold = sell.sell(order(town), T0)
    assert isinstance(sold, SoldNow)
    assert not sold.again
    assert sell.sell(order(town), T0 + 5) == sold._replace(again=True)
    assert town.rights() == [sold.right]
    assert [i.reason for i in town.aggregate().intents] == [IntentReason.REAUTHORIZE]
    assert town.cents(cash_of("achieng")) == 5_000
    assert town.findings() == []


def test_the_same_key_of_another_seller_is_another_sale(town: Town) -> None:
    sell = Sell(town.book)
    sell.sell(order(town), T0)
    sell.sell(order(town)._replace(seller="baraka"), T0)
    assert len(town.rights()) == 2
    assert town.findings() == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"package": "standard.2"}, "package"), ({"subscriber": name(404)}, "subscriber"), ({"seller": "a b"}, "seller")],
)
def test_what_cannot_be_sold(town: Town, wrong: dict[str, str], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        Sell(town.book).sell(order(town)._replace(**wrong), T0)  # type: ignore[arg-type]
    assert refused.value.field == field
    assert town.cents(cash_of("achieng")) == 0


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_sale_may_end_at_any_step(town: Town, after: bool) -> None:
    for n in range(1, 30):
        victim = Town(town.core, DyingRows(town.billing.rows, n, after=after), seed=10 + n)  # type: ignore[arg-type]
        try:
            Sell(victim.book).sell(order(town), T0 + n)
        except Killed:
            continue
        break
    assert len(town.rights()) == 1
    assert town.cents(cash_of("achieng")) == 5_000
    assert town.findings() == []


def test_one_sale_at_two_desks_at_once_is_one(store: Store, billing: BillingStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, 21):
            town = Town(store, billing.rows, who=who)
            town.found()
            other = Town(store, billing.rows, who=who, seed=2)
            jobs = [pool.submit(Sell(each.book).sell, order(town, f"k{who}"), T0) for each in (town, other)]
            results = [job.result() for job in jobs]
            assert len(town.rights()) == 1
            assert sorted(isinstance(each, SoldNow) and each.again for each in results) == [False, True]
    assert town.cents(cash_of("achieng")) == 20 * 5_000
    assert town.findings() == []


# -- an agent ----------------------------------------------------------------------------------------------------------


def test_an_agent_sells_out_of_the_float_and_earns(town: Town) -> None:
    agents, sell = agent(town), Sell(town.book)
    assert sell.sell(order(town, agent="duka-1"), T0) == Missing(5_000)
    paid = agents.pay_in("duka-1", 8_000, cash_of("achieng"), "p1", "achieng", T0)
    assert isinstance(paid, Moved)
    assert agents.pay_in("duka-1", 8_000, cash_of("achieng"), "p1", "achieng", T0) == paid._replace(again=True)
    assert isinstance(sell.sell(order(town, agent="duka-1"), T0 + 1), SoldNow)
    assert held(town) == (3_000, 500)
    assert sell.sell(order(town, "k2", "duka-1"), T0 + 2) == Missing(2_000)
    assert agents.pay_out("duka-1", 501, BANK, "o1", "achieng", T0 + 3) == Missing(1)
    assert isinstance(agents.pay_out("duka-1", 300, BANK, "o1", "achieng", T0 + 3), Moved)
    into = agent_commission("duka-1")
    assert agents.pay_in("duka-1", 201, into, "t1", "duka-1", T0 + 4) == Missing(1)
    assert isinstance(agents.pay_in("duka-1", 200, into, "t1", "duka-1", T0 + 4), Moved)
    assert held(town) == (3_200, 0)
    lines = agents.statement("duka-1", DAY_BEFORE, DAY)
    assert [(line.float_cents, line.commission_cents) for line in lines] == [
        (8_000, 0), (-5_000, 500), (0, -300), (200, -200),
    ]  # fmt: skip
    assert isinstance(lines[0], Line)
    assert town.findings() == []


def test_an_agent_on_credit_stops_at_the_ceiling(town: Town) -> None:
    agents, sell = agent(town, ceiling_cents=9_000), Sell(town.book)
    assert isinstance(sell.sell(order(town, agent="duka-1"), T0), SoldNow)
    assert sell.sell(order(town, "k2", "duka-1"), T0) == Missing(1_000)
    assert held(town) == (-5_000, 500)
    with pytest.raises(Malformed):
        agents.put(Agent("duka-1", {}, 4_999))
    agents.put(Agent("duka-1", {}, 5_000))
    assert town.findings() == []


def test_two_sales_at_once_never_take_one_float_twice(store: Store, billing: BillingStore) -> None:
    """Floats for one sale each, two sellers at the same instant."""
    with ThreadPoolExecutor(2) as pool:
        for who in range(1, 21):
            town = Town(store, billing.rows, who=who)
            town.found()
            agents = agent(town)
            agents.pay_in("duka-1", 5_000, BANK, f"p{who}", "achieng", T0)
            jobs = [pool.submit(Sell(town.book).sell, order(town, f"{who}.{n}", "duka-1"), T0) for n in (1, 2)]
            found = {type(job.result()) for job in jobs}
            assert found == {SoldNow, Missing}
            assert held(town)[0] == 0
    assert town.findings() == []


def test_an_agent_whose_float_is_not_what_was_booked_is_found(town: Town) -> None:
    agent(town).pay_in("duka-1", 5_000, BANK, "p1", "achieng", T0)
    kept = town.billing.thing(Agent, "duka-1", soon())
    assert kept
    town.put(kept._replace(thing=Agent("duka-1", {}, float_cents=5_001), version=kept.version + 1))
    assert [finding.rule.value for finding in town.findings()] == ["balance"]  # type: ignore[attr-defined]


# -- the close ---------------------------------------------------------------------------------------------------------


def test_a_close_books_the_gap_and_what_was_handed_in(town: Town) -> None:
    sell, closes = Sell(town.book), CloseDay(town.book, DAY_BEFORE)
    for key in ("a", "b", "c"):
        sell.sell(order(town, key), T0)
    made = closes.close(Count("achieng", 14_000, 10_000, reason="change"), "plaza", "achieng", T0 + 60)
    assert made == DayClose(DAY, "plaza", "achieng", 15_000, 14_000, (Sold("standard.1", 3, 15_000),), 10_000)
    assert town.cents(cash_of("achieng")) == 4_000
    assert town.cents(Account(AccountKind.DIFFERENCE, "achieng")) == 1_000
    assert town.cents(BANK) == 10_000
    assert town.findings() == []


def test_what_is_sold_after_the_close_is_in_the_next_one(town: Town) -> None:
    sell, closes = Sell(town.book), CloseDay(town.book, DAY_BEFORE)
    sell.sell(order(town, "a"), T0)
    assert closes.close(Count("achieng", 5_000, 4_000), "plaza", "achieng", T0 + 60).difference_cents == 0
    sell.sell(order(town, "b"), T0 + 70)
    again = closes.close(Count("achieng", 6_000), "plaza", "achieng", T0 + 80)
    assert (again.booked_cents, again.difference_cents) == (6_000, 0)
    sell.sell(order(town, "c"), T0 + 90)
    tomorrow = closes.close(Count("achieng", 11_100, 11_100, reason="found"), "plaza", "achieng", T0 + 86_400)
    assert (tomorrow.booked_cents, tomorrow.difference_cents) == (11_000, 100)
    assert tomorrow.sold == ()
    assert town.cents(cash_of("achieng"), DAY_BEFORE, "2026-11-26") == 0


def test_cash_handed_to_another_seller_is_in_that_ones_next_close(town: Town) -> None:
    sell, closes = Sell(town.book), CloseDay(town.book, DAY)
    sell.sell(order(town, "a"), T0)
    closes.close(Count("achieng", 5_000, 5_000, cash_of("otieno")), "plaza", "achieng", T0 + 60)
    assert closes.close(Count("otieno", 5_000), "plaza", "otieno", T0 + 70).difference_cents == 0
    assert closes.close(Count("achieng", 0), "plaza", "achieng", T0 + 80).difference_cents == 0
    assert town.findings() == []


class Lagging:
    """An index of days that shows nothing newer than an instant."""

    def __init__(self, rows: object, until: int) -> None:
        self.rows, self.until = rows, until

    def __getattr__(self, method: str) -> object:
        return getattr(self.rows, method)

    def day(self, *asked: object) -> list[Found]:
        found: list[Found] = self.rows.day(*asked)  # type: ignore[attr-defined]
        return [each for each in found if each.at <= self.until]


def test_an_index_that_lags_moves_a_sale_to_the_next_close_and_books_no_gap_for_the_last_one(town: Town) -> None:
    sell, closes = Sell(town.book), CloseDay(town.book, DAY)
    sell.sell(order(town, "a"), T0)
    late = Town(town.core, Lagging(town.rows, T0 + 59), seed=3)  # type: ignore[arg-type]
    assert (
        closes.close(Count("achieng", 4_000, 3_000, reason="?"), "plaza", "achieng", T0 + 60).difference_cents == -1_000
    )
    sell.sell(order(town, "b"), T0 + 61)
    assert CloseDay(late.book, DAY).close(Count("achieng", 1_000), "plaza", "achieng", T0 + 62).difference_cents == 0
    assert closes.close(Count("achieng", 6_000), "plaza", "achieng", T0 + 70).difference_cents == 0
    assert town.findings() == []


def test_two_closers_at_once_book_one_gap(store: Store, billing: BillingStore) -> None:
    town = Town(store, billing.rows)
    town.found()
    Sell(town.book).sell(order(town), T0)
    with ThreadPoolExecutor(2) as pool:
        count = Count("achieng", 4_000, reason="change")
        jobs = [pool.submit(CloseDay(town.book, DAY).close, count, "plaza", "achieng", T0) for _ in range(2)]
        made = sorted((job.result() for job in jobs), key=lambda close: close.again)
    assert [(each.again, each.difference_cents) for each in made] == [(False, -1_000), (True, -1_000)]
    assert town.cents(cash_of("achieng")) == 4_000
    assert town.findings() == []


def test_the_same_close_again_is_booked_once(town: Town) -> None:
    sell, closes = Sell(town.book), CloseDay(town.book, DAY)
    sell.sell(order(town, "a"), T0)
    count = Count("achieng", 6_000, 6_000, reason="found", key="slip 1")
    first = closes.close(count, "plaza", "achieng", T0 + 60)
    same = msgspec.structs.replace(first, again=True)
    assert closes.close(count._replace(key=""), "plaza", "otieno", T0 + 61) == same
    sell.sell(order(town, "b"), T0 + 70)
    assert closes.close(count, "plaza", "achieng", T0 + 80) == same
    with pytest.raises(Malformed, match="key: is that of another count"):
        closes.close(count._replace(counted_cents=6_100), "plaza", "achieng", T0 + 81)
    with pytest.raises(Malformed, match="reason: the books of achieng say another sum"):
        closes.close(Count("achieng", 6_000, 6_000), "plaza", "achieng", T0 + 82)
    assert (town.cents(cash_of("achieng")), town.cents(BANK)) == (5_000, 6_000)
    assert town.findings() == []


@pytest.mark.parametrize("count", [Count("achieng", 100, 101), Count("achieng", 100, 1, cash_of("achieng"))])
def test_counts_that_cannot_be(town: Town, count: Count) -> None:
    with pytest.raises(RadiusError):
        CloseDay(town.book, DAY).close(count, "plaza", "achieng", T0)
