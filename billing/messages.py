"""Text messages and letters as the services send them: once, without an error, and told to log and metrics."""

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from billing.metrics import MESSAGE_SENT, MESSAGE_UNKNOWN
from billing.services.deliveries import Deliveries
from billing.sms.port import Message, Outcome, Reason, Refused, Sent
from radius.domain.errors import Unavailable
from radius.log import RequestIds
from radius.metrics import Metrics

T_contra = TypeVar("T_contra", contravariant=True)

_OURS = frozenset({Reason.ACCOUNT, Reason.REJECTED})  # no message will leave before somebody puts it right


class Sends(Protocol[T_contra]):
    """What sends messages of a kind."""

    def send(self, message: T_contra, /) -> Outcome:
        """Send once; raises nothing."""
        ...


class Notes:
    """Keeps what was sent, for its delivery report. Until there are `deliveries` it keeps nothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: UTC seconds."""
        self.deliveries: Deliveries | None = None
        self._clock = clock

    def sent(self, message: Message, sent: Sent) -> None:
        """Note it, if the store is there: the report says the same later."""
        if self.deliveries is not None:
            with suppress(Unavailable):
                self.deliveries.sent(sent.id, message.to, int(self._clock()))


class Messages(Generic[T_contra]):
    """Threads may share it."""

    def __init__(
        self,
        sender: Sends[T_contra],
        metrics: Metrics,
        log: FilteringBoundLogger,
        counted: str = "Messages",
        noted: Callable[[T_contra, Sent], object] = lambda _message, _sent: None,
    ) -> None:
        """`counted`: the metric; `noted` keeps what was sent, and raises nothing."""
        self._noted = noted
        self._sender = sender
        self._counted = counted
        self._failed = f"{counted}Failed"
        self._metrics = metrics
        self._log = log
        self._request_id = RequestIds()

    def send(self, message: T_contra) -> Outcome:
        """Send once; whether it can be repeated is for whoever hears what became of it."""
        outcome = self._sender.send(message)
        match outcome:
            case Sent(cost_cents=cents):
                self._noted(message, outcome)
                self._metrics.count(self._counted, Outcome=MESSAGE_SENT)
                self._metrics.count("MessageCents", cents or 0)
            case Refused(reason):
                self._metrics.count(self._counted, Outcome=reason.value)
                self._metrics.count(self._failed)
                tell = self._log.error if reason in _OURS else self._log.warning
                tell("Message not sent", request_id=self._request_id(), reason=reason.value)
            case _:
                self._metrics.count(self._counted, Outcome=MESSAGE_UNKNOWN)
                self._metrics.count(self._failed)
                self._log.warning("Message may be lost", request_id=self._request_id())
        return outcome
