"""`incident` over the engine: who is called, what pages and customers are told, and what is left of it for later."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing import run
from billing.alerting import past
from billing.alerting.events import Notice
from billing.cli.exits import Exit
from billing.domain.brand import NoticeState
from billing.domain.incident import Incident, Level
from billing.domain.notice import What
from billing.process import open_process
from billing.run import runner_of
from tests.contract.cli.isp import World
from tests.fakes.sms_gateway import SmsGateway
from tests.unit.billing.values import T0

TAKEN = ("json", 200, {"id": "x"})


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    made = SmsGateway()
    yield made
    made.close()


@pytest.fixture
def shop(world: World, gateway: SmsGateway) -> World:
    lines = [
        "[sms.sender]", 'kind = "gateway"', f'url = "{gateway.url}/send"',
        "[sms.sender.form]", 'to = "{to}"', 'text = "{text}"',
        "[notices]", "per_minute = 6000",
        "[incidents]", 'senior = "Otieno"', f'status_page = "{world.folder}/status.html"',
        "[[incidents.on_call]]", 'name = "Amina"', 'phone = "0700000091"',
        "[[incidents.on_call]]", 'name = "Otieno"', 'phone = "0700000092"',
    ]  # fmt: skip
    with (world.folder / "settings.toml").open("a") as file:
        file.write("\n".join(["", *lines]))
    world.customer("0700000001")
    world.online("0700000001")
    return world


def test_an_outage_from_its_beginning_to_its_post_mortem(shop: World, gateway: SmsGateway, tmp_path: Path) -> None:
    page = shop.folder / "status.html"
    past.note(shop.folder, [Notice("RouterDown", "routers are down (1: kilimani-01)", critical=True)], T0 - 60)
    past.note(shop.folder, [Notice("DiskFull", "long ago", critical=True)], T0 - 9_000)
    gateway.plan.extend([TAKEN] * 3)
    opened = shop("incident", "open", "no internet", "--level", "3", "--site", "kilimani", "--notify", yes=True)
    assert opened.code == Exit.DONE, opened.err
    assert "Otieno was called by SMS." in opened.out
    assert [gateway.form(at)["to"] for at in range(2)] == ["254700000092", "254700000001"]
    assert "(Nairobi)" in gateway.form(0)["text"]
    assert "We see a problem with the internet since 13:00." in page.read_text()
    (row,) = shop("incident", "list", "--json").json()
    id_ = row["id"]
    shop.clock.now += 300
    assert shop("incident", "ack", id_, "--as", "otieno").code == Exit.DONE
    shop.clock.now += 300
    noted = shop("incident", "note", id_, "fibre cut", "--status", "identified", "--ticket", "https://t/7")
    assert noted.code == Exit.DONE, noted.err
    assert "We know why the internet fails since 13:00, and are mending it." in page.read_text()
    shop.clock.now += 3_000
    over = shop("incident", "resolve", id_, "fibre spliced", "--notify", yes=True)
    assert over.code == Exit.DONE, over.err
    assert gateway.form()["to"] == "254700000001"
    assert "is back" in gateway.form()["text"]
    assert "works again since 14:00" in page.read_text()
    told = shop("incident", "export", id_, "--json").json()
    assert (told["to_acknowledge_s"], told["to_resolve_s"], told["ticket"]) == (300, 3_600, "https://t/7")
    assert [(line["what"], line["who"]) for line in told["timeline"]] == [
        ("alarm", ""), ("opened", "mary"), ("status", "mary"), ("called", "Otieno"), ("customers are told", "mary"),
        ("customers were told", ""), ("acknowledged", "otieno"), ("note", "mary"), ("ticket", "mary"),
        ("status", "mary"), ("resolved", "mary"), ("status", "mary"), ("customers are told", "mary"),
        ("customers were told", ""),
    ]  # fmt: skip
    out = tmp_path / "incident.md"
    assert shop("incident", "export", id_, "--out", str(out)).code == Exit.DONE
    text = out.read_text()
    assert text == shop("incident", "export", id_).out.rstrip("\n") + "\n"
    assert "- acknowledged: 2026-11-25 13:05:00 by otieno, after 0 h 05 min" in text
    assert "| 2026-11-25 12:59:00 | 09:59:00 | alarm |" in text
    assert "## Cause" in text
    assert "long ago" not in text
    assert shop("incident", "list").out == "No incident.\n"
    assert id_ in shop("incident", "list", "--all", "--site", "kilimani").out
    deeds = [(who, what, outcome) for who, what, about, outcome in shop.deeds() if about == id_]
    assert sorted(deeds) == [
        ("mary", "incident note", "done"), ("mary", "incident open", "done"), ("mary", "incident resolve", "done"),
        ("otieno", "incident ack", "done"),
    ]  # fmt: skip


def test_what_is_minor_is_on_no_page_and_its_end_neither(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.append(TAKEN)
    ran = shop("incident", "open", "one customer", "--level", "1", "--site", "kilimani", "--json")
    assert ran.json()["called"] == "Amina was called by SMS."
    assert shop("incident", "resolve", ran.json()["id"], "restarted the phone").code == Exit.DONE
    assert shop.billing().desk.signs.notice("kilimani") is None
    assert shop("incident", "ack", ran.json()["id"]).code == Exit.USAGE


def test_a_second_one_at_a_place_is_asked_about_and_customers_are_named_a_command(
    shop: World, gateway: SmsGateway
) -> None:
    gateway.plan.extend([TAKEN] * 2)
    first = ("incident", "open", "M-Pesa fails", "--level", "2", "--about", "payments")
    ran = shop(*first)
    assert "wifibilling notify outage --about payments --incident" in ran.err
    again = shop(*first)
    assert (again.code, "--again" in again.err) == (Exit.NOT, True)
    assert shop(*first, "--again").code == Exit.DONE
    told = shop.billing().desk.signs.notice("*")
    assert told is not None
    assert (told.state, "do not pay again" in told.english) == (NoticeState.INVESTIGATING, True)


def test_what_gets_worse_calls_the_senior(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.extend([TAKEN] * 2)
    id_ = shop("incident", "open", "slow", "--level", "2", "--site", "kilimani", "--json").json()["id"]
    shop("incident", "ack", id_)
    worse = shop("incident", "note", id_, "all of it", "--level", "3")
    assert "Otieno was called by SMS." in worse.out
    assert gateway.form()["to"] == "254700000092"
    assert shop("incident", "show", id_, "--json").json()["level"] == 3
    assert "all of it" in shop("incident", "show", id_).out


def test_customers_are_told_only_after_a_yes(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.append(TAKEN)
    ran = shop("incident", "open", "no internet", "--level", "3", "--site", "kilimani", "--notify")
    assert ran.code == Exit.DECLINED
    assert "Tell these 1 customers?" in ran.err
    assert len(gateway.seen) == 1
    assert json.loads(shop("notify", "list", "--json").out) == []


def test_a_status_page_that_cannot_be_written_keeps_nobody_from_being_called(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.append(TAKEN)
    settings = shop.folder / "settings.toml"
    settings.write_text(settings.read_text().replace(f"{shop.folder}/status.html", "/nowhere/status.html"))
    ran = shop("incident", "open", "slow", "--level", "2", "--site", "kilimani")
    assert (ran.code, "Amina was called by SMS." in ran.out) == (Exit.DONE, True)
    assert "The status page is not written: /nowhere/status.html" in ran.err


def test_where_nobody_is_on_duty_or_nothing_sends_that_is_said(world: World) -> None:
    quiet = world("incident", "open", "slow", "--level", "2", "--site", "lodge")
    assert (quiet.code, "was called" in quiet.out) == (Exit.DONE, False)
    with (world.folder / "settings.toml").open("a") as file:
        file.write(f'\n[sms.sender]\nkind = "file"\npath = "{world.folder}/outbox"\n')
    ran = world("incident", "open", "slow", "--level", "2", "--site", "kilimani")
    assert "Nobody is on duty in the settings" in ran.out


@pytest.mark.parametrize("words", [("ack",), ("note", "x"), ("resolve", "x"), ("show",), ("export",)])
def test_one_that_is_not_there_is_nobody(town: World, words: tuple[str, ...]) -> None:
    ran = town("incident", words[0], "nothing", *words[1:])
    assert (ran.code, ran.out, "there is no incident nothing" in ran.err) == (Exit.NOBODY, "", True)


@pytest.mark.parametrize(
    "words",
    [
        ("open", "", "--level", "2"),
        ("open", "x", "--level", "4"),
        ("open", "x", "--level", "2", "--english", "only"),
        ("open", "x", "--level", "2", "--notify", "--json"),
    ],
)
def test_what_cannot_be_is_refused(town: World, words: tuple[str, ...]) -> None:
    assert town("incident", *words).code == Exit.USAGE


def test_workers_as_they_run_call_once_and_after_a_restart_not_again(
    shop: World, gateway: SmsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two whole processes by the same settings, on the clock of today; then a third."""
    gateway.plan.extend([TAKEN] * 3)
    now, stop = int(time.time()), threading.Event()
    made = Incident("261125-abcd", Level.OUTAGE, "down", "kilimani", What.INTERNET, now, "mary")
    shop.billing().desk.incidents.open(made)
    monkeypatch.setattr(run, "MEASURE_S", 0.05)
    first, second = (open_process(shop.folder / "settings.toml") for _ in range(2))
    runners = [threading.Thread(target=runner_of(each).run, args=(stop,)) for each in (first, second)]
    try:
        for each in runners:
            each.start()
        end = time.monotonic() + 30
        while not shop.billing().desk.incidents.incident(made.id).told_at and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        stop.set()
        for each in runners:
            each.join()
        first.close()
        second.close()
    third = open_process(shop.folder / "settings.toml")
    try:
        assert third.calls.round(int(time.time())) == []
    finally:
        third.close()
    assert [gateway.form(at)["to"] for at in range(len(gateway.seen))] == ["254700000092"]
    assert shop.billing().desk.incidents.incident(made.id).told_at >= now
