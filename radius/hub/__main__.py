"""The hub of routers' tunnels.

    python -m radius.hub --settings FILE

Needs the right to make network interfaces (root, or CAP_NET_ADMIN). It makes the interface `wifibilling`, gives it the
routers' keys within seconds of their joining, and writes down when each was last heard. With the store away, the peers
stay as they are.
"""

import argparse
import signal
import sys
import threading
import time
from ipaddress import IPv4Network
from pathlib import Path

import msgspec

from radius import log as logs
from radius import settings as settings_module
from radius.domain.errors import Malformed, RadiusError, Unavailable
from radius.hub.device import Device
from radius.hub.files import REPORT, write
from radius.hub.peers import change, report
from radius.services.tunnels import Tunnels
from radius.settings import Settings
from radius.wiring import BACKGROUND_DEADLINE_S, build_core

INTERFACE = "wifibilling"
ROUND_S, FAR_ROUND_S = 3.0, 15.0  # a router that joins waits for it; where reads are paid for it waits longer


class Hub:
    """One round after the other."""

    def __init__(self, device: Device, tunnels: Tunnels, folder: Path) -> None:
        self._device = device
        self._tunnels = tunnels
        self._folder = folder

    def round(self, now: int) -> tuple[int, int]:
        """Bring the interface up to date and write the report: (peers put, peers dropped)."""
        there = self._tunnels.all()
        wanted = change(there, self._device.peers())
        self._device.apply(wanted)
        write(self._folder / REPORT, msgspec.json.encode(report(there, self._device.peers(), now)), 0o644)
        return len(wanted.put), len(wanted.drop)


def main(arguments: list[str]) -> int:
    """Run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m radius.hub", description="Our end of routers' tunnels.")
    parser.add_argument("--settings", type=Path, help="default: $WIFIBILLING_SETTINGS")
    parser.add_argument("--interface", default=INTERFACE)
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return serve(settings_module.load(options.settings), options.interface, stop)
    except Malformed as bad:
        sys.stderr.write(f"wifibilling hub: {bad}\n")
        return 2
    except Unavailable as away:
        sys.stderr.write(f"wifibilling hub: {away}\n")
        return 1


def serve(settings: Settings, interface: str, stop: threading.Event) -> int:
    """Rounds until `stop`."""
    if settings.hub_endpoint is None:
        raise Malformed("hub_endpoint", "is not set: how the internet reaches this hub, such as hub.example.net:51820")
    core = build_core(settings)
    log = logs.open_log(settings.log_path, settings.log_format, settings.log_level)
    network = IPv4Network(settings.hub_network)
    device = Device(interface, settings.state_dir)
    hub = Hub(
        device,
        Tunnels(core.store.tunnels, network, lambda: time.monotonic() + BACKGROUND_DEADLINE_S),
        settings.state_dir,
    )
    try:
        device.open(network, int(settings.hub_endpoint.rpartition(":")[2]))
        log.logger.info("Hub ready", port=int(settings.hub_endpoint.rpartition(":")[2]))
        while not stop.is_set():
            try:
                put, dropped = hub.round(int(time.time()))
                if put or dropped:
                    log.logger.info("Tunnels changed", entries=put, count=dropped)
            except (RadiusError, OSError) as failed:  # what is there stays as it is; the next round tries again
                log.logger.warning("Hub round failed", error=type(failed).__name__, reason=str(failed))
            stop.wait(ROUND_S if settings.store_kind == "embedded" else FAR_ROUND_S)
    finally:
        device.close()
        core.close()
        log.sink.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
