"""Guessing is slowed without becoming a weapon: limits in the memory of one node, looked at before the store.

The limits (GCRA, the generic cell rate algorithm of ITU-T I.371: one instant a key says everything):

- an unknown name counts against its (NAS, device), so that one phone cannot try names in a row;
- an unknown code-shaped name counts against its NAS too, because a guesser changes MAC addresses at will. This limit
  refuses only names that this node does not know: a customer who was here before is never refused for a neighbour;
- unknown phones and devices (MAC authentication: the name is the caller's own MAC) are no guess at a code and count
  against a far higher limit of the NAS, which only keeps a flood away from the store;
- a wrong secret of a known name counts per (name, device) and per name. A remembered device, one that proved the secret
  before, is exempt from the latter: strangers cannot lock a customer out.

What fills a table does not empty a hot cell. Every limit has a table of its own, of bounded size. When one is full, the
cell nearest to full credit goes, be it the newcomer. To push out a cell that carries n failures, an attacker must hold
a whole table of others that carry as many: `TABLE_ENTRIES_MAX` x n failures in the time in which n drain away. Cells of
a NAS are one per configured router, never pushed out. (NAS, device) fills through names unknown at that NAS, which the
NAS's own limits slow; (name, device) through wrong secrets, slowed per name; names by 20 wrong secrets an hour for each
of 65,536 customers. A newcomer to a table of hotter cells is not counted there, and its second limit still holds. The
alternative, one cell that all newcomers share, would let the same attacker refuse everybody.

A failure is counted when it is known, not when it is asked for, so that a power cut's rush of right names at a node
that has just started costs nobody anything. What was in flight beyond the limit is owed: sustained rates hold.

Time is monotonic milliseconds: a wall clock that is set would open or lock everything.
"""

from enum import StrEnum
from heapq import heapify, heappop, heappush
from math import inf
from threading import Lock
from typing import NamedTuple

from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, NameKind, NasId, Username

TABLE_ENTRIES_MAX = 65_536  # some 15 MB when full; more devices than a node's routers see failing in an hour
CODES_A_MINUTE = 10  # unknown codes at one NAS, sustained: more than customers mistype, 5.3 million a year
CODES_BURST = 60  # a full house that mistypes when the power is back
IN_FLIGHT_MAX = 256  # guesses that may pass the check before the first of them has failed: one per hook instance
YEAR_MINUTES = 525_600
YEAR_HITS_ONE_IN = 10  # a code length is refused if a live code is hit within a year with more than 1/10 probability
CODE_CHARS_MAX = 64  # beyond any use; ends the search for a safe length


class Shape(StrEnum):
    """What an unknown name would be a guess at."""

    CODE = "code"  # a code, an account name, somebody else's device: to know it may be enough
    PHONE = "phone"  # its secret is asked next
    OWN_DEVICE = "own_device"  # the caller's own MAC address: asked for by the router, not by a person


def shape_of(name: Username, device: MacAddress | None) -> Shape:
    """The shape of a name that came from `device`."""
    if name.kind is NameKind.PHONE:
        return Shape.PHONE
    return Shape.OWN_DEVICE if name.kind is NameKind.MAC and name.normal == device else Shape.CODE


class LimitName(StrEnum):
    """Which limit refused: a metric dimension and a log field."""

    DEVICE_UNKNOWN = "device_unknown"
    NAS_CODES = "nas_codes"
    NAS_OTHER = "nas_other"
    WRONG_DEVICE = "wrong_device"
    WRONG_NAME = "wrong_name"


class Limit(NamedTuple):
    """One failure is forgiven every `interval_ms`, `burst` may come at once, up to `owed_max` more are remembered."""

    interval_ms: int
    burst: int
    owed_max: int = IN_FLIGHT_MAX


