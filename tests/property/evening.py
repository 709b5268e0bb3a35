"""An evening at a till, made from any numbers: events booked by the builders, counted beside them the dumb way.

`Till` keeps what a person with a pencil would: who paid what, what each holds. It never looks at a leg of a journal.
"""

from collections import Counter

from billing.domain import ledger, trade
from billing.domain.books import Books, PaymentRow, RightRow
from billing.domain.journal import Account, AccountKind, Fact, Journal, Receipt, business_day
from billing.domain.ledger import Came, Sale, cash_of, mpesa
from billing.domain.money import TaxRate, rate_on
from billing.domain.trade import Paper

T0 = 1_795_600_800
RATES = (TaxRate("2021-01-01", 1_600), TaxRate("2026-11-26", 1_400))
TILL, SELLER, AGENT = "600999", "achieng", "duka"
CUSTOMERS = ("cust0", "cust1")
PACKAGES = ("day.1", "standard.2")
COMMISSION = 1_250
STEPS = (
    "buy_mpesa", "buy_cash", "top_up", "top_up_c2b", "buy_balance", "stray", "claim", "send_back", "print_batch",
    "sell_paper", "use_paper", "use_unsold", "spoil_paper", "expire_paper", "refund", "void", "gift", "grant",
    "agent_pays", "agent_sells", "agent_paid", "hand_in", "close_day",
)  # fmt: skip


