"""Any gateway that takes one HTTP request a message, as the settings describe it."""

import json
from typing import Any
from urllib.parse import quote

import httpx

from billing.sms.http import Reply, ask, by_status
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import GatewaySettings

_DEPTH_MAX = 8


class Gateway:
    """A sender. Values are put into templates first and encoded after: no text can add a field of its own."""

    def __init__(self, settings: GatewaySettings, key: str, transport: httpx.BaseTransport) -> None:
        self._settings = settings
        self._key = key
        self._transport = transport

    def send(self, message: Message) -> Outcome:
        """Send once; raises nothing."""
        reply = ask(self._transport, self._request(message), self._settings.deadline_s)
        if not isinstance(reply, Reply):
            return reply
        return by_status(reply.status) or self._read(reply.body)

    def _request(self, message: Message) -> httpx.Request:
        settings = self._settings
        values = {"to": message.to, "text": message.text, "sender": settings.sender_id or "", "key": self._key}
        url = settings.url.format_map({name: quote(value, safe="") for name, value in values.items()})
        headers = {name: text.format_map(values) for name, text in settings.headers.items()}
        form = {name: text.format_map(values) for name, text in settings.form.items()}
        body = {name: text.format_map(values) for name, text in settings.json_body.items()}
        method = "POST" if form or body else "GET"
        return httpx.Request(method, url, headers=headers, data=form or None, json=body or None)

    def _read(self, body: bytes) -> Outcome:
        settings = self._settings
        if not (settings.ok_field or settings.id_field):
            return Sent("")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return Unknown()
        if settings.ok_field:
            said = _at(answer, settings.ok_field)
            if said is None:
                return Unknown()
            if said not in settings.ok_values:
                return Refused(Reason.REJECTED)
        return Sent((_at(answer, settings.id_field) or "")[:128] if settings.id_field else "")


def _at(answer: Any, path: str) -> str | None:
    """The value behind names with dots (a number is an index of a list); None if there is none, or it is no value."""
    for name in path.split(".")[:_DEPTH_MAX]:
        try:
            answer = answer[int(name)] if isinstance(answer, list) else answer[name]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    if isinstance(answer, bool):
        return "true" if answer else "false"
    return str(answer) if isinstance(answer, str | int) else None
