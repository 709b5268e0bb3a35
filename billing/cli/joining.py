"""`routers script`, `import` and `replace`: how routers come, many at once, and how another follows a dead one."""

import csv
import io
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from billing.cli import routers
from billing.cli.frame import Frame, command
from billing.cli.show import Column, when
from billing.domain.ticket import System, Wish
from billing.joining import openwrt, routeros, texts
from billing.wiring import roads_of
from coa.families import WAYS
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.services.directory import Network, networks_of
from radius.services.provision import check_id, check_secret
from radius.settings import Settings

app = routers.app

ROWS_MAX = 5_000
FILE_BYTES_MAX = 2_000_000
COLUMNS = ("router", "site", "family", "address", "secret")
NEEDED = COLUMNS[:3]
PLANNED = (
    Column("LINE", "line", right=True),
    Column("ROUTER", "router"),
    Column("SITE", "site"),
    Column("FAMILY", "family"),
    Column("ADDRESS", "address"),
    Column("WHAT", "what"),
)
NO_FETCH = """\
If RouterOS answers "not allowed by device-mode", type
  /system device-mode update fetch=yes hotspot=yes
and pull its power plug within 5 minutes; then paste the line.
"""

_Router = Annotated[str, typer.Argument(metavar="ROUTER", help="A registered name.")]
_Names = Annotated[str, typer.Option(metavar="PORT[,PORT]", help="Ports whose customers see the portal.")]


