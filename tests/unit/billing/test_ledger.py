"""Each event as its literal legs; what cannot be is refused or is a fault."""

import msgspec
import pytest

from billing.domain import ledger, trade
from billing.domain.journal import Account, AccountKind, Cause, Journal, Unbalanced, balances, business_day, journal
from billing.domain.ledger import Came, Missing, Reason, cash_of, mpesa
from billing.domain.money import TaxRate
from billing.domain.trade import Paper, agent_float
from tests.unit.billing.values import DAY, T0, TILL, VAT, came, fact, sale, signed

PAPER = Paper("B12", "day.1", 3_000)
BANK = Account(AccountKind.BANK, "kcb")


def legs(entry: object) -> dict[str, int]:
    assert isinstance(entry, Journal), entry
    assert sum(leg.cents for leg in entry.legs) == 0
    return {leg.account.text: leg.cents for leg in entry.legs}


def paid() -> Journal:
    return ledger.sale_by_mpesa(fact("pay-7"), sale(), came(receipt="TKP1XYZ", payment="pay-7"))


def sold() -> Journal:
    return ledger.sale_by_cash(fact("sale-1"), sale(), "achieng")


def held() -> Journal:
    return ledger.unmatched_in(fact("TKQ9"), came(7_700, "TKQ9"))


def test_a_sale_by_mpesa() -> None:
    entry = paid()
    assert legs(entry) == {"mpesa_clearing:600999": 5_000, "revenue:standard": -4_310, "tax:2021-01-01.1600": -690}
    assert (entry.id, entry.cents, entry.package) == ("sale_mpesa:pay-7", 5_000, "standard.1")
    assert (entry.payment, entry.right, entry.receipt) == ("pay-7", "right001", "K1-000001")
    assert entry.mpesa_receipt == "TKP1XYZ"


@pytest.mark.parametrize("money", [came(4_900, payment="pay-7"), came(5_000, payment="pay-8"), came(5_000)])
def test_a_sale_is_never_booked_for_other_money(money: Came) -> None:
    with pytest.raises(Unbalanced, match="came for a sale of 5000"):
        ledger.sale_by_mpesa(fact("pay-7"), sale(), money)


def test_a_sale_for_cash() -> None:
    assert legs(sold()) == {"cash_in_hand:achieng": 5_000, "revenue:standard": -4_310, "tax:2021-01-01.1600": -690}


def test_a_sale_without_tax_has_no_leg_of_nothing() -> None:
    untaxed = msgspec.structs.replace(sale(), rate=TaxRate(DAY, 0))
    entry = ledger.sale_by_cash(fact("sale-2"), untaxed, "achieng")
    assert legs(entry) == {"cash_in_hand:achieng": 5_000, "revenue:standard": -5_000}
    back = ledger.refund(signed("r-1"), entry, 5_000, [], cash_of("achieng"), "C1-000001")
    assert legs(back) == {"refunds:standard": 5_000, "cash_in_hand:achieng": -5_000}


def test_a_top_up_through_either_door() -> None:
    entry = ledger.top_up(fact("TKP2"), "cust1", came(12_300, "TKP2"), "K1-000002")
    assert legs(entry) == {"mpesa_clearing:600999": 12_300, "customer_balance:cust1": -12_300}
    assert (entry.payment, entry.mpesa_receipt) == ("", "TKP2")
    entry = ledger.top_up(fact("desk-4"), "cust1", Came(cash_of("achieng"), 500), "K1-000003")
    assert legs(entry) == {"cash_in_hand:achieng": 500, "customer_balance:cust1": -500}


@pytest.mark.parametrize(
    ("balance", "overdraft", "missing"), [(5_000, 0, 0), (4_999, 0, 1), (4_000, 1_000, 0), (-1, 0, 5_001)]
)
def test_a_balance_buys_what_it_can(balance: int, overdraft: int, missing: int) -> None:
    entry = ledger.purchase(fact("right001"), sale(), "cust1", balance, overdraft)
    if missing:
        assert entry == Missing(missing)
    else:
        assert legs(entry) == {"customer_balance:cust1": 5_000, "revenue:standard": -4_310, "tax:2021-01-01.1600": -690}


