from pathlib import Path

import pytest

from radius.domain.errors import Unavailable
from radius.domain.identity import NasId
from radius.domain.tunnel import Tunnel
from radius.hub.__main__ import main
from radius.hub.device import run
from radius.hub.files import PUBLIC, REPORT, last_report, public_key, write
from radius.hub.peers import FRESH_S, Change, Heard, Peer, change, read_dump, report

GATE, BARN = NasId("gate"), NasId("barn")
KEY, OTHER = "k" * 42 + "A=", "o" * 42 + "A="
# As wg(8) of wireguard-tools 1.0.20210914 prints it.
DUMP = (
    f"PRIVATE\t{KEY}\t51820\toff\n"
    f"{KEY}\t(none)\t203.0.113.9:40001\t10.99.0.2/32\t1764064800\t4184\t7512\toff\n"
    f"{OTHER}\t(none)\t(none)\t10.99.0.3/32\t0\t0\t0\toff\n"
)


def test_a_dump_is_read_as_wg_prints_it() -> None:
    assert read_dump(DUMP) == [
        Peer(KEY, "10.99.0.2/32", "203.0.113.9:40001", 1_764_064_800),
        Peer(OTHER, "10.99.0.3/32"),
    ]


@pytest.mark.parametrize("text", ["", "\n", "one line", f"head\n{KEY}\tonly", DUMP.replace("1764064800", "soon")])
def test_what_is_no_peer_is_skipped(text: str) -> None:
    assert all(peer.key == OTHER for peer in read_dump(text))


def test_peers_that_are_right_are_left_alone() -> None:
    tunnels = [Tunnel("10.99.0.2", GATE, KEY), Tunnel("10.99.0.3", BARN, OTHER)]
    assert change(tunnels, read_dump(DUMP)) == Change({}, ())


def test_a_key_that_was_shut_out_goes_and_a_new_one_comes() -> None:
    tunnels = [Tunnel("10.99.0.2", GATE, ""), Tunnel("10.99.0.3", BARN, "n" * 42 + "A=")]
    assert change(tunnels, read_dump(DUMP)) == Change({"n" * 42 + "A=": "10.99.0.3/32"}, (KEY, OTHER))


def test_an_address_that_differs_is_put_right() -> None:
    present = [Peer(KEY, "10.99.0.9/32"), Peer(OTHER, "(none)")]
    wanted = change([Tunnel("10.99.0.2", GATE, KEY), Tunnel("10.99.0.3", BARN, OTHER)], present)
    assert wanted == Change({KEY: "10.99.0.2/32", OTHER: "10.99.0.3/32"}, ())


def test_the_report_says_when_and_from_where_each_router_was_heard(tmp_path: Path) -> None:
    tunnels = [Tunnel("10.99.0.2", GATE, KEY), Tunnel("10.99.0.3", BARN, OTHER), Tunnel("10.99.0.4", NasId("new"))]
    said = report(tunnels, read_dump(DUMP), 1_764_064_900)
    assert said.routers == {
        "gate": Heard("10.99.0.2", 1_764_064_800, "203.0.113.9"),
        "barn": Heard("10.99.0.3"),
        "new": Heard("10.99.0.4"),
    }
    assert [name for name, one in said.routers.items() if one.alive(said.at)] == ["gate"]
    assert not said.routers["gate"].alive(1_764_064_800 + FRESH_S)


@pytest.mark.parametrize("content", [b"", b"{", b'{"at": "noon"}', b"\xff"])
def test_a_report_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    assert last_report(tmp_path) is None
    write(tmp_path / REPORT, content, 0o644)
    assert last_report(tmp_path) is None


def test_a_public_key_file_with_something_else_in_it_is_no_key(tmp_path: Path) -> None:
    assert public_key(tmp_path) == ""
    write(tmp_path / PUBLIC, f"{KEY}\n".encode(), 0o644)
    assert public_key(tmp_path) == KEY
    write(tmp_path / PUBLIC, b"a private thing", 0o644)
    assert public_key(tmp_path) == ""


def test_a_hub_that_nobody_could_reach_does_not_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'state_dir = "{tmp_path}"\n')
    assert main(["--settings", str(settings)]) == 2
    assert "hub_endpoint: is not set" in capsys.readouterr().err


def test_what_the_system_refuses_is_said_in_its_words() -> None:
    with pytest.raises(Unavailable, match="no-such-program"):
        run("no-such-program")
    with pytest.raises(Unavailable, match="No such file"):
        run("ls", "/no/such/place")
