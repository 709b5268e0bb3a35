"""What comes to ``/pay``: known paths are answered and settled, all else looks like nothing is there."""

import pytest

from billing.ports import UnmatchedState
from billing.services.callbacks import SWEEP_AFTER_S
from radius.domain.errors import Unavailable
from tests.contract.values import soon
from tests.fakes.portal import PATH, Stand
from tests.unit.billing.values import T0

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


def test_a_forged_callback_is_a_wrong_address(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    assert stand.callback(token="0f" * 16).status_code == 404
    assert stand.callback(token=token).status_code == 404
    assert stand.get(f"/payments/{token}").json()["stage"] == "waiting"


def test_money_by_hand_is_taken_and_waits_for_its_owner(stand: Stand) -> None:
    assert stand.notice().json() == ACCEPTED
    money = stand.billing.store.ports.unmatched("TKP0000002", soon())
    assert money
    assert money.state is UnmatchedState.WAITS


def test_money_by_hand_that_names_the_payment_pays_it(stand: Stand) -> None:
    begun = stand.buy().json()
    stand.notice(reference=begun["reference"])
    assert stand.get(f"/payments/{begun['token']}").json()["stage"] == "paid"


def test_a_validation_wants_our_money_only(stand: Stand) -> None:
    assert stand.notice("check").json() == {"ResultCode": "0", "ResultDesc": "Accepted"}
    assert stand.notice("check", shortcode="999999").json()["ResultCode"] == "C2B00015"
    unread = stand.ask("POST", f"/pay/c2b/{PATH}/check", content=b"\xff{")
    assert unread.json()["ResultCode"] == "0"


@pytest.mark.parametrize("path", ["c2b/{}/confirm", "c2b/{}/check", "result/{}", "late/{}"])
def test_the_deployments_paths_are_secret(stand: Stand, path: str) -> None:
    ours = stand.ask("POST", "/pay/" + path.format(PATH), json={"ResultCode": 0})
    assert ours.status_code == 200
    wrong = stand.ask("POST", "/pay/" + path.format(PATH[:-1] + "x"), json={})
    nowhere = stand.ask("POST", "/pay/nothing", json={})
    assert wrong.status_code == nowhere.status_code == 404
    assert wrong.json() == nowhere.json()


def test_a_result_and_the_end_of_waiting_for_one_are_told_apart_by_where_they_came(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, bool]] = []
    monkeypatch.setattr(stand.billing.callbacks, "_hear", lambda text, late, _: heard.append((text, late)))
    for path in ("result", "late"):
        stand.ask("POST", f"/pay/{path}/{PATH}", content=b"the same body")
    stand.billing.callbacks.sweep(stand.now + SWEEP_AFTER_S)
    assert sorted(heard) == [("the same body", False), ("the same body", True)]


def test_what_cannot_be_read_is_kept_answered_and_told(stand: Stand) -> None:
    stand.buy()
    answer = stand.ask("POST", f"/pay/stk/{stand.provider.pushes[0].token}", content=b"\xff\x00")
    assert answer.json() == ACCEPTED
    assert stand.metrics.total("PaymentAlarms") == 1
    assert [line["level"] for line in stand.lines() if line["message"] == "Callback cannot be read"] == ["ERROR"]


def test_another_amount_is_told_to_a_person(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    stand.callback(cents=100)
    assert stand.get(f"/payments/{token}").json()["stage"] == "review"
    assert stand.metrics.total("PaymentAlarms") == 1


def test_what_a_fault_kept_from_settling_is_settled_by_the_worker(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = stand.buy().json()["token"]

    def away(*_: object) -> None:
        raise Unavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(stand.billing.settle, "prove", away)
        assert stand.callback().json() == ACCEPTED
    assert stand.get(f"/payments/{token}").json()["stage"] == "waiting"
    stand.now = T0 + 60
    stand.billing.callbacks.sweep(stand.now)
    assert stand.get(f"/payments/{token}").json()["stage"] == "paid"
    assert stand.metrics.total("CallbacksLeft") == 1


def test_who_keeps_guessing_paths_is_not_looked_up_any_more(stand: Stand) -> None:
    stand.buy()
    answers = {stand.callback(token=f"{number:032x}").status_code for number in range(120)}
    assert answers == {404, 429}
    assert stand.callback().status_code == 429
    stand.monotonic += 2
    assert stand.callback().status_code == 200


def test_the_log_has_no_secret_no_phone_and_no_device(stand: Stand) -> None:
    begun = stand.buy().json()
    stand.callback()
    text = stand.log_path.read_text()
    for secret in (begun["token"], stand.provider.pushes[0].token, "712345678", "aabbccddeeff", "AA:BB", PATH):
        assert secret not in text
    assert [line["message"] for line in stand.lines()] == ["Payment initiated", "Payment completed"]


def test_delivery_reports_of_messages_are_kept_counted_and_told_when_they_fail(stand: Stand) -> None:
    def report(**said: str) -> int:
        form = {"id": "ATX1", "phoneNumber": "+254712345678", "status": "Success", **said}
        return stand.ask("POST", f"/pay/sms/{PATH}", data=form).status_code

    assert [report(), report(), report(id="ATX2", status="Failed", failureReason="UserInBlackList")] == [200] * 3
    where = stand.billing.deliveries.where("ATX1", "254712345678")
    assert where
    assert where.state.value == "delivered"
    assert [stand.metrics.total("Deliveries", State=state) for state in ("delivered", "failed")] == [1, 1]
    assert report(status="Lost") == 200
    assert stand.metrics.total("Deliveries", State="unreadable") == 1
    assert stand.ask("POST", "/pay/sms/0123456789abcdef", data={"id": "ATX1"}).status_code == 404
    lines = [(line["level"], line["message"]) for line in stand.lines()]
    assert lines == [("WARN", "Message not delivered"), ("WARN", "Delivery report cannot be read")]
    assert "2547" not in stand.log_path.read_text()


def test_who_answers_stop_gets_no_notices_and_start_undoes_it(stand: Stand) -> None:
    def sends(**said: str) -> bool:
        assert stand.ask("POST", f"/pay/sms/{PATH}/in", data=said).status_code == 200
        return stand.billing.desk.opt_outs.out("254712345678")

    assert not sends(**{"from": "+254712345678", "text": "When is it back?"})
    assert sends(**{"from": "+254712345678", "to": "22384", "text": " Stop. "})
    assert sends(**{"from": "+254712345678", "text": "ACHA"})
    assert not sends(**{"from": "0712345678", "text": "anza"})
    assert sends(phoneNumber="+254712345678", senderId="KILIFI")
    assert sends(**{"from": "somebody", "text": "START"})
    assert stand.ask("POST", "/pay/sms/0123456789abcdef/in", data={"from": "x"}).status_code == 404
    told = [line["message"] for line in stand.lines()]
    assert told == ["Notices chosen"] * 3 + ["Incoming message cannot be read"]
    assert "2547" not in stand.log_path.read_text()
