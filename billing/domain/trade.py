"""Builders: vouchers on paper, agents, tills. What happens to a customer's own money is in `ledger`.

A batch is worth its face value from the moment it is printed: what is not sold is stock, what is not used is owed. So
the two accounts of a batch say at any time what is in the drawer and what customers hold.
"""

import msgspec

from billing.domain.journal import Account, AccountKind, Cause, Fact, Journal, Unbalanced, journal
from billing.domain.ledger import Came, Missing, Move, Sale, cash_of, package_code, revenue, sold
from billing.domain.money import BASIS_POINTS_ALL, TaxRate, share

PAYS_FOR_PAPER = frozenset({AccountKind.CASH, AccountKind.BANK, AccountKind.MPESA, AccountKind.FLOAT})


class Paper(msgspec.Struct, frozen=True):
    """Vouchers of one batch: `count` of them, each for one `package` at `price_cents`."""

    batch: str
    package: str
    price_cents: int
    count: int = 1

    @property
    def cents(self) -> int:
        """Face value."""
        return self.count * self.price_cents

    @property
    def stock(self) -> Account:
        """Printed and not sold."""
        return Account(AccountKind.STOCK, self.batch)

    @property
    def outstanding(self) -> Account:
        """Printed and not used."""
        return Account(AccountKind.VOUCHERS, self.batch)


def batch_made(fact: Fact, paper: Paper) -> Journal:
    """Codes exist: stock, and what they will be worth to who holds them."""
    moves = [(paper.stock, paper.cents), (paper.outstanding, -paper.cents)]
    return journal(Cause.BATCH_MADE, fact, paper.cents, moves, package=paper.package)


def vouchers_sold(fact: Fact, paper: Paper, into: Account, receipt: str, basis_points: int = 0) -> Journal:
    """Paper for money: into a seller's hand, or from an agent's float (`agent_takes` asks whether it is enough).

    `basis_points`: the commission of the agent whose float pays.
    """
    if into.kind not in PAYS_FOR_PAPER:
        raise Unbalanced(f"{into.text} cannot pay for vouchers")
    earned = earns(into.of, paper.package, paper.cents, basis_points) if into.kind is AccountKind.FLOAT else ()
    moves = [(into, paper.cents), (paper.stock, -paper.cents), *earned]
    return journal(Cause.VOUCHERS_SOLD, fact, paper.cents, moves, package=paper.package, receipt=receipt)


def redeemed(fact: Fact, paper: Paper, rate: TaxRate, right: str, unsold_from: Account | None = None) -> Journal:
    """One voucher became a right; the tax is that of the day of its use. `fact` names the serial number.

    `unsold_from`: nobody had booked it as sold, so whoever has the batch has its money (a seller's cash, an agent's
    float), and the sale is booked with it.
    """
    moves: list[Move] = [
        (paper.outstanding, paper.price_cents),
        *revenue(paper.package, paper.price_cents, rate),
    ]
    if unsold_from is not None:
        if unsold_from.kind not in PAYS_FOR_PAPER:
            raise Unbalanced(f"{unsold_from.text} cannot pay for vouchers")
        moves += [(unsold_from, paper.price_cents), (paper.stock, -paper.price_cents)]
    return journal(Cause.VOUCHER_REDEEMED, fact, paper.price_cents, moves, package=paper.package, right=right)


def voucher_void(fact: Fact, paper: Paper, paid_back_from: Account | None = None) -> Journal:
    """One voucher is worth nothing any more: unsold paper leaves the stock, sold paper is paid back."""
    if paid_back_from is not None and paid_back_from.kind not in PAYS_FOR_PAPER:
        raise Unbalanced(f"{paid_back_from.text} cannot pay for vouchers")
    moves = [(paper.outstanding, paper.price_cents), (paid_back_from or paper.stock, -paper.price_cents)]
    return journal(Cause.VOUCHER_VOID, fact, paper.price_cents, moves, package=paper.package)


def voucher_expired(fact: Fact, paper: Paper, rate: TaxRate, *, sold: bool) -> Journal:
    """One voucher was not used in time: unsold paper leaves the stock, what was paid for is ours to keep, with tax."""
    credits_: tuple[Move, ...] = (
        revenue(paper.package, paper.price_cents, rate) if sold else ((paper.stock, -paper.price_cents),)
    )
    moves = [(paper.outstanding, paper.price_cents), *credits_]
    return journal(Cause.VOUCHER_EXPIRED, fact, paper.price_cents, moves, package=paper.package)


def voucher_replaced(fact: Fact, paper: Paper) -> Journal:
    """Another code stands for the same paper: no money moves, but it is written down who did it and why."""
    return journal(Cause.VOUCHER_REPLACED, fact, 0, (), package=paper.package)


def agent_float(agent: str) -> Account:
    """What an agent has paid in and not used."""
    return Account(AccountKind.FLOAT, agent)


def agent_commission(agent: str) -> Account:
    """What an agent has earned and not been paid."""
    return Account(AccountKind.COMMISSION, agent)


def float_in(fact: Fact, agent: str, came: Came, receipt: str) -> Journal:
    """An agent pays in ahead, in money or by turning commission into float."""
    return journal(
        Cause.FLOAT_IN,
        fact,
        came.cents,
        [(came.into, came.cents), (agent_float(agent), -came.cents)],
        payment=came.payment,
        receipt=receipt,
        mpesa_receipt=came.mpesa_receipt,
    )


def earns(agent: str, package: str, cents: int, basis_points: int) -> tuple[Move, Move]:
    """Commission on a price, tax included, rounded down."""
    if not 0 <= basis_points <= BASIS_POINTS_ALL:
        raise Unbalanced(f"a commission of {basis_points} basis points")
    earned = share(cents, basis_points, BASIS_POINTS_ALL)
    return (Account(AccountKind.COMMISSION_COST, package_code(package)), earned), (agent_commission(agent), -earned)


def agent_takes(cents: int, float_cents: int, ceiling_cents: int = 0) -> Missing | None:
    """None if an agent may take goods for `cents` with this float and credit ceiling, else what is missing."""
    missing = cents - float_cents - ceiling_cents
    return Missing(missing) if missing > 0 else None


def sale_by_agent(
    fact: Fact, sale: Sale, agent: str, basis_points: int, float_cents: int, ceiling_cents: int = 0
) -> Journal | Missing:
    """An agent sells a package out of the float as it stands, and earns the commission of that package."""
    missing = agent_takes(sale.cents, float_cents, ceiling_cents)
    if missing is not None:
        return missing
    commission = earns(agent, sale.package, sale.cents, basis_points)
    return sold(Cause.SALE_AGENT, fact, sale, agent_float(agent), *commission)


def commission_paid(fact: Fact, agent: str, cents: int, earned_cents: int, out_of: Account) -> Journal | Missing:
    """Pay commission out, never more than was earned."""
    if cents > earned_cents:
        return Missing(cents - earned_cents)
    return journal(Cause.COMMISSION_PAID, fact, cents, [(agent_commission(agent), cents), (out_of, -cents)])


def day_close(fact: Fact, seller: str, booked_cents: int, counted_cents: int) -> Journal | None:
    """What a seller counted against what the books say; None if they agree. Too little is a cost of ours."""
    over = counted_cents - booked_cents
    if over == 0:
        return None
    return journal(
        Cause.DAY_CLOSE, fact, abs(over), [(cash_of(seller), over), (Account(AccountKind.DIFFERENCE, seller), -over)]
    )
