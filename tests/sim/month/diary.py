"""What happened in a simulated town, as somebody who stood beside it would write it down. No figure is made here.

Instants are UTC seconds. Customers are numbers; nothing of the product is known.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Sale(NamedTuple):
    """`at`: when the money moved; `noted_at`: when we heard of it, and the package began. `lasts_s` of the package."""

    who: int
    at: int
    noted_at: int
    package: str
    cents: int
    way: str
    lasts_s: int
    serial: int


class Back(NamedTuple):
    """Money given back of a sale, or a sale that was unsaid."""

    sale: Sale
    at: int
    cents: int
    unsaid: bool


class TopUp(NamedTuple):
    """Money put on a balance by M-Pesa."""

    who: int
    at: int
    noted_at: int
    cents: int


class Try(NamedTuple):
    """An M-Pesa payment that was begun. `end`: paid, failed or open. `sent`: the prompt went out."""

    who: int
    at: int
    paid_at: int
    end: str
    code: str = ""
    whose: str = ""
    sent: bool = True


class Stay(NamedTuple):
    """A session. `end` 0: goes on. `stopped`: the router said so."""

    who: int
    begin: int
    end: int
    octets: int
    stopped: bool
    site: str
    excess: int = 0


@dataclass
class Diary:
    """All of it, and where everybody lives."""

    home: dict[int, str] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # as the product calls them
    sales: list[Sale] = field(default_factory=list)
    backs: list[Back] = field(default_factory=list)
    top_ups: list[TopUp] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    paper_cents: list[tuple[int, int, int]] = field(default_factory=list)  # who, when, cash for a voucher
