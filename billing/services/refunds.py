"""Refunds: asked, approved, sent, done. The right ends when the refund is approved: nobody uses what is paid back.

What is given back is a sale, or money that names nobody (`returns`). One refund of it is under way at a time. A
reversal is sent once; whoever does not know what became of it asks for the state of the transaction.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from billing.domain import money
from billing.domain.give_back import Refund, TakenBack, Way
from billing.domain.journal import Account, AccountKind, Fact, Journal, business_day
from billing.domain.ledger import Reason, cash_of, customer, mpesa, refund, sold_at, taken_back_cents
from billing.domain.money import text
from billing.domain.refund import by_mpesa_cents, unused_cents
from billing.domain.reversal import ReversalEvent, ReversalState, reversal
from billing.domain.thing import Thing
from billing.ports import Claim, ClaimKind, Customer, Entry, Kept, Posting
from billing.provider import Refused, Requested, Result, Taken
from billing.services import returns
from billing.services.book import Book
from billing.services.rounds import of_each
from billing.services.sell import event_id
from billing.services.word import Word, said
from radius.domain import subscriber as aggregate
from radius.domain.errors import Malformed
from radius.domain.identity import SubscriberId
from radius.ports import Change, Outcome

REPLY_S = 120  # a reply to a reversal that is not there by then was lost
ASK_AGAIN_S = 900
NEVER_BY_ITSELF = 1 << 39  # in the index of what is open, and beyond any instant of a round: a person decides
ROUND_MAX = 100
REVERSED_ALREADY = "R000001"  # the same receipt cannot be reversed twice: so it was

_OVER = frozenset({ReversalState.DONE, ReversalState.FAILED, ReversalState.DROPPED})


class Reverser(Protocol):
    """The part of a provider that gives money back (`billing.provider.Provider`)."""

    @property
    def gives_back(self) -> bool:
        """Whether it can be asked to."""

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:
        """Give money of a receipt back."""

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        """Ask for a transaction's state."""


class Ask(NamedTuple):
    """What is asked for. `key`: the actor's own name for it. `seller`: whose cash goes back, for `Way.CASH`.

    `cents`: so much, 0: all that is left, `UNUSED`: the share of what was not used.
    """

    key: str
    journal: str
    way: Way
    cents: int = 0
    seller: str = ""


UNUSED = -1


class Heard(NamedTuple):
    """A refund after an event. `alarm`: this cannot be, or cannot be booked: a person looks."""

    refund: Refund
    alarm: bool = False


