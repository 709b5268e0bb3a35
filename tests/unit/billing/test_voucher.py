"""Codes that are typed right or refused, that nobody guesses, and what becomes of a voucher, cell by cell."""

from collections import Counter
from itertools import islice, product
from random import Random

import msgspec
import pytest

from billing.domain import batch as batches
from billing.domain.batch import Batch, BatchEvent, BatchRefusal, BatchState, check_batch
from billing.domain.check_digit import DIGITS, LETTERS, check_alphabet, is_right, with_check
from billing.domain.draw import NoChance, characters
from billing.domain.voucher import (
    TABLE,
    CodeRules,
    Voucher,
    VoucherEvent,
    VoucherRefusal,
    VoucherState,
    check_rules,
    codes,
    decide,
    mistyped,
    printed,
    replace,
)
from radius.domain.errors import Malformed

NOW = 1_795_600_800
S, E, R = VoucherState, VoucherEvent, VoucherRefusal


def bodies(alphabet: str) -> list[str]:
    """All of three characters, which reach every state of the check from every other, and some as long as real ones."""
    random = Random(5)
    short = ["".join(body) for body in product(alphabet, repeat=3)]
    return [
        *random.sample(short, min(1_000, len(short))),
        *("".join(random.choices(alphabet, k=11)) for _ in range(40)),
    ]


@pytest.mark.parametrize("alphabet", [DIGITS, LETTERS, "abcde", "345"])
def test_every_wrong_character_and_every_swap_of_neighbours_is_caught(alphabet: str) -> None:
    for body in bodies(alphabet):
        code = with_check(body, alphabet)
        assert is_right(code, alphabet)
        for at, right in enumerate(code):
            passing = [each for each in alphabet if is_right(code[:at] + each + code[at + 1 :], alphabet)]
            assert passing == [right]
        for at in range(len(code) - 1):
            swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
            assert is_right(swapped, alphabet) is (swapped == code)


def test_the_check_characters_of_known_numbers() -> None:
    assert with_check("572", DIGITS) == "5724"  # the example of Damm's quasigroup
    assert with_check("3", "345") == "33"
    assert with_check("4", "345") == "44"  # (0 + 1) * 2 + 1 = 3


def test_case_does_not_count_and_strange_characters_are_wrong() -> None:
    code = with_check("37CRTX", LETTERS)
    assert is_right(code.lower(), LETTERS)
    for wrong in ("", "3", code + "O", code.replace("C", "0"), code[:-1]):
        assert not is_right(wrong, LETTERS)


@pytest.mark.parametrize(
    "alphabet", ["", "3", "34", "0123456789AB", "0123", "ABCDEFGHI", "33456", "3456\u00e9", "345a A", "abcdA", "3456-"]
)
def test_alphabets_without_a_proof_are_refused(alphabet: str) -> None:
    with pytest.raises(Malformed, match="code alphabet"):
        check_alphabet(alphabet)


@pytest.mark.parametrize("alphabet", [DIGITS, LETTERS, "abcde", "345"])
def test_alphabets_with_a_proof(alphabet: str) -> None:
    assert check_alphabet(alphabet) == alphabet


def test_letters_are_no_look_alikes_and_spell_nothing() -> None:
    assert not set(LETTERS) & set("AEIOU01258BGLQSVZ")


def test_a_code_is_long_enough_without_its_check_character() -> None:
    # test_guessing: 11 random digits are enough for a thousand codes at one router, 10 are not.
    assert check_rules(CodeRules(12), 1_000, 1).one_in == pytest.approx(19.03, abs=0.01)
    with pytest.raises(Malformed, match="use at least 11, and one more for the check character"):
        check_rules(CodeRules(11), 1_000, 1)
    with pytest.raises(Malformed, match="must be 2 to 64"):
        check_rules(CodeRules(1), 1, 1)
    with pytest.raises(Malformed, match="code alphabet"):
        check_rules(CodeRules(12, "3456"), 1_000, 1)


def test_codes_are_right_unlike_each_other_and_made_of_all_digits() -> None:
    made = list(islice(codes(CodeRules(), Random(1).randbytes), 3_000))
    assert len(set(made)) == 3_000
    assert all(len(code) == 12 and is_right(code, DIGITS) for code in made)
    seen = Counter("".join(code[:-1] for code in made))
    assert all(3_000 <= seen[digit] <= 3_600 for digit in DIGITS), seen  # 3,300 each, give or take 5 sigma


