"""Notices: each is told once, whatever ends the process; memory and engine. Time is T0 + seconds."""

import random
from collections import Counter
from collections.abc import Callable

import msgspec
import pytest

from billing.domain.notice import Notice, NoticeKind, Step, What
from billing.domain.person import Person
from billing.ports import Kept, Posting
from billing.services.notice_plan import plan
from billing.services.notice_sending import TRIES_MAX, Held, Overtaken, Pace, Roads, Sending
from billing.services.notices import Notices
from billing.services.opt_outs import OptOuts
from billing.services.people import People, Secrets
from billing.sms.port import Outcome, Reason, Refused, Sent, Unknown
from billing.store.ports import BillingStore
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Malformed
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.secrets import KeyRing
from radius.store.open import Store
from tests.contract.billing.town import DyingRows, Killed, Town
from tests.contract.values import change, name, soon
from tests.fakes.outbox import Outbox
from tests.unit.billing.values import T0

KEYS = KeyRing(bytes(range(32)))
WORDS = {"brand": "Kilifi WiFi", "support": "0712 345 678"}
OUTAGE = Notice("outage-1", NoticeKind.OUTAGE, What.INTERNET, "kilimani", "mary", T0, words=WORDS)


class Hall(Outbox):
    """The services of one process, and what it sent. `answers` are those of the gateway; then it takes all."""

    def __init__(self, town: Town, *answers: Outcome) -> None:
        super().__init__(*answers, cents=80)
        self.town = town
        self.waited: list[float] = []
        secrets = Secrets(KEYS.subkey("one-time"), KEYS.alias_key, KEYS, str.lower)
        self.people = People(town.book, town.core.names, secrets, random.Random(1).randbytes)
        self.opt_outs = OptOuts(town.book, KEYS.alias_key)
        self.notices = Notices(town.book, self.people, self.opt_outs, town.core.lists)

    def run(self, go: Callable[[], bool] = lambda: True) -> Notice | Held | Overtaken:
        pace = Pace(lambda: None, self.waited.append, go)
        roads = Roads(self.send, self.write, lambda _: 80)
        return Sending(self.notices, roads, pace, Language.ENGLISH).run(OUTAGE.id, lambda: T0 + 60)


def customer(town: Town, who: int, language: Language | None = None, email: str = "") -> SubscriberId:
    """Logs in with a phone; with a `language` one who registered."""
    subscriber = name(who)
    made = Subscriber(subscriber, Credential(SecretKind.SEALED), T0, aliases=[f"p:2547000000{who:02}"], site="kilimani")
    town.core.subscribers.create(change(subscriber, 1, body=aggregate.encode(made)), [], soon())
    if language is not None:
        sealed = KEYS.seal(email, subscriber, "email", 1) if email else ""
        person = Person(subscriber, T0, language=language, email=sealed)
        town.book.post(Posting(town.book.new_id(), things=(Kept(person, 1),)))
    return subscriber


@pytest.fixture
def crowd(town: Town) -> tuple[SubscriberId, ...]:
    return (
        customer(town, 11),
        customer(town, 12, Language.SWAHILI, "amina@example.co.ke"),
        customer(town, 13, Language.ENGLISH),
    )