@command(
    app, "script",
    "routers script kilimani-01\n"
    "routers script kilimani-01 --hotspot ether2,ether3 --pppoe ether4 --uplink ether1\n"
    "routers script lodge-02 --keep --uplink ether1 --login-host 10.1.0.1\n"
    "routers script kilimani-01 --undo",
)  # fmt: skip
def script(
    frame: Frame,
    router: _Router,
    hotspot: _Names = "",
    pppoe: Annotated[str, typer.Option(metavar="PORT[,PORT]", help="Ports with PPPoE customers.")] = "",
    uplink: Annotated[str, typer.Option(metavar="PORT", help="Where the internet comes from.")] = "",
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the hotspot that it has.")] = False,
    routeros_6: Annotated[
        bool, typer.Option("--routeros-6", help="It runs RouterOS 6: no tunnel, so it needs a fixed address.")
    ] = False,
    no_tunnel: Annotated[bool, typer.Option("--no-tunnel", help="It speaks from a fixed address of its own.")] = False,
    unchecked: Annotated[
        bool,
        typer.Option("--no-certificate-check", help="It cannot check our certificate (RouterOS before 7.19)."),
    ] = False,
    hotspot_network: Annotated[str, typer.Option(help="Default: 10.5.50.0/24.")] = "",
    pppoe_network: Annotated[str, typer.Option(help="Default: 10.66.0.0/22.")] = "",
    dns_name: Annotated[str, typer.Option(help="Of its log-in page; default: wifi.lan.")] = "",
    garden: Annotated[list[str] | None, typer.Option(metavar="HOST", help="Reached before log-in, too.")] = None,
    login_host: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="Where a log-in page that is kept is.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="What takes it all back, instead.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Print one line to paste into a router: it fetches the rest, once, within an hour.

    Without --hotspot, --pppoe and --uplink a RouterOS 7 asks for its ports in the terminal.
    """
    found = routers.find(frame, router)
    if undo:
        frame.show.done(_undo(found, 6 if routeros_6 else 7), {"router": router})
        return
    wish = Wish(
        _system(found, routeros_6=routeros_6), _words(hotspot), _words(pppoe), uplink,
        tunnel=not (no_tunnel or routeros_6), keep=keep, trusted=not unchecked, hotspot_network=hotspot_network,
        pppoe_network=pppoe_network, dns_name=dns_name, garden=tuple(garden or ()), hosts=tuple(login_host or ()),
    )  # fmt: skip
    with frame.deed(router, reason):
        line = frame.billing.joining.line(router, wish, frame.actor, frame.now)
    facts = {"router": router, "line": line.text, "expires_at": line.expires_at}
    frame.note(_advice(wish, line.expires_at, frame.settings))
    frame.show.done(line.text, facts)


def _advice(wish: Wish, expires_at: int, settings: Settings) -> str:
    where = "a shell of the router, as root" if wish.system is System.OPENWRT else "a terminal of the router"
    text = f"Paste this into {where}; it works once, until {when(expires_at)}. It saves a backup first.\n"
    if wish.system is System.ROUTEROS_7:
        text += NO_FETCH
    if not wish.trusted:
        text += "The router does not check who answers: paste it where nobody sits between it and us.\n"
    if not wish.tunnel:
        text += "Without a tunnel it is served only from the address that it is registered with.\n"
        if settings.coa_addresses:
            text += f"Disconnects reach it from {settings.coa_addresses}: what stands before it must let them in.\n"
        if settings.radius_second_address and wish.system is not System.OPENWRT:
            text += f"Add {settings.radius_second_address} as its second RADIUS server, with the same secret.\n"
        if settings.coa_addresses and wish.system is not System.OPENWRT:
            text += "RouterOS takes Disconnects only from servers in /radius: add those addresses there too.\n"
    return text


def _system(router: Router, *, routeros_6: bool) -> System:
    if router.family is Family.MIKROTIK:
        return System.ROUTEROS_6 if routeros_6 else System.ROUTEROS_7
    if router.family is Family.COOVA and not routeros_6:
        return System.OPENWRT
    raise Malformed(
        "family", f"{router.id} is registered as {router.family.value}: there is a script for mikrotik, coova"
    )


def _undo(router: Router, version: int) -> str:
    if router.family is Family.COOVA:
        return openwrt.UNDO_LINE
    kept = "/system script run wifibilling-undo"
    return (
        f"# On the router, with the values of before:\n{kept}\n# Where that is gone:\n{routeros.undo(version)}".rstrip()
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


@command(app, "pages", "routers pages kilimani-01 --to ./pages")
def pages(
    frame: Frame,
    router: _Router,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Made if it is not there.")],
) -> None:
    """Write the log-in pages of a MikroTik as it gets them, to be uploaded by hand."""
    found = routers.find(frame, router)
    if found.family is not Family.MIKROTIK:
        raise Malformed("family", f"{router} is registered as {found.family.value}, which has no pages of its own")
    portal = roads_of(frame.settings).portal
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name in texts.PAGES:
            (to / name).write_text(texts.page(name, portal, found.id), "utf-8")
    except OSError as refused:
        raise Malformed("to", f"{to} cannot be written: {refused}") from None
    frame.show.done(
        f"{len(texts.PAGES)} pages of {router} are in {to}.", {"router": router, "pages": list(texts.PAGES)}
    )


# -- many at once --------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A line of the file. `secret` "": one is drawn."""

    number: int
    router: Router
    secret: str


@command(app, "import", "routers import routers.csv\nrouters import routers.csv --apply")
def import_(
    frame: Frame,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help=f"With a head line: {','.join(COLUMNS)}")],
    apply: Annotated[bool, typer.Option("--apply", help="Do it, not only look.")] = False,
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Register all routers of a file, or none: every bad line is named first.

    Without an address a router joins by its tunnel, without a secret one is drawn. What is registered already as the
    file says is left alone, so the same file again goes on where it was interrupted.
    """
    present = {router.id: router for router in frame.directory.all_routers()}
    rows = _checked(frame, _lines(file), present)
    new = [row for row in rows if row.router.id not in present]
    facts = [_row_facts(row, new=row in new) for row in rows]
    if not apply:
        frame.show.table(facts, PLANNED, "The file has no routers.")
        frame.note(f"Dry run: {len(new)} would be registered; do it with --apply.")
        return
    for row in new:
        with frame.deed(row.router.id, reason):
            frame.core.provision.router(row.router, row.secret or secrets.token_urlsafe(routers.SECRET_BYTES))
    frame.show.table(facts, PLANNED, "The file has no routers.")
    frame.note(f"{len(new)} are registered; each gets its line by `wifibilling routers script ROUTER`.")


def _row_facts(row: Row, *, new: bool) -> dict[str, object]:
    return {
        "line": row.number,
        "router": row.router.id,
        "site": row.router.site,
        "family": row.router.family.value,
        "address": ", ".join(row.router.addresses),
        "what": "new" if new else "is there",
    }


def _lines(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Numbered lines as the file has them; raises Malformed for what is no such file."""
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise Malformed("file", f"{file} is larger than {FILE_BYTES_MAX} bytes")
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as refused:
        raise Malformed("file", f"{file} cannot be read: {refused}") from None
    separator = ";" if ";" in text.partition("\n")[0] else ","  # what a spreadsheet writes where 1,5 is a number
    reader = csv.DictReader(io.StringIO(text), strict=True, restkey="", restval="", delimiter=separator)
    head = [name.strip().lower() for name in reader.fieldnames or []]
    strange = [name for name in head if name not in COLUMNS]
    if strange or not set(NEEDED) <= set(head) or len(head) != len(set(head)):
        raise Malformed("file", f"line 1: must name the columns {','.join(COLUMNS)} (the last two may be left out)")
    reader.fieldnames = head
    try:
        for values in reader:
            extra = values.pop("", None)
            yield (
                reader.line_num,
                {name: (values[name] or "").strip() for name in head} | ({"": "more"} if extra else {}),
            )
    except csv.Error as bad:
        raise Malformed("file", f"line {reader.line_num}: {bad}") from None


