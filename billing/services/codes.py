"""Codes and what they open: a voucher is a subscriber of its own, whose right sleeps until the first log-in."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from billing.domain.check_digit import with_check
from billing.domain.draw import Draw, NoChance, characters, stream
from billing.domain.voucher import CodeRules, Voucher
from billing.ports import Claim, ClaimKind, KeptVoucher
from billing.services.book import Book
from radius.domain import subscriber as aggregate
from radius.domain.entitlement import Right
from radius.domain.errors import Malformed
from radius.domain.identity import NameKind, SubscriberId, normal_name, parse_code
from radius.domain.subscriber import Credential, SecretKind, Subscriber
from radius.ports import Change, Outcome

SEED_BYTES = 32
SEED_FIELD = "batch_seed"
DRAWS_MAX = 1_000  # of one code, before the codes of these rules are said to be used up
_ID_CHARS = "abcdefghijklmnopqrstuvwxyz234567"


class Seals(Protocol):
    """Seals secrets (`radius.secrets.KeyRing`)."""

    def seal(self, clear: str, subscriber: str, field: str, epoch: int) -> str:
        """Sealed text, bound to owner and field."""

    def unseal(self, sealed: str, subscriber: str, field: str, epoch: int) -> str:
        """What was sealed; raises Corrupt."""


class Paper(NamedTuple):
    """What a voucher of a batch is to open."""

    package: str
    price_cents: int
    holder: str
    site: str = ""


class Made(NamedTuple):
    """A voucher that can log in, with its code in the clear, to be booked by the caller."""

    kept: KeptVoucher
    code: str

    @property
    def claim(self) -> Claim:
        """The code leads to the serial number."""
        return Claim(ClaimKind.CODE, self.kept.code, self.kept.voucher.serial)


class Codes:
    """Draws codes from a seed: the same seed and number give the same code, so who died half way goes on."""

    def __init__(self, book: Book, keyed: Callable[[str], str]) -> None:
        """`keyed`: what names that are secrets are stored as; the one of `radius`' aliases."""
        self._book = book
        self._keyed = keyed

    def key(self, code: str) -> str:
        """What a code is kept as."""
        return self._keyed(normal_name(code))

    def make(self, seed: bytes, voucher: Voucher, rules: CodeRules, paper: Paper, now: int) -> Made:
        """Create the subscriber of a voucher under the first code that nobody has. Safe to repeat. Raises NoChance."""
        for attempt in range(DRAWS_MAX):
            code = self._draw(seed, voucher, rules, attempt)
            if code is None:
                continue
            chance = stream(seed, f"id:{voucher.serial}:{attempt}")
            subscriber = SubscriberId(characters(_ID_CHARS, 16, chance))
            right = Right(voucher.serial.lower(), paper.package, now, redeem_by=voucher.redeem_by)
            alias = f"{NameKind.NAME.value}:{self.key(code)}"
            body = aggregate.encode(
                Subscriber(
                    subscriber, Credential(SecretKind.CODE), now, aliases=[alias], rights=[right], site=paper.site
                )
            )
            change = Change(subscriber, 1, self._book.new_id(), body, 0)
            if self._book.stores.subscribers.create(change, [alias], self._book.deadline()) is Outcome.CONFLICT:
                continue  # a code of another voucher
            kept = KeptVoucher(
                voucher, 1, self.key(code), paper.package, paper.price_cents, subscriber, right.id, paper.holder
            )
            return Made(kept, code)
        raise NoChance(f"{DRAWS_MAX} codes in a row were taken")

    def again(self, seed: bytes, kept: KeptVoucher, rules: CodeRules) -> str:
        """The code of a voucher that was made from this seed. Raises NoChance for another's."""
        for attempt in range(DRAWS_MAX):
            code = self._draw(seed, kept.voucher, rules, attempt)
            if code is not None and self.key(code) == kept.code:
                return code
        raise NoChance(f"{kept.voucher.serial} is not of this seed")

    @staticmethod
    def _draw(seed: bytes, voucher: Voucher, rules: CodeRules, attempt: int) -> str | None:
        """None: a device could not log in with it."""
        chance: Draw = stream(seed, f"code:{voucher.serial}:{attempt}")
        code = with_check(characters(rules.alphabet, rules.length - 1, chance), rules.alphabet)
        try:
            parse_code(code)
        except Malformed:  # reads as a phone number
            return None
        return code
