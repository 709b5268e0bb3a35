"""The story that `deploy/run` shows: an evening of some customers, through real FreeRADIUS into the real store.

A fake MikroTik (tests/fakes) speaks real RADIUS and obeys real Disconnect- and CoA-Requests; its one fault is that it
ignores its own byte cap. Every line printed is a reply or a record as it is; whatever is not as it should be ends the
story with exit code 1.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from billing import settings as selling_settings
from billing.store.open import open_billing
from deploy import selling
from deploy.selling import ROUTER, SITE
from deploy.telling import Untrue, await_, check, say, soon
from radius import settings as settings_module
from radius.domain import entitlement
from radius.domain import subscriber as aggregate
from radius.domain.errors import Corrupt
from radius.domain.identity import SubscriberId
from radius.domain.nas import Family, Router, Site
from radius.domain.subscriber import Subscriber
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.wiring import Core, build_core
from tests.fakes.nas import FakeRouter, total_limit
from tests.fakes.router_das import FakeDas, Manners

MEGABYTE = 1_000_000
PACKAGE = Terms(
    "evening.1",
    Window(WindowStart.FIRST_LOGIN, 6 * 3600, PeriodUnit.SECOND),
    quota_bytes=100 * MEGABYTE,
    rate=Rate(up_bps=2_000_000, down_bps=5_000_000),
    interim_s=60,
)
UNLIMITED = Terms(
    "night.1",
    Window(WindowStart.PURCHASE, 6 * 3600, PeriodUnit.SECOND),
    quota_bytes=50 * MEGABYTE,
    rate=Rate(up_bps=2_000_000, down_bps=5_000_000),
    slow_rate=Rate(up_bps=128_000, down_bps=256_000),
    interim_s=60,
)
ADDRESS = "10.0.0.5"
SECRET_FILE = "demo-router.secret"  # noqa: S105 - the name of the file


def prepare(settings_path: Path, coa_port: int, hotspot_port: int) -> None:
    """Create tables, the demo site, its router and its packages, once; what exists is left, but for the router's port.

    Raises Corrupt when the key is not the one that sealed what is there.
    """
    settings = settings_module.load(settings_path)
    host = f"127.0.0.1:{hotspot_port}"
    core = build_core(settings)
    try:
        core.store.create_tables()
        open_billing(core.store).create_tables()
        known = {router.id: router for router in core.store.routers.routers(soon())}
        if ROUTER in known:
            _check_key(core, known[ROUTER])
            _move(core, known[ROUTER], coa_port, host)
        else:
            core.provision.site(Site(SITE))
            secret = demo_secret(settings.state_dir)
            router = Router(ROUTER, SITE, Family.MIKROTIK, ("127.0.0.1",), coa_port=coa_port, login_hosts=(host,))
            core.provision.router(router, secret)
        for package in (PACKAGE, UNLIMITED):
            core.provision.terms(package)
        selling.stock(core)
    finally:
        core.close()


def _move(core: Core, router: Router, coa_port: int, host: str) -> None:
    if (router.coa_port, router.login_hosts) != (coa_port, (host,)):
        moved = msgspec.structs.replace(router, coa_port=coa_port, login_hosts=(host,), version=router.version + 1)
        core.store.routers.put_router(moved, soon())


def _check_key(core: Core, router: Router) -> None:
    """With another key than that of these tables every router would be met with silence."""
    try:
        core.keys.unseal(router.secret_a, router.id, "secret_a", router.epoch_a)
    except Corrupt as wrong:
        raise Corrupt(f"{wrong}: restore the data.key that was made with these tables") from None


def demo_secret(state: Path) -> str:
    """The demo router's shared secret, made once."""
    path = state / SECRET_FILE
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        fresh.touch(0o600)
        fresh.write_text(secrets.token_hex(12))
        fresh.replace(path)  # one that is half made would be refused for ever
    return path.read_text().strip()


