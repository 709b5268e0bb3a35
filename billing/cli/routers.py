"""`routers`: register them, look at them, and ask whether they can be told to end a session."""

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from billing.cli.exits import Exit, Nobody
from billing.cli.frame import Frame, command
from billing.cli.show import Column, Facts, when
from coa.families import WAYS
from coa.reach import das_of, road
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.hub.files import last_report
from radius.hub.peers import Heard
from radius.ports import Node

app = typer.Typer(name="routers", help="Routers: who may ask us, and whether they obey.", no_args_is_help=True)

SECRET_BYTES = 18  # 24 characters: RFC 2865 §3 wants 16 octets that nobody can guess
PROBE_WAIT_S, PROBE_TRIES_MAX = 1.0, 2
NODE_FRESH_S = 90  # a RADIUS node says that it lives each quarter of a minute
BOOT_RECENT_S = 900

_Router = Annotated[str, typer.Argument(metavar="ROUTER", help="A registered name.")]
_Secret = Annotated[
    Path | None,
    typer.Option("--secret-file", metavar="FILE", help="Holds the shared secret; default: a new one is drawn."),
]
_Reason = Annotated[str, typer.Option(help="Kept with the change.")]

COLUMNS = (
    Column("ROUTER", "router"),
    Column("SITE", "site"),
    Column("FAMILY", "family"),
    Column("ADDRESSES", "addresses"),
    Column("CAN BE TOLD", "coa"),
    Column("STATE", "state"),
)
ONE = (
    *COLUMNS,
    Column("LIVE SESSIONS", "live_sessions"),
    Column("LAST BOOT", "boot_at", when),
    Column("HEARD BY", "heard_by"),
    Column("COA ADDRESS", "coa_address"),
    Column("COA PORT", "coa_port"),
    Column("TUNNEL", "tunnel"),
    Column("TUNNEL HEARD", "handshake_at", when),
    Column("TUNNEL FROM", "heard_from"),
    Column("MUST SIGN", "message_authenticator_required"),
    Column("OVERRIDES", "overrides"),
    Column("ROAD", "road"),
)
HEALTH = (
    Column("ROUTER", "router"),
    Column("SITE", "site"),
    Column("WELL", "well"),
    Column("LIVE", "live_sessions", right=True),
    Column("LAST BOOT", "boot_at", when),
    Column("WHAT IS WRONG", "wrong"),
)
UNKNOWN = (
    Column("FROM", "source"),
    Column("PACKETS", "packets", right=True),
    Column("LAST", "last_at", when),
    Column("WHY IT IS NOT HEARD", "why"),
)


@command(app, "list", "routers list\nrouters list --site kilimani --json")
def list_routers(frame: Frame) -> None:
    """All routers; of one site with --site."""
    rows = [_facts(frame, router) for router in here(frame)]
    frame.show.table(
        rows, COLUMNS, "No routers yet: wifibilling routers add ID --site SITE --family FAMILY --address ADDRESS"
    )


@command(app, "show", "routers show kilimani-01")
def show(frame: Frame, router: _Router) -> None:
    """One router with everything that is known of it."""
    found = find(frame, router)
    nas = frame.directory.nas(found.id)
    heard = tunnel_of(frame, found.id)
    das = das_of(frame.directory, found, source=frame.settings.coa_source or "") if nas else None
    facts = {
        **_facts(frame, found),
        "live_sessions": frame.core.store.sessions.count_open(found.id, frame.deadline()),
        "boot_at": frame.directory.boots.get(found.id, 0),
        "heard_by": _heard_by(frame, found.id),
        "coa_address": found.coa_address,
        "coa_port": found.coa_port,
        "tunnel": found.tunnel,
        "handshake_at": heard.handshake_at if heard else 0,
        "heard_from": heard.endpoint if heard else "",
        "message_authenticator_required": found.message_authenticator_required,
        "overrides": [f"{name}={value}" for name, value in sorted(found.overrides.items())],
        "road": road(found, nas, das) if nas else frame.directory.broken.get(found.id, ""),
    }
    frame.show.item(facts, ONE)


