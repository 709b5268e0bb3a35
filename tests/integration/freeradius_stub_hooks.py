"""Hooks that answer whatever the user name asks for, to prove the configuration without the application.

``<stage>-<answer>``: stage ``authorize``, ``authenticate``, ``post``, ``acct``; answer an rcode name, ``raise`` or
``silent``. Any other name is a customer whose secret is "secret"; ``hashed`` has one that only the hook can check.
Every call is appended to ``<settings>.calls`` as one JSON line, unless the settings say ``"record": false``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, ClassVar

import radiusd

Pairs = tuple[tuple[str, str], ...]
Pairs3 = tuple[tuple[str, str, str], ...]
Answer = int | tuple[int, dict[str, Pairs3]]
SECRET = "secret"
SILENCE: Pairs3 = (("Response-Packet-Type", ":=", "Do-Not-Respond"),)
LIMITS: Pairs3 = (
    ("Session-Timeout", ":=", "3600"),
    ("Class", ":=", "0x746f6b656e"),
    ("ChilliSpot-Max-Total-Gigawords", ":=", "3"),
)


class _State:
    settings: ClassVar[dict[str, Any]] = {}
    path = Path()
    record = True


def _record(hook: str, request: Pairs) -> None:
    if not _State.record:
        return
    line = json.dumps({"hook": hook, "request": request}) + "\n"
    descriptor = os.open(f"{_State.path}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _asked(stage: str, name: str) -> str | None:
    return name.removeprefix(f"{stage}-") if name.startswith(f"{stage}-") else None


def _answer(word: str) -> Answer:
    if word == "raise":
        raise RuntimeError("asked for")
    if word == "silent":
        return (radiusd.RLM_MODULE_HANDLED, {"config": SILENCE})
    if word == "silent-ok":
        return (radiusd.RLM_MODULE_OK, {"config": SILENCE})
    if word == "reject":
        return (radiusd.RLM_MODULE_REJECT, {"reply": (("Reply-Message", ":=", "refused by the stub"), *LIMITS)})
    return int(getattr(radiusd, f"RLM_MODULE_{word.upper()}"))


def instantiate(_: object) -> int:
    _State.path = Path(radiusd.config["settings"])
    _State.settings = json.loads(_State.path.read_text())
    _State.record = _State.settings.get("record", True)
    return 0


def detach(_: object) -> int:
    return 0


def client_lookup(request: Pairs) -> Answer:
    _record("client_lookup", request)
    values = dict(request)
    address = values.get("Packet-Src-IP-Address") or values["Packet-Src-IPv6-Address"]
    known = json.loads(_State.path.read_text())["clients"].get(address)
    if known is None:
        return int(radiusd.RLM_MODULE_NOTFOUND)
    name, secrets = known
    config: Pairs3 = (
        ("FreeRADIUS-Client-Shortname", ":=", name),
        ("FreeRADIUS-Client-Secret", ":=", secrets[values["Tmp-String-2"]]),
    )
    return (radiusd.RLM_MODULE_OK, {"config": config})


def authorize(request: Pairs) -> Answer:
    _record("authorize", request)
    values = dict(request)
    if values["Tmp-String-3"] == "outer" and "Message-Authenticator" not in values:
        return _answer("silent")
    name = values["User-Name"]
    asked = _asked("authorize", name)
    if asked == "accept":
        return (radiusd.RLM_MODULE_UPDATED, {"config": (("Auth-Type", ":=", "Accept"),)})
    if asked is not None:
        return _answer(asked)
    config: Pairs3
    if name == "hashed" or _asked("authenticate", name):
        config = (("Auth-Type", ":=", "wifibilling"),)
    else:
        config = (("Cleartext-Password", ":=", SECRET),)
    update: dict[str, Pairs3] = {
        "config": config,
        "request": (("Tmp-String-1", ":=", f"token-of-{name}"),),
        "reply": LIMITS[:1],
    }
    return (radiusd.RLM_MODULE_UPDATED, update)


def authenticate(request: Pairs) -> Answer:
    _record("authenticate", request)
    values = dict(request)
    asked = _asked("authenticate", values["User-Name"])
    if asked is not None:
        return _answer(asked)
    right = values.get("User-Password") == SECRET
    return int(radiusd.RLM_MODULE_OK if right else radiusd.RLM_MODULE_REJECT)


def post_auth(request: Pairs) -> Answer:
    _record("post_auth", request)
    values = dict(request)
    if values.get("Tmp-String-4") == "rejected":
        return (radiusd.RLM_MODULE_REJECT, {"reply": (("Reply-Message", ":=", "wrong name or secret"),)})
    asked = _asked("post", values["User-Name"])
    if asked is not None:
        return _answer(asked)
    return (radiusd.RLM_MODULE_UPDATED, {"reply": LIMITS})


def accounting(request: Pairs) -> Answer:
    _record("accounting", request)
    asked = _asked("acct", dict(request).get("User-Name", ""))
    return int(radiusd.RLM_MODULE_OK) if asked is None else _answer(asked)
