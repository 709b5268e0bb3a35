"""Numbers of receipts: settlers that work at one time seldom want the same one, and never again and again."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from billing.services.book import SERIES, Book


def book() -> Book:
    empty = SimpleNamespace(ledger=SimpleNamespace(last_number=lambda _series, _deadline: 0))
    given: Any = (empty, None, (), str, lambda: 0.0)
    return Book(*given)


def test_subjects_spread_over_the_series() -> None:
    wanted = Counter(book().number(f"payment{number}", 0).series for number in range(3_200))
    assert set(wanted) == set(SERIES)
    assert max(wanted.values()) < 200


def test_two_that_collide_once_part_at_the_next_try() -> None:
    """Whoever lost once must not meet the same rivals at each try."""
    numbers = [
        (book().number(f"payment{each}", 0).series, book().number(f"payment{each}", 1).series) for each in range(200)
    ]
    rivals = [second for first, second in numbers if first == numbers[0][0]]
    assert len(rivals) > 3
    assert len(set(rivals)) > 1
