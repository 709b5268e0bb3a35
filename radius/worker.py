"""The worker beside FreeRADIUS: plays the spool back, sweeps due work, ends what a reboot ended, counts who is online.

    python -m radius.worker --settings FILE

Any number may run; each step is one conditional change. A store that is away is waited for; nothing else stops it.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.domain.clock import Suspect
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import NasId, SubscriberId
from radius.domain.request import AccountingRequest
from radius.domain.subscriber import Session
from radius.keeper import KeeperFiles
from radius.rlm import attributes, spool
from radius.rlm.clocks import Clocks, system_clocks
from radius.rlm.news import News
from radius.services.replay import Waiting, replay
from radius.services.sweep import Sweep
from radius.settings import Settings
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_accounting, build_core, build_meter, build_sweep

PAUSE_S = 2.0  # between rounds; a wake-up costs a handful of reads
REPLAY_AGE_S = 2.0  # a spool file that was written to this lately may still get packets of the same outage
COUNT_S = 60.0  # how often active sessions are counted anew
BOOT_WATCH_S = 600  # a session that a reboot ended may still turn up: a spool played back, an index that lags
ROUNDS_MAX = 50  # batches of one kind of work in one round, so that no kind waits for ever


class Worker:
    """One round does a bounded share of each kind of work."""

    def __init__(self, core: Core, metrics: measures.InProcess, logger: logs.Log, clocks: Clocks | None = None) -> None:
        settings = core.settings
        kept = KeeperFiles(settings.state_dir).last_good()
        self._clocks = clocks or system_clocks(kept, settings.clock_floor_at)
        self._boots_done: dict[NasId, int] = {}
        self._core = core
        self._metrics = metrics
        self._log = logger.logger
        self._pseudonyms = logs.Pseudonyms(core.keys.subkey("pseudonym"))
        self._sweep: Sweep = build_sweep(core, self)
        self._accounting = build_accounting(core)
        self._news = News(metrics, logger.logger)
        self._counted_at = float("-inf")
        self.measure = build_meter(core, metrics).round

    def round(self) -> None:
        """Do what there is to do; raises Unavailable when the store is away. On a wrong clock nothing is done."""
        judged = self._clocks.vouch()
        if isinstance(judged, Suspect):
            self._metrics.count("ClockSuspect", Reason=judged.reason.value)
            self._log.warning("Worker waits for the clock", reason=judged.reason.value)
            return
        now = judged.now
        self._core.directory.refresh(now, time.monotonic() + BACKGROUND_DEADLINE_S)
        self._play_back(now)
        for _ in range(ROUNDS_MAX):
            if not self._sweep.poll(now).more:
                break
        for nas, at in list(self._core.directory.boots.items()):
            if self._boots_done.get(nas) != at:
                self._end_booted(nas, at, now)
        if time.monotonic() - self._counted_at >= COUNT_S:
            self._count_active()
            self._counted_at = time.monotonic()

    def _end_booted(self, nas: NasId, at: int, now: int) -> None:
        for _ in range(ROUNDS_MAX):
            if self._sweep.boots(nas, now) == 0:
                if now > at + BOOT_WATCH_S:
                    self._boots_done[nas] = at
                return

    def ended(self, subscriber: SubscriberId, session: Session, site: str) -> None:
        """Tell of a session that ended without a last packet (`sweep.News`)."""
        self._metrics.count("SessionsReaped")
        self._news.ended(session, self._pseudonyms.of("user", subscriber), site, session.nas)

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        """Raise the alarm about a record that cannot be worked on (`sweep.News`)."""
        self._metrics.count("CorruptRecords")
        self._log.error("Sweep cannot work on", user_id=self._pseudonyms.of("user", subscriber), exc_info=error)

    def _play_back(self, now: int) -> None:
        folder = self._core.settings.spool_dir
        with spool.alone(folder) as alone:
            for path in spool.waiting(folder) if alone else ():
                # One from the future was written on a clock that was ahead: it is not waited for.
                if path.name.endswith(spool.TAKEN) or not 0 <= time.time() - path.stat().st_mtime < REPLAY_AGE_S:
                    self._replay(path, now)

    def _replay(self, path: Path, now: int) -> None:
        mine = spool.take(path)
        offset = spool.progress(mine)
        folder = self._core.settings.spool_dir
        done = replay(
            self._packets(mine, offset, now), self._count, lambda raw, why: spool.park(folder, raw, why), offset
        )
        self._metrics.count("ReplayedPackets", done.counted)
        self._metrics.count("ParkedPackets", done.parked)
        if done.counted or done.parked:
            outcome = "stopped" if done.stopped else "done"
            self._log.info("Spool replayed", count=done.counted, entries=done.parked, outcome=outcome)
        if done.stopped:
            spool.keep_progress(mine, done.offset)
            raise Unavailable("the store went away while the spool was played back")
        if not spool.finish(mine, done.offset):
            spool.keep_progress(mine, done.offset)  # late records: the next round plays them back

    def _packets(self, path: Path, offset: int, now: int) -> Iterator[Waiting]:
        for record in spool.read(path, offset):
            # Written on a clock that was wrong: what it says of the time is worth nothing, but it was before now.
            honest = self._core.settings.clock_floor_at <= record.received_at <= now
            received_at = record.received_at if honest else now
            yield Waiting(self._parse(record.pairs), received_at, record.end, record.raw)

    def _parse(self, pairs: attributes.Pairs) -> AccountingRequest | Malformed:
        if not pairs:
            return Malformed("record", "is not whole: it was cut off while it was written")
        try:
            indexed = attributes.index(pairs)
            nas = self._core.directory.nas(indexed.router)
            if nas is None:
                return Malformed("router", f"{indexed.router or 'no name'} is not registered")
            return attributes.parse_accounting(indexed, nas.capabilities.octet_view)
        except Malformed as bad:
            return bad

    def _count(self, request: AccountingRequest, received_at: int) -> None:
        counted = self._accounting.account(request, received_at, time.monotonic() + BACKGROUND_DEADLINE_S)
        nas = self._core.directory.nas(request.router)
        if counted.accounted is not None and nas is not None:
            user = self._pseudonyms.of("user", counted.subscriber) if counted.subscriber else None
            self._news.accounted(counted.accounted, user, nas.site.id, nas.id)

    def _count_active(self) -> None:
        total = 0
        for nas in self._core.directory.all_nas():
            total += self._core.store.sessions.count_open(nas.id, time.monotonic() + BACKGROUND_DEADLINE_S)
        self._metrics.gauge("ActiveSessions", total)


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit code 0 after a clean stop, 2 for settings that cannot be used."""
    parser = argparse.ArgumentParser(prog="radius.worker", description="wifibilling worker beside FreeRADIUS")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--once", action="store_true", help="one round, then exit (1 if the store is away)")
    given = parser.parse_args(arguments)
    try:
        settings = settings_module.load(given.settings)
        core = build_core(settings)
    except Malformed as bad:
        sys.stderr.write(f"wifibilling worker: {bad}\n")
        return 2
    return _run(core, settings, once=given.once)


def _run(core: Core, settings: Settings, *, once: bool) -> int:
    metrics = measures.InProcess(settings.environment)
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    port = settings.worker_metrics_port
    endpoint = measures.serve(metrics, settings.metrics_bind, port) if port and not once else None
    worker = Worker(core, metrics, logger)
    verdict = 0
    try:
        while not stop.is_set():
            verdict = _one_round(worker, logger)
            if once or stop.wait(PAUSE_S):
                break
    finally:
        if endpoint is not None:
            endpoint.close()
        core.store.close()
        logger.sink.close()
    return verdict if once else 0


def _one_round(worker: Worker, logger: logs.Log) -> int:
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
