"""The whole story on one machine: FreeRADIUS with our hooks, the portal as a process, Daraja's double, a fake MikroTik.

with Stage(folder) as stage:
    browser = Browser()
    browser.open(stage.hotspot.url)
    browser.go()
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from billing.domain.brand import Brand
from billing.domain.package import Package
from billing.domain.voucher import Voucher, VoucherState
from billing.ports import Claim, ClaimKind, Kept, KeptVoucher, Posting
from billing.store.open import open_billing
from radius import secrets
from radius.domain.identity import NasId
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from tests.fakes.daraja import Daraja
from tests.fakes.hotspot import Hotspot
from tests.fakes.ports import free_port
from tests.fakes.router_das import FakeDas, Manners
from tests.fixtures_engine import ROOT
from tests.integration.box import DEADLINE_S, Box, new_mac, wait_until

SITE = "nairobi"
ROUTER = "router-one"
CALLBACK_SECRET = "5ecret5ecret5ecret"


def package(code: str, shillings: int, english: str, swahili: str, order: int = 0, **terms: Any) -> Package:
    given = {
        "window": Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY),
        "rate": Rate(up_bps=2_000_000, down_bps=5_000_000),
        **terms,
    }
    return Package(code, 1, english, swahili, shillings * 100, Terms(f"{code}.1", **given), order=order)


HOUR = Window(WindowStart.PURCHASE, 3_600, PeriodUnit.SECOND)
PACKAGES = (
    package("hour", 10, "One hour", "Saa moja", window=HOUR, quota_bytes=500_000_000),
    package("leo", 50, "All day", "Siku nzima", 1),
    package(
        "family",
        1_000,
        "Family month",
        "Familia mwezi",
        2,
        window=Window(WindowStart.FIRST_LOGIN, 1, PeriodUnit.MONTH),
        devices=3,
        quota_bytes=60_000_000_000,
    ),
)


class Stage:
    """All of it, running."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self._folder = folder
        self._settings = settings
        self._stack = ExitStack()
        self.outbox = folder / "outbox"
        self._vouchers = 739_182_645_017
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"  # to browsers another site than the hotspot's page, as it is outside

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.box = stack.enter_context(Box(self._folder / "box"))
            self.daraja = stack.enter_context(Daraja())
            self.hotspot = stack.enter_context(Hotspot(self.box.router(ROUTER), f"{self.url}/w/{ROUTER}", new_mac()))
            self._sell()
            stack.callback(self._stop, self._start())
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _sell(self) -> None:
        core = self.box.core
        billing = open_billing(core.store)
        billing.create_tables()
        for each in PACKAGES:
            core.provision.terms(each.terms)
            billing.ports.add(each, time.monotonic() + DEADLINE_S)
        brand = Brand(SITE, "Duka WiFi", "#0b5f8a", "0712 000 000", "512345", ("Mama Njeri, next to the stage",))
        billing.ports.post(Posting(secrets.new_write_id(), things=(Kept(brand),)), time.monotonic() + DEADLINE_S)
        routers = core.store.routers.routers(time.monotonic() + DEADLINE_S)
        router = next(each for each in routers if each.id == NasId(ROUTER))
        core.provision.login_page(router, [self.hotspot.host])

    def _start(self) -> "subprocess.Popen[bytes]":
        path = self._folder / "portal.toml"
        settings = self.box._settings(
            self.box.engine_port, portal_port=self.port, portal_metrics_port=0, portal_url=self.url,
            log_path=str(self._folder / "portal.log"), request_deadline_ms=2_000, **self._settings,
        )  # fmt: skip
        lines = [f"{name} = {_toml(value)}" for name, value in settings.items()]
        lines += ["[sms.sender]", 'kind = "file"', f'path = "{self.outbox}"']
        path.write_text("\n".join(lines))
        ours = ("WIFIBILLING_", "MPESA_", "SMS_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        with (self._folder / "portal.out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "billing.portal", "--settings", str(path)],
                cwd=ROOT, env={**kept, **self._environment(), "PYTHONPATH": str(ROOT)}, stdout=out, stderr=out,
            )  # fmt: skip

        def answers() -> bool:
            assert process.poll() is None, (self._folder / "portal.out").read_text()
            try:
                return httpx.get(f"{self.url}/api/v1/health/ready").is_success
            except httpx.TransportError:
                return False

        wait_until(answers, "the portal answers")
        return process

    def _environment(self) -> dict[str, str]:
        daraja = self.daraja
        return {
            "MPESA_ENVIRONMENT": "sandbox",
            "MPESA_ENDPOINT": daraja.url,
            "MPESA_SHORTCODE": daraja.shortcode,
            "MPESA_CALLBACK_BASE": f"http://127.0.0.1:{self.port}",
            **{f"MPESA_{name}_REF": f"env:{name}" for name in ("PASSKEY", "CONSUMER_KEY", "CONSUMER_SECRET")},
            "MPESA_CALLBACK_SECRET_REF": "env:CALLBACK_SECRET",
            "PASSKEY": daraja.passkey,
            "CONSUMER_KEY": "key",
            "CONSUMER_SECRET": "secret",
            "CALLBACK_SECRET": CALLBACK_SECRET,
        }

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        assert process.wait(20) == 0, (self._folder / "portal.out").read_text()

    def await_pages(self, router: str) -> None:
        """Until the portal knows a router that was added while it runs."""
        wait_until(lambda: httpx.get(f"{self.url}/w/{router}").status_code != 404, f"the portal knows {router}")

    def voucher(self) -> str:
        """A code that was sold, of the first package."""
        code = f"{self._vouchers:012}"
        self._vouchers += 7_919
        sold = PACKAGES[0]
        paper = self.box.core.provision.voucher(code, sold.id, int(time.time()))
        voucher = Voucher("B1", self._vouchers % 10_000, VoucherState.SOLD, 0)
        keyed = self.box.core.keys.alias_key(code)
        kept = KeptVoucher(voucher, 1, keyed, sold.id, sold.price_cents, paper, f"v{code[-6:]}")
        claim = Claim(ClaimKind.CODE, keyed, voucher.serial)
        posting = Posting(secrets.new_write_id(), claims=(claim,), voucher=kept)
        open_billing(self.box.core.store).ports.post(posting, time.monotonic() + DEADLINE_S)
        return code

    def das(self) -> FakeDas:
        """The router's CoA side, as RouterOS has it; a context manager."""
        router = self.hotspot.router
        return FakeDas(router.secret, Manners.MIKROTIK, nas_ip=router.address)

    def new_device(self) -> str:
        """Another device stands before the hotspot."""
        self.hotspot.mac = new_mac()
        self.hotspot.logins.clear()
        return self.hotspot.mac


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else f'"{value}"'
