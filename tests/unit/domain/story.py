"""One subscriber's evening, told packet by packet to the rules themselves."""

from radius.domain import lifecycle, policy, session
from radius.domain.intent import IntentReason
from radius.domain.nas import Nas
from radius.domain.policy import Accept
from radius.domain.record import SessionRecord
from radius.domain.session import Accounted, Event, Kind
from radius.domain.subscriber import Session, SessionState, Subscriber
from radius.domain.terms import Terms
from radius.domain.world import World
from tests.unit.domain.builders import MIB, PHONE, T0, Catalogue, ask, day_terms, nas, packet, right, subscriber, world

DAY = day_terms(quota_bytes=1000 * MIB)


class Evening:
    """One subscriber; each packet is heard at its own instant unless said otherwise."""

    def __init__(self, home: Subscriber | None = None, *terms: Terms, router: Nas | None = None) -> None:
        self.home = home or subscriber(right())
        self.terms = Catalogue(*(terms or (DAY,)))
        self.nas = router or nas()
        self.now = T0
        self.boots: dict[object, int] = {}
        self.filed: list[SessionRecord] = []

    @property
    def world(self) -> World:
        return world(self.now, self.terms, boots=self.boots)  # type: ignore[arg-type]  # names are NasIds

    def hear(self, event: Event, heard_at: int | None = None) -> Accounted:
        self.now = max(self.now, event.at if heard_at is None else heard_at)
        filed = [one for one in self.filed if one.uid == event.uid]
        return session.account(self.home, event, self.nas, self.world, filed)

    def log_in(self, reservation: str, at: int, device: object = PHONE, acct_session_id: str = "81c00001") -> Session:
        self.now = max(self.now, at)
        question = ask(device, reservation, acct_session_id=acct_session_id)  # type: ignore[arg-type]  # a MAC
        answer = policy.reserve(self.home, question, self.nas, self.world)
        assert isinstance(answer, Accept), answer
        return answer.session

    def settle(self, at: int) -> None:
        self.now = at
        lifecycle.settle(self.home, self.world)

    def file_all(self) -> None:
        """As a worker does: closed sessions become records and leave the aggregate."""
        for one in [one for one in self.home.sessions if one.state is SessionState.CLOSED]:
            names = packet(Kind.STOP, self.now)
            self.filed.append(session.record_of(self.home.id, one, names, self.nas, "20251124"))
            self.home.sessions.remove(one)

    @property
    def charged(self) -> tuple[int, int]:
        rights = self.home.rights
        return (sum(r.used_bytes + r.past_bytes for r in rights), sum(r.used_s + r.past_s for r in rights))

    @property
    def intents(self) -> list[tuple[str, IntentReason]]:
        return [(intent.session, intent.reason) for intent in self.home.intents]


def interim(at_s: int, mib: int, **more: object) -> Event:
    """An update `at_s` after the start, with `mib` used in all, a quarter of it sent."""
    return packet(Kind.INTERIM, T0 + at_s, mib * MIB // 4, mib * MIB * 3 // 4, at_s, **more)  # type: ignore[arg-type]
