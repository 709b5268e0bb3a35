"""What reports and alarms are made of: which line, which level, which count, and each once."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from billing.domain.payment import Payment, PaymentState
from billing.metrics import PACKAGES_MAX, catalogue
from billing.news import News
from radius.log import Pseudonyms, open_log
from radius.metrics import CATALOGUE, InProcess, Kind, Recording, Unit, prometheus_name
from tests.unit.billing.values import T0, TILL

CODES = ("standard", "day")
CREATED = Payment("pay00001", 5_000, TILL, "W37CRTX9H", "0f", T0, "jane", "standard.1")
S = PaymentState


def payment(state: PaymentState, code: str = "", checkout_id: str = "ws_CO_1", package: str = "standard.1") -> Payment:
    return msgspec.structs.replace(CREATED, state=state, code=code, checkout_id=checkout_id, package=package)


class Desk:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "log"
        self.metrics = Recording(catalogue(CODES))
        log = open_log(self.path, strict=True)
        self.news = News(self.metrics, log.logger, Pseudonyms(b"k"), lambda: T0 + 20.5, CODES)

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_payment_from_prompt_to_credit(desk: Desk) -> None:
    pending, paid = payment(S.PENDING), payment(S.PAID, "0")
    desk.news.told(None, CREATED)
    desk.news.told(CREATED, pending)
    desk.news.told(pending, paid)
    desk.news.told(paid, paid)
    shown = [(line["level"], line["message"], line["details"]) for line in desk.lines()]
    details = {"transactionId": "pay00001", "package": "standard", "amount": 50}
    assert shown == [("INFO", "Payment initiated", details), ("INFO", "Payment completed", details)]
    assert all(str(line["userId"]).startswith("user_") for line in desk.lines())
    assert desk.metrics.total("Revenue", Package="standard") == 50
    assert desk.metrics.total("Transactions", Package="standard") == 1
    assert desk.metrics.total("PaymentSuccess") == 1
    assert desk.metrics.total("PaymentOutcome", Status="paid") == 1
    assert desk.metrics.observations["PaymentAnswer"] == [20.5]


def test_a_receipt_that_comes_later_is_no_second_sale(desk: Desk) -> None:
    desk.news.told(payment(S.EXPIRED), payment(S.PROVEN, "0"))
    desk.news.told(payment(S.PROVEN, "0"), payment(S.PAID, "0"))
    assert [line["message"] for line in desk.lines()] == ["Payment completed"]
    assert desk.metrics.total("PaymentSuccess") == 1


@pytest.mark.parametrize(
    ("code", "checkout_id", "level", "fault", "words"),
    [
        ("1032", "ws_CO_1", "WARN", "customer", "cancelled"),
        ("2028", "ws_CO_1", "ERROR", "configuration", "the shortcode may not do this"),
        ("1019", "ws_CO_1", "ERROR", "network", "the transaction expired"),
        ("400.002.02", "", "ERROR", "configuration", "a code that is not known"),
        ("no_connection", "", "ERROR", "network", "a code that is not known"),
    ],
)
def test_whose_fault_it_is(desk: Desk, code: str, checkout_id: str, level: str, fault: str, words: str) -> None:
    desk.news.told(payment(S.PENDING, checkout_id=checkout_id), payment(S.FAILED, code, checkout_id))
    (line,) = desk.lines()
    assert (line["level"], line["message"]) == (level, "Payment failed")
    assert line["details"] == {
        "transactionId": "pay00001", "package": "standard", "amount": 50, "errorCode": code, "errorMessage": words,
    }  # fmt: skip
    assert desk.metrics.total("PaymentFailures", ErrorClass=fault) == 1
    assert desk.metrics.total("PaymentOutcome", Status="failed") == 1


def test_what_ends_without_a_code_says_so(desk: Desk) -> None:
    desk.news.told(payment(S.PENDING), payment(S.EXPIRED, "<script>0712345678"))
    desk.news.told(payment(S.PENDING), payment(S.DISPUTED))
    first, second = (line["details"] for line in desk.lines())
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert (first["errorCode"], second["errorCode"]) == ("expired", "disputed")
    assert {line["level"] for line in desk.lines()} == {"ERROR"}


def test_a_package_that_the_catalogue_does_not_have_is_counted(desk: Desk) -> None:
    desk.news.told(payment(S.PENDING), payment(S.PAID, package="new-one.1"))
    desk.news.told(payment(S.PENDING), payment(S.PAID, package=""))
    assert desk.metrics.total("Revenue", Package="other") == 50
    assert desk.metrics.total("Revenue", Package="top-up") == 50


def test_the_catalogue_is_well_formed_and_bounded() -> None:
    made = catalogue(f"code-{number}" for number in range(10_000))
    names = [metric.name for metric in made]
    assert len(names) == len(set(names)) == len({prometheus_name(metric) for metric in made})
    for metric in made[len(CATALOGUE) :]:
        assert re.fullmatch(r"([A-Z][a-z]+)+", metric.name)
        assert len(metric.dims) <= 1
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert all(0 < len(values) <= PACKAGES_MAX for values in metric.dims.values())
    revenue = next(metric for metric in made if metric.name == "Revenue")
    assert revenue.unit is Unit.NONE
    assert prometheus_name(revenue) == "wifibilling_revenue_total"
    shown = InProcess("test", strict=True, catalogue=made)
    shown.count("Revenue", 50, Package="other")
    assert 'wifibilling_revenue_total{environment="test",package="other"} 50' in shown.render()
