"""What operators do: each is one change, safe to repeat, and refuses what cannot be."""

from collections.abc import Callable

import msgspec
import pytest

from radius.domain.errors import Contended, Corrupt, Malformed, Unavailable
from radius.domain.identity import MacAddress, NasId, SubscriberId, parse_class, parse_username
from radius.domain.intent import IntentReason
from radius.domain.nas import Family, PortPair, Router, Site
from radius.domain.request import Status
from radius.domain.subscriber import SecretKind
from radius.domain.terms import Service, Terms
from radius.ports import ALIASES_MAX, Outcome
from radius.services.access import HandOver
from radius.services.provision import Provision, check_secret
from tests.unit.domain.builders import DAY_S, FIRST_LOGIN_DAY, NAS, T0, day_terms
from tests.unit.services.wired import NUMBER, PASSWORD, SECRET, Node, access_request, accounting_request

OTHER_SECRET = "another-secret-of-it"
NOBODY = SubscriberId("nobody0000000000")


def stored_router(node: Node) -> Router:
    return next(one for one in node.store.routers(node.deadline) if one.id == NAS)


# -- routers and sites -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["0123456789abcdef", "x" * 64, "!" * 16])
def test_secrets_that_are_worth_the_name(secret: str) -> None:
    assert check_secret(secret) == secret


@pytest.mark.parametrize(
    "secret", ["", "0123456789abcde", "x" * 65, "with spaces in it", "not-ascii-é-at-all", "x" * 15 + "\n"]
)
def test_secrets_that_are_not(secret: str) -> None:
    with pytest.raises(Malformed) as bad:
        check_secret(secret)
    assert bad.value.field == "secret"


def test_a_router_is_registered_once_with_its_secret_sealed() -> None:
    node = Node()
    stored = stored_router(node)
    assert (stored.version, SECRET in stored.secret_a) == (1, False)
    assert node.keys.unseal(stored.secret_a, NAS, "secret_a", 0) == SECRET
    with pytest.raises(Malformed, match="registered already"):
        node.provision.router(Router(NAS, "kilimani", Family.UNIFI, ()), SECRET)


@pytest.mark.parametrize(
    ("address", "secret", "field"), [("10.8.0.300", SECRET, "address"), ("10.8.0.7", "short", "secret")]
)
def test_a_router_that_cannot_be(address: str, secret: str, field: str) -> None:
    node = Node()
    with pytest.raises(Malformed) as bad:
        node.provision.router(Router(NasId("new"), "kilimani", Family.UNIFI, (address,)), secret)
    assert bad.value.field == field
    assert len(node.store.routers(node.deadline)) == 1


def test_a_routers_log_in_page_is_registered_and_its_secret_sealed() -> None:
    node = Node()
    router = node.provision.login_page(stored_router(node), ["10.5.50.1", " WiFi.example:3990"], "uam-secret")
    assert stored_router(node) == router
    assert router.login_hosts == ("10.5.50.1", "wifi.example:3990")
    assert node.keys.unseal(router.uam_secret, NAS, "uam_secret", 0) == "uam-secret"
    with pytest.raises(Malformed, match="login_hosts"):
        node.provision.login_page(router, ["evil.example/x"])
    assert node.provision.login_page(router, []).uam_secret == ""


def secrets_of(node: Node) -> list[str | None]:
    node.directory.refresh(node.now, node.deadline)
    clients = [node.directory.client("10.8.0.2", pair) for pair in PortPair]
    return [client.secret if client is not None else None for client in clients]


def test_a_secret_rotates_with_an_overlap() -> None:
    node = Node()
    node.provision.rotate_secret(stored_router(node), OTHER_SECRET)
    assert secrets_of(node) == [SECRET, OTHER_SECRET]
    same = node.provision.seen_on(stored_router(node), PortPair.A)
    assert (same.rotating_to, secrets_of(node)) == ("B", [SECRET, OTHER_SECRET]), "it still speaks the old one"
    node.provision.seen_on(stored_router(node), PortPair.B)
    assert (stored_router(node).rotating_to, secrets_of(node)) == ("", [None, OTHER_SECRET])
    node.provision.rotate_secret(stored_router(node), SECRET)
    assert secrets_of(node) == [SECRET, OTHER_SECRET], "and back to the first pair"
    assert stored_router(node).rotating_to == "A"


