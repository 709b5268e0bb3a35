"""What sheet and roll draw alike: a deterministic canvas, texts that fit, the code in large, the QR code.

Lengths are PDF points (1/72 inch), y grows upwards.
"""

from collections.abc import Sequence
from typing import Any, BinaryIO, NamedTuple

from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from billing.domain.money import text as money_text
from billing.domain.voucher import GROUP_CHARS, printed
from billing.paper.slips import Brand, Slip, check_brand, qr_parts
from billing.paper.words import WORDS, last_day
from radius.domain.errors import Malformed

PLAIN, BOLD, FIXED = "Helvetica", "Helvetica-Bold", "Courier-Bold"
QUIET_MODULES = 4  # the white frame that a reader needs (ISO/IEC 18004 §5.3.8)
MODULE_MM_MIN = 0.33  # a cheap phone's camera; three dots of a 203 dpi printer are 0.375 mm
CODE_POINTS_MAX, CODE_POINTS_MIN = 24.0, 9.0
CODE_LINES_MAX = 2  # more is not typed without losing the place
SCALES = (1.5, 1.35, 1.2, 1.1, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75)  # tried in turn before it is said that texts do not fit
_FIXED_EM = 0.6  # every character of Courier is as wide
_LEADING = 1.18


class Line(NamedTuple):
    """A line of text: font, size in points, and the text."""

    font: str
    size: float
    text: str

    @property
    def height(self) -> float:
        """What it takes of a column."""
        return self.size * _LEADING


def new_canvas(out: BinaryIO, brand: Brand) -> Any:
    """A canvas that gives the same bytes for the same drawing: no date, no random id. Raises Malformed (the brand)."""
    check_brand(brand)
    canvas = Canvas(out, invariant=1, pageCompression=1)
    canvas.setTitle(brand.name)
    canvas.setCreator("wifibilling")
    return canvas


def texts(brand: Brand, slip: Slip, width: float, scale: float) -> list[Line]:
    """What is said beside the code: name, price, package, how, help; wrapped to `width`."""
    words = WORDS[brand.language]
    wanted = [
        Line(BOLD, 9 * scale, brand.name),
        Line(BOLD, 11 * scale, money_text(slip.price_cents, brand.language)),
        Line(PLAIN, 8 * scale, slip.package),
        *([Line(PLAIN, 7 * scale, slip.site)] if slip.site else []),
        Line(PLAIN, 6.5 * scale, words.how),
        *([Line(PLAIN, 7 * scale, f"{words.help}: {brand.support}")] if brand.support else []),
    ]
    return [
        Line(line.font, line.size, part)
        for line in wanted
        for part in simpleSplit(line.text, line.font, line.size, width)
    ]


def fitting(brand: Brand, slip: Slip, width: float, height: float) -> list[Line]:
    """`texts` as large as they fit beside the code; raises Malformed if they do not at the least size."""
    for scale in SCALES:
        lines = texts(brand, slip, width, scale)
        widest = max(stringWidth(line.text, line.font, line.size) for line in lines)
        if widest <= width and sum(line.height for line in lines) <= height:
            return lines
    raise Malformed("per_page", f"leaves too little room for the texts of {slip.serial}; take fewer a page")


def foot(brand: Brand, slip: Slip, width: float) -> Line:
    """Serial number and last day, on one line."""
    words = WORDS[brand.language]
    day = last_day(slip.redeem_by)
    text = f"{words.number} {slip.serial}" + (f"   {words.use_by} {day}" if day else "")
    size = min(7.0, 7.0 * width / stringWidth(text, PLAIN, 7.0))
    return Line(PLAIN, size, text)


def code_lines(code: str, width: float) -> list[Line]:
    """The code in groups, in as few and large lines as fit; raises Malformed for one too long to be read."""
    groups = printed(code).split(" ")
    for count in range(1, CODE_LINES_MAX + 1):
        in_line = -(-len(groups) // count)
        rows = [" ".join(groups[at : at + in_line]) for at in range(0, len(groups), in_line)]
        size = min(CODE_POINTS_MAX, width / (_FIXED_EM * max(map(len, rows))))
        if size >= (CODE_POINTS_MIN if count > 1 else CODE_POINTS_MIN * 1.4):
            return [Line(FIXED, size, row) for row in rows]
    most = CODE_LINES_MAX * int(width / (_FIXED_EM * CODE_POINTS_MIN) / (GROUP_CHARS + 1)) * GROUP_CHARS
    raise Malformed("code length", f"must be at most {most} characters to be read on this label")


def column(canvas: Any, lines: Sequence[Line], x: float, top: float, *, centred: bool = False) -> float:
    """Draw lines downwards from `top`; `x` is their left edge, or their middle. Returns where they end."""
    draw = canvas.drawCentredString if centred else canvas.drawString
    for line in lines:
        canvas.setFont(line.font, line.size)
        draw(x, top - line.size, line.text)
        top -= line.height
    return top


def qr(canvas: Any, brand: Brand, code: str, x: float, y: float, side: float) -> None:
    """Draw the QR code, its white frame included, in a square; raises Malformed if its modules would be too small."""
    encoder = QRCode(None, QRErrorCorrectLevel.M)
    for part in qr_parts(brand, code):
        encoder.addData(part)
    encoder.make()
    count: int = encoder.getModuleCount()
    module = side / (count + 2 * QUIET_MODULES)
    if module < MODULE_MM_MIN * mm:
        raise Malformed("portal_url", "is too long for a QR code of this size; take a shorter one, or fewer a page")
    path = canvas.beginPath()
    left, top = x + QUIET_MODULES * module, y + side - QUIET_MODULES * module
    for row, modules in enumerate(encoder.modules or ()):
        for start, length in _runs(modules):
            path.rect(left + start * module, top - (row + 1) * module, length * module, module)
    canvas.drawPath(path, stroke=0, fill=1)


def _runs(modules: Sequence[bool]) -> list[tuple[int, int]]:
    """Where the dark runs of a row begin, and how long they are: one rectangle each, and no seam within."""
    runs: list[tuple[int, int]] = []
    for at, dark in enumerate(modules):
        if dark and at and modules[at - 1]:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif dark:
            runs.append((at, 1))
    return runs
