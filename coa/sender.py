"""Sends requests from one thread of its own; any thread may hand them over.

    sender = Sender()
    answer = sender.ask(das, request).result()
    sender.close()

`done` is called in the sender's thread and must be quick; where the request is refused at once, in the caller's.
"""

import os
import random as chance
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from coa import codec
from coa.codec import Request
from coa.das import Das
from coa.exchange import SOCKETS_MAX, Counters, Exchange
from coa.lane import Ticket
from coa.outcome import Answer, Reason, Refused
from coa.pace import Pace, Random
from radius.domain.errors import Malformed

OPEN_MAX = 65_536  # requests without an answer, here and on the wire: some 100 MB


class Sender:
    """Starts its thread when made; `close` ends it. Not a daemon: whoever makes one closes it."""

    def __init__(
        self,
        pace: Pace | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Random = chance.random,
        sockets_max: int = SOCKETS_MAX,
    ) -> None:
        self._exchange = Exchange(pace or Pace(), clock=clock, wall=wall, random=random, sockets_max=sockets_max)
        self._inbox: deque[Ticket] = deque()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._exchange.watch(self._bell)
        self._asleep = False
        self._bell_lock = threading.Lock()
        self._clock = clock
        self._close_at = 0.0
        self._closing = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="coa-sender")
        self._thread.start()

    @property
    def counters(self) -> Counters:
        """Live; read only."""
        return self._exchange.counters

    def send(self, das: Das, request: Request, done: Callable[[Answer], None]) -> Ticket:
        """Send `request`; `done` is called once with what became of it."""
        body, refused = b"", self._full()
        if refused is None:
            try:
                body = codec.encode(request)
            except Malformed as malformed:
                refused = Refused(Reason.MALFORMED, malformed.field, malformed.fix)
        ticket = Ticket(das, request.code, body, done)
        if refused is not None:
            ticket.answer = refused
            done(refused)
            return ticket
        self._inbox.append(ticket)
        if self._ended:  # closed in between: either the thread's last look has seen it, or it is ours
            self._turn_away()
        elif self._asleep:
            self._ring()
        return ticket

    def ask(self, das: Das, request: Request) -> Future[Answer]:
        """The same with a future."""
        future: Future[Answer] = Future()
        self.send(das, request, future.set_result)
        return future

    @staticmethod
    def cancel(ticket: Ticket) -> None:
        """Transmit it no more. Not sent yet: the answer is CANCELLED. Else its answer is still waited for a moment."""
        ticket.cancelled = True

    def close(self, grace_s: float = 0.0) -> None:
        """End the thread. What is open gets its answer first: its router's, within that time; else CANCELLED or Silent.

        Nothing new is taken on.
        """
        self._close_at = self._clock() + grace_s
        self._closing = True
        self._ring()
        self._thread.join()
        with self._bell_lock:
            if self._bell >= 0:
                os.close(self._bell)
            self._bell = -1

    def _full(self) -> Refused | None:
        if self._closing:
            return Refused(Reason.CANCELLED, detail="the sender is closed")
        if len(self._inbox) + self._exchange.open >= OPEN_MAX:
            return Refused(Reason.BUSY, detail="too many requests")
        return None

    def _ring(self) -> None:
        with self._bell_lock:  # its number may be another file's once it is closed
            if self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        exchange, inbox = self._exchange, self._inbox
        try:
            while not self._closing or self._graced():
                # Asleep first, then a last look: a ticket that comes in between rings.
                self._asleep = True
                rung = exchange.turn(0.0 if inbox else self._rest_s())
                self._asleep = False
                if rung:
                    os.eventfd_read(self._bell)
                for _ in range(len(inbox)):
                    exchange.submit(inbox[0])
                    inbox.popleft()
        finally:  # after a fault of ours too, nobody waits for ever
            self._closing = self._ended = True
            exchange.close()
            self._turn_away()

    def _graced(self) -> bool:
        return bool(self._exchange.open or self._inbox) and self._clock() < self._close_at

    def _rest_s(self) -> float:
        rest_s = self._exchange.next_s()
        return min(rest_s, self._close_at - self._clock()) if self._closing else rest_s

    def _turn_away(self) -> None:
        while self._inbox:
            try:
                ticket = self._inbox.popleft()
            except IndexError:
                return  # another thread was faster
            if ticket.answer is None:
                ticket.answer = Refused(Reason.CANCELLED, detail="the sender is closed")
                ticket.done(ticket.answer)
