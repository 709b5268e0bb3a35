"""What the bench compares: a subject brings a store, a server and how hard to push it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.bench.packets import (
    INTERIM_UPDATE,
    START,
    Customer,
    Router,
    access_request,
    accounting_request,
    write_templates,
)
from tests.bench.processes import BenchError, Generator
from tests.bench.radiusd import Server

SEED_IN_FLIGHT = 32  # gentle: Starts are no measurement
SEED_TIMEOUT_S = 120.0


def _no_pids() -> list[int]:
    return []


@dataclass(frozen=True)
class Store:
    """A subject's store while it runs. `port` is None for a subject without one."""

    port: int | None = None
    version: str = ""
    pids: Callable[[], list[int]] = field(default=_no_pids)


@dataclass(frozen=True)
class Templates:
    """Files of request templates for one population."""

    auth: Path
    interim: Path


class Subject(Protocol):
    """One line of the table."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def has_store(self) -> bool: ...

    def in_flight(self, delay_ms: float) -> int:
        """Requests in flight that saturate this subject and do not merely queue."""

    def store(self, folder: Path, customers: Sequence[Customer]) -> AbstractContextManager[Store]:
        """Start the store and seed the customers."""

    def serve(self, folder: Path, store_port: int | None, delay_ms: float) -> AbstractContextManager[Server]:
        """Start FreeRADIUS against the store at `store_port` (a delay proxy, maybe)."""

    def serve_metered(self, folder: Path, store_port: int | None) -> AbstractContextManager[Server]:
        """The same for counting capacity: as it would run against DynamoDB itself."""

    def set_aside(self, server: Server) -> int:
        """Answers so far that the store had no part in: spooled accounting, accepts while the store seemed away."""

    def classes(self, server: Server, customers: Sequence[Customer]) -> Sequence[bytes]:
        """The Class each customer's accounting carries (b"" for none), from an Accept where the subject sends one."""


@contextmanager
def no_store() -> Iterator[Store]:
    """The store of a subject that has none."""
    yield Store()


def prepare(
    subject: Subject, server: Server, generator: Generator, folder: Path, customers: Sequence[Customer]
) -> Templates:
    """Write the templates. The first half of the customers logs in, the second half has live sessions that go on.

    A login beside one's own live session would be something else: a device that takes over its own slot. The sessions
    begin with a real Accounting Start each. Raises BenchError when not every Start is answered.
    """
    router = Router()
    folder.mkdir(parents=True, exist_ok=True)
    half = len(customers) // 2
    auth = write_templates(folder / "auth", (access_request(customer, router) for customer in customers[:half]))
    online = customers[half:]
    pairs = list(zip(online, subject.classes(server, online), strict=True))
    start = write_templates(folder / "start", (accounting_request(c, router, START, k) for c, k in pairs))
    interim = write_templates(folder / "interim", (accounting_request(c, router, INTERIM_UPDATE, k) for c, k in pairs))
    began = generator.run(
        start,
        port=server.acct_port,
        secret=server.secret,
        radiusd_pid=server.pid,
        in_flight=SEED_IN_FLIGHT,
        warm_s=0,
        seconds=SEED_TIMEOUT_S,
        requests=len(online),
    )
    if began.answered < len(online):
        raise BenchError(f"{subject.title}: {began.answered} of {len(online)} Starts answered; {server.log}")
    return Templates(auth, interim)