def test_a_rotation_begun_again_leaves_the_secret_in_use_alone() -> None:
    node = Node()
    node.provision.rotate_secret(stored_router(node), OTHER_SECRET)
    node.provision.rotate_secret(stored_router(node), "a-third-secret-of-it")
    assert secrets_of(node) == [SECRET, "a-third-secret-of-it"]
    assert stored_router(node).epoch_b == 2


def test_a_rotation_on_an_old_record_is_refused() -> None:
    node = Node()
    old = stored_router(node)
    node.provision.rotate_secret(old, OTHER_SECRET)
    with pytest.raises(Unavailable, match="changed meanwhile"):
        node.provision.rotate_secret(old, SECRET)


def test_the_end_of_a_rotation_that_another_node_has_seen_first_changes_nothing() -> None:
    node = Node()
    rotating = node.provision.rotate_secret(stored_router(node), OTHER_SECRET)
    node.provision.seen_on(rotating, PortPair.B)
    done = stored_router(node)
    node.provision.seen_on(rotating, PortPair.B)
    assert stored_router(node) == done


def test_a_sites_mac_password_is_sealed_and_its_zone_is_one() -> None:
    node = Node()
    site = node.provision.site(Site("westlands"), mac_password="karibu-mac")
    assert node.keys.unseal(site.mac_password, "westlands", "mac_password", 0) == "karibu-mac"
    with pytest.raises(Malformed):
        node.provision.site(Site("nowhere", zone="Africa/Nowhere"))
    assert [one.id for one in node.store.sites(node.deadline)] == ["kilimani", "westlands"]


def test_a_version_of_terms_is_never_another() -> None:
    node = Node()
    node.provision.terms(day_terms())
    node.provision.terms(day_terms())
    with pytest.raises(Malformed, match="raise its version"):
        node.provision.terms(day_terms(devices=2))
    with pytest.raises(Malformed):
        node.provision.terms(day_terms("other.1", devices=0))
    assert node.store.terms("other.1", node.deadline) is None


# -- subscribers -------------------------------------------------------------------------------------------------


def test_kinds_of_subscribers() -> None:
    node = Node()
    node.provision.terms(day_terms("printed.1", FIRST_LOGIN_DAY))
    sealed = node.home(node.provision.customer([NUMBER, "Mama Njeri", "0712-345-678"], PASSWORD, T0, site="kilimani"))
    hashed = node.home(node.provision.customer(["jane"], PASSWORD, T0, hashed=True))
    code = node.home(node.provision.voucher("ABCD-2345", "printed.1", T0, redeem_by=T0 + 90 * DAY_S))
    device = node.home(node.provision.device("AA-BB-CC-DD-EE-07", T0))
    assert [one.credential.kind for one in (sealed, hashed, code, device)] == list(SecretKind)
    assert node.keys.unseal(sealed.credential.value, sealed.id, "secret", 1) == PASSWORD
    assert hashed.credential.value.startswith("scrypt$")
    assert (code.credential.value, device.credential.value) == ("", "")
    assert sealed.aliases == ["p:254712345678", f"n:{node.keys.alias_key('mamanjeri')}"], "one name, however written"
    assert code.aliases == [f"n:{node.keys.alias_key('abcd2345')}"], "no code in clear"
    assert device.aliases == ["m:aabbccddee07"]
    assert (code.rights[0].starts_at, code.rights[0].redeem_by) == (0, T0 + 90 * DAY_S)


def test_a_name_belongs_to_one() -> None:
    node = Node()
    node.provision.customer([NUMBER], PASSWORD, T0)
    with pytest.raises(Malformed, match="belongs to somebody else"):
        node.provision.customer(["jane", NUMBER], PASSWORD, T0)
    assert node.names.resolve(f"n:{node.keys.alias_key('jane')}", node.deadline) is None, "all or nothing"


def test_a_voucher_of_terms_that_do_not_exist_is_not_printed() -> None:
    node = Node()
    with pytest.raises(Corrupt):
        node.provision.voucher("ABCD-2345", "printed.9", T0)
    with pytest.raises(Malformed):
        node.provision.voucher("ABCD-2345", "printed.9", T0, zone="Africa/Nowhere")


