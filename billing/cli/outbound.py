"""What `notify` and `incident` send with: text messages within the budget that all processes share, and letters."""

import time
from collections.abc import Callable
from typing import NamedTuple

from billing.cli import frame as frames
from billing.cli.frame import Frame
from billing.domain.journal import business_day
from billing.domain.messages_spent import MessagesSpent
from billing.mail.smtp import Smtp
from billing.messages import Notes
from billing.purse import SharedPurse
from billing.services.notice_sending import Roads
from billing.settings import load as load_selling
from billing.sms.budget import Budget
from billing.sms.port import Message, Outcome, Sent
from billing.sms.wiring import open_sender
from billing.told import read_secret


class Means(NamedTuple):
    """How messages leave. `left_cents` of today's budget for what is not critical; None: no text message is sent."""

    roads: Roads
    budget: Budget | None
    left_cents: int | None


def means(frame: Frame) -> Means:
    """As the settings say. Raises Malformed for a secret that cannot be read."""
    selling = load_selling(frame.settings_file)
    write = None
    if selling.mail is not None:
        chosen = selling.mail
        password = read_secret("password_ref", chosen.password_ref) if chosen.password_ref else ""
        write = Smtp(chosen, password, selling.billing.brand).send
    if selling.sms is None:
        return Means(Roads(None, write), None, None)
    purse, notes = SharedPurse(), Notes(frames.clock)
    purse.book, notes.deliveries = frame.billing.book, frame.billing.deliveries
    sender = open_sender(selling.sms, lambda: business_day(int(frames.clock())), purse)

    def send(message: Message) -> Outcome:
        outcome = sender.send(message)
        if isinstance(outcome, Sent):
            notes.sent(message, outcome)
        return outcome

    budget = Budget(selling.sms.day_cents, selling.sms.reserve_cents, selling.sms.segment_cents)
    return Means(Roads(send, write, budget.cost), budget, _left(frame, budget))


def _left(frame: Frame, budget: Budget) -> int:
    kept = frame.billing.store.ports.thing(MessagesSpent, "messages", frame.deadline())
    spent = kept.thing.cents if kept is not None and kept.thing.day == business_day(frame.now) else 0
    return max(budget.day_cents - budget.reserve_cents - spent, 0)


def resting(per_minute: int, sleep: Callable[[float], object] = time.sleep) -> Callable[[], None]:
    """Called after each message: no more of them a minute leave than that."""
    last = time.monotonic()

    def rest() -> None:
        nonlocal last
        sleep(max(0.0, last + 60 / per_minute - time.monotonic()))
        last = time.monotonic()

    return rest