def test_no_character_is_likelier_than_another() -> None:
    # 256 = 13 * 19 + 9: the last nine bytes are thrown away, or the first nine letters would come more often.
    draws = [bytes(range(247, 256)), bytes(range(9, 18))]
    assert characters(LETTERS, 9, lambda _: draws.pop(0)) == LETTERS[9:18]


def test_codes_that_read_as_a_phone_number_are_not_made() -> None:
    def phone_first() -> list[bytes]:
        return [bytes(int(digit) for digit in body).ljust(22, b"\0") for body in ("25471234567", "12345678901")]

    draws = phone_first()
    assert next(codes(CodeRules(), lambda _: draws.pop(0))) == with_check("12345678901", DIGITS)
    assert draws == []


def test_codes_that_exist_are_not_made_again() -> None:
    first = list(islice(codes(CodeRules(), Random(2).randbytes), 5))
    again = list(islice(codes(CodeRules(), Random(2).randbytes, set(first[:3]).__contains__), 2))
    assert again == first[3:]


@pytest.mark.parametrize("broken", [lambda _: b"", lambda count: b"\xff" * count, lambda count: b"\x01" * count])
def test_a_broken_source_of_chance_is_said_and_does_not_hang(broken: object) -> None:
    with pytest.raises(NoChance):
        list(islice(codes(CodeRules(), broken), 2))  # type: ignore[arg-type]


def test_a_code_is_printed_in_groups_and_typed_as_one_likes() -> None:
    code = with_check("12345678901", DIGITS)
    assert printed(code) == f"1234 5678 {code[8:]}"
    assert not mistyped(printed(code), CodeRules())
    assert not mistyped(f"1234-5678-{code[8:]} ", CodeRules())
    assert mistyped(code[:-1], CodeRules())
    assert mistyped(f"2{code[1:]}", CodeRules())
    letters = CodeRules(8, LETTERS)
    assert not mistyped(with_check("37CRTX9", LETTERS).lower(), letters)


CELLS = {
    S.STOCK: {E.SELL: S.SOLD, E.USE: S.USED, E.VOID: S.VOID, E.REPLACE: S.VOID, E.EXPIRE: R.NOT_YET},
    S.SOLD: {E.SELL: R.SOLD, E.USE: S.USED, E.VOID: S.VOID, E.REPLACE: S.VOID, E.EXPIRE: R.NOT_YET},
    S.USED: dict.fromkeys(E, R.USED),
    S.VOID: dict.fromkeys(E, R.VOID),
    S.EXPIRED: dict.fromkeys(E, R.EXPIRED),
}
AFTERWARDS = {
    S.STOCK: {E.SELL: R.EXPIRED, E.USE: R.EXPIRED, E.VOID: S.VOID, E.REPLACE: R.EXPIRED, E.EXPIRE: S.EXPIRED},
    S.SOLD: {E.SELL: R.EXPIRED, E.USE: R.EXPIRED, E.VOID: S.VOID, E.REPLACE: R.EXPIRED, E.EXPIRE: S.EXPIRED},
    S.USED: dict.fromkeys(E, R.USED),
    S.VOID: dict.fromkeys(E, R.VOID),
    S.EXPIRED: dict.fromkeys(E, R.EXPIRED),
}


@pytest.mark.parametrize("event", E)
@pytest.mark.parametrize("state", S)
def test_every_cell_before_and_after_the_last_day(state: VoucherState, event: VoucherEvent) -> None:
    voucher = Voucher("B12", 7, state, redeem_by=NOW)
    for now, cells in ((NOW - 1, CELLS), (NOW, AFTERWARDS)):
        wanted = cells[state][event]
        answer = decide(voucher, event, now)
        if isinstance(wanted, VoucherRefusal):
            assert answer is wanted
        else:
            assert answer == msgspec.structs.replace(voucher, state=wanted)


def test_the_table_is_whole() -> None:
    assert set(TABLE) == {(state, event) for state in S for event in E}


def test_a_voucher_without_a_last_day_does_not_expire() -> None:
    assert decide(Voucher("B12", 7), E.EXPIRE, NOW) is R.NOT_YET
    assert decide(Voucher("B12", 7), E.USE, NOW) == Voucher("B12", 7, S.USED)


