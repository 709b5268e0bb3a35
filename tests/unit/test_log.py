"""One line a unit of work: its keys, what may be in it, and that nothing it meets can hurt its caller."""

import errno
import json
import re
import threading
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from radius.domain.errors import Malformed
from radius.domain.policy import Reason
from radius.log import (
    FIELDS,
    LINE_BYTES_MAX,
    SESSION_TERMINATED,
    Canonical,
    Log,
    Pseudonym,
    Pseudonyms,
    Refused,
    RequestIds,
    Sink,
    open_log,
)
from radius.metrics import Recording

PSEUDONYMS = Pseudonyms(b"k" * 32)
USER = PSEUDONYMS.of("user", "abcdefghijklmnop")
NOON_NS = 1_795_435_200_000_000_000 + 7_999_999


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "radius.log"


@pytest.fixture
def metrics() -> Recording:
    return Recording()


@pytest.fixture
def log(path: Path, metrics: Recording) -> Iterator[Log]:
    log = open_log(path, metrics=metrics)
    yield log
    log.sink.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def line(method: str = "info", *, strict: bool = True, log_format: Any = "json", **event: Any) -> dict[str, Any]:
    canonical = Canonical(log_format, strict=strict, now_ns=lambda: NOON_NS)
    parsed: dict[str, Any] = json.loads(canonical(None, method, event))
    return parsed


def test_a_line_literally() -> None:
    canonical = Canonical(strict=True, now_ns=lambda: NOON_NS)
    event = {"event": "Access rejected", "request_id": "00af", "user_id": USER, "nas": "kilifi-1"}
    made = canonical(None, "info", {**event, "reason": Reason.QUOTA_USED, "took_us": 900, "cached": True})
    assert made.decode() == (
        '{"timestamp":"2026-11-23T12:00:00.007Z","level":"INFO","message":"Access rejected","requestId":"00af",'
        f'"userId":"{USER}","details":{{"nas":"kilifi-1","reason":"quota_used","took_us":900,"cached":true}}}}\n'
    )


def test_the_end_of_a_session_is_what_reports_look_for() -> None:
    made = line(event=SESSION_TERMINATED, user_id=USER, duration=3600)
    assert made["message"] == "Session terminated"
    assert made["details"]["duration"] == 3600


@pytest.mark.parametrize(
    ("method", "level"), [("info", "INFO"), ("warning", "WARN"), ("error", "ERROR"), ("critical", "ERROR")]
)
def test_levels(method: str, level: str) -> None:
    assert line(method, event="x")["level"] == level


def test_lines_below_the_level_are_not_written(path: Path) -> None:
    log = open_log(path, level="WARN")
    log.logger.debug("no")
    log.logger.info("no")
    log.logger.warning("one")
    log.logger.error("two")
    log.sink.close()
    assert [(entry["level"], entry["message"]) for entry in lines(path)] == [("WARN", "one"), ("ERROR", "two")]


def test_the_timestamp_follows_the_clock() -> None:
    instants = iter((NOON_NS, NOON_NS + 10**9, NOON_NS + 10**9 + 990_000_000))
    canonical = Canonical(now_ns=lambda: next(instants))
    seen = [json.loads(canonical(None, "info", {"event": "x"}))["timestamp"] for _ in range(3)]
    assert seen == ["2026-11-23T12:00:00.007Z", "2026-11-23T12:00:01.007Z", "2026-11-23T12:00:01.997Z"]


