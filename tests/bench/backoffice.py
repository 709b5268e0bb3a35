"""Makes sites, routers, packages and customers through the product's own services, without its RADIUS side."""

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from radius import secrets, settings
from radius.domain.identity import SubscriberId
from radius.domain.nas import Router, Site
from radius.domain.subscriber import Credential, SecretKind
from radius.domain.terms import Terms
from radius.services import sweep
from radius.wiring import BACKGROUND_DEADLINE_S, build_core
from tests.bench.processes import BenchError

RIGHT_ID = "right-1"


class Backoffice:
    """The product's provisioning over the store that a settings file names. A context manager."""

    def __init__(self, settings_file: Path) -> None:
        chosen = settings.load(settings_file)
        key = Path(chosen.key_ref.removeprefix("file:"))
        if not key.exists():
            secrets.create_key_file(key)
        self._core = build_core(chosen)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._core.close()

    def open_for_business(self, site: Site, routers: Iterable[Router], secret: str, *packages: Terms) -> None:
        """Create the tables, a site, its routers and packages."""
        self._core.store.create_tables()
        self._core.provision.site(site)
        for router in routers:
            self._core.provision.router(router, secret)
        for terms in packages:
            self._core.provision.terms(terms)

    def sell(self, name: str, password: str, terms: Terms) -> SubscriberId:
        """A new customer with one right under `terms`."""
        now = int(time.time())
        subscriber = self._core.provision.customer([name], password, now)
        if not self._core.provision.grant(subscriber, terms.id, now, RIGHT_ID):
            raise BenchError(f"{name} got no right")
        return subscriber

    def as_if_swept(self) -> None:
        """As if a worker had been here until now: its very first look walks a whole day of the due index."""
        deadline = time.monotonic() + BACKGROUND_DEADLINE_S
        self._core.store.due_work.advance(sweep.WORKER, int(time.time()), deadline)

    def credential(self, password: str, subscriber: SubscriberId) -> Credential:
        """A sealed password, as a customer of that id would have it."""
        return Credential(SecretKind.SEALED, self._core.keys.seal(password, subscriber, "secret", 1), 1)
