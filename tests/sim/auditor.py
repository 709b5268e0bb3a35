"""Watches an evening from outside and keeps its own simple books: what was bought, asked, granted, acknowledged.

It knows what customers and routers truly did and what the product let them see. It shares no rule with the product:
whatever it expects, it works out here, the dumb way. What it cannot know for sure it does not hold against anybody.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from coa.codec import Code
from radius.domain.identity import MacAddress, SubscriberId
from radius.domain.policy import Reason
from radius.domain.request import AccountingRequest, Status
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.terms import PeriodUnit, Terms, WindowStart
from radius.services.access import Granted
from tests.sim import lateness, verdict
from tests.sim.lateness import Span
from tests.sim.plan import MIDNIGHT, T0
from tests.sim.routers import Heard, Said, TrueSession
from tests.sim.stage import Stage

WEEK_S = 7 * 86_400  # no Accept may promise longer
UNUSED_S = 125  # an Accept that nobody used is forgotten after two minutes
AFTER_BOOT_S = 300  # ... and the worker has ended what it served
SILENT_S_MIN = 3 * 60 + 60  # no session is taken for silent sooner
MARKS_MIN = 3  # a Start and two interim updates: from then on silence tells
ROUTERS_SHOWN = 10  # in the story of a failure
NEWS_S = 60  # by then every process has heard of a reboot or a spool, where the store does not fail


@dataclass
class Account:
    """What is known of one customer. `bought`: right -> (terms, when first tried); `sure`: since when it is there."""

    bought: dict[str, tuple[str, int]] = field(default_factory=dict)
    sure: dict[str, int] = field(default_factory=dict)
    asked: dict[MacAddress, int] = field(default_factory=dict)
    blocked: str | None = ""  # None: a change is on its way
    blocked_at: int = 0  # when that changed last
    blocks: list[Span] = field(default_factory=list)


class Auditor:
    """Told of everything that anybody outside could see."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._terms = {terms.id: terms for terms in stage.plan.terms}
        self.accounts: dict[str, Account] = defaultdict(Account)
        self._boots: dict[str, int] = {}  # router -> when a node last counted a boot
        self.after_boot_s = AFTER_BOOT_S

    def fail(self, who: str, what: str) -> None:
        """Stop, with the story."""
        stage = self._stage
        bodies = [str(body) for body in stage.store.bodies() if body.id == who]
        story = [*stage.stories["*"], f"--- {who}", *stage.stories[who]]
        plan = stage.plan
        if len(plan.routers) > ROUTERS_SHOWN:
            theirs = {one.router.name for one in stage.of[SubscriberId(who)]}
            plan = plan._replace(routers=tuple(router for router in plan.routers if router.name in theirs))
        raise AssertionError("\n".join([f"at {stage.clock.now - T0}: {what}", *story, *bodies, str(plan)]))

    # -- accounting --------------------------------------------------------------------------------------------

    def acknowledged(self, session: TrueSession, packet: AccountingRequest, made_at: int, *, counted: bool) -> None:
        """A node answered: from now on this must be counted, at once or from its spool."""
        used = session.used(made_at) if packet.status is not Status.START else (0, 0)
        session.mine.append(Said(packet.status, *used, packet.time_s or 0))
        now = self._stage.clock.now
        session.heard.append(Heard(now, made_at, now if counted else now + NEWS_S))
        if counted:
            session.counted_at.append(now)
            if packet.status is not Status.START:
                session.reported_at.append(now)
            self._slots(self._stage.store.body(session.subscriber))
            session.stopped = session.stopped or packet.status is Status.STOP

    def _slots(self, body: Subscriber) -> None:
        """Whatever was heard: no right is leased to more devices than it is for, and nobody is silent who was heard.

        What a node has put into its spool a moment ago, others do not know: they go by what was counted before.
        """
        for right in body.rights:
            leased = [one.device for one in body.sessions if right.id in [lease.right for lease in one.leases]]
            if len(leased) > self._terms[right.terms].devices:
                self.fail(body.id, f"{right.id} is leased to {leased}")
        for one in (one for one in body.sessions if one.cause in {"silent", "timeout"}):
            true = self._stage.online.get((one.nas, MacAddress(one.device)))
            # Not one that began since under the same name, on a router that counts its names anew after a reboot.
            if true is None or true.began_at > one.last_at + NEWS_S:
                continue
            if (true.acct_session_id, true.reservation) == (one.acct_session_id, one.reservation):
                said = max((heard.made_at for heard in true.heard if heard.known_at <= one.closed_at), default=0)
                if one.closed_at - said < SILENT_S_MIN:
                    self.fail(body.id, f"{one.cause}? a node heard of it at {said - T0}: {one}")

    def booted(self, router: str, at: int, *, counted: bool) -> None:
        """A node heard that a router came up: soon nothing that it served before may count as online."""
        stage = self._stage
        if not counted:
            return
        self._boots[router] = at
        stage.boots[router].append(at)
        gone = [one for one in stage.at_router[router] if one.cause == "power"]
        if stage.plan.badness.store_before == 0:
            stage.later(self.after_boot_s, self.after_boot_s, lambda: self._ended_by_boot(router, at, gone))

    def _ended_by_boot(self, router: str, booted_at: int, gone: list[TrueSession]) -> None:
        names = {(one.acct_session_id, one.device) for one in gone if one.ended_at < booted_at}
        if self._stage.clock.now <= self._stage.away_until + self.after_boot_s:
            return
        for body in map(self._stage.store.body, dict.fromkeys(one.subscriber for one in gone)):
            for one in body.sessions:
                mine = one.nas == router and (one.acct_session_id, one.device) in names
                if mine and one.state is SessionState.OPEN and one.last_at < booted_at:
                    self.fail(body.id, f"{router} came up at {booted_at - T0}, still open: {one}")

    # -- money and staff ---------------------------------------------------------------------------------------

    def buys(self, who: SubscriberId, right: str, terms: str) -> None:
        """A purchase is about to be granted: perhaps it will be there, and perhaps nobody will be told."""
        self.accounts[who].bought.setdefault(right, (terms, self._stage.clock.now))

    def bought(self, who: SubscriberId, right: str) -> None:
        """The product says that the right is there."""
        self.accounts[who].sure.setdefault(right, self._stage.clock.now)

    def blocks(self, who: SubscriberId) -> None:
        """Staff is about to change a block."""
        account = self.accounts[who]
        if account.blocked:
            account.blocks.append(Span(account.blocked_at, self._stage.clock.now))
        account.blocked = None

    def blocked(self, who: SubscriberId, reason: str) -> None:
        """The product says that the block is changed."""
        self.accounts[who].blocked, self.accounts[who].blocked_at = reason, self._stage.clock.now

    # -- access ------------------------------------------------------------------------------------------------

    def asks(self, who: SubscriberId, device: MacAddress) -> None:
        """A device asks with the right secret: whatever it hears, a slot may be reserved for it."""
        self.accounts[who].asked[device] = self._stage.clock.now

    def granted(self, who: SubscriberId, granted: Granted) -> None:
        """An Accept went out: it ends, somebody paid for it, and it promises no more than there is."""
        account, now, limits = self.accounts[who], self._stage.clock.now, granted.limits
        if not 1 <= limits.session_s <= WEEK_S or (limits.total_bytes is not None and limits.total_bytes < 1):
            self.fail(who, f"an Accept without an end: {limits}")
        last = max((self._last_end(*bought, now) for bought in account.bought.values()), default=0)
        if now + limits.session_s > last:
            self.fail(who, f"an Accept until {now + limits.session_s - T0}, all rights end at {last - T0}")
        if granted.degraded:
            return
        if account.blocked:
            self.fail(who, "an Accept for a blocked customer")
        reservation = limits.class_text.rpartition(".")[-1]
        body = self._stage.store.body(who)
        self._promises(body, reservation)
        self._crowd(body, reservation)
        self._displaces(body, reservation)

    def _last_end(self, terms_id: str, bought_at: int, now: int) -> int:
        """The latest instant at which a right can end."""
        window = self._terms[terms_id].window
        return window.count + (now if window.start is WindowStart.FIRST_LOGIN else max(now, bought_at))

    def _promises(self, body: Subscriber, reservation: str) -> None:
        """What was charged and what is promised fit into each quota it is on, and so do the devices."""
        live = [one for one in body.sessions if one.state is not SessionState.CLOSED]
        mine = next(one for one in live if one.reservation == reservation)
        leased = {lease.right for lease in mine.leases}
        for right in (right for right in body.rights if right.id in leased | {mine.right}):
            terms = self._terms[right.terms]
            devices = {one.device for one in live if one.right == right.id}
            if len(devices) > terms.devices:
                self.fail(body.id, f"{len(devices)} devices on {right.id}")
            if right.id not in leased:
                continue  # used up and slow: nothing is promised to this one
            leases = [lease for one in live for lease in one.leases if lease.right == right.id]
            wanted_bytes = right.used_bytes + sum(max(0, lease.bytes) for lease in leases)
            wanted_s = right.used_s + sum(max(0, lease.seconds) for lease in leases)
            if terms.quota_bytes is not None and wanted_bytes > terms.quota_bytes:
                self.fail(body.id, f"{right.id}: {wanted_bytes} B used and promised")
            if terms.quota_s is not None and wanted_s > terms.quota_s:
                self.fail(body.id, f"{right.id}: {wanted_s} s used and promised")

    def _crowd(self, body: Subscriber, reservation: str) -> None:
        """No more devices are truly online than all rights together are for: of those that a node heard of lately."""
        now, mine = self._stage.clock.now, next(one for one in body.sessions if one.reservation == reservation)
        online = [one for one in self._stage.of[body.id] if not one.ended_at]
        known = {one.device for one in online if self._heard_lately(one, now)} | {mine.device}
        terms = [self._terms[right.terms] for right in body.rights]
        if len(known) > sum(one.devices for one in terms) and all(one.extra_device == "reject" for one in terms):
            self.fail(body.id, f"{sorted(known)} are online")

    def _heard_lately(self, session: TrueSession, now: int) -> bool:
        """It was counted from its start on, and no node that heard of it since gave it reason to think it over."""
        started = bool(session.counted_at) and session.counted_at[0] - session.began_at < UNUSED_S - 25
        honest = not session.displaced and not session.degraded
        said = max((heard.made_at for heard in session.heard if heard.known_at <= now), default=0)
        return started and honest and now - said < SILENT_S_MIN

    def _displaces(self, body: Subscriber, reservation: str) -> None:
        """Sessions whose end nobody heard, and that lost their lease to this Accept, used what others are promised."""
        mine = next(one for one in body.sessions if one.reservation == reservation)
        replaces = any(self._terms[right.terms].extra_device == "replace_oldest" for right in body.rights)
        replaces = replaces and not self._room_for_all(body.id)
        for session in self._stage.of[body.id]:
            if not session.stopped and (replaces or session.device == mine.device):
                session.displaced = True

    def _room_for_all(self, who: SubscriberId) -> bool:
        """As many devices as ever asked may use each right at once: none can be in the way of another."""
        account = self.accounts[who]
        return all(len(account.asked) <= self._terms[terms_id].devices for terms_id, _ in account.bought.values())

    def refused(self, who: SubscriberId, device: MacAddress, reason: Reason) -> None:
        """A Reject went out: not to somebody who paid, has something left, and whose other devices are all off."""
        account, now = self.accounts[who], self._stage.clock.now
        if account.blocked != "":
            return
        if reason is Reason.BLOCKED:
            self.fail(who, "rejected as blocked, and is not")
        others = [session for session in self._stage.of[who] if session.device != device]
        waiting = [at for other, at in account.asked.items() if other != device and now - at <= UNUSED_S]
        if waiting or not all(self._surely_over(session) for session in others):
            return
        for right in account.sure:
            terms_id, bought_at = account.bought[right]
            if self._surely_left(who, self._terms[terms_id], bought_at):
                self.fail(who, f"{device} rejected as {reason}, but {right} of {terms_id} must have something left")

    def may_come(self, who: SubscriberId) -> bool:
        """Nobody may refuse this customer: they are not blocked and surely have something left."""
        account = self.accounts[who]
        paid = (account.bought[right] for right in account.sure)
        return account.blocked == "" and any(self._surely_left(who, self._terms[one], at) for one, at in paid)

    def _surely_over(self, session: TrueSession) -> bool:
        """The product was told that it ended, or never that it began."""
        now = self._stage.clock.now
        if not session.ended_at:
            return False
        if session.stopped or not session.mine:
            return session.stopped or now > session.ended_at + UNUSED_S
        if self._stage.plan.badness.store_before > 0 or now < self._stage.away_until + AFTER_BOOT_S:
            return False  # who was told what, and when, is hard to say
        if self._long_silent(session, now):
            return True
        booted_at = self._boots.get(session.router.name, 0)
        return session.cause == "power" and session.ended_at < booted_at < now - NEWS_S

    def _long_silent(self, session: TrueSession, now: int) -> bool:
        """It reported for a while, every node that may have more of it says that there is none, and it stopped."""
        if len(session.counted_at) < MARKS_MIN or any(
            node.spool or now < node.down_until + NEWS_S for node in self._stage.nodes
        ):
            return False
        gaps = [after - before for before, after in pairwise(sorted(session.counted_at))]
        return now > max(heard.at for heard in session.heard) + 3 * max(*gaps, *session.interims) + 2 * NEWS_S

    def _surely_left(self, who: SubscriberId, terms: Terms, bought_at: int) -> bool:
        """Even if all that could be charged to this right had gone to it, something of it would be left.

        That is what this customer used since the last report before it was bought, and in its period.
        """
        now = self._stage.clock.now
        if now >= bought_at + terms.window.count:
            return False
        period_at = MIDNIGHT if terms.period is PeriodUnit.DAY and now >= MIDNIGHT else T0
        own = [(one, max(period_at, one.told_of(bought_at))) for one in self._stage.of[who]]
        used_bytes = sum(sum(one.used(now)) - sum(one.used(since)) for one, since in own)
        used_s = sum(one.lived(now) - one.lived(since) for one, since in own)
        left_bytes = terms.quota_bytes is None or used_bytes < terms.quota_bytes
        return left_bytes and (terms.quota_s is None or used_s < terms.quota_s)

    # -- enforcement -------------------------------------------------------------------------------------------

    def cut(self, session: TrueSession, code: Code, asked_at: int) -> None:
        """A router is about to obey what a sender decided at `asked_at`: nobody is cut early, or after paying."""
        if code is not Code.DISCONNECT_REQUEST or not self._undisturbed(session, asked_at):
            return
        who, account = session.subscriber, self.accounts[session.subscriber]
        shared = not self._alone(session)
        left = {right for right in account.bought if self._left_for(session, right, asked_at, shared=shared)}
        if left and (len(account.bought) == 1 or self._may_run_on(session, left)):
            self.fail(who, f"{session.acct_session_id} is cut, but {sorted(left)} have something left")

    def _undisturbed(self, session: TrueSession, asked_at: int) -> bool:
        """Nothing but the use of it could end this session: no staff, no other log-in, no time that it was given."""
        account, now = self.accounts[session.subscriber], self._stage.clock.now
        free = account.blocked == "" and account.blocked_at < asked_at
        alone = self._alone(session) or self._room_for_all(session.subscriber)
        return free and alone and not session.displaced and not session.degraded and now < session.must_end_at

    def _alone(self, session: TrueSession) -> bool:
        """No other session of this customer is online, and no other device asked since it began."""
        asked, own = self.accounts[session.subscriber].asked, self._stage.of[session.subscriber]
        lone = all(one is session or self._surely_over(one) for one in own)
        return lone and all(at <= session.began_at or device == session.device for device, at in asked.items())

    def _left_for(self, session: TrueSession, right: str, asked_at: int, *, shared: bool) -> bool:
        """It was there when the sender decided, a log-in had started it, and it surely has something left.

        What is left of a quota that other devices share may be promised to them.
        """
        account, who = self.accounts[session.subscriber], session.subscriber
        terms_id, bought_at = account.bought[right]
        terms, there = self._terms[terms_id], self._stage.store.body(who).right(right)
        started = there is not None and bool(there.starts_at)
        sure = started and account.sure.get(right, asked_at) < asked_at
        if shared and (terms.quota_bytes is not None or terms.quota_s is not None):
            return False
        return sure and terms.slow_rate is None and self._surely_left(who, terms, bought_at)

    def _may_run_on(self, session: TrueSession, left: set[str]) -> bool:
        """It takes no new log-in to use what is left: its router can be told all that changes, or nothing does."""
        account, can = self.accounts[session.subscriber], session.nas.capabilities
        had = {right for right, (_, at) in account.bought.items() if at <= session.began_at}
        slows = any(self._terms[terms_id].slow_rate is not None for terms_id, _ in account.bought.values())
        if slows or session.unheeding:
            return False
        return not can.byte_cap or can.coa_byte_cap or had <= left

    # -- at the end --------------------------------------------------------------------------------------------

    def at_the_end(self) -> None:
        """Nothing waits, everything ended, and every total is what the packets said."""
        for account in self.accounts.values():
            if account.blocked:
                account.blocks.append(Span(account.blocked_at, self._stage.clock.now))
        bought = {who: one.bought for who, one in self.accounts.items()}
        for who, what in verdict.objections(self._stage, bought):
            self.fail(who, what)
        blocks = {who: one.blocks for who, one in self.accounts.items()}
        purchases = {who: [at for _, at in one.values()] for who, one in bought.items()}
        for who, what in lateness.objections(self._stage, blocks, purchases):
            self.fail(who, what)
