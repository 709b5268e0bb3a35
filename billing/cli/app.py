"""The command, put together: every group under the name that operators type."""

import typer

from billing.cli import (
    agents,
    backups,
    books,
    customers,
    cutting,
    doctor,
    incident,
    joining,
    migrate,
    notify,
    opting,
    outage,
    owed,
    packages,
    past,
    payments,
    proving,
    refunds,
    regions,
    report,
    routers,
    sessions,
    signs,
    sites,
    till,
    vouchers,
    why,
)
from billing.cli.exits import MEANINGS
from billing.cli.frame import ROOT
from billing.cli.ops import command as ops

HELP = "Run a prepaid hotspot: customers, routers, sessions, money."
_CODES = "\n".join(["\b", "Exit codes:", *(f"  {int(code)}  {text}" for code, text in MEANINGS.items())])

app = typer.Typer(
    name=ROOT,
    help=HELP,
    epilog=_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
GROUPS = (
    *(sessions, cutting, customers, why, packages, vouchers, till, payments, refunds, books, joining, proving),
    *(report, routers, sites, signs, backups, regions, notify, opting, incident, ops, agents, outage),
)
for group in dict.fromkeys(module.app for module in GROUPS):
    app.add_typer(group)
owed.register(app)
till.register(app)
past.register(app)
doctor.register(app)
migrate.register(app)
