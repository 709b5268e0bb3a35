"""`ops daily`, `weekly` and `monthly`: the regular look at a site, one page each."""

from collections.abc import Sequence
from typing import Annotated

import typer

from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.ops import daily, monthly, weekly
from billing.cli.ops.cloud import Cloud, on_aws
from billing.cli.ops.page import Task, rows
from billing.cli.show import Column, as_is

app = typer.Typer(name="ops", help="What is looked at each day, week and month.", no_args_is_help=True)

COLUMNS = (
    Column("", "shown", as_is),
    Column("WHAT", "what"),
    Column("HOW IT IS", "figure"),
    Column("VERDICT", "verdict"),
    Column("WHAT TO DO", "fix", as_is),
)

_Stage = Annotated[
    str | None,
    typer.Option(
        "--stage-suffix",
        metavar="TEXT",
        help="Of the stacks on AWS, as -staging; default: by the setting `environment`, '' in production.",
    ),
]


@command(app, "daily", "ops daily\nops daily --site kilimani --json")
def daily_page(frame: Frame, stage_suffix: _Stage = None) -> Exit:
    """The dashboard's figures, alarms that are on, errors of the last hour, spot checks. Exit code 1: look."""
    return _page(frame, "daily", daily.TASKS, stage_suffix)


@command(app, "weekly", "ops weekly\nops weekly --stage-suffix=-staging")
def weekly_page(frame: Frame, stage_suffix: _Stage = None) -> Exit:
    """Quotas beside peak use, units a second of each table, backups of seven days, the report. Exit code 1: look."""
    return _page(frame, "weekly", weekly.TASKS, stage_suffix)


@command(app, "monthly", "ops monthly\nops monthly --json")
def monthly_page(frame: Frame, stage_suffix: _Stage = None) -> Exit:
    """Cost, access, denials, certificates, API log, cold starts, tables, caches, storage. Exit code 1: look."""
    return _page(frame, "monthly", monthly.TASKS, stage_suffix)


def _page(frame: Frame, name: str, tasks: Sequence[Task], suffix: str | None) -> Exit:
    """One AWS call that is denied or throttled is one line; what nobody can tell until it is allowed counts as well."""
    cloud = Cloud(frame.settings, frame.now, suffix, frame.settings_file) if on_aws(frame.settings) else None
    try:
        found = list(rows(tasks, frame, cloud))
    finally:
        if cloud is not None:
            cloud.close()
    attention = sum(bool(row["attention"]) for row in found)
    if frame.as_json:
        where = frame.settings.region if cloud else frame.settings.node_id
        frame.show.document({"page": name, "at": frame.now, "where": where, "attention": attention, "lines": found})
    else:
        before = ""
        shown = []
        for row in found:
            shown.append({**row, "shown": row["task"].upper() if row["task"] != before else ""})
            before = row["task"]
        frame.show.table(shown, COLUMNS, "")
        frame.note(f"{attention} of {len(found)} lines need somebody." if attention else "Nothing needs anybody.")
    return Exit.NOT if attention else Exit.DONE
