from string import Formatter

import pytest

from billing.sms.segments import segments
from billing.sms.texts import CHARS_MAX, NOTES, TEXTS, Kind, render
from radius.domain.nas import Language

LONGEST = {name: "W" * (chars + 50) for name, chars in CHARS_MAX.items()}
STRANGE = dict.fromkeys(CHARS_MAX, "Café {x}€网’\n" * 9)  # noqa: RUF001


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("values", [LONGEST, STRANGE], ids=["longest", "strange"])
def test_every_text_is_one_part_whatever_is_put_into_it(kind: Kind, language: Language, values: dict[str, str]) -> None:
    assert segments(render(kind, language, values)) == (1, True)


@pytest.mark.parametrize("kind", Kind)
def test_both_languages_say_the_same_and_a_reader_is_told_what_to_look_at(kind: Kind) -> None:
    named = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in TEXTS[kind].values()]
    assert set(TEXTS[kind]) == set(Language)
    assert named[0] == named[1]
    assert NOTES[kind]


def test_a_payment_literally() -> None:
    values = {"brand": "Kijani", "amount": "KES 50", "receipt": "SKJ1ABCDEF", "package": "1 day", "end": "26/11 14:05"}
    text = render(Kind.PAID, Language.ENGLISH, {**values, "support": "0712 345 678"})
    assert text == "Kijani: KES 50 received, M-Pesa SKJ1ABCDEF. 1 day until 26/11 14:05. Help: 0712 345 678"


def test_a_code_is_what_a_locked_screen_shows_first() -> None:
    for language in Language:
        assert render(Kind.CODE, language, {"code": "012345", "brand": "Kijani", "minutes": "10"}).startswith("012345 ")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_where_there_is_nobody_to_call_nobody_is_named(kind: Kind, language: Language) -> None:
    text = render(kind, language, {**dict.fromkeys(CHARS_MAX, "x"), "support": ""})
    assert "Help" not in text
    assert "Msaada" not in text
    assert text[-1] in ".x)"


def test_what_is_left_out_is_a_broken_contract() -> None:
    with pytest.raises(KeyError):
        render(Kind.CODE, Language.ENGLISH, {"code": "012345"})
