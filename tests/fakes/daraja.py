"""A Daraja over real HTTP that misbehaves as the real one was seen to, and keeps its own books.

What happens to a push is a `Plan`, given for its phone or its amount; by default the payer pays. Nothing happens by
itself unless `auto_s` is set: `step()` moves every prompt one stage on and sends what is due, so a test decides the
order. It needs no test library: the demo uses it too.
"""

import json
import socket
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, RLock, Thread
from typing import Any, NamedTuple, Self

STALL_S_MAX = 30
SPIKE = {
    "fault": {
        "faultstring": "Spike arrest violation. Allowed rate : 5pm",
        "detail": {"errorcode": "policies.ratelimit.SpikeArrestViolation"},
    }
}


def error(code: str, text: str) -> dict[str, str]:
    return {"requestId": "1-1-1", "errorCode": code, "errorMessage": text}


class Plan(NamedTuple):
    """What happens to one push. `codes` are its ResultCodes, one a stage: ``("1037", "0")`` is a late success."""

    submit: str = "ok"  # ok, lost (done, then cut), stall (done, no reply), 502 (done), locked, busy, spike
    codes: tuple[str, ...] = ("0",)
    queries: tuple[str, ...] = ()  # what queries get first: 4999, 500, 500-as-200, empty, early, spike
    callbacks: int = 1  # how often each is sent; 0: never
    backwards: bool = False  # kept until the last stage, then sent in the wrong order
    shillings: int | None = None  # another amount is paid than was asked for
    phone: str = "full"  # full, masked, absent
    text: bool = False  # codes in callbacks as strings, in queries as numbers: the wrong way round
    single: bool = False  # one object where a list belongs
    c2b: bool = False  # the same money by the other door


@dataclass
class Prompt:
    """A line of the books: who was asked, and what they paid. `receipt` is empty while nobody paid."""

    checkout_id: str
    phone: str
    shillings: int
    reference: str
    url: str
    plan: Plan
    stage: int = 0
    code: str = ""
    receipt: str = ""
    paid: int = 0
    asked: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Money:
    """A receipt: what M-Pesa moved. The auditor compares these with what was credited."""

    receipt: str
    phone: str
    shillings: int
    reference: str
    at: str
    checkout_id: str = ""
    reversed: bool = False


def stk_callback(checkout_id: str, code: int | str, items: Any = None) -> dict[str, Any]:
    """The body of a callback; anybody can make one, which is the point of some tests."""
    inner = {"MerchantRequestID": "1-1-1", "CheckoutRequestID": checkout_id, "ResultCode": code, "ResultDesc": "..."}
    return {"Body": {"stkCallback": inner | ({"CallbackMetadata": {"Item": items}} if items is not None else {})}}


