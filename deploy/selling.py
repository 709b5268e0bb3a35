"""The part of the story where money moves: a package by M-Pesa (simulated), and a sheet of vouchers.

The customer's page is played over real HTTP against the portal; M-Pesa is `deploy.simulated_mpesa`, a process that
says of itself what it is. What is real is everything of ours.
"""

import io
import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from billing.domain.batch import Batch
from billing.domain.books import Finding
from billing.domain.catalogue import CATALOGUE
from billing.domain.journal import balances, business_day
from billing.domain.money import SHILLING_CENTS
from billing.domain.package import Package
from billing.paper.sheet import write_sheet
from billing.paper.slips import Brand, slips
from billing.services import walk
from billing.services.batches import Exported
from billing.store.open import open_billing
from billing.wallet import ByHand
from billing.wiring import BillingSettings, build_billing
from deploy.telling import Untrue, await_, check, say, soon
from radius.domain.errors import Malformed
from radius.domain.identity import NasId
from radius.domain.nas import Language
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import Outcome
from radius.wiring import Core
from tests.fakes.nas import FakeRouter

SITE, ROUTER = "demo", NasId("demo-router")
HOUR = Package(
    "demo-hour",
    1,
    "Demo hour",
    "Saa ya mfano",
    1_000,
    Terms("demo-hour.1", Window(WindowStart.PURCHASE, 3_600, PeriodUnit.SECOND), rate=Rate(2_000_000, 4_000_000)),
    sites=(SITE,),
)
SHEET = 24  # one A4 page
PAID_S_MAX = 30.0  # the simulated payer takes a second or two
ASKED_EVERY_S = 0.25
SELLER = "demo-desk"
LOOKS, LOOK_AGAIN_S = 3, 2.0


def stock(core: Core) -> None:
    """Put the demo's hour up for sale, and the default catalogue where nothing is sold yet.

    Raises Malformed where the hour is there with other content.
    """
    ports = open_billing(core.store).ports
    for package in (HOUR, *(() if ports.packages(soon()) else CATALOGUE)):
        core.provision.terms(package.terms)
        if ports.add(package, soon()) is Outcome.CONFLICT:
            raise Malformed("package", f"{package.id} exists with other content")


