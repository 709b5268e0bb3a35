"""What is wrong with books is found, each rule by its own example; the books they are made from are right."""

import msgspec
import pytest

from billing.domain import ledger, trade
from billing.domain.audit import APPROVED, CLOCKS_APART_S_MAX, SHAPES, SIGNED, check
from billing.domain.audit_links import CREDITS, GIVES_RIGHT, RECEIPTED
from billing.domain.books import Books, Finding, PaymentRow, RightRow, Rule
from billing.domain.journal import Account, AccountKind, Cause, Fact, Journal, Leg, Receipt
from billing.domain.ledger import cash_of
from billing.domain.money import TaxRate
from tests.unit.billing.values import T0, VAT, came, fact, sale, signed

PAYMENT = PaymentRow("pay-7", paid=True, cents=5_000, mpesa_receipt="TKP1XYZ")
RIGHT = RightRow("right001")
RECEIPT = Receipt("K1", 1, "sale_mpesa:pay-7", 5_000)


def paid() -> Journal:
    return ledger.sale_by_mpesa(fact("pay-7"), sale(), came(receipt="TKP1XYZ", payment="pay-7"))


def books(*more: Journal, first: Journal | None = None) -> Books:
    return Books((first or paid(), *more), (RECEIPT,), (PAYMENT,), (RIGHT,), (VAT,))


def with_receipts(made: Books) -> Books:
    """`made` with a numbered receipt for each further journal that wants one."""
    more = [entry for entry in made.journals[1:] if entry.receipt]
    receipts = [Receipt(*_number(entry.receipt), entry.id, entry.cents) for entry in more]
    return made._replace(receipts=(*made.receipts, *receipts))


def _number(text: str) -> tuple[str, int]:
    series, _, number = text.partition("-")
    return series, int(number)


def rules(made: Books) -> set[Rule]:
    return {finding.rule for finding in check(made)}


def moved(entry: Journal, *legs: tuple[AccountKind, str, int]) -> Journal:
    return msgspec.structs.replace(entry, legs=tuple(Leg(Account(kind, of), cents) for kind, of, cents in legs))


def refunded(cents: int, subject: str = "r-1", receipt: str = "K1-000002", cause: Fact | None = None) -> Journal:
    entry = ledger.refund(cause or signed(subject), paid(), cents, [], cash_of("achieng"), receipt)
    assert isinstance(entry, Journal)
    return entry


def topped(cents: int, at: int, subject: str = "TK1", receipt: str = "K1-000002") -> Journal:
    return ledger.top_up(fact(subject, at), "cust1", came(cents, subject), receipt)


def bought(at: int, receipt: str = "K1-000003") -> Journal:
    entry = ledger.purchase(fact("right002", at), sale("right002", receipt=receipt), "cust1", 5_000)
    assert isinstance(entry, Journal)
    return entry


def test_books_that_are_right_have_no_findings() -> None:
    assert check(books()) == []


def test_what_is_booked_twice() -> None:
    assert Finding(Rule.BOOKED_TWICE, "sale_mpesa:pay-7", "is there 2 times") in check(books(paid()))


@pytest.mark.parametrize("change", [1, -1, 690])
def test_legs_that_do_not_sum_to_nothing(change: int) -> None:
    entry = paid()
    first = entry.legs[0]
    spoilt = msgspec.structs.replace(entry, legs=(Leg(first.account, first.cents + change), *entry.legs[1:]))
    assert Finding(Rule.UNBALANCED, entry.id, f"legs sum to {change} cents") in check(books(first=spoilt))


def test_a_leg_of_nothing() -> None:
    entry = paid()
    nothing = msgspec.structs.replace(entry, legs=(*entry.legs, Leg(Account(AccountKind.BANK), 0)))
    assert Rule.UNBALANCED in rules(books(first=nothing))


def test_accounts_that_have_no_business_there() -> None:
    entry = paid()
    stray = moved(
        entry,
        (AccountKind.STOCK, "c", 5_000),
        (AccountKind.REVENUE, "standard", -4_310),
        (AccountKind.TAX, VAT.id, -690),
    )
    assert Finding(Rule.SHAPE, entry.id, "debits voucher_stock:c") in check(books(first=stray))
    aside = moved(
        entry, (AccountKind.MPESA, "600999", 5_000), (AccountKind.GOODWILL, "", -4_310), (AccountKind.TAX, VAT.id, -690)
    )
    assert Finding(Rule.SHAPE, entry.id, "credits goodwill") in check(books(first=aside))


def test_a_sale_out_of_money_that_was_booked_before_took_nothing_from_mpesa() -> None:
    held = ledger.unmatched_in(fact("TKP1XYZ"), came(receipt="TKP1XYZ"))
    out_of = ledger.Came(Account(AccountKind.UNMATCHED, "TKP1XYZ"), 5_000, payment="pay-7")
    late = ledger.sale_by_mpesa(fact("pay-7"), sale(), out_of)
    assert check(books(held, first=late)) == []
    assert rules(books(held)) == {Rule.MPESA_RECEIPT}  # the same money a second time
    assert rules(books(first=late)) == {Rule.OVERDRAWN}  # nothing was held
    named = msgspec.structs.replace(late, mpesa_receipt="TKP1XYZ")
    assert rules(books(held, first=named)) == {Rule.MPESA_RECEIPT}


