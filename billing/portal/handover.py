"""Where routers hand customers over to the portal, and how it hands them back. Pure.

**The contract with what is on a router** (`deploy/routers` holds those files; PORTAL is the setting `portal_url`):

    POST https://PORTAL/w/ROUTER        application/x-www-form-urlencoded
    GET  https://PORTAL/w/ROUTER?...    the same names in the query, for routers that can only redirect

ROUTER is the router's registered name (`Router.id`). Its walled garden lets PORTAL through. Fields that are not known
are ignored, those that are missing count as "". A field is at most `FIELD_CHARS_MAX` characters.

MikroTik (`login.html`, `alogin.html`, `status.html`; an auto-submitted form with a button for who has no JavaScript)::

    mac              $(mac)                  needed
    ip               $(ip)
    link-login-only  $(link-login-only)      its host must be in Router.login_hosts, its path /login
    link-logout      $(link-logout)          on status and alogin only; the same host
    chap-id          $(chap-id)              in value="...": RouterOS writes octal escapes, which are read here
    chap-challenge   $(chap-challenge)
    error            $(error)                our own Reply-Message after a refusal
    logged-in        $(logged-in)            "yes" on status and alogin: the page of who is online

`$(link-orig)` is not wanted: nobody is sent on to an address that a router was told. The portal answers with a page
that submits to `link-login-only`: `username` (the device's MAC as XX:XX:XX:XX:XX:XX), `password` (the CHAP response in
hex where `chap-id` came, else the MAC), `dst` (PORTAL/online). Where PORTAL is HTTPS and the router's page is not, it
is a link with the same fields, because browsers warn of such forms. Login-by must have http-chap, or http-pap or https.

CoovaChilli, uspot (``uamserver https://PORTAL/w/ROUTER``, ``uamsecret`` the one registered, or none): their own query
(res, uamip, uamport, challenge, mac, ip, sessionid, reply, md). ``uamip:uamport`` must be in Router.login_hosts. With a
uamsecret registered, `md` must be right. The portal answers with a link to ``http://uamip:uamport/logon`` with
`username`, `response` (CHAP) and `userurl` (PORTAL/online). Who closed the page is let in by a CoA that names
`sessionid`. Its JSON interface is not used: another origin is served by JSONP alone (redir_json_reply), which would be
a foreign script in our page.

All others: `mac` (also as client_mac, clientMac, client-mac or id), `ip`, and `session`, the router's Acct-Session-Id
of the device, where it knows one; who has paid is let in by re-authentication (`coa/entry.py`), and the page waits.

RFC 8908: GET https://PORTAL/w/ROUTER/captive?mac=MAC answers application/captive+json. RouterOS serves its own
`api.json` (from $(logged-in), $(session-time-left-secs)): the portal cannot see which device behind the router asks.
Where a router can redirect its clients' question with their MAC, it names this address.

GET https://PORTAL/w/ROUTER/waiting/KEY answers ``MAC=IP,MAC=IP`` to the router's own script: who has paid and did not
come back to any page, to be logged in there (user and password: the MAC). KEY is the router's (`Billing.router_key`).
"""

import hmac
import re
from collections.abc import Mapping
from hashlib import md5
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from radius.domain.errors import Malformed
from radius.domain.identity import MacAddress, parse_mac
from radius.domain.intent import Waiting
from radius.domain.nas import Family, Router

FIELD_CHARS_MAX = 512
CHALLENGE_BYTES_MAX = 64
SESSION_CHARS_MAX = 64
ONLINE = "yes"
NO_MAC = "0" * 12
GROUP_BIT = 1  # of the first octet: no device's own address (IEEE 802-2014 8.2)
UAM = frozenset({Family.COOVA, Family.USPOT})
MAC_NAMES = ("mac", "client_mac", "clientMac", "client-mac", "id")

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


