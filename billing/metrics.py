"""What selling counts, beside `radius.metrics`: names are a contract of dashboards and alarms.

A package is a dimension, so the list of packages is closed when the process starts; one that is made later counts as
``other`` until the next start. What dashboards show per environment alone is the sum over the dimension.
"""

from collections.abc import Iterable
from enum import StrEnum

from billing.domain.daraja import ErrorClass
from billing.domain.payment import PaymentState
from billing.provider import Trouble
from billing.sms.delivery import DeliveryState
from billing.sms.port import Reason
from radius import metrics as core
from radius.metrics import Catalogue, Kind, Metric, Unit

OTHER = "other"
MESSAGE_SENT, MESSAGE_UNKNOWN = "sent", "unknown"
UNREADABLE = "unreadable"
TOP_UP = "top-up"  # money for a balance: no package
PACKAGES_MAX = 200  # of dimension values; CloudWatch bills each
LOOPS = (
    "callbacks",
    "payments",
    "strays",
    "shown",
    "pulls",
    "vouchers",
    "refunds",
    "renewals",
    "days",
    "expired",
    "vitals",
    "incidents",
)  # of the worker
RELAYED = "relayed"  # its loop that asks a relay, where there is one
SUBMIT_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0)  # replies of 20 s are seen
ONLINE_S = (1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 45.0, 60.0, 120.0, 180.0)  # 60: then it is looked into
ANSWER_S = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 180.0, 900.0, 3600.0)  # a person types a PIN
SETTLE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 60.0)  # 2: the aim
REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Answer(StrEnum):
    """How a request of a page ended, and why one was sent away."""

    DONE = "done"
    REFUSED = "refused"
    LIMITED = "limited"
    FAILED = "failed"


OUTCOMES = tuple(
    state.value for state in (PaymentState.PAID, PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.DISPUTED)
)
_MESSAGES = (MESSAGE_SENT, MESSAGE_UNKNOWN, *(reason.value for reason in Reason))
_DELIVERIES = (*(state.value for state in DeliveryState), UNREADABLE)
_CLASSES = tuple(each.value for each in ErrorClass)


def catalogue(packages: Iterable[str] = ()) -> Catalogue:
    """Everything that a process which sells counts; `packages` are codes."""
    codes = (*sorted(set(packages) - {OTHER, TOP_UP})[: PACKAGES_MAX - 2], TOP_UP, OTHER)
    by_package = {"Package": codes}
    return (
        *core.CATALOGUE,
        Metric("Revenue", Kind.COUNTER, Unit.NONE, "shillings (KES) that payments brought, tax included", by_package),
        Metric("Transactions", Kind.COUNTER, Unit.COUNT, "payments that were credited", by_package),
        Metric("PaymentSuccess", Kind.COUNTER, Unit.COUNT, "payments that were credited"),
        Metric("PaymentsInitiated", Kind.COUNTER, Unit.COUNT, "payments that were begun"),
        Metric("PaymentOutcome", Kind.COUNTER, Unit.COUNT, "payments, by how they ended", {"Status": OUTCOMES}),
        Metric(
            "PaymentFailures",
            Kind.COUNTER,
            Unit.COUNT,
            "payments that failed, by whose fault it is",
            {"ErrorClass": _CLASSES},
        ),
        Metric("NewUsers", Kind.COUNTER, Unit.COUNT, "customers who were registered"),
        Metric(
            "PaymentAnswer",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            "from the beginning of a payment until it was credited: the payer and M-Pesa",
            buckets=ANSWER_S,
        ),
        Metric(
            "PaymentSettle",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            "from a callback's arrival until it was settled: ours",
            buckets=SETTLE_S,
        ),
        Metric(
            "PaymentSubmit",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            "from the sending of a push to M-Pesa's reply, or to the end of waiting for one",
            buckets=SUBMIT_S,
        ),
        Metric(
            "PaymentOnline",
            Kind.HISTOGRAM,
            Unit.SECONDS,
            "from the credit until the device that waited was online",
            buckets=ONLINE_S,
        ),
        Metric("PaidLetInAgain", Kind.COUNTER, Unit.COUNT, "devices let in again: paid and not online in 60 s"),
        Metric("PaidNotOnline", Kind.COUNTER, Unit.COUNT, "paid, and the device did not come at all: an alarm"),
        Metric("Messages", Kind.COUNTER, Unit.COUNT, "text messages, by what became of them", {"Outcome": _MESSAGES}),
        Metric("MessagesFailed", Kind.COUNTER, Unit.COUNT, "text messages that did not go out, or may be lost"),
        Metric("Deliveries", Kind.COUNTER, Unit.COUNT, "delivery reports of text messages", {"State": _DELIVERIES}),
        Metric("Letters", Kind.COUNTER, Unit.COUNT, "e-mails, by what became of them", {"Outcome": _MESSAGES}),
        Metric("LettersFailed", Kind.COUNTER, Unit.COUNT, "e-mails that did not go out, or may be lost"),
        Metric("MessageCents", Kind.COUNTER, Unit.NONE, "cents (KES) that gateways said messages cost"),
        Metric("QueriesSent", Kind.COUNTER, Unit.COUNT, "questions about payments whose callback had not come"),
        Metric("LedgerImbalance", Kind.GAUGE, Unit.COUNT, "what the ledger's last check found: an alarm"),
        Metric(
            "PaidNotCreditedAge",
            Kind.GAUGE,
            Unit.SECONDS,
            "age of the oldest callback or notice of money that is not settled; 0: none",
        ),
        Metric("PaymentsOpenLong", Kind.GAUGE, Unit.COUNT, "payments without an end after ten minutes"),
        Metric(
            "SalesSilence",
            Kind.GAUGE,
            Unit.NONE,
            "how long nobody has paid, in the hours of selling, over how long that usually is at most",
        ),
        Metric("Heartbeat", Kind.GAUGE, Unit.NONE, "1 for ten minutes, 0 for ten: an alarm that somebody waits for"),
        Metric("MpesaRequests", Kind.COUNTER, Unit.COUNT, "requests that went to M-Pesa, tokens included"),
        Metric(
            "MpesaFailures",
            Kind.COUNTER,
            Unit.COUNT,
            "those that its interface did not do: no token, too many, its errors, no answer",
            {"Trouble": tuple(each.value for each in Trouble)},
        ),
        Metric("TillsNotClosed", Kind.COUNTER, Unit.COUNT, "sellers whose cash nobody counted by the next noon"),
        Metric("BillingRounds", Kind.COUNTER, Unit.COUNT, "rounds of the worker's loops", {"Loop": (*LOOPS, RELAYED)}),
        Metric(
            "BillingRoundsFailed",
            Kind.COUNTER,
            Unit.COUNT,
            "rounds that ended in an error",
            {"Loop": (*LOOPS, RELAYED)},
        ),
        Metric("CallbacksLeft", Kind.COUNTER, Unit.COUNT, "callbacks left to the worker: full queue, or no store"),
        Metric("PaymentAlarms", Kind.COUNTER, Unit.COUNT, "payments and callbacks that a person must look at"),
        Metric(
            "PortalRequests",
            Kind.COUNTER,
            Unit.COUNT,
            "requests of pages and callbacks, by how they ended",
            {"Answer": tuple(each.value for each in Answer)},
        ),
        Metric("PortalLatency", Kind.HISTOGRAM, Unit.SECONDS, "duration of those requests", buckets=REQUEST_S),
    )
