"""What `doctor` looks at around the store: FreeRADIUS, its hooks and its clients, processes, routers."""

import io
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from pyrad.dictionary import Dictionary
from pyrad.packet import AccessReject, AccessRequest, AuthPacket

from billing.cli.finding import Finding, untold, unwell, well
from billing.cli.frame import Frame
from billing.cli.ops.counted import Counted
from coa import hand
from coa.families import WAYS
from coa.pace import Pace
from coa.reach import das_of
from radius.domain.nas import CoaScope, PortPair, Router
from radius.keeper import KeeperFiles

RADIUS, CLIENTS, PROCESSES, ROUTERS = "FreeRADIUS", "dynamic clients", "processes", "routers"
LOOPBACK = "127.0.0.1"
WAIT_S = 2.0
PROBE_WAIT_S = 1.0
PROBES_AT_ONCE = 32
AT_ONCE = 8
ROUTERS_AGE = 6  # refreshes: then routers that were added are not known yet
_INSTANCE = re.compile(r"^python3 wb_\d+ \{", re.MULTILINE)
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
    """Log-ins of nobody, from here: the refusals must come, with their words: proves hooks and what they return.

    Several at once are answered side by side by the pool of hooks; one that answers one by one is as slow as they are
    many.
    """
    client = frame.directory.client(LOOPBACK, PortPair.A)
    if client is None:
        yield untold(RADIUS, f"not asked: no router is registered at {LOOPBACK}")
        return
    port, secret = frame.settings.radius_auth_port, client.secret.encode()
    try:
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            replies = list(pool.map(lambda _: _asked(port, secret), range(AT_ONCE)))
        took_ms = (time.perf_counter() - began) * 1000
    except OSError as silent:
        yield unwell(RADIUS, f"no answer on UDP {port}: {silent}", "Is FreeRADIUS running? Look at its log.")
        return
    if all(reply.code == AccessReject and reply.get("Reply-Message") for reply in replies):
        text = "a log-in of nobody is refused with its words: hooks answer, and what they return arrives"
        yield well(RADIUS, f"{text} ({AT_ONCE} at once in {took_ms:.0f} ms)")
    else:
        yield unwell(RADIUS, "it answers, and what the hooks return is lost", "This version cannot be used.")


def _asked(port: int, secret: bytes) -> AuthPacket:
    packet = AuthPacket(
        code=AccessRequest, secret=secret, dict=Dictionary(io.StringIO(_WORDS)),
        User_Name=f"doctor-{secrets.token_hex(4)}",
    )  # fmt: skip
    packet["User-Password"] = packet.PwCrypt("nobody")
    packet.add_message_authenticator()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(WAIT_S)
        udp.connect((LOOPBACK, port))
        udp.send(packet.RequestPacket())
        reply: AuthPacket = packet.CreateReply(packet=udp.recv(4096))
        return reply


def hook_pool(frame: Frame) -> Iterator[Finding]:
    """As many instances of the hooks as the settings say: what FreeRADIUS was told when its configuration was laid."""
    laid = frame.settings.state_dir / "radius" / "raddb" / "mods-available" / "wifibilling_pool"
    if not laid.is_file():
        yield untold(RADIUS, "its configuration was not laid on this machine: the pool of hooks is not known")
        return
    count = len(_INSTANCE.findall(laid.read_text("utf-8")))
    wanted = frame.settings.hook_pool_instances
    text = f"a pool of {count} hooks"
    if count != wanted:
        yield unwell(RADIUS, f"{text}, and the settings say {wanted}", "Lay it anew: deploy/run, or deploy/update.")
    else:
        yield well(RADIUS, text)


def dynamic_clients(frame: Frame) -> Iterator[Finding]:
    """FreeRADIUS is told who may ask: from a table in memory, from a file where the store is away at its start."""
    every = {router.id for router in frame.directory.all_routers()}
    age = Counted(frame.settings).total("RouterCacheAge")
    most = ROUTERS_AGE * frame.settings.routers_refresh_s
    if age is None:
        yield untold(CLIENTS, "no RADIUS node tells its figures on this machine")
    elif age > most:
        fix = "Is the store there? A new router waits; restart FreeRADIUS."
        yield unwell(CLIENTS, f"its table of routers is {age:.0f} s old, of at most {most}", fix)
    else:
        yield well(CLIENTS, f"its table of routers is {age:.0f} s old")
    kept, _, at = KeeperFiles(frame.settings.state_dir).load()
    lost = sorted(every - {router.id for router in kept})
    if at and lost:
        text = f"{len(lost)} routers, as {lost[0]}, are not in the file for a start without the store"
        yield unwell(CLIENTS, text, "Does a RADIUS node run here? It writes the file anew within a minute.")
    elif at:
        yield well(CLIENTS, f"{len(kept)} routers are in the file for a start without the store")


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
