"""Whether what is live answers: the pages, and the door for callbacks as a stranger would ask it.

An API with a domain of its own answers to that name alone, and the name may lead here only later. So it is asked at the
address that its CNAME will have, by its name: what it shows must be that name's certificate.
"""

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from deploy.on_aws.stage import Stage
from deploy.refusal import Refusal

TIMEOUT_S = 30.0  # a cold start
PAUSES_S = (2.0, 5.0, 10.0, 20.0)  # between tries of one page: a new name, a cold start, a busy minute
PROBES = (("/api/v1/health/live", 200), ("/api/v1/health/ready", 200), ("/", 200))
CALLBACK_PROBE = "/pay/stk/nobody"  # a stranger's: PaymentLambda says that nothing is there
BUSY = frozenset({0, 429, 503, 504})  # passes by itself; of another 5xx two tries more tell enough

Fetch = Callable[[str, bytes | None], int]


def verify(stage: Stage) -> None:
    """Ask the stage's API. Raises Refusal when it does not answer as it should."""
    smoke(base(stage), partial(status_of, through=stage.outputs().get("ApiTarget", "")))


def base(stage: Stage) -> str:
    """How the API is reached: by its own domain if it has one."""
    outputs = stage.outputs()
    if stage.endpoint:  # an emulator has one address for all
        return f"{stage.endpoint}/_aws/execute-api/{outputs['ApiId']}/$default"
    return outputs["ApiUrl"]


def smoke(url: str, fetch: Fetch, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask each page until it answers as it should, a bounded number of times.

    Raises:
        Refusal: one of them does not.
    """
    for path, wanted in PROBES:
        if (got := _asked(lambda at=url + path: fetch(at, None), wanted, sleep)) != wanted:  # type: ignore[misc]
            raise Refusal(f"{path} answers {got}, not {wanted}: not verified")
    if (got := _asked(lambda: fetch(url + CALLBACK_PROBE, b"{}"), 404, sleep)) != 404:
        raise Refusal(f"{CALLBACK_PROBE} answers {got} to a stranger: not verified")


def _asked(ask: Callable[[], int], wanted: int, sleep: Callable[[float], None]) -> int:
    got = ask()
    for tried, pause_s in enumerate(PAUSES_S):
        if got == wanted or not (got in BUSY or (got >= 500 and tried < 2)):
            break
        sleep(pause_s)
        got = ask()
    return got


def status_of(url: str, body: bytes | None, through: str = "", context: ssl.SSLContext | None = None) -> int:
    """The HTTP status; 0 for no answer. `through`: the host, or host:port, that is asked by the name in `url`."""
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})  # noqa: S310 - https
    opener = urllib.request.build_opener(*([_Through(through, context)] if through else []))
    try:
        with opener.open(request, timeout=TIMEOUT_S) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except (OSError, http.client.HTTPException):
        return 0


class _Through(urllib.request.HTTPSHandler):
    def __init__(self, address: str, context: ssl.SSLContext | None) -> None:
        super().__init__()
        self._made = partial(_Connection, through=address, context=context or ssl.create_default_context())

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made, req)


class _Connection(http.client.HTTPConnection):
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, *, through: str, context: ssl.SSLContext, **more: Any) -> None:
        super().__init__(host, **more)
        self._through, self._context = through, context

    def connect(self) -> None:
        name, _, port = self._through.partition(":")
        plain = socket.create_connection((name, int(port or self.default_port)), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)
