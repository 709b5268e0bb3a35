"""Whom something at a site concerns: who came online there of late, or holds a package.

A site's sessions are found by its index, a day at a time: what is read is that site's alone. Who holds a package and
never came in the time looked at is not found so, and a busy site has more sessions than customers: then the table of
customers is walked, page by page.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from radius.domain import calendar, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Subscriber
from radius.ports import RECORDS_MAX, Sessions, Subscribers, Where

ACTIVE_DAYS = 30
BUSY_DAY = 2_000  # sessions begun at a site on a day: beyond, customers are fewer
DAY_S = 86_400
_HOLDS = frozenset({RightState.LIVE, RightState.DORMANT})


class Place(NamedTuple):
    """A site and its time zone."""

    site: str
    zone: str


class Audience:
    """Raises Unavailable."""

    def __init__(self, sessions: Sessions, subscribers: Subscribers, deadline: Callable[[], float]) -> None:
        self._sessions = sessions
        self._subscribers = subscribers
        self._deadline = deadline

    def by_sessions(
        self, place: Place, now: int, days: int, told: Callable[[int, int], object] = lambda _day, _found: None
    ) -> list[SubscriberId] | None:
        """Who came in the last `ACTIVE_DAYS`, and of who came in `days` whoever holds a package still.

        None for a site that is too busy to be read so. `told` hears of each day looked at, and how many were found.
        """
        found: dict[SubscriberId, None] = {}
        older: dict[SubscriberId, None] = {}
        for ago in range(max(days, ACTIVE_DAYS)):
            day = calendar.local(now - ago * DAY_S, place.zone).strftime("%Y%m%d")
            keys = self._sessions.begun_on(Where.SITE, place.site, day, BUSY_DAY, self._deadline())
            if len(keys) >= BUSY_DAY:
                return None
            came = dict.fromkeys(
                SubscriberId(record.subscriber)
                for first in range(0, len(keys), RECORDS_MAX)
                for record in self._sessions.records(keys[first : first + RECORDS_MAX], self._deadline())
                if record.subscriber
            )
            (found if ago < ACTIVE_DAYS else older).update(came)
            told(ago + 1, len(found))
        return [*found, *(each for each in older if each not in found and self._holds(each, now))]

    def _holds(self, subscriber: SubscriberId, now: int) -> bool:
        stored = self._subscribers.read(subscriber, self._deadline())
        return stored is not None and holds(aggregate.decode(stored.body), now)


def by_walk(everybody: Iterable[Subscriber], site: str, now: int) -> Iterator[SubscriberId]:
    """Of all customers those of `site` ("": of any) who hold a package, or held one or were there of late."""
    since = now - ACTIVE_DAYS * DAY_S
    for each in everybody:
        late = any(right.starts_at and right.ends_at > since for right in each.rights)
        if site in {"", each.site} and (late or each.sessions or holds(each, now)):
            yield each.id


def holds(present: Subscriber, now: int) -> bool:
    """Whether a customer has a package: one that runs, or one that has yet to begin."""
    return any(entitlement.state(right, now) in _HOLDS for right in present.rights)
