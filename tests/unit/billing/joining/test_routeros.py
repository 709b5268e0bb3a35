import msgspec
import pytest

from billing.joining.plan import Plan, Ports, Tunnel
from billing.joining.routeros import line, quote, script, undo
from billing.joining.texts import PAGES
from radius.domain.errors import Malformed
from tests.fakes.routeros import FakeRouterOs, RouterError
from tests.fakes.routeros_words import Reader, Text

KEY = "h" * 42 + "A="
PLAN = Plan(
    "kilimani-01",
    "https://portal.example.net/join",
    "https://portal.example.net",
    "10.99.0.1",
    "a-secret-of-16-or-more",
    "t" * 32,
    Ports(("ether2", "ether3"), ("ether4",), "ether1"),
    Tunnel("10.99.0.2/16", "10.99.0.1", KEY, "hub.example.net"),
    garden=("*.example.org", "shop.example.com"),
)


class Portal:
    """What a router asks, and gets."""

    def __init__(self, plan: Plan = PLAN, version: int = 7) -> None:
        self.asked: list[tuple[str, str]] = []
        self.plan = plan
        self.version = version

    def __call__(self, url: str, body: str) -> str:
        token, _, said = body.partition(" ")
        assert token == PLAN.token
        self.asked.append((url.removeprefix(PLAN.url), said))
        return script(self.plan, self.version) if url.endswith("/script") else f"<p>{said}"


def router(portal: Portal | None = None, version: int = 7) -> FakeRouterOs:
    """As it comes from the factory: ether2 to ether4 in one bridge."""
    made = FakeRouterOs(portal or Portal(version=version))
    made.paste('/interface bridge add name="bridge" comment="defconf"')
    for port in ("ether2", "ether3", "ether4"):
        made.paste(f'/interface bridge port add interface={port} bridge="bridge"')
    made.paste('/ip firewall filter add chain=input action=drop comment="defconf: drop all not from LAN"')
    made.paste('/ip firewall filter add chain=forward action=fasttrack-connection comment="defconf: fasttrack"')
    if version == 6:
        made.singles["/system resource"]["version"] = "6.49.18 (long-term)"
        made.unknown = {"require-message-auth", "servers"}
        del made.singles["/system device-mode"]
        made.singles["/system device-mode"] = {"fetch": True}
        del made.lists["/interface wireguard"]
    return made


def joined(plan: Plan = PLAN) -> FakeRouterOs:
    made = router(Portal(plan))
    made.paste(line(plan))
    return made


def test_one_pasted_line_makes_a_factory_reset_router_ours() -> None:
    portal = Portal()
    made = router(portal)
    made.paste(line(PLAN))
    assert made.all("/radius") == [
        {
            "disabled": False,
            "comment": "wifibilling",
            "service": "hotspot,ppp",
            "address": "10.99.0.1",
            "secret": PLAN.secret,
            "timeout": "3s",
            "authentication-port": "1812",
            "accounting-port": "1813",
            "src-address": "10.99.0.2",
            "require-message-auth": "yes-for-request-resp",
        }
    ]
    assert made.singles["/radius incoming"] == {"accept": True, "port": "3799"}
    assert made.singles["/system ntp client"]["servers"] == "pool.ntp.org"
    (tunnel,) = made.all("/interface wireguard peers")
    assert (tunnel["public-key"], tunnel["endpoint-address"]) == (KEY, "hub.example.net")
    assert (tunnel["allowed-address"], tunnel["persistent-keepalive"]) == ("10.99.0.1/32", "25s")
    assert [each["address"] for each in made.all("/ip address")] == ["10.99.0.2/16", "10.5.50.1/24"]
    (profile,) = made.all("/ip hotspot profile")
    assert (profile["use-radius"], profile["radius-interim-update"]) == (True, "received")
    assert (profile["login-by"], profile["html-directory"]) == (["mac", "http-chap"], "wifibilling")
    ours = [each["interface"] for each in made.all("/interface bridge port") if each["bridge"] == "wifibilling-hotspot"]
    assert ours == ["ether2", "ether3"]
    assert [each["dst-host"] for each in made.all("/ip hotspot walled-garden")] == [
        "portal.example.net",
        "*.example.org",
        "shop.example.com",
    ]
    assert [each["dst-host"] for each in made.all("/ip hotspot walled-garden ip")] == [
        "portal.example.net",
        "shop.example.com",
    ]
    assert portal.asked == [
        ("/script", ""),
        ("/key", "K" * 42 + "A="),
        *(("/page", page) for page in PAGES),
        ("/done", "7.15.3 (stable)"),
    ]
    assert made.said[-2] == "  wifibilling routers test kilimani-01"


