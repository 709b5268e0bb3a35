"""What a node remembers: names, terms, sightings; bounded, and never longer than it may."""

import pytest

from radius.domain.errors import Corrupt, Unavailable
from radius.domain.identity import NasId, SubscriberId, parse_username
from radius.domain.nas import PortPair
from radius.ports import Outcome
from radius.services.cache import BoundedMap
from radius.services.names import NameBook
from radius.services.terms import TermsBook
from radius.services.watch import SOURCES_MAX, Watch
from radius.store.memory import MemoryStore
from tests.unit.domain.builders import T0, day_terms

WHO, OTHER = SubscriberId("abcdefghijklmnop"), SubscriberId("other00000000000")
LATER = 1e9


class Library:
    def __init__(self) -> None:
        self.clock = 100.0
        self.store = MemoryStore(clock=lambda: 0.0)
        self.asked: list[str] = []
        self.store.faults.before = self._note
        self.names = NameBook(self.store, lambda text: text[::-1], lambda: self.clock, 2, kept_s=30)
        self.terms = TermsBook(self.store, lambda: self.clock, 0.5, entries_max=2)

    def _note(self, method: str) -> bool:
        self.asked.append(method)
        return False


# -- names -------------------------------------------------------------------------------------------------------


def test_phones_and_macs_are_stored_plainly_and_all_else_as_a_keyed_hash() -> None:
    names = Library().names
    assert names.alias(parse_username("0712345678", None)) == "p:254712345678"
    assert names.alias(parse_username("aa:bb:cc:dd:ee:01", None)) == "m:aabbccddee01"
    assert names.alias(parse_username("ABCD-2345", None)) == "n:5432dcba"


def test_a_name_is_looked_up_once_in_half_a_minute() -> None:
    library = Library()
    library.store.bind("p:1", WHO, LATER)
    library.asked.clear()
    assert [library.names.resolve("p:1", LATER) for _ in range(2)] == [WHO, WHO]
    library.clock += 30
    assert library.names.resolve("p:1", LATER) == WHO
    assert library.asked == ["resolve"]
    library.clock += 1
    library.names.resolve("p:1", LATER)
    assert library.asked == ["resolve", "resolve"]


def test_a_name_that_is_not_there_is_never_remembered() -> None:
    library = Library()
    assert library.names.resolve("p:1", LATER) is None
    library.store.bind("p:1", WHO, LATER)
    assert library.names.resolve("p:1", LATER) == WHO, "a customer who has just paid is found at once"


def test_a_name_that_leads_elsewhere_now_is_forgotten_in_time() -> None:
    library = Library()
    library.store.bind("p:1", WHO, LATER)
    library.names.resolve("p:1", LATER)
    assert library.store.unbind("p:1", WHO, LATER) is Outcome.COMMITTED
    library.clock += 31
    assert library.names.resolve("p:1", LATER) is None
    assert (library.names.knows("p:1"), library.names.last_known("p:1")) == (False, None)


def test_when_the_store_is_away_the_last_known_is_still_known() -> None:
    library = Library()
    library.store.bind("p:1", WHO, LATER)
    library.names.resolve("p:1", LATER)
    library.clock += 99_999
    library.store.faults.before = lambda _: True
    with pytest.raises(Unavailable):
        library.names.resolve("p:1", LATER)
    assert (library.names.last_known("p:1"), library.names.knows("p:1")) == (WHO, True)
    library.names.forget("p:1")
    assert library.names.last_known("p:1") is None


# -- terms -------------------------------------------------------------------------------------------------------


def test_a_version_of_terms_is_read_once_and_for_ever() -> None:
    library = Library()
    library.store.add(day_terms(), LATER)
    library.asked.clear()
    assert [library.terms("day.3").id for _ in range(3)] == ["day.3"] * 3
    library.store.faults.before = lambda _: True
    assert library.terms("day.3") == day_terms()
    assert library.asked == ["terms"]


def test_terms_that_lead_nowhere_are_an_alarm_and_asked_for_again() -> None:
    library = Library()
    with pytest.raises(Corrupt, match=r"ghost\.1"):
        library.terms("ghost.1")
    library.store.add(day_terms("ghost.1"), LATER)
    assert library.terms("ghost.1").id == "ghost.1"


# -- the bounded map ---------------------------------------------------------------------------------------------


def test_the_longest_unwritten_entry_is_forgotten() -> None:
    found: BoundedMap[str, int] = BoundedMap(2)
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        found.put(key, value)
    assert ([found.get(key) for key in "abc"], len(found)) == ([3, None, 4], 2)
    assert (found.pop("a"), found.pop("a"), len(found)) == (3, None, 1)
    found.clear()
    assert len(found) == 0


# -- what is heard -----------------------------------------------------------------------------------------------


def test_sightings_of_a_pair_of_ports_are_handed_over_once_and_the_last_one_counts() -> None:
    watch = Watch(lambda: T0)
    one = NasId("one")
    for pair in (None, PortPair.A, PortPair.B, None):
        watch.heard(one, pair)
    watch.heard(NasId("two"), None)
    assert watch.take_pairs() == {one: PortPair.B}
    assert watch.take_pairs() == {}, "an old sighting proves nothing"
    watch.heard(one, PortPair.B)
    assert watch.take_pairs() == {one: PortPair.B}
    assert watch.routers() == {"one", "two"}


def test_strangers_are_counted_by_source_and_reason() -> None:
    now = T0
    watch = Watch(lambda: now)
    watch.unheard("192.0.2.1", "unknown source")
    now = T0 + 5
    watch.unheard("192.0.2.1", "unknown source")
    watch.unheard("192.0.2.1", "no Message-Authenticator")
    assert watch.take_unheard() == [
        ("192.0.2.1", 2, T0 + 5, "unknown source"),
        ("192.0.2.1", 1, T0 + 5, "no Message-Authenticator"),
    ]
    assert watch.take_unheard() == []


def test_a_scan_does_not_fill_the_memory_and_hides_nobody_who_was_there_before() -> None:
    watch = Watch(lambda: T0)
    for number in range(SOURCES_MAX + 50):
        watch.unheard(f"10.0.{number // 256}.{number % 256}", "unknown source")
    watch.unheard("10.0.0.0", "unknown source")
    taken = watch.take_unheard()
    assert (len(taken), taken[0][:2]) == (SOURCES_MAX, ("10.0.0.0", 2))


def test_what_could_not_be_told_comes_before_what_was_heard_since() -> None:
    now = T0
    watch = Watch(lambda: now)
    watch.unheard("192.0.2.1", "unknown source")
    taken = watch.take_unheard()
    now = T0 + 5
    for number in range(SOURCES_MAX):
        watch.unheard(f"10.0.{number // 256}.{number % 256}", "unknown source")
    watch.put_back([*taken, ("10.0.0.0", 3, T0 + 1, "unknown source")])
    told = watch.take_unheard()
    assert (len(told), told[:2]) == (
        SOURCES_MAX,
        [("192.0.2.1", 1, T0, "unknown source"), ("10.0.0.0", 4, T0 + 5, "unknown source")],
    )
