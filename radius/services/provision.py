"""What operators do: sites, routers, terms, customers, rights. Every method is one change, safe to repeat.

The seller (billing) commits a right together with its money in a transaction of its own; what is here is for grants
without money, set-up and tests.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address
from typing import NamedTuple, Protocol, TypeVar

import msgspec

from radius.domain import calendar, entitlement
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import ZONE_DEFAULT, Right
from radius.domain.errors import Malformed, Unavailable
from radius.domain.guessing import check_code_length
from radius.domain.identity import (
    MacAddress,
    NameKind,
    SessionUid,
    SubscriberId,
    Username,
    parse_code,
    parse_mac,
    parse_username,
    parse_written,
)
from radius.domain.intent import IntentReason, IntentState, Waiting
from radius.domain.lifecycle import add_intent, await_device
from radius.domain.nas import Family, PortPair, Router, Site
from radius.domain.shapes import decoder
from radius.domain.subscriber import Credential, SecretKind, SessionState, Subscriber
from radius.domain.terms import Terms, check_terms
from radius.domain.wanted import session_of
from radius.ports import ALIASES_MAX, Catalogue, Change, Listed, Names, Outcome, Routers, Subscribers
from radius.services.desk import Decided, Desk
from radius.services.directory import Network, networks_of, parse_network
from radius.services.names import NameBook

SECRET_CHARS_MIN = 16  # a shared secret shorter than this falls to an offline search (RFC 2865 §3 wants 16 octets)
SECRET_CHARS_MAX = 64
ID_CHARS_MAX = 64  # a router's name is a file name, a label of metrics and FreeRADIUS's shortname of it
PASSWORD_BYTES_MAX = 128
PORT_MAX = 65_535
POOL_CHARS_MAX = 64
UAM_FIELD = "uam_secret"

T = TypeVar("T")


class Sealer(Protocol):
    """Seals secrets and hashes passwords (`radius.secrets`)."""

    def seal(self, clear: str, owner: str, field: str, epoch: int) -> str:
        """Sealed text, bound to owner, field and epoch."""

    def hash_password(self, password: str) -> str:
        """Salted hash."""


class Stores(NamedTuple):
    """The ports used here."""

    subscribers: Subscribers
    names: Names
    catalogue: Catalogue
    routers: Routers


class Provision:
    """Set-up and grants. Raises Malformed (names the field), Corrupt (terms that are not there), Unavailable."""

    def __init__(
        self,
        stores: Stores,
        desk: Desk[Subscriber],
        book: NameBook,
        sealer: Sealer,
        terms: Callable[[str], Terms],
        new_id: Callable[[], str],
        deadline: Callable[[], float],
        capabilities: Callable[[Family, dict[str, str | bool]], object] = lambda _family, _overrides: None,
        ring: Callable[[SubscriberId], object] = lambda _subscriber: None,
    ) -> None:
        """`capabilities` raises Malformed for overrides that a family cannot have; `ring` never waits nor raises."""
        self._capabilities = capabilities
        self._ring = ring
        self._stores = stores
        self._desk = desk
        self._book = book
        self._sealer = sealer
        self._terms = terms
        self._new_id = new_id
        self._deadline = deadline

    # -- places and packages -----------------------------------------------------------------------------------

    def site(self, site: Site, mac_password: str = "") -> Site:
        """Write a site; the password for MAC log-ins is sealed."""
        site = check_shape(site)
        calendar.zone(site.zone)
        check_id("site", site.id)
        if mac_password:
            check_password(mac_password)
            sealed = self._sealer.seal(mac_password, site.id, "mac_password", 0)
            site = msgspec.structs.replace(site, mac_password=sealed)
        self._stores.routers.put_site(site, self._deadline())
        return site

    def router(self, router: Router, secret: str) -> Router:
        """Register a router with its shared secret (pair A)."""
        check_secret(secret)
        router = check_shape(router)
        self._check_router(router)
        sealed = self._sealer.seal(secret, router.id, "secret_a", router.epoch_a)
        router = _with(router, secret_a=sealed, version=router.version + 1)
        if self._stores.routers.put_router(router, self._deadline()) is Outcome.STALE:
            raise Malformed("router", f"{router.id} is registered already")
        return router

    def _check_router(self, router: Router) -> None:
        """Refuse what would later silence this router or another; raises Malformed naming the field."""
        check_id("id", router.id)
        if not 1 <= router.coa_port <= PORT_MAX:
            raise Malformed("coa_port", f"must be 1 to {PORT_MAX}")
        for field, address in (("coa_address", router.coa_address), ("nas_ip_address", router.nas_ip_address)):
            if address:
                _check_ip(field, address)
        self._capabilities(router.family, router.overrides)
        check_hosts(router.login_hosts)
        networks = networks_of(router)
        if router.site not in {site.id for site in self._stores.routers.sites(self._deadline())}:
            raise Malformed("site", f"{router.site!r} does not exist; add the site first")
        if any(network.prefixlen == 0 for network in networks):
            raise Malformed("addresses", "a router is not the whole internet: name its address or network")
        for other in self._stores.routers.routers(self._deadline()):
            claimed = networks & _claims(other) if other.id != router.id else set()
            if claimed:
                taken = ", ".join(sorted(map(str, claimed)))
                raise Malformed(
                    "addresses",
                    f"{taken} is {other.id}'s; both would be silenced, because a RADIUS client is "
                    "known by its address alone",
                )

    def rotate_secret(self, router: Router, secret: str) -> Router:
        """Give a router a new secret on the other pair of ports; the old one goes on until the router is seen there."""
        check_secret(secret)
        if router.rotating_to:
            pair = PortPair(router.rotating_to)  # once more: the pair in use keeps its secret
        else:
            pair = PortPair.A if router.secret_b and not router.secret_a else PortPair.B
        field = f"secret_{pair.value.lower()}"
        epoch = max(router.epoch_a, router.epoch_b) + 1
        sealed = self._sealer.seal(secret, router.id, field, epoch)
        changed = _with(
            router,
            **{field: sealed, f"epoch_{pair.value.lower()}": epoch},
            rotating_to=pair.value,
            version=router.version + 1,
        )
        return self._changed(changed)

    def reach(self, router: Router, addresses: tuple[str, ...], coa_address: str, *, tunnel: bool) -> Router:
        """Register where a router speaks from, and where it is told to end sessions ("": where it speaks from)."""
        changed = _with(router, addresses=addresses, coa_address=coa_address, tunnel=tunnel, version=router.version + 1)
        self._check_router(changed)
        return self._changed(changed)

    def replaced(self, router: Router, secret: str) -> Router:
        """Another device takes a router's place: a new secret at once, without overlap, and the old one's is void."""
        check_secret(secret)
        epoch = max(router.epoch_a, router.epoch_b) + 1
        sealed = self._sealer.seal(secret, router.id, "secret_a", epoch)
        return self._changed(
            _with(router, secret_a=sealed, epoch_a=epoch, secret_b="", rotating_to="", version=router.version + 1)
        )

    def _changed(self, router: Router) -> Router:
        if self._stores.routers.put_router(router, self._deadline()) is Outcome.STALE:
            raise Unavailable(f"router {router.id} was changed meanwhile; look again")
        return router

    def login_page(self, router: Router, hosts: Sequence[str], uam_secret: str = "") -> Router:
        """Register where a router's log-in page is (`Router.login_hosts`), and CoovaChilli's uamsecret, "" for none."""
        changed = _with(
            router,
            login_hosts=check_hosts(tuple(host.strip().lower() for host in hosts)),
            uam_secret=self._sealer.seal(uam_secret, router.id, UAM_FIELD, 0) if uam_secret else "",
            version=router.version + 1,
        )
        return self._changed(changed)

    def seen_on(self, router: Router, pair: PortPair) -> Router:
        """End a rotation: the router speaks on the new pair, so the secret of the other is dropped."""
        if router.rotating_to != pair.value:
            return router
        old = "secret_b" if pair is PortPair.A else "secret_a"
        changed = _with(router, **{old: ""}, rotating_to="", version=router.version + 1)
        self._stores.routers.put_router(changed, self._deadline())
        return changed

    def terms(self, terms: Terms) -> Terms:
        """Add a version of terms; raises Malformed when that id already means something else."""
        if self._stores.catalogue.add(check_terms(check_shape(terms)), self._deadline()) is Outcome.CONFLICT:
            raise Malformed("terms id", f"{terms.id} exists with other content; raise its version")
        return terms

    # -- subscribers -------------------------------------------------------------------------------------------

    def customer(
        self, names: Sequence[str], secret: str, now: int, *, site: str = "", hashed: bool = False
    ) -> SubscriberId:
        """Create a customer or a home line who logs in with any of `names` and `secret`."""
        if not names:
            raise Malformed("names", "a customer needs at least one name to log in with")
        check_password(secret)
        subscriber = SubscriberId(self._new_id())
        if hashed:
            credential = Credential(SecretKind.HASH, self._sealer.hash_password(secret))
        else:
            credential = Credential(SecretKind.SEALED, self._sealer.seal(secret, subscriber, "secret", 1), 1)
        return self._create(subscriber, credential, [parse_username(name, None) for name in names], now, site, [])

    def voucher(
        self, code: str, terms_id: str, now: int, *, redeem_by: int = 0, zone: str = ZONE_DEFAULT
    ) -> SubscriberId:
        """Create a voucher: the code is name and secret, its right sleeps until the first log-in."""
        subscriber = SubscriberId(self._new_id())
        calendar.zone(zone)
        name = parse_code(code)
        letters = 10 if name.normal.isdigit() else 36
        check_code_length(letters, len(name.normal), 1, max(1, len(self._stores.routers.routers(self._deadline()))))
        if 0 < redeem_by <= now:
            raise Malformed("redeem_by", "is past already")
        right = Right(self._new_id()[:8], terms_id, now, zone=zone, redeem_by=redeem_by)
        self._terms(terms_id)
        return self._create(subscriber, Credential(SecretKind.CODE), [name], now, "", [right], listed=False)

    def device(self, mac: str, now: int, *, site: str = "") -> SubscriberId:
        """Create a subscriber that is a device: it logs in by its MAC address."""
        name = parse_written(mac)
        if name.kind is not NameKind.MAC:
            raise Malformed("mac", "must be a MAC address such as AA:BB:CC:DD:EE:FF")
        return self._create(SubscriberId(self._new_id()), Credential(SecretKind.DEVICE), [name], now, site, [])

    def _create(
        self,
        subscriber: SubscriberId,
        credential: Credential,
        names: Sequence[Username],
        now: int,
        site: str,
        rights: list[Right],
        *,
        listed: bool = True,
    ) -> SubscriberId:
        aliases = list(dict.fromkeys(self._book.alias(name) for name in names))
        body = aggregate.encode(Subscriber(subscriber, credential, now, aliases=aliases, rights=rights, site=site))
        change = Change(subscriber, 1, self._new_id(), body, 0)
        place = Listed(site, now) if listed else None
        if self._stores.subscribers.create(change, aliases, self._deadline(), place) is Outcome.CONFLICT:
            taken = [each.raw for each in names if self._stores.names.resolve(self._book.alias(each), self._deadline())]
            raise Malformed("name", f"{', '.join(taken) or 'one of them'} belongs to somebody else already")
        return subscriber

    def name(self, subscriber: SubscriberId, name: str) -> None:
        """Add a name (a device's MAC, a second phone) to a subscriber."""
        alias = self._book.alias(parse_written(name))

        def decide(present: Subscriber) -> Decided[bool]:
            known = alias in present.aliases
            if not known and len(present.aliases) >= ALIASES_MAX:
                return Decided(result=False, changed=False)
            if not known:
                present.aliases.append(alias)
            return Decided(result=True, changed=not known)

        if self._stores.names.bind(alias, subscriber, self._deadline()) is Outcome.CONFLICT:
            raise Malformed("name", "belongs to somebody else already")
        listed = self._desk.change(subscriber, decide, self._deadline())
        if not listed:
            self._stores.names.unbind(alias, subscriber, self._deadline())
            raise Malformed(
                "name", "there is no such subscriber" if listed is None else f"more than {ALIASES_MAX} names"
            )

    def grant(self, subscriber: SubscriberId, terms_id: str, now: int, right_id: str, zone: str = ZONE_DEFAULT) -> bool:
        """Give a right; False if the subscriber has this very right already (or does not exist)."""
        terms = self._terms(terms_id)
        check_id("right", right_id)

        def decide(present: Subscriber) -> bool:
            if present.right(right_id) is not None:
                return False
            present.rights.append(entitlement.issue(right_id, terms, now, zone))
            for session in present.sessions:
                if session.state is SessionState.OPEN:
                    add_intent(present, session.uid, IntentReason.TERMS, now)
            return True

        return self._change(subscriber, decide)

    def let_in(self, subscriber: SubscriberId, device: MacAddress, waits: Waiting | None, now: int) -> bool:
        """A device that waits behind the portal may come in now; False if there is no such subscriber."""

        def decide(present: Subscriber) -> bool:
            await_device(present, device, waits, now)
            return True

        return self._change(subscriber, decide)

    def block(self, subscriber: SubscriberId, reason: str, now: int) -> bool:
        """Block ("" unblocks): no new session, and live ones are to be cut; False if there is no such subscriber."""

        def decide(present: Subscriber) -> bool:
            present.blocked = reason
            # What was given up before is tried anew: somebody has asked for it again.
            present.intents = [intent for intent in present.intents if intent.state is not IntentState.ABANDONED]
            for session in present.sessions:
                if reason and session.state is SessionState.OPEN:
                    add_intent(present, session.uid, IntentReason.BLOCKED, now)
            for intent in present.intents:
                if not reason and intent.reason is IntentReason.BLOCKED and intent.state is IntentState.PENDING:
                    intent.due_at = (
                        now  # the sender looks now, not when it would have repeated it: nothing is to be done
                    )
            return True

        return self._change(subscriber, decide)

    def hold(self, subscriber: SubscriberId, uid: SessionUid, now: int, *, slow: bool) -> bool:
        """Hold an open session to the slow rate of its package until it ends or is let go; False if it is not there.

        The caller sees to it that its router can be told speeds and that the package has a slow rate.
        """

        def decide(present: Subscriber) -> bool:
            session = session_of(present, uid)
            if session is None or session.state is not SessionState.OPEN:
                return False
            if session.held is not slow:
                session.note_told()
                session.held = slow
                add_intent(present, uid, IntentReason.TERMS, now)
            return True

        return self._change(subscriber, decide)

    def bind_caller(self, subscriber: SubscriberId, mac: MacAddress | None, fixed_ip: str = "", pool: str = "") -> bool:
        """Tie a PPPoE line to a device, a fixed address or a pool; None or "" unties."""
        if mac is not None and parse_mac(mac) != mac:
            raise Malformed("caller", "must be a MAC address in its normal form, aabbccddeeff")
        if fixed_ip:
            _check_ip("fixed_ip", fixed_ip)
        if pool and not (pool.isascii() and pool.isprintable() and len(pool) <= POOL_CHARS_MAX):
            raise Malformed("pool", f"must be 1 to {POOL_CHARS_MAX} printable ASCII characters")

        def decide(present: Subscriber) -> bool:
            present.caller, present.fixed_ip, present.pool = mac, fixed_ip, pool
            return True

        return self._change(subscriber, decide)

    def _change(self, subscriber: SubscriberId, decide: Callable[[Subscriber], bool]) -> bool:
        """Commit what `decide` says that it changed, then ring for the sender if live sessions are to follow."""

        def decided(present: Subscriber) -> Decided[tuple[bool, bool]]:
            changed = decide(present)
            return Decided((changed, changed and bool(present.intents)), changed)

        changed, left = self._desk.change(subscriber, decided, self._deadline()) or (False, False)
        if left:
            self._ring(subscriber)
        return changed


def check_shape(value: T) -> T:
    """`value` as it will be read back: a prompt checks no types. Raises Malformed naming a field that cannot be.

    A record that is written and cannot be read takes what depends on it off the air.
    """
    try:
        return decoder(type(value)).decode(msgspec.json.encode(value))
    except (msgspec.MsgspecError, TypeError, ValueError) as bad:
        why, _, field = str(bad).partition(" - at `$.")
        raise Malformed(field.rstrip("`") or type(value).__name__.lower(), why) from None


def check_id(field: str, name: str) -> str:
    """The name of a router, a site or a right: 1 to 64 letters, digits, dots, dashes, underscores; raises Malformed."""
    if not _ID.fullmatch(name):
        raise Malformed(field, f"must be 1 to {ID_CHARS_MAX} letters, digits, dots, dashes or underscores")
    return name


def check_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """Where a router's log-in page is: each ``host`` or ``host:port``; raises Malformed."""
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise Malformed("login_hosts", f"{host!r} must be like 10.5.50.1, wifi.example.net or 10.1.0.1:3990")
    return hosts


def check_password(password: str) -> str:
    """A password that every method can carry: 1 to 128 bytes (RFC 2865 §5.2) and no NUL; raises Malformed."""
    if not 1 <= len(password.encode(errors="surrogatepass")) <= PASSWORD_BYTES_MAX or "\0" in password:
        raise Malformed("secret", f"must have 1 to {PASSWORD_BYTES_MAX} bytes and no NUL")
    return password


def _check_ip(field: str, text: str) -> None:
    try:
        usable = not IPv4Address(text).is_unspecified
    except ValueError:
        usable = False
    if not usable:
        raise Malformed(field, f"{text!r} is no IPv4 address of a host")


_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{ID_CHARS_MAX - 1}}}", re.ASCII)

_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?", re.ASCII)


def _with(router: Router, **changes: object) -> Router:
    return msgspec.structs.replace(router, **changes)


def _claims(router: Router) -> set[Network]:
    """The networks another router has or, once its broken record is mended, will have.

    What cannot be read there claims nothing: `directory` serves all others without it and the keeper reports it.
    """
    if router.disabled:
        return set()
    found = set()
    for text in router.addresses:
        with suppress(Malformed):
            found.add(parse_network(text))
    return found


def check_secret(secret: str) -> str:
    """A shared secret that is worth the name: printable ASCII of 16 to 64 characters; raises Malformed."""
    if not SECRET_CHARS_MIN <= len(secret) <= SECRET_CHARS_MAX:
        raise Malformed("secret", f"must have {SECRET_CHARS_MIN} to {SECRET_CHARS_MAX} characters")
    if not (secret.isascii() and secret.isprintable() and " " not in secret):
        raise Malformed("secret", "must be printable ASCII without spaces")
    return secret
