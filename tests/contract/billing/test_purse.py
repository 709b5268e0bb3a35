"""One account of messages for all processes, over memory and the engine: no cent is spent twice, and no code waits."""

from concurrent.futures import ThreadPoolExecutor

from billing.domain.messages_spent import MessagesSpent
from billing.purse import SharedPurse
from billing.sms.budget import Budget, Budgeted
from billing.sms.port import Message, Outcome, Reason, Refused, Sent
from radius.domain.errors import Unavailable
from tests.contract.billing.town import Town
from tests.contract.values import soon

TODAY = "2026-11-25"
BUDGET = Budget(day_cents=400, reserve_cents=160, segment_cents=80)
CODE = Message("254712345678", "123456", critical=True)


class Gateway:
    """Takes every message; `cents` None: it names no price."""

    def __init__(self, cents: int | None = None) -> None:
        self.cents = cents

    def send(self, message: Message) -> Outcome:
        return Sent("x", self.cents)


def process(town: Town, day: str = TODAY, cents: int | None = None) -> Budgeted:
    purse = SharedPurse()
    purse.book = town.book
    return Budgeted(Gateway(cents), BUDGET, lambda: day, purse)


def spent(town: Town) -> MessagesSpent:
    kept = town.billing.thing(MessagesSpent, "messages", soon())
    assert kept
    return kept.thing


def test_all_processes_together_spend_a_days_budget_and_no_more(town: Town) -> None:
    outcomes = [process(town).send(CODE) for _ in range(7)]
    assert outcomes == [Sent("x")] * 5 + [Refused(Reason.BUDGET, retryable=True)] * 2
    assert spent(town) == MessagesSpent(TODAY, 400)
    assert process(town, "2026-11-26").send(CODE) == Sent("x")
    assert spent(town) == MessagesSpent("2026-11-26", 80)


def test_the_gateways_own_price_counts_for_all(town: Town) -> None:
    process(town, cents=10).send(CODE)
    assert spent(town) == MessagesSpent(TODAY, 10)


def test_of_many_at_once_no_two_spend_the_same_cent(town: Town) -> None:
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: process(town, cents=80).send(CODE), range(4)))
    assert outcomes == [Sent("x", 80)] * 4
    assert spent(town).cents <= 320, "who was overtaken too often counted alone"


def test_without_the_store_a_process_counts_alone(town: Town) -> None:
    purse = SharedPurse()
    alone = Budgeted(Gateway(), BUDGET, lambda: TODAY, purse)

    def away(*_: object) -> None:
        raise Unavailable("away")

    assert alone.send(CODE) == Sent("x")
    purse.book = town.book
    purse._shared = away  # type: ignore[method-assign,assignment]
    assert [alone.send(CODE) for _ in range(5)] == [Sent("x")] * 4 + [Refused(Reason.BUDGET, retryable=True)]
