"""Access-Request over the memory store: who is it, what may the answer tell, and what if the store is away."""

from hashlib import md5

import msgspec
import pytest

from radius.domain.errors import Fenced
from radius.domain.identity import MacAddress, SubscriberId
from radius.domain.nas import Language, Site
from radius.domain.policy import Reason
from radius.domain.request import AccessRequest, Chap, Method, Tunnel
from radius.domain.subscriber import SessionState
from radius.domain.terms import PeriodUnit, Rate, Window, WindowStart
from radius.services.access import Check, Granted, HandOver, Refused, Silent
from tests.unit.domain.builders import DAY_S, FIRST_LOGIN_DAY, LAPTOP, MIB, PHONE, T0, TABLET, day_terms
from tests.unit.services.wired import NUMBER, PASSWORD, Node, access_request, second_device

CODE = "ABCD-2345"
MONTH = Window(WindowStart.PURCHASE, 1, PeriodUnit.MONTH)
MAC_NAME = "aa:bb:cc:dd:ee:01"


def handed(answer: HandOver | Refused | Silent) -> HandOver:
    assert isinstance(answer, HandOver), answer
    return answer


def after(request: AccessRequest, token: str) -> AccessRequest:
    """The same request as the later hooks see it."""
    return msgspec.structs.replace(request, token=token)


def voucher(node: Node, code: str = CODE) -> SubscriberId:
    node.provision.terms(day_terms("printed.1", FIRST_LOGIN_DAY))
    return node.provision.voucher(code, "printed.1", node.now)


def store_goes_away(node: Node) -> None:
    node.store.faults.before = lambda _: True


def store_comes_back(node: Node) -> None:
    node.store.faults.before = lambda _: False


# -- who checks what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [Method.PAP, Method.CHAP, Method.MSCHAP, Method.EAP])
def test_a_sealed_secret_is_opened_and_handed_over_for_every_method(method: Method) -> None:
    node = Node()
    node.customer()
    answer = handed(node.access.authorize(access_request(method=method)))
    assert (answer.check, answer.secret) == (Check.FREERADIUS, PASSWORD)


def test_what_is_stored_is_not_the_secret() -> None:
    node = Node()
    home = node.home(node.customer())
    assert PASSWORD not in home.credential.value
    assert home.aliases == ["p:254712345678"]


@pytest.mark.parametrize(
    ("name", "method", "given", "right"),
    [
        (CODE, Method.PAP, "", True),
        (CODE, Method.PAP, CODE, True),
        (CODE, Method.PAP, "abcd2345", True),
        ("abcd 2345", Method.PAP, "ABCD2345", True),
        ("ABCD 2345", Method.PAP, "abcd-2345", True),
        (CODE, Method.PAP, " aB-cD 23 45 ", True),
        (CODE, Method.PAP, "abcd.2345", False),
        (CODE, Method.PAP, " - ", False),
        (CODE, Method.PAP, "x" * 300, False),
        (CODE, Method.PAP, "other", False),
        (MAC_NAME, Method.PAP, "", True),
        (MAC_NAME, Method.PAP, MAC_NAME, True),
        (MAC_NAME, Method.PAP, "AABBCCDDEE01", True),
        (MAC_NAME, Method.PAP, "aabb.ccdd.ee01", True),
        (MAC_NAME, Method.PAP, "site-secret", True),
        (MAC_NAME, Method.PAP, "SITE SECRET", False),
        (MAC_NAME, Method.PAP, "aa:bb:cc:dd:ee:02", False),
        (CODE, Method.PAP, "site-secret", False),
    ],
)
def test_names_that_are_the_secret(name: str, method: Method, given: str, right: bool) -> None:
    node = Node()
    voucher(node)
    node.provision.device(MAC_NAME, T0)
    node.provision.site(Site("kilimani"), mac_password="site-secret")
    node.directory.refresh(T0, node.deadline)
    request = access_request(name, given, method=method)
    answer = handed(node.access.authorize(request))
    assert answer.check is Check.OURSELVES
    assert node.access.authenticate(after(request, answer.token)) is right


