"""`customers notices`: who wants to be told of outages and works, and who does not."""

from typing import Annotated

import typer

from billing.cli import find
from billing.cli.customers import app
from billing.cli.exits import Nobody
from billing.cli.frame import Frame, command
from radius.domain.identity import parse_phone
from radius.domain.nas import Language

BY_STAFF = "staff"


@command(
    app, "notices", "customers notices 0712345678\ncustomers notices 0712345678 --off --reason 'asked on the phone'"
)
def notices(
    frame: Frame,
    who: Annotated[str, typer.Argument(metavar="WHO", help="A phone, or whatever names a customer.")],
    on: Annotated[bool | None, typer.Option("--on/--off", help="From now on; default: only say.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the change.")] = "",
) -> None:
    """Whether a customer gets notices of outages and works; codes and receipts are sent all the same."""
    phone = parse_phone(who) or _phone(frame, who)
    opt_outs = frame.billing.desk.opt_outs
    if on is not None:
        about = opt_outs.name_of(phone)
        with frame.deed(about, reason) as came:
            changed = opt_outs.say(phone, BY_STAFF, frame.now, out=not on)
            came("done" if changed else "was so before")
    out = opt_outs.out(phone)
    frame.show.done(f"This phone gets {'no ' if out else ''}notices.", {"notices": not out})


def _phone(frame: Frame, who: str) -> str:
    reach = frame.billing.desk.notices.reach(find.customer(frame, who), Language.ENGLISH)
    if reach is None or not reach.phone:
        raise Nobody("no phone is known of that customer")
    return reach.phone