def test_another_name_is_added_once() -> None:
    node = Node()
    found = node.provision.customer([NUMBER], PASSWORD, T0)
    other = node.provision.customer(["jane"], PASSWORD, T0)
    for _ in range(2):
        node.provision.name(found, "aa:bb:cc:dd:ee:09")
    assert node.home(found).aliases == ["p:254712345678", "m:aabbccddee09"]
    assert node.names.resolve("m:aabbccddee09", node.deadline) == found
    with pytest.raises(Malformed, match="somebody else"):
        node.provision.name(other, "aa:bb:cc:dd:ee:09")


def test_a_name_for_nobody_or_one_too_many_is_taken_back() -> None:
    node = Node()
    found = node.provision.customer([NUMBER], PASSWORD, T0)
    with pytest.raises(Malformed, match="no such subscriber"):
        node.provision.name(NOBODY, "aa:bb:cc:dd:ee:09")
    node.meddle(found, aliases=[f"m:{number:012x}" for number in range(ALIASES_MAX)])
    node.desk.read(found, node.deadline)
    with pytest.raises(Malformed, match="more than 90 names"):
        node.provision.name(found, "aa:bb:cc:dd:ee:09")
    assert node.names.resolve("m:aabbccddee09", node.deadline) is None


def test_a_right_is_granted_once() -> None:
    node = Node()
    found = node.customer()
    assert not node.provision.grant(found, "day.3", T0 + 5, "right001")
    assert not node.provision.grant(NOBODY, "day.3", T0, "right001")
    assert node.provision.grant(found, "day.3", T0 + 5, "right002", "UTC")
    home = node.home(found)
    assert [(one.id, one.starts_at, one.zone) for one in home.rights] == [
        ("right001", T0, "Africa/Nairobi"),
        ("right002", T0 + 5, "UTC"),
    ]


def online(node: Node) -> SubscriberId:
    found = node.customer()
    class_of = parse_class(node.log_in(access_request()).limits.class_text)
    node.account(accounting_request(Status.START, T0, class_of=class_of))
    return found


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda node, found: node.provision.grant(found, "day.3", T0 + 9, "right002"), IntentReason.TERMS),
        (lambda node, found: node.provision.block(found, "chargeback", T0 + 9), IntentReason.BLOCKED),
    ],
)
def test_live_sessions_are_told_in_the_same_write(
    act: Callable[[Node, SubscriberId], bool], reason: IntentReason
) -> None:
    node = Node()
    found = online(node)
    before = node.version(found)
    assert node.rung == [], "what was granted before anybody was online is nobody's news"
    assert act(node, found)
    assert node.rung == [found], "the sender need not wait for its poll"
    home = node.home(found)
    assert node.version(found) == before + 1
    assert [(one.session, one.reason, one.due_at) for one in home.intents] == [(home.sessions[0].uid, reason, T0 + 9)]


def test_a_slot_that_no_start_followed_is_not_told() -> None:
    node = Node()
    found = node.customer()
    node.log_in(access_request())
    node.provision.block(found, "chargeback", T0)
    assert node.home(found).intents == []
    assert node.rung == []


def test_nobody_is_woken_for_what_was_not_committed() -> None:
    node = Node()
    found = online(node)
    assert node.provision.block(found, "chargeback", T0)
    node.rung.clear()
    assert not node.provision.grant(found, "day.3", T0, "right001")
    node.store.commit = lambda *_: Outcome.STALE  # type: ignore[method-assign]
    with pytest.raises(Contended):
        node.provision.block(found, "fraud", T0)
    assert node.rung == []


def test_blocking_and_unblocking() -> None:
    node = Node()
    found = online(node)
    assert node.provision.block(found, "chargeback", T0)
    assert node.home(found).blocked == "chargeback"
    assert node.provision.block(found, "", T0)
    assert node.home(found).blocked == ""
    assert not node.provision.block(NOBODY, "x", T0)


