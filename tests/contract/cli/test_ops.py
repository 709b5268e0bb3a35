"""`ops` on one box: what it looks at there, what it says only of AWS, and what can be wrong."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from billing.alerting.events import Event
from billing.alerting.watch import NOTE, Kept
from billing.backup.nightly import NOTE as BACKUP_NOTE
from billing.backup.nightly import Noted
from billing.cli import doctor
from billing.cli.exits import Exit, outcome_of
from billing.cli.ops import box, daily
from billing.cli.ops.lines import error_of
from billing.metrics import catalogue
from radius.domain.deed import Deed
from radius.domain.errors import Malformed
from radius.metrics import InProcess, serve
from radius.ports import Node
from tests.contract.cli.faults import Faults
from tests.contract.cli.isp import ANNEX, GATE, World
from tests.contract.values import soon
from tests.unit.billing.values import T0

ROOT = Path(__file__).resolve().parents[3]
NIGHT = T0 - 8 * 3_600


class Box:
    """A site on one machine, whose processes tell their figures over HTTP."""

    def __init__(self, world: World, metrics: InProcess, port: int) -> None:
        self.world, self.metrics, self.folder = world, metrics, world.folder
        none = ("worker_metrics_port", "coa_metrics_port", "portal_metrics_port", "billing_metrics_port")
        lines = [f"metrics_port = {port}", *(f"{name} = 0" for name in none)]
        lines += ["[backup]", f"folder = '{world.folder}'", "passphrase_ref = 'env:X'", "sftp = 'wifi@example.net:box'"]
        lines += ["[alerts]", "sms = ['254712345678']"]
        with (world.folder / "settings.toml").open("a") as settings:
            settings.write("\n" + "\n".join(lines) + "\n")
        (world.folder / "settings.toml").chmod(0o640)
        self.backed_up(Noted(NIGHT, NIGHT))
        self.watcher_says([], T0)
        self.log({"level": "INFO", "message": "Access accepted"})
        (world.folder / "engine").mkdir()
        (world.folder / "engine" / "wifibilling.sqlite").write_bytes(b"tables")
        world.core.store.nodes.publish(Node("box", T0, 0, (GATE, ANNEX)), soon())
        for worker in ("sweep", "coa"):
            world.core.store.due_work.advance(worker, T0, soon())

    def backed_up(self, note: Noted, at: int = NIGHT) -> None:
        made = self.folder / "box-20261125T010000Z.backup"
        made.write_bytes(b"sealed")
        os.utime(made, (at, at))
        (self.folder / BACKUP_NOTE).write_bytes(msgspec.json.encode(note))

    def watcher_says(self, events: list[Event], at: int) -> None:
        (self.folder / NOTE).write_bytes(msgspec.json.encode(Kept(events)))
        os.utime(self.folder / NOTE, (at, at))

    def log(self, *lines: dict[str, Any], name: str = "radius") -> None:
        (self.folder / "log").mkdir(exist_ok=True)
        said = [json.dumps({"timestamp": "2026-11-25T09:59:00.000Z", **line}) for line in lines]
        (self.folder / "log" / f"{name}.log").write_text("\n".join(said) + "\nnot ours: ERROR\n")

    def lines(self, page: str, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.world("ops", page, "--json", *words).json()["lines"]
        return found


@pytest.fixture
def site(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    """A box that is well."""
    metrics = InProcess(catalogue=catalogue(), strict=True)
    metrics.count("AccessAccepts", 90)
    metrics.count("PortalRequests", 400, Answer="done")
    metrics.count("CacheHits", 900, Cache="names")
    metrics.count("CacheMisses", 100, Cache="names")
    for _ in range(100):
        metrics.observe("AuthLatency", 0.004)
        metrics.observe("PortalLatency", 0.02)
    endpoint = serve(metrics, "127.0.0.1", 0)
    monkeypatch.setattr(doctor, "DISK_FREE_PERCENT_MIN", 0)
    monkeypatch.setattr(doctor, "SLOW_MS", 10_000)
    monkeypatch.setattr(box, "DISK_PERCENT_MAX", 101)
    yield Box(world, metrics, endpoint.port)
    endpoint.close()


def test_a_box_that_is_well_needs_nobody(site: Box) -> None:
    for page in ("daily", "weekly", "monthly"):
        ran = site.world("ops", page)
        assert (ran.code, ran.err) == (Exit.DONE, "Nothing needs anybody.\n"), ran.out
    said = {row["task"]: row["figure"] for page in ("weekly", "monthly") for row in site.lines(page)}
    assert {task for task, figure in said.items() if figure == "only on AWS"} == {
        "units a second",
        "cost",
        "cold starts",
    }


def test_a_page_is_a_table_by_task(site: Box) -> None:
    out = site.world("ops", "daily").out
    assert re.search(r"DASHBOARD +sold on 2026-11-25 +KES 0 net of tax, 0 sales to 0 customers", out)
    assert re.search(r"log-ins +90 let in, 0 refused, 0 left unanswered; 95 of 100 within 5 ms +ok", out)
    assert re.search(r"portal +400 requests, 0 failed; 95 of 100 within 0\.025 s +ok", out)
    assert re.search(r"ERRORS +ERROR of the last hour +none in 1 file", out)
    assert re.search(r"SPOT CHECKS +books +they are right, up to today", out)


def test_what_was_sold_and_who_is_online_are_the_stores(site: Box) -> None:
    world = site.world
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world.buys(world.registered("0712345678"), "daily.1", "TKP0000001")
    world.customer("0722000000")
    world.online("0722000000")
    found = {row["what"]: row["figure"] for row in site.lines("daily") if row["task"] == "dashboard"}
    assert found["sold on 2026-11-25"] == "KES 43.10 net of tax, 1 sales to 1 customers, all sites"
    assert found["online now"] == "1 sessions on 2 routers"
    there = {row["what"]: row["figure"] for row in site.lines("daily", "--site", "lodge")}
    assert there["online now"] == "0 sessions on 1 routers"
    week = {row["what"]: row["figure"] for row in site.lines("weekly") if row["task"] == "report"}
    assert week["week"].startswith("2026-11-16 to 2026-11-22")


fault = Faults[Box]()


@fault("daily", "log-ins", "95 of 100 within 500 ms")
def log_ins_are_slow(site: Box) -> None:
    for _ in range(20):
        site.metrics.observe("AuthLatency", 0.5)


@fault("daily", "portal", "40 failed")
def pages_fail(site: Box) -> None:
    site.metrics.count("PortalRequests", 40, Answer="failed")


@fault(
    "daily",
    "alarm NoSales",
    "no payment was credited for three hours (alarm since 2026-11-25 12:50:00, judged over 15 min)",
)
def alarm_is_on(site: Box) -> None:
    event = Event("NoSales", "no payment was credited for three hours", True, T0 - 600, T0, [""])
    site.watcher_says([event], T0 - 30)


@fault("daily", "alarms", "the watcher said nothing since")
def watcher_stands(site: Box) -> None:
    site.watcher_says([], T0 - 900)


@fault("daily", "ERROR of the last hour", "2 x Round failed: corrupt")
def errors(site: Box) -> None:
    bad = {"level": "ERROR", "message": "Round failed", "details": {"reason": "corrupt"}}
    site.log(bad, {**bad, "timestamp": "2026-11-25T08:00:00.000Z"}, {"level": "INFO", "message": '"ERROR"'}, bad)


@fault("daily", "callbacks", "stored and not settled")
def doctor_finds_something(site: Box) -> None:
    from billing.ports import Body  # noqa: PLC0415 - beside what it is for

    site.world.billing_store.ports.keep(Body("b1", "", T0 - 3_600, "{}", due_at=T0 - 3_600), soon())


@fault("weekly", "backups", "the last one failed: disk full")
def backup_failed(site: Box) -> None:
    site.backed_up(Noted(T0, NIGHT, why="disk full"))


@fault("weekly", "backups", "0 of the last 7 days")
def no_backup_for_a_week(site: Box) -> None:
    site.backed_up(Noted(NIGHT, NIGHT), T0 - 8 * 86_400)


@fault("weekly", "backups", "the last is 2 d 12 h old")
def no_backup_for_days(site: Box) -> None:
    site.backed_up(Noted(T0 - 60 * 3_600, T0 - 60 * 3_600), T0 - 60 * 3_600)


@fault("monthly", "hot cache: names", "33.3 % of 2700 look-ups")
def cache_is_cold(site: Box) -> None:
    site.metrics.count("CacheMisses", 1_700, Cache="names")


@fault("monthly", "by hand", "mary: customers erase x: interrupted")
def somebody_was_interrupted(site: Box) -> None:
    deed = Deed((T0 - 5 * 86_400) * 1000, "d1", "mary", "customers erase", "x", outcome="interrupted")
    site.world.core.store.deeds.note(deed, soon())


def test_a_slip_of_the_keyboard_and_a_few_look_ups_are_nobodys_fault(site: Box) -> None:
    slip = Deed(T0 * 1000, "d1", "mary", "sites add", "x", outcome=outcome_of(Malformed("zone", "is none")))
    site.world.core.store.deeds.note(slip, soon())
    site.metrics.count("CacheMisses", 38, Cache="subscriber")
    assert site.world("ops", "monthly").code == Exit.DONE


@fault("monthly", "certificate", "127.0.0.1 cannot be met")
def portal_has_no_certificate(site: Box) -> None:
    settings = site.folder / "settings.toml"
    settings.write_text(f'portal_url = "https://127.0.0.1:1"\n{settings.read_text()}')


@pytest.mark.parametrize("name", range(len(fault.all)), ids=[each.breaks.__name__ for each in fault.all])
def test_what_is_wrong_is_one_line_that_says_so(site: Box, name: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page, what, text, breaks = fault.all[name]
    if breaks is not doctor_finds_something:
        quick(monkeypatch)
    breaks(site)
    ran = site.world("ops", page, "--json")
    wrong = [row for row in ran.json()["lines"] if row["attention"]]
    assert ran.code == Exit.NOT
    assert [row["what"] for row in wrong] == [what]
    assert text in wrong[0]["figure"]
    assert wrong[0]["fix"]


def test_a_key_that_others_may_read(site: Box) -> None:
    (site.folder / "data.key").chmod(0o644)
    (row,) = [row for row in site.lines("monthly") if row["attention"]]
    assert row["fix"] == f"chmod 600 {site.folder / 'data.key'}"


def test_backups_that_a_fire_takes_too(site: Box) -> None:
    settings = site.folder / "settings.toml"
    settings.write_text(re.sub(r"sftp = .*\n", "", settings.read_text()))
    (row,) = [row for row in site.lines("monthly") if row["attention"]]
    assert "sent to nowhere else" in row["figure"]


def test_a_machine_without_anything_says_what_it_cannot_tell(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("metrics_port", "worker_metrics_port", "coa_metrics_port", "portal_metrics_port", "billing_metrics_port")
    with (world.folder / "settings.toml").open("a") as settings:
        settings.write("\n" + "\n".join(f"{name} = 0" for name in names))
    monkeypatch.setattr(box.shutil, "which", lambda _: None)
    quick(monkeypatch)
    found = {row["what"]: row for row in world("ops", "daily", "--json").json()["lines"]}
    assert found["log-ins"]["verdict"] == found["portal"]["verdict"] == found["ERROR of the last hour"]["verdict"]
    assert found["alarms"]["figure"] == "nobody watches this box"
    weekly = {row["what"]: row["figure"] for row in world("ops", "weekly", "--json").json()["lines"]}
    assert weekly["backups"].startswith("none is made: no table [backup]")


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what walks over the ledger and the queues: other tests have it."""
    monkeypatch.setattr(daily, "TASKS", tuple(task for task in daily.TASKS if task.name != "spot checks"))


