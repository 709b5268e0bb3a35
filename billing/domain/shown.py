"""An M-Pesa code that somebody showed before its money was known here."""

import re
from typing import ClassVar

import msgspec

from billing.domain.settle import CLOCKS_APART_S_MAX
from billing.domain.thing import Thing
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId

SHOWN_BY_MAX = 4  # of one code: more than one is a mistake, or somebody who guesses
OPEN_MAX = 3  # codes of one customer that wait
KEPT_S = 7 * 86_400  # statements come daily, and weekends pass
_CODE = re.compile(r"[A-Z0-9]{10}", re.ASCII)


class By(msgspec.Struct, frozen=True, array_like=True):
    """Who showed it, for which payment ("" for none), when."""

    subscriber: SubscriberId
    payment: str
    at: int


class Shown(Thing, frozen=True, omit_defaults=True):
    """A code and who showed it. `conversation`: the question that was put to the provider, "" for none."""

    KIND: ClassVar[str] = "W"

    receipt: str
    by: tuple[By, ...]
    asked_at: int = 0
    conversation: str = ""

    @property
    def name(self) -> str:
        """The code."""
        return self.receipt

    def owner(self, paid_at: int) -> By | None:
        """Whose the money is that was paid at `paid_at`; None for nobody's, and for more than one's.

        Who showed a code before its money had moved was guessing.
        """
        rightly = [each for each in self.by if paid_at <= each.at + CLOCKS_APART_S_MAX]
        return rightly[0] if len({each.subscriber for each in rightly}) == 1 else None


class Shows(Thing, frozen=True, omit_defaults=True):
    """The codes of one customer that wait."""

    KIND: ClassVar[str] = "X"

    subscriber: SubscriberId
    receipts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The customer."""
        return self.subscriber


def parse_shown(text: str) -> str:
    """A code as typed, with blanks or in small letters; raises Malformed for what is none."""
    code = "".join(text.split()).upper()
    if not _CODE.fullmatch(code):
        raise Malformed("code", "must be the code that M-Pesa's message begins with, such as NLJ7RT61SV")
    return code
