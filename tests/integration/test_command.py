"""`wifibilling` against a box that runs: what `doctor` asks of FreeRADIUS, a refusal that `why` finds."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import pytest

from billing.cli.__main__ import main
from billing.store.open import open_billing
from tests.fakes.nas import How
from tests.integration.box import DAY, Box, new_mac, wait_until
from tests.integration.freeradius_lab import missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("command") / "box") as one:
        open_billing(one.core.store).create_tables()
        one.configure(radius_auth_port=one.lab.layout.pair_a.auth)
        yield one


def run(box: Box, *words: str) -> Any:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        main([*words, "--json", "--settings", str(box.settings_file)])
    return json.loads(out.getvalue())


def test_freeradius_answers_with_what_the_hooks_return(box: Box) -> None:
    found = {row["text"]: row["good"] for row in run(box, "doctor") if row["check"] == "FreeRADIUS"}
    assert False not in found.values()  # None: where the lab laid its configuration is not where a site has it
    assert any(text.startswith("a log-in of nobody is refused with its words") for text in found)
    assert any(text.startswith("version 3.2.") for text in found)


def test_why_reads_the_refusal_in_the_log_of_the_node(box: Box) -> None:
    phone, mac = box.customer(DAY), new_mac()

    def broken() -> str:
        return str(run(box, "customers", "why", phone, "--router", "router-one")["broken"])

    good, _ = box.router().login(phone, "not the password", mac, how=How.PAP)
    assert not good
    wait_until(lambda: broken() == "log-in", "the refusal is logged")
    router = box.router()
    assert router.login(phone, "karibu", mac)[0]
    wait_until(lambda: broken() == "session", "it was let in, and has not begun")
    router.start(mac)
    wait_until(lambda: run(box, "customers", "why", phone)["online"], "the session is there")
