"""A day that is over, over memory and the engine: looked at once: what it brought, and whose cash nobody counted."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

from billing.domain.day_end import DayEnd
from billing.services.close_day import CloseDay, Count
from billing.services.day_ends import DayEndWatch
from billing.services.sell import Order, Sell
from radius.domain.calendar import local
from radius.domain.entitlement import ZONE_DEFAULT
from tests.contract.billing.town import DAY_BEFORE, DEVICE, Town
from tests.unit.billing.values import DAY, T0

MIDNIGHT = (
    T0
    + 86_400
    - sum(part * unit for part, unit in zip(local(T0, ZONE_DEFAULT).timetuple()[3:6], (3_600, 60, 1), strict=True))
)
NOON = MIDNIGHT + 12 * 3_600
NEXT = (date.fromisoformat(DAY) + timedelta(days=1)).isoformat()


def sell(town: Town, seller: str, at: int) -> None:
    Sell(town.book).sell(Order(f"k{at}", seller, "standard.1", town.customer, DEVICE), at)


def test_who_has_not_closed_by_noon_is_told_of_once(town: Town) -> None:
    watch = DayEndWatch(town.book)
    sell(town, "achieng", T0)
    sell(town, "baraka", T0 + 1)
    town.buy()
    town.callback()
    CloseDay(town.book, DAY_BEFORE).close(Count("achieng", 5_000), "plaza", "achieng", T0 + 60)
    assert watch.round(NOON - 1) == DayEnd(DAY_BEFORE, 0, 0, ()), "until noon it is the day before that is over"
    assert watch.round(NOON - 1) is None
    assert watch.round(NOON) == DayEnd(DAY, 3, 15_000, ("baraka",))
    assert watch.round(NOON) is None


def test_who_closes_in_the_morning_has_closed_and_later_sales_are_of_the_next_close(town: Town) -> None:
    watch = DayEndWatch(town.book)
    sell(town, "achieng", T0)
    CloseDay(town.book, DAY_BEFORE).close(Count("achieng", 5_000), "plaza", "achieng", MIDNIGHT + 7 * 3_600)
    assert watch.round(NOON) == DayEnd(DAY, 1, 5_000, ())
    sell(town, "achieng", NOON + 60)
    assert watch.round(NOON + 86_400) == DayEnd(NEXT, 1, 5_000, ())


def test_days_that_nobody_looked_at_are_looked_at_one_by_one(town: Town) -> None:
    watch = DayEndWatch(town.book)
    assert watch.round(NOON) == DayEnd(DAY, 0, 0, ())
    sell(town, "achieng", NOON)
    found = [watch.round(NOON + 3 * 86_400) for _ in range(4)]
    assert [each and (each.day > DAY, each.open_tills) for each in found] == [
        (True, ("achieng",)), (True, ()), (True, ()), None,
    ]  # fmt: skip


def test_of_several_workers_one_tells(town: Town) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: DayEndWatch(town.book).round(NOON), range(8)))
    assert [each for each in found if each] == [DayEnd(DAY, 0, 0, ())]
