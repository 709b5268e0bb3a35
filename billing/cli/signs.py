"""`sites`: how a site's pages look, what is told there, and the public status page."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from billing.cli.frame import Frame, command
from billing.cli.sites import app
from billing.domain.brand import EVERYWHERE, NoticeState, SiteNotice
from billing.duty import S3, check_page
from billing.portal.pages.status import status_page
from radius.domain import calendar
from radius.domain.errors import Malformed

HOURS_TOLD = 24.0
PAGE_CACHED_S = 30  # at the edge, which else keeps a file for a day
TIMES = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]

_Reason = Annotated[str, typer.Option(help="Kept with the change.")]


@command(app, "brand", "sites brand --site kilimani --title 'Duka WiFi' --colour '#0b5f8a' --support '0712 345 678'")
def brand(
    frame: Frame,
    title: Annotated[str | None, typer.Option(help="What the pages are headed.")] = None,
    colour: Annotated[str | None, typer.Option(metavar="#RRGGBB", help="Behind buttons.")] = None,
    support: Annotated[str | None, typer.Option(metavar="PHONE", help="Whom to call; '' for nobody.")] = None,
    till: Annotated[str | None, typer.Option(help="Where to pay by hand while M-Pesa fails; '' for nowhere.")] = None,
    seller: Annotated[list[str] | None, typer.Option(help="Who sells vouchers; again for each.")] = None,
    logo: Annotated[Path | None, typer.Option(metavar="FILE", help="A small PNG, JPEG or WebP.")] = None,
    reason: _Reason = "",
) -> None:
    """How customers' pages look at --site, or everywhere; what is not given stays."""
    site = place_of(frame)
    given = {"title": title, "colour": colour, "support": support, "till": till}
    changes: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    if seller is not None:
        changes["sellers"] = tuple(each for each in seller if each)
    if logo is not None:
        changes["logo"] = _read(logo)
    signs = frame.billing.desk.signs
    wanted = msgspec.structs.replace(signs.brand(site), **changes)
    with frame.deed(site, reason):
        if changes:
            signs.wear(wanted)
    facts = {"site": site, "title": wanted.title, "colour": wanted.colour, "support": wanted.support}
    facts |= {"till": wanted.till, "sellers": ", ".join(wanted.sellers)}
    frame.show.done(f"{name_of(site)} is {wanted.title}, {wanted.colour}; help: {wanted.support or 'nobody'}.", facts)


@command(app, "tell", "sites tell investigating 'No internet since noon.' 'Hakuna intaneti tangu adhuhuri.'")
def tell(
    frame: Frame,
    state: Annotated[NoticeState, typer.Argument(help="What it is.")],
    english: Annotated[str, typer.Argument(help="For customers, in English.")],
    swahili: Annotated[str, typer.Argument(help="The same in Swahili.")],
    at: Annotated[
        datetime | None, typer.Option(formats=TIMES, help="Since when, or when work begins; default now.")
    ] = None,
    hours: Annotated[float, typer.Option(help="For how long it is told, from then on.")] = HOURS_TOLD,
    reason: _Reason = "",
) -> None:
    """Tell something on the pages of --site, or everywhere, instead of what is told there now."""
    site = place_of(frame)
    begins = calendar.instant(at, frame.zone) if at is not None else frame.now
    notice = SiteNotice(site, state, english, swahili, begins, begins + int(hours * 3_600))
    with frame.deed(site, reason):
        frame.billing.desk.signs.tell(notice)
    frame.show.done(
        f"{name_of(site)} is told within half a minute. The public page: wifibilling sites status-page.",
        {"site": site, "state": state.value},
    )


@command(app, "status-page", "sites status-page --out /var/www/status/index.html")
def page(
    frame: Frame,
    out: Annotated[str, typer.Option(metavar="FILE", help="Is replaced whole; also s3://BUCKET/KEY.")],
) -> None:
    """Write the public status page: one file without anything else, for a server that is up when this one is not."""
    told = write_page(frame, out)
    frame.show.done(f"{out} is written.", {"out": out, "told": told})


def write_page(frame: Frame, out: str) -> int:
    """The public status page as it is now, whole or not at all; how many places are told something."""
    signs = frame.billing.desk.signs
    places = [EVERYWHERE, *(site.id for site in frame.directory.all_sites())]
    notices = [found for place in places if (found := signs.notice(place))]
    text = status_page(signs.brand(EVERYWHERE), notices, frame.now)
    try:
        if out.startswith(S3):
            _put(check_page(out), text)
        else:
            _replace(Path(out), text)
    except ValueError as bad:
        raise Malformed("out", str(bad)) from None
    except OSError as refused:
        raise Malformed("out", f"{out} cannot be written: {refused.strerror}") from refused
    return len(notices)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def _put(address: str, text: str) -> None:
    """By the rights of whoever types. Raises OSError with AWS's own code."""
    import boto3  # noqa: PLC0415 - it takes longer to load than other commands to run
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    bucket, _, key = address.removeprefix(S3).partition("/")
    try:
        boto3.client("s3").put_object(
            Bucket=bucket,
            Key=key,
            Body=text.encode(),
            ContentType="text/html; charset=utf-8",
            CacheControl=f"max-age={PAGE_CACHED_S}",
        )
    except ClientError as refused:
        raise OSError(0, refused.response["Error"]["Code"]) from None
    except BotoCoreError as away:
        raise OSError(0, type(away).__name__) from None


def place_of(frame: Frame) -> str:
    """The site that is meant, else everywhere."""
    return frame.site or EVERYWHERE


def name_of(site: str) -> str:
    """A site in a sentence."""
    return "Every site" if site == EVERYWHERE else f"Site {site}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as refused:
        raise Malformed("logo", f"{path} cannot be read: {refused.strerror}") from refused
