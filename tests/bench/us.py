"""The product as a subject: real hooks, real configuration, subscribers made by the product's own services.

Each of the bench's customers has 1 TB and a year of time to use within 30 days on two devices at 2 / 4 Mbit/s: a
decision with every quota in it, and none that ends while the bench runs. The store grows beyond that by fillers:
copies of a customer whom real packets have brought online, under other names (`bulk`).
"""

import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from radius.domain import subscriber as aggregate
from radius.domain.identity import (
    MacAddress,
    NasId,
    ReservationId,
    SubscriberId,
    class_value,
    parse_mac,
    parse_username,
)
from radius.domain.nas import Family, Router, Site
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Subscriber
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import Change
from radius.store import keys, records
from tests.bench import bulk, engines, packets
from tests.bench.backoffice import Backoffice
from tests.bench.packets import Customer
from tests.bench.processes import BenchError, free_port
from tests.bench.product import instances_at, product_server, write_settings
from tests.bench.radiusd import SECRET, Server
from tests.bench.subjects import Store, Templates

FILLER_FIRST = 1_000_000  # the number of the first filler customer; the measured ones count from 0
IN_FLIGHT = {0: 64, 5: 256, 80: 256}  # more than 270 at once overflow the server's default socket buffer
SIGNATURE = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}  # the engine checks none
WITHOUT_STORE = (  # a hook that fails sends its accounting packet to the spool too
    "wifibilling_spooled_packets_total",
    "wifibilling_degraded_accepts_total",
    "wifibilling_hook_errors_total",
)
COPIES_MIN = 50_000  # aggregates a node remembers by default, some 2 KB each
HISTORY_S = 86_400  # closed sessions of fillers began a day apart
SITE = Site("bench")
ROUTER = Router(NasId(packets.NAS), SITE.id, Family.MIKROTIK, ("127.0.0.1",))
TERMS = Terms(
    "bench.1",
    Window(WindowStart.PURCHASE, 30, PeriodUnit.DAY),
    quota_bytes=10**12,
    quota_s=365 * 86_400,
    rate=Rate(2_000_000, 4_000_000),
    devices=2,
    idle_s=600,
)


@dataclass(frozen=True)
class Filler:
    """What a store holds beside the measured customers.

    `subscribers` more subscribers, every second one online (all of them with `live`); `closed_sessions` records.
    """

    subscribers: int = 0
    closed_sessions: int = 0
    live: bool = False

    def online(self, number: int) -> bool:
        """Whether filler subscriber `number` has a live session."""
        return self.live or number % 2 == 1


