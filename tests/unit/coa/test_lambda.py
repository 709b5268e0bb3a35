"""What the function refuses before it touches anything. Its runs are in `tests/integration/test_coa_lambda.py`."""

import subprocess
import sys
from pathlib import Path

import pytest

from coa import lambda_function
from coa.lambda_function import RESERVE_S, handler
from radius.domain.errors import Malformed
from radius.schedule import Closing
from radius.settings import SettingsError

SCHEDULED = {"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"}


class Left:
    """A context with so much time left before the reserve."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self.seconds + RESERVE_S) * 1000)


@pytest.mark.parametrize(
    ("event", "shape"),
    [
        ({}, "keys []"),
        (None, "NoneType"),
        ([SCHEDULED], "list"),
        ({"Records": [{"userIdentity": "0712345678"}]}, "keys ['Records']"),
        ({**SCHEDULED, "source": "aws.s3"}, "keys ['detail', 'detail-type', 'source']"),
        ({**SCHEDULED, "detail-type": "Object Created"}, "keys ['detail', 'detail-type', 'source']"),
    ],
)
def test_what_no_schedule_sent_is_refused_by_its_shape(event: object, shape: str) -> None:
    with pytest.raises(Malformed) as refused:
        handler(event, Left(60))
    assert refused.value.field == "event"
    assert str(refused.value).endswith(f"not {shape}")


def test_a_timeout_that_leaves_no_time_to_work_is_told() -> None:
    with pytest.raises(Malformed, match="timeout: must be more than the 15 s"):
        handler(SCHEDULED, Left(-0.1))


def test_the_end_is_where_the_reserve_begins() -> None:
    left = Left(0.01)
    stop = Closing(left, RESERVE_S)
    assert not stop.is_set()
    assert not stop.wait(5), "not longer than there is time; the clock of this context stands"
    left.seconds = 0
    assert stop.is_set()
    assert stop.wait(5)


@pytest.mark.parametrize("source", ["aws.events", "aws.scheduler"])
def test_both_kinds_of_schedule_come_as_far_as_the_settings(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("WIFIBILLING_NO_SUCH_THING", "1")
    with pytest.raises(SettingsError, match="WIFIBILLING_NO_SUCH_THING"):
        handler({**SCHEDULED, "source": source}, Left(60))
    assert lambda_function._wired.cache_info().currsize == 0, "the next run tries again"


def test_importing_it_reads_no_setting_and_connects_to_nothing() -> None:
    code = (
        "import sys; opened = [];"
        "sys.addaudithook(lambda name, args: opened.append(name) if name == 'socket.connect' else None);"
        "import coa.lambda_function, threading; assert threading.active_count() == 1; print(opened)"
    )
    environment = {"WIFIBILLING_NO_SUCH_THING": "1", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
