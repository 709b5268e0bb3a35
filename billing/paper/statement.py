"""The statement of a closed day, as the plain text that any receipt printer takes."""

from collections.abc import Iterator
from textwrap import wrap
from unicodedata import normalize

import msgspec

from billing.domain.money import text as money_text
from billing.paper.words import WORDS, Words
from radius.domain.errors import Malformed
from radius.domain.nas import Language

COLUMNS = {58: 32, 80: 48}  # characters of font A (12 dots) that a roll of so many mm takes at 203 dpi
LABEL_CHARS_MIN = 10  # a label with less room than this beside its value goes above it


class Sold(msgspec.Struct, frozen=True):
    """What was sold of one package."""

    package: str
    count: int
    cents: int


class DayClose(msgspec.Struct, frozen=True):
    """A seller's day: what the ledger says is in hand, what was counted, and what was sold. `day` is an ISO date.

    `again`: it was closed before, by the same count. `site` "": of all sites.
    """

    day: str
    site: str
    seller: str
    booked_cents: int
    counted_cents: int
    sold: tuple[Sold, ...] = ()
    handed_in_cents: int = 0
    again: bool = False

    @property
    def difference_cents(self) -> int:
        """Below zero: money is missing."""
        return self.counted_cents - self.booked_cents


def render(brand: str, close: DayClose, paper_mm: int = 58, language: Language = Language.ENGLISH) -> str:
    """The statement, in ASCII lines no longer than the paper takes. Raises Malformed for paper of another width.

    What is no printable ASCII is left out of names: a control character would be an order to the printer.
    """
    if paper_mm not in COLUMNS:
        raise Malformed("paper_mm", f"must be one of {', '.join(map(str, COLUMNS))}")
    return "\n".join(_lines(brand, close, COLUMNS[paper_mm], WORDS[language], language)) + "\n"


def _lines(brand: str, close: DayClose, columns: int, words: Words, language: Language) -> Iterator[str]:
    def money(label: str, cents: int) -> Iterator[str]:
        return _pair(label, money_text(cents, language), columns)

    for part in wrap(_plain(brand), columns):
        yield part.center(columns).rstrip()
    yield f"{words.close} {close.day}".center(columns).rstrip()
    if close.site:
        yield from _pair(words.site, close.site, columns)
    yield from _pair(words.seller, close.seller, columns)
    yield "-" * columns
    for sold in close.sold:
        yield from money(f"{sold.count} x {sold.package}", sold.cents)
    total = sum(sold.cents for sold in close.sold)
    yield from money(words.sold, total)
    if total != close.booked_cents:
        yield from money(words.other, close.booked_cents - total)
    yield "-" * columns
    yield from money(words.booked, close.booked_cents)
    yield from money(words.counted, close.counted_cents)
    gap = close.difference_cents
    mark = "" if not gap else f" {words.short if gap < 0 else words.over}"
    yield from money(words.even + mark, gap)
    yield from money(words.handed_in, close.handed_in_cents)
    yield from money(words.left, close.counted_cents - close.handed_in_cents)
    for label in (words.signed, words.received):
        yield from ("", "", "_" * columns, label)


def _pair(label: str, value: str, columns: int) -> Iterator[str]:
    """A label to the left and its value to the right; where they do not fit on a line, the label takes more."""
    shown = _plain(value)[: columns - 2]
    beside = columns - len(shown) - 1
    *before, last = wrap(_plain(label), beside) if beside >= LABEL_CHARS_MIN else [*wrap(_plain(label), columns), ""]
    yield from before
    yield last + shown.rjust(columns - len(last))


def _plain(text: str) -> str:
    """Printable ASCII of a text: accents off, the rest gone."""
    folded = normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return "".join(letter for letter in folded if letter.isprintable())
