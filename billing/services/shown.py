"""Who says "I have paid" shows the code of M-Pesa's message, and has the money as soon as it is known here.

It is known by a notice, by a statement, or because the provider is asked for that code. What is shown is no proof:
nothing is credited before the money itself was told of. Who shows the code of a payment's money gets that payment,
else it is on the balance. The caller slows guessing down; a code that was shown before its money moved gets nothing.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Protocol

import msgspec

from billing.domain.journal import Cause
from billing.domain.payment import PAID_STATES, Payment, PaymentEvent
from billing.domain.settle import Settled
from billing.domain.shown import KEPT_S, OPEN_MAX, SHOWN_BY_MAX, By, Shown, Shows, parse_shown
from billing.domain.thing import Thing
from billing.ports import Claim, ClaimKind, Kept, Posting, Unmatched, UnmatchedState
from billing.provider import Notice, QueueTimedOut, Requested, Result, Taken
from billing.services.book import Book
from billing.services.rounds import of_each
from billing.services.settle import Landed, Settle
from billing.services.strays import Claimed, Strays
from radius.domain.identity import SubscriberId
from radius.ports import Outcome

SOON_S, SOON_UNTIL_S = 60, 900  # the customer waits
LATER_S = 1_800
ASKED_AGAIN_S = 3_600  # of the provider: its answer comes within seconds, or was lost
ROUND_MAX = 100
OWNED = "shown:"  # what the conversation of a question about a code leads to


class Answer(StrEnum):
    """What whoever shows a code is told."""

    DONE = "done"  # the money is theirs, now or since before
    WAITS = "waits"  # it is not known yet, or may be a payment's own: it will be looked for
    TAKEN = "taken"  # somebody else has it
    TOO_MANY = "too_many"  # of their codes wait already


class Asked(Protocol):
    """The part of a provider that knows transactions (`billing.provider.Provider`)."""

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        """Ask for a transaction's state."""


