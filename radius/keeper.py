"""The node's background thread: keeps the router table fresh, tells the store what this node hears, remembers the time.

Nothing here is on a packet's way. A round that fails is tried again at the next beat; the table of routers that was
read last stands, at the start also the one kept on disk (its secrets are sealed there as they are in the store).
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import msgspec

from radius.domain.clock import Trusted
from radius.domain.errors import RadiusError, Unavailable
from radius.domain.identity import NasId
from radius.domain.nas import Router, Site
from radius.domain.shapes import decoder
from radius.metrics import Metrics
from radius.ports import Node, Nodes, Routers
from radius.rlm import spool
from radius.rlm.clocks import Clocks
from radius.services.directory import Directory
from radius.services.provision import Provision
from radius.services.watch import Watch
from radius.settings import Settings

ROUND_DEADLINE_S = 5.0  # all store requests of one round
STOP_S_MAX = 10.0  # a round's requests end by their deadline; then the thread is gone
DEAF_S = 60  # a node that was down for longer may have missed interim updates
# For so long after that it does not call anyone silent: three interims of five minutes and the grace (`world`).
HEARKEN_S = 1_200


class _Snapshot(msgspec.Struct):
    routers: list[Router]
    sites: list[Site]


class KeeperFiles:
    """The small files of a node: what it must know before the store answers."""

    def __init__(self, state: Path) -> None:
        self._clock = state / "last-good-time"
        self._routers = state / "routers.snapshot"

    def last_good(self) -> int:
        """The last instant that was trusted; 0 if none is known."""
        try:
            return int(self._clock.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def keep_time(self, at: int) -> None:
        """Remember the time across a power cut."""
        _replace(self._clock, str(at).encode())

    def load(self) -> tuple[list[Router], list[Site], int]:
        """Routers and sites as of the last run, and when that was; empty and 0 if there was none."""
        with suppress(OSError, msgspec.MsgspecError):
            snapshot = decoder(_Snapshot).decode(self._routers.read_bytes())
            return snapshot.routers, snapshot.sites, int(self._routers.stat().st_mtime)
        return [], [], 0

    def save(self, routers: list[Router], sites: list[Site]) -> None:
        """Keep routers and sites, if they are not what is kept already."""
        data = msgspec.json.encode(_Snapshot(routers, sites))
        with suppress(FileNotFoundError):
            if self._routers.read_bytes() == data:
                return
        _replace(self._routers, data)


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class _Held(NamedTuple):
    """Until when (UTC seconds) this node says that it heard nothing after `heard_at`."""

    heard_at: int
    until: int


HELD_NOT = _Held(0, 0)


class Tell(NamedTuple):
    """Who is told of an exception that should not have been, and of a router whose record cannot be used, and why."""

    failed: Callable[[Exception], None] = lambda _: None
    unusable: Callable[[NasId, str], None] = lambda _router, _why: None


class Keeper:
    """One thread; `start` does the first round itself, so that a node knows its routers before it answers."""

    def __init__(
        self,
        directory: Directory,
        routers: Routers,
        nodes: Nodes,
        provision: Provision,
        watch: Watch,
        clocks: Clocks,
        metrics: Metrics,
        settings: Settings,
        measure: Callable[[], None] = lambda: None,
        tell: Tell = Tell(),  # noqa: B008 - an immutable value
    ) -> None:
        """`measure` is called each round."""
        self._directory = directory
        self._routers = routers
        self._nodes = nodes
        self._provision = provision
        self._watch = watch
        self._clocks = clocks
        self._metrics = metrics
        self._settings = settings
        self._measure = measure
        self._tell = tell
        self.files = KeeperFiles(settings.state_dir)
        self._stop = Event()
        self._thread = Thread(target=self._loop, name="keeper")
        self._beat_at = float("-inf")
        self._held: _Held | None = None  # not known before the first word with the store
        self._told_broken: Mapping[NasId, str] = {}

    def start(self) -> None:
        """Load the routers (from the store, else from disk) and begin to keep them."""
        if not self._refresh():
            routers, sites, kept_at = self.files.load()
            self._directory.put(routers, sites, {}, (), kept_at)
        self._thread.start()

    def close(self) -> None:
        """Stop and join."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S_MAX)

    def _loop(self) -> None:
        while not self._stop.wait(self._settings.routers_refresh_s):
            try:
                self.round()
            except Exception as error:  # noqa: BLE001 - a thread's boundary: a router table that stands still is worse
                self._tell.failed(error)

    def round(self) -> None:
        """One round: fresh routers, news for the store, the time kept."""
        judged = self._clocks.vouch()
        self._refresh()
        self._report(judged.now if isinstance(judged, Trusted) else None)
        if self._clocks.guard.last_good:
            with suppress(OSError):
                self.files.keep_time(self._clocks.guard.last_good)

    def _refresh(self) -> bool:
        try:
            self._directory.refresh(int(time.time()), time.monotonic() + ROUND_DEADLINE_S)
        except Unavailable:
            return False
        except RadiusError as bad:
            self._tell.failed(bad)
            return False
        finally:
            self._metrics.gauge("RouterCacheAge", max(0, int(time.time()) - self._directory.refreshed_at))
        with suppress(OSError):
            self.files.save(self._directory.all_routers(), self._directory.all_sites())
        return True

    def _report(self, now: int | None) -> None:
        """Tell what there is to tell. `now` was read before the spool is looked at; None: the clock is wrong."""
        self._measure()
        oldest = spool.oldest_at(self._settings.spool_dir)
        self._metrics.gauge("SpoolOldestAge", max(0, (now or int(time.time())) - oldest) if oldest else 0)
        deadline = time.monotonic() + ROUND_DEADLINE_S
        self._tell_broken()
        try:
            if now is not None and time.monotonic() - self._beat_at >= self._settings.heartbeat_s:
                self._publish(now, oldest, deadline)
                self._beat_at = time.monotonic()
            self._end_rotations()
            self._tell_unheard(deadline)
        except Unavailable:
            return

    def _tell_unheard(self, deadline: float) -> None:
        unheard = self._watch.take_unheard()
        if not unheard:
            return
        try:
            self._routers.note_unknown(unheard, deadline)
        except Unavailable:
            self._watch.put_back(unheard)

    def _publish(self, now: int, oldest: int, deadline: float) -> None:
        """Say up to when this node has heard its routers: after it was down, only up to then for a while."""
        if self._held is None:
            self._held = self._inherit(now, deadline)
        held = self._held if now < self._held.until else HELD_NOT
        routers = tuple(sorted(self._watch.routers()))
        self._nodes.publish(Node(self._settings.node_id, now, oldest, routers, held.heard_at, held.until), deadline)

    def _inherit(self, now: int, deadline: float) -> _Held:
        """Take over the routers of the last run: what waits in the spool is theirs too. And what it held back."""
        mine = next((node for node in self._nodes.nodes(deadline) if node.id == self._settings.node_id), None)
        if mine is None:
            return HELD_NOT
        for router in mine.routers:
            self._watch.heard(router, None)
        if now - mine.at > DEAF_S:
            # One that was still listening for an earlier gap has not heard more since.
            return _Held(mine.heard_at or mine.at, now + HEARKEN_S)
        return _Held(mine.heard_at, mine.held_until)

    def _tell_broken(self) -> None:
        """List routers whose record cannot be used, once a mistake."""
        for name, why in self._directory.broken.items():
            if self._told_broken.get(name) != why:
                self._watch.unheard(name, why)
                self._tell.unusable(name, why)
        self._told_broken = dict(self._directory.broken)

    def _end_rotations(self) -> None:
        for name, pair in self._watch.take_pairs().items():
            router = self._directory.router(name)
            proven = self._directory.proven_epoch(name, pair)
            if router is not None and router.rotating_to == pair.value and proven == router.epoch(pair):
                self._provision.seen_on(router, pair)
