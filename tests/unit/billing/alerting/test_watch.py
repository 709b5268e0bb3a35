"""From the processes' own pages and a box's files to what is sent, once, by each road.

Takes some 4 s: three hours of a box, minute by minute.
"""

import http.server
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import msgspec
import pytest

from billing.alarms import of_one_box
from billing.alerting import around, past
from billing.alerting import settings as alert_settings
from billing.alerting.__main__ import beat
from billing.alerting.channels import Channel, open_channels
from billing.alerting.counted import Counted
from billing.alerting.events import Notice
from billing.alerting.watch import NOTE, TRIES_MAX, Watch
from billing.backup.nightly import Noted
from billing.mail.settings import MailSettings
from billing.metrics import catalogue
from billing.settings import Selling
from billing.sms.settings import FileSettings, SmsSettings
from billing.wiring import BillingSettings
from radius.cloudwatch import Deltas
from radius.domain.errors import Malformed
from radius.hub.peers import Heard, Report
from radius.metrics import InProcess
from radius.settings import SettingsError
from tests.fakes.mail_server import MailServer

T0 = 1_800_000_000 // 10_800 * 10_800
NOTICE = Notice("DiskFull", "the disk is full", critical=True)


def process() -> InProcess:
    return InProcess(strict=True, catalogue=catalogue(["day"]))


# --- what was counted ------------------------------------------------------------------------------------------------


def test_a_page_read_minute_by_minute_says_what_cloudwatch_is_told() -> None:
    metrics, counted = process(), Counted(of_one_box(), catalogue())
    deltas = Deltas(metrics)
    for look in range(4):
        metrics.count("AccountingPackets", 3 * look, Kind="interim")
        metrics.count("PaymentFailures", look, ErrorClass="network")
        for value in (0.001, 0.15, 99.0)[:look]:
            metrics.observe("AuthLatency", value)
        metrics.gauge("SpoolOldestAge", 100 * look)
        samples = counted.take("radius", metrics.render(), T0 + 60 * look)
        wanted = {datum.name: datum for datum in deltas.take()}
        if look == 0:  # nothing is known of what was counted before we came
            assert {sample.series.name for sample in samples} <= {"SpoolOldestAge"}
            continue
        for sample in samples:
            told = wanted[sample.series.name]
            if not sample.series.dims:
                assert (sample.values, sample.counts) == (told.values, told.counts)
        assert {sample.series.name for sample in samples} >= {"AccountingPackets", "AuthLatency", "SpoolOldestAge"}


def test_a_process_that_began_anew_lost_nothing_of_its_own() -> None:
    counted = Counted(of_one_box(), catalogue())
    old, new = process(), process()
    old.count("HookErrors", 50, Hook="authorize")
    counted.take("radius", old.render(), T0)
    new.count("HookErrors", 2, Hook="authorize")
    (sample,) = [each for each in counted.take("radius", new.render(), T0 + 60) if each.series.name == "HookErrors"]
    assert sample.values == (2,)


# --- from there to people --------------------------------------------------------------------------------------------


