"""What became of payments, told to log and metrics where it is committed: one line and one count for each change.

Log messages and their fields are names that reports use. What a customer caused is a WARN, all else an ERROR.
"""

import re
from collections.abc import Callable, Collection

from structlog.typing import FilteringBoundLogger

from billing.domain.books import Finding
from billing.domain.daraja import RESULTS, ErrorClass
from billing.domain.money import SHILLING_CENTS
from billing.domain.payment import PAID_STATES, Payment, PaymentState
from billing.domain.settle import Refused, Settled, Waits
from billing.metrics import OTHER, TOP_UP
from billing.provider import fault
from billing.services.callbacks import Finished, Unread
from billing.services.refunds import Heard
from radius.log import Pseudonyms, RequestIds
from radius.metrics import Metrics

INITIATED, COMPLETED, FAILED = "Payment initiated", "Payment completed", "Payment failed"  # a contract

_CODE = re.compile(r"[A-Za-z0-9_.]{1,24}", re.ASCII)
_ENDS = frozenset({PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.DISPUTED})
_WORDS = {
    PaymentState.FAILED: "a code that is not known",
    PaymentState.EXPIRED: "nothing was heard of it",
    PaymentState.DISPUTED: "another amount came than was asked for, or its money is booked elsewhere",
}


class News:
    """`told` is a `billing.services.book.Told`. Threads may share it."""

    def __init__(
        self,
        metrics: Metrics,
        log: FilteringBoundLogger,
        pseudonyms: Pseudonyms,
        now: Callable[[], float],
        packages: Collection[str],
    ) -> None:
        """`now`: UTC seconds; `packages`: the codes that the catalogue of metrics has."""
        self._metrics = metrics
        self._log = log
        self._pseudonyms = pseudonyms
        self._now = now
        self._packages = frozenset(packages)
        self._request_id = RequestIds()

    def told(self, before: Payment | None, after: Payment) -> None:
        """A change of a payment was committed."""
        if before is None:
            self._metrics.count("PaymentsInitiated")
            self._line(self._log.info, INITIATED, after)
        elif before.state is after.state:
            return
        elif after.state in PAID_STATES:
            if before.state not in PAID_STATES:
                self._completed(after)
        elif after.state in _ENDS:
            self._failed(after)

    def _completed(self, payment: Payment) -> None:
        package = self._package(payment)
        self._metrics.count("Revenue", payment.cents / SHILLING_CENTS, Package=package)
        self._metrics.count("Transactions", Package=package)
        self._metrics.count("PaymentSuccess")
        self._metrics.count("PaymentOutcome", Status=PaymentState.PAID.value)
        self._metrics.observe("PaymentAnswer", max(0.0, self._now() - payment.created_at))
        self._line(self._log.info, COMPLETED, payment)

    def _failed(self, after: Payment) -> None:
        whose = fault(after)
        self._metrics.count("PaymentOutcome", Status=after.state.value)
        self._metrics.count("PaymentFailures", ErrorClass=whose.value)
        tell = self._log.warning if whose is ErrorClass.CUSTOMER else self._log.error
        known = RESULTS.get(after.code) if after.state is PaymentState.FAILED and after.checkout_id else None
        words = known.meaning if known else _WORDS[after.state]
        self._line(tell, FAILED, after, errorCode=_shown(after.code) or after.state.value, errorMessage=words)

    def _line(self, tell: Callable[..., object], message: str, payment: Payment, **fields: str) -> None:
        tell(
            message,
            request_id=self._request_id(),
            user_id=self._pseudonyms.of("user", payment.subscriber),
            transactionId=payment.id,
            package=_code_of(payment),
            amount=payment.cents // SHILLING_CENTS,
            **fields,
        )

    def _package(self, payment: Payment) -> str:
        code = _code_of(payment)
        return code if code in self._packages or code == TOP_UP else OTHER


class Alarms:
    """What a person must look at. Threads may share it."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = log
        self._request_id = RequestIds()

    def tell(self, found: Finished) -> None:
        """What cannot be, and what cannot be read."""
        if isinstance(found, Unread):
            self._alarm("Callback cannot be read", reason=found.value)
        elif isinstance(found, Settled | Waits | Refused) and found.alarm:
            self.payment(found.payment.id, "paid" if isinstance(found, Settled) else found.why.value)

    def refund(self, found: Heard) -> None:
        """A reversal that M-Pesa refused, or that cannot be what was heard of it."""
        self._alarm("Refund needs a person", transactionId=found.refund.id, reason=found.refund.state.value)

    def payment(self, payment: str, reason: str) -> None:
        """A payment that no machine decides."""
        self._alarm("Payment needs a person", transactionId=payment, reason=reason)

    def not_online(self, payment: str) -> None:
        """Paid, let in again and again, and not there: their router, or they left."""
        self._metrics.count("PaidNotOnline")
        self._alarm("Paid and not online", transactionId=payment)

    def books(self, finding: Finding) -> None:
        """Something that the ledger's check found."""
        self._alarm("Books do not agree", transactionId=finding.what, reason=finding.rule.value)

    def pulled(self, reason: str) -> None:
        """What the provider lists by itself cannot be had, or not be read."""
        self._alarm("Pulled transactions need a person", reason=reason)

    def _alarm(self, message: str, **fields: str) -> None:
        self._metrics.count("PaymentAlarms")
        self._log.error(message, request_id=self._request_id(), **fields)


def _code_of(payment: Payment) -> str:
    """``day`` of ``day.3``."""
    return payment.package.rpartition(".")[0] or TOP_UP


def _shown(code: str) -> str:
    return code if _CODE.fullmatch(code) else ""
