"""The command, put together: every group under the name that operators type."""

import typer

from billing.cli import cutting, owed, routers, sessions, sites
from billing.cli.exits import MEANINGS

HELP = "Run a prepaid hotspot: customers, routers, sessions, money."
_CODES = "\n".join(["\b", "Exit codes:", *(f"  {int(code)}  {text}" for code, text in MEANINGS.items())])

app = typer.Typer(
    name="wifibilling",
    help=HELP,
    epilog=_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for group in dict.fromkeys(module.app for module in (sessions, cutting, routers, sites)):
    app.add_typer(group)
owed.register(app)
