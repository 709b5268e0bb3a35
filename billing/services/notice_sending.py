"""A notice goes out: each is told once, one after the other.

A step is committed as begun before anything leaves: at most once for each message, whatever ends the process in between
(`billing.domain.notice`). What the gateway refused for now is tried again, a few times; a day's budget or an account
that is used up holds the notice, and whoever goes on later begins with that same customer.
"""

from collections.abc import Callable
from typing import NamedTuple, assert_never

import msgspec

from billing.domain.notice import PAGE_MAX, ROADS, Notice, Step, began, counted, held, lost, passed
from billing.mail.port import Mail
from billing.mail.texts import letter
from billing.ports import Kept
from billing.services.notices import TEXTS, Notices, Reach, words_of
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.texts import render
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language

TRIES_MAX = 3  # of a message that the gateway refuses for now
TRY_AGAIN_S = 5.0
OPT_OUT = {
    Language.ENGLISH: "No more of these: sign in on the WiFi page, under 'my usage'.",
    Language.SWAHILI: "Hutaki ujumbe kama huu: ingia kwenye ukurasa wa WiFi, 'matumizi yangu'.",
}
_HOLDS = frozenset({Reason.BUDGET, Reason.ACCOUNT})  # no other message would fare better


class Roads(NamedTuple):
    """What sends a text message, and what sends a letter; None: nobody does. Both send once and raise nothing."""

    sms: Callable[[Message], Outcome] | None
    mail: Callable[[Mail], Outcome] | None
    guess_cents: Callable[[str], int] = lambda _text: 0


class Pace(NamedTuple):
    """`rest` is called between messages; `wait` before a message is tried again, with seconds; `go` False: stop now."""

    rest: Callable[[], object]
    wait: Callable[[float], object]
    go: Callable[[], bool] = lambda: True


class Overtaken(NamedTuple):
    """Another process goes on with it, or stopped it."""


class Held(NamedTuple):
    """It stands still. `why`: what a gateway said, "" where it was told to stop here."""

    notice: Notice
    why: str = ""


class Ready(NamedTuple):
    """A message that can leave."""

    leave: Callable[[], Outcome]
    name: str
    guess_cents: int = 0


class Sending:
    """One process's share of one notice. Raises Unavailable, Contended."""

    def __init__(self, notices: Notices, roads: Roads, pace: Pace, language: Language) -> None:
        """`language`: of who never said theirs."""
        self._notices = notices
        self._roads = roads
        self._pace = pace
        self._language = language
        self._page: tuple[int, tuple[SubscriberId, ...]] = (-1, ())
        self._last: tuple[int, Reach | None] = (-1, None)

    def run(
        self, id_: str, now: Callable[[], int], told: Callable[[Notice], object] = lambda _notice: None
    ) -> Notice | Held | Overtaken:
        """Go on until everybody was told. `told` hears how far it came."""
        kept = self._notices.kept(id_)
        if kept.thing.step is not Step.SENDING:
            return kept.thing
        kept = kept._replace(thing=lost(kept.thing))
        while kept.thing.next < kept.thing.people * ROADS:
            after = self._step(kept)
            if not isinstance(after, Kept):
                return after
            kept = after
            told(kept.thing)
        done = self._notices.next(kept, msgspec.structs.replace(kept.thing, step=Step.DONE, done_at=now()))
        return done.thing if done else Overtaken()

    def _step(self, kept: Kept[Notice]) -> Kept[Notice] | Held | Overtaken:
        ready = self._ready(kept.thing)
        if not isinstance(ready, Ready):
            return kept._replace(thing=passed(kept.thing, ready))
        if not self._pace.go():
            return self._hold(kept, kept.thing)
        begun = self._notices.next(kept, began(kept.thing))
        if begun is None:
            return Overtaken()
        outcome = self._leave(ready)
        if isinstance(outcome, Refused) and outcome.reason in _HOLDS:
            return self._hold(begun, held(begun.thing), outcome.reason.value)
        self._pace.rest()
        return begun._replace(thing=_landed(begun.thing, ready, outcome))

    def _leave(self, ready: Ready) -> Outcome:
        """Only what surely did not leave is tried again."""
        outcome = ready.leave()
        for _ in range(TRIES_MAX - 1):
            if not (isinstance(outcome, Refused) and outcome.retryable) or outcome.reason in _HOLDS:
                return outcome
            self._pace.wait(TRY_AGAIN_S)
            outcome = ready.leave()
        return outcome

    def _hold(self, kept: Kept[Notice], notice: Notice, why: str = "") -> Held | Overtaken:
        written = self._notices.next(kept, notice)
        return Held(written.thing, why) if written else Overtaken()

    # -- what leaves -----------------------------------------------------------------------------------------------

    def _ready(self, notice: Notice) -> Ready | str:
        """The next step's message, else why there is none ("": there never was one)."""
        person, road = divmod(notice.next, ROADS)
        reach = self._reach(notice.id, person)
        if reach is None or reach.out:
            return "" if road else ("gone" if reach is None else "opted out")
        kind = TEXTS[notice.kind, notice.what]
        if road:
            write = self._roads.mail
            if write is None or not reach.email:
                return ""
            mail = letter(reach.email, kind, reach.language, words_of(notice, reach.language))
            mail = msgspec.structs.replace(mail, text=f"{mail.text}\n\n{OPT_OUT[reach.language]}\n")
            return Ready(lambda: write(mail), "letter")
        send = self._roads.sms
        if send is None or not reach.phone:
            return ""
        message = Message(reach.phone, render(kind, reach.language, words_of(notice, reach.language)))
        return Ready(lambda: send(message), "message", self._roads.guess_cents(message.text))

    def _reach(self, id_: str, person: int) -> Reach | None:
        """Asked anew for each customer: who opted out since is left alone."""
        if self._last[0] != person:
            number, place = divmod(person, PAGE_MAX)
            if self._page[0] != number:
                self._page = (number, self._notices.page(id_, number))
            self._last = (person, self._notices.reach(self._page[1][place], self._language))
        return self._last[1]


def _landed(notice: Notice, ready: Ready, outcome: Outcome) -> Notice:
    match outcome:
        case Sent(cost_cents=cents):
            return counted(notice, f"{ready.name} sent", ready.guess_cents if cents is None else cents)
        case Refused():
            return counted(notice, f"{ready.name} refused")
        case Unknown():
            return counted(notice, "may be lost", ready.guess_cents)
        case _:
            assert_never(outcome)
