"""Calls whoever is on duty, until somebody acknowledges. Any number of processes may: one write claims a call."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from billing.domain.brand import EVERYWHERE
from billing.domain.incident import Incident, Level, Roster, call, called
from billing.mail.port import Mail
from billing.services.incidents import Incidents
from billing.services.rounds import of_each
from billing.sms.port import Message, Outcome, Refused
from radius.domain import calendar
from radius.domain.entitlement import ZONE_DEFAULT


class Person(NamedTuple):
    """Somebody on duty; "" for what is not known of them."""

    name: str
    phone: str = ""
    email: str = ""


class Called(NamedTuple):
    """What a round did. `how` "": no gateway took it; `who` "": nobody is left to be called."""

    incident: str
    who: str
    how: str = ""


class Calls:
    """Raises Unavailable, and as `rounds.tell`."""

    def __init__(
        self,
        incidents: Incidents,
        people: Sequence[Person],
        roster: Roster,
        brand: str,
        send: Callable[[Message], Outcome] | None,
        write: Callable[[Mail], Outcome] | None,
    ) -> None:
        """`send`, `write`: send once and raise nothing; None: nobody sends those."""
        self._incidents = incidents
        self._people = {each.name: each for each in people}
        self._roster = roster
        self._brand = brand
        self._send = send
        self._write = write

    def round(self, now: int) -> list[Called]:
        """Call whoever is due."""
        made = of_each(self._incidents.due(now), lambda id_: self.one(id_, now))
        return [each for each in made if each is not None]

    def one(self, id_: str, now: int) -> Called | None:
        """Call whoever is due for one incident; None: nobody is, or another process calls."""
        who = ""

        def begun(present: Incident) -> Incident:
            nonlocal who
            after, who = call(present, self._roster, now)
            return after

        before = self._incidents.incident(id_)
        claimed = self._incidents.try_change(id_, begun)
        if claimed is None or claimed == before:
            return None
        if not who:
            return Called(id_, "")
        how = self._reach(self._people[who], claimed)
        if how:
            self._incidents.change(
                id_, lambda present: called(present, who, how, claimed.turn, self._roster.ack_s, now)
            )
        return Called(id_, who, how)

    def _reach(self, person: Person, incident: Incident) -> str:
        """By every road that there is; at level 1 a letter is enough. Which of them took it."""
        taken = []
        write = self._write if person.email else None
        if write is not None and _taken(write(Mail(person.email, self._subject(incident), self._letter(incident)))):
            taken.append("e-mail")
        send = self._send if person.phone and not (write and incident.level is Level.MINOR) else None
        if send is not None and _taken(send(Message(person.phone, self._text(incident), critical=True))):
            taken.append("SMS")
        return ", ".join(taken)

    def _subject(self, incident: Incident) -> str:
        return f"{self._brand}: level {incident.level.value}, {incident.title}"[:120]

    def _text(self, incident: Incident) -> str:
        where = "every site" if incident.of == EVERYWHERE else incident.of
        return (
            f"{self._brand}: level {incident.level.value} at {where}: {incident.title}, since {_clock(incident)} "
            f"(Nairobi). Yours? wifibilling incident ack {incident.id}"
        )

    def _letter(self, incident: Incident) -> str:
        lines = [f"{_wall(each.at)}  {each.what.value}  {each.who}  {each.text}" for each in incident.lines]
        ticket = [f"Ticket: {incident.ticket}"] if incident.ticket else []
        return "\n".join([self._text(incident), "", *ticket, *lines, "", "Times are those of Nairobi.", ""])


def _taken(outcome: Outcome) -> bool:
    """What may have arrived is not sent again: the next in turn is called if nobody acknowledges."""
    return not isinstance(outcome, Refused)


def _clock(incident: Incident) -> str:
    return f"{calendar.local(incident.opened_at, ZONE_DEFAULT):%d/%m %H:%M}"


def _wall(at: int) -> str:
    return f"{calendar.local(at, ZONE_DEFAULT):%Y-%m-%d %H:%M}"
