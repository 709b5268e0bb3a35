"""Whatever is posted to us: the parsers answer with a value or with Malformed, and with nothing else."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.mpesa import callbacks, wire
from radius.domain.errors import Malformed
from tests.vectors_mpesa import load_all

SEEDS = [json.loads(v.body) for v in load_all() if v.body.lstrip().startswith(b"{")]
NAMES = st.sampled_from(sorted({name for seed in SEEDS for name in json.dumps(seed).split('"')[1::2]}))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | NAMES
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5)
)


@st.composite
def near_misses(draw: st.DrawFn) -> Any:
    """A real body with one value anywhere replaced by anything."""
    body = json.loads(json.dumps(draw(st.sampled_from(SEEDS))))
    at = body
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return body
        key = draw(st.sampled_from(keys))
        if isinstance(at[key], dict | list) and draw(st.booleans()):
            at = at[key]
            continue
        at[key] = draw(ANY)
        return body


BODIES = st.binary(max_size=200) | (ANY | near_misses()).map(lambda value: json.dumps(value).encode())


@given(body=BODIES)
def test_what_is_posted_to_us_is_a_value_or_malformed(body: bytes) -> None:
    for parse in (callbacks.parse_notice, callbacks.parse_result, callbacks.parse_queue_timeout):
        with contextlib.suppress(Malformed):
            parse(body)
    with contextlib.suppress(Malformed):
        callbacks.parse_callback(body, "tok").checkout_id.encode()


@given(body=BODIES, status=st.sampled_from([200, 400, 401, 404, 429, 500, 503]))
def test_a_reply_is_always_an_outcome(body: bytes, status: int) -> None:
    for outcome in (
        wire.parse_push(status, body),
        wire.parse_query(status, body, "ws_CO_1"),
        wire.parse_requested(status, body),
        wire.parse_register(status, body),
    ):
        repr(outcome).encode()
    wire.stale_token(status, body)


def test_nesting_without_end_is_malformed() -> None:
    for text in ("[" * 60_000, '{"a":' * 12_000):
        with pytest.raises(Malformed):
            callbacks.parse_result(text.encode())
