"""What is left is told for now, also where nobody logged in since a quota began anew."""

import msgspec

from billing.portal.holdings import held, usable
from billing.portal.shapes import usage
from radius.domain.entitlement import Right
from radius.domain.identity import SubscriberId
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.domain.terms import PeriodUnit
from tests.contract.billing.values import TERMS
from tests.fakes.portal import Stand
from tests.unit.billing.values import T0

DAY_S = 86_400


def test_a_daily_quota_is_whole_again_the_next_day_and_to_look_changes_nothing(stand: Stand) -> None:
    terms = msgspec.structs.replace(TERMS, quota_bytes=1_000, period=PeriodUnit.DAY)
    deps = stand.deps._replace(terms=lambda _: terms)
    right = Right("pay00001", "standard.1", T0, T0, T0 + 7 * DAY_S, used_bytes=900, period_ends_at=T0 + 60)
    before = msgspec.structs.replace(right)
    shown = [usage(*held(deps, right, now), now) for now in (T0, T0 + DAY_S)]
    assert [(each.left_bytes, each.used_bytes) for each in shown] == [(100, 900), (1_000, 900)]
    assert right == before


def test_what_is_over_is_not_there_and_what_ends_first_is_first(stand: Stand) -> None:
    ends = {"over0001": T0, "late0001": T0 + 2 * DAY_S, "soon0001": T0 + DAY_S}
    rights = [Right(id_, "standard.1", T0 - DAY_S, T0 - DAY_S, end) for id_, end in ends.items()]
    present = Subscriber(SubscriberId("whoever0"), Credential(SecretKind.SEALED, "x"), T0, rights=rights)
    assert [each.right.id for each in usable(stand.deps, present, T0)] == ["soon0001", "late0001"]
    assert usable(stand.deps, None, T0) == []
