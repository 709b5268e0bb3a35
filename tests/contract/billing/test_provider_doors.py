"""Where the provider calls about money paid by hand: registered once, known, and asked about twice without harm."""

import pytest

from billing.domain.doors import DoorState, Registered
from billing.domain.ledger import Reason
from billing.provider import Addresses, Already, Refused, Unknown
from billing.services.doors import NO_INTERFACE, Doors
from tests.contract.billing.town import DyingRows, FakeProvider, Killed, Town
from tests.unit.billing.values import T0, TILL

OURS, NEW = Addresses("https://pay.example", "aa" * 32), Addresses("https://new.example", "bb" * 32)
Reply = Refused | Unknown | Already | None


class Registry(FakeProvider):
    """A provider that takes addresses once; `lost`: replies that do not come, done or not."""

    def __init__(self, doors: Addresses | None = OURS) -> None:
        super().__init__()
        self.doors = doors
        self.taken: Addresses | None = None
        self.replies: list[Reply] = []
        self.asked = 0

    def register_urls(self, now: int) -> Reply:  # type: ignore[override]
        self.asked += 1
        reply: Reply = self.replies.pop(0) if self.replies else None
        if isinstance(reply, Refused):
            return reply
        already = self.taken is not None
        self.taken = self.taken or self.doors
        return reply if isinstance(reply, Unknown) else Already() if already else None


def known(state: DoorState, doors: Addresses = OURS, at: int = T0) -> Registered:
    return Registered(TILL, state, doors.base, doors.hashed, at)


def test_it_is_registered_once_however_often_it_is_asked_for(town: Town) -> None:
    registry = Registry()
    doors = Doors(town.book, registry)
    assert (doors.known(), doors.current()) == (None, False)
    for now in (T0, T0 + 60):
        assert doors.register(now) == doors.known() == known(DoorState.OURS)
    assert (registry.asked, doors.current()) == (1, True)


def test_an_address_that_changed_is_seen_and_what_cannot_be_changed_is_said(town: Town) -> None:
    registry = Registry()
    Doors(town.book, registry).register(T0)
    registry.doors = NEW
    doors = Doors(town.book, registry)
    assert not doors.current()
    assert doors.register(T0 + 60) == doors.known() == known(DoorState.ELSEWHERE, NEW, T0 + 60)
    registry.taken = None  # deleted in the provider's portal
    assert doors.register(T0 + 90) == known(DoorState.OURS, NEW, T0 + 90)


def test_a_reply_that_was_lost_is_asked_for_again(town: Town) -> None:
    registry = Registry()
    registry.replies = [Unknown("ReadTimeout")]
    doors = Doors(town.book, registry)
    assert doors.register(T0) == known(DoorState.UNKNOWN)
    assert not doors.current()
    assert doors.register(T0 + 60) == known(DoorState.OURS, at=T0 + 60)


def test_what_others_registered_is_not_taken_for_ours(town: Town) -> None:
    registry = Registry()
    registry.taken = NEW
    registry.replies = [Refused("500.003.02", "busy", again=True)]
    doors = Doors(town.book, registry)
    assert doors.register(T0) == Reason("refused: 500.003.02 busy")
    assert doors.known() == known(DoorState.REFUSED)
    assert doors.register(T0 + 60) == known(DoorState.ELSEWHERE, at=T0 + 60)


def test_a_till_without_an_interface_registers_nothing(town: Town) -> None:
    registry = Registry(None)
    assert Doors(town.book, registry).register(T0) == NO_INTERFACE
    assert registry.asked == 0


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("at", range(1, 8))
def test_registering_may_end_at_any_step(town: Town, at: int, after: bool) -> None:
    registry = Registry()
    mortal = Town(town.core, DyingRows(town.rows, at, after=after), seed=2)
    try:
        Doors(mortal.book, registry).register(T0)
    except Killed:
        Doors(town.book, registry).register(T0 + 60)
    assert Doors(town.book, registry).current()
    assert registry.taken == OURS


def test_of_two_that_register_at_once_the_one_that_knows_is_believed(town: Town) -> None:
    registry = Registry()
    other = Doors(town.book, registry)

    class Between(Registry):
        def register_urls(self, now: int) -> Reply:  # type: ignore[override]
            other.register(now)
            return registry.register_urls(now)

    assert Doors(town.book, Between()).register(T0) == known(DoorState.OURS)
    assert registry.asked == 2
