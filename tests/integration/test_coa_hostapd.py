"""hostapd as a router that is not ours: it authenticates, accounts, and obeys our Disconnect-Requests."""

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.box import clean_environment
from tests.integration.freeradius_lab import REPO, missing_programs


def reasons() -> str:
    """Why this cannot run here; "" if it can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    missing = [name for name in ("ip", "hostapd", "wpa_supplicant") if shutil.which(name) is None] + missing_programs()
    return f"not installed: {', '.join(missing)}" if missing else ""


pytestmark = [
    pytest.mark.integration,
    pytest.mark.netns,
    pytest.mark.skipif(bool(reasons()), reason=reasons()),
]


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("hostapd")
    name = f"wb{secrets.token_hex(3)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        done = subprocess.run(
            ["ip", "netns", "exec", name, sys.executable, "-P", "-m", "tests.integration.hostapd_story", str(folder)],
            cwd=REPO, env=clean_environment() | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True,
            timeout=100, check=False,
        )  # fmt: skip
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("unsigned", "silence"),  # it requires Message-Authenticator
        ("unstamped", "silence"),  # ... and Event-Timestamp
        ("wrong secret", "silence"),
        ("with address", "nak 401"),  # it follows the table of RFC 5176 §3.6: no Framed-IP-Address
        ("other router", "nak 403"),
        ("other session", "nak 503"),
        ("cut", "ack"),
    ],
)
def test_what_it_answers(heard: dict[str, Any], question: str, answer: str) -> None:
    assert heard[question] == answer


def test_a_change_is_refused(heard: dict[str, Any]) -> None:
    assert heard["change"].startswith("nak")


def test_the_session_ends_when_it_was_cut_and_not_before(heard: dict[str, Any]) -> None:
    assert heard["stops before"] == 0
    assert heard["stop"]["Acct-Session-Id"] == heard["start"]["Acct-Session-Id"]
    assert heard["stop"]["Class"] == heard["start"]["Class"]


def test_once_more_is_gone(heard: dict[str, Any]) -> None:
    assert heard["again"] == "gone"
    assert heard["again in words"] == (
        "503 Session-Context-Not-Found: The router has no such session: it ended already."
    )
