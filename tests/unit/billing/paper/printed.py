"""What a reader and a camera see of a PDF: pages as pictures, texts, QR codes."""

from collections.abc import Iterator

import pypdfium2
import zxingcpp
from PIL.Image import Image

from billing.domain.check_digit import DIGITS, with_check
from billing.paper.slips import Brand, Slip
from radius.domain.nas import Language

URL = "https://wifi.kijani-network.co.ke/redeem"
BRAND = Brand("Kijani WiFi", "0712 345 678", Language.ENGLISH, URL)
LONGEST = Brand(
    "Kijani WiFi Village Work", "+254 712 345 678 / 9", Language.SWAHILI, "https://" + "w" * 63 + ".co.ke/v"
)
LONG_NAME = "Wiki moja, simu mbili, kasi ya 5 Mbps ju"
NEW_YEAR = 1_798_750_800  # 2027-01-01 00:00 in Nairobi


def code(number: int, length: int = 12) -> str:
    return with_check(f"{number:0{length - 1}}", DIGITS)


def slip(number: int, length: int = 12, package: str = "1 hour", site: str = "") -> Slip:
    return Slip(f"B12-{number:04}", code(number * 7_919, length), package, 5_000, NEW_YEAR, site)


def frames(pdf: bytes) -> Iterator[float]:
    """For each QR code of the first page, the white around it, in modules."""
    document = pypdfium2.PdfDocument(pdf)
    picture = document[0].render(scale=4).to_pil().convert("L")
    for found in zxingcpp.read_barcodes(picture):
        left, top, right = found.position.top_left.x, found.position.top_left.y, found.position.top_right.x
        module = (right - left) / (21 + 4 * (int(found.extra["Version"]) - 1))
        bottom, modules = found.position.bottom_left.y, 0.5  # its own edge is grey
        while modules < 5 and _white(picture, left, top, right, bottom, (modules + 0.25) * module):
            modules += 0.25
        yield modules
    document.close()


def _white(picture: Image, left: int, top: int, right: int, bottom: int, away: float) -> bool:
    """Whether the line around a box is white, `away` pixels from it."""
    x0, y0, x1, y1 = round(left - away), round(top - away), round(right + away), round(bottom + away)
    along = [(x, y) for x in range(x0, x1 + 1) for y in (y0, y1)] + [
        (x, y) for y in range(y0, y1 + 1) for x in (x0, x1)
    ]
    return all(picture.getpixel(point) > 200 for point in along)


def pages(pdf: bytes, dots_per_inch: int = 203) -> Iterator[tuple[tuple[float, ...], str, list[str]]]:
    """Size in mm, text, and what the QR codes of each page say (203 dpi: a receipt printer's dots)."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        for page in document:
            size = tuple(round(points / 72 * 25.4, 1) for points in page.get_size())
            picture = page.render(scale=dots_per_inch / 72).to_pil()
            text = page.get_textpage().get_text_bounded()
            yield size, text, [found.text for found in zxingcpp.read_barcodes(picture)]
    finally:
        document.close()
