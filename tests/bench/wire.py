"""From the report that proves the quota to the Disconnect on the wire, and to the Stop's acknowledgement.

Sessions one by one, through FreeRADIUS, hooks, engine, bell and sender, to a router over UDP that has no byte cap: only
the server's cut ends them. The report comes at the very byte of the quota; until the Disconnect arrives the device goes
on at the line's rate, and the Stop says so: these bytes are over the quota, and the product must count the same.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyrad.packet import Packet

from radius.domain.nas import Family
from radius.domain.terms import Rate, Terms
from tests.bench import packets, table
from tests.bench.enforced import DAY, Place, Stack, running
from tests.bench.packets import Customer
from tests.bench.processes import BenchError
from tests.bench.radiusd import SECRET
from tests.fakes.nas import FakeRouter
from tests.fakes.router_das import FakeDas

LINE_BPS = 20_000_000
QUOTA_BYTES = 10_000_000
SMALL = Terms("small.1", DAY, quota_bytes=QUOTA_BYTES, rate=Rate(2_000_000, LINE_BPS))
PATIENCE_S = 20.0
LOOK_S = 0.0005
WARM = 5  # the first sessions, which load code and open connections, are not counted
COLUMNS = ("from the report sent", "p50 ms", "p99 ms", "max ms")


@dataclass(frozen=True)
class Run:
    """One session; seconds from the report."""

    asked_s: float  # the Disconnect came
    ended_s: float  # the Stop was acknowledged
    over_bytes: int


class Timed(FakeRouter):
    """Remembers when it sent last."""

    sent_at = 0.0

    def _ask(self, packet: Packet, port: int) -> Any:
        self.sent_at = time.monotonic()
        return super()._ask(packet, port)


def measure(dynoxide: Path, folder: Path, sessions: int) -> tuple[list[Run], int]:
    """The runs, and what the product counted as bytes over the quota in them."""
    with FakeDas(SECRET.encode()) as das:
        place = Place(packets.Router("wire", "127.0.0.1"), Family.WISPR, das.port)
        with running(dynoxide, folder, [place], SMALL) as stack:
            router = Timed(
                SECRET.encode(),
                place.router.identifier,
                auth_port=stack.radius.auth_port,
                acct_port=stack.radius.acct_port,
                timeout_s=5.0,
            )
            for number in range(WARM):
                _one(stack, router, das, Customer(number))
            before = stack.told_by_hooks()
            runs = [_one(stack, router, das, Customer(WARM + number)) for number in range(sessions)]
            return runs, int(stack.told_by_hooks().since(before).value("overspend_bytes_total"))


def _one(stack: Stack, router: Timed, das: FakeDas, customer: Customer) -> Run:
    stack.office.sell(customer.name, customer.password, SMALL)
    if not router.login(customer.name, customer.password, customer.mac)[0]:
        raise BenchError(f"{customer.name} was not accepted; {stack.radius.log}")
    session = router.sessions[customer.mac]
    das.add(session.session_id, customer.name)
    router.start(customer.mac)
    router.use(customer.mac, 0, QUOTA_BYTES, 60)
    heard = len(das.heard)
    router.interim(customer.mac)
    sent_at, end = router.sent_at, time.monotonic() + PATIENCE_S
    while session.session_id in das.sessions:
        if time.monotonic() > end:
            raise BenchError(f"no Disconnect within {PATIENCE_S:g} s")
        time.sleep(LOOK_S)
    asked_s = das.heard[heard].at - sent_at
    over_bytes = int(asked_s * LINE_BPS / 8)
    router.use(customer.mac, 0, over_bytes, round(asked_s))
    router.stop(customer.mac, "Admin-Reset")
    return Run(asked_s, time.monotonic() - sent_at, over_bytes)


def report(runs: Sequence[Run], counted_bytes: int, *, markdown: bool) -> str:
    """The table, and the bytes."""
    rows = [
        ["to the Disconnect on the wire", *_three([run.asked_s for run in runs])],
        ["to the acknowledged Stop", *_three([run.ended_s for run in runs])],
    ]
    over = [run.over_bytes for run in runs]
    kilobytes = [f"{table.percentile(over, share) / 1000:,.0f}" for share in (0.5, 0.99)]
    bytes_over = f"{sum(over):,} bytes in all, the product counted {counted_bytes:,}"
    lines = [
        f"{len(runs)} sessions one by one, each cut at a quota of {QUOTA_BYTES / 1e6:g} MB",
        table.render(COLUMNS, rows, markdown=markdown),
        f"at {LINE_BPS / 1e6:g} Mbit/s over the quota: p50 {kilobytes[0]} kB, p99 {kilobytes[1]} kB; {bytes_over}",
    ]
    return "\n".join(lines)


def _three(seconds: Sequence[float]) -> list[str]:
    return [f"{table.percentile(seconds, share) * 1000:.1f}" for share in (0.5, 0.99, 1.0)]
