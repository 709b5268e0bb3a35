"""Routers that send no Message-Authenticator (CVE-2024-3596, BlastRADIUS): what to do there, and who is excepted."""

from collections.abc import Iterable

from structlog.typing import FilteringBoundLogger

from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.metrics import Metrics

_EXCEPT = "or except this router: message_authenticator_required=False"
_ROUTEROS = (
    f"RouterOS 7.15 or later: /radius set [find] require-message-auth=yes-for-request-resp; older: update, {_EXCEPT}"
)
_OTHERS = f"update the router until it sends Message-Authenticator (RFC 3579), {_EXCEPT}"


def remedy(family: Family) -> str:
    """What to change, on the router or in its record, when its packets are dropped for lack of one."""
    return _ROUTEROS if family is Family.MIKROTIK else _OTHERS


class Excepted:
    """Watches which routers are let in without; `look` is called by one thread at a time."""

    def __init__(self, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._log = log
        self._told: frozenset[NasId] = frozenset()

    def look(self, routers: Iterable[Router]) -> None:
        """Show how many there are, and tell of each that came or went since the last look."""
        found = {
            router.id: router for router in routers if not (router.message_authenticator_required or router.disabled)
        }
        self._metrics.gauge("RoutersWithoutMessageAuthenticator", len(found))
        for name in sorted(found.keys() - self._told):
            fix = remedy(found[name].family).partition(", or ")[0]
            self._log.warning("Router is excepted from Message-Authenticator", nas=name, fix=fix)
        for name in sorted(self._told - found.keys()):
            self._log.info("Router is no longer excepted from Message-Authenticator", nas=name)
        self._told = frozenset(found)
