"""How often an address or a phone may ask: GCRA in bounded tables (`radius.domain.guessing`), of one process.

Everybody behind a hotspot has one address, so limits of an address are wide: they keep a flood away, and no more. What
one phone may be made to ring is narrow, whoever asks for it. On Lambda each instance counts for itself.
"""

from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from threading import Lock

from radius.domain.guessing import TABLE_ENTRIES_MAX, Limit, Table

PREFIX_BITS = 64  # what one IPv6 customer has


class Gate(StrEnum):
    """What is counted."""

    REQUESTS = "requests"  # of an address
    PURCHASES = "purchases"  # of an address
    PROMPTS = "prompts"  # of a phone
    RECEIPTS = "receipts"  # M-Pesa codes of a payment
    STRANGERS = "strangers"  # callbacks of an address that nobody waits for


LIMITS = {
    Gate.REQUESTS: Limit(20, burst=500, owed_max=0),  # 50 a second: a hundred pages that wait for their payment
    Gate.PURCHASES: Limit(500, burst=120, owed_max=0),
    Gate.PROMPTS: Limit(240_000, burst=6, owed_max=0),  # a prompt lives a minute; nobody's phone rings all day
    Gate.RECEIPTS: Limit(60_000, burst=5, owed_max=0),  # nobody mistypes more, and none is found by trying
    Gate.STRANGERS: Limit(1_000, burst=100, owed_max=0),
}


class Gates:
    """Threads may share it."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        limits: dict[Gate, Limit] = LIMITS,
        entries_max: int = TABLE_ENTRIES_MAX,
    ) -> None:
        self._monotonic = monotonic
        self._tables = {gate: Table(gate, limit, entries_max) for gate, limit in limits.items()}
        self._lock = Lock()

    def enter(self, gate: Gate, key: str) -> int:
        """Count one; 0, or the seconds to wait, and then it was not counted."""
        with self._lock:
            wait_s = self.wait_s(gate, key)
            if not wait_s:
                self._tables[gate].spend(self._now_ms(), (key,))
            return wait_s

    def wait_s(self, gate: Gate, key: str) -> int:
        """0, or the seconds to wait. Counts nothing."""
        verdict = self._tables[gate].check(self._now_ms(), (key,))
        return 0 if verdict.allowed else verdict.wait_s

    def count(self, gate: Gate, key: str) -> None:
        """Count one, over the limit or not."""
        with self._lock:
            self._tables[gate].spend(self._now_ms(), (key,))

    def _now_ms(self) -> int:
        return int(self._monotonic() * 1000)


def address_key(host: str) -> str:
    """What an address counts as: an IPv6 network is one customer."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(int(address) >> (128 - PREFIX_BITS))
    return host