@pytest.mark.parametrize(("password", "right"), [("", True), (CODE, True), ("wrong", False)])
def test_a_code_by_chap(password: str, right: bool) -> None:
    node = Node()
    voucher(node)
    response = md5(b"\x07" + password.encode() + b"challenge", usedforsecurity=False).digest()
    request = access_request(CODE, None, method=Method.CHAP, chap=Chap(7, response, b"challenge"))
    token = handed(node.access.authorize(request)).token
    assert node.access.authenticate(after(request, token)) is right


@pytest.mark.parametrize("method", [Method.MSCHAP, Method.EAP])
@pytest.mark.parametrize("name", [CODE, MAC_NAME])
def test_where_only_a_module_can_check_the_name_itself_is_the_secret(name: str, method: Method) -> None:
    node = Node()
    voucher(node)
    node.provision.device(MAC_NAME, T0)
    answer = handed(node.access.authorize(access_request(name, None, method=method)))
    assert (answer.check, answer.secret) == (Check.FREERADIUS, name)


@pytest.mark.parametrize(("given", "right"), [(PASSWORD, True), ("wrong", False)])
def test_a_hashed_password_by_pap(given: str, right: bool) -> None:
    node = Node()
    node.customer(hashed=True)
    request = access_request(password=given)
    answer = handed(node.access.authorize(request))
    assert (answer.check, answer.secret) == (Check.OURSELVES, "")
    assert node.access.authenticate(after(request, answer.token)) is right


@pytest.mark.parametrize("method", [Method.CHAP, Method.NONE])
def test_a_hashed_password_by_any_other_method_is_told_as_a_wrong_one(method: Method) -> None:
    node = Node()
    found = node.customer(hashed=True)
    answer = node.access.authorize(access_request(method=method))
    assert answer == Refused(Reason.METHOD_UNSUPPORTED, Language.ENGLISH, found)
    assert isinstance(answer, Refused)
    assert answer.told is Reason.BAD_CREDENTIALS


@pytest.mark.parametrize("method", [Method.MSCHAP, Method.EAP])
def test_where_a_wrong_secret_has_a_form_of_its_own_a_hashed_password_takes_that_road(
    method: Method,
) -> None:
    node = Node()
    found = node.customer(hashed=True)
    refused = Refused(Reason.METHOD_UNSUPPORTED, Language.ENGLISH, found)
    request = access_request(method=method)
    answer = handed(node.access.authorize(request))
    assert answer.check is Check.FREERADIUS
    assert answer.secret not in ("", PASSWORD)
    assert node.access.wrong_secret(after(request, answer.token)) == refused
    lucky = handed(node.access.authorize(request))
    assert node.access.post_auth(after(request, lucky.token), T0) == refused


def test_a_mac_that_is_not_the_callers_is_never_let_in_by_it() -> None:
    node = Node()
    node.provision.device(MAC_NAME, T0)
    answer = handed(node.access.authorize(access_request(MAC_NAME, mac=LAPTOP)))
    assert answer.check is Check.FREERADIUS
    assert answer.secret not in {"", MAC_NAME, "aabbccddee01"}


# -- no oracle ---------------------------------------------------------------------------------------------------


def test_an_unknown_name_goes_the_same_way_with_a_secret_that_nobody_knows() -> None:
    node = Node()
    node.customer()
    known = handed(node.access.authorize(access_request()))
    first = handed(node.access.authorize(access_request("0799999999")))
    second = handed(node.access.authorize(access_request("0799999999")))
    assert first.check is known.check
    assert len(first.secret) == 16
    assert first.secret != second.secret
    request = after(access_request("0799999999"), first.token)
    assert node.access.wrong_secret(request) == Refused(Reason.BAD_CREDENTIALS, Language.ENGLISH)
    assert not node.access.authenticate(after(request, second.token))


def test_a_wrong_secret_and_an_unknown_name_are_told_alike_whatever_policy_would_say() -> None:
    node = Node()
    blocked = node.customer()
    node.provision.block(blocked, "chargeback", T0)
    told = []
    for name in (NUMBER, "0799999999"):
        request = access_request(name, "wrong")
        answer = handed(node.access.authorize(request))
        refused = node.access.wrong_secret(after(request, answer.token))
        assert refused is not None
        told.append(refused.told)
    assert told == [Reason.BAD_CREDENTIALS, Reason.BAD_CREDENTIALS]


