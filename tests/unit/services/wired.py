"""The services of one node over the memory store, with clocks that a test moves. Real keys, no sockets, no sleep."""

from collections.abc import Mapping
from itertools import count

import msgspec

from radius.domain import subscriber as aggregate
from radius.domain.guessing import Guard
from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_username
from radius.domain.nas import Family, Router, Site
from radius.domain.record import SessionRecord
from radius.domain.request import AccessRequest, AccountingRequest, Chap, Method, Status, Tunnel
from radius.domain.spill import Shard
from radius.domain.subscriber import Subscriber
from radius.domain.terms import Service, Terms
from radius.domain.world import World
from radius.ports import Change, Outcome
from radius.rlm import vendors
from radius.secrets import KeyRing
from radius.services.access import Access, Granted, HandOver, Tools
from radius.services.accounting import Accounting, Counted
from radius.services.desk import MARKS, Desk
from radius.services.directory import Directory
from radius.services.names import NameBook
from radius.services.outage import Degrade
from radius.services.provision import Provision, Stores
from radius.services.sweep import News, Sweep
from radius.services.terms import TermsBook
from radius.store.memory import MemoryStore
from radius.wiring import Vault
from tests.unit.domain.builders import LAPTOP, NAS, PHONE, T0, day_terms

SECRET = "a-shared-secret-of-a-router"
PASSWORD = "karibu"
NUMBER = "0712345678"
ROUTER = Router(NAS, "kilimani", Family.MIKROTIK, ("10.8.0.2",))
SITE = Site("kilimani")
DEADLINE_S = 0.5


class Node:
    """One node. `store` may be shared with another; `now` is the wall clock, `monotonic_s` the other one."""

    def __init__(self, store: MemoryStore | None = None, news: News | None = None, name: str = "a") -> None:
        self.now = T0
        self.monotonic_s = 1000.0
        self.store = store or MemoryStore(clock=lambda: self.monotonic_s)
        self.ids = (f"{name}{number:015d}" for number in count(1))
        self.keys = KeyRing(bytes(range(32)))
        vault = Vault(self.keys)
        self.desk: Desk[Subscriber] = Desk(self.store, self.new_id, self.monotonic, 1000, lambda: self.now)
        self.marks: Desk[Shard] = Desk(self.store, self.new_id, self.monotonic, 1000, codec=MARKS)
        self.names = NameBook(self.store, self.keys.alias_key, self.monotonic, 1000, 30)
        self.directory = Directory(self.store, self.store, self.keys.unseal, vendors.capabilities_of, self.monotonic)
        self.terms = TermsBook(self.store, self.monotonic, DEADLINE_S)
        self.guard = Guard()
        tools = Tools(vault, self.guard, self.terms, self.monotonic, self.new_id)
        self.access = Access(self.desk, self.names, self.directory, tools, DEADLINE_S, degrade=Degrade())
        self.accounting = Accounting(
            self.desk, self.marks, self.names, self.directory, self.store, self.store, self.world
        )
        self.sweep = Sweep(
            self.desk, self.marks, self.store, self.store, self.directory, self.world, self.monotonic, DEADLINE_S, news
        )
        self.rung: list[SubscriberId] = []
        stores = Stores(self.store, self.store, self.store, self.store)
        self.provision = Provision(
            stores,
            self.desk,
            self.names,
            vault,
            self.terms,
            self.new_id,
            lambda: self.deadline,
            vendors.capabilities_of,
            self.rung.append,
        )
        if store is None:
            self.provision.site(SITE)
            self.provision.router(ROUTER, SECRET)
        self.directory.refresh(T0, self.deadline)

    def new_id(self) -> str:
        return next(self.ids)

    def monotonic(self) -> float:
        return self.monotonic_s

    def world(self, now: int) -> World:
        return World(now, self.terms, self.directory.boots, lambda nas: self.directory.heard_until(nas, now))

    @property
    def deadline(self) -> float:
        return self.monotonic_s + DEADLINE_S

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.monotonic_s += seconds

    # -- what is there -----------------------------------------------------------------------------------------

    def customer(self, *names: str, terms: Terms | None = None, hashed: bool = False) -> SubscriberId:
        """A customer with a right under `terms`."""
        found = self.provision.customer(names or (NUMBER,), PASSWORD, self.now, hashed=hashed)
        self.grant(found, terms or day_terms(quota_bytes=100 << 20))
        return found

    def grant(self, subscriber: SubscriberId, terms: Terms, right_id: str = "right001") -> None:
        self.provision.terms(terms)
        assert self.provision.grant(subscriber, terms.id, self.now, right_id)

    def home(self, subscriber: SubscriberId) -> Subscriber:
        """The aggregate as stored."""
        stored = self.store.read(subscriber, self.deadline)
        assert stored is not None
        return aggregate.decode(stored.body)

    def version(self, subscriber: SubscriberId) -> int:
        stored = self.store.read(subscriber, self.deadline)
        assert stored is not None
        return stored.version

    def meddle(self, subscriber: SubscriberId, **fields: object) -> None:
        """Another writer changes the aggregate."""
        stored = self.store.read(subscriber, self.deadline)
        assert stored is not None
        home = aggregate.decode(stored.body)
        for name, value in fields.items():
            setattr(home, name, value)
        change = Change(subscriber, stored.version + 1, self.new_id(), aggregate.encode(home), stored.due_at)
        assert self.store.commit(change, self.deadline) is Outcome.COMMITTED

    def requests(self) -> list[str]:
        """A list that grows with every request to the store from now on."""
        asked: list[str] = []

        def note(method: str) -> bool:
            asked.append(method)
            return False

        self.store.faults.before = note
        return asked

    def records(self) -> list[SessionRecord]:
        return list(self.store._state.records.values())

    # -- a customer at the door --------------------------------------------------------------------------------

    def log_in(self, request: AccessRequest) -> Granted:
        """All hooks in order, with the right secret."""
        handed = self.access.authorize(request)
        assert isinstance(handed, HandOver), handed
        granted = self.access.post_auth(msgspec.structs.replace(request, token=handed.token), self.now)
        assert isinstance(granted, Granted), granted
        return granted

    def account(self, request: AccountingRequest) -> Counted:
        return self.accounting.account(request, self.now, self.deadline)