def test_errors_are_looked_for_in_the_journal_where_there_is_no_file(
    site: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    (site.folder / "log" / "radius.log").unlink()
    program = site.folder / "journalctl"
    said = json.dumps({"level": "ERROR", "timestamp": "2026-11-25T09:59:00.000Z", "message": "Worker ended"})
    program.write_text(f"#!/bin/sh\ncase \"$*\" in *'-u wifibilling-* --since -1h'*) echo '{said}';; esac\n")
    program.chmod(0o755)
    monkeypatch.setattr(box.shutil, "which", lambda _: str(program))
    rows = [row for row in site.lines("daily") if row["task"] == "errors"]
    assert [row["figure"] for row in rows] == ["1 x Worker ended"]
    program.write_text("#!/bin/sh\nexit 1\n")
    (row,) = [row for row in site.lines("daily") if row["task"] == "errors"]
    assert row["verdict"] == "cannot tell"


def test_only_error_lines_of_the_last_hour_count() -> None:
    since = "2026-11-25T09:00:00"
    line = {"level": "ERROR", "timestamp": "2026-11-25T09:30:00.000Z", "message": "Worker ended"}
    assert error_of(json.dumps(line), since) == "Worker ended"
    assert error_of(json.dumps({**line, "timestamp": "2026-11-25T08:59:59.999Z"}), since) == ""
    for odd in ('"ERROR"', '["ERROR"]', '{"level": "ERROR"}', "ERROR", json.dumps({**line, "level": "WARN"})):
        assert error_of(odd, since) == ""


def test_books_that_are_not_right_are_lines_and_larger_ones_are_left(
    site: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "JOURNALS_MAX", 0)
    world = site.world
    world("packages", "add", "daily", "--name", "Day", "--price", "50", "--lasts", "1d")
    world.buys(world.registered("0712345678"), "daily.1", "TKP0000001")
    (row,) = [row for row in site.lines("daily") if row["what"] == "books"]
    assert (row["verdict"], row["figure"].startswith("more than 0 journals")) == ("cannot tell", True)


def test_every_runbook_that_is_named_is_there() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "billing" / "cli" / "ops").glob("*.py"))
    named = set(re.findall(r"deploy/runbooks/([a-z-]+\.md|README\.md)|\{RUNBOOKS\}([a-z-]+\.md)", sources))
    assert len(named) > 5
    assert all((ROOT / "deploy" / "runbooks" / (one or other)).is_file() for one, other in named)
