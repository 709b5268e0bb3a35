"""M-Pesa: the misbehaving double with its own books, in the same process or over HTTP, and when it tells us of what."""

import json
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from billing.domain.settle import Proof
from billing.mpesa import client, wire
from billing.mpesa.callbacks import parse_callback
from billing.mpesa.pace import Pace
from billing.provider import Provider, Pushed, PushRequest, Queried, Refused, Unknown
from radius.domain.errors import Malformed
from tests.fakes.daraja import Daraja, Plan, Prompt
from tests.sim.billing.clockwork import Clockwork, Process

SHORTCODE = "600999"
ACCOUNT = wire.Account(SHORTCODE, "passkey")
ADDRESSES = wire.Addresses("https://wifi.example", "s3cret")
C2B = "c2b"
ENDS = frozenset({"1", "1019", "1032", "1037", "2001"})  # of the codes below, those after which no money is expected
FAILURES = ("1032", "1037", "1", "2001", "1019", "1025", "9999", "777", "17", "1001")
ASKED_MAX = 1_000  # more than a payment is ever asked about
QUERIES = ("4999", "500", "500-as-200", "empty", "early", "spike")


def draw_plan(random: Random, oddity: float) -> Plan:
    """What happens to one push."""
    if random.random() >= oddity:
        return Plan() if random.random() < 0.7 else Plan(codes=(random.choice(FAILURES),))
    plan = Plan(
        submit=random.choice(("ok", "ok", "ok", "ok", "lost", "stall", "502", "locked", "busy", "spike")),
        codes=random.choice((("0",), ("0",), ("0",), ("1037", "0"), ("777", "0"), ("1032",), ("0", "1037"), ("1",))),
        queries=tuple(random.choices(QUERIES, k=random.randint(0, 3))),
        callbacks=random.choice((0, 0, 1, 1, 2, 3)),
        backwards=random.random() < 0.2,
        phone=random.choice(("full", "masked", "absent", "hashed")),
        text=random.random() < 0.3,
        single=random.random() < 0.05,
        c2b=random.random() < 0.4,
    )
    # A query names no amount, so nothing could tell that less was paid than it says: then it says nothing here.
    wrong = random.random() < 0.1
    less = plan._replace(shillings=random.choice((1, 49)), queries=("4999",) * ASKED_MAX, codes=("0",), c2b=False)
    return less if wrong else plan


class InProcess:
    """The provider without a network: the wire's own bodies out, the wire's own reading of replies."""

    shortcode = SHORTCODE

    def __init__(self, daraja: Daraja) -> None:
        self._daraja = daraja

    def push(self, request: PushRequest, now: int) -> Pushed:
        body = wire.push_body(ACCOUNT, request, ADDRESSES.stk(request.token), now)
        reply = self._ask(wire.PUSH, body)
        return wire.parse_push(*reply) if reply else Unknown("cut")

    def query(self, checkout_id: str, now: int) -> Queried:
        reply = self._ask(wire.QUERY, wire.query_body(ACCOUNT, checkout_id, now))
        return wire.parse_query(*reply, checkout_id) if reply else Unknown("cut")

    def _ask(self, path: str, body: wire.Body) -> tuple[int, bytes] | None:
        status, reply = self._daraja.answer(path, json.loads(json.dumps(body)))
        if status < 100:
            return None
        return status, b"" if status == 502 else json.dumps(reply).encode()


class Asked(Protocol):
    """What of a `Provider` is asked here."""

    def push(self, request: PushRequest, now: int) -> Pushed: ...

    def query(self, checkout_id: str, now: int) -> Queried: ...


class Teller:
    """A process's own `Provider`: before and after each request, steps of that process."""

    shortcode = SHORTCODE

    doors = None
    gives_back = False

    def __init__(self, bank: "Bank", process: Process) -> None:
        self._bank, self._process = bank, process

    def push(self, request: PushRequest, now: int) -> Pushed:
        self._process._live("push")
        self._bank.pushes[request.reference] += 1
        answer = self._bank.asked.push(request, now)
        self._bank.follow()
        self._process._live("pushed")
        return answer

    def query(self, checkout_id: str, now: int) -> Queried:
        self._process._live("query")
        answer = self._bank.asked.query(checkout_id, now)
        self._process._live("queried")
        return answer

    def transaction_status(self, mpesa_receipt: str, now: int) -> Refused:
        return Refused("not here")

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Refused:
        return Refused("not here")

    def register_urls(self, now: int) -> Refused:
        return Refused("not here")


