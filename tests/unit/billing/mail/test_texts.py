"""Letters say what text messages say, under a subject on one line, in both languages."""

import pytest

from billing.mail.port import SUBJECT_CHARS_MAX
from billing.mail.texts import SUBJECTS, letter
from billing.sms.texts import TEXTS, Kind
from radius.domain.nas import Language

VALUES = {"brand": "Kilifi WiFi", "package": "Wiki", "end": "31/12 23:59", "account": "52810476", "paybill": "600999"}
VALUES |= {"site": "Kilimani", "start": "28/11 02:00", "hours": "2", "support": "0712 345 678"}
LONG = "one\ntwo " * 99


@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("language", Language)
def test_a_letter_of_each_kind(kind: Kind, language: Language) -> None:
    made = letter("amina@example.co.ke", kind, language, VALUES)
    assert made.subject.startswith("Kilifi WiFi: ")
    assert ("Wiki" in made.subject) is ("{package}" in SUBJECTS[kind][language])
    assert ("Kilimani" in made.subject) is ("{site}" in SUBJECTS[kind][language])
    assert made.text == TEXTS[kind][language].format(**VALUES)
    long = letter("amina@example.co.ke", kind, language, VALUES | {"package": LONG, "site": LONG})
    assert len(long.subject) == SUBJECT_CHARS_MAX
    assert "\n" not in long.subject
