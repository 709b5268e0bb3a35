"""Alerts of one box.

    python -m billing.alerting --settings FILE [--test]

Looks once a minute until told to stop. With --test it sends one message by each road of ``[alerts]`` and ends: exit
code 1 if one did not take it. It asks no store, so that it can say that the store is away; the audit, which is in the
store, has no line of a test: the log says who sent it.
"""

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from billing.alarms import of_one_box
from billing.alerting import around
from billing.alerting import settings as alert_settings
from billing.alerting.channels import Channel, balance_of, open_channels
from billing.alerting.events import Notice, Wrong
from billing.alerting.pages import PAGE_S, page
from billing.alerting.settings import AlertSettings
from billing.alerting.watch import Watch
from billing.backup import settings as backup_settings
from billing.metrics import catalogue
from billing.settings import load as load_selling
from billing.who import os_user
from radius import log as logs
from radius import settings as settings_module
from radius.domain.errors import Malformed
from radius.settings import Settings

ROUND_S = 60.0
OUTSIDE_EVERY_S = 3_600  # what is asked of others


def main(arguments: list[str]) -> int:
    """Look until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m billing.alerting", description="Tell people what is wrong here.")
    parser.add_argument("--settings", type=Path, help="default: $WIFIBILLING_SETTINGS")
    parser.add_argument("--test", action="store_true", help="send a test message by each road, and end")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings, told = settings_module.load(options.settings), alert_settings.load(options.settings)
        selling = load_selling(options.settings)
        channels = open_channels(told, selling, time.time)
        backs_up = backup_settings.load(options.settings) is not None
        if options.test:
            return _test(settings, channels)
        balance = balance_of(selling) if told.sms_balance_cents else lambda: None
        return serve(settings, told, channels, stop, balance, backs_up=backs_up)
    except Malformed as bad:
        sys.stderr.write(f"wifibilling alerts: {bad}\n")
        return 2


def _test(settings: Settings, channels: list[Channel]) -> int:
    log = logs.open_log(settings.log_path, settings.log_format, settings.log_level)
    notice = Notice("test", "this is a test of the alerts: all is well", critical=True)
    try:
        taken = {channel.name: channel.send(notice) for channel in channels}
        lines = [f"{name}: {'taken' if good else 'NOT taken'}" for name, good in taken.items()]
        log.logger.warning("Alerts tested", reason=f"by {os_user()}; {', '.join(lines) or 'no road is set'}")
    finally:
        log.sink.close()
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if channels and all(taken.values()) else 1


def serve(
    settings: Settings,
    told: AlertSettings,
    channels: list[Channel],
    stop: threading.Event,
    balance: Callable[[], int | None],
    *,
    backs_up: bool,
) -> int:
    """Rounds until `stop`."""
    log = logs.open_log(settings.log_path, settings.log_format, settings.log_level)
    watch = Watch(of_one_box(), catalogue(), channels, settings.state_dir, int(time.time()))
    ports = {
        "radius": settings.metrics_port,
        "worker": settings.worker_metrics_port,
        "coa": settings.coa_metrics_port,
        "portal": settings.portal_metrics_port,
        "selling": settings.billing_metrics_port,
    }
    hourly: dict[str, Wrong] = {}
    asked_at = 0
    log.logger.info("Alerts ready", count=len(channels))
    try:
        while not stop.wait(ROUND_S):
            now = int(time.time())
            if now - asked_at >= OUTSIDE_EVERY_S:
                hourly = around.certificate(settings.portal_url, told.certificate_days, now)
                hourly |= around.balance(balance(), told.sms_balance_cents)
                asked_at = now
            pages = {name: page(settings.metrics_bind, port) for name, port in ports.items() if port}
            wrong = {
                **around.processes({name: text is not None for name, text in pages.items()}),
                **around.disk(settings.state_dir, told.disk_percent),
                **({} if told.no_router_alarms else around.tunnels(settings.state_dir, now)),
                **(around.backup(settings.state_dir, now) if backs_up else {}),
                **hourly,
            }
            for notice in watch.look(pages, wrong, now):
                log.logger.warning("Alert", reason=f"{notice.title}: {notice.text}")
            beat(told.heartbeat_url)
    finally:
        log.sink.close()
    return 0


def beat(url: str) -> None:
    """Tell somebody outside that this process looks: when that stops, they call. What they answer is not our affair."""
    if url:
        with suppress(httpx.HTTPError):
            httpx.get(url, timeout=PAGE_S)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
