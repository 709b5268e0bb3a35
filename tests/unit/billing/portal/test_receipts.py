"""A customer shows the code of M-Pesa's message, as a page asks for it."""

from billing.portal.limits import LIMITS, Gate
from billing.provider import Notice, PayByHand
from billing.services.settle import SAME_MONEY_S
from tests.fakes.portal import Stand
from tests.unit.billing.values import T0, TILL

CODE = "TKP0000009"


def held(stand: Stand) -> None:
    """Money that somebody paid by hand."""
    stand.billing.settle.notice(Notice(CODE, 5_000, TILL, "", "", T0), T0)
    stand.billing.strays.round(T0 + SAME_MONEY_S)


def shown(stand: Stand, token: str, receipt: str = CODE) -> tuple[int, str, str]:
    answer = stand.ask("POST", f"/api/v1/payments/{token}/receipt", json={"receipt": receipt})
    said = answer.json()
    return answer.status_code, said.get("answer", said.get("code")), said.get("payment", {}).get("stage", "")


def test_a_till_without_an_interface_says_where_to_pay_and_takes_the_code(stand: Stand) -> None:
    stand.provider.answer = PayByHand(TILL)
    begun = stand.buy().json()
    assert (begun["stage"], begun["pay_to"]) == ("waiting", TILL)
    assert shown(stand, begun["token"], "tkp0000009") == (200, "waits", "waiting")
    held(stand)
    assert shown(stand, begun["token"]) == (200, "done", "paid")
    assert stand.get(f"/payments/{begun['token']}/usage").json()["state"] == "live"
    assert stand.metrics.total("Revenue", Package="standard") == 50
    other = stand.buy(key="another-key-of-a-page", device="AA:BB:CC:DD:EE:00", phone="0712345600").json()
    assert shown(stand, other["token"]) == (200, "taken", "waiting")


def test_after_a_prompt_the_code_helps_too_and_no_number_is_named(stand: Stand) -> None:
    begun = stand.buy().json()
    assert begun["pay_to"] == ""
    stand.callback(code="1037")
    held(stand)
    assert shown(stand, begun["token"]) == (200, "done", "paid")


def test_codes_are_guessed_slowly_and_strangers_learn_nothing(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    answers = [shown(stand, token, f"TKQ000000{number}")[1] for number in range(LIMITS[Gate.RECEIPTS].burst + 1)]
    assert answers == ["waits"] * 3 + ["too_many"] * 3
    assert shown(stand, "0" * 48) == (404, "no_payment", "")
    assert shown(stand, token, "12345")[:2] == (422, "invalid")