def test_each_is_told_in_their_language_by_message_and_letter(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    assert hall.notices.begin(OUTAGE, crowd)
    done = hall.run()
    assert isinstance(done, Notice)
    assert (done.step, done.reached, done.people, done.cents) == (Step.DONE, 3, 3, 240)
    assert done.counts == {"message sent": 3, "letter sent": 1}
    assert [each.to for each in hall.sent] == ["254700000011", "254700000012", "254700000013"]
    assert hall.sent[0].text.startswith("Kilifi WiFi: the internet at kilimani is down.")
    assert hall.sent[1].text.startswith("Kilifi WiFi: intaneti imekatika kilimani.")
    assert [(each.to, each.subject) for each in hall.written] == [
        ("amina@example.co.ke", "Kilifi WiFi: hakuna intaneti kilimani")
    ]
    assert hall.written[0].text.endswith("'matumizi yangu'.\n")
    assert hall.run() == done
    assert len(hall.sent) == 3
    assert hall.notices.told(done) == list(crowd)
    assert [each.id for each in hall.notices.all()] == ["outage-1"]


def test_a_notice_has_its_name_alone(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    hall.notices.begin(OUTAGE, crowd[:1])
    with pytest.raises(Contended):
        Hall(town).notices.begin(OUTAGE, crowd)
    with pytest.raises(Malformed):
        hall.notices.notice("outage-2")
    odd = msgspec.structs.replace(OUTAGE, id="a", kind=NoticeKind.COMPLETION, what=What.PAYMENTS)
    with pytest.raises(Malformed):
        hall.notices.begin(odd, crowd)


def test_who_opted_out_or_is_gone_is_left_alone(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    hall.notices.begin(OUTAGE, (*crowd, SubscriberId("nobodynobodynobo")))
    assert hall.opt_outs.say("254700000012", "portal", T0, out=True)
    assert not hall.opt_outs.say("254700000012", "portal", T0, out=True)
    done = hall.run()
    assert isinstance(done, Notice)
    assert done.counts == {"message sent": 2, "opted out": 1, "gone": 1}
    assert hall.written == []
    assert hall.opt_outs.say("254700000012", "staff", T0, out=False)
    assert not hall.opt_outs.out("254700000012")


def test_what_is_refused_for_now_is_tried_again_and_not_for_ever(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    busy = Refused(Reason.BUSY, retryable=True)
    hall = Hall(town, busy, Sent("x", 160), *[busy] * TRIES_MAX, Unknown())
    hall.notices.begin(OUTAGE, crowd)
    done = hall.run()
    assert isinstance(done, Notice)
    assert done.counts == {"message sent": 1, "message refused": 1, "letter sent": 1, "may be lost": 1}
    assert done.cents == 160 + 80
    assert len(hall.waited) == 1 + TRIES_MAX - 1


@pytest.mark.parametrize("reason", [Reason.BUDGET, Reason.ACCOUNT])
def test_a_budget_that_is_used_up_holds_it_and_nobody_is_left_out(
    town: Town, crowd: tuple[SubscriberId, ...], reason: Reason
) -> None:
    hall = Hall(town, Sent(""), Refused(reason))
    hall.notices.begin(OUTAGE, crowd)
    found = hall.run()
    assert isinstance(found, Held)
    assert (found.why, found.notice.reached, found.notice.flying) == (reason.value, 1, False)
    later = Hall(town)
    done = later.run()
    assert isinstance(done, Notice)
    assert [each.to[-2:] for each in (*hall.sent, *later.sent)] == ["11", "12", "13"]
    assert done.counts == {"message sent": 3, "letter sent": 1}


def test_night_holds_it_before_anything_leaves(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    hall.notices.begin(OUTAGE, crowd)
    light = [True, False]
    found = hall.run(lambda: light.pop(0))
    assert isinstance(found, Held)
    assert (found.why, found.notice.reached) == ("", 1)
    assert len(hall.sent) == 1


def test_of_two_who_send_one_stops_and_nobody_is_told_twice(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    first, second = Hall(town), Hall(town)
    first.notices.begin(OUTAGE, crowd)

    def rival() -> bool:
        second.run()
        return True

    assert first.run(rival) == Overtaken()
    told = Counter(each.to for each in (*first.sent, *second.sent))
    assert sorted(told.values()) == [1, 1, 1]
    assert first.sent == []


def test_it_can_be_stopped_in_the_middle(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    hall.notices.begin(OUTAGE, crowd)
    assert hall.run(lambda: hall.notices.stop(OUTAGE.id, T0 + 5).step is Step.STOPPED) == Overtaken()
    assert hall.sent == []
    assert hall.notices.stop(OUTAGE.id, T0 + 9).done_at == T0 + 5


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_request_tells_nobody_twice_and_counts_what_may_be_lost(
    store: Store, billing: BillingStore, *, after: bool
) -> None:
    town = Town(store, billing.rows)
    crowd = (customer(town, 11), customer(town, 12, Language.SWAHILI, "amina@example.co.ke"), customer(town, 13))
    ended, at = False, 0
    while not ended:
        at += 1
        notice = msgspec.structs.replace(OUTAGE, id=f"outage-{at}-{after}")
        Hall(town).notices.begin(notice, crowd)
        dying = Hall(Town(store, DyingRows(billing.rows, at, after=after), seed=100 + at))
        later = Hall(Town(store, billing.rows, seed=1_000 + at))
        ended = _runs(dying, notice.id)
        assert _runs(later, notice.id)
        told = Counter(each.to for each in (*dying.sent, *later.sent))
        letters = len(dying.written) + len(later.written)
        done = later.notices.notice(notice.id)
        assert set(told.values()) <= {1}
        assert letters <= 1
        assert len(told) + letters + _lost_before_it_left(done, len(told) + letters) == 4
    assert at > 10


def _runs(hall: Hall, id_: str) -> bool:
    roads = Roads(hall.send, hall.write)
    try:
        sending = Sending(hall.notices, roads, Pace(lambda: None, hall.waited.append), Language.ENGLISH)
        return isinstance(sending.run(id_, lambda: T0), Notice)
    except Killed:
        return False


def _lost_before_it_left(done: Notice, arrived: int) -> int:
    """One at most: begun, and the process ended before the gateway had it. It is counted as one that may be lost."""
    missing = 4 - arrived
    assert missing <= done.counts.get("may be lost", 0) <= 1
    return missing


def test_a_plan_counts_each_phone_once(town: Town, crowd: tuple[SubscriberId, ...]) -> None:
    hall = Hall(town)
    twin = SubscriberId("twintwintwintwin")
    made = Subscriber(twin, Credential(SecretKind.SEALED), T0, aliases=["p:254700000011"], site="kilimani")
    town.core.subscribers.create(change(twin, 1, body=aggregate.encode(made)), [], soon())
    hall.opt_outs.say("254700000013", "staff", T0, out=True)
    found = plan(hall.notices, [*crowd, twin, SubscriberId("nobodynobodynobo")], Language.ENGLISH)
    assert found.people == crowd[:2]
    assert (found.messages, found.letters, found.opted_out, found.unreachable, found.twice) == (2, 1, 1, 1, 1)
    assert found.by_language == {Language.ENGLISH: 1, Language.SWAHILI: 1}
    assert found.parts(OUTAGE) == 2
    by_mail = plan(hall.notices, crowd, Language.ENGLISH, sms=False)
    assert (by_mail.people, by_mail.messages, by_mail.letters) == ((crowd[1],), 0, 1)