def test_an_amount_that_the_legs_do_not_move() -> None:
    wrong = msgspec.structs.replace(paid(), cents=5_100)
    assert Finding(Rule.AMOUNT, "sale_mpesa:pay-7", "is about 5100 cents and moves 5000") in check(books(first=wrong))
    bank = Account(AccountKind.BANK)
    handed_in = ledger.money_moved(fact("m-1"), 100, cash_of("achieng"), bank)
    assert check(books(handed_in)) == []
    assert rules(books(msgspec.structs.replace(handed_in, cents=99))) == {Rule.AMOUNT}


@pytest.mark.parametrize(("net", "tax"), [(4_309, 691), (4_311, 689), (5_000, 0)])
def test_a_tax_that_is_a_cent_off_or_missing(net: int, tax: int) -> None:
    legs = [
        (AccountKind.MPESA, "600999", 5_000),
        (AccountKind.REVENUE, "standard", -net),
        (AccountKind.TAX, VAT.id, -tax),
    ]
    assert rules(books(first=moved(paid(), *[leg for leg in legs if leg[2]]))) == {Rule.TAX}


def test_a_tax_of_another_day() -> None:
    assert rules(books()._replace(rates=(VAT, TaxRate("2026-11-25", 1_400)))) == {Rule.TAX}
    assert rules(books()._replace(rates=(TaxRate("2026-11-25", 1_600),))) == {Rule.TAX}
    assert rules(books()._replace(rates=(VAT, TaxRate("2026-11-26", 1_400)))) == set()


def test_a_balance_below_nothing() -> None:
    short = with_receipts(books(topped(4_999, T0), bought(T0 + 1)))._replace(rights=(RIGHT, RightRow("right002")))
    assert check(short) == [Finding(Rule.OVERDRAWN, "customer_balance:cust1", "was 1 cents below nothing")]
    assert check(short._replace(overdrafts={"customer_balance:cust1": 1})) == []


@pytest.mark.parametrize(
    ("later_s", "found"), [(CLOCKS_APART_S_MAX, set()), (CLOCKS_APART_S_MAX + 1, {Rule.OVERDRAWN})]
)
def test_clocks_of_two_nodes_may_differ_and_no_more(later_s: int, found: set[Rule]) -> None:
    made = with_receipts(books(topped(5_000, T0 + later_s), bought(T0)))._replace(rights=(RIGHT, RightRow("right002")))
    assert rules(made) == found


def test_more_paper_sold_or_used_than_was_printed() -> None:
    one = trade.Paper("B12", "day.1", 3_000)
    made = trade.batch_made(fact("B12"), one)
    sold = trade.vouchers_sold(fact("s-1"), trade.Paper("B12", "day.1", 3_000, 2), cash_of("achieng"), "K1-000002")
    assert Finding(Rule.OVERDRAWN, "voucher_stock:B12", "was 3000 cents below nothing") in check(
        with_receipts(books(made, sold))
    )
    used = [trade.redeemed(fact(f"B12-{n}"), one, VAT, f"right{n}", cash_of("achieng")) for n in (1, 2)]
    found = check(books(made, *used)._replace(rights=(RIGHT, RightRow("right1"), RightRow("right2"))))
    assert {finding.what for finding in found} == {"voucher_stock:B12", "vouchers_outstanding:B12"}


def test_more_given_back_than_was_taken() -> None:
    twice = with_receipts(books(refunded(3_000), refunded(3_000, "r-2", "K1-000003")))
    assert rules(twice._replace(rights=(RightRow("right001", revoked=True),))) == {Rule.TAKEN_BACK}
    nothing = msgspec.structs.replace(refunded(3_000), reverses="sale_mpesa:pay-6")
    assert Rule.TAKEN_BACK in rules(with_receipts(books(nothing)))


def test_a_void_is_the_mirror_and_alone() -> None:
    sold = ledger.sale_by_cash(fact("s-1"), sale("right002", receipt="K1-000002"), "achieng")
    back = ledger.void(signed(sold.id), sold, [])
    assert isinstance(back, Journal)
    gone = with_receipts(books(sold, back))._replace(rights=(RIGHT, RightRow("right002", revoked=True)))
    assert check(gone) == []
    less = moved(back, (AccountKind.CASH, "achieng", -100), (AccountKind.REVENUE, "standard", 100))
    assert Rule.SHAPE in rules(gone._replace(journals=(paid(), sold, less)))
    again = msgspec.structs.replace(back, fact=signed("again"))
    assert Rule.TAKEN_BACK in rules(gone._replace(journals=(paid(), sold, back, again)))


