"""Vouchers on the roll of a receipt printer: one a page, as high as it needs to be."""

from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from reportlab.lib.units import mm

from billing.paper.ink import code_lines, column, foot, new_canvas, qr, texts
from billing.paper.slips import Brand, Slip
from radius.domain.errors import Malformed


class Roll(NamedTuple):
    """A width of paper, and what its print head reaches, in mm."""

    paper_mm: int
    print_mm: int


ROLLS = {58: Roll(58, 48), 80: Roll(80, 72)}
QR_MM_MAX = 40
PAD = 3 * mm
_SCALE = 1.3  # paper costs less than a squint


def write_roll(slips: Iterable[Slip], out: BinaryIO, brand: Brand, paper_mm: int = 58) -> int:
    """Write a PDF, one page a voucher; returns the pages. Raises Malformed, naming field and fix."""
    if paper_mm not in ROLLS:
        raise Malformed("paper_mm", f"must be one of {', '.join(map(str, ROLLS))}")
    canvas = new_canvas(out, brand)
    paper, width = ROLLS[paper_mm].paper_mm * mm, ROLLS[paper_mm].print_mm * mm
    side = min(width, QR_MM_MAX * mm)
    pages = 0
    for pages, slip in enumerate(slips, start=1):  # noqa: B007  (the last number is the answer)
        above = texts(brand, slip, width, _SCALE)
        below = [*code_lines(slip.code, width), foot(brand, slip, width)]
        height = sum(line.height for line in (*above, *below)) + side + 2 * PAD
        canvas.setPageSize((paper, height))
        top = column(canvas, above, paper / 2, height - PAD, centred=True)
        qr(canvas, brand, slip.code, (paper - side) / 2, top - side, side)
        column(canvas, below, paper / 2, top - side, centred=True)
        canvas.showPage()
    if not pages:
        raise Malformed("count", "must be at least 1 voucher")
    canvas.save()
    return pages
