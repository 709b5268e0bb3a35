"""Means, ranks and shares of whole numbers, with their answers for nothing. Pure."""

from collections.abc import Sequence

ALL = 10_000  # basis points of a whole
HALF, NINE_OF_TEN = ALL // 2, ALL * 9 // 10


def mean(values: Sequence[int]) -> int:
    """Rounded; 0 of none."""
    return round(sum(values) / len(values)) if values else 0


def rank(ordered: Sequence[int], part: int) -> int:
    """The value below or at which so many basis points of them lie (nearest rank), 0 of none."""
    return ordered[max(0, -(-part * len(ordered) // ALL) - 1)] if ordered else 0


def share(part: int, whole: int) -> int | None:
    """In basis points; None of nothing."""
    return part * ALL // whole if whole else None
