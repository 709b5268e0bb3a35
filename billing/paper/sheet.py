"""Vouchers on A4: labels in a grid, with marks to cut along."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm

from billing.paper.ink import PLAIN, code_lines, column, fitting, foot, new_canvas, qr
from billing.paper.slips import Brand, Slip
from billing.paper.words import WORDS
from radius.domain.errors import Malformed

GRIDS = {8: (2, 4), 10: (2, 5), 12: (2, 6), 15: (3, 5), 18: (3, 6), 21: (3, 7), 24: (3, 8)}  # columns and rows
MARGIN = 8 * mm  # what office printers leave white; the marks stand in it
PAD = 2.5 * mm
MARK = 5 * mm


class Box(NamedTuple):
    """A label's place: its lower left corner, width and height in points."""

    x: float
    y: float
    width: float
    height: float


def write_sheet(slips: Iterable[Slip], out: BinaryIO, brand: Brand, per_page: int = 24) -> int:
    """Write a PDF of A4 pages, `per_page` vouchers each; returns the pages. Raises Malformed, naming field and fix."""
    if per_page not in GRIDS:
        raise Malformed("per_page", f"must be one of {', '.join(map(str, GRIDS))}")
    canvas = new_canvas(out, brand)
    canvas.setPageSize(A4)
    left = iter(slips)
    pages = 0
    while page := list(islice(left, per_page)):
        pages += 1
        for slip, box in zip(page, _boxes(per_page), strict=False):
            _label(canvas, brand, slip, box)
        _marks(canvas, per_page)
        canvas.setFont(PLAIN, 6)
        canvas.drawCentredString(
            A4[0] / 2, 3 * mm, f"{page[0].serial} - {page[-1].serial}   {WORDS[brand.language].page} {pages}"
        )
        canvas.showPage()
    if not pages:
        raise Malformed("count", "must be at least 1 voucher")
    canvas.save()
    return pages


def _boxes(per_page: int) -> list[Box]:
    columns, rows = GRIDS[per_page]
    width, height = (A4[0] - 2 * MARGIN) / columns, (A4[1] - 2 * MARGIN) / rows
    return [
        Box(MARGIN + column * width, A4[1] - MARGIN - (row + 1) * height, width, height)
        for row in range(rows)
        for column in range(columns)
    ]


def _label(canvas: Any, brand: Brand, slip: Slip, box: Box) -> None:
    """From the bottom: serial number, the code over the whole width, then the QR code and the texts side by side."""
    x, width = box.x + PAD, box.width - 2 * PAD
    low = foot(brand, slip, width)
    code = code_lines(slip.code, width)
    at = box.y + PAD + low.height
    column(canvas, [low], x, at)
    at += sum(line.height for line in code)
    column(canvas, code, x + width / 2, at, centred=True)
    side = min(box.y + box.height - PAD - at, width * 0.45)
    top = box.y + box.height - PAD
    qr(canvas, brand, slip.code, x, top - side, side)
    column(canvas, fitting(brand, slip, width - side - 1 * mm, top - at), x + side + 1 * mm, top)


def _marks(canvas: Any, per_page: int) -> None:
    """Lines in the margins, and small crosses where four labels meet."""
    columns, rows = GRIDS[per_page]
    xs = [MARGIN + column * (A4[0] - 2 * MARGIN) / columns for column in range(columns + 1)]
    ys = [MARGIN + row * (A4[1] - 2 * MARGIN) / rows for row in range(rows + 1)]
    canvas.setLineWidth(0.3)
    for x in xs:
        canvas.line(x, MARGIN - MARK, x, MARGIN - 1 * mm)
        canvas.line(x, A4[1] - MARGIN + 1 * mm, x, A4[1] - MARGIN + MARK)
    for y in ys:
        canvas.line(MARGIN - MARK, y, MARGIN - 1 * mm, y)
        canvas.line(A4[0] - MARGIN + 1 * mm, y, A4[0] - MARGIN + MARK, y)
    for x in xs[1:-1]:
        for y in ys[1:-1]:
            canvas.line(x - 1 * mm, y, x + 1 * mm, y)
            canvas.line(x, y - 1 * mm, x, y + 1 * mm)