class Shop:
    """Sells to two customers, and counts the money."""

    def __init__(
        self, core: Core, settings: BillingSettings, router: FakeRouter, portal: str, *, real: bool, strict: bool
    ) -> None:
        """`portal`: its address; `real`: M-Pesa moves real money here, so nothing is sold.

        `strict`: what the ledger's check finds ends the story; else it is printed, and the hotspot goes on.
        """
        self._core = core
        self._router = router
        self._portal = portal
        self._real = real
        self._strict = strict
        self._billing = build_billing(core, settings, ByHand(), lambda _: None)

    def play(self) -> None:
        """Raises Untrue at the first thing that is not as it should be."""
        if self._real:
            say("M-Pesa is set up for real here (MPESA_...): the story sells nothing, the books are the operator's.")
        else:
            self._buys_by_mpesa(_device())
            self._opens_by_voucher(_device())
        self.counts()

    def _buys_by_mpesa(self, mac: str) -> None:
        say("A phone that nobody knows joins the hotspot; its router lets it reach the portal only.")
        self._refused(mac, mac, "")
        with httpx.Client(base_url=self._portal, timeout=PAID_S_MAX, follow_redirects=True) as page:
            front = _sound(page.get(f"/w/{ROUTER}", params={"mac": mac}))
            check(HOUR.name_en in front.text, f"it is shown the portal's page ({len(front.content):,} bytes)")
            offers = _good(page.get(f"/api/v1/sites/{SITE}/packages"))["packages"]
            shown = [f"{each['name_en']} KES {each['price_cents'] // SHILLING_CENTS}" for each in offers]
            say(f"For sale: {', '.join(shown)}")
            payment = self._pays(page, mac)
            say("The device logs in again by itself; nothing is typed:")
            self._online(mac, mac, "")
            left = _good(page.get(f"{payment}/usage"))
            check(left["package"] == HOUR.id and left["state"] == "live", "its page says that the hour is running")
        self._router.stop(mac)

    @staticmethod
    def _pays(page: httpx.Client, mac: str) -> str:
        """Buy the hour and wait until it is credited; the address of the payment."""
        payer, price = f"07{secrets.randbelow(10**8):08d}", HOUR.price_cents // SHILLING_CENTS
        print(f"   -> buys the hour; M-Pesa (SIMULATED) is to ask {payer[:4]}***{payer[-3:]} for KES {price}")
        wanted = {"phone": payer, "package": HOUR.id, "site": SITE, "device": mac}
        key = {"Idempotency-Key": secrets.token_hex(12)}
        begun = _good(page.post("/api/v1/checkouts", json=wanted, headers=key))
        again = _good(page.post("/api/v1/checkouts", json=wanted, headers=key))
        check(again["token"] == begun["token"], "a page that asks twice has one payment, and the phone rings once")
        payment = f"/api/v1/payments/{begun['token']}"
        took_ms = await_(
            lambda: _good(page.get(payment))["stage"] == "paid", "the payment is credited", PAID_S_MAX, ASKED_EVERY_S
        )
        print(f"   <- paid: M-Pesa (SIMULATED) called back, {took_ms} ms after the page began to wait")
        return payment

    def _opens_by_voucher(self, mac: str) -> None:
        batch, codes, path = self._sheet()
        say(f"{SHEET} vouchers of batch {batch.id} are made; their sheet, with QR codes, is {path}")
        check(path.read_bytes().startswith(b"%PDF"), "it is a PDF that its owner alone can read")
        say("A customer types a code from it at the router, as name and password:")
        self._online(mac, codes[0], codes[0])
        booked = self._billing.desk.paper_care.sweep(batch.id, int(time.time()))
        check(booked == 1, "the books know of it: one voucher used, its price in the cash of who had the paper")
        say("A friend types the same code:")
        self._refused(_device(), codes[0], codes[0])
        self._router.stop(mac)

    def _sheet(self) -> tuple[Batch, tuple[str, ...], Path]:
        now, name = int(time.time()), f"D{secrets.token_hex(4).upper()}"
        batch = Batch(name, HOUR.id, HOUR.price_cents, SHEET, now, SELLER, site=SITE)
        nas_count = len(self._core.store.routers.routers(soon()))
        self._billing.desk.batches.make(batch, SELLER, now, nas_count=nas_count)
        found = self._billing.desk.batches.export(batch.id)
        if not isinstance(found, Exported):
            raise Untrue(f"not exported: {found}")
        sheet = io.BytesIO()
        paper = slips(found.batch, HOUR, found.codes, Language.ENGLISH, "Demo hotspot")
        write_sheet(paper, sheet, Brand("Demo WiFi"))
        folder = self._core.settings.state_dir / "vouchers"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{batch.id}.pdf"
        path.touch(0o600)
        path.write_bytes(sheet.getvalue())
        return found.batch, found.codes, path

    def counts(self) -> None:
        """Print the books and what the ledger's check finds. Raises Untrue."""
        say("The books from the first day on (debit is positive):")
        first = business_day(int((self._core.settings.state_dir / "data.key").stat().st_mtime))
        last = business_day(int(time.time()))
        days = walk.days(first, last)
        journals = [entry.journal for day in days for entry in walk.entries(self._billing.book, day)]
        sums = Counter[str]()
        for account, cents in balances(journals).items():
            sums[account.kind.value] += cents
        for kind, cents in sorted(sums.items()):
            print(f"   {kind:<24} {cents / SHILLING_CENTS:>12,.2f}")
        found = self._findings(first, last)
        for finding in found:
            print(f"   ledger check: {finding.rule.value}: {finding.what}: {finding.text}")
        agree = f"ledger check: {len(journals)} journals balance; receipts, payments and rights agree with them"
        if self._strict or not found:
            check(not found, agree)

    def _findings(self, first: str, last: str) -> list[Finding]:
        """A sale that is being booked meanwhile may look half done: what is found counts if it stays."""
        for _ in range(LOOKS):
            found = self._billing.check.check(first, last, int(time.time()))
            if not found:
                break
            time.sleep(LOOK_AGAIN_S)
        return found

    def _online(self, mac: str, name: str, password: str) -> None:
        good, reply = self._router.login(name, password, mac)
        if not good:
            raise Untrue(f"refused: {reply.get('Reply-Message')}")
        print(f"   <- Access-Accept, Session-Timeout = {reply['Session-Timeout']}")
        check(0 < reply["Session-Timeout"] <= 3600, "online, for an hour at most")
        self._router.start(mac)

    def _refused(self, mac: str, name: str, password: str) -> None:
        good, reply = self._router.login(name, password, mac)
        if good:
            raise Untrue(f"{mac} was let in")
        print(f"   <- Access-Reject: {reply.get('Reply-Message')}")


def _device() -> str:
    """A MAC that a phone made up for this network, as phones do."""
    return "02:" + ":".join(f"{byte:02X}" for byte in secrets.token_bytes(5))


def _good(answer: httpx.Response) -> Any:
    return _sound(answer).json()


def _sound(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        raise Untrue(f"{answer.request.method} {answer.request.url.path.split('/payments/')[0]}: {answer.text}")
    return answer
