"""Africa's Talking: POST /version1/messaging.

Source: its "Sending SMS" page. What they do not stress: a refused sender name comes as 201 with
no recipient and the reason as `Message`; a recipient that failed comes within a 201, its `messageId` the word "None".
"""

import json
import re
from typing import Any

import httpx

from billing.sms.http import Reply, ask, by_status
from billing.sms.port import Message, Outcome, Reason, Refused, Sent, Unknown
from billing.sms.settings import AfricasTalkingSettings

ENDPOINT = "https://api.africastalking.com"
SANDBOX = "https://api.sandbox.africastalking.com"

_SENT = {100, 101, 102}  # processed, sent, queued
_REFUSED = {
    401: ("RiskHold", Refused(Reason.REJECTED)),
    402: ("InvalidSenderId", Refused(Reason.ACCOUNT)),
    403: ("InvalidPhoneNumber", Refused(Reason.NUMBER)),
    404: ("UnsupportedNumberType", Refused(Reason.NUMBER)),
    405: ("InsufficientBalance", Refused(Reason.ACCOUNT, retryable=True)),
    406: ("UserInBlacklist", Refused(Reason.OPTED_OUT)),
    407: ("CouldNotRoute", Refused(Reason.NUMBER)),
    409: ("DoNotDisturbRejection", Refused(Reason.OPTED_OUT)),
    502: ("RejectedByGateway", Refused(Reason.REJECTED)),
}  # 500 InternalServerError and 501 GatewayError are missing on purpose: nobody knows what happened behind them
_BY_NAME = dict(_REFUSED.values())
_BALANCE = re.compile(r"KES ([0-9]{1,9})(?:\.([0-9]{1,8}))?", re.ASCII)
_COST = re.compile(r"KES ([0-9]{1,6})(?:\.([0-9]{1,8}))?", re.ASCII)


class AfricasTalking:
    """A sender. Threads may share it if they may share the transport."""

    def __init__(self, settings: AfricasTalkingSettings, key: str, transport: httpx.BaseTransport) -> None:
        self._settings = settings
        self._key = key
        self._transport = transport
        self._host = settings.endpoint or (SANDBOX if settings.sandbox else ENDPOINT)
        self._url = self._host + "/version1/messaging"

    def send(self, message: Message) -> Outcome:
        """Send once; raises nothing."""
        form = {"username": self._settings.username, "to": f"+{message.to}", "message": message.text}
        if self._settings.sender_id:  # the sandbox refuses any
            form["from"] = self._settings.sender_id
        headers = {"apiKey": self._key, "Accept": "application/json"}
        request = httpx.Request("POST", self._url, data=form, headers=headers)
        reply = ask(self._transport, request, self._settings.deadline_s)
        if not isinstance(reply, Reply):
            return reply
        return by_status(reply.status) or read_reply(reply.body, message.to)

    def balance_cents(self) -> int | None:
        """What is left to send from (GET /version1/user); None where it does not say, as the sandbox does not."""
        headers = {"apiKey": self._key, "Accept": "application/json"}
        asked = {"username": self._settings.username}
        request = httpx.Request("GET", self._host + "/version1/user", params=asked, headers=headers)
        reply = ask(self._transport, request, self._settings.deadline_s)
        if not isinstance(reply, Reply) or by_status(reply.status) is not None:
            return None
        try:
            text = str(json.loads(reply.body)["UserData"]["balance"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        found = _BALANCE.fullmatch(text.replace(",", "").strip())
        return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")[:2]) if found else None


def read_reply(body: bytes, to: str) -> Outcome:
    """What a 2xx says of the message to one phone. Whatever cannot be read may have been sent."""
    try:
        data = json.loads(body)["SMSMessageData"]
        said, recipients = str(data["Message"]), list(data["Recipients"])
        ours = [each for each in recipients if str(each["number"]).lstrip("+") == to]
        if not recipients:  # nobody was sent anything
            return _BY_NAME.get(said, Refused(Reason.REJECTED))
        outcomes = [_recipient(each) for each in ours]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Unknown()
    # The worst for us first: if one line says that it went out, it went out.
    for kind in (Sent, Unknown, Refused):
        for outcome in outcomes:
            if isinstance(outcome, kind):
                return outcome
    return Unknown()


def _recipient(line: dict[str, Any]) -> Outcome:
    code = int(line["statusCode"])
    if code in _SENT:
        name = str(line.get("messageId") or "")
        return Sent("" if name == "None" else name[:128], cost_cents(str(line.get("cost", ""))))
    return _REFUSED[code][1] if code in _REFUSED else Unknown()


def cost_cents(text: str) -> int | None:
    """Cents of ``KES 0.8000``, rounded up; None for another currency: it is no amount of our books."""
    found = _COST.fullmatch(text.strip())
    if found is None:
        return None
    part = (found[2] or "").ljust(2, "0")
    return int(found[1]) * 100 + int(part[:2]) + bool(part[2:].strip("0"))
