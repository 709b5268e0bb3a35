"""The auditor notices: dispatchers that are wrong in one way, on an evening made for it."""

from collections.abc import Callable

import pytest

from coa import claims
from radius.domain.intent import IntentReason
from radius.domain.nas import Family, Nas
from radius.domain.subscriber import Session, Subscriber
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.domain.wanted import Cut, Nothing, Wanted, wanted
from radius.domain.world import World
from tests.sim.evening import Evening
from tests.sim.plan import HOUR, MIB, Badness, Plan, RouterPlan

SMALL = Terms(
    "small.1", Window(WindowStart.PURCHASE, 12 * HOUR, PeriodUnit.SECOND), quota_bytes=200 * MIB, interim_s=120
)
PAYING = Plan(  # one device each, on routers that only a report can cut on: whoever pays at the worst instant runs on
    routers=tuple(
        RouterPlan(f"router-{number}", family, {"byte_cap": False}, 0, reuses_ids=False, says_on=True, tries=3)
        for number, family in enumerate((Family.MIKROTIK, Family.COOVA))
    ),
    terms=(SMALL,),
    customers=6,
    devices_each=1,
    badness=Badness(0.02, 0.02, 0.05, 0.05, 0, 0, 0.5),
    atomic=True,
    rudeness=0.3,
    deaths=0.02,
    worst_instants=0.5,
)

Decide = Callable[[Subscriber, Session | None, Nas, World], Wanted]


def sends_anyway(present: Subscriber, session: Session | None, nas: Nas, world: World) -> Wanted:
    """What was due when the intent was written is sent, whatever was paid since."""
    wish = wanted(present, session, nas, world)
    mine = [one for one in present.intents if session is not None and one.session == session.uid]
    old = next((one for one in mine if one.reason is IntentReason.QUOTA), None)
    return Cut(old.reason) if old is not None else wish


def never(reason: IntentReason) -> Decide:
    """One kind of cut is never sent."""

    def decide(present: Subscriber, session: Session | None, nas: Nas, world: World) -> Wanted:
        wish = wanted(present, session, nas, world)
        return Nothing("mutant") if isinstance(wish, Cut) and wish.reason is reason else wish

    return decide


STAYING = PAYING._replace(  # ... and here who paid for an hour is served on after it
    routers=tuple(router._replace(keeps_time=False) for router in PAYING.routers),
    terms=(Terms("hour.1", Window(WindowStart.PURCHASE, HOUR, PeriodUnit.SECOND), interim_s=120),),
    worst_instants=0.0,
)


@pytest.mark.parametrize("plan", [PAYING, STAYING])
def test_the_dispatcher_as_it_is_comes_out_right(plan: Plan) -> None:
    evening = Evening(1, plan)
    evening.run()
    assert evening.senders.wire.requests > 10


@pytest.mark.parametrize(
    ("plan", "mutant", "noticed"),
    [
        (PAYING, sends_anyway, "is cut, but"),
        (PAYING, never(IntentReason.QUOTA), "beyond the quota"),
        (PAYING, never(IntentReason.BLOCKED), "blocked since"),
        (PAYING, never(IntentReason.REPLACED), "replaced since"),
        (STAYING, never(IntentReason.ENDED), "over since"),
    ],
    ids=["superseded cut sent", "quota", "blocked", "replaced", "ended"],
)
def test_a_dispatcher_that_is_wrong_is_noticed(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, mutant: Decide, noticed: str
) -> None:
    monkeypatch.setattr(claims, "wanted", mutant)
    with pytest.raises(AssertionError, match=noticed):
        Evening(1, plan).run()
