"""What people ask the logs: saved queries of CloudWatch Logs Insights.

Fields are those of `radius.log`: lines are JSON, so Insights finds ``level``, ``message``, ``userId`` and ``details.*``
by itself. Texts are compared as written (``like`` minds case, unless told ``(?i)``), and bins are of UTC.
Revenue is the ledger's; what a log sums up is an indication. The README has the same questions for one box.
"""

from typing import NamedTuple

FUNCTIONS = tuple(f"/aws/lambda/{name}" for name in ("AuthLambda", "PaymentLambda", "SessionLambda", "CoA_Lambda"))
SELLING = FUNCTIONS[:2]
RADIUS = ("/wifi-billing/radius",)
SESSIONS = (*RADIUS, "/aws/lambda/SessionLambda")  # a router says how one ended, or the sweep does
API = ("/aws/apigateway/wifi-billing",)


class LogQuery(NamedTuple):
    """`groups`: log groups without the stage's suffix."""

    name: str
    groups: tuple[str, ...]
    text: str


QUERIES: tuple[LogQuery, ...] = (
    # The three of the operations guide
    LogQuery(
        "Failed payments",
        SELLING,
        """fields @timestamp, details.transactionId, details.errorCode, details.errorMessage
| filter level = "ERROR" and message like /(?i)payment failed/
| sort @timestamp desc
| limit 100""",
    ),
    LogQuery(
        "Average session duration",
        SESSIONS,
        """filter message = "Session terminated"
| stats avg(details.duration) as avgDuration, count(*) as sessions by bin(1h) as hour
| sort hour asc""",
    ),
    LogQuery(
        "Top revenue packages",
        SELLING,
        """filter message = "Payment completed"
| stats sum(details.amount) as revenue, count(*) as payments by details.package
| sort revenue desc""",
    ),
    # More
    LogQuery(
        "Payments that ended badly, by code",
        SELLING,
        """filter message = "Payment failed"
| stats count(*) as times, latest(details.errorMessage) as meaning by details.errorCode, level
| sort times desc""",
    ),
    LogQuery(
        "Errors, by message",
        (*FUNCTIONS, *RADIUS),
        """filter level = "ERROR"
| stats count(*) as times, latest(@timestamp) as lastAt, latest(details.trace) as whence by message, details.error
| sort times desc""",
    ),
    LogQuery(
        "One customer's story",
        (*FUNCTIONS, *RADIUS),
        """fields @timestamp, level, message, details.reason, details.transactionId, details.nas, details.cause
| filter userId = "user_0123456789abcdef" # as one of their lines has it
| sort @timestamp asc
| limit 1000""",
    ),
    LogQuery(
        "Log-ins refused, by reason",
        RADIUS,
        """filter message = "Access rejected"
| stats count(*) as times, count_distinct(userId) as customers by details.reason, details.site
| sort times desc""",
    ),
    LogQuery(
        "How long hooks take (us)",
        RADIUS,
        """filter ispresent(details.took_us)
| stats pct(details.took_us, 50) as p50, pct(details.took_us, 95) as p95, max(details.took_us) as most
  by message, bin(5m)""",
    ),
    LogQuery(
        "Sessions that routers do not end",
        FUNCTIONS[3:],
        """filter message = "Enforcement needs a person"
| stats count(*) as times, latest(details.cause) as lastCause by details.nas, details.family
| sort times desc""",
    ),
    LogQuery(
        "Who must be looked after",
        FUNCTIONS,
        """fields @timestamp, message, details.transactionId, details.reason
| filter message in ["Payment needs a person", "Refund needs a person", "Paid and not online", "Books do not agree"]
| sort @timestamp desc
| dedup message, details.transactionId
| limit 200""",
    ),
    LogQuery(
        "API: answers and their time (ms)",
        API,
        """filter ispresent(route)
| stats count(*) as answers, pct(ms, 95) as p95, max(ms) as most by route, status
| sort answers desc""",
    ),
    LogQuery(
        "Functions: cold starts",
        FUNCTIONS,
        """filter @type = "REPORT"
| stats count(*) as runs, count(@initDuration) as coldStarts, max(@initDuration) as slowest by bin(1h)""",
    ),
)
