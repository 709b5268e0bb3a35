"""The command, put together: every group under the name that operators type, and only the group that they typed.

All groups together cost most of a second to import, and a list is to be there sooner than that.
"""

import tomllib
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from billing.cli.exits import MEANINGS
from billing.cli.frame import ROOT

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
HELP = "Run a prepaid hotspot: customers, routers, sessions, money."
_CODES = "\n".join(["\b", "Exit codes:", *(f"  {int(code)}  {text}" for code, text in MEANINGS.items())])

# The first word that is typed, and the modules that have its commands. A group's own module comes first.
GROUPS = {
    "sessions": ("sessions", "cutting"),
    "customers": ("customers", "why", "opting"),
    "packages": ("packages",),
    "vouchers": ("vouchers", "till"),
    "payments": ("payments", "refunds"),
    "ledger": ("books",),
    "routers": ("routers", "joining", "proving"),
    "report": ("report",),
    "sites": ("sites", "signs", "outage"),
    "agents": ("agents",),
    "backup": ("backups", "rewinding"),
    "region": ("regions",),
    "notify": ("notify",),
    "incident": ("incident",),
    "ops": ("ops.command",),
}
ALONE = {
    "pending": "owed",
    "waiting": "owed",
    "sell": "till",
    "close-day": "till",
    "who-had": "past",
    "audit": "past",
    "doctor": "doctor",
    "migrate": "migrate",
    "relist": "relist",
}


def build(word: str = "") -> typer.Typer:
    """The command with what begins with this word; with everything if nothing does: help, completion, a slip."""
    known = word in GROUPS or word in ALONE
    app = typer.Typer(
        name=ROOT,
        help=HELP,
        epilog=_CODES,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)  # with one group alone Typer would leave its name out
    for group in [word] if word in GROUPS else [] if known else GROUPS:
        own, *_ = [import_module(f"billing.cli.{module}") for module in GROUPS[group]]
        app.add_typer(own.app)
    for module in dict.fromkeys([ALONE[word]] if word in ALONE else [] if known else ALONE.values()):
        import_module(f"billing.cli.{module}").register(app)
    return app


def _told_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{ROOT} {tomllib.loads(PROJECT.read_text())['project']['version']} ({PROJECT.parent})")
        raise typer.Exit


def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_told_version, is_eager=True, help="Say which this is, and end.")
    ] = False,
) -> None:
    """Run a prepaid hotspot: customers, routers, sessions, money."""
