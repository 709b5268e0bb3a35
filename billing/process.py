"""What every process that sells opens once, when it starts: store, services, metrics, log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from billing.domain.incident import Roster
from billing.domain.journal import business_day
from billing.duty import Duty, load_duty
from billing.mail.port import Mail
from billing.mail.smtp import Smtp
from billing.messages import Messages, Notes
from billing.metrics import catalogue
from billing.news import Alarms, News
from billing.provider import (
    Addresses,
    Already,
    Provider,
    Pushed,
    PushRequest,
    Queried,
    Refused,
    Requested,
    Trouble,
    Unknown,
)
from billing.purse import SharedPurse
from billing.services.calls import Calls, Person
from billing.services.incidents import Incidents
from billing.services.pulls import Pulls
from billing.settings import Selling
from billing.settings import load as load_selling
from billing.shelf import StoredTokens
from billing.sms.budget import Purse
from billing.sms.port import Message, Outcome
from billing.sms.wiring import open_sender
from billing.store.open import open_billing
from billing.told import read_secret
from billing.wallet import Money, money_of_environment
from billing.wiring import Billing, build_billing
from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.keeper import KeeperFiles
from radius.rlm.clocks import Clocks, system_clocks
from radius.tracing import Off, Spans, open_spans
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_core

_OFF = Off()


class Timed:
    """A `Provider` whose pushes are measured: that is the part of the wait that its interface has."""

    def __init__(
        self,
        provider: Provider,
        metrics: measures.Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        spans: Spans = _OFF,
    ) -> None:
        self._provider = provider
        self._metrics = metrics
        self._monotonic = monotonic
        self._push: Callable[[PushRequest, int], Pushed] = spans.around("mpesa push", provider.push)
        self.query: Callable[[str, int], Queried] = spans.around("mpesa query", provider.query)
        self.transaction_status: Callable[[str, int], Requested] = spans.around(
            "mpesa status", provider.transaction_status
        )
        self.reverse: Callable[[str, int, int], Requested] = spans.around("mpesa reversal", provider.reverse)
        self.register_urls: Callable[[int], Refused | Unknown | Already | None] = provider.register_urls

    @property
    def shortcode(self) -> str:
        """See `Provider`."""
        return self._provider.shortcode

    @property
    def doors(self) -> Addresses | None:
        """See `Provider`."""
        return self._provider.doors

    @property
    def gives_back(self) -> bool:
        """See `Provider`."""
        return self._provider.gives_back

    def push(self, request: PushRequest, now: int) -> Pushed:
        """See `Provider`."""
        began = self._monotonic()
        try:
            return self._push(request, now)
        finally:
            self._metrics.observe("PaymentSubmit", self._monotonic() - began)


class Process(NamedTuple):
    """An open process."""

    core: Core
    money: Money
    billing: Billing
    metrics: measures.InProcess
    log: logs.Log
    pseudonyms: logs.Pseudonyms
    clocks: Clocks
    send: Callable[[Message], Outcome] | None  # takes a message once and raises nothing; None: nobody sends messages
    calls: Calls

    def close(self) -> None:
        """Close what was opened for it."""
        self.money.close()
        self.core.close()
        self.log.sink.close()


def open_process(settings_path: Path | None) -> Process:
    """Wire it. Raises Malformed with what to mend, Unavailable if the store does not answer."""
    settings = settings_module.load(settings_path)
    selling = load_selling(settings_path)
    money = money_of_environment()
    core = build_core(settings)
    packages = open_billing(core.store).ports.packages(time.monotonic() + BACKGROUND_DEADLINE_S)
    codes = sorted({package.code for package in packages})
    metrics = measures.InProcess(settings.environment, catalogue=catalogue(codes))
    spans = open_spans(tracing=settings.tracing, process="selling")
    logger = logs.open_log(
        settings.log_path,
        settings.log_format,
        settings.log_level,
        metrics=metrics,
        trace_id=spans.trace_id,
    )
    pseudonyms = logs.Pseudonyms(core.keys.subkey("pseudonym"))
    news = News(metrics, logger.logger, pseudonyms, time.time, codes)
    provider = Timed(money.provider, metrics, spans=spans)
    money.watch(count_requests(metrics))
    purse = SharedPurse()
    notes = Notes(time.time)
    send = _send(selling, metrics, logger, purse, notes)
    write = _write(selling, metrics, logger)
    billing = build_billing(
        core,
        selling.billing._replace(also_paid_to=money.also),
        provider,
        money.read,
        money.read_notice,
        news.told,
        money.read_result,
        send or (lambda _message: None),
        Alarms(metrics, logger.logger).refund,
        write or (lambda _mail: None),
    )
    if settings.tracing:
        setattr(billing.callbacks, "finish", spans.around("settle", billing.callbacks.finish))  # noqa: B010 - a method
    if money.puller is not None:
        billing = billing._replace(pulls=Pulls(billing.book, billing.statements, money.puller, provider.shortcode))
    purse.book, notes.deliveries = billing.book, billing.deliveries
    money.share(StoredTokens(billing.book, core.keys, provider.shortcode))
    clocks = system_clocks(KeeperFiles(settings.state_dir).last_good(), settings.clock_floor_at)
    calls = calls_of(load_duty(settings_path), billing.desk.incidents, selling.billing.brand, send, write)
    return Process(core, money, billing, metrics, logger, pseudonyms, clocks, send, calls)


def count_requests(metrics: measures.Metrics) -> Callable[[Trouble | None], object]:
    """What hears of each request to the provider and counts it."""

    def heard(trouble: Trouble | None) -> None:
        metrics.count("MpesaRequests")
        if trouble is not None:
            metrics.count("MpesaFailures", Trouble=trouble.value)

    return heard


def calls_of(
    duty: Duty,
    incidents: Incidents,
    brand: str,
    send: Callable[[Message], Outcome] | None,
    write: Callable[[Mail], Outcome] | None,
) -> Calls:
    """What calls whoever the settings name."""
    people = [Person(each.name, each.phone or "", each.email or "") for each in duty.on_call]
    return Calls(incidents, people, Roster(duty.names, duty.senior, duty.ack_s), brand, send, write)


def _write(selling: Selling, metrics: measures.Metrics, logger: logs.Log) -> Callable[[Mail], Outcome] | None:
    """What sends letters, if the settings say by whom. Raises Malformed for a secret that is not there."""
    chosen = selling.mail
    if chosen is None:
        return None
    password = read_secret("password_ref", chosen.password_ref) if chosen.password_ref else ""
    return Messages(Smtp(chosen, password, selling.billing.brand), metrics, logger.logger, "Letters").send


def _send(
    selling: Selling, metrics: measures.Metrics, logger: logs.Log, purse: Purse, notes: Notes
) -> Callable[[Message], Outcome] | None:
    """What sends messages, if the settings say by whom. Raises Malformed for a secret that is not there."""
    if selling.sms is None:
        return None
    sender = open_sender(selling.sms, lambda: business_day(int(time.time())), purse)
    return Messages(sender, metrics, logger.logger, noted=notes.sent).send
