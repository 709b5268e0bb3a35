"""Names that nobody guesses: of a payment, for whoever began it, and of our own callback paths.

Both are derived, so nothing is stored: whoever has a payment's id (it is in logs) has no token of it.
"""

import hmac
from hashlib import sha256

ID_CHARS = 16
MAC_CHARS = 32  # 128 bits
PATH_CHARS = 32


class StatusTokens:
    """Made at checkout, asked for with every look at the payment."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, payment: str) -> str:
        """48 hex digits."""
        return payment + self._mac(payment)

    def payment(self, token: str) -> str | None:
        """The payment's id; None for what is no token of ours."""
        payment, mac = token[:ID_CHARS], token[ID_CHARS:]
        right = hmac.compare_digest(self._mac(payment).encode(), mac.encode(errors="replace"))
        return payment if right and len(payment) == ID_CHARS else None

    def _mac(self, payment: str) -> str:
        text = f"status:{payment}".encode(errors="replace")
        return hmac.new(self._key, text, sha256).hexdigest()[:MAC_CHARS]


class Numbers:
    """Numbers that nobody foresees, always the same for a text."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, text: str) -> int:
        """Of 64 bits."""
        return int.from_bytes(hmac.new(self._key, text.encode(), sha256).digest()[:8])


def callback_path(key: bytes) -> str:
    """The segment that only the provider is told: the same for all nodes with this key."""
    return hmac.new(key, b"callback path", sha256).hexdigest()[:PATH_CHARS]


def same(one: str, other: str) -> bool:
    """Compares in constant time, whatever was sent."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))
