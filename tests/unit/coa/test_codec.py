"""Bytes out and datagrams in: the corners that the vectors do not show."""

import re
from pathlib import Path

import pytest
from pyrad.packet import CoAPacket

from coa import codec
from coa.codec import Code, Fault, Reply, Request
from radius.domain.errors import Malformed

SECRET = b"testing123"


def request(*attributes: tuple[str, str]) -> Request:
    return Request(Code.DISCONNECT_REQUEST, attributes or (("Acct-Session-Id", "80000001"),))


def signed(identifier: int = 7, **options: object) -> bytes:
    return codec.sign(Code.DISCONNECT_REQUEST, identifier, codec.encode(request()), SECRET, **options)  # type: ignore[arg-type]


def answer(to: bytes, code: Code = Code.DISCONNECT_ACK, body: bytes = b"", secret: bytes = SECRET) -> bytes:
    """A reply made by hand: right authenticator, any attributes."""
    head = bytes([code, to[1]]) + (20 + len(body)).to_bytes(2, "big")
    return head + codec._md5(head + to[4:20] + body + secret) + body


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("Acct-Session-Id", "", "empty"),
        ("No-Such-Attribute", "1", "No-Such-Attribute"),
        ("Session-Timeout", "-1", "whole number"),
        ("Session-Timeout", "4294967296", "whole number"),
        ("Session-Timeout", "12.5", "whole number"),
        ("Session-Timeout", "\u0661", "whole number"),  # an Arabic digit one
        ("Framed-IP-Address", "10.0.0", "10.0.0"),
        ("Framed-IP-Address", "2001:db8::1", "2001:db8::1"),
        ("User-Name", "x" * 254, "too long"),
        ("User-Name", "\u00e9" * 127, "too long"),
        ("Mikrotik-Rate-Limit", "1" * 248, "too long"),
        ("User-Name", "\ud800", "surrogates"),
        ("Class", "0x00", "octets"),
    ],
)
def test_a_value_that_cannot_be_said_names_its_attribute(name: str, value: str, complaint: str) -> None:
    with pytest.raises(Malformed, match=re.escape(complaint)) as caught:
        codec.encode(request((name, value)))
    assert caught.value.field == name


def test_the_longest_values_fit() -> None:
    body = codec.encode(request(("User-Name", "x" * 253), ("Mikrotik-Rate-Limit", "1" * 247)))
    assert (body[1], body[255 + 1]) == (255, 255)


def test_a_packet_is_never_longer_than_the_rfc_allows() -> None:
    with pytest.raises(Malformed, match="longer than 4096"):
        codec.encode(request(*[("User-Name", "x" * 253)] * 16))
    with pytest.raises(Malformed, match="more than 32"):
        codec.encode(request(*[("User-Name", "x")] * 33))
    most = codec.encode(request(*[("User-Name", "x" * 253)] * 15))
    assert len(codec.sign(Code.COA_REQUEST, 0, most, SECRET, message_authenticator=True, event_timestamp=1)) <= 4096


@pytest.mark.parametrize("options", [{}, {"message_authenticator": True}, {"event_timestamp": 1_700_000_000}])
def test_a_router_that_is_not_ours_finds_it_authentic(options: dict[str, object]) -> None:
    packet = CoAPacket(packet=signed(**options), secret=SECRET, dict=codec.dictionary())
    assert packet.VerifyCoARequest()
    assert not packet.message_authenticator or packet.verify_message_authenticator()
    assert packet.get("Event-Timestamp", [None])[0] == options.get("event_timestamp")


def test_the_right_answer() -> None:
    sent = signed()
    assert codec.read(answer(sent), sent, SECRET) == Reply(Code.DISCONNECT_ACK, ())
    assert codec.read(answer(sent, Code.DISCONNECT_NAK), sent, SECRET) == Reply(Code.DISCONNECT_NAK, ())


