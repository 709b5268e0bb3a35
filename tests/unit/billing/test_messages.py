"""A message is sent once, raises nothing, and what became of it is told without saying to whom."""

from pathlib import Path

import pytest

from billing.messages import Messages, Notes
from billing.metrics import catalogue
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from radius.domain.errors import Unavailable
from radius.log import open_log
from radius.metrics import Recording

MESSAGE = Message("254712345678", "your day ends")


@pytest.mark.parametrize(
    ("outcome", "counted", "level"),
    [
        (Sent("1", 80), "sent", ""),
        (Sent("1"), "sent", ""),
        (Unknown(), "unknown", '"WARN"'),
        (Refused(Reason.BUDGET, retryable=True), "budget", '"WARN"'),
        (Refused(Reason.ACCOUNT), "account", '"ERROR"'),
    ],
)
def test_what_became_of_it(outcome: Outcome, counted: str, level: str, tmp_path: Path) -> None:
    metrics, sender = Recording(catalogue()), Sender(outcome)
    log = open_log(tmp_path / "log", strict=True, metrics=metrics)
    Messages(sender, metrics, log.logger).send(MESSAGE)
    log.sink.close()
    assert sender.sent == [MESSAGE]
    assert metrics.total("Messages", Outcome=counted) == 1
    assert metrics.total("MessagesFailed") == (not isinstance(outcome, Sent))
    assert metrics.total("MessageCents") == (outcome.cost_cents or 0 if isinstance(outcome, Sent) else 0)
    said = (tmp_path / "log").read_text()
    assert level in said
    assert bool(said) == bool(level)
    assert "2547" not in said


def test_letters_are_counted_by_themselves(tmp_path: Path) -> None:
    metrics, sender = Recording(catalogue()), Sender(Refused(Reason.ADDRESS))
    log = open_log(tmp_path / "log", strict=True, metrics=metrics)
    Messages(sender, metrics, log.logger, "Letters").send(MESSAGE)
    log.sink.close()
    assert metrics.total("Letters", Outcome="address") == metrics.total("LettersFailed") == 1
    assert metrics.total("Messages", Outcome="address") == 0


class Kept:
    """Deliveries of a store that is away now and then."""

    def __init__(self) -> None:
        self.away, self.noted = False, list[tuple[str, str, int]]()

    def sent(self, message_id: str, phone: str, now: int) -> None:
        if self.away:
            raise Unavailable("away")
        self.noted.append((message_id, phone, now))


def test_what_was_sent_is_noted_for_its_report(tmp_path: Path) -> None:
    metrics, notes, kept = Recording(catalogue()), Notes(lambda: 7.9), Kept()
    log = open_log(tmp_path / "log", strict=True, metrics=metrics)
    messages = Messages(Sender(Sent("ATX1", 80)), metrics, log.logger, noted=notes.sent)
    messages.send(MESSAGE)  # nobody keeps it yet, and nothing breaks
    notes.deliveries = kept  # type: ignore[assignment]
    messages.send(MESSAGE)
    kept.away = True
    messages.send(MESSAGE)
    log.sink.close()
    assert kept.noted == [("ATX1", MESSAGE.to, 7)]
    assert metrics.total("Messages", Outcome="sent") == 3


class Sender:
    def __init__(self, outcome: Outcome) -> None:
        self.sent: list[Message] = []
        self._outcome = outcome

    def send(self, message: Message) -> Outcome:
        self.sent.append(message)
        return self._outcome
