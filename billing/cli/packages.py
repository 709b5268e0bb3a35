"""`packages`: what is sold, in versions that never change; a sale keeps the version that it was sold under."""

import re
from typing import Annotated, Any

import typer

from billing.cli import find
from billing.cli.exits import Nobody
from billing.cli.frame import Frame, command
from billing.cli.show import Column, amount, size, span, when
from billing.domain import money
from billing.domain.catalogue import CATALOGUE
from billing.domain.package import Door as Doors
from billing.domain.package import Package, Visibility, for_sale
from radius.domain.errors import Malformed
from radius.domain.terms import ExtraDevice, PeriodUnit, Rate, Service, Terms, Window, WindowStart

app = typer.Typer(name="packages", help="What is sold.", no_args_is_help=True)

_UNITS = {
    "m": (60, PeriodUnit.SECOND), "h": (3_600, PeriodUnit.SECOND), "d": (1, PeriodUnit.DAY), "w": (1, PeriodUnit.WEEK),
    "mo": (1, PeriodUnit.MONTH),
}  # fmt: skip
_LENGTH = re.compile(r"([1-9][0-9]{0,5})(mo|[mhdw])", re.ASCII)
_SPEED = re.compile(r"([0-9.]+)([kM])/([0-9.]+)([kM])", re.ASCII)
_BITS = {"k": 1_000, "M": 1_000_000}
_LONG = {PeriodUnit.DAY: "day", PeriodUnit.WEEK: "week", PeriodUnit.MONTH: "month"}

COLUMNS = (
    Column("PACKAGE", "package"),
    Column("NAME", "name"),
    Column("PRICE", "cents", amount, right=True),
    Column("LASTS", "lasts"),
    Column("DATA", "quota_bytes", size, right=True),
    Column("TIME", "quota_s", span, right=True),
    Column("SPEED", "speed"),
    Column("DEVICES", "devices", right=True),
    Column("SOLD", "sold"),
)
ONE = (
    *COLUMNS,
    Column("NAME IN SWAHILI", "name_sw"),
    Column("AT THE QUOTA", "at_quota"),
    Column("SERVICE", "service"),
    Column("QUOTA PER", "period"),
    Column("STARTS AT", "starts"),
    Column("SITES", "sites"),
    Column("ON SALE FROM", "sale_starts_at", when),
    Column("ON SALE UNTIL", "sale_ends_at", when),
)

_Price = Annotated[str, typer.Option(metavar="SHILLINGS", help="Tax included.")]
_Lasts = Annotated[str, typer.Option(metavar="LENGTH", help="How long it is valid: 30m, 3h, 1d, 1w, 1mo.")]
_Data = Annotated[str, typer.Option(metavar="SIZE", help="As much data: 500MB, 2GB; default: without limit.")]
_Time = Annotated[str, typer.Option(metavar="TIME", help="As much time online: 3h; default: without limit.")]
_Speed = Annotated[str, typer.Option(metavar="UP/DOWN", help="As 2M/5M or 512k/2M.")]
_Slow = Annotated[str, typer.Option(metavar="UP/DOWN", help="At the quota: slower instead of cut.")]


@command(app, "list", "packages list\npackages list --site kilimani --all")
def list_packages(
    frame: Frame, every: Annotated[bool, typer.Option("--all", help="Also old versions and what is not sold.")] = False
) -> None:
    """What staff sell now; at one site with --site."""
    known = frame.billing.desk.shelf.packages()
    sites = [frame.site] if frame.site else [site.id for site in frame.directory.all_sites()]
    now = {package.id for site in sites for package in for_sale(known, site, Doors.DESK, frame.now)}
    rows = [facts(package, sold=package.id in now) for package in _ordered(known) if every or package.id in now]
    frame.show.table(rows, COLUMNS, "Nothing is on sale: wifibilling packages add, or packages examples")


@command(app, "show", "packages show day\npackages show day.2")
def show(
    frame: Frame, package: Annotated[str, typer.Argument(metavar="PACKAGE", help="A code, or one version.")]
) -> None:
    """One version; of a code the newest."""
    known = frame.billing.desk.shelf.packages()
    found = [each for each in known if package in {each.id, each.code}]
    if not found:
        raise Nobody(f"there is no package {package}; there are: {', '.join(sorted({each.code for each in known}))}")
    newest = max(found, key=lambda each: each.version)
    sites = [site.id for site in frame.directory.all_sites()]
    sold = any(newest in for_sale(known, site, Doors.DESK, frame.now) for site in sites)
    frame.show.item(facts(newest, sold=sold), ONE)


