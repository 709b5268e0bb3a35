"""Money: integer cents of a Kenyan shilling, named ``*_cents`` wherever they appear. There is no float in this package.

Prices include tax. A rate has a first day; what is sold on a day carries the rate of that day for ever after.
"""

import re
from typing import NamedTuple

from radius.domain.errors import Malformed
from radius.domain.nas import Language

SHILLING_CENTS = 100
AMOUNT_CENTS_MAX = 10**12  # ten thousand million shillings: beyond any book of ours, and a typing error long before
BASIS_POINTS_ALL = 10_000

_AMOUNT = re.compile(
    r"(?:(?:KES|KSH|SH)\.?\s*)?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]{1,2})0*)?", re.IGNORECASE | re.ASCII
)
_SYMBOLS = {Language.ENGLISH: "KES", Language.SWAHILI: "Ksh"}


def parse(text: str, field: str = "amount") -> int:
    """Cents of an amount as people and Daraja write it: ``50``, ``5.00``, ``1.0``, ``KES 1,234.50``.

    Raises Malformed, naming `field`, for a sign, an exponent, a part of a cent or commas in the wrong place.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise Malformed(field, "must be shillings such as 50 or 1,234.50")
    cents = int(found[1].replace(",", "")) * SHILLING_CENTS + int((found[2] or "").ljust(2, "0"))
    if cents > AMOUNT_CENTS_MAX:
        raise Malformed(field, f"must be at most {AMOUNT_CENTS_MAX // SHILLING_CENTS:,} shillings")
    return cents


def text(cents: int, language: Language = Language.ENGLISH) -> str:
    """An amount for people: ``KES 1,234.50`` in English, ``Ksh 1,234.50`` in Swahili; whole shillings without cents."""
    shillings, rest = divmod(abs(cents), SHILLING_CENTS)
    return f"{'-' if cents < 0 else ''}{_SYMBOLS[language]} {shillings:,}{f'.{rest:02}' if rest else ''}"


def whole_shillings(cents: int) -> int:
    """The shillings that Daraja is asked for; raises Malformed if cents are left over, which it cannot carry."""
    shillings, rest = divmod(cents, SHILLING_CENTS)
    if rest or shillings < 1:
        raise Malformed("amount", "M-Pesa moves whole shillings, at least 1")
    return shillings


def share(cents: int, part: int, whole: int) -> int:
    """`cents` x `part` / `whole`, rounded down: whoever pays out a share never pays more than there was."""
    return cents * part // whole


class TaxRate(NamedTuple):
    """A rate from the day `since` (ISO date, Nairobi) on. 16 % is 1,600 basis points of the price without tax."""

    since: str
    basis_points: int

    @property
    def id(self) -> str:
        """What the tax account is called by; it holds all that is needed to compute the tax again."""
        return f"{self.since}.{self.basis_points}"


NO_TAX = TaxRate("0001-01-01", 0)
VAT_KENYA = (TaxRate("2021-01-01", 1_600),)  # the standard rate; whoever is not registered configures none


def rate_on(rates: tuple[TaxRate, ...], day: str) -> TaxRate:
    """The rate in force on an ISO `day`; NO_TAX before the first one (who is not registered yet charges none)."""
    return max((rate for rate in rates if rate.since <= day), default=NO_TAX)


class Split(NamedTuple):
    """A price that includes tax, in its two parts: `net_cents` + `tax_cents` is the price, always."""

    net_cents: int
    tax_cents: int


def split(gross_cents: int, rate: TaxRate) -> Split:
    """Take the tax out of a price: the tax to the nearest cent (half a cent counts up), the rest is ours."""
    parts = BASIS_POINTS_ALL + rate.basis_points
    tax = (2 * gross_cents * rate.basis_points + parts) // (2 * parts)
    return Split(gross_cents - tax, tax)
