"""Tables of DynamoDB as they were at a second, made again beside the old ones under another prefix.

Point-in-time recovery restores each table for itself: all are asked for the same second. A transaction over two tables
may be seen half, so the books are checked before anything serves from them. A restored table has neither expiry, nor
recovery, nor protection from being deleted: those are set again before it serves.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from billing.backup.archive import ALL_TABLES
from billing.backup.moving import Place
from radius.domain.errors import Malformed, RadiusError, Unavailable
from radius.store.tables import ACTIVE, create_tables, described

WAIT_S_MAX = 4 * 3600.0  # a table of 100 GB takes an hour or two
POLL_S = 20.0
RECOVERY_DAYS = 35
DRILL = "drill-"  # before the prefix of tables that are only looked at: nothing else is ever deleted


class Window(NamedTuple):
    """Of one table: from when to when it can be restored (UTC seconds); both 0: it cannot."""

    table: str
    earliest: int
    latest: int
    protected: bool

    @property
    def good(self) -> bool:
        """Whether a lost table comes back, and is not lost by a slip of the hand."""
        return self.latest > 0 and self.protected


def windows(place: Place) -> list[Window]:
    """What can be restored. Raises Unavailable."""
    return [_window(place, place.prefix + table.name) for table in ALL_TABLES]


def newest(found: list[Window]) -> int:
    """The last second to which all can be restored; raises Malformed where one cannot."""
    for window in found:
        if not window.latest:
            raise Malformed("table", f"{window.table} has no point-in-time recovery: it cannot be restored")
    return min(window.latest for window in found)


class Rewind:
    """Restores from one prefix to another. `pause` waits some seconds; `tell` hears what is waited for."""

    def __init__(
        self,
        source: Place,
        prefix: str,
        pause: Callable[[float], None],
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        if prefix == source.prefix:
            raise Malformed("to", "must be another prefix than that of the tables themselves")
        self._source = source
        self.place = Place(source.client, prefix)
        self._pause = pause
        self._clock = clock
        self._tell = tell

    def check(self, at: int) -> None:
        """Raise Malformed for a second to which not all tables can be restored."""
        for window in windows(self._source):
            if not window.earliest <= at <= window.latest:
                span = f"{_text(window.earliest)} to {_text(window.latest)}"
                raise Malformed("at", f"{window.table} can be restored from {span} only")

    def restore(self, at: int) -> None:
        """Make all tables as they were at that second and wait until they are there. Raises Unavailable."""
        moment = datetime.fromtimestamp(at, UTC)
        for source, target in self._pairs():
            _ask(
                self.place,
                "restore_table_to_point_in_time",
                SourceTableName=source,
                TargetTableName=target,
                RestoreDateTime=moment,
                BillingModeOverride="PAY_PER_REQUEST",
            )
        until = self._clock() + WAIT_S_MAX
        for _, target in self._pairs():
            self._await(target, until)

    def finish(self) -> None:
        """Give the new tables what a restored one has not. Raises Unavailable."""
        create_tables(self.place.client, self.place.prefix, ALL_TABLES)  # all are there: it sets their expiry
        for _, target in self._pairs():
            recovery = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": RECOVERY_DAYS}
            _ask(
                self.place,
                "update_continuous_backups",
                TableName=target,
                PointInTimeRecoverySpecification=recovery,
            )
            _ask(self.place, "update_table", TableName=target, DeletionProtectionEnabled=True)

    def drop(self) -> list[str]:
        """Delete the new tables, those of a drill only; the names of those that could not be."""
        if not self.place.prefix.startswith(DRILL):
            raise Malformed("to", f"only tables whose prefix begins with {DRILL} are deleted")
        left = []
        until = self._clock() + WAIT_S_MAX
        for _, target in self._pairs():
            try:
                if self._status(target):
                    self._await(target, until)  # DynamoDB deletes no table that it is making
                    _ask(self.place, "delete_table", TableName=target)
            except RadiusError:
                left.append(target)
        return left

    def _pairs(self) -> Iterator[tuple[str, str]]:
        return ((self._source.prefix + table.name, self.place.prefix + table.name) for table in ALL_TABLES)

    def _await(self, table: str, until: float) -> None:
        while self._status(table) != ACTIVE:
            if self._clock() > until:
                raise Unavailable(f"{table} was not restored in {WAIT_S_MAX / 3600:.0f} hours")
            self._tell(f"{table} is being restored")
            self._pause(POLL_S)

    def _status(self, table: str) -> str:
        """Of a table and its indexes; empty for one that is not there."""
        try:
            return described(self.place.client, table)
        except ClientError as refused:
            if refused.response["Error"]["Code"] == "ResourceNotFoundException":
                return ""
            raise Unavailable(str(refused)) from refused


def _window(place: Place, table: str) -> Window:
    told = _ask(place, "describe_continuous_backups", TableName=table)["ContinuousBackupsDescription"]
    recovery = told.get("PointInTimeRecoveryDescription", {})
    protected = bool(_ask(place, "describe_table", TableName=table)["Table"].get("DeletionProtectionEnabled"))
    if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
        return Window(table, 0, 0, protected)
    earliest, latest = recovery["EarliestRestorableDateTime"], recovery["LatestRestorableDateTime"]
    return Window(table, int(earliest.timestamp()) + 1, int(latest.timestamp()), protected)


def _ask(place: Place, operation: str, **request: Any) -> Any:
    try:
        return getattr(place.client, operation)(**request)
    except (ClientError, BotoCoreError) as failed:
        raise Unavailable(
            f"{operation} of {request.get('TargetTableName') or request['TableName']}: {failed}"
        ) from failed


def _text(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
