"""The functions that rlm_python3 calls. All instances of the pool (`freeradius_config`) share one wired app.

Nothing is configured at import. Every hook ends in a value that the C code takes, whatever happens: an exception is
logged and becomes FAIL, which unlang turns into silence (access) or the spool (accounting).
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import radiusd

from radius.rlm.attributes import Pairs
from radius.rlm.edge import Edge
from radius.rlm.exit import Rcode, Reply
from radius.wiring import NodeApp, build_node

FAILED: Reply = (int(Rcode.FAIL), {})


class _Shared(NamedTuple):
    lock: Any
    apps: list[NodeApp]
    instances: list[int]


_shared = _Shared(Lock(), [], [])


def instantiate(_: object) -> int:
    """Wire the app once for all instances; -1 refuses the start (an exception would not)."""
    try:
        with _shared.lock:
            if not _shared.apps:
                _shared.apps.append(build_node(Path(radiusd.config["settings"])))
            _shared.instances.append(1)
    except Exception as error:  # noqa: BLE001 - process boundary
        radiusd.radlog(radiusd.L_ERR, f"wifibilling cannot start: {error}")
        return -1
    return 0


def detach(_: object) -> int:
    """Stop own threads and close what is open, when the last instance goes."""
    try:
        with _shared.lock:
            if _shared.instances:
                _shared.instances.pop()
            if not _shared.instances and _shared.apps:
                _shared.apps.pop().close()
    except Exception as error:  # noqa: BLE001 - process boundary
        radiusd.radlog(radiusd.L_ERR, f"wifibilling did not stop cleanly: {type(error).__name__}")
    return 0


def _run(hook: str, pairs: Pairs, call: Callable[[Edge, Pairs, str], Reply]) -> Reply:
    edge = _shared.apps[0].edge
    request_id = edge.request_id()
    try:
        return call(edge, pairs, request_id)
    except Exception as error:  # noqa: BLE001 - process boundary
        edge.failed(hook, pairs, request_id, error)
        return FAILED


def authorize(pairs: Pairs) -> Reply:
    """See Edge.authorize."""
    return _run("authorize", pairs, Edge.authorize)


def authenticate(pairs: Pairs) -> Reply:
    """See Edge.authenticate."""
    return _run("authenticate", pairs, Edge.authenticate)


def post_auth(pairs: Pairs) -> Reply:
    """See Edge.post_auth."""
    return _run("post_auth", pairs, Edge.post_auth)


def accounting(pairs: Pairs) -> Reply:
    """See Edge.accounting."""
    return _run("accounting", pairs, Edge.accounting)


def client_lookup(pairs: Pairs) -> Reply:
    """See Edge.client."""
    return _run("client", pairs, lambda edge, asked, _: edge.client(asked))
