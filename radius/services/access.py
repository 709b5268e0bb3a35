"""Access-Request: who is it, what must the secret be, and after it was right: reserve and accept.

authorize (one read) -> FreeRADIUS or `authenticate` checks the secret -> post_auth (one conditional write). What
authorize saw waits under a token in a bounded map. No answer tells whether a name exists: an unknown name goes the same
way with a secret that nobody knows, and policy speaks only after the secret was right. Limits on guessing differ for
known and unknown names, so whoever meets one is answered like a wrong secret too.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from radius.domain import policy, spill
from radius.domain import subscriber as aggregate
from radius.domain.errors import Contended, Fenced, Malformed, Unavailable
from radius.domain.guessing import Guard, shape_of
from radius.domain.identity import NameKind, ReservationId, SubscriberId, parse_username
from radius.domain.intent import IntentReason
from radius.domain.limits import Limits
from radius.domain.nas import Language, Nas
from radius.domain.policy import Accept, Ask, Reason, Reject
from radius.domain.request import AccessRequest, Chap, Method, Tunnel
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.domain.terms import Terms
from radius.domain.world import World
from radius.ports import Stored
from radius.services.cache import BoundedMap
from radius.services.desk import Decided, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook
from radius.services.outage import Degrade, Outage

TICKETS_MAX = 65_536  # as many packets as FreeRADIUS's own queue holds


# Told as a wrong secret: each would tell that there is such a name, or how its password is kept.
HIDDEN = frozenset({Reason.METHOD_UNSUPPORTED, Reason.TOO_MANY_ATTEMPTS})

# There a refusal has a form that only FreeRADIUS's modules make (MS-CHAP-Error, the rounds inside a tunnel).
_BY_MODULE = frozenset({Method.MSCHAP, Method.EAP})

_Answer = Decided[Accept | Reject]  # an alias: an annotation inside a function is evaluated each time it runs


class Check(StrEnum):
    """Who checks the secret."""

    FREERADIUS = "freeradius"  # its pap, chap, mschap and eap modules, with the clear secret we hand over
    OURSELVES = "ourselves"


class HandOver(NamedTuple):
    """Go on: the secret is checked as `check` says; `secret` is the clear one for FreeRADIUS."""

    token: str
    check: Check
    secret: str = ""


class Granted(NamedTuple):
    """Access-Accept with these limits. `degraded`: on a small lease while the store is away."""

    limits: Limits
    nas: Nas
    subscriber: SubscriberId
    degraded: bool = False
    intents: tuple[IntentReason, ...] = ()  # committed with it


class Refused(NamedTuple):
    """Access-Reject. `told` is what the customer may know, `reason` what we know."""

    reason: Reason
    language: Language
    subscriber: SubscriberId | None = None

    @property
    def told(self) -> Reason:
        """The reason that may go out: nothing on the wire tells a wrong name from a wrong secret."""
        return Reason.BAD_CREDENTIALS if self.reason in HIDDEN else self.reason


class Silent(NamedTuple):
    """No answer, so that the router asks its second server. `why` is for the log."""

    why: str


UNSIGNED = Silent("no Message-Authenticator")


class Vault(Protocol):
    """Opens and checks secrets (`radius.secrets`); every comparison takes constant time."""

    def unseal(self, sealed: str, owner: str, field: str, epoch: int) -> str:
        """The clear secret; raises Corrupt."""

    def password_matches(self, password: str, stored_hash: str) -> bool:
        """Check a password against its hash; an empty hash costs the same and never matches."""

    def any_equal(self, given: str, accepted: list[str]) -> bool:
        """True if `given` is one of `accepted`."""

    def chap_matches(self, chap: Chap, accepted: list[str]) -> bool:
        """True if the response was made with one of the secrets `accepted`."""


class _Ticket(NamedTuple):
    request: AccessRequest
    alias: str
    subscriber: SubscriberId | None
    credential: Credential | None
    remembered: bool
    degraded: Stored | None
    started: float
    refused: Reason | None = None  # whatever the secret: FreeRADIUS only gives the refusal its form


class Tools(NamedTuple):
    """What the service needs besides the store: checks, limits, immutable terms, a monotonic clock, fresh ids."""

    vault: Vault
    guard: Guard
    terms: Callable[[str], Terms]
    monotonic: Callable[[], float]
    new_id: Callable[[], str]


class Access:
    """The service behind authorize, authenticate and post_auth. `deadline_s` is for the whole packet."""

    def __init__(
        self,
        desk: Desk[Subscriber],
        names: NameBook,
        directory: Directory,
        tools: Tools,
        deadline_s: float,
        post_auth_s: float = 0.2,
        degrade: Degrade = Degrade(),  # noqa: B008 - an immutable value
    ) -> None:
        """`post_auth_s` of the deadline is kept for post_auth."""
        self._desk = desk
        self._names = names
        self._directory = directory
        self._vault, self._guard, self._terms, self._monotonic, self._new_id = tools
        self._deadline_s = deadline_s
        self._post_auth_s = post_auth_s
        self._outage = Outage(degrade)
        self._tickets: BoundedMap[str, _Ticket] = BoundedMap(TICKETS_MAX)

    # -- authorize ---------------------------------------------------------------------------------------------

    def authorize(  # noqa: PLR0911 - one way out a line
        self, request: AccessRequest
    ) -> HandOver | Refused | Silent:
        """First hook: find the subscriber and say how the secret is to be checked."""
        nas = self._directory.nas(request.router)
        if nas is None:
            return Silent("unknown router")
        if (
            nas.message_authenticator_required
            and not request.message_authenticator
            and request.tunnel is not Tunnel.INNER
        ):
            return UNSIGNED
        started = self._monotonic()
        alias = self._names.alias(request.username)
        asked = msgspec.structs.replace(request, token=self._new_id())
        if not self._may_try(request, alias, started):
            stranger = _Ticket(asked, alias, None, None, False, None, started)
            return self._turn_away(stranger, Reason.TOO_MANY_ATTEMPTS, nas)
        looked_up = self._look_up(alias, started + self._deadline_s - self._post_auth_s)
        if looked_up is None:
            return Silent("store away")
        found, degraded = looked_up
        if found is None:
            self._count_failure(request, alias, unknown=True)
            return self._never(_Ticket(asked, alias, None, None, False, None, started))
        remembered = request.mac in found.devices
        ticket = _Ticket(asked, alias, found.id, found.credential, remembered, degraded, started)
        if not self._guard.check_name(self._millis(), alias, remembered=remembered).allowed:
            return self._turn_away(ticket, Reason.TOO_MANY_ATTEMPTS, nas)
        answer = self._hand_over(ticket, found.credential, nas)
        if isinstance(answer, Refused):
            # Whoever asks by a method that cannot work is slowed like one whose secret is wrong: no other sign either.
            self._count_failure(request, alias, unknown=False, remembered=remembered)
        return answer

    def _look_up(self, alias: str, deadline: float) -> tuple[Subscriber | None, Stored | None] | None:
        """Who has the name, and the copy that says so while the store is away; None when nothing can say."""
        try:
            return self._find(alias, deadline), None
        except Unavailable:
            found, copy = self._last_copy(alias)
            return (found, copy) if found is not None else None

    def _find(self, alias: str, deadline: float) -> Subscriber | None:
        """One strongly consistent read of a name this node knows, two of one it does not."""
        subscriber = self._names.resolve(alias, deadline)
        if subscriber is None:
            return None
        stored = self._desk.read(subscriber, deadline)
        found = aggregate.decode(stored.body) if stored is not None else None
        if found is None or alias not in found.aliases:
            self._names.forget(alias)
            return None
        return found

    def _last_copy(self, alias: str) -> tuple[Subscriber | None, Stored | None]:
        """What this node last knew of a name, if that is not too old."""
        subscriber = self._names.last_known(alias)
        stored = self._fresh_copy(subscriber) if subscriber is not None else None
        if stored is None:
            return None, None
        found = aggregate.decode(stored.body)
        return (found, stored) if alias in found.aliases else (None, None)

    def _fresh_copy(self, subscriber: SubscriberId) -> Stored | None:
        copy = self._desk.copy(subscriber)
        if copy is None or self._monotonic() - copy.had_at > self._outage.policy.copy_s_max:
            return None
        return copy.stored

    def _hand_over(self, ticket: _Ticket, credential: Credential, nas: Nas) -> HandOver | Refused:
        request = ticket.request
        name = request.username
        if name.kind is NameKind.MAC and name.normal != request.mac:
            return self._never(ticket)
        if name.kind is NameKind.MAC or credential.kind is SecretKind.CODE:
            # The name is the secret: with CHAP and PAP also the empty password will do, and we check that.
            return self._go_on(ticket, name.raw if request.method in _BY_MODULE else None)
        if credential.kind is SecretKind.SEALED:
            assert ticket.subscriber is not None
            return self._go_on(
                ticket, self._vault.unseal(credential.value, ticket.subscriber, "secret", credential.epoch)
            )
        if credential.kind is SecretKind.HASH and request.method is not Method.PAP:
            return self._turn_away(ticket, Reason.METHOD_UNSUPPORTED, nas)
        return self._go_on(ticket)

    def _go_on(self, ticket: _Ticket, secret: str | None = None) -> HandOver:
        """On to the check of the secret: FreeRADIUS's with the clear one, or our own."""
        token = ticket.request.token
        self._tickets.put(token, ticket)
        return HandOver(token, Check.OURSELVES) if secret is None else HandOver(token, Check.FREERADIUS, secret)

    def _never(self, ticket: _Ticket) -> HandOver:
        """The road of an ordinary customer, with a secret that nobody can know."""
        return self._go_on(ticket, self._new_id())

    def _turn_away(self, ticket: _Ticket, reason: Reason, nas: Nas) -> HandOver | Refused:
        """Refuse so that it looks like a wrong secret."""
        if ticket.request.method in _BY_MODULE:
            return self._never(ticket._replace(refused=reason))
        return Refused(reason, nas.site.language, ticket.subscriber)

    # -- authenticate ------------------------------------------------------------------------------------------

    def authenticate(self, request: AccessRequest) -> bool:
        """Second hook, only for what FreeRADIUS cannot check: codes, hashed passwords, MAC addresses."""
        ticket = self._tickets.get(request.token)
        if ticket is None:
            return False
        credential, name = ticket.credential, request.username
        if name.kind is not NameKind.MAC and (credential is None or credential.kind is not SecretKind.CODE):
            stored = credential.value if credential is not None and credential.kind is SecretKind.HASH else ""
            return self._vault.password_matches(request.password or "", stored) and request.method is Method.PAP
        accepted = ["", name.raw, name.normal, name.normal.upper()]
        if name.kind is NameKind.MAC:
            accepted += self._mac_password(request)
        if request.chap is not None:
            right = self._vault.chap_matches(request.chap, accepted)
        else:
            given = request.password or ""
            right = self._vault.any_equal(given, accepted) or self._says_name(given, request)
        return right and credential is not None

    def _says_name(self, given: str, request: AccessRequest) -> bool:
        """The name itself, however it is spelt this time: its groups, case and separators are as free as the name's."""
        try:
            said = parse_username(given, request.mac)
        except Malformed:
            return False
        return self._vault.any_equal(said.normal, [request.username.normal])

    def _mac_password(self, request: AccessRequest) -> list[str]:
        nas = self._directory.nas(request.router)
        if nas is None or not nas.site.mac_password:
            return []
        return [self._vault.unseal(nas.site.mac_password, nas.site.id, "mac_password", 0)]

    def unchecked(self, request: AccessRequest) -> None:
        """Forget a request whose secret could not be checked: that is no wrong secret."""
        self._tickets.pop(request.token)

    def asked(self, token: str) -> AccessRequest | None:
        """The request that authorize gave this token, as it was read then; None without one."""
        ticket = self._tickets.get(token)
        return ticket.request if ticket is not None else None

    def began(self, request: AccessRequest) -> float | None:
        """When authorize began with this packet (monotonic); None if unknown, or if it was another round of EAP."""
        ticket = self._tickets.get(request.token) if request.method is not Method.EAP else None
        return ticket.started if ticket is not None else None

    def wrong_secret(self, request: AccessRequest) -> Refused | None:
        """Count a secret that was wrong; None if this request was refused for another reason."""
        ticket = self._tickets.pop(request.token)
        if ticket is None:
            return None
        nas = self._directory.nas(request.router)
        if ticket.subscriber is not None and ticket.refused is not Reason.TOO_MANY_ATTEMPTS:
            self._count_failure(ticket.request, ticket.alias, unknown=False, remembered=ticket.remembered)
        language = nas.site.language if nas is not None else Language.ENGLISH
        return Refused(ticket.refused or Reason.BAD_CREDENTIALS, language, ticket.subscriber)

    # -- post_auth ---------------------------------------------------------------------------------------------

    def post_auth(  # noqa: PLR0911 - one way out a line
        self, request: AccessRequest, now: int
    ) -> Granted | Refused | Silent:
        """Third hook, after the secret was right: reserve the slot and the lease by one conditional write."""
        asked = self._monotonic()
        nas = self._directory.nas(request.router)
        if nas is None:
            return Silent("unknown router")
        ticket = self._tickets.pop(request.token) or self._again(request)
        if ticket is None:
            return Silent("store away")
        if ticket.subscriber is None or ticket.refused is not None:
            return Refused(ticket.refused or Reason.BAD_CREDENTIALS, nas.site.language, ticket.subscriber)
        if ticket.degraded is not None:
            return self._degrade(ticket, ticket.degraded, nas, now)
        ask = self._ask(request)
        world = self.world(now)

        def decide(subscriber: Subscriber) -> _Answer:
            answer = policy.reserve(subscriber, ask, nas, world)
            spill.note(subscriber)
            return Decided(answer, isinstance(answer, Accept))

        # Rounds of EAP and slow checks come before us: our own share is always left.
        deadline = max(ticket.started + self._deadline_s, asked + self._post_auth_s)
        try:
            answer = self._desk.change(ticket.subscriber, decide, deadline)
        except Contended:
            return Silent("contended")
        except Fenced:
            return Silent("another Region writes")
        except Unavailable:
            stored = self._fresh_copy(ticket.subscriber)
            return self._degrade(ticket, stored, nas, now) if stored is not None else Silent("store away")
        if isinstance(answer, Accept):
            self._outage.committed(self._monotonic())
        return self._answer(answer, ticket, nas)

    def _answer(self, answer: Accept | Reject | None, ticket: _Ticket, nas: Nas) -> Granted | Refused:
        if answer is None:
            return Refused(Reason.BAD_CREDENTIALS, nas.site.language)
        if isinstance(answer, Reject):
            return Refused(answer.reason, nas.site.language, ticket.subscriber)
        self._guard.succeeded(ticket.alias, ticket.request.device)
        assert ticket.subscriber is not None
        return Granted(answer.limits, nas, ticket.subscriber, intents=answer.intents)

    def _again(self, request: AccessRequest) -> _Ticket | None:
        """Without a token (a restart between the hooks, the last round of EAP): read again."""
        started = self._monotonic()
        alias = self._names.alias(request.username)
        looked_up = self._look_up(alias, started + self._deadline_s)
        if looked_up is None:
            return None
        found, degraded = looked_up
        return _Ticket(request, alias, found.id if found else None, None, False, degraded, started)

    def _ask(self, request: AccessRequest) -> Ask:
        return Ask(
            request.device, request.mac, request.service, request.acct_session_id, ReservationId(self._new_id()[:10])
        )

    def world(self, now: int) -> World:
        """What decisions may know at `now`."""
        directory = self._directory
        return World(now, self._terms, directory.boots, lambda nas: directory.heard_until(nas, now))

    # -- while the store is away -------------------------------------------------------------------------------

    def _degrade(self, ticket: _Ticket, stored: Stored, nas: Nas, now: int) -> Granted | Silent:
        """One short small lease per outage for a subscriber whom this node knows well; silence for all others."""
        subscriber = aggregate.decode(stored.body)
        # A first log-in starts a window, for ever: that is not done on a copy.
        subscriber.rights = [right for right in subscriber.rights if right.starts_at]
        try:
            answer = policy.reserve(subscriber, self._ask(ticket.request), nas, self.world(now))
        except Unavailable:  # terms that this node has never met
            return Silent("store away")
        if isinstance(answer, Reject):
            return Silent("store away")
        if not self._outage.take(subscriber.id, self._monotonic()):
            return Silent("store slow, or away and had its lease")
        return Granted(self._outage.small(answer.limits, now), nas, subscriber.id, degraded=True)

    # -- guessing ----------------------------------------------------------------------------------------------

    def _may_try(self, request: AccessRequest, alias: str, started: float) -> bool:
        return self._guard.check(
            int(started * 1000),
            request.router,
            alias,
            request.device,
            shape=shape_of(request.username, request.mac),
            known_to_node=self._names.knows(alias),
            remembered=None,
        ).allowed

    def _count_failure(self, request: AccessRequest, alias: str, *, unknown: bool, remembered: bool = False) -> None:
        self._guard.failed(
            self._millis(),
            request.router,
            alias,
            request.device,
            shape=shape_of(request.username, request.mac),
            unknown=unknown,
            remembered=remembered,
        )

    def _millis(self) -> int:
        return int(self._monotonic() * 1000)
