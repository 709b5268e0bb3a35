"""The portal on one box.

    python -m billing.portal --settings FILE

Serves `portal_bind`:`portal_port` until SIGTERM or SIGINT; HTTPS is the proxy's before it. Exit codes: 0 after a clean
stop, 1 if it cannot listen or the store does not answer, 2 for settings that cannot be used.
"""

import argparse
import signal
import sys
from pathlib import Path
from threading import Event, Thread

import uvicorn

from billing.portal.connections import Impatient
from billing.portal.wiring import Portal, build_portal
from radius.domain.errors import Malformed, Unavailable
from radius.meter import Meter
from radius.outlets import open_outlets
from radius.wiring import build_meter

CONNECTIONS_MAX = 2_000  # open pages that wait, and a flood's worth; more are refused by the server
KEEP_ALIVE_S = 15  # a phone that switches networks leaves its connection behind
STOP_S = 10  # streams are cut then; their pages ask again
MEASURE_S = 10.0


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m billing.portal", description="Serve customers' pages and M-Pesa.")
    parser.add_argument("--settings", type=Path, help="default: $WIFIBILLING_SETTINGS")
    options = parser.parse_args(arguments)
    try:
        portal = build_portal(options.settings)
        try:
            return _serve(portal)
        finally:
            portal.close()
    except Malformed as bad:
        print(f"wifibilling portal: {bad}", file=sys.stderr)
        return 2
    except Unavailable:
        print("wifibilling portal: the store does not answer", file=sys.stderr)
        return 1


def _serve(portal: Portal) -> int:
    settings, stop = portal.process.core.settings, Event()
    outlets = open_outlets(
        portal.process.metrics, settings, settings.portal_metrics_port, "portal", portal.process.core.store.tallies
    )
    measuring = Thread(
        target=_measure, args=(build_meter(portal.process.core, portal.process.metrics), stop), name="portal-meter"
    )
    measuring.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # the server stops at it, and raises it once more when it is done
    server = uvicorn.Server(_config(portal))
    try:
        server.run()
    except SystemExit:  # it could not listen
        print(f"wifibilling portal: cannot listen on port {settings.portal_port}", file=sys.stderr)
        return 1
    finally:
        stop.set()
        measuring.join()
        outlets.close()
    return 0


def _config(portal: Portal) -> uvicorn.Config:
    """No access log: addresses of requests hold tokens, and clients' addresses are personal."""
    settings = portal.process.core.settings
    return uvicorn.Config(
        portal.app,
        host=settings.portal_bind,
        port=settings.portal_port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.portal_proxies),
        forwarded_allow_ips=settings.portal_proxies,
        http=Impatient,
        ws="none",
        lifespan="on",
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


def _measure(meter: Meter, stop: Event) -> None:
    while not stop.wait(MEASURE_S):
        meter.round()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
