"""A router that nothing inbound reaches takes limits from the answers to its own reports, through real FreeRADIUS."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from radius.domain.intent import IntentReason
from radius.domain.nas import Family
from radius.domain.session import Kind
from tests.fakes.nas import FakeRouter, NoAnswer, Session
from tests.integration.box import DAY, GIGABYTE, SECRET, Box, new_mac, wait_until
from tests.integration.freeradius_lab import Reply, missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
BEHIND_NAT, REACHED = "127.0.0.60", "127.0.0.61"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with Box(tmp_path_factory.mktemp("answers") / "box") as one:
        one.add_router("cafe", BEHIND_NAT, family=Family.COOVA, overrides={"coa": "none"})
        one.add_router("hotel", REACHED, family=Family.COOVA)
        yield one


class Guest:
    """A customer who is online at a router; accounting goes by radclient, which shows what the answer carries."""

    def __init__(self, box: Box, router: str, address: str) -> None:
        self.box, self.address, self.router = box, address, router
        self.phone, self.mac = box.customer(DAY), new_mac()
        fake = box.router(router, address)
        wait_until(lambda: self._let_in(replace(fake, timeout_s=0.5, sessions=fake.sessions)), "the router is known")
        self.session: Session = fake.sessions[self.mac]

    def _let_in(self, router: FakeRouter) -> bool:
        try:
            return router.login(self.phone, "karibu", self.mac)[0]
        except NoAnswer:
            return False

    def report(self, kind: Kind, used: int = 0, seconds: int = 0) -> Reply:
        words = {Kind.START: "Start", Kind.INTERIM: "Interim-Update", Kind.STOP: "Stop"}
        attributes = {
            "Packet-Src-IP-Address": self.address,
            "Acct-Status-Type": words[kind],
            "User-Name": self.phone,
            "Calling-Station-Id": self.mac,
            "NAS-Identifier": self.router,
            "Acct-Session-Id": self.session.session_id,
            "Class": f"0x{bytes(self.session.reply['Class']).hex()}",
            "Event-Timestamp": str(int(time.time())),
        }
        if kind is not Kind.START:
            attributes |= {"Acct-Output-Octets": str(used), "Acct-Session-Time": str(seconds)}
        reply = self.box.lab.radclient(attributes, "acct", secret=SECRET)
        assert reply.code == "Accounting-Response", reply.output
        return reply


def test_every_report_is_answered_with_all_limits_where_nothing_inbound_arrives(box: Box) -> None:
    guest = Guest(box, "cafe", BEHIND_NAT)
    started = guest.report(Kind.START)
    assert started.get("ChilliSpot-Max-Total-Octets") == str(GIGABYTE)
    assert 0 < int(started.get("Session-Timeout") or 0) <= 86_400
    assert started.get("WISPr-Bandwidth-Max-Down") == "5000000"
    assert (started.get("Acct-Interim-Interval"), started.get("Class")) == ("300", None)
    box.grant(box.find(guest.phone), DAY)
    told = guest.report(Kind.INTERIM, 1_000_000, 60)
    assert told.get("ChilliSpot-Max-Total-Octets") == str(2 * GIGABYTE), "what was bought meanwhile"
    assert box.aggregate(guest.phone).intents == []
    assert guest.report(Kind.STOP, 1_000_000, 61).attributes == ()


def test_a_cut_is_a_session_time_that_has_passed(box: Box) -> None:
    guest = Guest(box, "cafe", BEHIND_NAT)
    guest.report(Kind.START)
    box.core.provision.block(box.find(guest.phone), "chargeback", int(time.time()))
    for seconds in (60, 120):
        told = guest.report(Kind.INTERIM, 1_000_000, seconds)
        assert told.attributes == (("Session-Timeout", "1"),)
    assert [intent.reason for intent in box.aggregate(guest.phone).intents] == [IntentReason.BLOCKED]
    guest.report(Kind.STOP, 1_000_000, 121)
    assert box.aggregate(guest.phone).intents == []


def test_a_router_that_hears_coa_is_told_by_coa(box: Box) -> None:
    guest = Guest(box, "hotel", REACHED)
    assert guest.report(Kind.START).attributes == ()
