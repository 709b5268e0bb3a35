"""Secrets: one data key, what is derived from it, sealing, password hashes, and the checks that only we can do.

The data key is 32 random bytes in a file that only its owner can read (later: unwrapped once by KMS). It is never used
itself: HKDF (RFC 5869) derives one key a purpose, so that a pseudonym in a log says nothing about a seal. Sealing is
AES-256-GCM with the owner of the field in the associated data: a sealed text moved to another subscriber does not open.
"""

import hmac
import os
import stat
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from hashlib import blake2b, md5, scrypt, sha256
from pathlib import Path
from threading import BoundedSemaphore

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from radius import vaults
from radius.domain.errors import Corrupt, Malformed, Unavailable
from radius.domain.identity import SubscriberId

KEY_BYTES = 32
NONCE_BYTES = (
    12  # 96 bits at random: 2**32 seals under one key before a repeat is as likely as 2**-33 (SP 800-38D §8.3)
)
TAG_BYTES = 16
ALIAS_BYTES = 16
KEY_VERSION = 1  # first byte of every seal; a second key will be another number

# scrypt (RFC 7914): 16 MiB and some 30 ms a hash, 1/15 of a request's deadline. OWASP asks for n=2**17, which would
# take 250 ms and 128 MiB a login; the limits on guessing carry what is missing against a guesser at the door.
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
SCRYPT_N_MAX, SCRYPT_R_MAX, SCRYPT_P_MAX = 2**16, 8, 4  # a stored text may not ask for more than this
SCRYPT_MEMORY_BYTES_MAX = 128 * SCRYPT_R_MAX * SCRYPT_N_MAX + (1 << 20)
SCRYPT_AT_ONCE_MAX = 4  # 64 MiB: a burst of logins must not take the memory of a small box
SCRYPT_WAIT_S_MAX = 0.2  # then the deadline is lost anyway
SALT_BYTES = 16
HASH_BYTES = 32
# Salt and hash are random bytes: no password is known to match. Checked for names that do not exist.
DUMMY_HASH = "scrypt$16384$8$1$foCKDDeQWtrIwXig/HEarw==$MqCbyCZLd5bcoL4CEZ9SoVg80YYC3uMwebF82pNF2N4="

Random = Callable[[int], bytes]

# Lower-case base32 (RFC 4648 §6). 256 is a multiple of 32, so each random byte gives one unbiased character.
_BASE32 = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[value & 31] for value in range(256))
_scrypt_slots = BoundedSemaphore(SCRYPT_AT_ONCE_MAX)
# Compared values are first hashed under a key of this process: compare_digest leaks lengths, hashes have one length.
_compare_key = os.urandom(KEY_BYTES)


def create_key_file(path: Path, random: Random = os.urandom) -> None:
    """Write a new data key, readable by its owner only. Raises Malformed if one is there: keys are never replaced."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as there:
        raise Malformed("key_ref", f"{path} exists already; a data key is never overwritten") from there
    except OSError as refused:
        raise Malformed("key_ref", f"cannot create {path}: {refused.strerror}") from refused
    with os.fdopen(descriptor, "wb") as file:
        file.write(random(KEY_BYTES))
        file.flush()
        os.fsync(file.fileno())  # what is sealed next must not outlive its key
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_key_file(path: Path) -> bytes:
    """Read a data key; raises Malformed, with the fix, if it is not there, not ours alone, or not a key."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(KEY_BYTES + 1)
    except OSError as refused:
        raise Malformed("key_ref", f"cannot read {path}: {refused.strerror}") from refused
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Malformed("key_ref", f"{path} is open to others (mode {stat.S_IMODE(mode):04o}); run: chmod 600 {path}")
    if len(key) != KEY_BYTES:
        length = "more" if len(key) > KEY_BYTES else str(len(key))
        raise Malformed("key_ref", f"{path} has {length} bytes, not the {KEY_BYTES} of a data key; restore it")
    return key


def resolve(reference: str) -> bytes:
    """The data key behind a setting such as ``file:/etc/wifibilling/data.key``.

    ``env:NAME``, ``ssm:/name`` and ``secretsmanager:name`` hold it in base64. Raises Malformed with the fix.
    """
    scheme, _, rest = reference.partition(":")
    if scheme == "file":
        return read_key_file(Path(rest))
    if scheme in vaults.SCHEMES:
        return _decoded(vaults.fetch("key_ref", reference), reference)
    if scheme != "env":
        raise Malformed("key_ref", "must be file:/path, env:NAME, ssm:/name or secretsmanager:name")
    return _decoded(os.environ.get(rest, ""), f"the environment variable {rest}")