def test_the_script_with_the_secret_does_not_stay_on_the_router() -> None:
    made = joined()
    assert "wifibilling.rsc" not in [each["name"] for each in made.all("/file")]
    assert PLAN.secret not in str(made.all("/system script"))


def test_a_disconnect_comes_in_before_the_rule_that_drops_all() -> None:
    rules = [each["comment"] for each in joined().all("/ip firewall filter") if each["chain"] == "input"]
    assert rules == ["wifibilling", "defconf: drop all not from LAN"]


def test_customers_are_not_fasttracked_past_their_speed() -> None:
    rules = [each["comment"] for each in joined().all("/ip firewall filter") if each["chain"] == "forward"]
    assert rules == ["wifibilling dst-address", "wifibilling src-address", "defconf: fasttrack"]


def test_a_second_run_changes_nothing() -> None:
    made = joined()
    once = made.state()
    made.paste(line(PLAN))
    assert made.state() == once


def test_a_second_run_brings_new_values() -> None:
    made = joined()
    moved = msgspec.structs.replace(
        PLAN,
        server="10.99.0.9",
        secret="another-secret-of-16",
        tunnel=Tunnel("10.99.0.7/16", "10.99.0.9", KEY, "hub2.example.net"),
        hotspot_network="10.7.0.0/23",
    )
    made.server = Portal(moved)
    made.paste(line(moved))
    (radius,) = made.all("/radius")
    assert (radius["address"], radius["secret"], radius["src-address"]) == (
        "10.99.0.9",
        "another-secret-of-16",
        "10.99.0.7",
    )
    assert [each["address"] for each in made.all("/ip address")] == ["10.99.0.7/16", "10.7.0.1/23"]
    assert len(made.all("/interface wireguard peers")) == 1
    assert {
        each["src-address"]
        for each in made.all("/ip firewall filter")
        if each["chain"] == "input" and "src-address" in each
    } == {"10.99.0.9"}


def test_undo_takes_everything_back() -> None:
    made = router()
    before = made.state()
    made.paste(line(PLAN))
    assert made.state() != before
    made.paste("/system script run wifibilling-undo")
    lists, singles = made.state()
    for members in (lists, before[0]):
        members["/interface bridge port"].sort(key=lambda each: each["interface"])
    singles["/system ntp client"]["servers"] = ""  # told, and not asked any more
    before[1]["/certificate settings"] = singles["/certificate settings"]  # trust in authorities stays
    assert (lists, singles) == before


def test_undo_after_a_second_run_knows_what_was_before_the_first() -> None:
    made = joined()
    made.paste(line(PLAN))
    made.paste("/system script run wifibilling-undo")
    assert made.singles["/radius incoming"] == {"accept": False, "port": "3799"}
    assert {each["bridge"] for each in made.all("/interface bridge port")} == {"bridge"}


def test_a_backup_comes_first() -> None:
    made = router()
    made.lists["/interface bridge"][0]["name"] = made.lists["/interface bridge port"][0]["bridge"] = 'a"b'
    with pytest.raises(RouterError):
        made.paste(script(PLAN))  # a bridge whose name undo could not spell
    assert [each["name"] for each in made.all("/file")] == ["wifibilling-before.rsc", "wifibilling-before.backup"]
    assert made.all("/radius") == []


def test_on_a_router_with_flash_everything_survives_a_reboot() -> None:
    made = router()
    made.paste('/file add name="flash" type=directory')
    made.paste(line(PLAN))
    assert made.all("/ip hotspot profile")[0]["html-directory"] == "flash/wifibilling"
    assert {"flash/wifibilling/login.html", "flash/wifibilling-before.backup"} <= {e["name"] for e in made.all("/file")}


def test_phones_learn_where_to_ask_what_they_have_left_once_the_hotspot_has_a_certificate() -> None:
    """RFC 8910: option 114 of DHCP, an https:// address; without a certificate phones would only show an error."""
    made = joined()
    assert made.all("/ip dhcp-server option") == []
    made.paste('/ip hotspot profile set [find where name="wifibilling"] ssl-certificate="hotspot-2027"')
    for _ in range(2):
        made.paste(line(PLAN))
    (option,) = made.all("/ip dhcp-server option")
    assert (option["code"], option["value"]) == ("114", f"'https://{PLAN.dns_name}/api.json'")
    (network,) = made.all("/ip dhcp-server network")
    assert network["dhcp-option"] == "wifibilling-captive"
    (profile,) = [each for each in made.all("/ip hotspot profile") if each["name"] == "wifibilling"]
    assert "https" in profile["login-by"]
    assert "api.json" in PAGES
    made.paste("/system script run wifibilling-undo")
    assert made.all("/ip dhcp-server option") == []


