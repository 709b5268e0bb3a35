"""The portal as a process, and a sale over real HTTP on the embedded engine: checkout, callback, paid, right, bell."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest
import uvicorn

from billing.portal.deps import Options
from radius.bell import Ear
from radius.domain import subscriber as aggregate
from radius.domain.identity import SubscriberId
from radius.domain.intent import IntentReason
from radius.store.open import StoreKind, open_store
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.fakes.daraja import Daraja, Plan
from tests.fakes.portal import DEVICE, SITE, Stand
from tests.fakes.ports import free_port
from tests.fixtures_engine import Engine, new_prefix, settings
from tests.integration.selling_box import SECRET, mpesa, settings_file
from tests.integration.selling_box import start as start_module

pytestmark = pytest.mark.integration
WAIT_S = 20.0


class Served:
    """A stand behind a real server."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.port = free_port()
        config = uvicorn.Config(stand.app, host="127.0.0.1", port=self.port, log_config=None, access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run)
        self._thread.start()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=WAIT_S)
        answers(self.port)

    def close(self) -> None:
        self.http.close()
        self._server.should_exit = True
        self._thread.join()


def answers(port: int) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            httpx.get(f"http://127.0.0.1:{port}/api/v1/health/ready", timeout=WAIT_S).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the portal does not answer")


@pytest.fixture
def served(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    store = open_store(settings(engine.url, StoreKind.EMBEDDED, new_prefix()))
    store.create_tables()
    stand = Stand(tmp_path, store, monkeypatch, Options())
    made = Served(stand)
    yield made
    made.close()
    stand.close()


def begin(served: Served) -> dict[str, object]:
    body = {"phone": "0712345678", "package": PACKAGE.id, "site": SITE, "device": DEVICE}
    answer = served.http.post("/api/v1/checkouts", json=body, headers={"Idempotency-Key": "a-key-of-this-page"})
    assert answer.status_code == 202
    found: dict[str, object] = answer.json()
    return found


def call_back(served: Served) -> httpx.Response:
    push = served.stand.provider.pushes[0]
    body = {"checkout": f"ws_CO_{push.reference}", "code": "0", "cents": push.cents, "receipt": "TKP0000001"}
    return served.http.post(f"/pay/stk/{push.token}", json=body)


def test_a_sale_from_the_page_to_the_senders_bell(served: Served, tmp_path: Path) -> None:
    ear = Ear(tmp_path)
    begun = begin(served)
    stages: list[str] = []
    with served.http.stream("GET", f"/api/v1/payments/{begun['token']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("data: "):
                stages.append(json.loads(line.removeprefix("data: "))["stage"])
                if len(stages) == 1:
                    assert call_back(served).json() == {"ResultCode": 0, "ResultDesc": "Accepted"}
    assert stages == ["waiting", "paid"]  # and then the stream has ended by itself

    rung = ear.hear(1)
    ear.close()
    assert rung
    stored = served.stand.core.store.subscribers.read(SubscriberId(rung.subscriber), soon())
    assert stored
    customer = aggregate.decode(stored.body)
    assert [right.terms for right in customer.rights] == ["standard.1"]
    assert [(each.session, each.reason) for each in customer.intents] == [("aabbccddeeff", IntentReason.REAUTHORIZE)]
    assert served.stand.metrics.total("Revenue", Package="standard") == 50
    assert [line["message"] for line in served.stand.lines()] == ["Payment initiated", "Payment completed"]


def test_callbacks_by_the_hundred_are_one_credit(served: Served) -> None:
    begun = begin(served)
    assert {call_back(served).status_code for _ in range(100)} == {200}
    end = time.monotonic() + WAIT_S
    while served.http.get(f"/api/v1/payments/{begun['token']}").json()["stage"] != "paid":
        assert time.monotonic() < end
        time.sleep(0.1)
    assert served.stand.metrics.total("PaymentSuccess") == 1


def test_a_body_without_end_is_cut_off(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=WAIT_S) as line:
        line.sendall(
            b"POST /api/v1/checkouts HTTP/1.1\r\nHost: portal\r\nIdempotency-Key: a-key-of-this-page\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n{"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


# -- the process -------------------------------------------------------------------------------------------------------


def start(path: Path, **variables: str) -> subprocess.Popen[str]:
    return start_module(path, "billing.portal", **variables)


def test_the_process_serves_and_stops_cleanly(engine: Engine, tmp_path: Path) -> None:
    port = free_port()
    path = settings_file(tmp_path, engine, port)
    process = start(path)
    answers(port)
    taken = start(path)
    assert "metrics_port" in taken.communicate(timeout=WAIT_S)[1]
    assert taken.returncode == 2
    path.write_text(path.read_text().replace("portal_metrics_port = ", "portal_metrics_port = 0 #"))
    second = start(path)
    assert f"cannot listen on port {port}" in second.communicate(timeout=WAIT_S)[1]
    assert second.returncode == 1
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, out, err) == (0, "", "")


STORIES = {
    "0712345601": (Plan(), "paid", None),
    "0712345602": (Plan(codes=("1032",)), "failed", "cancelled"),
    "0712345603": (Plan(codes=("1037", "0")), "paid", None),
    "0712345604": (Plan(submit="lost"), "paid", None),
    "0712345605": (Plan(callbacks=3), "paid", None),
    "0712345606": (Plan(shillings=1), "review", None),
    "0712345607": (Plan(phone="masked", text=True), "paid", None),
}


def test_customers_of_a_box_pay_by_m_pesa_as_it_behaves(engine: Engine, tmp_path: Path) -> None:
    """The whole process, Daraja's double behind it: each customer's page sees its own story to the end."""
    port = free_port()
    path = settings_file(tmp_path, engine, port)
    with Daraja() as daraja, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S) as http:
        daraja.plans = {f"254{phone[1:]}": plan for phone, (plan, _, _) in STORIES.items()}
        process = start(path, **mpesa(daraja, port))
        answers(port)
        tokens = {phone: buy(http, phone, number) for number, phone in enumerate(STORIES)}
        for _ in range(4):
            daraja.step()
        shown = {phone: wait_for(http, tokens[phone], STORIES[phone][1]) for phone in STORIES}
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=WAIT_S) == ("", "")
    assert shown == {phone: story[1:] for phone, story in STORIES.items()}
    assert set(daraja.answers) == {200}
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["message"] for line in lines].count("Payment completed") == 5
    assert not [secret for secret in (*tokens.values(), SECRET, "71234560") if secret in (tmp_path / "log").read_text()]


def buy(http: httpx.Client, phone: str, number: int) -> str:
    body = {"phone": phone, "package": PACKAGE.id, "site": SITE, "device": f"AA:BB:CC:DD:EE:{number:02X}"}
    answer = http.post("/api/v1/checkouts", json=body, headers={"Idempotency-Key": f"key-of-{phone}"})
    assert answer.status_code == 202
    return str(answer.json()["token"])


def wait_for(http: httpx.Client, token: str, stage: str) -> tuple[str, str | None]:
    end = time.monotonic() + WAIT_S
    while True:
        found = http.get(f"/api/v1/payments/{token}").json()
        if found["stage"] == stage or time.monotonic() > end:
            return found["stage"], found["reason"]
        time.sleep(0.1)


def test_settings_that_cannot_be_used_say_why(engine: Engine, tmp_path: Path) -> None:
    process = start(settings_file(tmp_path, engine, free_port(), portal_proxies="0.0.0.0/0"))
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 2
    assert "portal_proxies" in err
