"""Calls for incidents over memory and engine: two workers call once, a kill forgets nobody."""

import random
from collections import Counter

import msgspec
import pytest

from billing.domain.brand import NoticeState
from billing.domain.incident import (
    CALL_AGAIN_S,
    Happened,
    Incident,
    Level,
    Roster,
    acknowledged,
    noted,
    resolved,
)
from billing.domain.notice import What
from billing.services.calls import Called, Calls, Person
from billing.services.incidents import Incidents
from billing.services.signs import Signs
from billing.sms.port import Message, Outcome, Reason, Refused, Unknown
from billing.store.ports import BillingStore
from radius.domain.errors import Contended, Malformed
from radius.store.open import Store
from tests.contract.billing.town import DyingRows, Killed, Town
from tests.fakes.outbox import Outbox
from tests.unit.billing.values import T0

ACK_S = 900
AMINA = Person("Amina", "254700000001", "amina@example.co.ke")
BRIAN = Person("Brian", "254700000002")
ROSTER = Roster(("Amina", "Brian"), "Brian", ACK_S)
BUSY = Refused(Reason.BUSY, retryable=True)


class Desk(Outbox):
    """One worker. `answers`: those of the SMS gateway, then it takes all."""

    def __init__(self, town: Town, *answers: Outcome, roster: Roster = ROSTER) -> None:
        super().__init__(*answers)
        self.incidents = Incidents(town.book, Signs(town.book), random.Random(1).randbytes)
        self.calls = Calls(self.incidents, (AMINA, BRIAN), roster, "Kilifi WiFi", self.send, self.write)

    def begin(self, level: Level = Level.DEGRADED, at: int = T0, of: str = "kilimani") -> Incident:
        id_ = self.incidents.new_id(at)
        return self.incidents.open(Incident(id_, level, "slow", of, What.INTERNET, at, "mary", ticket="https://t/1"))


def test_the_first_is_called_by_message_and_letter_once(town: Town) -> None:
    desk = Desk(town)
    begun = desk.begin()
    assert desk.calls.round(T0) == [Called(begun.id, "Amina", "e-mail, SMS")]
    assert desk.calls.round(T0 + ACK_S - 1) == []
    (message,) = desk.sent
    assert message.critical
    ack = f"wifibilling incident ack {begun.id}"
    assert message.text == f"Kilifi WiFi: level 2 at kilimani: slow, since 25/11 13:00 (Nairobi). Yours? {ack}"
    (mail,) = desk.written
    assert (mail.to, mail.subject) == ("amina@example.co.ke", "Kilifi WiFi: level 2, slow")
    assert "Ticket: https://t/1" in mail.text
    assert desk.calls.round(T0 + ACK_S) == [Called(begun.id, "Brian", "SMS")]
    desk.incidents.change(begun.id, lambda it: acknowledged(it, "Brian", T0 + ACK_S + 60))
    assert desk.calls.round(T0 + 9 * ACK_S) == []
    lines = [(line.what, line.who) for line in desk.incidents.incident(begun.id).lines]
    assert lines == [
        (Happened.OPENED, "mary"), (Happened.CALLED, "Amina"), (Happened.CALLED, "Brian"),
        (Happened.ACKNOWLEDGED, "Brian"),
    ]  # fmt: skip


def test_nobody_is_woken_for_what_is_minor_and_has_a_letter(town: Town) -> None:
    desk = Desk(town)
    begun = desk.begin(Level.MINOR)
    assert desk.calls.round(T0) == [Called(begun.id, "Amina", "e-mail")]
    assert desk.sent == []
    assert desk.calls.round(T0 + ACK_S) == [Called(begun.id, "Brian", "SMS")]


def test_of_two_workers_one_calls(town: Town, store: Store, billing: BillingStore) -> None:
    first, second = Desk(town), Desk(Town(store, billing.rows, seed=2))
    begun = first.begin(Level.OUTAGE)
    made: list[Called | None] = []

    def send(message: Message) -> Outcome:
        made.append(second.calls.one(begun.id, T0))
        return first.send(message)

    both = Calls(first.incidents, (AMINA, BRIAN), ROSTER, "Kilifi WiFi", send, first.write)
    assert both.one(begun.id, T0) == Called(begun.id, "Brian", "SMS")
    assert made == [None]
    assert len(first.sent) + len(second.sent) == 1


def test_what_no_gateway_takes_is_tried_again_and_then_the_next_is_called(town: Town) -> None:
    desk = Desk(town, BUSY, BUSY, BUSY, Unknown(), roster=Roster(("Brian", "Amina"), "", ACK_S))
    begun = desk.begin()
    rounds = [desk.calls.round(T0 + at * CALL_AGAIN_S) for at in range(4)]
    assert [each[0].how for each in rounds] == ["", "", "", "e-mail, SMS"]
    assert [each[0].who for each in rounds] == ["Brian"] * 3 + ["Amina"]
    assert desk.incidents.incident(begun.id).lines[1].what is Happened.NOT_REACHED