def _checked(frame: Frame, lines: Iterator[tuple[int, dict[str, str]]], present: dict[NasId, Router]) -> list[Row]:
    """All rows; raises Malformed with a line for each that cannot be."""
    sites = {site.id for site in frame.core.store.routers.sites(frame.deadline())}
    rows: list[Row] = []
    wrong: list[str] = []
    taken: dict[Network, str] = {}
    for router in present.values():
        taken |= dict.fromkeys(networks_of(router), router.id)
    for number, values in lines:
        if number > ROWS_MAX:
            raise Malformed("file", f"has more than {ROWS_MAX} lines")
        try:
            row = _row(number, values, sites, present)
            _take(row.router, rows, taken)
        except Malformed as bad:
            wrong.append(f"line {number}: {bad.field}: {bad.fix}")
        else:
            rows.append(row)
    if wrong:
        raise Malformed("file", "\n  ".join(("nothing was registered", *wrong)))
    return rows


def _row(number: int, values: dict[str, str], sites: set[str], present: dict[NasId, Router]) -> Row:
    if "" in values:
        raise Malformed("line", "has more fields than its head line")
    name = check_id("router", values["router"])
    if values["site"] not in sites:
        raise Malformed("site", f"{values['site']!r} does not exist; add the site first")
    family = next((each for each in Family if each.value == values["family"].lower()), None)  # MikroTik, UniFi, ...
    if family is None:
        raise Malformed("family", f"must be one of {', '.join(Family)}")
    secret = values.get("secret", "")
    if secret:
        check_secret(secret)
    addresses = tuple(word for word in values.get("address", "").split() if word)
    router = Router(NasId(name), values["site"], family, addresses, coa_port=WAYS[family].ports[0])
    if any(network.prefixlen == 0 for network in networks_of(router)):
        raise Malformed("address", "a router is not the whole internet")
    there = present.get(router.id)
    if there is not None and (there.site, there.family) != (router.site, router.family):
        raise Malformed("router", f"is registered at {there.site} as {there.family.value} already")
    return Row(number, router, secret)


def _take(router: Router, rows: list[Row], taken: dict[Network, str]) -> None:
    """No address is two routers': FreeRADIUS would know neither."""
    if router.id in {other.router.id for other in rows}:
        raise Malformed("router", f"{router.id} is on another line too")
    for network in networks_of(router):
        other = taken.setdefault(network, router.id)
        if other != router.id:
            raise Malformed("address", f"{network} is {other}'s already")


# -- a dead one ----------------------------------------------------------------------------------------------------


@command(app, "replace", "routers replace kilimani-01 --reason 'struck by lightning'")
def replace(
    frame: Frame,
    router: _Router,
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Another device takes the place of a router: same name and tunnel address, a new secret, a new key.

    The old one is shut out at once; its sessions end now.
    """
    found = routers.find(frame, router)
    why = frame.why(reason)
    frame.sure(f"Shut out the device that is {router} now, and end its sessions?")
    with frame.deed(router, why):
        frame.core.provision.replaced(found, secrets.token_urlsafe(routers.SECRET_BYTES))
        frame.billing.joining.shut(found.id)
        frame.core.store.routers.boot(found.id, frame.now, frame.deadline())
    frame.show.done(
        f"{router} waits for another device. Its line: wifibilling routers script {router}", {"router": router}
    )
