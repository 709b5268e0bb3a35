"""A batch of vouchers through real FreeRADIUS: its codes log in by themselves, and are booked once."""

import time
from collections.abc import Iterator

import pytest

from billing.domain.batch import Batch
from billing.domain.journal import Cause, business_day
from billing.domain.package import Package
from billing.services.batches import SWEPT_EVERY_S, Exported
from billing.wiring import BillingSettings, build_billing
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from tests.contract.billing.town import FakeProvider
from tests.contract.values import soon
from tests.fakes.nas import How
from tests.integration.box import Box, new_mac
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
PAPER = Package("paper", 1, "Day", "Siku", 3_000, Terms("paper.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)))
HOWS = (How.PAP, How.CHAP)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("batch") / "box") as one:
        yield one


def test_codes_of_a_batch_log_in_by_pap_and_chap_and_are_booked_once(box: Box) -> None:
    now, router = int(time.time()), box.router()
    billing = build_billing(box.core, BillingSettings(), FakeProvider(), lambda _: None)
    billing.store.create_tables()
    box.core.provision.terms(PAPER.terms)
    billing.store.ports.add(PAPER, soon())
    billing.desk.batches.make(Batch("B1", "paper.1", 3_000, 3, now, "achieng"), "otieno", now)
    exported = billing.desk.batches.export("B1")
    assert isinstance(exported, Exported)
    for how, code in zip(HOWS, exported.codes, strict=False):
        assert router.login(code, "", new_mac(), how=how)[0]
        assert router.login(code, "", new_mac(), how=how)[0] is False, "one device a voucher"
    wrong = exported.codes[2][:-1] + str((int(exported.codes[2][-1]) + 1) % 10)
    assert not router.login(wrong, "", new_mac(), how=How.PAP)[0]
    later = now + SWEPT_EVERY_S
    assert billing.desk.paper_care.round(later) == 2
    assert billing.desk.paper_care.round(later + SWEPT_EVERY_S) == 0
    booked = [billing.store.ports.entry(f"{Cause.VOUCHER_REDEEMED.value}:B1-000{n}", soon()) for n in (1, 2, 3)]
    assert [entry is not None for entry in booked] == [True, True, False]
    assert billing.check.check(business_day(now), business_day(later), later) == []
