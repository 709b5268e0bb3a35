"""Whatever happens in whatever order: the books balance, nothing is made or lost, and the check says so.

Then it is handed books with one thing wrong, and must say that too.
"""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from billing.domain import ledger
from billing.domain.audit import check
from billing.domain.books import Books
from billing.domain.journal import AccountKind, Fact, Journal, Leg, balances
from billing.domain.ledger import Sale, cash_of
from billing.domain.money import TaxRate, split
from tests.property.evening import STEPS, Till

K = AccountKind
EVENINGS = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 50_000)), max_size=60)
BUSY = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 50_000)), min_size=5, max_size=40)


def kinds(till: Till) -> Counter[AccountKind]:
    sums: Counter[AccountKind] = Counter()
    for account, cents in balances(till.journals).items():
        sums[account.kind] += cents
    return sums


@given(EVENINGS)
def test_any_evening_balances_and_agrees_with_a_pencil(steps: list[tuple[str, int]]) -> None:
    till = Till()
    till.play(steps)
    assert check(till.books()) == []
    sums = kinds(till)
    assert sum(sums.values()) == 0
    assert {K.MPESA: sums[K.MPESA], K.CASH: sums[K.CASH], K.BANK: sums[K.BANK]} == {
        K.MPESA: till.places["mpesa"],
        K.CASH: till.places["cash"],
        K.BANK: till.places["bank"],
    }
    assert -sums[K.CUSTOMER] == till.owed["cust0"] + till.owed["cust1"]
    assert -sums[K.FLOAT] == till.owed["duka"]
    assert -sums[K.UNMATCHED] == till.owed["stray"]
    assert -sums[K.VOUCHERS] == till.owed["paper"]
    assert -sums[K.STOCK] == till.owed["stock"]
    assert -sums[K.COMMISSION] == till.owed["commission"]
    assert min(till.owed["cust0"], till.owed["cust1"], till.owed["duka"], till.owed["stray"]) >= 0


@given(BUSY, st.data())
def test_books_with_one_cent_moved_are_found_out(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    till = Till()
    till.play(steps)
    with_legs = [index for index, entry in enumerate(till.journals) if entry.legs]
    if not with_legs:
        return
    index = data.draw(st.sampled_from(with_legs))
    entry = till.journals[index]
    which = data.draw(st.integers(0, len(entry.legs) - 1))
    leg = entry.legs[which]
    spoilt = (*entry.legs[:which], Leg(leg.account, leg.cents + 1), *entry.legs[which + 1 :])
    till.journals[index] = msgspec.structs.replace(entry, legs=spoilt)
    assert check(till.books())


@given(BUSY, st.data())
def test_a_row_that_is_lost_or_doubled_is_found_out(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    till = Till()
    till.play(steps)
    books = till.books()
    fields = [name for name in ("receipts", "payments", "rights") if getattr(books, name)]
    sold = [i for i, entry in enumerate(books.journals) if entry.receipt]
    if not fields or not sold:
        return
    name = data.draw(st.sampled_from(fields))
    rows = getattr(books, name)
    lost = data.draw(st.integers(0, len(rows) - 1))
    assert check(books._replace(**{name: rows[:lost] + rows[lost + 1 :]}))
    index = data.draw(st.sampled_from(sold))
    assert check(books._replace(journals=books.journals[:index] + books.journals[index + 1 :]))
    assert check(books._replace(journals=(*books.journals, books.journals[index])))


def test_an_empty_book_is_right() -> None:
    assert check(Books(())) == []


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_a_split_price_is_the_price(gross: int, points: int) -> None:
    parts = split(gross, TaxRate("2021-01-01", points))
    assert parts.net_cents + parts.tax_cents == gross
    assert parts.net_cents >= 0
    # The tax is what the net would have borne, to less than a cent.
    assert abs(parts.tax_cents * (10_000 + points) - gross * points) * 2 <= 10_000 + points


@given(st.integers(1, 20_000), st.lists(st.integers(1, 5_000), min_size=1, max_size=8), st.integers(0, 10_000))
def test_a_sale_given_back_in_any_parts_leaves_no_cent_of_tax(cents: int, parts: list[int], points: int) -> None:
    sale = Sale("day.1", cents, TaxRate("2021-01-01", points), "right001", "K1-000001")
    books = [ledger.sale_by_cash(Fact("s-1", 0, "2026-11-25"), sale, "achieng")]
    for number, part in enumerate([*parts, cents]):
        left = cents - ledger.taken_back_cents(books[0], books)
        if left:
            fact = Fact(f"r-{number}", 0, "2026-11-25", "achieng", "slow", "otieno")
            back = ledger.refund(fact, books[0], min(part, left), books, cash_of("achieng"), "C1-000001")
            assert isinstance(back, Journal)
            books.append(back)
    sums = {account.kind: total for account, total in balances(books).items()}
    assert sums.get(K.TAX, 0) == sums[K.CASH] == 0
    assert sums.get(K.REFUNDS, 0) == -sums.get(K.REVENUE, 0)
