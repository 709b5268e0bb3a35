"""Bench subject (e): the hooks of the product's own FreeRADIUS configuration, without work behind them.

What is left is unlang, the pool, three lists of pairs in and out, and FreeRADIUS itself: the most that the product can
reach with this configuration.
"""

RLM_MODULE_OK = 2
RLM_MODULE_UPDATED = 8
CLIENT = (
    ("FreeRADIUS-Client-Secret", ":=", "bench-secret-0123456789"),
    ("FreeRADIUS-Client-Shortname", ":=", "bench-router"),
)
REPLY = (
    ("Session-Timeout", ":=", "3600"),
    ("Idle-Timeout", ":=", "600"),
    ("Acct-Interim-Interval", ":=", "300"),
    ("Class", ":=", "0x" + b"s:01234567890123456789:r:0123456789".hex()),
    ("Mikrotik-Rate-Limit", ":=", "2M/4M"),
    ("Mikrotik-Total-Limit", ":=", "1073741824"),
    ("Mikrotik-Total-Limit-Gigawords", ":=", "1"),
)

Pairs = tuple[tuple[str, str], ...]


def instantiate(_nothing: object) -> int:
    return RLM_MODULE_OK


def detach(_nothing: object) -> int:
    return RLM_MODULE_OK


def client_lookup(request: Pairs) -> tuple[int, dict[str, object]]:
    return RLM_MODULE_UPDATED, {"config": CLIENT}


def authorize(request: Pairs) -> tuple[int, dict[str, object]]:
    password = "pw-" + dict(request)["User-Name"][4:]
    return RLM_MODULE_UPDATED, {
        "config": (("Cleartext-Password", ":=", password),),
        "request": (("Tmp-String-1", ":=", "token-of-the-decision"),),
    }


def authenticate(request: Pairs) -> int:
    return RLM_MODULE_OK


def post_auth(request: Pairs) -> tuple[int, dict[str, object]]:
    return RLM_MODULE_UPDATED, {"reply": REPLY}


def accounting(request: Pairs) -> int:
    dict(request)
    return RLM_MODULE_OK
