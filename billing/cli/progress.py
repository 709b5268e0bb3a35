"""How far long work is, and how far a search looked: on stderr, for people, never in what a script reads."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import typer

from billing.cli.frame import Frame

T = TypeVar("T")

AGAIN = "Interrupted. The same command again is safe."
LOOKED_MAX = 1_000  # what a list looks at for what no index finds: a second's work, wherever the store is
All = Annotated[bool, typer.Option("--all", help=f"Look at every one, not only at {LOOKED_MAX:,}.")]


@dataclass
class Search:
    """How far a list may look (None: at all), how far it did, and whether there was more."""

    most: int | None
    looked: int = 0
    cut: bool = False

    @property
    def left(self) -> int:
        """How many it may still look at; as good as any number where there is no end."""
        return 1 << 30 if self.most is None else max(0, self.most - self.looked)

    def through(self, things: Iterable[T]) -> Iterator[T]:
        """Those of `things` that may be looked at."""
        for thing in things:
            if not self.left:
                self.cut = True
                return
            self.looked += 1
            yield thing

    def told(self, frame: Frame, what: str) -> None:
        """Say so where something may have been missed."""
        if self.cut:
            frame.note(f"Looked at {self.looked:,} {what}; --all looks at every one.")


def search(limit: int, *, whole: bool) -> Search:
    """A search for `limit` things that looks at `LOOKED_MAX` others among them, or at all."""
    return Search(None if whole else LOOKED_MAX + limit)


@contextmanager
def bar(
    frame: Frame, text: str, total: float | None = None, begun: int = 0, *, again: str = AGAIN
) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal while something long is done; call what it yields with how much is done (`total`: all).

    Ctrl-C ends the work between two steps as it does everywhere: exit code 130, the bar stays where it was, and
    `again` is said: how to go on.
    """
    from rich.console import Console  # noqa: PLC0415 - most commands are over before anybody looks
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    frame.interrupted = again
    console = Console(stderr=True)
    clock = TimeElapsedColumn() if total is None else TimeRemainingColumn(elapsed_when_finished=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), clock)
    with Progress(*columns, console=console, disable=frame.as_json or not console.is_terminal) as shown:
        task = shown.add_task(text, total=total, completed=begun)
        yield lambda done: shown.update(task, completed=done)


def each(frame: Frame, text: str, things: Iterable[T], total: int | None) -> Iterator[T]:
    """The things, one after the other, with a bar."""
    with bar(frame, text, total) as at:
        for done, thing in enumerate(things, start=1):
            yield thing
            at(done)
