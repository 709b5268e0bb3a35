"""One step of enforcement as the audit keeps it: what was asked of which router, and what came of it."""

import msgspec

from radius.domain.identity import NasId, SessionUid, SubscriberId

ATTEMPT_KEPT_S = 90 * 86_400  # longer than any dispute about a month's bill


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """Append-only. Key: (`uid`, `at_ms`, `worker`). `outcome` is an `IntentState`, `verdict` what the answer means.

    `request` "": nothing was sent. `target` is address and port, `number` counts the requests for this intent, `tries`
    the transmissions of this one. `words` say it to an operator; they hold no customer's datum.
    """

    uid: SessionUid
    at_ms: int
    worker: str
    subscriber: SubscriberId
    nas: NasId
    reason: str
    outcome: str
    request: str = ""
    target: str = ""
    number: int = 0
    tries: int = 0
    round_trip_ms: int = 0
    error_cause: int = 0
    verdict: str = ""
    words: str = ""
