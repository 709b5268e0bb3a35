"""Who moves money for a process that sells: M-Pesa where its variables are set, else nobody."""

import os
from collections.abc import Callable, Collection
from typing import NamedTuple

from billing.domain.settle import Proof
from billing.mpesa import settings as mpesa
from billing.mpesa.callbacks import parse_callback, parse_notice, parse_queue_timeout, parse_result
from billing.mpesa.tokens import Shelf
from billing.provider import (
    Already,
    Notice,
    PayByHand,
    Provider,
    Pushed,
    PushRequest,
    Queried,
    QueueTimedOut,
    Refused,
    Requested,
    Result,
    Trouble,
    Unknown,
)
from billing.services.callbacks import Read, ReadNotice
from billing.services.pulls import Puller
from billing.wiring import ReadResult
from radius.domain.errors import Malformed

NO_PROVIDER = "no_provider"


def read_callback(text: str) -> Proof | None:
    """A push's callback; its token is added by whoever took it."""
    try:
        return parse_callback(text.encode(), "")
    except Malformed:
        return None


def read_notice(text: str) -> Notice | None:
    """Money paid by hand."""
    try:
        return parse_notice(text.encode())
    except Malformed:
        return None


def notices_of(shortcode: str, also: Collection[str]) -> ReadNotice:
    """Reads notices of one till: those that are headed with a number which stands for it (its store) are its own too.

    Which of them M-Pesa names is not established; money that is refused for the other goes back to a customer.
    """

    def read(text: str) -> Notice | None:
        notice = read_notice(text)
        return notice._replace(shortcode=shortcode) if notice and notice.shortcode in also else notice

    return read


def read_result(text: str, late: bool) -> Result | QueueTimedOut | None:
    """A result that was asked for, or that M-Pesa gave up waiting for it: where it came says which."""
    try:
        return parse_queue_timeout(text.encode()) if late else parse_result(text.encode())
    except Malformed:
        return None


class ByHand:
    """A `Provider` for a till without an interface: it sends nothing and knows nothing.

    Customers pay `shortcode` by hand and show the code of it, the till's statement brings their money; vouchers work.
    With "" for the shortcode nothing is sold by M-Pesa.
    """

    doors = None
    gives_back = False

    def __init__(self, shortcode: str = "") -> None:
        self.shortcode = shortcode

    def push(self, request: PushRequest, now: int) -> Pushed:  # noqa: ARG002 - the port's
        """Nothing was sent."""
        return PayByHand(self.shortcode) if self.shortcode else Refused(NO_PROVIDER)

    def query(self, checkout_id: str, now: int) -> Queried:  # noqa: ARG002 - the port's
        """Nobody to ask."""
        return Unknown(NO_PROVIDER)

    def transaction_status(self, mpesa_receipt: str, now: int) -> Requested:  # noqa: ARG002 - the port's
        """Nobody to ask."""
        return Refused(NO_PROVIDER)

    def reverse(self, mpesa_receipt: str, cents: int, now: int) -> Requested:  # noqa: ARG002 - the port's
        """Nothing was given back."""
        return Refused(NO_PROVIDER)

    def register_urls(self, now: int) -> Refused | Unknown | Already | None:  # noqa: ARG002 - the port's
        """Nobody to tell."""
        return Refused(NO_PROVIDER)


class Money(NamedTuple):
    """A provider and how its bodies are read. `path`: the segment that it was told, "" for one made of our own key.

    `read_result` None: nothing is asked for that answers later. `also`: numbers that stand for the provider's
    shortcode in statements and answers. `share`: its access token, with other processes. `puller`: who lists what came,
    where that was activated. `watch`: who hears of each request, and what was wrong with it.
    """

    provider: Provider
    read: Read
    read_notice: ReadNotice
    path: str = ""
    close: Callable[[], None] = lambda: None
    read_result: ReadResult | None = None
    also: tuple[str, ...] = ()
    share: Callable[[Shelf], None] = lambda _shelf: None
    puller: Puller | None = None
    watch: Callable[[Callable[[Trouble | None], object]], None] = lambda _heard: None


def money_of_environment() -> Money:
    """M-Pesa if any variable speaks of it, else nobody. Raises Malformed with what to mend."""
    by_hand = mpesa.load_by_hand()
    if by_hand is not None or not any(name.startswith(mpesa.PREFIX) for name in os.environ):
        return Money(ByHand(by_hand or ""), lambda _: None, lambda _: None)
    settings = mpesa.load()
    daraja = mpesa.open_daraja(settings)
    secret = mpesa.read_ref("callback_secret_ref", settings)
    also = (settings.shortcode,)
    return Money(
        daraja,
        read_callback,
        notices_of(daraja.shortcode, also),
        secret,
        daraja.close,
        read_result,
        also,
        daraja.share,
        daraja if settings.pull else None,
        lambda heard: setattr(daraja, "heard", heard),
    )