class ShownCodes:
    """Finds the money of codes."""

    def __init__(
        self,
        book: Book,
        settle: Settle,
        strays: Strays,
        provider: Asked,
        shortcodes: Collection[str],
    ) -> None:
        """`shortcodes`: what the provider may call us as who was paid, our own first."""
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._strays = strays
        self._provider = provider
        self._shortcodes = tuple(shortcodes)

    def show(self, code: str, subscriber: SubscriberId, payment: str, now: int) -> Answer:
        """`payment`: what it was to buy, "" for the balance. Raises Malformed for what is no code."""
        receipt = parse_shown(code)
        who = By(subscriber, payment, now)
        for _ in self._book.tries(receipt):
            kept, shows = self._kept(receipt), self._shows(subscriber)
            noted = kept.thing.by if kept.due_at else ()
            mine = any(each.subscriber == subscriber for each in noted)
            rivals = any(each.subscriber != subscriber for each in noted)
            answer = self._gone(receipt, who) or (Answer.WAITS if rivals else self._give(receipt, who, now))
            if answer is not Answer.WAITS and noted and not rivals:
                self._close(kept)
            if answer is not Answer.WAITS or mine:
                return answer  # when two show it, a person asks them
            if len(shows.thing.receipts) >= OPEN_MAX or len(noted) >= SHOWN_BY_MAX:
                return Answer.TOO_MANY
            after = msgspec.structs.replace(kept.thing, by=(*noted, who))
            opened = msgspec.structs.replace(shows.thing, receipts=(*shows.thing.receipts, receipt))
            things = (
                Kept(after, kept.version + 1, now + SOON_S, now + 2 * KEPT_S),
                Kept(opened, shows.version + 1, 0, now + 2 * KEPT_S),
            )
            if self._book.post(Posting(self._book.new_id(), things=things)).outcome is Outcome.COMMITTED:
                self._ask(receipt, now)
                return Answer.WAITS
        raise AssertionError  # `tries` ends by raising

    def round(self, now: int) -> int:
        """Look for the money of codes that wait; how many found theirs."""
        due = self._stores.customers.due_things(Shown, now, ROUND_MAX, self._book.deadline())
        return sum(of_each(due, lambda receipt: self.look(receipt, now)))

    def look(self, receipt: str, now: int) -> bool:
        """True if somebody who showed this code has its money now; the provider is asked where there is none."""
        kept = self._kept(receipt)
        if not kept.thing.by or not kept.due_at:
            return False
        money = self._stores.customers.unmatched(receipt, self._book.deadline())
        who = kept.thing.owner(money.paid_at) if money else None
        answer = self._give(receipt, who, now) if who else Answer.WAITS
        first = min(each.at for each in kept.thing.by)
        if answer is not Answer.WAITS or now >= first + KEPT_S:
            self._close(kept)
            return answer is Answer.DONE
        if money is None and now >= kept.thing.asked_at + ASKED_AGAIN_S:
            self._ask(receipt, now)
        else:
            self._put(kept, kept.thing, now + (SOON_S if now < first + SOON_UNTIL_S else LATER_S))
        return False

    # -- whose it is -----------------------------------------------------------------------------------------------

    def _give(self, receipt: str, who: By, now: int) -> Answer:
        """Give the money of a code to who shows it, if it is there and free."""
        gone = self._gone(receipt, who)
        if gone is not None:
            return gone
        payment = self._payment(who)
        money = self._stores.customers.unmatched(receipt, self._book.deadline())
        if money is None or money.state is UnmatchedState.WAITS:
            return self._waiting(money, payment, now) if money else Answer.WAITS
        if payment is not None and payment.cents == money.cents and self._buys(payment, money, now):
            return Answer.DONE
        claimed = self._strays.claim(receipt, who.subscriber, now)
        if claimed is Claimed.CLAIMED:
            return Answer.DONE
        return Answer.TAKEN if claimed is Claimed.GONE else Answer.WAITS

    def _gone(self, receipt: str, who: By) -> Answer | None:
        """Whose money of a code is already; None while nobody has it. Who had another payment by it has not paid this.

        On the balance it is theirs, whatever they show it for.
        """
        owner = self._stores.postings.owner(ClaimKind.MPESA, receipt, self._book.deadline())
        money = self._stores.customers.unmatched(receipt, self._book.deadline()) if owner else None
        if owner is None or (money is not None and money.state is UnmatchedState.HELD):
            return None
        return Answer.DONE if self._has(receipt, owner, who) else Answer.TAKEN

    def _payment(self, who: By) -> Payment | None:
        """What the money was to buy, while it is not paid for."""
        kept = self._stores.payments.payment(who.payment, self._book.deadline()) if who.payment else None
        if kept is None or kept.payment.subscriber != who.subscriber:
            return None
        return None if kept.payment.state in PAID_STATES else kept.payment

    def _waiting(self, money: Unmatched, payment: Payment | None, now: int) -> Answer:
        """Money that may be the own of a payment: of this one, if it can be no other's."""
        fits = payment is not None and payment.cents == money.cents and payment.shortcode == money.shortcode
        if payment is None or not fits or self._strays.may_be_a_payments(money, now, but=payment.id):
            return Answer.WAITS
        return Answer.DONE if self._buys(payment, money, now) else Answer.WAITS

    def _buys(self, payment: Payment, money: Unmatched, now: int) -> bool:
        notice = Notice(money.receipt, money.cents, money.shortcode, paid_at=money.paid_at)
        proof = msgspec.structs.replace(notice.proof(payment.reference), event=PaymentEvent.RECEIPT_FOUND)
        return isinstance(self._settle.prove(payment.id, proof, now), Settled)

    def _has(self, receipt: str, owner: str, who: By) -> bool:
        """Whether the customer has the money of a receipt: as a payment, or on the balance."""
        money = self._stores.customers.unmatched(receipt, self._book.deadline())
        for name in (owner, money.payment if money else ""):
            kept = self._stores.payments.payment(name, self._book.deadline()) if name else None
            if kept is not None and kept.payment.mpesa_receipt == receipt:
                return kept.payment.subscriber == who.subscriber and who.payment in {"", kept.payment.id}
        names = [f"{cause.value}:{receipt}" for cause in (Cause.TOP_UP, Cause.UNMATCHED_CLAIMED)]
        return any(
            each.subscriber == who.subscriber for each in self._stores.ledger.entries(names, self._book.deadline())
        )

    # -- the provider ----------------------------------------------------------------------------------------------

    def _ask(self, receipt: str, now: int) -> None:
        """Ask what there is under a code. Who has no interface, or no initiator, waits for a statement."""
        kept = self._kept(receipt)
        answer = self._provider.transaction_status(receipt, now)
        asked = msgspec.structs.replace(kept.thing, asked_at=now)
        claims: tuple[Claim, ...] = ()
        if isinstance(answer, Taken):
            asked = msgspec.structs.replace(asked, conversation=answer.conversation_id)
            claims = (Claim(ClaimKind.CONVERSATION, answer.conversation_id, f"{OWNED}{receipt}"),)
        self._put(kept, asked, now + SOON_S, claims)

    def result(self, result: Result | QueueTimedOut, now: int) -> Landed | None:
        """The provider's answer; None for an answer to somebody else's question.

        What it says was completed, and paid to us, is money that came like any other. All else says nothing: the money
        may come to be known yet.
        """
        owner = self._stores.postings.owner(ClaimKind.CONVERSATION, result.conversation_id, self._book.deadline())
        if owner is None or not owner.startswith(OWNED):
            return None
        receipt = owner.removeprefix(OWNED)
        if isinstance(result, QueueTimedOut) or not self._is_ours(result, receipt):
            return Landed(waits=True)
        notice = Notice(receipt, result.cents or 0, self._shortcodes[0], paid_at=result.paid_at)
        landed = self._settle.notice(notice, now)
        self.look(receipt, now)
        return landed

    def _is_ours(self, result: Result, receipt: str) -> bool:
        completed = result.done and result.status.casefold() == "completed" and bool(result.cents)
        return completed and result.mpesa_receipt == receipt and result.paid_to in self._shortcodes

    # -- reads and writes ------------------------------------------------------------------------------------------

    def _kept(self, receipt: str) -> Kept[Shown]:
        found = self._stores.customers.thing(Shown, receipt, self._book.deadline())
        return found or Kept(Shown(receipt, ()), 0)

    def _shows(self, subscriber: SubscriberId) -> Kept[Shows]:
        found = self._stores.customers.thing(Shows, subscriber, self._book.deadline())
        return found or Kept(Shows(subscriber), 0)

    def _put(self, kept: Kept[Shown], after: Shown, due_at: int, claims: tuple[Claim, ...] = ()) -> None:
        """Overtaken: another looks, or has noted more."""
        thing = kept._replace(thing=after, version=kept.version + 1, due_at=due_at)
        self._book.post(Posting(self._book.new_id(), claims=claims, things=(thing,)))

    def _close(self, kept: Kept[Shown]) -> None:
        """It waits no longer, for whoever showed it."""
        things: list[Kept[Thing]] = [kept._replace(version=kept.version + 1, due_at=0)]
        for subscriber in sorted({each.subscriber for each in kept.thing.by}):
            shows = self._shows(subscriber)
            left = tuple(each for each in shows.thing.receipts if each != kept.thing.receipt)
            after = msgspec.structs.replace(shows.thing, receipts=left)
            things.append(shows._replace(thing=after, version=shows.version + 1))
        self._book.post(Posting(self._book.new_id(), things=tuple(things)))
