"""The client: carries `wire`'s bodies to Daraja over HTTPS and says what is known afterwards. It never logs.

A push or a reversal goes out once. What failed before a byte of it was sent (no connection, no token) is refused and
may be sent again; a token that Daraja refuses is renewed and the request repeated once, because nothing was done;
anything else that goes wrong after sending (time-out, cut, 5xx) is unknown, and nobody here repeats it.
"""

import time
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

import httpx

from billing.domain.statement import Page
from billing.mpesa import pull, wire
from billing.mpesa.fields import BODY_BYTES_MAX
from billing.mpesa.pace import Pace
from billing.mpesa.tokens import Shelf, Tokens
from billing.provider import (
    Addresses,
    Already,
    Local,
    Pushed,
    PushRequest,
    Queried,
    Refused,
    Requested,
    TooMany,
    Trouble,
    Unknown,
)
from radius.domain.errors import Malformed

CONNECT_S = 5.0
READ_S = 30.0  # replies of 20 s are seen; who gives up sooner only learns less
CONNECTIONS_MAX = 20

_NO_INITIATOR = Refused(Local.NO_INITIATOR, "MPESA_INITIATOR is not set")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Keys(NamedTuple):
    """The consumer's key and secret for OAuth."""

    key: str
    secret: str

    def __repr__(self) -> str:
        return "Keys(...)"


class Patience(NamedTuple):
    """How long is waited, in seconds."""

    connect_s: float = CONNECT_S
    read_s: float = READ_S


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes


