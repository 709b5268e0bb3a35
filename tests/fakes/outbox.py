"""Both roads to people, remembered: what went by text message, and what by letter."""

from billing.mail.port import Mail
from billing.sms.port import Message, Outcome, Refused, Sent


class Outbox:
    """`answers`: those of the SMS gateway, the next one first; then it takes all, at `cents` each."""

    def __init__(self, *answers: Outcome, cents: int | None = None) -> None:
        self.answers = list(answers)
        self.taken = Sent("") if cents is None else Sent("", cents)
        self.sent: list[Message] = []
        self.written: list[Mail] = []

    def send(self, message: Message) -> Outcome:
        """A text message; one that is refused has not gone."""
        outcome = self.answers.pop(0) if self.answers else self.taken
        if not isinstance(outcome, Refused):
            self.sent.append(message)
        return outcome

    def write(self, mail: Mail) -> Outcome:
        """A letter."""
        self.written.append(mail)
        return Sent("")