def access_request(
    name: str = NUMBER,
    password: str | None = PASSWORD,
    *,
    method: Method = Method.PAP,
    mac: MacAddress | None = PHONE,
    chap: Chap | None = None,
    router: str = NAS,
    message_authenticator: bool = True,
    tunnel: Tunnel = Tunnel.NONE,
    service: Service = Service.HOTSPOT,
    acct_session_id: str = "81c00001",
) -> AccessRequest:
    return AccessRequest(
        username=parse_username(name, mac),
        mac=mac,
        device=mac or "x0123456789ab",
        service=service,
        method=method,
        password=password if method is Method.PAP else None,
        chap=chap,
        router=NasId(router),
        pair=None,
        source="10.8.0.2",
        nas_identifier="",
        nas_ip="",
        nas_port_id="",
        nas_port_type="",
        called_station="",
        ssid="",
        framed_ip="",
        acct_session_id=acct_session_id,
        message_authenticator=message_authenticator,
        tunnel=tunnel,
        token="",
        escaped=False,
    )


def accounting_request(
    status: Status,
    at: int,
    used: tuple[int | None, int | None] = (None, None),
    time_s: int | None = None,
    **fields: object,
) -> AccountingRequest:
    """A packet that its router stamped with `at`. `fields` replace what is not said."""
    plain: Mapping[str, object] = {
        "router": NAS,
        "source": "10.8.0.2",
        "acct_session_id": "81c00001",
        "user_name": NUMBER,
        "mac": PHONE,
        "device": PHONE,
        "class_of": None,
        "gigawords": True,
        "delay_s": None,
        "event_timestamp": at,
        "original_at": None,
        "cause": "",
        "framed_ip": "10.5.0.7",
        "nas_ip": "10.8.0.2",
        "nas_identifier": "",
    }
    values = {**plain, "status": status, "in_bytes": used[0], "out_bytes": used[1], "time_s": time_s, **fields}
    return AccountingRequest(**values)  # type: ignore[arg-type]  # the fields of the struct by name


def second_device(request: AccessRequest) -> AccessRequest:
    return msgspec.structs.replace(request, mac=LAPTOP, device=LAPTOP, acct_session_id="81c00002")
