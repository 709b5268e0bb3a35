"""The configuration against real FreeRADIUS, with hooks that answer whatever the user name asks for."""

from __future__ import annotations

import fcntl
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from freeradius_config.lay import CERTIFICATES, lay, make_certificates
from freeradius_config.layout import LayError, PortPair, parse_arguments
from freeradius_config.render import TEXT_ATTRIBUTES
from tests.integration.freeradius_lab import REPO, StubLab, bare_access_request, exchange, missing_programs

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {missing_programs()}"),
]
ACCEPT, REJECT = "Access-Accept", "Access-Reject"
START = {"Acct-Status-Type": "Start", "Acct-Session-Id": "s-1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubLab]:
    with StubLab(tmp_path_factory.mktemp("freeradius")) as lab:
        yield lab


@pytest.fixture
def lab(server: StubLab) -> StubLab:
    server.forget_calls()
    for path in server.layout.spool_dir.iterdir():
        path.unlink()
    return server


def pap(name: str, password: str = "secret", **more: str) -> dict[str, str]:
    return {"User-Name": name, "User-Password": password} | {
        key.replace("_", "-"): value for key, value in more.items()
    }


def peap(name: str, password: str = "secret") -> dict[str, str]:
    return {
        "eap": "PEAP",
        "identity": f'"{name}"',
        "anonymous_identity": '"anonymous"',
        "password": f'"{password}"',
        "phase2": '"auth=MSCHAPV2"',
    }


def ttls(name: str, inner: str, password: str = "secret") -> dict[str, str]:
    return {**peap(name, password), "eap": "TTLS", "phase2": f'"auth={inner}"'}


METHODS: dict[str, Callable[[str], dict[str, str]]] = {
    "pap": lambda password: pap("good", password),
    "chap": lambda password: {"User-Name": "good", "CHAP-Password": password},
    "mschapv1": lambda password: {"User-Name": "good", "MS-CHAP-Password": password},
    "hook": lambda password: pap("hashed", password),
}


@pytest.mark.parametrize("method", METHODS)
def test_right_secret_is_accepted_with_the_limits_of_post_auth(lab: StubLab, method: str) -> None:
    reply = lab.radclient(METHODS[method]("secret"))
    assert reply.code == ACCEPT, reply.output
    assert reply.get("Session-Timeout") == "3600"
    assert reply.get("Class") == "0x746f6b656e"
    assert reply.get("ChilliSpot-Max-Total-Gigawords") == "3"
    assert reply.attributes[0][0] == "Message-Authenticator"
    assert [hook for hook, _ in lab.calls() if hook in {"authorize", "post_auth"}] == ["authorize", "post_auth"]
    assert lab.calls("post_auth")[0][1]["Tmp-String-1"].startswith("token-of-")


@pytest.mark.parametrize("method", METHODS)
def test_wrong_secret_is_rejected_in_one_wording_and_told_to_the_hook_once(lab: StubLab, method: str) -> None:
    reply = lab.radclient(METHODS[method]("wrong"))
    assert reply.code == REJECT
    assert reply.get("Reply-Message") == "wrong name or secret"
    assert reply.get("Session-Timeout") is None
    assert reply.attributes[0][0] == "Message-Authenticator"
    told = lab.calls("post_auth")
    assert [request["Tmp-String-4"] for _, request in told] == ["rejected"]
    assert told[0][1]["Tmp-String-1"].startswith("token-of-")


def test_the_hook_knows_who_asks_and_where(lab: StubLab) -> None:
    lab.radclient(pap("good"))
    lab.radclient(pap("good"), pair="B")
    lab.radclient(pap("good"), host="::1")
    lab.radclient({**START, "User-Name": "good"}, "acct", pair="B")
    seen = [(r["Tmp-String-0"], r["Tmp-String-2"], r["Tmp-String-3"]) for _, r in lab.calls("authorize")]
    assert seen == [("router-one", "A", "outer"), ("router-one", "B", "outer"), ("router-six", "A", "outer")]
    first, _, third = (request for _, request in lab.calls("authorize"))
    assert (first["Packet-Src-IP-Address"], "Packet-Src-IPv6-Address" in first) == ("127.0.0.1", False)
    assert (third["Packet-Src-IPv6-Address"], "Packet-Src-IP-Address" in third) == ("::1", False)
    accounted = lab.calls("accounting")[0][1]
    assert (accounted["Tmp-String-0"], accounted["Tmp-String-2"]) == ("router-one", "B")
    assert accounted["Packet-Src-IP-Address"] == "127.0.0.1"


def test_each_pair_answers_only_its_own_secret(lab: StubLab) -> None:
    assert lab.radclient(pap("good"), pair="B").code == ACCEPT
    assert lab.radclient(pap("good"), pair="B", secret="secret-a", timeout_s=0.5).code is None
    assert lab.radclient(pap("good"), pair="A", secret="secret-b", timeout_s=0.5).code is None
    assert (
        lab.radclient({**START, "User-Name": "good"}, "acct", pair="A", secret="secret-b", timeout_s=0.5).code is None
    )


@pytest.mark.parametrize("answer", ["noop", "notfound", "handled", "ok", "updated", "userlock", "reject", "accept"])
def test_authorize_that_says_nothing_useful_is_a_reject(lab: StubLab, answer: str) -> None:
    name = f"authorize-{answer}"
    reply = lab.radclient(pap(name))
    # ok and updated without a known secret leave the stub's name unknown to pap, chap and mschap alike
    assert reply.code == REJECT, reply.output
    assert reply.get("Session-Timeout") is None
    assert reply.get("Reply-Message") == ("refused by the stub" if answer == "reject" else reply.get("Reply-Message"))
    told = [request.get("Tmp-String-4") for _, request in lab.calls("post_auth")]
    assert told == (["rejected"] if answer in {"ok", "updated"} else [])


@pytest.mark.parametrize("answer", ["fail", "invalid", "raise", "silent", "silent-ok"])
def test_authorize_that_fails_or_asks_for_silence_is_not_answered(lab: StubLab, answer: str) -> None:
    assert lab.radclient(pap(f"authorize-{answer}"), timeout_s=0.7).code is None
    assert lab.calls("post_auth") == []


@pytest.mark.parametrize("answer", ["noop", "notfound", "handled", "userlock", "reject"])
def test_authenticate_that_does_not_say_ok_is_a_reject(lab: StubLab, answer: str) -> None:
    assert lab.radclient(pap(f"authenticate-{answer}")).code == REJECT
    assert [request["Tmp-String-4"] for _, request in lab.calls("post_auth")] == ["rejected"]


@pytest.mark.parametrize("answer", ["fail", "invalid", "raise", "silent"])
def test_authenticate_that_fails_or_asks_for_silence_is_not_answered(lab: StubLab, answer: str) -> None:
    assert lab.radclient(pap(f"authenticate-{answer}"), timeout_s=0.7).code is None
    assert lab.calls("post_auth") == []


@pytest.mark.parametrize("answer", ["noop", "notfound", "handled", "userlock", "reject"])
def test_post_auth_that_does_not_say_ok_is_a_reject_without_limits(lab: StubLab, answer: str) -> None:
    reply = lab.radclient(pap(f"post-{answer}"))
    assert reply.code == REJECT
    assert (reply.get("Session-Timeout"), reply.get("Class")) == (None, None)
    assert reply.get("Reply-Message") == ("refused by the stub" if answer == "reject" else None)
    assert [request.get("Tmp-String-4") for _, request in lab.calls("post_auth")] == [None]


@pytest.mark.parametrize("answer", ["fail", "invalid", "raise", "silent", "silent-ok"])
def test_post_auth_that_fails_or_asks_for_silence_is_not_answered(lab: StubLab, answer: str) -> None:
    assert lab.radclient(pap(f"post-{answer}"), timeout_s=0.7).code is None
    assert len(lab.calls("post_auth")) == 1


def test_no_secret_at_all_is_a_reject(lab: StubLab) -> None:
    assert lab.radclient({"User-Name": "good"}).code == REJECT
    assert lab.radclient({"User-Name": "good", "User-Password": ""}).code == REJECT


def test_instances_take_turns(lab: StubLab) -> None:
    # the stub cannot see its instance; the policy that walks the pool can be read
    policy = (lab.layout.raddb_dir / "policy.d/wifibilling_pool").read_text()
    assert [f"wb_{number}\n" in policy for number in range(5)] == [True] * 4 + [False]
    assert all(lab.radclient(pap("good")).code == ACCEPT for _ in range(9))


# --- Message-Authenticator -----------------------------------------------------------------------------------------


def test_missing_message_authenticator_reaches_the_hook_with_the_routers_name_and_gets_silence(lab: StubLab) -> None:
    packet = bare_access_request("good", "secret", "secret-a")
    assert exchange(packet, lab.port("A", "auth"), timeout_s=0.7) is None
    ((_, request),) = lab.calls("authorize")
    assert request["Tmp-String-0"] == "router-one"
    assert "Message-Authenticator" not in request


def test_a_message_authenticator_is_verified_when_present(lab: StubLab) -> None:
    right = bare_access_request("good", "secret", "secret-a", message_authenticator=b"")
    answer = exchange(right, lab.port("A", "auth"))
    assert answer is not None
    assert (answer[0], answer[20]) == (2, 80)  # Access-Accept, Message-Authenticator first
    lab.forget_calls()
    forged = bare_access_request("good", "secret", "secret-a", message_authenticator=b"0123456789abcdef")
    assert exchange(forged, lab.port("A", "auth"), timeout_s=0.7) is None
    assert lab.calls("authorize") == []


def test_the_server_can_be_told_to_require_it_itself(tmp_path: Path) -> None:
    with StubLab(tmp_path, message_authenticator_policy="server", pool_size=1) as lab:
        packet = bare_access_request("good", "secret", "secret-a")
        assert exchange(packet, lab.port("A", "auth"), timeout_s=0.7) is None
        assert lab.calls("authorize") == []
        assert lab.radclient(pap("good")).code == ACCEPT


# --- EAP -----------------------------------------------------------------------------------------------------------

TUNNELS: dict[str, Callable[..., dict[str, str]]] = {
    "peap-mschapv2": peap,
    "ttls-pap": lambda name, password="secret": ttls(name, "PAP", password),
    "ttls-mschapv2": lambda name, password="secret": ttls(name, "MSCHAPV2", password),
    "ttls-chap": lambda name, password="secret": ttls(name, "CHAP", password),
}
SESSION_TIMEOUT, REPLY_MESSAGE = 27, 18


@pytest.mark.parametrize("method", TUNNELS)
def test_tunnel_login_decides_once_inside_and_hands_the_limits_out(lab: StubLab, method: str) -> None:
    result = lab.eapol(TUNNELS[method]("good"))
    assert result.success, result.output
    assert (result.radius_code, result.eap_code) == (2, 3)
    assert result.has_attribute(SESSION_TIMEOUT)
    calls = [(hook, request) for hook, request in lab.calls() if hook != "client_lookup"]
    assert [hook for hook, _ in calls] == ["authorize", "post_auth"]
    for _, request in calls:
        assert (request["Tmp-String-3"], request["Tmp-String-0"], request["Tmp-String-2"]) == (
            "inner",
            "router-one",
            "A",
        )
        assert request["User-Name"] == "good"
        assert request["Calling-Station-Id"] == "02-00-00-00-00-01"
        assert request["Called-Station-Id"] == "AA-BB-CC-DD-EE-FF:hotel"
        assert request["NAS-Identifier"] == "eap-router"
        assert request["Packet-Src-IP-Address"] == "127.0.0.1"
    assert calls[1][1]["Tmp-String-1"] == "token-of-good"


def test_eap_md5_reserves_in_the_outer_post_auth(lab: StubLab) -> None:
    result = lab.eapol({"eap": "MD5", "identity": '"good"', "password": '"secret"'})
    assert (result.success, result.radius_code, result.eap_code) == (True, 2, 3), result.output
    assert result.has_attribute(SESSION_TIMEOUT)
    calls = [(hook, request["Tmp-String-3"]) for hook, request in lab.calls() if hook != "client_lookup"]
    assert calls == [("authorize", "outer"), ("post_auth", "outer")]


def eap_network(method: str, name: str, password: str) -> dict[str, str]:
    if method == "md5":
        return {"eap": "MD5", "identity": f'"{name}"', "password": f'"{password}"'}
    return TUNNELS[method](name, password)


@pytest.mark.parametrize("method", [*TUNNELS, "md5"])
@pytest.mark.parametrize("name", ["good", "post-reject", "post-noop", "authorize-reject", "authorize-noop"])
def test_an_eap_refusal_is_a_clean_failure_without_limits(lab: StubLab, method: str, name: str) -> None:
    result = lab.eapol(eap_network(method, name, "wrong" if name == "good" else "secret"))
    assert (result.success, result.radius_code, result.eap_code) == (False, 3, 4), result.output
    assert not result.has_attribute(SESSION_TIMEOUT)
    assert not result.has_attribute(REPLY_MESSAGE)  # RFC 3579 s2.6.5
    told = [request.get("Tmp-String-4") for _, request in lab.calls("post_auth")]
    assert told == {"good": ["rejected"], "post-reject": [None], "post-noop": [None]}.get(name, [])


@pytest.mark.parametrize("method", ["peap-mschapv2", "ttls-pap", "md5"])
@pytest.mark.parametrize("name", ["authorize-silent", "authorize-raise", "post-silent", "post-raise"])
def test_silence_inside_eap_is_silence_outside(lab: StubLab, method: str, name: str) -> None:
    result = lab.eapol(eap_network(method, name, "secret"), timeout_s=2)
    assert not result.success
    assert result.radius_code == 11, result.output  # the last packet was a challenge


def test_tunnels_without_the_hooks_decision_are_refused(lab: StubLab) -> None:
    result = lab.eapol(ttls("authenticate-ok", "PAP", "anything"))
    assert result.success  # the hook said ok: the control of the next line
    assert not lab.eapol(ttls("authenticate-noop", "PAP", "anything")).success


# --- text that is not UTF-8 ----------------------------------------------------------------------------------------


def test_latin_1_in_names_reaches_the_hook_readable(lab: StubLab) -> None:
    request = pap("caf\\351", Called_Station_Id="AA-BB-CC-DD-EE-FF:Caf\\351 Z\\374rich", NAS_Identifier="h\u00f4tel")
    reply = lab.radclient(request)
    assert reply.code == ACCEPT, reply.output
    for _, seen in (*lab.calls("authorize"), *lab.calls("post_auth")):
        assert seen["User-Name"] == "caf=E9"
        assert seen["Called-Station-Id"] == "AA-BB-CC-DD-EE-FF:Caf=E9 Z=FCrich"
        assert seen["NAS-Identifier"] == "h\u00f4tel"
        assert seen["Tmp-String-5"] == "escaped"
        assert seen["Tmp-String-0"] == "router-one"


def test_ordinary_text_is_left_alone(lab: StubLab) -> None:
    lab.radclient(pap("100%=E9 \u00e9\u4e2d\U0001f600"))
    ((_, seen),) = lab.calls("authorize")
    assert seen["User-Name"] == "100%=E9 \u00e9\u4e2d\U0001f600"
    assert "Tmp-String-5" not in seen


@pytest.mark.parametrize("method", ["mschapv1", "chap"])
def test_latin_1_names_keep_their_wire_bytes_for_the_secret_check(lab: StubLab, method: str) -> None:
    request = {**METHODS[method]("secret"), "User-Name": "caf\\351"}
    assert lab.radclient(request).code == ACCEPT


@pytest.mark.parametrize("ident", ["00", "05", "b5", "ff"])
def test_ms_chap_error_keeps_its_identifier_while_the_hook_is_told(lab: StubLab, ident: str) -> None:
    response = f"0x{ident}00" + "11" * 16 + "00" * 8 + "22" * 24
    request = {"User-Name": "good", "MS-CHAP-Challenge": "0x" + "33" * 16, "MS-CHAP2-Response": response}
    reply = lab.radclient(request)
    assert (reply.code, reply.get("Reply-Message")) == (REJECT, "wrong name or secret")
    assert [call["Tmp-String-4"] for _, call in lab.calls("post_auth")] == ["rejected"]
    error = reply.get("MS-CHAP-Error")
    assert error is not None
    assert "E=691 R=0" in error
    assert error.startswith({"00": "\\000", "05": "\\005", "b5": "\\265", "ff": "\\377"}[ident])


def test_latin_1_password_and_backslashes_keep_their_wire_bytes(lab: StubLab) -> None:
    reply = lab.radclient(pap("caf\\351\\\\n=41", "p\\351ss"))
    assert reply.code == REJECT
    assert lab.calls("authorize")[0][1]["User-Name"] == "caf=E9=5Cn=3D41"
    assert lab.calls("authorize")[0][1]["User-Password"] == "p=E9ss"


@pytest.mark.parametrize("method", ["md5", "ttls-pap", "ttls-mschapv2"])
def test_latin_1_name_in_other_eap_methods(lab: StubLab, method: str) -> None:
    assert lab.eapol(eap_network(method, "caf\u00e9", "secret")).success


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("caf\u00e9", "caf=E9"),
        ("do\\caf\u00e9", "do=5Ccaf=E9"),
        ("100%=41\u00e9 %{md5:x}", "100=25=3D41=E9 =25=7Bmd5:x=7D"),
    ],
)
def test_latin_1_name_in_eap_keeps_its_wire_bytes(lab: StubLab, name: str, seen: str) -> None:
    # the device hashes the name into its MS-CHAPv2 response, so one byte changed on the way is a refusal
    result = lab.eapol(peap(name))
    assert result.success, result.output
    assert lab.calls("authorize")[0][1]["User-Name"] == seen


