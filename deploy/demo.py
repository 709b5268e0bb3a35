"""The story that `deploy/run` shows: one customer's evening, through real FreeRADIUS into the real store.

A fake MikroTik (tests/fakes/nas.py) speaks real RADIUS. Every line printed is a reply or a record as it is; whatever is
not as it should be ends the story with exit code 1.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from radius import settings as settings_module
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.errors import Corrupt
from radius.domain.identity import NasId, SubscriberId
from radius.domain.intent import IntentReason
from radius.domain.nas import Family, Router, Site
from radius.domain.subscriber import Subscriber
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.wiring import Core, build_core
from tests.fakes.nas import FakeRouter, total_limit

SITE = "demo"
ROUTER = NasId("demo-router")
MEGABYTE = 1_000_000
PACKAGE = Terms(
    "evening.1",
    Window(WindowStart.FIRST_LOGIN, 6 * 3600, PeriodUnit.SECOND),
    quota_bytes=100 * MEGABYTE,
    rate=Rate(up_bps=2_000_000, down_bps=5_000_000),
    interim_s=60,
)
SECRET_FILE = "demo-router.secret"  # noqa: S105 - the name of the file
DEADLINE_S = 5.0


class Untrue(Exception):
    """Something in the story was not as it should be."""


def prepare(settings_path: Path) -> None:
    """Create tables, the demo site, its router and its package, once; what exists is left as it is.

    Raises Corrupt when the key is not the one that sealed what is there.
    """
    settings = settings_module.load(settings_path)
    core = build_core(settings)
    try:
        core.store.create_tables()
        known = {router.id: router for router in core.store.routers.routers(time.monotonic() + DEADLINE_S)}
        if ROUTER in known:
            _check_key(core, known[ROUTER])
        else:
            core.provision.site(Site(SITE))
            secret = _secret(settings.state_dir)
            core.provision.router(Router(ROUTER, SITE, Family.MIKROTIK, ("127.0.0.1",)), secret)
        core.provision.terms(PACKAGE)
    finally:
        core.store.close()


def _check_key(core: Core, router: Router) -> None:
    """With another key than that of these tables every router would be met with silence."""
    try:
        core.keys.unseal(router.secret_a, router.id, "secret_a", router.epoch_a)
    except Corrupt as wrong:
        raise Corrupt(f"{wrong}: restore the data.key that was made with these tables") from None


def _secret(state: Path) -> str:
    path = state / SECRET_FILE
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_hex(12))
    return path.read_text().strip()


class Story:
    """Plays one customer against a running box."""

    def __init__(self, core: Core, router: FakeRouter) -> None:
        self._core = core
        self._router = router
        self._phone = f"07{secrets.randbelow(10**8):08d}"
        self._subscriber: SubscriberId | None = None

    def play(self) -> None:
        """The evening. Raises Untrue at the first thing that is not as it should be."""
        phone_mac, tablet_mac = "02:00:00:00:AA:01", "02:00:00:00:AA:02"
        now = int(time.time())
        self._subscriber = self._core.provision.customer([self._phone], "karibu", now, site=SITE)
        _say("A customer registers and comes to the hotspot. No package yet.")
        self._refused(phone_mac, "no active package")
        _say("The operator grants the package 'evening': 100 MB, 6 hours from the first log-in, 2M/5M, one device.")
        self._core.provision.grant(self._subscriber, PACKAGE.id, now, f"g{secrets.token_hex(4)}")
        _say("The same phone again:")
        reply = self._accepted(phone_mac)
        _check(total_limit(reply) == PACKAGE.quota_bytes, "the router gets the whole 100 MB as its cap")
        _check(0 < reply["Session-Timeout"] <= 6 * 3600, "the session ends by itself within 6 hours")
        self._router.start(phone_mac)
        _say("Online. The router reports every minute:")
        for _ in range(2):
            self._router.use(phone_mac, 3 * MEGABYTE, 37 * MEGABYTE, 60)
            self._router.interim(phone_mac)
            self._show_usage()
        _check(self._left() == 20 * MEGABYTE, "80 MB are charged, 20 MB are left, to the byte")
        _say("A second device tries the same package:")
        self._refused(tablet_mac, "devices")
        _say("The phone uses what is left. The report that proves it commits the intent to cut, in the same write:")
        self._router.use(phone_mac, 0, 20 * MEGABYTE, 30)
        self._router.interim(phone_mac)
        self._show_usage()
        reasons = [intent.reason for intent in self._aggregate().intents]
        _check(IntentReason.QUOTA in reasons, "an intent 'quota' waits for the sender")
        self._router.stop(phone_mac, "NAS-Request")
        _say("The router's own cap has ended the session. The customer tries again:")
        self._refused(phone_mac, "data")
        _check(not self._aggregate().intents, "the Stop has settled the intent")
        records = self._core.store.sessions.find(self._closed().uid, time.monotonic() + DEADLINE_S)
        _check(len(records) == 1 and records[0].closed_at > 0, "the session's own record is filed")
        total = records[0].in_bytes + records[0].out_bytes
        _check(
            total == PACKAGE.quota_bytes, f"it says {total:,} bytes in {records[0].time_s} s, cause {records[0].cause}"
        )

    def _accepted(self, mac: str) -> dict[str, Any]:
        good, reply = self._router.login(self._phone, "karibu", mac)
        if not good:
            raise Untrue(f"refused: {reply.get('Reply-Message')}")
        print("   <- Access-Accept")
        for name, value in reply.items():
            if name not in ("Message-Authenticator", "Class"):
                print(f"        {name} = {value}")
        return dict(reply)

    def _refused(self, mac: str, word: str) -> None:
        good, reply = self._router.login(self._phone, "karibu", mac)
        message = str(reply.get("Reply-Message", ""))
        if good or word not in message.lower():
            raise Untrue(f"expected a refusal about {word!r}, got {message!r}")
        print(f"   <- Access-Reject: {message}")

    def _show_usage(self) -> None:
        right = self._aggregate().rights[-1]
        used, left = right.used_bytes // MEGABYTE, self._left() // MEGABYTE
        print(f"   <- Accounting-Response; used {used} MB, left {left} MB")

    def _left(self) -> int:
        return entitlement.remaining_bytes(self._aggregate().rights[-1], PACKAGE) or 0

    def _closed(self) -> aggregate.Session:
        return next(s for s in self._aggregate().sessions if s.state is aggregate.SessionState.CLOSED)

    def _aggregate(self) -> Subscriber:
        assert self._subscriber is not None
        stored = self._core.desk.read(self._subscriber, time.monotonic() + DEADLINE_S)
        if stored is None:
            raise Untrue("the customer's record is gone")
        return aggregate.decode(stored.body)


def _say(text: str) -> None:
    print(f"\n{text}")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise Untrue(f"not so: {what}")
    print(f"   ok: {what}")


def main(arguments: list[str] | None = None) -> int:
    """Play the story; 0 when everything in it was true."""
    parser = argparse.ArgumentParser(prog="deploy.demo")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--auth-port", type=int, default=1812)
    parser.add_argument("--acct-port", type=int, default=1813)
    given = parser.parse_args(arguments)
    settings = settings_module.load(given.settings)
    core = build_core(settings)
    secret = _secret(settings.state_dir)
    router = FakeRouter(secret.encode(), str(ROUTER), auth_port=given.auth_port, acct_port=given.acct_port)
    try:
        Story(core, router).play()
    except Exception as error:  # noqa: BLE001 - the verdict of a program
        print(f"\nThe story failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        core.store.close()
    print("\nThe story holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
