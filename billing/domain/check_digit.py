"""A last character that catches typing errors: every single wrong one, and every two neighbours that changed places.

For ten digits it is H. M. Damm's quasigroup ("Total anti-symmetrische Quasigruppen", Marburg 2004). For an alphabet of
a prime number of characters it is a weighted sum with weights that double (as in ISO 7064's pure systems): a change of
one character, and a swap of two neighbours, change the sum by a product of numbers that are not 0 modulo a prime.
"""

from radius.domain.errors import Malformed

DIGITS = "0123456789"
# No vowels, so that no word comes out; of look-alikes (0 O D Q, 1 I L J, 2 Z, 5 S, 6 G, 8 B, U V, C G) one at most.
LETTERS = "34679CDFHJKMNPRTWXY"

_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def check_alphabet(alphabet: str) -> str:
    """Return an alphabet this check works for; raises Malformed for one without a proof."""
    size = len(alphabet)
    prime = size > 2 and all(size % factor for factor in range(2, size))
    if len(set(alphabet.casefold())) != size or not alphabet.isascii() or not alphabet.isalnum():
        raise Malformed("code alphabet", "must be letters and digits, each once, whatever their case")
    if alphabet != DIGITS and not prime:
        raise Malformed("code alphabet", f"must be the ten digits or a prime number of characters, not {size}")
    return alphabet


def with_check(body: str, alphabet: str) -> str:
    """`body` and its check character."""
    state = _state(body, alphabet)
    return body + alphabet[state if alphabet == DIGITS else -state % len(alphabet)]


def is_right(code: str, alphabet: str) -> bool:
    """True if `code` ends with the right check character, in any case; False for characters of another alphabet."""
    spelt, known = code.casefold(), alphabet.casefold()
    if len(spelt) < 2 or set(spelt) - set(known):
        return False
    return with_check(spelt[:-1], known) == spelt


def _state(body: str, alphabet: str) -> int:
    state = 0
    for character in body:
        digit = alphabet.index(character)
        state = _DAMM[state][digit] if alphabet == DIGITS else (state + digit) * 2 % len(alphabet)
    return state
