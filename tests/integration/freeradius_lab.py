"""A real FreeRADIUS in a state folder of its own, and real clients to speak to it.

    with FreeradiusLab(tmp_path, hooks_module="radius.rlm.hooks", settings_file=settings, site_packages=(...)) as lab:
        assert lab.radclient({"User-Name": "good", "User-Password": "secret"}).code == "Access-Accept"

Ports are free ones on loopback; the process is stopped by its id and must exit with 0.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from freeradius_config.lay import lay
from freeradius_config.layout import Layout, PortPair
from tests.fakes.ports import free_port

REPO = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
Attributes = Mapping[str, str] | Iterable[tuple[str, str]]


def missing_programs() -> list[str]:
    """Names of the programs these tests need and this machine lacks."""
    return [name for name in ("freeradius", "radclient", "eapol_test") if shutil.which(name) is None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``code`` is None when nothing did."""

    code: str | None
    attributes: tuple[tuple[str, str], ...] = ()
    output: str = field(default="", repr=False)

    def get(self, name: str) -> str | None:
        """First value of that attribute, quotes removed."""
        return next((value for key, value in self.attributes if key == name), None)


@dataclass(frozen=True, slots=True)
class EapResult:
    """Verdict of eapol_test, the code of the last RADIUS packet and the EAP code inside it (3 success, 4 failure)."""

    success: bool
    radius_code: int | None
    eap_code: int | None
    output: str = field(repr=False)

    def has_attribute(self, number: int) -> bool:
        """Whether the last packet carried this RADIUS attribute."""
        last = self.output.rpartition("RADIUS message: code=")[2]
        return re.search(rf"Attribute {number} \(", last.partition("STA ")[0]) is not None


@dataclass(slots=True)
class FreeradiusLab:
    """One server. ``settings_file`` is what the hooks read; ``site_packages`` default to those of this interpreter."""

    root: Path
    hooks_module: str
    settings_file: Path
    extra_path: tuple[Path, ...] = ()
    site_packages: tuple[Path, ...] = (Path(sysconfig.get_paths()["purelib"]),)
    pool_size: int = 4
    listen_addresses: tuple[str, ...] = ("127.0.0.1", "::1")
    message_authenticator_policy: str = "hook"
    secrets: Mapping[str, str] = field(default_factory=lambda: {"A": "secret-a", "B": "secret-b"})
    environment: Mapping[str, str] = field(default_factory=dict)
    layout: Layout = field(init=False)
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        ports = [free_port() for _ in range(5)]
        self.layout = Layout(
            state_dir=self.root / "state",
            repo_dir=REPO,
            settings_file=self.settings_file,
            site_packages=(*self.extra_path, *self.site_packages),
            listen_addresses=self.listen_addresses,
            pair_a=PortPair("A", ports[0], ports[1]),
            pair_b=PortPair("B", ports[2], ports[3]),
            status_port=ports[4],
            pool_size=self.pool_size,
            hooks_module=self.hooks_module,
            message_authenticator_policy=self.message_authenticator_policy,
        )
        lay(self.layout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = self.stop()
        if kind is None:
            assert code == 0, f"freeradius exited with {code}:\n{self.log()[-3000:]}"

    @property
    def log_file(self) -> Path:
        return self.root / "freeradius.out"

    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def command(self, *arguments: str) -> list[str]:
        return ["freeradius", "-d", str(self.layout.raddb_dir), *arguments]

    def process_environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "TZ": "UTC"}

    def check_configuration(self) -> subprocess.CompletedProcess[str]:
        """``freeradius -XC``: 0 when the configuration is complete."""
        return subprocess.run(
            self.command("-XC"), capture_output=True, text=True, timeout=60, check=False, env=self.process_environment()
        )

    def start(self, *, debug: bool = False) -> None:
        """Start in the foreground and wait until Status-Server is answered."""
        arguments = ("-fxx", "-l", "stdout") if debug else ("-f", "-l", "stdout")
        with self.log_file.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(*arguments), stdout=out, stderr=subprocess.STDOUT, env=self.process_environment()
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.status().code is None:
            if self.process.poll() is not None:
                raise RuntimeError(f"freeradius exited with {self.process.returncode}:\n{self.log()[-3000:]}")
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"freeradius did not answer Status-Server:\n{self.log()[-3000:]}")

    def stop(self, *, sign: signal.Signals = signal.SIGTERM) -> int | None:
        """Stop this process and return its exit code; None when none runs."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process = None

    def port(self, pair: str, kind: str) -> int:
        """Port of "auth" or "acct" of pair "A" or "B"."""
        ports = self.layout.pair_a if pair == "A" else self.layout.pair_b
        return ports.auth if kind == "auth" else ports.acct

    def status(self) -> Reply:
        """Ask the loopback health listener."""
        secret = self.layout.status_secret_file.read_text().strip()
        return run_radclient(
            "127.0.0.1", self.layout.status_port, "status", secret, {"Message-Authenticator": "0x00"}, timeout_s=0.5
        )

    def radclient(
        self,
        attributes: Attributes,
        kind: str = "auth",
        *,
        pair: str = "A",
        host: str = "127.0.0.1",
        secret: str | None = None,
        timeout_s: float = 2,
    ) -> Reply:
        """Send one packet ("auth", "acct" or "status") and return the answer; None after ``timeout_s``, no retry."""
        port = self.port(pair, "acct" if kind == "acct" else "auth")
        return run_radclient(
            host, port, kind, secret or self.secrets[pair], attributes, timeout_s=timeout_s, raddb=self.layout.raddb_dir
        )

    def eapol(
        self, network: Mapping[str, str], *, pair: str = "A", mac: str = "02:00:00:00:00:01", timeout_s: int = 5
    ) -> EapResult:
        """One EAP login. ``network`` holds wpa_supplicant's words with their quotes, without key_mgmt."""
        config = self.root / "eapol.conf"
        lines = "\n".join(f"\t{key}={value}" for key, value in {"key_mgmt": "WPA-EAP", **network}.items())
        config.write_text(f"network={{\n{lines}\n}}\n", encoding="latin-1")
        arguments = ["-c", str(config), "-a", "127.0.0.1", "-p", str(self.port(pair, "auth"))]
        arguments += ["-s", self.secrets[pair], "-t", str(timeout_s), "-r", "0", "-M", mac]
        arguments += ["-N", "32:s:eap-router", "-N", "30:s:AA-BB-CC-DD-EE-FF:hotel"]
        if "MD5" in network["eap"]:
            arguments.append("-n")  # EAP-MD5 makes no keys
        done = subprocess.run(["eapol_test", *arguments], capture_output=True, timeout=timeout_s + 15, check=False)
        output = done.stdout.decode(errors="replace")
        codes = re.findall(r"Received RADIUS message\nRADIUS message: code=(\d+)", output)
        eap_codes = re.findall(r"decapsulated EAP packet \(code=(\d+) ", output)
        return EapResult(
            done.returncode == 0, int(codes[-1]) if codes else None, int(eap_codes[-1]) if eap_codes else None, output
        )

    def spooled(self) -> str:
        """Everything in the spool."""
        return "".join(path.read_text() for path in sorted(self.layout.spool_dir.iterdir()))


