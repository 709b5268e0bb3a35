from radius.ports import TALLY_KEPT_S, Tally
from radius.store.open import Store
from tests.contract.values import soon

AT = 1_764_000_000


def test_what_is_tallied_adds_up_by_process_and_day(store: Store) -> None:
    for day, process, counts in (
        ("2025-11-24", "radius@a", {"AccessAccepts": 2, "AuthLatency<=0.05": 2}),
        ("2025-11-24", "radius@a", {"AccessAccepts": 3, "AuthLatency<=inf": 1}),
        ("2025-11-24", "radius@b", {"AccessAccepts": 5}),
        ("2025-11-25", "radius@a", {"AccessAccepts": 7}),
        ("2025-11-26", "radius@a", {"AccessAccepts": 9}),
    ):
        store.tallies.tally(day, process, counts, AT, soon())
    assert store.tallies.tallied("2025-11-24", "2025-11-25", AT, soon()) == [
        Tally("2025-11-24", "radius@a", {"AccessAccepts": 5, "AuthLatency<=0.05": 2, "AuthLatency<=inf": 1}),
        Tally("2025-11-24", "radius@b", {"AccessAccepts": 5}),
        Tally("2025-11-25", "radius@a", {"AccessAccepts": 7}),
    ]
    assert store.tallies.tallied("2025-11-01", "2025-11-23", AT, soon()) == []


def test_tallies_are_kept_for_more_than_a_year(store: Store) -> None:
    store.tallies.tally("2025-11-24", "radius@a", {"AccessAccepts": 1}, AT, soon())
    assert store.tallies.tallied("2025-11-24", "2025-11-24", AT + TALLY_KEPT_S - 1, soon())
    assert store.tallies.tallied("2025-11-24", "2025-11-24", AT + TALLY_KEPT_S, soon()) == []
