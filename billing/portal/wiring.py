"""Puts the app together over the core and the services of selling: once when a process starts."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from billing.metrics import catalogue
from billing.mpesa import settings as mpesa
from billing.news import News
from billing.portal.app import create_app
from billing.portal.customers import Customers
from billing.portal.deps import Deps, Options
from billing.portal.limits import Gates
from billing.portal.money import ByHand, read_callback, read_notice
from billing.portal.settling import Settler
from billing.portal.tokens import StatusTokens, callback_path
from billing.provider import Provider
from billing.services.callbacks import Read, ReadNotice
from billing.store.open import open_billing
from billing.wiring import Billing, BillingSettings, build_billing
from radius import log as logs
from radius import metrics as measures
from radius import settings as settings_module
from radius.domain.clock import Suspect
from radius.domain.errors import Unavailable
from radius.domain.guessing import Guard
from radius.keeper import KeeperFiles
from radius.log import Pseudonyms
from radius.metrics import Metrics
from radius.rlm.clocks import system_clocks
from radius.settings import Settings
from radius.wiring import BACKGROUND_DEADLINE_S, Core, build_core

PLACES_KEPT_S = 30.0  # a new place sells within half a minute


class Money(NamedTuple):
    """A provider and how its bodies are read. `path`: the segment that it was told, "" for one made of our own key."""

    provider: Provider
    read: Read
    read_notice: ReadNotice
    path: str = ""
    close: Callable[[], None] = lambda: None


def money_of_environment() -> Money:
    """M-Pesa if any variable speaks of it, else nobody. Raises Malformed with what to mend."""
    if not any(name.startswith(mpesa.PREFIX) for name in os.environ):
        return Money(ByHand(), lambda _: None, lambda _: None)
    settings = mpesa.load()
    daraja = mpesa.open_daraja(settings)
    secret = mpesa.read_secret("callback_secret_ref", settings)
    return Money(daraja, read_callback, read_notice, secret, daraja.close)


class Told(NamedTuple):
    """Who hears of what happens."""

    metrics: Metrics
    log: FilteringBoundLogger
    pseudonyms: Pseudonyms


class Places:
    """Names of places, remembered for a short while. Threads may share it."""

    def __init__(self, read: Callable[[], frozenset[str]], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._lock = Lock()
        self._names: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def __call__(self) -> frozenset[str]:
        """All of them; raises Unavailable only while nothing is known."""
        with self._lock:
            if self._monotonic() - self._read_at > PLACES_KEPT_S:
                try:
                    self._names = self._read()
                except Unavailable:
                    if not self._names:
                        raise
                self._read_at = self._monotonic()
            return self._names


def build_deps(
    core: Core,
    billing: Billing,
    money: Money,
    told: Told,
    now: Callable[[], int],
    options: Options = Options(),  # noqa: B008 - a value that nobody can change
    monotonic: Callable[[], float] = time.monotonic,
) -> Deps:
    """What the app needs."""
    deadline = billing.book.deadline
    return Deps(
        book=billing.book,
        cashier=billing.cashier,
        callbacks=billing.callbacks,
        settler=Settler(billing.callbacks, told.metrics, told.log, now, monotonic),
        redeem=billing.redeem,
        customers=Customers(
            core.names, core.store.names, core.provision, core.store.subscribers, deadline, told.metrics
        ),
        sites=Places(lambda: frozenset(site.id for site in core.store.routers.sites(deadline())), monotonic),
        terms=core.terms,
        code_key=core.keys.alias_key,
        tokens=StatusTokens(core.keys.subkey("payment status")),
        path=money.path or callback_path(core.keys.subkey("callback path")),
        shortcode=money.provider.shortcode,
        read_notice=money.read_notice,
        gates=Gates(monotonic),
        guard=Guard(),
        now=now,
        monotonic=monotonic,
        metrics=told.metrics,
        log=told.log,
        pseudonyms=told.pseudonyms,
        options=options,
    )


class Portal(NamedTuple):
    """A process that serves customers."""

    app: FastAPI
    metrics: measures.InProcess
    core: Core
    log: logs.Log
    money: Money

    def close(self) -> None:
        """Close what was opened for it."""
        self.money.close()
        self.core.close()
        self.log.sink.close()


def build_portal(
    settings_path: Path | None,
    options: Options = Options(),  # noqa: B008 - a value that nobody can change
) -> Portal:
    """Wire it. Raises Malformed with what to mend, Unavailable if the store does not answer."""
    settings = settings_module.load(settings_path)
    core = build_core(settings)
    packages = open_billing(core.store).ports.packages(time.monotonic() + BACKGROUND_DEADLINE_S)
    codes = sorted({package.code for package in packages})
    metrics = measures.InProcess(settings.environment, catalogue=catalogue(codes))
    logger = logs.open_log(settings.log_path, settings.log_format, settings.log_level, metrics=metrics)
    told = Told(metrics, logger.logger, Pseudonyms(core.keys.subkey("pseudonym")))
    news = News(metrics, told.log, told.pseudonyms, time.time, codes)
    money = money_of_environment()
    billing = build_billing(core, BillingSettings(), money.provider, money.read, money.read_notice, news.told)
    deps = build_deps(core, billing, money, told, _clock(settings), options)
    return Portal(create_app(deps), metrics, core, logger, money)


def _clock(settings: Settings) -> Callable[[], int]:
    """UTC seconds; raises Unavailable while the wall clock is known to be wrong: nothing is sold at a wrong time."""
    clocks = system_clocks(KeeperFiles(settings.state_dir).last_good(), settings.clock_floor_at)

    def now() -> int:
        judged = clocks.judge()
        if isinstance(judged, Suspect):
            raise Unavailable(f"the clock is wrong: {judged.reason.value}")
        return int(judged.now)

    return now
