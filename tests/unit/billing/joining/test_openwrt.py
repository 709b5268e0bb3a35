"""The script for OpenWrt, run by a real shell; what it calls are doubles that write down how they were called.

Starts some ten shells, each of which starts some sixty small ones.
"""

import os
import re
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from billing.joining.openwrt import line, script
from billing.joining.plan import Plan, Ports
from radius.domain.errors import Malformed
from tests.unit.billing.joining.test_routeros import KEY, PLAN

ROUTER_KEY = "r" * 42 + "A="
WANTED = msgspec.structs.replace(
    PLAN, ports=Ports(("br-hotspot",)), garden=("*.example.org", "shop.example.com"), secret="it's-$HOME-`a`-secret"
)
# What every program on the router is here: it writes down how it was called; `uci` keeps an option a file.
TOOL = """#!/bin/sh
root={root}
printf '%s\\037' "${{0##*/}}" "$@" >>$root/called
echo >>$root/called
case " $(cat $root/broken) " in *" ${{0##*/}} "*) exit 1 ;; esac
[ "${{0##*/}}" = wg ] && {{ [ "$1" = genkey ] && echo {private} || echo {public}; }}
[ "${{0##*/}}" = uci ] || exit 0
[ "$1" = -q ] && shift
key="${{2%%=*}}"
case "$1" in
set) printf '%s' "${{2#*=}}" >"$root/uci/$key" ;;
add_list) printf '%s\\n' "${{2#*=}}" >>"$root/uci/$key" ;;
delete)
    [ -e "$root/uci/$key" ] || exit 1
    rm -f "$root/uci/$key" "$root/uci/$key".*
    ;;
esac
"""