def test_policy_speaks_after_the_secret_was_right() -> None:
    node = Node()
    node.provision.block(node.customer(), "chargeback", T0)
    request = access_request()
    token = handed(node.access.authorize(request)).token
    answer = node.access.post_auth(after(request, token), node.now)
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.BLOCKED


def test_an_unknown_name_whose_secret_came_right_by_accident_is_still_refused() -> None:
    node = Node()
    request = access_request("0799999999")
    token = handed(node.access.authorize(request)).token
    assert node.access.post_auth(after(request, token), T0) == Refused(Reason.BAD_CREDENTIALS, Language.ENGLISH)


def test_the_language_is_the_sites() -> None:
    node = Node()
    node.provision.site(Site("kilimani", language=Language.SWAHILI))
    node.directory.refresh(T0, node.deadline)
    request = access_request("0799999999")
    token = handed(node.access.authorize(request)).token
    refused = node.access.wrong_secret(after(request, token))
    assert refused is not None
    assert refused.language is Language.SWAHILI


# -- what is answered with silence -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (access_request(router="nowhere"), "unknown router"),
        (access_request(message_authenticator=False), "no Message-Authenticator"),
        (access_request(message_authenticator=False, tunnel=Tunnel.OUTER), "no Message-Authenticator"),
    ],
)
def test_silence(request_: AccessRequest, why: str) -> None:
    node = Node()
    node.customer()
    assert node.access.authorize(request_) == Silent(why)


def test_inside_a_tunnel_the_outer_packet_had_the_message_authenticator() -> None:
    node = Node()
    node.customer()
    handed(node.access.authorize(access_request(message_authenticator=False, tunnel=Tunnel.INNER)))


def test_a_router_that_vanished_between_the_hooks_is_silence() -> None:
    node = Node()
    node.customer()
    request = access_request()
    token = handed(node.access.authorize(request)).token
    node.directory.put([], [], {}, (), T0)
    assert node.access.post_auth(after(request, token), T0) == Silent("unknown router")


# -- post_auth ---------------------------------------------------------------------------------------------------


def test_an_accept_reserves_slot_and_lease_in_one_write() -> None:
    node = Node()
    found = node.customer()
    before = node.version(found)
    granted = node.log_in(access_request())
    assert (granted.limits.session_s, granted.limits.total_bytes, granted.degraded) == (DAY_S, 100 * MIB, False)
    home = node.home(found)
    assert node.version(found) == before + 1
    assert [(one.state, one.device) for one in home.sessions] == [(SessionState.RESERVED, PHONE)]
    assert home.devices == [PHONE]


def test_a_refusal_writes_nothing() -> None:
    node = Node()
    found = node.customer()
    node.log_in(access_request())
    before = node.version(found)
    request = second_device(access_request())
    token = handed(node.access.authorize(request)).token
    answer = node.access.post_auth(after(request, token), node.now)
    assert answer == Refused(Reason.DEVICE_LIMIT, Language.ENGLISH, found)
    assert node.version(found) == before


def test_a_voucher_is_activated_by_its_first_log_in_and_not_by_authorize() -> None:
    node = Node()
    found = voucher(node)
    node.pass_time(5 * DAY_S)
    request = access_request(CODE, "")
    token = handed(node.access.authorize(request)).token
    assert node.home(found).rights[0].starts_at == 0
    assert isinstance(node.access.post_auth(after(request, token), node.now), Granted)
    assert node.home(found).rights[0].starts_at == T0 + 5 * DAY_S


@pytest.mark.parametrize("token", ["", "never-given"])
def test_without_a_ticket_it_reads_again(token: str) -> None:
    """A restart between the hooks, or the last round of EAP."""
    node = Node()
    found = node.customer()
    granted = node.access.post_auth(after(access_request(), token), node.now)
    assert isinstance(granted, Granted)
    assert granted.subscriber == found
    unknown = node.access.post_auth(after(access_request("0799999999"), token), node.now)
    assert unknown == Refused(Reason.BAD_CREDENTIALS, Language.ENGLISH)


def test_without_a_ticket_no_secret_of_ours_is_right() -> None:
    node = Node()
    voucher(node)
    assert not node.access.authenticate(after(access_request(CODE, ""), "never-given"))


