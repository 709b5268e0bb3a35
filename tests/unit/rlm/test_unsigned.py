"""Routers that are excepted from Message-Authenticator: seen in a gauge and named in the log, each once."""

import json
from pathlib import Path

import msgspec
import pytest

from radius import log as logs
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router
from radius.metrics import Recording
from radius.rlm.unsigned import Excepted, remedy

STRICT = Router(NasId("gate-1"), "kilifi", Family.MIKROTIK, ("10.8.0.1",))
OLD = msgspec.structs.replace(STRICT, id=NasId("gate-2"), message_authenticator_required=False)
UNIFI = msgspec.structs.replace(OLD, id=NasId("gate-3"), family=Family.UNIFI)
CLOSED = msgspec.structs.replace(OLD, id=NasId("gate-4"), disabled=True)


def test_exceptions_are_counted_and_each_change_is_told_once(tmp_path: Path) -> None:
    metrics, log = Recording(), logs.open_log(tmp_path / "log", strict=True)
    excepted = Excepted(metrics, log.logger)
    counts = []
    for routers in ([STRICT, OLD, CLOSED], [STRICT, OLD, CLOSED], [STRICT, UNIFI, CLOSED], [STRICT]):
        excepted.look(routers)
        counts.append(metrics.gauges["RoutersWithoutMessageAuthenticator"])
    log.sink.close()
    assert counts == [1, 1, 1, 0]
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["level"], line["details"]["nas"]) for line in lines] == [
        ("WARN", "gate-2"),
        ("WARN", "gate-3"),
        ("INFO", "gate-2"),
        ("INFO", "gate-3"),
    ]
    assert "require-message-auth" in lines[0]["details"]["fix"]
    assert "except" not in lines[0]["details"]["fix"], "it is excepted already"


@pytest.mark.parametrize("family", Family)
def test_every_family_has_a_remedy_that_fits_a_line_of_the_list(family: Family) -> None:
    words = remedy(family)
    assert ("/radius set" in words) == (family is Family.MIKROTIK)
    assert "message_authenticator_required=False" in words
    assert len(words) <= logs.TEXT_CHARS_MAX