def test_a_line_is_bound_to_device_address_and_pool() -> None:
    node = Node()
    found = node.customer(terms=day_terms(service=Service.ANY))
    assert node.provision.bind_caller(found, MacAddress("aabbccddee01"), "10.9.8.7", "homes")
    assert not node.provision.bind_caller(NOBODY, None)
    home = node.home(found)
    assert (home.caller, home.fixed_ip, home.pool) == ("aabbccddee01", "10.9.8.7", "homes")
    granted = node.log_in(access_request(service=Service.PPPOE))
    assert (granted.limits.fixed_ip, granted.limits.pool) == ("10.9.8.7", "homes")


def test_terms_that_lead_nowhere_grant_nothing() -> None:
    node = Node()
    found = node.customer()
    with pytest.raises(Corrupt):
        node.provision.grant(found, "ghost.1", T0, "right009")
    assert len(node.home(found).rights) == 1


def test_terms_survive_the_store() -> None:
    terms = day_terms(quota_bytes=5, devices=3)
    assert msgspec.json.decode(msgspec.json.encode(terms), type=Terms) == terms


# -- what would break later is refused now -----------------------------------------------------------------------


@pytest.mark.parametrize("code", ["482915730164", "4829-1573-0164", "abcdef123456", "01AB23CD45EF"])
def test_a_code_of_twelve_digits_is_a_code(code: str) -> None:
    node = Node()
    node.provision.terms(day_terms("printed.1", FIRST_LOGIN_DAY))
    found = node.provision.voucher(code, "printed.1", T0)
    assert isinstance(node.access.authorize(access_request(code)), HandOver)
    for device in (MacAddress("02aabbccddee"), None):  # some routers send no Calling-Station-Id
        typed = parse_username(code.replace("-", ""), device)
        assert node.names.resolve(node.names.alias(typed), node.deadline) == found
    assert node.log_in(access_request(code, "", mac=None)).subscriber == found


@pytest.mark.parametrize("code", ["0712345678", "254712345678", "AA:BB:CC:DD:EE:FF", "", " - "])
def test_a_code_that_would_be_read_as_something_else_is_refused(code: str) -> None:
    node = Node()
    node.provision.terms(day_terms("printed.1", FIRST_LOGIN_DAY))
    with pytest.raises(Malformed, match="code"):
        node.provision.voucher(code, "printed.1", T0)


def test_two_routers_cannot_have_one_address() -> None:
    node = Node()
    with pytest.raises(Malformed, match=f"10.8.0.2/32 is {NAS}'s"):
        node.provision.router(Router(NasId("typo"), "kilimani", Family.UNIFI, ("10.8.0.2",)), SECRET)
    node.provision.router(Router(NasId("wide"), "kilimani", Family.UNIFI, ("10.8.0.0/24",)), SECRET)


def test_a_broken_record_of_another_router_keeps_nobody_from_being_registered() -> None:
    node = Node()
    broken = Router(NasId("broken"), "kilimani", Family.UNIFI, ("10.8.0.300", "10.8.0.9"), version=1)
    node.store.put_router(broken, node.deadline)
    node.provision.router(Router(NasId("new"), "kilimani", Family.UNIFI, ("10.8.0.10",)), SECRET)
    node.directory.refresh(T0, node.deadline)
    assert node.directory.nas(NasId("new")) is not None
    assert list(node.directory.broken) == ["broken"]
    for taken, owner in (("10.8.0.2", NAS), ("10.8.0.9", "broken")):
        with pytest.raises(Malformed, match=f"{taken}/32 is {owner}'s"):
            node.provision.router(Router(NasId("typo"), "kilimani", Family.UNIFI, (taken,)), SECRET)


@pytest.mark.parametrize(
    ("router", "field"),
    [
        (Router(NasId(""), "kilimani", Family.UNIFI, ()), "id"),
        (Router(NasId("a b"), "kilimani", Family.UNIFI, ()), "id"),
        (Router(NasId("x"), "nowhere", Family.UNIFI, ()), "site"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, ("0.0.0.0/0",)), "addresses"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, (), coa_port=99_999), "coa_port"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, (), coa_address="foo bar"), "coa_address"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, (), nas_ip_address="0.0.0.0"), "nas_ip_address"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, (), login_hosts=("http://10.5.50.1/",)), "login_hosts"),
        (Router(NasId("x"), "kilimani", Family.UNIFI, (), overrides={"foo": True}), "foo"),
        (Router(NasId("x"), "kilimani", Family.MIKROTIK, (), overrides={"coa_byte_cap": True}), "coa_byte_cap"),
    ],
)
def test_a_router_that_would_be_silent_is_refused(router: Router, field: str) -> None:
    with pytest.raises(Malformed, match=field):
        Node().provision.router(router, SECRET)


