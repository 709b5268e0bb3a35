"""How many messages a text is charged as (3GPP TS 23.038 §6.2.1 and TS 23.040 §9.2.3.24.1). Pure."""

from typing import NamedTuple

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")  # two septets each: an escape goes before
GSM_ALONE, GSM_JOINED = 160, 153  # septets; a joined part gives seven to its header
UCS2_ALONE, UCS2_JOINED = 70, 67  # 16-bit units


class Segments(NamedTuple):
    """How many parts a text has, and whether they are in the 7-bit alphabet."""

    parts: int
    gsm: bool


def in_gsm(letter: str) -> bool:
    """True for a character of the basic 7-bit alphabet: one septet."""
    return letter in _BASIC


def segments(text: str) -> Segments:
    """Parts of a text. No character is split over two of them, so a part may stay one unit short."""
    gsm = all(in_gsm(letter) or letter in _EXTENSION for letter in text)
    alone, joined = (GSM_ALONE, GSM_JOINED) if gsm else (UCS2_ALONE, UCS2_JOINED)
    widths = [(1 + (letter in _EXTENSION)) if gsm else (1 + (letter > "\uffff")) for letter in text]
    if sum(widths) <= alone:
        return Segments(1, gsm)
    count, used = 1, 0
    for width in widths:
        if used + width > joined:
            count, used = count + 1, 0
        used += width
    return Segments(count, gsm)
