"""What tests of the pages do to devices behind the app's back."""

from radius.domain import policy
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, NameKind, ReservationId, SubscriberId, Username
from radius.domain.policy import Accept, Ask
from radius.domain.subscriber import SessionState, Subscriber
from radius.domain.terms import Service
from radius.services.desk import Decided
from tests.contract.values import soon
from tests.fakes.portal import ROUTER, Stand


def whose(stand: Stand, mac: str) -> Subscriber | None:
    found = stand.core.store.names.resolve(stand.core.names.alias(Username(mac, NameKind.MAC, mac)), soon())
    stored = stand.core.store.subscribers.read(SubscriberId(found), soon()) if found else None
    present = aggregate.decode(stored.body) if stored else None
    return present if present is not None and f"m:{mac}" in present.aliases else None


def go_online(stand: Stand, mac: MacAddress) -> None:
    """Its router lets it in and tells so."""
    nas = stand.deps.pages.roster.find(ROUTER)
    present = whose(stand, mac)
    assert nas
    assert present

    def decide(fresh: Subscriber) -> Decided[None]:
        ask = Ask(mac, mac, Service.HOTSPOT, f"s-{mac}", ReservationId(f"res{mac[:6]}0"))
        granted = policy.reserve(fresh, ask, nas[1], stand.core.world(stand.now))
        assert isinstance(granted, Accept)
        granted.session.state = SessionState.OPEN
        return Decided(None, changed=True)

    stand.core.desk.change(present.id, decide, soon())