def test_a_replacement_is_what_the_old_one_was() -> None:
    sold = Voucher("B12", 7, S.SOLD, redeem_by=NOW + 1)
    assert sold.serial == "B12-0007"
    pair = replace(sold, NOW)
    assert isinstance(pair, tuple)
    old, new = pair
    assert (old.state, old.serial) == (S.VOID, "B12-0007")
    assert (new.state, new.serial, new.redeem_by) == (S.SOLD, "B12-0007.2", NOW + 1)
    assert replace(old, NOW) is R.VOID
    assert replace(Voucher("B12", 7, S.USED), NOW) is R.USED
    assert replace(sold, NOW + 1) is R.EXPIRED
    once_more = replace(new, NOW)
    assert isinstance(once_more, tuple)
    assert once_more[1].serial == "B12-0007.3"


def batch(**changes: object) -> Batch:
    one = Batch("B12", "day.1", 3_000, 100, NOW, "achieng", NOW + 86_400)
    return msgspec.structs.replace(one, **changes)


def test_a_batch_makes_its_vouchers() -> None:
    assert check_batch(batch(), 0, 1) == batch()
    made = batches.vouchers(batch())
    assert [made[0].serial, made[-1].serial] == ["B12-0001", "B12-0100"]
    assert all(each.redeem_by == NOW + 86_400 and each.state is S.STOCK for each in made)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": "b12"}, "batch: must be 1 to 12 capital letters"),
        ({"id": "B-12"}, "batch: must be 1 to 12 capital letters"),
        ({"count": 0}, "count: must be 1 to 9999"),
        ({"count": 10_000}, "count: must be 1 to 9999"),
        ({"price_cents": 0}, "price_cents: must be whole shillings"),
        ({"price_cents": 3_050}, "price_cents: must be whole shillings"),
        ({"holder": ""}, "holder: must name"),
        ({"redeem_by": NOW}, "redeem_by: must be in the future"),
        ({"redeem_by": NOW + 5 * 366 * 86_400 + 1}, "redeem_by: must be in the future, within 5 years"),
        ({"rules": CodeRules(10)}, "code length: 9 characters out of 10 are too few"),
    ],
)
def test_a_batch_that_may_not_be_made_says_why(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_batch(batch(**changes), 0, 1)
    assert str(refused.value).startswith(words)


def test_the_codes_of_a_batch_count_among_those_that_can_be_hit() -> None:
    # 11 random digits: 1,900 codes at one router are one in ten a year, and not one more hundred.
    assert check_batch(batch(), 1_800, 1)
    with pytest.raises(Malformed, match="code length"):
        check_batch(batch(), 1_900, 1)


def test_a_batch_is_exported_once_and_sold_after_that() -> None:
    wanted = {
        (BatchState.MADE, BatchEvent.EXPORT): BatchState.EXPORTED,
        (BatchState.MADE, BatchEvent.SELL): BatchRefusal.NOT_EXPORTED,
        (BatchState.MADE, BatchEvent.VOID): BatchState.VOID,
        (BatchState.EXPORTED, BatchEvent.EXPORT): BatchRefusal.SEEN,
        (BatchState.EXPORTED, BatchEvent.SELL): BatchState.EXPORTED,
        (BatchState.EXPORTED, BatchEvent.VOID): BatchState.VOID,
        (BatchState.VOID, BatchEvent.EXPORT): BatchRefusal.VOID,
        (BatchState.VOID, BatchEvent.SELL): BatchRefusal.VOID,
        (BatchState.VOID, BatchEvent.VOID): BatchRefusal.VOID,
    }
    for state in BatchState:
        for event in BatchEvent:
            answer = batches.decide(batch(state=state), event)
            assert (answer.state if isinstance(answer, Batch) else answer) is wanted[state, event]


def test_a_voucher_is_usable_in_an_exported_batch_only() -> None:
    for state in BatchState:
        assert batches.usable(batch(state=state), Voucher("B12", 7)) is (state is BatchState.EXPORTED)
    exported = batch(state=BatchState.EXPORTED)
    usable = [state for state in S if batches.usable(exported, Voucher("B12", 7, state))]
    assert usable == [S.STOCK, S.SOLD]