class Till:
    """State of the evening. Every step takes one number, from which it takes whatever it needs."""

    def __init__(self) -> None:
        self.now = T0
        self.journals: list[Journal] = []
        self.receipts: list[Receipt] = []
        self.payments: list[PaymentRow] = []
        self.rights: dict[str, bool] = {}
        self.places: Counter[str] = Counter()  # money, by pencil
        self.owed: Counter[str] = Counter()  # what customers and agents have with us, by pencil
        self.refused: list[str] = []
        self.stray: list[Journal] = []
        self.sales: list[Journal] = []
        self.stock = self.sold = 0
        self.batches: list[Paper] = []

    # -- helpers -----------------------------------------------------------------------------------------------

    def fact(self, subject: str, *, signed: bool = False) -> Fact:
        day = business_day(self.now)
        return Fact(subject, self.now, day, SELLER, "a story", "otieno") if signed else Fact(subject, self.now, day)

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.journals)}"

    def number(self) -> str:
        return f"K1-{len(self.receipts) + 1:06}"

    def sale(self, n: int, right: str) -> Sale:
        rate = rate_on(RATES, business_day(self.now))
        self.rights[right] = False
        return Sale(PACKAGES[n % 2], 1 + n % 9_973, rate, right, self.number())

    def book(self, entry: object) -> Journal | None:
        if not isinstance(entry, Journal):
            self.refused.append(type(entry).__name__)
            return None
        self.journals.append(entry)
        if entry.receipt:
            self.receipts.append(Receipt("K1", len(self.receipts) + 1, entry.id, entry.cents))
        return entry

    def by_mpesa(self, n: int, *, named: bool) -> Came:
        payment, receipt = self.name("pay"), f"TK{len(self.journals)}"
        cents = 1 + n % 9_973
        self.payments.append(PaymentRow(payment, paid=True, cents=cents, mpesa_receipt=receipt))
        self.places["mpesa"] += cents
        return Came(mpesa(TILL), cents, receipt if named else "", payment)

    # -- steps -------------------------------------------------------------------------------------------------

    def buy_mpesa(self, n: int) -> None:
        came = self.by_mpesa(n, named=n % 3 > 0)
        entry = self.book(ledger.sale_by_mpesa(self.fact(came.payment), self.sale(n, self.name("right")), came))
        assert entry is not None
        self.sales.append(entry)

    def buy_cash(self, n: int) -> None:
        entry = self.book(ledger.sale_by_cash(self.fact(self.name("sale")), self.sale(n, self.name("right")), SELLER))
        assert entry is not None
        self.places["cash"] += entry.cents
        self.sales.append(entry)

    def top_up(self, n: int) -> None:
        came = self.by_mpesa(n, named=True)
        self.book(ledger.top_up(self.fact(came.payment), CUSTOMERS[n % 2], came, self.number()))
        self.owed[CUSTOMERS[n % 2]] += came.cents

    def top_up_c2b(self, n: int) -> None:
        receipt = self.name("C2B")
        self.book(ledger.top_up(self.fact(receipt), CUSTOMERS[n % 2], Came(mpesa(TILL), 1 + n, receipt), self.number()))
        self.places["mpesa"] += 1 + n
        self.owed[CUSTOMERS[n % 2]] += 1 + n

    def buy_balance(self, n: int) -> None:
        right, who = self.name("right"), CUSTOMERS[n % 2]
        entry = self.book(ledger.purchase(self.fact(right), self.sale(n, right), who, self.owed[who]))
        if entry is None:
            del self.rights[right]
        else:
            self.owed[who] -= entry.cents
            self.sales.append(entry)

    def stray_money(self, n: int) -> None:
        receipt = self.name("TQ")
        entry = self.book(ledger.unmatched_in(self.fact(receipt), Came(mpesa(TILL), 1 + n, receipt)))
        assert entry is not None
        self.places["mpesa"] += 1 + n
        self.owed["stray"] += 1 + n
        self.stray.append(entry)

    def claim(self, n: int) -> None:
        if self.stray:
            held = self.stray.pop(n % len(self.stray))
            self.book(ledger.unmatched_claimed(self.fact(held.fact.subject), held, CUSTOMERS[n % 2], self.number()))
            self.owed["stray"] -= held.cents
            self.owed[CUSTOMERS[n % 2]] += held.cents

    def send_back(self, n: int) -> None:
        if self.stray:
            held = self.stray.pop(n % len(self.stray))
            self.book(ledger.unmatched_returned(self.fact(held.fact.subject, signed=True), held, mpesa(TILL)))
            self.owed["stray"] -= held.cents
            self.places["mpesa"] -= held.cents

    def print_batch(self, n: int) -> None:
        paper = Paper(self.name("B"), PACKAGES[n % 2], 1_000, 1 + n % 5)
        self.batches.append(Paper(paper.batch, paper.package, paper.price_cents))
        self.stock, self.sold = paper.count, 0
        self.book(trade.batch_made(self.fact(paper.batch), paper))
        self.owed["paper"] += paper.cents
        self.owed["stock"] -= paper.cents

    def sell_paper(self, _: int) -> None:
        if self.stock:
            self.stock, self.sold = self.stock - 1, self.sold + 1
            self.book(trade.vouchers_sold(self.fact(self.name("s")), self.batches[-1], cash_of(SELLER), self.number()))
            self.places["cash"] += 1_000
            self.owed["stock"] += 1_000

    def use_paper(self, _: int) -> None:
        if self.sold:
            self.sold -= 1
            self._used(None)

    def use_unsold(self, _: int) -> None:
        if self.stock:
            self.stock -= 1
            self._used(cash_of(SELLER))
            self.places["cash"] += 1_000
            self.owed["stock"] += 1_000

    def _used(self, unsold_from: Account | None) -> None:
        right = self.name("right")
        self.rights[right] = False
        rate = rate_on(RATES, business_day(self.now))
        self.book(trade.redeemed(self.fact(self.name("v")), self.batches[-1], rate, right, unsold_from))
        self.owed["paper"] -= 1_000

    def spoil_paper(self, n: int) -> None:
        paid_back = bool(n % 2)
        if not (self.sold if paid_back else self.stock):
            return
        fact = self.fact(self.name("v"), signed=True)
        self.book(trade.voucher_void(fact, self.batches[-1], cash_of(SELLER) if paid_back else None))
        self.owed["paper"] -= 1_000
        if paid_back:
            self.sold -= 1
            self.places["cash"] -= 1_000
        else:
            self.stock -= 1
            self.owed["stock"] += 1_000

    def expire_paper(self, n: int) -> None:
        sold = bool(n % 2)
        if not (self.sold if sold else self.stock):
            return
        rate = rate_on(RATES, business_day(self.now))
        self.book(trade.voucher_expired(self.fact(self.name("v")), self.batches[-1], rate, sold=sold))
        self.owed["paper"] -= 1_000
        if sold:
            self.sold -= 1
        else:
            self.stock -= 1
            self.owed["stock"] += 1_000

    def refund(self, n: int) -> None:
        if not self.sales:
            return
        sold = self.sales[n % len(self.sales)]
        fact = self.fact(self.name("refund"), signed=True)
        cents = sold.cents if n % 3 == 0 else 1 + n % max(1, sold.cents)
        entry = self.book(ledger.refund(fact, sold, cents, self.journals, cash_of(SELLER), self.number()))
        if entry is not None:
            self.places["cash"] -= cents
            self._revoke(sold)

    def void(self, n: int) -> None:
        cash = [entry for entry in self.sales if entry.cause.value == "sale_cash"]
        if not cash:
            return
        sold = cash[n % len(cash)]
        if self.book(ledger.void(self.fact(sold.id, signed=True), sold, self.journals)) is not None:
            self.places["cash"] -= sold.cents
            self._revoke(sold)

    def _revoke(self, sold: Journal) -> None:
        if sum(entry.cents for entry in self.journals if entry.reverses == sold.id) == sold.cents:
            self.rights[sold.right] = True

    def gift(self, n: int) -> None:
        self.book(ledger.gift(self.fact(self.name("gift"), signed=True), CUSTOMERS[n % 2], 1 + n % 500))
        self.owed[CUSTOMERS[n % 2]] += 1 + n % 500

    def grant(self, _: int) -> None:
        right = self.name("right")
        self.rights[right] = False
        self.book(ledger.grant(self.fact(right, signed=True), right))

    def agent_pays(self, n: int) -> None:
        came = self.by_mpesa(n, named=True)
        self.book(trade.float_in(self.fact(came.payment), AGENT, came, self.number()))
        self.owed[AGENT] += came.cents

    def agent_sells(self, n: int) -> None:
        right = self.name("right")
        sale = self.sale(n, right)
        entry = self.book(trade.sale_by_agent(self.fact(right), sale, AGENT, COMMISSION, self.owed[AGENT]))
        if entry is None:
            del self.rights[right]
        else:
            self.owed[AGENT] -= sale.cents
            self.owed["commission"] += int(sale.cents * 0.125)
            self.sales.append(entry)

    def agent_paid(self, n: int) -> None:
        entry = trade.commission_paid(
            self.fact(self.name("payout")), AGENT, 1 + n % 2_000, self.owed["commission"], mpesa(TILL)
        )
        if self.book(entry) is not None:
            self.owed["commission"] -= 1 + n % 2_000
            self.places["mpesa"] -= 1 + n % 2_000

    def hand_in(self, n: int) -> None:
        bank = Account(AccountKind.BANK, "kcb")
        self.book(ledger.money_moved(self.fact(self.name("m")), 1 + n, cash_of(SELLER), bank))
        self.places["cash"] -= 1 + n
        self.places["bank"] += 1 + n

    def close_day(self, n: int) -> None:
        entry = trade.day_close(
            self.fact(self.name("close"), signed=True), SELLER, self.places["cash"], self.places["cash"] + n % 7 - 3
        )
        if entry is not None:
            self.book(entry)
        self.places["cash"] += n % 7 - 3

    # -- the whole evening -------------------------------------------------------------------------------------

    def play(self, steps: list[tuple[str, int]]) -> None:
        for step, number in steps:
            self.now += 60 + number % 7_000
            getattr(self, "stray_money" if step == "stray" else step)(number)

    def books(self) -> Books:
        return Books(
            tuple(self.journals),
            tuple(self.receipts),
            tuple(self.payments),
            tuple(RightRow(right, revoked) for right, revoked in self.rights.items()),
            RATES,
        )
