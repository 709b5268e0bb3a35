"""Where M-Pesa calls: ``/pay/...`` (their registration refuses addresses with certain words in them), and SMS gateways.

A body is stored raw and answered at once, then settled. A push's callback comes by its payment's own token; all else by
a segment that only the provider was told. Whatever else comes looks like nothing is there. Nothing in a body is signed:
`billing.domain.settle` says what it is worth.
"""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from billing.metrics import UNREADABLE
from billing.mpesa.callbacks import ACKNOWLEDGED, Verdict, validation_reply
from billing.portal import tokens
from billing.portal.deps import Deps
from billing.portal.limits import Gate, address_key
from billing.portal.problems import Code, Refusal, documented
from billing.portal.shapes import Acknowledged
from billing.portal.shield import CALLBACKS, address_of
from billing.sms.delivery import DeliveryState, parse_report
from billing.sms.inbound import parse_wish
from radius.domain.errors import Malformed
from radius.log import RequestIds

ACCEPTED = Acknowledged.model_validate(ACKNOWLEDGED)
BY_MESSAGE = "message"
WANTED = Acknowledged.model_validate(validation_reply(Verdict.ACCEPT))
WRONG_SHORTCODE = Acknowledged.model_validate(validation_reply(Verdict.SHORTCODE))
_PROBLEMS = documented(Code.NOT_FOUND, Code.TOO_LARGE, Code.TOO_SLOW, Code.TOO_MANY)
_STORED = documented(Code.AWAY)
_FORM: dict[str, Any] = {"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {}}}}}
_RAW: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {}}}}}


def routes(deps: Deps) -> APIRouter:
    """All of them over `deps`."""
    router = APIRouter(prefix=CALLBACKS.rstrip("/"), responses=_PROBLEMS, tags=["M-Pesa"])
    door = Door(deps)

    @router.post("/stk/{token}", responses=_STORED, openapi_extra=_RAW)
    async def stk(token: str, request: Request) -> Acknowledged:
        """What became of a push."""
        text = await _text(request)
        await to_thread.run_sync(door.callback, token, text, address_of(request.scope))
        return ACCEPTED

    @router.post("/c2b/{secret}/confirm", responses=_STORED, openapi_extra=_RAW)
    async def confirm(secret: str, request: Request) -> Acknowledged:
        """Money that somebody paid by hand."""
        door.check(secret, address_of(request.scope))
        await to_thread.run_sync(door.notice, await _text(request))
        return ACCEPTED

    @router.post("/c2b/{secret}/check", openapi_extra=_RAW)
    async def check(secret: str, request: Request) -> Acknowledged:
        """Whether such money is wanted: all that names our own shortcode, and what we cannot read."""
        door.check(secret, address_of(request.scope))
        return door.wanted(await _text(request))

    @router.post("/result/{secret}", responses=_STORED, openapi_extra=_RAW)
    async def result(secret: str, request: Request) -> Acknowledged:
        """The result of a status request or a reversal."""
        door.check(secret, address_of(request.scope))
        await to_thread.run_sync(door.result, await _text(request))
        return ACCEPTED

    @router.post("/late/{secret}", responses=_STORED, openapi_extra=_RAW)
    async def late(secret: str, request: Request) -> Acknowledged:
        """The provider gave up waiting for its own answer: no failure."""
        door.check(secret, address_of(request.scope))
        await to_thread.run_sync(door.late, await _text(request))
        return ACCEPTED

    @router.post("/sms/{secret}", responses=_STORED, openapi_extra=_FORM)
    async def sms(secret: str, request: Request) -> Acknowledged:
        """What became of a text message, as the gateway reports it."""
        door.check(secret, address_of(request.scope))
        await to_thread.run_sync(door.delivered, await request.body())
        return ACCEPTED

    @router.post("/sms/{secret}/in", responses=_STORED, openapi_extra=_FORM)
    async def incoming(secret: str, request: Request) -> Acknowledged:
        """A text message that came in, or an opt-out that the gateway took: STOP, or START again."""
        door.check(secret, address_of(request.scope))
        await to_thread.run_sync(door.wished, await request.body())
        return ACCEPTED

    return router


async def _text(request: Request) -> str:
    return (await request.body()).decode("utf-8", "replace")


class Door:
    """Takes what comes."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._request_id = RequestIds()

    def check(self, secret: str, address: str) -> None:
        """Raises Refusal for a segment that is not ours."""
        self._not_too_strange(address)
        if not tokens.same(secret, self._deps.path):
            self._strange(address)

    def callback(self, token: str, text: str, address: str) -> None:
        """Store and settle a push's callback; raises Refusal for a token that is not ours."""
        self._not_too_strange(address)
        body = self._deps.callbacks.take(token, text, self._deps.now())
        if body is None:
            self._strange(address)
        else:
            self._settle(body)

    def notice(self, text: str) -> None:
        """Store and settle a confirmation."""
        body = self._deps.callbacks.take_notice(text, self._deps.now())
        if body is not None:
            self._settle(body)

    def result(self, text: str) -> None:
        """Store a result; the worker settles it, when the reply that names it is there for sure."""
        self._deps.callbacks.take_result(text, self._deps.now())

    def late(self, text: str) -> None:
        """Store that there is none yet."""
        self._deps.callbacks.take_result(text, self._deps.now(), late=True)

    def delivered(self, body: bytes) -> None:
        """Keep a delivery report; one that cannot be read is nobody's work: the next may be."""
        try:
            told = self._deps.deliveries.told(parse_report(body), self._deps.now())
        except Malformed as bad:
            self._deps.metrics.count("Deliveries", State=UNREADABLE)
            self._deps.log.warning("Delivery report cannot be read", request_id=self._request_id(), reason=bad.field)
            return
        if told.news:
            self._deps.metrics.count("Deliveries", State=told.state.value)
        if told.news and told.state is DeliveryState.FAILED:
            self._deps.log.warning("Message not delivered", request_id=self._request_id(), reason=told.failure)

    def wished(self, body: bytes) -> None:
        """Take STOP and START; whatever else was written is nobody's work here."""
        try:
            wish = parse_wish(body)
        except Malformed as bad:
            self._deps.log.warning("Incoming message cannot be read", request_id=self._request_id(), reason=bad.field)
            return
        if wish is not None and self._deps.pages.opt_outs.say(wish.phone, BY_MESSAGE, self._deps.now(), out=wish.out):
            word = "stop" if wish.out else "start"
            self._deps.log.info("Notices chosen", request_id=self._request_id(), reason=word)

    def wanted(self, text: str) -> Acknowledged:
        """The answer to a validation: money we do not understand is better held than sent back."""
        notice = self._deps.read_notice(text)
        ours = notice is None or notice.shortcode == self._deps.shortcode
        return WANTED if ours else WRONG_SHORTCODE

    def _settle(self, body: str) -> None:
        if self._deps.options.inline:
            self._deps.settler.settle(body, self._deps.monotonic())
        else:
            self._deps.settler.submit(body)

    def _not_too_strange(self, address: str) -> None:
        """Who keeps trying paths is not looked up any more."""
        wait_s = self._deps.gates.wait_s(Gate.STRANGERS, address_key(address))
        if wait_s:
            raise Refusal(Code.TOO_MANY, wait_s)

    def _strange(self, address: str) -> None:
        self._deps.gates.count(Gate.STRANGERS, address_key(address))
        raise Refusal(Code.NOT_FOUND)
