"""A small ISP in the embedded engine, and the command over it through its real entry point.

The engine's answers are what takes time: a whole command some 5 ms, the tables of a world some 50 ms.
"""

import io
import json
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from billing.cli import __main__ as entry
from billing.domain.payment import PaymentEvent
from billing.domain.settle import Proof
from billing.provider import Provider
from billing.services.checkout import Buy
from billing.store.open import open_billing
from billing.wiring import Billing, BillingSettings, build_billing
from radius.domain import subscriber as aggregate
from radius.domain.deed import Deed
from radius.domain.identity import MacAddress, NasId, SubscriberId
from radius.domain.nas import Family, Language, Router, Site
from radius.domain.request import Status
from radius.domain.terms import PeriodUnit, Rate, Terms, Window, WindowStart
from radius.ports import Change, Outcome
from radius.store.catalog import DynamoDeeds
from radius.store.desk import Desk
from radius.store.hot import HotStore
from radius.wiring import Core, build_accounting
from tests.contract.billing.town import checkout_of
from tests.contract.values import soon
from tests.unit.billing.test_wiring import Reversing
from tests.unit.billing.values import T0
from tests.unit.services.wired import accounting_request

# The epoch that they raise says who and why; it is what stops all other writes.
AUDITS_ITSELF = {("region", "freeze"), ("region", "open"), ("backup", "rewind")}
WRITES = {"put_item", "update_item", "delete_item", "transact_write_items", "batch_write_item"}
SECRET = "a-shared-secret-of-a-router"
GATE, ANNEX = NasId("kilimani-01"), NasId("lodge-01")
DAY = Terms(
    "basic.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY), quota_bytes=1_000_000_000,
    rate=Rate(2_000_000, 5_000_000), slow_rate=Rate(128_000, 256_000),
)  # fmt: skip
PHONE, LAPTOP = MacAddress("aabbccddee01"), MacAddress("aabbccddee02")