def test_unmatched_money_is_held_claimed_or_sent_back_whole() -> None:
    assert legs(held()) == {"mpesa_clearing:600999": 7_700, "unmatched_money:TKQ9": -7_700}
    claimed = ledger.unmatched_claimed(fact("TKQ9"), held(), "cust1", "K1-000009")
    assert legs(claimed) == {"unmatched_money:TKQ9": 7_700, "customer_balance:cust1": -7_700}
    assert claimed.id == "unmatched_claimed:TKQ9"
    assert claimed.mpesa_receipt == ""
    returned = ledger.unmatched_returned(signed("TKQ9"), held(), mpesa(TILL))
    assert legs(returned) == {"unmatched_money:TKQ9": 7_700, "mpesa_clearing:600999": -7_700}


def test_what_holds_no_unmatched_money_is_claimed_by_nobody() -> None:
    with pytest.raises(Unbalanced, match="holds no unmatched money"):
        ledger.unmatched_claimed(fact("pay-7"), paid(), "cust1", "K1-000009")
    with pytest.raises(Unbalanced, match="TKQ8 is not TKQ9"):
        ledger.unmatched_claimed(fact("TKQ8"), held(), "cust1", "K1-000009")
    with pytest.raises(Unbalanced, match="known by its M-Pesa receipt"):
        ledger.unmatched_in(fact("mine"), came(7_700, "TKQ9"))


def test_a_refund_takes_its_tax_back_to_the_cent() -> None:
    entry = paid()
    back: list[Journal] = []
    for number, cents in enumerate((2, 2, 4_996)):
        part = ledger.refund(signed(f"r-{number}"), entry, cents, back, mpesa(TILL), f"C1-00000{number}")
        assert isinstance(part, Journal)
        assert (part.reverses, part.payment, part.right) == (entry.id, "pay-7", "right001")
        back.append(part)
    # Each rounded by itself would be 0, 0 and 689: a cent of tax kept for ever.
    assert [legs(part).get("tax:2021-01-01.1600", 0) for part in back] == [0, 1, 689]
    sums = {account.text: cents for account, cents in balances([entry, *back]).items()}
    assert sums == {
        "mpesa_clearing:600999": 0,
        "refunds:standard": 4_310,
        "revenue:standard": -4_310,
        "tax:2021-01-01.1600": 0,
    }
    assert ledger.refund(signed("r-9"), entry, 1, back, mpesa(TILL), "C1-000009") == Reason(
        "0 cents of sale_mpesa:pay-7 are left to give back"
    )


@pytest.mark.parametrize("cents", [0, -1, 5_001])
def test_a_refund_is_more_than_nothing_and_no_more_than_was_paid(cents: int) -> None:
    assert isinstance(ledger.refund(signed("r-1"), paid(), cents, [], mpesa(TILL), "C1-000001"), Reason)


def test_what_sold_no_package_is_no_refund() -> None:
    refused = ledger.refund(signed("r-1"), held(), 100, [], mpesa(TILL), "C1-000001")
    assert refused == Reason("unmatched_in:TKQ9 sold no package")
    back = ledger.refund(signed("r-1"), sold(), 100, [], cash_of("achieng"), "C1-000001")
    assert isinstance(back, Journal)
    assert ledger.refund(signed("r-2"), back, 100, [], cash_of("achieng"), "C1-000002") == Reason(
        "refund:r-1 sold no package"
    )
    assert isinstance(ledger.void(signed(back.id), back, []), Reason)


def test_a_void_is_the_mirror_and_happens_once() -> None:
    entry = sold()
    back = ledger.void(signed(entry.id), entry, [])
    assert isinstance(back, Journal)
    assert back.id == "void:sale_cash:sale-1"
    assert legs(back) == {name: -cents for name, cents in legs(entry).items()}
    assert ledger.void(signed(entry.id), entry, [back]) == Reason("sale_cash:sale-1 was given back already")
    assert isinstance(ledger.void(signed(back.id), back, []), Reason)
    part = ledger.refund(signed("r-1"), entry, 100, [], cash_of("achieng"), "C1-000001")
    assert isinstance(part, Journal)
    assert ledger.void(signed(entry.id), entry, [part]) == Reason("sale_cash:sale-1 was given back already")
    with pytest.raises(Unbalanced, match="voiding"):
        ledger.void(signed("another"), entry, [])


