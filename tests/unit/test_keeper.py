"""The node's background rounds: fresh routers, an honest heartbeat, the time kept, and no trouble that stops them."""

import time
from pathlib import Path
from threading import Event

import pytest

from radius.domain.clock import ClockGuard
from radius.domain.errors import Corrupt
from radius.domain.identity import NasId
from radius.domain.nas import Family, PortPair, Router, Site
from radius.keeper import HEARKEN_S, Keeper, KeeperFiles, Tell
from radius.metrics import Recording
from radius.ports import Node as Heartbeat
from radius.rlm.clocks import Clocks
from radius.services.directory import SECRET_LINGERS_S, Directory
from radius.services.watch import Watch
from radius.settings import Settings
from tests.unit.domain.builders import NAS
from tests.unit.services.wired import SECRET, Node


class House:
    """A keeper over the memory store. Its wall clock is this machine's, moved by `ahead_s`."""

    def __init__(self, folder: Path, node: Node | None = None, directory: Directory | None = None) -> None:
        self.node = node or Node()
        self.node.monotonic_s = time.monotonic()
        self.ahead_s = 0
        self.metrics = Recording()
        self.watch = Watch(lambda: 0)
        self.failed: list[Exception] = []
        self.unusable: list[tuple[NasId, str]] = []
        self.told = Event()
        self.spool = folder / "spool"
        self.spool.mkdir(exist_ok=True)
        settings = Settings(
            state_dir=folder, spool_dir=self.spool, node_id="here", store_endpoint="http://127.0.0.1:1", heartbeat_s=5
        )
        self.settings = settings.model_copy(update={"routers_refresh_s": 0.002})
        self.clocks = Clocks(self._wall, time.monotonic, time.monotonic, ClockGuard(0, 1000), lambda: False)
        self.directory = directory or self.node.directory
        self.measured = 0
        self.keeper = Keeper(
            self.directory,
            self.node.store,
            self.node.store,
            self.node.provision,
            self.watch,
            self.clocks,
            self.metrics,
            self.settings,
            self._measure,
            Tell(self._fail, lambda router, why: self.unusable.append((router, why))),
        )

    def _wall(self) -> float:
        return time.time() + self.ahead_s

    def _measure(self) -> None:
        self.measured += 1

    def _fail(self, error: Exception) -> None:
        self.failed.append(error)
        self.told.set()

    def beats(self) -> dict[str, Heartbeat]:
        return {beat.id: beat for beat in self.node.store.nodes(self.node.deadline)}

    def away(self, *methods: str) -> None:
        self.node.store.faults.before = lambda method: not methods or method in methods

    def back(self) -> None:
        self.node.store.faults.before = lambda _: False


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# -- the router table --------------------------------------------------------------------------------------------


def test_a_new_router_is_known_after_a_round(house: House) -> None:
    house.node.provision.router(Router(NasId("new"), "kilimani", Family.UNIFI, ("10.8.0.9",)), SECRET)
    assert house.directory.client("10.8.0.9", PortPair.A) is None
    house.keeper.round()
    client = house.directory.client("10.8.0.9", PortPair.A)
    assert client is not None
    assert client.router.id == "new"
    assert house.metrics.gauges["RouterCacheAge"] <= 2


def test_a_store_that_is_away_leaves_the_routers_standing_and_says_how_old_they_are(house: House) -> None:
    house.keeper.round()
    house.directory.refreshed_at -= 100
    house.away()
    house.keeper.round()
    assert house.directory.client("10.8.0.2", PortPair.A) is not None
    assert 100 <= house.metrics.gauges["RouterCacheAge"] <= 102


def test_at_a_start_without_the_store_the_routers_of_the_last_run_stand_in(tmp_path: Path) -> None:
    before = House(tmp_path)
    before.keeper.round()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"kilimani-03" in kept
    assert SECRET.encode() not in kept, "sealed there as in the store"
    before.node.monotonic_s = 0.0
    node = Node(before.node.store)
    empty = Directory(node.store, node.store, node.keys.unseal, lambda *_: before.directory.nas(NAS).capabilities)  # type: ignore[union-attr]
    after = House(tmp_path, node, empty)
    after.away()
    after.keeper.start()
    after.keeper.close()
    client = empty.client("10.8.0.2", PortPair.A)
    assert client is not None
    assert client.secret == SECRET
    assert empty.all_sites() == before.directory.all_sites()


