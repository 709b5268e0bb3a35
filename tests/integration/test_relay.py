"""A box without a public address: its relay, its portal and its worker as processes, over real HTTP and a real engine.

M-Pesa calls once, while the box is off and before the relay loses its power; the box is credited when it comes back.
Takes some ten seconds: five starts of processes.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from billing.domain.payment import PaymentState
from billing.process import open_process
from billing.services.checkout import Buy
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
TOKEN = "a-token-of-this-test-and-of-nothing-else"


def await_(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


class Relay:
    """Its process; `token_file` is shared with the box here."""

    def __init__(self, folder: Path) -> None:
        self.port, self.folder = free_port(), folder / "relay"
        self.token_file = folder / "relay.token"
        self.token_file.touch(0o600)
        self.token_file.write_text(f"{TOKEN}\n")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["--folder", str(self.folder), "--token-file", str(self.token_file), "--port", str(self.port)]
        command = [sys.executable, "-P", "-m", "billing.relay", *words, "--allow", "127.0.0.0/8"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=our_environment({}))
        await_(lambda: self.state() is not None, "the relay answers")

    def state(self) -> dict[str, int] | None:
        try:
            shown = {"Authorization": f"Bearer {TOKEN}"}
            found = httpx.get(f"http://127.0.0.1:{self.port}/relay/state", headers=shown, timeout=5)
            return dict(found.raise_for_status().json())
        except httpx.TransportError:
            return None

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    made = Relay(tmp_path)
    made.start()
    yield made
    made.kill()


def doctor(path: Path, variables: dict[str, str]) -> list[tuple[object, str]]:
    """What it says of callbacks: whether it is well, and the words."""
    command = [sys.executable, "-P", "-m", "billing.cli", "doctor", "--json", "--settings", str(path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **our_environment(variables)}, capture_output=True, text=True, check=False
    )
    return [(row["good"], row["text"]) for row in json.loads(done.stdout) if row["check"] == "callbacks"]


def test_a_callback_that_came_while_the_box_was_off_is_credited_when_it_is_back(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, relay: Relay
) -> None:
    with Daraja() as daraja:
        path = settings_file(tmp_path, engine, portal := free_port())
        with path.open("a") as more:
            more.write(
                f'[callbacks]\nroad = "relay"\nname = "nairobi"\nurl = "http://127.0.0.1:{relay.port}"\n'
                f'token_ref = "file:{relay.token_file}"\n'
            )
        variables = mpesa(daraja, relay.port)  # where M-Pesa calls
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        page = open_process(path)
        daraja.plans = {"254712345678": Plan(queries=("4999",) * 1_000)}  # asking tells nothing: only the call does
        customer = page.core.provision.device(DEVICE, now := int(time.time()))
        payment = page.billing.cashier.buy(
            Buy(customer, "0712345678", PACKAGE.id, device=MacAddress(DEVICE)), now
        ).payment.id

        def state() -> PaymentState:
            kept = page.billing.store.ports.payment(payment, soon())
            assert kept
            return kept.payment.state

        daraja.step()  # the customer types the PIN, and M-Pesa calls: nothing of the box runs
        await_(lambda: (relay.state() or {})["waiting"] == 1, "the relay keeps the call")
        relay.kill()
        relay.start()
        assert state() is PaymentState.PENDING
        assert any("this box asked for nothing" in text for good, text in doctor(path, variables) if good is False)

        processes = [start(path, "billing.portal", **variables), start(path, "billing", "run", **variables)]
        try:
            await_(lambda: state() is PaymentState.PAID, "it is credited")
            await_(lambda: (relay.state() or {})["waiting"] == 0, "the relay forgets it")
            said = doctor(path, variables)
            assert any("come by the relay nairobi" in text for _, text in said)
            assert any("this box asks it, and 0 calls wait" in text for good, text in said if good)
            assert httpx.get(f"http://127.0.0.1:{portal}/api/v1/health/live", timeout=5).is_success
        finally:
            for process in processes:
                process.terminate()
                process.communicate(timeout=WAIT_S)
            page.close()