def test_a_ticket_serves_once() -> None:
    node = Node()
    node.customer()
    request = access_request(password="wrong")
    token = handed(node.access.authorize(request)).token
    assert node.access.wrong_secret(after(request, token)) is not None
    assert node.access.wrong_secret(after(request, token)) is None


def test_a_secret_that_could_not_be_checked_is_no_wrong_one() -> None:
    node = Node()
    node.customer()
    for _ in range(30):
        request = access_request(mac=LAPTOP)
        token = handed(node.access.authorize(request)).token
        node.access.unchecked(after(request, token))
        assert node.access.wrong_secret(after(request, token)) is None


def test_a_name_that_its_subscriber_no_longer_lists_leads_nowhere() -> None:
    node = Node()
    found = node.customer()
    handed(node.access.authorize(access_request()))
    node.meddle(found, aliases=[])
    answer = handed(node.access.authorize(access_request()))
    assert answer.secret != PASSWORD
    assert not node.names.knows("p:254712345678")


def test_another_nodes_write_is_seen_before_the_slot_is_given() -> None:
    """Two nodes, two devices, one slot: the second finds out, whatever its own copy says."""
    here = Node()
    there = Node(here.store, name="b")
    here.customer()
    first, second = access_request(), second_device(access_request())
    tokens = handed(here.access.authorize(first)).token, handed(there.access.authorize(second)).token
    assert isinstance(here.access.post_auth(after(first, tokens[0]), T0), Granted)
    answer = there.access.post_auth(after(second, tokens[1]), T0)
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.DEVICE_LIMIT


def test_where_another_region_writes_nothing_is_granted_on_a_copy() -> None:
    node = Node()
    node.customer()
    request = access_request()
    token = handed(node.access.authorize(request)).token

    def fenced(method: str) -> bool:
        if method == "commit":
            raise Fenced("eu-west-1 writes")
        return False

    node.store.faults.before = fenced
    assert node.access.post_auth(after(request, token), T0) == Silent("another Region writes")


def test_overtaken_too_often_is_silence() -> None:
    node = Node()
    found = node.customer()
    request = access_request()
    token = handed(node.access.authorize(request)).token
    turn = iter(range(99))

    def meanwhile(method: str) -> bool:
        if method == "commit":
            node.store.faults.before = lambda _: False
            node.meddle(found, pool=f"p{next(turn)}")
            node.store.faults.before = meanwhile
        return False

    node.store.faults.before = meanwhile
    assert node.access.post_auth(after(request, token), T0) == Silent("contended")


def test_when_a_packet_began_is_known_except_for_the_rounds_of_eap() -> None:
    node = Node()
    node.customer()
    token = handed(node.access.authorize(access_request())).token
    began = node.monotonic_s
    node.monotonic_s += 0.1
    assert node.access.began(after(access_request(), token)) == began
    assert node.access.began(after(access_request(method=Method.EAP), token)) is None
    assert node.access.began(after(access_request(), "never-given")) is None


def test_the_later_hooks_take_the_request_as_authorize_read_it() -> None:
    node = Node()
    node.customer()
    token = handed(node.access.authorize(access_request())).token
    assert node.access.asked(token) == after(access_request(), token)
    assert node.access.asked("never-given") is None
    node.access.post_auth(after(access_request(), token), T0)
    assert node.access.asked(token) is None


# -- guessing ----------------------------------------------------------------------------------------------------


def fail(node: Node, request: AccessRequest) -> Refused | None:
    """One wrong secret; the refusal if it was not even tried."""
    answer = node.access.authorize(request)
    if isinstance(answer, Refused):
        return answer
    token = handed(answer).token
    node.access.wrong_secret(after(request, token))
    return None


def tries(node: Node, request: AccessRequest, most: int = 99) -> int:
    """How many wrong secrets are looked at before the door is shut."""
    return next((number for number in range(most) if fail(node, request) is not None), most)


def test_wrong_secrets_of_one_device_are_slowed_and_the_right_one_from_another_is_not() -> None:
    node = Node()
    node.customer()
    node.log_in(access_request())
    assert tries(node, access_request(password="wrong", mac=LAPTOP)) == 6
    refused = node.access.authorize(access_request(mac=LAPTOP))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.told) == (Reason.TOO_MANY_ATTEMPTS, Reason.BAD_CREDENTIALS)
    handed(node.access.authorize(access_request()))