def test_a_refund_whose_tax_is_not_that_of_the_sale() -> None:
    part = refunded(2_500)
    assert check(with_receipts(books(part))) == []
    wrong = moved(
        part,
        (AccountKind.REFUNDS, "standard", 2_154),
        (AccountKind.TAX, VAT.id, 346),
        (AccountKind.CASH, "achieng", -2_500),
    )
    assert rules(with_receipts(books(wrong))) == {Rule.TAX}


def test_a_correction_names_who_why_and_who_agreed() -> None:
    unsigned = refunded(100, cause=fact("r-1", approved_by="otieno"))
    assert rules(with_receipts(books(unsigned))) == {Rule.UNSIGNED}
    alone = refunded(100, cause=fact("r-1", actor="achieng", reason="slow"))
    assert rules(with_receipts(books(alone))) == {Rule.UNAPPROVED}
    assert check(with_receipts(books(alone))._replace(approval_cents=100)) == []
    self_approved = refunded(100, cause=fact("r-1", actor="achieng", reason="slow", approved_by="achieng"))
    assert rules(with_receipts(books(self_approved))) == {Rule.UNAPPROVED}


def test_one_mpesa_receipt_credits_once_whichever_door_it_came_by() -> None:
    c2b = ledger.top_up(fact("TKP1XYZ"), "cust1", came(5_000, "TKP1XYZ"), "K1-000002")
    assert check(with_receipts(books(c2b))) == [
        Finding(Rule.MPESA_RECEIPT, "TKP1XYZ", "was credited by sale_mpesa:pay-7, top_up:TKP1XYZ")
    ]
    # Credited by query, without a receipt, which was attached to the payment later.
    by_query = ledger.sale_by_mpesa(fact("pay-7"), sale(), came(payment="pay-7"))
    assert check(books(first=by_query)) == []
    assert rules(with_receipts(books(c2b, first=by_query))) == {Rule.MPESA_RECEIPT}


def test_a_payment_and_its_journal_name_the_same_mpesa_receipt() -> None:
    other = PAYMENT._replace(mpesa_receipt="TKP1XYY")
    assert rules(books()._replace(payments=(other,))) == {Rule.MPESA_RECEIPT}


@pytest.mark.parametrize(
    "receipts",
    [
        (),
        (RECEIPT, Receipt("K1", 2, "sale_mpesa:pay-7", 5_000)),
        (Receipt("K1", 1, "sale_mpesa:pay-7", 4_900),),
        (Receipt("K2", 1, "sale_mpesa:pay-7", 5_000),),
        (RECEIPT, Receipt("K1", 2, "sale_mpesa:pay-8", 5_000)),
        (RECEIPT, RECEIPT),
    ],
)
def test_receipts_and_journals_are_one_to_one(receipts: tuple[Receipt, ...]) -> None:
    assert rules(books()._replace(receipts=receipts)) == {Rule.RECEIPT}


def test_a_number_that_is_missing() -> None:
    late = ledger.top_up(fact("TK2"), "cust1", came(100, "TK2"), "K1-000003")
    assert check(with_receipts(books(late))) == [Finding(Rule.RECEIPT_GAP, "K1-000002", "is missing")]


@pytest.mark.parametrize(
    "payments",
    [
        (PAYMENT._replace(paid=False),),
        (PAYMENT._replace(cents=4_900),),
        (PAYMENT, PaymentRow("pay-8", paid=True, cents=5_000)),
        (),
    ],
)
def test_every_paid_payment_is_credited_once_and_no_other(payments: tuple[PaymentRow, ...]) -> None:
    assert Rule.PAYMENT in rules(books()._replace(payments=payments))


def test_a_sale_by_mpesa_without_a_payment() -> None:
    nameless = msgspec.structs.replace(paid(), payment="")
    assert Rule.PAYMENT in rules(books(first=nameless))


@pytest.mark.parametrize("rights", [(), (RIGHT, RightRow("right002")), (RIGHT, RIGHT)])
def test_every_right_has_its_journal_and_the_other_way_round(rights: tuple[RightRow, ...]) -> None:
    assert rules(books()._replace(rights=rights)) == {Rule.RIGHT}


def test_a_grant_and_a_trial_have_their_right_too() -> None:
    memos = (ledger.grant(signed("right002"), "right002"), ledger.trial(fact("right003"), "right003", "trial.1"))
    assert check(books(*memos)._replace(rights=(RIGHT, RightRow("right002"), RightRow("right003")))) == []
    assert rules(books(*memos)) == {Rule.RIGHT}
    assert check(books(ledger.gift(signed("g-1"), "cust1", 500))) == []


def test_a_right_does_not_outlive_its_money() -> None:
    whole = with_receipts(books(refunded(5_000)))
    assert rules(whole) == {Rule.RIGHT_KEPT}
    assert check(whole._replace(rights=(RightRow("right001", revoked=True),))) == []
    assert check(with_receipts(books(refunded(4_999)))) == []


def test_every_cause_has_a_shape() -> None:
    assert set(SHAPES) == set(Cause) - {Cause.VOID, Cause.MONEY_MOVED}
    assert CREDITS <= RECEIPTED
    assert APPROVED <= SIGNED
    assert not GIVES_RIGHT & SIGNED