def test_where_nobody_sends_and_nobody_is_listed_that_is_told(town: Town) -> None:
    desk = Desk(town)
    begun = desk.begin()
    mute = Calls(desk.incidents, (AMINA, BRIAN), ROSTER, "Kilifi WiFi", None, None)
    assert mute.round(T0) == [Called(begun.id, "Amina")]
    empty = Calls(desk.incidents, (), Roster((), "", ACK_S), "Kilifi WiFi", desk.send, desk.write)
    other = desk.begin(at=T0 + 1)
    assert empty.round(T0 + 1) == [Called(other.id, "")]
    assert empty.round(T0 + 2) == []


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_request_forgets_nobody_and_only_a_call_in_flight_is_made_again(
    store: Store, billing: BillingStore, *, after: bool
) -> None:
    """At least once: who was called when the process ended may be called once more, a minute later."""
    first, at, ended = Desk(Town(store, billing.rows)), 0, False
    while not ended:
        at += 1
        begun = first.begin(Level.OUTAGE, T0 + 10_000 * at)
        now = begun.opened_at
        dying = Desk(Town(store, DyingRows(billing.rows, at, after=after), seed=100 + at))
        try:
            dying.calls.round(now)
            ended = True
        except Killed:
            pass
        later = Desk(Town(store, billing.rows, seed=1_000 + at))
        for seconds in range(CALL_AGAIN_S, ACK_S, CALL_AGAIN_S):
            later.calls.one(begun.id, now + seconds)
        told = Counter(each.to for each in (*dying.sent, *later.sent))
        assert set(told) == {BRIAN.phone}
        in_flight = bool(dying.sent) and not ended
        assert told[BRIAN.phone] <= 1 + in_flight
        later.incidents.change(begun.id, lambda it: resolved(it, "mary", "", T0 + 10**6))
    assert at > 3


def test_an_incident_has_its_name_alone_and_is_found(town: Town) -> None:
    desk = Desk(town)
    begun, second = desk.begin(), desk.begin(at=T0 + 5)
    with pytest.raises(Contended):
        desk.incidents.open(begun)
    with pytest.raises(Malformed):
        desk.incidents.incident("nothing")
    desk.incidents.change(second.id, lambda it: resolved(it, "mary", "", T0 + 60))
    assert [each.id for each in desk.incidents.all()] == [begun.id, second.id]
    same = desk.incidents.incident(begun.id)
    assert desk.incidents.change(begun.id, lambda it: it) == same


def test_a_change_that_was_overtaken_is_made_on_what_is_there(town: Town) -> None:
    desk = Desk(town)
    begun = desk.begin()
    rivals = [1]

    def change(present: Incident) -> Incident:
        if rivals:
            rivals.pop()
            desk.incidents.change(begun.id, lambda it: noted(it, T0, "rival", Happened.NOTE, "first"))
        return noted(present, T0, "mary", Happened.NOTE, "second")

    after = desk.incidents.change(begun.id, change)
    assert [line.text for line in after.lines[1:]] == ["first", "second"]


def test_pages_go_back_to_what_is_still_wrong(town: Town) -> None:
    desk, signs = Desk(town), Signs(town.book)
    first, second = desk.begin(), desk.begin(at=T0 + 5)
    desk.incidents.tell(first.id, NoticeState.INVESTIGATING, ("One.", "Moja."), "mary", T0 + 6)
    desk.incidents.tell(second.id, NoticeState.IDENTIFIED, ("Two.", "Mbili."), "mary", T0 + 7)
    desk.incidents.change(second.id, lambda it: resolved(it, "mary", "", T0 + 60))
    desk.incidents.tell(second.id, NoticeState.RESOLVED, ("Over.", "Imekwisha."), "mary", T0 + 60)
    told = signs.notice("kilimani")
    assert told is not None
    assert (told.state, told.english) == (NoticeState.INVESTIGATING, "One.")
    desk.incidents.change(first.id, lambda it: resolved(it, "mary", "", T0 + 90))
    desk.incidents.tell(first.id, NoticeState.RESOLVED, ("Over.", "Imekwisha."), "mary", T0 + 90)
    over = signs.notice("kilimani")
    assert over is not None
    assert (over.state, over.at, over.until) == (NoticeState.RESOLVED, T0 + 90, T0 + 90 + 86_400)
    assert msgspec.structs.asdict(desk.incidents.incident(first.id))["english"] == "Over."
