"""`payments refund` and what follows: money on its way back, on one person's word or two."""

from typing import Annotated, Any

import typer

from billing.cli import live, payments
from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.keyed import once
from billing.cli.show import Column, amount
from billing.domain import money
from billing.domain.give_back import Refund, TakenBack, Way
from billing.domain.ledger import Reason
from billing.domain.reversal import ReversalState
from billing.ports import PAGE_MAX, ClaimKind
from billing.services.refunds import UNUSED, Ask
from billing.services.word import Word
from radius.domain.errors import Malformed
from radius.domain.subscriber import Subscriber

app = payments.app

FOR_EVER = 1 << 40  # beyond any instant that a refund is looked at, and what a person must decide stands before
OPEN_MAX = 1_000

_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]
_Approved = Annotated[str, typer.Option("--approved-by", metavar="NAME", help="A second person, where it takes one.")]
_Refund = Annotated[str, typer.Argument(metavar="REFUND", help="As `payments refund` named it.")]

REFUND = (
    Column("REFUND", "refund"),
    Column("OF", "journal"),
    Column("AMOUNT", "cents", amount),
    Column("BY", "way"),
    Column("STATE", "state"),
    Column("ASKED BY", "asked_by"),
    Column("APPROVED BY", "approved_by"),
    Column("REASON", "reason"),
)


@command(
    app, "refund",
    "payments refund TKP0000001 --reason 'no network all day'\n"
    "payments refund sale_cash:9f31c2d01a4b5e6f --way cash --amount 30 --reason 'wrong package' --approved-by otieno",
)  # fmt: skip
def refund(
    frame: Frame,
    what: Annotated[str, typer.Argument(metavar="SALE", help="M-Pesa code, payment, or the sale's journal.")],
    way: Annotated[Way, typer.Option(help="How it goes back.")] = Way.MPESA,
    much: Annotated[str, typer.Option("--amount", metavar="SHILLINGS", help="Default: all that is left.")] = "",
    unused: Annotated[bool, typer.Option("--unused", help="The share of what was not used.")] = False,
    reason: _Reason = "",
    approved_by: _Approved = "",
    key: Annotated[str, typer.Option(help="Your name for it: the same key is the same refund.")] = "",
) -> Exit:
    """Give the money of a sale back; its package ends once that is approved. Above a limit it takes two persons."""
    if unused and much:
        raise Malformed("amount", "say either --amount or --unused")
    journal = _sale(frame, what)
    cents = UNUSED if unused else (money.parse(much, "amount") if much else 0)
    said = "the unused share" if unused else (amount(cents) if cents else "all that is left")
    frame.sure(f"Give back {said} of {journal} by {way.value}?")
    word = Word(frame.actor, frame.why(reason), approved_by)
    seller = frame.actor if way is Way.CASH else ""
    ask = Ask(key or _key(frame, journal), journal, way, cents, seller)
    with once(frame, ask.key), frame.deed(journal, word.reason) as came:
        found = frame.billing.desk.refunds.ask(ask, word, frame.now)
        came("refused" if isinstance(found, Reason) else found.state.value)
    return _told(frame, found)


@command(app, "approve", "payments approve 5f3a9c0d11e4b7a8 --as otieno")
def approve(frame: Frame, refund_id: _Refund, reason: _Reason = "") -> Exit:
    """Approve a refund that somebody else asked for: it is sent."""
    known = _known(frame, refund_id)
    frame.sure(f"Approve {amount(known.cents)} back for {known.journal} by {known.way.value} ({known.reason})?")
    with frame.deed(refund_id, reason) as came:
        found = frame.billing.desk.refunds.approve(refund_id, frame.actor, frame.now)
        if not isinstance(found, Reason) and found.way is Way.MPESA and frame.speaks_with_mpesa:
            found = frame.billing.desk.refunds.send(refund_id, frame.now)
        came("refused" if isinstance(found, Reason) else found.state.value)
    return _told(frame, found)


