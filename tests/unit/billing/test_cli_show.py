"""Tables on a narrow terminal: no word is cut, what is spare is left out and named."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from billing.cli.sessions import COLUMNS, PAST
from billing.cli.show import WORD_MAX, Column, Show

FACTS = {
    "session": "3f2a9c0d11e4b7a86521", "user": "0712345678", "router": "kilimani-01", "device": "aabbccddee01",
    "ip": "10.5.100.107", "package": "daily-2gb.12", "since": 1_795_000_000, "closed_at": 1_795_090_000,
    "seconds": 90_000, "up_bytes": 123_400_000, "down_bytes": 999_900_000, "bytes": 999_900_000, "slowed": False,
    "cause": "its router restarted",
}  # fmt: skip


def shown(columns: Sequence[Column], width: int) -> str:
    out = io.StringIO()
    Show(Console(file=out, width=width, force_terminal=True, color_system=None), as_json=False).table(
        [FACTS], columns, ""
    )
    return out.getvalue()


@pytest.mark.parametrize("columns", [COLUMNS, PAST], ids=["live", "past"])
@pytest.mark.parametrize("width", [80, 100, 132])
def test_what_is_copied_is_whole_at_any_width_that_a_terminal_has(columns: Sequence[Column], width: int) -> None:
    said = shown(columns, width)
    assert max(map(len, said.splitlines()[:-1])) <= width
    for key in ("session", "user", "router"):
        assert FACTS[key] in said, said


def test_what_is_left_out_is_named_and_only_then() -> None:
    narrow, wide = shown(COLUMNS, 80), shown(COLUMNS, 200)
    assert "Too narrow for" in narrow
    assert "--json" in narrow
    assert "Too narrow" not in wide
    assert "10.5.100.107" in wide


def test_one_endless_word_leaves_room_for_the_others() -> None:
    columns = (Column("ID", "session"), Column("", "path"))
    out = io.StringIO()
    show = Show(Console(file=out, width=80, force_terminal=True, color_system=None), as_json=False)
    show.table([{**FACTS, "path": "/" + "a" * 10 * WORD_MAX}], columns, "")
    assert FACTS["session"] in out.getvalue()
