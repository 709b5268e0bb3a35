"""Callbacks: stored raw and answered at once, settled then, and again by the sweep if the process ended in between."""

from collections.abc import Callable
from enum import Enum
from hashlib import sha256
from typing import NamedTuple

import msgspec

from billing.domain.draw import token_hash
from billing.domain.payment import PAID_STATES
from billing.domain.settle import Proof, Settled, Settlement
from billing.ports import BODY_BYTES_MAX, BODY_KEPT_S, Body, BodyKind, ClaimKind
from billing.provider import Notice
from billing.services.book import Book
from billing.services.refunds import Heard
from billing.services.settle import Landed, Settle
from radius.domain.identity import SubscriberId

SWEEP_AFTER_S = 30  # whoever took a callback has settled it long since, or is gone
SWEEP_MAX = 100  # bodies in one round
RESULT_WAITS_S = 3_600  # a result whose conversation nobody knows yet overtook the reply that names it

Read = Callable[[str], Proof | None]  # a body as a proof, without its token; None: it cannot be read
ReadNotice = Callable[[str], Notice | None]  # a confirmation of money paid by hand; None: it cannot be read


class Unread(Enum):
    """A body that says nothing to us: kept for a person."""

    UNREADABLE = "unreadable"


Finished = Settlement | Landed | Heard | Unread | None
# A result, or (True) that the provider waits for it no longer, and what became of its refund, or of the money that it
# told of; None: not known yet.
Hear = Callable[[str, bool, int], Heard | Landed | Unread | None]
_RESULTS = frozenset({BodyKind.RESULT, BodyKind.LATE})


class Seals(NamedTuple):
    """Seal and open a token, (text, payment): of what is stored nobody can forge a callback."""

    seal: Callable[[str, str], str]
    unseal: Callable[[str, str], str]


class Callbacks:
    """Takes callbacks. The token in the path is checked before anything is stored: no stranger fills the store."""

    def __init__(
        self,
        book: Book,
        settle: Settle,
        read: Read,
        seals: Seals,
        read_notice: ReadNotice = lambda _: None,
        hear: Hear | None = None,
        topped_up: Callable[[SubscriberId, int], object] = lambda _subscriber, _now: None,
    ) -> None:
        """`hear` None: results are kept, for a person. `topped_up`: money for a balance came."""
        self._book = book
        self._stores = book.stores
        self._settle = settle
        self._read = read
        self._seals = seals
        self._read_notice = read_notice
        self._hear = hear
        self._topped_up = topped_up

    def take(self, token: str, text: str, now: int) -> str | None:
        """Store a body that came by the path of a token; its id for `finish`. None: too long, or no token of ours."""
        if _too_long(text):
            return None
        payment = self._stores.postings.owner(ClaimKind.CALLBACK, token_hash(token), self._book.deadline())
        if payment is None:
            return None
        return self._keep(Body("", payment, now, text, self._seals.seal(token, payment), now))

    def take_notice(self, text: str, now: int) -> str | None:
        """Store a C2B confirmation that came by the deployment's own path; its id for `finish`. None: too long."""
        return None if _too_long(text) else self._keep(Body("", "", now, text, due_at=now, kind=BodyKind.NOTICE))

    def take_result(self, text: str, now: int, *, late: bool = False) -> str | None:
        """Store what came for a request that answers later, for whoever asked; None: too long.

        `late`: it came where the provider says that it waits no longer. The body alone does not tell it from a failure.
        """
        due_at, kind = now if self._hear is not None else 0, BodyKind.LATE if late else BodyKind.RESULT
        return None if _too_long(text) else self._keep(Body("", "", now, text, due_at=due_at, kind=kind))

    def _keep(self, body: Body) -> str:
        """Written once, however often it comes."""
        id_ = sha256(f"{body.payment or body.kind.value} {body.text}".encode(errors="replace")).hexdigest()[:32]
        self._stores.bodies.keep(body._replace(id=id_, expires_at=body.at + BODY_KEPT_S), self._book.deadline())
        return id_

    def finish(self, body: str, now: int) -> Finished:
        """Settle what a body says; None if there is none."""
        taken = self._stores.bodies.body(body, self._book.deadline())
        if taken is None:
            return None
        found = self._found(taken, now)
        if found is None and taken.kind in _RESULTS and now < taken.at + RESULT_WAITS_S:
            return None
        self._stores.bodies.looked_at(body, self._book.deadline())
        subscriber = _topped_up(found)
        if subscriber:
            self._topped_up(SubscriberId(subscriber), now)
        return found

    def _found(self, taken: Body, now: int) -> Finished:
        if taken.kind in _RESULTS:
            return self._hear(taken.text, taken.kind is BodyKind.LATE, now) if self._hear is not None else None
        return self._noticed(taken, now) if taken.kind is BodyKind.NOTICE else self._proved(taken, now)

    def _proved(self, taken: Body, now: int) -> Finished:
        proof = self._read(taken.text)
        if proof is None:
            return Unread.UNREADABLE
        token = self._seals.unseal(taken.token, taken.payment)
        return self._settle.prove(taken.payment, msgspec.structs.replace(proof, token=token), now)

    def _noticed(self, taken: Body, now: int) -> Finished:
        notice = self._read_notice(taken.text)
        return Unread.UNREADABLE if notice is None else self._settle.notice(notice, now)

    def left(self, now: int, limit: int = SWEEP_MAX) -> list[str]:
        """Ids of bodies that nobody finished, the oldest first."""
        return self._stores.bodies.waiting(now - SWEEP_AFTER_S, limit, self._book.deadline())

    def sweep(self, now: int) -> list[Finished]:
        """Finish what was left, the oldest first."""
        return [self.finish(body, now) for body in self.left(now)]


def _too_long(text: str) -> bool:
    return len(text.encode(errors="replace")) > BODY_BYTES_MAX


def _topped_up(found: Finished) -> str:
    """Whose balance has more money now, "" for nobody's."""
    if isinstance(found, Landed):
        return found.subscriber
    if isinstance(found, Settled) and not found.payment.package and found.payment.state in PAID_STATES:
        return found.payment.subscriber
    return ""
