"""What the app needs, put together by `billing.portal.wiring` (or by a test). Threads share all of it."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from billing.portal.customers import Customers
from billing.portal.limits import Gates
from billing.portal.pages.deps import PageDeps
from billing.portal.pulse import Pulse
from billing.portal.settling import Settler
from billing.portal.tokens import StatusTokens
from billing.provider import Notice
from billing.services.book import Book
from billing.services.callbacks import Callbacks
from billing.services.checkout import Cashier
from billing.services.deliveries import Deliveries
from billing.services.joining import Joining
from billing.services.redeem import Redeem
from billing.services.shown import ShownCodes
from radius.domain.guessing import Guard
from radius.domain.terms import Terms
from radius.log import Pseudonyms
from radius.metrics import Metrics

EVENTS_S = 55.0  # proxies cut what is silent or longer than a minute; the page asks again by itself


class Options(NamedTuple):
    """How this process serves.

    `inline`: settle before the answer, where a process is frozen after it (Lambda). `events_s`: how long one stream of
    events lasts; 0: one event, where a gateway hands out whole answers only.
    """

    inline: bool = False
    events_s: float = EVENTS_S


class Deps(NamedTuple):
    """`now` is UTC seconds and raises Unavailable while the clock is known to be wrong; `monotonic` seconds.

    `sites`: names of places; `code_key`: keyed hash of a voucher's code in normal form; `path`: the segment that only
    the provider is told; `shortcode`: where money by hand goes; `pulse`: how M-Pesa does.
    """

    book: Book
    cashier: Cashier
    callbacks: Callbacks
    settler: Settler
    redeem: Redeem
    shown: ShownCodes
    deliveries: Deliveries
    customers: Customers
    sites: Callable[[], Collection[str]]
    terms: Callable[[str], Terms]
    code_key: Callable[[str], str]
    tokens: StatusTokens
    path: str
    shortcode: str
    read_notice: Callable[[str], Notice | None]
    gates: Gates
    guard: Guard
    pages: PageDeps
    pulse: Pulse
    now: Callable[[], int]
    monotonic: Callable[[], float]
    metrics: Metrics
    log: FilteringBoundLogger
    pseudonyms: Pseudonyms
    joining: Joining
    options: Options = Options()
