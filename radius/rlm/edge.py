"""From pairs to services and back: what each hook does, without FreeRADIUS in sight.

authorize -> (FreeRADIUS or authenticate checks the secret) -> post_auth; accounting. One canonical line a packet, under
the token that joins its hooks, else under the id that `hooks` gave it.
Nothing here decides: unknown or broken input becomes a refusal or silence, never an accept.
"""

from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from radius.domain.clock import Suspect
from radius.domain.errors import Malformed, Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.nas import Language, Nas, PortPair
from radius.domain.policy import Reason
from radius.domain.request import AccessRequest, Tunnel
from radius.domain.wanted import Owed
from radius.log import Pseudonyms, RequestIds
from radius.metrics import Metrics
from radius.rlm import attributes, messages, unsigned
from radius.rlm.attributes import Attributes, Pairs
from radius.rlm.clocks import Clocks
from radius.rlm.exit import Rcode, Reply, leave
from radius.rlm.fields import source
from radius.rlm.news import News, moved
from radius.rlm.vendors import answer, render
from radius.services.access import UNSIGNED, Access, Check, Granted, HandOver, Refused, Silent
from radius.services.accounting import Accounting, Counted
from radius.services.directory import Directory
from radius.services.watch import Watch

SILENCE = (("Response-Packet-Type", ":=", "Do-Not-Respond"),)


