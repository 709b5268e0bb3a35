"""A token that processes share by way of the store, over memory and the engine: sealed there, and never in the way."""

import json

from billing.domain.api_token import ApiToken
from billing.mpesa.tokens import Shared
from billing.shelf import StoredTokens
from radius.domain.errors import Corrupt, Unavailable
from tests.contract.billing.town import Town
from tests.contract.values import soon
from tests.unit.billing.values import T0, TILL


class Plain:
    """Seals that say whose they are; `key` is another after a change of keys."""

    def __init__(self, key: str = "k1") -> None:
        self._key = key

    def seal(self, clear: str, subscriber: str, field: str, epoch: int) -> str:
        return f"{self._key} {subscriber} {field} {epoch} {clear[::-1]}"

    def unseal(self, sealed: str, subscriber: str, field: str, epoch: int) -> str:
        head, _, clear = sealed.rpartition(" ")
        if head != f"{self._key} {subscriber} {field} {epoch}":
            raise Corrupt("another's")
        return clear[::-1]


def test_what_one_process_puts_another_finds_and_the_last_stays(town: Town) -> None:
    one, other = (StoredTokens(town.book, Plain(), TILL) for _ in range(2))
    assert one.kept() is None
    one.put(Shared("first", T0 + 3_539))
    assert other.kept() == Shared("first", T0 + 3_539)
    other.put(Shared("second", T0 + 7_000))
    assert one.kept() == Shared("second", T0 + 7_000)
    assert StoredTokens(town.book, Plain(), "600000").kept() is None


def test_it_is_sealed_and_what_cannot_be_opened_is_none_until_the_next(town: Town) -> None:
    StoredTokens(town.book, Plain(), TILL).put(Shared("first", T0))
    kept = town.billing.thing(ApiToken, TILL, soon())
    assert kept
    assert "first" not in json.dumps(kept.thing.sealed)
    changed = StoredTokens(town.book, Plain("k2"), TILL)
    assert changed.kept() is None
    changed.put(Shared("second", T0))
    assert changed.kept() == Shared("second", T0)


def test_without_the_store_each_has_its_own(town: Town) -> None:
    shelf = StoredTokens(town.book, Plain(), TILL)

    def away(*_: object) -> None:
        raise Unavailable("away")

    shelf._there = away  # type: ignore[method-assign,assignment]
    assert shelf.kept() is None
    shelf.put(Shared("first", T0))
