"""The walk over the due index: each page is short, nothing is passed over, and what stays makes room for the rest."""

from radius.domain.identity import SubscriberId
from radius.ports import Outcome
from radius.services.due import BATCH_MAX, DueWalk, Entry

NOW = 1_800_000_000
MANY = 20 * BATCH_MAX


class Index:
    """A due index in memory; it remembers how long a page it was asked for."""

    def __init__(self, *due: int) -> None:
        self.entries: list[Entry] = [(SubscriberId(f"s{number:06d}"), at) for number, at in enumerate(due)]
        self.limits: list[int] = []
        self.at = NOW - 60

    def due(self, since: int, until: int, limit: int, deadline: float) -> list[Entry]:
        self.limits.append(limit)
        return sorted((e for e in self.entries if since <= e[1] <= until), key=lambda e: (e[1], e[0]))[:limit]

    def checkpoint(self, worker: str, deadline: float) -> int:
        return self.at

    def advance(self, worker: str, to: int, deadline: float) -> Outcome:
        self.at = max(self.at, to)
        return Outcome.COMMITTED


def walk(index: Index, moves: int) -> list[list[Entry]]:
    """Page after page; of each, all but every `moves`-th entry leave the index when they are looked at."""
    pages, one, looked = [], DueWalk(index, "test", lambda: 0.0), 0
    for _ in range(100):
        look = one.look(NOW)
        pages.append(look.fresh)
        for entry in look.fresh:
            looked += 1
            one.stays(entry, NOW)
            if looked % moves:
                index.entries.remove(entry)
        one.done(look)
        if not look.more:
            return pages
    raise AssertionError("never done")


def test_what_has_moved_makes_no_page_longer() -> None:
    index = Index(*[NOW - 10] * MANY)
    everybody = set(index.entries)
    pages = walk(index, moves=MANY + 1)
    assert max(map(len, pages)) == BATCH_MAX
    assert max(index.limits) == BATCH_MAX * 2, "a page, and what was looked at last and may be on it again"
    assert {entry for page in pages for entry in page} == everybody


def test_what_stays_is_passed_over_and_everything_else_is_found_once() -> None:
    index = Index(*[NOW - 30 + number % 20 for number in range(MANY)])
    everybody = set(index.entries)
    pages = walk(index, moves=10)
    seen = [entry for page in pages for entry in page]
    assert (len(seen), set(seen)) == (MANY, everybody)
    assert max(map(len, pages)) <= BATCH_MAX
    assert max(index.limits) <= BATCH_MAX * 2 + MANY // 10


def test_a_page_that_is_cut_short_advances_no_further_than_it_was_looked_at() -> None:
    index = Index(*[NOW - 50] * BATCH_MAX, *[NOW - 40] * BATCH_MAX, *[NOW - 20] * BATCH_MAX)
    one = DueWalk(index, "test", lambda: 0.0)
    first = one.look(NOW)
    for entry in first.fresh:
        one.stays(entry, NOW)
        index.entries.remove(entry)
    second = one.look(NOW)
    assert [entry[1] for entry in second.fresh] == [NOW - 40] * BATCH_MAX
    assert (second.to, second.more) == (NOW - 40, True)
