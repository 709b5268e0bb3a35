"""FreeRADIUS's own `listen { type = coa }` as a receiver that is not ours: it must read what each family is told."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coa.codec import Code, Request
from coa.das import Das
from coa.outcome import Acked, Nak, Silent
from coa.pace import Pace
from coa.sender import Sender
from radius.domain.nas import Family
from tests.fakes.ports import free_port
from tests.unit.coa.test_families import CHANGE, DISCONNECT

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("freeradius") is None, reason="not installed: freeradius"),
]
PLAIN, OTHER = "127.0.0.1", "127.0.0.2"  # our source addresses
CONFIGURATION = """
name = coa_receiver
libdir = /usr/lib/freeradius
logdir = {folder}
run_dir = {folder}
security {{
    max_attributes = 200
    reject_delay = 0
}}
modules {{
    always ok {{
        rcode = ok
    }}
    always reject {{
        rcode = reject
    }}
}}
client plain {{
    ipaddr = 127.0.0.1
    secret = testing123
}}
client other {{
    ipaddr = 127.0.0.2
    secret = testing123
}}
listen {{
    type = coa
    ipaddr = 127.0.0.1
    port = {port}
    virtual_server = coa
}}
server coa {{
    recv-coa {{
        if (&Acct-Session-Id == "80000001") {{
            ok
        }}
        else {{
            update reply {{
                &Error-Cause := Session-Context-Not-Found
            }}
            reject
        }}
    }}
    send-coa {{
        ok
    }}
}}
"""


class Receiver:
    """The server in debug mode: it prints every attribute that it reads."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.out = folder / "out"
        (folder / "dictionary").write_text(
            "$INCLUDE /usr/share/freeradius/dictionary\n"
            f"$INCLUDE {Path(__file__).parents[2]}/freeradius_config/raddb/dictionary.wifibilling\n"
        )
        (folder / "radiusd.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                ["freeradius", "-fxx", "-l", "stdout", "-d", str(folder), "-D", str(folder), "-n", "radiusd"],
                stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + 20
        while "Ready to process requests" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(self.said()[-2000:])
            time.sleep(0.05)

    def said(self) -> str:
        return self.out.read_text(errors="replace")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    made = Receiver(tmp_path_factory.mktemp("coa"))
    yield made
    made.close()


@pytest.fixture
def sender() -> Iterator[Sender]:
    made = Sender(Pace(first_wait_s=1.0, total_s_max=4.0))
    yield made
    made.close()


WISHES = [(Code.DISCONNECT_REQUEST, family, words) for family, words in DISCONNECT.items()]
WISHES += [(Code.COA_REQUEST, family, words) for family, words in CHANGE.items()]


@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
@pytest.mark.parametrize(("code", "family", "words"), WISHES, ids=lambda value: getattr(value, "name", ""))
def test_it_reads_what_a_family_is_told(
    receiver: Receiver, sender: Sender, code: Code, family: Family, words: tuple[tuple[str, str], ...], *, signed: bool
) -> None:
    das = Das(
        PLAIN,
        b"testing123",
        receiver.port,
        message_authenticator=signed,
        event_timestamp=signed,
        source=OTHER if signed else PLAIN,
    )
    before = len(receiver.said())
    answer = sender.ask(das, Request(code, words)).result(10)
    assert isinstance(answer, Acked), receiver.said()[before:]
    said = receiver.said()[before:]
    kind = "Disconnect-Request" if code is Code.DISCONNECT_REQUEST else "CoA-Request"
    assert f"Received {kind} Id" in said
    for name, value in words:
        assert re.search(rf'{name} = "?{re.escape(value)}"?$', said, re.MULTILINE), f"{family}: {name}"
    assert ("Message-Authenticator = 0x" in said) == signed
    assert ("Event-Timestamp = " in said) == signed


def test_a_user_name_arrives_to_the_byte(receiver: Receiver, sender: Sender) -> None:
    words = (("Acct-Session-Id", "80000001"), ("User-Name", "Wanjikũ  Nairobi"))
    das = Das(PLAIN, b"testing123", receiver.port)
    assert isinstance(sender.ask(das, Request(Code.DISCONNECT_REQUEST, words)).result(10), Acked)
    assert 'User-Name = "Wanjikũ  Nairobi"' in receiver.said()


def test_a_refusal(receiver: Receiver, sender: Sender) -> None:
    """Before 3.2.9 FreeRADIUS leaves the cause out of a NAK."""
    das = Das(PLAIN, b"testing123", receiver.port)
    request = Request(Code.DISCONNECT_REQUEST, (("Acct-Session-Id", "unknown"),))
    answer = sender.ask(das, request).result(10)
    assert isinstance(answer, Nak)
    assert answer.error_cause in (None, 503)


def test_a_wrong_secret_is_silence(receiver: Receiver, sender: Sender) -> None:
    das = Das(PLAIN, b"other", receiver.port)
    request = Request(Code.DISCONNECT_REQUEST, (("Acct-Session-Id", "80000001"),))
    assert isinstance(sender.ask(das, request).result(10), Silent)
    assert "invalid Request Authenticator" in receiver.said()
