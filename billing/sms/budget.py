"""What a day's messages may cost. Whoever asks for a code again and again spends this much, and no more.

A part of the budget is kept for critical messages: reminders stop before one-time codes do.
"""

from collections.abc import Callable
from threading import Lock
from typing import Protocol

import msgspec

from billing.sms.port import Message, Outcome, Reason, Refused, Sender, Sent
from billing.sms.segments import segments


class Budget(msgspec.Struct, frozen=True):
    """Cents a day, the share of it that only critical messages may use, and what a segment is taken to cost."""

    day_cents: int
    reserve_cents: int
    segment_cents: int

    def cost(self, text: str) -> int:
        """What a text is taken to cost before the gateway says."""
        return segments(text).parts * self.segment_cents


class Spent(msgspec.Struct, frozen=True):
    """What went out on a day (ISO date, Nairobi)."""

    day: str = ""
    cents: int = 0


def take(budget: Budget, spent: Spent, message: Message, day: str) -> Spent | Refused:
    """The day's account with this message in it, or that there is no money for it today."""
    before = spent.cents if spent.day == day else 0
    limit = budget.day_cents - (0 if message.critical else budget.reserve_cents)
    after = before + budget.cost(message.text)
    return Spent(day, after) if after <= limit else Refused(Reason.BUDGET, retryable=True)


def settle(budget: Budget, spent: Spent, message: Message, outcome: Outcome, day: str) -> Spent:
    """The account after the gateway's answer: its own price, nothing for a refusal, the guess where nobody knows.

    An answer that comes after midnight changes nothing of the new day.
    """
    guess = budget.cost(message.text)
    if isinstance(outcome, Refused):
        cost = 0
    else:
        cost = outcome.cost_cents if isinstance(outcome, Sent) and outcome.cost_cents is not None else guess
    return spent if spent.day != day else Spent(day, max(spent.cents - guess + cost, 0))


Step = Callable[[Spent], Spent | Refused]


class Purse(Protocol):
    """Where what was spent is written down. Raises nothing; threads share it."""

    def change(self, step: Step) -> Refused | None:
        """Take one step that no other comes between; what it refused."""


class OwnPurse:
    """A purse of this process alone."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.spent = Spent()

    def change(self, step: Step) -> Refused | None:
        """See `Purse`."""
        with self._lock:
            after = step(self.spent)
            if isinstance(after, Refused):
                return after
            self.spent = after
            return None


class Budgeted:
    """A sender within a budget; threads may share it. `today` gives the ISO date in Nairobi."""

    def __init__(self, sender: Sender, budget: Budget, today: Callable[[], str], purse: Purse) -> None:
        self._sender = sender
        self._budget = budget
        self._today = today
        self._purse = purse

    def send(self, message: Message) -> Outcome:
        """Send if there is money for it: taken before, so that many at once do not spend the same cent."""
        day = self._today()
        refused = self._purse.change(lambda spent: take(self._budget, spent, message, day))
        if refused is not None:
            return refused
        outcome = self._sender.send(message)
        self._purse.change(lambda spent: settle(self._budget, spent, message, outcome, day))
        return outcome
