"""Whom a notice at --site concerns, with its progress on the terminal."""

from collections.abc import Iterator

from billing.cli.frame import Frame
from billing.cli.outbound import progress
from billing.services.audience import ACTIVE_DAYS, Audience, Place, by_walk
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language, Site
from radius.domain.subscriber import Subscriber
from radius.domain.terms import PeriodUnit
from radius.store.copying import read_all
from radius.store.keys import USERS
from radius.store.records import stored_of, values

LOOKED_BACK_DAYS_MAX = 370
_DAYS = {PeriodUnit.SECOND: 1 / 86_400, PeriodUnit.DAY: 1, PeriodUnit.WEEK: 7, PeriodUnit.MONTH: 31}


def site_named(frame: Frame, name: str) -> Site | None:
    """A site; None for a name that means all of them."""
    return next((each for each in frame.directory.all_sites() if each.id == name), None)


def language_at(frame: Frame, name: str) -> Language:
    """Of who never said theirs."""
    site = site_named(frame, name)
    return site.language if site else Language.ENGLISH


def zone_at(frame: Frame, name: str) -> str:
    """Whose days and nights are meant."""
    site = site_named(frame, name)
    return site.zone if site else ZONE_DEFAULT


def people(frame: Frame, *, walk: bool) -> list[SubscriberId]:
    """By the site's sessions, else, for a busy site or all of them, by a walk over all customers."""
    site = site_named(frame, frame.site)
    if site is not None and not walk:
        found = _by_sessions(frame, Place(site.id, site.zone))
        if found is not None:
            return found
    with progress(counted=False) as shown:
        task = shown.add_task("")

        def everybody() -> Iterator[Subscriber]:
            looked_at = 0
            for page, _ in read_all(frame.raw_client, frame.settings.table_prefix + USERS):
                items = [values(item) for item in page]
                looked_at += len(items)
                shown.update(task, description=f"{looked_at} customers looked at")
                yield from (aggregate.decode(stored_of(each).body) for each in items if str(each["pk"])[:2] == "S#")

        return list(by_walk(everybody(), frame.site, frame.now))


def _by_sessions(frame: Frame, place: Place) -> list[SubscriberId] | None:
    audience = Audience(frame.core.store.sessions, frame.core.store.subscribers, frame.deadline)
    with progress(counted=False) as shown:
        task = shown.add_task("")
        return audience.by_sessions(
            place,
            frame.now,
            _days(frame),
            lambda day, found: shown.update(task, description=f"{day} days looked at, {found} customers"),
        )


def _days(frame: Frame) -> int:
    """As long as the longest package lasts: who bought it may hold it still."""
    windows = [each.terms.window for each in frame.billing.store.ports.packages(frame.deadline())]
    longest = max((int(each.count * _DAYS[each.unit]) + 1 for each in windows), default=0)
    return min(max(longest, ACTIVE_DAYS), LOOKED_BACK_DAYS_MAX)
