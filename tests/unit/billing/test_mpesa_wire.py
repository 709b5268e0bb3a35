import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from billing.mpesa import callbacks, pull, wire
from billing.mpesa.fields import BODY_BYTES_MAX, stamp
from billing.provider import PushRequest, Trouble
from radius.domain.errors import Malformed
from tests.vectors_mpesa import Vector, load_all

VECTORS = load_all()
CHECKOUT = "ws_CO_191220191020363925"
NOW = 1_576_740_036  # 2019-12-19 07:20:36 UTC
PAYBILL = wire.Account("174379", "passkey")
TILL = wire.Account("174379", "passkey", till="5551234")
REQUEST = PushRequest("254708374149", 5_000, "W37CRTX9H", "tok")
WHERE = wire.Addresses("https://pay.example", "s3cret")
WHO = wire.Initiator("ops", "c2VjcmV0")

OUT = {
    "out_push": wire.push_body(PAYBILL, REQUEST, WHERE.stk("tok"), NOW),
    "out_push_till": wire.push_body(TILL, REQUEST, WHERE.stk("tok"), NOW),
    "out_query": wire.query_body(PAYBILL, CHECKOUT, NOW),
    "out_status": wire.status_body(PAYBILL, WHO, WHERE, "NLJ7RT61SV"),
    "out_reversal": wire.reversal_body(PAYBILL, WHO, WHERE, "NLJ7RT61SV", 5_000),
    "out_pull": pull.pull_body(PAYBILL, NOW - 3_600, NOW, 40),
    "out_register": wire.register_body(PAYBILL, WHERE),
}
IN: dict[str, Callable[[int, bytes], Any]] = {
    "callback": lambda _, body: callbacks.parse_callback(body, "tok"),
    "c2b": lambda _, body: callbacks.parse_notice(body),
    "result": lambda _, body: callbacks.parse_result(body),
    "late": lambda _, body: callbacks.parse_queue_timeout(body),
    "push": wire.parse_push,
    "query": lambda status, body: wire.parse_query(status, body, CHECKOUT),
    "requested": wire.parse_requested,
    "register": wire.parse_register,
    "pull": lambda status, body: pull.parse_pull(status, body, NOW - 3_600, NOW),
}


def _shown(value: Any) -> str:
    """The type and the fields that are not their defaults."""
    if isinstance(value, msgspec.Struct):
        fields = {name: item for name, item in msgspec.structs.asdict(value).items() if item not in ("", 0, None)}
    elif isinstance(value, tuple):
        defaults = value._field_defaults
        fields = {
            name: item for name, item in value._asdict().items() if name not in defaults or item != defaults[name]
        }
    else:
        fields = {}
    return " ".join([type(value).__name__, *(f"{name}={item}" for name, item in fields.items())])


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.head["kind"] != "out"], ids=lambda v: v.name)
def test_a_body_that_came_means_what_its_vector_says(vector: Vector) -> None:
    try:
        found = _shown(IN[vector.head["kind"]](int(vector.head.get("status", "200")), vector.body))
    except Malformed as bad:
        found = f"Malformed {bad.field}"
    assert found == vector.head["expect"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.head["kind"] == "out"], ids=lambda v: v.name)
def test_a_body_that_goes_out_is_its_vector(vector: Vector) -> None:
    assert OUT[vector.name] == json.loads(vector.body)


def test_every_kind_and_every_request_has_a_vector() -> None:
    assert {v.head["kind"] for v in VECTORS} == set(IN) | {"out"}
    assert {v.name for v in VECTORS if v.head["kind"] == "out"} == set(OUT)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("phone", "0722"),
        ("cents", 5_050),
        ("cents", 0),
        ("cents", 25_000_100),
        ("reference", ""),
        ("reference", "W37CRTX9H0123"),
        ("description", ""),
        ("description", "caf\u00e9"),
    ],
)
def test_what_daraja_would_refuse_is_not_sent(field: str, bad: Any) -> None:
    with pytest.raises(Malformed):
        wire.push_body(PAYBILL, REQUEST._replace(**{field: bad}), WHERE.stk("tok"), NOW)


def test_the_day_changes_in_nairobi_three_hours_before_utc() -> None:
    assert stamp(1_577_825_999) == "20191231235959"
    assert stamp(1_577_826_000) == "20200101000000"


def test_a_stale_token_is_told_by_status_or_code() -> None:
    assert wire.stale_token(401, b"")
    assert wire.stale_token(404, b'{"errorCode": "404.001.03"}')
    assert not wire.stale_token(400, b'{"errorCode": "400.002.02"}')
    assert not wire.stale_token(500, b"")


@pytest.mark.parametrize(
    ("path", "status", "body", "wanted"),
    [
        (wire.PUSH, 200, b'{"ResponseCode": "0", "CheckoutRequestID": "c"}', None),
        (wire.PUSH, 400, b'{"errorCode": "400.002.02"}', None),  # our own words: configuration, told by PaymentFailures
        (wire.PUSH, 429, b"", Trouble.TOO_MANY),
        (wire.QUERY, 500, b'{"errorCode": "500.003.03"}', Trouble.TOO_MANY),
        (wire.PUSH, 404, b'{"errorCode": "404.001.03"}', Trouble.TOKEN),
        (wire.OAUTH, 400, b"", Trouble.TOKEN),
        (wire.PUSH, 403, b"<html>", Trouble.TOKEN),
        (wire.PUSH, 500, b'{"errorCode": "500.001.1001"}', Trouble.ERROR),
        (wire.QUERY, 500, b'{"errorCode": "500.001.1001"}', None),  # an ordinary answer: no end yet
        (wire.QUERY, 503, b"<html>", Trouble.ERROR),
    ],
)
def test_what_is_wrong_with_the_interface(path: str, status: int, body: bytes, wanted: Trouble | None) -> None:
    assert wire.trouble(path, status, body) is wanted


def test_a_token_lives_as_long_as_text_or_number_says_and_shows_itself_to_nobody() -> None:
    for lives in ('"3599"', "3599"):
        token = wire.parse_token(200, b'{"access_token": "hush", "expires_in": %s}' % lives.encode())
        assert (token.text, token.lives_s) == ("hush", 3599)
        assert "hush" not in f"{token} {token!r}"


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"access_token": "hush"}', b'{"access_token": "a\\nb", "expires_in": 1}']
)
def test_a_reply_without_a_token_says_so_and_not_what_was_in_it(body: bytes) -> None:
    with pytest.raises(Malformed) as bad:
        wire.parse_token(200, body)
    assert "hush" not in str(bad.value)


def test_a_body_beyond_any_real_one_is_not_read() -> None:
    with pytest.raises(Malformed, match="body"):
        callbacks.parse_result(b" " * (BODY_BYTES_MAX + 1))
