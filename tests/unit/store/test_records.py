import pytest
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.errors import Corrupt
from radius.domain.identity import NasId, SubscriberId
from radius.ports import Change, Stored
from radius.store import keys, records
from tests.contract.values import change, day_keys, name, record


def test_an_aggregate_item_literally() -> None:
    due = Change(SubscriberId("abcdefghij012345"), 7, "w-7", b'{"i":"x"}', 1_700_000_055)
    assert records.subscriber_item(due) == {
        "pk": "S#abcdefghij012345",
        "v": 7,
        "w": "w-7",
        "b": '{"i":"x"}',
        "k": "28333334#2",
        "d": 1_700_000_055,
    }
    assert set(records.subscriber_item(due._replace(due_at=0))) == {"pk", "v", "w", "b"}


def test_an_aggregate_with_due_work_and_900_bytes_is_one_write_unit() -> None:
    item = records.subscriber_item(
        Change(SubscriberId("abcdefghij012345"), 9_999_999, "0123456789ab", b"x" * 950, 1_700_000_055)
    )
    assert keys.item_bytes(item) <= keys.WRITE_UNIT_BYTES


def test_a_record_item_literally() -> None:
    item = records.record_item(record("u9", 1_700_000_000, revision=3))
    body = item.pop("body")
    assert item == {
        "uid": "u9",
        "started_at": 1_700_000_000,
        "revision": 3,
        "subscriber": name(1),
        "router_day": "gate#20261123#0",
        "site_day": "lodge#20261123#0",
        "subscriber_day": f"{name(1)}#20261123#0",
        "open_key": "gate#0",
    }
    assert records.record_of({"body": body}) == record("u9", 1_700_000_000, revision=3)


def test_a_closed_record_is_not_in_the_open_index_and_a_day_is_never_missing() -> None:
    item = records.record_item(record(started_at=1_700_000_000, closed_at=1_700_000_060, day=""))
    assert "open_key" not in item
    assert str(item["router_day"]).startswith("gate#20231114#")


def test_later_revisions_keep_their_index_keys() -> None:
    first, last = records.record_item(record()), records.record_item(record(revision=9, time_s=900, in_bytes=5))
    index_keys = ("router_day", "site_day", "subscriber_day", "open_key", "started_at", "subscriber")
    assert [first[key] for key in index_keys] == [last[key] for key in index_keys]


def test_every_key_is_among_those_that_readers_ask() -> None:
    for number in range(200):
        uid = record(f"u{number}").uid
        assert keys.open_key(NasId("gate"), uid) in keys.open_keys(NasId("gate"))
        assert keys.day_key("gate", "20261123", uid) in day_keys("gate", "20261123")
        assert keys.due_key(name(number), 1_700_000_055) in keys.due_keys(1_700_000_055 // 60)


def test_shards_are_used_evenly_enough() -> None:
    counts = [0] * keys.DUE_SHARDS
    for number in range(4_000):
        counts[keys.shard_of(name(number), keys.DUE_SHARDS)] += 1
    assert min(counts) > 800


@pytest.mark.parametrize(
    ("size", "strong", "half_units"),
    [(0, True, 2), (4_096, True, 2), (4_097, True, 4), (1, False, 1), (9_000, False, 3)],
)
def test_prices_of_reads(size: int, strong: bool, half_units: int) -> None:
    assert keys.read_half_units(size, strong=strong) == half_units


@pytest.mark.parametrize(
    ("size", "transaction", "units"), [(1, False, 1), (1_024, False, 1), (1_025, False, 2), (9, True, 2)]
)
def test_prices_of_writes(size: int, transaction: bool, units: int) -> None:
    assert keys.write_units(size, transaction=transaction) == units


@given(st.text(), st.integers(1, 2**53), st.integers(0, 2**40))
def test_what_was_committed_is_what_is_read(text: str, version: int, due_at: int) -> None:
    body = text.encode("utf-8", "ignore")
    item = records.subscriber_item(Change(name(1), version, "w", body, due_at))
    assert records.stored_of(records.values(records.attributes(item))) == Stored(body, version, due_at)


@pytest.mark.parametrize("item", [{}, {"b": "x"}, {"b": 5, "v": 1}, {"b": "x", "v": "many"}])
def test_an_item_that_is_none_of_ours_is_corrupt(item: dict[str, str | int]) -> None:
    with pytest.raises(Corrupt):
        records.stored_of(item)


def test_a_record_that_cannot_be_read_is_corrupt_and_named() -> None:
    with pytest.raises(Corrupt, match="u7"):
        records.record_of({"uid": "u7", "started_at": 1, "body": "{}"})


def test_a_type_that_we_never_write_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="BOOL"):
        records.values({"x": {"BOOL": True}})


def test_the_first_version_wants_no_item_and_the_others_the_one_before() -> None:
    assert records.version_condition(change(name(1), 1)) == ("attribute_not_exists(pk)", None)
    assert records.version_condition(change(name(1), 8)) == ("v = :before", {":before": 7})
