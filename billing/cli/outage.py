"""`sites credit`: whoever had a package at a site while it was down gets one for it."""

from typing import Annotated

import typer

from billing.cli import past, sites
from billing.cli.exits import Exit
from billing.cli.frame import Frame, command
from billing.cli.show import amount, when
from billing.cli.vouchers import version_of
from billing.services.grants import SOLD_WITHIN_DAYS, Outage
from billing.services.word import Word
from radius.domain.errors import Malformed

app = sites.app

DAYS_BACK_MAX = 366


@command(
    app, "credit",
    "sites credit hour --site kilimani --since '2026-11-25 14:00' --until '2026-11-25 18:30'\n"
    "sites credit hour --site kilimani --since '2026-11-25 14:00' --until '2026-11-25 18:30' --reason 'fibre cut'"
    " --approved-by otieno --apply",
)  # fmt: skip
def credit(
    frame: Frame,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="What makes up for it: a code, or one version.")],
    since: Annotated[str, typer.Option(metavar="TIME", help="Of the site's clock: '2026-11-25 14:00'.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="When it was up again.")],
    days_back: Annotated[
        int, typer.Option(min=1, max=DAYS_BACK_MAX, help="Whoever bought so many days before is looked at.")
    ] = SOLD_WITHIN_DAYS,
    reason: Annotated[str, typer.Option("--reason", help="Kept with every credit.")] = "",
    approved_by: Annotated[str, typer.Option(metavar="NAME", help="A second person, where it takes one.")] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Give it; without it they are only counted.")] = False,
) -> Exit:
    """Credit everybody who had a package at --site while it was down, from the end of what they have.

    An outage is known by its site and hours, and credits each customer once: interrupted, the same command goes on.
    """
    site = frame.site
    if not site:
        raise Malformed("site", "say which was down (--site SITE)")
    version = version_of(frame, package)
    began, ended = past.instant_of(since, frame.zone), past.instant_of(until, frame.zone)
    if not began < ended <= frame.now:
        raise Malformed("until", "must be after --since, and not in the future")
    outage = Outage(f"outage-{site}-{began}-{ended}", began, ended, version.id)
    grants = frame.billing.desk.grants
    people = grants.people_of(site, outage, days_back)
    word = Word(frame.actor, frame.why(reason) if apply else reason, approved_by)
    if apply:
        with frame.deed(outage.id, word.reason) as came:
            done = grants.outage(outage, people, word, frame.now, apply=True)
            came(f"done: {done.given} given, {done.before} had it")
    else:
        done = grants.outage(outage, people, word, frame.now)
    facts = {
        "site": site, "outage": outage.id, "package": version.id, "looked_at": len(people), "given": done.given,
        "before": done.before, "none": done.none, "cents": done.given * version.price_cents, "applied": apply,
    }  # fmt: skip
    worth = f"{version.id}, worth {amount(done.given * version.price_cents)} together"
    what = f"{done.given} customers of {site} {'got' if apply else 'would get'} {worth}"
    rest = f"{done.before} have it already; {done.none} had nothing then ({when(began)} to {when(ended)})."
    text = f"{what}; {rest}"
    frame.show.done(text if apply else f"Dry run: {text} Do it with --apply.", facts)
    return Exit.DONE
