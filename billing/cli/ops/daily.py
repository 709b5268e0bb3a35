"""Daily: the dashboard's figures, alarms that are on, errors of the last hour, spot checks."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

from billing.alarms import ALARMS, COMPOSITES, Series
from billing.cli import doctor
from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame
from billing.cli.ops import box
from billing.cli.ops.cloud import DAY_S, FUNCTIONS, HOUR_S, Asked, Cloud
from billing.cli.ops.lines import error_of
from billing.cli.ops.page import Task, looked
from billing.cli.routers import here
from billing.cli.show import amount
from billing.domain.journal import business_day
from billing.reports import figures
from billing.services import walk
from billing.services.books_watch import JOURNALS_MAX

FAILED_PERCENT_MAX = 5
LATENCY_MS_MAX = 2_000  # the operations guide, level 2
LOGIN_MS_MAX = 150
LOG_PAGES_MAX = 20  # of what one group said in an hour
LINES_SHOWN_MAX = 10
ERRORS = '{ $.level = "ERROR" }'  # as our lines spell it (`radius.log`)
RUNBOOKS = "deploy/runbooks/"


# -- the dashboard ------------------------------------------------------------------------------------------------


def sales(frame: Frame) -> Iterator[Finding]:
    """Today's, from the ledger: a metric is no book."""
    today = business_day(frame.now)
    entries = [figures.Sold(entry.journal, entry.subscriber) for entry in walk.entries(frame.billing.book, today)]
    earned, trade = figures.revenue(entries, [today], lambda _: ""), figures.trade(entries)
    text = f"{amount(earned.net_cents)} net of tax, {trade.sales} sales to {trade.payers} customers, all sites"
    yield well(f"sold on {today}", text)
    if earned.unmatched_cents > 0:
        text = f"{amount(earned.unmatched_cents)} of today's money names nobody yet"
        yield unwell("unmatched money", text, "wifibilling payments list; its payer shows the M-Pesa code")


def online(frame: Frame) -> Iterator[Finding]:
    """Live sessions, router by router."""
    routers = here(frame)
    count = sum(frame.core.store.sessions.count_open(router.id, frame.deadline()) for router in routers)
    yield well("online now", f"{count} sessions on {len(routers)} routers")


def published(cloud: Cloud) -> Iterator[Finding]:
    """Sessions and log-ins of 24 hours as the dashboard has them."""
    asked = [Asked(Series("ActiveSessions"), "Maximum")]
    asked += [Asked(Series(name)) for name in ("AccessAccepts", "AccessRejects", "AccessSilent")]
    asked += [Asked(Series("AuthLatency"), "p95")]
    most, accepts, rejects, silent, slow = cloud.figures(asked, DAY_S, HOUR_S)
    if most:
        yield well("online", f"{max(most):.0f} at most in 24 h")
    else:
        yield unwell(
            "online", "nobody told CloudWatch for 24 h", f"Is SessionLambda at work? {RUNBOOKS}functions-fail.md"
        )
    if not accepts and not rejects:
        yield unwell("log-ins", "no RADIUS node told any for 24 h", f"{RUNBOOKS}radius-down.md")
        return
    text = f"{sum(accepts):.0f} let in, {sum(rejects):.0f} refused, {sum(silent):.0f} left unanswered in 24 h"
    worst = 1000 * max(slow, default=0)
    text += f"; in the worst hour 95 of 100 within {worst:.0f} ms"
    yield unwell("log-ins", text, f"{RUNBOOKS}radius-down.md") if worst > LOGIN_MS_MAX else well("log-ins", text)


def functions(cloud: Cloud) -> Iterator[Finding]:
    """How many runs of each function ended in an error in 24 hours."""
    asked = [
        Asked(Series(name, (("FunctionName", cloud.function(logical)),), "AWS/Lambda"))
        for logical in FUNCTIONS
        for name in ("Invocations", "Errors", "Throttles")
    ]
    sums = cloud.sums(asked, DAY_S)
    for at, logical in enumerate(FUNCTIONS):
        runs, errors, throttled = sums[3 * at : 3 * at + 3]
        text = f"{runs:.0f} runs, {errors:.0f} ended in an error, {throttled:.0f} throttled in 24 h"
        if not runs and logical != "AuthLambda":  # the others run each minute
            yield unwell(cloud.function(logical), text, f"Its schedule: {RUNBOOKS}functions-fail.md")
        elif errors * 100 > runs * FAILED_PERCENT_MAX or throttled:
            yield unwell(cloud.function(logical), text, f"{RUNBOOKS}functions-fail.md")
        else:
            yield well(cloud.function(logical), text)


def portal(cloud: Cloud) -> Iterator[Finding]:
    """The API's latency and failures in 24 hours."""
    dims = (("ApiId", cloud.api), ("Stage", "$default"))
    asked = [Asked(Series(name, dims, "AWS/ApiGateway")) for name in ("Count", "5xx")]
    asked += [Asked(Series("Latency", dims, "AWS/ApiGateway"), "p95")]
    counts, failed, slow = cloud.figures(asked, DAY_S, HOUR_S)
    asks, worst = sum(counts), max(slow, default=0)
    text = f"{asks:.0f} requests, {sum(failed):.0f} failed; in the worst hour 95 of 100 within {worst:.0f} ms"
    bad = sum(failed) * 100 > asks * FAILED_PERCENT_MAX or worst > LATENCY_MS_MAX
    yield unwell("portal", text, f"{RUNBOOKS}portal-slow.md") if bad else well("portal", text)


