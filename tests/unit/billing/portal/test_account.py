"""Programs sign in by a code and see what is left, under the rules of the pages."""

import httpx
import pytest

from billing.domain.one_time import TRIES_MAX
from billing.portal.app import create_app
from billing.portal.limits import LIMITS, Gate
from billing.portal.pages.http import SEAT
from billing.portal.pages.visit import SEAT_S
from radius.domain import subscriber as aggregate
from radius.domain.intent import IntentReason
from radius.domain.subscriber import SessionState
from tests.contract.values import soon
from tests.fakes.portal import API, DEVICE, PORTAL, SITE, Stand
from tests.unit.billing.portal.devices import go_online, whose
from tests.unit.billing.portal.test_me import NEW_DEVICE, OLD, PHONE, code_of, paid, sign_in
from tests.unit.billing.values import T0

OTHER_PHONE = "0722 000 001"


def post(stand: Stand, path: str, token: str = "", **body: str) -> httpx.Response:
    return stand.ask("POST", API + path, json=body, headers=bearer(token))


def me(stand: Stand, token: str) -> httpx.Response:
    return stand.ask("GET", f"{API}/me", headers=bearer(token))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def wanted(phone: str = PHONE, device: str = DEVICE, **more: str) -> dict[str, str]:
    return {"phone": phone, "site": SITE, "device": device, **more}


def signed_in(stand: Stand, phone: str = PHONE, device: str = DEVICE) -> str:
    assert post(stand, "/sign-in", **wanted(phone, device)).status_code == 202
    answer = post(stand, "/sign-in/confirm", **wanted(phone, device, code=code_of(stand)))
    assert (answer.status_code, answer.json()["lasts_s"]) == (200, SEAT_S)
    return str(answer.json()["token"])


def bought(stand: Stand) -> None:
    stand.buy()
    stand.callback()


def test_who_proves_a_phone_sees_what_is_left(stand: Stand) -> None:
    bought(stand)
    go_online(stand, OLD)
    mine = me(stand, signed_in(stand)).json()
    assert mine.pop("account_number").isdecimal()
    assert mine == {
        "rights": [{
            "package": "standard.1", "state": "live", "starts_at": T0, "ends_at": T0 + 86_400,
            "used_bytes": 0, "left_bytes": None, "left_s": None, "devices": 1,
        }],
        "devices": [{"device": OLD, "name": "", "online": True}],
        "payments": [{"paid_at": T0, "package": "standard.1", "price_cents": 5_000, "receipt": "TKP0000001"}],
        "balance_cents": 0, "notices": True,
    }  # fmt: skip


def test_whether_a_phone_is_known_is_not_said(stand: Stand) -> None:
    bought(stand)
    signed_in(stand)
    stand.now += 1_000
    known = post(stand, "/sign-in", **wanted())
    unknown = post(stand, "/sign-in", **wanted(OTHER_PHONE, NEW_DEVICE))
    assert (known.status_code, known.json()["ask_again_s"] > 0) == (202, True)
    sent = len(stand.messages)
    silent = post(stand, "/sign-in", **wanted(OTHER_PHONE, "0A:00:00:00:00:01"))  # too soon for this phone
    assert (silent.status_code, silent.json()) == (202, unknown.json())
    assert len(stand.messages) == sent


def test_a_device_and_an_address_ask_as_seldom_as_on_a_page(stand: Stand) -> None:
    assert post(stand, "/sign-in", **wanted()).status_code == 202
    again = post(stand, "/sign-in", **wanted())
    assert (again.status_code, again.json()["code"], again.headers["Retry-After"]) == (429, "too_many", "60")
    for _ in range(LIMITS[Gate.PURCHASES].burst):
        stand.deps.gates.count(Gate.PURCHASES, "198.51.100.7")
    assert post(stand, "/sign-in", **wanted(OTHER_PHONE, NEW_DEVICE)).json()["code"] == "too_many"
    assert len(stand.messages) == 1


def test_the_message_is_in_the_language_that_was_asked_for(stand: Stand) -> None:
    post(stand, "/sign-in", **wanted())
    post(stand, "/sign-in", **wanted(OTHER_PHONE, NEW_DEVICE, language="sw"))
    english, swahili = (each.text.replace(code_of(stand, at), "") for at, each in enumerate(stand.messages))
    assert english != swahili
    assert stand.messages[0].critical


