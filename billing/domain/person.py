"""A person behind a subscriber: what a customer told us. Phone and e-mail are sealed; erasing clears all."""

from typing import ClassVar

import msgspec

from billing.domain.one_time import OneTime, Pace
from billing.domain.thing import Thing
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT
from radius.domain.nas import Language

DEVICES_MAX = 8
DEVICE_NAME_CHARS_MAX = 24
LOOKED_AT_HOUR = 9  # local: reminders go out when people are awake
REMIND_S_MIN = 3 * 86_400  # who buys by the day needs no message each day
REMIND_DAYS = (3, 1, 0)


class Person(Thing, frozen=True, omit_defaults=True):
    """A customer who proved a phone. `renews`: code of the package that the balance buys, "" for none.

    `devices`: names by MAC. `by_itself`: those devices log in again without a page. `reminded`: end of the right and
    days before it that were told of last.
    """

    KIND: ClassVar[str] = "E"

    subscriber: str
    registered_at: int
    phone: str = ""
    email: str = ""
    language: Language = Language.ENGLISH
    devices: dict[str, str] = msgspec.field(default_factory=dict)
    by_itself: bool = False
    renews: str = ""
    reminded: tuple[int, int] = (0, 0)
    erased_at: int = 0

    @property
    def name(self) -> str:
        """The subscriber."""
        return self.subscriber


class PhoneCode(Thing, frozen=True, omit_defaults=True):
    """The one-time code of a phone for a device, under a keyed hash of both."""

    KIND: ClassVar[str] = "O"

    of: str
    code: OneTime

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of


class Asker(Thing, frozen=True, omit_defaults=True):
    """How often a phone or a device asked, under a keyed hash."""

    KIND: ClassVar[str] = "Q"

    of: str
    pace: Pace

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of


class Tries(Thing, frozen=True, omit_defaults=True):
    """The last trial of a package by a device or a phone: when, whose, and the right. Under a keyed hash."""

    KIND: ClassVar[str] = "Y"

    of: str
    at: int
    subscriber: str
    right: str

    @property
    def name(self) -> str:
        """The keyed hash."""
        return self.of


class TriesOfDay(Thing, frozen=True, omit_defaults=True):
    """How many trials of a package a site gave on a day."""

    KIND: ClassVar[str] = "Z"

    of: str
    count: int

    @property
    def name(self) -> str:
        """Package, site and day."""
        return self.of


class Taken(Thing, frozen=True, omit_defaults=True):
    """A device that a customer took on: a page said that it is theirs, and pages may lie. `by` "": not any more."""

    KIND: ClassVar[str] = "TK"

    mac: str
    by: str

    @property
    def name(self) -> str:
        """The device."""
        return self.mac


class Moves(Thing, frozen=True, omit_defaults=True):
    """How often a customer took on a device in a week."""

    KIND: ClassVar[str] = "MV"

    of: str
    count: int

    @property
    def name(self) -> str:
        """Subscriber and ISO week."""
        return self.of


def week_of(now: int) -> str:
    """The week of a Nairobi day, such as ``2026-W48``."""
    year, week, _ = calendar.local(now, ZONE_DEFAULT).isocalendar()
    return f"{year}-W{week:02}"


def look_again_at(now: int) -> int:
    """The next morning in Nairobi, when a person is looked at again."""
    here = calendar.local(now, ZONE_DEFAULT)
    morning = here.replace(hour=LOOKED_AT_HOUR, minute=0, second=0, microsecond=0)
    at = int(morning.timestamp())
    return at if at > now else at + 86_400  # East Africa keeps one time all year


def days_left(ends_at: int, now: int) -> int:
    """Days of the calendar from today to the day of the end, 0 for today."""
    today = calendar.local(now, ZONE_DEFAULT).date()
    return (calendar.local(ends_at, ZONE_DEFAULT).date() - today).days


def reminder(ends_at: int, length_s: int, reminded: tuple[int, int], now: int) -> int | None:
    """Days that are to be told of now, None for nothing: each of `REMIND_DAYS` once for one end, the nearest alone."""
    days = days_left(ends_at, now)
    told = reminded[1] if reminded[0] == ends_at else max(REMIND_DAYS) + 1
    due = [each for each in REMIND_DAYS if days <= each < told]
    return days if due and ends_at > now and length_s >= REMIND_S_MIN and days in REMIND_DAYS else None
