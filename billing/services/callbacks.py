"""Callbacks: stored raw and answered at once, settled then, and again by the sweep if the process ended in between."""

from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

import msgspec

from billing.domain.draw import token_hash
from billing.domain.settle import Proof, Settlement
from billing.ports import BODY_BYTES_MAX, BODY_KEPT_S, Body, ClaimKind
from billing.services.book import Book
from billing.services.settle import Settle

SWEEP_AFTER_S = 30  # whoever took a callback has settled it long since, or is gone
SWEEP_MAX = 100  # bodies in one round

Read = Callable[[str], Proof | None]  # a body as a proof, without its token; None: it cannot be read


class Unread(Enum):
    """A body that says nothing to us: kept for a person."""

    UNREADABLE = "unreadable"


class Seals(NamedTuple):
    """Seal and open a token, (text, payment): of what is stored nobody can forge a callback."""

    seal: Callable[[str, str], str]
    unseal: Callable[[str, str], str]


class Callbacks:
    """Takes callbacks. The token in the path is checked before anything is stored: no stranger fills the store."""

    def __init__(self, book: Book, settle: Settle, read: Read, seals: Seals) -> None:
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._read = read
        self._seals = seals

    def take(self, token: str, text: str, now: int) -> str | None:
        """Store a body that came by the path of a token; its id for `finish`. None: too long, or no token of ours."""
        if len(text.encode(errors="replace")) > BODY_BYTES_MAX:
            return None
        payment = self._stores.postings.owner(ClaimKind.CALLBACK, token_hash(token), self._book.deadline())
        if payment is None:
            return None
        id_ = sha256(f"{payment} {text}".encode(errors="replace")).hexdigest()[:32]
        sealed = self._seals.seal(token, payment)
        self._stores.bodies.keep(Body(id_, payment, now, text, sealed, now, now + BODY_KEPT_S), self._book.deadline())
        return id_

    def finish(self, body: str, now: int) -> Settlement | Unread | None:
        """Settle what a body says; None if there is none."""
        taken = self._stores.bodies.body(body, self._book.deadline())
        if taken is None:
            return None
        proof = self._read(taken.text)
        found: Settlement | Unread | None = Unread.UNREADABLE
        if proof is not None:
            token = self._seals.unseal(taken.token, taken.payment)
            found = self._settle.prove(taken.payment, msgspec.structs.replace(proof, token=token), now)
        self._stores.bodies.looked_at(body, self._book.deadline())
        return found

    def sweep(self, now: int) -> list[Settlement | Unread | None]:
        """Finish what was left, the oldest first."""
        left = self._stores.bodies.waiting(now - SWEEP_AFTER_S, SWEEP_MAX, self._book.deadline())
        return [self.finish(body, now) for body in left]
