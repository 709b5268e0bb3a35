"""References, account numbers and tokens: they say nothing, and typing errors do not pass."""

from random import Random

import pytest

from billing.domain.check_digit import DIGITS, LETTERS, is_right
from billing.domain.draw import NoChance, account_number, callback_token, parse_account, parse_reference, reference
from radius.domain.identity import parse_phone


def test_a_reference_fits_the_field_and_is_read_back_however_it_is_typed() -> None:
    for seed in range(200):
        made = reference(Random(seed).randbytes)
        assert len(made) == 9  # of the 12 that Daraja documents
        assert made[0] == "W"
        assert is_right(made[1:], LETTERS)
        assert parse_reference(f" {made[:3].lower()} {made[3:]}") == made
        assert parse_account(made) is None


def test_a_reference_with_a_typing_error_is_none() -> None:
    made = reference(Random(1).randbytes)
    for wrong in ("", "W", made[1:], made + "3", made[:-1], "X" + made[1:], made[:2] + "O" + made[3:]):
        assert parse_reference(wrong) is None
    swapped = made[:2] + made[3] + made[2] + made[4:]
    assert parse_reference(swapped) == (made if swapped == made else None)


def test_an_account_number_is_no_phone_number_and_no_reference() -> None:
    for seed in range(200):
        made = account_number(Random(seed).randbytes)
        assert len(made) == 8
        assert made[0] in "345689"
        assert is_right(made, DIGITS)
        assert parse_phone(made) is None
        assert parse_reference(made) is None
        assert parse_account(f"{made[:4]} {made[4:]}") == made
        assert parse_account(made[:-1]) is None
        assert parse_account(made[:-1] + DIGITS[(int(made[-1]) + 1) % 10]) is None


@pytest.mark.parametrize("typed", ["", "0712345678", "254712345678", "07123456", "kamau"])
def test_what_people_type_instead_of_an_account_number(typed: str) -> None:
    assert parse_account(typed) is None


def test_a_callback_token_is_128_bits_or_none() -> None:
    assert callback_token(lambda count: bytes(range(count))) == "000102030405060708090a0b0c0d0e0f"
    for broken in (b"", b"short", bytes(16), bytes(range(17))):
        with pytest.raises(NoChance):
            callback_token(lambda _, broken=broken: broken)  # type: ignore[misc]
