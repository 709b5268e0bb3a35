"""The demo router's hotspot, for a person with a browser on this box: log-in page, portal, SIMULATED M-Pesa, online.

    python -m deploy.demo_hotspot --settings FILE --port PORT --auth-port .. --acct-port .. --coa-port .. --portal URL

A fake MikroTik (tests/fakes): real RADIUS, real Disconnect- and CoA-Requests; behind it is no internet. One phone
stands before it, which nobody has seen before; `/another` makes it another one.
"""

import argparse
import secrets
import signal
import sys
import threading
from pathlib import Path

from deploy.demo import ROUTER, demo_secret
from radius import settings as settings_module
from tests.fakes.hotspot import Hotspot
from tests.fakes.nas import FakeRouter
from tests.fakes.router_das import FakeDas, Manners

READY = "demo hotspot: a fake router"
LOOK_S = 0.2  # how soon a session ends that the router was told to end
INTERIM_S = 60.0
MEGABYTE = 1_000_000


class DemoHotspot(Hotspot):
    """One request at a time: the fake router counts for one thread."""

    lock = threading.Lock()

    def answer(self, path: str, fields: dict[str, str]) -> tuple[int, str, str]:
        """Status, page, and where to."""
        with self.lock:
            if path == "/another":
                self.leave()
                self.mac = new_mac()
                return 302, "", f"{self.url}/login"
            return super().answer(path, fields)

    def leave(self) -> None:
        """The phone walks away."""
        if self.online:
            self.router.stop(self.mac, "User-Request")

    def obey(self, das: FakeDas) -> None:
        """End what the router was told to end."""
        with self.lock:
            session = self.router.sessions.get(self.mac)
            if session is not None and session.session_id not in das.sessions:
                self.router.stop(self.mac, "Admin-Reset")

    def report(self) -> None:
        """A minute of somebody who reads."""
        with self.lock:
            if self.online:
                self.router.use(self.mac, MEGABYTE // 5, 3 * MEGABYTE, int(INTERIM_S))
                self.router.interim(self.mac)


def new_mac() -> str:
    """Of a phone that nobody has seen, as those do that make up their own (the second bit says so)."""
    return "02:" + ":".join(f"{each:02X}" for each in secrets.token_bytes(5))


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="deploy.demo_hotspot")
    parser.add_argument("--settings", type=Path, required=True)
    for name in ("--port", "--auth-port", "--acct-port", "--coa-port"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--portal", required=True, metavar="URL")
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    secret = demo_secret(settings_module.load(given.settings).state_dir).encode()
    router = FakeRouter(secret, str(ROUTER), auth_port=given.auth_port, acct_port=given.acct_port)
    with (
        FakeDas(secret, Manners.MIKROTIK, port=given.coa_port, nas_ip=router.address) as das,
        DemoHotspot(router, f"{given.portal}/w/{ROUTER}", new_mac(), port=given.port) as hotspot,
    ):
        hotspot.told = lambda session: das.add(session, hotspot.mac, hotspot.ip)
        print(READY, flush=True)
        waited = 0.0
        while not stop.wait(LOOK_S):
            hotspot.obey(das)
            waited += LOOK_S
            if waited >= INTERIM_S:
                waited = 0.0
                hotspot.report()
        hotspot.leave()
    return 0


if __name__ == "__main__":
    sys.exit(main())
