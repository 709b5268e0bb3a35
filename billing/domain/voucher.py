"""One voucher: its code, its serial number, and what may become of it.

The code is shown once, when the batch is made; at rest there is a keyed hash. People speak of a voucher by its serial
number, which opens nothing. The right it carries is dormant until its first use (`radius`).
"""

from collections.abc import Callable, Iterator
from enum import StrEnum

import msgspec

from billing.domain.check_digit import DIGITS, check_alphabet, is_right, with_check
from billing.domain.draw import Draw, NoChance, characters
from radius.domain.errors import Malformed
from radius.domain.guessing import CODE_CHARS_MAX, Odds, check_code_length
from radius.domain.identity import normal_name, parse_code

GROUP_CHARS = 4
_TWINS_MAX = 1_000  # codes that were drawn before, or that look like phones, before the source is called broken


class CodeRules(msgspec.Struct, frozen=True):
    """How codes look: `length` with the check character. Digits can be typed on any keypad."""

    length: int = 12
    alphabet: str = DIGITS


def check_rules(rules: CodeRules, live_codes: int, nas_count: int, node_count: int = 1) -> Odds:
    """Odds of a guesser against codes like this; raises Malformed if they are too good, or the alphabet is none.

    The check character is worth nothing against a guesser, who can compute it too. Counts as for `guess_odds`.
    """
    check_alphabet(rules.alphabet)
    if not 2 <= rules.length <= CODE_CHARS_MAX:
        raise Malformed("code length", f"must be 2 to {CODE_CHARS_MAX} characters, the check character among them")
    try:
        return check_code_length(len(rules.alphabet), rules.length - 1, live_codes, nas_count, node_count)
    except Malformed as short:
        raise Malformed(short.field, f"{short.fix}, and one more for the check character") from short


def codes(rules: CodeRules, draw: Draw, taken: Callable[[str], bool] = lambda _: False) -> Iterator[str]:
    """Codes without end, no two alike, none that a device could not log in with. Raises NoChance.

    `taken`: whether a code exists already (of another batch).
    """
    seen: set[str] = set()
    twins = 0
    while twins < _TWINS_MAX:
        code = with_check(characters(rules.alphabet, rules.length - 1, draw), rules.alphabet)
        if code in seen or taken(code) or not _can_log_in(code):
            twins += 1
            continue
        seen.add(code)
        twins = 0
        yield code
    raise NoChance(f"{_TWINS_MAX} codes in a row were no use")


def _can_log_in(code: str) -> bool:
    try:
        parse_code(code)
    except Malformed:  # ten or twelve digits that read as a phone number
        return False
    return True


def printed(code: str) -> str:
    """A code in groups of four; the blanks do not count when it is typed."""
    return " ".join(code[at : at + GROUP_CHARS] for at in range(0, len(code), GROUP_CHARS))


def mistyped(typed: str, rules: CodeRules) -> bool:
    """True if what was typed cannot be a code of these rules. Told before any look-up, it helps no guesser."""
    code = normal_name(typed)
    return len(code) != rules.length or not is_right(code, rules.alphabet)


def slipped(typed: str, rules: CodeRules) -> bool:
    """True if what was typed looks like such a code in digits, give or take one, and cannot be one."""
    code = normal_name(typed)
    return code.isdecimal() and abs(len(code) - rules.length) <= 1 and mistyped(typed, rules)


class VoucherState(StrEnum):
    """What a voucher is."""

    STOCK = "stock"  # printed and not booked as sold
    SOLD = "sold"
    USED = "used"
    VOID = "void"
    EXPIRED = "expired"


class VoucherEvent(StrEnum):
    """What happens to it."""

    SELL = "sell"
    USE = "use"
    VOID = "void"
    REPLACE = "replace"  # the printer ate it, the customer lost it: this one is void, another takes its place
    EXPIRE = "expire"


class VoucherRefusal(StrEnum):
    """Why nothing happened."""

    SOLD = "sold"
    USED = "used"
    VOID = "void"
    EXPIRED = "expired"
    NOT_YET = "not_yet"  # it is still good


S, E, R = VoucherState, VoucherEvent, VoucherRefusal

TABLE: dict[tuple[VoucherState, VoucherEvent], VoucherState | VoucherRefusal] = {
    (S.STOCK, E.SELL): S.SOLD,
    (S.STOCK, E.USE): S.USED,
    (S.STOCK, E.VOID): S.VOID,
    (S.STOCK, E.REPLACE): S.VOID,
    (S.STOCK, E.EXPIRE): S.EXPIRED,
    (S.SOLD, E.SELL): R.SOLD,
    (S.SOLD, E.USE): S.USED,
    (S.SOLD, E.VOID): S.VOID,
    (S.SOLD, E.REPLACE): S.VOID,
    (S.SOLD, E.EXPIRE): S.EXPIRED,
    **{(S.USED, event): R.USED for event in E},
    **{(S.VOID, event): R.VOID for event in E},
    **{(S.EXPIRED, event): R.EXPIRED for event in E},
}


class Voucher(msgspec.Struct, frozen=True, omit_defaults=True):
    """A voucher as billing keeps it. `redeem_by` in UTC seconds, 0 for ever; `issue` counts replacements."""

    batch: str
    number: int
    state: VoucherState = VoucherState.STOCK
    redeem_by: int = 0
    issue: int = 1

    @property
    def serial(self) -> str:
        """What is printed beside the code, e.g. ``B12-0007``; its second issue is ``B12-0007.2``."""
        return f"{self.batch}-{self.number:04}{f'.{self.issue}' if self.issue > 1 else ''}"


def decide(voucher: Voucher, event: VoucherEvent, now: int) -> Voucher | VoucherRefusal:
    """The voucher after `event`, or why nothing happens. It is over at `redeem_by`, whether anybody swept it or not."""
    over = bool(voucher.redeem_by) and now >= voucher.redeem_by
    alive = voucher.state in {VoucherState.STOCK, VoucherState.SOLD}
    if alive and over and event in {VoucherEvent.SELL, VoucherEvent.USE, VoucherEvent.REPLACE}:
        return VoucherRefusal.EXPIRED
    if alive and not over and event is VoucherEvent.EXPIRE:
        return VoucherRefusal.NOT_YET
    after = TABLE[voucher.state, event]
    return after if isinstance(after, VoucherRefusal) else msgspec.structs.replace(voucher, state=after)


def replace(voucher: Voucher, now: int) -> tuple[Voucher, Voucher] | VoucherRefusal:
    """The old voucher, void, and the one that takes its place, sold if the old one was; its code is a new one."""
    gone = decide(voucher, VoucherEvent.REPLACE, now)
    if isinstance(gone, VoucherRefusal):
        return gone
    return gone, msgspec.structs.replace(voucher, issue=voucher.issue + 1)