def test_a_guesser_with_fresh_macs_is_stopped_at_the_name_and_the_remembered_device_is_not() -> None:
    node = Node()
    node.customer()
    node.log_in(access_request())
    stopped = None
    for number in range(30):
        stopped = stopped or fail(node, access_request(password="wrong", mac=MacAddress(f"0200000000{number:02d}")))
    assert stopped is not None
    assert stopped.reason is Reason.TOO_MANY_ATTEMPTS
    assert isinstance(node.access.authorize(access_request(mac=TABLET)), Refused)
    handed(node.access.authorize(access_request(mac=PHONE)))


def test_a_method_that_cannot_work_is_slowed_like_a_wrong_secret() -> None:
    node = Node()
    node.customer(hashed=True)
    request = access_request(method=Method.CHAP)
    reasons = [answer.reason for _ in range(8) if isinstance(answer := node.access.authorize(request), Refused)]
    assert reasons == [Reason.METHOD_UNSUPPORTED] * 6 + [Reason.TOO_MANY_ATTEMPTS] * 2


def test_who_meets_a_limit_by_ms_chap_gets_a_secret_that_nobody_knows_and_owes_no_more() -> None:
    node = Node()
    found = node.customer()
    request = access_request(method=Method.MSCHAP, mac=LAPTOP)
    refusals = []
    for _ in range(12):
        answer = handed(node.access.authorize(request))
        refusals.append((answer.secret == PASSWORD, node.access.wrong_secret(after(request, answer.token))))
    wrong, limited = (
        Refused(Reason.BAD_CREDENTIALS, Language.ENGLISH, found),
        Refused(Reason.TOO_MANY_ATTEMPTS, Language.ENGLISH),
    )
    assert refusals == [(True, wrong)] * 6 + [(False, limited)] * 6
    node.monotonic_s += 120
    assert handed(node.access.authorize(request)).secret == PASSWORD, "tries while the door was shut are not counted"


def test_unknown_codes_are_slowed_before_the_store_is_asked() -> None:
    node = Node()
    node.customer()
    for number in range(10):
        node.access.authorize(access_request(f"code{number:04d}", "", mac=LAPTOP))
    asked = node.requests()
    refused = node.access.authorize(access_request("code9999", "", mac=LAPTOP))
    assert isinstance(refused, Refused)
    assert (refused.reason, asked) == (Reason.TOO_MANY_ATTEMPTS, [])


def test_a_right_secret_forgets_the_wrong_ones_of_that_device() -> None:
    node = Node()
    node.customer()
    for _ in range(5):
        fail(node, access_request(password="wrong"))
    node.log_in(access_request())
    assert tries(node, access_request(password="wrong")) == 6


# -- the store is away -------------------------------------------------------------------------------------------


def known_customer(node: Node, **terms: object) -> SubscriberId:
    """One whom this node has read lately."""
    found = node.customer(terms=day_terms(**{"quota_bytes": 500 * MIB, **terms}))  # type: ignore[arg-type]
    node.access.authorize(access_request())
    return found


def try_it(node: Node, request: AccessRequest) -> Granted | Refused | Silent:
    answer = node.access.authorize(request)
    if not isinstance(answer, HandOver):
        return answer
    return node.access.post_auth(after(request, answer.token), node.now)


def test_a_known_customer_gets_one_small_lease_an_outage() -> None:
    node = Node()
    found = known_customer(node)
    store_goes_away(node)
    granted = try_it(node, access_request())
    assert isinstance(granted, Granted)
    assert (granted.degraded, granted.subscriber) == (True, found)
    assert (granted.limits.session_s, granted.limits.total_bytes) == (600, 50 * MIB)
    assert granted.limits.ends_at == node.now + 600
    assert try_it(node, access_request()) == Silent("store slow, or away and had its lease")


def test_less_than_the_small_lease_is_left() -> None:
    node = Node()
    known_customer(node, quota_bytes=MIB, quota_s=120)
    store_goes_away(node)
    granted = try_it(node, access_request())
    assert isinstance(granted, Granted)
    assert (granted.limits.session_s, granted.limits.total_bytes) == (120, MIB)


def test_the_secret_is_still_checked() -> None:
    node = Node()
    known_customer(node)
    store_goes_away(node)
    answer = handed(node.access.authorize(access_request()))
    assert (answer.check, answer.secret) == (Check.FREERADIUS, PASSWORD)