class Daraja:
    """The double. A context manager; `url` is its endpoint."""

    def __init__(
        self,
        shortcode: str = "174379",
        passkey: str = "passkey",
        clock: Callable[[], float] = time.time,
        auto_s: float | None = None,
        port: int = 0,
        first: int = 0,
    ) -> None:
        """`first`: the number that receipts and conversations count from, for one that comes after another."""
        self.shortcode, self.passkey, self.clock, self.auto_s = shortcode, passkey, clock, auto_s
        self.plans: dict[str | int, Plan] = {}  # by phone or by shillings
        self.prompts: dict[str, Prompt] = {}
        self.money: dict[str, Money] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []  # as they came: what a client sent twice is here twice
        self.answers: list[int] = []  # HTTP status of each delivery, 0: nobody there
        self.token, self.tokens = "", 0
        self.urls: dict[str, str] = {}
        self.broken = Event()  # set: tokens are refused
        self.pull_page, self.pull_utc = 0, True  # transactions on a page, 0: not activated; whose time it shows
        self._first = first
        self._due: list[tuple[str, dict[str, Any]]] = []
        self._lock, self._over = RLock(), Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        if self.auto_s is not None:
            Thread(target=self._by_itself, args=(self.auto_s,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def _by_itself(self, every_s: float) -> None:
        while not self._over.wait(every_s):
            self.step()

    def pushes(self) -> list[dict[str, Any]]:
        """The pushes that reached it."""
        return [body for path, body in self.requests if path.endswith("processrequest")]

    def step(self) -> None:
        """Every prompt goes one stage on; then everything that is due is sent, in order."""
        with self._lock:
            for prompt in self.prompts.values():
                self.advance(prompt)
            due = self.take_due()
        for url, body in due:
            self.answers.append(post(url, body, {"Businessshortcode": self.shortcode}))

    def advance(self, prompt: Prompt) -> None:
        """One prompt goes one stage on, if it has another."""
        with self._lock:
            if prompt.stage < len(prompt.plan.codes):
                self._advance(prompt)

    def take_due(self) -> list[tuple[str, dict[str, Any]]]:
        """What is to be sent now, (url, body), for who delivers it without a wire."""
        with self._lock:
            due, self._due = self._due, []
        return due

    def pay_by_hand(self, phone: str, shillings: int, reference: str, number: str = "full") -> Money:
        """Somebody pays the paybill from the menu of their phone. The confirmation goes out with the next step."""
        with self._lock:
            money = self._move(phone, shillings, reference)
            self._confirm(money, number)
        return money

    def expire_token(self) -> None:
        """The token that is in use is no good any more, before its time."""
        self.token = ""

    def _stamp(self) -> str:
        return (datetime.fromtimestamp(self.clock(), UTC) + timedelta(hours=3)).strftime("%Y%m%d%H%M%S")

    def _move(self, phone: str, shillings: int, reference: str, checkout_id: str = "") -> Money:
        receipt = f"S{self._first + len(self.money):09d}"
        self.money[receipt] = Money(receipt, phone, shillings, reference, self._stamp(), checkout_id)
        return self.money[receipt]

    def _advance(self, prompt: Prompt) -> None:
        plan, prompt.code = prompt.plan, prompt.plan.codes[prompt.stage]
        prompt.stage += 1
        items = None
        if prompt.code == "0":
            prompt.paid = plan.shillings or prompt.shillings
            money = self._move(prompt.phone, prompt.paid, prompt.reference, prompt.checkout_id)
            prompt.receipt = money.receipt
            items = _items(money, plan)
            if plan.c2b:
                self._confirm(money, plan.phone)
        shown = prompt.code if plan.text or not prompt.code.isdigit() else int(prompt.code)
        prompt.kept += [stk_callback(prompt.checkout_id, shown, items)] * plan.callbacks
        if not plan.backwards or prompt.stage == len(plan.codes):
            bodies = reversed(prompt.kept) if plan.backwards else prompt.kept
            self._due += [(prompt.url, body) for body in bodies]
            prompt.kept = []

    def _confirm(self, money: Money, number: str) -> None:
        shown = {
            "full": money.phone,
            "masked": f"{money.phone[:4]} ***** {money.phone[-3:]}",
            "hashed": sha256(money.phone.encode()).hexdigest(),
        }
        body = {
            "TransactionType": "Pay Bill",
            "TransID": money.receipt,
            "TransTime": money.at,
            "TransAmount": f"{money.shillings}.00",
            "BusinessShortCode": self.shortcode,
            "BillRefNumber": money.reference,
        } | ({"MSISDN": shown[number]} if number in shown else {})
        if "ConfirmationURL" in self.urls:
            self._due.append((self.urls["ConfirmationURL"], body))

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """Status and body for a request; a status below 100 says how the connection ends instead."""
        with self._lock:
            self.requests.append((path, body))
            for end, reply in (
                ("/stkpush/v1/processrequest", self._push),
                ("/stkpushquery/v1/query", self._query),
                ("/transactionstatus/v1/query", self._status),
                ("/reversal/v1/request", self._reverse),
                ("/c2b/v2/registerurl", self._register),
                ("/pulltransactions/v1/query", self._pull),
            ):
                if path.endswith(end):
                    return reply(body)
        return 404, error("404.001.01", "Resource not found")

    def _push(self, body: dict[str, Any]) -> tuple[int, Any]:
        wrong = self._wrong_password(body) or _wrong_push(body)
        if wrong:
            return 400, error("400.002.02", f"Bad Request - Invalid {wrong}")
        phone, shillings = body["PhoneNumber"], int(body["Amount"])
        plan = self.plans.get(phone) or self.plans.get(shillings) or Plan()
        locked = any(p.phone == phone and p.stage < len(p.plan.codes) for p in self.prompts.values())
        refusals = {
            "locked": (500, error("500.001.1001", "Unable to lock subscriber")),
            "busy": (500, error("500.003.02", "System is busy")),
            "spike": (429, SPIKE),
        }
        if locked or plan.submit in refusals:
            return refusals["locked" if locked else plan.submit]
        checkout_id = f"ws_CO_{self._stamp()}{len(self.prompts):06d}"
        self.prompts[checkout_id] = Prompt(
            checkout_id, phone, shillings, body["AccountReference"], body["CallBackURL"], plan
        )
        reply = {"MerchantRequestID": "1-1-1", "CheckoutRequestID": checkout_id, "ResponseCode": "0"}
        return {"lost": 1, "stall": 2, "502": 502}.get(plan.submit, 200), reply

    def _wrong_password(self, body: dict[str, Any]) -> str:
        try:
            at = datetime.strptime(body["Timestamp"], "%Y%m%d%H%M%S").replace(tzinfo=UTC) - timedelta(hours=3)
            known = b64decode(body["Password"]).decode() == f"{self.shortcode}{self.passkey}{body['Timestamp']}"
        except (KeyError, TypeError, ValueError):
            return "Password"
        near = abs(at.timestamp() - self.clock()) < 600  # the server's local time instead of Nairobi's is hours away
        return "" if known and near and body["BusinessShortCode"] == self.shortcode else "Password"

    def _query(self, body: dict[str, Any]) -> tuple[int, Any]:
        prompt = self.prompts.get(body.get("CheckoutRequestID", ""))
        if self._wrong_password(body) or prompt is None:
            return 400, error("400.002.02", "Bad Request - Invalid CheckoutRequestID")
        prompt.asked += 1
        if prompt.asked <= len(prompt.plan.queries):
            script = prompt.plan.queries[prompt.asked - 1]
        else:
            script = prompt.code or "4999"
        odd = {
            "500": (500, error("500.001.1001", "The transaction is being processed")),
            "500-as-200": (200, error("500.001.1001", "Merchant does not exist")),
            "empty": (200, error("500.001.1001", "")),
            "early": (400, error("400.002.02", "Bad Request - Invalid CheckoutRequestID")),
            "spike": (429, SPIKE),
        }
        code = int(script) if prompt.plan.text and script.isdigit() else script
        found = {"ResponseCode": "0", "CheckoutRequestID": prompt.checkout_id, "ResultCode": code, "ResultDesc": "..."}
        return odd.get(script, (200, found))

    def _status(self, body: dict[str, Any]) -> tuple[int, Any]:
        money = self.money.get(body["TransactionID"])
        if money is None:
            return self._later(body, "2032", [])
        status = "Reversed" if money.reversed else "Completed"
        named = {
            "ReceiptNo": money.receipt,
            "Amount": money.shillings,
            "TransactionStatus": status,
            "FinalisedTime": int(money.at),
            "CreditPartyName": f"{self.shortcode} - The Lodge",
        }
        return self._later(body, 0, [{"Key": key, "Value": value} for key, value in named.items()])

    def _reverse(self, body: dict[str, Any]) -> tuple[int, Any]:
        money = self.money.get(body["TransactionID"])
        if money is None or money.reversed:
            return self._later(body, "R000001" if money else "R000002", None)
        money.reversed = True
        return self._later(body, "0", {"Key": "OriginalTransactionID", "Value": money.receipt})

    def _later(self, body: dict[str, Any], code: int | str, parameters: Any) -> tuple[int, Any]:
        conversation = f"AG_{self._first + len(self.requests):06d}"
        result = {
            "ResultCode": code,
            "ConversationID": conversation,
            "ResultParameters": {"ResultParameter": parameters},
        }
        self._due.append((body["ResultURL"], {"Result": result}))
        return 200, {"OriginatorConversationID": "1", "ConversationID": conversation, "ResponseCode": "0"}

    def _pull(self, body: dict[str, Any]) -> tuple[int, Any]:
        """What came in the period, a page from a row on: a list in a list, whose times do not say whose they are."""
        if self.pull_page == 0:
            return 500, error("500", "Failed to retrieve transactions. The short code does not have any")
        first, last = ("".join(filter(str.isdigit, body[each])) for each in ("StartDate", "EndDate"))
        inside = sorted((each.at, each.receipt) for each in self.money.values() if first <= each.at <= last)
        listed = []
        for at, receipt in inside[int(body["OffSetValue"]) :][: self.pull_page]:
            money, local = self.money[receipt], datetime.strptime(at, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            listed.append(
                {
                    "transactionId": receipt,
                    "trxDate": (local - timedelta(hours=3 if self.pull_utc else 0)).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "msisdn": 722000000,
                    "transactiontype": "c2b-pay-bill-debit",
                    "billreference": money.reference,
                    "amount": f"{money.shillings}.00",
                }
            )
        return 200, {"ResponseRefID": "1", "ResponseCode": "1000" if listed else "1001", "Response": [listed]}

    def _register(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.urls:
            return 500, error("500.003.1001", "Urls are already registered")
        self.urls = dict(body)
        return 200, {"OriginatorCoversationID": "1", "ResponseCode": "0"}


def _items(money: Money, plan: Plan) -> Any:
    if plan.single:
        return {"Name": "MpesaReceiptNumber", "Value": money.receipt}
    shown = {"full": int(money.phone), "masked": f"0{money.phone[3:6]}000***"}
    items: list[dict[str, Any]] = [
        {"Name": "Amount", "Value": float(money.shillings)},
        {"Name": "MpesaReceiptNumber", "Value": money.receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": int(money.at)},
    ]
    return items + ([{"Name": "PhoneNumber", "Value": shown[plan.phone]}] if plan.phone in shown else [])


def _wrong_push(body: dict[str, Any]) -> str:
    phone, amount = str(body.get("PhoneNumber")), str(body.get("Amount"))
    if not (phone.isdigit() and len(phone) == 12 and phone.startswith(("2547", "2541"))):
        return "PhoneNumber"
    if not amount.isdigit() or not 1 <= int(amount) <= 250_000:
        return "Amount"
    if not body.get("TransactionDesc"):
        return "Remarks"
    return "" if str(body.get("CallBackURL")).startswith(("https://", "http://127.0.0.1:")) else "CallBackURL"


def post(url: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> int:
    """POST as Daraja does, once; the status, or 0 if nobody is there."""
    kind = {"Content-Type": "application/json;charset=UTF-8"}
    request = urllib.request.Request(url, json.dumps(body).encode(), kind | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0


def _handler(daraja: Daraja) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            with daraja._lock:
                daraja.tokens += 1
                daraja.token = f"token{daraja.tokens}"
                self._say(200, {"access_token": daraja.token, "expires_in": "3599"})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if daraja.broken.is_set() or self.headers["Authorization"] != f"Bearer {daraja.token}":
                self._say(404, error("404.001.03", "Invalid Access Token"))
                return
            status, reply = daraja.answer(self.path, body)
            if status == 2:
                daraja._over.wait(STALL_S_MAX)
            if status < 100:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self._say(status, reply if status != 502 else None)

        def _say(self, status: int, reply: Any) -> None:
            data = b"" if reply is None else json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
