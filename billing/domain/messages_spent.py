"""What a day's text messages have cost so far, of all processes together."""

from typing import ClassVar

from billing.domain.thing import Thing


class MessagesSpent(Thing, frozen=True, omit_defaults=True):
    """Cents of a day (ISO date, Nairobi)."""

    KIND: ClassVar[str] = "MS"

    day: str
    cents: int

    @property
    def name(self) -> str:
        """There is one: yesterday's is history."""
        return "messages"
