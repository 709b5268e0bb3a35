"""Who paid and is not online: found, let in again, told of. And whose turn it is to ask, over processes."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from billing.domain.payment import PaymentState
from billing.domain.turn import SLOWED_S, Turn
from billing.services.arrivals import LOOKS_MAX, ONLINE_AFTER_S, Arrivals
from billing.services.reconcile import Reconciler, Round
from billing.services.turns import SharedTurns
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, NasId, ReservationId, SubscriberId
from radius.domain.intent import IntentReason, IntentState, Waiting
from radius.domain.lifecycle import await_device
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.ports import Change, Outcome
from tests.contract.billing.town import DEVICE, Town
from tests.contract.values import soon
from tests.unit.billing.values import T0, TILL

CREDITED = T0 + 20  # when a town's callback is settled
FIRST = CREDITED + ONLINE_AFTER_S


class Door:
    """`Provision.let_in` over the town, which remembers who was let in."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.let_in: list[tuple[str, Waiting | None]] = []

    def __call__(self, subscriber: SubscriberId, device: MacAddress, waits: Waiting | None, now: int) -> bool:
        self.let_in.append((device, waits))
        write(self.town, lambda present: await_device(present, device, waits, now))
        return True


def write(town: Town, alter: object) -> None:
    stored = town.book.stores.subscribers.read(town.customer, soon())
    assert stored
    present = aggregate.decode(stored.body)
    assert callable(alter)
    alter(present)
    change = Change(town.customer, stored.version + 1, town.book.new_id(), aggregate.encode(present), stored.due_at)
    assert town.book.stores.subscribers.commit(change, soon()) is Outcome.COMMITTED


def session(device: str, opened_at: int, state: SessionState = SessionState.OPEN) -> Session:
    return Session(ReservationId("r1"), NasId("kilifi-1"), device, state, opened_at, opened_at, opened_at + 3_600)


def online(town: Town, one: Session) -> None:
    write(town, lambda present: present.sessions.append(one))


def gone(town: Town) -> None:
    def alter(present: Subscriber) -> None:
        present.intents.clear()

    write(town, alter)


def worker(town: Town, door: Door | None = None) -> Reconciler:
    arrivals = Arrivals(town.book, door or Door(town))
    return Reconciler(town.book, town.settle, town.provider, SharedTurns(town.book, TILL), lambda: float(T0), arrivals)


def test_a_device_that_came_is_looked_at_once_and_its_seconds_are_known(town: Town) -> None:
    begun, reconciler = town.buy(), worker(town)
    town.callback()
    online(town, session(DEVICE, CREDITED + 7))
    assert reconciler.round(FIRST - 1) == Round()
    assert reconciler.round(FIRST) == Round(online_s=(7,))
    assert reconciler.round(FIRST + 10**6) == Round()
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert town.findings() == []


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (session(DEVICE, CREDITED - 900), Round()),  # online all along: it bought more
        (session(DEVICE, CREDITED + 3, SessionState.CLOSED), Round(online_s=(3,))),  # it came and left
        (session(DEVICE, CREDITED - 900, SessionState.CLOSED), Round(let_in=1)),
        (session(DEVICE, CREDITED + 3, SessionState.RESERVED), Round(let_in=1)),  # an Accept that led to nothing
        (session("0a0a0a0a0a0a", CREDITED + 3), Round(let_in=1)),  # another device
    ],
)
def test_what_counts_as_online(town: Town, one: Session, found: Round) -> None:
    town.buy()
    town.callback()
    online(town, one)
    assert worker(town).round(FIRST) == found


def test_an_intent_that_is_alive_is_rung_for_and_one_that_is_gone_is_made_anew(town: Town) -> None:
    begun, door = town.buy(), Door(town)
    town.callback()
    reconciler = worker(town, door)
    town.rung.clear()
    assert reconciler.round(FIRST) == Round(let_in=1)
    assert (town.rung, door.let_in) == ([town.customer], [])
    gone(town)
    assert reconciler.round(FIRST + ONLINE_AFTER_S) == Round(let_in=1)
    assert door.let_in == [(DEVICE, None)]
    assert [each.reason for each in town.aggregate().intents] == [IntentReason.REAUTHORIZE]
    assert reconciler.round(FIRST + 2 * ONLINE_AFTER_S) == Round(missing=(begun.payment.id,))
    assert reconciler.round(FIRST + 10**6) == Round()
    assert LOOKS_MAX == 3


def test_what_was_given_up_is_tried_anew_where_the_device_waits(town: Town) -> None:
    town.buy()
    town.callback()
    where = Waiting("kilifi-1", "s9")

    def give_up(present: Subscriber) -> None:
        present.intents[0].state, present.intents[0].waits = IntentState.ABANDONED, where

    write(town, give_up)
    door = Door(town)
    assert worker(town, door).round(FIRST) == Round(let_in=1)
    assert door.let_in == [(DEVICE, where)]


def test_a_right_that_was_taken_back_waits_for_nobody(town: Town) -> None:
    town.buy()
    town.callback()

    def revoke(present: Subscriber) -> None:
        present.rights[0].revoked_at = CREDITED + 5

    write(town, revoke)
    assert worker(town).round(FIRST) == Round()
    assert worker(town).round(FIRST + 10**6) == Round()


def test_a_proven_payment_is_watched_and_stays_due_for_its_receipt(town: Town) -> None:
    begun, reconciler = town.buy(), worker(town)
    town.query(begun.payment.id, CREDITED)
    online(town, session(DEVICE, CREDITED + 2))
    assert reconciler.round(FIRST) == Round(online_s=(2,))
    assert town.billing.due(FIRST + 10**6, 9, soon())
    town.callback(now=FIRST + 60)
    assert town.billing.due(FIRST + 10**6, 9, soon()) == []
    assert town.findings() == []


def test_a_receipt_that_comes_before_the_look_does_not_end_the_watch(town: Town) -> None:
    begun, reconciler = town.buy(), worker(town)
    town.query(begun.payment.id, CREDITED)
    town.callback(now=CREDITED + 30)
    assert town.payment(begun.payment.id).state is PaymentState.PAID
    assert reconciler.round(FIRST) == Round(let_in=1)


# -- turns -------------------------------------------------------------------------------------------------------------


def test_two_processes_share_one_rate(town: Town) -> None:
    one, other = (SharedTurns(town.book, TILL, 6) for _ in range(2))
    assert one.take(T0)
    assert not one.take(T0 + 9)
    assert not other.take(T0 + 9)
    assert other.take(T0 + 10)
    assert not one.take(T0 + 10)
    assert SharedTurns(town.book, "600000", 6).take(T0 + 10), "another shortcode has a rate of its own"


def test_of_many_who_ask_at_once_one_may(town: Town) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: SharedTurns(town.book, TILL).take(T0), range(8)))
    assert taken.count(True) == 1


def test_a_refusal_is_heard_by_all_and_halves_the_rate_for_a_while(town: Town) -> None:
    one, other = (SharedTurns(town.book, TILL, 6) for _ in range(2))
    assert one.take(T0)
    one.refused(T0 + 1, 60)
    assert not other.take(T0 + 60)
    assert other.take(T0 + 61)
    assert not one.take(T0 + 80)
    assert one.take(T0 + 81)
    assert other.take(T0 + 1 + SLOWED_S)
    assert one.take(T0 + 11 + SLOWED_S), "at the whole rate again"


def test_a_turn_written_by_a_wrong_clock_holds_nobody_back() -> None:
    assert Turn(TILL, T0 + 86_400.0).wait_s(T0) == 0
    assert Turn(TILL, T0 + 60.0).wait_s(T0) == 60
