"""Puts the app together over the core and the services of selling: once when a process starts."""

import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_urlsafe
from threading import Lock
from typing import NamedTuple

from fastapi import FastAPI
from structlog.typing import FilteringBoundLogger

from billing.portal.app import create_app
from billing.portal.customers import Customers
from billing.portal.deps import Deps, Options
from billing.portal.limits import Gates
from billing.portal.pages.deps import Looks, PageDeps, Roster
from billing.portal.pages.visit import Signer
from billing.portal.pulse import Pulse
from billing.portal.settling import Settler
from billing.portal.tokens import Numbers, StatusTokens, callback_path
from billing.process import Process, open_process
from billing.services.screens import Screens
from billing.services.waiters import WaitersOfRouters
from billing.sms.port import Message
from billing.wallet import Money
from billing.wiring import Billing
from radius.domain.clock import Suspect
from radius.domain.errors import Unavailable
from radius.domain.guessing import Guard
from radius.log import Pseudonyms
from radius.metrics import Metrics
from radius.rlm.clocks import Clocks
from radius.services.provision import UAM_FIELD
from radius.wiring import Core

PLACES_KEPT_S = 30.0  # a new place sells within half a minute


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
    send: Callable[[Message], object] | None = None,
) -> Deps:
    """What the app needs. `send`: see `PageDeps`."""
    deadline = billing.book.deadline
    return Deps(
        book=billing.book,
        cashier=billing.cashier,
        callbacks=billing.callbacks,
        settler=Settler(billing.callbacks, told.metrics, told.log, now, monotonic),
        redeem=billing.redeem,
        shown=billing.shown,
        deliveries=billing.deliveries,
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
        pages=_pages(core, billing, now, monotonic, send),
        pulse=Pulse(monotonic),
        now=now,
        monotonic=monotonic,
        metrics=told.metrics,
        log=told.log,
        pseudonyms=told.pseudonyms,
        joining=billing.joining,
        options=options,
    )


def _pages(
    core: Core,
    billing: Billing,
    now: Callable[[], int],
    monotonic: Callable[[], float],
    send: Callable[[Message], object] | None,
) -> PageDeps:
    deadline = billing.book.deadline
    return PageDeps(
        url=core.settings.portal_url or "",
        signer=Signer(core.keys.subkey("portal pages")),
        roster=Roster(core.directory, now, deadline, monotonic),
        looks=Looks(billing.store.ports, deadline, monotonic),
        world=core.world,
        uam_secret=lambda router: (
            core.keys.unseal(router.uam_secret, router.id, UAM_FIELD, 0) if router.uam_secret else ""
        ),
        people=billing.desk.people,
        opt_outs=billing.desk.opt_outs,
        moves=billing.desk.moves,
        trials=billing.desk.trials,
        waiters=WaitersOfRouters(billing.book),
        router_key=billing.router_key,
        screens=Screens(
            billing.book, lambda text: core.keys.alias_key(f"screen:{text}"), Numbers(core.keys.subkey("screens")).of
        ),
        cashier=billing.cashier,
        newcomer=lambda phone, site, now: core.provision.customer([phone], token_urlsafe(24), now, site=site),
        send=send,
    )


class Portal(NamedTuple):
    """A process that serves customers."""

    app: FastAPI
    process: Process

    def close(self) -> None:
        """Close what was opened for it."""
        self.process.close()


def build_portal(
    settings_path: Path | None,
    options: Options = Options(),  # noqa: B008 - a value that nobody can change
) -> Portal:
    """Wire it. Raises Malformed with what to mend, Unavailable if the store does not answer."""
    process = open_process(settings_path)
    told = Told(process.metrics, process.log.logger, process.pseudonyms)
    now = _now(process.clocks)
    deps = build_deps(
        process.core, process.billing, process.money, told, now, options, time.monotonic, send=process.send
    )
    return Portal(create_app(deps), process)


def _now(clocks: Clocks) -> Callable[[], int]:
    """UTC seconds; raises Unavailable while the wall clock is known to be wrong: nothing is sold at a wrong time."""

    def now() -> int:
        judged = clocks.judge()
        if isinstance(judged, Suspect):
            raise Unavailable(f"the clock is wrong: {judged.reason.value}")
        return int(judged.now)

    return now
