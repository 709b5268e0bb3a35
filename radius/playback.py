"""Accounting that waits on disk, counted: the files of the spool, and on request what was parked.

What cannot be counted is parked: put aside, with its reason, so that it holds up nobody. When the cause is mended (the
router registered again, say) `parked` plays it back once; what still cannot be counted is parked anew.
"""

import time
from collections.abc import Iterator
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from radius.domain.errors import Malformed, Unavailable
from radius.domain.policy import Reason
from radius.domain.request import AccountingRequest
from radius.log import Pseudonyms, RequestIds
from radius.metrics import Metrics
from radius.rlm import attributes, spool
from radius.rlm.news import News
from radius.services.replay import Replayed, Waiting, replay
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_accounting

REPLAY_AGE_S = 2.0  # a spool file that was written to this lately may still get packets of the same outage


class Playback:
    """Of one process. `now` is the instant of the round; the router table must be fresh."""

    def __init__(
        self,
        core: Core,
        metrics: Metrics,
        log: FilteringBoundLogger,
        news: News,
        pseudonyms: Pseudonyms,
        request_id: RequestIds,
    ) -> None:
        self._core = core
        self._folder = core.settings.spool_dir
        self._metrics = metrics
        self._log = log
        self._news = news
        self._pseudonyms = pseudonyms
        self._request_id = request_id
        self._accounting = build_accounting(core)

    def round(self, now: int) -> None:
        """Play back every file that is not written to any more. Raises Unavailable when the store goes away."""
        with spool.alone(self._folder) as alone:
            for path in spool.waiting(self._folder) if alone else ():
                # One from the future was written on a clock that was ahead: it is not waited for.
                if path.name.endswith(spool.TAKEN) or not 0 <= time.time() - path.stat().st_mtime < REPLAY_AGE_S:
                    self._replay(path, now)

    def parked(self, now: int) -> Replayed | None:
        """Play back what was parked, once; None when there is nothing. Raises Unavailable when the store goes away.

        Waits for another process that plays the folder back.
        """
        with spool.alone(self._folder, wait=True):
            path = spool.parked(self._folder)
            return self._replay(path, now) if path is not None else None

    def _replay(self, path: Path, now: int) -> Replayed:
        mine = spool.take(path)
        offset = spool.progress(mine)
        done = replay(self._packets(mine, offset, now), self._count, self._park, offset)
        self._metrics.count("ReplayedPackets", done.counted)
        if done.counted or done.parked:
            outcome = "stopped" if done.stopped else "done"
            self._log.info("Spool replayed", count=done.counted, entries=done.parked, outcome=outcome)
        if done.stopped:
            spool.keep_progress(mine, done.offset)
            raise Unavailable("the store went away while the spool was played back")
        rest = spool.finish(mine, done.offset)
        if rest is None:
            spool.keep_progress(mine, done.offset)  # late records: the next round plays them back
        elif rest:
            self._tell_parked((), spool.CUT_OFF)
        return done

    def _packets(self, path: Path, offset: int, now: int) -> Iterator[Waiting]:
        for record in spool.read(path, offset):
            # Written on a clock that was wrong: what it says of the time is worth nothing, but it was before now.
            honest = self._core.settings.clock_floor_at <= record.received_at <= now
            received_at = record.received_at if honest else now
            yield Waiting(self._parse(record.pairs), received_at, record.end, record.raw, record.pairs)

    def _parse(self, pairs: attributes.Pairs) -> AccountingRequest | Malformed:
        if not pairs:
            return spool.CUT_OFF
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
            self._news.accounted(counted.accounted, user, nas.site.id, nas.id, self._request_id())

    def _park(self, packet: Waiting, error: BaseException) -> None:
        why = str(error) if isinstance(error, Malformed) else f"{type(error).__name__}: {error}"
        spool.park(self._folder, packet.raw, why)
        self._tell_parked(packet.pairs, error)

    def _tell_parked(self, pairs: attributes.Pairs, error: BaseException) -> None:
        self._metrics.count("ParkedPackets")
        indexed = attributes.index(pairs)
        subscriber = indexed.subscriber
        bad = error if isinstance(error, Malformed) else None
        self._log.warning(
            "Accounting parked",
            request_id=self._request_id(),
            user_id=self._pseudonyms.of("user", subscriber) if subscriber else None,
            nas=indexed.router or None,
            reason=Reason.MALFORMED.value if bad else "failed",
            setting=bad.field if bad else None,
            exc_info=None if bad else error,
        )
