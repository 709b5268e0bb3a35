"""A handful of market days in the ordinary run; `tests/sim/billing/run.py` plays 10,000 payments."""

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from billing.domain.payment import PaymentState
from radius.store.open import Store, StoreKind, open_store
from tests.fakes.store_proxy import FaultKind, StoreProxy
from tests.fixtures_engine import new_prefix, settings
from tests.sim.billing.auditor import Auditor
from tests.sim.billing.market import Market

SEEDS = 8
FAULTS = (FaultKind.CONFLICT, FaultKind.THROTTLE, FaultKind.SERVER_ERROR, FaultKind.CUT_BEFORE, FaultKind.CUT_AFTER)


@cache
def played(seed: int) -> Market:
    market = Market(seed)
    market.run()
    return market


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_market_day_comes_out_right(seed: int) -> None:
    assert played(seed).people.payments


def test_the_days_hold_what_they_are_meant_to_prove() -> None:
    """Deaths, races, lost answers; money by every door; payments that ended in each way they can end."""
    deaths, states, plans, hands = 0, Counter[PaymentState](), set[object](), 0
    for seed in range(SEEDS):
        market = played(seed)
        deaths += market.world.deaths
        states.update(payment.state for payment in Auditor(market.shop, market.people, market.bank)._payments.values())
        for prompt in market.bank.daraja.prompts.values():
            plans |= {
                prompt.plan.submit,
                prompt.plan.codes,
                prompt.plan.callbacks,
                prompt.plan.phone,
                *prompt.plan.queries,
            }
        hands += sum(not money.checkout_id for money in market.bank.daraja.money.values())
    assert deaths > SEEDS
    assert hands > SEEDS
    assert set(states) == {PaymentState.PAID, PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.DISPUTED}
    assert {
        "lost",
        "stall",
        "502",
        ("1037", "0"),
        ("0", "1037"),
        0,
        3,
        "masked",
        "4999",
        "500-as-200",
        "spike",
    } <= plans


def test_a_seed_plays_the_same_day_whatever_was_played_before() -> None:
    stories = []
    for before in (3, 4):
        Market(before).run()
        market = Market(5)
        market.run()
        stories.append((market.world.steps, list(market.world.story)))
    assert stories[0] == stories[1]
    assert len(stories[0][1]) > 50


def test_a_day_over_real_http() -> None:
    """Requests go through the client and over the wire: cut, stalled, refused with a token that is no good any more."""
    market = Market(26, over_http=True, payments=20)
    market.people.oddity = 0.9
    market.run()
    submits = Counter(prompt.plan.submit for prompt in market.bank.daraja.prompts.values())
    assert len({"lost", "stall", "502"} & set(submits)) > 1, submits


@pytest.fixture
def shaky(proxy: StoreProxy) -> Iterator[Store]:
    """The engine behind the fault proxy."""
    opened = open_store(settings(f"http://127.0.0.1:{proxy.port}", StoreKind.DYNAMODB, new_prefix(), 0.8))
    opened.create_tables()
    yield opened
    proxy.heal()
    assert opened.close()


@pytest.mark.parametrize("seed", [4])
def test_a_day_over_the_engine_with_its_faults(shaky: Store, proxy: StoreProxy, seed: int) -> None:

    def breaks() -> None:
        for fault in FAULTS:
            proxy.inject(fault, operation="TransactWriteItems", probability=0.05)
        proxy.inject(FaultKind.SWALLOW, operation="TransactWriteItems", probability=0.05, count=2)

    market = Market(seed, shaky, payments=8, round_s=120)
    market.breaks, market.heals = breaks, proxy.heal
    market.run()
    assert {FaultKind.CONFLICT, FaultKind.CUT_AFTER} <= set(proxy.injected)
