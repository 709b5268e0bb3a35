"""From intents to effects: claim, ask the domain what the session should have now, send, judge, confirm, record.

Any number may run, in threads and in processes: a claim is one conditional write with a lease. What a worker that died
had sent is sent again, which does no harm. Time is an argument: `now` is the wall clock (UTC seconds).
"""

import heapq
from collections.abc import Callable
from itertools import count
from threading import Lock
from typing import Any, NamedTuple, Protocol

import msgspec

from coa import effects
from coa.claim import Claim, Note
from coa.claims import Taken, take
from coa.codec import Code, Request
from coa.das import Das
from coa.entry import waiting_target
from coa.families import WAYS, Way
from coa.outcome import Acked, Answer, Nak, Reason, Refused, Silent, Verdict, explain, meaning
from coa.overtaken import overtaken
from coa.plan import plan, record_of, target_of
from coa.reach import das_of
from coa.requests import admit
from coa.steps import CONFIRM_S, CUT, Follow, follow, follow_entry
from radius.domain import subscriber as aggregate
from radius.domain.attempt import Attempt
from radius.domain.errors import Unavailable
from radius.domain.identity import NasId, SessionUid, SubscriberId
from radius.domain.intent import ENDS, IntentReason, IntentState, Step
from radius.domain.nas import Family
from radius.domain.record import SessionRecord
from radius.domain.spill import Shard
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.wanted import Cut, session_of
from radius.domain.world import World
from radius.ports import Attempts, DueWork, Sessions
from radius.services.desk import Decided, Desk
from radius.services.directory import Directory
from radius.services.due import LOOK_AGAIN_S, DueWalk
from radius.services.marks import lay_all_over, shards_of

WORKER = "coa"
FIRST_LOOK_S = 600  # where no sender ever was: the sweep has made older intents due anew within 300 s
CHECKS_S = (0.3, 0.7, 1.0, 2.0, 6.5)  # after an ACK, when to look for the Stop; the intent is due after CONFIRM_S
AWAITED_MAX = 20_000  # acknowledged and awaited; more are confirmed all the same, only not told of


class Sending(Protocol):
    """`coa.sender.Sender`."""

    def send(self, das: Das, request: Request, done: Callable[[Answer], None]) -> object:
        """Send; `done` is called once, perhaps before this returns, and must be quick. Returns what `cancel` takes."""

    def cancel(self, ticket: Any) -> None:
        """Repeat it no more; its answer is what comes, or silence."""


class Stage(NamedTuple):
    """One step as it is told: what is in the audit, and what only metrics and log want to know."""

    attempt: Attempt
    family: Family | None
    site: str
    age_s: float  # since the packet that proved it
    alarm: bool = False
    answer: Answer | None = None  # None: nothing was asked


class News(Protocol):
    """Who is told."""

    def sent(self, code: Code, family: Family, age_s: float) -> None:
        """A request goes to the wire."""

    def came(self, stage: Stage) -> None:
        """A step was taken."""

    def ended(self, family: Family, age_s: float) -> None:
        """The end of a session that was to be cut was seen."""

    def broken(self, subscriber: SubscriberId, error: Exception) -> None:
        """A subscriber that cannot be worked on."""


class Stores(NamedTuple):
    """What is read and written."""

    desk: Desk[Subscriber]
    marks: Desk[Shard]
    sessions: Sessions
    due: DueWork
    attempts: Attempts
    directory: Directory
    world: Callable[[int], World]


class Sent(NamedTuple):
    """A request that is out (or was refused at once), to be handed back with its answer."""

    claim: Claim
    way: Way
    code: Code
    target: str
    proved_at: float


