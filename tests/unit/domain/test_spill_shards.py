"""What a spilled account keeps where: bounds, names of the items, and what a shard forgets."""

from collections.abc import Callable

import msgspec
import pytest

from radius.domain import spill
from radius.domain.errors import Corrupt
from radius.domain.identity import ReservationId, SessionUid, SubscriberId
from radius.domain.intent import Intent, IntentReason
from radius.domain.subscriber import Lease, Session, SessionState, Subscriber
from radius.domain.world import World
from tests.unit.domain.builders import T0, Catalogue, day_terms, live, right, subscriber
from tests.unit.domain.builders import world as world_at


@pytest.mark.parametrize(("live_ones", "spilled"), [(32, False), (33, True)])
def test_an_account_spills_beyond_32_live_sessions_and_for_ever(live_ones: int, spilled: bool) -> None:
    home = subscriber(sessions=[live(state=SessionState.CLOSED), *(live() for _ in range(live_ones))])
    spill.note(home)
    assert home.spilled is spilled
    home.sessions.clear()
    spill.note(home)
    assert home.spilled is spilled


def test_the_items_are_named_by_the_first_four_digits_of_the_session() -> None:
    """They are stored under these names: another count of shards would not find them again."""
    account = SubscriberId("campus")
    names = [spill.shard_id(account, SessionUid(f"{number:04x}beef")) for number in (0, 63, 64, 0xFFFF)]
    assert names == ["campus#m0", "campus#m63", "campus#m0", "campus#m63"]
    assert spill.shard_ids(account) == [f"campus#m{number}" for number in range(64)]


def test_a_shard_forgets_the_sessions_that_are_gone_from_the_root() -> None:
    shard, gone, stays, new = spill.Shard(), live(), live(), live()
    for number, one in enumerate((gone, stays, new)):
        one.reservation = ReservationId(f"res{number}")
        one.last_at = T0 + number
    spill.keep(shard, gone, {gone.uid, stays.uid})
    spill.keep(shard, stays, {gone.uid, stays.uid})
    spill.keep(shard, new, {stays.uid, new.uid})
    assert {uid: marks[1] for uid, marks in shard.marks.items()} == {stays.uid: T0 + 1, new.uid: T0 + 2}


def test_a_shard_comes_back_as_it_was_and_one_that_is_not_there_is_empty() -> None:
    shard = spill.Shard({"a": [1, 2, 3]})
    assert spill.decode(spill.encode(shard)) == shard
    assert spill.decode(b"") == spill.Shard()
    with pytest.raises(Corrupt):
        spill.decode(b"{")


def world() -> World:
    return world_at(T0 + 900, Catalogue(day_terms()))


def ahead(in_bytes: int, time_s: int) -> tuple[Subscriber, Session, Session, spill.Shard]:
    """An account whose root lags behind: it, its session there, the same as the shard knows it, the shard."""
    root = live(leases=[Lease("right001", 1000, 1000)])
    root.revision, root.in_bytes, root.time_s, root.base_s = 3, 10, 60, 5
    known = msgspec.structs.replace(root, revision=4, in_bytes=in_bytes, time_s=time_s, last_at=T0 + 600, loose=True)
    shard = spill.Shard()
    spill.keep(shard, known, {root.uid})
    return subscriber(right(), sessions=[root]), root, known, shard


@pytest.mark.parametrize(("in_bytes", "time_s", "charged"), [(40, 90, (30, 30)), (40, 60, (30, 0)), (10, 90, (0, 30))])
def test_marks_laid_over_the_root_are_charged_once(in_bytes: int, time_s: int, charged: tuple[int, int]) -> None:
    home, root, known, shard = ahead(in_bytes, time_s)
    for _ in range(2):
        spill.lay_over(home, root, shard, world())
        assert (home.rights[0].used_bytes, home.rights[0].used_s) == charged
    known.leases = root.leases  # what they promise is the root's own
    assert root == known
    assert root.loose is True


@pytest.mark.parametrize("revision", [4, 5])
def test_marks_no_newer_than_the_root_change_nothing(revision: int) -> None:
    home, root, _, shard = ahead(40, 90)
    root.revision = revision
    spill.lay_over(home, root, shard, world())
    assert (root.in_bytes, root.last_at, home.rights[0].used_bytes) == (10, T0, 0)
    spill.lay_over(home, root, spill.Shard(), world())
    assert root.in_bytes == 10


PROMISES: dict[str, Callable[[Subscriber, Session], object]] = {
    "its state": lambda _, one: setattr(one, "state", SessionState.CLOSED),
    "its right": lambda _, one: setattr(one, "right", "right002"),
    "its leases": lambda _, one: one.leases.append(Lease("right002", 1, 1)),
    "its cap": lambda _, one: setattr(one, "cap_bytes", 7),
    "its end": lambda _, one: setattr(one, "ends_at", T0 + 7),
    "a session more": lambda home, _: home.sessions.append(live(state=SessionState.RESERVED)),
    "a start elsewhere": lambda home, _: setattr(home.sessions[1], "state", SessionState.OPEN),
    "an intent": lambda home, one: home.intents.append(Intent(one.uid, IntentReason.QUOTA, 0, T0, T0)),
}


@pytest.mark.parametrize("what", PROMISES)
def test_what_the_root_must_show(what: str) -> None:
    one, other = live(), live(state=SessionState.RESERVED)
    home = subscriber(right(), sessions=[one, other])
    before = spill.promises(home, one)
    PROMISES[what](home, one)
    assert spill.promises(home, one) != before


def test_marks_and_what_is_left_of_a_lease_may_lag() -> None:
    one = live()
    home = subscriber(right(), sessions=[one])
    before = spill.promises(home, one)
    one.in_bytes, one.time_s, one.last_at, one.leases[0].bytes = 5, 5, T0 + 5, 1
    assert spill.promises(home, one) == before