@command(app, "health", "routers health\nrouters health --site kilimani")
def health(
    frame: Frame, router: Annotated[str, typer.Argument(metavar="[ROUTER]", help="One only; default: all.")] = ""
) -> Exit:
    """Who is well and who is not, and why. Exit code 1 if one is not."""
    wanted = [find(frame, router)] if router else here(frame)
    nodes = frame.core.store.nodes.nodes(frame.deadline())
    unheard = {entry[0]: entry for entry in frame.core.store.routers.unknown(frame.now, frame.deadline())}
    rows = [_health(frame, each, nodes, unheard.get(each.id)) for each in wanted]
    frame.show.table(rows, HEALTH, "No routers.")
    return Exit.DONE if all(row["well"] for row in rows) else Exit.NOT


def _health(frame: Frame, router: Router, nodes: list[Node], unheard: tuple[str, int, int, str] | None) -> Facts:
    wrong: list[str] = []
    fresh = [node for node in nodes if node.at >= frame.now - NODE_FRESH_S]
    broken = frame.directory.broken.get(router.id)
    if broken:
        wrong.append(f"its record cannot be used: {broken}")
    if router.disabled:
        wrong.append("it is switched off here")
    if not fresh:
        wrong.append("no RADIUS node has said anything lately: is FreeRADIUS running?")
    elif not any(router.id in node.routers for node in fresh):
        wrong.append("no packet of it was heard since the RADIUS node started")
    if unheard is not None and unheard[2] >= frame.now - 3600:
        wrong.append(f"packets of the last hour were not heard: {unheard[3]}")
    if router.rotating_to:
        wrong.append("its new secret was not used yet")
    heard = tunnel_of(frame, router.id)
    if router.tunnel and heard is not None and not heard.alive(frame.now):
        since = f"since {when(heard.handshake_at)}" if heard.handshake_at else "ever"
        wrong.append(f"nothing came through its tunnel {since}: power, or its road to the internet")
    boot_at = frame.directory.boots.get(router.id, 0)
    if boot_at >= frame.now - BOOT_RECENT_S:
        wrong.append("it started a moment ago: power?")
    return {
        "router": router.id,
        "site": router.site,
        "well": not wrong,
        "live_sessions": frame.core.store.sessions.count_open(router.id, frame.deadline()),
        "boot_at": boot_at,
        "wrong": wrong,
    }


@command(
    app,
    "add",
    "routers add kilimani-01 --site kilimani --family mikrotik\n"
    "routers add kilimani-02 --site kilimani --family mikrotik --address 203.0.113.7\n"
    "routers add lodge-02 --site lodge --family coova --address 10.8.0.7 --tunnel --override coa=none",
)
def add(
    frame: Frame,
    router: Annotated[str, typer.Argument(metavar="ID", help="Letters, digits, dots, dashes.")],
    family: Annotated[Family, typer.Option(help="What it is.")],
    address: Annotated[
        list[str] | None,
        typer.Option(help="Address or network it speaks from; may be said again. None: it joins by its tunnel."),
    ] = None,
    secret_file: _Secret = None,
    coa_address: Annotated[str, typer.Option(help="Where it is told to end sessions, if elsewhere.")] = "",
    coa_port: Annotated[int, typer.Option(help="... and on which port; 0: that of its family.")] = 0,
    override: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Where it differs from its family.")
    ] = None,
    tunnel: Annotated[bool, typer.Option("--tunnel", help="It is reached through a tunnel.")] = False,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="It cannot send Message-Authenticator: its log-ins can be forged.")
    ] = False,
    reason: _Reason = "",
) -> None:
    """Register a router at --site. It works within 30 seconds; its secret is shown once."""
    if not frame.site:
        raise Malformed("site", "name the site that it stands at (--site SITE)")
    secret, drawn = _secret_of(secret_file)
    port = coa_port or WAYS[family].ports[0]
    wanted = Router(
        NasId(router), frame.site, family, tuple(address or ()),
        message_authenticator_required=not unsigned, coa_address=coa_address, coa_port=port, tunnel=tunnel,
        overrides=dict(map(_override, override or [])),
    )  # fmt: skip
    with frame.deed(router, reason):
        frame.core.provision.router(wanted, secret)
    text = f"Router {router} is registered at {frame.site}; it works within 30 seconds."
    if not address:
        text = f"Router {router} is registered at {frame.site}. Its line: wifibilling routers script {router}"
    if drawn:
        text += f"\nIts shared secret, shown this once: {secret}"
    frame.show.done(text, {"router": router, "site": frame.site, **({"secret": secret} if drawn else {})})


