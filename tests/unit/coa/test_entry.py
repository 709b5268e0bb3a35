"""A device that paid and waits behind the portal: by which road it gets in, and when nobody waits any longer."""

import pytest

from coa.codec import Code, Request
from coa.das import Das
from coa.entry import HAS_LEFT, NOBODY_CAME
from coa.families import WAYS, Entry
from coa.outcome import Acked, Reason, Refused
from coa.requests import admit
from coa.sender import Sender
from coa.steps import CONFIRM_S, ENTRY_S_MAX, ENTRY_TRIES_MAX
from radius.domain.identity import NasId, SubscriberId
from radius.domain.intent import Waiting
from radius.domain.nas import CoaScope, Family, Router
from radius.domain.request import Status
from radius.domain.subscriber import SessionState
from radius.rlm.vendors import CAPABILITIES, merge
from tests.fakes.router_das import FakeDas, Manners
from tests.unit.coa.dispatched import ACK, COOVA, MIKROTIK, QUOTA, SILENCE, Works, nak
from tests.unit.coa.test_families import CHANGE, DASHES, LIMITS, SESSION, TARGET, USER
from tests.unit.domain.builders import MIB, PHONE
from tests.unit.services.wired import SECRET, accounting_request

WLC = NasId("wlc-1")
NAME = "AA-BB-CC-DD-EE-01"  # a MAC log-in that was refused gave the entry its name
BY_REQUEST = {
    Family.COOVA: (SESSION, USER, ("ChilliSpot-Session-State", "1"), *CHANGE[Family.COOVA][2:]),
    Family.CISCO: (SESSION, DASHES, USER, ("Cisco-AVPair", "subscriber:command=reauthenticate")),
}


@pytest.fixture
def works() -> Works:
    works = Works()
    works.node.provision.router(Router(WLC, "kilimani", Family.CISCO, ("10.8.0.30",)), SECRET)
    works.refresh()
    return works


def payer(works: Works) -> SubscriberId:
    found = works.node.provision.customer(["0712345678"], "karibu", works.node.now)
    works.node.grant(found, QUOTA)
    return found


def waits(works: Works, found: SubscriberId, on: NasId, session_id: str = "81c0", user: str = NAME) -> None:
    assert works.node.provision.let_in(found, PHONE, Waiting(on, session_id, user), works.node.now)
    works.poll()


def starts(works: Works, on: NasId, session_id: str = "81c0") -> None:
    """Its session begins, without a Class: no Access-Accept gave it one."""
    works.node.account(
        accounting_request(Status.START, works.node.now, router=on, acct_session_id=session_id, user_name="0712345678")
    )


# -- the request -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", Family)
def test_the_request_in_the_words_of_a_family(family: Family) -> None:
    built = admit(TARGET, LIMITS, WAYS[family], merge(CAPABILITIES[family], {"coa": "change"}))
    if family in BY_REQUEST:
        assert built == Request(Code.COA_REQUEST, BY_REQUEST[family])
    else:
        assert (built, WAYS[family].entry) == (Refused(Reason.NO_CHANGE), Entry.PAGE)
    unheard = merge(CAPABILITIES[family], {"coa": CoaScope.NONE})
    assert admit(TARGET, LIMITS, WAYS[family], unheard) == Refused(Reason.NO_COA)


def test_a_router_like_coovachilli_lets_it_in_with_its_limits() -> None:
    with FakeDas(manners=Manners.COOVA) as das:
        waiting = das.add("80000001")
        waiting.authorized = False
        request = admit(TARGET, LIMITS, WAYS[Family.COOVA], CAPABILITIES[Family.COOVA])
        assert isinstance(request, Request)
        sender = Sender()
        try:
            assert isinstance(sender.ask(Das("127.0.0.1", das.secret, das.port), request).result(10), Acked)
        finally:
            sender.close()
        assert waiting.authorized
        assert waiting.limits["Session-Timeout"] == 7200


# -- its life --------------------------------------------------------------------------------------------------------


