"""Agents: who they are, money they pay in, commission they are paid, and their statement."""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import NamedTuple

import msgspec

from billing.domain.agent import AGENT_ACCOUNTS, Agent, AgentRoll, check_agent, enrolled
from billing.domain.journal import Account, AccountKind, Cause, Fact, Journal
from billing.domain.ledger import Came, Missing
from billing.domain.money import text
from billing.domain.thing import Thing
from billing.domain.trade import agent_commission, commission_paid, float_in
from billing.ports import Entry, Kept, Posting
from billing.services import walk
from billing.services.book import Book, fact
from billing.services.sell import agent_after, agent_of, event_id
from radius.domain.errors import Malformed
from radius.ports import Outcome


class Line(NamedTuple):
    """One line of an agent's statement: what a journal did to float and commission, in cents."""

    at: int
    journal: str
    package: str
    float_cents: int
    commission_cents: int


class Moved(NamedTuple):
    """Money that an agent paid in or was paid. `again`: by an earlier try of the same key."""

    journal: str
    cents: int
    again: bool = False


class Agents:
    """Keeps agents."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def put(self, agent: Agent) -> Agent:
        """Add an agent, or change ceiling and commission. Float and earnings are only ever booked. Raises Malformed."""
        for _ in self._book.tries(agent.id):
            kept = self._book.stores.customers.thing(Agent, agent.id, self._book.deadline())
            before = kept.thing if kept else Agent(agent.id, {})
            after = msgspec.structs.replace(
                before,
                commission=agent.commission,
                ceiling_cents=agent.ceiling_cents,
                ceiling_most_cents=max(agent.ceiling_cents, before.ceiling_most_cents),
            )
            check_agent(after)
            things: tuple[Kept[Thing], ...] = (Kept(after, kept.version + 1 if kept else 1), *self._enrolled(agent.id))
            if self._book.post(Posting(self._book.new_id(), things=things)).outcome is Outcome.COMMITTED:
                return after
        raise AssertionError  # `tries` ends by raising

    def agent(self, name: str) -> Agent:
        """One as it is now; raises Malformed for nobody."""
        return agent_of(self._book, name).thing

    def all(self) -> list[Agent]:
        """Everybody, by name; one from before there was a list comes into it with its next change, or by `enrol`."""
        roll = self._roll()
        return [self.agent(name) for name in roll.thing.agents] if roll else []

    def enrol(self, days: Iterable[str]) -> int:
        """Put into the list whoever was booked on these business days; how many agents that were. Raises Malformed."""
        booked = (entry.journal for day in days for entry in walk.entries(self._book, day))
        names = {leg.account.of for journal in booked for leg in journal.legs if leg.account.kind in AGENT_ACCOUNTS}
        read = self._book.stores.customers.thing
        there = [name for name in sorted(names) if read(Agent, name, self._book.deadline())]
        for _ in self._book.tries("agents"):
            roll = self._roll() or Kept(AgentRoll(), 0)
            after = reduce(enrolled, [name for name in there if name not in roll.thing.agents], roll.thing)
            if after == roll.thing:
                return len(there)
            posting = Posting(self._book.new_id(), things=(Kept(after, roll.version + 1),))
            if self._book.post(posting).outcome is Outcome.COMMITTED:
                return len(there)
        raise AssertionError  # `tries` ends by raising

    def _roll(self) -> Kept[AgentRoll] | None:
        return self._book.stores.customers.thing(AgentRoll, AgentRoll().name, self._book.deadline())

    def _enrolled(self, agent: str) -> tuple[Kept[AgentRoll], ...]:
        """The roll with that agent, where it is not in it."""
        roll = self._roll() or Kept(AgentRoll(), 0)
        if agent in roll.thing.agents:
            return ()
        return (Kept(enrolled(roll.thing, agent), roll.version + 1),)

    def pay_in(self, agent: str, cents: int, into: Account, key: str, actor: str, now: int) -> Moved | Missing:
        """An agent pays float in, as cash to a seller or at the bank, or (`into` the agent's commission) from earnings.

        `key` names the payment: the same key is the same money.
        """
        turned = into == agent_commission(agent)
        if cents < 1 or not (turned or into.kind in {AccountKind.CASH, AccountKind.BANK}):
            raise Malformed("cents", "must be more than 0, into cash, bank or the agent's own commission")
        subject = event_id(agent, key)
        for attempt in self._book.tries(subject):
            done = self._done(Cause.FLOAT_IN, subject, cents)
            if done is not None:
                return done
            kept = agent_of(self._book, agent)
            if turned and cents > kept.thing.earned_cents:
                return Missing(cents - kept.thing.earned_cents)
            number = self._book.number(subject, attempt)
            journal = float_in(fact(subject, now, now, actor), agent, Came(into, cents), number.text)
            if self._post(kept, journal, number.entry(journal, "")):
                return Moved(journal.id, cents)
        raise AssertionError  # `tries` ends by raising

    def pay_out(self, agent: str, cents: int, out_of: Account, key: str, actor: str, now: int) -> Moved | Missing:
        """Pay commission out of a seller's cash or the bank, never more than was earned."""
        if cents < 1 or out_of.kind not in {AccountKind.CASH, AccountKind.BANK}:
            raise Malformed("cents", "must be more than 0, out of cash or bank")
        subject = event_id(agent, key)
        for _ in self._book.tries(subject):
            done = self._done(Cause.COMMISSION_PAID, subject, cents)
            if done is not None:
                return done
            kept = agent_of(self._book, agent)
            booked: Fact = fact(subject, now, now, actor)
            journal = commission_paid(booked, agent, cents, kept.thing.earned_cents, out_of)
            if isinstance(journal, Missing):
                return journal
            if self._post(kept, journal, Entry(journal)):
                return Moved(journal.id, cents)
        raise AssertionError  # `tries` ends by raising

    def statement(self, agent: str, first_day: str, last_day: str) -> list[Line]:
        """What moved between two ISO days, the oldest first."""
        return sorted(self._lines(agent, first_day, last_day))

    def _lines(self, agent: str, first_day: str, last_day: str) -> Iterator[Line]:
        mine = {AccountKind.FLOAT: 0, AccountKind.COMMISSION: 0}
        for day in walk.days(first_day, last_day):
            for entry in walk.entries(self._book, day):
                moved = {leg.account.kind: -leg.cents for leg in entry.journal.legs if leg.account.of == agent}
                if moved.keys() & mine.keys():
                    cents = [moved.get(kind, 0) for kind in mine]
                    yield Line(entry.journal.fact.at, entry.journal.id, entry.journal.package, *cents)

    def _done(self, cause: Cause, subject: str, cents: int) -> Moved | None:
        entry = self._book.stores.ledger.entry(f"{cause.value}:{subject}", self._book.deadline())
        if entry and entry.journal.cents != cents:
            raise Malformed("key", f"is that of another payment, of {text(entry.journal.cents)}. Say a new one")
        return Moved(entry.journal.id, entry.journal.cents, again=True) if entry else None

    def _post(self, kept: Kept[Agent], journal: Journal, entry: Entry) -> bool:
        posting = Posting(self._book.new_id(), entries=(entry,), things=(agent_after(kept, journal),))
        return self._book.post(posting).outcome is Outcome.COMMITTED