@pytest.mark.parametrize(
    ("bound", "field"),
    [
        ((MacAddress("AA:BB:CC:DD:EE:FF"), "", ""), "caller"),
        ((None, "not-an-ip", ""), "fixed_ip"),
        ((None, "", "po\0ol"), "pool"),
    ],
)
def test_a_line_that_could_never_be_answered_is_refused(bound: tuple[MacAddress | None, str, str], field: str) -> None:
    node = Node()
    line = node.provision.customer(["home-7"], "karibu-7", T0)
    with pytest.raises(Malformed, match=field):
        node.provision.bind_caller(line, *bound)


def test_a_customer_without_a_password_and_a_device_that_is_none_are_refused() -> None:
    for secret in ("", "a\0b", "x" * 129):
        with pytest.raises(Malformed, match="secret"):
            Node().provision.customer(["0712345678"], secret, T0)
    with pytest.raises(Malformed, match="names"):
        Node().provision.customer([], "karibu-7", T0)
    with pytest.raises(Malformed, match="mac"):
        Node().provision.device("0712345678", T0)


@pytest.mark.parametrize("name", ["195578371463", "deadbeef0123", "1234-5678-9012"])
def test_an_account_of_twelve_hex_digits_is_a_name(name: str) -> None:
    node = Node()
    found = node.provision.customer([name], "karibu-7", T0)
    for device in (MacAddress("02aabbccddee"), None):
        typed = parse_username(name, device)
        assert node.names.resolve(node.names.alias(typed), node.deadline) == found


@pytest.mark.parametrize(
    ("code", "redeem_by", "field"), [("Q", 0, "length"), ("1234", 0, "length"), ("ABCD-2345", 5, "redeem_by")]
)
def test_a_code_that_could_be_guessed_or_is_past_is_not_made(code: str, redeem_by: int, field: str) -> None:
    node = Node()
    node.provision.terms(day_terms("printed.1", FIRST_LOGIN_DAY))
    with pytest.raises(Malformed, match=field):
        node.provision.voucher(code, "printed.1", T0, redeem_by=redeem_by)


# -- what a prompt does not check --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "field"),
    [
        (lambda desk: desk.site(Site("kilimani", language="fr")), "language"),
        (lambda desk: desk.site(Site("kilimani", zone=3)), "zone"),
        (lambda desk: desk.router(Router(NasId("new"), "kilimani", "tplink", ("10.8.0.7",)), SECRET), "family"),
        (lambda desk: desk.router(Router(NasId("new"), "kilimani", Family.UNIFI, "10.8.0.7"), SECRET), "addresses"),
        (
            lambda desk: desk.router(
                Router(NasId("new"), "kilimani", Family.UNIFI, ("10.8.0.7",), coa_port="1"), SECRET
            ),
            "coa_port",
        ),
        (lambda desk: desk.terms(day_terms("odd.1", quota_bytes=1.5)), "quota_bytes"),
        (lambda desk: desk.terms(day_terms("odd.1", sites=(object(),))), "terms"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(write: Callable[[Provision], object], field: str) -> None:
    node = Node()
    with pytest.raises(Malformed) as bad:
        write(node.provision)
    assert bad.value.field == field
    broken: dict[str, str] = {}
    assert len(node.store.routers(node.deadline, broken)) == 1
    assert node.store.sites(node.deadline, broken)
    assert (broken, node.store.terms("odd.1", node.deadline)) == ({}, None)


@pytest.mark.parametrize("right_id", ["", "x" * 65, "a b"])
def test_a_right_has_a_name(right_id: str) -> None:
    node = Node()
    found = node.customer()
    with pytest.raises(Malformed, match="right"):
        node.provision.grant(found, "day.3", T0, right_id)
