"""A device in front of the pages: what its router said of it, signed, in each form and in one cookie.

Forms carry it themselves, because captive browsers lose cookies; the cookie is for the pages that have an address. It
is signed and not secret: it holds what the device knows of itself. Nobody can make one without coming from a router.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TypeVar

import msgspec

from billing.portal.handover import Arrival
from radius.domain.errors import Malformed
from radius.domain.nas import Language
from radius.domain.shapes import decoder

T = TypeVar("T", bound=msgspec.Struct)

VISIT_S = 6 * 3_600  # a page left open over an evening; the router's challenge is older by then, and it gives a new one
SEAT_S = 1_800  # signed in: on a phone that others may hold
TRIES_MAX = 2  # log-ins that a page submits by itself
TRIES_S = 60  # ... within this time
FORGOTTEN_S = 600  # after which a page waits anew
TEXT_CHARS_MAX = 3_000
_MAC_CHARS = 32  # 128 bits


class Visit(msgspec.Struct, frozen=True, omit_defaults=True):
    """`tries`: log-ins that pages submitted by themselves since `tried_at`; `at` and `tried_at` in UTC seconds."""

    arrival: Arrival
    site: str
    language: Language
    at: int
    tries: int = 0
    tried_at: int = 0

    def tried(self, now: int) -> "Visit":
        """One more log-in by itself."""
        again = now - self.tried_at < TRIES_S
        return msgspec.structs.replace(
            self, tries=self.tries + 1 if again else 1, tried_at=self.tried_at if again else now
        )

    def waits(self, now: int) -> "Visit":
        """It waits to be let in from our side, since `tried_at`."""
        return self if now - self.tried_at < FORGOTTEN_S else msgspec.structs.replace(self, tried_at=now)

    def may_try(self, now: int) -> bool:
        """Whether a page may submit a log-in by itself: a router that refuses must not send it round for ever."""
        return self.tries < TRIES_MAX or now - self.tried_at >= TRIES_S


class Seat(msgspec.Struct, frozen=True):
    """A customer who proved a phone on a device."""

    subscriber: str
    device: str
    at: int


class Signer:
    """Signs values for browsers. Each type has a signature of its own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, value: msgspec.Struct) -> str:
        """Text of letters, digits, dashes, underscores and one dot."""
        text = urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")
        return f"{text}.{self._mac(type(value), text)}"

    def read(self, shape: type[T], signed: str) -> T | None:
        """What was signed; None for what was not, or not by this version."""
        text, _, mac = signed.rpartition(".")
        if len(signed) > TEXT_CHARS_MAX or not hmac.compare_digest(self._mac(shape, text).encode(), mac.encode()):
            return None
        try:
            return decoder(shape).decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (msgspec.MsgspecError, ValueError):
            return None

    def _mac(self, shape: type[msgspec.Struct], text: str) -> str:
        said = f"{shape.__name__}:{text}".encode(errors="replace")
        return hmac.new(self._key, said, sha256).hexdigest()[:_MAC_CHARS]


def fresh(signer: Signer, signed: str, now: int) -> Visit | None:
    """A visit that is not too old."""
    visit = signer.read(Visit, signed)
    return visit if visit is not None and now - visit.at < VISIT_S else None


def seat(signer: Signer, signed: str, now: int) -> Seat | None:
    """Who is signed in."""
    found = signer.read(Seat, signed)
    return found if found is not None and now - found.at < SEAT_S else None


def same(field: str, cookie: str) -> str:
    """A form's own copy of a cookie, which another site cannot know; raises Malformed."""
    if not cookie or not hmac.compare_digest(field.encode(errors="replace"), cookie.encode(errors="replace")):
        raise Malformed("form", "is too old; open the page again")
    return cookie
