"""What a site is that stays: its systemd units, firewall, proxy and first settings, as text. Pure.

`wifibilling.target` is started at boot and has all services; each is restarted for ever when it ends. All of ours run
as one user without rights; the hub has that to make a network interface, caddy and nftables are the distribution's.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.ports import Ports

TARGET = "wifibilling.target"
HUB_INTERFACE = "wifibilling"  # radius.hub's default
HUB_PORT = 51820
ACME_ROOT = Path("/usr/local/share/ca-certificates/wifibilling-acme.crt")  # where update-ca-certificates looks
WAIT_TENTHS = 300  # of a second: an engine with a long WAL takes some


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is. `ssh_ports`: stay open. `radius_from`: networks of routers without a tunnel.

    `relay`: who takes M-Pesa's calls where the internet does not reach this box; `domain` is its own address then.
    `acme_ca`: the directory of who issues the certificate, "" for a public authority; `acme_root`: whom it is itself
    known by, PEM.
    """

    domain: str
    root: Path
    brand: str = "WiFi"
    user: str = "wifibilling"
    state: Path = Path("/var/lib/wifibilling")
    etc: Path = Path("/etc/wifibilling")
    backups: Path = Path("/var/backups/wifibilling")
    ports: Ports = field(default_factory=Ports)
    ssh_ports: tuple[int, ...] = (22,)
    radius_from: tuple[str, ...] = ()
    relay: str = ""
    acme_ca: str = ""
    acme_root: str = ""

    @property
    def url(self) -> str:
        """Of customers' pages. Without a public name there is no certificate that phones know."""
        return f"http://{self.domain}" if self.relay else f"https://{self.domain}"

    @property
    def relay_token(self) -> Path:
        """What this box shows its relay."""
        return self.etc / "relay.token"

    @property
    def settings(self) -> Path:
        """The operator's, written once."""
        return self.etc / "settings.toml"

    @property
    def environment(self) -> Path:
        """Variables of M-Pesa (MPESA_...), the operator's."""
        return self.etc / "environment"

    @property
    def passphrase(self) -> Path:
        """Of the backups."""
        return self.etc / "backup.passphrase"

    @property
    def python(self) -> Path:
        """Ours."""
        return self.root / ".venv" / "bin" / "python"


def units(site: Site) -> dict[str, str]:
    """Each unit file by its name."""
    engine = f"{site.root}/.venv/bin/dynoxide"
    ask = f"{engine} healthcheck --port {site.ports.engine} --timeout 1"
    wait = f"for i in $(seq {WAIT_TENTHS}); do {ask} >/dev/null 2>&1 && exit 0; sleep 0.1; done; exit 1"
    serve = f"{engine} --db-path {site.state}/engine/wifibilling.sqlite --host 127.0.0.1 --port {site.ports.engine}"
    module = {
        "worker": ("accounting that waits, sweeps", "radius.worker"),
        "coa": ("cuts and changes of live sessions", "coa run"),
        "portal": ("customers' pages", "billing.portal"),
        "selling": ("payments that nobody waits for", "billing run"),
        "alerts": ("tells people what is wrong", "billing.alerting"),
    }
    made = {
        TARGET: _target(),
        "wifibilling-engine.service": _service(
            site, "the tables", serve, after=(), more=(f"ExecStartPre=/bin/mkdir -p {site.state}/engine",
            f"ExecStartPost=/bin/sh -c '{wait.replace('$', '$$')}'"),
        ),
        "wifibilling-prepare.service": _service(
            site, "tables and FreeRADIUS's configuration", _python(site, "deploy.preparing"), after=("engine",),
            more=("Type=oneshot", "RemainAfterExit=yes", "SupplementaryGroups=freerad", "TimeoutStartSec=180"),
            once=True,
        ),
        "wifibilling-radius.service": _service(
            site, "FreeRADIUS with the hooks", f"/usr/sbin/freeradius -f -l stdout -d {site.state}/radius/raddb",
            more=("LimitNOFILE=65536",),
        ),
        **{
            f"wifibilling-{name}.service": _service(site, what, _python(site, command))
            for name, (what, command) in module.items()
        },
        "wifibilling-hub.service": _service(
            site, "our end of routers' tunnels", _python(site, "radius.hub"),
            more=(
                "AmbientCapabilities=CAP_NET_ADMIN", "CapabilityBoundingSet=CAP_NET_ADMIN",
                "RuntimeDirectory=wireguard",
            ),
        ),
        "wifibilling-firewall.service": _firewall_unit(site),
        "wifibilling-backup.service": _service(
            site, "the backup of the night", _python(site, "billing.cli backup run"),
            more=("Type=oneshot", f"ReadWritePaths={site.backups}", "Nice=10"), once=True, wanted=False,
        ),
        "wifibilling-backup.timer": _timer(),
    }  # fmt: skip
    return {
        name: f"# Written by deploy/install: change it with 'systemctl edit {name}'.\n{text}"
        for name, text in made.items()
    }


