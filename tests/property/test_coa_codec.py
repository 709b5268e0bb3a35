"""Whatever arrives, the decoder answers with a value; whatever is asked, another implementation reads the same."""

from hypothesis import example, given
from hypothesis import strategies as st
from pyrad.packet import CoAPacket

from coa import codec
from coa.codec import Code, Fault, Reply, Request
from radius.domain.errors import Malformed
from tests.vectors_coa import REPLIES, REQUESTS, load

SENT = load("disconnect_mikrotik").data
SECRET = b"testing123"
PACKETS = [vector.data for vector in REPLIES + REQUESTS]


def judged(data: bytes, sent: bytes) -> None:
    reply = codec.read(data, sent, SECRET)
    assert isinstance(reply, Fault | Reply)
    if isinstance(reply, Reply):
        assert (reply.error_cause, reply.text, reply.hints) is not None


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    judged(data, SENT)


@given(st.sampled_from(PACKETS), st.data())
def test_a_real_packet_bent_anywhere(packet: bytes, data: st.DataObject) -> None:
    bent = bytearray(packet)
    for at in data.draw(st.lists(st.integers(0, len(packet) - 1), max_size=4)):
        bent[at] = data.draw(st.integers(0, 255))
    judged(bytes(bent[: data.draw(st.integers(0, len(bent)))]) + data.draw(st.binary(max_size=8)), SENT)


@given(st.binary(max_size=120), st.sampled_from([Code.DISCONNECT_ACK, Code.DISCONNECT_NAK]))
@example(b"\x50\x12" + bytes(16), Code.DISCONNECT_ACK)
@example(b"\x1a\x06\x00\x00\x3a\x8c", Code.DISCONNECT_NAK)
def test_an_authentic_answer_with_any_attributes(body: bytes, code: Code) -> None:
    """A router with a bug, or one that is not ours any more, knows the secret."""
    head = bytes([code, SENT[1]]) + (20 + len(body)).to_bytes(2, "big")
    judged(head + codec._md5(head + SENT[4:20] + body + SECRET) + body, SENT)


NAMES = st.sampled_from([str(name) for name in codec.dictionary().attributes])
TEXT = st.text(max_size=260) | st.integers(0, 1 << 33).map(str) | st.ip_addresses(v=4).map(str)


@given(st.lists(st.tuples(NAMES, TEXT), max_size=40), st.integers(0, 255), st.booleans())
def test_what_is_sent_is_what_is_read(attributes: list[tuple[str, str]], identifier: int, signed: bool) -> None:
    request = Request(Code.COA_REQUEST, tuple(attributes))
    try:
        body = codec.encode(request)
    except Malformed as malformed:
        assert malformed.field in {name for name, _ in attributes}  # noqa: PT017 - either answer is right
        return
    data = codec.sign(request.code, identifier, body, SECRET, message_authenticator=signed)
    packet = CoAPacket(packet=data, secret=SECRET, dict=codec.dictionary())
    assert packet.VerifyCoARequest()
    assert not signed or packet.verify_message_authenticator()
    for name, value in attributes:
        assert value in [str(item) for item in packet[name]] or codec.dictionary().attributes[name].type != "string"
