"""The bell: a hint that may be lost and never costs who rings."""

from pathlib import Path

from radius.bell import NAME, Bell, Ear
from radius.domain.identity import SubscriberId

SOMEBODY = SubscriberId("abcdefghijklmnop")


def test_a_ring_says_for_whom_and_when(tmp_path: Path) -> None:
    ear, bell = Ear(tmp_path), Bell(tmp_path, lambda: 1_764_000_000.25)
    bell.ring(SOMEBODY)
    bell.ring(SubscriberId("b"))
    assert ear.hear(1) == (SOMEBODY, 1_764_000_000.25)
    assert ear.hear(1) == ("b", 1_764_000_000.25)
    assert ear.hear(0.01) is None
    bell.close()
    ear.close()


def test_nobody_there_a_full_queue_or_a_closed_bell_is_nobodys_trouble(tmp_path: Path) -> None:
    bell = Bell(tmp_path)
    bell.ring(SOMEBODY)
    ear = Ear(tmp_path)
    for _ in range(10_000):
        bell.ring(SOMEBODY)
    assert ear.hear(1) is not None
    ear.close()
    bell.ring(SOMEBODY)
    bell.close()
    bell.ring(SOMEBODY)


def test_a_path_too_long_for_a_socket_is_no_bell(tmp_path: Path) -> None:
    bell = Bell(tmp_path / ("x" * 120))
    bell.ring(SOMEBODY)
    bell.close()


def test_the_last_who_listens_hears(tmp_path: Path) -> None:
    first, bell = Ear(tmp_path), Bell(tmp_path)
    second = Ear(tmp_path)
    bell.ring(SOMEBODY)
    assert second.hear(1) is not None
    assert first.hear(0.01) is None
    for one in (first, second, bell):
        one.close()


def test_what_is_no_ring_is_not_heard(tmp_path: Path) -> None:
    ear, bell = Ear(tmp_path), Bell(tmp_path)
    for junk in (b"", b"abc", b"abc x", b"a#b 1.0", b"x" * 500, "é 1".encode()):
        bell._socket.sendto(junk, str(tmp_path / NAME))
        assert ear.hear(1) is None
    ear.close()
    bell.close()
