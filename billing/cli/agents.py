"""`agents`: who sells out of a float that was paid in, what they earned, and what they are paid."""

import re
from typing import Annotated, Any

import typer

from billing.cli import books, keyed, till
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.show import Column, amount, when
from billing.domain import money
from billing.domain.agent import ALL_PACKAGES, Agent, check_seller
from billing.domain.journal import Account
from billing.domain.ledger import Missing
from billing.domain.trade import agent_commission
from billing.services.agents import Moved
from radius.domain.errors import Malformed

app = typer.Typer(name="agents", help="Who sells out of a float.", no_args_is_help=True)

EARNED = "commission"
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?", re.ASCII)

_Agent = Annotated[str, typer.Argument(metavar="AGENT", help="A name, such as duka-1.")]
_Amount = Annotated[str, typer.Argument(metavar="SHILLINGS", help="As 500 or 1,250.50.")]
_Reason = Annotated[str, typer.Option("--reason", help="Kept with the change.")]
_Key = Annotated[str, typer.Option("--key", help="Your name for this payment: the same key is the same payment.")]

COLUMNS = (
    Column("AGENT", "agent"),
    Column("FLOAT", "float_cents", amount, right=True),
    Column("MAY OWE", "ceiling_cents", amount, right=True),
    Column("EARNED", "earned_cents", amount, right=True),
    Column("COMMISSION", "commission"),
)
LINES = (
    Column("WHEN", "at", when),
    Column("JOURNAL", "journal"),
    Column("PACKAGE", "package"),
    Column("FLOAT", "float_cents", amount, right=True),
    Column("COMMISSION", "commission_cents", amount, right=True),
)


@command(app, "list", "agents list\nagents list --json")
def list_agents(frame: Frame) -> None:
    """All agents: float, what they may owe, what they earned and were not paid yet."""
    rows = [facts(each) for each in frame.billing.desk.agents.all()]
    frame.show.table(rows, COLUMNS, "No agents yet: wifibilling agents put AGENT --commission PERCENT")


@command(app, "show", "agents show duka-1\nagents show duka-1 --from 2026-11-01 --to 2026-11-30")
def show(
    frame: Frame,
    agent: _Agent,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="As 2026-11-25; default: today.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="The last day; default: today.")] = "",
) -> None:
    """One agent, and what moved in some days."""
    found = frame.billing.desk.agents.agent(agent)
    days = books.days_of(frame, first, last)
    lines = [each._asdict() for each in frame.billing.desk.agents.statement(agent, days[0], days[-1])]
    if frame.as_json:
        frame.show.document({**facts(found), "lines": lines})
        return
    frame.show.item(facts(found), COLUMNS)
    frame.show.table(lines, LINES, f"Nothing moved from {days[0]} to {days[-1]}.")


@command(
    app, "put",
    "agents put duka-1 --commission 10\n"
    "agents put duka-1 --commission 10 --commission week=12.5 --may-owe 5,000 --reason 'good customer'",
)  # fmt: skip
def put(
    frame: Frame,
    agent: _Agent,
    commission: Annotated[
        list[str] | None,
        typer.Option(metavar="[PACKAGE=]PERCENT", help="Of all packages, or of one; may be said again."),
    ] = None,
    may_owe: Annotated[str, typer.Option(metavar="SHILLINGS", help="How far the float may go below zero.")] = "",
    reason: _Reason = "",
) -> None:
    """Add an agent, or change commission and what the agent may owe; what is not given stays."""
    check_seller("agent", agent)
    known = {each.id: each for each in frame.billing.desk.agents.all()}
    before = known.get(agent) or _unlisted(frame, agent)
    ceiling = money.parse(may_owe, "may-owe") if may_owe else before.ceiling_cents
    share = dict(map(_commission, commission)) if commission else before.commission
    with frame.deed(agent, reason):
        made = frame.billing.desk.agents.put(Agent(agent, share, ceiling))
    frame.show.done(f"Agent {agent} is {'changed' if agent in known else 'added'}.", facts(made))