@pytest.mark.parametrize(
    "field",
    [
        {"password": "x"},
        {"nas": 7},
        {"took_us": "7"},
        {"took_us": 0.5},
        {"device": "aabbccddeeff"},
        {"address": "10.1.2.3"},
        {"name": "asha"},
        {"user_id": "254712345678"},
        {"reason": "user 0712345678"},
        {"reason": "from aa:bb:cc:dd:ee:ff"},
        {"reason": "AABBCCDDEEFF"},
        {"reason": "aabb.ccdd.eeff"},
        {"fix": "10.20.30.40 is unknown"},
        {"event": "hello +254712345678"},
    ],
    ids=str,
)
def test_what_is_not_allowed_fails_a_test(field: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        line(**{"event": "x", **field})
    if "event" not in field:
        assert str(next(iter(field.values()))) not in str(refused.value)


@pytest.mark.parametrize(
    "field",
    [
        {"session": "0123456789abcdef0123"},
        {"trace": "hooks.py:120 authorize"},
        {"version": "3.2.7"},
        {"fix": "9812 on 127.0.0.1 is in use"},
        {"total_bytes": 712345678},
        {"device": PSEUDONYMS.of("device", "aabbccddeeff")},
    ],
    ids=str,
)
def test_what_is_no_personal_data_passes(field: dict[str, Any]) -> None:
    assert line(event="x", **field)["details"] == field


def test_in_production_it_is_left_out_and_counted(log: Log, path: Path, metrics: Recording) -> None:
    log.logger.info("x", nas="n1", password="secret", device="aabbccddeeff", took_us=None, user_id="254712345678")
    assert lines(path)[0]["details"] == {"nas": "n1"}
    assert lines(path)[0]["userId"] is None
    assert metrics.total("LogFieldsDropped") == 3
    assert not re.search("secret|aabb|2547", path.read_text())


@pytest.mark.parametrize("user", ["254712345678", "user_0123456789abcdef", 7])
def test_a_user_is_a_pseudonym_or_nobody_also_in_production(user: Any) -> None:
    assert line(event="x", strict=False, user_id=user)["userId"] is None
    assert line(event="x", strict=False, user_id=USER)["userId"] == USER


def test_pseudonyms_are_keyed_hashes_of_their_kind() -> None:
    made = PSEUDONYMS.of("device", "aabbccddeeff")
    assert made == "device_" + blake2b(b"device:aabbccddeeff", digest_size=8, key=b"k" * 32).hexdigest()
    assert type(made) is Pseudonym
    assert made != PSEUDONYMS.of("name", "aabbccddeeff")
    assert made != Pseudonyms(b"q" * 32).of("device", "aabbccddeeff")
    assert "aabbcc" not in made


def test_an_exception_says_where_it_came_from_and_not_what_it_said(log: Log, path: Path) -> None:
    def inner() -> None:
        raise KeyError("0712345678")

    for _ in range(2):
        try:
            inner()
        except KeyError as raised:
            log.logger.exception("Hook failed", operation="authorize")
            log.logger.error("Hook failed", exc_info=raised)  # noqa: TRY400 - both ways are to give the same
    for entry in lines(path):
        assert entry["level"] == "ERROR"
        assert entry["details"]["error"] == "KeyError"
        assert re.fullmatch(r"test_log\.py:\d+ inner < test_log\.py:\d+ test_an.*", entry["details"]["trace"])
    assert "0712345678" not in path.read_text()
    log.logger.info("nothing raised", exc_info=True)  # noqa: LOG014 - that is the case tested
    assert lines(path)[-1]["details"] == {}


texts = st.text(max_size=300) | st.text(st.characters(categories=["Cs"]), max_size=5)
values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=9) | st.lists(texts)


@given(
    message=texts,
    request_id=values,
    user_id=values,
    fields=st.dictionaries(st.sampled_from([*FIELDS, "password", "exc_info"]), values, max_size=12),
)
def test_nothing_that_is_logged_can_fail_or_break_the_line(
    message: str, request_id: Any, user_id: Any, fields: dict[str, Any]
) -> None:
    for log_format in ("json", "pretty"):
        canonical = Canonical(log_format)
        made = canonical(None, "info", {"event": message, "request_id": request_id, "user_id": user_id, **fields})
        assert made.endswith(b"\n")
        if log_format == "json":
            assert made.count(b"\n") == 1
            parsed = json.loads(made)
            assert list(parsed) == ["timestamp", "level", "message", "requestId", "userId", "details"]
            assert parsed["details"].keys() <= FIELDS.keys()


