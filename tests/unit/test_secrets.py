"""Keys, seals, password hashes and the checks of secrets."""

import base64
import hashlib
import hmac
import os
import stat
import threading
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from radius import secrets
from radius.domain.errors import Corrupt, Malformed, Unavailable
from radius.secrets import (
    DUMMY_HASH,
    KEY_BYTES,
    KeyRing,
    chap_matches,
    create_key_file,
    hash_password,
    new_subscriber_id,
    new_write_id,
    pap_matches,
    resolve,
    verify_password,
)

RING = KeyRing(bytes(range(32)))
OTHER_RING = KeyRing(bytes(range(1, 33)))
SID = "abcdefghijklmnop"


def expand(key: bytes, label: str) -> bytes:
    """HKDF-SHA256 of one block with an empty salt, by RFC 5869 §2."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, f"wifibilling {label} v1".encode() + b"\x01", "sha256")


@given(text=st.text(max_size=64), sid=st.text(max_size=20), field=st.text(max_size=10), epoch=st.integers(0, 2**40))
def test_a_seal_opens_for_its_owner(text: str, sid: str, field: str, epoch: int) -> None:
    assert RING.unseal(RING.seal(text, sid, field, epoch), sid, field, epoch) == text


@given(
    mine=st.tuples(st.text("ab:1", max_size=4), st.text("ab:1", max_size=4), st.integers(0, 20)),
    theirs=st.tuples(st.text("ab:1", max_size=4), st.text("ab:1", max_size=4), st.integers(0, 20)),
)
def test_a_seal_does_not_open_for_another_owner_field_or_epoch(
    mine: tuple[str, str, int], theirs: tuple[str, str, int]
) -> None:
    sealed = RING.seal("secret", *mine)
    if mine == theirs:
        assert RING.unseal(sealed, *theirs) == "secret"
    else:
        with pytest.raises(Corrupt, match="does not open"):
            RING.unseal(sealed, *theirs)


def test_a_seal_does_not_open_with_another_key_or_when_damaged() -> None:
    sealed = RING.seal("secret", SID, "password", 1)
    with pytest.raises(Corrupt, match=f"password of {SID}, epoch 1: the seal does not open with this key"):
        OTHER_RING.unseal(sealed, SID, "password", 1)
    raw = bytearray(base64.b64decode(sealed))
    for index in range(1, len(raw)):
        raw[index] ^= 1
        with pytest.raises(Corrupt, match="does not open"):
            RING.unseal(base64.b64encode(raw).decode(), SID, "password", 1)
        raw[index] ^= 1
    raw[0] = 2
    with pytest.raises(Corrupt, match="sealed under key version 2, this node has 1"):
        RING.unseal(base64.b64encode(raw).decode(), SID, "password", 1)


@pytest.mark.parametrize("text", ["", "AQ==", "not base64!", "é", base64.b64encode(b"\x01" + bytes(27)).decode()])
def test_what_is_no_seal_is_corrupt(text: str) -> None:
    with pytest.raises(Corrupt):
        RING.unseal(text, SID, "password", 1)


def test_the_stored_form_is_fixed() -> None:
    sealed = RING.seal("secret", SID, "password", 7, random=lambda count: b"n" * count)
    aad = b"1:16:abcdefghijklmnop:8:password:7"
    expected = b"\x01" + b"n" * 12 + AESGCM(expand(bytes(range(32)), "seal")).encrypt(b"n" * 12, b"secret", aad)
    assert base64.b64decode(sealed) == expected


def test_no_seal_repeats_its_nonce_and_threads_share_a_ring() -> None:
    seals: list[str] = []

    def work() -> None:
        for _ in range(200):
            sealed = RING.seal("secret", SID, "password", 1)
            assert RING.unseal(sealed, SID, "password", 1) == "secret"
            seals.append(sealed)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({base64.b64decode(sealed)[1:13] for sealed in seals}) == len(seals) == 1600


def test_each_purpose_has_its_own_key_and_none_is_shown() -> None:
    keys = {RING.subkey(label) for label in ("seal", "alias", "pseudonym")}
    assert len(keys) == 3
    assert bytes(range(32)) not in keys
    assert RING.subkey("pseudonym") == expand(bytes(range(32)), "pseudonym")
    assert repr(RING) == "KeyRing(...)"
    with pytest.raises(Malformed):
        KeyRing(b"short")


def test_alias_key() -> None:
    expected = hmac.digest(expand(bytes(range(32)), "alias"), b"n:k7m29xqp", "sha256")[:16]
    assert RING.alias_key("n:k7m29xqp") == base64.urlsafe_b64encode(expected).decode().rstrip("=")
    assert RING.alias_key("n:k7m29xqp") == RING.alias_key("n:k7m29xqp"), "the running hash is not used up"
    assert len(RING.alias_key("")) == 22
    assert OTHER_RING.alias_key("n:k7m29xqp") != RING.alias_key("n:k7m29xqp")


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "data.key"
    create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert resolve(f"file:{path}") == path.read_bytes()
    assert len(path.read_bytes()) == KEY_BYTES
    before = path.read_bytes()
    with pytest.raises(Malformed, match="exists already"):
        create_key_file(path)
    assert path.read_bytes() == before
    with pytest.raises(Malformed, match="cannot create"):
        create_key_file(tmp_path / "no" / "data.key")
    assert KeyRing.open(f"file:{path}").alias_key("x") == KeyRing(before).alias_key("x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_is_open_to_others_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data.key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(Malformed, match=rf"key_ref: {path} is open to others \(mode {mode:04o}\); run: chmod 600"):
        resolve(f"file:{path}")


@pytest.mark.parametrize(("content", "said"), [(b"", "0 bytes"), (b"a" * 31, "31 bytes"), (b"a" * 33, "more bytes")])
def test_a_key_of_the_wrong_length_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "data.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Malformed, match=said):
        resolve(f"file:{path}")


def test_other_key_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Malformed, match="cannot read"):
        resolve(f"file:{tmp_path}/none")
    monkeypatch.setenv("DATA_KEY", base64.b64encode(bytes(range(32))).decode())
    assert resolve("env:DATA_KEY") == bytes(range(32))
    for wrong in ("", "!!!!", "c2hvcnQ="):
        monkeypatch.setenv("DATA_KEY", wrong)
        with pytest.raises(Malformed, match="DATA_KEY must hold 32 bytes in base64") as refused:
            resolve("env:DATA_KEY")
        assert not wrong or wrong not in str(refused.value)
    with pytest.raises(Malformed, match="must be file:/path, env:NAME"):
        resolve("kms:alias/x")


def test_password_hashes() -> None:
    stored = hash_password("sécret")
    scheme, n, r, p, salt, digest = stored.split("$")
    assert (scheme, n, r, p) == ("scrypt", "16384", "8", "1")
    made = hashlib.scrypt("sécret".encode(), salt=base64.b64decode(salt), n=16384, r=8, p=1, maxmem=1 << 26, dklen=32)
    assert base64.b64decode(digest) == made
    assert verify_password(stored, "sécret")
    assert not verify_password(stored, "sécreT")
    assert not verify_password(stored, "")
    assert hash_password("sécret") != stored


def test_the_dummy_hash_costs_the_same_and_matches_nothing() -> None:
    assert DUMMY_HASH.split("$")[:4] == hash_password("x").split("$")[:4]
    assert [len(part) for part in DUMMY_HASH.split("$")] == [len(part) for part in hash_password("x").split("$")]
    assert not verify_password(DUMMY_HASH, "")
    assert not verify_password(DUMMY_HASH, "x")


SALTED = "$c2FsdHNhbHRzYWx0c2FsdA==$" + base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "scrypt$16384$8$1",
        "bcrypt$16384$8$1" + SALTED,
        "scrypt$16384$8" + SALTED,
        "scrypt$1$8$1" + SALTED,
        "scrypt$16383$8$1" + SALTED,
        "scrypt$0$8$1" + SALTED,
        "scrypt$131072$8$1" + SALTED,
        "scrypt$16384$9$1" + SALTED,
        "scrypt$16384$8$5" + SALTED,
        "scrypt$-2$8$1" + SALTED,
        "scrypt$16384$8$1$!!$!!",
        "scrypt$16384$8$1$c2FsdA==$c2hvcnQ=",
    ],
)
def test_what_is_no_password_hash_is_corrupt_and_costs_nothing(stored: str) -> None:
    with pytest.raises(Corrupt):
        verify_password(stored, "x")


def test_too_many_hashes_at_once_are_unavailable_and_leave_the_slots_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_scrypt_slots", threading.BoundedSemaphore(1))
    monkeypatch.setattr(secrets, "SCRYPT_WAIT_S_MAX", 0.001)
    with secrets._scrypt_slots, pytest.raises(Unavailable):
        verify_password(DUMMY_HASH, "x")
    for _ in range(3):
        assert not verify_password(DUMMY_HASH, "x")


@given(candidates=st.lists(st.text(max_size=8), max_size=4), given_=st.text(max_size=8))
def test_pap(candidates: list[str], given_: str) -> None:
    assert pap_matches(candidates, given_) == (given_ in candidates)
    assert pap_matches([*candidates, given_], given_)


def test_the_chap_example_of_rfc_2865_7_2() -> None:
    challenge = bytes.fromhex("2aee86f08d0d55969ca5978e0d3367a2")  # the Request Authenticator
    response = bytes.fromhex("e97557c316185895f293ff6344077275")
    assert chap_matches(["arctangent"], 0x16, challenge, response)
    assert chap_matches(["", "frog", "arctangent"], 0x16, challenge, response)
    assert not chap_matches(["arctangent"], 0x17, challenge, response)
    assert not chap_matches(["arctangent"], 0x16, challenge[:-1], response)
    assert not chap_matches(["frog"], 0x16, challenge, response)
    assert not chap_matches([], 0x16, challenge, response)


@given(length=st.integers(0, 40))
def test_a_chap_response_of_another_length_never_matches(length: int) -> None:
    response = hashlib.md5(b"\x01frogchallenge").digest()
    assert chap_matches(["frog"], 1, b"challenge", (response * 3)[:length]) == (length == 16)


def test_a_chap_identifier_is_one_octet() -> None:
    with pytest.raises(Malformed, match="CHAP-Password"):
        chap_matches(["frog"], 256, b"", b"")


def test_every_candidate_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(mine: bytes, theirs: bytes) -> bool:
        compared.append(mine)
        return mine == theirs

    monkeypatch.setattr("radius.secrets.hmac.compare_digest", compare)
    assert pap_matches(["a", "b", "c"], "a")
    assert chap_matches(["a", "b", "c"], 1, b"x", hashlib.md5(b"\x01ax").digest())
    assert len(compared) == 6


def test_ids_are_even_over_the_alphabet_and_take_what_randomness_they_are_given() -> None:
    assert new_subscriber_id(lambda count: bytes(range(count))) == "abcdefghijklmnop"
    assert new_subscriber_id(lambda count: bytes([255] * count)) == "7" * 16
    assert new_write_id(lambda count: bytes([31, 32, 63, 64, 128, 0, 1, 2])) == "7a7aaabc"
    every = new_subscriber_id(lambda _: bytes(range(256)))
    assert set(Counter(every).values()) == {8}
    assert len({new_write_id() for _ in range(1000)}) == 1000
    assert len(new_subscriber_id(os.urandom)) == 16
