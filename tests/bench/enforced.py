"""The whole product on one box for the enforcement bench: engine, FreeRADIUS with its hooks, worker and CoA sender.

Sessions that are to be cut are made in two ways: by real packets (`wire`), or as copies of one that real packets
brought online, each with an intent that is due at one instant: what as many reports after closing time leave behind.
"""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from radius.bell import NAME
from radius.domain import subscriber as aggregate
from radius.domain.identity import NasId
from radius.domain.intent import Intent, IntentReason
from radius.domain.nas import Family, Router, Site
from radius.domain.record import SessionRecord
from radius.domain.subscriber import Subscriber
from radius.domain.terms import DAYS_ALL, MINUTES_A_DAY, Hours, PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import Change
from radius.settings import Settings
from radius.store import keys, records
from tests.bench import bulk, engines, packets
from tests.bench.backoffice import Backoffice
from tests.bench.packets import Customer
from tests.bench.processes import BenchError, Program, free_port
from tests.bench.product import REPOSITORY, product_server, write_settings
from tests.bench.radiusd import SECRET, Server
from tests.bench.told import Told, scrape
from tests.bench.us import FILLER_FIRST, bring_online, filler_id, session_like, stored

POOL = 96  # instances of the hook: as many as the product takes by default
FILL_S, FILL_TIMES = 2, 2  # sessions fall due when they are written: so long after their records, that took their time
SITE = Site("bench")
DAY = Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)
OPEN = Terms("open.1", DAY, rate=Rate(2_000_000, 20_000_000))
MODEL = Customer(FILLER_FIRST - 1)


@dataclass(frozen=True)
class Place:
    """A router of the bench: how it speaks, and what it is registered as."""

    router: packets.Router
    family: Family
    coa_port: int

    @property
    def registered(self) -> Router:
        """As the product knows it."""
        address = self.router.address
        name = NasId(self.router.identifier)
        return Router(name, SITE.id, self.family, (address,), coa_address=address, coa_port=self.coa_port)


@dataclass(frozen=True)
class Stack:
    """A running product. Process ids and ports."""

    store_port: int
    store: int
    radius: Server
    worker: int
    coa: int
    coa_metrics_port: int
    office: Backoffice

    def told(self) -> Told:
        """What the CoA sender says of itself now."""
        return scrape(self.coa_metrics_port)

    def told_by_hooks(self) -> Told:
        """What the hooks in FreeRADIUS say."""
        return scrape(self.radius.metrics_port)


@contextmanager
def running(dynoxide: Path, folder: Path, places: Sequence[Place], *packages: Terms) -> Iterator[Stack]:
    """Everything up, with these routers and packages. Raises BenchError with the log of what did not start."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        engine = stack.enter_context(engines.dynoxide(dynoxide, folder / "engine"))
        ports = {name: free_port() for name in ("metrics_port", "worker_metrics_port", "coa_metrics_port")}
        files = {name: _settings(folder, name, engine.port, ports) for name in ("hooks", "worker", "coa")}
        office = stack.enter_context(Backoffice(files["hooks"]))
        office.open_for_business(SITE, [place.registered for place in places], SECRET, OPEN, *packages)
        server = stack.enter_context(
            product_server(
                folder,
                hooks="radius.rlm.hooks",
                settings=files["hooks"],
                pool_size=POOL,
                metrics_port=ports["metrics_port"],
            )
        )
        office.as_if_swept()
        worker = _start(stack, folder / "worker.out", "radius.worker", files["worker"])
        worker.wait_for_port(ports["worker_metrics_port"])
        coa = _start(stack, folder / "coa.out", "coa", files["coa"], "run")
        coa.wait_for_port(ports["coa_metrics_port"])
        if not (folder / NAME).exists():
            raise BenchError(coa.complaint())
        yield Stack(engine.port, engine.pid, server, worker.pid, coa.pid, ports["coa_metrics_port"], office)


def _start(stack: ExitStack, out: Path, module: str, settings: Path, *command: str) -> Program:
    arguments = [sys.executable, "-P", "-m", module, *command, "--settings", str(settings)]
    program = Program(arguments, out, env={"TZ": "UTC", "PYTHONPATH": str(REPOSITORY)})
    stack.callback(program.stop)
    return program


def _settings(folder: Path, name: str, store_port: int, ports: Mapping[str, int]) -> Path:
    values: dict[str, Any] = {
        "environment": "bench",
        "state_dir": str(folder),
        "spool_dir": str(folder / "radius" / "spool"),
        "store_endpoint": f"http://127.0.0.1:{store_port}",
        "hook_pool_instances": POOL,
        "store_connections_max": max(64, POOL),
        "log_path": str(folder / f"{name}.log"),
        **ports,
    }
    assert values.keys() <= Settings.model_fields.keys()
    return write_settings(folder / f"{name}.toml", values)


# -- sessions that are due -----------------------------------------------------------------------------------------


def closed_now(now: float) -> Terms:
    """A package whose opening hours ended at the site's last full hour and begin again two hours later."""
    hour = datetime.fromtimestamp(now, ZoneInfo(SITE.zone)).hour
    return Terms("closed.1", DAY, hours=(Hours(DAYS_ALL, (hour + 2) % 24 * 60, hour * 60 or MINUTES_A_DAY),))


