"""The seal of a backup: what comes back is what went in, and nothing else opens."""

import io
import os

import pytest

from billing.backup import seal
from billing.backup.seal import CHUNK_BYTES, MAGIC, SALT_BYTES, TAG_BYTES, Opening, Sealing, check_passphrase
from radius.domain.errors import Corrupt, Malformed

PASSPHRASE = b"a long enough passphrase"
HEADER_BYTES = len(MAGIC) + SALT_BYTES
CLEAR = os.urandom(2 * CHUNK_BYTES + 5)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is not what is tested here."""
    monkeypatch.setattr(seal, "SCRYPT_N", 2**4)


def sealed(clear: bytes = CLEAR, pieces: int = 1000) -> bytes:
    target = io.BytesIO()
    sealing = Sealing(target, PASSPHRASE)
    for start in range(0, len(clear), pieces):
        sealing.write(clear[start : start + pieces])
    sealing.close()
    return target.getvalue()


def opened(content: bytes, passphrase: bytes = PASSPHRASE) -> bytes:
    return io.BufferedReader(Opening(io.BytesIO(content), passphrase)).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_went_in_comes_back(size: int) -> None:
    clear = os.urandom(size)
    content = sealed(clear)
    assert opened(content) == clear
    assert size < 16 or clear[:16] not in content
    assert sealed(clear)[len(MAGIC) :] != content[len(MAGIC) :]  # a salt of its own


def test_another_passphrase_does_not_open_it() -> None:
    with pytest.raises(Corrupt, match="another passphrase"):
        opened(sealed(), b"a wrong enough passphrase")


@pytest.mark.parametrize("at", [len(MAGIC), HEADER_BYTES, HEADER_BYTES + CHUNK_BYTES + TAG_BYTES + 1, -1])
def test_a_changed_byte_is_seen(at: int) -> None:
    content = bytearray(sealed())
    content[at] ^= 1
    with pytest.raises(Corrupt):
        opened(bytes(content))


def test_what_is_cut_off_moved_or_put_behind_is_seen() -> None:
    content, whole = sealed(), CHUNK_BYTES + TAG_BYTES
    header, body = content[:HEADER_BYTES], content[HEADER_BYTES:]
    first, second, rest = body[:whole], body[whole : 2 * whole], body[2 * whole :]
    for bad in (header + first + second, header + second + first + rest, content + first, header, content[:-1]):
        with pytest.raises(Corrupt):
            opened(bad)


def test_another_file_is_none_of_ours() -> None:
    with pytest.raises(Corrupt, match="no backup of wifibilling"):
        opened(b"PK\3\4 something else entirely, and long enough for a header")


def test_a_short_passphrase_is_refused() -> None:
    assert check_passphrase("  four words and more \n") == b"four words and more"
    with pytest.raises(Malformed, match="16 characters"):
        check_passphrase("hunter2\n")
