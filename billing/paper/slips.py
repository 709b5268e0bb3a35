"""A voucher as it goes to paper, and whose paper it is. Checked here, so that drawing cannot fail half way through."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import msgspec

from billing.domain.batch import Batch, vouchers
from billing.domain.package import Package
from radius.domain.errors import Malformed
from radius.domain.nas import Language

BRAND_CHARS_MAX = 24  # one line of a small label
SUPPORT_CHARS_MAX = 20
SITE_CHARS_MAX = 40
URL_CHARS_MAX = 80  # more makes squares that a cheap camera does not read at the size of a label
_TYPEFACE = "cp1252"  # what the fonts that every PDF reader has can draw


class Slip(msgspec.Struct, frozen=True):
    """One voucher with its code in the clear. `redeem_by` in UTC seconds, 0 for ever; `site` empty for everywhere."""

    serial: str
    code: str
    package: str
    price_cents: int
    redeem_by: int = 0
    site: str = ""


class Brand(msgspec.Struct, frozen=True):
    """Whose vouchers they are. `portal_url` empty: the QR code holds the bare voucher code."""

    name: str
    support: str = ""
    language: Language = Language.ENGLISH
    portal_url: str = ""


def check_brand(brand: Brand) -> Brand:
    """Return a brand that can be printed; raises Malformed naming field and fix."""
    _printable("brand", brand.name, 1, BRAND_CHARS_MAX)
    _printable("support", brand.support, 0, SUPPORT_CHARS_MAX)
    if brand.portal_url:
        url = urlsplit(brand.portal_url)
        if url.scheme not in {"http", "https"} or not url.hostname or url.username or url.password:
            raise Malformed("portal_url", "must be like https://wifi.example.co.ke/redeem")
        if "#" in brand.portal_url or "?" in brand.portal_url:
            raise Malformed("portal_url", "must end before ? and #: the code goes behind #")
        if len(brand.portal_url) > URL_CHARS_MAX or not brand.portal_url.isascii() or " " in brand.portal_url:
            raise Malformed(
                "portal_url", f"must be at most {URL_CHARS_MAX} plain characters: a QR code must stay small"
            )
    return brand


def _printable(field: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most or not text.isprintable():
        raise Malformed(field, f"must be {least} to {most} characters on one line")
    try:
        text.encode(_TYPEFACE)
    except UnicodeEncodeError as strange:
        raise Malformed(field, "must be Latin letters, which every printer has") from strange


def slips(batch: Batch, package: Package, codes: Iterable[str], language: Language, site: str = "") -> Iterator[Slip]:
    """The paper of a new batch, one by one. Raises Malformed for a name that cannot be printed.

    As many codes as the batch counts, or it is a ValueError. `site`: the name people know it by; `batch.site` if empty.
    """
    name, place = package.name(language), site or batch.site
    _printable("package", name, 1, SITE_CHARS_MAX)
    _printable("site", place, 0, SITE_CHARS_MAX)
    for voucher, code in zip(vouchers(batch), codes, strict=True):
        yield Slip(voucher.serial, code, name, batch.price_cents, voucher.redeem_by, place)


def qr_parts(brand: Brand, code: str) -> tuple[str, ...]:
    """What the QR code says, in the parts that pack best.

    The code stands in the fragment, which a browser keeps to itself (RFC 9110 §4.2.3): it enters no log of a server, no
    proxy and no Referer by being scanned; the portal's page `/v` puts it into its form, which posts it.
    """
    return (f"{brand.portal_url}#", code) if brand.portal_url else (code,)
