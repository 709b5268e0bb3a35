"""Whom a notice at --site concerns, with its progress on the terminal."""

from billing.cli import everybody, progress
from billing.cli.frame import Frame
from billing.services.audience import Audience, Place, by_walk
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language, Site


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
    return list(by_walk((each for page in everybody.pages(frame) for each in page), frame.site, frame.now))


def _at(frame: Frame, place: Place) -> list[SubscriberId] | None:
    store = frame.core.store
    with progress.bar(frame, "Customers found") as at:
        return Audience(store.sessions, store.lists, frame.deadline, at).at(place, frame.now)
