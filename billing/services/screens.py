"""A device that nobody types on shows a code; who is signed in on a phone types it there, and the device is theirs.

The code is the same for some minutes, however often the screen is painted. It is worth nothing to who guesses it: they
would pay for somebody else's television.
"""

from collections.abc import Callable

from billing.domain.screen import Screen
from billing.ports import Kept, Posting
from billing.services.book import Book
from radius.domain.identity import MacAddress
from radius.ports import Outcome

LIFE_S = 600
DIGITS = 6
DRAWS_MAX = 20  # codes that other screens show


class Screens:
    """Gives and finds codes. Raises Unavailable, Contended."""

    def __init__(self, book: Book, keyed: Callable[[str], str], number: Callable[[str], int]) -> None:
        """`keyed`: keyed hash of a text; `number`: one that nobody foresees, always the same for a text."""
        self._book = book
        self._keyed = keyed
        self._number = number

    def show(self, mac: MacAddress, now: int) -> str:
        """The code of a screen: six digits, good for ten to twenty minutes."""
        window = now // LIFE_S
        for draw in range(DRAWS_MAX):
            code = f"{self._number(f'{mac}:{window}:{draw}') % 10**DIGITS:0{DIGITS}}"
            if self._has(code, mac, (window + 2) * LIFE_S, now):
                return code
        raise AssertionError("every code is shown by some screen")

    def _has(self, code: str, mac: MacAddress, until: int, now: int) -> bool:
        """True if this screen has the code, now or already."""
        kept = self._kept(code)
        if kept is not None and kept.thing.until > now:
            return kept.thing.mac == mac
        thing = Kept(Screen(self._keyed(code), mac, until), kept.version + 1 if kept else 1, 0, until + LIFE_S)
        return self._book.post(Posting(self._book.new_id(), things=(thing,))).outcome is Outcome.COMMITTED

    def find(self, code: str, now: int) -> MacAddress | None:
        """The device that shows it. The caller slows guessing down."""
        kept = self._kept(code)
        return kept.thing.mac if kept is not None and kept.thing.until > now else None

    def _kept(self, code: str) -> Kept[Screen] | None:
        return self._book.stores.customers.thing(Screen, self._keyed(code), self._book.deadline())
