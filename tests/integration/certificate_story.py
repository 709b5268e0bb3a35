"""Played in a network and mounts of its own: a site's proxy, as deploy/install writes it, and an authority near it.

    unshare --net --mount python -m tests.integration.certificate_story FOLDER

The authority is a second caddy: it proves the name by calling the site's ports 80 or 443, as a public one does. The
name leads to loopback. What the authority issues holds for half a day, so the site is told to renew when some seconds
of that are over. Prints one JSON object.
"""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509

from billing.alerting import around
from billing.cli import callbacks
from deploy.installing import CADDYFILE, Here, parse, put_authority, put_proxy
from deploy.site import ACME_ROOT, caddyfile
from tests.integration.deploy_lab import wait_until
from tests.integration.unit_lab import lay_boot

NAME, AUTHORITY = "wifi.example.net", "acme.example.net"
DIRECTORY = f"https://{AUTHORITY}:14000/acme/local/directory"
URL = f"https://{NAME}"
RENEWED_AFTER_S = 3
AUTHORITYS_FILE = f"""{{
	admin off
	auto_https disable_redirects
	skip_install_trust
	http_port 14001
	https_port 14000
}}
https://{AUTHORITY} {{
	tls internal
	acme_server
}}
"""


class Known(Here):
    """Files only: which authorities this machine knows is said by SSL_CERT_FILE here."""

    def run(self, *command: str) -> str:
        assert command == ("update-ca-certificates",)
        return ""


class Caddy:
    """One server of a file, with its storage in a folder of its own."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.storage, self.log, self._file = folder / "caddy", folder / "log", file
        self._environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        folder.mkdir(exist_ok=True)
        self.start()

    def start(self, *file: str) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["caddy", "run", *(file or ("--config", str(self._file), "--adapter", "caddyfile"))],
                env=self._environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def reload(self, file: Path) -> None:
        subprocess.run(["caddy", "reload", "--config", file], env=self._environment, check=True, capture_output=True)


def own_mounts(folder: Path) -> None:
    """The names, and whom this machine knows: as files that are not the machine's."""
    known = folder / ACME_ROOT.parent.relative_to("/")
    known.mkdir(parents=True)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {NAME} {AUTHORITY}\n")
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("mount", "--make-rprivate", "/"),
        ("mount", "--bind", str(hosts), "/etc/hosts"),
        ("mount", "--bind", str(known), str(ACME_ROOT.parent)),
    ):
        subprocess.run(command, check=True)


def early(file: Path, shown: x509.Certificate) -> Path:
    """The same as caddy reads it, but renewed when some seconds of its half day are over."""
    adapted = subprocess.run(
        ["caddy", "adapt", "--config", file, "--adapter", "caddyfile"], check=True, capture_output=True
    ).stdout
    told = json.loads(adapted)
    begins, ends = shown.not_valid_before_utc, shown.not_valid_after_utc
    left = (ends - begins).total_seconds() - 60 - RENEWED_AFTER_S  # it begins a minute before it is issued
    told["apps"]["tls"]["automation"]["renew_interval"] = "1s"
    told["apps"]["tls"]["automation"]["policies"][0]["renewal_window_ratio"] = left / (ends - begins).total_seconds()
    made = file.with_suffix(".json")
    made.write_text(json.dumps(told))
    return made


def shown() -> x509.Certificate:
    """What the proxy shows now, whoever signed it."""
    return x509.load_pem_x509_certificate(ssl.get_server_certificate((NAME, 443)).encode())


def page() -> int:
    """The portal's answer by its public name, to who knows the authority; 0 for none."""
    try:
        return httpx.get(f"{URL}/api/v1/health/live", verify=ssl.create_default_context(), timeout=5).status_code
    except httpx.HTTPError:
        return 0


@contextmanager
def asking() -> Iterator[set[int]]:
    """A customer's answers, all the time."""
    stop, answers = threading.Event(), set[int]()

    def ask() -> None:
        while not stop.wait(0.05):
            answers.add(page())

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        stop.set()
        thread.join()


def judged() -> dict[str, Any]:
    """What doctor and the alerts say of it."""
    now = int(time.time())
    return {
        "doctor": [[each.good, each.text] for each in (callbacks.certificate(URL), callbacks.answers(URL))],
        "alert": [each.says for each in around.certificate(URL, 10, now).values()],
        "no alert": around.certificate(URL, 0, now),
    }


def play(folder: Path) -> dict[str, Any]:
    """Issued, renewed, authority away, authority back."""
    own_mounts(folder)
    boot = lay_boot(folder)
    (folder / "authority.caddy").write_text(AUTHORITYS_FILE)
    authority = Caddy(folder / "authority", folder / "authority.caddy")
    root = authority.storage / "pki/authorities/local/root.crt"
    wait_until(root.exists, "the authority has a root")
    wanted = parse(["--domain", NAME, "--acme-ca", DIRECTORY, "--acme-root", str(root)])
    machine, site = Known(folder), replace(wanted.site, ports=boot.site.ports)
    put_authority(machine, site)
    put_proxy(machine, caddyfile(site))
    os.environ["SSL_CERT_FILE"] = str(ACME_ROOT)
    boot.start_store()
    boot.start("portal")
    proxy = Caddy(folder / "proxy", folder / CADDYFILE.relative_to("/"))
    try:
        return _told(authority, proxy, folder / CADDYFILE.relative_to("/"))
    finally:
        proxy.stop()
        authority.stop()
        boot.stop()


def _told(authority: Caddy, proxy: Caddy, file: Path) -> dict[str, Any]:
    wait_until(lambda: page() == httpx.codes.OK, "the portal answers with a certificate")
    first = shown()
    told: dict[str, Any] = {
        "names": first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.DNSName
        ),
        "plain": httpx.get(f"http://{NAME}/").headers["location"],
        "judged": judged(),
    }
    with asking() as answers:
        proxy.reload(early(file, first))
        wait_until(lambda: shown().serial_number != first.serial_number, "it is renewed")
        told["renewed for"] = (shown().not_valid_after_utc - first.not_valid_after_utc).total_seconds()
        authority.stop()
        last, said = shown().serial_number, len(proxy.log.read_text())
        wait_until(lambda: "will retry" in proxy.log.read_text()[said:], "renewal fails while the authority is away")
        told["kept"] = shown().serial_number == last
    told["answers"] = sorted(answers)
    proxy.stop()
    proxy.start("--config", str(file.with_suffix(".json")))  # with the authority away: what is on disk serves
    wait_until(lambda: page() == httpx.codes.OK, "it serves after a restart, too")
    told["kept on disk"] = shown().serial_number == last
    authority.start()
    proxy.stop()
    proxy.start("--config", str(file.with_suffix(".json")))
    wait_until(lambda: page() == httpx.codes.OK and shown().serial_number != last, "it is renewed when that is back")
    return told


if __name__ == "__main__":
    print(json.dumps(play(Path(sys.argv[1]))))
