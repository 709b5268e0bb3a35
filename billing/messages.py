"""Text messages and letters as the services send them: once, without an error, and told to log and metrics."""

from typing import Generic, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from billing.metrics import MESSAGE_SENT, MESSAGE_UNKNOWN
from billing.sms.port import Outcome, Reason, Refused, Sent
from radius.log import RequestIds
from radius.metrics import Metrics

T_contra = TypeVar("T_contra", contravariant=True)

_OURS = frozenset({Reason.ACCOUNT, Reason.REJECTED})  # no message will leave before somebody puts it right


class Sends(Protocol[T_contra]):
    """What sends messages of a kind."""

    def send(self, message: T_contra, /) -> Outcome:
        """Send once; raises nothing."""
        ...


class Messages(Generic[T_contra]):
    """Threads may share it."""

    def __init__(
        self, sender: Sends[T_contra], metrics: Metrics, log: FilteringBoundLogger, counted: str = "Messages"
    ) -> None:
        """`counted`: the metric."""
        self._sender = sender
        self._counted = counted
        self._metrics = metrics
        self._log = log
        self._request_id = RequestIds()

    def send(self, message: T_contra) -> None:
        """Send once; whether it can be repeated is not ours to decide, so it is not."""
        outcome = self._sender.send(message)
        match outcome:
            case Sent(cost_cents=cents):
                self._metrics.count(self._counted, Outcome=MESSAGE_SENT)
                self._metrics.count("MessageCents", cents or 0)
            case Refused(reason):
                self._metrics.count(self._counted, Outcome=reason.value)
                tell = self._log.error if reason in _OURS else self._log.warning
                tell("Message not sent", request_id=self._request_id(), reason=reason.value)
            case _:
                self._metrics.count(self._counted, Outcome=MESSAGE_UNKNOWN)
                self._log.warning("Message may be lost", request_id=self._request_id())
