"""What is said by text message, in English and Swahili, each in one part of 160 characters whatever is put into it.

A native reader should look at the Swahili before a customer does: `NOTES` says for each text what it must do.
"""

from collections.abc import Mapping
from enum import StrEnum
from unicodedata import normalize

from billing.sms.segments import in_gsm
from radius.domain.nas import Language


class Kind(StrEnum):
    """What a message is about."""

    CODE = "code"
    PAID = "paid"
    ENDS_IN_3_DAYS = "ends_in_3_days"
    ENDS_TOMORROW = "ends_tomorrow"
    ENDS_TODAY = "ends_today"
    OUTAGE = "outage"
    RESTORED = "restored"
    WORKS = "works"
    WORKS_DONE = "works_done"
    PAYMENTS_DOWN = "payments_down"
    PAYMENTS_BACK = "payments_back"


CHARS_MAX = {  # what is longer is cut, so that a long name never makes a message cost twice
    "brand": 24,
    "code": 6,
    "minutes": 2,
    "amount": 14,  # Ksh 250,000.50
    "receipt": 10,  # an M-Pesa code
    "package": 28,
    "end": 11,  # 31/12 23:59
    "start": 11,
    "hours": 2,
    "site": 24,
    "paybill": 7,
    "account": 8,
    "support": 16,
}

TEXTS: dict[Kind, dict[Language, str]] = {
    Kind.CODE: {
        Language.ENGLISH: "{code} is your {brand} code, good for {minutes} minutes. Tell it to nobody, not even to us.",
        Language.SWAHILI: "{code} ni namba yako ya {brand}, kwa dakika {minutes}. Usimwambie mtu yeyote, hata sisi.",
    },
    Kind.PAID: {
        Language.ENGLISH: "{brand}: {amount} received, M-Pesa {receipt}. {package} until {end}. Help: {support}",
        Language.SWAHILI: "{brand}: tumepokea {amount}, M-Pesa {receipt}. {package} hadi {end}. Msaada: {support}",
    },
    Kind.ENDS_IN_3_DAYS: {
        Language.ENGLISH: "{brand}: {package} ends in 3 days ({end}). Renew on the WiFi page, or paybill {paybill} "
        "account {account}.",
        Language.SWAHILI: "{brand}: {package} itaisha siku 3 zijazo ({end}). Lipia kwenye ukurasa wa WiFi, au paybill "
        "{paybill} akaunti {account}.",
    },
    Kind.ENDS_TOMORROW: {
        Language.ENGLISH: "{brand}: {package} ends tomorrow ({end}). Renew on the WiFi page, or paybill {paybill} "
        "account {account}.",
        Language.SWAHILI: "{brand}: {package} itaisha kesho ({end}). Lipia kwenye ukurasa wa WiFi, au paybill "
        "{paybill} akaunti {account}.",
    },
    Kind.ENDS_TODAY: {
        Language.ENGLISH: "{brand}: {package} ends today ({end}). Renew on the WiFi page, or paybill {paybill} "
        "account {account}.",
        Language.SWAHILI: "{brand}: {package} itaisha leo ({end}). Lipia kwenye ukurasa wa WiFi, au paybill "
        "{paybill} akaunti {account}.",
    },
    Kind.OUTAGE: {
        Language.ENGLISH: "{brand}: the internet at {site} is down. We are at work and will tell you when it is back.",
        Language.SWAHILI: "{brand}: intaneti imekatika {site}. Tunaishughulikia na tutakujulisha ikirudi.",
    },
    Kind.RESTORED: {
        Language.ENGLISH: "{brand}: the internet at {site} is back. We are sorry for the trouble. Help: {support}",
        Language.SWAHILI: "{brand}: intaneti imerudi {site}. Pole kwa usumbufu. Msaada: {support}",
    },
    Kind.WORKS: {
        Language.ENGLISH: "{brand}: works on {start}. The internet at {site} will be off for about {hours} hours. "
        "Help: {support}",
        Language.SWAHILI: "{brand}: matengenezo {start}. Intaneti {site} itazimwa kwa muda wa masaa {hours}. "
        "Msaada: {support}",
    },
    Kind.WORKS_DONE: {
        Language.ENGLISH: "{brand}: the works at {site} are done and the internet is back. Thank you for waiting. "
        "Help: {support}",
        Language.SWAHILI: "{brand}: matengenezo {site} yamekwisha na intaneti imerudi. Asante kwa kusubiri. "
        "Msaada: {support}",
    },
    Kind.PAYMENTS_DOWN: {
        Language.ENGLISH: "{brand}: M-Pesa payments at {site} fail now. Please do not pay again: we look into it and "
        "will tell you.",
        Language.SWAHILI: "{brand}: malipo ya M-Pesa {site} hayapiti sasa. Tafadhali usilipe tena: tunashughulikia, "
        "tutakujulisha.",
    },
    Kind.PAYMENTS_BACK: {
        Language.ENGLISH: "{brand}: service restored at {site}. You can buy packages again. We are sorry for the "
        "trouble. Help: {support}",
        Language.SWAHILI: "{brand}: huduma imerudi {site}. Sasa unaweza kununua vifurushi. Pole kwa usumbufu. "
        "Msaada: {support}",
    },
}

_ASK = {Language.ENGLISH: " Help: {support}", Language.SWAHILI: " Msaada: {support}"}
NOTES: dict[Kind, str] = {
    Kind.CODE: "The code comes first: it shows on a locked screen. It must be plain that nobody may ask for it.",
    Kind.PAID: "Proof of payment: amount and M-Pesa code as in M-Pesa's own message, and how long it is good.",
    Kind.ENDS_IN_3_DAYS: "The end is a day and a time. 'siku 3 zijazo' must not be read as 'for three days'.",
    Kind.ENDS_TOMORROW: "As before; polite, no threat: nothing is lost but the connection.",
    Kind.ENDS_TODAY: "As before; the time matters most.",
    Kind.OUTAGE: "To everybody at a site; it promises no refund. 'imekatika': the fault is not the phone's.",
    Kind.RESTORED: "To those who got the message before.",
    Kind.WORKS: "Sent 48 hours before planned works. The hours are a duration, not a time of day.",
    Kind.WORKS_DONE: "To those who got the announcement.",
    Kind.PAYMENTS_DOWN: "It must be plain that a second payment is a second charge, and that nobody is blamed.",
    Kind.PAYMENTS_BACK: "To those who got the message before; what was paid meanwhile is found without them.",
}


def render(kind: Kind, language: Language, values: Mapping[str, str]) -> str:
    """The text, in the 7-bit alphabet: other letters lose their accents or go. Raises KeyError for a missing value.

    With an empty `support` it names nobody to call.
    """
    text = TEXTS[kind][language]
    if values.get("support") == "":
        text = text.removesuffix(_ASK[language])
    return text.format_map({name: _plain(text)[: CHARS_MAX[name]] for name, text in values.items()})


def _plain(text: str) -> str:
    """One line of the basic alphabet: a sign of the extension counts twice, and so it goes."""
    kept = (letter if in_gsm(letter) else normalize("NFKD", letter) for letter in text if letter.isprintable())
    return "".join(letter for letter in "".join(kept) if in_gsm(letter))
