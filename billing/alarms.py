"""What wakes whom: one list, that CloudWatch gets on AWS and that one box evaluates by itself.

An alarm is a figure over a period that is too high or too low in so many of the last periods. Thresholds on durations
are bounds of that metric's buckets, so they are exact (`radius.cloudwatch`). A percentage counts only above a least
number: one failure among two is no outage. Figures of AWS's own services name the resource by a placeholder
``${Logical}``, which the stack fills in; one box has none of them.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import NamedTuple

from billing.domain.daraja import ErrorClass
from radius.metrics import NAMESPACE

MINUTE_S, HOUR_S = 60, 3_600
OURS = frozenset({ErrorClass.NETWORK, ErrorClass.SYSTEM, ErrorClass.CONFIGURATION, ErrorClass.UNKNOWN})


class Level(IntEnum):
    """How bad (the operations guide's incident levels). Who is told and how soon follows from it."""

    MINOR = 1
    DEGRADED = 2
    OUTAGE = 3


class Topic(StrEnum):
    """Who is told: people on duty at once (e-mail and text message), or the mailbox."""

    CRITICAL = "critical"
    ALERTS = "alerts"


class Missing(StrEnum):
    """What a period without a value means, as CloudWatch spells it."""

    GOOD = "notBreaching"
    BAD = "breaching"
    AS_BEFORE = "ignore"


class Series(NamedTuple):
    """One series of a metric. `dims` without ``Environment``, which ours have besides."""

    name: str
    dims: tuple[tuple[str, str], ...] = ()
    namespace: str = NAMESPACE


class Figure(NamedTuple):
    """What is looked at: the sum of `parts`, or, with `whole`, their percentage of it once that reaches `at_least`."""

    parts: tuple[Series, ...]
    stat: str = "Sum"
    whole: tuple[Series, ...] = ()
    at_least: float = 0


class Alarm(NamedTuple):
    """`above`: too high beyond the threshold, else too low below it. `runbook`: a page of `deploy/runbooks`."""

    name: str
    level: Level
    topic: Topic
    says: str
    figure: Figure
    threshold: float
    period_s: int
    runbook: str
    above: bool = True
    periods: int = 1
    of: int = 1
    missing: Missing = Missing.GOOD


class Composite(NamedTuple):
    """An alarm that is the others': they send nothing of their own, so they have its topic and its level.

    `any_of` are names of alarms.
    """

    name: str
    level: Level
    topic: Topic
    says: str
    any_of: tuple[str, ...]
    runbook: str


def _one(name: str, stat: str = "Sum", **dims: str) -> Figure:
    return Figure((Series(name, tuple(dims.items())),), stat)


def _percent(part: Sequence[Series], whole: Sequence[Series], at_least: float) -> Figure:
    return Figure(tuple(part), "Sum", tuple(whole), at_least)


def _of_functions(name: str) -> tuple[Series, ...]:
    return tuple(Series(name, (("FunctionName", f"${{{function}}}"),), "AWS/Lambda") for function in FUNCTIONS)


def _of_indexes(name: str) -> tuple[Series, ...]:
    """The table's own series of this name is without its indexes."""
    return tuple(
        Series(name, (("TableName", f"${{{table}}}"), ("GlobalSecondaryIndexName", index)), "AWS/DynamoDB")
        for table, index in INDEXES
    )


def _pages(name: str) -> Series:
    """Of the one function whose runs are all somebody's wait: the others' schedules work for a minute at a time."""
    return Series(name, (("FunctionName", "${AuthLambda}"),), "AWS/Lambda")


FUNCTIONS = ("AuthLambda", "PaymentLambda", "SessionLambda", "CoALambda")  # logical ids of the stack
TABLES = ("UsersTable", "SessionsTable", "ConfigTable", "AttemptsTable", "BillingTable")
INDEXES = (
    ("UsersTable", "due"),
    ("SessionsTable", "by_router"),
    ("SessionsTable", "by_site"),
    ("SessionsTable", "by_subscriber"),
    ("SessionsTable", "open"),
    ("BillingTable", "due"),
    ("BillingTable", "by_day"),
)
API = (("ApiId", "${Api}"), ("Stage", "${Stage}"))
_FAILED = tuple(Series("PaymentFailures", (("ErrorClass", each.value),)) for each in sorted(OURS))
_ENDED = (Series("PaymentSuccess"), Series("PaymentFailures"))
_PAYING = ("PaidNotCredited", "NoSales", "SellingSilent")

ALARMS: tuple[Alarm, ...] = (
    # The four of the operations guide, in the form that works
    Alarm(
        "HighErrorRate",
        Level.DEGRADED,
        Topic.CRITICAL,
        "more than 5 % of what the functions did in ten minutes ended in an error",
        _percent(_of_functions("Errors"), _of_functions("Invocations"), 20),
        5,
        10 * MINUTE_S,
        "functions-fail",
    ),
    Alarm(
        "PaymentFailures",
        Level.DEGRADED,
        Topic.ALERTS,
        "more than 10 % of the payments failed by our side's or M-Pesa's fault, of 20 or more in 15 minutes",
        _percent(_FAILED, _ENDED, 20),
        10,
        15 * MINUTE_S,
        "payment-outage",
    ),
    Alarm(
        "HighLatency",
        Level.MINOR,
        Topic.ALERTS,
        "one of twenty requests of the portal takes more than a second",
        Figure((Series("Latency", API, "AWS/ApiGateway"),), "p95"),
        1_000,  # milliseconds
        5 * MINUTE_S,
        "portal-slow",
        periods=2,
        of=2,
    ),
    Alarm(
        "VeryHighLatency",
        Level.DEGRADED,
        Topic.ALERTS,
        "one of a hundred requests of the portal takes more than two seconds",
        Figure((Series("Latency", API, "AWS/ApiGateway"),), "p99"),
        2_000,
        5 * MINUTE_S,
        "portal-slow",
        periods=2,
        of=2,
    ),
    Alarm(
        "ApiErrors",
        Level.DEGRADED,
        Topic.CRITICAL,
        "more than 5 % of the answers of the portal, of 20 or more in five minutes, are errors of ours",
        _percent((Series("5xx", API, "AWS/ApiGateway"),), (Series("Count", API, "AWS/ApiGateway"),), 20),
        5,
        5 * MINUTE_S,
        "functions-fail",
    ),
    Alarm(
        "FunctionSlow",
        Level.MINOR,
        Topic.ALERTS,
        "one of twenty runs of the function behind the pages takes more than a second",
        Figure((_pages("Duration"),), "p95"),
        1_000,  # milliseconds
        5 * MINUTE_S,
        "portal-slow",
        periods=3,
        of=3,
    ),
    Alarm(
        "FunctionVerySlow",
        Level.DEGRADED,
        Topic.ALERTS,
        "one of a hundred runs of the function behind the pages takes more than two seconds",
        Figure((_pages("Duration"),), "p99"),
        2_000,
        5 * MINUTE_S,
        "portal-slow",
        periods=3,
        of=3,
    ),
    Alarm(
        "ColdStarts",
        Level.MINOR,
        Topic.ALERTS,
        "more than 20 % of what the functions were asked, of 50 or more in 15 minutes, waited for one to begin",
        _percent((Series("ColdStarts"),), _of_functions("Invocations"), 50),
        20,
        15 * MINUTE_S,
        "portal-slow",
    ),
    Alarm(
        "FunctionThrottle",
        Level.DEGRADED,
        Topic.CRITICAL,
        "functions were not run because too many ran",
        Figure(_of_functions("Throttles")),
        0,
        MINUTE_S,
        "functions-fail",
        periods=3,
        of=5,
    ),
    Alarm(
        "FailedRuns",
        Level.DEGRADED,
        Topic.ALERTS,
        "runs of functions failed and wait in the queue of failed runs",
        Figure(
            (Series("ApproximateNumberOfMessagesVisible", (("QueueName", "${FailedRunsQueue}"),), "AWS/SQS"),),
            "Maximum",
        ),
        0,
        5 * MINUTE_S,
        "functions-fail",
    ),
    Alarm(
        "DynamoDB-Throttle",
        Level.DEGRADED,
        Topic.CRITICAL,
        "a table refused requests because there were too many",
        Figure(
            tuple(
                Series(name, (("TableName", f"${{{table}}}"),), "AWS/DynamoDB")
                for table in TABLES
                for name in ("ReadThrottleEvents", "WriteThrottleEvents")
            )
        ),
        0,
        MINUTE_S,
        "store-down",
        periods=3,
        of=5,
    ),
    Alarm(
        "DynamoDB-IndexReads",
        Level.DEGRADED,
        Topic.CRITICAL,
        "an index of a table refused questions because there were too many",
        Figure(_of_indexes("ReadThrottleEvents")),
        0,
        MINUTE_S,
        "store-down",
        periods=3,
        of=5,
    ),
    Alarm(
        "DynamoDB-IndexWrites",
        Level.DEGRADED,
        Topic.CRITICAL,
        "a table refused what is written because one of its indexes could not follow",
        Figure(_of_indexes("WriteThrottleEvents")),
        0,
        MINUTE_S,
        "store-down",
        periods=3,
        of=5,
    ),
    # Money
    Alarm(
        "PaidNotOnline",
        Level.DEGRADED,
        Topic.CRITICAL,
        "somebody paid and did not get online, though let in again",
        _one("PaidNotOnline"),
        0,
        5 * MINUTE_S,
        "paid-not-online",
    ),
    Alarm(
        "PaymentAlarms",
        Level.DEGRADED,
        Topic.CRITICAL,
        "a payment or a callback needs a person: an unknown code, an amount that differs, no answer",
        _one("PaymentAlarms"),
        0,
        5 * MINUTE_S,
        "payment-by-hand",
    ),
    Alarm(
        "NoSales",
        Level.OUTAGE,
        Topic.CRITICAL,
        "nobody has paid for three times as long as is usual in the hours of selling",
        _one("SalesSilence", "Maximum"),
        3,
        15 * MINUTE_S,
        "payment-outage",
        missing=Missing.BAD,
    ),
    Alarm(
        "PaidNotCredited",
        Level.OUTAGE,
        Topic.CRITICAL,
        "money was told of more than five minutes ago and nobody has credited it",
        _one("PaidNotCreditedAge", "Maximum"),
        300,
        MINUTE_S,
        "lost-callbacks",
        periods=2,
        of=3,
    ),
    Alarm(
        "LedgerImbalance",
        Level.DEGRADED,
        Topic.CRITICAL,
        "the books do not agree",
        _one("LedgerImbalance", "Maximum"),
        0,
        5 * MINUTE_S,
        "payment-by-hand",
        missing=Missing.AS_BEFORE,
    ),
    Alarm(
        "PaymentsOpen",
        Level.DEGRADED,
        Topic.ALERTS,
        "more than ten payments have no end after ten minutes: no callback comes, and questions bring nothing",
        _one("PaymentsOpenLong", "Maximum"),
        10,
        5 * MINUTE_S,
        "lost-callbacks",
        periods=3,
        of=3,
    ),
    Alarm(
        "MpesaTrouble",
        Level.DEGRADED,
        Topic.ALERTS,
        "more than 20 % of our requests to M-Pesa, of 20 or more in 15 minutes: no token, too many, errors, no answer",
        _percent((Series("MpesaFailures"),), (Series("MpesaRequests"),), 20),
        20,
        15 * MINUTE_S,
        "mpesa-down",
    ),
    Alarm(
        "MessagesFail",
        Level.MINOR,
        Topic.ALERTS,
        "more than 20 % of the text messages, of ten or more in an hour, did not go out",
        _percent((Series("MessagesFailed"),), (Series("Messages"),), 10),
        20,
        HOUR_S,
        "messages-fail",
    ),
    Alarm(
        "SellingSilent",
        Level.OUTAGE,
        Topic.CRITICAL,
        "the worker of selling has done nothing for five minutes: nobody settles, asks or books",
        _one("BillingRounds"),
        1,
        5 * MINUTE_S,
        "lost-callbacks",
        above=False,
        missing=Missing.BAD,
    ),
    Alarm(
        "SellingFails",
        Level.DEGRADED,
        Topic.ALERTS,
        "rounds of the worker of selling end in errors",
        _one("BillingRoundsFailed"),
        5,
        5 * MINUTE_S,
        "lost-callbacks",
        periods=2,
        of=3,
    ),
    Alarm(
        "SettlementSlow",
        Level.DEGRADED,
        Topic.ALERTS,
        "one of twenty callbacks is settled later than five seconds after it came",
        _one("PaymentSettle", "p95"),
        5,
        5 * MINUTE_S,
        "lost-callbacks",
        periods=2,
        of=2,
    ),
    # Log-ins and accounting
    Alarm(
        "AuthLatency",
        Level.DEGRADED,
        Topic.CRITICAL,
        "one of twenty log-ins takes more than 0.15 s: routers begin to give up at 0.3 s",
        _one("AuthLatency", "p95"),
        0.15,
        5 * MINUTE_S,
        "radius-down",
        periods=2,
        of=2,
    ),
    Alarm(
        "LoginsUnanswered",
        Level.DEGRADED,
        Topic.CRITICAL,
        "more than 5 % of the log-ins, of 20 or more in five minutes, got no answer from this node",
        _percent((Series("AccessSilent"),), tuple(map(Series, ("AccessAccepts", "AccessRejects", "AccessSilent"))), 20),
        5,
        5 * MINUTE_S,
        "radius-down",
        periods=2,
        of=2,
    ),
    Alarm(
        "StoreConflicts",
        Level.MINOR,
        Topic.ALERTS,
        "more than 5 % of the store's requests, of 500 or more in five minutes, were held up by another transaction",
        _percent((Series("StoreTransactionConflicts"),), (Series("StoreRequests"),), 500),
        5,
        5 * MINUTE_S,
        "store-down",
        periods=2,
        of=3,
    ),
    Alarm(
        "RadiusSilent",
        Level.OUTAGE,
        Topic.CRITICAL,
        "no router's accounting was answered for ten minutes",
        _one("AccountingPackets"),
        1,
        10 * MINUTE_S,
        "radius-down",
        above=False,
        missing=Missing.BAD,
    ),
    Alarm(
        "AccountingUnanswered",
        Level.DEGRADED,
        Topic.CRITICAL,
        "accounting that neither store nor spool took: routers hold it, and not for long",
        _one("AccountingUnanswered"),
        0,
        5 * MINUTE_S,
        "radius-down",
    ),
    Alarm(
        "StoreAway",
        Level.OUTAGE,
        Topic.CRITICAL,
        "within the last minutes nodes answered without the store: known customers on credit, packets waited on disk",
        _one("BreakerOpenings"),
        0,
        MINUTE_S,  # it is told within two minutes, and is over as soon
        "store-down",
    ),
    Alarm(
        "SpoolAge",
        Level.DEGRADED,
        Topic.ALERTS,
        "accounting waits on a node's disk for more than ten minutes",
        _one("SpoolOldestAge", "Maximum"),
        600,
        MINUTE_S,
        "store-down",
        periods=3,
        of=3,
    ),
    Alarm(
        "ParkedPackets",
        Level.MINOR,
        Topic.ALERTS,
        "accounting that cannot be counted waits for a person",
        _one("ParkedPackets"),
        0,
        5 * MINUTE_S,
        "parked-packets",
    ),
    Alarm(
        "CorruptRecords",
        Level.DEGRADED,
        Topic.CRITICAL,
        "stored records cannot be read",
        _one("CorruptRecords"),
        0,
        5 * MINUTE_S,
        "store-down",
    ),
    Alarm(
        "HookErrors",
        Level.DEGRADED,
        Topic.ALERTS,
        "hooks ended in errors that nobody foresaw",
        _one("HookErrors"),
        0,
        5 * MINUTE_S,
        "radius-down",
    ),
    # Enforcement
    Alarm(
        "EnforcementAlarms",
        Level.DEGRADED,
        Topic.ALERTS,
        "sessions that a router does not end, or a router that is set up wrongly",
        _one("EnforcementAlarms"),
        0,
        5 * MINUTE_S,
        "nas-unreachable",
    ),
    Alarm(
        "EnforcementSlow",
        Level.DEGRADED,
        Topic.ALERTS,
        "one of a hundred cuts takes more than a second from the proof to the wire",
        _one("EnforcementWire", "p99"),
        1,
        5 * MINUTE_S,
        "nas-unreachable",
        periods=2,
        of=2,
    ),
)

COMPOSITES: tuple[Composite, ...] = (
    Composite(
        "PaymentsDown",
        Level.OUTAGE,
        Topic.CRITICAL,
        "customers cannot pay, or pay and are not credited",
        _PAYING,
        "payment-outage",
    ),
)


def of_one_box(alarms: Sequence[Alarm] = ALARMS) -> tuple[Alarm, ...]:
    """Those whose figures a box has: without AWS's own services."""
    return tuple(
        alarm
        for alarm in alarms
        if all(series.namespace == NAMESPACE for series in (*alarm.figure.parts, *alarm.figure.whole))
    )
