"""What an accounting packet changed, told to metrics and log: the same for a live packet and for one from the spool."""

from structlog.typing import FilteringBoundLogger

from radius.domain.session import Accounted
from radius.domain.subscriber import Session
from radius.log import SESSION_TERMINATED, Pseudonym
from radius.metrics import Metrics


class News:
    """Threads may share it."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = log

    def accounted(self, accounted: Accounted, user: Pseudonym | None, site: str, nas: str, request_id: str) -> None:
        """Tell of one packet that is durable now."""
        if accounted.delta_bytes:
            self._metrics.count("DataUsage", accounted.delta_bytes)
        if accounted.over_bytes:
            self._metrics.count("OverspendBytes", accounted.over_bytes)
        for reason in accounted.intents:
            self._metrics.count("IntentsCommitted", Reason=reason.value)
        if accounted.opened:
            self._metrics.count("NewSessions")
        if accounted.doubted:
            self._log.warning(
                "Counters not believed", request_id=request_id, user_id=user, nas=nas, session=accounted.session.uid
            )
        if accounted.closed:
            self.ended(accounted.session, user, site, nas, request_id)

    def ended(self, session: Session, user: Pseudonym | None, site: str, nas: str, request_id: str) -> None:
        """Tell of the end of a session."""
        in_bytes, out_bytes = moved(session)
        self._metrics.count("TerminatedSessions")
        self._metrics.observe("SessionDuration", session.total_s)
        self._log.info(
            SESSION_TERMINATED,
            request_id=request_id,
            user_id=user,
            nas=nas,
            site=site,
            session=session.uid,
            duration=session.total_s,
            in_bytes=in_bytes,
            out_bytes=out_bytes,
            cause=session.cause,
            overspend_bytes=session.over_bytes,
        )


def moved(session: Session) -> tuple[int, int]:
    """Bytes in and out (RFC 2866: in = from the customer), over all counters that the router began."""
    return session.base_in + session.in_bytes, session.base_out + session.out_bytes
