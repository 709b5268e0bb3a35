r"""RouterOS: the line to paste, the script that it fetches, and what takes it back.

What the router is told is a text that never changes (`deploy/routers/mikrotik/join.rsc`) behind values that only this
module writes, each in quotes. Source: help.mikrotik.com, Scripting: within quotes ``"``, ``\`` and ``$`` mean
something, ``\XX`` is a byte in upper-case hex; a line that begins with ``#`` is a comment.
"""

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from urllib.parse import urlsplit

from billing.joining.plan import Plan, check_network, check_plan
from billing.joining.texts import PAGES, PORTAL_MARK, ROUTER_MARK, read_text
from radius.domain.errors import Malformed

LISTEN_PORT = 13_239  # of the router's own end: not RouterOS's default, which another tunnel may have
STOPPED = ". A line works once: ask for a new one. No certificate is good on a clock that is wrong; this one says "
# Not the router: to answer them it would have to answer the whole internet, unless its firewall says otherwise.
PPPOE_DNS = "1.1.1.1,8.8.8.8"
FEATURES = ("hotspot", "fetch")
SCRIPT_FILE = "wifibilling.rsc"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 !#%&'()*+,-./:;<=>@[]^_`{|}~")

Value = str | int | bool | Sequence[str]


def quote(text: str) -> str:
    """`text` as a RouterOS string that means exactly that: everything unusual is a byte in hex."""
    return '"' + "".join(_byte(byte) for byte in text.encode()) + '"'


def _byte(byte: int) -> str:
    return chr(byte) if chr(byte) in _PLAIN else f"\\{byte:02X}"


def line(plan: Plan, version: int = 7) -> str:
    """The one line that is pasted into a terminal. It holds the token and no other secret."""
    _check(plan, version)
    said = {"url": f"{plan.url}/script", "http-data": plan.token, "dst-path": SCRIPT_FILE}
    words = " ".join(f"{name}={quote(value)}" for name, value in said.items())
    # RouterOS brings certificate authorities since 7.19; what is older knows no such setting.
    trust = ':do { [[:parse "/certificate settings set builtin-trust-anchors=trusted"]] } on-error={}; '
    return (
        ':global wbStep "fetching the script"; '
        + (trust if plan.trusted and version == 7 else "")
        + f":do {{ /tool fetch http-method=post {words} check-certificate={_trust(plan)}; /import {SCRIPT_FILE} }} "
        + f'on-error={{ :put ("wifibilling: stopped while " . $wbStep . "{STOPPED}" . [/system clock get date]) }}; '
        + f'/file remove [find where name="{SCRIPT_FILE}"]'
    )


def script(plan: Plan, version: int = 7) -> str:
    """Everything that makes the router ours, in one block. Raises Malformed for a plan that cannot be."""
    _check(plan, version)
    values = "\n".join(f":local {name} {_literal(value)}" for name, value in _values(plan, version).items())
    body = _stripped(read_text("mikrotik/join.rsc"), version)
    return f'{{\n:global wbStep "starting"\n{values}\n{body}}}\n'


def undo(version: int = 7) -> str:
    """What takes back all that the script made; the router keeps it, with the values of before behind it."""
    return _stripped(read_text("mikrotik/undo.rsc"), version)


def waiting(plan: Plan, version: int = 7) -> str:
    """What lets in who has paid and closed the page; "" where the router has no key to ask with."""
    if not plan.key:
        return ""
    text = read_text("mikrotik/waiting.rsc").replace(PORTAL_MARK, plan.portal)
    text = text.replace(f"{ROUTER_MARK}/waiting/KEY", f"/w/{plan.router}/waiting/{plan.key}")
    return _stripped(text.replace("=CHECK", f"={_trust(plan)}"), version)


def _values(plan: Plan, version: int) -> dict[str, Value]:
    hotspot, pppoe = (
        check_network("hotspot_network", plan.hotspot_network),
        check_network("pppoe_network", plan.pppoe_network),
    )
    host = urlsplit(plan.portal).hostname or ""
    values: dict[str, Value] = {
        "wbName": plan.router,
        "wbUrl": plan.url,
        "wbToken": plan.token,
        "wbCheck": _trust(plan),
        "wbServer": plan.server,
        "wbSecret": plan.secret,
        "wbAuthPort": plan.auth_port,
        "wbAcctPort": plan.acct_port,
        "wbCoaPort": plan.coa_port,
        "wbNtp": plan.ntp,
        "wbHotspot": ",".join(plan.ports.hotspot),
        "wbPppoe": ",".join(plan.ports.pppoe),
        "wbUplink": plan.ports.uplink,
        "wbKeep": plan.keep,
        "wbNetwork": str(hotspot),
        "wbGateway": f"{hotspot[1]}/{hotspot.prefixlen}",
        "wbGatewayIp": str(hotspot[1]),
        "wbRange": _range(hotspot[2], hotspot[-2]),
        "wbDnsName": plan.dns_name,
        "wbPppoeNetwork": str(pppoe),
        "wbPppoeGateway": str(pppoe[1]),
        "wbPppoeRange": _range(pppoe[2], pppoe[-2]),
        "wbPppoeDns": PPPOE_DNS,
        "wbGarden": tuple(dict.fromkeys((host, *plan.garden))),
        "wbPages": PAGES,
        "wbUndo": undo(version),
        "wbWaiting": waiting(plan, version),
        "wbTunnel": plan.tunnel is not None,
    }
    if version == 7:
        values |= {"wbFeatures": FEATURES, "wbAskPorts": plan.ports.ask}
    return values | _tunnel_values(plan)


def _tunnel_values(plan: Plan) -> dict[str, Value]:
    if plan.tunnel is None:
        return {"wbSource": "0.0.0.0"}  # noqa: S104 - RouterOS: whichever leads there
    return {
        "wbSource": plan.tunnel.address.partition("/")[0],
        "wbListen": LISTEN_PORT,
        "wbHubKey": plan.tunnel.hub_key,
        "wbHubAllowed": f"{plan.tunnel.hub}/32",
        "wbHubHost": plan.tunnel.endpoint_host,
        "wbHubPort": plan.tunnel.endpoint_port,
        "wbAddress": plan.tunnel.address,
    }


def _range(first: IPv4Address, last: IPv4Address) -> str:
    return f"{first}-{last}"


def _check(plan: Plan, version: int) -> None:
    check_plan(plan)
    ports = plan.ports
    if not ports.uplink and (version == 6 or not ports.ask):
        raise Malformed("uplink", "must name the port where the internet comes from")


def _trust(plan: Plan) -> str:
    return "yes-without-crl" if plan.trusted else "no"


def _literal(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return quote(value)
    return "{ " + "; ".join(quote(each) for each in value) + " }" if value else '[:toarray ""]'


def _stripped(text: str, version: int) -> str:
    """The text for one version, without comments, blank lines and breaks within a command."""
    return "".join(f"{each}\n" for each in _commands(text, version))


def _commands(text: str, version: int) -> Iterator[str]:
    wanted, begun = True, ""
    for raw in text.splitlines():
        said = raw.strip()
        if said.startswith("#if "):
            wanted = said == f"#if {version}"
        elif said == "#end":
            wanted = True
        elif wanted and said and not said.startswith("#"):
            begun += said.removesuffix("\\")
            if not said.endswith("\\"):
                yield begun
                begun = ""
