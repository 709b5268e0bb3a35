"""What the functions are told by the document that AWS keeps: by its settings codes, letters and calls go out.

And what `PaymentLambda` does each minute is what the worker of one box does.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from billing import lambda_function, run
from billing.domain.incident import Incident, Level
from billing.domain.notice import What
from billing.lambda_function import RESERVE_S, handler
from billing.metrics import LOOPS
from billing.portal import lambda_function as portal
from radius import vaults
from radius.settings import kept_document
from tests.fakes.lambda_context import Left
from tests.fakes.portal import DEVICE, SITE, selling_process
from tests.fakes.sms_gateway import SmsGateway
from tests.unit.billing.portal.test_lambda import event
from tests.unit.billing.test_lambda import SCHEDULED

REFERENCE = "ssm:/wifi-billing/settings:1"
KEY_REFERENCE = "secretsmanager:wifi-billing/sms-key"
TAKEN = ("json", 200, {"id": "x"})


class Told:
    """Functions that were told by a document; each reference that they asked for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, gateway: SmsGateway) -> None:
        selling_process(folder, monkeypatch)
        self.gateway, self.asked = gateway, list[str]()
        own = [line for line in (folder / "settings.toml").read_text().splitlines() if not line.startswith("sms")]
        self.kept = {
            KEY_REFERENCE: "a-key",
            REFERENCE: "\n".join([
                *own,
                "[sms.sender]", 'kind = "gateway"', f'url = "{gateway.url}/send"', f'key_ref = "{KEY_REFERENCE}"',
                "[sms.sender.form]", 'to = "{to}"', 'text = "{text}"', 'key = "{key}"',
                "[[incidents.on_call]]", 'name = "Amina"', 'phone = "0700000091"',
            ]),
        }  # fmt: skip
        monkeypatch.setattr(vaults, "fetch", self._fetch)
        monkeypatch.setenv("WIFIBILLING_SETTINGS", REFERENCE)

    def _fetch(self, _field: str, reference: str) -> str:
        self.asked.append(reference)
        return self.kept[reference]


def forget() -> None:
    for process in (lambda_function._wired, portal.portal):
        if process.cache_info().currsize:
            (process().process if process is lambda_function._wired else process()).close()  # type: ignore[attr-defined]
    for kept in (lambda_function._wired, portal.portal, portal._adapter, portal._lines, portal._edge_key):
        kept.cache_clear()
    kept_document.__globals__["_document"].cache_clear()


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    gateway = SmsGateway()
    loop = asyncio.new_event_loop()  # the adapter would make one and never close it
    asyncio.set_event_loop(loop)
    forget()
    yield Told(tmp_path, monkeypatch, gateway)
    forget()
    asyncio.set_event_loop(None)
    loop.close()
    gateway.close()


def test_a_sign_in_code_goes_out_by_the_gateway_of_the_document(told: Told) -> None:
    told.gateway.plan.append(TAKEN)
    core = portal.portal().process.core
    core.provision.customer(["0712345678"], "a-long-password", int(time.time()), site=SITE)
    asks = json.dumps({"phone": "0712345678", "site": SITE, "device": DEVICE})
    answer = portal.handler(event("POST", "/api/v1/sign-in", asks, **{"content-type": "application/json"}), None)
    assert answer["statusCode"] == 202, answer["body"]
    portal.handler(event("GET", f"/api/v1/sites/{SITE}/packages"), None)
    sent = told.gateway.form(0)
    assert (sent["to"], sent["key"]) == ("254712345678", "a-key")
    assert told.asked == [REFERENCE, KEY_REFERENCE], "once each, at the cold start"


def test_who_is_on_duty_is_called_by_the_schedule(told: Told) -> None:
    told.gateway.plan.extend([TAKEN] * 3)
    process = lambda_function._wired().process
    made = Incident("261125-abcd", Level.OUTAGE, "down", SITE, What.INTERNET, int(time.time()), "mary")
    process.billing.desk.incidents.open(made)
    assert handler(SCHEDULED, Left(0.5, RESERVE_S))["failed"] == 0
    assert [told.gateway.form(at)["to"] for at in range(len(told.gateway.seen))] == ["254700000091"]
    handler(SCHEDULED, Left(0.2, RESERVE_S))
    assert len(told.gateway.seen) == 1, "who was called has some minutes"
    assert told.asked == [REFERENCE, KEY_REFERENCE]


def test_the_schedule_runs_every_loop_of_the_worker_and_each_has_what_it_needs(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both as they start by themselves: whatever one of them is given, the other has."""
    ran: list[dict[str, Any]] = []

    def note(runner: run.Runner, _stop: run.Stop) -> None:
        chores = {name: vars(loop.work.__self__) for name, loop in _loops(runner).items()}  # type: ignore[attr-defined]
        ran.append({name: {each for each, is_there in given.items() if is_there} for name, given in chores.items()})

    monkeypatch.setattr(run.Runner, "run", note)
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    monkeypatch.setenv("WIFIBILLING_BILLING_METRICS_PORT", "0")
    handler(SCHEDULED, Left(0.1, RESERVE_S))
    assert run.run(None) == 0
    by_schedule, on_a_box = ran
    assert tuple(by_schedule) == tuple(on_a_box) == LOOPS
    # What deletes by age is the box's own engine: DynamoDB does it by itself (TTL)
    assert {name: given | {"_expire"} for name, given in by_schedule.items()} == {
        name: given | {"_expire"} for name, given in on_a_box.items()
    }


def _loops(runner: run.Runner) -> dict[str, run.Loop]:
    return {loop.name: loop for loop in runner._loops}
