"""Whom a notice at --site concerns, with its progress on the terminal."""

from collections.abc import Iterator

from billing.cli.frame import Frame
from billing.cli.outbound import progress
from billing.services.audience import Audience, Place, by_walk
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language, Site
from radius.domain.subscriber import Subscriber
from radius.store.copying import read_all
from radius.store.keys import USERS
from radius.store.records import stored_of, values


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
    """By the site's own lists, else, for a busy site or all of them, by a walk over all customers."""
    site = site_named(frame, frame.site)
    if site is not None and not walk:
        found = _at(frame, Place(site.id, site.zone))
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


def _at(frame: Frame, place: Place) -> list[SubscriberId] | None:
    with progress(counted=False) as shown:
        task = shown.add_task("")
        store = frame.core.store
        audience = Audience(
            store.sessions,
            store.lists,
            frame.deadline,
            lambda found: shown.update(task, description=f"{found} customers found"),
        )
        return audience.at(place, frame.now)
