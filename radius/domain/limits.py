"""What an Accept promises, in the product's own units; `radius.rlm.vendors` says it in the words of each router."""

import msgspec

from radius.domain.terms import Rate


class Limits(msgspec.Struct, frozen=True):
    """Limits of one session as granted.

    `session_s` is always finite and at least 1. `total_bytes` counts both directions from 0 at the session's start;
    None: no cap. `ends_at` is the wall clock instant of the end, `zone` the site's. `class_text` goes out as Class.
    """

    session_s: int
    interim_s: int
    ends_at: int
    zone: str
    class_text: str
    idle_s: int | None = None
    total_bytes: int | None = None
    rate: Rate | None = None
    devices: int = 1
    fixed_ip: str = ""
    pool: str = ""