@dataclass(frozen=True)
class Ours:
    """The product over the embedded engine."""

    dynoxide: Path
    key: str = "us"
    title: str = "us"
    has_store: bool = True
    filler: Filler = field(default_factory=Filler)

    def filled(self, key: str, title: str, filler: Filler) -> "Ours":
        """The same product over a fuller store."""
        return replace(self, key=key, title=f"us, {title}", filler=filler)

    def in_flight(self, delay_ms: float) -> int:
        return IN_FLIGHT[max(ms for ms in IN_FLIGHT if ms <= delay_ms)]

    # -- store -------------------------------------------------------------------------------------------------

    @contextmanager
    def store(self, folder: Path, customers: Sequence[Customer]) -> Iterator[Store]:
        with ExitStack() as stack:
            engine = stack.enter_context(engines.dynoxide(self.dynoxide, folder))
            with Backoffice(_settings(folder, engine.port)) as office:
                office.open_for_business(SITE, [ROUTER], SECRET, TERMS)
                for customer in customers:
                    office.sell(customer.name, customer.password, TERMS)
            if self.filler == Filler():
                yield Store(engine.port, engine.version, lambda: [engine.pid])
                return
            export = folder / "export"
            self._export(engine.port, folder, export)
        full = folder / "full"
        full.mkdir()
        bulk.import_into(self.dynoxide, export, full / "store.db")
        with engines.dynoxide(self.dynoxide, full) as engine:
            yield Store(engine.port, engine.version, lambda: [engine.pid])

    def _export(self, port: int, folder: Path, export: Path) -> None:
        model, record = self._model(port, folder)
        export.mkdir()
        bulk.dump(port, export)
        with Backoffice(_settings(folder, port)) as office:
            users = self._filler_users(model, office)
            bulk.write_items(export, keys.USERS, "filler", (records.attributes(item) for item in users))
        sessions = (records.attributes(records.record_item(one)) for one in self._filler_records(model, record))
        bulk.write_items(export, keys.SESSIONS, "filler", sessions)

    def _model(self, port: int, folder: Path) -> tuple[Subscriber, SessionRecord]:
        """A customer whom real packets brought online, and the record of the session."""
        customer = Customer(FILLER_FIRST - 1)
        with Backoffice(_settings(folder, port)) as office:
            subscriber = office.sell(customer.name, customer.password, TERMS)
        with self.serve(folder / "model", port, 0) as server:
            bring_online(server, customer, packets.Router())
        return stored(port, subscriber)

    def _filler_users(self, model: Subscriber, office: Backoffice) -> Iterator[records.Item]:
        for number in range(self.filler.subscribers):
            customer = Customer(FILLER_FIRST + number)
            subscriber = filler_id(number)
            alias = parse_username(customer.name, None).alias
            copy = msgspec.structs.replace(
                model,
                id=subscriber,
                credential=office.credential(customer.password, subscriber),
                aliases=[alias],
                sessions=[session_like(model, number)] if self.filler.online(number) else [],
                devices=[mac_of(customer)],
            )
            due_at = copy.sessions[0].ends_at if copy.sessions else 0
            yield records.subscriber_item(Change(subscriber, 1, "filler", aggregate.encode(copy), due_at))
            yield {"pk": keys.alias_key(alias), "s": subscriber}

    def _filler_records(self, model: Subscriber, record: SessionRecord) -> Iterator[SessionRecord]:
        for number in range(self.filler.subscribers):
            if self.filler.online(number):
                session, customer = session_like(model, number), Customer(FILLER_FIRST + number)
                yield msgspec.structs.replace(
                    record,
                    uid=session.uid,
                    subscriber=filler_id(number),
                    acct_session_id=session.acct_session_id,
                    user_name=customer.name,
                    device=session.device,
                    reservation=session.reservation,
                )
        for number in range(self.filler.closed_sessions):
            began = record.started_at - HISTORY_S * (1 + number % 365)
            yield msgspec.structs.replace(
                record, uid=f"{number:020x}", started_at=began, last_at=began + 3600, closed_at=began + 3600, day=""
            )

    # -- server ------------------------------------------------------------------------------------------------

    @contextmanager
    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> Iterator[Server]:
        pool = instances_at(delay_ms)
        with self._product(folder, store_port, pool, "embedded") as server:
            yield server

    @contextmanager
    def serve_metered(self, folder: Path, store_port: int | None) -> Iterator[Server]:
        """As against DynamoDB: single conditional writes, because a transaction costs twice."""
        with self._product(folder, store_port, instances_at(0), "dynamodb") as server:
            yield server

    @contextmanager
    def _product(self, folder: Path, store_port: int | None, pool: int, kind: str) -> Iterator[Server]:
        assert store_port is not None
        folder.mkdir(parents=True, exist_ok=True)
        # the key lies where the store's customers were made
        state = folder / "store" if (folder / "store").is_dir() else folder.parent
        metrics = free_port()
        settings = _settings(
            state, store_port, pool=pool, kind=kind, metrics=metrics, copies=self.filler.subscribers + COPIES_MIN
        )
        with product_server(
            folder, hooks="radius.rlm.hooks", settings=settings, pool_size=pool, metrics_port=metrics, env=SIGNATURE
        ) as server:
            yield server

    def set_aside(self, server: Server) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(WITHOUT_STORE))

    # -- load --------------------------------------------------------------------------------------------------

    def classes(self, server: Server, customers: Sequence[Customer]) -> Sequence[bytes]:
        """Log everyone in once; raises BenchError when one is not accepted."""
        return log_in(server, customers, packets.Router())

    def filler_templates(self, folder: Path, filler: Filler) -> Templates:
        """Logins of filler subscribers without a session, interims of those with one."""
        router = packets.Router()
        folder.mkdir(parents=True, exist_ok=True)
        offline = (n for n in range(filler.subscribers) if not filler.online(n))
        auth = packets.write_templates(
            folder / "filler-auth", (packets.access_request(Customer(FILLER_FIRST + n), router) for n in offline)
        )
        online = (n for n in range(filler.subscribers) if filler.online(n))
        interim = packets.write_templates(
            folder / "filler-interim",
            (
                packets.accounting_request(
                    Customer(FILLER_FIRST + n),
                    router,
                    packets.INTERIM_UPDATE,
                    class_value(filler_id(n), filler_reservation(n)).encode(),
                )
                for n in online
            ),
        )
        return Templates(auth, interim)


