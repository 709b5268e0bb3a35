"""Reply-Message for every reason of the closed list, in English and Swahili: what happened, then what to do.

Shown by captive portals as it is, so: one line, plain ASCII, at most CHARS_MAX. `bad_credentials` is the same for an
unknown name, a wrong secret and too many tries, and nothing before the secret was right says more (no oracle: reasons
that are not told, `services.access.HIDDEN`, have no words here). The notes are for a native reader who checks the
Swahili; it is that spoken in Kenya, where English words such as "package" are usual.
"""

from typing import NamedTuple

from radius.domain.nas import Language

CHARS_MAX = 120  # two lines on a small phone; far under the 253 bytes of one attribute


class Message(NamedTuple):
    """One text in both languages. `note`: what a translator needs to know."""

    english: str
    swahili: str
    note: str


MESSAGES: dict[str, Message] = {
    "bad_credentials": Message(
        "Wrong name, code or password. Check it and try again; after many tries wait a few minutes.",
        "Jina, code au password si sahihi. Angalia ujaribu tena; ukikosea mara nyingi subiri dakika chache.",
        "Also for an unknown name and for too many tries: must not say which. Not 'kodi' (tax) for the code.",
    ),
    "blocked": Message(
        "This account is blocked. Please talk to the staff.",
        "Akaunti hii imefungwa. Tafadhali ongea na mhudumu.",
        "Blocked by staff on purpose; 'mhudumu' is whoever serves at the site.",
    ),
    "no_package": Message(
        "You have no active package. Buy one to go online.",
        "Huna kifurushi kinachotumika. Nunua kimoja uingie mtandaoni.",
        "'kifurushi' as in mobile data adverts; never bought, or all used up.",
    ),
    "expired": Message(
        "Your package has expired. Buy a new one to go on.",
        "Kifurushi chako kimeisha muda. Nunua kingine uendelee.",
        "The validity ran out (date), not the data.",
    ),
    "quota_used": Message(
        "Your data is used up. Buy more to go on.",
        "Data yako imeisha. Nunua zaidi uendelee.",
        "Megabytes; 'data' and 'bundles' are both understood.",
    ),
    "time_used": Message(
        "Your time is used up. Buy more to go on.",
        "Muda wako umeisha. Nunua zaidi uendelee.",
        "Hours of use, not the expiry date.",
    ),
    "quota_leased": Message(
        "The rest of your package is in use on your other devices. Log one out, or wait.",
        "Salio la kifurushi linatumika kwenye simu zako zingine. Ondoa moja au subiri.",
        "What is left is held by the customer's own devices; 'simu' stands for any device.",
    ),
    "outside_hours": Message(
        "Your package does not work at this hour. Try again in its hours.",
        "Kifurushi chako hakifanyi kazi saa hii. Jaribu tena katika saa zake.",
        "For example a night package by day; 'saa hii' is this time of day.",
    ),
    "wrong_site": Message(
        "Your package is for another place. Buy one for this place.",
        "Kifurushi chako ni cha mahali pengine. Nunua cha hapa.",
        "Sold for other sites of the same operator.",
    ),
    "wrong_service": Message(
        "Your package is for another service. Please talk to the staff.",
        "Kifurushi chako ni cha huduma nyingine. Tafadhali ongea na mhudumu.",
        "Hotspot package used on home internet, or the other way round.",
    ),
    "device_limit": Message(
        "Too many devices are on this package. Log one out and try again.",
        "Simu zilizo kwenye kifurushi hiki ni nyingi. Ondoa moja ujaribu tena.",
        "The package allows n devices at once and all n are online.",
    ),
    "caller_mismatch": Message(
        "This account works on its own device only. Please talk to the staff.",
        "Akaunti hii hutumika kwenye kifaa chake pekee. Tafadhali ongea na mhudumu.",
        "Home internet bound to one router; 'kifaa' is that router.",
    ),
    "malformed": Message(
        "We could not read this log-in. Try again, or talk to the staff.",
        "Hatukuweza kusoma ombi lako. Jaribu tena au ongea na mhudumu.",
        "The request was broken: not the customer's fault.",
    ),
}


def text(reason: str, language: Language) -> str:
    """The Reply-Message of a reason; KeyError for one that is not in the list."""
    message = MESSAGES[reason]
    return message.swahili if language is Language.SWAHILI else message.english