LIMITS = {
    LimitName.DEVICE_UNKNOWN: Limit(30_000, burst=10, owed_max=10),
    LimitName.NAS_CODES: Limit(60_000 // CODES_A_MINUTE, burst=CODES_BURST),
    # 600 a minute: a stadium's phones arriving, and still far below what the store bears.
    LimitName.NAS_OTHER: Limit(100, burst=2_000),
    # Owes little: whoever takes on a customer's MAC must not shut the true device out for hours.
    LimitName.WRONG_DEVICE: Limit(120_000, burst=6, owed_max=6),
    LimitName.WRONG_NAME: Limit(180_000, burst=20),
}


class Verdict(NamedTuple):
    """Allowed, or the whole seconds to wait and the limit that says so."""

    allowed: bool
    wait_s: int = 0
    limit: StrEnum | None = None


ALLOWED = Verdict(allowed=True)

Key = tuple[str, ...]


class Table:
    """The GCRA cells of one limit, at most `entries_max`. Reading needs no lock; `Guard` holds one while writing.

    A cell is the instant at which its credit will be full again; a key without a cell has full credit.
    """

    def __init__(self, name: StrEnum, limit: Limit, entries_max: int = TABLE_ENTRIES_MAX) -> None:
        self.name = name
        self._interval_ms = limit.interval_ms
        self._spendable_ms = limit.interval_ms * (limit.burst - 1)
        self._ahead_ms_max = limit.interval_ms * (limit.burst + limit.owed_max)
        self._entries_max = entries_max
        self._cells: dict[Key, int] = {}
        self._order: list[tuple[int, Key]] = []  # heap of all cells by instant, and of outdated entries
        self.refused = 0  # verdicts, for the metrics; a thread may overwrite another's

    def __len__(self) -> int:
        return len(self._cells)

    def check(self, now_ms: int, key: Key) -> Verdict:
        """Whether one more try is allowed. No failure is counted."""
        full_at = self._cells.get(key)
        if full_at is None or full_at - now_ms <= self._spendable_ms:
            return ALLOWED
        self.refused += 1
        return Verdict(allowed=False, wait_s=-(-(full_at - self._spendable_ms - now_ms) // 1000), limit=self.name)

    def spend(self, now_ms: int, key: Key) -> None:
        """Count one failure."""
        full_at = max(self._cells.get(key, now_ms), now_ms) + self._interval_ms
        full_at = min(full_at, now_ms + self._ahead_ms_max)
        self._cells[key] = full_at
        heappush(self._order, (full_at, key))
        self._trim(now_ms)

    def clear(self, key: Key) -> None:
        """Give a key its full credit back."""
        self._cells.pop(key, None)

    def _trim(self, now_ms: int) -> None:
        """Drop cells with full credit, then those nearest to it while there are too many."""
        order, cells = self._order, self._cells
        while order and (order[0][0] <= now_ms or len(cells) > self._entries_max):
            full_at, key = heappop(order)
            if cells.get(key) == full_at:
                del cells[key]
        if len(order) > 2 * self._entries_max:
            self._order = [(full_at, key) for key, full_at in cells.items()]
            heapify(self._order)


class Guard:
    """All limits of one node. Threads may share it.

    `now_ms` is monotonic; `name_key` is what names a subscriber here (an alias, hashed or not); `device` is the
    caller's MAC, or what stands for it.
    """

    def __init__(self, entries_max: int = TABLE_ENTRIES_MAX, limits: dict[LimitName, Limit] = LIMITS) -> None:
        self._lock = Lock()
        self._device_unknown, self._nas_codes, self._nas_other, self._wrong_device, self._wrong_name = (
            Table(name, limits[name], entries_max) for name in LimitName
        )

    def check(
        self,
        now_ms: int,
        nas: NasId,
        name_key: str,
        device: str,
        *,
        shape: Shape,
        known_to_node: bool,
        remembered: bool | None,
    ) -> Verdict:
        """Ask before the store. Changes nothing.

        `known_to_node`: this node knows a subscriber by that name. `remembered`: the device is one of theirs; None if
        the subscriber is not at hand, and then `check_name` is due after the read.
        """
        if not known_to_node:
            verdict = self._check_unknown(now_ms, nas, device, shape)
            if not verdict.allowed:
                return verdict
        if self._wrong_device:
            verdict = self._wrong_device.check(now_ms, (name_key, device))
            if not verdict.allowed:
                return verdict
        return ALLOWED if remembered is None else self.check_name(now_ms, name_key, remembered=remembered)

    def check_name(self, now_ms: int, name_key: str, *, remembered: bool) -> Verdict:
        """The limit of the name alone, which a remembered device is exempt from."""
        if remembered or not self._wrong_name:
            return ALLOWED
        return self._wrong_name.check(now_ms, (name_key,))

    def _check_unknown(self, now_ms: int, nas: NasId, device: str, shape: Shape) -> Verdict:
        if shape is not Shape.OWN_DEVICE and self._device_unknown:
            verdict = self._device_unknown.check(now_ms, (nas, device))
            if not verdict.allowed:
                return verdict
        table = self._nas_codes if shape is Shape.CODE else self._nas_other
        return table.check(now_ms, (nas,)) if table else ALLOWED

    def failed(
        self,
        now_ms: int,
        nas: NasId,
        name_key: str,
        device: str,
        *,
        shape: Shape,
        unknown: bool,
        remembered: bool = False,
    ) -> None:
        """Count a refusal: the store knows no such name (`unknown`), or the secret was wrong.

        What a remembered device gets wrong is held by its own limit and does not count against others of the name.
        """
        with self._lock:
            if not unknown:
                self._wrong_device.spend(now_ms, (name_key, device))
                if not remembered:
                    self._wrong_name.spend(now_ms, (name_key,))
                return
            if shape is not Shape.OWN_DEVICE:
                self._device_unknown.spend(now_ms, (nas, device))
            (self._nas_codes if shape is Shape.CODE else self._nas_other).spend(now_ms, (nas,))

    def succeeded(self, name_key: str, device: str) -> None:
        """Forget what this device got wrong about this name: it has proved the secret."""
        if self._wrong_device:
            with self._lock:
                self._wrong_device.clear((name_key, device))

    def tables(self) -> tuple[Table, ...]:
        """One a limit, for the metrics."""
        return self._device_unknown, self._nas_codes, self._nas_other, self._wrong_device, self._wrong_name


class Odds(NamedTuple):
    """What these limits leave to a guesser who never stops: a live code is hit in a year with at most 1/`one_in`."""

    guesses_a_year: int
    hits_a_year: float
    one_in: float


def guess_odds(alphabet_size: int, length: int, live_codes: int, nas_count: int, node_count: int = 1) -> Odds:
    """Odds of guessing any of `live_codes` random codes of `length` characters.

    `live_codes`: all that are unused and valid at these routers, not only a new batch. `nas_count`: the routers at
    which they are valid, each of which may be tried at once. `node_count`: RADIUS nodes a router may ask; each counts
    for itself. Hits are expected hits, which are never less than the probability of one.
    """
    guesses = (CODES_A_MINUTE * YEAR_MINUTES + CODES_BURST) * nas_count * node_count
    space = alphabet_size**length
    hits = guesses * live_codes
    return Odds(guesses, hits / space, space / hits if hits else inf)


def check_code_length(alphabet_size: int, length: int, live_codes: int, nas_count: int, node_count: int = 1) -> Odds:
    """The odds of codes that are long enough; raises Malformed with the odds in words for those that are not.

    The rule: a guesser who uses every router without pause for a year hits a live code with a probability of at most
    1/`YEAR_HITS_ONE_IN`.
    """
    if alphabet_size < 2:
        raise Malformed("code alphabet", "must have at least 2 characters")
    if not 1 <= length <= CODE_CHARS_MAX:
        raise Malformed("code length", f"must be 1 to {CODE_CHARS_MAX} characters")
    odds = guess_odds(alphabet_size, length, live_codes, nas_count, node_count)
    if odds.one_in >= YEAR_HITS_ONE_IN:
        return odds
    enough = length
    while guess_odds(alphabet_size, enough, live_codes, nas_count, node_count).one_in < YEAR_HITS_ONE_IN:
        enough += 1
    raise Malformed(
        "code length",
        f"{length} characters out of {alphabet_size} are too few: whoever keeps trying at {_routers(nas_count)} "
        f"({odds.guesses_a_year:,} guesses a year) would hit one of {live_codes:,} live codes {_in_words(odds)}; "
        f"use at least {enough}",
    )


def _routers(count: int) -> str:
    return "1 router" if count == 1 else f"{count:,} routers"


def _in_words(odds: Odds) -> str:
    if odds.hits_a_year >= 1:
        return f"about {odds.hits_a_year:,.0f} times a year"
    return f"within a year with a probability of up to 1 in {odds.one_in:.1f}"
