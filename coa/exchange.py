"""The loop's work: many requests to many routers at once, each router for itself. One thread; `turn` is one step.

What holds: the same bytes and port on a retransmission; at most 256 requests a source port, each with an identifier of
its own; a bounded number in flight and in the queue of a router; a router that is silent, or a peer that floods us,
costs the others nothing. Everything that is kept has a limit with a name.
"""

import heapq
import select
import sys
import threading
from collections.abc import Callable
from itertools import count

import msgspec

from coa import codec
from coa.codec import Fault, Reply
from coa.das import Das
from coa.lane import SHORT_OF, Lane, Ticket, open_lane, refusal
from coa.line import IN_FLIGHT_MAX, PORTS_MAX, QUEUE_MAX, Line
from coa.outcome import Acked, Answer, Nak, Reason, Refused, Silent
from coa.pace import Pace, Random

SOCKETS_MAX = 4096  # routers beyond that wait for one that is through; a process must be allowed as many files
LINES_MAX = 16_384  # routers remembered: a few kilobytes each
QUEUE_S_MAX = 10.0  # what was decided must not lie longer: it is asked for again and decided anew
QUIET_S = 60.0  # a socket unused for this long is closed
TICK_S = 1.0  # housekeeping
EVENTS_MAX = 256  # sockets served in one turn
DATAGRAMS_MAX = 64  # read from one socket in one turn, so that none holds up the others
JUNK_MAX = 256  # datagrams that are no answer, from one router's socket in one tick; then it is deaf until the next


class Counters(msgspec.Struct):
    """What happened since the start. Faults are datagrams that were ignored, by why."""

    sent: int = 0  # first transmissions
    resent: int = 0
    acked: int = 0
    naked: int = 0
    silent: int = 0
    refused: int = 0
    malformed: int = 0
    foreign: int = 0
    forged: int = 0
    unsigned: int = 0
    unreachable: int = 0  # ICMP errors
    muted: int = 0  # floods stopped


