"""What an operator does by hand, over the memory store and real UDP: what is sent, and in which words it is told."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from coa import hand
from coa.pace import Pace
from coa.sender import Sender
from radius.bell import Bell
from radius.domain.identity import NasId, SubscriberId
from radius.domain.subscriber import SessionState
from radius.domain.terms import Terms
from radius.settings import Settings
from radius.store.open import memory_store
from radius.wiring import Core, Vault
from tests.fakes.router_das import FakeDas, LiveSession, Manners, Mute, Refuse
from tests.unit.coa.dispatched import ARUBA, CAFE, COOVA, FAST, MIKROTIK, QUOTA, SLOWING, Works
from tests.unit.domain.builders import MIB, day_terms
from tests.unit.services.wired import SECRET

NOTHING_LEFT = "It may not be online any more (quota): a Disconnect. ACK"


class Desktop:
    """A core as the command has it, and a router of each kind that obeys."""

    def __init__(self, folder: Path, coova: FakeDas, mikrotik: FakeDas) -> None:
        self.works = Works()
        node = self.works.node
        node.now, node.monotonic_s = int(time.time()), 0.0  # by hand goes by this machine's clocks, which are further
        self.works.refresh()
        self.das = {COOVA: coova, MIKROTIK: mikrotik}
        for name, das in self.das.items():
            router = node.directory.router(name)
            assert router is not None
            here = msgspec.structs.replace(router, coa_address="127.0.0.1", coa_port=das.port, version=2)
            node.store.put_router(here, node.deadline)
        settings = Settings(state_dir=folder, spool_dir=folder, node_id="here", store_endpoint="http://127.0.0.1:1")
        parts = (node.keys, Vault(node.keys), node.desk, node.marks, node.names, node.directory, node.terms)
        self.core = Core(settings, memory_store(node.store), *parts, node.provision, node.world, Bell(folder))
        self.sender = Sender(Pace(first_wait_s=0.2, tries_max=1))

    def online(self, terms: Terms = QUOTA, on: NasId = COOVA) -> tuple[SubscriberId, LiveSession]:
        found = self.works.online(terms, on)
        known = self.works.session(found).acct_session_id
        das = self.das.get(on)
        return found, das.add(known, "0712345678", "10.5.0.7") if das is not None else LiveSession("", "", "")

    def change(self, found: SubscriberId) -> hand.Told:
        session = self.works.session(found)
        (record,) = hand.sessions_of(self.core, session.nas, session.uid, "")
        return hand.change(self.core, self.sender, record)

    def close(self) -> None:
        self.sender.close()
        self.core.close()


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    secret = SECRET.encode()
    with FakeDas(secret, Manners.COOVA) as coova, FakeDas(secret, Manners.MIKROTIK, nas_ip="10.8.0.2") as mikrotik:
        one = Desktop(tmp_path, coova, mikrotik)
        yield one
        one.close()


def test_what_it_has_is_said_again(desktop: Desktop) -> None:
    found, live = desktop.online()
    version = desktop.works.node.version(found)
    told = desktop.change(found)
    assert told == (True, "ACK: The router says it is done.")
    assert live.limits["ChilliSpot-Max-Total-Octets"] == 100 * MIB
    assert live.limits["WISPr-Bandwidth-Max-Down"] == FAST.down_bps
    assert desktop.works.node.version(found) == version, "to say it again changes nothing here"
    (attempt,) = desktop.core.store.attempts.of_session(desktop.works.session(found).uid, 0, time.monotonic() + 1)
    assert (attempt.worker, attempt.request, attempt.outcome) == ("by hand", "change", "acked")


def test_what_was_bought_since_is_said_and_kept(desktop: Desktop) -> None:
    found, live = desktop.online()
    desktop.works.node.grant(found, QUOTA, "right002")
    assert desktop.change(found).good
    assert live.limits["ChilliSpot-Max-Total-Octets"] == 200 * MIB
    assert desktop.works.session(found).cap_bytes == 200 * MIB


def test_a_quota_that_is_used_up_is_a_disconnect(desktop: Desktop) -> None:
    found, _ = desktop.online()
    desktop.works.report(found, 100 * MIB, pass_s=0)
    told = desktop.change(found)
    assert told.good
    assert told.line.startswith(NOTHING_LEFT)
    assert not desktop.das[COOVA].sessions


def test_or_the_slow_rate(desktop: Desktop) -> None:
    found, live = desktop.online(SLOWING)
    desktop.works.report(found, 100 * MIB, pass_s=0)
    assert desktop.change(found).good
    assert live.limits["WISPr-Bandwidth-Max-Down"] == 128_000
    assert live.limits["Acct-Interim-Interval"] == desktop.works.session(found).interim_s == 300


def test_a_slower_pace_that_is_told_is_the_one_that_silence_is_measured_by(desktop: Desktop) -> None:
    found, live = desktop.online(SLOWING)
    session = desktop.works.session(found)
    session.leases = [
        msgspec.structs.replace(session.leases[0], bytes=1 << 40)
    ]  # as after a top-up: it may report less
    desktop.works.node.meddle(found, sessions=[session])
    assert session.interim_s < 300
    assert desktop.change(found).good
    assert live.limits["Acct-Interim-Interval"] == desktop.works.session(found).interim_s == 300


def test_what_a_router_cannot_be_told_meanwhile(desktop: Desktop) -> None:
    found, _ = desktop.online(on=MIKROTIK)
    desktop.works.report(found, 100 * MIB, pass_s=0)
    desktop.works.node.grant(found, QUOTA, "right002")
    told = desktop.change(found)
    assert told.good
    assert told.line.startswith("This router cannot be told total_bytes in a session's midst: a Disconnect, and a new")
    assert not desktop.das[MIKROTIK].sessions


def test_a_router_that_can_only_disconnect_keeps_what_it_was_told(desktop: Desktop) -> None:
    found, _ = desktop.online(on=ARUBA)
    assert desktop.change(found) == (
        True,
        "not sent: This router takes no limits in a session's midst; those of its log-in hold.",
    )


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (Refuse(401), "401 Unsupported-Attribute: "),
        (Mute(), "silence: The router did not answer."),
    ],
)
def test_a_router_that_does_not_do_it_costs_nobody_a_session(desktop: Desktop, move: Refuse | Mute, words: str) -> None:
    found, _ = desktop.online()
    desktop.das[COOVA].next(move)
    told = desktop.change(found)
    assert not told.good
    assert told.line.startswith(words)
    assert desktop.works.node.home(found).intents == [], "nothing is owed: no worker makes a Disconnect of it"


def test_what_only_hears_answers_is_told_nothing_by_hand(desktop: Desktop) -> None:
    found, _ = desktop.online(on=CAFE)
    session = desktop.works.session(found)
    (record,) = hand.sessions_of(desktop.core, session.nas, session.uid, "")
    cut, changed = hand.cut(desktop.core, desktop.sender, record), desktop.change(found)
    assert (cut.good, changed.good) == (False, True)
    assert "block the customer, and the next one ends the session" in cut.line
    assert "the next one brings all" in changed.line
    assert desktop.works.session(found).state is SessionState.OPEN


def test_a_session_that_the_router_has_not_is_closed_here(desktop: Desktop) -> None:
    found, _ = desktop.online()
    desktop.das[COOVA].sessions.clear()
    told = desktop.change(found)
    assert told.good
    assert told.line.startswith("Session-Context-Not-Found: ")
    assert desktop.works.session(found).state is SessionState.CLOSED
    assert desktop.change(found) == (False, "not sent: It has ended; disconnect is for a router that serves it on.")


def test_one_that_a_worker_has_in_hand_is_left_to_it(desktop: Desktop) -> None:
    found, _ = desktop.online()
    desktop.works.node.grant(found, day_terms("more.1", quota_bytes=MIB, rate=FAST), "right002")
    desktop.works.poll()
    assert desktop.works.out, "it is being told"
    assert desktop.change(found) == (False, "not sent: A worker is telling its router just now.")


def test_a_customer_is_found_by_phone_and_by_the_bare_mac_of_a_device(desktop: Desktop) -> None:
    found, _ = desktop.online()
    desktop.works.node.provision.name(found, "aabbccddee77")
    for user in ("0712345678", "aabbccddee77", "AA:BB:CC:DD:EE:77"):
        (record,) = hand.sessions_of(desktop.core, COOVA, "", user)
        assert record.subscriber == found