def test_a_router_that_has_a_hotspot_keeps_it_and_gets_our_log_in() -> None:
    plan = msgspec.structs.replace(PLAN, keep=True, ports=Ports(uplink="ether1"))
    made = router(Portal(plan))
    made.paste('/ip hotspot profile add name="lodge" login-by=cookie,http-pap html-directory="old pages"')
    made.paste('/ip pool add name="lodge" ranges=10.1.0.2-10.1.0.9')
    made.paste('/ip hotspot add name="lodge" interface=ether2 address-pool="lodge" profile="lodge"')
    before = made.state()
    made.paste(line(plan))
    assert [each["name"] for each in made.all("/ip hotspot")] == ["lodge"]
    (profile,) = made.all("/ip hotspot profile")
    assert (profile["use-radius"], profile["login-by"]) == (True, ["mac", "http-chap"])
    assert profile["html-directory"] == "wifibilling"
    made.paste("/system script run wifibilling-undo")
    assert made.all("/ip hotspot profile") == before[0]["/ip hotspot profile"]


def test_a_router_in_home_mode_is_told_to_pull_its_plug_and_nothing_is_changed() -> None:
    made = router()
    made.singles["/system device-mode"]["hotspot"] = False
    before = made.state()
    with pytest.raises(RouterError, match="nothing was changed"):
        made.paste(script(PLAN))
    assert made.state() == before
    assert "  /system device-mode update hotspot=yes" in made.said
    assert any("pull the power plug" in each for each in made.said)


def test_ports_are_asked_for_where_nobody_named_them() -> None:
    made = router(Portal(msgspec.structs.replace(PLAN, ports=Ports())))
    made.answers = ["ether3", "", "ether1"]
    made.paste(line(PLAN))
    assert made.all("/radius")[0]["service"] == "hotspot"
    assert made.all("/interface pppoe-server server") == []
    assert [e["interface"] for e in made.all("/interface bridge port") if e["bridge"] != "bridge"] == ["ether3"]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (["ether9", "", "ether1"], "there is no port ether9"),
        (["ether2", "", ""], "say which port is the uplink"),
        (["ether1,ether2", "", "ether1"], "ether1 is the uplink"),
        (["", "", "ether1"], "neither a hotspot nor a PPPoE port"),
    ],
)
def test_an_answer_that_cannot_be_changes_nothing(answers: list[str], why: str) -> None:
    plan = msgspec.structs.replace(PLAN, ports=Ports())
    made = router(Portal(plan))
    made.answers = answers
    before = made.state()
    with pytest.raises(RouterError, match=why):
        made.paste(script(plan))
    assert made.state() == before


def test_a_line_whose_script_stops_says_where() -> None:
    made = router(Portal(msgspec.structs.replace(PLAN, ports=Ports(("ether9",), (), "ether1"))))
    made.paste(line(PLAN))
    assert made.said[-1].startswith("wifibilling: stopped while checking the router. A line works once")
    assert made.said[-1].endswith("this one says 2026-11-25")
    assert "wifibilling.rsc" not in [each["name"] for each in made.all("/file")]


def test_a_server_that_cannot_be_reached_is_said_with_the_clock_that_may_be_why() -> None:
    def away(_url: str, _body: str) -> str:
        raise RouterError("SSL: certificate not yet valid")

    made = FakeRouterOs(away)
    made.paste(line(PLAN))
    assert made.said[-1].startswith("wifibilling: stopped while fetching the script.")


def test_routeros_6_joins_without_a_tunnel() -> None:
    plan = msgspec.structs.replace(PLAN, tunnel=None, server="203.0.113.5")
    portal = Portal(plan, 6)
    made = router(portal, 6)
    made.paste(line(plan, 6))
    (radius,) = made.all("/radius")
    assert (radius["address"], radius["timeout"]) == ("203.0.113.5", "3s")
    assert radius["src-address"] == "0.0.0.0"
    assert made.singles["/system ntp client"]["server-dns-names"] == "pool.ntp.org"
    assert any("signs no log-ins" in each for each in made.said)
    assert "wireguard" not in script(plan, 6)
    assert ("/key", "K" * 42 + "A=") not in portal.asked
    made.paste("/system script run wifibilling-undo")
    assert made.all("/radius") == []


@pytest.mark.parametrize(("version", "other"), [(7, 6), (6, 7)])
def test_a_script_for_another_version_stops_at_once(version: int, other: int) -> None:
    plan = msgspec.structs.replace(PLAN, tunnel=None)
    made = router(version=version)
    before = made.state()
    with pytest.raises(RouterError, match=f"this script is for RouterOS {other}"):
        made.paste(script(plan, other))
    assert made.state() == before


