"""While the store is away: one short small lease per subscriber and outage, and when an outage is over."""

from threading import Lock
from typing import NamedTuple

import msgspec

from radius.domain.identity import SubscriberId
from radius.domain.limits import Limits
from radius.services.cache import BoundedMap

NAMES_MAX = 100_000  # one small lease per subscriber and outage is remembered for this many
PRESENT_S = 1.0  # a store that took a decision so short a time ago is slow, not away: a router asks again in 0.3-5 s
REST_S = 60  # a store that fails and answers by turns is one outage until it has been well for this long


class Degrade(NamedTuple):
    """What a customer whom this node knows gets while the store is away, once an outage (DESIGN invariant 7).

    `copy_s_max`: a copy older than this says nothing about what is left.
    """

    copy_s_max: int = 86_400
    session_s: int = 600
    lease_bytes: int = 50 << 20


class Outage:
    """Who has had a lease since the store went away. Threads may share it; instants are monotonic seconds."""

    def __init__(self, policy: Degrade) -> None:
        self.policy = policy
        self._had: BoundedMap[SubscriberId, bool] = BoundedMap(NAMES_MAX)
        self._lock = Lock()
        self._committed_at = float("-inf")  # the store took a decision of ours
        self._failed_at = float("-inf")  # ... or did not

    def committed(self, now: float) -> None:
        """The store is there."""
        self._committed_at = now

    def take(self, subscriber: SubscriberId, now: float) -> bool:
        """Take the one lease of this outage; False if the subscriber has had it, or if the store is there."""
        if now - self._committed_at < PRESENT_S:
            return False
        with self._lock:
            if self._failed_at < self._committed_at and now - self._failed_at >= REST_S:
                self._had.clear()
            self._failed_at = now
            had = self._had.get(subscriber) is not None
            self._had.put(subscriber, value=True)
        return not had

    def small(self, limits: Limits, now: int) -> Limits:
        """No more than the policy's lease; `now` is UTC seconds."""
        session_s = min(limits.session_s, self.policy.session_s)
        total_bytes = min(limits.total_bytes or self.policy.lease_bytes, self.policy.lease_bytes)
        return msgspec.structs.replace(limits, session_s=session_s, ends_at=now + session_s, total_bytes=total_bytes)