def test_the_store_may_go_away_between_the_hooks() -> None:
    node = Node()
    node.customer()
    request = access_request()
    token = handed(node.access.authorize(request)).token
    store_goes_away(node)
    granted = node.access.post_auth(after(request, token), node.now)
    assert isinstance(granted, Granted)
    assert granted.degraded


@pytest.mark.parametrize(
    "case", ["stranger", "never met", "old copy", "blocked", "used up", "unknown terms", "renamed"]
)
def test_all_others_get_silence(case: str) -> None:
    node = Node()
    found = node.customer(terms=day_terms(window=MONTH, quota_bytes=100 * MIB))
    if case == "blocked":
        node.provision.block(found, "chargeback", T0)
    elif case == "used up":
        home = node.home(found)
        home.rights[0].used_bytes = 100 * MIB
        node.meddle(found, rights=home.rights)
    if case != "never met":
        node.access.authorize(access_request())
    if case == "renamed":
        node.meddle(found, aliases=[])
        node.desk.read(found, node.deadline)
    if case == "old copy":
        node.pass_time(DAY_S + 1)
    if case in ("never met", "unknown terms"):
        node = Node(node.store, name="b")
    if case == "unknown terms":
        node.access.authorize(access_request())
    store_goes_away(node)
    name = "0799999999" if case == "stranger" else NUMBER
    answer = try_it(node, access_request(name))
    assert answer == Silent("store away")


def test_a_copy_of_a_day_ago_still_says_something() -> None:
    node = Node()
    known_customer(node, window=MONTH)
    node.pass_time(DAY_S)
    store_goes_away(node)
    assert isinstance(try_it(node, access_request()), Granted)


def test_a_voucher_that_was_never_activated_is_not_activated_on_a_copy() -> None:
    node = Node()
    voucher(node)
    request = access_request(CODE, "")
    node.access.authorize(request)
    store_goes_away(node)
    assert try_it(node, request) == Silent("store away")


def test_flapping_is_one_outage_until_the_store_has_been_well_for_a_minute() -> None:
    node = Node()
    known_customer(node, devices=2)
    store_goes_away(node)
    assert isinstance(try_it(node, access_request()), Granted)
    store_comes_back(node)
    node.log_in(access_request())
    node.pass_time(30)
    store_goes_away(node)
    assert try_it(node, access_request()) == Silent("store slow, or away and had its lease")
    store_comes_back(node)
    node.pass_time(61)
    node.log_in(access_request())
    node.pass_time(1)
    store_goes_away(node)
    again = try_it(node, access_request())
    assert isinstance(again, Granted)
    assert again.degraded


def test_a_store_that_took_a_decision_just_now_is_slow_and_not_away() -> None:
    node = Node()
    known_customer(node, devices=2)
    node.log_in(access_request())
    store_goes_away(node)
    assert try_it(node, access_request()) == Silent("store slow, or away and had its lease")
    node.pass_time(1)
    granted = try_it(node, access_request())
    assert isinstance(granted, Granted)
    assert granted.degraded


def test_without_a_ticket_and_without_the_store_a_known_customer_gets_the_same() -> None:
    node = Node()
    known_customer(node)
    store_goes_away(node)
    granted = node.access.post_auth(access_request(), node.now)
    assert isinstance(granted, Granted)
    assert granted.degraded
    assert node.access.post_auth(access_request("0799999999"), node.now) == Silent("store away")


def test_a_degraded_lease_of_an_unlimited_right_is_small_too() -> None:
    node = Node()
    known_customer(node, quota_bytes=None, rate=Rate(1_000_000, 1_000_000))
    store_goes_away(node)
    granted = try_it(node, access_request())
    assert isinstance(granted, Granted)
    assert (granted.limits.total_bytes, granted.limits.rate) == (50 * MIB, Rate(1_000_000, 1_000_000))


def test_post_auth_keeps_its_share_of_the_deadline() -> None:
    node = Node()
    node.customer()
    request = access_request()
    token = handed(node.access.authorize(request)).token
    node.monotonic_s += 5  # EAP rounds, a slow check
    assert isinstance(node.access.post_auth(after(request, token), node.now), Granted)