HOSTILE = [
    'a"; /user add name=x group=full password=x; :put "',
    "a$(/system reset-configuration)",
    "a\\",
    "a]; /system reset-configuration",
    "}\n/system reset-configuration\n{",
    "naïve ☃ ?",
    "\x00\x1b\x7f",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_quoted_text_means_itself_and_nothing_more(text: str) -> None:
    assert Reader(f":put {quote(text)}").read().statements[0].words == [Text(text)]
    assert set(quote(text)[1:-1]) <= set(map(chr, range(32, 127))) - {'"', "$", "?"}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("field", ["router", "url", "portal", "server", "secret", "token", "dns_name", "ntp"])
def test_no_value_of_a_plan_can_be_more_than_a_value(field: str, text: str) -> None:
    with pytest.raises(Malformed) as refused:
        script(msgspec.structs.replace(PLAN, **{field: text}))
    assert refused.value.field == field


def test_a_secret_of_any_printable_characters_arrives_as_it_is() -> None:
    secret = "".join(map(chr, range(33, 127)))[:64]
    made = joined(msgspec.structs.replace(PLAN, secret=secret))
    assert made.all("/radius")[0]["secret"] == secret


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_of_a_port_can_be_more_than_a_name(text: str) -> None:
    for ports in (Ports((text,), (), "ether1"), Ports((), (text,), "ether1"), Ports(("ether2",), (), text)):
        with pytest.raises(Malformed, match="is no name of a port"):
            script(msgspec.structs.replace(PLAN, ports=ports))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ports": Ports(("ether2",), ("ether2",), "ether1")}, "ports"),
        ({"ports": Ports(("ether2",))}, "uplink"),
        ({"ports": Ports(uplink="ether1")}, "ports"),
        ({"ports": Ports(tuple(f"e{n}" for n in range(65)), (), "ether1")}, "ports"),
        ({"url": "http://portal.example.net/join"}, "url"),
        ({"url": "https://portal.example.net/join?x=1"}, "url"),
        ({"hotspot_network": "10.5.50.1/24"}, "hotspot_network"),
        ({"hotspot_network": "10.0.0.0/8"}, "hotspot_network"),
        ({"pppoe_network": "x"}, "pppoe_network"),
        ({"garden": ("a b",)}, "garden"),
        ({"garden": tuple(f"h{n}.example.net" for n in range(65))}, "garden"),
        ({"coa_port": 0}, "coa_port"),
        ({"tunnel": Tunnel("10.99.0.2/99", "10.99.0.1", KEY, "hub.example.net")}, "tunnel"),
        ({"tunnel": Tunnel("10.99.0.2/16", "0.0.0.0", KEY, "hub.example.net")}, "hub"),
        ({"tunnel": Tunnel("10.99.0.2/16", "10.99.0.1", KEY[:-1], "hub.example.net")}, "hub_key"),
        ({"tunnel": Tunnel("10.99.0.2/16", "10.99.0.1", KEY, "hub example")}, "endpoint"),
    ],
)
def test_a_plan_that_cannot_be_names_the_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        line(msgspec.structs.replace(PLAN, **change))
    assert refused.value.field == field


def test_routeros_6_cannot_ask_so_its_ports_are_named_beforehand() -> None:
    with pytest.raises(Malformed, match="uplink"):
        script(msgspec.structs.replace(PLAN, tunnel=None, ports=Ports()), 6)


@pytest.mark.parametrize("version", [6, 7])
def test_what_takes_it_back_reads_by_itself(version: int) -> None:
    statements = Reader(undo(version)).read().statements
    assert statements
    assert {call.verb for call in statements} == {"remove"}


def test_a_router_with_a_key_asks_who_has_paid_and_undo_ends_that() -> None:
    plan = msgspec.structs.replace(PLAN, key="k" * 32)
    assert not joined().all("/system scheduler")
    made = router(Portal(plan))
    before = len(made.all("/system script"))
    made.paste(line(plan))
    (schedule,) = made.all("/system scheduler")
    assert (schedule["interval"], schedule["on-event"]) == ("15s", "wifibilling-waiting")
    source = next(each["source"] for each in made.all("/system script") if each["name"] == "wifibilling-waiting")
    assert (
        f'url="https://portal.example.net/w/kilimani-01/waiting/{"k" * 32}" check-certificate=yes-without-crl' in source
    )
    assert "CHECK" not in source
    assert "invalid" not in source
    once = made.state()
    made.paste(line(plan))
    assert made.state() == once
    made.paste("/system script run wifibilling-undo")
    assert (made.all("/system scheduler"), len(made.all("/system script"))) == ([], before)