class Arrival(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device at a router's log-in page, as the router tells it.

    `login`, `logout`: addresses on the router itself, "" for none that is registered. `challenge`: bytes that a
    response is made with, b"" for none; `chap_id`: MikroTik's byte before it. `online`: it is logged in. `error`: the
    router's text after a refusal, never shown as it is. `session`: the router's name for the entry (CoovaChilli).
    """

    router: str
    mac: MacAddress
    ip: str = ""
    login: str = ""
    logout: str = ""
    chap_id: bytes = b""
    challenge: bytes = b""
    online: bool = False
    error: str = ""
    session: str = ""


class Handover(NamedTuple):
    """What the browser is to send to the router: `fields` to `action`."""

    action: str
    fields: dict[str, str]


def read(router: Router, fields: Mapping[str, str]) -> Arrival:
    """What a router said of a device. Raises Malformed for one that names no device."""
    said = {name: value for name, value in fields.items() if len(value) <= FIELD_CHARS_MAX}
    mac = next((found for name in MAC_NAMES if (found := parse_mac(said.get(name, "")))), None)
    if mac is None or mac == NO_MAC or int(mac[1], 16) & GROUP_BIT:  # whoever says so would share one customer
        raise Malformed("device", "must come from the log-in page of the WiFi")
    if router.family is Family.MIKROTIK:
        return _mikrotik(router, said, mac)
    if router.family in UAM:
        return _uam(router, said, mac)
    return Arrival(router.id, mac, said.get("ip", ""), session=said.get("session", "")[:SESSION_CHARS_MAX])


def back(arrival: Arrival, family: Family, secret: str, online: str) -> Handover | None:
    """How the device logs in; None where there is no page of the router to do it.

    `secret`: the router's uamsecret in clear, "" for none. `online`: where the router sends the browser afterwards, ""
    for its own page.
    """
    if not arrival.login:
        return None
    name = spelt(arrival.mac)
    if family in UAM:
        challenge = arrival.challenge
        if secret and challenge:
            challenge = _md5(challenge + secret.encode())
        proof = {"response": _md5(b"\0" + name.encode() + challenge).hex()} if challenge else {"password": name}
        return Handover(arrival.login, {"username": name, **proof, **({"userurl": online} if online else {})})
    password = name
    if arrival.chap_id:
        password = _md5(arrival.chap_id + name.encode() + arrival.challenge).hex()
    return Handover(arrival.login, {"username": name, "password": password, **({"dst": online} if online else {})})


def waiting(arrival: Arrival) -> Waiting | None:
    """Where the device waits, for who lets it in by a request; None where its router told of no session.

    CoovaChilli calls an entry whose MAC log-in was refused by that MAC, in the spelling of its redirect.
    """
    if not arrival.session:
        return None
    return Waiting(arrival.router, arrival.session, spelt(arrival.mac, "-"), arrival.ip)


def spelt(mac: MacAddress, between: str = ":") -> str:
    """A MAC address as routers write it, ``AA:BB:CC:DD:EE:FF``."""
    return between.join(mac[at : at + 2] for at in range(0, 12, 2)).upper()


def signed(url: str, secret: str) -> bool:
    """Whether the address that CoovaChilli redirected to is as it wrote it: it ends with ``&md=`` and a checksum."""
    said, mark, checksum = url.rpartition("&md=")
    return bool(mark) and hmac.compare_digest(_md5((said + secret).encode()).hex(), checksum.lower())


def _mikrotik(router: Router, said: Mapping[str, str], mac: MacAddress) -> Arrival:
    login = _own(router, said.get("link-login-only", ""), "/login")
    return Arrival(
        router.id,
        mac,
        said.get("ip", ""),
        login,
        _own(router, said.get("link-logout", ""), "/logout")
        or (f"{login.removesuffix('login')}logout" if login else ""),
        _octal(said.get("chap-id", ""))[:1],
        _octal(said.get("chap-challenge", "")),
        said.get("logged-in") == ONLINE,
        said.get("error", ""),
    )


def _uam(router: Router, said: Mapping[str, str], mac: MacAddress) -> Arrival:
    host, port, result = said.get("uamip", ""), said.get("uamport", ""), said.get("res", "")
    base = f"http://{host}:{port}" if _PORT.fullmatch(port) else ""
    return Arrival(
        router.id,
        mac,
        said.get("ip", ""),
        _own(router, f"{base}/logon", "/logon"),
        _own(router, f"{base}/logoff", "/logoff"),
        b"",
        _hex(said.get("challenge", "")),
        result in {"success", "already"},
        (said.get("reply") or result) if result in {"failed", "reject"} else "",
        said.get("sessionid", "")[:SESSION_CHARS_MAX],
    )


def _own(router: Router, url: str, path: str) -> str:
    """The address without query, if it is a page of this router; else ""."""
    try:
        parts = urlsplit(url)
        named = parts.netloc.lower()
    except ValueError:
        return ""
    right = parts.scheme in {"http", "https"} and parts.path == path and "@" not in named
    return f"{parts.scheme}://{named}{path}" if right and named in router.login_hosts else ""


def _octal(text: str) -> bytes:
    r"""Bytes as RouterOS writes them into a page: ``\ooo``, or the character itself."""
    raw = text.encode("latin-1", "ignore")
    return _OCTAL.sub(lambda found: bytes((int(found.group(1), 8),)), raw)[:CHALLENGE_BYTES_MAX]


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)[:CHALLENGE_BYTES_MAX]
    except ValueError:
        return b""


def _md5(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()
