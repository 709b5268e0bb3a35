"""What `doctor` says of a relay, which keeps M-Pesa's calls for this box: it is asked from here, by its public name."""

from collections.abc import Iterator

from billing.cli.finding import Finding, unwell, well
from billing.cli.frame import Frame
from billing.cli.show import span, when
from billing.relay.fetch import RelayState, open_relay
from billing.relay.road import Road
from radius.domain.errors import Unavailable

CHECK = "callbacks"
ASKED_S_MAX = 60  # the worker of selling asks every ten seconds or so
WAITING_S_MAX = 120


def relayed(frame: Frame, told: Road, base: str) -> Iterator[Finding]:
    """Whether the relay that the settings name is whole, and the one that M-Pesa calls at `base`."""
    relay = open_relay(told, frame.settings, lambda _: None)
    if relay is None:
        return
    try:
        yield from _state(told, base, relay.state(), frame.now)
    except Unavailable as away:
        yield unwell(CHECK, f"relay {told.name} at {told.url}: {away}", "Start it, look at its proxy and its token.")
    finally:
        relay.close()


def _state(told: Road, base: str, state: RelayState, now: int) -> Iterator[Finding]:
    text = f"relay {told.name} at {told.url}"
    if base != told.url:
        yield unwell(CHECK, f"{text}, and M-Pesa is told to call {base}", f"MPESA_CALLBACK_BASE={told.url}")
    if now - state.asked_at > ASKED_S_MAX:
        last = f"since {when(state.asked_at)}" if state.asked_at else "since the relay was started"
        yield unwell(CHECK, f"{text}: this box asked for nothing {last}", "Start the worker of selling: billing run")
    elif state.oldest_at and now - state.oldest_at > WAITING_S_MAX:
        old = span(now - state.oldest_at)
        yield unwell(CHECK, f"{text}: {state.waiting} calls wait, for up to {old}", "Does this box's portal answer?")
    else:
        yield well(CHECK, f"{text}: this box asks it, and {state.waiting} calls wait")
