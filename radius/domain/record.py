"""The record that a session leaves behind: found by router, site, subscriber and day; higher revision wins."""

import msgspec

from radius.domain.identity import NasId, SessionUid, SubscriberId


class SessionRecord(msgspec.Struct, omit_defaults=True):
    """One session. Key: (`uid`, `started_at`). `closed_at` 0: open. A closed one changes only by a higher revision.

    `user_name` is exactly as authenticated (RFC 5176 §3 wants it back). Bytes are in RFC 2866 view; `overspend_bytes`
    is what went beyond the right.
    """

    uid: SessionUid
    started_at: int
    revision: int
    subscriber: SubscriberId | str
    nas: NasId
    site: str
    acct_session_id: str
    user_name: str
    device: str
    right: str
    in_bytes: int
    out_bytes: int
    time_s: int
    last_at: int
    framed_ip: str = ""
    nas_ip: str = ""
    reservation: str = ""
    closed_at: int = 0
    cause: str = ""
    overspend_bytes: int = 0
    clean_stop: bool = False  # a Stop was seen; False: reaped
    day: str = ""  # local day of the start at the site, YYYYMMDD