def test_money_that_went_through_mpesa_is_refunded_and_not_voided() -> None:
    assert ledger.void(signed(paid().id), paid(), []) == Reason(
        "sale_mpesa:pay-7 moved money through M-Pesa; refund it"
    )
    memo = ledger.grant(signed("right9"), "right9")
    assert isinstance(ledger.void(signed(memo.id), memo, []), Reason)


def test_a_grant_is_no_sale() -> None:
    assert legs(ledger.grant(signed("right9"), "right9", "day.1")) == {}
    assert legs(ledger.trial(fact("right8"), "right8", "trial.1")) == {}
    assert legs(ledger.gift(signed("gift-1"), "cust1", 500)) == {"goodwill": 500, "customer_balance:cust1": -500}


def test_money_of_ours_moves_between_places_of_ours() -> None:
    assert legs(ledger.money_moved(fact("m-1"), 900, cash_of("achieng"), BANK)) == {
        "bank:kcb": 900,
        "cash_in_hand:achieng": -900,
    }
    assert legs(ledger.fee(fact("f-1"), TILL, 28)) == {"provider_fees:600999": 28, "mpesa_clearing:600999": -28}
    with pytest.raises(Unbalanced, match="no place where money is"):
        ledger.money_moved(fact("m-2"), 900, ledger.customer("cust1"), BANK)


def test_paper_is_stock_then_owed_then_used() -> None:
    made = trade.batch_made(fact("B12"), Paper("B12", "day.1", 3_000, 100))
    assert legs(made) == {"voucher_stock:B12": 300_000, "vouchers_outstanding:B12": -300_000}
    sale_ = trade.vouchers_sold(fact("s-1"), Paper("B12", "day.1", 3_000, 10), cash_of("achieng"), "K1-000004")
    assert legs(sale_) == {"cash_in_hand:achieng": 30_000, "voucher_stock:B12": -30_000}
    used = trade.redeemed(fact("B12-0001"), PAPER, VAT, "right002")
    assert legs(used) == {"vouchers_outstanding:B12": 3_000, "revenue:day": -2_586, "tax:2021-01-01.1600": -414}
    assert used.right == "right002"


def test_paper_that_nobody_booked_as_sold_is_sold_by_its_use() -> None:
    used = trade.redeemed(fact("B12-0002"), PAPER, VAT, "right003", cash_of("achieng"))
    assert legs(used) == {
        "cash_in_hand:achieng": 3_000,
        "voucher_stock:B12": -3_000,
        "vouchers_outstanding:B12": 3_000,
        "revenue:day": -2_586,
        "tax:2021-01-01.1600": -414,
    }


def test_paper_that_is_never_used() -> None:
    assert legs(trade.voucher_void(signed("B12-0003"), PAPER)) == {
        "voucher_stock:B12": -3_000,
        "vouchers_outstanding:B12": 3_000,
    }
    assert legs(trade.voucher_void(signed("B12-0004"), PAPER, cash_of("achieng"))) == {
        "cash_in_hand:achieng": -3_000,
        "vouchers_outstanding:B12": 3_000,
    }
    unsold = trade.voucher_expired(fact("B12-0005"), PAPER, VAT, sold=False)
    assert legs(unsold) == {"voucher_stock:B12": -3_000, "vouchers_outstanding:B12": 3_000}
    kept = trade.voucher_expired(fact("B12-0006"), PAPER, VAT, sold=True)
    assert legs(kept) == {"vouchers_outstanding:B12": 3_000, "revenue:day": -2_586, "tax:2021-01-01.1600": -414}
    assert legs(trade.voucher_replaced(signed("B12-0007"), PAPER)) == {}