def test_a_huge_text_is_cut() -> None:
    made = line(event="x", strict=False, reason="a" * 100_000, nas="n1", took_us=7)
    assert made["details"] == {"reason": "a" * 200, "nas": "n1", "took_us": 7}
    assert len(json.dumps(line(event="m" * 100_000, strict=False, request_id="r" * 100_000))) < LINE_BYTES_MAX


def test_pretty_lines_are_for_people() -> None:
    canonical = Canonical("pretty", now_ns=lambda: NOON_NS)
    made = canonical(
        None, "warning", {"event": "Access rejected", "user_id": USER, "nas": "n1", "reason": Reason.BLOCKED}
    )
    assert re.fullmatch(
        rf"2026-11-23T12:00:00\.007Z \[WARN *\] Access rejected +userId={USER} nas=n1 reason=blocked\n", made.decode()
    )


def test_lines_of_many_threads_are_whole(log: Log, path: Path) -> None:
    def work(number: int) -> None:
        for _ in range(300):
            log.logger.info("x", request_id=str(number), reason="r" * number * 20)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = lines(path)
    assert len(seen) == 2400
    assert all(entry["details"]["reason"] == "r" * int(entry["requestId"]) * 20 for entry in seen)


def test_lines_follow_a_rotated_file(log: Log, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radius.log.REOPEN_CHECK_S", 3600)
    log.logger.info("one")
    rotated = path.rename(path.with_suffix(".1"))
    log.logger.info("two")
    assert [entry["message"] for entry in lines(rotated)] == ["one", "two"], "not looked at each time"
    monkeypatch.setattr("radius.log.REOPEN_CHECK_S", -1)
    before = len(list(Path("/proc/self/fd").iterdir()))
    log.logger.info("three")
    path.unlink()
    log.logger.info("four")
    log.logger.info("five")
    assert [entry["message"] for entry in lines(path)] == ["four", "five"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "no descriptor is left over"
    assert path.stat().st_mode & 0o777 & ~0o640 == 0


def test_rotation_while_threads_write_loses_nothing(log: Log, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radius.log.REOPEN_CHECK_S", -1)

    def work() -> None:
        for _ in range(500):
            log.logger.info("x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(20):
        if path.exists():
            path.rename(path.with_suffix(f".{number}"))
    for thread in threads:
        thread.join()
    assert sum(len(lines(part)) for part in path.parent.iterdir()) == 2000


def test_a_folder_that_vanishes_or_a_full_disk_is_counted_and_nothing_else(
    log: Log, path: Path, metrics: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radius.log.REOPEN_CHECK_S", -1)
    path.unlink()
    path.parent.rmdir()
    log.logger.info("goes to the old file")
    assert metrics.total("LogLinesDropped") == 0

    def full(_descriptor: int, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("radius.log.os.write", full)
    log.logger.info("x")
    monkeypatch.setattr("radius.log.os.write", lambda _descriptor, line: len(line) // 2)
    log.logger.info("x")
    assert metrics.total("LogLinesDropped") == 2
    path.parent.mkdir()


def test_after_close_lines_go_nowhere(path: Path) -> None:
    log = open_log(path)
    log.logger.info("one")
    log.sink.close()
    log.sink.close()
    path.rename(path.with_suffix(".1"))
    log.logger.info("two")
    assert not path.exists()


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    log = open_log(None)
    log.logger.info("one", nas="n1")
    log.sink.close()
    log.logger.info("two")
    print("standard output is still open")
    out = capfd.readouterr().out.splitlines()
    assert json.loads(out[0])["message"] == "one"
    assert out[1:] == ["standard output is still open"]


def test_a_path_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=r"log_path: cannot write .*/no/radius\.log: No such file or directory"):
        Sink(tmp_path / "no" / "radius.log")


def test_structlog_is_not_configured_globally(path: Path) -> None:
    open_log(path).sink.close()
    assert not structlog.is_configured()


def test_request_ids_are_never_given_twice() -> None:
    first, second = RequestIds(), RequestIds()
    given: list[str] = []
    threads = [threading.Thread(target=lambda: given.extend(first() for _ in range(2_000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given += [second() for _ in range(2_000)]
    assert len(set(given)) == 10_000
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]+", one) for one in given)