def _python(site: Site, command: str) -> str:
    return f"{site.python} -P -m {command} --settings {site.settings}"


def _target() -> str:
    return (
        "[Unit]\nDescription=wifibilling\nWants=network-online.target time-sync.target\n"
        "After=network-online.target time-sync.target\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def alone(user: str, state: Path, what: str, command: str) -> str:
    """The unit of a service that needs nothing of ours."""
    lines = [*_confined(user, state, Path("/nonexistent")), "Restart=always", "RestartSec=1", "TimeoutStopSec=20"]
    service = [f"ExecStart={command}", *lines]
    unit = [f"Description=wifibilling: {what}", "StartLimitIntervalSec=0", "After=network-online.target"]
    return "\n".join(["[Unit]", *unit, "", "[Service]", *service, "", "[Install]", "WantedBy=multi-user.target", ""])


def _confined(user: str, state: Path, environment: Path) -> list[str]:
    """A process that runs as this user, and writes nowhere but there."""
    return [
        f"User={user}",
        f"Group={user}",
        f"WorkingDirectory={state}",
        f"EnvironmentFile=-{environment}",
        "Environment=TZ=UTC PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        f"ReadWritePaths={state}",
    ]


def _service(
    site: Site, what: str, command: str, *, after: tuple[str, ...] = ("prepare",), more: tuple[str, ...] = (),
    once: bool = False, wanted: bool = True,
) -> str:  # fmt: skip
    """A unit; `once`: it ends by itself. What it needs is started before it, and it is not stopped with it."""
    needs = [f"wifibilling-{name}.service" for name in after]
    unit = [f"Description=wifibilling: {what}", "StartLimitIntervalSec=0"]
    unit += [f"PartOf={TARGET}"] if wanted else []
    unit += [f"{word}={' '.join(needs)}" for word in ("Wants", "After") if needs]
    service = [
        f"ExecStart={command}",
        *_confined(site.user, site.state, site.environment),
        *([] if once else ["Restart=always", "RestartSec=1", "TimeoutStopSec=20"]),
        *more,
    ]
    install = ["[Install]", f"WantedBy={TARGET}", ""] if wanted else []
    return "\n".join(["[Unit]", *unit, "", "[Service]", *service, "", *install])


def _timer() -> str:
    return (
        "[Unit]\nDescription=wifibilling: the backup of each night\n\n"
        "[Timer]\nOnCalendar=*-*-* 02:30:00\nRandomizedDelaySec=20min\nPersistent=yes\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def _firewall_unit(site: Site) -> str:
    """Before any network is up; the table is ours alone, so that nothing else's rules are touched."""
    return (
        "[Unit]\nDescription=wifibilling: firewall\nDefaultDependencies=no\nBefore=network-pre.target\n"
        "Wants=network-pre.target\nAfter=local-fs.target\n\n"
        f"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft -f {site.etc}/firewall.nft\n"
        "ExecStop=/usr/sbin/nft delete table inet wifibilling\n\n[Install]\nWantedBy=sysinit.target\n"
    )


def firewall(site: Site) -> str:
    """Closed but for SSH, the pages, the tunnels, and RADIUS from the tunnels and from named networks."""
    ports = site.ports
    radius = ", ".join(str(port) for port in (ports.auth, ports.acct, ports.auth_rotated, ports.acct_rotated))
    ssh = ", ".join(str(port) for port in site.ssh_ports)
    return "\n".join([
        "# Written by deploy/install. A table of our own: other tables hold besides.",
        "table inet wifibilling",
        "delete table inet wifibilling",
        "table inet wifibilling {",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        "    ct state established,related accept",
        "    ct state invalid drop",
        '    iifname "lo" accept',
        "    meta l4proto { 1, 58 } accept",  # ICMP, ICMPv6: their names need /etc/protocols, not everywhere
        "    udp sport 67 udp dport 68 accept",
        f"    tcp dport {{ {ssh}, 80, 443 }} accept",
        f"    udp dport {{ 443, {HUB_PORT} }} accept",
        f'    iifname "{HUB_INTERFACE}" udp dport {{ {radius} }} accept',
        *_radius_from(site.radius_from, radius),
        "  }",
        "}",
        "",
    ])  # fmt: skip


def _radius_from(networks: tuple[str, ...], ports: str) -> Iterator[str]:
    for network in networks:
        yield f"    {'ip6' if ':' in network else 'ip'} saddr {network} udp dport {{ {ports} }} accept"


def caddyfile(site: Site) -> str:
    """The proxy of the pages."""
    authority = [f"\tacme_ca {site.acme_ca}"] if site.acme_ca else []
    authority += [f"\tacme_ca_root {ACME_ROOT}"] if site.acme_root else []
    return proxy(site.url, site.ports.portal, authority)


def proxy(url: str, port: int, options: Sequence[str] = ()) -> str:
    """Caddy's file: for https with a certificate that it gets and renews by itself (ACME). `options`: of all sites."""
    lines = ["# Written by deploy/install.", *(["{", *options, "}"] if options else [])]
    lines += [f"{url.removeprefix('https://')} {{", "\tencode gzip"]
    lines += ["\theader Strict-Transport-Security max-age=31536000"] if url.startswith("https:") else []
    return "\n".join([*lines, f"\treverse_proxy 127.0.0.1:{port}", "}", ""])


def first_settings(site: Site) -> str:
    """The operator's file, to begin with."""
    ports = site.ports
    values = {
        "state_dir": str(site.state),
        "store_endpoint": f"http://127.0.0.1:{ports.engine}",
        "portal_url": site.url,
        "hub_endpoint": f"{site.domain}:{HUB_PORT}",
        "radius_auth_port": ports.auth,
        "radius_acct_port": ports.acct,
        "radius_rotated_auth_port": ports.auth_rotated,
        "radius_rotated_acct_port": ports.acct_rotated,
        "portal_port": ports.portal,
        "metrics_port": ports.radius_metrics,
        "worker_metrics_port": ports.worker_metrics,
        "coa_metrics_port": ports.coa_metrics,
        "portal_metrics_port": ports.portal_metrics,
        "billing_metrics_port": ports.billing_metrics,
    }
    tables = {
        "billing": {"brand": site.brand},
        "backup": {
            "folder": str(site.backups), "passphrase_ref": f"file:{site.passphrase}", "also": [str(site.etc)],
        },
    }  # fmt: skip
    if site.relay:
        name = site.relay.removeprefix("https://")
        reference = f"file:{site.relay_token}"
        tables["callbacks"] = {"road": "relay", "name": name, "url": site.relay, "token_ref": reference}
    lines = ["# Written by deploy/install once; yours since. 'systemctl restart wifibilling.target' after a change."]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]  # of these, JSON's values are TOML's
    for table, fields in tables.items():
        lines += ["", f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def command(site: Site) -> str:
    """`wifibilling` in everybody's PATH; only root may read what it needs."""
    return (
        "#!/bin/sh\n# Written by deploy/install.\n"
        f'export WIFIBILLING_SETTINGS="${{WIFIBILLING_SETTINGS:-{site.settings}}}"\n'
        f"[ ! -r {site.environment} ] || {{ set -a; . {site.environment}; set +a; }}\n"
        f'exec {site.root}/.venv/bin/wifibilling "$@"\n'
    )