@command(app, "refuse", "payments refuse 5f3a9c0d11e4b7a8 --reason 'was used'")
def refuse(frame: Frame, refund_id: _Refund, reason: _Reason = "") -> Exit:
    """Refuse a refund that was asked for: nothing is paid, and the package goes on."""
    _known(frame, refund_id)
    with frame.deed(refund_id, frame.why(reason)):
        found = frame.billing.desk.refunds.refuse(refund_id, frame.actor, frame.now)
    frame.show.item(refund_facts(found), REFUND)
    return Exit.DONE if found.state is ReversalState.DROPPED else Exit.NOT


@command(app, "refund-state", "payments refund-state 5f3a9c0d11e4b7a8")
def refund_state(frame: Frame, refund_id: _Refund) -> None:
    """Where a refund stands."""
    frame.show.item(refund_facts(_known(frame, refund_id)), REFUND)


@command(app, "refunds", "payments refunds\npayments refunds --site kilimani --json")
def refunds(frame: Frame) -> None:
    """Refunds that are not over: those that wait for a second person first, then those that M-Pesa still works on."""
    ports, rows = frame.billing.store.ports, []
    names = ports.due_things(Refund, FOR_EVER, OPEN_MAX, frame.deadline())
    for first in range(0, len(names), PAGE_MAX):
        page = [kept.thing for kept in ports.things(Refund, names[first : first + PAGE_MAX], frame.deadline())]
        whose = live.owners(frame, (each.subscriber for each in page)) if frame.site else {}
        here = [each for each in page if not frame.site or _at(whose.get(each.subscriber)) == frame.site]
        rows += [refund_facts(each) for each in here]
    rows.sort(key=lambda row: (row["state"] != ReversalState.ASKED.value, row["refund"]))
    frame.show.table(rows, REFUND, "No refund is open.")


def _at(whose: Subscriber | None) -> str:
    return whose.site if whose else ""


def refund_facts(found: Refund) -> dict[str, Any]:
    """What is told of a refund."""
    return {
        "refund": found.id,
        "journal": found.journal,
        "cents": found.cents,
        "way": found.way.value,
        "state": found.state.value,
        "asked_by": found.asked_by,
        "approved_by": found.approved_by,
        "reason": found.reason,
        "customer": found.subscriber,
    }


def _told(frame: Frame, found: Refund | Reason) -> Exit:
    if isinstance(found, Reason):
        frame.show.done(f"Not done: {found.text}.", {"refund": ""})
        return Exit.NOT
    frame.show.item(refund_facts(found), REFUND)
    if found.state is ReversalState.ASKED:
        frame.note(f"A second person must approve it: wifibilling payments approve {found.id} --as NAME")
    return Exit.DONE if found.state not in {ReversalState.FAILED, ReversalState.DROPPED} else Exit.NOT


def _known(frame: Frame, refund_id: str) -> Refund:
    kept = frame.billing.store.ports.thing(Refund, refund_id, frame.deadline())
    if kept is None:
        raise Nobody(f"there is no refund {refund_id}")
    return kept.thing


def _sale(frame: Frame, what: str) -> str:
    """The journal of a sale, by any name that it has; raises Nobody."""
    ports = frame.billing.store.ports
    owner = ports.owner(ClaimKind.MPESA, what.upper(), frame.deadline())
    for journal in (what, f"sale_mpesa:{owner or what}", owner or ""):  # money without a name is held by its journal
        if journal and ports.entry(journal, frame.deadline()) is not None:
            return journal
    raise Nobody(f"{what} is no sale")


def _key(frame: Frame, journal: str) -> str:
    """One refund after the other of a sale: the same command again is the same refund until it is booked."""
    taken = frame.billing.store.ports.thing(TakenBack, journal, frame.deadline())
    return f"{journal}:{len(taken.thing.by) if taken else 0}"
