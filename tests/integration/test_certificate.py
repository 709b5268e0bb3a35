"""The proxy of an installed site gets its certificate by ACME, renews it, and keeps it while the authority is away.

Everything is real but the authority: a second caddy, in a network namespace in which the name leads to loopback. The
seconds in which renewal is due come and go; the whole takes about fifteen.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.box import clean_environment
from tests.integration.deploy_lab import ROOT
from tests.integration.freeradius_lab import missing_programs

MISSING = [name for name in ("caddy", "ip", "unshare") if shutil.which(name) is None] + missing_programs()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.netns,
    pytest.mark.timeout(150),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for namespaces"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(not (ROOT / ".venv/bin/dynoxide").exists(), reason="no engine in .venv"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("certificate")
    story = [sys.executable, "-P", "-m", "tests.integration.certificate_story", str(folder)]
    done = subprocess.run(
        ["unshare", "--net", "--mount", *story],
        cwd=ROOT, env={**clean_environment(), "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    logs = "".join(f"\n{name}: {tail(folder / name / 'log')}" for name in ("authority", "proxy"))
    assert done.returncode == 0, done.stderr + logs
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def tail(log: Path) -> str:
    return log.read_text()[-2000:] if log.exists() else ""


def test_the_portal_answers_by_its_name_with_an_issued_certificate(told: dict[str, Any]) -> None:
    assert told["names"] == ["wifi.example.net"]
    assert told["plain"] == "https://wifi.example.net/"


def test_doctor_and_the_alerts_read_the_one_that_is_shown(told: dict[str, Any]) -> None:
    certificate, answers = told["judged"]["doctor"]
    assert certificate == [False, "that of wifi.example.net is good for 0 days"]  # half a day: doctor wants more
    assert answers == [True, "the portal answers at https://wifi.example.net, from here"]
    assert told["judged"]["alert"] == ["the certificate of wifi.example.net ends in 0 days"]
    assert told["judged"]["no alert"] == {}


def test_it_is_renewed_and_no_customer_waits(told: dict[str, Any]) -> None:
    assert told["renewed for"] > 0
    assert told["answers"] == [200]


def test_while_the_authority_is_away_the_old_one_stays(told: dict[str, Any]) -> None:
    assert (told["kept"], told["kept on disk"]) == (True, True)
