"""Characters out of random bytes that are handed in. Each character is as likely as any other (no modulo bias)."""

import hmac
from collections.abc import Callable
from hashlib import sha256

from billing.domain.check_digit import LETTERS, is_right, with_check
from radius.domain.errors import RadiusError
from radius.domain.identity import normal_name

Draw = Callable[[int], bytes]  # so many random bytes, as `secrets.token_bytes` gives them

REFERENCE_MARK = "W"
REFERENCE_CHARS = 7  # 9e8 of them; with mark and check 9 of the 12 characters that Daraja documents
ACCOUNT_CHARS = 7
TOKEN_BYTES = 16  # 128 bits in the path of a callback: nobody guesses it
_ROUNDS_MAX = 64  # of bytes that are no use; the worst alphabet wastes half of them, so this is never reached by chance


class NoChance(RadiusError):
    """The source of random bytes is broken: it gives too few, or the same ones again and again."""


def characters(alphabet: str, count: int, draw: Draw) -> str:
    """`count` characters of `alphabet`. Raises NoChance."""
    fair = 256 - 256 % len(alphabet)
    found = ""
    for _ in range(_ROUNDS_MAX):
        found += "".join(alphabet[byte % len(alphabet)] for byte in draw(2 * count) if byte < fair)
        if len(found) >= count:
            return found[:count]
    raise NoChance("the random bytes are no use")


def reference(draw: Draw) -> str:
    """A payment's AccountReference, e.g. ``W37CRTX9H``: printed in the payer's SMS as it is, so it says nothing.

    No customer, no package, no count of payments can be read from it. Unique by the write that takes it.
    """
    return REFERENCE_MARK + with_check(characters(LETTERS, REFERENCE_CHARS, draw), LETTERS)


def parse_reference(text: str) -> str | None:
    """A reference as typed into M-Pesa by hand; None if it is none, or has a typing error."""
    typed = normal_name(text).upper()
    body = typed.removeprefix(REFERENCE_MARK)
    right = len(typed) == len(REFERENCE_MARK) + REFERENCE_CHARS + 1 and body != typed and is_right(body, LETTERS)
    return typed if right else None


def account_number(draw: Draw) -> str:
    """A customer's number for paying by hand, e.g. ``52810476``: eight digits, and no phone number begins so.

    The first is none of 0, 1, 2 and 7: what a phone number that lost a digit begins with is never an account.
    """
    first = characters("345689", 1, draw)
    return with_check(first + characters("0123456789", ACCOUNT_CHARS - 1, draw), "0123456789")


def parse_account(text: str) -> str | None:
    """An account number as typed into M-Pesa by hand; None if it is none, or has a typing error."""
    typed = normal_name(text)
    right = len(typed) == ACCOUNT_CHARS + 1 and typed[0] in "345689" and is_right(typed, "0123456789")
    return typed if right else None


def callback_token(draw: Draw) -> str:
    """What makes a payment's callback path unguessable: 32 hex digits, committed before the push."""
    token = draw(TOKEN_BYTES)
    if len(token) != TOKEN_BYTES or len(set(token)) == 1:
        raise NoChance("the random bytes are no use")
    return token.hex()


def token_hash(token: str) -> str:
    """What is kept of a token: whoever reads the store cannot forge a callback. 128 random bits need no key or salt."""
    return sha256(token.encode(errors="replace")).hexdigest()


def stream(seed: bytes, label: str) -> Draw:
    """A source that gives the same bytes each time for one seed and label: HMAC-SHA256 in counter mode."""
    count = 0

    def more(length: int) -> bytes:
        nonlocal count
        found = b""
        while len(found) < length:
            found += hmac.digest(seed, f"{label}#{count}".encode(), "sha256")
            count += 1
        return found[:length]

    return more