def test_unreadable_text_in_an_unknown_attribute_is_dropped_and_the_rest_decides(lab: StubLab) -> None:
    reply = lab.radclient(pap("good", Cisco_AVPair="site=Caf\\351", Calling_Station_Id="02-00-00-00-00-02"))
    assert reply.code == ACCEPT, reply.output
    seen = lab.calls("authorize")[0][1]
    assert "Cisco-AVPair" not in seen
    assert (seen["Calling-Station-Id"], seen["Tmp-String-0"]) == ("02-00-00-00-00-02", "router-one")
    assert seen["Packet-Src-IP-Address"] == "127.0.0.1"


@pytest.mark.parametrize("bad", [{"Called-Station-Id": "AA:Caf\\351"}, {"Cisco-AVPair": "Caf\\351"}])
def test_accounting_with_unreadable_text_is_counted_by_the_hook(lab: StubLab, bad: dict[str, str]) -> None:
    packet = {**START, "User-Name": "good", "Acct-Input-Octets": "1234", **bad}
    assert lab.radclient(packet, "acct").code == "Accounting-Response"
    assert lab.calls("accounting")[0][1]["Acct-Input-Octets"] == "1234"
    assert lab.spooled() == ""


def test_the_filters_are_loaded_without_a_warning(lab: StubLab) -> None:
    assert "found in filter list" not in lab.check_configuration().stdout


