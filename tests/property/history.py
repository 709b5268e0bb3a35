"""What a router truly counted and what it said of it: histories to be permuted, repeated and lost.

Knows nothing of how the product counts. A `Said` is one packet with the truth at its instant beside it, so that an
auditor can recompute totals the dumb way.
"""

from typing import NamedTuple

from hypothesis import strategies as st

from radius.domain.session import Event, Kind
from tests.unit.domain.builders import T0, packet

WRAP = 1 << 32


class Said(NamedTuple):
    """One packet, and what had truly been used (bytes in and out, seconds) when it was made."""

    event: Event
    true_in: int
    true_out: int
    true_s: int


class Router(NamedTuple):
    """How this router reports. `restarts`: it may lose counters and session time in mid-session."""

    gigawords: bool
    stamps: bool  # every packet has a believable Event-Timestamp
    echoes_class: bool
    timed: bool  # every packet has Acct-Session-Time
    resets: bool = False
    restarts: bool = False
    late_s_max: int = 200


@st.composite
def plain(draw: st.DrawFn) -> tuple[Router, list[Said]]:
    """Counters that never wrap nor turn; stamps, session times and counters may be missing here and there."""
    echoes_class = draw(st.booleans())
    router = Router(
        gigawords=draw(st.booleans()),
        stamps=draw(st.booleans()),
        echoes_class=echoes_class,
        timed=not echoes_class or draw(st.booleans()),
    )
    return router, _walk(draw, router, step_bytes_max=WRAP // 40, complete=draw(st.booleans()))


@st.composite
def turning(draw: st.DrawFn) -> tuple[Router, list[Said]]:
    """Counters that wrap (32 bit), are reset while session time goes on (64 bit), or restart with session time."""
    gigawords = draw(st.booleans())
    restarts = draw(st.booleans())
    router = Router(
        gigawords=gigawords,
        stamps=restarts or draw(st.booleans()),
        echoes_class=True,
        timed=draw(st.booleans()),
        resets=gigawords,
        restarts=restarts,
    )
    big = draw(st.sampled_from([1000, WRAP // 2, WRAP - 1]))
    return router, _walk(draw, router, step_bytes_max=big, complete=draw(st.booleans()))


def _walk(draw: st.DrawFn, router: Router, step_bytes_max: int, *, complete: bool) -> list[Said]:
    amounts = st.integers(0, step_bytes_max)
    at = begun = T0
    raw_in = raw_out = true_in = true_out = counted_before_s = 0
    said = [_say(draw, router, Kind.START, at, (0, 0), 0, complete=complete, true=(0, 0, 0))]
    steps = draw(st.integers(1, 8))
    for step in range(steps):
        if router.resets and draw(st.integers(0, 3)) == 0:
            raw_in = raw_out = 0
        if router.restarts and draw(st.integers(0, 3)) == 0:
            counted_before_s += at - begun
            at += draw(st.integers(0, 1500))
            begun, raw_in, raw_out = at, 0, 0
        at += draw(st.one_of(st.integers(1, 12), st.integers(1, 900)))
        used_in, used_out = draw(amounts), draw(amounts)
        raw_in, raw_out, true_in, true_out = (
            raw_in + used_in,
            raw_out + used_out,
            true_in + used_in,
            true_out + used_out,
        )
        kind = Kind.STOP if step == steps - 1 and draw(st.booleans()) else Kind.INTERIM
        modulus = WRAP if not router.gigawords else 1 << 64
        true = (true_in, true_out, counted_before_s + at - begun)
        raw = (raw_in % modulus, raw_out % modulus)
        said.append(_say(draw, router, kind, at, raw, at - begun, complete=complete, true=true))
    return said


def _say(
    draw: st.DrawFn,
    router: Router,
    kind: Kind,
    at: int,
    raw: tuple[int, int],
    time_s: int,
    *,
    complete: bool,
    true: tuple[int, int, int],
) -> Said:
    stamped = router.stamps or draw(st.booleans())
    counters = kind is not Kind.START and (complete or draw(st.integers(0, 5)) > 0)
    timed = router.timed or draw(st.integers(0, 3)) > 0
    if kind is Kind.START:
        timed = draw(st.booleans())
    said_at = at + draw(st.integers(0, 2)) if stamped else at + draw(st.integers(0, router.late_s_max))
    event = packet(
        kind,
        said_at,
        raw[0] if counters else None,
        raw[1] if counters else None,
        time_s if timed else None,
        reservation="res0000001" if router.echoes_class else "",
        stamped=stamped,
    )
    return Said(event, *true)


def received(said: list[Said]) -> st.SearchStrategy[list[Said]]:
    """Any order, any loss, any repetition."""
    return st.lists(st.sampled_from(said), min_size=1, max_size=2 * len(said))
