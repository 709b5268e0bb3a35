"""`region`: which Region writes these tables, and how that changes hands (`radius.store.fence`)."""

import time
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from billing.cli.exits import Exit
from billing.cli.frame import Frame, client_of, command
from billing.cli.show import Column, when
from radius.domain.errors import Malformed, Unavailable
from radius.store.breaker import Breaker
from radius.store.capacity import Capacity
from radius.store.desk import Desk
from radius.store.fence import NOBODY, SETTLED_S, FenceTable, Mark

app = typer.Typer(name="region", help="Which AWS Region writes: fail-over.", no_args_is_help=True)

COLUMNS = (
    Column("TABLES", "tables"),
    Column("EPOCH", "epoch", right=True),
    Column("WRITTEN BY", "writer", lambda name: str(name) or "nobody"),
    Column("SINCE", "at", when),
    Column("RAISED BY", "by"),
    Column("REASON", "reason"),
)
_Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept with the epoch.")]


@command(app, "show", "region show\nregion show --settings other-region.toml")
def show(frame: Frame) -> Exit:
    """Who writes the tables of these settings. Exit code 1 if it is not their Region."""
    mark = fence_of(frame).read(frame.deadline())
    frame.show.item(_facts(frame, mark), COLUMNS)
    return Exit.DONE if mark.epoch == 0 or mark.region == frame.settings.region else Exit.NOT


@command(app, "freeze", 'region freeze --reason "moving to eu-west-1" --yes')
def freeze(frame: Frame, reason: _Reason = "") -> None:
    """Let nobody write these tables any more: the old Region, before another one opens. Money stops at once."""
    why = frame.why(reason)
    frame.sure(f"Stop all sales and log-ins that use the tables in {frame.settings.region}?")
    mark = freeze_now(frame, why)
    frame.show.done("Nothing writes these tables any more: copy them now.", _facts(frame, mark))


@command(app, "open", 'region open --reason "af-south-1 is down" --settings other-region.toml --yes')
def open_(frame: Frame, reason: _Reason = "") -> None:
    """Let the Region of these settings write its tables: the new one, after the old one was frozen, or is lost."""
    why = frame.why(reason)
    _check_other(frame)
    frame.sure(f"Sell in {frame.settings.region} from now on? No other Region may be selling.")
    mark = fence_of(frame).raise_to(frame.settings.region, frame.now, frame.actor, why, frame.deadline())
    frame.show.done(
        f"{frame.settings.region} writes. What ran here under an earlier epoch must be started again.",
        _facts(frame, mark),
    )


def _check_other(frame: Frame) -> None:
    """Refuse while the other Region answers and says that it writes: it can be frozen first."""
    if frame.settings.other_tables is None:
        return
    region, prefix = frame.settings.other_tables
    client = client_of(frame.settings.model_copy(update={"region": region}))
    try:
        mark = FenceTable(Desk(client, prefix, Breaker(), Capacity())).read(frame.deadline())
    except (Unavailable, ClientError, BotoCoreError) as silent:
        frame.note(f"The tables in {region} cannot be asked ({type(silent).__name__}).")
        return
    finally:
        client.close()
    if mark.region == region and mark.epoch >= fence_of(frame).read(frame.deadline()).epoch:
        raise Malformed("region", f"{region} writes its tables, and can be asked: freeze it first (region freeze)")


def freeze_now(frame: Frame, why: str) -> Mark:
    """Raise the epoch for nobody, and wait until no write of an earlier one is under way."""
    mark = fence_of(frame).raise_to(NOBODY, frame.now, frame.actor, why, frame.deadline())
    frame.note(f"No payment is booked here any more. In {SETTLED_S:.0f} s nothing else is under way either ...")
    time.sleep(SETTLED_S)
    return mark


def fence_of(frame: Frame, prefix: str | None = None) -> FenceTable:
    """The record of the tables of these settings, or of those with another prefix. Raises Malformed on a box."""
    settings = frame.settings
    if settings.store_kind != "dynamodb":
        raise Malformed("store_kind", "is embedded: this box has its tables for itself, there is no other Region")
    where = settings.table_prefix if prefix is None else prefix
    return FenceTable(Desk(frame.raw_client, where, Breaker(), Capacity()))


def _facts(frame: Frame, mark: Mark) -> dict[str, object]:
    tables = f"{frame.settings.region}/{frame.settings.table_prefix}*"
    return {
        "tables": tables, "epoch": mark.epoch, "writer": mark.region, "at": mark.at or None, "by": mark.by,
        "reason": mark.why,
    }  # fmt: skip
