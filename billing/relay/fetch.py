"""The box's side: asks its relay what came, hands each call to its own portal, and says what is done.

The portal's doors take a call once however often it is given, so one that was handed over and not yet said to be done
does no harm. A portal that is away, or says that its store is, leaves the call where it is.
"""

from collections.abc import Callable

import httpx
import msgspec

from billing.relay.kept import Call
from billing.relay.road import Road, read_token
from billing.relay.server import DONE, NEXT, STATE, WAIT_S_MAX
from radius.domain.errors import Unavailable
from radius.domain.shapes import decoder
from radius.settings import Settings

ANSWER_S = 5.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - to find who listens there
_LATER = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})


class RelayState(msgspec.Struct, frozen=True):
    """What a relay says of itself: calls that wait, since when, and when the box last asked (UTC seconds, 0: none)."""

    waiting: int
    oldest_at: int
    asked_at: int


class Relay:
    """One relay and one portal. `token` is shown to the relay only; `tell` hears when it falls silent, and after."""

    def __init__(self, url: str, token: str, portal: str, tell: Callable[[str], None]) -> None:
        self._relay = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_S)
        self._portal = httpx.Client(base_url=portal, timeout=ANSWER_S)
        self._tell = tell
        self._silent = False

    def work(self, _: int) -> bool:
        """One round: waits some seconds for calls, hands them over; whether there may be more."""
        try:
            answer = self._relay.get(NEXT, timeout=WAIT_S_MAX + ANSWER_S).raise_for_status()
            calls = decoder(dict[str, Call]).decode(answer.content)
            done = [name for name, call in sorted(calls.items()) if self._taken(call)]
            if done:
                self._relay.post(DONE, content=msgspec.json.encode(done)).raise_for_status()
        except (httpx.HTTPError, msgspec.MsgspecError) as silent:
            if not self._silent:
                self._tell(f"Relay does not answer ({type(silent).__name__})")
            self._silent = True
            return False
        if self._silent:
            self._tell("Relay answers again")
        self._silent = False
        return len(done) == len(calls)

    def _taken(self, call: Call) -> bool:
        """Whether the portal has it, or does not want it."""
        headers = {"Content-Type": call.kind, "X-Forwarded-For": call.address}
        try:
            status = self._portal.post(call.path, content=call.body, headers=headers).status_code
        except httpx.HTTPError:
            return False
        return status < httpx.codes.INTERNAL_SERVER_ERROR and status not in _LATER

    def state(self) -> RelayState:
        """Ask the relay how it is. Raises Unavailable with what is wrong."""
        try:
            answer = self._relay.get(STATE)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise Unavailable("it does not know this box's token")
            return decoder(RelayState).decode(answer.raise_for_status().content)
        except (httpx.HTTPError, msgspec.MsgspecError) as silent:
            raise Unavailable(f"it does not answer: {silent}") from None

    def close(self) -> None:
        """Let go of its connections."""
        self._relay.close()
        self._portal.close()


def open_relay(road: Road, settings: Settings, tell: Callable[[str], None]) -> Relay | None:
    """The relay that the settings name; None for the direct road. Raises Malformed for a token that is not there."""
    if road.url is None or road.token_ref is None:
        return None
    bind = _ANY.get(settings.portal_bind, settings.portal_bind)
    return Relay(road.url, read_token(road.token_ref), f"http://{bind}:{settings.portal_port}", tell)