class Dispatcher:
    """`answered` is called by whoever is handed a `Sent` with its answer: not in the sender's thread.

    `wall` gives UTC seconds with their fraction, for what is measured; decisions use the `now` they are given.
    """

    def __init__(
        self,
        stores: Stores,
        sender: Sending,
        hand_back: Callable[[Sent, Answer], None],
        news: News,
        name: str,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        deadline_s: float,
        source: str = "",
    ) -> None:
        self._stores = stores
        self._sender = sender
        self._hand_back = hand_back
        self._news = news
        self._name = name
        self._monotonic = monotonic
        self._wall = wall
        self._deadline_s = deadline_s
        self._source = source
        self._walk = DueWalk(stores.due, WORKER, self._deadline, FIRST_LOOK_S)
        self._awaited: list[tuple[float, int, int, Sent]] = []  # when, order, which look, of what
        self._proved: dict[SessionUid, float] = {}  # of those awaited: when a packet proved it
        self._cuts: dict[SessionUid, list[object]] = {}  # Disconnects without an answer yet, as the sender knows them
        self._order = count()
        self._lock = Lock()

    # -- what is due ---------------------------------------------------------------------------------------------

    def poll(self, now: int, visit: Callable[[SubscriberId, bool], object] | None = None) -> bool:
        """Look at a page of due work; True if there is more. `visit(subscriber, overdue)` does the looking, else we."""
        look = self._walk.look(now)
        for entry in look.fresh:
            overdue = entry[1] <= now - LOOK_AGAIN_S
            if visit is not None:
                visit(entry[0], overdue)
            else:
                self.visit(entry[0], now, overdue=overdue)
            if entry[1] < now - 1:  # if it moved, it comes up as another entry; in its own second more may come to it
                self._walk.stays(entry, now)
        self._walk.done(look)
        return look.more

    def visit(self, subscriber: SubscriberId, now: int, proved_at: float = 0.0, *, overdue: bool = False) -> int:
        """Do what is due for one subscriber; how many sessions were taken. `proved_at`: when a packet proved it.

        `overdue`: due for `LOOK_AGAIN_S` already. If that is another worker's work, our own is hidden behind it, and is
        made due anew before it falls behind the window of the polls.
        """
        try:
            taken = self._take(subscriber, now, overdue=overdue)
            for note in taken.notes:
                self._note(subscriber, note, now)
                nas = self._stores.directory.nas(note.nas) if note.end else None
                if nas is not None:
                    self._news.ended(nas.family, self._wall() - self._proved.pop(note.uid, float(note.created_at)))
            for claim in taken.claims:
                self._send(claim, now, proved_at or float(claim.created_at))
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one broken record must not keep the others online
            self._news.broken(subscriber, error)
            return 0
        return len(taken.claims)

    def _take(self, subscriber: SubscriberId, now: int, *, overdue: bool) -> Taken:
        stores, world = self._stores, self._stores.world(now)
        shards = shards_of(stores.desk, stores.marks, subscriber, self._deadline)  # reads the root afresh

        def decide(present: Subscriber) -> Decided[Taken]:
            lay_all_over(present, shards, world)
            self._call_off(present, world)
            taken = take(present, stores.directory.nas, world, self._name)
            hidden = overdue and bool(present.intents)
            return Decided(taken, taken.changed or hidden, recount=True)

        taken = stores.desk.change(subscriber, decide, self._deadline())
        return taken if taken is not None else Taken([], [], changed=False)

    def _call_off(self, present: Subscriber, world: World) -> None:
        """Repeat no Disconnect that a payment has overtaken while its router is silent."""
        for uid in dict.fromkeys(SessionUid(intent.session) for intent in present.intents):
            out = self._cuts.get(uid)
            if out and overtaken(present, uid, self._stores.directory.nas, world):
                self._sender.cancel(out[0])

    # -- out -----------------------------------------------------------------------------------------------------

    def _send(self, claim: Claim, now: int, proved_at: float) -> None:
        records = self._stores.sessions.find(claim.uid, self._deadline())
        record = record_of(claim.uid, claim.session.opened_at, records)
        way = WAYS[claim.nas.family]
        asked = _asked(claim, record, way)
        if asked is None:
            self._overtaken(claim, way, now)
            return
        directory = self._stores.directory
        router = directory.router(claim.nas.id)
        nas_ip = record.nas_ip if record else ""
        das = das_of(directory, router, nas_ip=nas_ip, source=self._source) if router is not None else None
        target = f"{das.address}:{das.port}" if das is not None else ""
        code = asked.code if isinstance(asked, Request) else CUT
        sent = Sent(claim, way, code, target, proved_at)
        if isinstance(asked, Refused) or das is None:
            no_way = Refused(Reason.ADDRESS, detail="register the one address it is reached at (coa_address)")
            self.answered(sent, asked if isinstance(asked, Refused) else no_way, now)
            return
        self._news.sent(code, way.family, self._wall() - proved_at)
        out: list[object] = []
        if code is CUT:
            self._cuts[claim.uid] = out
        out.append(self._sender.send(das, asked, lambda answer: self._hand_back(sent, answer)))

    # -- in ------------------------------------------------------------------------------------------------------

    def answered(self, sent: Sent, answer: Answer, now: int) -> None:
        """Judge an answer, write down what follows, and tell."""
        claim, row = sent.claim, meaning(sent.code, answer, sent.way)
        self._cuts.pop(claim.uid, None)
        then = (
            follow_entry(answer, claim.number)
            if claim.waits is not None
            else follow(sent.code, answer, row.verdict, claim.number, now - claim.created_at)
        )
        state, more, gone = self._finish(claim, sent.code, then, now)
        if claim.again and then.gives_up and not isinstance(answer, Silent):
            return  # as before, and told then
        attempt = Attempt(
            uid=claim.uid,
            at_ms=int(self._wall() * 1000),
            worker=claim.worker,
            subscriber=claim.subscriber,
            nas=claim.nas.id,
            reason=claim.reason.value,
            outcome=state.value,
            request="disconnect" if sent.code is CUT else "change" if claim.waits is None else "let in",
            target=sent.target,
            number=claim.number,
            verdict=row.verdict.value,
            words=explain(sent.code, _without_text(answer), sent.way),
            **_measures(answer),
        )
        self._record(attempt)
        alarm = (then.gives_up or row.verdict is Verdict.CONFIGURATION) and not claim.again
        age_s = self._wall() - sent.proved_at
        self._news.came(Stage(attempt, sent.way.family, claim.nas.site.id, age_s, alarm, answer))
        if state is IntentState.ACKED and sent.code is CUT:
            if gone:
                self._ended(sent, now)
            else:
                self._await(sent, 0)
        elif sent.code is CUT and Step.GONE in then.steps and claim.number > 1:
            self._news.ended(
                sent.way.family, age_s
            )  # it went after what was sent before, perhaps by a worker that died since
        if more:
            self.visit(claim.subscriber, now, sent.proved_at)

    def _overtaken(self, claim: Claim, way: Way, now: int) -> None:
        state, _, _ = self._finish(claim, None, Follow((Step.OVERTAKE,)), now)
        words = "Nothing to do: its router has all that it can be told."
        note = Note(claim.uid, claim.nas.id, claim.reason, state, words, claim.created_at, claim.number)
        self._note(claim.subscriber, note, now, way.family)

    def _finish(self, claim: Claim, code: Code | None, then: Follow, now: int) -> tuple[IntentState, bool, bool]:
        """Where the intents stand, whether something about this session is to be done at once, and is it gone already.

        Gone: its Stop was faster than the answer, and took the intents with it.
        """

        def decide(present: Subscriber) -> Decided[tuple[IntentState, bool, bool]]:
            known = session_of(present, claim.uid)
            held = any(claim.holds(intent) for intent in present.intents)
            gone = not held and (known is None or known.state is SessionState.CLOSED)
            state = effects.finish(present, claim, code, then, now)
            more = any(intent.session == claim.uid and intent.due_at <= now for intent in present.intents)
            return Decided((state, more, gone), changed=True, recount=True)

        done = self._stores.desk.change(claim.subscriber, decide, self._deadline())
        return done if done is not None else (IntentState.SUPERSEDED, False, False)

    # -- confirmed by the Stop -----------------------------------------------------------------------------------

    def _await(self, sent: Sent, look: int) -> None:
        with self._lock:
            if look < len(CHECKS_S) and len(self._awaited) < AWAITED_MAX:
                self._proved[sent.claim.uid] = sent.proved_at
                heapq.heappush(self._awaited, (self._monotonic() + CHECKS_S[look], next(self._order), look, sent))
            else:
                self._proved.pop(sent.claim.uid, None)

    def next_check_s(self) -> float:
        """How long until `check` has something to do; CONFIRM_S if it has nothing."""
        with self._lock:
            return max(0.0, self._awaited[0][0] - self._monotonic()) if self._awaited else float(CONFIRM_S)

    def check(self, now: int) -> int:
        """Look for the Stops of what was acknowledged, and tell; how many were found."""
        found = 0
        while (due := self._next_awaited()) is not None:
            look, sent = due
            stored = self._stores.desk.read(sent.claim.subscriber, self._deadline())
            present = aggregate.decode(stored.body) if stored is not None else None
            mine = [] if present is None else [i for i in present.intents if i.session == sent.claim.uid]
            if any(intent.state not in ENDS for intent in mine):
                self._await(sent, look + 1)
                continue
            if mine:  # whoever takes it over from a worker that died tells of it in the same way
                self.visit(sent.claim.subscriber, now)
            found += 1
            self._proved.pop(sent.claim.uid, None)
        return found

    def _ended(self, sent: Sent, now: int) -> None:
        claim = sent.claim
        words = "The session has ended."
        note = Note(claim.uid, claim.nas.id, claim.reason, IntentState.CONFIRMED, words, claim.created_at, claim.number)
        self._note(claim.subscriber, note, now, sent.way.family)
        self._news.ended(sent.way.family, self._wall() - sent.proved_at)

    def _next_awaited(self) -> tuple[int, Sent] | None:
        with self._lock:
            if not self._awaited or self._awaited[0][0] > self._monotonic():
                return None
            _, _, look, sent = heapq.heappop(self._awaited)
            return look, sent

    # -- told ----------------------------------------------------------------------------------------------------

    def _note(self, subscriber: SubscriberId, note: Note, now: int, family: Family | None = None) -> None:
        nas = self._stores.directory.nas(note.nas)
        attempt = Attempt(
            uid=note.uid,
            at_ms=int(self._wall() * 1000),
            worker=self._name,
            subscriber=subscriber,
            nas=NasId(note.nas),
            reason=note.reason.value,
            outcome=note.state.value,
            number=note.number,
            words=note.words,
        )
        self._record(attempt)
        family = family or (nas.family if nas is not None else None)
        site = nas.site.id if nas is not None else ""
        alarm = note.state is IntentState.ABANDONED and note.reason is not IntentReason.REAUTHORIZE
        self._news.came(Stage(attempt, family, site, now - note.created_at, alarm))

    def _record(self, attempt: Attempt) -> None:
        try:
            self._stores.attempts.record(attempt, self._deadline())
        except Unavailable as away:
            self._news.broken(attempt.subscriber, away)  # the log has the step all the same

    def _deadline(self) -> float:
        return self._monotonic() + self._deadline_s


def _asked(claim: Claim, record: SessionRecord | None, way: Way) -> Request | Refused | None:
    can, waits = claim.nas.capabilities, claim.waits
    if waits is None or isinstance(claim.wish, Cut):
        return plan(claim.wish, target_of(claim.session, record), way, can, cut=claim.cut)
    return admit(waiting_target(waits, claim.session.device), claim.wish.limits, way, can)


def _without_text(answer: Answer) -> Answer:
    """A router's Reply-Message may quote a customer; audit and log do not."""
    return msgspec.structs.replace(answer, text="") if isinstance(answer, Nak) else answer


def _measures(answer: Answer) -> dict[str, int]:
    match answer:
        case (
            Acked(tries=tries, round_trip_s=trip, error_cause=cause)
            | Nak(tries=tries, round_trip_s=trip, error_cause=cause)
        ):
            return {"tries": tries, "round_trip_ms": round(trip * 1000), "error_cause": cause or 0}
        case Silent(tries=tries):
            return {"tries": tries}
    return {}
