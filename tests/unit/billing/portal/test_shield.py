"""Limits before a body is read, headers on every answer, one shape of errors that repeats nothing."""

import asyncio
from typing import Any

import pytest

from billing.portal import shield
from billing.portal.limits import LIMITS, Gate, Gates, address_key
from billing.portal.tokens import StatusTokens
from billing.ports import BODY_BYTES_MAX
from radius.domain.errors import Corrupt, Unavailable
from tests.fakes.portal import API, SITE, Stand

KEY = {"Idempotency-Key": "a-key-of-this-page"}
CHECKOUT = f"{API}/checkouts"


def whole(status: int, body: dict[str, Any]) -> bool:
    return body.keys() == {"type", "title", "status", "detail", "code", "errors"} and body["status"] == status


def test_every_answer_has_the_headers_and_none_allows_another_origin(stand: Stand) -> None:
    for path in ("/health/live", "/nothing", f"/sites/{SITE}/packages"):
        answer = stand.ask("GET", API + path, headers={"Origin": "https://evil.example"})
        for name, value in shield.HEADERS.items():
            assert answer.headers[name.decode()] == value.decode()
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert stand.ask("OPTIONS", CHECKOUT, headers={"Origin": "https://evil.example"}).status_code == 405


def test_a_form_of_another_site_buys_nothing(stand: Stand) -> None:
    body = b'{"phone":"0712345678","package":"standard.1","site":"kilifi","device":"AA:BB:CC:DD:EE:FF"}'
    answer = stand.ask("POST", CHECKOUT, content=body, headers={**KEY, "Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert stand.provider.pushes == []


@pytest.mark.parametrize("method", ["announced", "streamed"])
def test_what_is_too_long_is_refused_before_it_is_read(stand: Stand, method: str) -> None:
    taken: list[int] = []

    async def chunks() -> Any:
        for number in range(100):
            taken.append(number)
            yield b"x" * 4_096

    length = {"Content-Length": str(100 * 4_096)} if method == "announced" else {}
    answer = stand.ask("POST", CHECKOUT, content=chunks(), headers={**KEY, **length})
    assert answer.status_code == 413
    assert whole(413, answer.json())
    assert len(taken) == (0 if method == "announced" else BODY_BYTES_MAX // 4_096 + 1)


def test_a_body_that_never_ends_is_given_up(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shield, "BODY_S_MAX", 0.05)

    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(30)

    answer = stand.ask("POST", CHECKOUT, content=slow(), headers=KEY)
    assert answer.status_code == 408
    assert whole(408, answer.json())


def test_an_address_that_asks_too_often_waits(stand: Stand) -> None:
    burst = LIMITS[Gate.REQUESTS].burst
    answers = [stand.get("/health/live").status_code for _ in range(burst + 1)]
    assert answers == [200] * burst + [429]
    refused = stand.get("/health/live")
    assert whole(429, refused.json())
    assert int(refused.headers["Retry-After"]) >= 1
    stand.monotonic += 1
    assert stand.get("/health/live").status_code == 200
    assert stand.metrics.total("PortalRequests", Answer="limited") == 2


def test_gates_are_bounded() -> None:
    gates = Gates(lambda: 1.0, entries_max=10)
    for number in range(1_000):
        assert gates.enter(Gate.PROMPTS, f"phone-{number}") == 0
    assert len(gates._tables[Gate.PROMPTS]) <= 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("", "", True),
    ],
)
def test_who_is_one_customer(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"phone": "0812345678"}, "phone"),
        ({"phone": "0712345678' OR 1"}, "phone"),
        ({"device": "AA:BB:CC-DD-EE:FF"}, "device"),
        ({"package": "standard"}, "package"),
        ({"site": "a b"}, "site"),
        ({"phone": None}, "phone"),
        ({"nickname": "jane"}, "body"),
    ],
)
def test_a_problem_names_field_and_fix_and_repeats_nothing(stand: Stand, change: dict[str, str], field: str) -> None:
    answer = stand.buy(**change)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert whole(422, answer.json())
    assert [slip["field"] for slip in answer.json()["errors"]] == [field]
    assert not [value for value in change.values() if value and value in answer.text]
    assert stand.provider.pushes == []


def test_a_purchase_without_its_key_or_body_is_told_so(stand: Stand) -> None:
    answer = stand.ask("POST", CHECKOUT)
    fixes = {slip["field"]: slip["fix"] for slip in answer.json()["errors"]}
    assert fixes.keys() == {"Idempotency-Key", "body"}
    assert (
        stand.ask("POST", CHECKOUT, content=b"[", headers=KEY | {"Content-Type": "application/json"}).status_code == 422
    )
    assert stand.buy("short").json()["errors"][0]["field"] == "Idempotency-Key"


@pytest.fixture
def broken(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The store raises what the list holds."""
    raised: list[Exception] = []

    def fail(*_: object) -> None:
        raise raised[0]

    monkeypatch.setattr(stand.deps.book.stores.payments.__class__, "payment", fail)
    return raised


def test_a_store_that_is_away_is_no_404(stand: Stand, broken: list[Exception]) -> None:
    broken.append(Unavailable("away"))
    token = StatusTokens(stand.core.keys.subkey("payment status")).of("0123456789abcdef")
    answer = stand.get(f"/payments/{token}")
    assert (answer.status_code, answer.json()["code"]) == (503, "away")
    assert answer.headers["Retry-After"] == "5"


def test_a_fault_is_told_by_place_and_shown_to_nobody(stand: Stand, broken: list[Exception]) -> None:
    broken.append(Corrupt("secret of 0712345678"))
    token = StatusTokens(stand.core.keys.subkey("payment status")).of("0123456789abcdef")
    answer = stand.get(f"/payments/{token}")
    assert whole(500, answer.json())
    assert "0712345678" not in answer.text + stand.log_path.read_text()
    (line,) = stand.lines()
    assert (line["level"], line["message"], line["details"]["error"]) == ("ERROR", "Request failed", "Corrupt")
    assert line["details"]["operation"] == "GET /payments/{token}"
    assert stand.metrics.total("PortalRequests", Answer="failed") == 1


def test_a_payment_that_is_not_yours_is_not_there(stand: Stand) -> None:
    token = stand.buy().json()["token"]
    id_ = token[:16]
    strange = [id_, id_ + "0" * 32, "0" * 48, "f" * 16 + token[16:], token.upper(), token[:-1], "%00", "é" * 48]
    answers = [stand.get(f"/payments/{each}") for each in strange]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
