"""What is sold: immutable versions of packages. A purchase keeps the version it was sold under.

A version is named ``code.version``, and so are its terms: one id says both what was promised and for how much.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from billing.domain.money import SHILLING_CENTS
from radius.domain.errors import Malformed
from radius.domain.nas import Language
from radius.domain.terms import Terms, check_terms

PRICE_CENTS_MAX = 250_000 * SHILLING_CENTS  # M-Pesa's ceiling of one transaction
NAME_CHARS_MAX = 40  # a line of a cheap phone, and of a voucher on a 58 mm roll
TRIAL_DAYS_MAX = 366
DAY_S = 86_400

_CODE = re.compile(r"[a-z][a-z0-9-]{0,23}", re.ASCII)


class Visibility(StrEnum):
    """Who may buy it."""

    PUBLIC = "public"  # offered to customers
    DESK = "desk"  # sold by staff, and on vouchers
    HIDDEN = "hidden"  # not sold; what was sold goes on


class Trial(msgspec.Struct, frozen=True):
    """A package that costs nothing: once for a device and for a verified phone in `days`, `site_a_day` at a site."""

    days: int
    site_a_day: int


class Package(msgspec.Struct, frozen=True, omit_defaults=True):
    """One version. `price_cents` includes tax; `sites` empty: sold everywhere; the sale window is in UTC seconds.

    `sale_ends_at` 0: for as long as there is no newer version. `order` is its place in the list, the least first.
    """

    code: str
    version: int
    name_en: str
    name_sw: str
    price_cents: int
    terms: Terms
    sites: tuple[str, ...] = ()
    sale_starts_at: int = 0
    sale_ends_at: int = 0
    visibility: Visibility = Visibility.PUBLIC
    order: int = 0
    trial: Trial | None = None

    @property
    def id(self) -> str:
        """``code.version``."""
        return f"{self.code}.{self.version}"

    def name(self, language: Language) -> str:
        """Name for people."""
        return self.name_sw if language is Language.SWAHILI else self.name_en


def check_package(package: Package) -> Package:
    """Return `package` if it can be sold; raise Malformed naming the first bad field and what is wanted."""
    if not _CODE.fullmatch(package.code):
        raise Malformed("code", "must be 1 to 24 small letters, digits and dashes, beginning with a letter")
    if package.version < 1:
        raise Malformed("version", "must be at least 1")
    for field, name in (("name_en", package.name_en), ("name_sw", package.name_sw)):
        if not 1 <= len(name.strip()) <= NAME_CHARS_MAX or not name.isprintable():
            raise Malformed(field, f"must be 1 to {NAME_CHARS_MAX} characters on one line")
    if package.terms.id != package.id:
        raise Malformed("terms.id", f"must be {package.id}, as the package's own")
    check_terms(package.terms)
    _check_price(package)
    _check_places(package)
    return package


def _check_price(package: Package) -> None:
    if package.trial is not None:
        if package.price_cents:
            raise Malformed("price_cents", "must be 0 for a trial")
        if not 1 <= package.trial.days <= TRIAL_DAYS_MAX:
            raise Malformed("trial.days", f"must be 1 to {TRIAL_DAYS_MAX}")
        if package.trial.site_a_day < 1:
            raise Malformed("trial.site_a_day", "must be at least 1; hide the package to give none")
    elif package.price_cents < 1:
        raise Malformed("price_cents", "must be more than 0; what costs nothing is a trial, with its limits")
    elif package.price_cents % SHILLING_CENTS or package.price_cents > PRICE_CENTS_MAX:
        raise Malformed("price_cents", f"must be whole shillings up to {PRICE_CENTS_MAX // SHILLING_CENTS:,} (M-Pesa)")


def _check_places(package: Package) -> None:
    if package.sale_ends_at and package.sale_ends_at <= package.sale_starts_at:
        raise Malformed("sale_ends_at", "must be after sale_starts_at")
    usable = set(package.terms.sites)
    if usable and not (package.sites and set(package.sites) <= usable):
        raise Malformed("sites", f"must be among {', '.join(sorted(usable))}: elsewhere it would be sold and not work")


def check_next(package: Package, sold: Sequence[Package]) -> Package:
    """Return `package` if it may join the versions of its code; the same again is no change and is welcome.

    Raises Malformed: a version that means something else already, or one that leaves a gap.
    """
    check_package(package)
    versions = {other.version: other for other in sold if other.code == package.code}
    same = versions.get(package.version)
    if same is not None and same != package:
        raise Malformed("version", f"{package.id} was sold with other content; make it {max(versions) + 1}")
    if same is None and package.version != max(versions, default=0) + 1:
        raise Malformed("version", f"must be {max(versions, default=0) + 1}, the next of {package.code}")
    return package


class Door(StrEnum):
    """Where it is sold."""

    PORTAL = "portal"
    DESK = "desk"


def for_sale(packages: Sequence[Package], site: str, door: Door, now: int) -> list[Package]:
    """What may be bought at a site through a door at `now`, in order: of each code the newest version alone.

    A version whose sale has not begun leaves the one before it on sale; one that is hidden or over ends its code.
    """
    newest: dict[str, Package] = {}
    for package in sorted(packages, key=lambda each: each.version):
        if package.sale_starts_at <= now:
            newest[package.code] = package
    offered = [each for each in newest.values() if _offered(each, site, door, now)]
    return sorted(offered, key=lambda each: (each.order, each.price_cents, each.code))


def _offered(package: Package, site: str, door: Door, now: int) -> bool:
    seen = package.visibility is Visibility.PUBLIC or (package.visibility is Visibility.DESK and door is Door.DESK)
    here = not package.sites or site in package.sites
    return seen and here and not (package.sale_ends_at and package.sale_ends_at <= now)


class Tried(NamedTuple):
    """What is known when somebody asks for a trial. Instants are of the last trial of that code, 0 for never."""

    phone_verified: bool
    device_at: int
    phone_at: int
    site_today: int


class TrialRefusal(StrEnum):
    """Why there is no trial."""

    NO_PHONE = "no_phone"
    DEVICE = "device"
    PHONE = "phone"
    SITE = "site"


def refuse_trial(trial: Trial, tried: Tried, now: int) -> TrialRefusal | None:
    """None if the trial is given. Both the device and the phone must be new: one of them is easily changed."""
    if not tried.phone_verified:
        return TrialRefusal.NO_PHONE
    since = now - trial.days * DAY_S
    if tried.device_at > since:
        return TrialRefusal.DEVICE
    if tried.phone_at > since:
        return TrialRefusal.PHONE
    return TrialRefusal.SITE if tried.site_today >= trial.site_a_day else None
