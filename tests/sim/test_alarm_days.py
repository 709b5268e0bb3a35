"""Days of a shop minute by minute, as its alarms see them: an ordinary one wakes nobody, each fault its own alarm.

The services are the real ones over memory; what they count goes to the judge as CloudWatch would be told it.
"""

import json
import random
from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from billing.alarms import ALARMS, COMPOSITES, Alarm, Series, of_one_box
from billing.chores import HEARTBEAT_S, Chores
from billing.domain.day_end import DayEnds
from billing.domain.silence import Hours, longest_gap_s
from billing.evaluation import Sample, State, judge
from billing.metrics import catalogue
from billing.ports import Kept, Posting
from billing.process import count_requests
from billing.provider import Refused, Trouble
from billing.run import Loop, loops_of
from billing.services.sell import Order
from radius.cloudwatch import Deltas
from radius.domain.identity import MacAddress
from radius.metrics import InProcess, Kind
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.contract.billing.town import checkout_of
from tests.contract.billing.values import PACKAGE
from tests.fakes.portal import Stand
from tests.unit.billing.portal.devices import go_online
from tests.unit.billing.values import T0

HOUR_S = 3_600
MIDNIGHT = T0 - 13 * HOUR_S  # in Nairobi
NOON = MIDNIGHT + 12 * HOUR_S
FOUR = NOON + 4 * HOUR_S
SALES_AN_HOUR = (1, 0, 0, 0, 0, 0, 1, 3, 5, 6, 6, 6, 8, 8, 7, 7, 8, 10, 14, 16, 12, 8, 4, 2)
OF_ROUTERS = {"RadiusSilent"}  # no router reports here
GAUGES = {metric.name for metric in catalogue() if metric.kind is Kind.GAUGE}
WATCHED = [alarm for alarm in of_one_box() if alarm.name not in OF_ROUTERS]


def usual_gaps(busy: int) -> tuple[int, ...]:
    """The longest of each of seven days like these."""
    rolls = random.Random(7)
    found = []
    for _ in range(7):
        minutes = [at for at in range(MIDNIGHT, MIDNIGHT + 24 * HOUR_S, 60) if rolls.random() < customers(at, busy)]
        found.append(longest_gap_s(Hours(), "2026-11-25", minutes))
    return tuple(found)


