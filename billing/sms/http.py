"""One question over HTTP, asked once: bounded in time and bytes, and what its silence means.

The transport is used without httpx's client, which would log the address (and with some gateways the phone number in
it), follow redirects and read proxies from the environment.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import httpx

from billing.sms.port import Outcome, Reason, Refused, Unknown

REPLY_BYTES_MAX = 64 * 1024
CONNECT_S = 5.0
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes


def ask(
    transport: httpx.BaseTransport,
    request: httpx.Request,
    deadline_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> Reply | Refused | Unknown:
    """The answer; or Refused if the request never left; or Unknown if the answer did not come whole and in time."""
    until = monotonic() + deadline_s
    request.extensions["timeout"] = httpx.Timeout(deadline_s, connect=min(CONNECT_S, deadline_s)).as_dict()
    try:
        response = transport.handle_request(request)
        try:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > REPLY_BYTES_MAX or monotonic() > until:
                    return Unknown()
        finally:
            response.close()
    except _NEVER_LEFT:
        return Refused(Reason.NETWORK, retryable=True)
    except httpx.RequestError:
        return Unknown()
    return Reply(response.status_code, body)


def by_status(status: int) -> Outcome | None:
    """What a status alone says; None for 2xx, whose body decides. A 5xx may come after the message went out."""
    if status in {401, 402, 403, 407}:
        return Refused(Reason.ACCOUNT)
    if status in {408, 429}:
        return Refused(Reason.BUSY, retryable=True)
    if 300 <= status < 500:
        return Refused(Reason.REJECTED)
    return None if 200 <= status < 300 else Unknown()
