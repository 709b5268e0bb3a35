"""Vouchers as CSV (RFC 4180), for a spreadsheet or a print shop."""

import csv
from collections.abc import Iterable
from typing import TextIO

from billing.domain.money import SHILLING_CENTS
from billing.domain.voucher import printed
from billing.paper.slips import Slip
from billing.paper.words import last_day

COLUMNS = ("serial", "code", "package", "price", "expiry", "site")
ENCODING = "utf-8-sig"  # with the mark that spreadsheets need to read an accent right
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  (wide forms count as well)


def write_csv(slips: Iterable[Slip], out: TextIO) -> None:
    """Write slips to a text stream (open it with `ENCODING` and newline=""). Expiry is an ISO date, the last of use.

    A cell that a spreadsheet would run as a formula is led by an apostrophe (OWASP, "CSV Injection").
    """
    rows = csv.writer(out, quoting=csv.QUOTE_ALL)
    rows.writerow(COLUMNS)
    for slip in slips:
        shillings, cents = divmod(slip.price_cents, SHILLING_CENTS)
        price = f"{shillings}.{cents:02}" if cents else str(shillings)
        expiry = last_day(slip.redeem_by, "%Y-%m-%d")
        cells = (slip.serial, printed(slip.code), slip.package, price, expiry, slip.site)
        rows.writerow([f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell for cell in cells])
