"""What `doctor` looks at around the store: FreeRADIUS and its answer, processes, certificates, routers."""

import io
import re
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pyrad.dictionary import Dictionary
from pyrad.packet import AccessReject, AccessRequest, AuthPacket

from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame
from billing.mpesa.client import Daraja
from billing.provider import Refused
from coa import hand
from coa.families import WAYS
from coa.pace import Pace
from coa.reach import das_of
from radius.domain.nas import CoaScope, PortPair, Router

RADIUS, PROCESSES, ROUTERS = "FreeRADIUS", "processes", "routers"
LOOPBACK = "127.0.0.1"
WAIT_S = 2.0
PROBE_WAIT_S = 1.0
PROBES_AT_ONCE = 32
CERTIFICATE_DAYS_MIN = 14
_WORDS = "ATTRIBUTE User-Name 1 string\nATTRIBUTE User-Password 2 string\nATTRIBUTE Reply-Message 18 string\n"
_WORDS += "ATTRIBUTE Message-Authenticator 80 octets\n"
_VERSION = re.compile(r"Version (\d+)\.(\d+)\.(\d+)")
OLDEST, LOSES_VALUES = (3, 2, 5), ((3, 2, 9), (3, 2, 10))


def freeradius(_: Frame) -> Iterator[Finding]:
    """Its version: earlier ones abort on a second Python instance, two later ones lose what a hook returns."""
    program = shutil.which("freeradius") or shutil.which("radiusd")
    if program is None:
        yield untold(RADIUS, "no FreeRADIUS is installed on this machine")
        return
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False, timeout=10).stdout  # noqa: S603 - what was found in PATH
    found = _VERSION.search(said)
    version = tuple(map(int, found.groups())) if found else (0, 0, 0)
    text = ".".join(map(str, version))
    if version < OLDEST or version in LOSES_VALUES:
        yield unwell(RADIUS, f"version {text} cannot be used", "Install 3.2.5 to 3.2.8, or 3.2.11 and later.")
    else:
        yield well(RADIUS, f"version {text}")


def answers(frame: Frame) -> Iterator[Finding]:
    """A log-in of nobody, from here: the refusal must come, with its words, which proves hooks and returned values."""
    client = frame.directory.client(LOOPBACK, PortPair.A)
    if client is None:
        yield untold(RADIUS, f"not asked: no router is registered at {LOOPBACK}")
        return
    packet = AuthPacket(
        code=AccessRequest, secret=client.secret.encode(), dict=Dictionary(io.StringIO(_WORDS)),
        User_Name=f"doctor-{secrets.token_hex(4)}",
    )  # fmt: skip
    packet["User-Password"] = packet.PwCrypt("nobody")
    packet.add_message_authenticator()
    port = frame.settings.radius_auth_port
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(WAIT_S)
            udp.connect((LOOPBACK, port))
            udp.send(packet.RequestPacket())
            reply = packet.CreateReply(packet=udp.recv(4096))
    except OSError as silent:
        yield unwell(RADIUS, f"no answer on UDP {port}: {silent}", "Is FreeRADIUS running? Look at its log.")
        return
    told = reply.get("Reply-Message") if reply.code == AccessReject else None
    if told:
        yield well(RADIUS, "a log-in of nobody is refused with its words: hooks answer, and what they return arrives")
    else:
        yield unwell(RADIUS, "it answers, and what the hooks return is lost", "This version cannot be used.")


def processes(frame: Frame) -> Iterator[Finding]:
    """Those whose metrics are served on this machine."""
    settings = frame.settings
    served = {
        "FreeRADIUS's hooks": settings.metrics_port,
        "radius.worker": settings.worker_metrics_port,
        "coa": settings.coa_metrics_port,
        "billing.portal": settings.portal_metrics_port,
        "billing (worker)": settings.billing_metrics_port,
    }
    for name, port in served.items():
        if port and _listens(port):
            yield well(PROCESSES, f"{name} serves its metrics on port {port}")
        else:
            yield untold(PROCESSES, f"{name} is not on this machine (nothing on port {port})")


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=WAIT_S):
            return True
    except OSError:
        return False


def mpesa(frame: Frame) -> Iterator[Finding]:
    """The token, the addresses that M-Pesa calls, and the certificate that it meets there."""
    provider = frame.billing_money.provider
    if not isinstance(provider, Daraja):
        yield untold("M-Pesa", "no interface is set (MPESA_...): vouchers and cash only")
        return
    refused = provider.signed_in(frame.now)
    if isinstance(refused, Refused):
        yield unwell(
            "M-Pesa", f"no token: {refused.code} {refused.text}".strip(), "Consumer key and secret, and the clock."
        )
    else:
        yield well("M-Pesa", "signs in")
    if frame.billing.doors.current():
        yield well("M-Pesa", "calls the addresses that are set, for money paid by hand")
    else:
        yield unwell("M-Pesa", "does not know where to call for money paid by hand", "wifibilling payments register")
    yield certificate(provider.doors.base)
    yield untold("M-Pesa", "whether it reaches us cannot be told from inside: the next callback proves it")


def certificate(base: str) -> Finding:
    """How long the certificate of our own address is good."""
    url = urlsplit(base)
    if url.scheme != "https" or not url.hostname:
        return untold("certificate", f"{base} is no https address")
    try:
        context = ssl.create_default_context()
        with (
            socket.create_connection((url.hostname, url.port or 443), timeout=WAIT_S) as plain,
            context.wrap_socket(plain, server_hostname=url.hostname) as secure,
        ):
            found = secure.getpeercert() or {}
    except OSError as wrong:
        return unwell("certificate", f"{url.hostname} cannot be met: {wrong}", "Its DNS, proxy and certificate.")
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    days = (until - datetime.now(UTC)).days
    text = f"that of {url.hostname} is good for {days} days"
    return well("certificate", text) if days >= CERTIFICATE_DAYS_MIN else unwell("certificate", text, "Renew it.")


def routers(frame: Frame) -> Iterator[Finding]:
    """Whether each router that can be told something would end a session: a harmless question to all at once."""
    asked = [each for each in frame.directory.all_routers() if _is_asked(frame, each)]
    if not asked:
        yield untold(ROUTERS, "none here can be told anything")
        return
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        for router, found in zip(asked, pool.map(lambda each: _probe(frame, each), asked), strict=True):
            yield found or unwell(ROUTERS, f"{router.id} has no single address", "Set its coa_address.")


def _is_asked(frame: Frame, router: Router) -> bool:
    nas = frame.directory.nas(router.id)
    return (
        frame.site in {"", router.site}
        and not router.disabled
        and nas is not None
        and nas.capabilities.coa is not CoaScope.NONE
    )


def _probe(frame: Frame, router: Router) -> Finding | None:
    nas = frame.directory.nas(router.id)
    das = das_of(frame.directory, router, source=frame.settings.coa_source or "")
    if das is None or nas is None:
        return None
    findings = hand.find(das, WAYS[nas.family], Pace(first_wait_s=PROBE_WAIT_S, tries_max=1))
    text = f"{router.id}: {findings.lines[-1] if findings.answered else 'no answer'}"
    return well(ROUTERS, text) if findings.good else unwell(ROUTERS, text, f"wifibilling routers test {router.id}")
