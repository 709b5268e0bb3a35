"""Weekly: quotas beside peak use, units consumed, backups, the report."""

from collections.abc import Iterator
from datetime import date, timedelta

from billing.cli import report
from billing.cli.finding import Finding, well
from billing.cli.frame import Frame
from billing.cli.ops import box, tables
from billing.cli.ops.page import Task
from billing.cli.show import amount, size
from billing.domain.journal import business_day
from billing.reports import people as folk


def week(frame: Frame) -> Iterator[Finding]:
    """The last whole week, in short."""
    within = date.fromisoformat(business_day(frame.now)) - timedelta(days=7)
    first = within - timedelta(days=within.weekday())
    last = first + timedelta(days=6)
    found = report.gathered(frame, first, last)
    yield well("week", f"{found.first} to {found.last}: wifibilling report weekly has all of it")
    yield well("revenue", f"{amount(found.revenue.net_cents)} net of tax and refunds, {found.trade.sales} sales")
    gone = next(churn for churn in found.churn if churn.days == folk.ACTIVE_DAYS)
    said = f"{found.people.active} active, {found.people.new} new"
    yield well("customers", f"{said}, {gone.gone} gone{'' if gone.matured else ' (provisional)'}")
    sessions = found.sessions
    yield well("sessions", f"{sessions.ended} ended, {sessions.peak} at once, {size(sessions.data_bytes)}")
    yield well("M-Pesa", f"{found.paying.paid} of {found.paying.begun} payments were paid")


TASKS = (
    Task("quotas", (), (box.room,), (tables.quotas,)),
    Task("units a second", (), (), (tables.units,)),
    Task("backups", (), (box.backups,), (tables.backups,)),
    Task("report", (week,)),
)
