"""What a test breaks on purpose on a page, and what the page must say then."""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

Place = TypeVar("Place")


class Fault(NamedTuple, Generic[Place]):
    """`what`: the line of the page; `text`: part of what stands there once `breaks` has been at it."""

    page: str
    what: str
    text: str
    breaks: Callable[[Place], None]


class Faults(Generic[Place]):
    """Those of one file: calling it makes a decorator."""

    def __init__(self) -> None:
        self.all: list[Fault[Place]] = []

    def __call__(self, page: str, what: str, text: str) -> Callable[[Callable[[Place], None]], Callable[[Place], None]]:
        def register(breaks: Callable[[Place], None]) -> Callable[[Place], None]:
            self.all.append(Fault(page, what, text, breaks))
            return breaks

        return register