class Refunds:
    """Gives money back."""

    def __init__(
        self,
        book: Book,
        provider: Reverser,
        approval_cents: int,
        troubled: Callable[[Heard], object] = lambda _heard: None,
    ) -> None:
        """Refunds of more than `approval_cents` wait for a second person.

        `troubled` hears of what cannot be, and once of each that failed: its right is gone, its money is here still.
        """
        self._book = book
        self._stores = book.stores
        self._provider = provider
        self._approval_cents = approval_cents
        self._troubled = troubled

    # -- people ----------------------------------------------------------------------------------------------------

    def ask(self, ask: Ask, word: Word, now: int) -> Refund | Reason:
        """Ask for a refund; within the limit, or with a second person's word, it is approved at once."""
        said(ask.journal, word, now)
        id_ = event_id(word.actor, ask.key)
        for _ in self._book.tries(id_):
            known = self._stores.customers.thing(Refund, id_, self._book.deadline())
            if known is not None:
                return self._again(known.thing, ask, word, now)
            sold = self._stores.ledger.entry(ask.journal, self._book.deadline())
            if sold is None or (sold_at(sold.journal) is None and not returns.is_unmatched(sold)):
                return Reason(f"{ask.journal} sold no package")
            taken = self._taken(ask.journal)
            if taken.thing.open == id_:
                continue  # the same key, a moment ago
            if taken.thing.open:
                return Reason(f"refund {taken.thing.open} of it is under way")
            money = returns.held(self._book, sold, ask.way, ask.cents) if returns.is_unmatched(sold) else None
            if isinstance(money, Reason):
                return money
            wanted = self._wanted(ask, id_, sold, self._before(taken.thing), word, now)
            if isinstance(wanted, Reason):
                return wanted
            opened = taken._replace(thing=_with_open(taken.thing, id_), version=taken.version + 1)
            back = returns.reserved(money) if money else None
            posting = Posting(self._book.new_id(), unmatched=back, things=(Kept(wanted, 1, NEVER_BY_ITSELF), opened))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return self._begun(wanted, now)
        raise AssertionError  # `tries` ends by raising

    def _again(self, known: Refund, ask: Ask, word: Word, now: int) -> Refund | Reason:
        """Asked for before; with a second person's word now, if it is the same that they speak of."""
        if known.state is not ReversalState.ASKED or word.approved_by in {"", known.asked_by}:
            return self._begun(known, now)
        if known.way is not ask.way or (ask.cents > 0 and ask.cents != known.cents):
            asked = f"{text(known.cents)} by {known.way.value}"
            return Reason(f"refund {known.id} of it was asked for otherwise: {asked}")
        return self._begun(msgspec.structs.replace(known, approved_by=word.approved_by), now)

    def _begun(self, found: Refund, now: int) -> Refund:
        """Approve what one person may decide, or a second one has."""
        enough = found.cents <= self._approval_cents or found.approved_by not in {"", found.asked_by}
        waits = found.state in {ReversalState.ASKED, ReversalState.APPROVED}
        return self._approved(found.id, found.approved_by, now) if enough and waits else found

    def approve(self, refund_id: str, by: str, now: int) -> Refund | Reason:
        """A second person's word. What goes back in cash or to the balance goes back now."""
        kept = self._kept(refund_id)
        if kept.thing.asked_by == by or not by:
            return Reason("a second person must approve it")
        return self._approved(refund_id, by, now)

    def refuse(self, refund_id: str, by: str, now: int) -> Refund:
        """It is not paid."""
        if not by:
            raise Malformed("by", "must name who refuses")
        return self.heard(refund_id, ReversalEvent.REFUSE, now).refund

    def _wanted(
        self, ask: Ask, id_: str, sold: Entry, before: Sequence[Journal], word: Word, now: int
    ) -> Refund | Reason:
        """The refund as asked for, or why there is none."""
        journal = sold.journal
        left = journal.cents - taken_back_cents(journal, before)
        cents = self._unused(sold, journal.cents - left, now) if ask.cents == UNUSED else ask.cents or left
        receipt, shortcode = self._paid_by(sold)
        cannot = self._cannot(ask, sold, receipt)
        if cannot is not None:
            return cannot
        if ask.way is Way.MPESA:
            cents = by_mpesa_cents(cents)
        if not 0 < cents <= left:
            return Reason(f"{money.text(left)} of {journal.id} is left: {money.text(cents)} cannot go back")
        return Refund(
            id_,
            journal.id,
            cents,
            ask.way,
            sold.subscriber,
            word.actor,
            word.reason,
            approved_by=word.approved_by,
            seller=ask.seller,
            mpesa_receipt=receipt,
            shortcode=shortcode,
        )

    def _paid_by(self, sold: Entry) -> tuple[str, str]:
        """The M-Pesa receipt that brought the money, and to which number; "" where there is none, or none yet."""
        if returns.is_unmatched(sold):
            money = self._stores.customers.unmatched(sold.journal.mpesa_receipt, self._book.deadline())
            return (money.receipt, money.shortcode) if money else ("", "")
        paid = sold.journal.payment
        kept = self._stores.payments.payment(paid, self._book.deadline()) if paid else None
        return (kept.payment.mpesa_receipt, kept.payment.shortcode) if kept else ("", "")

    def _cannot(self, ask: Ask, sold: Entry, receipt: str) -> Reason | None:
        """Why the money cannot go that way: once it is approved the right is gone, so it is asked before."""
        if ask.way is Way.MPESA and not receipt:
            return Reason(f"{sold.journal.id} has no M-Pesa receipt (yet)")
        if ask.way is Way.MPESA and not self._provider.gives_back:
            return Reason("M-Pesa gives nothing back without an initiator in the settings: use cash or the balance")
        if ask.way is Way.CASH and not ask.seller:
            raise Malformed("seller", "must name whose cash goes back")
        buyer = SubscriberId(sold.subscriber)
        if ask.way is Way.BALANCE and self._stores.customers.customer(buyer, self._book.deadline()) is None:
            raise Malformed("way", "this customer has no balance")
        return None

    def _unused(self, sold: Entry, refunded_cents: int, now: int) -> int:
        stored = self._stores.subscribers.read(SubscriberId(sold.subscriber), self._book.deadline())
        right = aggregate.decode(stored.body).right(sold.journal.right) if stored else None
        if right is None:
            return 0
        return unused_cents(right, self._book.terms(right.terms), sold.journal.cents, refunded_cents, now)

    def _approved(self, refund_id: str, by: str, now: int) -> Refund:
        found = self.heard(refund_id, ReversalEvent.APPROVE, now, approved_by=by).refund
        if found.way is not Way.MPESA and found.state is ReversalState.APPROVED:
            return self.heard(refund_id, ReversalEvent.RESULT_DONE, now).refund
        return found

    # -- the provider ----------------------------------------------------------------------------------------------

    def send(self, refund_id: str, now: int) -> Refund:
        """Send an approved reversal, once: who comes second finds it marked."""
        kept = self._kept(refund_id)
        found = kept.thing
        if found.way is not Way.MPESA or found.state is not ReversalState.APPROVED or found.sent_at:
            return found
        marked = msgspec.structs.replace(found, sent_at=now)
        mark = Posting(self._book.new_id(), things=(Kept(marked, kept.version + 1, now + REPLY_S),))
        if self._book.post(mark).outcome is not Outcome.COMMITTED:
            return self._kept(refund_id).thing
        answer = self._provider.reverse(found.mpesa_receipt, found.cents, now)
        match answer:
            case Taken(conversation):
                return self.heard(refund_id, ReversalEvent.ACCEPTED, now, conversation=conversation).refund
            case Refused():
                return self.heard(refund_id, ReversalEvent.REFUSED, now).refund
            case _:
                return self.heard(refund_id, ReversalEvent.LOST, now).refund

    def result(self, result: Result, now: int) -> Heard | None:
        """A result by callback; None while nobody knows its conversation: it may have overtaken the reply."""
        owner = self._stores.postings.owner(ClaimKind.CONVERSATION, result.conversation_id, self._book.deadline())
        if owner is None:
            return None
        found = self._kept(owner).thing
        if result.conversation_id == found.status_conversation:
            if not result.done:
                return Heard(found)
            back = result.status.casefold() == "reversed"
            event = ReversalEvent.STATUS_REVERSED if back else ReversalEvent.STATUS_NOT_REVERSED
        else:
            done = result.done or result.code == REVERSED_ALREADY
            event = ReversalEvent.RESULT_DONE if done else ReversalEvent.RESULT_FAILED
        return self.heard(owner, event, now)

    def timed_out(self, conversation: str, now: int) -> Heard | None:
        """The provider gave up waiting for its own answer."""
        owner = self._stores.postings.owner(ClaimKind.CONVERSATION, conversation, self._book.deadline())
        return self.heard(owner, ReversalEvent.QUEUE_TIMEOUT, now) if owner else None

    def gone_back(self, mpesa_receipt: str, cents: int, now: int) -> bool:
        """The provider's statement has a reversal of a receipt: as a result that came. False if it is none of ours."""
        return any(self._is_back(journal, cents, now) for journal in returns.took(self._book, mpesa_receipt))

    def _is_back(self, journal: str, cents: int, now: int) -> bool:
        taken = self._taken(journal).thing
        kept = self._stores.customers.thing(Refund, taken.open, self._book.deadline()) if taken.open else None
        sent = kept is not None and kept.thing.way is Way.MPESA and bool(kept.thing.sent_at)
        if kept is not None and sent and kept.thing.cents == cents:
            return self.heard(kept.thing.id, ReversalEvent.STATUS_REVERSED, now).refund.state is ReversalState.DONE
        return any(
            each.cents == cents and any(leg.account.kind is AccountKind.MPESA for leg in each.legs)
            for each in self._before(taken)
        )

    def round(self, now: int) -> int:
        """Do what is due: send, call a reply lost, ask what became of a reversal. How many were looked at."""
        due = self._stores.customers.due_things(Refund, now, ROUND_MAX, self._book.deadline())
        return len(of_each(due, lambda refund_id: self._look(refund_id, now)))

    def _look(self, refund_id: str, now: int) -> None:
        found = self._kept(refund_id).thing
        if found.state is ReversalState.APPROVED and found.sent_at:
            found = self.heard(refund_id, ReversalEvent.LOST, now).refund
        elif found.state is ReversalState.APPROVED:
            found = self.send(refund_id, now) if found.way is Way.MPESA else self._approved(refund_id, "", now)
        if found.state in {ReversalState.SENT, ReversalState.UNKNOWN}:
            self._ask_status(refund_id, now)

    def _ask_status(self, refund_id: str, now: int) -> None:
        kept = self._kept(refund_id)
        answer = self._provider.transaction_status(kept.thing.mpesa_receipt, now)
        conversation = answer.conversation_id if isinstance(answer, Taken) else ""
        after = msgspec.structs.replace(kept.thing, status_conversation=conversation or kept.thing.status_conversation)
        claims = (Claim(ClaimKind.CONVERSATION, conversation, refund_id),) if conversation else ()
        posting = Posting(
            self._book.new_id(), claims=claims, things=(Kept(after, kept.version + 1, now + ASK_AGAIN_S),)
        )
        self._book.post(posting)  # overtaken: another has heard more

    # -- the states ------------------------------------------------------------------------------------------------

    def heard(
        self, refund_id: str, event: ReversalEvent, now: int, *, conversation: str = "", approved_by: str = ""
    ) -> Heard:
        """Take one step, and tell `troubled` of one that a person must look at."""
        found, moved = self._step(refund_id, event, now, conversation, approved_by)
        if found.alarm or (moved and found.refund.state is ReversalState.FAILED):
            self._troubled(found)
        return found

    def _step(
        self, refund_id: str, event: ReversalEvent, now: int, conversation: str, approved_by: str
    ) -> tuple[Heard, bool]:
        """State, journal, the end of the right, and what was taken back, in one posting; whether the state moved."""
        for attempt in self._book.tries(refund_id):
            kept = self._kept(refund_id)
            step = reversal(kept.thing.state, event)
            after = msgspec.structs.replace(
                kept.thing,
                state=step.to,
                conversation=conversation or kept.thing.conversation,
                approved_by=approved_by or kept.thing.approved_by,
            )
            if after == kept.thing:
                return Heard(after, step.alarm), False
            posting = self._posting(kept, after, now)
            if step.book:
                booked = self._booked(posting, after, attempt, now)
                if booked is None:
                    return Heard(kept.thing, alarm=True), False
                posting = booked
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return Heard(after, step.alarm), after.state is not kept.thing.state
        raise AssertionError  # `tries` ends by raising

    def _posting(self, kept: Kept[Refund], after: Refund, now: int) -> Posting:
        """All but the money."""
        id_ = self._book.new_id()
        due_at = 0 if after.state in _OVER else now + (ASK_AGAIN_S if after.sent_at else 0)
        things: list[Kept[Thing]] = [Kept(after, kept.version + 1, due_at)]
        if after.state in _OVER:
            taken = self._taken(after.journal)
            if taken.thing.open == after.id:
                things.append(taken._replace(thing=_with_open(taken.thing, ""), version=taken.version + 1))
        ends = after.state is ReversalState.APPROVED and bool(after.subscriber)
        change = self._without(after, id_, now) if ends else None
        named = after.conversation if after.conversation != kept.thing.conversation else ""
        claims = (Claim(ClaimKind.CONVERSATION, named, after.id),) if named else ()
        sold = self._stores.ledger.entry(after.journal, self._book.deadline())
        money = returns.after(self._book, after) if sold and returns.is_unmatched(sold) else None
        return Posting(id_, claims=claims, changes=(change,) if change else (), unmatched=money, things=tuple(things))

    def _without(self, after: Refund, posting: str, now: int) -> Change | None:
        """The customer without the right."""
        sold = self._stores.ledger.entry(after.journal, self._book.deadline())
        right = sold.journal.right if sold else ""
        return self._book.revoke(SubscriberId(after.subscriber), right, posting, now)

    def _booked(self, posting: Posting, after: Refund, attempt: int, now: int) -> Posting | None:
        """The posting with the refund's journal and its number; None if the sale has nothing left to give back."""
        sold = self._stores.ledger.entry(after.journal, self._book.deadline())
        if sold is None:
            raise AssertionError(f"{after.journal} was refunded and is not there")
        taken = self._taken(after.journal)
        number = self._book.number(after.id, attempt)
        booked = Fact(after.id, now, business_day(now), after.asked_by, after.reason, after.approved_by)
        out_of, balance = self._out_of(after)
        if returns.is_unmatched(sold):
            entry = returns.returned(self._book, after, sold, booked, out_of)
            return self._marked(posting, after, entry, None) if entry else None
        journal = refund(booked, sold.journal, after.cents, self._before(taken.thing), out_of, number.text)
        if isinstance(journal, Reason):
            return None
        return self._marked(posting, after, number.entry(journal, after.subscriber), balance)

    def _marked(self, posting: Posting, after: Refund, entry: Entry, balance: Customer | None) -> Posting:
        """The posting with its journal, which what was sold remembers."""
        taken = self._taken(after.journal)
        own = taken.thing.open == after.id
        marked = TakenBack(after.journal, (*taken.thing.by, entry.journal.id), "" if own else taken.thing.open)
        things = [each for each in posting.things if not isinstance(each.thing, TakenBack)]
        return posting._replace(
            entries=(entry,),
            customer=balance,
            things=(*things, taken._replace(thing=marked, version=taken.version + 1)),
        )

    def _out_of(self, after: Refund) -> tuple[Account, Customer | None]:
        """Where the money comes from, and the customer's balance after it."""
        if after.way is Way.MPESA:
            return mpesa(after.shortcode), None
        if after.way is Way.CASH:
            return cash_of(after.seller), None
        kept = self._stores.customers.customer(SubscriberId(after.subscriber), self._book.deadline())
        if kept is None:
            raise Malformed("way", "this customer has no balance")
        return customer(after.subscriber), kept._replace(
            balance_cents=kept.balance_cents + after.cents, version=kept.version + 1
        )

    # -- reads -----------------------------------------------------------------------------------------------------

    def _kept(self, refund_id: str) -> Kept[Refund]:
        kept = self._stores.customers.thing(Refund, refund_id, self._book.deadline())
        if kept is None:
            raise Malformed("refund", f"{refund_id} is not known")
        return kept

    def _taken(self, journal: str) -> Kept[TakenBack]:
        return taken_back(self._book, journal)

    def _before(self, taken: TakenBack) -> list[Journal]:
        return [entry.journal for entry in self._stores.ledger.entries(taken.by, self._book.deadline())]


def taken_back(book: Book, journal: str) -> Kept[TakenBack]:
    """What of a sale was taken back, as stored."""
    return book.stores.customers.thing(TakenBack, journal, book.deadline()) or Kept(TakenBack(journal), 0)


def _with_open(taken: TakenBack, refund_id: str) -> TakenBack:
    return msgspec.structs.replace(taken, open=refund_id)
