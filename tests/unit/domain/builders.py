"""Small makers for domain values. Only plain constructors of the domain are used here, none of its decisions."""

from collections.abc import Mapping

from radius.domain.entitlement import Right
from radius.domain.identity import MacAddress, NasId, ReservationId, SubscriberId
from radius.domain.nas import Capabilities, CoaScope, Family, Nas, OctetView, Site
from radius.domain.policy import Ask
from radius.domain.session import Event, Kind
from radius.domain.subscriber import Credential, Lease, SecretKind, Session, SessionState, Subscriber
from radius.domain.terms import PeriodUnit, Service, Terms, Window, WindowStart
from radius.domain.world import World

T0 = 1_764_000_000  # 2025-11-24 16:00:00 UTC, a Monday, 19:00 in Nairobi
MIB = 1 << 20
GIB = 1 << 30
DAY_S = 86_400
NAS = NasId("kilimani-03")
OTHER_NAS = NasId("westlands-1")
PHONE = MacAddress("aabbccddee01")
LAPTOP = MacAddress("aabbccddee02")
TABLET = MacAddress("aabbccddee03")

CAN = Capabilities(
    byte_cap=True,
    byte_cap_gigawords=True,
    rate=True,
    idle_timeout=True,
    acct_gigawords=True,
    octet_view=OctetView.NAS,
    coa=CoaScope.DISCONNECT,
    coa_byte_cap=False,
    class_echo=True,
)


def capabilities(
    *, coa: CoaScope = CoaScope.DISCONNECT, coa_byte_cap: bool = False, acct_gigawords: bool = True
) -> Capabilities:
    return Capabilities(
        byte_cap=True,
        byte_cap_gigawords=True,
        rate=True,
        idle_timeout=True,
        acct_gigawords=acct_gigawords,
        octet_view=OctetView.NAS,
        coa=coa,
        coa_byte_cap=coa_byte_cap,
        class_echo=True,
    )


def nas(name: NasId = NAS, *, can: Capabilities = CAN, site: str = "kilimani", zone: str = "Africa/Nairobi") -> Nas:
    return Nas(id=name, site=Site(id=site, zone=zone), family=Family.MIKROTIK, capabilities=can)


DAY_WINDOW = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)
FIRST_LOGIN_DAY = Window(WindowStart.FIRST_LOGIN, 1, PeriodUnit.DAY)


def day_terms(name: str = "day.3", window: Window = DAY_WINDOW, **others: object) -> Terms:
    return Terms(id=name, window=window, **others)  # type: ignore[arg-type]  # literal keywords of the struct


class Catalogue(dict[str, Terms]):
    """Terms by id, as a decision is handed them."""

    def __init__(self, *terms: Terms) -> None:
        super().__init__({one.id: one for one in terms})


def world(
    now: int,
    terms: Mapping[str, Terms],
    *,
    boots: Mapping[NasId, int] | None = None,
    heard_until: int | None = None,
) -> World:
    return World(now, terms.__getitem__, boots or {}, lambda _: now if heard_until is None else heard_until)


def right(name: str = "right001", terms: str = "day.3", *, starts_at: int = T0, ends_at: int = T0 + DAY_S) -> Right:
    return Right(name, terms, granted_at=T0, starts_at=starts_at, ends_at=ends_at)


def subscriber(*rights: Right, sessions: list[Session] | None = None) -> Subscriber:
    return Subscriber(
        id=SubscriberId("abcdefghijklmnop"),
        credential=Credential(SecretKind.CODE),
        created_at=T0,
        rights=list(rights),
        sessions=sessions or [],
    )


def ask(
    device: MacAddress = PHONE,
    reservation: str = "res0000001",
    *,
    service: Service = Service.HOTSPOT,
    acct_session_id: str = "81c00001",
) -> Ask:
    return Ask(device, device, service, acct_session_id, ReservationId(reservation))


def live(
    device: MacAddress = PHONE,
    reservation: str = "res0000001",
    *,
    state: SessionState = SessionState.OPEN,
    at: int = T0,
    right_id: str = "right001",
    leases: list[Lease] | None = None,
    on: NasId = NAS,
    acct_session_id: str = "81c00001",
    ends_at: int = T0 + DAY_S,
) -> Session:
    return Session(
        reservation=ReservationId(reservation),
        nas=on,
        device=device,
        state=state,
        opened_at=at,
        last_at=at,
        ends_at=ends_at,
        right=right_id,
        acct_session_id=acct_session_id,
        leases=leases if leases is not None else [Lease(right_id, 100 * MIB, -1)],
        interim_s=300,
    )


def packet(
    kind: Kind,
    at: int,
    in_bytes: int | None = None,
    out_bytes: int | None = None,
    time_s: int | None = None,
    *,
    reservation: str = "res0000001",
    device: MacAddress = PHONE,
    on: NasId = NAS,
    acct_session_id: str = "81c00001",
    stamped: bool = True,
    cause: str = "",
    gigawords: bool = False,
) -> Event:
    return Event(
        kind=kind,
        nas=on,
        acct_session_id=acct_session_id,
        device=device,
        mac=device,
        reservation=ReservationId(reservation),
        at=at,
        stamped=stamped,
        in_bytes=in_bytes,
        out_bytes=out_bytes,
        time_s=time_s,
        cause=cause,
        user_name="0712345678",
        gigawords=gigawords,
    )
