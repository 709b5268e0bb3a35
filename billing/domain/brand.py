"""How a site's pages look and whom they name, and what is to be told there: set by operators."""

import re
from enum import StrEnum
from typing import ClassVar

import msgspec

from billing.domain.thing import Thing
from radius.domain.errors import Malformed
from radius.domain.nas import Language

NAME_CHARS_MAX = 24  # as in text messages
SUPPORT_CHARS_MAX = 20
SELLERS_MAX = 6
LINE_CHARS_MAX = 60
NOTICE_CHARS_MAX = 240
EVERYWHERE = "*"  # the name of what holds for all sites

LOGO_BYTES_MAX = 12_000  # a first view stays under 30 KB
_MAGIC = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))

_COLOUR = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_SUPPORT = re.compile(r"\+?[0-9][0-9 ]{2,18}", re.ASCII)
_TILL = re.compile(r"[0-9]{5,7}|", re.ASCII)


class Brand(Thing, frozen=True, omit_defaults=True):
    """A site's, or everybody's. `support`: a phone to call; `till`: where cash-like money goes by hand, "" for nowhere.

    `sellers`: who sells vouchers near by, a line each. `colour`: ``#rrggbb``, behind buttons. `logo`: a small picture.
    """

    KIND: ClassVar[str] = "S"

    of: str
    title: str = "WiFi"
    colour: str = "#0b6e4f"
    support: str = ""
    till: str = ""
    sellers: tuple[str, ...] = ()
    logo: bytes = b""

    @property
    def name(self) -> str:
        """The site."""
        return self.of

    @property
    def ink(self) -> str:
        """Black or white, whichever is read better on the colour: always at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
        light = luminance(self.colour)
        return "#000000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#ffffff"


def check_brand(brand: Brand) -> Brand:
    """Return `brand` if pages can wear it; raise Malformed naming the field."""
    if not 1 <= len(brand.title.strip()) <= NAME_CHARS_MAX or not brand.title.isprintable():
        raise Malformed("title", f"must be 1 to {NAME_CHARS_MAX} characters on one line")
    if not _COLOUR.fullmatch(brand.colour):
        raise Malformed("colour", "must be like #0b6e4f")
    if brand.support and not _SUPPORT.fullmatch(brand.support):
        raise Malformed("support", "must be a phone number such as 0712 345 678")
    if not _TILL.fullmatch(brand.till):
        raise Malformed("till", "must be a till or paybill number of 5 to 7 digits, or nothing")
    sound = all(1 <= len(line) <= LINE_CHARS_MAX and line.isprintable() for line in brand.sellers)
    if len(brand.sellers) > SELLERS_MAX or not sound:
        raise Malformed("sellers", f"must be at most {SELLERS_MAX} lines of {LINE_CHARS_MAX} characters")
    if brand.logo and (len(brand.logo) > LOGO_BYTES_MAX or not picture(brand.logo)):
        raise Malformed("logo", f"must be a PNG, JPEG or WebP picture of at most {LOGO_BYTES_MAX:,} bytes")
    return brand


def picture(data: bytes) -> str:
    """The media type of a picture, "" for what is none that pages show."""
    found = next((media for magic, media in _MAGIC if data.startswith(magic)), "")
    return found if found != "image/webp" or data[8:12] == b"WEBP" else ""


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class NoticeState(StrEnum):
    """What operators say of a fault, or of work that is planned."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    RESOLVED = "resolved"
    PLANNED = "planned"


FAULTS = frozenset({NoticeState.INVESTIGATING, NoticeState.IDENTIFIED})


class SiteNotice(Thing, frozen=True, omit_defaults=True):
    """What is told on a site's pages until `until` (UTC seconds). `at`: since when it is so, or when work begins."""

    KIND: ClassVar[str] = "N"

    of: str
    state: NoticeState
    english: str
    swahili: str
    at: int
    until: int

    @property
    def name(self) -> str:
        """The site."""
        return self.of

    def text(self, language: Language) -> str:
        """In the customer's language."""
        return self.swahili if language is Language.SWAHILI else self.english


def check_notice(notice: SiteNotice) -> SiteNotice:
    """Return `notice` if it can be told; raise Malformed naming the field."""
    for field, text in (("english", notice.english), ("swahili", notice.swahili)):
        if not 1 <= len(text.strip()) <= NOTICE_CHARS_MAX or not text.isprintable():
            raise Malformed(field, f"must be 1 to {NOTICE_CHARS_MAX} characters on one line")
    if notice.until <= notice.at:
        raise Malformed("until", "must be after at")
    return notice


def shown(notice: SiteNotice | None, now: int) -> bool:
    """Whether it is told now. Planned work is told before it begins; what was put right is told for a while."""
    return notice is not None and now < notice.until


def renamed(brand: Brand, site: str) -> Brand:
    """Everybody's brand as this site's."""
    return msgspec.structs.replace(brand, of=site)
