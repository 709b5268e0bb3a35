"""How answers are shown: a table for people, one JSON document for scripts. The same facts in both.

A fact keeps its own unit in JSON (cents, bytes, seconds, UTC seconds); a table writes it as people read it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from billing.domain import money
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT

Facts = Mapping[str, Any]
NONE = "-"
GAP = 2
WORD_MAX = 40  # what is longer may be cut: an address, a path
WIDTH_UNSEEN = 240  # where no terminal says how wide it is: lines in a file are not to be cut
_BYTE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class Column(NamedTuple):
    """One column of a table: its heading, the fact it shows, and how. `right`: figures stand below each other.

    `spare`: left out where the terminal is too narrow for all; else words would be cut that people copy.
    """

    title: str
    key: str
    text: Callable[[Any], str] = str
    right: bool = False
    spare: bool = False


def when(at: int) -> str:
    """An instant as the clock on the wall in Nairobi; `-` for never."""
    return calendar.local(at, ZONE_DEFAULT).strftime("%Y-%m-%d %H:%M:%S") if at else NONE


def size(count: int | None) -> str:
    """Bytes in the unit that people say (powers of ten, as packages are sold); `-` for no limit."""
    if count is None:
        return NONE
    value = float(count)
    for unit in _BYTE_UNITS[:-1]:
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_BYTE_UNITS[-1]}"


def span(seconds: int | None) -> str:
    """A length of time: `45 s`, `12 min`, `3 h 05 min`, `2 d 4 h`; `-` for no limit."""
    if seconds is None:
        return NONE
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if minutes < 2:
        return f"{seconds} s"
    if hours < 1:
        return f"{minutes} min"
    return f"{hours} h {minutes % 60:02} min" if days < 2 else f"{days} d {hours % 24} h"


def amount(cents: int) -> str:
    """Money."""
    return money.text(cents)


def words(value: object) -> str:
    """Whatever else: yes and no, lists with commas, `-` for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or NONE
    return NONE if value is None or value == "" else str(value)


def as_is(value: object) -> str:
    """A text that may be empty, and is then shown as nothing."""
    return str(value)


class Show:
    """Writes answers to one console. `as_json`: the one document of this command."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self.console = console
        self.as_json = as_json

    def table(self, rows: Iterable[Facts], columns: Sequence[Column], empty: str) -> None:
        """Many of a kind; `empty` is said instead of a table without rows."""
        listed = list(rows)
        if self.as_json:
            self.document(listed)
        elif not listed:
            self.line(empty)
        else:
            fits = fitting(listed, columns, self.console.width)
            self.print(render(listed, fits))
            if len(fits) < len(columns):
                left = ", ".join(column.title for column in columns if column not in fits)
                self.line(f"Too narrow for {left}: a wider terminal shows them, and --json.")

    def item(self, facts: Facts, columns: Sequence[Column]) -> None:
        """One thing, a line for each of its facts."""
        if self.as_json:
            self.document(facts)
            return
        grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for column in columns:
            grid.add_row(Text(column.title, style="bold"), Text(_cell(column, facts)))
        self.print(grid)

    def done(self, text: str, facts: Facts) -> None:
        """What a change came to."""
        if self.as_json:
            self.document({**facts, "text": text})
        else:
            self.line(text)

    def print(self, table: Table) -> None:
        """A table; in a file or a pipe without the blanks that fill its lines."""
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as captured:
            self.console.print(table)
        self.console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def document(self, value: object) -> None:
        """JSON, as it is."""
        self.console.file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def line(self, text: str) -> None:
        """A sentence; whatever is in it is no markup."""
        self.console.print(Text(text), soft_wrap=True)


def fitting(rows: Sequence[Facts], columns: Sequence[Column], width: int) -> list[Column]:
    """Those that have room with no word of theirs cut; of the spare ones the last go first."""
    kept = list(columns)
    for column in reversed(columns):
        if sum(_least(each, rows) + GAP for each in kept) - GAP <= width:
            break
        if column.spare:
            kept.remove(column)
    return kept


def _least(column: Column, rows: Sequence[Facts]) -> int:
    """The longest word of a column, up to what is never cut."""
    texts = (column.title, *(_cell(column, row) for row in rows))
    return min(max((cell_len(word) for text in texts for word in text.split()), default=0), WORD_MAX)


def render(rows: Sequence[Facts], columns: Sequence[Column]) -> Table:
    """A table of `rows`."""
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column in columns:
        side: JustifyMethod = "right" if column.right else "left"
        table.add_column(column.title, justify=side, overflow="fold", min_width=_least(column, rows))
    for row in rows:
        table.add_row(*(Text(_cell(column, row)) for column in columns))
    return table


def _cell(column: Column, facts: Facts) -> str:
    value = facts.get(column.key)
    return words(value) if column.text is str or value is None else column.text(value)
