"""Request templates for the load generator, and a small RADIUS client to look at single answers.

A template is a packet before its identifier, authenticator and hidden password are known; `loadgen.c` finishes
it (RFC 2865 3 and 5.2, RFC 2866 3, RFC 3579 3.2). `ask` does the same in Python for one packet at a time.
"""

import hashlib
import hmac
import secrets
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT = 1, 2, 3
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE = 4, 5
USER_NAME, USER_PASSWORD, NAS_IP_ADDRESS, SERVICE_TYPE, FRAMED_IP_ADDRESS, CLASS = 1, 2, 4, 6, 8, 25
CALLED_STATION_ID, CALLING_STATION_ID, NAS_IDENTIFIER, ACCT_STATUS_TYPE, ACCT_DELAY_TIME = 30, 31, 32, 40, 41
ACCT_INPUT_OCTETS, ACCT_OUTPUT_OCTETS, ACCT_SESSION_ID, ACCT_SESSION_TIME = 42, 43, 44, 46
ACCT_INPUT_GIGAWORDS, ACCT_OUTPUT_GIGAWORDS, EVENT_TIMESTAMP, NAS_PORT_TYPE, MESSAGE_AUTHENTICATOR = 52, 53, 55, 61, 80
START, STOP, INTERIM_UPDATE = 1, 2, 3
LOGIN_USER, WIRELESS_802_11 = 1, 19
NAS = "bench-router"
PASSWORD_BYTES_MAX = 16  # one block, so that hiding it is one MD5


@dataclass(frozen=True)
class Customer:
    """The bench's subscriber number `index`: everything about them follows from the number."""

    index: int

    @property
    def name(self) -> str:
        """A Kenyan mobile number in its 254 form."""
        return f"2547{self.index:08d}"

    @property
    def password(self) -> str:
        return f"pw-{self.index:08d}"

    @property
    def mac(self) -> str:
        text = f"02{self.index:010X}"
        return "-".join(text[at : at + 2] for at in range(0, 12, 2))

    @property
    def session_id(self) -> str:
        return f"8{self.index:07x}"

    @property
    def address(self) -> bytes:
        return struct.pack("!I", 0x0A000000 | self.index)


@dataclass(frozen=True)
class Router:
    """The NAS whose packets the templates are."""

    identifier: str = NAS
    address: str = "127.0.0.1"
    hotspot: str = "hotspot1"


def attribute(code: int, value: bytes) -> bytes:
    """One RADIUS attribute (RFC 2865 5)."""
    return bytes((code, len(value) + 2)) + value


def _integer(code: int, value: int) -> bytes:
    return attribute(code, struct.pack("!I", value))


def _packet(code: int, attributes: bytes) -> bytes:
    return struct.pack("!BBH16x", code, 0, 20 + len(attributes)) + attributes


def _common(customer: Customer, router: Router) -> bytes:
    return b"".join(
        (
            attribute(USER_NAME, customer.name.encode()),
            attribute(NAS_IDENTIFIER, router.identifier.encode()),
            attribute(NAS_IP_ADDRESS, socket.inet_aton(router.address)),
            attribute(CALLED_STATION_ID, router.hotspot.encode()),
            attribute(CALLING_STATION_ID, customer.mac.encode()),
            _integer(NAS_PORT_TYPE, WIRELESS_802_11),
            attribute(FRAMED_IP_ADDRESS, customer.address),
            attribute(ACCT_SESSION_ID, customer.session_id.encode()),
        )
    )


def access_request(customer: Customer, router: Router) -> bytes:
    """A PAP login with Message-Authenticator, as a hotspot sends it."""
    password = customer.password.encode()
    if len(password) > PASSWORD_BYTES_MAX:
        raise ValueError(f"password of more than {PASSWORD_BYTES_MAX} bytes")
    return _packet(
        ACCESS_REQUEST,
        attribute(MESSAGE_AUTHENTICATOR, bytes(16))
        + attribute(USER_PASSWORD, password.ljust(PASSWORD_BYTES_MAX, b"\0"))
        + _integer(SERVICE_TYPE, LOGIN_USER)
        + _common(customer, router),
    )


def accounting_request(customer: Customer, router: Router, status: int, class_value: bytes = b"", at: int = 0) -> bytes:
    """A Start, Interim-Update or Stop. The generator sets Event-Timestamp and lets an interim's counters grow."""
    body = _common(customer, router) + _integer(ACCT_STATUS_TYPE, status) + _integer(EVENT_TIMESTAMP, at)
    body += _integer(ACCT_DELAY_TIME, 0)
    if class_value:
        body += attribute(CLASS, class_value)
    if status != START:
        body += b"".join(
            (
                _integer(ACCT_SESSION_TIME, 60),
                _integer(ACCT_INPUT_OCTETS, 1000),
                _integer(ACCT_OUTPUT_OCTETS, 10_000),
                _integer(ACCT_INPUT_GIGAWORDS, 0),
                _integer(ACCT_OUTPUT_GIGAWORDS, 0),
            )
        )
    return _packet(ACCOUNTING_REQUEST, body)


def write_templates(path: Path, packets: Iterable[bytes]) -> Path:
    """Write what `loadgen --file` reads: length, expected answer code, packet."""
    with path.open("wb") as out:
        for packet in packets:
            expected = ACCESS_ACCEPT if packet[0] == ACCESS_REQUEST else ACCOUNTING_RESPONSE
            out.write(struct.pack("!HBB", len(packet), expected, 0) + packet)
    return path


def attributes_of(packet: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(offset of the value, code, value) of each attribute."""
    at = 20
    while at + 2 <= len(packet):
        length = packet[at + 1]
        yield at + 2, packet[at], packet[at + 2 : at + length]
        at += max(length, 2)


def seal(template: bytes, secret: bytes, identifier: int) -> bytes:
    """Finish a template: what `seal` in loadgen.c does, but for the growing counters."""
    packet = bytearray(template)
    packet[1] = identifier
    if packet[0] == ACCESS_REQUEST:
        packet[4:20] = secrets.token_bytes(16)
        for at, code, value in attributes_of(bytes(packet)):
            if code == USER_PASSWORD:
                pad = hashlib.md5(secret + packet[4:20]).digest()
                packet[at : at + 16] = bytes(a ^ b for a, b in zip(value, pad, strict=True))
        for at, code, _ in attributes_of(bytes(packet)):
            if code == MESSAGE_AUTHENTICATOR:
                packet[at : at + 16] = hmac.digest(secret, bytes(packet), "md5")
    else:
        packet[4:20] = hashlib.md5(bytes(packet) + secret).digest()
    return bytes(packet)


def ask(
    templates: Iterable[bytes], port: int, secret: bytes, *, timeout_s: float = 5, source: str = "127.0.0.1"
) -> list[bytes]:
    """Send templates one after the other and return the answers; a missing answer is b""."""
    answers = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as to_server:
        to_server.settimeout(timeout_s)
        to_server.bind((source, 0))
        to_server.connect(("127.0.0.1", port))
        for number, template in enumerate(templates):
            to_server.send(seal(template, secret, number & 255))
            try:
                answers.append(to_server.recv(4096))
            except (TimeoutError, ConnectionRefusedError):
                answers.append(b"")
    return answers
