"""What strangers send to the portal: paths that climb, headers that break lines, guessed tokens, replayed answers.

What is tried here is not tried elsewhere; the whole list, with the tests of other rooms, is in
`deploy/runbooks/penetration-scope.md`, and `pytest -m abuse` runs it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing.domain.payment import PaymentState
from billing.portal.limits import LIMITS, Gate
from radius.store.memory import MemoryStore
from radius.store.open import memory_store
from tests.fakes.portal import API, PATH, PORTAL, SITE, Stand

CLIMBS = ("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//....//etc/passwd", "%00.css")
BREAKS = (
    "a\r\nSet-Cookie: seat=1",
    "a%0d%0aSet-Cookie:%20seat=1",
    "a\u2028Set-Cookie: seat=1",
    "javascript:alert(1)//",
)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    made = Stand(tmp_path, memory_store(MemoryStore()), monkeypatch)
    yield made
    made.close()


@pytest.mark.parametrize("climb", CLIMBS)
@pytest.mark.parametrize(
    "under", ["/static/", f"/logo/{SITE}/", "/w/", f"{API}/sites/", f"{API}/payments/", "/join/", "/"]
)
def test_a_path_that_climbs_leads_nowhere(stand: Stand, under: str, climb: str) -> None:
    answer = stand.ask("GET", under + climb)
    assert answer.status_code in (303, 404, 405)
    assert "root:" not in answer.text
    assert climb not in answer.text, "and is not shown to whoever follows a link"


@pytest.mark.parametrize("text", BREAKS)
def test_no_header_of_an_answer_is_what_a_stranger_typed(stand: Stand, text: str) -> None:
    for path in (f"/w/{SITE}?dst={text}", f"/w/{SITE}?link-login={text}", f"/w/{SITE}?lang={text}", f"/?next={text}"):
        answer = stand.ask("GET", path.replace("\r", "%0d").replace("\n", "%0a"))
        assert answer.status_code < 500
        for name, value in answer.headers.multi_items():
            assert "seat=1" not in value, name
            assert "javascript:" not in value, name


def test_the_address_that_an_answer_links_to_is_ours_and_no_headers(stand: Stand) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}):
        answer = stand.ask("GET", f"/w/{SITE}", headers=headers)
        assert "evil.example" not in answer.text
        assert "evil.example" not in str(answer.headers)


def test_callbacks_without_their_token_are_nobodys_however_many_are_tried(stand: Stand) -> None:
    stand.buy()
    body = json.dumps({"checkout": "ws_CO_x", "code": "0", "cents": 5_000, "receipt": "TKP0000009"})
    for number in range(200):
        stand.ask("POST", f"/pay/stk/{number:032x}", content=body)
    for secret in ("", "x", PATH[:-1], PATH + "x", PATH.upper()):
        stand.ask("POST", f"/pay/c2b/{secret}/confirm", content=body)
        stand.ask("POST", f"/pay/result/{secret}", content=body)
    assert stand.metrics.total("PaymentSuccess") == 0
    assert not stand.billing.store.ports.waiting(2**40, 100, 2**40), "nothing of it is stored"
    stand.monotonic += 3_600  # who guesses is not looked up for a while; M-Pesa calls from elsewhere
    assert stand.callback().status_code == 200, "and the true one is heard"
    assert stand.metrics.total("PaymentSuccess") == 1


def test_a_callback_played_again_in_any_form_pays_once(stand: Stand) -> None:
    stand.buy()
    for change in ({}, {}, {"cents": 500_000}, {"receipt": "TKP0000002"}, {"code": "1032"}, {"code": "0", "cents": 1}):
        stand.callback(**change)
    assert stand.metrics.total("PaymentSuccess") == 1
    assert stand.metrics.total("Revenue", Package="standard") == 50
    (payment,) = stand.billing.store.ports.payments(stand.billing.store.ports.latest_on("2026-11-25", 9, 2**40), 2**40)
    assert payment.payment.state is PaymentState.PAID


def test_a_callback_of_one_payment_pays_no_other(stand: Stand) -> None:
    stand.buy()
    stand.buy("a-key-of-another-page", phone="0712345679", device="02:00:00:00:00:02")
    first, second = stand.provider.pushes
    text = {"checkout": f"ws_CO_{second.reference}", "code": "0", "cents": second.cents, "receipt": "TKP0000001"}
    stand.ask("POST", f"/pay/stk/{first.token}", json=text)
    assert stand.metrics.total("PaymentSuccess") == 0


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"phone": ' + "9" * 10_000 + "}",
        '{"phone": "0712345678", "phone": "0722000001"}',
        '{"phone": 1e999, "package": null, "site": [], "device": {}}',
        '{"phone": "0712345678\\u0000", "package": "standard.1", "site": "kilifi", "device": "AA:BB:CC:DD:EE:FF"}',
        '{"__proto__": {"price": 0}, "cents": 1, "package": "standard.1"}',
        "\ufeff{}",
        "null",
    ],
    ids=["deep", "long number", "twice", "nonsense", "null byte", "more fields", "mark", "nothing"],
)
def test_a_body_that_is_meant_to_break_is_a_plain_refusal(stand: Stand, body: str) -> None:
    headers = {"Idempotency-Key": "a-key-of-this-page", "Content-Type": "application/json"}
    answer = stand.ask("POST", f"{API}/checkouts", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert stand.provider.pushes == []


def test_prices_are_ours_whatever_the_page_sends(stand: Stand) -> None:
    assert stand.buy(cents="1", price="1", price_cents="100", amount="1").status_code in (202, 400, 422)
    assert [push.cents for push in stand.provider.pushes] in ([], [5_000])


def test_one_address_cannot_have_phones_ring_all_over_town(stand: Stand) -> None:
    for number in range(60):
        device = f"02:00:00:00:00:{number:02x}"
        stand.buy(f"a-key-of-this-page-{number:03}", phone=f"07{10_000_000 + number}", device=device)
    assert len(stand.provider.pushes) <= LIMITS[Gate.PURCHASES].burst


def test_methods_that_nobody_serves_do_nothing(stand: Stand) -> None:
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND"):
        answer = stand.ask(method, f"{API}/checkouts")
        assert answer.status_code in (400, 404, 405), method
        assert "access-control-allow-origin" not in answer.headers
    assert stand.ask("GET", f"{PORTAL.removeprefix('https://')}").status_code in (303, 404)
