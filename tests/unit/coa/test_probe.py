"""`python -m coa probe` against routers that are set up well, and in every usual way wrongly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coa.__main__ import main
from coa.codec import Request
from coa.das import Das
from coa.families import WAYS
from coa.hand import find
from coa.outcome import Answer, Nak
from coa.pace import Pace
from coa.probe import harmless, probe_registered
from radius.domain.nas import Family
from tests.fakes.router_das import Drop, FakeDas, Garbage, Linger, Manners, Refuse

GOOD = "sessions can be ended here."


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("testing123\n")
    return path


@contextmanager
def router(manners: Manners = Manners.RFC, **options: bool) -> Iterator[FakeDas]:
    with FakeDas(manners=manners, **options) as das:  # type: ignore[arg-type]
        das.add("80000001")
        yield das
        assert list(das.sessions) == ["80000001"], "a probe must never end a session"


def run(das_port: int, secret: Path, *more: str) -> int:
    return main(["probe", "127.0.0.1", "--secret-file", str(secret), "--port", str(das_port), "--wait", "0.15", *more])


@pytest.mark.parametrize(
    ("manners", "family", "said"),
    [
        (Manners.RFC, "wispr", "503 Session-Context-Not-Found"),
        (Manners.HOSTAPD, "wispr", "503 Session-Context-Not-Found"),
        (Manners.MIKROTIK, "mikrotik", "503 Session-Context-Not-Found"),
        (Manners.COOVA, "coova", "Session-Context-Not-Found: The router has no such session"),
        (Manners.USPOT, "uspot", "Session-Context-Not-Found: The router has no such session"),
    ],
)
def test_a_router_that_is_set_up_well(
    secret_file: Path, capsys: pytest.CaptureFixture[str], manners: Manners, family: str, said: str
) -> None:
    with router(manners) as das:
        assert run(das.port, secret_file, "--family", family) == 0
    out = capsys.readouterr().out
    assert "The port is open and the secret is right" in out
    assert "It wants neither" in out
    assert said in out
    assert out.endswith(f"{GOOD}\n")


@pytest.mark.parametrize(
    ("wants", "said"),
    [
        ({"wants_signature": True}, ["coa_message_authenticator=true"]),
        ({"wants_timestamp": True}, ["coa_event_timestamp=true"]),
        (
            {"wants_signature": True, "wants_timestamp": True},
            ["coa_message_authenticator=true", "coa_event_timestamp=true"],
        ),
    ],
)
def test_it_finds_out_what_a_router_wants(
    secret_file: Path, capsys: pytest.CaptureFixture[str], wants: dict[str, bool], said: list[str]
) -> None:
    with router(**wants) as das:
        assert run(das.port, secret_file) == 0
    out = capsys.readouterr().out
    assert [word for word in ("coa_message_authenticator=true", "coa_event_timestamp=true") if word in out] == said


REGISTERED = [
    ({"wants_signature": True}, {}, "coa_message_authenticator must be set first"),
    ({"wants_signature": True}, {"message_authenticator": True}, ""),
    ({"wants_signature": True, "wants_timestamp": True}, {"message_authenticator": True}, "coa_event_timestamp must"),
    ({"manners": Manners.HOSTAPD}, {"event_timestamp": True}, ""),
    ({}, {}, ""),
]


@pytest.mark.parametrize(("wants", "has", "wrong"), REGISTERED)
def test_of_a_registered_router_it_says_whether_it_works_as_registered(
    wants: dict[str, Any], has: dict[str, bool], wrong: str
) -> None:
    with router(**wants) as das:
        at = Das("127.0.0.1", das.secret, das.port, **has)
        found = find(at, WAYS[Family.WISPR], Pace(first_wait_s=0.15, tries_max=2))
    assert found.good is not bool(wrong)
    assert wrong in found.lines[-1]


def test_overrides_that_a_registered_router_does_not_take_are_told_of() -> None:
    """Plainly asked it would do; as it is registered the worker gets no answer."""

    def ask(das: Das, request: Request) -> Answer:
        return Nak(1, 0.01, 401) if das.event_timestamp else Nak(1, 0.01, 503)

    das = Das("127.0.0.1", b"secret", 3799, event_timestamp=True)
    found = probe_registered(ask, das, WAYS[Family.WISPR], "00")
    assert not found.good
    assert "overrides that it does not take: 401 Unsupported-Attribute" in found.lines[-1]


def test_a_wrong_secret_is_named_among_the_causes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("other")
    with router() as das:
        assert run(das.port, wrong) == 1
    assert "the secret differs: a router then says nothing" in capsys.readouterr().out


def test_a_closed_port(secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with router() as das:
        port = das.port
    assert run(port, secret_file) == 1
    assert "nothing listens on that port" in capsys.readouterr().out


def test_answers_under_another_secret(secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with router() as das:
        forged = Garbage(b"\x2aID\x00\x14" + bytes(16), times=9)
        das.next(forged, forged)
        assert run(das.port, secret_file) == 1
    assert "not under this secret" in capsys.readouterr().out


def test_one_lost_datagram_is_not_silence(secret_file: Path) -> None:
    with router() as das:
        das.next(Drop(1))
        assert run(das.port, secret_file) == 0


@pytest.mark.parametrize(("cause", "said"), [(402, "Missing-Attribute"), (405, "Unsupported-Service"), (501, "allow")])
def test_a_router_that_refuses_says_why(
    secret_file: Path, capsys: pytest.CaptureFixture[str], cause: int, said: str
) -> None:
    with router() as das:
        das.next(Refuse(cause))
        assert run(das.port, secret_file) == 1
    out = capsys.readouterr().out
    assert f"{cause} " in out
    assert said in out
    assert "sessions cannot be ended here" in out


def test_an_ack_for_nobody_is_no_good_sign(secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with router() as das:
        das.next(Linger())
        assert run(das.port, secret_file) == 1
    assert "Its word is worth nothing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["probe", "router.example", "--secret-file", "SECRET"], "is no IP address"),
        (["probe", "192.0.2.1", "--secret-file", "/does/not/exist"], "cannot read"),
        (["probe", "192.0.2.1", "--secret-file", "EMPTY"], "is empty"),
        (["probe", "192.0.2.1"], "--secret-file"),
        ([], "command"),
    ],
)
def test_wrong_usage(secret_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    empty = secret_file.with_name("empty")
    empty.write_text("\n")
    files = {"SECRET": str(secret_file), "EMPTY": str(empty)}
    with pytest.raises(SystemExit) as caught:
        main([files.get(argument, argument) for argument in arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_an_address_that_cannot_be_reached_says_so(secret_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(3799, secret_file, "--source", "192.0.2.77") == 1
    assert "no way to the router just now" in capsys.readouterr().out


@pytest.mark.parametrize("family", Family)
def test_what_is_asked_names_nobody(family: Family) -> None:
    request = harmless(WAYS[family], "0011223344")
    assert isinstance(request, Request)
    values = dict(request.attributes)
    assert values["Acct-Session-Id"] == "probe-0011223344"
    assert values.get("User-Name", "probe-0011223344") == "probe-0011223344"
    assert values.get("Framed-IP-Address", "192.0.2.1") == "192.0.2.1"