def test_every_repaired_attribute_survives_the_last_filter() -> None:
    kept = (REPO / "freeradius_config/raddb/mods-config/attr_filter/wifibilling_known").read_text()
    assert [name for name in TEXT_ATTRIBUTES if f"\t{name} =*" not in kept] == []


# --- accounting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Start", "Interim-Update", "Stop", "Accounting-On", "Accounting-Off"])
def test_accounting_that_the_hook_took_is_answered_and_not_spooled(lab: StubLab, kind: str) -> None:
    assert lab.radclient({"Acct-Status-Type": kind, "Acct-Session-Id": "s"}, "acct").code == "Accounting-Response"
    assert [request["Acct-Status-Type"] for _, request in lab.calls("accounting")] == [kind]
    assert lab.spooled() == ""


@pytest.mark.parametrize("answer", ["raise", "fail", "invalid", "noop", "notfound", "reject", "handled", "userlock"])
def test_accounting_that_the_hook_did_not_take_is_spooled_whole_and_answered(lab: StubLab, answer: str) -> None:
    packet = {
        **START,
        "User-Name": f"acct-{answer}",
        "User-Password": "never-on-disk",
        "Event-Timestamp": "1700000000",
        "Class": "0x746f6b656e",
    }
    assert lab.radclient(packet, "acct", pair="B").code == "Accounting-Response"
    spooled = lab.spooled()
    for line in (
        "Acct-Status-Type = Start",
        f'User-Name = "acct-{answer}"',
        "Class = 0x746f6b656e",
        "Event-Timestamp = 1700000000",
        'Tmp-String-0 = "router-one"',
        'Tmp-String-2 = "B"',
        "Packet-Src-IP-Address = 127.0.0.1",
        "Timestamp = ",
    ):
        assert f"\t{line}" in spooled
    assert "never-on-disk" not in spooled
    assert spooled.endswith("\n\n")
    (path,) = lab.layout.spool_dir.iterdir()
    assert re.fullmatch(r"acct-20\d{6}([01]\d|2[0-3])[0-5]\d\.detail", path.name)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_accounting_stays_with_the_router_when_the_hook_says_so(lab: StubLab) -> None:
    assert lab.radclient({**START, "User-Name": "acct-silent"}, "acct", timeout_s=0.7).code is None
    assert lab.spooled() == ""