class Ran(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Clock:
    """Stands where our modules have `time`: the wall clock is the test's, the other one goes on."""

    def __init__(self) -> None:
        self.now = T0
        self.monotonic = time.monotonic

    def time(self) -> float:
        return float(self.now)


class Nobody:
    """Stands for whoever is told: hears all, does nothing."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *_: object, **__: object) -> None:
        return None


def watch(patch: pytest.MonkeyPatch) -> list[str]:
    """Writes to the store that no line of the audit came before, whichever command makes them."""
    unaudited: list[str] = []
    noted: list[Deed] = []
    ask, commit, note = Desk.ask, HotStore.commit, DynamoDeeds.note

    def asks(desk: Desk, deadline: float, operation: str, **request: Any) -> dict[str, Any]:
        if operation in WRITES and not noted:
            unaudited.append(operation)
        return ask(desk, deadline, operation, **request)

    def commits(store: HotStore, change: Change, deadline: float) -> Outcome:
        if not noted:
            unaudited.append(f"commit of {change.subscriber}")
        return commit(store, change, deadline)

    def notes(deeds: DynamoDeeds, deed: Deed, deadline: float) -> None:
        noted.append(deed)
        note(deeds, deed, deadline)

    patch.setattr(Desk, "ask", asks)
    patch.setattr(HotStore, "commit", commits)
    patch.setattr(DynamoDeeds, "note", notes)
    return unaudited


class World:
    """Two sites, a router each. `enter` makes this world the one that commands meet: others may be alive beside it."""

    def __init__(self, folder: Path, core: Core, clock: Clock, enter: Callable[[pytest.MonkeyPatch], None]) -> None:
        self.folder = folder
        self._enter = enter
        self.core = core
        self.clock = clock
        self.billing_store = open_billing(core.store)
        self.provider = Reversing()
        self.money: Provider = self.provider  # whom commands ask
        self.core.store.create_tables()
        self.billing_store.create_tables()
        core.provision.site(Site("kilimani"))
        core.provision.site(Site("lodge", language=Language.SWAHILI))
        core.provision.router(Router(GATE, "kilimani", Family.MIKROTIK, ("10.8.0.2",)), SECRET)
        core.provision.router(Router(ANNEX, "lodge", Family.COOVA, ("10.8.0.3",), overrides={"coa": "none"}), SECRET)
        core.provision.terms(DAY)
        core.directory.refresh(T0, soon())

    def __call__(self, *words: str, yes: bool = False) -> Ran:
        """Run one command."""
        out, err = io.StringIO(), io.StringIO()
        common = ["--settings", str(self.folder / "settings.toml"), *(["--yes"] if yes else [])]
        common += [] if "--as" in words else ["--as", "mary"]
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            self._enter(patch)
            unaudited = watch(patch)
            code = entry.main([*words, *common])
            found = unaudited if words[:2] not in AUDITS_ITSELF else []
        assert not found, f"{' '.join(words)} writes before the audit says that it begins: {found}"
        return Ran(code, out.getvalue(), err.getvalue())

    def customer(self, phone: str, terms: Terms | None = DAY, site: str = "kilimani") -> SubscriberId:
        found = self.core.provision.customer([phone], "karibu", self.clock.now, site=site)
        if terms is not None:
            self.core.provision.grant(found, terms.id, self.clock.now, f"r{phone[-4:]}")
        return found

    def online(
        self, phone: str, *, mac: MacAddress = PHONE, router: NasId = GATE, session: str = "81c00001",
        used: tuple[int, int] = (1_000_000, 9_000_000), seconds: int = 600,
    ) -> None:  # fmt: skip
        """Starts, and reports after `seconds`, which is now."""
        accounting = build_accounting(self.core)
        fields: dict[str, Any] = {
            "router": router, "acct_session_id": session, "user_name": phone, "mac": mac, "device": mac,
        }  # fmt: skip
        began = self.clock.now - seconds
        for request, at in (
            (accounting_request(Status.START, began, (0, 0), 0, **fields), began),
            (accounting_request(Status.INTERIM, self.clock.now, used, seconds, **fields), self.clock.now),
        ):
            accounting.account(request, at, soon())

    def stops(self, phone: str, router: NasId = GATE, session: str = "81c00001", mac: MacAddress = PHONE) -> None:
        """The session's last report, now, with what it had used."""
        (subscriber,) = {self.core.names.resolve(f"p:254{phone[1:]}", soon())}
        stored = self.core.store.subscribers.read(SubscriberId(subscriber or ""), soon())
        assert stored
        found = next(each for each in aggregate.decode(stored.body).sessions if each.acct_session_id == session)
        fields: dict[str, Any] = {
            "router": router, "acct_session_id": session, "user_name": phone, "mac": mac, "device": mac,
        }  # fmt: skip
        used = (found.in_bytes, found.out_bytes)
        packet = accounting_request(Status.STOP, self.clock.now, used, found.time_s, **fields)
        build_accounting(self.core).account(packet, self.clock.now, soon())

    def registered(self, phone: str, site: str = "kilimani") -> SubscriberId:
        """A customer with a device, who proved a phone: has a balance and an account number."""
        mac = MacAddress(f"02{phone:0>10}"[-12:])
        found = self.core.provision.device(f"{mac[:4]}.{mac[4:8]}.{mac[8:]}", self.clock.now, site=site)
        people = self.billing().desk.people
        code = people.ask(phone, mac, self.clock.now).code
        people.verify(phone, mac, code, found, Language.ENGLISH, self.clock.now)
        return found

    def billing(self) -> Billing:
        """The services of selling, as a portal has them."""
        return build_billing(self.core, BillingSettings(), self.provider, lambda _: None)

    def buys(
        self, who: SubscriberId, package: str, receipt: str, *, paid: bool = True, phone: str = "0712345678"
    ) -> str:
        """Asks for a package by M-Pesa, and pays; the payment's id."""
        billing = self.billing()
        begun = billing.cashier.buy(Buy(who, phone, package, key=receipt, device=PHONE), self.clock.now)
        push = self.provider.pushes[-1]
        if paid:
            proof = Proof(
                PaymentEvent.CALLBACK_PAID, push.token, checkout_of(push), cents=push.cents, mpesa_receipt=receipt,
                paid_at=self.clock.now + 5,
            )  # fmt: skip
            billing.settle.prove(begun.payment.id, proof, self.clock.now + 6)
        return begun.payment.id

    def deeds(self) -> list[tuple[str, str, str, str]]:
        """What was audited today: who, what, to whom, and how it ended."""
        found = self.core.store.deeds.on("2026-11-25", T0, soon())
        return [(deed.actor, deed.what, deed.about, deed.outcome) for deed in found]
