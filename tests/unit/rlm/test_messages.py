"""Every reason has words in both languages."""

import pytest

from radius.domain.nas import Language
from radius.domain.policy import Reason
from radius.rlm.messages import CHARS_MAX, MESSAGES, text
from radius.services.access import Refused


def test_the_list_is_the_list_of_reasons_that_are_told() -> None:
    assert set(MESSAGES) == {Refused(reason, Language.ENGLISH).told.value for reason in Reason}


@pytest.mark.parametrize("reason", MESSAGES)
@pytest.mark.parametrize("language", Language)
def test_a_message_is_short_plain_and_two_sentences(reason: str, language: Language) -> None:
    words = text(reason, language)
    assert 0 < len(words) <= CHARS_MAX
    assert words.isascii()
    assert words.isprintable()
    assert words.endswith(".")
    assert words.count(". ") == 1, "what happened, then what to do"
    assert "\\" not in words


def test_languages_differ_and_notes_are_there() -> None:
    for message in MESSAGES.values():
        assert message.english != message.swahili
        assert message.note
    for column in zip(*MESSAGES.values(), strict=True):
        assert len(set(column)) == len(column)


def test_a_reason_is_a_key_as_it_is() -> None:
    assert text(Reason.QUOTA_USED, Language.SWAHILI) == "Data yako imeisha. Nunua zaidi uendelee."
    assert text(Reason.QUOTA_USED, Language.ENGLISH) == "Your data is used up. Buy more to go on."


def test_an_unknown_reason_is_a_bug_not_an_empty_text() -> None:
    with pytest.raises(KeyError):
        text("because", Language.ENGLISH)
