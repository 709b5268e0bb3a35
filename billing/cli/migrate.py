"""`migrate`: the tables of a box to another DynamoDB, and the proof that they are equal there."""

from pathlib import Path
from typing import Annotated, Any

import typer

from billing.backup.archive import ALL_TABLES
from billing.backup.moving import Moved, Mover, Place
from billing.cli import progress
from billing.cli.exits import Exit
from billing.cli.frame import Frame, client_of, command
from billing.cli.show import Column
from radius import settings as settings_module
from radius.domain.errors import Malformed
from radius.settings import Settings

COLUMNS = (
    Column("TABLE", "table"),
    Column("HERE", "here", right=True),
    Column("THERE", "there", right=True),
    Column("SENT", "sent", right=True),
    Column("DROPPED THERE", "dropped", right=True),
    Column("EQUAL", "equal", lambda yes: "yes" if yes else "NO"),
)
BEGUN = "begun; compare to see how it ended"
SAID = {
    (True, True): "Equal. Give the other place the same data key and start it there; never serve from both.",
    (True, False): "NOT equal: something still writes here. Stop everything but the engine, and run this again.",
    (False, True): "They are equal.",
    (False, False): "They differ. Nothing was copied: --apply does it.",
}


def register(app: typer.Typer) -> None:
    """Put the command where operators type it."""

    @command(app, "migrate", "migrate --to aws.toml\nmigrate --to aws.toml --apply")
    def migrate(
        frame: Frame,
        to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Settings of the other place.")],
        apply: Annotated[bool, typer.Option("--apply", help="Copy; without it both are only compared.")] = False,
        prune: Annotated[bool, typer.Option("--prune", help="Delete there what is not here.")] = False,
        reason: Annotated[str, typer.Option("--reason", help="Kept with the change, here and there.")] = "",
    ) -> Exit:
        """Copy all tables to another DynamoDB and prove them equal. Stop everything but the engine before.

        Again is safe: what is there already is not sent again. Exit code 1 while they are not equal.
        """
        target = settings_module.load(to)
        if _where(target) == _where(frame.settings):
            raise Malformed("to", f"{to} names the place that everything is in already")
        client = client_of(target)
        try:
            if apply:  # before: a line that came later would make the two differ
                frame.noted_deed(f"{target.region}/{target.table_prefix}*", reason, BEGUN)
            rows = _work(frame, Place(client, target.table_prefix), apply=apply, prune=prune)
        finally:
            client.close()
        frame.show.table(rows, COLUMNS, "")
        equal = all(row["equal"] for row in rows)
        frame.note(SAID[apply, equal])
        return Exit.DONE if equal else Exit.NOT


def _where(settings: Settings) -> tuple[str | None, str, str]:
    return settings.store_endpoint, settings.region, settings.table_prefix


def _work(frame: Frame, target: Place, *, apply: bool, prune: bool) -> list[dict[str, Any]]:
    """A line for each table."""
    with progress.bar(frame, "Items looked at") as at:
        before: dict[str, int] = {}

        def tell(table: str, looked: int) -> None:
            before[table] = looked
            at(sum(before.values()))

        mover = Mover(Place(frame.raw_client, frame.settings.table_prefix), target, frame.now, tell)
        if apply:
            mover.prepare()
        return [_row(mover.copy(table, prune=prune) if apply else mover.compare(table)) for table in ALL_TABLES]


def _row(moved: Moved) -> dict[str, Any]:
    return {
        "table": moved.table,
        "here": moved.here.items,
        "there": moved.there.items,
        "sent": moved.sent,
        "dropped": moved.strange,
        "digest": moved.here.digest,
        "equal": moved.equal,
    }