def test_the_thread_keeps_going_after_what_should_not_have_been(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.keeper.start()
    monkeypatch.setattr(house.directory, "refresh", lambda *_: 1 / 0)
    assert house.told.wait(10)
    house.told.clear()
    assert house.told.wait(10), "the next round fails too: it is still there"
    house.keeper.close()
    assert {type(error) for error in house.failed} == {ZeroDivisionError}
    assert not house.keeper._thread.is_alive()


def test_closing_one_that_was_never_started(house: House) -> None:
    house.keeper.close()


# -- the heartbeat -----------------------------------------------------------------------------------------------


def test_the_heartbeat_says_what_is_heard_and_what_waits(house: House) -> None:
    house.watch.heard(NAS, None)
    (house.spool / "acct-202611240000.detail").write_text("one packet")
    house.keeper.round()
    (beat,) = house.beats().values()
    assert (beat.id, beat.spool_oldest_at, beat.routers) == ("here", 1_795_478_400, (NAS,))
    assert 0 <= time.time() - beat.at <= 2
    assert house.metrics.gauges["SpoolOldestAge"] == pytest.approx(time.time() - 1_795_478_400, abs=3)


def test_it_beats_at_its_own_pace(house: House) -> None:
    house.keeper.round()
    first = house.beats()["here"]
    house.watch.heard(NAS, None)
    house.keeper.round()
    assert house.beats()["here"] == first, "the next one is due in five seconds"


NOW = 2_000_000_000


@pytest.mark.parametrize(
    ("before", "heard_at", "held_until"),
    [
        (Heartbeat("here", NOW - 30, 0, (NAS,)), 0, 0),
        (Heartbeat("here", NOW - 600, 0, (NAS,)), NOW - 600, NOW + HEARKEN_S),
        # A brief restart while it holds back: the hold goes on as it was, and does not begin anew.
        (Heartbeat("here", NOW - 30, 0, (NAS,), NOW - 900, NOW + 300), NOW - 900, NOW + 300),
        # Down again, and long: since the first gap it has not heard enough.
        (Heartbeat("here", NOW - 600, 0, (NAS,), NOW - 1500, NOW - 300), NOW - 1500, NOW + HEARKEN_S),
    ],
)
def test_a_node_that_was_down_says_for_a_while_that_it_has_heard_only_up_to_then(
    house: House, before: Heartbeat, heard_at: int, held_until: int
) -> None:
    house.keeper._held = None
    house.node.store.publish(before, house.node.deadline)
    house.keeper._publish(NOW, 0, house.node.deadline)
    assert house.beats()["here"] == Heartbeat("here", NOW, 0, (NAS,), heard_at, held_until)
    house.keeper._publish(NOW + HEARKEN_S, 0, house.node.deadline)
    assert house.beats()["here"] == Heartbeat("here", NOW + HEARKEN_S, 0, (NAS,)), "it is over"


def test_other_nodes_are_not_inherited_from(house: House) -> None:
    house.node.store.publish(Heartbeat("there", 5, 0, (NAS,)), house.node.deadline)
    house.keeper.round()
    assert house.beats()["here"].routers == ()


# -- a wrong clock -----------------------------------------------------------------------------------------------


def test_on_a_wrong_clock_nothing_is_published_and_no_time_is_kept(house: House) -> None:
    house.ahead_s = -int(time.time())  # 1970
    house.keeper.round()
    assert house.beats() == {}
    assert house.keeper.files.last_good() == 0


def test_the_time_is_kept_while_it_is_right(house: House) -> None:
    house.keeper.round()
    kept = house.keeper.files.last_good()
    assert abs(kept - time.time()) <= 2
    house.ahead_s = 90_000
    house.keeper.round()
    assert house.keeper.files.last_good() == kept


# -- news --------------------------------------------------------------------------------------------------------


def test_a_rotation_ends_when_the_router_is_seen_on_its_new_pair(house: House) -> None:
    router = house.directory.router(NAS)
    assert router is not None
    house.node.provision.rotate_secret(router, "another-secret-of-it")
    house.watch.heard(NAS, PortPair.A)
    house.keeper.round()
    assert house.node.store.routers(house.node.deadline)[0].rotating_to == "B"
    house.directory.client("10.8.0.2", PortPair.B)  # FreeRADIUS asks, and the packet is right by that secret
    house.watch.heard(NAS, PortPair.B)
    house.keeper.round()
    (ended,) = house.node.store.routers(house.node.deadline)
    assert (ended.rotating_to, ended.secret_a) == ("", "")


def test_a_second_rotation_is_not_ended_by_the_secret_of_the_first(house: House) -> None:
    router = house.directory.router(NAS)
    assert router is not None
    once = house.node.provision.rotate_secret(router, "another-secret-of-it")
    house.keeper.round()
    house.directory.client("10.8.0.2", PortPair.B)
    house.node.provision.rotate_secret(once, "a-third-secret-of-it")
    house.keeper.round()
    house.directory.client("10.8.0.2", PortPair.B)
    house.watch.heard(NAS, PortPair.B)  # by the second secret, which FreeRADIUS may still remember
    house.keeper.round()
    (still,) = house.node.store.routers(house.node.deadline)
    assert (still.rotating_to, still.secret_a != "") == ("B", True)
    house.node.monotonic_s += SECRET_LINGERS_S
    house.watch.heard(NAS, PortPair.B)
    house.keeper.round()
    (ended,) = house.node.store.routers(house.node.deadline)
    assert (ended.rotating_to, ended.secret_a) == ("", "")


def test_strangers_are_listed(house: House) -> None:
    house.watch.unheard("192.0.2.9", "unknown source")
    house.keeper.round()
    listed = house.node.store.unknown(0, house.node.deadline)
    assert [entry[:2] for entry in listed] == [("192.0.2.9", 1)]
    house.keeper.round()
    assert house.node.store.unknown(0, house.node.deadline) == listed, "once"


def test_strangers_are_not_forgotten_while_the_store_is_away(house: House) -> None:
    house.watch.unheard("192.0.2.9", "unknown source")
    house.away("note_unknown")
    house.keeper.round()
    house.watch.unheard("192.0.2.9", "unknown source")
    house.back()
    house.keeper.round()
    assert [entry[:2] for entry in house.node.store.unknown(0, house.node.deadline)] == [("192.0.2.9", 2)]


def test_a_router_whose_record_cannot_be_used_is_listed_once_a_mistake(house: House) -> None:
    bad = Router(NasId("bad"), "kilimani", Family.UNIFI, ("10.8.0.300",), version=1)
    house.node.store.put_router(bad, house.node.deadline)
    for _ in range(3):
        house.keeper.round()
    assert [(entry[0], entry[1]) for entry in house.node.store.unknown(0, house.node.deadline)] == [("bad", 1)]


@pytest.mark.parametrize("method", ["publish", "nodes", "note_unknown", "put_router", "routers"])
def test_a_round_that_fails_anywhere_is_tried_again(house: House, method: str) -> None:
    house.watch.unheard("192.0.2.9", "unknown source")
    house.away(method)
    house.keeper.round()
    house.back()
    house.keeper.round()
    assert house.beats()["here"].at > 0


def test_what_others_count_for_themselves_is_measured_each_round(house: House) -> None:
    house.away()
    for _ in range(3):
        house.keeper.round()
    assert house.measured == 3
    assert house.metrics.gauges["SpoolOldestAge"] == 0


# -- files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [None, "", "soon", "\x00\x00\x00"])
def test_a_time_that_cannot_be_read_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "last-good-time").write_text(content)
    assert KeeperFiles(tmp_path).last_good() == 0


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"routers": 5}'])
def test_a_snapshot_that_cannot_be_read_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "routers.snapshot").write_bytes(content)
    assert KeeperFiles(tmp_path).load() == ([], [], 0)