def run_radclient(
    host: str,
    port: int,
    kind: str,
    secret: str,
    attributes: Attributes,
    *,
    timeout_s: float,
    raddb: Path | None = None,
) -> Reply:
    pairs = attributes.items() if isinstance(attributes, Mapping) else attributes
    text = "\n".join(f"{name} = {value if value.startswith('0x') else _quoted(value)}" for name, value in pairs) + "\n"
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = ["-d", str(raddb)] if raddb else []
    done = subprocess.run(
        ["radclient", *options, "-x", "-r", "1", "-t", str(timeout_s), where, kind, secret],
        input=text, capture_output=True, text=True, errors="replace", timeout=timeout_s + 15, check=False,
    )  # fmt: skip
    received = re.search(r"^Received (\S+) Id", done.stdout, re.MULTILINE)
    if received is None:
        return Reply(None, (), done.stdout + done.stderr)
    lines = done.stdout[received.end() :].splitlines()
    values = [line.strip().partition(" = ") for line in lines if line.startswith("\t")]
    return Reply(received[1], tuple((name, value.strip('"')) for name, _, value in values), done.stdout)


def _quoted(value: str) -> str:
    """Double quotes; a backslash in ``value`` starts an escape, so "\\351" sends one byte."""
    return value if re.fullmatch(r"[0-9]+|[A-Z][A-Za-z-]+", value) else '"' + value.replace('"', '\\"') + '"'


def bare_access_request(name: str, password: str, secret: str, *, message_authenticator: bytes | None = None) -> bytes:
    """An Access-Request with PAP as old routers send it: no Message-Authenticator, or the 16 bytes given.

    ``message_authenticator`` b"" asks for the right one (RFC 3579 s3.2).
    """
    authenticator = os.urandom(16)
    padded = password.encode().ljust(-(-len(password) // 16) * 16, b"\0")
    pad = hashlib.md5(secret.encode() + authenticator).digest()
    hidden = bytes(one ^ other for one, other in zip(padded[:16], pad, strict=True))
    body = bytes([1, 2 + len(name)]) + name.encode() + bytes([2, 18]) + hidden
    if message_authenticator is None:
        return struct.pack("!BBH16s", 1, 7, 20 + len(body), authenticator) + body
    head = struct.pack("!BBH16s", 1, 7, 20 + len(body) + 18, authenticator)
    right = hmac.digest(secret.encode(), head + body + b"\x50\x12" + bytes(16), "md5")
    return head + body + b"\x50\x12" + (message_authenticator or right)


def exchange(packet: bytes, port: int, *, timeout_s: float = 1.0) -> bytes | None:
    """Send one datagram to 127.0.0.1 and return the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout_s)
        udp.sendto(packet, ("127.0.0.1", port))
        try:
            return udp.recv(4096)
        except TimeoutError:
            return None


class StubLab(FreeradiusLab):
    """A server with the stub hooks: what they were asked is in ``calls``."""

    def __init__(self, root: Path, **options: object) -> None:
        settings = root / "settings.json"
        names = {"127.0.0.1": ("router-one", {"A": "secret-a", "B": "secret-b"})}
        names["::1"] = ("router-six", {"A": "secret-a", "B": "secret-b"})
        settings.write_text(json.dumps({"clients": names, "record": options.pop("record", True)}))
        folder = root / "hooks"
        folder.mkdir()
        shutil.copy(Path(__file__).parent / "freeradius_stub_hooks.py", folder)
        super().__init__(root, "freeradius_stub_hooks", settings, extra_path=(folder,), **options)  # type: ignore[arg-type]

    def calls(self, hook: str | None = None) -> list[tuple[str, dict[str, str]]]:
        """Hook and request attributes of each call so far."""
        path = Path(f"{self.settings_file}.calls")
        lines = path.read_text().splitlines() if path.exists() else []
        read = [json.loads(line) for line in lines]
        return [(call["hook"], dict(call["request"])) for call in read if hook in (None, call["hook"])]

    def forget_calls(self) -> None:
        Path(f"{self.settings_file}.calls").unlink(missing_ok=True)
