"""OpenWrt with CoovaChilli: the line to paste and the script that it fetches.

As with RouterOS the text never changes (`deploy/routers/openwrt/join.sh`), behind values that only this module writes.
Sources: POSIX shell §2.2.2 (single quotes), chilli.conf(5), OpenWrt's uci and its `/etc/config/chilli`.
"""

import shlex
from urllib.parse import urlsplit

from billing.joining.plan import Plan, check_network, check_plan
from billing.joining.texts import read_text

UNDO_LINE = "sh /root/wifibilling-undo.sh"


def line(plan: Plan) -> str:
    """The one line that is pasted into a shell. It holds the token and no other secret."""
    check_plan(plan)
    fetch = f"wget -q -O /tmp/wifibilling.sh --post-data={shlex.quote(plan.token)} {shlex.quote(f'{plan.url}/script')}"
    trust = "" if plan.trusted else " --no-check-certificate"
    return f"{fetch}{trust} && sh /tmp/wifibilling.sh; rm -f /tmp/wifibilling.sh"


def script(plan: Plan, uam_secret: str) -> str:
    """Everything that makes the router ours. Raises Malformed for a plan that cannot be."""
    check_plan(plan)
    values = "".join(f"{name}={shlex.quote(value)}\n" for name, value in _values(plan, uam_secret).items())
    return f"#!/bin/sh\n{values}\n{read_text('openwrt/join.sh')}"


def _values(plan: Plan, uam_secret: str) -> dict[str, str]:
    network = check_network("hotspot_network", plan.hotspot_network)
    tunnel = plan.tunnel
    hosts = dict.fromkeys((urlsplit(plan.portal).hostname or "", *plan.garden))
    return {
        "name": plan.router,
        "url": plan.url,
        "portal": plan.portal,
        "token": plan.token,
        "server": plan.server,
        "second": plan.second or plan.server,
        "coa_from": " ".join(plan.coa_from or (plan.server,)),
        "secret": plan.secret,
        "uam_secret": uam_secret,
        "hotspot": plan.ports.hotspot[0],
        "network": f"{network.network_address}/{network.netmask}",
        "gateway": str(network[1]),
        "garden": ",".join(host for host in hosts if not host.startswith("*.")),
        "domains": ",".join(host.removeprefix("*") for host in hosts if host.startswith("*.")),
        "auth_port": str(plan.auth_port),
        "acct_port": str(plan.acct_port),
        "coa_port": str(plan.coa_port),
        "zone": "wifibilling" if tunnel else "wan",
        "address": tunnel.address if tunnel else "",
        "hub_key": tunnel.hub_key if tunnel else "",
        "hub_host": tunnel.endpoint_host if tunnel else "",
        "hub_port": str(tunnel.endpoint_port) if tunnel else "",
    }