class Daraja:
    """A `Provider`. One for a process: its token, its pace and its connections are shared by all threads.

    What needs an initiator is refused where none is set.
    """

    def __init__(
        self,
        endpoint: str,
        keys: Keys,
        account: wire.Account,
        addresses: wire.Addresses,
        initiator: wire.Initiator | None = None,
        pace: Pace | None = None,
        patience: Patience = Patience(),  # noqa: B008 - a value that nobody can change
    ) -> None:
        self._account, self._addresses, self._initiator = account, addresses, initiator
        self._keys, self._patience = keys, patience
        self._pace = pace or Pace()
        self._tokens = Tokens(self._fetch_token)
        self.heard: Callable[[Trouble | None], object] = lambda _trouble: None  # of each request; raises nothing
        self._http = httpx.Client(
            base_url=endpoint,
            timeout=httpx.Timeout(patience.read_s, connect=patience.connect_s, pool=patience.connect_s),
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,  # no proxy or certificate from a variable that somebody set for something else
        )

    @property
    def shortcode(self) -> str:
        """The number that money goes to."""
        return self._account.till or self._account.shortcode

    @property
    def doors(self) -> Addresses:
        """Where Daraja calls about money paid by hand."""
        whole = f"{self._addresses.confirmation} {self._addresses.validation}"
        return Addresses(self._addresses.base, sha256(whole.encode()).hexdigest())

    @property
    def is_near(self) -> bool:
        """Whether it is a double on this machine, which reaches what M-Pesa does not."""
        return self._http.base_url.host in {"localhost", "127.0.0.1", "::1"}

    def share(self, shelf: Shelf) -> None:
        """Share the token with other processes from now on."""
        self._tokens.shelf = shelf

    def signed_in(self, now: int) -> Refused | None:
        """None if there is a token to be had, else why not."""
        token = self._tokens.get(now)
        return token if isinstance(token, Refused) else None

    @property
    def gives_back(self) -> bool:
        """Only an initiator may ask for a reversal."""
        return self._initiator is not None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def push(self, request: PushRequest, now: int) -> Pushed:
        """Prompt a phone, once; raises Malformed for what Daraja would refuse."""
        body = wire.push_body(self._account, request, self._addresses.stk(request.token), now)
        reply = self._ask(wire.PUSH, body, now)
        return wire.parse_push(*reply) if isinstance(reply, Reply) else reply

    def query(self, checkout_id: str, now: int) -> Queried:
        """Ask what became of a prompt, when it is our turn."""
        wait_s = self._pace.take(now)
        if wait_s:
            return TooMany(wait_s, refused=False)
        reply = self._ask(wire.QUERY, wire.query_body(self._account, checkout_id, now), now)
        if isinstance(reply, Reply):
            return wire.parse_query(*reply, checkout_id)
        return Unknown(reply.why if isinstance(reply, Unknown) else reply.code)

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:
        """Ask for a transaction, when it is our turn."""
        if self._initiator is None:
            return _NO_INITIATOR
        body = wire.status_body(self._account, self._initiator, self._addresses, mpesa_receipt)
        if self._pace.take(now):
            return Refused(Local.THROTTLED, "not our turn yet", again=True)
        return self._request(wire.STATUS, body, now)

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:
        """Give money back, once. Raises Malformed for an amount that M-Pesa cannot move."""
        if self._initiator is None:
            return _NO_INITIATOR
        body = wire.reversal_body(self._account, self._initiator, self._addresses, mpesa_receipt, cents)
        return self._request(wire.REVERSAL, body, now)

    def register_urls(self, now: int) -> Refused | Unknown | Already | None:
        """Name our addresses for C2B."""
        reply = self._ask(wire.REGISTER, wire.register_body(self._account, self._addresses), now)
        return wire.parse_register(*reply) if isinstance(reply, Reply) else reply

    def pull(self, since: int, until: int, offset: int, now: int) -> Page | TooMany | Refused | Unknown:
        """What came in [since, until) to the shortcode, a page from `offset` on, when it is our turn."""
        body = pull.pull_body(self._account, since, until, offset)
        wait_s = self._pace.take(now)
        if wait_s:
            return TooMany(wait_s, refused=False)
        reply = self._ask(pull.PULL, body, now)
        return pull.parse_pull(*reply, since, until) if isinstance(reply, Reply) else reply

    def _request(self, path: str, body: wire.Body, now: int) -> Requested:
        reply = self._ask(path, body, now)
        return wire.parse_requested(*reply) if isinstance(reply, Reply) else reply

    def _ask(self, path: str, body: wire.Body, now: int) -> Reply | Refused | Unknown:
        """Send with a token; once more with a new one if Daraja says that the token is no good."""
        self._pace.count(now)
        reply = self._with_token(path, body, now)
        if isinstance(reply, Reply) and wire.throttled(*reply):
            self._pace.silence(now)
        return reply

    def _with_token(self, path: str, body: wire.Body, now: int) -> Reply | Refused | Unknown:
        token = self._tokens.get(now)
        if isinstance(token, Refused):
            return token
        reply = self._send("POST", path, token, body)
        if not isinstance(reply, Reply) or not wire.stale_token(*reply):
            return reply
        self._tokens.drop(token)
        token = self._tokens.get(now)
        return token if isinstance(token, Refused) else self._send("POST", path, token, body)

    def _fetch_token(self) -> wire.Token | Refused:
        reply = self._send("GET", f"{wire.OAUTH}?grant_type=client_credentials", None, None)
        if not isinstance(reply, Reply):
            return Refused(Local.NO_TOKEN, "no reply", again=True)
        try:
            return wire.parse_token(*reply)
        except Malformed as bad:
            return Refused(Local.NO_TOKEN, str(bad), again=reply.status not in {400, 401, 403})

    def _send(self, method: str, path: str, token: str | None, body: wire.Body | None) -> Reply | Refused | Unknown:
        reply = self._sent(method, path, token, body)
        told = isinstance(reply, Reply)
        self.heard(wire.trouble(path.partition("?")[0], *reply) if told else Trouble.SILENT)
        return reply

    def _sent(self, method: str, path: str, token: str | None, body: wire.Body | None) -> Reply | Refused | Unknown:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        auth = None if token else httpx.BasicAuth(*self._keys)
        try:
            with self._http.stream(method, path, json=body, headers=headers, auth=auth) as response:
                return self._read(response)
        except _NOT_SENT as refused:
            return Refused(Local.NO_CONNECTION, type(refused).__name__, again=True)
        except httpx.HTTPError as lost:
            return Unknown(type(lost).__name__)

    def _read(self, response: httpx.Response) -> Reply | Unknown:
        """The body, if it comes in time and is none of a flood; a status without its body says nothing."""
        until = time.monotonic() + self._patience.read_s  # the library's own limit is for each piece
        body = b""
        for piece in response.iter_bytes():
            body += piece
            if len(body) > BODY_BYTES_MAX or time.monotonic() > until:
                return Unknown("the reply has no end")
        return Reply(response.status_code, body)
