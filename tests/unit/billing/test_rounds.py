"""One thing that fails keeps no other waiting; a store that is away ends the round, and loses nothing of it."""

import pytest

from billing.services.rounds import of_each, try_each
from radius.domain.errors import Unavailable


def look(name: str) -> str:
    if name == "away":
        raise Unavailable("away")
    if name == "bad":
        raise ValueError(name)
    return name.upper()


def test_all_are_looked_at() -> None:
    assert of_each("abc", look) == ["A", "B", "C"]
    assert of_each((), look) == []


def test_what_failed_is_raised_when_all_were_looked_at() -> None:
    seen: list[str] = []
    with pytest.raises(ExceptionGroup) as failed:
        of_each(("bad", "a", "bad", "b"), lambda name: (seen.append(name), look(name)))
    assert [str(each) for each in failed.value.exceptions] == ["bad", "bad"]
    assert seen == ["bad", "a", "bad", "b"]


def test_a_store_that_is_away_ends_it_and_keeps_what_was_found() -> None:
    found, failed = try_each(("a", "away", "b"), look)
    assert found == ["A"]
    assert [type(each) for each in failed] == [Unavailable]
    with pytest.raises(Unavailable):
        of_each(("a", "away", "b"), look)
    with pytest.raises(ExceptionGroup) as both:
        of_each(("bad", "away"), look)
    assert [type(each) for each in both.value.exceptions] == [ValueError, Unavailable]