class Story:
    """Plays customers, one after the other, against a running box."""

    def __init__(self, core: Core, router: FakeRouter, das: FakeDas, shop: selling.Shop) -> None:
        self._core = core
        self._router = router
        self._das = das
        self._shop = shop
        self._phone = ""
        self._subscriber: SubscriberId | None = None

    def play(self) -> None:
        """The evening. Raises Untrue at the first thing that is not as it should be."""
        self._until_the_quota("02:00:00:00:AA:01", "02:00:00:00:AA:02")
        self._slow_and_restored("02:00:00:00:AA:03")
        self._shop.play()

    def _until_the_quota(self, phone_mac: str, tablet_mac: str) -> None:
        say("A customer registers and comes to the hotspot. No package yet.")
        self._register()
        self._refused(phone_mac, "no active package")
        say("The operator grants the package 'evening': 100 MB, 6 hours from the first log-in, 2M/5M, one device.")
        self._grant(PACKAGE)
        say("The same phone again:")
        reply = self._accepted(phone_mac)
        check(total_limit(reply) == PACKAGE.quota_bytes, "the router gets the whole 100 MB as its cap")
        check(0 < reply["Session-Timeout"] <= 6 * 3600, "the session ends by itself within 6 hours")
        self._router.start(phone_mac)
        say("Online. The router reports every minute:")
        for _ in range(2):
            self._use(phone_mac, 3, 37)
        check(self._left() == 20 * MEGABYTE, "80 MB are charged, 20 MB are left, to the byte")
        say("A second device tries the same package:")
        self._refused(tablet_mac, "devices")
        say("The phone uses what is left, and this router does not stop it. Its report proves it:")
        session = self._router.sessions[phone_mac].session_id
        self._use(phone_mac, 0, 20)
        took_ms = await_(lambda: session not in self._das.sessions, "the router is told to end the session")
        print(f"   <- Disconnect-Request, {took_ms} ms after the report; the router obeys")
        self._router.stop(phone_mac, "Admin-Reset")
        uid = self._closed().uid
        audit = self._core.store.attempts
        await_(
            lambda: [a.outcome for a in audit.of_session(uid, 0, soon())][-1:] == ["confirmed"],
            "the session's end confirms it",
        )
        for step in audit.of_session(uid, 0, soon()):
            print(f"   audit: {step.reason}: {step.request or 'seen'} -> {step.outcome}. {step.words}")
        say("The customer tries again:")
        self._refused(phone_mac, "data")
        check(not self._aggregate().intents, "nothing is left to be done about that session")
        records = self._core.store.sessions.find(uid, soon())
        check(len(records) == 1 and records[0].closed_at > 0, "the session's own record is filed")
        total = records[0].in_bytes + records[0].out_bytes
        check(
            total == PACKAGE.quota_bytes, f"it says {total:,} bytes in {records[0].time_s} s, cause {records[0].cause}"
        )

    def _slow_and_restored(self, mac: str) -> None:
        say("Another customer has 'night': 50 MB at 2M/5M, then slow (128k/256k) instead of cut.")
        self._register()
        self._grant(UNLIMITED)
        self._accepted(mac)
        self._router.start(mac)
        self._use(mac, 2, 48)
        took_ms = self._until_rate(mac, "128k/256k")
        print(f"   <- CoA-Request, {took_ms} ms after the report: the session goes on at 128k/256k")
        say("The customer buys the same once more:")
        self._grant(UNLIMITED)
        took_ms = self._until_rate(mac, "2M/5M")
        print(f"   <- CoA-Request, {took_ms} ms after the top-up: 2M/5M again, without a new log-in")
        self._router.stop(mac)

    def _until_rate(self, mac: str, rate: str) -> int:
        session = self._das.sessions[self._router.sessions[mac].session_id]
        return await_(lambda: session.limits.get("Mikrotik-Rate-Limit") == rate, f"the router is told {rate}")

    def _register(self) -> None:
        self._phone = f"07{secrets.randbelow(10**8):08d}"
        self._subscriber = self._core.provision.customer([self._phone], "karibu", int(time.time()), site=SITE)

    def _grant(self, package: Terms) -> None:
        assert self._subscriber is not None
        self._core.desk.read(self._subscriber, soon())
        self._core.provision.grant(self._subscriber, package.id, int(time.time()), f"g{secrets.token_hex(4)}")

    def _use(self, mac: str, up_megabytes: int, down_megabytes: int) -> None:
        self._router.use(mac, up_megabytes * MEGABYTE, down_megabytes * MEGABYTE, 60)
        self._router.interim(mac)
        self._show_usage()

    def _accepted(self, mac: str) -> dict[str, Any]:
        good, reply = self._router.login(self._phone, "karibu", mac, more={"Framed-IP-Address": ADDRESS})
        if not good:
            raise Untrue(f"refused: {reply.get('Reply-Message')}")
        self._das.add(self._router.sessions[mac].session_id, self._phone, ADDRESS)
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
        right = self._aggregate().rights[-1]
        return entitlement.remaining_bytes(right, self._core.terms(right.terms)) or 0

    def _closed(self) -> aggregate.Session:
        return next(s for s in self._aggregate().sessions if s.state is aggregate.SessionState.CLOSED)

    def _aggregate(self) -> Subscriber:
        assert self._subscriber is not None
        stored = self._core.desk.read(self._subscriber, soon())
        if stored is None:
            raise Untrue("the customer's record is gone")
        return aggregate.decode(stored.body)


def main(arguments: list[str] | None = None) -> int:
    """Play the story; 0 when everything in it was true."""
    parser = argparse.ArgumentParser(prog="deploy.demo")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--auth-port", type=int, default=1812)
    parser.add_argument("--acct-port", type=int, default=1813)
    parser.add_argument("--coa-port", type=int, required=True)
    parser.add_argument("--portal", required=True, metavar="URL")
    parser.add_argument("--real-money", action="store_true", help="M-Pesa is none of ours: the story buys nothing")
    parser.add_argument("--strict", action="store_true", help="what the ledger's check finds ends the story")
    given = parser.parse_args(arguments)
    settings = settings_module.load(given.settings)
    sold_by = selling_settings.load(given.settings).billing
    core = build_core(settings)
    secret = demo_secret(settings.state_dir)
    router = FakeRouter(secret.encode(), str(ROUTER), auth_port=given.auth_port, acct_port=given.acct_port)
    try:
        with FakeDas(secret.encode(), Manners.MIKROTIK, port=given.coa_port, nas_ip=router.address) as das:
            shop = selling.Shop(core, sold_by, router, given.portal, real=given.real_money, strict=given.strict)
            Story(core, router, das, shop).play()
    except Exception as error:  # noqa: BLE001 - the verdict of a program
        print(f"\nThe story failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    finally:
        core.close()
    print("\nThe story holds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
