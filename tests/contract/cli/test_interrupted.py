"""Ctrl-C in the middle of long work, by a real signal: its exit code, how to go on, and nothing half made."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from billing.backup import nightly
from billing.cli import relist, telling
from billing.cli.exits import Exit
from radius.domain.identity import MacAddress
from tests.contract.cli.isp import Ran, World
from tests.fakes.sms_gateway import SmsGateway

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"  # the cursor, while a bar is there
AGAIN = "Interrupted. The same command again is safe."


@pytest.fixture(autouse=True)
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever started the tests: bars are shown, and SIGINT is met as at a keyboard."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def then_ctrl_c(function: Callable[..., Any]) -> Callable[..., Any]:
    """Does it, and is interrupted behind it."""

    def done(*given: Any, **named: Any) -> Any:
        found = function(*given, **named)
        signal.raise_signal(signal.SIGINT)
        return found

    return done


def bar_is_over(ran: Ran) -> bool:
    """It was there, and the cursor came back."""
    return HIDE in ran.err and ran.err.rindex(SHOW) > ran.err.rindex(HIDE)


def test_a_list_that_is_half_written_is_written_whole_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.customer("0712345678")
    with monkeypatch.context() as patch:
        patch.setattr(relist, "write_all", then_ctrl_c(relist.write_all))
        ran = world("relist")
    assert (ran.code, ran.out, AGAIN in ran.err) == (Exit.INTERRUPTED, "", True), ran.err
    assert bar_is_over(ran)
    assert world("relist", "--json").json()["customers"] == 1


def test_a_backup_that_is_half_written_is_no_backup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world.folder / "elsewhere"
    folder.mkdir()
    (world.folder / "passphrase").write_text("three words are not enough\n")
    (world.folder / "passphrase").chmod(0o600)
    with (world.folder / "settings.toml").open("a") as file:
        file.write(f'\n[backup]\nfolder = "{folder}"\npassphrase_ref = "file:{world.folder / "passphrase"}"\n')

    def half(_source: object, file: BinaryIO, *_rest: object) -> None:
        file.write(b"half")
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(nightly, "write", half)
    ran = world("backup", "run")
    assert (ran.code, ran.out, AGAIN in ran.err) == (Exit.INTERRUPTED, "", True), ran.err
    assert bar_is_over(ran)
    assert list(folder.iterdir()) == []


def test_a_notice_goes_on_where_it_was_interrupted_and_tells_nobody_twice(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = SmsGateway()
    gateway.plan.extend([("json", 200, {"id": "x"})] * 3)
    lines = [
        "[sms]", "[sms.sender]", 'kind = "gateway"', f'url = "{gateway.url}/send"', "deadline_s = 5.0",
        "[sms.sender.form]", 'to = "{to}"', 'text = "{text}"', "[notices]", "per_minute = 6000",
    ]  # fmt: skip
    with (tmp_path / "settings.toml").open("a") as file:
        file.write("\n".join(["", *lines]))
    for number, phone in enumerate(("0700000001", "0700000002", "0700000003")):
        world.customer(phone)
        world.online(phone, mac=MacAddress(f"aabbccddee{number:02}"), session=f"81c0000{number}")
    with monkeypatch.context() as patch:
        patch.setattr(telling, "resting", lambda _: then_ctrl_c(lambda: None))
        ran = world("notify", "outage", "--site", "kilimani", "--apply", "--reason", "fibre cut")
    assert ran.code == Exit.INTERRUPTED, ran.err
    assert "wifibilling notify resume outage-kilimani-261125-1" in ran.err
    assert bar_is_over(ran)
    assert len(gateway.seen) == 1
    assert ("mary", "notify outage", "outage-kilimani-261125-1", "interrupted") in world.deeds()
    done = world("notify", "resume", "outage-kilimani-261125-1", "--json")
    assert (done.code, done.json()["told"]) == (Exit.DONE, 3), done.err
    assert len({gateway.form(at)["to"] for at in range(3)}) == len(gateway.seen) == 3
    gateway.close()