def test_a_code_is_for_one_phone_on_one_device_and_not_for_guessing(stand: Stand) -> None:
    post(stand, "/sign-in", **wanted())
    code = code_of(stand)
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    elsewhere = post(stand, "/sign-in/confirm", **wanted(device=NEW_DEVICE, code=code))
    others = post(stand, "/sign-in/confirm", **wanted(OTHER_PHONE, code=code))
    guesses = [post(stand, "/sign-in/confirm", **wanted(code=wrong)) for _ in range(TRIES_MAX)]
    spent = post(stand, "/sign-in/confirm", **wanted(code=code))
    assert {(each.status_code, each.text) for each in (elsewhere, others, *guesses)} == {(403, spent.text)}
    assert spent.json()["code"] == "wrong_code"


def test_a_token_ends_and_is_nobodys_to_make(stand: Stand) -> None:
    token = signed_in(stand)
    assert me(stand, token).status_code == 200
    for bad in ("", "x", token[:-1] + ("0" if token[-1] != "0" else "1"), token.upper()):
        answer = me(stand, bad)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert stand.ask("GET", f"{API}/me", headers={"Cookie": f"{SEAT}={token}"}).status_code == 401
    stand.now += SEAT_S
    assert me(stand, token).status_code == 401


def test_who_says_to_be_on_a_strangers_phone_owns_nothing_of_it(stand: Stand) -> None:
    bought(stand)
    thief = signed_in(stand, OTHER_PHONE)
    mine = me(stand, thief).json()
    assert (mine["rights"], mine["devices"], mine["payments"]) == ([], [], [])
    assert post(stand, "/me/devices/remove", thief, device=DEVICE).status_code == 200
    assert whose(stand, OLD)


def test_a_device_that_is_removed_is_cut(stand: Stand) -> None:
    bought(stand)
    go_online(stand, OLD)
    present = whose(stand, OLD)
    assert present
    token = signed_in(stand)
    assert post(stand, "/me/devices/remove", device=DEVICE).status_code == 401
    mine = post(stand, "/me/devices/remove", token, device=DEVICE).json()
    assert (mine["devices"], [each["package"] for each in mine["rights"]]) == ([], ["standard.1"])
    assert whose(stand, OLD) is None
    stored = stand.core.store.subscribers.read(present.id, soon())
    after = aggregate.decode(stored.body) if stored else None
    assert after
    assert [each.state for each in after.sessions] == [SessionState.CLOSED]
    assert IntentReason.REPLACED in {each.reason for each in after.intents}


def test_page_and_program_show_one_customer(stand: Stand) -> None:
    sign_in(stand, tab := paid(stand))
    stand.now += 1_000
    mine = me(stand, signed_in(stand)).json()
    assert mine["account_number"] in tab.open(f"{PORTAL}/me")


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/confirm", "/me/devices/remove"])
def test_without_messages_there_is_nothing_of_it(stand: Stand, path: str) -> None:
    deps = stand.deps._replace(pages=stand.deps.pages._replace(send=None))
    app = create_app(deps)
    stand._client._transport = httpx.ASGITransport(app)
    assert post(stand, path, **wanted()).status_code == 404
    assert API + path not in app.openapi()["paths"]


def test_nothing_of_a_person_is_told_again_or_logged(stand: Stand) -> None:
    bought(stand)
    token = signed_in(stand)
    answers = [
        post(stand, "/sign-in", **wanted("0799 12")),
        post(stand, "/sign-in", **wanted(device="0A:0B:0C:0D:0E")),
        post(stand, "/sign-in/confirm", **wanted(code="98765")),
        post(stand, "/me/devices/remove", token, device="0A:0B:0C:0D:0E"),
    ]
    assert [each.status_code for each in answers] == [422] * 4
    assert [each.json()["errors"][0]["field"] for each in answers] == ["phone", "device", "code", "device"]
    told = "".join(each.text for each in answers) + stand.log_path.read_text()
    for private in ("0799 12", "712345678", "0A:0B:0C:0D:0E", OLD, "98765", token):
        assert private not in told


def test_notices_are_chosen_and_said(stand: Stand) -> None:
    bought(stand)
    token = signed_in(stand)
    assert me(stand, token).json()["notices"] is True
    assert post(stand, "/me/notices", wanted=False).status_code == 401
    assert post(stand, "/me/notices", token, wanted=False).json()["notices"] is False
    assert stand.billing.desk.opt_outs.out("254712345678")
    assert post(stand, "/me/notices", token, wanted=True).json()["notices"] is True
