"""Terms by id, cached for ever: a version never changes."""

from collections.abc import Callable

from radius.domain.errors import Corrupt
from radius.domain.terms import Terms
from radius.ports import Catalogue
from radius.services.cache import BoundedMap

TERMS_MAX = 2_000  # versions of packages a node may have met; each is a few hundred bytes


class TermsBook:
    """Callable: terms id -> Terms. Raises Corrupt for an id that leads nowhere, Unavailable when the store is away."""

    def __init__(
        self, catalogue: Catalogue, monotonic: Callable[[], float], deadline_s: float, entries_max: int = TERMS_MAX
    ) -> None:
        self._catalogue = catalogue
        self._monotonic = monotonic
        self._deadline_s = deadline_s
        self._known: BoundedMap[str, Terms] = BoundedMap(entries_max)

    def __call__(self, terms_id: str) -> Terms:
        """The terms of that id."""
        terms = self._known.get(terms_id)
        if terms is None:
            terms = self._catalogue.terms(terms_id, self._monotonic() + self._deadline_s)
            if terms is None:
                raise Corrupt(f"terms {terms_id}: a right refers to them, but they are not in the catalogue")
            self._known.put(terms_id, terms)
        return terms
