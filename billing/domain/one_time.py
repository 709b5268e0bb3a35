"""One-time codes that prove a phone: six digits by text message, typed on the device that asked for them.

One guess in a million is right, so what holds is the count: `TRIES_MAX` tries a code, and as many codes a phone as
`WAITS_S` lets out (a dozen a day: 60 guesses). A code is bound to phone and device; at rest there is a keyed hash. What
a stranger sees says nothing: wrong, expired, spent and never sent are one answer, and a device that asks for a phone
whose last message others had sent just now is told the same as if another had gone out.

What this cannot stop: whoever keeps asking for somebody's phone uses up that phone's messages for the day. Paying from
the phone proves it as well, and staff can.
"""

import hmac
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

import msgspec

from billing.domain.check_digit import DIGITS
from billing.domain.draw import Draw, characters

CODE_DIGITS = 6
LIFE_S = 600  # a message is late by minutes on a full network
TRIES_MAX = 5
# Seconds from the n-th message to the next one; the last is for all that follow, all is forgotten after QUIET_S. Phone
# and device wait alike, so that a person alone with a phone is always told the truth.
WAITS_S = (60, 120, 300, 900, 3_600, 7_200, 14_400)
QUIET_S = 86_400
_NOISE = str.maketrans("", "", " -")
_NO_DIGEST = "0" * 64


class OneTimeState(StrEnum):
    """What a code is."""

    OPEN = "open"
    VERIFIED = "verified"
    SPENT = "spent"  # by wrong tries
    EXPIRED = "expired"


class OneTimeEvent(StrEnum):
    """What happens to it."""

    RIGHT = "right"
    WRONG = "wrong"
    LAST_WRONG = "last_wrong"
    END = "end"


class OneTimeRefusal(StrEnum):
    """Why a try proves nothing: for our counters, never for whoever tried."""

    SHAPE = "shape"  # not six digits: may be told, it is no try
    WRONG = "wrong"
    NONE = "none"
    VERIFIED = "verified"
    SPENT = "spent"
    EXPIRED = "expired"


S, E, R = OneTimeState, OneTimeEvent, OneTimeRefusal

TABLE: dict[tuple[OneTimeState, OneTimeEvent], OneTimeState | OneTimeRefusal] = {
    (S.OPEN, E.RIGHT): S.VERIFIED,
    (S.OPEN, E.WRONG): S.OPEN,
    (S.OPEN, E.LAST_WRONG): S.SPENT,
    (S.OPEN, E.END): S.EXPIRED,
    **{(S.VERIFIED, event): R.VERIFIED for event in E},
    **{(S.SPENT, event): R.SPENT for event in E},
    **{(S.EXPIRED, event): R.EXPIRED for event in E},
}


class OneTime(msgspec.Struct, frozen=True, omit_defaults=True):
    """A code as it is kept, one for a phone and a device; a new one takes its place. `expires_at` in UTC seconds."""

    digest: str
    expires_at: int
    tries: int = 0
    state: OneTimeState = OneTimeState.OPEN


class Tried(NamedTuple):
    """What a try leads to: None if the phone is proven, and what is to be kept of the code.

    It is answered only once `after` is committed on the condition that the code was as it was read: else tries made at
    once would count as one.
    """

    refusal: OneTimeRefusal | None
    after: OneTime | None


def new_code(draw: Draw) -> str:
    """Six digits, each as likely as any other. Raises NoChance."""
    return characters(DIGITS, CODE_DIGITS, draw)


def issue(key: bytes, phone: str, device: str, code: str, now: int) -> OneTime:
    """A new code of a phone for a device, good from `now` (UTC seconds) for `LIFE_S`."""
    return OneTime(_digest(key, phone, device, code, now + LIFE_S), now + LIFE_S)


def attempt(kept: OneTime | None, key: bytes, phone: str, device: str, typed: str, now: int) -> Tried:
    """Judge what was typed. It costs the same work whether there is a code or not."""
    code = typed.translate(_NOISE)
    if len(code) != CODE_DIGITS or set(code) - set(DIGITS):
        return Tried(R.SHAPE, kept)
    known = kept or OneTime(_NO_DIGEST, 0)
    right = hmac.compare_digest(_digest(key, phone, device, code, known.expires_at), known.digest)
    if kept is None:
        return Tried(R.NONE, None)
    return _judge(kept, right=right, over=now >= kept.expires_at)


def _judge(kept: OneTime, *, right: bool, over: bool) -> Tried:
    tries = kept.tries + 1
    event = E.END if over else E.RIGHT if right else E.WRONG if tries < TRIES_MAX else E.LAST_WRONG
    state = TABLE[kept.state, event]
    if isinstance(state, OneTimeRefusal):
        return Tried(state, kept)
    after = msgspec.structs.replace(kept, state=state, tries=kept.tries if over else tries)
    return Tried(R.EXPIRED if over else None if right else R.WRONG, after)


def _digest(key: bytes, phone: str, device: str, code: str, expires_at: int) -> str:
    """Who reads the store has a million codes to try, and no key. No part has a colon in it."""
    return hmac.new(key, f"one-time:{phone}:{device}:{expires_at}:{code}".encode(), sha256).hexdigest()


class Pace(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often a phone, or a device, asked; `last_at` in UTC seconds."""

    count: int = 0
    last_at: int = 0


class Ask(StrEnum):
    """What becomes of asking for a code."""

    SEND = "send"
    SILENT = "silent"  # nothing is sent, and the device is told what it is told for SEND
    WAIT = "wait"  # the device is told to wait


class Asked(NamedTuple):
    """The decision, the seconds until the device may ask again, and what is to be kept of both, in one commit."""

    ask: Ask
    wait_s: int
    phone: Pace
    device: Pace


def ask(phone: Pace, device: Pace, now: int) -> Asked:
    """Decide whether a code goes to a phone that a device names. `wait_s` tells of the device's own doing only."""
    wait_s = _wait(device, now)
    if wait_s:
        return Asked(Ask.WAIT, wait_s, phone, device)
    asked = _more(device, now)
    wait_s = _wait(asked, now)
    if _wait(phone, now):
        return Asked(Ask.SILENT, wait_s, phone, asked)
    return Asked(Ask.SEND, wait_s, _more(phone, now), asked)


def _wait(pace: Pace, now: int) -> int:
    """Seconds to wait, never more than one step, though the clock was set back."""
    if not pace.count:
        return 0
    step = WAITS_S[min(pace.count, len(WAITS_S)) - 1]
    return min(max(pace.last_at + step - now, 0), step)


def _more(pace: Pace, now: int) -> Pace:
    forgotten = now - pace.last_at >= QUIET_S
    return Pace(1 if forgotten else pace.count + 1, now)
