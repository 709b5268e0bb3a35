"""The worker's round: the spool played back, due work swept, boots worked off, the active counted; over memory."""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from msgspec.structs import replace

from radius import log as logs
from radius import worker as workers
from radius.bell import Bell
from radius.domain.clock import ClockGuard
from radius.domain.errors import Unavailable
from radius.domain.identity import SubscriberId, parse_class
from radius.domain.request import Status
from radius.metrics import InProcess
from radius.ports import Change
from radius.rlm import spool
from radius.rlm.clocks import Clocks
from radius.services import sweep
from radius.settings import Settings
from radius.store.open import memory_store
from radius.wiring import Core, Vault
from radius.worker import BOOT_WATCH_S, Worker
from tests.unit.domain.builders import MIB, NAS
from tests.unit.services.wired import Node, access_request, accounting_request

BASE = 1_800_000_000  # 2027-01-15 08:00 UTC: after the release, before which no clock is believed


class Site:
    """A worker beside a node, over one store and one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.node = Node()
        self.node.monotonic_s = 0.0  # the worker's deadlines are of this machine's clock, which is further
        self.node.now = BASE
        settings = Settings(state_dir=folder, spool_dir=folder, node_id="here", store_endpoint="http://127.0.0.1:1")
        node = self.node
        core = Core(
            settings,
            memory_store(node.store),
            node.keys,
            Vault(node.keys),
            node.desk,
            node.marks,
            node.names,
            node.directory,
            node.terms,
            node.provision,
            node.world,
            Bell(folder),
        )
        self.metrics = InProcess("test", strict=True)
        self.log = logs.open_log(folder / "log.jsonl", strict=True)
        self.counted_s = 0.0
        clocks = Clocks(
            lambda: node.now, time.monotonic, lambda: self.counted_s, ClockGuard(0, BASE - 1000), lambda: False
        )
        self.worker = Worker(core, self.metrics, self.log, clocks)
        self.core = core

    def catch_up(self) -> None:
        """Where no worker ever was, the first rounds walk over a whole day of the index."""
        for _ in range(3):
            self.worker.round()

    def pass_time(self, seconds: int) -> None:
        self.node.now += seconds
        self.counted_s += seconds

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]

    def spool(self, *records: str, minute: str = "202701150800", age_s: float = 60.0) -> Path:
        path = self.folder / f"acct-{minute}.detail"
        with path.open("a") as file:
            file.writelines(records)
        at = time.time() - age_s
        os.utime(path, (at, at))
        return path

    def online(self) -> SubscriberId:
        """A customer whose session began at the node."""
        found = self.node.customer()
        self.class_of = self.node.log_in(access_request()).limits.class_text
        start = accounting_request(Status.START, self.node.now, class_of=parse_class(self.class_of))
        self.node.account(start)
        return found

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name not in {"log.jsonl", "replay.lock"})


def record(status: str, at: int, used: int = 0, time_s: int = 0, *, router: str = "kilimani-03", **more: str) -> str:
    """One packet as FreeRADIUS's `detail` writes it down."""
    pairs = {
        "Acct-Status-Type": status,
        "User-Name": '"0712345678"',
        "Calling-Station-Id": '"AA:BB:CC:DD:EE:01"',
        "Acct-Session-Id": '"81c00001"',
        "Acct-Input-Octets": str(used // 4),
        "Acct-Output-Octets": str(used - used // 4),
        "Acct-Session-Time": str(time_s),
        "Tmp-String-0": f'"{router}"',
        "Timestamp": str(at),
        **more,
    }
    header = time.strftime("%a %b %e %H:%M:%S %Y", time.gmtime(at))
    return f"{header}\n" + "".join(f"\t{name} = {value}\n" for name, value in pairs.items()) + "\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.core.close()
    made.log.sink.close()


# -- the spool ---------------------------------------------------------------------------------------------------


def test_the_spool_is_played_back_at_its_receipt_times_and_goes(site: Site) -> None:
    found = site.online()
    site.pass_time(5000)
    site.spool(record("Interim-Update", BASE + 300, MIB, 300), record("Stop", BASE + 600, 2 * MIB, 600))
    site.worker.round()
    home = site.node.home(found)
    assert (home.rights[0].used_bytes, home.sessions[0].last_at, home.sessions[0].cause) == (
        2 * MIB,
        BASE + 600,
        "stop",
    )
    assert site.files() == []
    assert site.metrics.value("ReplayedPackets") == 2
    ended, played = site.lines
    assert (ended["message"], ended["details"]["duration"]) == ("Session terminated", 600)
    assert (played["message"], played["details"]) == ("Spool replayed", {"count": 2, "entries": 0, "outcome": "done"})
    assert site.metrics.value("DataUsage") == 2 * MIB


def test_a_file_that_is_still_written_to_waits(site: Site) -> None:
    site.online()
    path = site.spool(record("Interim-Update", BASE, MIB, 0), age_s=0.0)
    site.worker.round()
    assert site.files() == [path.name]
    os.utime(path, (time.time() - 3, time.time() - 3))
    site.worker.round()
    assert site.files() == []


def test_a_file_from_the_future_is_not_waited_for(site: Site) -> None:
    site.spool(record("Interim-Update", BASE, MIB, 0), age_s=-9000.0)
    site.worker.round()
    assert "acct-202701150800.detail" not in site.files()


@pytest.mark.parametrize(
    ("text", "why", "says"),
    [
        (
            record("Start", BASE, router="nowhere"),
            "router: nowhere is not registered",
            {"nas": "nowhere", "setting": "router"},
        ),
        (
            record("Start", BASE).replace("\tTmp-String-0", "\tTmp-String-9"),
            "router: no name is not registered",
            {"setting": "router"},
        ),
        (
            record("Start", BASE, **{"Acct-Session-Time": "soon"}),
            "Acct-Session-Time: must be a whole number",
            {"nas": "kilimani-03", "setting": "Acct-Session-Time"},
        ),
        (record("Start", BASE).replace("\tUser-Name", "User-Name"), "record: is not whole", {"setting": "record"}),
        (record("Start", BASE).replace("\tTimestamp", "\tTime"), "record: is not whole", {"setting": "record"}),
    ],
)
def test_what_cannot_be_counted_is_parked_with_its_reason(
    site: Site, text: str, why: str, says: dict[str, str]
) -> None:
    found = site.online()
    site.pass_time(300)
    site.spool(text, record("Interim-Update", BASE + 300, MIB, 300))
    site.worker.round()
    parked = (site.folder / "parked.detail").read_text()
    assert why in parked.splitlines()[0]
    assert site.node.home(found).rights[0].used_bytes == MIB, "the rest is not held up"
    assert (site.metrics.value("ParkedPackets"), site.files()) == (1, ["parked.detail"])
    (line,) = [line for line in site.lines if line["message"] == "Accounting parked"]
    assert (line["level"], line["details"]) == ("WARN", {"reason": "malformed", **says})
    assert line["requestId"]


def test_a_record_that_a_power_cut_left_in_the_middle_is_parked_and_told_of(site: Site) -> None:
    site.spool(record("Start", BASE)[:110])
    site.worker.round()
    assert (site.metrics.value("ParkedPackets"), site.files()) == (1, ["parked.detail"])
    assert site.lines[-1]["details"] == {"reason": "malformed", "setting": "record"}


def test_what_was_parked_is_counted_once_its_cause_is_mended_and_the_rest_is_parked_again(site: Site) -> None:
    found = site.online()
    site.pass_time(600)
    bad = record("Interim-Update", BASE + 300, MIB, 300, **{"Acct-Session-Time": "soon"})
    early, late = (record("Interim-Update", BASE + at, at * 1000, at) for at in (300, 600))
    site.spool(early, bad, late, record("Interim-Update", BASE + 600)[:100])
    router = site.node.directory.router(NAS)
    assert router is not None
    broken = replace(router, addresses=("10.8.0.300",), version=router.version + 1)
    site.node.store.put_router(broken, site.node.deadline)
    site.worker.round()
    assert (site.metrics.value("ParkedPackets"), site.node.home(found).rights[0].used_bytes) == (4, 0)
    again = site.worker.replay_parked()
    assert again is not None
    assert (again.counted, again.parked) == (0, 4), "nothing was mended yet"
    site.node.store.put_router(replace(router, version=router.version + 2), site.node.deadline)
    again = site.worker.replay_parked()
    assert again is not None
    assert (again.counted, again.parked) == (2, 2)
    assert site.node.home(found).rights[0].used_bytes == 600_000
    assert site.node.home(found).sessions[0].last_at == BASE + 600, "at its receipt, not now"
    reasons = [line for line in (site.folder / "parked.detail").read_text().splitlines() if line.startswith("#")]
    assert [reason.split(":")[0] for reason in reasons] == ["# Acct-Session-Time", "# record"]
    assert site.files() == ["parked.detail"]
    (site.folder / "parked.detail").unlink()
    assert site.worker.replay_parked() is None


def test_a_store_that_goes_away_leaves_what_was_parked_for_the_next_try(site: Site) -> None:
    found = site.online()
    site.pass_time(900)
    for at in (300, 600, 900):
        spool.park(
            site.folder, record("Interim-Update", BASE + at, at * 1000, at).encode(), "router: is not registered"
        )
    commits = iter(range(99))
    site.node.store.faults.before = lambda method: method == "commit" and next(commits) >= 1
    with pytest.raises(Unavailable):
        site.worker.replay_parked()
    site.node.store.faults.before = lambda _: False
    site.worker.round()
    assert "parked.detail.work" in site.files(), "only who asks for it plays it back"
    spool.park(site.folder, record("Stop", BASE + 900, 900_000, 900).encode(), "router: is not registered")
    again = site.worker.replay_parked()
    assert again is not None
    assert (again.parked, site.files()) == (0, [])
    session = site.node.home(found).sessions[0]
    assert (session.total_bytes, session.cause) == (900_000, "stop")


def test_on_a_wrong_clock_what_was_parked_stays(site: Site) -> None:
    spool.park(site.folder, record("Start", BASE).encode(), "router: is not registered")
    site.node.now = 1000
    with pytest.raises(Unavailable):
        site.worker.replay_parked()
    assert site.files() == ["parked.detail"]


def test_a_store_that_goes_away_leaves_the_rest_for_later(site: Site) -> None:
    found = site.online()
    site.pass_time(5000)
    site.spool(*(record("Interim-Update", BASE + at, at * 1000, at) for at in (300, 600, 900)))
    commits = iter(range(99))
    site.node.store.faults.before = lambda method: method == "commit" and next(commits) >= 1
    with pytest.raises(Unavailable):
        site.worker.round()
    assert site.lines[-1]["details"]["outcome"] == "stopped"
    assert [name for name in site.files() if name.endswith(".work")] == ["acct-202701150800.detail.work"]
    site.node.store.faults.before = lambda _: False
    site.worker.round()
    assert site.node.home(found).rights[0].used_bytes == 900_000
    assert site.files() == []


@pytest.mark.parametrize("written_at", [5, BASE + 99_999])
def test_what_was_written_on_a_wrong_clock_was_before_now_and_no_more_is_known(site: Site, written_at: int) -> None:
    found = site.online()
    site.pass_time(700)
    site.spool(record("Interim-Update", written_at, MIB, 600))
    site.worker.round()
    session = site.node.home(found).sessions[0]
    assert (session.last_at, session.total_bytes) == (BASE + 700, MIB)


HOLDER = """
import fcntl, sys
with open(sys.argv[1], "ab") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""


def test_while_another_process_plays_the_folder_back_nobody_else_does(site: Site) -> None:
    site.online()
    site.spool(record("Interim-Update", BASE, MIB, 0))
    lock = str(site.folder / "replay.lock")
    with Popen([sys.executable, "-c", HOLDER, lock], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        site.worker.round()
        assert site.files() == ["acct-202701150800.detail"]
        holder.communicate()
    site.worker.round()
    assert site.files() == []


# -- due work ----------------------------------------------------------------------------------------------------


def test_a_silent_session_is_ended_and_told_of(site: Site) -> None:
    site.online()
    site.catch_up()
    site.node.now = BASE + 300
    used = accounting_request(Status.INTERIM, BASE + 300, (MIB, MIB), 300, class_of=parse_class(site.class_of))
    site.node.account(used)
    site.node.now = BASE
    site.pass_time(3000)
    site.worker.round()
    (line,) = [line for line in site.lines if line["message"] == "Session terminated"]
    assert {key: line["details"][key] for key in ("nas", "site", "duration", "in_bytes", "cause")} == {
        "nas": "kilimani-03",
        "site": "kilimani",
        "duration": 300,
        "in_bytes": MIB,
        "cause": "silent",
    }
    assert line["userId"].startswith("user_")
    assert [site.metrics.value(name) for name in ("TerminatedSessions", "SessionsReaped", "SessionDuration")] == [1] * 3


def test_a_boot_is_worked_off_and_watched_for_a_while(site: Site) -> None:
    site.online()
    site.node.store.boot(NAS, BASE + 10, site.node.deadline)
    site.pass_time(20)
    site.worker.round()
    assert site.metrics.value("SessionsReaped") == 1
    asked = site.node.requests()
    site.pass_time(BOOT_WATCH_S)
    site.worker.round()
    assert "open_on" in asked, "a session may still turn up from a spool"
    asked.clear()
    site.pass_time(20)
    site.worker.round()
    assert "open_on" not in asked


def test_who_is_told_to_stop_does_not_walk_over_the_rest_of_the_day(site: Site) -> None:
    def checkpoint() -> int:
        return site.node.store.checkpoint(sweep.WORKER, time.monotonic() + 5)

    site.worker.stop.set()
    site.worker.round()
    stopped_at = checkpoint()
    assert BASE - 86_400 < stopped_at < BASE - 80_000
    site.worker.stop.clear()
    site.worker.round()
    assert checkpoint() > stopped_at + 30_000


def test_the_active_are_counted_where_the_truth_is_once_a_minute(site: Site) -> None:
    site.online()
    site.worker.round()
    assert site.metrics.value("ActiveSessions") == 1
    asked = site.node.requests()
    site.worker.round()
    assert "count_open" not in asked
    site.worker._counted_at -= 61
    site.worker.round()
    assert "count_open" in asked


def test_a_record_that_cannot_be_read_is_an_alarm(site: Site) -> None:
    found = site.online()
    stored = site.node.store.read(found, site.node.deadline)
    assert stored is not None
    site.catch_up()
    site.node.store.commit(Change(found, stored.version + 1, "x", b"{", BASE + 30), site.node.deadline)
    site.node.desk.read(found, site.node.deadline)
    site.pass_time(60)
    site.worker.round()
    assert site.metrics.value("CorruptRecords") == 1
    line = site.lines[-1]
    assert (line["level"], line["message"], line["details"]["error"]) == ("ERROR", "Sweep cannot work on", "Corrupt")


# -- the clock, the store, the process ---------------------------------------------------------------------------


def test_on_a_wrong_clock_nothing_is_done(site: Site) -> None:
    site.online()
    site.spool(record("Stop", BASE, MIB, 0))
    site.node.now = 1000
    asked = site.node.requests()
    site.worker.round()
    assert (asked, site.files()) == ([], ["acct-202701150800.detail"])
    assert site.lines[-1]["details"]["reason"] == "below_floor"
    assert site.metrics.value("ClockSuspect", Reason="below_floor") == 1


def test_a_store_that_is_away_is_waited_for_and_anything_else_is_told_with_its_trace(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.node.store.faults.before = lambda _: True
    assert workers.one_round(site.worker, site.log) == 1
    assert (site.lines[-1]["level"], site.lines[-1]["message"]) == ("WARN", "Worker waits for the store")
    site.node.store.faults.before = lambda _: False
    assert workers.one_round(site.worker, site.log) == 0
    monkeypatch.setattr(site.node.directory, "refresh", lambda *_: 1 / 0)
    assert workers.one_round(site.worker, site.log) == 1
    assert (site.lines[-1]["level"], site.lines[-1]["details"]["error"]) == ("ERROR", "ZeroDivisionError")


@pytest.mark.parametrize("text", ["worker_metrics_port = 'many'", "no such = toml", "store_kind = 'paper'"])
def test_settings_that_cannot_be_used(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.toml").write_text(text)
    assert workers.main(["--settings", str(tmp_path / "settings.toml")]) == 2
    assert capsys.readouterr().err.startswith("wifibilling worker: settings: cannot be used")


@pytest.mark.parametrize("option", ["--once", "--replay-parked"])
def test_a_log_that_cannot_be_written_is_one_clear_line(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [f"state_dir = '{tmp_path}'", f"log_path = '{tmp_path}/no/such/folder.log'"]
    (tmp_path / "settings.toml").write_text("\n".join(settings))
    assert workers.main(["--settings", str(tmp_path / "settings.toml"), option]) == 2
    said = capsys.readouterr().err
    assert (
        said == f"wifibilling worker: log_path: cannot write {tmp_path}/no/such/folder.log: No such file or directory\n"
    )


def test_a_spool_that_cannot_be_played_back_keeps_nothing_else_waiting(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = site.online()
    site.pass_time(90_000)  # its day is over
    monkeypatch.setattr(site.worker._playback, "round", lambda _now: (_ for _ in ()).throw(PermissionError("parked")))
    for _ in range(4):  # a new worker walks a day of the index
        site.worker.round()
    assert [one.cause for one in site.node.home(found).sessions] in ([], ["timeout"]), "the sweep ended it"
    assert "Spool cannot be played back" in [line["message"] for line in site.lines]