class Edge:
    """The hooks of one node."""

    def __init__(  # noqa: PLR0913, PLR0917 - one of each, put together in one place
        self,
        access: Access,
        accounting: Accounting,
        directory: Directory,
        watch: Watch,
        clocks: Clocks,
        metrics: Metrics,
        log: FilteringBoundLogger,
        pseudonyms: Pseudonyms,
        deadline_s: float,
        spool_has_room: Callable[[], bool],
        ring: Callable[[SubscriberId], None] = lambda _: None,
    ) -> None:
        """`ring` tells the sender of an intent that was committed; it must be quick and must not raise."""
        self._access = access
        self._accounting = accounting
        self._directory = directory
        self._watch = watch
        self._clocks = clocks
        self._metrics = metrics
        self._log = log
        self._pseudonyms = pseudonyms
        self._deadline_s = deadline_s
        self._spool_has_room = spool_has_room
        self._ring = ring
        self._news = News(metrics, log)
        self.request_id = RequestIds()

    # -- Access-Request ----------------------------------------------------------------------------------------

    def authorize(self, pairs: Pairs, request_id: str) -> Reply:
        """Find the subscriber; say who checks the secret."""
        started = self._clocks.monotonic()
        indexed = attributes.index(pairs)
        if self._now() is None:
            return self._silent(indexed.router, "clock", started, request_id)
        try:
            request = attributes.parse_access(indexed)
        except Malformed as bad:
            return self._malformed(indexed, bad, started, request_id)
        # Only a verified Message-Authenticator proves the secret of this pair of ports (RFC 3579 §3.2); the server
        # drops wrong ones before us. Inside a tunnel it is the outer packet's.
        proven = request.message_authenticator and request.tunnel is not Tunnel.INNER
        self._watch.heard(request.router, request.pair if proven else None)
        answer = self._access.authorize(request)
        if isinstance(answer, HandOver):
            token = (("Tmp-String-1", ":=", answer.token),)
            if answer.check is Check.OURSELVES:
                return leave(Rcode.UPDATED, config=(("Auth-Type", ":=", "wifibilling"),), request=token)
            return leave(Rcode.UPDATED, config=(("Cleartext-Password", ":=", answer.secret),), request=token)
        if isinstance(answer, Silent):
            fix = self._note_unsigned(request.router) if answer == UNSIGNED else None
            return self._silent(request.router, answer.why, started, request_id, fix)
        return self._refuse(request, answer, started, request_id)

    def authenticate(self, pairs: Pairs, request_id: str) -> Reply:
        """Check a secret that only we can check. One that cannot be checked now is unanswered, not counted wrong."""
        started = self._clocks.monotonic()
        try:
            request = attributes.parse_access(attributes.index(pairs))
        except Malformed:
            return leave(Rcode.REJECT)
        try:
            right = self._access.authenticate(request)
        except Unavailable:
            self._access.unchecked(request)
            return self._silent(request.router, "secret unchecked", started, request.token or request_id)
        return leave(Rcode.OK if right else Rcode.REJECT)

    def post_auth(self, pairs: Pairs, request_id: str) -> Reply:
        """The secret was right: reserve and accept, or say why not. Or it was wrong: count it."""
        started = self._clocks.monotonic()
        now = self._now()
        indexed = attributes.index(pairs)
        request_id = indexed.token or request_id
        try:
            request = self._access.asked(indexed.token) or attributes.parse_access(indexed)
        except Malformed as bad:
            return self._malformed(indexed, bad, started, request_id)
        began = self._access.began(request)
        started = began if began is not None else started
        if now is None:
            return self._silent(request.router, "clock", started, request_id)
        if indexed.rejected:
            wrong = self._access.wrong_secret(request)
            if wrong is None:
                wrong = Refused(Reason.BAD_CREDENTIALS, self._language(request.router))
            return self._refuse(request, wrong, started, request_id)
        answer = self._access.post_auth(request, now)
        if isinstance(answer, Refused):
            return self._refuse(request, answer, started, request_id)
        if isinstance(answer, Silent):
            return self._silent(request.router, answer.why, started, request_id)
        return self._accept(request, answer, started, request_id)

    def _accept(self, request: AccessRequest, granted: Granted, started: float, request_id: str) -> Reply:
        reply = leave(Rcode.UPDATED, render(granted.limits, granted.nas.family, granted.nas.capabilities))
        self._metrics.count("AccessAccepts")
        if granted.degraded:
            self._metrics.count("DegradedAccepts")
        for reason in granted.intents:
            self._metrics.count("IntentsCommitted", Reason=reason.value)
        if granted.intents:
            self._ring(granted.subscriber)
        took_s = self._clocks.monotonic() - started
        self._metrics.observe("AuthLatency", took_s)
        self._log.info(
            "Access accepted",
            request_id=request_id,
            user_id=self._pseudonyms.of("user", granted.subscriber),
            nas=request.router,
            site=granted.nas.site.id,
            method=request.method.value,
            service=request.service.value,
            device=self._pseudonyms.of("device", request.device),
            session_s=granted.limits.session_s,
            total_bytes=granted.limits.total_bytes,
            degraded=granted.degraded,
            took_us=int(took_s * 1e6),
        )
        return reply

    def _malformed(self, indexed: Attributes, bad: Malformed, started: float, request_id: str) -> Reply:
        self._metrics.count("MalformedPackets")
        refused = Refused(Reason.MALFORMED, self._language(indexed.router))
        return self._refuse(None, refused, started, request_id, indexed.router, bad.field)

    def _refuse(
        self,
        request: AccessRequest | None,
        refused: Refused,
        started: float,
        request_id: str,
        router: str = "",
        field: str = "",
    ) -> Reply:
        self._metrics.count("AccessRejects", Reason=refused.reason.value)
        took_s = self._clocks.monotonic() - started
        self._metrics.observe("AuthLatency", took_s)
        self._log.info(
            "Access rejected",
            request_id=request_id,
            user_id=self._pseudonyms.of("user", refused.subscriber) if refused.subscriber else None,
            nas=(request.router if request else router) or None,
            reason=refused.reason.value,
            method=request.method.value if request else None,
            device=self._pseudonyms.of("device", request.device) if request else None,
            setting=field or None,
            took_us=int(took_s * 1e6),
        )
        told = messages.text(refused.told.value, refused.language)
        return leave(Rcode.REJECT, reply=(("Reply-Message", ":=", told),))

    def _note_unsigned(self, router: str) -> str | None:
        """List a router whose packets are dropped for want of a Message-Authenticator, and say what to change there."""
        self._metrics.count("MissingMessageAuthenticator")
        nas = self._directory.nas(router)
        fix = unsigned.remedy(nas.family) if nas is not None else None
        self._watch.unheard(router, f"{UNSIGNED.why}: {fix}")
        return fix

    def _silent(self, router: str, why: str, started: float, request_id: str, fix: str | None = None) -> Reply:
        self._metrics.count("AccessSilent")
        took_us = int((self._clocks.monotonic() - started) * 1e6)
        self._log.warning(
            "Access unanswered", request_id=request_id, nas=router or None, reason=why, fix=fix, took_us=took_us
        )
        return leave(Rcode.HANDLED, config=SILENCE)

    # -- Accounting-Request ------------------------------------------------------------------------------------

    def accounting(self, pairs: Pairs, request_id: str) -> Reply:
        """Count one packet; NOOP sends it to the spool (as FAIL would, which FreeRADIUS logs each time).

        A malformed one goes there too, and is acknowledged: the router would only send the same again, for ever. The
        replayer parks it for a person.
        """
        started = self._clocks.monotonic()
        now = self._now()
        indexed = attributes.index(pairs)
        nas = self._directory.nas(indexed.router)
        if nas is None:
            return self._spool(indexed, "unknown router", started, request_id)
        self._watch.heard(nas.id, _pair(indexed))  # its authenticator proves the secret (RFC 2866 §3)
        if now is None:
            return self._spool(indexed, "clock", started, request_id)
        try:
            request = attributes.parse_accounting(indexed, nas.capabilities.octet_view)
            counted = self._accounting.account(request, now, started + self._deadline_s)
        except Malformed as bad:
            self._metrics.count("MalformedPackets")
            return self._spool(indexed, Reason.MALFORMED.value, started, request_id, bad.field)
        except Unavailable:
            return self._spool(indexed, "store away", started, request_id)
        took_s = self._clocks.monotonic() - started
        self._metrics.count("AccountingPackets", Kind=_KINDS.get(request.status.value, "other"))
        self._metrics.observe("AccountingLatency", took_s)
        self._tell(request.status.value, counted, nas, int(took_s * 1e6), request_id)
        wish = counted.accounted.wish if counted.accounted is not None else None
        if wish is None:
            return leave(Rcode.OK)
        limits = wish.limits if isinstance(wish, Owed) else None
        return leave(Rcode.UPDATED, reply=answer(limits, nas.family, nas.capabilities))

    def _tell(self, status: str, counted: Counted, nas: Nas, took_us: int, request_id: str) -> None:
        user = self._pseudonyms.of("user", counted.subscriber) if counted.subscriber else None
        known: dict[str, str | int] = {}
        accounted = counted.accounted
        if accounted is not None and accounted.intents and counted.subscriber is not None:
            self._ring(counted.subscriber)
        if accounted is not None:
            in_bytes, out_bytes = moved(accounted.session)
            known = {"session": accounted.session.uid, "in_bytes": in_bytes, "out_bytes": out_bytes}
        self._log.info(
            "Accounting",
            request_id=request_id,
            user_id=user,
            nas=nas.id,
            packet=status,
            outcome=counted.what,
            took_us=took_us,
            **known,
        )
        if accounted is not None:
            self._news.accounted(accounted, user, nas.site.id, nas.id, request_id)

    def _spool(self, indexed: Attributes, why: str, started: float, request_id: str, field: str = "") -> Reply:
        took_us = int((self._clocks.monotonic() - started) * 1e6)
        room = self._spool_has_room()
        subscriber = indexed.subscriber
        self._log.warning(
            "Accounting spooled" if room else "Accounting unanswered",
            request_id=request_id,
            user_id=self._pseudonyms.of("user", subscriber) if subscriber else None,
            nas=indexed.router or None,
            reason=why,
            setting=field or None,
            spooled=room,
            took_us=took_us,
        )
        if not room:
            # FreeRADIUS's detail writer does not notice a full disk: what it could not write it would acknowledge.
            self._metrics.count("AccountingUnanswered")
            return leave(Rcode.NOOP, config=SILENCE)
        self._metrics.count("SpooledPackets")
        return leave(Rcode.NOOP)

    # -- what should not have been -----------------------------------------------------------------------------

    def failed(self, hook: str, pairs: Pairs, request_id: str, error: Exception) -> None:
        """Tell of an exception that should not have been."""
        self._metrics.count("HookErrors", Hook=hook)
        try:
            indexed = attributes.index(pairs)
        except Malformed:
            indexed = attributes.index(())
        self._log.error(
            "Hook failed",
            request_id=indexed.token or request_id,
            nas=indexed.router or None,
            operation=hook,
            exc_info=error,
        )

    # -- clients -----------------------------------------------------------------------------------------------

    def client(self, pairs: Pairs) -> Reply:
        """Answer FreeRADIUS's question who speaks from an address; from memory, in its receive thread."""
        indexed = attributes.index(pairs)
        address = source(indexed.first)
        pair = PortPair(indexed.first.get("Tmp-String-2", "A"))
        client = self._directory.client(address, pair)
        if client is None:
            self._metrics.count("UnknownSources")
            self._watch.unheard(address, "unknown source")
            return leave(Rcode.NOTFOUND)
        kind = "FreeRADIUS-Client-IPv6-Address" if ":" in address else "FreeRADIUS-Client-IP-Address"
        return leave(
            Rcode.OK,
            config=(
                (kind, ":=", address),
                ("FreeRADIUS-Client-Shortname", ":=", client.router.id),
                ("FreeRADIUS-Client-Secret", ":=", client.secret),
            ),
        )

    # -- time --------------------------------------------------------------------------------------------------

    def _now(self) -> int | None:
        """The wall clock in whole seconds; None while it is known to be wrong."""
        judged = self._clocks.judge()
        if isinstance(judged, Suspect):
            self._metrics.count("ClockSuspect", Reason=judged.reason.value)
            return None
        return judged.now

    def _language(self, router: str) -> Language:
        nas = self._directory.nas(router)
        return nas.site.language if nas is not None else Language.ENGLISH


def _pair(indexed: Attributes) -> PortPair | None:
    said = indexed.first.get("Tmp-String-2")
    return PortPair(said) if said in ("A", "B") else None


_KINDS = {kind: kind for kind in ("start", "interim", "stop", "on", "off")}
