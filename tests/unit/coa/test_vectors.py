"""Our requests and what we make of answers, against annotated packets; and the packets against pyrad."""

import msgspec
import pytest
from pyrad.packet import CoAPacket

from coa import codec
from coa.codec import Fault, Reply
from coa.families import WAYS
from coa.outcome import Refused
from coa.requests import Target, change, disconnect
from radius.domain.limits import Limits
from radius.domain.nas import CoaScope, Family
from radius.rlm.vendors import capabilities_of
from tests.vectors_coa import REPLIES, REQUESTS, Vector, load, load_all


def wish(vector: Vector) -> codec.Request:
    family = Family(vector.head["family"])
    target = msgspec.json.decode(vector.head["target"], type=Target)
    can = capabilities_of(family, {})
    if "limits" in vector.head:
        built = change(target, msgspec.json.decode(vector.head["limits"], type=Limits), WAYS[family], can)
        assert not isinstance(built, Refused)
        return built.request
    request = disconnect(target, WAYS[family], can)
    assert not isinstance(request, Refused)
    return request


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector.name)
def test_a_request_is_these_bytes(vector: Vector) -> None:
    request = wish(vector)
    packet = codec.sign(
        request.code,
        vector.data[1],
        codec.encode(request),
        vector.head["secret"].encode(),
        message_authenticator="signed" in vector.head,
        event_timestamp=int(vector.head["stamped"]) if "stamped" in vector.head else None,
    )
    assert packet.hex(" ") == vector.data.hex(" ")


@pytest.mark.parametrize("vector", REQUESTS, ids=lambda vector: vector.name)
def test_another_implementation_finds_the_request_authentic(vector: Vector) -> None:
    secret = vector.head["secret"].encode()
    packet = CoAPacket(packet=vector.data, secret=secret, dict=codec.dictionary())
    assert packet.VerifyCoARequest()
    assert ("signed" in vector.head) == bool(packet.message_authenticator)
    assert not packet.message_authenticator or packet.verify_message_authenticator()


@pytest.mark.parametrize("vector", REPLIES, ids=lambda vector: vector.name)
def test_an_answer_is_worth_this(vector: Vector) -> None:
    request = load(vector.head["to"])
    reply = codec.read(
        vector.data,
        request.data,
        vector.head["secret"].encode(),
        message_authenticator_required="reply_signed" in vector.head,
    )
    verdict, _, cause = vector.head["expect"].partition(" ")
    if verdict not in ("acked", "nak"):
        assert reply is Fault(verdict)
        return
    assert isinstance(reply, Reply)
    assert reply.acked == (verdict == "acked")
    assert reply.error_cause == (int(cause) if cause.isdigit() else None)
    assert reply.text == vector.head.get("text", "")
    if "hints" in vector.head:
        assert ", ".join(reply.hints) == vector.head["hints"]


def test_every_family_that_can_be_told_anything_has_a_vector() -> None:
    shown = {Family(vector.head["family"]) for vector in REQUESTS}
    assert shown == {family for family in Family if capabilities_of(family, {}).coa is not CoaScope.NONE}


@pytest.mark.parametrize("vector", load_all(), ids=lambda vector: vector.name)
def test_every_byte_is_explained(vector: Vector) -> None:
    """The rows follow the packet's own structure: header fields, then whole attributes."""
    assert vector.about
    assert [len(row) for row, _ in vector.rows[:4]] == [1, 1, 2, 16]
    said = {int(number) for _, text in vector.rows if "(goes on)" not in text for number in _numbers(text)}
    if not vector.head.get("expect", "").startswith("malformed"):
        assert set(_types(vector.data)) <= said


def _numbers(text: str) -> list[str]:
    return [part.split(")")[0] for part in text.split("(")[1:] if part.split(")")[0].isdigit()]


def _types(data: bytes) -> list[int]:
    at, types = 20, []
    while at < int.from_bytes(data[2:4], "big"):
        types.append(data[at])
        at += data[at + 1]
    return types