@command(app, "pay-in", "agents pay-in duka-1 5,000\nagents pay-in duka-1 300 --into commission")
def pay_in(
    frame: Frame,
    agent: _Agent,
    shillings: _Amount,
    into: Annotated[
        str, typer.Option(metavar="WHERE", help="bank:main, cash:SELLER or commission; default: your hand.")
    ] = "",
    key: _Key = "",
    reason: _Reason = "",
) -> Exit:
    """Book float that an agent paid: in cash, at the bank, or out of what was earned."""
    cents = money.parse(shillings, "amount")
    where = agent_commission(agent) if into == EARNED else _place(frame, "into", into)
    frame.sure(f"Book {amount(cents)} that {agent} paid in, into {where.text}?")
    name = keyed.key_of(key)
    with keyed.once(frame, name), frame.deed(agent, reason) as came:
        moved = frame.billing.desk.agents.pay_in(agent, cents, where, name, frame.actor, frame.now)
        came("done" if isinstance(moved, Moved) else "refused")
    return _told(frame, agent, moved, "paid in")


@command(app, "pay-out", "agents pay-out duka-1 300 --out-of bank:main")
def pay_out(
    frame: Frame,
    agent: _Agent,
    shillings: _Amount,
    out_of: Annotated[str, typer.Option(metavar="WHERE", help="bank:main or cash:SELLER; default: your hand.")] = "",
    key: _Key = "",
    reason: _Reason = "",
) -> Exit:
    """Book commission that an agent was paid, never more than was earned."""
    cents = money.parse(shillings, "amount")
    where = _place(frame, "out-of", out_of)
    frame.sure(f"Book {amount(cents)} of commission that {agent} was paid, out of {where.text}?")
    name = keyed.key_of(key)
    with keyed.once(frame, name), frame.deed(agent, reason) as came:
        moved = frame.billing.desk.agents.pay_out(agent, cents, where, name, frame.actor, frame.now)
        came("done" if isinstance(moved, Moved) else "refused")
    return _told(frame, agent, moved, "paid out")


def facts(agent: Agent) -> dict[str, Any]:
    """What is told of an agent. Commission in hundredths of a per cent in JSON is what the books have."""
    shares = sorted(agent.commission.items())
    return {
        "agent": agent.id,
        "float_cents": agent.float_cents,
        "ceiling_cents": agent.ceiling_cents,
        "earned_cents": agent.earned_cents,
        "commission": [f"{package or 'all'} {points / 100:g} %" for package, points in shares],
    }


def _told(frame: Frame, agent: str, moved: Moved | Missing, what: str) -> Exit:
    if isinstance(moved, Missing):
        text = f"Not booked: that is {amount(moved.cents)} more than {agent} has earned."
        frame.show.done(text, {"agent": agent, "booked": False, "missing_cents": moved.cents})
        return Exit.NOT
    again = " (before, by the same key)" if moved.again else ""
    text = f"{amount(moved.cents)} {what} by {agent} is booked{again}: {moved.journal}."
    told = {"agent": agent, "booked": True, "journal": moved.journal, "cents": moved.cents, "again": moved.again}
    frame.show.done(text, told)
    return Exit.DONE


def _unlisted(frame: Frame, agent: str) -> Agent:
    """One that was added before there was a list, or a new one."""
    kept = frame.billing.store.ports.thing(Agent, agent, frame.deadline())
    return kept.thing if kept else Agent(agent, {})


def _commission(text: str) -> tuple[str, int]:
    """`12.5` of all packages, `week=12.5` of one: basis points."""
    package, _, percent = text.rpartition("=")
    found = _PERCENT.fullmatch(percent.strip().removesuffix("%").strip())
    if found is None:
        raise Malformed("commission", f"{text} must be like 10, 12.5 or week=12.5")
    return package.strip() or ALL_PACKAGES, int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def _place(frame: Frame, field: str, text: str) -> Account:
    """`cash:mary` or `bank:main`; "" is the actor's own hand."""
    place = till.place_of(field, text or f"cash:{frame.actor}")
    check_seller(field, place.of)
    return place