def test_files_come_back_as_they_were_and_only_for_their_owner(tmp_path: Path) -> None:
    files = KeeperFiles(tmp_path)
    routers, sites = [Router(NAS, "kilimani", Family.MIKROTIK, ("10.8.0.2",))], [Site("kilimani")]
    files.save(routers, sites)
    files.keep_time(1_800_000_000)
    assert (files.load()[:2], files.last_good()) == ((routers, sites), 1_800_000_000)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    before = (tmp_path / "routers.snapshot").stat().st_ino
    files.save(routers, sites)
    assert (tmp_path / "routers.snapshot").stat().st_ino == before, "what is kept already is not written again"
    files.save(routers, [])
    assert (tmp_path / "routers.snapshot").stat().st_ino != before, "a new file, never one half written"


def test_a_disk_that_takes_nothing_does_not_stop_a_round(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("radius.keeper._replace", full)
    house.keeper.round()
    assert house.beats()["here"].at > 0


def test_a_refresh_that_meets_a_broken_record_leaves_the_old_table(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> list[Router]:
        raise Corrupt("router kilimani-03")

    monkeypatch.setattr(house.node.store, "routers", broken)
    house.keeper.round()
    assert house.directory.client("10.8.0.2", PortPair.A) is not None
    assert [str(error) for error in house.failed] == ["router kilimani-03"]


def test_a_record_that_cannot_be_used_is_told_once_with_its_router(house: House) -> None:
    odd = Router(NasId("odd"), "kilimani", "later", ("10.8.0.9",), version=1)  # type: ignore[arg-type]  # a new word
    house.node.store.put_router(odd, house.node.deadline)
    for _ in range(3):
        house.keeper.round()
    ((router, why),) = house.unusable
    assert (router, "later" in why) == ("odd", True)
    assert [source for source, *_ in house.node.store.unknown(0, house.node.deadline)] == ["odd"]
