"""The worker of selling as a process: what nobody told of is found over real HTTP and credited; and how it ends.

It waits for processes that start (two seconds each on a quiet machine), one of which gives a store five.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from billing.domain.journal import business_day
from billing.domain.payment import PaymentState
from billing.process import open_process
from billing.services.checkout import Begun, Buy
from radius.domain import subscriber as aggregate
from radius.domain.identity import MacAddress
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.daraja import Daraja, Plan
from tests.fakes.portal import DEVICE
from tests.fakes.ports import free_port
from tests.fixtures_engine import ROOT, Engine
from tests.integration.selling_box import mpesa, our_environment, settings_file, start

pytestmark = pytest.mark.integration
WAIT_S = 30.0
LATE_S = 60  # long enough ago to be asked about


class Shop:
    """A box whose customer paid a while ago by a push that Daraja told nobody of."""

    def __init__(self, engine: Engine, folder: Path, daraja: Daraja, monkeypatch: pytest.MonkeyPatch) -> None:
        self.metrics_port, self.daraja = free_port(), daraja
        self.path = settings_file(folder, engine, free_port(), billing_metrics_port=self.metrics_port)
        self.variables = mpesa(daraja, free_port())
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        self.page = open_process(self.path)
        then = int(time.time()) - LATE_S
        self.customer = self.page.core.provision.device(DEVICE, then)
        buy = Buy(self.customer, "0712345678", PACKAGE.id, device=MacAddress(DEVICE))
        daraja.plans = {"254712345678": Plan(callbacks=0)}
        answer = self.page.billing.cashier.buy(buy, then)
        assert answer.begun is Begun.ACCEPTED
        self.payment = answer.payment.id
        daraja.step()  # the customer types the PIN

    def state(self) -> PaymentState:
        kept = self.page.billing.store.ports.payment(self.payment, soon())
        assert kept
        return kept.payment.state

    def rights(self) -> list[str]:
        stored = self.page.core.store.subscribers.read(self.customer, soon())
        assert stored
        return [right.id for right in aggregate.decode(stored.body).rights]


@pytest.fixture
def shop(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with Daraja() as daraja:
        made = Shop(engine, tmp_path, daraja, monkeypatch)
        yield made
        made.page.close()


def test_a_payment_whose_callback_never_came_is_asked_about_and_credited(shop: Shop, tmp_path: Path) -> None:
    worker = start(shop.path, "billing", "run", **shop.variables)
    end = time.monotonic() + WAIT_S
    while shop.state() is not PaymentState.PROVEN:
        assert time.monotonic() < end
        time.sleep(0.1)
    shown = httpx.get(f"http://127.0.0.1:{shop.metrics_port}/metrics", timeout=WAIT_S).text
    worker.send_signal(signal.SIGTERM)
    assert worker.communicate(timeout=WAIT_S) == ("", "")
    assert worker.returncode == 0
    assert shop.daraja.tokens == 1, "the worker uses the token that the page's process fetched"
    assert shop.rights() == [shop.payment]
    now = int(time.time())
    assert shop.page.billing.check.check(business_day(now - 86_400), business_day(now), now) == []
    assert "wifibilling_queries_sent_total" in shown
    told = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert told.count("Payment completed") == 1


def test_the_function_does_the_same_from_event_to_event(shop: Shop) -> None:
    environment = {**our_environment(shop.variables), "WIFIBILLING_SETTINGS": str(shop.path)}
    command = [sys.executable, "-P", "-m", "tests.integration.lambda_runtime", "billing", "3", "0.5"]
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=60, check=True)
    runs = [json.loads(line) for line in done.stdout.splitlines() if "ran_s" in line]
    assert [(run["credited"], run["failed"], run["wired"]) for run in runs] == [(1, 0, 1), (0, 0, 1)]
    assert (runs[0]["queries"], shop.rights()) == (1, [shop.payment])
    assert '"PaymentSuccess"' in done.stdout, "CloudWatch is told by lines of the log"


def test_settings_that_cannot_be_used_and_a_store_that_is_away_end_it_in_words(engine: Engine, tmp_path: Path) -> None:
    path = settings_file(tmp_path, engine, free_port())
    bad = start(path, "billing", "run", WIFIBILLING_BILLING='{"brand": ""}')
    away = start(path, "billing", "run", WIFIBILLING_STORE_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert "billing.brand: " in bad.communicate(timeout=WAIT_S)[1]
    assert bad.returncode == 2
    assert "the store does not answer" in away.communicate(timeout=WAIT_S)[1]
    assert away.returncode == 1
