"""Taking a spool file from a writer that is at work: nothing that it acknowledged may go with the file."""

import os
from pathlib import Path

import pytest

from radius.rlm import spool

RECORD = b'Tue Nov 24 00:00:00 2026\n\tAcct-Status-Type = Stop\n\tAcct-Session-Id = "%d"\n\tTimestamp = 1795478400\n\n'
NAME = "acct-202611240000.detail"


def ids(path: Path, offset: int = 0) -> list[str]:
    return [dict(record.pairs)["Acct-Session-Id"] for record in spool.read(path, offset)]


def test_a_file_counted_to_its_end_goes_with_its_progress(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(RECORD % 1)
    mine = spool.take(tmp_path / NAME)
    spool.keep_progress(mine, 0)
    assert spool.finish(mine, len(RECORD % 1)) == b""
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_looked_before_the_file_was_taken_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(RECORD % 1)
    late = os.open(tmp_path / NAME, os.O_RDWR | os.O_APPEND)  # rlm_detail: open and compared, not locked yet
    mine = spool.take(tmp_path / NAME)
    counted = len(RECORD % 1)
    assert ids(mine) == ["1"]
    os.write(late, RECORD % 2)
    assert spool.finish(mine, counted) is None
    assert ids(mine, counted) == ["2"]
    assert spool.finish(mine, counted + len(RECORD % 2)) == b""
    assert os.fstat(late).st_nlink == 0  # what the writer looks at next: it begins a new file
    os.close(late)


def test_a_whole_record_that_came_late_is_not_parked_with_a_torn_one_after_it(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(RECORD % 1)
    mine = spool.take(tmp_path / NAME)
    counted = len(RECORD % 1)
    with mine.open("ab") as late:
        late.write(RECORD % 2 + (RECORD % 3)[:40])
    assert spool.finish(mine, counted) is None
    assert ids(mine, counted) == ["2"]
    assert spool.finish(mine, counted + len(RECORD % 2)) == (RECORD % 3)[:40].strip()
    parked = (tmp_path / spool.PARKED).read_bytes()
    assert (RECORD % 3)[:40].strip() in parked
    assert b'"2"' not in parked


def test_what_was_cut_off_is_parked_before_the_file_goes(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(RECORD % 1 + (RECORD % 2)[:40])
    mine = spool.take(tmp_path / NAME)
    assert spool.finish(mine, len(RECORD % 1)) == (RECORD % 2)[:40].strip()
    assert not mine.exists()
    assert (RECORD % 2)[:40].strip() in (tmp_path / spool.PARKED).read_bytes()


@pytest.mark.parametrize("name", [NAME, NAME + spool.TAKEN])
def test_the_oldest_packet_is_told_without_opening_a_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(RECORD % 1)
    (tmp_path / "acct-202611240005.detail").write_bytes(RECORD % 2)
    (tmp_path / "acct-no-minute.detail").write_bytes(RECORD % 3)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the node's process must not open a spool file")

    monkeypatch.setattr(Path, "open", refuse)
    assert spool.oldest_at(tmp_path) == 1_795_478_400


def test_blank_lines_at_the_end_are_no_record(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(RECORD % 1 + b"\n\n")
    assert spool.finish(spool.take(tmp_path / NAME), len(RECORD % 1)) == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", range(1, len(RECORD % 2) - 2))
def test_wherever_a_record_was_cut_off_it_is_never_whole_once_it_was_parked(tmp_path: Path, cut: int) -> None:
    """Parked, it ends with an empty line like a whole one; without its Timestamp it is none."""
    torn = (RECORD % 2)[:cut]
    spool.park(tmp_path, torn, "cut off")
    spool.park(tmp_path, RECORD % 3, "router: gate-9 is not registered")
    path = spool.parked(tmp_path)
    assert path is not None
    *rest, last = spool.read(path)
    assert last.pairs == (("Acct-Status-Type", "Stop"), ("Acct-Session-Id", "3"))
    assert last.end == path.stat().st_size
    assert b"#" not in b"".join(record.raw for record in (*rest, last)), "the reason of last time is not kept"
    stamped = b"Timestamp = 1" in torn  # cut inside the number: all that counts is there
    assert [bool(record.pairs) for record in rest] == [stamped]


def test_no_packet_waits_in_an_empty_folder(tmp_path: Path) -> None:
    assert spool.oldest_at(tmp_path) == 0


def test_what_is_parked_is_for_its_owner_only(tmp_path: Path) -> None:
    spool.park(tmp_path, b"one\n\n", "bad")
    spool.park(tmp_path, b"two\n\n", "worse")
    parked = tmp_path / spool.PARKED
    assert parked.stat().st_mode & 0o777 == 0o600
    assert parked.read_bytes().endswith(b" bad\none\n\n" + spool.COMMENT + b" worse\ntwo\n\n")
