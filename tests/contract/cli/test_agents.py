"""Agents at the counter: added, paid in, paid out, and what the books say of them."""

import pytest

from billing.cli.exits import Exit
from billing.domain.agent import AGENTS_MAX, Agent, AgentRoll, enrolled
from billing.ports import Kept, Posting
from radius.domain.errors import Malformed, Unavailable
from tests.contract.cli.isp import World
from tests.contract.values import soon


@pytest.fixture
def shop(world: World) -> World:
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    assert world("agents", "put", "duka-1", "--commission", "10", "--commission", "week=12.5").code == Exit.DONE
    return world


def held(world: World) -> tuple[int, int]:
    row = world("agents", "show", "duka-1", "--json").json()
    return row["float_cents"], row["earned_cents"]


def test_an_agents_day_from_float_to_commission(shop: World) -> None:
    who = shop.registered("0712345678")
    sells = ("sell", "daily", "--to", who, "--agent", "duka-1")
    assert shop(*sells, yes=True).code == Exit.NOT
    paid = shop("agents", "pay-in", "duka-1", "80", yes=True)
    assert (paid.code, "KES 80 paid in by duka-1 is booked" in paid.out) == (Exit.DONE, True)
    sold = shop(*sells, yes=True)
    assert (sold.code, held(shop)) == (Exit.DONE, (3_000, 500))
    refused = shop("agents", "pay-out", "duka-1", "6", yes=True)
    assert (refused.code, refused.out) == (Exit.NOT, "Not booked: that is KES 1 more than duka-1 has earned.\n")
    assert shop("agents", "pay-out", "duka-1", "3", "--out-of", "bank:main", yes=True).code == Exit.DONE
    assert shop("agents", "pay-in", "duka-1", "2", "--into", "commission", yes=True).code == Exit.DONE
    assert held(shop) == (3_200, 0)
    lines = shop("agents", "show", "duka-1", "--json").json()["lines"]
    assert sorted((each["float_cents"], each["commission_cents"]) for each in lines) == [
        (-5_000, 500), (0, -300), (200, -200), (8_000, 0),
    ]  # fmt: skip
    cash = shop("ledger", "account", "cash_in_hand:mary", "--json").json()
    assert [each["cents"] for each in cash] == [8_000]  # her own hand, where nothing else was said
    assert shop("ledger", "check").code == Exit.DONE
    mine = [deed[1:] for deed in shop.deeds() if deed[1].startswith("agents")]
    assert sorted(mine) == [
        ("agents pay-in", "duka-1", "done"), ("agents pay-in", "duka-1", "done"),
        ("agents pay-out", "duka-1", "done"), ("agents pay-out", "duka-1", "refused"), ("agents put", "duka-1", "done"),
    ]  # fmt: skip


def test_an_agent_sells_no_code_for_cash(shop: World) -> None:
    ran = shop("sell", "daily", "--agent", "duka-1", yes=True)
    assert (ran.code, "agent: sells to a customer" in ran.err) == (Exit.USAGE, True)
    assert shop("ledger", "account", "--json").json() == []


def test_money_is_asked_about_and_moves_once(shop: World) -> None:
    asked = shop("agents", "pay-in", "duka-1", "80")
    assert (asked.code, held(shop)) == (Exit.DECLINED, (0, 0))
    for again in (False, True):
        ran = shop("agents", "pay-in", "duka-1", "80", "--key", "k1", "--json", yes=True)
        assert (ran.code, ran.json()["again"]) == (Exit.DONE, again)
    assert held(shop) == (8_000, 0)


def test_a_lost_answer_says_how_to_ask_again(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise Unavailable("timed out")

    monkeypatch.setattr("billing.services.agents.Agents.pay_in", lost)
    ran = shop("agents", "pay-in", "duka-1", "80", "--key", "k7", yes=True)
    assert ran.code == Exit.AWAY
    assert "--key k7" in ran.err


WRONG = [
    (("put", "duka 1"), "agent: must be 1 to 32 letters"),
    (("put", "duka-2", "--commission", "ten"), "commission: ten must be like 10"),
    (("put", "duka-2", "--commission", "101"), "commission: must be 0 to 10000 basis points"),
    (("pay-in", "duka-1", "0"), "cents: must be more than 0"),
    (("pay-in", "duka-1", "-5"), "such option"),
    (("pay-in", "duka-1", "5", "--into", "pocket"), "into: must be bank:main or cash:SELLER"),
    (("pay-out", "duka-1", "5", "--out-of", "commission"), "out-of: must be bank:main or cash:SELLER"),
    (("pay-in", "nobody", "5"), "agent: nobody is not known"),
    (("show", "nobody"), "agent: nobody is not known"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_what_cannot_be_is_said(shop: World, words: tuple[str, ...], said: str) -> None:
    ran = shop("agents", *words, yes=True)
    assert ran.code == Exit.USAGE
    assert said in ran.err


def test_what_is_not_given_stays(shop: World) -> None:
    shop("agents", "pay-in", "duka-1", "80", yes=True)
    assert "is changed" in shop("agents", "put", "duka-1", "--may-owe", "1,000").out
    row = shop("agents", "show", "duka-1", "--json").json()
    assert (row["commission"], row["ceiling_cents"], row["float_cents"]) == (
        ["all 10 %", "week 12.5 %"],
        100_000,
        8_000,
    )
    shop("agents", "put", "duka-1", "--commission", "5", "--reason", "new contract")
    row = shop("agents", "show", "duka-1", "--json").json()
    assert (row["commission"], row["ceiling_cents"]) == (["all 5 %"], 100_000)


def test_all_are_listed_also_one_from_before_there_was_a_list(shop: World) -> None:
    old = Kept(Agent("abel", {"": 500}, ceiling_cents=700, float_cents=300))
    shop.billing_store.ports.post(Posting("p" * 16, things=(old,)), soon())
    shop("agents", "put", "duka-2")
    assert [row["agent"] for row in shop("agents", "list", "--json").json()] == ["duka-1", "duka-2"]
    shop("agents", "put", "abel", "--commission", "6")
    rows = shop("agents", "list", "--json").json()
    assert [row["agent"] for row in rows] == ["abel", "duka-1", "duka-2"]
    assert (rows[0]["float_cents"], rows[0]["ceiling_cents"]) == (300, 700)
    assert "duka-2" in shop("agents", "list").out


def test_a_list_has_an_end() -> None:
    full = AgentRoll(tuple(f"a{number}" for number in range(AGENTS_MAX)))
    with pytest.raises(Malformed, match="already"):
        enrolled(full, "one more")
