"""How selling is, read from the store twice a minute: what waits, since when nobody has paid, whether books agree.

Every worker reads the same store and so says the same: of several the highest is right.
"""

from datetime import date, timedelta
from typing import NamedTuple

from billing.domain.books_checked import BooksChecked
from billing.domain.day_end import DayEnds
from billing.domain.journal import business_day
from billing.domain.payment import OPEN_STATES, PAID_STATES, Payment
from billing.domain.silence import Hours, expected_gap_s, open_s
from billing.ports import BodyKind, Kept, Posting
from billing.services.book import Book
from radius.ports import Outcome

OPEN_LONG_S = 600
BACK_DAYS = 4  # so far back the last sale is looked for
LATEST_MAX = 50  # payments looked at; more than these are not counted
WAITING_MAX = 20  # bodies looked at for the oldest that is about money
_MONEY = frozenset({BodyKind.CALLBACK, BodyKind.NOTICE})  # an answer to a question of ours may wait for an hour


class Vitals(NamedTuple):
    """`uncredited_s`: age of the oldest callback or notice that is not settled; 0: there is none.

    `open_long`: payments without an end after ten minutes. `silence`: how long nobody has paid over how long that
    usually is at most. `findings`: of the ledger's last check; None: it was never checked.
    """

    uncredited_s: int
    open_long: int
    silence: float
    findings: int | None


class Pulse:
    """Reads, and keeps what the ledger's check said."""

    def __init__(self, book: Book, hours: Hours | None) -> None:
        """`hours` None: nobody pays here, vouchers are sold; nothing is silent then."""
        self._book = book
        self._hours = hours

    def take(self, now: int) -> Vitals:
        """At an instant. Raises Unavailable."""
        today = business_day(now)
        latest = self._latest(today)
        open_long = sum(each.state in OPEN_STATES and each.created_at <= now - OPEN_LONG_S for each in latest)
        checked = self._book.stores.customers.thing(BooksChecked, "books", self._book.deadline())
        findings = checked.thing.findings if checked else None
        return Vitals(self._uncredited_s(now), open_long, self._silence(latest, today, now), findings)

    def checked(self, findings: int, now: int) -> None:
        """The ledger was checked whole. Raises Contended."""
        customers = self._book.stores.customers
        for _ in self._book.tries("what the ledger's check found"):
            kept = customers.thing(BooksChecked, "books", self._book.deadline())
            note = Kept(BooksChecked(now, findings), kept.version + 1 if kept else 1)
            if self._book.post(Posting(self._book.new_id(), things=(note,))).outcome is Outcome.COMMITTED:
                return

    def _latest(self, day: str) -> list[Payment]:
        payments = self._book.stores.payments
        ids = payments.latest_on(day, LATEST_MAX, self._book.deadline())
        return [kept.payment for kept in payments.payments(ids, self._book.deadline())] if ids else []

    def _uncredited_s(self, now: int) -> int:
        bodies = self._book.stores.bodies
        for id_ in bodies.waiting(now, WAITING_MAX, self._book.deadline()):
            body = bodies.body(id_, self._book.deadline())
            if body is not None and body.due_at and body.kind in _MONEY:
                return max(0, now - body.at)
        return 0

    def _silence(self, latest: list[Payment], today: str, now: int) -> float:
        if self._hours is None:
            return 0.0
        hours, sold = self._hours, _sold(latest)
        for back in range(1, BACK_DAYS):
            sold = sold or _sold(self._latest((date.fromisoformat(today) - timedelta(days=back)).isoformat()))
        ends = self._book.stores.customers.thing(DayEnds, "days", self._book.deadline())
        usual_s = expected_gap_s(hours, ends.thing.gaps if ends else ())
        first = (date.fromisoformat(today).toordinal() - BACK_DAYS + 1) * hours.day_s  # in the hours of selling
        last = max([first, *(open_s(hours, at) for at in sold)])
        return max(0, open_s(hours, now) - last) / usual_s


def _sold(latest: list[Payment]) -> list[int]:
    return [each.paid_at or each.created_at for each in latest if each.state in PAID_STATES]
