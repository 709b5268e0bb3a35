"""Bench subject (d): the two calls and the reply of a real accept, with no work behind them.

The distance between (c) and this is what the product's shape costs before its first line of logic: a
dict of all lists in, a password out in authorize, seven reply attributes out in post_auth.
"""

RLM_MODULE_OK = 2
RLM_MODULE_UPDATED = 8
REPLY = (
    ("Session-Timeout", ":=", "3600"),
    ("Idle-Timeout", ":=", "600"),
    ("Acct-Interim-Interval", ":=", "300"),
    ("Class", ":=", "0x" + b"s:01234567890123456789:r:0123456789".hex()),
    ("Mikrotik-Rate-Limit", ":=", "2M/4M"),
    ("Mikrotik-Total-Limit", ":=", "1073741824"),
    ("Mikrotik-Total-Limit-Gigawords", ":=", "1"),
)


def authorize(lists: dict[str, tuple[tuple[str, str], ...] | None]) -> tuple[int, dict[str, object]]:
    names = dict(lists["request"] or ())
    password = "pw-" + names["User-Name"][4:]
    return RLM_MODULE_UPDATED, {"config": (("Cleartext-Password", ":=", password),)}


def post_auth(lists: dict[str, tuple[tuple[str, str], ...] | None]) -> tuple[int, dict[str, object]]:
    return RLM_MODULE_UPDATED, {"reply": REPLY}


def accounting(lists: dict[str, tuple[tuple[str, str], ...] | None]) -> int:
    dict(lists["request"] or ())
    return RLM_MODULE_OK
