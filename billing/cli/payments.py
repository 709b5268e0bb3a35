"""`payments`: what was asked for by M-Pesa and what came of it, and money without a name."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.cli import books, find, progress
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.progress import All, Search
from billing.cli.show import Column, amount, when
from billing.domain.daraja import PAID, RESULTS, error_class
from billing.domain.doors import DoorState
from billing.domain.give_back import TakenBack
from billing.domain.journal import business_day
from billing.domain.ledger import Reason
from billing.domain.payment import PaymentState
from billing.domain.settle import Settled
from billing.ports import PAGE_MAX, ClaimKind, KeptPayment, Unmatched
from billing.services.reconcile import Round
from billing.services.strays import Claimed
from billing.services.word import Word
from radius.domain.errors import Malformed

app = typer.Typer(name="payments", help="M-Pesa money.", no_args_is_help=True)

LIST_MAX = 50
LISTED_MAX = 100_000  # of one day

_STATES = {
    PaymentState.CREATED: "not sent yet",
    PaymentState.PENDING: "waiting for the customer",
    PaymentState.UNKNOWN: "sent, and the answer was lost",
    PaymentState.FAILED: "failed",
    PaymentState.EXPIRED: "nobody answered",
    PaymentState.DISPUTED: "another amount came",
    PaymentState.PROVEN: "paid, M-Pesa code not known yet",
    PaymentState.PAID: "paid",
}
_CLAIMED = {
    Claimed.CLAIMED: "The money is on the customer's balance.",
    Claimed.WAITS: "It may be the money of a payment that is still open: ask again in half an hour.",
    Claimed.UNKNOWN: "No such money is known, or the customer has no account yet.",
    Claimed.GONE: "Somebody has that money already.",
}

_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]

COLUMNS = (
    Column("PAYMENT", "payment"),
    Column("WHEN", "at", when),
    Column("AMOUNT", "cents", amount, right=True),
    Column("PACKAGE", "package"),
    Column("STATE", "state_words"),
    Column("M-PESA", "mpesa_receipt"),
    Column("CUSTOMER", "customer"),
)
ONE = (
    *COLUMNS,
    Column("PAID", "paid_at", when),
    Column("M-PESA SAID", "code"),
    Column("WHICH MEANS", "code_words"),
    Column("REFERENCE", "reference"),
    Column("DEVICE WAITS", "device"),
    Column("ASKED AGAIN", "tries"),
    Column("NEXT LOOK", "due_at", when),
    Column("BOOKED AS", "journal"),
    Column("GIVEN BACK", "given_back_cents", amount),
    Column("REFUND UNDER WAY", "refund"),
)
MONEY = (
    Column("M-PESA", "mpesa_receipt"),
    Column("AMOUNT", "cents", amount),
    Column("PAID", "paid_at", when),
    Column("STATE", "state"),
    Column("TYPED BY THE PAYER", "reference"),
)
ROUND = (
    Column("ASKED M-PESA ABOUT", "asked"),
    Column("SETTLED", "settled"),
    Column("EXPIRED", "expired"),
    Column("MONEY WITHOUT A NAME BOOKED", "strays"),
    Column("REFUNDS LOOKED AT", "refunds"),
    Column("FOR A PERSON", "by_hand"),
)


@command(
    app, "list",
    "payments list\npayments list --day 2026-11-24 --state failed --site kilimani\npayments list --user 0712345678",
)  # fmt: skip
def list_payments(
    frame: Frame,
    day: Annotated[str, typer.Option(metavar="DAY", help="As 2026-11-25; default: today, of one customer any.")] = "",
    state: Annotated[str, typer.Option(help=f"One of {', '.join(PaymentState)}.")] = "",
    user: Annotated[str, typer.Option("--user", metavar="WHO", help="Of one customer.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=LISTED_MAX, help="At most so many.")] = LIST_MAX,
    whole: All = False,
) -> None:
    """Payments of a day, of a site on a day, or of one customer, the latest first."""
    if state and state not in set(PaymentState):
        raise Malformed("state", f"must be one of {', '.join(PaymentState)}")
    whose = find.customer(frame, user) if user else ""
    search = progress.search(limit, whole=whole)
    wanted = books.day_of(day) if day else ("" if whose else business_day(frame.now))
    found = (each for each in _listed(frame, wanted, whose, search) if state in {"", each.payment.state.value})
    rows = [facts(each) for each in islice(found, limit)]
    frame.show.table(rows, COLUMNS, "No such payment." if whose else "No such payment that day.")
    if len(rows) == limit and not frame.as_json:
        frame.note(f"The latest {limit}; more with --limit.")
    else:
        search.told(frame, "payments")


def _listed(frame: Frame, day: str, whose: str, search: Search) -> Iterator[KeptPayment]:
    """The latest first, of one customer, of a site's day, or of everybody's day, a page at a time."""
    ports = frame.billing.store.ports
    for ids in _ids(frame, day, whose, search):
        search.looked += len(ids)
        page = {each.payment.id: each for each in ports.payments(ids, frame.deadline())}
        found = [page[name] for name in ids if name in page]
        if day and found and business_day(found[0].payment.created_at) < day:
            return
        yield from (each for each in found if day in {"", business_day(each.payment.created_at)})


def _ids(frame: Frame, day: str, whose: str, search: Search) -> Iterator[tuple[str, ...]]:
    ports = frame.billing.store.ports
    if not whose and not frame.site:
        ids = ports.latest_on(day, min(search.left, LISTED_MAX), frame.deadline())
        yield from (tuple(ids[first : first + PAGE_MAX]) for first in range(0, len(ids), PAGE_MAX))
        search.cut = len(ids) == search.most
        return
    after: str | None = None
    while limit := min(search.left, PAGE_MAX):
        if whose:
            page = ports.latest_by(whose, after, limit, frame.deadline())
        else:
            page = ports.latest_at(frame.site, day, after, limit, frame.deadline())
        if page.ids:
            yield page.ids
        after = page.more
        if after is None:
            return
    search.cut = True


@command(app, "show", "payments show TKP0000001\npayments show 5f3a9c0d11e4b7a8")
def show(
    frame: Frame, what: Annotated[str, typer.Argument(metavar="PAYMENT|M-PESA-CODE", help="Either of them.")]
) -> None:
    """One payment, or money that named nobody."""
    ports = frame.billing.store.ports
    owner = ports.owner(ClaimKind.MPESA, what.upper(), frame.deadline())
    kept = ports.payment(owner or what, frame.deadline())
    if kept is not None:
        frame.show.item({**facts(kept), **_booked(frame, kept)}, ONE)
        return
    found = ports.unmatched(what.upper(), frame.deadline())
    if found is None:
        raise Nobody(f"there is no payment {what}")
    frame.show.item(money_facts(found), MONEY)


@command(app, "reconcile", "payments reconcile")
def reconcile(frame: Frame, reason: _Reason = "") -> Exit:
    """Do now what the worker does each minute: ask about open payments, book money without a name, look at refunds.

    Exit code 1 if something is left for a person.
    """
    with frame.deed("payments", reason):
        billing, speaks = frame.billing, frame.speaks_with_mpesa
        asked = billing.reconciler.round(frame.now) if speaks else Round()
        strays = billing.strays.round(frame.now)
        refunds = billing.desk.refunds.round(frame.now) if speaks else 0
    if not speaks:
        frame.note("M-Pesa was not asked: no variable MPESA_... is set here; the worker of selling has them.")
    by_hand = [*asked.by_hand, *asked.missing]
    told = {
        "asked": asked.asked, "settled": asked.settled, "expired": asked.expired, "strays": strays,
        "refunds": refunds, "by_hand": by_hand,
    }  # fmt: skip
    frame.show.item(told, ROUND)
    return Exit.NOT if by_hand else Exit.DONE


@command(app, "statement", "payments statement march.csv --reason 'monthly statement'")
def statement(
    frame: Frame,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, as M-Pesa's portal exports it.")],
    reason: _Reason = "",
) -> Exit:
    """Import M-Pesa's own statement: whatever it has and the books have not is booked; what differs is told.

    Safe to repeat. Exit code 1 if something is left for a person.
    """
    from billing.mpesa.statement import read_statement  # noqa: PLC0415 - most commands need no reader of it

    try:
        read = read_statement(file.read_bytes())
    except OSError as refused:
        raise Malformed("file", f"{file} cannot be read: {refused.strerror}") from None
    with frame.deed(file.name, reason):
        done = frame.billing.statements.take(read, frame.actor, frame.now)
    left: dict[str, Sequence[str]] = {
        "waiting": done.waiting,
        "different": [row.mpesa_receipt for row, _ in done.match.different],
        "missing_there": [known.mpesa_receipt for known in done.match.missing_there],
        "unproven": done.unproven,
        "outside": done.outside,
        "withdrawn": [row.mpesa_receipt for row in done.withdrawn],
        "unreadable": [str(problem) for problem in done.problems],
    }
    told = {
        "found": list(done.found),
        "fees_cents": done.fees_cents,
        **{name: list(those) for name, those in left.items()},
    }
    frame.show.item(told, _IMPORTED)
    return Exit.NOT if any(left.values()) else Exit.DONE


_IMPORTED = (
    Column("BOOKED BY THIS", "found"),
    Column("FEES BOOKED", "fees_cents", amount),
    Column("MAY BE A PAYMENT'S OWN", "waiting"),
    Column("ANOTHER AMOUNT IN THE BOOKS", "different"),
    Column("IN THE BOOKS, NOT IN IT", "missing_there"),
    Column("PAYMENTS WITHOUT THEIR MONEY", "unproven"),
    Column("REVERSALS NOT OURS", "outside"),
    Column("TAKEN OUT BY A PERSON", "withdrawn"),
    Column("LINES NOT READ", "unreadable"),
)


@command(app, "claim", "payments claim TKP0000001 --to 0712345678 --reason 'showed the SMS'")
def claim(
    frame: Frame,
    code: Annotated[str, typer.Argument(metavar="M-PESA-CODE", help="Of money that named nobody.")],
    to: Annotated[str, typer.Option(metavar="WHO", help="Whose it is: phone, account number, ...")],
    reason: _Reason = "",
) -> Exit:
    """Give money that named nobody to the customer who shows its M-Pesa code: it goes to the balance."""
    found = frame.billing.store.ports.unmatched(code.upper(), frame.deadline())
    if found is None:
        raise Nobody(f"there is no money without a name under {code}")
    customer = find.customer(frame, to)
    frame.sure(f"Give {amount(found.cents)} of {found.receipt} to {to}?")
    with frame.deed(customer, frame.why(reason)) as came:
        claimed = frame.billing.strays.claim(found.receipt, customer, frame.now, frame.actor)
        came("done" if claimed is Claimed.CLAIMED else claimed.value)
    facts_ = {"mpesa_receipt": found.receipt, "customer": customer, "outcome": claimed.value}
    frame.show.done(_CLAIMED[claimed], facts_)
    return Exit.DONE if claimed is Claimed.CLAIMED else Exit.NOT


@command(app, "attach", "payments attach TKP0000001 --to 5f3a9c0d11e4b7a8 --reason 'showed the SMS'")
def attach(
    frame: Frame,
    code: Annotated[str, typer.Argument(metavar="M-PESA-CODE", help="Of money that waits.")],
    to: Annotated[str, typer.Option(metavar="PAYMENT", help="That M-Pesa confirmed without a code.")],
    reason: _Reason = "",
) -> Exit:
    """Say that this M-Pesa code is that of a payment which was confirmed without one. Nothing is credited by it."""
    frame.sure(f"Is {code.upper()} the code of the payment {to}?")
    with frame.deed(to, frame.why(reason)) as came:
        word = Word(frame.actor, frame.why(reason))
        found = frame.billing.statements.decide(code.upper(), to, word, frame.now)
        came("done" if isinstance(found, Settled) else "refused")
    if isinstance(found, Settled):
        frame.show.done(f"{code.upper()} is the code of {to}.", {"attached": True})
        return Exit.DONE
    why = found.text if isinstance(found, Reason) else found.why.value
    frame.show.done(f"Not done: {why}.", {"attached": False})
    return Exit.NOT


@command(app, "register", "payments register --reason 'new address'")
def register(frame: Frame, reason: _Reason = "") -> Exit:
    """Tell M-Pesa where to call about money that is paid by hand. Once is enough, and again is safe."""
    frame.sure("Register our addresses with M-Pesa? A till has one pair of them.")
    with frame.deed("addresses", reason) as came:
        done = frame.billing.doors.register(frame.now)
        came("refused" if isinstance(done, Reason) else done.state.value)
    if isinstance(done, Reason):
        frame.show.done(f"Not done: {done.text}.", {"registered": False})
        return Exit.NOT
    ours = done.state is DoorState.OURS
    text = f"M-Pesa calls {done.base}." if ours else f"M-Pesa's answer for {done.base}: {done.state.value}."
    frame.show.done(text, {"registered": ours, "state": done.state.value, "base": done.base})
    return Exit.DONE if ours else Exit.NOT


def facts(kept: KeptPayment) -> dict[str, Any]:
    """What is told of a payment."""
    payment = kept.payment
    return {
        "payment": payment.id,
        "at": payment.created_at,
        "cents": payment.cents,
        "package": payment.package,
        "state": payment.state.value,
        "state_words": _STATES[payment.state],
        "mpesa_receipt": payment.mpesa_receipt,
        "customer": payment.subscriber,
        "paid_at": payment.paid_at,
        "code": payment.code,
        "code_words": _meaning(payment.code),
        "reference": payment.reference,
        "device": kept.device,
        "tries": kept.tries,
        "due_at": kept.due_at,
    }


def _meaning(code: str) -> str:
    known = RESULTS.get(code)
    if code == PAID:
        return "paid"
    return known.meaning if known else (error_class(code).value if code else "")


def _booked(frame: Frame, kept: KeptPayment) -> dict[str, Any]:
    """What the books have of it."""
    journal = f"{_cause(kept)}:{kept.payment.id}"
    ports = frame.billing.store.ports
    if ports.entry(journal, frame.deadline()) is None:
        return {"journal": "", "given_back_cents": 0, "refund": ""}
    taken = ports.thing(TakenBack, journal, frame.deadline())
    back = ports.entries(taken.thing.by, frame.deadline()) if taken else []
    cents = sum(entry.journal.cents for entry in back)
    return {"journal": journal, "given_back_cents": cents, "refund": taken.thing.open if taken else ""}


def _cause(kept: KeptPayment) -> str:
    return "sale_mpesa" if kept.payment.package else "top_up"


def money_facts(found: Unmatched) -> dict[str, Any]:
    """What is told of money that named nobody."""
    return {
        "mpesa_receipt": found.receipt,
        "cents": found.cents,
        "paid_at": found.paid_at,
        "state": found.state.value,
        "reference": found.reference,
    }
