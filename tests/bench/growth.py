"""Growth: does an auth or an interim cost more when the store holds a hundred times more?

Three stores beside each other, the same load on all, in turns: 1,000 subscribers; 100,000 subscribers; 1,000
subscribers and a million closed sessions. A fourth measurement lets all 100,000 subscribers log in and account in
turn, which also defeats the caches of the node. "us" only.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median

from tests.bench import table
from tests.bench.cells import Bench, Cell, Tools, bench_of
from tests.bench.packets import Customer
from tests.bench.us import Filler, Ours

SMALL = 1000
MANY_SUBSCRIBERS = 100_000
MANY_SESSIONS = 1_000_000
FLAT_SHARE = 0.10  # growth within this is flat

STORES = (
    ("small", "1,000 subscribers", Filler()),
    ("many", "100,000 subscribers", Filler(subscribers=MANY_SUBSCRIBERS - SMALL)),
    ("closed", "1,000 subscribers, 1,000,000 closed sessions", Filler(closed_sessions=MANY_SESSIONS)),
)


def measure(tools: Tools, ours: Ours, rounds: int) -> list[Cell]:
    """All windows, the stores taking turns."""
    customers = [Customer(index) for index in range(SMALL)]
    cells: list[Cell] = []
    with ExitStack() as stack:
        benches = []
        for key, title, filler in STORES:
            subject = ours.filled(key, title, filler)
            benches.append(stack.enter_context(bench_of(tools, subject, customers)))
        for turn in range(rounds):
            for at in range(len(benches)):
                benches[(at + turn) % len(benches)].measure(0)
        cells += [cell for bench in benches for cell in bench.cells]
        cells += _all_in_turn(tools, benches[1], ours)
    return cells


def _all_in_turn(tools: Tools, bench: Bench, ours: Ours) -> list[Cell]:
    """The store of 100,000 with every subscriber in the load instead of the same thousand."""
    templates = ours.filler_templates(bench.folder, Filler(subscribers=MANY_SUBSCRIBERS - SMALL))
    wide = Bench(
        tools,
        ours.filled("many-all", "100,000 subscribers, all in turn", Filler()),
        bench.store,
        templates,
        bench.folder,
        bench.online,
        bench.began_at,
    )
    wide.measure(0)
    return wide.cells


def report(cells: Sequence[Cell], *, markdown: bool) -> str:
    """Figures, then the ratio of each store to the small one."""
    ratios = []
    for kind in ("auth", "acct"):
        base = median(cell.load.rate for cell in cells if (cell.subject, cell.kind) == (STORES[0][0], kind))
        for key in dict.fromkeys(cell.subject for cell in cells if cell.subject != STORES[0][0]):
            rate = median(cell.load.rate for cell in cells if (cell.subject, cell.kind) == (key, kind))
            verdict = "flat" if rate >= base * (1 - FLAT_SHARE) else "not flat"
            ratios.append([f"{kind}, {key} against small", f"{rate / base:.2f}", f">= {1 - FLAT_SHARE:g}", verdict])
    figures = table.render(table.COLUMNS, table.rows(cells, {}), markdown=markdown)
    return figures + "\n\n" + table.render(("growth", "ratio", "least", "verdict"), ratios, markdown=markdown)
