"""The worker of selling: what each loop does, that none stops another, and that all of them end."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from billing.chores import EARLY_S, SICK_S, Chores
from billing.domain.incident import Incident, Level
from billing.domain.notice import What
from billing.domain.payment import EXPIRES_S, PaymentEvent
from billing.domain.statement import Page, Row
from billing.duty import Duty, OnCall
from billing.metrics import RELAYED, catalogue
from billing.process import Timed, calls_of
from billing.provider import Accepted, PushRequest, Refused, Unknown
from billing.run import Loop, Runner, loops_of
from billing.services.arrivals import LOOKS_MAX, ONLINE_AFTER_S
from billing.services.callbacks import SWEEP_AFTER_S
from billing.services.pulls import AGAIN_S, Pulls
from billing.services.reconcile import Round
from billing.services.sell import Order
from billing.sms import port as sms
from radius.domain.clock import ClockGuard, SuspectReason
from radius.domain.errors import Unavailable
from radius.domain.identity import MacAddress
from radius.log import open_log
from radius.metrics import InProcess, Recording
from radius.rlm.clocks import Clocks
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.contract.billing.town import FakeProvider, checkout_of
from tests.contract.billing.values import PACKAGE
from tests.fakes.portal import DEVICE, Stand
from tests.unit.billing.values import DAY, T0, TILL

BASE = 1_800_000_000  # after the release, before which no clock is believed
PATIENCE_S = 30.0


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    made = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    yield made
    made.close()


@pytest.fixture
def chores(stand: Stand) -> Chores:
    return Chores(stand.billing, stand.metrics, stand.logger.logger, lambda: stand.monotonic)


def bought(stand: Stand, number: int = 1) -> PushRequest:
    assert stand.buy(f"a-key-of-this-page-{number}", phone=f"071234567{number}").status_code == 202
    return stand.provider.pushes[-1]


def taken(stand: Stand, push: PushRequest, **said: object) -> None:
    body = {"checkout": checkout_of(push), "code": "0", "cents": push.cents, "receipt": "TKP0000001", **said}
    assert stand.billing.callbacks.take(push.token, json.dumps(body), stand.now)


def messages(stand: Stand) -> list[str]:
    return [line["message"] for line in stand.lines()]


# -- what the loops do -------------------------------------------------------------------------------------------------


def test_a_callback_that_was_left_is_settled_and_told_of(stand: Stand, chores: Chores) -> None:
    taken(stand, bought(stand))
    assert not chores.callbacks(T0 + SWEEP_AFTER_S - 1)
    assert messages(stand) == ["Payment initiated"]
    assert not chores.callbacks(T0 + SWEEP_AFTER_S)
    assert messages(stand) == ["Payment initiated", "Payment completed"]
    assert stand.metrics.total("Revenue", Package="standard") == 50


def test_a_body_that_cannot_be_settled_keeps_no_other_waiting(
    stand: Stand, chores: Chores, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(stand, bought(stand))
    finish, tried = stand.billing.callbacks.finish, []

    def broken(body: str, now: int) -> object:
        tried.append(body)
        if body == tried[0]:
            raise ValueError("a body that nobody understands")
        return finish(body, now)

    monkeypatch.setattr(stand.billing.callbacks, "finish", broken)
    taken(stand, bought(stand, 2), receipt="TKP0000002")
    stand.now += SWEEP_AFTER_S
    chores.callbacks(stand.now)
    assert (len(tried), messages(stand).count("Payment completed")) == (2, 1)
    assert messages(stand).count("Callback could not be settled") == 1
    chores.callbacks(stand.now)
    assert len(tried) == 2, "the sick one rests"
    stand.monotonic += SICK_S
    chores.callbacks(stand.now)
    assert tried[2] == tried[0]


def test_a_result_whose_reply_is_not_there_yet_rests_a_little(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(stand.billing.callbacks, "_hear", lambda text, _late, _now: asked.append(text))
    chores = Chores(stand.billing, stand.metrics, stand.logger.logger, lambda: stand.monotonic)
    assert stand.billing.callbacks.take_result("early", T0)
    stand.now += SWEEP_AFTER_S
    chores.callbacks(stand.now)
    chores.callbacks(stand.now + 5)
    assert asked == ["early"]
    stand.monotonic += EARLY_S
    chores.callbacks(stand.now + 5)
    assert asked == ["early"] * 2


def test_a_payment_that_cannot_be_looked_at_keeps_no_other_waiting(
    stand: Stand, chores: Chores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.provider.answer = Unknown("the reply was lost")
    bought(stand)
    bought(stand, 2)
    look, seen = stand.billing.reconciler._one, list[str]()

    def broken(payment: str, now: int) -> Round:
        seen.append(payment)
        if len(seen) == 1:
            raise ValueError("a record that nobody can read")
        return look(payment, now)

    monkeypatch.setattr(stand.billing.reconciler, "_one", broken)
    with pytest.raises(ExceptionGroup) as failed:
        chores.payments(T0 + EXPIRES_S)
    assert failed.group_contains(ValueError, match="nobody can read")
    assert messages(stand)[-2:] == ["Payment failed", "Payment needs a person"], "the other is expired, and told of"


def test_what_m_pesa_lists_by_itself_is_read_and_trouble_is_told(stand: Stand) -> None:
    answers: list[Page | Refused] = [Refused("401", "not active")]
    push = bought(stand)

    class Listed:
        def pull(self, since: int, until: int, offset: int, now: int) -> Page | Refused:
            row = Row(1, "TKP0000001", T0 + 15, done=True, paid_in_cents=push.cents, account=push.reference)
            return answers.pop() if answers else Page((row,) if since <= T0 + 15 < until and not offset else ())

    pulls = Pulls(stand.billing.book, stand.billing.statements, Listed(), TILL)
    chores = Chores(stand.billing._replace(pulls=pulls), stand.metrics, stand.logger.logger, lambda: stand.monotonic)
    chores.pulls(T0 + 10)
    assert messages(stand)[-1] == "Pulled transactions need a person"
    assert stand.metrics.total("PaymentAlarms") == 1
    for _ in range(200):  # two days back, an hour a round
        chores.pulls(T0 + 10 + 4 * AGAIN_S)
    assert "Payment completed" in messages(stand)


def test_whoever_is_on_duty_is_called_and_silence_is_told(stand: Stand) -> None:
    sent: list[sms.Message] = []

    def send(message: sms.Message) -> sms.Outcome:
        sent.append(message)
        return sms.Refused(sms.Reason.NUMBER) if len(sent) == 2 else sms.Sent("")

    duty = Duty(on_call=(OnCall(name="Amina", phone="0700000001"),), ack_minutes=1)
    incidents = stand.billing.desk.incidents
    calls = calls_of(duty, incidents, "Kilifi WiFi", send, None)
    chores = Chores(stand.billing, stand.metrics, stand.logger.logger, lambda: stand.monotonic, calls=calls)
    incidents.open(Incident("261125-abcd", Level.OUTAGE, "down", "lodge", What.INTERNET, T0, "mary"))
    for minute in range(5):
        chores.incidents(T0 + 60 * minute)
    assert [each.to for each in sent] == ["254700000001"] * 4
    assert messages(stand) == [
        "On-call told", "On-call not reached", "On-call told", "On-call told", "Incident not acknowledged",
    ]  # fmt: skip


def test_a_store_that_is_away_is_no_sickness(stand: Stand, chores: Chores, monkeypatch: pytest.MonkeyPatch) -> None:
    taken(stand, bought(stand))

    def away(*_: object) -> object:
        raise Unavailable("away")

    with monkeypatch.context() as during:
        during.setattr(stand.billing.callbacks, "finish", away)
        with pytest.raises(Unavailable):
            chores.callbacks(T0 + SWEEP_AFTER_S)
    chores.callbacks(T0 + SWEEP_AFTER_S)
    assert messages(stand)[-1] == "Payment completed"


def test_a_payment_that_nobody_answered_for_is_asked_about(stand: Stand, chores: Chores) -> None:
    push = bought(stand)
    stand.provider.says(checkout_of(push), PaymentEvent.QUERY_OPEN, "4999")
    chores.payments(T0 + 20)
    assert (stand.metrics.total("QueriesSent"), stand.provider.queries) == (1, [checkout_of(push)])
    assert messages(stand) == ["Payment initiated"]


def test_a_payment_that_nobody_can_ask_about_expires_and_is_given_to_a_person(stand: Stand, chores: Chores) -> None:
    stand.provider.answer = Unknown("the reply was lost")
    bought(stand)
    chores.payments(T0 + EXPIRES_S)
    assert stand.metrics.total("PaymentOutcome", Status="expired") == 1
    assert messages(stand)[-2:] == ["Payment failed", "Payment needs a person"]
    assert stand.lines()[-1]["level"] == "ERROR"
    assert stand.metrics.total("PaymentAlarms") == 1


def test_paid_and_not_online_is_driven_and_then_told_of(stand: Stand, chores: Chores) -> None:
    bought(stand)
    stand.callback()
    for look in range(1, LOOKS_MAX + 1):
        assert stand.metrics.total("PaidNotOnline") == 0
        chores.payments(T0 + look * ONLINE_AFTER_S)
    assert stand.metrics.total("PaidLetInAgain") == LOOKS_MAX - 1
    assert stand.metrics.total("PaidNotOnline") == 1
    assert messages(stand)[-1] == "Paid and not online"
    assert stand.lines()[-1]["details"]["transactionId"]


def test_the_other_loops_find_nothing_in_an_empty_shop(stand: Stand, chores: Chores) -> None:
    loops = loops_of(chores)
    assert {each.name for each in loops} | {RELAYED} == set(catalogue_loops())
    assert [each.name for each in loops if each.work(T0)] == ["days"]
    assert messages(stand) == ["Day ended"]
    for _ in range(2):
        assert [each.work(T0) for each in loops] == [False] * len(loops)
        assert messages(stand) == ["Day ended", "Books agree"]


def test_books_that_do_not_agree_are_told_of_if_they_still_do_not_minutes_later(stand: Stand, chores: Chores) -> None:
    customer = stand.core.provision.device(DEVICE, T0)
    stand.billing.desk.sell.sell(Order("k1", "achieng", "standard.1", customer, MacAddress(DEVICE)), T0)
    stand.core.provision.grant(customer, PACKAGE.id, T0, "g1")  # and no journal says why
    assert [chores.days(T0), chores.days(T0)] == [True, False]
    assert messages(stand) == ["Day ended"]
    chores.days(T0 + 600)
    chores.days(T0 + 1_200)
    assert messages(stand) == ["Day ended", "Books do not agree"]
    line = stand.lines()[-1]
    assert (line["level"], line["details"]["reason"]) == ("ERROR", "right")


def test_whose_day_is_not_closed_is_told_by_the_sellers_name(stand: Stand, chores: Chores) -> None:
    customer = stand.core.provision.device(DEVICE, T0)
    stand.billing.desk.sell.sell(Order("k1", "achieng", "standard.1", customer, MacAddress(DEVICE)), T0)
    assert chores.days(T0 + 86_400)  # T0 is past noon
    day_ended, not_closed = stand.lines()[-2:]
    assert day_ended["details"] == {"day": DAY, "count": 1, "amount": 50}
    assert (not_closed["message"], not_closed["level"]) == ("Day not closed", "WARN")
    assert not_closed["details"] == {"day": DAY, "seller": "achieng"}
    assert stand.metrics.total("TillsNotClosed") == 1


def catalogue_loops() -> tuple[str, ...]:
    return next(each.dims["Loop"] for each in catalogue() if each.name == "BillingRounds")


def test_a_push_is_timed_whatever_becomes_of_it() -> None:
    provider, metrics, at = FakeProvider(), Recording(catalogue()), [0.0]
    request = PushRequest("254712345678", 5_000, "R1", "t")

    def slow(_request: PushRequest, _now: int) -> Accepted:
        at[0] += 3
        return Accepted("c1")

    provider.push = slow  # type: ignore[method-assign]
    timed = Timed(provider, metrics, lambda: at[0])
    assert timed.push(request, T0) == Accepted("c1")
    assert metrics.observations["PaymentSubmit"] == [3]
    assert timed.shortcode == provider.shortcode


# -- how they turn -----------------------------------------------------------------------------------------------------


class Turning:
    """A runner in a thread."""

    def __init__(self, folder: Path, *loops: Loop) -> None:
        self.metrics = InProcess("test", strict=True, catalogue=catalogue())
        self.log = open_log(folder / "log.jsonl", strict=True, metrics=self.metrics)
        self.path = folder / "log.jsonl"
        self.wall_s, self.measured = float(BASE), 0
        clocks = Clocks(lambda: self.wall_s, time.monotonic, lambda: 0.0, ClockGuard(0, BASE - 1000), lambda: False)
        self.runner = Runner(loops, clocks, self.metrics, self.log.logger, self.measure)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.runner.run, args=(self.stop,))
        self.thread.start()

    def measure(self) -> None:
        self.measured += 1

    def wait(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.005)

    def end(self) -> list[dict[str, Any]]:
        self.stop.set()
        self.thread.join()
        self.log.sink.close()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def test_a_loop_that_fails_is_told_of_and_tried_again_and_stops_no_other(tmp_path: Path) -> None:
    before, seen = set(threading.enumerate()), []

    def fails(_now: int) -> bool:
        raise ValueError("no")

    def away(_now: int) -> bool:
        raise Unavailable("away")

    def several(_now: int) -> bool:
        raise ExceptionGroup("several", [ValueError("one"), KeyError("another")])

    turning = Turning(
        tmp_path,
        Loop("payments", 0.01, fails),
        Loop("refunds", 0.01, several),
        Loop("strays", 0.01, away),
        Loop("callbacks", 0.01, lambda now: bool(seen.append(now))),
    )
    turning.wait(lambda: turning.metrics.value("BillingRounds", Loop="callbacks") > 2)
    turning.wait(lambda: turning.metrics.value("BillingRoundsFailed", Loop="payments") > 1)
    turning.wait(lambda: turning.metrics.value("BillingRoundsFailed", Loop="strays") > 1)
    turning.wait(lambda: turning.metrics.value("BillingRoundsFailed", Loop="refunds") > 1)
    lines = turning.end()
    assert not set(threading.enumerate()) - before
    assert set(seen) == {BASE}
    told = {(line["message"], line["level"], line["details"]["operation"]) for line in lines}
    assert told == {
        ("Billing round failed", "ERROR", "payments"),
        ("Billing round failed", "ERROR", "refunds"),
        ("Billing waits for the store", "WARN", "strays"),
    }
    errors = [line["details"]["error"] for line in lines if line["details"]["operation"] == "refunds"]
    assert {"ValueError", "KeyError"} == {error.split(":")[0] for error in errors}


def test_while_there_is_more_nobody_waits(tmp_path: Path) -> None:
    left = [True] * 7
    turning = Turning(tmp_path, Loop("vouchers", 3_600, lambda _: bool(left) and left.pop()))
    turning.wait(lambda: turning.metrics.value("BillingRounds", Loop="vouchers") == 8)
    turning.end()


def test_on_a_wrong_clock_nothing_is_done(tmp_path: Path) -> None:
    done: list[int] = []
    turning = Turning(tmp_path, Loop("refunds", 0.01, lambda now: bool(done.append(now))))
    turning.wait(lambda: done)
    turning.wall_s = 1_000.0
    turning.wait(lambda: sum(turning.metrics.value("ClockSuspect", Reason=each.value) for each in SuspectReason) > 1)
    turning.end()
    assert set(done) == {BASE}