@command(
    app, "add",
    "packages add day --name Day --name-sw Siku --price 50 --lasts 1d --speed 2M/5M\n"
    "packages add night --name Night --name-sw Usiku --price 30 --lasts 8h --data 2GB --slow 128k/256k",
)  # fmt: skip
def add(
    frame: Frame,
    code: Annotated[str, typer.Argument(metavar="CODE", help="Small letters, digits and dashes.")],
    name: Annotated[str, typer.Option(help="In English.")],
    price: _Price,
    lasts: _Lasts,
    name_sw: Annotated[str, typer.Option(help="In Swahili; default: as in English.")] = "",
    data: _Data = "",
    online: Annotated[str, typer.Option("--time", metavar="TIME", help="As much time online: 3h.")] = "",
    speed: _Speed = "",
    slow: _Slow = "",
    devices: Annotated[int, typer.Option(min=1, help="Online at the same time.")] = 1,
    first_login: Annotated[
        bool, typer.Option("--from-first-login", help="Its time begins at the first log-in.")
    ] = False,
    replace_oldest: Annotated[
        bool, typer.Option("--replace-oldest", help="One device more takes the oldest's place.")
    ] = False,
    home: Annotated[bool, typer.Option("--home", help="For home lines (PPPoE).")] = False,
    desk_only: Annotated[bool, typer.Option("--desk-only", help="Sold by staff, not on the page.")] = False,
    order: Annotated[int, typer.Option(help="Its place in the list, the least first.")] = 50,
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Sell a package, or the next version of one; with --site at that site only."""
    shelf = frame.billing.desk.shelf
    version = 1 + max((each.version for each in shelf.packages() if each.code == code), default=0)
    sites = (frame.site,) if frame.site else ()
    terms = Terms(
        f"{code}.{version}",
        _window(lasts, first_login=first_login),
        service=Service.PPPOE if home else Service.HOTSPOT,
        quota_bytes=find.byte_count(data) if data else None,
        quota_s=find.seconds(online) if online else None,
        rate=_rate(speed),
        slow_rate=_rate(slow),
        devices=devices,
        extra_device=ExtraDevice.REPLACE_OLDEST if replace_oldest else ExtraDevice.REJECT,
    )
    visibility = Visibility.DESK if desk_only else Visibility.PUBLIC
    package = Package(
        code, version, name, name_sw or name, money.parse(price, "price"), terms, sites, frame.now, 0, visibility, order
    )
    with frame.deed(package.id, reason):
        shelf.put(package)
    frame.show.done(f"{package.id} is on sale for {amount(package.price_cents)}.", facts(package, sold=True))


@command(app, "hide", "packages hide night --reason 'nobody buys it'")
def hide(
    frame: Frame,
    code: Annotated[str, typer.Argument(metavar="CODE", help="Of the package.")],
    reason: Annotated[str, typer.Option(help="Kept with the change.")] = "",
) -> None:
    """Take a package off sale. What was sold goes on."""
    shelf = frame.billing.desk.shelf
    known = sorted({each.code for each in shelf.packages()})
    if code not in known:
        raise Nobody(f"there is no package {code}; there are: {', '.join(known)}")
    with frame.deed(code, reason):
        package = shelf.hide(code)
    frame.show.done(f"{code} is not sold any more (version {package.version}).", facts(package, sold=False))


@command(app, "examples", "packages examples --apply")
def examples(
    frame: Frame,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, not only list them.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Kept with the change.")] = "",
) -> None:
    """Put a catalogue of examples on sale, to begin with: what there is of them already is left as it is."""
    shelf = frame.billing.desk.shelf
    known = {each.code for each in shelf.packages()}
    wanted = [package for package in CATALOGUE if package.code not in known]
    if apply:
        with frame.deed("catalogue of examples", reason):
            for package in wanted:
                shelf.put(package)
    elif wanted:
        frame.note(f"Dry run: these {len(wanted)} would be put on sale; do it with --apply.")
    frame.show.table([facts(package, sold=apply) for package in wanted], COLUMNS, "All of them are there.")


def facts(package: Package, *, sold: bool) -> dict[str, Any]:
    """What is told of a version."""
    terms = package.terms
    return {
        "package": package.id,
        "name": package.name_en,
        "name_sw": package.name_sw,
        "cents": package.price_cents,
        "lasts": _lasts(terms.window),
        "starts": "first log-in" if terms.window.start is WindowStart.FIRST_LOGIN else "purchase",
        "quota_bytes": terms.quota_bytes,
        "quota_s": terms.quota_s,
        "period": _LONG[terms.period] if terms.period else "",
        "speed": _speed(terms.rate),
        "at_quota": f"slower, {_speed(terms.slow_rate)}" if terms.slow_rate else "cut",
        "devices": terms.devices,
        "service": terms.service.value,
        "sites": list(package.sites),
        "sold": sold,
        "visibility": package.visibility.value,
        "sale_starts_at": package.sale_starts_at,
        "sale_ends_at": package.sale_ends_at,
    }


def _ordered(packages: list[Package]) -> list[Package]:
    return sorted(packages, key=lambda each: (each.order, each.price_cents, each.code, each.version))


def _window(text: str, *, first_login: bool) -> Window:
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise Malformed("lasts", f"{text} must be like 30m, 3h, 1d, 1w or 1mo")
    times, unit = _UNITS[found[2]]
    return Window(WindowStart.FIRST_LOGIN if first_login else WindowStart.PURCHASE, int(found[1]) * times, unit)


def _lasts(window: Window) -> str:
    if window.unit is PeriodUnit.SECOND:
        return span(window.count)
    return f"{window.count} {_LONG[window.unit]}{'s' if window.count > 1 else ''}"


def _rate(text: str) -> Rate | None:
    found = _SPEED.fullmatch(text) if text else None
    if text and found is None:
        raise Malformed("speed", f"{text} must be up/down such as 2M/5M or 512k/2M")
    return Rate(_bps(found[1], found[2]), _bps(found[3], found[4])) if found else None


def _bps(number: str, unit: str) -> int:
    try:
        return int(float(number) * _BITS[unit])
    except ValueError:
        raise Malformed("speed", f"{number} is no number") from None


def _speed(rate: Rate | None) -> str:
    return f"{_short(rate.up_bps)}/{_short(rate.down_bps)}" if rate else ""


def _short(bps: int) -> str:
    for unit in ("M", "k"):
        if bps >= _BITS[unit]:
            return f"{bps / _BITS[unit]:g}{unit}"
    return str(bps)
