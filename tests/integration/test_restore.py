"""A box that is restored elsewhere serves the same customers and balances the same books.

Takes some 12 s: two boxes with a FreeRADIUS each, one after the other.
"""

import io
import json
import time
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from billing.cli import __main__ as entry
from billing.domain.journal import balances, business_day
from billing.domain.package import Package
from billing.services import walk
from billing.services.sell import Order, SoldNow
from billing.store.open import open_billing
from billing.wallet import ByHand
from billing.wiring import BillingSettings, build_billing
from deploy.refusal import Refusal
from deploy.restoring import Wanted, restore
from radius.domain.identity import SubscriberId
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.wiring import Core
from tests.contract.values import soon
from tests.integration.box import DAY, Box, new_mac
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
PASSPHRASE = "three words are not enough"
HOUR = Package("hour", 1, "Hour", "Saa", 1_000, Terms("hour.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)))


def sell(core: Core, customer: SubscriberId) -> None:
    """A package for cash."""
    opened = open_billing(core.store)
    opened.create_tables()
    core.provision.terms(HOUR.terms)
    opened.ports.add(HOUR, soon())
    billing = build_billing(core, BillingSettings(), ByHand(), lambda _: None)
    assert isinstance(billing.desk.sell.sell(Order("k1", "mary", "hour.1", customer), int(time.time())), SoldNow)


def books(core: Core) -> dict[str, int]:
    billing = build_billing(core, BillingSettings(), ByHand(), lambda _: None)
    now = int(time.time())
    assert billing.check.check(business_day(now - 86_400), business_day(now), now) == []
    days = walk.days(business_day(now - 86_400), business_day(now))
    journals = [entry.journal for day in days for entry in walk.entries(billing.book, day)]
    return {account.text: cents for account, cents in balances(journals).items()}


def back_up(box: Box) -> Path:
    """By the command, with settings of its own that name the engine's file."""
    told = {"folder": str(box.root), "passphrase_ref": f"file:{box.root}/passphrase"}
    (box.root / "passphrase").write_text(PASSPHRASE)
    settings = box.root / "backup.toml"
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items())
    file = f'store_file = "{box.root}/store.db"\n'
    settings.write_text(f"{file}{box.settings_file.read_text()}\n[backup]\n{table}")
    (box.state / "hub.key").write_text("the tunnels' key")
    out = io.StringIO()
    with redirect_stdout(out):
        assert entry.main(["backup", "run", "--json", "--settings", str(settings)]) == 0
    return Path(json.loads(out.getvalue())[0]["file"])


def test_a_box_restored_elsewhere_serves_the_same_customers_and_balances_the_same_books(tmp_path: Path) -> None:
    with Box(tmp_path / "old") as old:
        phone, mac = old.customer(DAY), new_mac()
        router = old.router()
        assert router.login(phone, "karibu", mac)[0]
        router.start(mac)
        router.use(mac, 1_000_000, 9_000_000, 60)
        router.interim(mac)
        before, charged = old.aggregate(phone), old.charged(phone)
        sell(old.core, old.find(old.customer()))
        balanced = books(old.core)
        backup = back_up(old)
        later = old.customer(DAY)
    elsewhere = tmp_path / "elsewhere"
    wanted = Wanted(backup, tmp_path / "old" / "passphrase", elsewhere, tmp_path / "root")
    proof = restore(wanted, int(time.time()))
    assert proof.good
    assert (elsewhere / "hub.key").read_text() == "the tunnels' key"
    with Box(tmp_path / "new", restored=elsewhere) as new:
        assert new.aggregate(phone) == before
        assert (new.charged(phone), charged) == (charged, 10_000_000)
        assert books(new.core) == balanced
        router = new.router()
        assert router.login(phone, "karibu", mac)[0]  # its device, its password, its router's secret
        assert not router.login(phone, "wrong", mac)[0]
        assert not router.login(later, "karibu", new_mac())[0]  # came after the backup
    with pytest.raises(Refusal, match="there already"):
        restore(wanted, int(time.time()))


def test_a_backup_that_does_not_open_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "bad.backup").write_bytes(b"wifibilling backup 1\n" + bytes(200))
    with pytest.raises(Refusal, match="does not open"):
        restore(Wanted(tmp_path / "bad.backup", tmp_path / "passphrase", tmp_path / "state"), 1_800_000_000)
    assert not (tmp_path / "state").exists()
