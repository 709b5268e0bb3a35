"""What one seed makes of the world: routers and how they lie, packages, customers, and how bad the network is."""

from random import Random
from typing import NamedTuple

from radius.domain.clock import RELEASE_AT
from radius.domain.nas import Family
from radius.domain.terms import ExtraDevice, PeriodUnit, Rate, Terms, Window, WindowStart

T0 = RELEASE_AT + 100 * 86_400 + 70_200  # 19:30 UTC
MIDNIGHT = T0 + 5_400  # in Nairobi: the evening's quota periods turn
HOUR = 3600
EVENING_S = 3 * HOUR  # how long customers come and go
AFTER_S = 16 * HOUR  # then nobody comes any more: longer than any package lives, so that everything must end
MIB = 1 << 20
ROUTER_SILENCE_S = 30  # a router has not answered, as `coa.exchange` sees it
BAD_IN_A_ROW_MAX = 3  # of one session; then its router does as it is told: only so can a bound be stated
SEND_S = 10  # between two polls of the senders

FAMILIES: tuple[tuple[Family, dict[str, str | bool]], ...] = (
    (Family.MIKROTIK, {}),
    (Family.USPOT, {}),
    (Family.COOVA, {}),
    (Family.WISPR, {"acct_gigawords": False, "coa": "none"}),
    (Family.UNIFI, {}),
    (Family.MIKROTIK, {"class_echo": False, "byte_cap": False}),
)


class RouterPlan(NamedTuple):
    """One router. `clock_s`: how far its clock is off; None: it sends no Event-Timestamp."""

    name: str
    family: Family
    overrides: dict[str, str | bool]
    clock_s: int | None
    reuses_ids: bool
    says_on: bool  # Accounting-On after a reboot
    tries: int
    keeps_time: bool = True  # False: it serves on after the Session-Timeout


class Badness(NamedTuple):
    """Chances per packet or per request."""

    lost: float
    answer_lost: float
    twice: float
    late: float
    store_before: float
    store_after: float
    interleaved: float


class Plan(NamedTuple):
    """Everything that a seed decides beforehand."""

    routers: tuple[RouterPlan, ...]
    terms: tuple[Terms, ...]
    customers: int
    devices_each: int
    badness: Badness
    atomic: bool  # whether aggregate and records travel in one transaction
    rudeness: float  # that a router does not do as a request says
    deaths: float  # of a sender, at each step
    worst_instants: float  # that a payment comes while a request is on its way


def draw(random: Random) -> Plan:
    """The world of a seed."""
    return Plan(
        routers=tuple(draw_router(random, number) for number in range(random.randint(1, 4))),
        terms=tuple(_terms(random, number) for number in range(random.randint(2, 4))),
        customers=random.randint(2, 6),
        devices_each=random.randint(1, 4),
        badness=_badness(random),
        atomic=random.random() < 0.5,
        rudeness=random.choice([0.0, 0.3, 0.8]),
        deaths=random.choice([0.0, 0.02, 0.1]),
        worst_instants=random.choice([0.0, 0.2, 0.5]),
    )


def draw_router(random: Random, number: int) -> RouterPlan:
    """A router of any family, with its own ways."""
    family, overrides = random.choice(FAMILIES)
    return RouterPlan(
        name=f"router-{number}",
        family=family,
        overrides=overrides,
        clock_s=random.choice([0, 0, 0, 2, -3, None, -40 * 365 * 86_400, 3 * HOUR]),
        reuses_ids=random.random() < 0.3,
        says_on=random.random() < 0.6,
        tries=random.randint(1, 4),
        keeps_time=random.random() < 0.8 or family is Family.UNIFI or "coa" in overrides,
    )


def _terms(random: Random, number: int) -> Terms:
    slow = Rate(256_000, 256_000) if random.random() < 0.2 else None
    return Terms(
        id=f"pack{number}.1",
        window=Window(random.choice(list(WindowStart)), random.randint(1, 6) * HOUR, PeriodUnit.SECOND),
        quota_bytes=random.choice([None, 30 * MIB, 200 * MIB, 3000 * MIB, 12_000 * MIB]),
        quota_s=random.choice([None, None, 40 * 60, 2 * HOUR]),
        devices=random.choice([1, 1, 2, 3]),
        extra_device=random.choice(list(ExtraDevice)),
        period=PeriodUnit.DAY if random.random() < 0.25 else None,
        slow_rate=slow,
        interim_s=random.choice([60, 120, 300]),
    )


def _badness(random: Random) -> Badness:
    if random.random() < 0.15:
        return Badness(0, 0, 0, 0, 0, 0, 0)
    store = random.choice([0.0, 0.0, 0.02, 0.1])
    return Badness(
        lost=random.choice([0, 0.02, 0.2]),
        answer_lost=random.choice([0, 0.02, 0.2]),
        twice=random.choice([0, 0.05, 0.2]),
        late=random.choice([0, 0.05, 0.2]),
        store_before=store,
        store_after=store * random.random(),
        interleaved=random.choice([0, 0.1, 0.5]),
    )
