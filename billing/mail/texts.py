"""Subjects of letters, in English and Swahili; a letter says what the text message of its kind says.

A native reader should look at the Swahili before a customer does.
"""

from collections.abc import Mapping

from billing.mail.port import SUBJECT_CHARS_MAX, Mail
from billing.sms.texts import Kind, render
from radius.domain.nas import Language

SUBJECTS: dict[Kind, dict[Language, str]] = {
    Kind.ENDS_IN_3_DAYS: {
        Language.ENGLISH: "{brand}: {package} ends in 3 days",
        Language.SWAHILI: "{brand}: {package} itaisha siku 3 zijazo",
    },
    Kind.ENDS_TOMORROW: {
        Language.ENGLISH: "{brand}: {package} ends tomorrow",
        Language.SWAHILI: "{brand}: {package} itaisha kesho",
    },
    Kind.ENDS_TODAY: {
        Language.ENGLISH: "{brand}: {package} ends today",
        Language.SWAHILI: "{brand}: {package} itaisha leo",
    },
    Kind.OUTAGE: {
        Language.ENGLISH: "{brand}: no internet at {site}",
        Language.SWAHILI: "{brand}: hakuna intaneti {site}",
    },
    Kind.RESTORED: {
        Language.ENGLISH: "{brand}: the internet at {site} is back",
        Language.SWAHILI: "{brand}: intaneti imerudi {site}",
    },
    Kind.WORKS: {
        Language.ENGLISH: "{brand}: works at {site} on {start}",
        Language.SWAHILI: "{brand}: matengenezo {site} {start}",
    },
    Kind.WORKS_DONE: {
        Language.ENGLISH: "{brand}: the works at {site} are done",
        Language.SWAHILI: "{brand}: matengenezo {site} yamekwisha",
    },
    Kind.PAYMENTS_DOWN: {
        Language.ENGLISH: "{brand}: M-Pesa payments at {site} fail now",
        Language.SWAHILI: "{brand}: malipo ya M-Pesa {site} hayapiti sasa",
    },
    Kind.PAYMENTS_BACK: {
        Language.ENGLISH: "{brand}: you can pay at {site} again",
        Language.SWAHILI: "{brand}: sasa unaweza kulipa tena {site}",
    },
}


def letter(to: str, kind: Kind, language: Language, values: Mapping[str, str]) -> Mail:
    """The letter to an address. Raises KeyError for a missing value or a kind of which there are no letters."""
    subject = SUBJECTS[kind][language].format_map(values)
    line = "".join(each if each.isprintable() else " " for each in subject)
    return Mail(to, line[:SUBJECT_CHARS_MAX], render(kind, language, values))
