"""deploy/install: what it writes, what systemd, nftables and a shell say of it, and that the units' commands serve.

No systemd runs here: its own checker reads the units, and their commands are started by hand, in their order, as root.
Takes some 10 s: FreeRADIUS and five processes of ours.
"""

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from billing.relay import road
from deploy import installing, relaying
from deploy.installing import Here, Told, check, install, parse, put_authority
from deploy.refusal import Refusal
from deploy.site import ACME_ROOT, Site, caddyfile, firewall, units
from radius import settings as settings_module
from tests.fakes import https
from tests.integration.box import clean_environment
from tests.integration.deploy_lab import ROOT, wait_until
from tests.integration.freeradius_lab import missing_programs
from tests.integration.unit_lab import Boot, lay_boot

pytestmark = pytest.mark.integration
SITE = Site("wifi.example.net", ROOT, "Kilifi WiFi", user="root", ssh_ports=(2222,), radius_from=("203.0.113.7/32",))


class Fake(Here):
    """A folder that stands for `/`; commands are written down."""

    def __init__(self, below: Path) -> None:
        super().__init__(below)
        self.ran: list[str] = []

    def run(self, *command: str) -> str:
        self.ran.append(" ".join(command))
        return ""


@pytest.fixture
def machine(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_a_site_is_written_once_and_the_operators_files_stay(machine: Fake, tmp_path: Path) -> None:
    install(machine, SITE, firewall=True)
    assert machine.ran[-1] == "systemctl restart wifibilling.target"
    (enabled,) = [line for line in machine.ran if line.startswith("systemctl enable wifibilling")]
    wanted = {"wifibilling.target", "wifibilling-radius.service", "wifibilling-hub.service", "wifibilling-backup.timer"}
    assert wanted <= set(enabled.split())
    assert "wifibilling-backup.service" not in enabled
    assert (tmp_path / "var/lib/wifibilling").stat().st_mode & 0o777 == 0o700
    passphrase = tmp_path / "etc/wifibilling/backup.passphrase"
    assert passphrase.stat().st_mode & 0o777 == 0o600
    (tmp_path / "etc/wifibilling/mail.password").write_text("secret")
    own = {path: f"# mine\n{path.read_text()}" for path in (passphrase, tmp_path / "etc/wifibilling/settings.toml")}
    for path, text in own.items():
        path.write_text(text)
    machine.ran.clear()
    install(machine, SITE, firewall=False)
    assert {path: path.read_text() for path in own} == own
    assert (tmp_path / "etc/wifibilling/settings.toml").stat().st_mode & 0o777 == 0o640
    (given,) = [line for line in machine.ran if line.startswith("chown -Rh root:root /var/lib/wifibilling ")]
    assert given.split()[4:] == ["/etc/wifibilling/backup.passphrase", "/etc/wifibilling/mail.password"]
    assert machine.ran[-1] == "systemctl start wifibilling.target"  # nothing changed: nobody is interrupted
    assert not [line for line in machine.ran if "firewall" in line or line.startswith("nft")]


def test_an_authority_of_ones_own_is_known_to_the_machine_too(machine: Fake, tmp_path: Path) -> None:
    root = https.certificate(tmp_path, 40)
    url = "https://ca.example.net:9000/acme/acme/directory"
    site = parse(["--domain", "wifi.example.net", "--acme-ca", url, "--acme-root", str(root)]).site
    for _ in range(2):
        put_authority(machine, site)
    assert machine.ran == ["update-ca-certificates"]  # once: it was the same
    known = machine.read(ACME_ROOT) or ""
    assert known in root.read_text()
    assert (known[:27], "PRIVATE KEY" in known) == ("-----BEGIN CERTIFICATE-----", False)
    with pytest.raises(Refusal, match="say --acme-ca URL with it"):
        parse(["--domain", "wifi.example.net", "--acme-root", str(root)])
    lines = caddyfile(site).splitlines()
    assert lines[1:6] == ["{", f"\tacme_ca {url}", f"\tacme_ca_root {ACME_ROOT}", "}", "wifi.example.net {"]


def test_a_root_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    words = ["--domain", "wifi.example.net", "--acme-ca", "https://ca.example.net", "--acme-root", str(file)]
    for write in (lambda: None, lambda: file.write_text("nothing"), lambda: file.write_bytes(b"\xff\x00")):
        write()
        with pytest.raises(Refusal, match=r"root\.pem: must be a certificate"):
            parse(words)


def test_a_proxys_file_that_was_there_is_kept(machine: Fake, tmp_path: Path) -> None:
    caddy = tmp_path / "etc/caddy"
    caddy.mkdir(parents=True)
    (caddy / "Caddyfile").write_text(":80\n")
    for _ in range(2):
        install(machine, SITE, firewall=True)
    assert (caddy / "Caddyfile.before-wifibilling").read_text() == ":80\n"
    assert (caddy / "Caddyfile").read_text() == caddyfile(SITE)


def test_the_dry_run_says_everything_and_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(Told(Here(tmp_path)), SITE, firewall=True)
    said = capsys.readouterr().out
    for name in units(SITE):
        assert f"write /etc/systemd/system/{name} (mode 0644, root)" in said
    assert "(drawn then)" in said
    assert "run systemctl restart wifibilling.target" in said
    assert list(tmp_path.iterdir()) == []


def test_the_script_says_it_too_without_any_rights_or_packages() -> None:
    words = ["deploy/install", "--domain", "wifi.example.net", "--dry-run"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    inside = any(ROOT.is_relative_to(folder) for folder in installing.CLOSED)
    assert (done.returncode, "write /etc/caddy/Caddyfile" in done.stdout) == ((1, False) if inside else (0, True))


HIDDEN = Site("192.168.88.2", ROOT, user="root", relay="https://relay.example.net")


def test_a_box_without_a_public_address_has_plain_pages_and_a_relay(machine: Fake, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"relay\.token: copy the line"):
        install(machine, HIDDEN, firewall=False)
    token = tmp_path / "etc/wifibilling/relay.token"
    token.write_text(f"{'t' * 40}\n")
    install(machine, HIDDEN, firewall=False)
    assert token.stat().st_mode & 0o777 == 0o600
    written = tmp_path / "etc/wifibilling/settings.toml"
    told = road.load(written)
    assert (told.road, told.url, told.token_ref) == ("relay", HIDDEN.relay, "file:/etc/wifibilling/relay.token")
    assert settings_module.load(written).portal_url == "http://192.168.88.2"
    caddy = (tmp_path / "etc/caddy/Caddyfile").read_text()
    assert "http://192.168.88.2 {" in caddy
    assert "Strict-Transport-Security" not in caddy


def test_a_relay_is_one_service_behind_a_proxy(machine: Fake, tmp_path: Path) -> None:
    site = relaying.RelaySite("relay.example.net", ROOT, ("196.201.212.0/22",), user="root")
    for _ in range(2):
        relaying.install(machine, site)
    token = tmp_path / "etc/wifibilling-relay/token"
    assert (token.stat().st_mode & 0o777, len(token.read_text()) > 40) == (0o600, True)
    assert machine.ran[-1] == "systemctl start wifibilling-relay.service"  # again: nothing changed
    unit = tmp_path / "etc/systemd/system" / relaying.UNIT
    assert "--allow 196.201.212.0/22" in unit.read_text()
    assert "relay.example.net {" in (tmp_path / "etc/caddy/Caddyfile").read_text()
    if shutil.which("systemd-analyze"):
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        assert [line for line in done.stderr.splitlines() if "wifibilling" in line] == []


@pytest.mark.parametrize(
    "bad",
    [
        ["--domain", "wifi.example.net", "--relay", "https://relay.example.net", "--address", "192.168.88.2"],
        ["--relay", "https://relay.example.net"],
        ["--relay", "http://relay.example.net", "--address", "192.168.88.2"],
        ["--relay", "https://relay.example.net", "--address", "8.8.8.8"],
        ["--relay", "https://relay.example.net", "--address", "here"],
        [],
        ["--domain", "wifi.example.net", "--acme-ca", "http://ca.example.net"],
        ["--domain", "wifi.example.net", "--acme-ca", "https://ca.example.net/\n}"],
        ["--relay", "https://relay.example.net", "--address", "192.168.88.2", "--acme-ca", "https://ca.example.net"],
        ["--domain", "nodot"],
        ["--domain", "a.b;rm"],
        ["--domain", "a.example", "--radius-from", "10.0.0.1/8"],
    ],
)
def test_what_cannot_be_is_refused(bad: list[str]) -> None:
    with pytest.raises(Refusal):
        parse(bad)


def test_a_clone_that_the_services_do_not_see_is_refused() -> None:
    with pytest.raises(Refusal, match="/opt/wifibilling"):
        check(Site("wifi.example.net", Path("/home/jane/wifibilling")))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "site.nft:10:26: Error: no such protocol\n  meta l4proto\n       ^^^^\n",
            "site.nft:10:26: Error: no such protocol",
        ),
        ("Traceback (most recent call last):\n  File x\nValueError: bad\n", "ValueError: bad"),
        ("", "failed"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_not_the_line_under_it(words: str, line: str) -> None:
    script = f"printf %s {shlex.quote(words)} >&2; exit 1"
    with pytest.raises(Refusal, match=re.escape(line) + "$"):
        Here().run("sh", "-c", script)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="not installed: systemd-analyze")
def test_systemd_itself_finds_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    for name, text in units(SITE).items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units(SITE))]
    environment = {**clean_environment(), "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    ours = [line for line in done.stderr.splitlines() if "wifibilling" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.netns
@pytest.mark.skipif(shutil.which("nft") is None, reason="not installed: nft")
def test_the_kernel_takes_the_firewall_twice(tmp_path: Path) -> None:
    rules = tmp_path / "firewall.nft"
    rules.write_text(firewall(SITE))
    small = "[ ! -e /etc/protocols ] || mount --bind /dev/null /etc/protocols"  # a small system has no such names
    script = f"{small}; nft -f {rules} && nft -f {rules} && nft list table inet wifibilling"
    done = subprocess.run(["unshare", "-nm", "sh", "-c", script], capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("no right to make a network namespace")
    assert done.returncode == 0, done.stderr
    assert "policy drop" in done.stdout
    assert "tcp dport { 80, 443, 2222 } accept" in done.stdout
    assert 'iifname "wifibilling" udp dport { 1812, 1813, 18120, 18130 } accept' in done.stdout
    assert "ip saddr 203.0.113.7 udp dport" in done.stdout


# --- the units' commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def boot(tmp_path: Path) -> Iterator[Boot]:
    made = lay_boot(tmp_path)
    yield made
    made.stop()


@pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}")
@pytest.mark.skipif(not (ROOT / ".venv/bin/dynoxide").exists(), reason="no engine in .venv")
def test_the_commands_of_the_units_serve_and_nothing_is_there_of_a_demo(boot: Boot) -> None:
    site, ports = boot.site, boot.site.ports
    boot.start_store()
    boot.prepare()  # at each start
    for name in ("radius", "worker", "coa", "portal", "selling", "alerts"):
        boot.start(name)
    told = settings_module.load(site.settings)
    for port in (told.metrics_port, told.worker_metrics_port, told.coa_metrics_port, told.billing_metrics_port):
        wait_until(lambda port=port: answers(f"http://127.0.0.1:{port}/metrics"), f"{port} answers")
    wait_until(lambda: answers(f"http://127.0.0.1:{ports.portal}/api/v1/health/live"), "the portal answers")
    assert "Ready to process requests" in (site.state.parent / "radius.log").read_text()
    assert wifibilling(site, "sites", "list", "--json") == "[]\n"
    assert wifibilling(site, "packages", "list", "--json") == "[]\n"
    boot.run("backup")
    assert "its books are right" in wifibilling(site, "backup", "verify")
    codes = boot.stop()
    assert {name: code for name, code in codes.items() if code not in (0, -15)} == {}


def answers(url: str) -> bool:
    try:
        return not httpx.get(url, timeout=2).is_server_error
    except httpx.HTTPError:
        time.sleep(0.1)
        return False


def wifibilling(site: Site, *words: str) -> str:
    command = [str(site.python), "-P", "-m", "billing.cli", *words, "--settings", str(site.settings)]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
