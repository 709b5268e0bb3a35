"""A round over what is due: one thing that fails keeps no other waiting, and what was found before is not lost."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from radius.domain.errors import Unavailable

T = TypeVar("T")


def of_each(names: Iterable[str], look: Callable[[str], T]) -> list[T]:
    """What `look` says of each name; raises as `tell` does, after all were looked at."""
    found, failed = try_each(names, look)
    tell(failed)
    return found


def try_each(names: Iterable[str], look: Callable[[str], T]) -> tuple[list[T], list[Exception]]:
    """What `look` says of each name, and what failed. It ends at a store that is away: no other fares better."""
    found: list[T] = []
    failed: list[Exception] = []
    for name in names:
        try:
            found.append(look(name))
        except Unavailable as away:
            return found, [*failed, away]
        except Exception as error:  # noqa: BLE001 - whoever runs the round tells it with its trace
            failed.append(error)
    return found, failed


def tell(failed: Sequence[Exception]) -> None:
    """Raise what failed, if anything did: Unavailable where that is all, else an ExceptionGroup."""
    if len(failed) == 1 and isinstance(failed[0], Unavailable):
        raise failed[0]
    if failed:
        raise ExceptionGroup(f"{len(failed)} failed", failed)
