"""What a decision may know besides the subscriber: handed in, never looked up."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from radius.domain.identity import NasId
from radius.domain.terms import Terms

LAPSE_S = 120  # an Accept that no Start followed keeps its slot and lease this long
SILENCE_INTERIMS = 3  # missed interims after which a session is closed
SILENCE_GRACE_S = 60  # jitter of routers' timers and one round of retransmissions
END_GRACE_S = 300  # after Session-Timeout: a Stop may still be on its way through a router's retry queue
LATE_END_S = 30  # evidence this long after the granted end proves that the router did not end it
KEEP_CLOSED_S = 7200  # a closed session stays in the aggregate for late packets
CLOSED_KEPT_MAX = 16  # ... but of a device at the edge of the signal, which logs in every few seconds, not all do
SESSIONS_MAX = 1_250  # of every kind, at some 290 bytes each: an item ends at 400 KB (DynamoDB, service limits)
LIVE_MAX = 1_100  # of them reserved or open, on all rights of an account together
FILE_AFTER_S = 120  # when a worker looks for a final record that did not follow at once
SILENCE_VISIT_S = 1800  # how often a worker looks at a healthy session; slots of silent ones free themselves when read
HELD_BACK_S = 300  # ... or at one that it may not end yet: a spool waits, or a node is down
SESSION_S_MAX = 7 * 86_400  # an Accept that enforcement can still cut
SESSION_S_MAX_UNREACHABLE = 86_400  # an Accept nobody can take back
SESSION_S_MAX_UNHEEDED = 1800  # ... where the router did not obey the last time
UNHEEDED_S = 7 * 86_400  # how long that is held against it, for the subscriber concerned
LEASE_FLOOR_BYTES = 16 << 20  # least share of a shared right worth logging in with
LEASE_FLOOR_S = 300
LINE_BPS_DEFAULT = 20_000_000  # both directions together, what one device is thought to reach where no rate holds it
RENEW_PERCENT = 80  # used share of a lease at which it is renewed where the router can change its cap


class World(NamedTuple):
    """`heard_until(nas)`: the instant up to which all that this router said has been counted (spools drained)."""

    now: int
    terms: Callable[[str], Terms]
    boots: Mapping[NasId, int]
    heard_until: Callable[[NasId], int]
