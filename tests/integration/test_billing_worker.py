"""The worker of selling as a process: what nobody told of is found over real HTTP and credited; and how it ends.

It waits for processes that start (two seconds each on a quiet machine), one of which gives a store five.
"""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from billing.domain.journal import business_day
from billing.domain.payment import PaymentState
from billing.process import Process, open_process
from billing.services.checkout import Begun, Buy
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress, SubscriberId
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.daraja import Daraja, Plan
from tests.fakes.portal import DEVICE
from tests.fakes.ports import free_port
from tests.fixtures_engine import Engine
from tests.integration.selling_box import mpesa, settings_file, start

pytestmark = pytest.mark.integration
WAIT_S = 30.0
LATE_S = 60  # long enough ago to be asked about


def wait(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def bought(process: Process) -> tuple[str, SubscriberId]:
    """The page's share: a payment that was begun a while ago, and whose it is."""
    then = int(time.time()) - LATE_S
    customer = process.core.provision.device(DEVICE, then)
    answer = process.billing.cashier.buy(Buy(customer, "0712345678", PACKAGE.id, device=MacAddress(DEVICE)), then)
    assert answer.begun is Begun.ACCEPTED
    return answer.payment.id, customer


def test_a_payment_whose_callback_never_came_is_asked_about_and_credited(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics_port = free_port()
    path = settings_file(tmp_path, engine, free_port(), billing_metrics_port=metrics_port)
    with Daraja() as daraja:
        daraja.plans = {"254712345678": Plan(callbacks=0)}
        variables = mpesa(daraja, free_port())
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        page = open_process(path)
        payment, customer = bought(page)
        daraja.step()  # the customer types the PIN, and Daraja tells nobody

        worker = start(path, "billing", "run", **variables)
        payments = page.billing.store.ports
        wait(lambda: (kept := payments.payment(payment, soon())) and kept.payment.state is PaymentState.PROVEN)
        shown = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", timeout=WAIT_S).text
        worker.send_signal(signal.SIGTERM)
        assert worker.communicate(timeout=WAIT_S) == ("", "")
        assert worker.returncode == 0

        assert daraja.tokens == 1, "the worker uses the token that the page's process fetched"
    stored = page.core.store.subscribers.read(customer, soon())
    assert stored
    assert [right.id for right in aggregate.decode(stored.body).rights] == [payment]
    now = int(time.time())
    assert page.billing.check.check(business_day(now - 86_400), business_day(now), now) == []
    page.close()
    assert "wifibilling_queries_sent_total" in shown
    told = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert told.count("Payment completed") == 1


def test_settings_that_cannot_be_used_and_a_store_that_is_away_end_it_in_words(engine: Engine, tmp_path: Path) -> None:
    path = settings_file(tmp_path, engine, free_port())
    bad = start(path, "billing", "run", WIFIBILLING_BILLING='{"brand": ""}')
    away = start(path, "billing", "run", WIFIBILLING_STORE_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert "billing.brand: " in bad.communicate(timeout=WAIT_S)[1]
    assert bad.returncode == 2
    assert "the store does not answer" in away.communicate(timeout=WAIT_S)[1]
    assert away.returncode == 1