def test_coovachilli_is_told_to_let_it_in_and_the_start_proves_it(works: Works) -> None:
    found = payer(works)
    waits(works, found, COOVA)
    out = works.answer(ACK)
    assert out.request.code is Code.COA_REQUEST
    assert out.values["ChilliSpot-Session-State"] == "1"
    assert (out.values["User-Name"], out.values["Acct-Session-Id"]) == (NAME, "81c0")
    assert out.values["ChilliSpot-Max-Total-Octets"] == str(100 * MIB)
    starts(works, COOVA)
    works.poll()
    assert works.told.outcomes == ["acked", "confirmed"]
    (one,) = works.node.home(found).sessions
    assert (one.state, one.cap_bytes, works.node.home(found).intents) == (SessionState.OPEN, 100 * MIB, [])
    assert not works.told.alarms


def test_what_it_was_promised_is_promised_once_however_often_it_is_tried(works: Works) -> None:
    found = payer(works)
    waits(works, found, COOVA)
    works.answer(SILENCE)
    for answer in (nak(None), ACK):
        assert works.await_request() > 0
        assert sum(lease.bytes for one in works.node.home(found).sessions for lease in one.leases) == 100 * MIB
        works.answer(answer)
    works.wait(CONFIRM_S + 400)
    assert works.out == [], f"{ENTRY_TRIES_MAX} tries, then its own log-in is waited for"
    works.wait(ENTRY_S_MAX)
    assert works.told.outcomes[-1] == "abandoned"
    assert works.told.stages[-1].attempt.words == NOBODY_CAME
    assert (works.node.home(found).intents, works.told.alarms) == ([], [])


def test_a_controller_is_told_to_ask_again(works: Works) -> None:
    found = payer(works)
    waits(works, found, WLC)
    out = works.answer(ACK)
    assert out.values["Cisco-AVPair"] == "subscriber:command=reauthenticate"
    works.log_in(found, WLC)
    works.poll()
    assert works.told.outcomes == ["acked", "confirmed"]


@pytest.mark.parametrize(("on", "user"), [(MIKROTIK, NAME), (COOVA, ""), (NasId("nowhere"), NAME)])
def test_elsewhere_its_own_log_in_completes_it(works: Works, on: NasId, user: str) -> None:
    found = payer(works)
    waits(works, found, on, user=user)
    assert (works.out, works.told.outcomes) == ([], [])
    works.log_in(found, MIKROTIK)
    works.wait(1)
    assert (works.out, works.told.outcomes) == ([], ["confirmed"])
    assert PHONE not in works.told.stages[0].attempt.uid


def test_one_that_came_and_left_before_anybody_looked_is_waited_for_no_longer(works: Works) -> None:
    found = payer(works)
    waits(works, found, MIKROTIK)
    starts(works, MIKROTIK)
    stop = {"acct_session_id": "81c0", "user_name": "0712345678"}
    works.node.account(accounting_request(Status.STOP, works.node.now, (0, 0), 0, router=MIKROTIK, **stop))
    works.poll()
    assert (works.told.outcomes, works.told.stages[0].attempt.words) == (["confirmed"], HAS_LEFT)
    assert works.node.home(found).intents == []


def test_one_that_never_comes_is_given_up_in_plain_words_and_wakes_nobody(works: Works) -> None:
    found = payer(works)
    waits(works, found, MIKROTIK)
    works.wait(ENTRY_S_MAX)
    assert (works.told.outcomes, works.told.alarms) == (["abandoned"], [])
    assert works.told.stages[0].attempt.words == NOBODY_CAME
    assert PHONE not in works.told.stages[0].attempt.uid
    assert works.node.home(found).intents == []


def test_one_with_nothing_left_or_on_its_way_by_itself_is_not_let_in_by_us(works: Works) -> None:
    poor = works.node.provision.customer(["0712345678"], "karibu", works.node.now)
    waits(works, poor, COOVA)
    assert works.out == []
    works.node.grant(poor, QUOTA)
    works.log_in(poor, MIKROTIK)
    works.wait(1)
    assert (works.out, works.told.outcomes) == ([], ["confirmed"])
