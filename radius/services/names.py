"""From a name to a subscriber: alias look-ups, remembered for a short while.

Only found names are remembered: a customer who has just paid is found at once.
"""

from collections.abc import Callable

from radius.domain.identity import NameKind, SubscriberId, Username
from radius.ports import Names
from radius.services.cache import BoundedMap


class NameBook:
    """Resolves names. `keyed` turns an alias into the text stored at rest (codes and account names are hashed)."""

    def __init__(
        self, names: Names, keyed: Callable[[str], str], monotonic: Callable[[], float], entries_max: int, kept_s: float
    ) -> None:
        self._names = names
        self._keyed = keyed
        self._monotonic = monotonic
        self._kept_s = kept_s
        self._known: BoundedMap[str, tuple[SubscriberId, float]] = BoundedMap(entries_max)
        self.hits = 0
        self.misses = 0

    def alias(self, username: Username) -> str:
        """The alias as stored: phones and MACs plainly (operators search them), all else as a keyed hash."""
        if username.kind is NameKind.NAME:
            return f"{username.kind.value}:{self._keyed(username.normal)}"
        return username.alias

    def knows(self, alias: str) -> bool:
        """True if this node knows a subscriber by that name, from however long ago: a guess would not be."""
        return self._known.get(alias) is not None

    def resolve(self, alias: str, deadline: float) -> SubscriberId | None:
        """The subscriber behind an alias; None if there is none."""
        found = self._known.get(alias)
        if found is not None and self._monotonic() - found[1] <= self._kept_s:
            self.hits += 1
            return found[0]
        self.misses += 1
        subscriber = self._names.resolve(alias, deadline)
        if subscriber is not None:
            self._known.put(alias, (subscriber, self._monotonic()))
        elif found is not None:
            self._known.pop(alias)
        return subscriber

    def last_known(self, alias: str) -> SubscriberId | None:
        """The subscriber last seen behind an alias, however long ago: for the time when the store is away."""
        found = self._known.get(alias)
        return found[0] if found else None

    def forget(self, alias: str) -> None:
        """Drop what is remembered of a name (its subscriber no longer lists it)."""
        self._known.pop(alias)
