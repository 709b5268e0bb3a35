"""`PaymentLambda`: what starts it, that it does the worker's rounds until its reserve, and is wired once."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing import lambda_function
from billing.domain.give_back import Refund, Way
from billing.domain.reversal import ReversalState
from billing.lambda_function import RESERVE_S, handler
from billing.metrics import LOOPS
from billing.portal import lambda_function as portal
from billing.services.callbacks import SWEEP_AFTER_S
from billing.services.refunds import Heard
from billing.sms.port import Message
from radius.domain.errors import Malformed
from tests.fakes.lambda_context import Left
from tests.fakes.portal import selling_process
from tests.unit.billing.portal.test_lambda import event

SCHEDULED = {"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Settings with which a store was opened."""
    made = selling_process(tmp_path, monkeypatch)
    yield made
    if lambda_function._wired.cache_info().currsize:
        lambda_function._wired().process.close()
    lambda_function._wired.cache_clear()


def test_a_run_does_what_is_due_and_the_next_finds_it_done_and_warm(
    opened: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    callbacks = lambda_function._wired().process.billing.callbacks
    assert callbacks.take_notice("nobody can read this", int(time.time()) - SWEEP_AFTER_S - 1)
    first = handler(SCHEDULED, Left(0.5, RESERVE_S))
    assert (first["alarms"], first["failed"]) == (1, 0)
    assert first["rounds"] >= len(LOOPS)
    told = capsys.readouterr().out
    assert '"PaymentAlarms":' in told, "CloudWatch reads what was counted from the log"
    assert '"ColdStarts": 1' in told
    second = handler(SCHEDULED, Left(0.2, RESERVE_S))
    assert (second["alarms"], second["failed"]) == (0, 0)
    assert second["rounds"] >= len(LOOPS)
    assert len(opened) == 1


def test_nothing_is_opened_for_what_no_schedule_sent_or_without_time(opened: list[object]) -> None:
    with pytest.raises(Malformed, match="event: must be a Scheduled Event"):
        handler({"source": "aws.s3"}, Left(60, RESERVE_S))
    with pytest.raises(Malformed, match="timeout: must be more than the 40 s that are kept for the end, better 100 s"):
        handler(SCHEDULED, Left(-1, RESERVE_S))
    assert opened == []


@pytest.mark.usefixtures("opened")
def test_messages_of_the_services_leave_by_the_sender_that_was_set(tmp_path: Path) -> None:
    process = lambda_function._wired().process
    process.billing.desk.renew._send(Message("254712345678", "your day ends"))
    assert "your day ends" in (tmp_path / "outbox").read_text()
    assert process.metrics.value("Messages", Outcome="sent") == 1


@pytest.mark.usefixtures("opened")
def test_a_refund_that_failed_is_told_by_its_name(tmp_path: Path) -> None:
    process = lambda_function._wired().process
    said = {"way": Way.MPESA, "subscriber": "s1", "asked_by": "achieng", "reason": "asked for"}
    process.billing.desk.refunds._troubled(
        Heard(Refund("r1", "sale_mpesa:p1", 5_000, state=ReversalState.FAILED, **said))
    )
    line = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (line["message"], line["level"]) == ("Refund needs a person", "ERROR")
    assert line["details"] == {"transactionId": "r1", "reason": "failed"}
    assert process.metrics.value("PaymentAlarms") == 1


@pytest.mark.usefixtures("opened")
def test_what_api_gateway_sends_is_answered_by_the_portal() -> None:
    loop = asyncio.new_event_loop()  # the adapter would make one and never close it
    asyncio.set_event_loop(loop)
    try:
        answer = handler(event("GET", "/api/v1/sites/nowhere/packages"), Left(10, RESERVE_S))
        assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (404, 404)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        portal.portal().close()
        for kept in (portal.portal, portal._adapter, portal._lines):
            kept.cache_clear()
