"""DynamoDB's point-in-time recovery over an engine that has none: a client that remembers what tables held, and when.

As AWS does it: a restored table is CREATING for a while, may not exist before, has no expiry, no recovery and no
protection; a table whose recovery is off cannot be restored; what is outside the window is refused.
"""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from radius.store.copying import Raw, read_all, write_all

CREATING_POLLS = 2
KEPT = ("AttributeDefinitions", "KeySchema")


def _no(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as AWS would say"}}, operation)


class Rewindable:
    """The real client of an engine, and what it lacks. Times are UTC seconds."""

    def __init__(self, client: Any, now: int) -> None:
        self._client = client
        self.now = now
        self._held: defaultdict[str, list[tuple[int, list[Raw]]]] = defaultdict(list)
        self._creating: dict[str, int] = {}
        self.recovering: dict[str, bool] = {}
        self.protected: dict[str, bool] = {}
        self.deleted: list[str] = []
        self.refuses_to_delete = ""

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def made(self, table: str) -> None:
        """A table as the stack makes it."""
        self.recovering[table] = self.protected[table] = True

    def remember(self, *tables: str) -> None:
        """What they hold now."""
        for table in tables:
            self._held[table].append((self.now, [item for page, _ in read_all(self._client, table) for item in page]))

    # -- what the engine has not -----------------------------------------------------------------------------------

    def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        told: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
        if self.recovering.get(TableName):
            told = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "EarliestRestorableDateTime": datetime.fromtimestamp(self._held[TableName][0][0] - 1, UTC),
                "LatestRestorableDateTime": datetime.fromtimestamp(self.now, UTC),
            }
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": told}}

    def update_continuous_backups(self, TableName: str, PointInTimeRecoverySpecification: dict[str, Any]) -> None:  # noqa: N803
        self.recovering[TableName] = bool(PointInTimeRecoverySpecification["PointInTimeRecoveryEnabled"])

    def restore_table_to_point_in_time(
        self,
        SourceTableName: str,  # noqa: N803
        TargetTableName: str,  # noqa: N803
        RestoreDateTime: datetime,  # noqa: N803
        BillingModeOverride: str,  # noqa: N803
    ) -> None:
        name = "RestoreTableToPointInTime"
        if TargetTableName in self._client.list_tables()["TableNames"]:
            raise _no("TableAlreadyExistsException", name)
        if not self.recovering.get(SourceTableName):
            raise _no("PointInTimeRecoveryUnavailableException", name)
        at = int(RestoreDateTime.timestamp())
        then = [items for held_at, items in self._held[SourceTableName] if held_at <= at]
        if not then or at > self.now:
            raise _no("InvalidRestoreTimeException", name)
        told = self._client.describe_table(TableName=SourceTableName)["Table"]
        indexes = [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in told.get("GlobalSecondaryIndexes", ())
        ]
        self._client.create_table(
            TableName=TargetTableName,
            BillingMode=BillingModeOverride,
            **{key: told[key] for key in KEPT},
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
        write_all(self._client, TargetTableName, then[-1])
        self._creating[TargetTableName] = CREATING_POLLS

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        told: dict[str, Any] = self._client.describe_table(TableName=TableName)
        if self._creating.get(TableName):
            self._creating[TableName] -= 1
            told["Table"]["TableStatus"] = "CREATING"
        told["Table"]["DeletionProtectionEnabled"] = bool(self.protected.get(TableName))
        return told

    def update_table(self, TableName: str, DeletionProtectionEnabled: bool) -> None:  # noqa: N803
        self.protected[TableName] = DeletionProtectionEnabled

    def delete_table(self, TableName: str) -> None:  # noqa: N803
        if self._creating.get(TableName):
            raise _no("ResourceInUseException", "DeleteTable")
        if self.protected.get(TableName) or (self.refuses_to_delete and TableName.endswith(self.refuses_to_delete)):
            raise _no("ValidationException", "DeleteTable")
        self._client.delete_table(TableName=TableName)
        self.deleted.append(TableName)