def log_in(server: Server, customers: Sequence[Customer], router: packets.Router) -> list[bytes]:
    """The Class of each Accept; raises BenchError when one is not accepted."""
    requests = [packets.access_request(customer, router) for customer in customers]
    out = []
    for customer, answer in zip(
        customers, packets.ask(requests, server.auth_port, server.secret.encode(), source=router.address), strict=True
    ):
        if answer[:1] != bytes((packets.ACCESS_ACCEPT,)):
            raise BenchError(f"customer {customer.index} was not accepted: {answer!r}; {server.log}")
        out.append(next(value for _, code, value in packets.attributes_of(answer) if code == packets.CLASS))
    return out


def bring_online(server: Server, customer: Customer, router: packets.Router) -> None:
    """Log-in, Start and a first report. Raises BenchError when one is not answered."""
    (class_text,) = log_in(server, [customer], router)
    talk = [
        packets.accounting_request(customer, router, status, class_text)
        for status in (packets.START, packets.INTERIM_UPDATE)
    ]
    answers = packets.ask(talk, server.acct_port, server.secret.encode(), source=router.address)
    if not all(answers):
        raise BenchError(f"the model customer's accounting was not answered; {server.log}")


def stored(port: int, subscriber: SubscriberId) -> tuple[Subscriber, SessionRecord]:
    """A subscriber and the record of the one session, as the store has them. Scans: for small stores."""
    client = bulk.dynamodb(port)
    item = client.get_item(TableName=keys.USERS, Key={"pk": {"S": keys.subscriber_key(subscriber)}})["Item"]
    found = client.scan(TableName=keys.SESSIONS)["Items"]
    one = next(item for item in found if item["subscriber"]["S"] == subscriber)
    return aggregate.decode(item["b"]["S"]), records.record_of(records.values(one))


def _settings(
    folder: Path, port: int, *, pool: int = 32, kind: str = "embedded", metrics: int = 0, copies: int = COPIES_MIN
) -> Path:
    """The product's settings file; its folder also holds the data key. `copies`: a node is sized for its sessions."""
    values = {
        "environment": "bench",
        "state_dir": str(folder),
        "store_kind": kind,
        "store_endpoint": f"http://127.0.0.1:{port}",
        "hook_pool_instances": pool,
        "subscriber_cache_entries": copies,
        "store_connections_max": max(64, pool),
        "log_path": str(folder / "packets.log"),
        "metrics_port": metrics,
    }
    return write_settings(folder / (f"serve-{kind}.toml" if metrics else "office.toml"), values)


def filler_id(number: int) -> SubscriberId:
    """Of filler subscriber `number`."""
    return SubscriberId(f"filler{number:010d}")


def filler_reservation(number: int) -> ReservationId:
    """Of their session."""
    return ReservationId(f"r{number:09d}")


def mac_of(customer: Customer) -> MacAddress:
    """Their device."""
    mac = parse_mac(customer.mac)
    assert mac is not None
    return mac


def session_like(model: Subscriber, number: int) -> "aggregate.Session":
    """The model's session, as filler subscriber `number` has one."""
    customer = Customer(FILLER_FIRST + number)
    (session,) = model.sessions
    return msgspec.structs.replace(
        session, reservation=filler_reservation(number), acct_session_id=customer.session_id, device=mac_of(customer)
    )