def payments(cloud: Cloud) -> Iterator[Finding]:
    """How they ended, by CloudWatch: an indication."""
    names = ("PaymentsInitiated", "PaymentSuccess", "PaymentFailures", "PaidNotOnline")
    begun, paid, failed, lost = cloud.sums([Asked(Series(name)) for name in names], DAY_S)
    text = f"{begun:.0f} begun, {paid:.0f} paid, {failed:.0f} failed, {lost:.0f} paid and not online in 24 h"
    yield unwell("payments", text, f"{RUNBOOKS}paid-not-online.md") if lost else well("payments", text)


# -- alarms -------------------------------------------------------------------------------------------------------


def alarms(cloud: Cloud) -> Iterator[Finding]:
    """Ours, single ones and composites, that are on; those that have no data; those that are not there."""
    there: dict[str, dict[str, Any]] = {}
    pages = cloud.client("cloudwatch").get_paginator("describe_alarms")
    for page in pages.paginate(AlarmNamePrefix="WiFiBilling-", AlarmTypes=["MetricAlarm", "CompositeAlarm"]):
        there |= {each["AlarmName"]: each for each in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ()))}
    declared = [(each.name, each.runbook) for each in ALARMS] + [(each.name, each.runbook) for each in COMPOSITES]
    ours = {f"WiFiBilling-{name}{cloud.suffix}": runbook for name, runbook in declared}
    for name, runbook in ours.items():
        found = there.get(name)
        fix = f"{RUNBOOKS}{runbook}.md"
        if found is None:
            yield unwell(f"alarm {name}", "is not there", "Deploy the monitoring stack (deploy/stacks/monitoring.json)")
        elif found["StateValue"] == "ALARM":
            yield unwell(f"alarm {name}", f"{found.get('StateReason', 'is on')}", fix)
        elif found["StateValue"] == "INSUFFICIENT_DATA":
            yield untold(f"alarm {name}", f"no data: {found.get('StateReason', '')}")
        if found is not None and not found.get("ActionsEnabled", True):
            yield unwell(f"alarm {name}", "its actions are off: it wakes nobody", "enable-alarm-actions")
    on = sum(there[name]["StateValue"] == "ALARM" for name in ours if name in there)
    if not on:
        yield well("alarms", f"none of {len(ours)} is on")


# -- errors of the last hour --------------------------------------------------------------------------------------


def errors(cloud: Cloud) -> Iterator[Finding]:
    """Lines of level ERROR of each function."""
    for logical in FUNCTIONS:
        name = cloud.function(logical)
        yield from looked(f"ERROR of {name}", partial(_errors, cloud, name))


def _errors(cloud: Cloud, function: str) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    request: dict[str, Any] = {
        "logGroupName": f"/aws/lambda/{function}",
        "startTime": (cloud.now - HOUR_S) * 1000,
        "endTime": cloud.now * 1000,
        "filterPattern": ERRORS,
    }
    for _ in range(LOG_PAGES_MAX):
        page = cloud.client("logs").filter_log_events(**request)
        seen.update(error_of(event["message"]) or "a line that cannot be read" for event in page["events"])
        if "nextToken" not in page:  # a page without events is not the last one
            break
        request["nextToken"] = page["nextToken"]
    else:
        yield unwell(f"ERROR of {function}", "more than was read", f"{RUNBOOKS}functions-fail.md")
    for text, count in seen.most_common(LINES_SHOWN_MAX):
        yield unwell(f"ERROR of {function}", f"{count} x {text}", f"{RUNBOOKS}functions-fail.md")
    if not seen:
        yield well(f"ERROR of {function}", "none in the last hour")


# -- spot checks --------------------------------------------------------------------------------------------------


def books(frame: Frame) -> Iterator[Finding]:
    """The ledger's check up to today, as the worker does it after each day."""
    found = frame.billing.check.check_at_most(
        JOURNALS_MAX, frame.selling.first_day, business_day(frame.now), frame.now
    )  # fmt: skip
    if found is None:
        yield untold("books", f"more than {JOURNALS_MAX} journals: wifibilling ledger check looks at all of them")
        return
    for each in found[:LINES_SHOWN_MAX]:
        yield unwell(
            "books", f"{each.rule.value}: {each.what}: {each.text}", "wifibilling ledger check; payment-by-hand.md"
        )
    if not found:
        yield well("books", "they are right, up to today")


def doctors(frame: Frame) -> Iterator[Finding]:
    """What `doctor` says of reconciliation, what is owed to routers, workers, nodes and the store."""
    checks = (doctor.queues, doctor.given_up, doctor.workers, doctor.nodes, doctor.store, doctor.unheard)
    for check in checks:
        yield from doctor.looked(frame, check)


def machine(frame: Frame) -> Iterator[Finding]:
    """What `doctor` says of a box: clock, disk, packets that wait."""
    for check in (doctor.clock, doctor.disk, doctor.waiting_packets):
        yield from doctor.looked(frame, check)


TASKS = (
    Task("dashboard", (sales, online), (box.log_ins, box.pages), (published, functions, portal, payments)),
    Task("alarms", (), (box.alarms,), (alarms,)),
    Task("errors", (), (box.errors,), (errors,)),
    Task("spot checks", (books, doctors), (machine,)),
)
