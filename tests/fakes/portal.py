"""A portal over some store: one place, one package, a provider that remembers, a clock that the test moves.

Requests go through the whole app by ASGI; nothing listens. Bodies of callbacks are JSON of the test's own.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.metrics import catalogue
from billing.news import News
from billing.portal.app import create_app
from billing.portal.deps import Options
from billing.portal.wiring import Told, build_deps
from billing.provider import Notice
from billing.sms.port import Message
from billing.store.open import open_billing
from billing.wallet import Money
from billing.wiring import BillingSettings, build_billing
from radius import wiring
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router, Site
from radius.log import Pseudonyms, open_log
from radius.metrics import Recording
from radius.secrets import create_key_file
from radius.settings import Settings
from radius.store.memory import MemoryStore
from radius.store.open import Store, memory_store
from tests.contract.billing.town import FakeProvider, checkout_of
from tests.contract.billing.values import PACKAGE, TERMS
from tests.contract.values import soon
from tests.fakes.browser import Browser
from tests.unit.billing.values import T0, TILL

SITE = "kilifi"
ROUTER = NasId("kilifi-1")
DEVICE = "AA:BB:CC:DD:EE:FF"
PATH = "5ecret5ecret5ecret"
API = "/api/v1"
PORTAL = "https://portal.example"


def read(text: str) -> Proof | None:
    """``{"checkout": .., "receipt": .., "cents": .., "code": ..}``."""
    try:
        said = json.loads(text)
        code = str(said["code"])
        event = PaymentEvent.CALLBACK_PAID if code == "0" else PaymentEvent.CALLBACK_FAILED
        receipt, cents = said.get("receipt", ""), said.get("cents")
        return Proof(event, checkout_id=said["checkout"], cents=cents, mpesa_receipt=receipt, code=code)
    except (ValueError, KeyError, TypeError):
        return None


def read_notice(text: str) -> Notice | None:
    """``{"receipt": .., "cents": .., "shortcode": .., "reference": ..}``."""
    try:
        said = json.loads(text)
        return Notice(said["receipt"], said["cents"], said["shortcode"], said.get("reference", ""), "", T0)
    except (ValueError, KeyError, TypeError):
        return None


def selling_process(folder: Path, monkeypatch: Any) -> list[object]:
    """Settings by which a process that sells opens one store in memory, with a place and a package; what was opened."""
    create_key_file(folder / "data.key")
    (folder / "settings.toml").write_text(
        f'state_dir = "{folder}"\nlog_path = "{folder}/log"\nclock_floor = 2020-01-01T00:00:00Z\n'
        f'sms = {{ sender = {{ kind = "file", path = "{folder}/outbox" }} }}\n'
    )
    monkeypatch.setenv("WIFIBILLING_SETTINGS", str(folder / "settings.toml"))
    store, opened = memory_store(MemoryStore()), list[object]()
    billing = open_billing(store)
    billing.ports.add(PACKAGE, soon())
    for module in ("billing.wiring", "billing.process"):
        monkeypatch.setattr(f"{module}.open_billing", lambda _: billing)
    store.routers.put_site(Site(SITE), soon())
    store.catalogue.add(PACKAGE.terms, soon())
    monkeypatch.setattr(wiring, "open_store", lambda settings: opened.append(settings) or store)
    return opened


class Waiting(httpx.BaseTransport):
    """The app for a client that knows no event loop."""

    def __init__(self, transport: httpx.ASGITransport, runner: asyncio.Runner) -> None:
        self._transport = transport
        self._runner = runner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()

        async def ask() -> httpx.Response:
            again = httpx.Request(request.method, request.url, headers=request.headers, content=body)
            answer = await self._transport.handle_async_request(again)
            return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

        return self._runner.run(ask())


class Stand:
    """Everything, opened once."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        monkeypatch: Any,
        options: Options | None = None,
        portal_url: str | None = PORTAL,
        metrics: Any = None,
    ) -> None:
        create_key_file(folder / "data.key")
        monkeypatch.setattr(wiring, "open_store", lambda _: store)
        self.core = wiring.build_core(Settings(state_dir=folder, portal_url=portal_url))
        self.provider = FakeProvider()
        self.now, self.monotonic = T0, 1_000.0
        self.metrics = metrics or Recording(catalogue(("standard",)))
        self.log_path = folder / "portal.log"
        self.logger = open_log(self.log_path, strict=True, metrics=self.metrics)
        told = Told(self.metrics, self.logger.logger, Pseudonyms(b"k"))
        news = News(told.metrics, told.log, told.pseudonyms, lambda: float(self.now), ("standard",))
        money = Money(self.provider, read, read_notice, PATH)
        self.billing = build_billing(self.core, BillingSettings(), self.provider, read, read_notice, news.told)
        self.billing.store.create_tables()
        self.core.provision.site(Site(SITE))
        router = self.core.provision.router(Router(ROUTER, SITE, Family.MIKROTIK, ("10.8.0.2",)), "a-secret-of-it-0000")
        self.core.provision.login_page(router, ["10.5.50.1"])
        self.core.provision.terms(TERMS)
        self.billing.store.ports.add(PACKAGE, soon())
        chosen = options or Options(inline=True, events_s=0)
        self.messages: list[Message] = []
        self.deps = build_deps(
            self.core, self.billing, money, told, lambda: self.now, chosen, lambda: self.monotonic, self.messages.append
        )
        self.app = create_app(self.deps)
        self._runner = asyncio.Runner()
        self._transport = httpx.ASGITransport(self.app, client=("198.51.100.7", 4711))
        self._client = httpx.AsyncClient(transport=self._transport, base_url="http://portal")

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()
        self.core.close()
        self.logger.sink.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **options))

    def browser(self, language: str = "en") -> Browser:
        """A tab, and each request waits for its answer."""
        return Browser(httpx.Client(transport=Waiting(self._transport, self._runner)), language)

    def get(self, path: str) -> httpx.Response:
        return self.ask("GET", API + path)

    def buy(self, key: str = "a-key-of-this-page", **fields: str) -> httpx.Response:
        body = {"phone": "0712 345 678", "package": PACKAGE.id, "site": SITE, "device": DEVICE, **fields}
        return self.ask("POST", f"{API}/checkouts", json=body, headers={"Idempotency-Key": key})

    def redeem(self, code: str, **fields: str) -> httpx.Response:
        return self.ask("POST", f"{API}/vouchers/redeem", json={"code": code, "site": SITE, "device": DEVICE, **fields})

    def callback(self, number: int = 1, token: str = "", **said: object) -> httpx.Response:
        """The callback of the nth push."""
        push = self.provider.pushes[number - 1]
        body = {"checkout": checkout_of(push), "code": "0", "cents": push.cents, "receipt": "TKP0000001", **said}
        return self.ask("POST", f"/pay/stk/{token or push.token}", json=body)

    def notice(self, path: str = "confirm", secret: str = PATH, **said: object) -> httpx.Response:
        body = {"receipt": "TKP0000002", "cents": 5_000, "shortcode": TILL, **said}
        return self.ask("POST", f"/pay/c2b/{secret}/{path}", json=body)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_path.read_text().splitlines()]