def model(stack: Stack, place: Place) -> tuple[Subscriber, SessionRecord]:
    """A customer whom real packets brought online there, and the record of the session."""
    subscriber = stack.office.sell(MODEL.name, MODEL.password, OPEN)
    bring_online(stack.radius, MODEL, place.router)
    return stored(stack.store_port, subscriber)


def seed(stack: Stack, places: Sequence[Place], count: int, terms: Terms) -> int:
    """`count` sessions of as many customers round these routers, with an intent each. When all fall due (UTC seconds).

    Numbers 0 and on: `us.filler_id` and the like name them.
    """
    like, record = model(stack, places[0])
    copies = [_copy(like, number, places[number % len(places)], terms) for number in range(count)]
    began = time.monotonic()
    written = (records.record_item(_record(record, copy, number)) for number, copy in enumerate(copies))
    bulk.put(stack.store_port, keys.SESSIONS, map(records.attributes, written))
    due_at = int(time.time() + FILL_S + FILL_TIMES * (time.monotonic() - began))
    bulk.put(stack.store_port, keys.USERS, (records.attributes(_due(copy, due_at)) for copy in copies))
    if time.time() >= due_at:
        raise BenchError("the store took longer to fill than planned: this box is too busy")
    return due_at


def _copy(like: Subscriber, number: int, place: Place, terms: Terms) -> Subscriber:
    session = msgspec.structs.replace(session_like(like, number), nas=NasId(place.router.identifier))
    (right,) = like.rights
    return msgspec.structs.replace(
        like,
        id=filler_id(number),
        aliases=[],
        sessions=[session],
        rights=[msgspec.structs.replace(right, terms=terms.id)],
        devices=[session.device],
    )


def _due(copy: Subscriber, due_at: int) -> records.Item:
    (session,) = copy.sessions
    session.ends_at = due_at
    copy.intents = [Intent(session.uid, IntentReason.ENDED, 1, due_at, due_at=due_at)]
    return records.subscriber_item(Change(copy.id, 1, "seed", aggregate.encode(copy), due_at))


def _record(record: SessionRecord, copy: Subscriber, number: int) -> SessionRecord:
    (session,) = copy.sessions
    return msgspec.structs.replace(
        record,
        uid=session.uid,
        subscriber=copy.id,
        nas=session.nas,
        acct_session_id=session.acct_session_id,
        user_name=Customer(FILLER_FIRST + number).name,
        device=session.device,
        reservation=session.reservation,
    )