class OpenWrt:
    """The parts of a router that the script touches, under a folder instead of /."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        for name in ("etc/config", "etc/init.d", "root", "tmp", "bin", "uci"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/openwrt_release").touch()
        (folder / "etc/config/chilli").write_text("config chilli\n")
        (folder / "broken").write_text("")
        for key, value in (("chilli.@chilli[0]", "chilli"), ("system.ntp.enabled", "0")):
            (folder / "uci" / key).write_text(value)
        text = TOOL.format(root=folder, private="p" * 43 + "=", public=ROUTER_KEY)
        tools = ["bin/uci", "bin/wg", "bin/wget", "bin/ip", "bin/opkg", "bin/sysupgrade"]
        for name in [*tools, *(f"etc/init.d/{each}" for each in ("chilli", "network", "firewall", "sysntpd"))]:
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        text = re.sub(r"(?<![\w}])/(?=(?:etc|root|tmp)/)", f"{self.root}/", text)
        environment = {"PATH": f"{self.root}/bin:/usr/bin:/bin", "HOME": "/nowhere"}
        return subprocess.run(
            ["sh", "-c", text], capture_output=True, text=True, check=False, env=environment, timeout=30
        )

    def break_(self, *tools: str) -> None:
        (self.root / "broken").write_text(" ".join(tools))

    @property
    def uci(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.root / "uci").iterdir()}

    @property
    def called(self) -> list[list[str]]:
        return [entry.split("\x1f")[:-1] for entry in (self.root / "called").read_text().splitlines()]


@pytest.fixture
def router(tmp_path: Path) -> OpenWrt:
    return OpenWrt(tmp_path)


def test_chilli_asks_us_obeys_us_and_shows_our_portal(router: OpenWrt) -> None:
    done = router.run(script(WANTED, "uam's secret"))
    assert done.returncode == 0, done.stderr
    there = router.uci
    chilli = {key.removeprefix("chilli.wifibilling."): value for key, value in there.items() if "chilli." in key}
    assert (
        chilli.items()
        >= {
            "radiusserver1": "10.99.0.1",
            "radiussecret": WANTED.secret,
            "radiusnasid": "kilimani-01",
            "radiustimeout": "3",
            "coaport": "3799",
            "acctupdate": "1",
            "definteriminterval": "300",
            "uamserver": "https://portal.example.net/w/kilimani-01",
            "uamsecret": "uam's secret",
            "uamallowed": "portal.example.net,shop.example.com",
            "uamdomain": ".example.org",
            "dhcpif": "br-hotspot",
            "uamlisten": "10.5.50.1",
            "net": "10.5.50.0/255.255.255.0",
        }.items()
    )
    assert "chilli.@chilli[0]" not in there
    assert there["network.wifibilling_hub.public_key"] == KEY
    assert there["network.wifibilling.addresses"] == "10.99.0.2/16\n"
    assert there["firewall.wifibilling_coa.src_ip"] == "10.99.0.1\n"
    assert (chilli["radiusserver2"], "coanoipcheck" in chilli) == ("10.99.0.1", False)
    posts = [call for call in router.called if call[0] == "wget"]
    assert [(call[-2], call[-1]) for call in posts] == [
        (f"--post-data={PLAN.token} {ROUTER_KEY}", f"{PLAN.url}/key"),
        (f"--post-data={PLAN.token} done", f"{PLAN.url}/done"),
    ]


def test_disconnects_from_elsewhere_are_let_in_by_the_firewall_from_there_only(router: OpenWrt) -> None:
    plan = msgspec.structs.replace(WANTED, tunnel=None, server="192.0.2.1", second="192.0.2.2")
    plan = msgspec.structs.replace(plan, coa_from=("198.51.100.7", "198.51.100.8"))
    assert router.run(script(plan, "s")).returncode == 0
    there = router.uci
    assert (there["chilli.wifibilling.radiusserver1"], there["chilli.wifibilling.radiusserver2"]) == (
        "192.0.2.1",
        "192.0.2.2",
    )
    assert there["chilli.wifibilling.coanoipcheck"] == "1"
    assert there["firewall.wifibilling_coa.src_ip"].split() == ["198.51.100.7", "198.51.100.8"]
    with pytest.raises(Malformed, match="no IPv4 address"):
        script(msgspec.structs.replace(plan, coa_from=("x; reboot",)), "s")


def test_a_second_run_changes_nothing(router: OpenWrt) -> None:
    router.run(script(WANTED, "s"))
    once, key = router.uci, (router.root / "etc/wifibilling.key").read_text()
    assert router.run(script(WANTED, "s")).returncode == 0
    assert router.uci == once
    assert (router.root / "etc/wifibilling.key").read_text() == key
    assert len([call for call in router.called if call[0] == "sysupgrade"]) == 1


def test_the_private_key_is_the_routers_alone(router: OpenWrt) -> None:
    router.run(script(WANTED, "s"))
    assert stat.S_IMODE((router.root / "etc/wifibilling.key").stat().st_mode) == 0o600
    assert "p" * 43 not in script(WANTED, "s")


def test_undo_takes_everything_back(router: OpenWrt) -> None:
    router.run(script(WANTED, "s"))
    (router.root / "etc/config/chilli").write_text("ours\n")
    assert router.run("sh /root/wifibilling-undo.sh").returncode == 0
    assert [key for key in router.uci if "wifibilling" in key and not key.startswith("chilli.")] == []
    assert (router.root / "etc/config/chilli").read_text() == "config chilli\n"
    assert not (router.root / "etc/wifibilling.key").exists()


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        ("ip", "there is no interface br-hotspot; nothing was changed"),
        ("sysupgrade", "no backup, so nothing was changed"),
    ],
)
def test_what_cannot_be_done_stops_before_anything_is_changed(router: OpenWrt, tool: str, why: str) -> None:
    before = router.uci
    router.break_(tool)
    done = router.run(script(WANTED, "s"))
    assert done.returncode == 1
    assert why in done.stderr
    assert router.uci == before


def test_a_server_that_does_not_answer_is_said(router: OpenWrt) -> None:
    router.break_("wget")
    done = router.run(script(WANTED, "s"))
    assert done.returncode == 1
    assert "telling the server this router's key: the server does not answer" in done.stderr


def test_without_a_tunnel_disconnects_come_from_outside(router: OpenWrt) -> None:
    plan: Plan = msgspec.structs.replace(WANTED, tunnel=None, server="203.0.113.5")
    assert router.run(script(plan, "s")).returncode == 0
    there = router.uci
    assert there["firewall.wifibilling_coa.src"] == "wan"
    assert [key for key in there if key.startswith("network.")] == []


def test_the_pasted_line_runs_what_it_fetched_and_leaves_nothing(router: OpenWrt) -> None:
    text = line(WANTED)
    assert WANTED.secret not in text
    (router.root / "tmp/wifibilling.sh").write_text("echo fetched\n")
    assert router.run(text).stdout == "fetched\n"
    assert not (router.root / "tmp/wifibilling.sh").exists()
    assert router.called[-1][-2:] == [f"--post-data={PLAN.token}", f"{PLAN.url}/script"]
    assert os.sep not in PLAN.token