def test_accounting_that_neither_takes_stays_with_the_router(tmp_path: Path) -> None:
    with StubLab(tmp_path, pool_size=1) as lab:
        lab.layout.spool_dir.rmdir()
        lab.layout.spool_dir.write_text("not a folder")
        assert lab.radclient({**START, "User-Name": "acct-fail"}, "acct", timeout_s=0.7).code is None
        assert lab.radclient({**START, "User-Name": "good"}, "acct").code == "Accounting-Response"


def take(path: Path, turn: int) -> str:
    """As README.md tells a replayer: rename, lock, read, and unlink while the lock is held."""
    work = path.with_name(f"{path.name}.{turn}.work")
    path.rename(work)
    with work.open("r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        text = file.read()
        work.unlink()
    return text


def test_a_replayer_takes_files_under_load_and_no_acknowledged_packet_is_lost_or_cut(lab: StubLab) -> None:
    count = 4000
    packets = lab.root / "packets"
    packets.write_text(
        "\n".join(
            f'User-Name = "acct-fail"\nAcct-Status-Type = Start\nAcct-Session-Id = "id-{n:05}"\n' for n in range(count)
        )
    )
    where, secret = f"127.0.0.1:{lab.port('A', 'acct')}", lab.secrets["A"]
    command = ["radclient", "-q", "-s", "-r", "1", "-t", "5", "-p", "100", "-f", str(packets), where, "acct", secret]
    taken, turns = "", 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sender:
        while sender.poll() is None:
            for path in lab.layout.spool_dir.glob("*.detail"):
                turns += 1
                taken += take(path, turns)
        assert sender.stdout is not None
        answered = re.search(r"Accepted\s*: (\d+)", sender.stdout.read())
    taken += lab.spooled()
    seen = re.findall(r'\tAcct-Session-Id = "(id-\d+)"', taken)
    assert answered is not None
    # radclient with packets in flight sometimes ends before it has sent them all: what counts is what was answered
    assert len(set(seen)) >= int(answered[1]) > 0
    assert taken.count("\tTimestamp = ") == len(seen) == taken.count("\n\n")
    # one file a minute: every take but the last found it being written
    assert 0 < turns < count


# --- clients, status, life-cycle -----------------------------------------------------------------------------------


def test_an_unknown_source_gets_silence_and_is_told_to_the_hook(lab: StubLab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.9", 0))
        udp.settimeout(0.7)
        udp.sendto(bare_access_request("good", "secret", "x"), ("127.0.0.1", lab.port("A", "auth")))
        with pytest.raises(TimeoutError):
            udp.recv(4096)
    asked = [request for hook, request in lab.calls() if hook == "client_lookup"]
    assert asked[0]["Packet-Src-IP-Address"] == "127.0.0.9"
    assert lab.calls("authorize") == []


@pytest.mark.parametrize("pair", ["A", "B"])
def test_status_server_is_answered_on_the_routers_ports(lab: StubLab, pair: str) -> None:
    reply = lab.radclient({"Message-Authenticator": "0x00"}, "status", pair=pair)
    assert reply.code == ACCEPT
    assert lab.calls("authorize") == []


def test_fresh_state_passes_the_check_and_starts_and_stops_cleanly(tmp_path: Path) -> None:
    lab = StubLab(tmp_path, pool_size=3)
    checked = lab.check_configuration()
    assert (checked.returncode, "Configuration appears to be OK" in checked.stdout) == (0, True), checked.stdout[-2000:]
    for _ in range(2):
        lab.start()
        assert lab.radclient(pap("good")).code == ACCEPT
        assert lab.stop() == 0


def test_a_port_in_use_refuses_to_start(tmp_path: Path) -> None:
    lab = StubLab(tmp_path, pool_size=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", lab.port("B", "acct")))
        with pytest.raises(RuntimeError, match="exited with 1"):
            lab.start()
    assert "Address already in use" in lab.log()


def test_only_ours_is_enabled_and_nothing_is_readable_by_the_world(lab: StubLab) -> None:
    raddb = lab.layout.raddb_dir
    assert {path.name.partition("_")[0] for path in (raddb / "sites-enabled").iterdir()} == {"wifibilling"}
    enabled = {path.name for path in (raddb / "mods-enabled").iterdir() if not path.name.startswith("wifibilling_")}
    assert enabled == {"always", "chap", "pap", "utf8"}
    state = lab.layout.state_dir
    open_files = [
        path for path in state.rglob("*") if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o077
    ]
    assert open_files == [lab.layout.ca_file]


def test_laying_again_keeps_certificates_and_spool(tmp_path: Path) -> None:
    lab = StubLab(tmp_path)
    authority = lab.layout.ca_file.read_bytes()
    (lab.layout.spool_dir / "kept").write_text("usage")
    (lab.layout.raddb_dir / "mods-enabled" / "sql").write_text("left over from an old version")
    lay(replace(lab.layout, pool_size=7))
    assert lab.layout.ca_file.read_bytes() == authority
    assert (lab.layout.spool_dir / "kept").read_text() == "usage"
    assert not (lab.layout.raddb_dir / "mods-enabled" / "sql").exists()
    assert "python3 wb_6 {" in (lab.layout.raddb_dir / "mods-available/wifibilling_pool").read_text()
    (tmp_path / "state/certs/server.key").unlink()
    with pytest.raises(LayError, match="holds only"):
        lay(lab.layout)


def test_whoever_is_killed_while_certificates_are_made_makes_them_the_next_time(tmp_path: Path) -> None:
    half = tmp_path / "certs.new"
    half.mkdir()
    (half / "ca.pem").write_text("half a certifi")
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "server.ext").write_text("of an older version")
    make_certificates(tmp_path / "certs")
    assert {path.name for path in tmp_path.rglob("*")} == {"certs", *CERTIFICATES}
    assert (tmp_path / "certs" / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE")


def test_a_failing_openssl_leaves_nothing_that_looks_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "openssl").write_text(f'#!/bin/sh\n[ "$1" != x509 ] || exit 1\nexec {shutil.which("openssl")} "$@"\n')
    (programs / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(LayError, match="x509 failed"):
        make_certificates(tmp_path / "certs")
    assert not (tmp_path / "certs").exists()
    monkeypatch.undo()
    make_certificates(tmp_path / "certs")


def test_the_certificate_is_for_servers_and_verifies(lab: StubLab) -> None:
    certs = lab.layout.ca_file.parent
    checked = subprocess.run(
        ["openssl", "verify", "-purpose", "sslserver", "-CAfile", "ca.pem", "server.pem"],
        cwd=certs, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
    trusting = {**peap("good"), "ca_cert": f'"{lab.layout.ca_file}"'}
    assert lab.eapol(trusting).success


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool_size": 0}, "pool size"),
        ({"status_port": 1812, "pair_a": PortPair("A", 1812, 1813)}, "five different"),
        ({"listen_addresses": ("radius.example",)}, "not an IP address"),
        ({"stock_raddb": Path("/nowhere")}, "install the package"),
        ({"settings_file": Path('/tmp/a"b')}, "would interpret"),
        ({"message_authenticator_policy": "maybe"}, "'hook' or 'server'"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    layout = parse_arguments(["--state", str(tmp_path / "state"), "--settings", str(tmp_path / "settings")])
    with pytest.raises(LayError, match=message):
        lay(replace(layout, **change))  # type: ignore[arg-type]
    assert not (tmp_path / "state").exists()