class Phone:
    """A road that may be shut."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.shut = False

    def send(self, notice: Notice) -> bool:
        if not self.shut:
            self.heard.append(notice.title)
        return not self.shut


def watch(folder: Path, *channels: Channel) -> Watch:
    return Watch(of_one_box(), catalogue(), channels, folder, T0)


def test_an_ordinary_day_is_silent_and_a_fault_is_told_and_over(tmp_path: Path) -> None:
    metrics, phone, night = process(), Phone(), Phone()
    box = watch(tmp_path, Channel("all", False, phone.send), Channel("night", True, night.send))
    for minute in range(200):
        metrics.count("AccountingPackets", 5, Kind="interim")
        metrics.count("BillingRounds", 5, Loop="payments")
        metrics.gauge("SalesSilence", 0.4)
        if 60 <= minute < 65:
            metrics.count("HookErrors", Hook="authorize")  # a mail, and no message in the night
            metrics.count("AccountingUnanswered")
        box.look({"radius": metrics.render()}, {}, T0 + 60 * minute)
    assert sorted(phone.heard) == sorted(
        ["HookErrors", "AccountingUnanswered", "HookErrors is over", "AccountingUnanswered is over"]
    )
    assert night.heard == ["AccountingUnanswered", "AccountingUnanswered is over"]


def test_a_composite_speaks_for_its_alarms(tmp_path: Path) -> None:
    metrics, phone = process(), Phone()
    box = watch(tmp_path, Channel("all", False, phone.send))
    for minute in range(30):
        metrics.count("AccountingPackets", 5, Kind="interim")
        box.look({"radius": metrics.render()}, {}, T0 + 60 * minute)  # the worker of selling says nothing at all
    assert phone.heard == ["PaymentsDown"]


def test_who_is_not_reached_is_tried_again_also_by_the_next_process(tmp_path: Path) -> None:
    phone = Phone()
    phone.shut = True
    full = around.disk(tmp_path, 0)
    box = watch(tmp_path, Channel("all", False, phone.send))
    box.look({}, full, T0)
    phone.shut = False
    again = watch(tmp_path, Channel("all", False, phone.send))
    again.look({}, full, T0 + 60)
    again.look({}, full, T0 + 120)
    assert phone.heard == ["DiskFull"]
    assert (tmp_path / NOTE).stat().st_mode & 0o777 == 0o600


def test_what_was_told_is_kept_for_the_timeline_of_an_incident(tmp_path: Path) -> None:
    box = watch(tmp_path)
    assert past.told(tmp_path) == []
    box.look({}, around.disk(tmp_path, 0), T0)
    for minute in range(1, 4):
        box.look({}, {}, T0 + 60 * minute)
    assert [(each.at - T0, each.title) for each in past.told(tmp_path)] == [(0, "DiskFull"), (120, "DiskFull is over")]
    assert (tmp_path / past.NOTE).stat().st_mode & 0o777 == 0o600
    past.note(tmp_path, [NOTICE] * past.PAST_MAX, T0 + 999)
    assert {each.at for each in past.told(tmp_path)} == {T0 + 999}


def test_a_road_that_stays_shut_is_given_up(tmp_path: Path) -> None:
    phone = Phone()
    phone.shut = True
    box = watch(tmp_path, Channel("all", False, phone.send))
    full = around.disk(tmp_path, 0)
    for minute in range(TRIES_MAX + 1):
        box.look({}, full, T0 + 60 * minute)
    assert "DiskFull" not in {owed["title"] for owed in msgspec.json.decode((tmp_path / NOTE).read_bytes())["owed"]}


# --- what only a box has ---------------------------------------------------------------------------------------------


def test_a_backup_that_failed_or_is_old(tmp_path: Path) -> None:
    def said(note: Noted | None) -> str:
        if note:
            (tmp_path / "backup.json").write_bytes(msgspec.json.encode(note))
        return "".join(wrong.says for wrong in around.backup(tmp_path, T0).values())

    assert said(None) == "no backup was ever made"
    assert said(Noted(T0 - 3_600, T0 - 3_600, "/srv/x.backup")) == ""
    assert said(Noted(T0 - 60, T0 - 86_400, why="folder: cannot be written")).endswith("cannot be written")
    assert said(Noted(T0 - 40 * 3_600, T0 - 40 * 3_600, "/srv/x.backup")) == "the last backup is 40 hours old"


def test_routers_are_down_by_their_tunnels_and_not_for_quiet_customers(tmp_path: Path) -> None:
    def down(at: int, **heard: int) -> dict[str, list[str]]:
        routers = {name: Heard("10.99.0.2", handshake_at) for name, handshake_at in heard.items()}
        (tmp_path / "hub.json").write_bytes(msgspec.json.encode(Report(at, routers)))
        return {key: sorted(wrong.members) for key, wrong in around.tunnels(tmp_path, T0).items()}

    assert around.tunnels(tmp_path, T0) == {}  # no hub here
    assert down(T0, fresh=T0 - 100, never=0) == {}
    assert down(T0, fresh=T0 - 100, gone=T0 - 181, away=T0 - 9_999) == {"RouterDown": ["away", "gone"]}
    assert down(T0 - 300, gone=T0 - 400) == {"HubSilent": [""]}  # of the routers nothing is known then


def test_the_disk_and_the_processes(tmp_path: Path) -> None:
    assert around.disk(tmp_path, 100) == {}
    assert "% full" in around.disk(tmp_path, 0)["DiskFull"].says
    assert around.balance(None, 50_000) == around.balance(50_000, 50_000) == {}
    assert "KES 12.34" in around.balance(1_234, 50_000)["SmsBalance"].says
    assert around.processes({"radius": True}) == {}
    assert around.processes({"radius": True, "coa": False})["ProcessDown"].members == {"coa"}


@pytest.fixture
def https(tmp_path: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """A server with a certificate of five days, and who trusts it."""
    key, pem = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "5", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_port}", ssl.create_default_context(cafile=str(pem))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_is_asked_for_at_the_portals_own_address(https: tuple[str, ssl.SSLContext]) -> None:
    url, trusting = https
    now = int(time.time())
    assert around.certificate(url, 3, now, trusting) == {}
    assert "ends in " in around.certificate(url, 10, now, trusting)["Certificate"].says
    assert "good certificate" in around.certificate(url, 4, now)["Certificate"].says  # nobody trusts who signed it
    assert around.certificate("http://127.0.0.1:1", 4, now) == {}  # a laptop


def test_somebody_outside_hears_that_we_look(
    https: tuple[str, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, trusting = https
    asked: list[str] = []
    get = httpx.get
    monkeypatch.setattr(httpx, "get", lambda at, **how: asked.append(at) or get(at, verify=trusting, **how))
    beat(url)
    beat("")
    beat("http://127.0.0.1:1/nobody")  # and who is not there is nobody's error
    assert asked == [url, "http://127.0.0.1:1/nobody"]


# --- roads -----------------------------------------------------------------------------------------------------------


def test_each_road_takes_a_notice(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def telegram(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500 if len(asked) == 1 else 200, json={"ok": True})

    (tmp_path / "token").write_text("123:secret")
    (tmp_path / "token").chmod(0o600)
    told = alert_settings.AlertSettings(
        email=("noc@example.co.ke",), sms=("0712345678",), telegram_chat="-100",
        telegram_token_ref=f"file:{tmp_path / 'token'}",
    )  # fmt: skip
    server = MailServer()
    try:
        selling = Selling(
            BillingSettings(brand="Kilifi WiFi"),
            SmsSettings(sender=FileSettings(path=tmp_path / "outbox")),
            MailSettings(host="127.0.0.1", port=server.port, security="none", sender="wifi@example.co.ke"),
        )
        channels = {each.name: each for each in open_channels(told, selling, lambda: T0, httpx.MockTransport(telegram))}
        assert channels["email 0"].send(NOTICE)
        assert channels["sms 0"].send(NOTICE)
        assert [channels["telegram"].send(NOTICE) for _ in range(2)] == [False, True]
    finally:
        server.close()
    (letter,) = server.letters
    assert (letter["To"], letter["Subject"]) == ("noc@example.co.ke", "Kilifi WiFi: DiskFull")
    assert "the disk is full" in "".join(path.read_text() for path in tmp_path.glob("outbox*"))
    assert asked[1].url.path == "/bot123:secret/sendMessage"
    assert msgspec.json.decode(asked[1].content)["text"] == "Kilifi WiFi: DiskFull\nthe disk is full"
    assert [each.critical_only for each in channels.values()] == [False, True, False]


@pytest.mark.parametrize(
    "bad", [{"email": ["noc"]}, {"sms": ["12"]}, {"telegram_chat": "1"}, {"disk_percent": 100}, {"emails": []}]
)
def test_settings_that_cannot_be_are_named(bad: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIFIBILLING_ALERTS", msgspec.json.encode(bad).decode())
    with pytest.raises(SettingsError, match=f"alerts.{next(iter(bad))}"):
        alert_settings.load(None)


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    told = alert_settings.AlertSettings(telegram_chat="1", telegram_token_ref=f"file:{tmp_path / 'none'}")
    with pytest.raises(Malformed, match="telegram_token_ref"):
        open_channels(told, Selling(BillingSettings(), None), lambda: T0)
