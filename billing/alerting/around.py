"""What only a box has: its disk, its backups, its certificate, the tunnels of its routers, and whether its own live."""

import shutil
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from billing.alerting.events import Wrong
from billing.backup.nightly import noted
from billing.domain.money import SHILLING_CENTS
from radius.hub.files import last_report
from radius.hub.peers import FRESH_S

BACKUP_S_MAX = 36 * 3_600  # a night was left out
HUB_S_MAX = 120  # it writes every few seconds
GATHER_S = FRESH_S  # tunnels behind one uplink fall silent within a renewal of keys
CONNECT_S = 5.0
DAY_S = 86_400


def disk(folder: Path, percent: int) -> dict[str, Wrong]:
    """Of the file system that state is on."""
    usage = shutil.disk_usage(folder)
    used = 100 * usage.used / (usage.used + usage.free)  # as df says it: what is kept for root is not free
    return {"DiskFull": Wrong(f"the disk of {folder} is {used:.0f} % full")} if used >= percent else {}


def backup(state_dir: Path, now: int) -> dict[str, Wrong]:
    """Failed, or not made for more than a day. Asked only where backups are set up."""
    last = noted(state_dir)
    if last is None:
        return {"BackupFailed": Wrong("no backup was ever made")}
    if last.why:
        return {"BackupFailed": Wrong(f"the last backup failed: {last.why}")}
    if now - last.good_at > BACKUP_S_MAX:
        return {"BackupFailed": Wrong(f"the last backup is {(now - last.good_at) // 3_600} hours old")}
    return {}


def tunnels(state_dir: Path, now: int) -> dict[str, Wrong]:
    """Routers whose tunnel fell silent, by their last handshake: quiet customers are no fault.

    One that was never heard is still to be set up. With the hub itself away nothing is known of any of them.
    """
    report = last_report(state_dir)
    if report is None:
        return {}
    if now - report.at > HUB_S_MAX:
        return {"HubSilent": Wrong("our end of the routers' tunnels (the hub) does not run")}
    down = {name for name, heard in report.routers.items() if heard.handshake_at and not heard.alive(now)}
    return {"RouterDown": Wrong("routers are down", frozenset(down), gather_s=GATHER_S)} if down else {}


def certificate(url: str | None, days: int, now: int, context: ssl.SSLContext | None = None) -> dict[str, Wrong]:
    """Whether the portal's address answers with a certificate that holds for some days more."""
    parts = urlsplit(url or "")
    if parts.scheme != "https" or not parts.hostname:
        return {}
    try:
        ends_at = _ends_at(parts.hostname, parts.port or 443, context or ssl.create_default_context())
    except (OSError, ssl.SSLError) as refused:
        return {"Certificate": Wrong(f"{parts.hostname} does not answer with a good certificate: {refused}")}
    left = (ends_at - now) // DAY_S
    return {"Certificate": Wrong(f"the certificate of {parts.hostname} ends in {left} days")} if left < days else {}


def _ends_at(host: str, port: int, context: ssl.SSLContext) -> int:
    with (
        socket.create_connection((host, port), CONNECT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        found = tls.getpeercert() or {}
    return int(ssl.cert_time_to_seconds(str(found["notAfter"])))


def balance(left_cents: int | None, least_cents: int) -> dict[str, Wrong]:
    """Whether text messages will go on: customers wait for their codes. None: the gateway did not say."""
    if left_cents is None or left_cents >= least_cents:
        return {}
    return {"SmsBalance": Wrong(f"KES {left_cents / SHILLING_CENTS:,.2f} are left with the SMS gateway")}


def processes(alive: Mapping[str, bool]) -> dict[str, Wrong]:
    """Processes whose metrics do not answer: ended, or hanging."""
    dead = frozenset(name for name, lives in alive.items() if not lives)
    return {"ProcessDown": Wrong("processes of this box do not answer", dead, gather_s=60)} if dead else {}
