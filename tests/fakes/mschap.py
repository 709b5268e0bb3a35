"""MS-CHAPv2 from the device's side (RFC 2759 §8), with the two old primitives that no library offers any more."""

import hashlib
import struct

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.modes import ECB

WORD = 0xFFFF_FFFF


def response(name: bytes, password: str, authenticator_challenge: bytes, peer_challenge: bytes) -> bytes:
    """NT-Response, 24 bytes. `name` as the device hashes it: exactly what it types, without a domain in front."""
    mixed = peer_challenge + authenticator_challenge + name
    challenge = hashlib.sha1(mixed, usedforsecurity=False).digest()[:8]
    key = md4(password.encode("utf-16-le")).ljust(21, b"\0")
    return b"".join(_des(key[start : start + 7], challenge) for start in (0, 7, 14))


def attributes(name: bytes, password: str, identifier: int, challenge: bytes, peer: bytes) -> dict[str, bytes]:
    """MS-CHAP-Challenge and MS-CHAP2-Response (RFC 2548 §2.1.2, §2.3.2)."""
    answer = bytes([identifier, 0]) + peer + bytes(8) + response(name, password, challenge, peer)
    return {"MS-CHAP-Challenge": challenge, "MS-CHAP2-Response": answer}


def _des(key: bytes, block: bytes) -> bytes:
    """Single DES, as triple DES with one key three times; each 7 bits of the key get a parity bit."""
    bits = int.from_bytes(key, "big")
    spread = bytes(((bits >> shift) & 0x7F) << 1 for shift in range(49, -1, -7))
    encryptor = Cipher(TripleDES(spread * 3), ECB()).encryptor()
    return encryptor.update(block)


def _left(value: int, count: int) -> int:
    return ((value << count) | (value & WORD) >> (32 - count)) & WORD


def md4(message: bytes) -> bytes:
    """RFC 1320."""
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = message + b"\x80" + bytes((55 - len(message)) % 64) + struct.pack("<Q", 8 * len(message))
    for start in range(0, len(padded), 64):
        words = struct.unpack("<16I", padded[start : start + 64])
        state = [(one + two) & WORD for one, two in zip(state, _rounds(list(state), words), strict=True)]
    return struct.pack("<4I", *state)


_ORDERS = (
    (range(16), (3, 7, 11, 19), 0),
    ((0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), (3, 5, 9, 13), 0x5A827999),
    ((0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15), (3, 9, 11, 15), 0x6ED9EBA1),
)


def _rounds(state: list[int], words: tuple[int, ...]) -> list[int]:
    a, b, c, d = state
    for number, (order, shifts, constant) in enumerate(_ORDERS):
        for step, index in enumerate(order):
            mixed = ((b & c) | (~b & d), (b & c) | (b & d) | (c & d), b ^ c ^ d)[number] & WORD
            a, b, c, d = d, _left((a + mixed + words[index] + constant) & WORD, shifts[step % 4]), b, c
    return [a, b, c, d]
