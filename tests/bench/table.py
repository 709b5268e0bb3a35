"""The tables people read: the cells, and the ratios the project aims at."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from tests.bench.cells import Cell
from tests.bench.meter import Usage

BAD_SHARE_MAX = 0.001  # wrong or missing answers, or answers without the store, above this make the run fail
COLUMNS = (
    "subject", "store", "kind", "req/s", "p50 ms", "p99 ms", "radiusd CPU us", "store CPU us", "read units",
    "write units", "in flight", "wrong or missing", "without store", "others' CPU",
)  # fmt: skip


@dataclass(frozen=True)
class Aim:
    """A ratio of two rates and the least it should be."""

    text: str
    kind: str
    ours: tuple[str, float]
    theirs: tuple[str, float]
    least: float


AIMS = (
    Aim("auth, us against (a)", "auth", ("us", 0), ("a", 0), 4),
    Aim("auth, us against (b)", "auth", ("us", 0), ("b", 0), 8),
    Aim("acct, us against (a)", "acct", ("us", 0), ("a", 0), 1),
    Aim("acct, us against (b)", "acct", ("us", 0), ("b", 0), 8),
    Aim("auth, us at 5 ms against us at 0 ms", "auth", ("us", 5), ("us", 0), 0.7),
    Aim("acct, us at 5 ms against us at 0 ms", "acct", ("us", 5), ("us", 0), 0.7),
    Aim("auth at 80 ms, us against (b)", "auth", ("us", 80), ("b", 80), 100),
    Aim("acct at 80 ms, us against (b)", "acct", ("us", 80), ("b", 80), 100),
)


def rows(cells: Sequence[Cell], usage: dict[tuple[str, str], Usage]) -> list[list[str]]:
    """One row a cell, ordered by kind, delay, subject."""
    out = []
    for cell in sorted(
        cells, key=lambda cell: (cell.kind == "acct", cell.delay_ms, cell.subject != "us", cell.subject)
    ):
        load = cell.load
        used = usage.get((cell.subject, cell.kind)) if not cell.delay_ms else None
        out.append(
            [
                cell.title,
                f"+{cell.delay_ms:g} ms",
                cell.kind,
                f"{load.rate:,.0f}",
                f"{load.p50_ms:.1f}",
                f"{load.p99_ms:.1f}",
                f"{load.cpu_us_request:.0f}",
                f"{load.store_cpu_us / load.answered:.0f}" if load.answered and load.store_cpu_us else "-",
                f"{used.read_units:.2f}" if used else "-",
                _write_units(used),
                str(cell.in_flight),
                f"{load.bad_share:.2%}",
                str(cell.aside),
                f"{load.others_share:.0%}",
            ]
        )
    return out


def _write_units(used: Usage | None) -> str:
    if used is None:
        return "-"
    return f"{used.write_units:.2f}" + (f" (index {used.index_write_units:.2f})" if used.index_write_units else "")


def rate_of(cells: Sequence[Cell], subject: str, delay_ms: float, kind: str) -> float | None:
    """The median rate over the rounds of this cell; None when it was not measured."""
    found = [c.load.rate for c in cells if (c.subject, c.delay_ms, c.kind) == (subject, delay_ms, kind)]
    return median(found) if found else None


def verdicts(cells: Sequence[Cell]) -> list[list[str]]:
    """One row an aim: text, ratio, aim, met or not met. Aims whose cells are missing are left out."""
    out = []
    for aim in AIMS:
        ours, theirs = rate_of(cells, *aim.ours, aim.kind), rate_of(cells, *aim.theirs, aim.kind)
        if ours is None or not theirs:
            continue
        ratio = ours / theirs
        out.append([aim.text, f"{ratio:.2f}", f">= {aim.least:g}", "met" if ratio >= aim.least else "not met"])
    return out


def failed(cells: Sequence[Cell]) -> list[Cell]:
    """Cells with too many wrong or missing answers."""
    return [cell for cell in cells if cell.bad_share > BAD_SHARE_MAX or not cell.load.answered]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


def render(header: Sequence[str], body: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """A table as plain text in columns, or as Markdown."""
    if markdown:
        lines = [header, ["---"] * len(header), *body]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    widths = [max(len(line[at]) for line in (header, *body)) for at in range(len(header))]
    return "\n".join(
        "  ".join(text.ljust(width) if at < 3 else text.rjust(width) for at, (text, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in (header, *body))
    )
