"""How bodies are read for the services: what says nothing is None, and where a body came decides what it is."""

import pytest

from billing.mpesa.settings import BY_HAND, PREFIX
from billing.provider import PayByHand, PushRequest, QueueTimedOut, Refused, Result
from billing.wallet import NO_PROVIDER, ByHand, money_of_environment, read_callback, read_notice, read_result
from radius.settings import SettingsError
from tests.unit.billing.values import T0

RESULT = '{"Result": {"ResultCode": 1, "ConversationID": "AG_1"}}'


def test_the_same_body_is_a_failure_or_that_nobody_waits_any_longer() -> None:
    assert read_result(RESULT, late=False) == Result("AG_1", "1", done=False)
    assert read_result(RESULT, late=True) == QueueTimedOut("AG_1")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\ufffd", '{"Result": 1}'])
def test_what_says_nothing_is_nothing(text: str) -> None:
    assert read_callback(text) is read_notice(text) is read_result(text, late=False) is None
    assert read_result(text, late=True) is None


def test_without_m_pesa_nothing_is_sent_and_nothing_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {})
    money = money_of_environment()
    assert money.read_result is None
    assert money.provider.reverse("TKP0000001", 100, T0) == Refused(NO_PROVIDER)
    monkeypatch.setattr("os.environ", {f"{PREFIX}SHORTCODE": "174379"})
    with pytest.raises(SettingsError, match="consumer_key_ref"):
        money_of_environment()


def test_a_till_without_an_interface_is_paid_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {BY_HAND: "5551234"})
    provider = money_of_environment().provider
    assert (provider.shortcode, provider.doors) == ("5551234", None)
    assert provider.push(PushRequest("254712345678", 100, "W37CRTX9H", "token"), T0) == PayByHand("5551234")
    assert ByHand().push(PushRequest("254712345678", 100, "W37CRTX9H", "token"), T0) == Refused(NO_PROVIDER)


@pytest.mark.parametrize("activated", [True, False])
def test_what_came_is_listed_where_that_was_activated(monkeypatch: pytest.MonkeyPatch, activated: bool) -> None:
    secrets = ("PASSKEY", "CONSUMER_KEY", "CONSUMER_SECRET", "CALLBACK_SECRET")
    said = {"ENVIRONMENT": "sandbox", "SHORTCODE": "174379", "TILL": "5551234", "CALLBACK_BASE": "https://pay.example"}
    said |= {f"{name}_REF": "env:SECRET" for name in secrets} | ({"PULL": "true"} if activated else {})
    monkeypatch.setattr(
        "os.environ", {"SECRET": "0123456789abcdef"} | {f"{PREFIX}{name}": value for name, value in said.items()}
    )
    money = money_of_environment()
    assert (money.puller is money.provider) is activated
    assert money.also == ("174379",)
    body = '{"TransID": "RKTQDM7W6S", "TransAmount": "50.00", "BusinessShortCode": "%s"}'
    told = [money.read_notice(body % number) for number in ("5551234", "174379", "600638")]
    assert [notice.shortcode for notice in told if notice] == ["5551234", "5551234", "600638"]
    assert money.read_notice("{") is None
    money.close()


@pytest.mark.parametrize("more", [{BY_HAND: "our till"}, {BY_HAND: ""}, {f"{PREFIX}SHORTCODE": "174379"}])
def test_a_till_without_an_interface_is_a_number_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, str]
) -> None:
    monkeypatch.setattr("os.environ", {BY_HAND: "5551234", **more})
    with pytest.raises(SettingsError, match="by_hand"):
        money_of_environment()
