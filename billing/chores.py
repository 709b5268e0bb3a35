"""What a worker of selling does by itself: one bounded share of each kind of work a round, True when there is more.

Any number of workers may run: each step is one conditional change, and what one has taken another does not do again.
"""

import time
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from billing.domain.money import SHILLING_CENTS
from billing.news import Alarms
from billing.services.callbacks import SWEEP_MAX
from billing.services.calls import Calls
from billing.services.rounds import tell
from billing.wiring import Billing
from radius.domain.errors import Unavailable
from radius.log import RequestIds
from radius.metrics import Metrics
from radius.store.expiry import Expiry
from radius.wiring import BACKGROUND_DEADLINE_S

SICK_S = 300.0  # a body that could not be settled is tried again after this: it must not keep others waiting
EARLY_S = 30.0
HEARTBEAT_S = 600  # an alarm that is on for ten minutes and off for ten, and that somebody outside waits for
RESTING_MAX = 1_000


class Chores:
    """Each method is one loop's work. Raises Unavailable when the store is away, ExceptionGroup for what failed."""

    def __init__(
        self,
        billing: Billing,
        metrics: Metrics,
        log: FilteringBoundLogger,
        monotonic: Callable[[], float] = time.monotonic,
        expire: Expiry | None = None,
        calls: Calls | None = None,
    ) -> None:
        self._billing = billing
        self._rounds = billing.desk.rounds()
        self._metrics = metrics
        self._log = log
        self._alarms = Alarms(metrics, log)
        self._monotonic = monotonic
        self._expire = expire
        self._calls = calls
        self._request_id = RequestIds()
        self._resting: dict[str, float] = {}

    def callbacks(self, now: int) -> bool:
        """Settle what was stored and not settled by whoever took it."""
        at = self._monotonic()
        self._resting = {body: until for body, until in self._resting.items() if until > at}
        left = self._billing.callbacks.left(now, SWEEP_MAX + len(self._resting))
        well = [body for body in left if body not in self._resting]
        for body in well:
            self._finish(body, now)
        return len(well) >= SWEEP_MAX

    def _finish(self, body: str, now: int) -> None:
        try:
            found = self._billing.callbacks.finish(body, now)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told with its trace; the others must not wait for it
            self._log.error("Callback could not be settled", exc_info=error)
            self._rest(body, SICK_S)
        else:
            self._alarms.tell(found)
            if found is None:  # a result that overtook the reply which names it
                self._rest(body, EARLY_S)

    def _rest(self, body: str, for_s: float) -> None:
        if len(self._resting) < RESTING_MAX:
            self._resting[body] = self._monotonic() + for_s

    def payments(self, now: int) -> bool:
        """Ask about payments of which nothing was heard, expire them, and see whether who paid is online."""
        done = self._billing.reconciler.round(now)
        self._metrics.count("QueriesSent", done.asked)
        self._metrics.count("PaidLetInAgain", done.let_in)
        for seconds in done.online_s:
            self._metrics.observe("PaymentOnline", seconds)
        for payment in done.by_hand:
            self._alarms.payment(payment, "no answer, or no receipt")
        for payment in done.missing:
            self._alarms.not_online(payment)
        tell(done.failed)
        return False

    def strays(self, now: int) -> bool:
        """Book money that names nobody."""
        self._billing.strays.round(now)
        return False

    def shown(self, now: int) -> bool:
        """Find the money of codes that customers show."""
        self._billing.shown.round(now)
        return False

    def pulls(self, now: int) -> bool:
        """Read what the provider lists by itself, where it does."""
        for reason in self._billing.pulls.round(now).trouble if self._billing.pulls else ():
            self._alarms.pulled(reason)
        return False

    def vouchers(self, now: int) -> bool:
        """Book codes that logged in by themselves, and paper that is over."""
        return self._rounds["vouchers"](now) > 0

    def refunds(self, now: int) -> bool:
        """Send, ask about and finish what is given back."""
        self._rounds["refunds"](now)
        return False

    def days(self, now: int) -> bool:
        """Look at a day that is over: what it brought, whose cash nobody has counted, and whether the books agree."""
        found = self._billing.day_ends.round(now)
        if found is None:
            self._books(now)
            return False
        id_, shillings = self._request_id(), found.taken_cents // SHILLING_CENTS
        self._log.info("Day ended", request_id=id_, day=found.day, count=found.journals, amount=shillings)
        for seller in found.open_tills:
            self._metrics.count("TillsNotClosed")
            self._log.warning("Day not closed", request_id=id_, day=found.day, seller=seller)
        self._billing.books.ask()
        return True

    def _books(self, now: int) -> None:
        checked = self._billing.books.round(now)
        if checked is None:
            return
        if not checked.whole:
            self._log.info("Books not checked", request_id=self._request_id(), reason="too many for this process")
        elif not checked.found:
            self._log.info("Books agree", request_id=self._request_id())
        for finding in checked.found:
            self._alarms.books(finding)
        if checked.whole:
            self._billing.pulse.checked(len(checked.found), now)

    def vitals(self, now: int) -> bool:
        """Tell how selling is."""
        found = self._billing.pulse.take(now)
        self._metrics.gauge("PaidNotCreditedAge", found.uncredited_s)
        self._metrics.gauge("PaymentsOpenLong", found.open_long)
        self._metrics.gauge("SalesSilence", found.silence)
        if found.findings is not None:
            self._metrics.gauge("LedgerImbalance", found.findings)
        self._metrics.gauge("Heartbeat", now // HEARTBEAT_S % 2)
        return False

    def renewals(self, now: int) -> bool:
        """Buy from balances what was chosen, and remind who is running out."""
        return self._rounds["renewals"](now) > 0

    def expired(self, now: int) -> bool:
        """Delete what is old enough, where the engine does not."""
        if self._expire is not None:
            self._expire.round(now, time.monotonic() + BACKGROUND_DEADLINE_S)
        return False

    def incidents(self, now: int) -> bool:
        """Call whoever is on duty for incidents that nobody acknowledged."""
        for made in self._calls.round(now) if self._calls else ():
            id_ = self._request_id()
            if not made.who:
                self._log.error("Incident not acknowledged", request_id=id_, reason=made.incident)
            elif not made.how:
                self._log.error("On-call not reached", request_id=id_, reason=made.incident)
            else:
                self._log.info("On-call told", request_id=id_, reason=made.incident)
        return False
