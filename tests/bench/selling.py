"""A box that sells, for the bench of selling: engine, services in this process, or the portal in one of its own.

Payments are begun by the product's own checkout; a provider that answers at once stands for M-Pesa, and its callbacks
are made from what was pushed.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Self, TypeVar

from botocore.exceptions import BotoCoreError

from billing.domain.package import Package
from billing.provider import Accepted, PushRequest
from billing.services.checkout import Begun, Buy
from billing.wallet import ByHand, read_callback, read_notice
from billing.wiring import Billing, BillingSettings, build_billing
from radius import secrets, settings
from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId
from radius.domain.terms import PeriodUnit, Terms, Window, WindowStart
from radius.wiring import build_core
from tests.bench.processes import BenchError, Program
from tests.bench.product import REPOSITORY, write_settings
from tests.fakes.daraja import stk_callback

SHORTCODE = "600999"
SECRET = "5ecret5ecret5ecret"
PACKAGE = Package("day", 1, "Day", "Siku", 5_000, Terms("day.1", Window(WindowStart.PURCHASE, 1, PeriodUnit.DAY)))
FILLING_THREADS = 8
TRIES_MAX, PAUSE_S = 50, 0.2  # a breaker opens for a moment when the store was late again and again
T = TypeVar("T")


def again(act: Callable[[], T]) -> T:
    """What it says when the store is there: a box that is busy with others answers late now and then."""
    for _ in range(TRIES_MAX):
        try:
            return act()
        except (Unavailable, BotoCoreError) as away:  # the latter when tables are made
            late = away
            time.sleep(PAUSE_S)
    raise BenchError(f"the store does not answer: {late}")


class Sold(NamedTuple):
    """A push that was accepted: its payment, its callback's token and body."""

    payment: str
    token: str
    body: str


class Till(ByHand):
    """A `Provider` that accepts every push at once and remembers its token."""

    shortcode = SHORTCODE

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}  # by reference

    def push(self, request: PushRequest, now: int) -> Accepted:
        """On its way."""
        self.tokens[request.reference] = request.token
        return Accepted(f"ws_CO_{request.reference}")


class Shop:
    """The services of selling over a store, as any process has them. A context manager."""

    def __init__(self, settings_file: Path) -> None:
        chosen = settings.load(settings_file)
        key = Path(chosen.key_ref.removeprefix("file:"))
        if not key.exists():
            secrets.create_key_file(key)
        self._core = build_core(chosen)
        self._till = Till()
        self.billing: Billing = build_billing(self._core, BillingSettings(), self._till, read_callback, read_notice)
        self._number = 0
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._core.close()

    def open(self) -> None:
        """Tables and a package."""
        again(self._core.store.create_tables)
        again(self.billing.store.create_tables)
        again(lambda: self.billing.desk.shelf.put(PACKAGE))

    def register(self, now: int) -> SubscriberId:
        """One more customer."""
        return self._core.provision.customer([f"07{self._next():08d}"], "bench password", now)

    def _next(self) -> int:
        with self._lock:
            self._number += 1
            return self._number

    def begin(self, subscriber: SubscriberId, now: int) -> Sold:
        """A payment whose push was accepted."""
        number = self._next()
        begun = self.billing.cashier.buy(Buy(subscriber, f"2547{number:08d}", PACKAGE.id, device="aabbcc000001"), now)
        if begun.begun is not Begun.ACCEPTED:
            raise BenchError(f"a push was not accepted: {begun.begun.value}")
        payment = begun.payment
        items = [
            {"Name": "Amount", "Value": payment.cents / 100},
            {"Name": "MpesaReceiptNumber", "Value": f"B{number:09d}"},
        ]
        body = json.dumps(stk_callback(payment.checkout_id, 0, items))
        return Sold(payment.id, self._till.tokens[payment.reference], body)

    def sold(self, count: int) -> list[Sold]:
        """That many customers with a payment each."""
        now = int(time.time())

        def one(_: int) -> Sold:
            subscriber = again(lambda: self.register(now))
            return again(lambda: self.begin(subscriber, now))

        with ThreadPoolExecutor(FILLING_THREADS) as pool:
            return list(pool.map(one, range(count)))

    def take(self, sold: Sold) -> str:
        """Store the callback's body, as the portal does before it answers."""
        body = again(lambda: self.billing.callbacks.take(sold.token, sold.body, int(time.time())))
        if body is None:
            raise BenchError("a callback was not taken")
        return body

    def finish(self, body: str) -> None:
        """Settle it, as the portal does behind the answer, and the worker again where the store was slow."""
        again(lambda: self.billing.callbacks.finish(body, int(time.time())))

    def paid(self, sold: Sequence[Sold]) -> int:
        """How many of them are credited."""
        read, deadline = self.billing.book.stores.payments.payment, self.billing.book.deadline
        kept = [again(lambda payment=each.payment: read(payment, deadline())) for each in sold]
        return sum(each is not None and each.payment.state.value == "paid" for each in kept)


def box_settings(folder: Path, store_port: int, **more: Any) -> Path:
    """The settings file of a box whose store is there."""
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "environment": "bench",
        "state_dir": str(folder),
        "spool_dir": str(folder / "spool"),
        "store_endpoint": f"http://127.0.0.1:{store_port}",
        "log_path": str(folder / "portal.log"),
    }
    return write_settings(folder / "settings.toml", values | more)


@contextmanager
def portal(folder: Path, settings_file: Path, port: int) -> Iterator[Program]:
    """The portal as a process. Raises BenchError with its log."""
    references = {f"MPESA_{name}_REF": f"env:BENCH_{name}" for name in ("PASSKEY", "CONSUMER_KEY", "CONSUMER_SECRET")}
    env = {
        "PYTHONPATH": str(REPOSITORY),
        "TZ": "UTC",
        "MPESA_ENVIRONMENT": "sandbox",
        "MPESA_ENDPOINT": "http://127.0.0.1:9",  # nothing is pushed from there
        "MPESA_SHORTCODE": SHORTCODE,
        "MPESA_CALLBACK_BASE": f"http://127.0.0.1:{port}",
        "MPESA_CALLBACK_SECRET_REF": "env:BENCH_CALLBACK",
        "BENCH_CALLBACK": SECRET,
        **references,
        **dict.fromkeys((reference.removeprefix("env:") for reference in references.values()), "bench"),
    }
    command = [sys.executable, "-P", "-m", "billing.portal", "--settings", str(settings_file)]
    program = Program(command, folder / "portal.out", env=env)
    try:
        program.wait_for_port(port)
        yield program
    finally:
        program.stop()
