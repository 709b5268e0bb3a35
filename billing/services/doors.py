"""Naming our addresses to the provider, for money that is paid by hand. Production takes that once; twice is safe.

What was registered is kept, so the same addresses are not sent again, and an address that changed is seen.
"""

import msgspec

from billing.domain.doors import DoorState, Registered
from billing.domain.ledger import Reason
from billing.ports import Kept, Posting
from billing.provider import Already, Provider, Refused, Unknown
from billing.services.book import Book
from radius.ports import Outcome

NO_INTERFACE = Reason("this till has no interface: import its statement instead")


class Doors:
    """Registers, and knows what is registered."""

    def __init__(self, book: Book, provider: Provider) -> None:
        self._book = book
        self._stores = book.stores
        self._provider = provider

    def known(self) -> Registered | None:
        """What was registered for our shortcode last; None for nothing."""
        kept = self._kept()
        return kept.thing if kept else None

    def current(self) -> bool:
        """True if notices come to the addresses that are set now."""
        known, doors = self.known(), self._provider.doors
        return known is not None and doors is not None and (known.state, known.hashed) == (DoorState.OURS, doors.hashed)

    def register(self, now: int) -> Registered | Reason:
        """Register the addresses that are set, unless they are; a Reason when nothing was done."""
        doors, kept = self._provider.doors, self._kept()
        if doors is None:
            return NO_INTERFACE
        if kept is not None and self.current():
            return kept.thing
        lost = kept is not None and (kept.thing.state, kept.thing.hashed) == (DoorState.UNKNOWN, doors.hashed)
        ours = Registered(self._provider.shortcode, DoorState.UNKNOWN, doors.base, doors.hashed, now)
        self._write(ours)  # whoever ends here leaves a trace: what is registered then is ours
        match self._provider.register_urls(now):
            case Refused(code, text):
                self._write(msgspec.structs.replace(ours, state=DoorState.REFUSED))
                return Reason(f"refused: {code} {text}".rstrip())
            case Unknown():
                return self._write(ours)
            case Already():
                state = DoorState.OURS if lost else DoorState.ELSEWHERE
                return self._write(msgspec.structs.replace(ours, state=state))
            case None:
                return self._write(msgspec.structs.replace(ours, state=DoorState.OURS))

    def _kept(self) -> Kept[Registered] | None:
        return self._stores.customers.thing(Registered, self._provider.shortcode, self._book.deadline())

    def _write(self, after: Registered) -> Registered:
        """Of two who ask at once, whoever heard that it was done is believed."""
        for _ in self._book.tries(f"addresses of {after.shortcode}"):
            kept = self._kept()
            if kept and (kept.thing.state, kept.thing.hashed) == (DoorState.OURS, after.hashed):
                return kept.thing
            posting = Posting(self._book.new_id(), things=(Kept(after, kept.version + 1 if kept else 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return after
        raise AssertionError  # `tries` ends by raising