def test_every_bit_of_an_answer_counts() -> None:
    sent = signed()
    right = answer(sent, Code.DISCONNECT_NAK, bytes.fromhex("650600 0001f7"))
    for bit in range(len(right) * 8):
        wrong = bytearray(right)
        wrong[bit // 8] ^= 1 << bit % 8
        assert isinstance(codec.read(bytes(wrong), sent, SECRET), Fault), bit


def test_an_answer_under_another_secret_or_to_another_try_is_forged() -> None:
    sent = signed()
    assert codec.read(answer(sent, secret=b"other"), sent, SECRET) is Fault.FORGED
    again = signed(event_timestamp=5)  # same identifier, other content
    assert codec.read(answer(again), sent, SECRET) is Fault.FORGED


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("5011" + "00" * 15, Fault.MALFORMED),  # a Message-Authenticator of 15 bytes
        ("5012" + "00" * 16, Fault.FORGED),
        ("65", Fault.MALFORMED),  # half an attribute
        ("6500", Fault.MALFORMED),  # length 0 would never end
        ("6501", Fault.MALFORMED),
        ("6503", Fault.MALFORMED),
    ],
)
def test_an_authentic_answer_with_bad_attributes_is_ignored(body: str, fault: Fault) -> None:
    sent = signed()
    assert codec.read(answer(sent, body=bytes.fromhex(body)), sent, SECRET) is fault


def test_two_message_authenticators_are_malformed() -> None:
    sent = signed()
    assert codec.read(answer(sent, body=(b"\x50\x12" + bytes(16)) * 2), sent, SECRET) is Fault.MALFORMED


def test_signatures_that_must_be_there() -> None:
    sent = signed()
    assert codec.read(answer(sent), sent, SECRET, message_authenticator_required=True) is Fault.UNSIGNED


def test_a_cause_of_another_width_is_none() -> None:
    sent = signed()
    reply = codec.read(answer(sent, Code.DISCONNECT_NAK, bytes.fromhex("650401f7")), sent, SECRET)
    assert isinstance(reply, Reply)
    assert reply.error_cause is None


def test_hints_and_text_are_safe_to_show() -> None:
    sent = signed()
    body = bytes.fromhex("1205411b ff".replace(" ", "")) + bytes.fromhex(
        "1a0c00003a8c0806 31 30 30 30".replace(" ", "")
    )
    body += (
        bytes.fromhex("1a0c0001869f0706 00000000".replace(" ", "")) + bytes.fromhex("c803ff") + bytes.fromhex("1a0300")
    )
    reply = codec.read(answer(sent, Code.DISCONNECT_NAK, body), sent, SECRET)
    assert isinstance(reply, Reply)
    assert reply.text == "A?\N{REPLACEMENT CHARACTER}"
    assert reply.hints == ("Mikrotik-Rate-Limit", "Attr-26.99999.7", "Attr-200", "Attr-26")


def test_hints_are_bounded() -> None:
    sent = signed()
    reply = codec.read(answer(sent, Code.DISCONNECT_NAK, b"\x2c\x03a" * 100), sent, SECRET)
    assert isinstance(reply, Reply)
    assert reply.hints == ("Acct-Session-Id",) * codec.HINTS_MAX


STOCK = Path("/usr/share/freeradius")
SITE = Path(__file__).parents[3] / "freeradius_config" / "raddb" / "dictionary.wifibilling"
LINE = re.compile(r"^ATTRIBUTE\s+(\S+)\s+(\d+)\s+([a-z0-9]+)", re.MULTILINE)


@pytest.mark.skipif(not (STOCK / "dictionary").exists(), reason="FreeRADIUS is not installed")
def test_numbers_and_types_are_those_of_the_dictionaries() -> None:
    ours = LINE.findall((Path(codec.__file__).with_name("dictionary")).read_text())
    stock = [path.read_text(errors="replace") for path in sorted(STOCK.glob("dictionary*"))]
    known = {(name, number): kind for text in [*stock, SITE.read_text()] for name, number, kind in LINE.findall(text)}
    assert {name: known.get((name, number)) for name, number, _ in ours} == {name: kind for name, _, kind in ours}
