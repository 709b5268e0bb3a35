"""What waits for one router and what is known of it."""

from collections import deque

from coa.breaker import Breaker
from coa.lane import Lane, Ticket
from coa.pace import Random
from coa.source_ports import Ports

IN_FLIGHT_MAX = 64  # a small router's receive buffer holds some 200 datagrams; more in flight would be lost there
QUEUE_MAX = 1024  # per router; who has more keeps it, decided anew when there is room
PORTS_MAX = 4096  # 1,048,576 requests to one router in a replay window: 3,495 a second for ever, or at once


class Line:
    """One router's queue. `lane` is where the next request goes out; spent lanes only wait for their answers."""

    __slots__ = ("breaker", "in_flight", "key", "lane", "ports", "queue")

    def __init__(self, key: tuple[str, int, str], random: Random) -> None:
        self.key = key
        self.queue: deque[Ticket] = deque()
        self.in_flight = 0
        self.breaker = Breaker(random)
        self.lane: Lane | None = None
        self.ports = Ports()

    def forgettable(self, now: float) -> bool:
        """It may be dropped: no port is barred and nothing is held against it."""
        self.ports.forget(now)
        return not self.queue and self.in_flight == 0 and len(self.ports) == 0 and self.breaker.idle
