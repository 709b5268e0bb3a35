"""The port: one letter goes out, or is refused, or nobody knows. Answers are those of text messages."""

import re
from typing import Protocol

import msgspec

from billing.sms.port import Outcome
from radius.domain.errors import Malformed

ADDRESS_CHARS_MAX = 254
SUBJECT_CHARS_MAX = 120
TEXT_CHARS_MAX = 20_000
_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)


def check_address(text: str) -> str:
    """An address as it is kept; raises Malformed, which does not repeat it."""
    if len(text) > ADDRESS_CHARS_MAX or not text.isascii() or not text.isprintable() or not _ADDRESS.fullmatch(text):
        raise Malformed("email", "must be like amina@example.co.ke")
    return text


class Mail(msgspec.Struct, frozen=True):
    """A letter for one address: plain text, and a subject on one line."""

    to: str
    subject: str
    text: str

    def __post_init__(self) -> None:
        """Raise Malformed, without what was in it, so that no sender meets what it cannot encode."""
        check_address(self.to)
        if not 1 <= len(self.subject) <= SUBJECT_CHARS_MAX or not self.subject.isprintable():
            raise Malformed("subject", f"must be 1 to {SUBJECT_CHARS_MAX} characters on one line")
        if not 1 <= len(self.text) <= TEXT_CHARS_MAX or any("\ud800" <= each <= "\udfff" for each in self.text):
            raise Malformed("text", f"must be 1 to {TEXT_CHARS_MAX} Unicode characters")

    def __repr__(self) -> str:
        return "Mail(...)"  # whose it is, is in no log


class Mailer(Protocol):
    """What sends."""

    def send(self, mail: Mail) -> Outcome:
        """Send once; raises nothing."""
        ...
