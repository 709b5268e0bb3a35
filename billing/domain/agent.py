"""Who sells for us and has our money in hand: agents with a float, and the tills of sellers."""

import re
from typing import ClassVar

import msgspec

from billing.domain.journal import AccountKind
from billing.domain.ledger import package_code
from billing.domain.money import BASIS_POINTS_ALL
from billing.domain.thing import Thing
from radius.domain.errors import Malformed

AGENT_ACCOUNTS = frozenset({AccountKind.FLOAT, AccountKind.COMMISSION})  # each is of one agent
AGENTS_MAX = 5_000  # their names are one item of the store, far below its 400 KB
ALL_PACKAGES = ""  # key of the commission for packages that are not named

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)


class Agent(Thing, frozen=True, omit_defaults=True):
    """An agent. `float_cents` (negative: credit that we gave) and `earned_cents` are what the journals say.

    `commission`: basis points by package code. `ceiling_most_cents` is the highest ceiling there ever was.
    """

    KIND: ClassVar[str] = "A"

    id: str
    commission: dict[str, int]
    ceiling_cents: int = 0
    ceiling_most_cents: int = 0
    float_cents: int = 0
    earned_cents: int = 0

    @property
    def name(self) -> str:
        """The id."""
        return self.id

    def basis_points(self, package: str) -> int:
        """Commission of a version of a package."""
        return self.commission.get(package_code(package), self.commission.get(ALL_PACKAGES, 0))


def check_agent(agent: Agent) -> Agent:
    """Return an agent that may sell; raises Malformed naming field and fix."""
    check_seller("agent", agent.id)
    if any(not 0 <= points <= BASIS_POINTS_ALL for points in agent.commission.values()):
        raise Malformed("commission", f"must be 0 to {BASIS_POINTS_ALL} basis points")
    if agent.ceiling_cents < 0 or agent.float_cents + agent.ceiling_cents < 0:
        raise Malformed("ceiling_cents", f"must be at least {max(0, -agent.float_cents)}: that much is taken already")
    return agent


def check_seller(field: str, name: str) -> str:
    """The name of a seller or an agent as it stands in accounts; raises Malformed."""
    if not _ID.fullmatch(name):
        raise Malformed(field, "must be 1 to 32 letters, digits, dots, dashes or underscores")
    return name


class AgentRoll(Thing, frozen=True, omit_defaults=True):
    """Who the agents are: no walk over the table finds them."""

    KIND: ClassVar[str] = "AL"

    agents: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """There is one."""
        return "all"


def enrolled(roll: AgentRoll, agent: str) -> AgentRoll:
    """The roll with an agent in it; raises Malformed where it is full."""
    if len(roll.agents) >= AGENTS_MAX:
        raise Malformed("agent", f"there are {AGENTS_MAX} already")
    return AgentRoll(tuple(sorted({*roll.agents, agent})))


class Closed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last close of a till: what makes the same close, asked for again, one close. `into`: an account's text."""

    at: int
    day: str
    booked_cents: int
    counted_cents: int
    handed_in_cents: int
    into: str
    key: str = ""

    @property
    def count(self) -> tuple[int, int, str]:
        """What somebody counted and handed in."""
        return self.counted_cents, self.handed_in_cents, self.into


class Till(Thing, frozen=True, omit_defaults=True):
    """A seller's cash after the last close: `in_hand_cents` went on, and `seen_cents` of `day` were counted in.

    What is booked for `day` afterwards belongs to the next close, which reads that day again. `closes` counts them.
    """

    KIND: ClassVar[str] = "H"

    seller: str
    day: str
    seen_cents: int = 0
    in_hand_cents: int = 0
    closes: int = 0
    last: Closed | None = None

    @property
    def name(self) -> str:
        """The seller."""
        return self.seller


def after_close(till: Till, seen_cents: int, closed: Closed) -> Till:
    """The till after a close."""
    left = closed.counted_cents - closed.handed_in_cents
    return msgspec.structs.replace(
        till, day=closed.day, seen_cents=seen_cents, in_hand_cents=left, closes=till.closes + 1, last=closed
    )


def closed_before(till: Till, wanted: Closed) -> Closed | None:
    """The last close, if it is the wanted one asked for again: of the same key, or alike and nothing was booked since.

    Raises Malformed for the key of another count.
    """
    last = till.last
    if last is None:
        return None
    if wanted.key and wanted.key == last.key:
        if wanted.count != last.count:
            raise Malformed("key", "is that of another count: the day was closed by it already")
        return last
    alike = (last.day, last.count) == (wanted.day, wanted.count)
    return last if alike and wanted.booked_cents == till.in_hand_cents else None
