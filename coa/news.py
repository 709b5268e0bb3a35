"""What enforcement did, told to metrics and log: one canonical line a step, an ERROR for what a person must look at."""

from structlog.typing import FilteringBoundLogger

from coa.codec import Code
from coa.dispatch import Stage
from coa.outcome import Acked, Answer, Nak, Silent
from coa.steps import CUT
from radius.domain.identity import SubscriberId
from radius.domain.nas import Family
from radius.log import Pseudonyms, RequestIds
from radius.metrics import Metrics


class News:
    """Threads may share it."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger, pseudonyms: Pseudonyms) -> None:
        self._metrics = metrics
        self._log = log
        self._pseudonyms = pseudonyms
        self._request_id = RequestIds()

    def sent(self, code: Code, family: Family, age_s: float) -> None:
        """A request goes to the wire."""
        if code is CUT:
            self._metrics.count("DisconnectsSent", Family=family.value)
        else:
            self._metrics.count("ChangesSent", Family=family.value)
        self._metrics.observe("EnforcementWire", age_s)

    def came(self, stage: Stage) -> None:
        """A step was taken."""
        attempt = stage.attempt
        self._metrics.count("EnforcementSteps", State=attempt.outcome)
        if stage.family is not None:
            self._count_answer(stage.family, stage.answer)
        if stage.alarm:
            self._metrics.count("EnforcementAlarms")
        tell = self._log.error if stage.alarm else self._log.info
        tell(
            "Enforcement needs a person" if stage.alarm else "Enforcement",
            request_id=self._request_id(),
            user_id=self._pseudonyms.of("user", attempt.subscriber),
            nas=attempt.nas or None,
            site=stage.site or None,
            family=stage.family.value if stage.family is not None else None,
            session=attempt.uid,
            reason=attempt.reason,
            operation=attempt.request or None,
            outcome=attempt.outcome,
            cause=attempt.words,
            tries=attempt.tries or None,
            count=attempt.number,
            took_us=attempt.round_trip_ms * 1000 or None,
            age_s=int(stage.age_s),
        )

    def _count_answer(self, family: Family, answer: Answer | None) -> None:
        match answer:
            case Acked():
                self._metrics.count("RouterAcks", Family=family.value)
            case Nak():
                self._metrics.count("RouterNaks", Family=family.value)
            case Silent():
                self._metrics.count("RouterSilences", Family=family.value)

    def ended(self, family: Family, age_s: float) -> None:
        """The end of a session that was to be cut was seen."""
        self._metrics.observe("EnforcementEnd", age_s, Family=family.value)

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        """A subscriber that cannot be worked on."""
        self._log.error("Enforcement cannot work on", user_id=self._pseudonyms.of("user", subscriber), exc_info=error)
