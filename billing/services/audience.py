"""Whom something at a site concerns: who came online there of late, or holds a package.

A site's own lists say so: its sessions, a day at a time, for who came from elsewhere; its customers, a page at a time,
for who holds a package and did not come. What is read is that site's alone. A busy site has more sessions than there
are customers, and who was made before there was a list stands in none: for those all customers are walked.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from radius.domain import calendar, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import RightState
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Subscriber
from radius.ports import RECORDS_MAX, Lists, Sessions, Where

ACTIVE_DAYS = 30
BUSY_DAY = 2_000  # sessions begun at a site on a day: beyond, customers are fewer
DAY_S = 86_400
_HOLDS = frozenset({RightState.LIVE, RightState.DORMANT})


class Place(NamedTuple):
    """A site and its time zone."""

    site: str
    zone: str


class Audience:
    """`told` hears how many were found so far. Raises Unavailable."""

    def __init__(
        self,
        sessions: Sessions,
        lists: Lists,
        deadline: Callable[[], float],
        told: Callable[[int], object] = lambda _found: None,
    ) -> None:
        self._sessions = sessions
        self._lists = lists
        self._deadline = deadline
        self._told = told

    def at(self, place: Place, now: int) -> list[SubscriberId] | None:
        """Each once; None for a site that is too busy to be read so."""
        found: dict[SubscriberId, None] = {}
        for ago in range(ACTIVE_DAYS):
            day = calendar.local(now - ago * DAY_S, place.zone).strftime("%Y%m%d")
            keys = self._sessions.begun_on(Where.SITE, place.site, day, BUSY_DAY, self._deadline())
            if len(keys) >= BUSY_DAY:
                return None
            for first in range(0, len(keys), RECORDS_MAX):
                page = self._sessions.records(keys[first : first + RECORDS_MAX], self._deadline())
                found.update(dict.fromkeys(SubscriberId(each.subscriber) for each in page if each.subscriber))
            self._told(len(found))
        for customers in self._listed(place.site):
            found.update(dict.fromkeys(by_walk(customers, "", now)))
            self._told(len(found))
        return list(found)

    def _listed(self, site: str) -> Iterator[list[Subscriber]]:
        before: tuple[SubscriberId, int] | None = None
        while True:
            after = (before[1], before[0]) if before else None
            page = self._lists.latest(site, after, RECORDS_MAX, self._deadline())
            if not page:
                return
            there = self._lists.many([subscriber for subscriber, _ in page], self._deadline())
            yield [aggregate.decode(stored.body) for stored in there.values()]
            before = page[-1]


def by_walk(everybody: Iterable[Subscriber], site: str, now: int) -> Iterator[SubscriberId]:
    """Of these customers those of `site` ("": of any) who hold a package, or held one or were there of late."""
    since = now - ACTIVE_DAYS * DAY_S
    for each in everybody:
        had = any(right.starts_at and right.ends_at > since for right in each.rights)
        came = any(session.last_at > since for session in each.sessions)
        if site in {"", each.site} and (had or came or holds(each, now)):
            yield each.id


def holds(present: Subscriber, now: int) -> bool:
    """Whether a customer has a package: one that runs, or one that has yet to begin."""
    return any(entitlement.state(right, now) in _HOLDS for right in present.rights)
