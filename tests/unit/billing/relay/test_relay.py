"""The relay's queue and doors, and how the box takes what it is given, with portals and relays that fail."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from billing.relay import server
from billing.relay.fetch import Relay
from billing.relay.kept import Call, Kept
from billing.relay.server import DONE, NEXT, STATE, Doors
from radius.domain.errors import Unavailable
from tests.fakes.portal import Waiting

TOKEN = "t" * 40
SAFARICOM, STRANGER = "196.201.214.200", "198.51.100.9"
STK = "/pay/stk/0123456789abcdef"
KNOWN = {"Authorization": f"Bearer {TOKEN}"}


def call(path: str = STK, at: int = 1_000) -> Call:
    return Call(path, b"{}", "application/json", SAFARICOM, at)


class Asked(Protocol):
    """A client of the relay's app over this queue, which calls from an address and shows something."""

    def __call__(
        self, kept: Kept, address: str = SAFARICOM, shown: Mapping[str, str] | None = None
    ) -> httpx.Client: ...


@pytest.fixture
def asked() -> Iterator[Asked]:
    with asyncio.Runner() as runner, ExitStack() as clients:

        def make(kept: Kept, address: str = SAFARICOM, shown: Mapping[str, str] | None = None) -> httpx.Client:
            app = Doors(kept, TOKEN, [ip_network("196.201.214.0/24")], lambda: 2_000).app()
            transport = Waiting(httpx.ASGITransport(app, client=(address, 50_000)), runner)
            return clients.enter_context(httpx.Client(transport=transport, base_url="http://relay", headers=shown))

        yield make


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_what_was_kept_is_there_after_a_power_cut_the_oldest_first(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for at in (30, 10, 20):
        assert kept.put(call(at=at))
    (tmp_path / "000000000005-half.new").write_text('{"path":')  # its caller was not answered
    again = Kept(tmp_path)
    assert [each.at for each in again.first().values()] == [10, 20, 30]
    assert again.state() == (3, 10)
    again.done([*again.first(2), "one-that-is-gone"])
    again.done(list(again.first(2)))
    assert Kept(tmp_path).state() == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_full_queue_takes_no_more_until_something_is_done(tmp_path: Path) -> None:
    kept = Kept(tmp_path, calls_max=2)
    assert [kept.put(call(at=at)) for at in (1, 2, 3)] == [True, True, False]
    kept.done(list(kept.first(1)))
    assert kept.put(call(at=4))
    assert not Kept(tmp_path, calls_max=2).put(call(at=5))


def test_a_call_that_the_disk_refuses_is_not_kept(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path, calls_max=1)

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("billing.relay.kept.os.fsync", refuse)
        assert asked(kept).post(STK, json={}).status_code == 503
    assert kept.state() == (0, 0)
    assert kept.put(call())


def test_one_that_cannot_be_read_holds_up_nobody(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(call(at=1))
    next(tmp_path.glob("*.call")).write_text("{")
    kept.put(call(at=2))
    assert [each.at for each in kept.first().values()] == [2]
    assert len(list(tmp_path.glob("*.unreadable"))) == 1


# -- the doors ---------------------------------------------------------------------------------------------------------


def test_a_call_is_answered_as_mpesa_expects_and_kept_as_it_came(asked: Asked, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    answer = asked(kept).post(STK, content=b'{"Body": 1}', headers={"Content-Type": "application/json;charset=UTF-8"})
    assert (answer.status_code, answer.json()["ResultCode"]) == (200, 0)
    (found,) = kept.first().values()
    assert found == Call(STK, b'{"Body": 1}', "application/json;charset=UTF-8", SAFARICOM, 2_000)


@pytest.mark.parametrize(
    ("path", "address"),
    [
        (STK, STRANGER),
        (STK, "not an address"),
        ("/pay/other/0123456789abcdef", SAFARICOM),
        ("/pay/stk/../../relay/next", SAFARICOM),
        ("/pay/stk/short", SAFARICOM),
        ("/api/v1/checkouts", SAFARICOM),
    ],
)
def test_for_all_else_nothing_is_there(asked: Asked, tmp_path: Path, path: str, address: str) -> None:
    kept = Kept(tmp_path)
    assert asked(kept, address).post(path, json={}).status_code in {404, 405}
    assert kept.state() == (0, 0)


def test_a_body_without_end_is_not_kept(asked: Asked, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    assert asked(kept).post(STK, content=b"x" * (server.BODY_BYTES_MAX + 1)).status_code == 413
    assert kept.state() == (0, 0)


def test_a_validation_is_answered_here_and_nobody_waits_for_the_box(asked: Asked, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    answer = asked(kept).post("/pay/c2b/5ecret5ecret5ecret/check", json={"BusinessShortCode": "1"})
    assert answer.json() == {"ResultCode": "0", "ResultDesc": "Accepted"}
    assert kept.state() == (0, 0)


def test_only_the_box_is_told_what_waits(asked: Asked, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(call())
    client = asked(kept, STRANGER)  # the box's address is nobody's business
    for shown in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}x"}):
        assert client.get(NEXT, headers=shown).status_code == 404
        assert client.get(STATE, headers=shown).status_code == 404
        assert client.post(DONE, json=list(kept.first()), headers=shown).status_code == 404
    (name,) = client.get(NEXT, headers=KNOWN).json()
    assert client.get(STATE, headers=KNOWN).json() == {"waiting": 1, "oldest_at": 1_000, "asked_at": 2_000}
    assert client.post(DONE, content=b"{", headers=KNOWN).status_code == 400
    assert client.post(DONE, json=[name], headers=KNOWN).status_code == 204
    assert kept.state() == (0, 0)


# -- the box -----------------------------------------------------------------------------------------------------------


class Portal:
    """Answers with these statuses, one a call; 0 is a line that breaks. Remembers what it was given."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.took: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        status = self.statuses.pop(0)
        if status == 0:
            raise httpx.ReadError("gone")
        self.took.append((request.url.path, request.headers["X-Forwarded-For"]))
        return httpx.Response(status)


def box(asked: Asked, kept: Kept, portal: Portal, told: list[str]) -> Relay:
    relay = Relay("http://relay", TOKEN, "http://portal", told.append)
    relay.close()
    relay._relay = asked(kept, shown=KNOWN)
    relay._portal = httpx.Client(base_url="http://portal", transport=httpx.MockTransport(portal))
    return relay


def test_what_the_portal_took_or_does_not_want_is_done_and_the_rest_waits(asked: Asked, tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for at, path in enumerate(
        (STK, "/pay/stk/not-one-of-ours", "/pay/late/5ecret5ecret5ecret", "/pay/stk/again-later")
    ):
        kept.put(call(path, at))
    portal = Portal(200, 404, 0, 503)
    relay = box(asked, kept, portal, [])
    assert not relay.work(0), "the next round comes after a pause"
    assert portal.took[0] == (STK, SAFARICOM)
    assert [each.path for each in kept.first().values()] == ["/pay/late/5ecret5ecret5ecret", "/pay/stk/again-later"]
    portal.statuses = [200, 429]
    relay.work(0)
    portal.statuses = [200]
    assert relay.work(0)
    assert kept.state() == (0, 0)


def test_a_done_that_is_lost_gives_the_call_again_and_loses_none(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, told, portal = Kept(tmp_path), list[str](), Portal(200, 200)
    kept.put(call())
    relay = box(asked, kept, portal, told)

    def lost(*_: object, **__: object) -> httpx.Response:
        raise httpx.ConnectError("the line broke")

    with monkeypatch.context() as broken:
        broken.setattr(relay._relay, "post", lost)
        assert not relay.work(0)
        assert not relay.work(0)
    assert [name for name, _ in portal.took] == [STK, STK]
    assert told == ["Relay does not answer (ConnectError)"], "once"
    portal.statuses = [200]
    relay.work(0)
    assert told[1:] == ["Relay answers again"]
    assert kept.state() == (0, 0)


def test_what_is_wrong_with_a_relay_is_said() -> None:
    relay = Relay("http://relay", TOKEN, "http://portal", lambda _: None)
    relay.close()
    for answer, words in (
        (httpx.Response(404), "token"),
        (httpx.Response(502), "502"),
        (httpx.Response(200), "answer"),
    ):
        relay._relay = httpx.Client(
            base_url="http://relay", transport=httpx.MockTransport(lambda _, answer=answer: answer)
        )
        with pytest.raises(Unavailable, match=words):
            relay.state()


def test_calls_travel_whole(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.put(Call(STK, bytes(range(256)), "application/json", SAFARICOM, 5))
    assert next(iter(kept.first().values())).body == bytes(range(256))
    assert json.loads(next(tmp_path.glob("*.call")).read_text())["address"] == SAFARICOM
