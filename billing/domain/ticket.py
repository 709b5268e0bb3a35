"""What lets one router fetch its script: a line that is pasted once, and soon.

The line's token stands in the body of requests, never in an address, so it is in no log. The script holds the router's
secret and is handed out once; pages and the router's key follow for as long as the ticket lives. What a stranger sees
is the same for a token that is used, too old or was never there.
"""

from enum import StrEnum
from hashlib import sha256
from typing import ClassVar

import msgspec

from billing.domain.draw import Draw, characters
from billing.domain.thing import Thing

LIFE_S = 3_600  # from the line to a router that is done: a power cycle and a coffee
KEPT_S = 30 * 86_400
TOKEN_CHARS = 32  # 160 bits
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


class TicketState(StrEnum):
    """Where a router is on its way."""

    OPEN = "open"
    FETCHED = "fetched"
    DONE = "done"


class TicketEvent(StrEnum):
    """What a router asks."""

    SCRIPT = "script"
    KEY = "key"
    PAGE = "page"
    DONE = "done"


S, E = TicketState, TicketEvent
TABLE: dict[tuple[TicketState, TicketEvent], TicketState | None] = {
    **{(S.OPEN, event): None for event in E},
    (S.OPEN, E.SCRIPT): S.FETCHED,
    (S.FETCHED, E.SCRIPT): None,  # its secret was handed out: whoever asks again gets a new line
    (S.FETCHED, E.KEY): S.FETCHED,
    (S.FETCHED, E.PAGE): S.FETCHED,
    (S.FETCHED, E.DONE): S.DONE,
    **{(S.DONE, event): None for event in E},
}


class System(StrEnum):
    """What runs on the router."""

    ROUTEROS_7 = "routeros7"
    ROUTEROS_6 = "routeros6"
    OPENWRT = "openwrt"


class Wish(msgspec.Struct, frozen=True, omit_defaults=True):
    """What whoever asked for the line said. Empty: the default. `hosts`: of a log-in page that is kept."""

    system: System = System.ROUTEROS_7
    hotspot: tuple[str, ...] = ()
    pppoe: tuple[str, ...] = ()
    uplink: str = ""
    tunnel: bool = True
    keep: bool = False
    trusted: bool = True
    hotspot_network: str = ""
    pppoe_network: str = ""
    dns_name: str = ""
    garden: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


class Ticket(Thing, frozen=True, omit_defaults=True):
    """A line that was handed out, by the hash of its token. Instants are UTC seconds."""

    KIND: ClassVar[str] = "L"

    digest: str
    router: str
    wish: Wish
    actor: str
    expires_at: int
    state: TicketState = TicketState.OPEN

    @property
    def name(self) -> str:
        """The hash."""
        return self.digest

    def after(self, event: TicketEvent, now: int) -> "Ticket | None":
        """The ticket once this was answered; None: it is not."""
        state = TABLE[self.state, event] if now < self.expires_at else None
        return None if state is None else msgspec.structs.replace(self, state=state)


def new_token(draw: Draw) -> str:
    """Of 160 bits. Raises NoChance."""
    return characters(LETTERS, TOKEN_CHARS, draw)


def digest(token: str) -> str:
    """What is stored of a token: enough chance is in it that a plain hash tells nothing."""
    return sha256(token.encode(errors="replace")).hexdigest()
