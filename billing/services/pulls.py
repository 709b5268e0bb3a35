"""The provider's own list of what came, where it was activated: it finds by itself what no callback told of.

A short period at a time, a page a round, and each page lands like a statement; but it is not taken for complete, so
nothing is told from what it does not have. Whoever reads it twice changes nothing.
"""

from typing import NamedTuple, Protocol

import msgspec

from billing.domain.pulled import Pulled
from billing.domain.statement import Page, Statement
from billing.ports import Kept, Posting
from billing.provider import Refused, TooMany, Unknown
from billing.services.book import Book
from billing.services.statements import Statements
from radius.domain.errors import Malformed
from radius.ports import Outcome

BACK_S = 47 * 3_600  # the list goes back some two days
PERIOD_S = 3_600  # below what `billing.mpesa.pull` takes
AGAIN_S = 600  # each period begins so much before the end of the last: what is listed late is there by then
BEHIND_S = 120  # of the present: what has just come may not be listed yet
COUNT_MAX = 20_000  # of one period; more is a list without an end
ACTOR = "pull"


class Puller(Protocol):
    """Who lists what came."""

    def pull(self, since: int, until: int, offset: int, now: int) -> Page | TooMany | Refused | Unknown:
        """A page of what came in [since, until), from `offset` on."""


class PulledRound(NamedTuple):
    """`found`: receipts that nothing else had told of. `trouble`: why nothing was read, or what could not be."""

    found: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()


class Pulls:
    """Reads the list."""

    def __init__(self, book: Book, statements: Statements, puller: Puller, shortcode: str) -> None:
        self._book = book
        self._stores = book.stores
        self._statements = statements
        self._puller = puller
        self._shortcode = shortcode
        self._quiet_until = 0

    def round(self, now: int) -> PulledRound:
        """Read one page, if there is one to read; after trouble not for a while."""
        if now < self._quiet_until:
            return PulledRound()
        done = self._round(now)
        if done.trouble:
            self._quiet_until = now + AGAIN_S
        return done

    def _round(self, now: int) -> PulledRound:
        kept = self._stores.customers.thing(Pulled, self._shortcode, self._book.deadline())
        at = _period(kept.thing if kept else Pulled(self._shortcode, 0), now)
        if at is None:
            return PulledRound()
        page = self._puller.pull(at.since, at.until, at.offset, now)
        if isinstance(page, TooMany):
            return PulledRound()
        if not isinstance(page, Page):
            why = page.why if isinstance(page, Unknown) else f"{page.code} {page.text}".rstrip()
            return PulledRound(trouble=(why,))
        first = page.rows[0].mpesa_receipt if page.rows else ""
        if at.offset and first == at.first:
            page = Page(())  # the same page again
        read = Statement(page.rows, at.since, at.until, problems=page.problems, whole=False)
        try:
            found = self._statements.take(read, ACTOR, now).found
        except Malformed as bad:  # a list that contradicts itself
            return self._on(kept, at, Page(()), PulledRound(trouble=(str(bad),)))
        done = PulledRound(found, tuple(map(str, page.problems)))
        return self._on(kept, msgspec.structs.replace(at, first=first), page, done)

    def _on(self, kept: Kept[Pulled] | None, at: Pulled, page: Page, done: PulledRound) -> PulledRound:
        """Remember where to go on. Overtaken: another has read the same."""
        over = not page.listed or at.offset + page.listed > COUNT_MAX
        after = Pulled(at.shortcode, at.until) if over else msgspec.structs.replace(at, offset=at.offset + page.listed)
        posting = Posting(self._book.new_id(), things=(Kept(after, kept.version + 1 if kept else 1),))
        return done if self._book.post(posting).outcome is Outcome.COMMITTED else PulledRound(done.found)


def _period(at: Pulled, now: int) -> Pulled | None:
    """What to read next; None while there is nothing new."""
    if at.until:
        return at
    since = max(at.since - AGAIN_S, now - BACK_S)
    until = min(since + PERIOD_S, now - BEHIND_S)
    return msgspec.structs.replace(at, since=since, until=until) if until > max(at.since, since) + AGAIN_S else None