class Bank:
    """The double and the post: every prompt's stages at their times, every callback after its own delay, or never."""

    def __init__(self, clockwork: Clockwork, *, till: bool, over_http: bool, lossy: float) -> None:
        self._world, self.till, self._lossy = clockwork, till, lossy
        self.daraja = Daraja(SHORTCODE, ACCOUNT.passkey, lambda: clockwork.now)
        self.daraja.urls = {"ConfirmationURL": C2B}
        self.deliver: Callable[[str, dict[str, Any]], object] = lambda _url, _body: None
        self._client: client.Daraja | None = None
        self.asked: Asked = InProcess(self.daraja)
        if over_http:
            self.daraja.__enter__()
            patience = client.Patience(read_s=0.2)
            keys = client.Keys("key", "hush")
            self._client = client.Daraja(self.daraja.url, keys, ACCOUNT, ADDRESSES, None, Pace(6_000), patience)
            self.asked = self._client
        self.pushes: Counter[str] = Counter()  # by reference
        self._followed = 0

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self.daraja.__exit__()
        else:
            self.daraja._server.server_close()

    def provider(self, process: Process) -> Provider:
        return Teller(self, process)

    def follow(self) -> None:
        """New prompts are on their phones: each has its stages at its own times."""
        prompts = list(self.daraja.prompts.values())
        for prompt in prompts[self._followed :]:
            at: float = self._world.now
            for number, _ in enumerate(prompt.plan.codes):
                at += self._world.random.choice((0, 3, 15, 40, 70)) if number == 0 else self._late()
                self._world.at(at, lambda prompt=prompt: self._stage(prompt))
        self._followed = len(prompts)

    def _late(self) -> float:
        return self._world.random.choice((5, 60, 1_000, 5_000))

    def _stage(self, prompt: Prompt) -> None:
        self.daraja.advance(prompt)
        self._world.note(f"{prompt.reference}: {prompt.code} {prompt.receipt} {prompt.paid}")
        self._post()

    def pay_by_hand(self, phone: str, shillings: int, typed: str) -> None:
        number = self._world.random.choice(("full", "masked", "hashed", "absent"))
        money = self.daraja.pay_by_hand(phone, shillings, "" if self.till else typed, number)
        self._world.note(f"by hand: {money}")
        self._post()

    def _post(self) -> None:
        at_once = self._world.chance(0.4)  # all doors at one instant: they race
        for url, body in self.daraja.take_due():
            if self._world.chance(self._lossy):
                continue
            if url == C2B and self.till:
                body = {**body, "BillRefNumber": ""}  # noqa: PLW2901 - at a till nothing is typed
            most = self._world.random.choice((0, 2, 2, 2, 30, 300, 4_000))
            most = 0 if at_once else most
            self._world.later(0, most, lambda url=url, body=body: self.deliver(url, body))

    def failed(self, checkout_id: str) -> bool:
        """True if it was said that nobody paid, whatever was said afterwards."""
        prompt = self.daraja.prompts.get(checkout_id)
        return prompt is not None and not ENDS.isdisjoint(prompt.plan.codes[: prompt.stage])

    def statement(self) -> bytes:
        """The portal's statement of everything so far."""
        lines = ["Organization,The Lodge", "Receipt No.,Completion Time,Transaction Status,Paid In,Withdrawn,A/C No."]
        for money in self.daraja.money.values():
            at = f"{money.at[:4]}-{money.at[4:6]}-{money.at[6:8]} {money.at[8:10]}:{money.at[10:12]}:{money.at[12:]}"
            account = "" if self.till else money.reference.replace(",", " ")
            lines.append(f"{money.receipt},{at},Completed,{money.shillings}.00,,{account}")
        return "\n".join(lines).encode()


def read(text: str) -> Proof | None:
    """A callback's body as a proof, as the portal reads it."""
    try:
        return parse_callback(text.encode(), "", SHORTCODE)
    except Malformed:
        return None
