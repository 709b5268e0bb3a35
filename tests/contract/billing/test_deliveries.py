"""What became of text messages, over memory and the engine: reports come late, twice, out of order and too early."""

import itertools

import pytest

from billing.domain.delivered import Delivered
from billing.services.deliveries import Deliveries, Told
from billing.sms.delivery import DeliveryState as S
from billing.sms.delivery import Report
from tests.contract.billing.town import Town
from tests.contract.values import soon
from tests.unit.billing.values import T0

PHONE, OTHER = "254712345678", "254712345679"


@pytest.fixture
def deliveries(town: Town) -> Deliveries:
    return Deliveries(town.book, lambda text: f"hash{len(text)}{text[-1]}")


def test_a_message_is_where_it_was_last(deliveries: Deliveries) -> None:
    deliveries.sent("ATX1", PHONE, T0)
    assert deliveries.where("ATX1", PHONE) == Told(S.SENT, news=False)
    assert deliveries.told(Report("ATX1", PHONE, S.SUBMITTED), T0 + 2) == Told(S.SUBMITTED)
    assert deliveries.told(Report("ATX1", PHONE, S.FAILED, "UserInBlackList"), T0 + 5) == Told(
        S.FAILED, "UserInBlackList"
    )
    assert deliveries.told(Report("ATX1", PHONE, S.FAILED, "other"), T0 + 6) == Told(
        S.FAILED, "UserInBlackList", news=False
    )
    assert deliveries.where("ATX1", OTHER) is None, "an id is one for each phone"


@pytest.mark.parametrize("order", list(itertools.permutations([S.SENT, S.SUBMITTED, S.DELIVERED])))
def test_in_any_order_it_arrived(deliveries: Deliveries, order: tuple[S, ...]) -> None:
    told = [deliveries.told(Report("ATX1", PHONE, state), T0) for state in order for _ in range(2)]
    assert told[-1].state is S.DELIVERED
    assert [each.state for each in told if each.news].count(S.DELIVERED) == 1
    deliveries.sent("ATX1", PHONE, T0 + 9)
    assert deliveries.where("ATX1", PHONE) == Told(S.DELIVERED, news=False)


def test_nothing_is_kept_of_a_message_without_a_name_and_no_phone_of_one_with_it(
    town: Town, deliveries: Deliveries
) -> None:
    deliveries.sent("", PHONE, T0)
    deliveries.sent("ATX1", PHONE, T0)
    name = deliveries._keyed(f"message:ATX1:{PHONE}")
    kept = town.billing.thing(Delivered, name, soon())
    assert kept
    assert kept.expires_at > T0
    assert PHONE not in str(kept)