def test_only_money_and_floats_pay_for_paper() -> None:
    balance = ledger.customer("cust1")
    with pytest.raises(Unbalanced, match="cannot pay for vouchers"):
        trade.vouchers_sold(fact("s-2"), PAPER, balance, "K1-000004")
    with pytest.raises(Unbalanced, match="cannot pay for vouchers"):
        trade.redeemed(fact("B12-0001"), PAPER, VAT, "right002", balance)
    with pytest.raises(Unbalanced, match="cannot pay for vouchers"):
        trade.voucher_void(signed("B12-0001"), PAPER, balance)


def test_an_agent_pays_ahead_sells_and_is_paid() -> None:
    assert legs(trade.float_in(fact("pay-8"), "duka", came(100_000, "TKR1", "pay-8"), "K1-000005")) == {
        "mpesa_clearing:600999": 100_000,
        "agent_float:duka": -100_000,
    }
    assert legs(trade.sale_by_agent(fact("s-3"), sale(), "duka", 1_250, 5_000)) == {
        "agent_float:duka": 5_000,
        "revenue:standard": -4_310,
        "tax:2021-01-01.1600": -690,
        "commission_cost:standard": 625,
        "agent_commission:duka": -625,
    }
    paper = trade.vouchers_sold(fact("s-4"), PAPER, agent_float("duka"), "K1-000006", basis_points=1_000)
    assert legs(paper) == {
        "agent_float:duka": 3_000,
        "voucher_stock:B12": -3_000,
        "commission_cost:day": 300,
        "agent_commission:duka": -300,
    }
    assert legs(trade.commission_paid(fact("p-1"), "duka", 925, 925, mpesa(TILL))) == {
        "agent_commission:duka": 925,
        "mpesa_clearing:600999": -925,
    }
    assert trade.commission_paid(fact("p-1"), "duka", 926, 925, mpesa(TILL)) == Missing(1)
    turned = trade.float_in(fact("p-2"), "duka", Came(trade.agent_commission("duka"), 200), "K1-000007")
    assert legs(turned) == {"agent_commission:duka": 200, "agent_float:duka": -200}


@pytest.mark.parametrize(
    ("held_cents", "ceiling", "missing"), [(5_000, 0, 0), (4_999, 0, 1), (-5_000, 10_000, 0), (-5_001, 10_000, 1)]
)
def test_an_agent_sells_within_float_and_ceiling(held_cents: int, ceiling: int, missing: int) -> None:
    entry = trade.sale_by_agent(fact("s-3"), sale(), "duka", 0, held_cents, ceiling)
    assert (entry == Missing(missing)) if missing else isinstance(entry, Journal)


def test_a_commission_is_a_part_of_the_price() -> None:
    for points in (-1, 10_001):
        with pytest.raises(Unbalanced, match="basis points"):
            trade.sale_by_agent(fact("s-3"), sale(), "duka", points, 5_000)


def test_the_day_close_books_the_difference() -> None:
    assert trade.day_close(signed("achieng-1"), "achieng", 5_000, 5_000) is None
    short = trade.day_close(signed("achieng-1"), "achieng", 5_000, 4_900)
    assert legs(short) == {"cash_in_hand:achieng": -100, "cash_difference:achieng": 100}
    over = trade.day_close(signed("achieng-1"), "achieng", 5_000, 5_050)
    assert legs(over) == {"cash_in_hand:achieng": 50, "cash_difference:achieng": -50}


def test_what_does_not_balance_is_never_made() -> None:
    with pytest.raises(Unbalanced, match="legs sum to 1 cents"):
        journal(Cause.TOP_UP, fact("x"), 5, [(BANK, 5), (ledger.customer("c"), -4)])
    with pytest.raises(Unbalanced, match="moves nothing"):
        journal(Cause.TOP_UP, fact("x"), 0, [(BANK, 5), (BANK, -5)])
    with pytest.raises(Unbalanced, match="names no subject"):
        journal(Cause.GRANT, fact(""), 0, [])


def test_the_business_day_is_nairobis() -> None:
    assert business_day(T0) == DAY
    midnight = 1_795_554_000  # 2026-11-24 21:00 UTC
    assert business_day(midnight - 1) == "2026-11-24"
    assert business_day(midnight) == "2026-11-25"
