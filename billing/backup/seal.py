"""A file that only a passphrase opens: scrypt (RFC 7914) makes the key, AES-256-GCM seals one chunk after the other.

The chunks are those of STREAM (Hoang, Reyhanitabar, Rogaway, Vizár 2015), as age has them: the nonce is the number of
the chunk and a byte that marks the last one. What was changed, moved, cut off or put behind does not open. The salt is
random, so each file has a key of its own and a counter repeats no nonce.
"""

import io
import os
from collections.abc import Callable
from hashlib import scrypt
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from radius.domain.errors import Corrupt, Malformed

MAGIC = b"wifibilling backup 1\n"
SALT_BYTES = 16
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
COUNTER_BYTES = 11  # of the 12 of the nonce
# 64 MiB and a quarter of a second: once a file, on a box of 1 GB. The passphrase is asked to be long besides.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**16, 8, 1
PASSPHRASE_CHARACTERS_MIN = 16


def check_passphrase(text: str) -> bytes:
    """The passphrase as it is used; raises Malformed for one that could be guessed by a machine that has the file."""
    clear = text.strip()
    if len(clear) < PASSPHRASE_CHARACTERS_MIN:
        raise Malformed("passphrase", f"must have {PASSPHRASE_CHARACTERS_MIN} characters or more")
    return clear.encode()


def _cipher(passphrase: bytes, salt: bytes) -> AESGCM:
    memory = 128 * SCRYPT_N * SCRYPT_R + (1 << 20)
    return AESGCM(scrypt(passphrase, salt=salt, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P, maxmem=memory, dklen=32))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(COUNTER_BYTES, "big") + bytes((last,))


class Sealing(io.RawIOBase):
    """Seals what is written to it into `target`. It is whole after `close` only; `target` stays open."""

    def __init__(self, target: BinaryIO, passphrase: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._target = target
        self._header = MAGIC + random(SALT_BYTES)
        self._cipher = _cipher(passphrase, self._header[len(MAGIC) :])
        self._number = 0
        self._waiting = bytearray()
        target.write(self._header)

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, content: object, /) -> int:
        """Take it all."""
        view = memoryview(content).cast("B")  # type: ignore[arg-type]  # whatever a tar file writes
        self._waiting += view
        while len(self._waiting) > CHUNK_BYTES:  # one is kept: the last is marked
            self._put(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(view)

    def close(self) -> None:
        """Write the last chunk."""
        if not self.closed:
            self._put(bytes(self._waiting), last=True)
            super().close()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._header))
        self._number += 1


class Opening(io.RawIOBase):
    """Reads what `Sealing` wrote. Raises Corrupt at the first byte that is not as it was, or for another passphrase."""

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        self._source = source
        self._header = source.read(len(MAGIC) + SALT_BYTES)
        if not self._header.startswith(MAGIC) or len(self._header) < len(MAGIC) + SALT_BYTES:
            raise Corrupt("this is no backup of wifibilling, or one of a later version")
        self._cipher = _cipher(passphrase, self._header[len(MAGIC) :])
        self._number = 0
        self._clear = b""
        self._next = source.read(CHUNK_BYTES + TAG_BYTES)
        self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Fill as much of `buffer` as one chunk has; 0 after the last."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # whatever is handed in
        while not self._clear and not self._ended:
            self._get()
        taken = self._clear[: len(view)]
        view[: len(taken)] = taken
        self._clear = self._clear[len(taken) :]
        return len(taken)

    def _get(self) -> None:
        sealed, self._next = self._next, self._source.read(CHUNK_BYTES + TAG_BYTES)
        self._ended = not self._next
        try:
            self._clear = self._cipher.decrypt(_nonce(self._number, last=self._ended), sealed, self._header)
        except InvalidTag:
            what = "another passphrase, or damaged" if not self._number else "damaged or cut off"
            raise Corrupt(f"the backup does not open: {what}") from None
        self._number += 1