class Exchange:
    """`clock` is monotonic, `wall` gives the seconds of Event-Timestamp, `random` is uniform in [0, 1)."""

    def __init__(
        self, pace: Pace, *, clock: Callable[[], float], wall: Callable[[], float], random: Random,
        sockets_max: int = SOCKETS_MAX,
    ) -> None:  # fmt: skip
        self.counters = Counters()
        self.open = 0  # tickets without an answer
        self._pace, self._clock, self._wall, self._random = pace, clock, wall, random
        self._sockets_max = sockets_max
        self._epoll = select.epoll()
        self._lines: dict[tuple[str, int, str], Line] = {}
        self._lanes: dict[int, Lane] = {}
        self._idle: dict[Lane, None] = {}  # nothing under way, longest first
        self._starved: dict[Line, None] = {}  # in the order in which they came to need a socket or a port
        self._short = False  # of sockets: idle ones are given up at once
        self._timers: list[tuple[float, int, Ticket]] = []  # those of answered tickets stay until they are due
        self._order = count()  # tells timers of one instant apart
        self._tick_at = clock() + TICK_S

    # -- what others ask -----------------------------------------------------------------------------------------

    def watch(self, descriptor: int) -> None:
        """End a turn early when this descriptor becomes readable."""
        self._epoll.register(descriptor, select.EPOLLIN)

    def submit(self, ticket: Ticket) -> None:
        """Take a request on; its answer comes through `ticket.done`, perhaps before this returns."""
        self.open += 1
        now = self._clock()
        line = self._lines.get(ticket.das.key)
        if line is None and len(self._lines) < LINES_MAX:
            line = self._lines[ticket.das.key] = Line(ticket.das.key, self._random)
        if line is None or len(line.queue) >= QUEUE_MAX:
            self._finish(ticket, Refused(Reason.BUSY, detail="too many requests wait, or too many routers"))
            return
        line.queue.append(ticket)
        self._pump(line, now)
        if ticket.answer is None and ticket.tries == 0:
            self._remind(ticket, now + QUEUE_S_MAX)

    def turn(self, wait_s: float) -> bool:
        """Wait for something to do, at most `wait_s`, and do it. True if a watched descriptor is readable."""
        rung = False
        for descriptor, _ in self._epoll.poll(max(wait_s, 0.0), EVENTS_MAX):
            lane = self._lanes.get(descriptor)
            if lane is not None:
                self._hear(lane)
            else:
                rung = True
        now = self._clock()
        while self._timers and self._timers[0][0] <= now:
            due_at, _, ticket = heapq.heappop(self._timers)
            if ticket.answer is None and ticket.due_at == due_at:
                self._due(ticket, now)
        if now >= self._tick_at:
            self._tick(now)
        return rung

    def next_s(self) -> float:
        """How long nothing is due."""
        due_at = min(self._timers[0][0], self._tick_at) if self._timers else self._tick_at
        return max(due_at - self._clock(), 0.0)

    def close(self) -> None:
        """Answer everything that is open and give all sockets back."""
        now = self._clock()
        for line in self._lines.values():
            while line.queue:
                self._finish(line.queue.popleft(), Refused(Reason.CANCELLED))
        for lane in list(self._lanes.values()):
            for ticket in list(lane.waiting.values()):
                self._give_up(lane, ticket, now)
            lane.socket.close()
        self._lanes.clear()
        self._epoll.close()

    # -- out -----------------------------------------------------------------------------------------------------

    def _pump(self, line: Line, now: float) -> None:
        """Send what may be sent to this router now."""
        while line.queue and line.in_flight < IN_FLIGHT_MAX:
            ticket = line.queue[0]
            if ticket.answer is not None or ticket.cancelled:
                line.queue.popleft()
                self._finish(ticket, Refused(Reason.CANCELLED))
                continue
            if not line.breaker.admit(now):
                self._drain(line, Refused(Reason.DOWN, retry_after_s=line.breaker.retry_after_s(now)))
                return
            lane = line.lane or self._open(line, ticket.das, now)
            if lane is None:
                line.breaker.withdrawn()
                return
            line.queue.popleft()
            self._transmit_first(line, lane, ticket, now)

    def _drain(self, line: Line, answer: Answer) -> None:
        while line.queue:
            self._finish(line.queue.popleft(), answer)

    def _open(self, line: Line, das: Das, now: float) -> Lane | None:
        """A lane for this router; None when it must wait for one, or will never get one and its queue was answered."""
        line.ports.forget(now)
        if len(line.ports) >= PORTS_MAX:
            self._starved[line] = None
            return None
        if len(self._lanes) >= self._sockets_max and self._idle:
            self._close(next(iter(self._idle)), now)
        lane, full = None, len(self._lanes) >= self._sockets_max
        try:
            lane = None if full else open_lane(das, line.ports)
        except (OSError, ValueError) as refused:
            full = isinstance(refused, OSError) and refused.errno in SHORT_OF
            if not full:
                self._drain(line, refusal(refused))
                return None
        if lane is None:
            self._short = self._short or full
            self._starved[line] = None
            return None
        line.ports.opened(lane.port)
        line.lane = self._lanes[lane.socket.fileno()] = lane
        self._epoll.register(lane.socket.fileno(), select.EPOLLIN)
        return lane

    def _transmit_first(self, line: Line, lane: Lane, ticket: Ticket, now: float) -> None:
        das = ticket.das
        self._idle.pop(lane, None)
        ticket.lane, ticket.identifier = lane, lane.issue(ticket)
        ticket.packet = codec.sign(
            ticket.code,
            ticket.identifier,
            ticket.body,
            das.secret,
            message_authenticator=das.message_authenticator,
            event_timestamp=int(self._wall()) if das.event_timestamp else None,
        )
        if lane.spent:
            line.lane = None
        line.in_flight += 1
        ticket.began_at = now
        ticket.wait_s = self._pace.first(self._random)
        refused = lane.send(ticket.packet)
        if refused is not None:
            line.breaker.withdrawn()
            self._settle(lane, ticket, refused)
            return
        self.counters.sent += 1
        self._transmitted(ticket, now)

    def _transmitted(self, ticket: Ticket, now: float) -> None:
        ticket.tries += 1
        ticket.sent_at = now
        self._remind(ticket, min(now + ticket.wait_s, ticket.began_at + self._pace.total_s_max))

    def _remind(self, ticket: Ticket, due_at: float) -> None:
        ticket.due_at = due_at
        heapq.heappush(self._timers, (due_at, next(self._order), ticket))

    def _due(self, ticket: Ticket, now: float) -> None:
        if ticket.tries == 0:  # its place in the queue is skipped later
            busy = Refused(Reason.BUSY, detail="it waited too long to be sent")
            self._finish(ticket, Refused(Reason.CANCELLED) if ticket.cancelled else busy)
            return
        lane = ticket.lane
        assert lane is not None  # it was sent
        over = ticket.tries >= self._pace.tries_max or now >= ticket.began_at + self._pace.total_s_max
        if over or ticket.cancelled:
            self._give_up(lane, ticket, now)
            return
        lane.send(ticket.packet)
        self.counters.resent += 1
        ticket.wait_s = self._pace.after(ticket.wait_s, self._random)
        self._transmitted(ticket, now)

    # -- in ------------------------------------------------------------------------------------------------------

    def _hear(self, lane: Lane) -> None:
        for _ in range(DATAGRAMS_MAX):
            try:
                data = lane.receive()
            except OSError as refused:
                self._unreachable(lane, closed=isinstance(refused, ConnectionRefusedError))
                continue
            if data is None:
                return
            self._judge(lane, data)
            if lane.muted or lane.socket.fileno() < 0:
                return

    def _unreachable(self, lane: Lane, *, closed: bool) -> None:
        """ICMP can be forged and routers reboot: it is noted, and the tries go on."""
        self.counters.unreachable += 1
        if closed:
            for ticket in lane.waiting.values():
                ticket.closed = True

    def _judge(self, lane: Lane, data: bytes) -> None:
        ticket = lane.waiting.get(data[1]) if len(data) > 1 else None
        if ticket is None:
            self._ignore(lane, Fault.FOREIGN if len(data) >= codec.HEADER_BYTES else Fault.MALFORMED)
            return
        reply = codec.read(
            data, ticket.packet, ticket.das.secret, message_authenticator_required=ticket.das.reply_signed
        )
        if isinstance(reply, Fault):
            ticket.ignored += 1
            self._ignore(lane, reply)
        else:
            self._answered(lane, ticket, reply)

    def _ignore(self, lane: Lane, fault: Fault) -> None:
        setattr(self.counters, fault.value, getattr(self.counters, fault.value) + 1)
        lane.junk += 1
        if lane.junk >= JUNK_MAX and not lane.muted:
            # Unread, the rest of the flood fills the kernel's buffer and costs nobody anything.
            lane.muted = True
            self.counters.muted += 1
            self._epoll.unregister(lane.socket.fileno())

    def _answered(self, lane: Lane, ticket: Ticket, reply: Reply) -> None:
        now = self._clock()
        line = self._lines[lane.key]
        line.breaker.answered()
        took_s = now - ticket.sent_at
        answer: Answer
        if reply.acked:
            self.counters.acked += 1
            answer = Acked(ticket.tries, took_s, reply.error_cause)
        else:
            self.counters.naked += 1
            answer = Nak(ticket.tries, took_s, reply.error_cause, reply.hints, reply.text)
        self._settle(lane, ticket, answer)
        self._pump(line, now)

    # -- over ----------------------------------------------------------------------------------------------------

    def _give_up(self, lane: Lane, ticket: Ticket, now: float) -> None:
        line = self._lines[lane.key]
        if ticket.cancelled:
            line.breaker.withdrawn()
            down = False
        else:
            down = line.breaker.unanswered(now)
        self.counters.silent += 1
        self._settle(lane, ticket, Silent(ticket.tries, now - ticket.began_at, ticket.closed, ticket.ignored))
        if down:
            self._drain(line, Refused(Reason.DOWN, retry_after_s=line.breaker.retry_after_s(now)))
        self._pump(line, now)

    def _settle(self, lane: Lane, ticket: Ticket, answer: Answer) -> None:
        """Take a request off its lane, which is closed when it is spent or when others wait for a socket."""
        del lane.waiting[ticket.identifier]
        self._lines[lane.key].in_flight -= 1
        if not lane.waiting:
            lane.idle_since = self._clock()
            self._idle[lane] = None
            if lane.spent or self._short:
                self._close(lane, lane.idle_since)
        self._finish(ticket, answer)

    def _finish(self, ticket: Ticket, answer: Answer) -> None:
        if ticket.answer is not None:
            return
        ticket.answer = answer
        self.open -= 1
        if isinstance(answer, Refused):
            self.counters.refused += 1
        try:
            ticket.done(answer)
        except Exception:  # noqa: BLE001 - whatever the caller's code does, the other routers' requests go on
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    # -- housekeeping --------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        self._tick_at = now + TICK_S
        for descriptor, lane in self._lanes.items():
            lane.junk = 0
            if lane.muted:
                lane.muted = False
                self._epoll.register(descriptor, select.EPOLLIN)
        while self._idle and now - (longest := next(iter(self._idle))).idle_since >= QUIET_S:
            self._close(longest, now)
        for key in [key for key, line in self._lines.items() if line.forgettable(now)]:
            del self._lines[key]
        self._feed(now)

    def _close(self, lane: Lane, now: float) -> None:
        descriptor = lane.socket.fileno()
        if not lane.muted:
            self._epoll.unregister(descriptor)
        del self._lanes[descriptor]
        self._idle.pop(lane, None)
        lane.socket.close()
        line = self._lines[lane.key]
        line.ports.closed(lane.port, now)
        if line.lane is lane:
            line.lane = None
        if self._short:
            self._tick_at = now  # there is a socket again

    def _feed(self, now: float) -> None:
        """Let those go on that waited for a socket or a port."""
        waiting, self._starved, self._short = self._starved, {}, False
        for line in waiting:
            self._pump(line, now)
