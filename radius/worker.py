"""The worker beside FreeRADIUS: plays the spool back, sweeps due work, ends what a reboot ended, counts who is online.

    python -m radius.worker --settings FILE
    python -m radius.worker --settings FILE --replay-parked     # once, after the cause was mended

Any number may run; each step is one conditional change. A store that is away is waited for; nothing else stops it.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.domain.clock import Suspect
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import NasId, SubscriberId
from radius.domain.subscriber import Session
from radius.keeper import KeeperFiles
from radius.outlets import open_outlets
from radius.playback import Playback
from radius.rlm.clocks import Clocks, system_clocks
from radius.rlm.news import News
from radius.services.replay import Replayed
from radius.services.sweep import Sweep
from radius.settings import Settings
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_core, build_meter, build_sweep

PAUSE_S = 2.0  # between rounds; a wake-up costs a handful of reads
COUNT_S = 60.0  # how often active sessions are counted anew
BOOT_WATCH_S = 600  # a session that a reboot ended may still turn up: a spool played back, an index that lags
ROUNDS_MAX = 50  # batches of one kind of work in one round, so that no kind waits for ever


class Worker:
    """One round does a bounded share of each kind of work, less once `stop` is set.

    The first one, and one after a long absence, walk over a day of the index: minutes where the store is far.
    """

    def __init__(self, core: Core, metrics: measures.InProcess, logger: logs.Log, clocks: Clocks | None = None) -> None:
        self.stop = Event()
        settings = core.settings
        kept = KeeperFiles(settings.state_dir).last_good()
        self._clocks = clocks or system_clocks(kept, settings.clock_floor_at)
        self._boots_done: dict[NasId, int] = {}
        self._core = core
        self._metrics = metrics
        self._log = logger.logger
        self._pseudonyms = logs.Pseudonyms(core.keys.subkey("pseudonym"))
        self._sweep: Sweep = build_sweep(core, self)
        self._news = News(metrics, logger.logger)
        self._request_id = logs.RequestIds()
        self._playback = Playback(core, metrics, logger.logger, self._news, self._pseudonyms, self._request_id)
        self._counted_at = float("-inf")
        self.measure = build_meter(core, metrics).round

    def round(self) -> None:
        """Do what there is to do; raises Unavailable when the store is away. On a wrong clock nothing is done."""
        now = self._ready()
        if now is None:
            return
        self._play_back(now)
        for _ in range(ROUNDS_MAX):
            if not self._sweep.poll(now).more or self.stop.is_set():
                break
        for nas, at in list(self._core.directory.boots.items()):
            if self._boots_done.get(nas) != at and not self.stop.is_set():
                self._end_booted(nas, at, now)
        if time.monotonic() - self._counted_at >= COUNT_S:
            self._count_active()
            self._counted_at = time.monotonic()

    def _play_back(self, now: int) -> None:
        """A spool that cannot be played back is told of each round, and keeps no other work waiting."""
        try:
            self._playback.round(now)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - told with its trace; sweeps and boots must not stand still for it
            self._log.exception("Spool cannot be played back")

    def replay_parked(self) -> Replayed | None:
        """Play back once what was parked; None if there is nothing. Raises Unavailable: run it again."""
        now = self._ready()
        if now is None:
            raise Unavailable("the clock is wrong")
        return self._playback.parked(now)

    def _ready(self) -> int | None:
        """The instant of a round, with fresh routers; None on a clock that is known to be wrong."""
        judged = self._clocks.vouch()
        if isinstance(judged, Suspect):
            self._metrics.count("ClockSuspect", Reason=judged.reason.value)
            self._log.warning("Worker waits for the clock", reason=judged.reason.value)
            return None
        self._core.directory.refresh(judged.now, time.monotonic() + BACKGROUND_DEADLINE_S)
        return judged.now

    def _end_booted(self, nas: NasId, at: int, now: int) -> None:
        for _ in range(ROUNDS_MAX):
            if self.stop.is_set():
                return
            if self._sweep.boots(nas, now) == 0:
                if now > at + BOOT_WATCH_S:
                    self._boots_done[nas] = at
                return

    def ended(self, subscriber: SubscriberId, session: Session, site: str) -> None:
        """Tell of a session that ended without a last packet (`sweep.News`)."""
        self._metrics.count("SessionsReaped")
        self._news.ended(session, self._pseudonyms.of("user", subscriber), site, session.nas, self._request_id())

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        """Raise the alarm about a record that cannot be worked on (`sweep.News`)."""
        self._metrics.count("CorruptRecords")
        self._log.error("Sweep cannot work on", user_id=self._pseudonyms.of("user", subscriber), exc_info=error)

    def _count_active(self) -> None:
        total = 0
        for nas in self._core.directory.all_nas():
            total += self._core.store.sessions.count_open(nas.id, time.monotonic() + BACKGROUND_DEADLINE_S)
        self._metrics.gauge("ActiveSessions", total)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 0 after a clean stop, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="radius.worker", description="wifibilling worker beside FreeRADIUS")
    parser.add_argument("--settings", type=Path, required=True)
    once = parser.add_mutually_exclusive_group()
    once.add_argument("--once", action="store_true", help="one round, then exit (1 if the store is away)")
    once.add_argument(
        "--replay-parked", action="store_true", help="count what was parked, then exit (1 if something stays parked)"
    )
    given = parser.parse_args(arguments)
    try:
        with ExitStack() as opened:
            return _run(given, opened)
    except Malformed as bad:
        sys.stderr.write(f"wifibilling worker: {bad}\n")
        return 2


def _run(given: argparse.Namespace, opened: ExitStack) -> int:
    settings = settings_module.load(given.settings)
    if given.replay_parked and settings.spool_dir.is_dir():
        become_owner(settings.spool_dir)
    metrics = measures.InProcess(settings.environment)
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    opened.callback(logger.sink.close)
    core = build_core(settings)
    opened.callback(core.close)
    worker = Worker(core, metrics, logger)
    if given.replay_parked:
        return _replay_parked(worker, settings)
    if not given.once:
        opened.enter_context(
            open_outlets(metrics, settings, settings.worker_metrics_port, "worker", core.store.tallies)
        )
    return _rounds(worker, logger, once=given.once)


def _rounds(worker: Worker, logger: logs.Log, *, once: bool) -> int:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop.set())
    verdict = 0
    while not worker.stop.is_set():
        verdict = one_round(worker, logger)
        if once or worker.stop.wait(PAUSE_S):
            break
    return verdict if once else 0


def become_owner(folder: Path) -> None:
    """As root: go on as whoever owns the folder. What root parked anew the worker could not write to."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


def _replay_parked(worker: Worker, settings: Settings) -> int:
    try:
        done = worker.replay_parked()
    except Unavailable as away:
        sys.stderr.write(f"wifibilling worker: {away}; run it again\n")
        return 1
    if done is None:
        sys.stdout.write(f"nothing is parked in {settings.spool_dir}\n")
        return 0
    sys.stdout.write(f"{done.counted} packets counted, {done.parked} parked again in {settings.spool_dir}\n")
    return 1 if done.parked else 0


def one_round(worker: Worker, logger: logs.Log) -> int:
    """One round, its failure told; 1 if it failed."""
    try:
        worker.round()
    except Unavailable as away:
        logger.logger.warning("Worker waits for the store", error=type(away).__name__)
        return 1
    except Exception:  # process boundary: told with its trace, and tried again
        logger.logger.exception("Worker round failed")
        return 1
    finally:
        worker.measure()
    return 0


if __name__ == "__main__":
    sys.exit(main())