@command(app, "rotate-secret", "routers rotate-secret kilimani-01")
def rotate_secret(frame: Frame, router: _Router, secret_file: _Secret = None, reason: _Reason = "") -> None:
    """Give a router a new secret, on the other pair of ports. The old one works until the router is seen there."""
    found = find(frame, router)
    secret, drawn = _secret_of(secret_file)
    with frame.deed(router, reason):
        changed = frame.core.provision.rotate_secret(found, secret)
    text = (
        f"Set router {router} to the ports of pair {changed.rotating_to} and its new secret; until then the old holds."
    )
    if drawn:
        text += f"\nIts new shared secret, shown this once: {secret}"
    facts = {"router": router, "pair": changed.rotating_to, **({"secret": secret} if drawn else {})}
    frame.show.done(text, facts)


@command(app, "unknown", "routers unknown")
def unknown(frame: Frame) -> None:
    """Who knocked and was not heard: unknown addresses, unsigned packets, records that cannot be used."""
    rows = [
        {"source": source, "packets": packets, "last_at": last, "why": why}
        for source, packets, last, why in frame.core.store.routers.unknown(frame.now, frame.deadline())
    ]
    frame.show.table(rows, UNKNOWN, "Nobody knocked in vain.")


def find(frame: Frame, name: str) -> Router:
    """A registered router; raises Nobody, naming those that are alike."""
    found = frame.directory.router(name)
    if found is None:
        known = ", ".join(sorted(router.id for router in here(frame))[:10]) or "none"
        raise Nobody(f"router {name} is not registered; registered are: {known}")
    return found


def tunnel_of(frame: Frame, name: NasId) -> Heard | None:
    """What the hub on this machine last wrote of a router's tunnel; None: nothing, or the hub is elsewhere."""
    written = last_report(frame.settings.state_dir)
    return written.routers.get(name) if written is not None else None


def here(frame: Frame) -> list[Router]:
    """Routers of `--site`, or all; by id."""
    found = [router for router in frame.directory.all_routers() if frame.site in {"", router.site}]
    return sorted(found, key=lambda router: router.id)


def _facts(frame: Frame, router: Router) -> dict[str, Any]:
    nas = frame.directory.nas(router.id)
    return {
        "router": router.id,
        "site": router.site,
        "family": router.family.value,
        "addresses": list(router.addresses),
        "coa": nas.capabilities.coa.value if nas else "",
        "state": _state(frame, router),
    }


def _state(frame: Frame, router: Router) -> str:
    if router.id in frame.directory.broken:
        return "cannot be used"
    if router.disabled:
        return "off"
    return f"new secret waits on pair {router.rotating_to}" if router.rotating_to else "on"


def _heard_by(frame: Frame, router: NasId) -> list[str]:
    nodes = frame.core.store.nodes.nodes(frame.deadline())
    return [node.id for node in nodes if node.at >= frame.now - NODE_FRESH_S and router in node.routers]


def _secret_of(file: Path | None) -> tuple[str, bool]:
    """A secret and whether it was drawn here."""
    if file is None:
        return secrets.token_urlsafe(SECRET_BYTES), True
    try:
        return file.read_text("utf-8").strip(), False
    except (OSError, UnicodeDecodeError) as refused:
        raise Malformed("secret-file", f"{file} cannot be read: {refused}") from None


def _override(text: str) -> tuple[str, str | bool]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Malformed("override", f"{text} must be like rate=false or coa=none")
    return name, {"true": True, "false": False}.get(value, value)