def customers(at: int, busy: int) -> float:
    """How many come in the minute from `at` on, on average."""
    return SALES_AN_HOUR[(at - MIDNIGHT) // HOUR_S % 24] * busy / 60


class Day:
    """One shop from midnight on. What may go wrong is a switch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, begins_at: int, busy: int = 1) -> None:
        self.metrics = InProcess(strict=True, catalogue=catalogue(("standard",)))
        store = memory_store(MemoryStore())
        self.stand = Stand(folder, store, monkeypatch, metrics=self.metrics)
        self.stand.now, self.busy = begins_at, busy
        chores = Chores(self.stand.billing, self.metrics, self.stand.logger.logger, lambda: float(self.stand.now))
        self.loops = {loop.name: loop for loop in loops_of(chores)}
        self.rolls = random.Random(busy)
        self.heard = count_requests(self.metrics)
        self.deltas = Deltas(self.metrics)
        self.samples: list[Sample] = []
        self.sold = 0
        self.calls = self.customers = self.works = self.settles = self.lets_in = True
        self.trouble: Trouble | None = None
        book = self.stand.billing.book
        book.post(Posting(book.new_id(), things=(Kept(DayEnds("2026-11-24", usual_gaps(busy))),)))

    def minute(self) -> None:
        stand = self.stand
        for _ in range(int(customers(stand.now, self.busy) + self.rolls.random()) if self.customers else 0):
            self.sell()
        for loop in self.loops.values() if self.works else ():
            self.round(loop)
        self.samples += [
            Sample(stand.now, Series(datum.name, datum.dims), datum.values, datum.counts)
            for datum in self.deltas.take()
            if self.works or datum.name not in GAUGES  # they are the worker's own
        ]
        stand.now += 60
        stand.monotonic += 60

    def round(self, loop: Loop) -> None:
        if loop.name == "callbacks" and not self.settles:
            return
        loop.work(self.stand.now)
        self.metrics.count("BillingRounds", Loop=loop.name)

    def sell(self) -> None:
        """One customer of a hundred is refused by M-Pesa's own, twelve cancel."""
        self.sold += 1
        device = f"02:00:00:00:{self.sold // 256:02x}:{self.sold % 256:02x}"
        self.heard(self.trouble)
        phone = f"07{10_000_000 + self.sold}"
        asked = len(self.stand.provider.pushes)
        self.stand.buy(f"a-key-of-this-page-{self.sold:05}", phone=phone, device=device)
        if len(self.stand.provider.pushes) == asked or self.stand.provider.answer or not self.calls:
            return
        push = self.stand.provider.pushes[-1]
        code = "1032" if self.rolls.random() < 0.12 else "0"
        said = {"checkout": checkout_of(push), "code": code, "cents": push.cents, "receipt": f"TKQ{self.sold:07}"}
        if not self.settles:
            assert self.stand.billing.callbacks.take(push.token, json.dumps(said), self.stand.now)
            return
        self.stand.callback(len(self.stand.provider.pushes), **said)
        if code == "0" and self.lets_in:
            go_online(self.stand, MacAddress(device.replace(":", "")))

    def until(self, at: int) -> "Day":
        while self.stand.now < at:
            self.minute()
        return self

    def on(self, alarm: Alarm, now: int) -> bool:
        first = bisect_left(self.samples, now - (alarm.of + 1) * alarm.period_s, key=lambda each: each.at)
        return (
            judge(alarm, self.samples[first : bisect_left(self.samples, now, key=lambda each: each.at)], now)
            is State.ALARM
        )

    def woken(self, since: int) -> set[str]:
        """Alarms that were on at some time."""
        return {
            alarm.name
            for alarm in WATCHED
            for now in range(max(since, MIDNIGHT + alarm.of * alarm.period_s), self.stand.now, 300)
            if self.on(alarm, now)
        }


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    made = Day(tmp_path, monkeypatch, MIDNIGHT - 4 * HOUR_S)
    yield made
    made.stand.close()


@pytest.fixture
def afternoon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    """Of a busy shop."""
    made = Day(tmp_path, monkeypatch, FOUR - HOUR_S, busy=10)
    yield made
    made.stand.close()


def test_an_ordinary_day_wakes_nobody(day: Day) -> None:
    day.until(MIDNIGHT + 24 * HOUR_S)
    assert day.sold > 100
    assert day.metrics.value("PaymentFailures", ErrorClass="customer") > 5
    assert day.woken(MIDNIGHT) == set()
    beats = [each.values[0] for each in day.samples if each.series.name == "Heartbeat"]
    turns = sum(before != after for before, after in pairwise(beats))
    assert turns == pytest.approx(28 * HOUR_S / HEARTBEAT_S, abs=1), "whoever waits for it hears each turn"


def nobody_comes(day: Day) -> None:
    day.customers = False


def nobody_settles(day: Day) -> None:
    day.settles = False


def the_worker_ends(day: Day) -> None:
    day.works = False


def keys_expired(day: Day) -> None:
    day.trouble = Trouble.TOKEN
    day.stand.provider.answer = Refused("401.002.01", "Invalid Access Token")


def routers_let_nobody_in(day: Day) -> None:
    day.lets_in = False


def a_right_without_a_journal(day: Day) -> None:
    customer = day.stand.core.provision.device("06:00:00:00:00:01", day.stand.now)
    order = Order("k1", "achieng", "standard.1", customer, MacAddress("060000000001"))
    day.stand.billing.desk.sell.sell(order, day.stand.now)
    day.stand.core.provision.grant(customer, PACKAGE.id, day.stand.now, "g1")


def the_reconciler_hangs(day: Day) -> None:
    day.calls = False
    del day.loops["payments"]


FAULTS: list[tuple[Callable[[Day], None], set[str]]] = [
    (nobody_comes, {"NoSales"}),
    (nobody_settles, {"PaidNotCredited", "NoSales", "PaymentFailures"}),
    (the_worker_ends, {"SellingSilent", "NoSales"}),
    (keys_expired, {"PaymentFailures", "MpesaTrouble", "NoSales"}),
    (routers_let_nobody_in, {"PaidNotOnline", "PaymentAlarms"}),
    (the_reconciler_hangs, {"PaymentsOpen", "NoSales"}),
]


@pytest.mark.parametrize(("fault", "wanted"), FAULTS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_fault_of_an_evening_wakes_by_its_own_alarms_and_no_others(
    afternoon: Day, fault: Callable[[Day], None], wanted: set[str]
) -> None:
    fault(afternoon.until(FOUR))
    afternoon.until(FOUR + 2 * HOUR_S)
    assert afternoon.woken(FOUR - HOUR_S // 2) == wanted
    down = {name for composite in COMPOSITES for name in composite.any_of}
    assert ("NoSales" in wanted) == bool(wanted & down), "customers who cannot buy are one event"


def test_books_that_do_not_agree_stay_an_alarm_until_they_do(afternoon: Day) -> None:
    a_right_without_a_journal(afternoon.until(FOUR - HOUR_S // 2))
    afternoon.stand.billing.books.ask()
    afternoon.until(FOUR)
    assert afternoon.woken(FOUR - HOUR_S // 2) == {"LedgerImbalance", "PaymentAlarms"}
    watched = next(alarm for alarm in ALARMS if alarm.name == "LedgerImbalance")
    assert afternoon.on(watched, FOUR), "told once, and on until a check says otherwise"
    afternoon.stand.billing.pulse.checked(0, FOUR)
    assert not afternoon.until(FOUR + 900).on(watched, FOUR + 900)