def _decoded(text: str, source: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except Base64Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise Malformed("key_ref", f"{source} must hold {KEY_BYTES} bytes in base64")
    return key


class KeyRing:
    """Keys derived from one data key. Threads may share it. Its repr shows nothing."""

    __slots__ = ("_alias", "_key", "_seal")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise Malformed("key_ref", f"a data key has {KEY_BYTES} bytes")
        self._key = key
        self._seal = AESGCM(self.subkey("seal"))
        self._alias = hmac.new(self.subkey("alias"), digestmod=sha256)

    @classmethod
    def open(cls, reference: str) -> "KeyRing":
        """The ring of a key reference; raises Malformed with the fix."""
        return cls(resolve(reference))

    def __repr__(self) -> str:
        return "KeyRing(...)"

    def subkey(self, label: str) -> bytes:
        """32 bytes for one purpose ("seal", "alias", "pseudonym")."""
        info = f"wifibilling {label} v{KEY_VERSION}".encode()
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self._key)

    def seal(self, clear: str, subscriber: str, field: str, epoch: int, random: Random = os.urandom) -> str:
        """Seal a secret for one field of one owner: base64 of key version, nonce, ciphertext and tag."""
        nonce = random(NONCE_BYTES)
        sealed = self._seal.encrypt(nonce, clear.encode("utf-8", "surrogatepass"), _owner(subscriber, field, epoch))
        return b64encode(bytes((KEY_VERSION,)) + nonce + sealed).decode("ascii")

    def unseal(self, sealed: str, subscriber: str, field: str, epoch: int) -> str:
        """Open a seal. Raises Corrupt if it was made for another owner or field, under another key, or is damaged."""
        try:
            raw = b64decode(sealed, validate=True)
        except ValueError as bad:
            raise Corrupt(f"{field} of {subscriber}: the seal is not base64") from bad
        if len(raw) < 1 + NONCE_BYTES + TAG_BYTES:
            raise Corrupt(f"{field} of {subscriber}: the seal is too short")
        if raw[0] != KEY_VERSION:
            raise Corrupt(f"{field} of {subscriber}: sealed under key version {raw[0]}, this node has {KEY_VERSION}")
        nonce, text = raw[1 : 1 + NONCE_BYTES], raw[1 + NONCE_BYTES :]
        try:
            clear = self._seal.decrypt(nonce, text, _owner(subscriber, field, epoch))
        except InvalidTag as wrong:
            raise Corrupt(f"{field} of {subscriber}, epoch {epoch}: the seal does not open with this key") from wrong
        return clear.decode("utf-8", "surrogatepass")

    def alias_key(self, alias: str) -> str:
        """What a name that is a secret is stored as: 22 url-safe characters, 128 bits of HMAC-SHA256."""
        keyed = self._alias.copy()
        keyed.update(alias.encode("utf-8", "surrogatepass"))
        return urlsafe_b64encode(keyed.digest()[:ALIAS_BYTES]).rstrip(b"=").decode("ascii")


def _owner(subscriber: str, field: str, epoch: int) -> bytes:
    """Associated data. The lengths keep ("ab", "c") apart from ("a", "bc")."""
    return f"{KEY_VERSION}:{len(subscriber)}:{subscriber}:{len(field)}:{field}:{epoch}".encode("utf-8", "surrogatepass")


def hash_password(password: str, random: Random = os.urandom) -> str:
    """``scrypt$n$r$p$salt$hash``, salt and hash in base64. Some 30 ms."""
    salt = random(SALT_BYTES)
    digest = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt${SCRYPT_N}${SCRYPT_R}${SCRYPT_P}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def verify_password(stored: str, password: str) -> bool:
    """Whether a password matches; the same cost for any. Check `DUMMY_HASH` for names that do not exist.

    Raises Corrupt for a text that is no such hash, Unavailable when too many are being checked at once.
    """
    try:
        scheme, *costs, salt_text, digest_text = stored.split("$")
        n, r, p = map(int, costs)
        salt, digest = b64decode(salt_text, validate=True), b64decode(digest_text, validate=True)
    except ValueError as bad:
        raise Corrupt("a password hash is not scrypt$n$r$p$salt$hash") from bad
    if scheme != "scrypt" or not (0 < n <= SCRYPT_N_MAX and 0 < r <= SCRYPT_R_MAX and 0 < p <= SCRYPT_P_MAX):
        raise Corrupt("a password hash asks for a scheme or a cost that is not allowed")
    if n & (n - 1) or n == 1 or len(digest) != HASH_BYTES:
        raise Corrupt("a password hash is not what scrypt makes")
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), digest)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    if not _scrypt_slots.acquire(timeout=SCRYPT_WAIT_S_MAX):
        raise Unavailable("too many passwords are being checked at once")
    try:
        clear = password.encode("utf-8", "surrogatepass")
        return scrypt(clear, salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY_BYTES_MAX, dklen=HASH_BYTES)
    finally:
        _scrypt_slots.release()


def pap_matches(candidates: Iterable[str], given: str) -> bool:
    """Whether `given` is one of the accepted passwords (RFC 2865 §5.2). Takes the same time whichever it is."""
    wanted = _blind(given)
    matched = 0
    for candidate in candidates:
        matched |= hmac.compare_digest(_blind(candidate), wanted)
    return bool(matched)


def _blind(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), key=_compare_key).digest()


def chap_matches(candidates: Iterable[str], chap_id: int, challenge: bytes, response: bytes) -> bool:
    """Whether a CHAP response (RFC 1994 §4.1, RFC 2865 §5.3) was made from one of the accepted passwords.

    `response` is the 16 octets that follow the identifier in CHAP-Password; `challenge` is CHAP-Challenge, or the
    Request Authenticator where that attribute is missing. Takes the same time whichever it is.
    """
    if not 0 <= chap_id <= 255:
        raise Malformed("CHAP-Password", "has an identifier beyond one octet")
    prefix = bytes((chap_id,))
    matched = 0
    for candidate in candidates:
        text = prefix + candidate.encode("utf-8", "surrogatepass") + challenge
        matched |= hmac.compare_digest(md5(text, usedforsecurity=False).digest(), response)
    return bool(matched)


def new_subscriber_id(random: Random = os.urandom) -> SubscriberId:
    """16 characters, 80 bits."""
    return SubscriberId(random(16).translate(_BASE32).decode("ascii"))


def new_write_id(random: Random = os.urandom) -> str:
    """8 characters, 40 bits: two writers of one version of one subscriber must not agree by chance."""
    return random(8).translate(_BASE32).decode("ascii")
