"""`notify` and `customers notices` over the engine, with a gateway and a mail server that misbehave."""

from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest

from billing.cli.exits import Exit
from billing.services import audience
from radius.domain import spill
from radius.domain.identity import MacAddress
from radius.domain.terms import PeriodUnit, Window, WindowStart
from radius.ports import Change
from tests.contract.cli.isp import ANNEX, DAY, World
from tests.contract.values import soon
from tests.fakes.aws import Aws
from tests.fakes.mail_server import MailServer
from tests.fakes.sms_gateway import SmsGateway
from tests.unit.billing.values import T0

TAKEN = ("json", 200, {"id": "x"})
NO_MONEY = ("raw", 402, b"")
WHY = ("--reason", "fibre cut")


@pytest.fixture
def gateway() -> Iterator[SmsGateway]:
    made = SmsGateway()
    yield made
    made.close()


@pytest.fixture
def post() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.close()


@pytest.fixture
def shop(world: World, gateway: SmsGateway, post: MailServer) -> World:
    """Two customers came to kilimani today, one to the lodge."""
    lines = [
        "[sms]", "day_cents = 1000", "reserve_cents = 600", "segment_cents = 100",
        "[sms.sender]", 'kind = "gateway"', f'url = "{gateway.url}/send"', "deadline_s = 1.0",
        "[sms.sender.form]", 'to = "{to}"', 'text = "{text}"',
        "[mail]", 'host = "127.0.0.1"', f"port = {post.port}", 'security = "none"', 'sender = "wifi@example.co.ke"',
        "[notices]", "per_minute = 6000",
    ]  # fmt: skip
    with (world.folder / "settings.toml").open("a") as file:
        file.write("\n".join(["", *lines]))
    for number, phone in enumerate(("0700000001", "0700000002")):
        world.customer(phone)
        world.online(phone, mac=MacAddress(f"aabbccddee{number:02}"), session=f"81c0000{number}")
    world.customer("0700000003", site="lodge")
    world.online("0700000003", mac=MacAddress("aabbccddee03"), router=ANNEX, session="81c00003")
    return world


def phones(gateway: SmsGateway) -> list[str]:
    return sorted(gateway.form(at)["to"] for at in range(len(gateway.seen)))


def test_a_dry_run_says_what_it_would_come_to_and_sends_nothing(shop: World, gateway: SmsGateway) -> None:
    shop("customers", "notices", "0700000002", "--off", "--reason", "asked")
    ran = shop("notify", "outage", "--site", "kilimani", "--json")
    assert ran.code == Exit.DONE
    assert "--apply" in ran.err
    assert ran.json() == {
        "notice": "outage-kilimani-261125-1", "people": 1, "messages": 1, "parts": 1, "cents": 100, "left_cents": 400,
        "balance_cents": None, "letters": 0, "opted_out": 1, "unreachable": 0, "twice": 0, "seconds": 0,
        "english": "WiFi: the internet at kilimani is down. We are at work and will tell you when it is back.",
        "swahili": "WiFi: intaneti imekatika kilimani. Tunaishughulikia na tutakujulisha ikirudi.", "applied": False,
    }  # fmt: skip
    assert gateway.seen == []
    assert shop("notify", "list").out == "Nobody was told anything.\n"
    back = ("notify", "restored", "--site", "kilimani", "--everybody", "--json")
    without = "WiFi: the internet at kilimani is back. We are sorry for the trouble."
    assert shop(*back).json()["english"] == without
    shop("sites", "brand", "--site", "kilimani", "--title", "Hill", "--support", "0712 345 678")
    assert shop(*back).json()["english"] == f"{without} Help: 0712 345 678"


def test_an_outage_and_its_end_go_to_the_same_people_once(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.extend([TAKEN] * 4)
    asked = ("notify", "outage", "--site", "kilimani", "--apply", *WHY)
    assert shop("notify", "restored", "--site", "kilimani", "--apply", *WHY).code == Exit.NOT
    ran = shop(*asked, "--json")
    assert ran.code == Exit.DONE, ran.err
    assert ran.json()["text"] == "outage-kilimani-261125-1: 2 of 2 were told. 2 messages sent"
    assert phones(gateway) == ["254700000001", "254700000002"]
    again = shop(*asked)
    assert (again.code, len(gateway.seen)) == (Exit.NOT, 2)
    assert "--again" in again.err
    shop.customer("0700000009")
    shop.online("0700000009", session="81c00009")
    assert shop("notify", "restored", "--site", "kilimani", "--apply", *WHY).code == Exit.DONE
    assert phones(gateway) == ["254700000001", "254700000001", "254700000002", "254700000002"]
    listed = {each["notice"] for each in shop("notify", "list", "--json").json()}
    assert listed == {"restored-kilimani-261125-1", "outage-kilimani-261125-1"}
    assert ("mary", "notify outage", "outage-kilimani-261125-1", "2 of 2 were told") in shop.deeds()


def test_everybody_is_told_by_message_and_letter_in_their_language(
    shop: World, gateway: SmsGateway, post: MailServer
) -> None:
    gateway.plan.extend([TAKEN] * 5)
    found = shop.registered("0700000004", site="lodge")
    people = shop.billing().desk.people
    people.email(found, "amina@example.co.ke")
    shop.core.provision.grant(found, "basic.1", T0, "r4")
    ran = shop("notify", "outage", "--about", "payments", "--apply", *WHY, "--json")
    assert ran.code == Exit.DONE, ran.err
    assert ran.json()["people"] == 4
    assert phones(gateway) == [f"25470000000{each}" for each in (1, 2, 3, 4)]
    assert all("all our sites" in gateway.form(at)["text"] for at in range(4))
    (letter,) = post.letters
    assert (letter["To"], letter["Subject"]) == (
        "amina@example.co.ke",
        "WiFi: M-Pesa payments at all our sites fail now",
    )
    assert shop("notify", "show", ran.json()["notice"], "--json").json()["counts"] == "1 letter sent, 4 messages sent"


def test_where_no_phone_is_set_texts_name_none_and_the_dry_run_says_so(shop: World) -> None:
    told = ("notify", "announcement", "--site", "kilimani", "--from", "2026-12-01 10:00", "--hours", "2")
    ran = shop(*told)
    assert "Help" not in ran.out
    assert "sites brand --support" in ran.err
    shop("sites", "brand", "--site", "kilimani", "--support", "0712 345 678", "--reason", "new")
    ran = shop(*told)
    assert "Help: 0712 345 678" in ran.out
    assert "sites brand" not in ran.err


def test_a_site_speaks_its_language(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.append(TAKEN)
    assert shop("notify", "outage", "--site", "lodge", "--apply", *WHY).code == Exit.DONE
    assert gateway.form()["text"] == "WiFi: intaneti imekatika lodge. Tunaishughulikia na tutakujulisha ikirudi."


def test_a_gateway_that_does_not_answer_may_have_sent_it_and_a_budget_holds_the_rest(
    shop: World, gateway: SmsGateway
) -> None:
    gateway.plan.append("stall")
    for spent in range(3):
        shop.customer(f"071000000{spent}")
        shop.online(f"071000000{spent}", mac=MacAddress(f"aabbccddef{spent:02}"), session=f"82c0000{spent}")
    gateway.plan.extend([TAKEN] * 3)
    ran = shop("notify", "outage", "--site", "kilimani", "--apply", *WHY)
    assert ran.code == Exit.NOT
    assert "budget" in ran.err
    assert "notify resume outage-kilimani-261125-1" in ran.err
    (row,) = shop("notify", "list", "--site", "kilimani", "--json").json()
    assert (row["state"], row["told"], row["people"]) == ("sending", 4, 5)
    assert row["counts"] == "1 may be lost, 3 messages sent"
    assert shop("notify", "outage", "--site", "kilimani").code == Exit.NOT
    shop.clock.now += 86_400
    gateway.plan.append(TAKEN)
    done = shop("notify", "resume", "outage-kilimani-261125-1", "--json")
    assert done.code == Exit.DONE
    assert len(set(phones(gateway))) == len(gateway.seen) == 5
    assert shop("notify", "resume", "outage-kilimani-261125-1").code == Exit.NOT


def test_a_mail_server_that_refuses_or_hangs_up_is_counted_and_stops_nobody(
    shop: World, gateway: SmsGateway, post: MailServer
) -> None:
    people = shop.billing().desk.people
    for number in (4, 5):
        found = shop.registered(f"070000000{number}", site="lodge")
        people.email(found, f"amina{number}@example.co.ke")
        shop.core.provision.grant(found, "basic.1", T0, f"r{number}")
    for behaviour, became in (("550 no such letter", "2 letters refused"), ("drop", "2 may be lost")):
        gateway.plan.extend([TAKEN] * 3)
        post.plan["letter"] = behaviour
        shop.clock.now += 86_400
        ran = shop("notify", "outage", "--site", "lodge", "--apply", *WHY, "--again", "--json")
        assert (ran.code, became in ran.json()["counts"], "3 messages sent" in ran.json()["counts"]) == (0, True, True)


def test_what_the_gateway_has_no_money_for_is_not_begun(shop: World, gateway: SmsGateway) -> None:
    key = shop.folder / "at.key"
    key.write_text("secret")
    key.chmod(0o600)
    settings = shop.folder / "settings.toml"
    kind = f'kind = "africas_talking"\nusername = "kilifi"\nkey_ref = "file:{key}"\nendpoint = "{gateway.url}"\n'
    text = settings.read_text()
    first, last = text.index("[sms.sender]"), text.index("[mail]")
    settings.write_text(text[:first] + "[sms.sender]\n" + kind + text[last:])
    gateway.plan.extend([("json", 200, {"UserData": {"balance": "KES 1.50"}})] * 2)
    dry = shop("notify", "outage", "--site", "kilimani", "--json")
    assert (dry.code, dry.json()["balance_cents"], dry.json()["cents"]) == (Exit.DONE, 150, 200)
    assert "pay in first" in dry.err
    assert shop("notify", "outage", "--site", "kilimani", "--apply", *WHY).code == Exit.NOT
    assert [each[0] for each in gateway.seen] == ["GET", "GET"]
    assert shop("notify", "list").out == "Nobody was told anything.\n"


def test_the_end_of_an_outage_stops_its_notice_and_goes_to_whom_it_reached(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.extend([TAKEN, NO_MONEY, TAKEN])
    assert shop("notify", "outage", "--site", "kilimani", "--apply", *WHY).code == Exit.NOT
    ran = shop("notify", "restored", "--site", "kilimani", "--apply", *WHY, "--json")
    assert (ran.code, ran.json()["people"]) == (Exit.DONE, 1)
    first, second = gateway.form(0)["to"], gateway.form(2)["to"]
    assert first == second
    assert shop("notify", "show", "outage-kilimani-261125-1", "--json").json()["state"] == "stopped"
    assert ("mary", "notify restored", "outage-kilimani-261125-1", "done") in shop.deeds()


def test_works_are_announced_by_day_and_two_days_before(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.extend([TAKEN] * 4)
    late = ("notify", "announcement", "--site", "kilimani", "--from", "2026-11-26T02:00", "--hours", "2")
    assert "48 hours" in shop(*late).err
    good = (
        "notify",
        "announcement",
        "--site",
        "kilimani",
        "--from",
        "2026-11-28T02:00",
        "--hours",
        "2",
        "--apply",
        *WHY,
    )
    shop.clock.now = T0 + 9 * 3_600  # 22:00
    night = shop(*good)
    assert (night.code, gateway.seen) == (Exit.NOT, [])
    assert "2026-11-26 08:00:00" in night.err
    shop.clock.now = T0 + 20 * 3_600
    assert shop(*good).code == Exit.DONE
    assert "works on 28/11 02:00" in gateway.form()["text"]
    assert "about 2 hours" in gateway.form()["text"]
    shop.clock.now = T0 + 24 * 3_600
    assert shop("notify", "completion", "--site", "kilimani", "--apply", *WHY).code == Exit.DONE
    assert "are done" in gateway.form()["text"]
    past = ("notify", "announcement", "--site", "kilimani", "--from", "2026-11-20T02:00", "--hours", "2")
    assert shop(*past).code == Exit.USAGE


def test_what_cannot_be_is_refused(shop: World, gateway: SmsGateway) -> None:
    gateway.plan.append(NO_MONEY)
    assert shop("notify", "outage", "--site", "kilimani", "--apply").code == Exit.USAGE
    assert shop("notify", "outage", "--site", "nowhere").code == Exit.USAGE
    for asked in (("show",), ("resume",), ("stop", *WHY)):
        ran = shop("notify", asked[0], "outage-1", *asked[1:])
        assert (ran.code, "there is no notice outage-1" in ran.err) == (Exit.NOBODY, True), ran.err
    assert not any(about == "outage-1" for _, _, about, _ in shop.deeds())
    assert gateway.seen == []


def test_a_site_is_found_by_its_lists_and_a_busy_one_by_a_walk(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.customer("0700000005")  # bought, and never came
    shop.customer("0700000006", terms=None)  # has nothing

    def count(*words: str) -> Any:
        return shop("notify", "outage", "--site", "kilimani", "--json", *words).json()["people"]

    shop.online("0700000003", mac=MacAddress("aabbccddee03"), session="83c00003")  # the lodge's, on a visit
    assert count() == 4
    assert count("--walk") == 3
    monkeypatch.setattr(audience, "BUSY_DAY", 3)
    assert count() == 3
    monkeypatch.setattr(audience, "RECORDS_MAX", 2)  # pages
    monkeypatch.setattr(audience, "BUSY_DAY", 2_000)
    assert count() == 4


def test_a_walk_reads_past_the_marks_of_an_account_of_very_many_devices(shop: World) -> None:
    shard = spill.shard_ids(shop.customer("0700000005"))[0]
    shop.core.store.subscribers.commit(Change(shard, 1, "w", b'{"m":{}}', 0), soon())
    ran = shop("notify", "outage", "--site", "kilimani", "--walk", "--json")
    assert (ran.code, ran.json()["people"]) == (Exit.DONE, 3), ran.err


def test_who_came_long_ago_is_told_only_while_a_package_lasts(shop: World) -> None:
    shop.stops("0700000001", session="81c00000", mac=MacAddress("aabbccddee00"))
    season = msgspec.structs.replace(DAY, id="season.1", window=Window(WindowStart.PURCHASE, 3, PeriodUnit.MONTH))
    shop.core.provision.terms(season)
    shop.customer("0700000007", terms=season)
    shop.clock.now += 29 * 86_400
    assert shop("notify", "outage", "--site", "kilimani", "--json").json()["people"] == 3
    shop.clock.now += 3 * 86_400
    assert shop("notify", "outage", "--site", "kilimani", "--json").json()["people"] == 1


def test_the_status_page_is_told_and_cleared(shop: World) -> None:
    page = shop.folder / "status.html"
    with (shop.folder / "settings.toml").open("a") as file:
        file.write(f'\n[incidents]\nstatus_page = "{page}"\n')
    told = ("notify", "status", "--site", "lodge", "No internet.", "Hakuna intaneti.")
    assert shop(*told, "--state", "identified").code == Exit.DONE
    assert "No internet." in page.read_text()
    assert shop("notify", "status", "--site", "lodge", "--clear").code == Exit.DONE
    assert "No internet." not in page.read_text()
    assert shop("notify", "status", "--site", "lodge", "--clear").code == Exit.DONE
    assert shop("notify", "status", "--site", "lodge").code == Exit.USAGE
    outcomes = [outcome for _, what, _, outcome in shop.deeds() if what == "notify status"]
    assert {"done", "cleared", "nothing was told"} <= set(outcomes)


def test_the_status_page_is_an_object_where_there_is_no_server(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = Aws(lambda *_: [])
    aws.answers["PutObject"] = lambda _: {}
    s3 = aws.client("s3", "af-south-1")
    monkeypatch.setattr(boto3, "client", {"s3": s3}.__getitem__)
    with (shop.folder / "settings.toml").open("a") as file:
        file.write('\n[incidents]\nstatus_page = "s3://wifi-billing-pages-1/status/index.html"\n')
    told = ("notify", "status", "--site", "lodge", "No internet.", "Hakuna intaneti.", "--state", "identified")
    assert shop(*told).code == Exit.DONE
    (put,) = aws.asked("PutObject")
    assert (put["Bucket"], put["Key"], put["CacheControl"]) == (
        "wifi-billing-pages-1",
        "status/index.html",
        "max-age=30",
    )
    assert b"No internet." in put["Body"]
    aws.refusals["PutObject"] = "AccessDenied"
    said = shop("notify", "status", "--site", "lodge", "--clear")
    assert said.code == Exit.DONE, "the rest is done all the same"
    assert "s3://wifi-billing-pages-1/status/index.html cannot be written: AccessDenied" in said.err
    assert shop("sites", "status-page", "--out", "s3://wifi-billing-pages-1").code == Exit.USAGE


def test_an_opt_out_is_by_phone_and_by_customer(shop: World) -> None:
    assert shop("customers", "notices", "0700000001", "--json").json()["notices"] is True
    assert shop("customers", "notices", "+254700000001", "--off").code == Exit.DONE
    assert shop("customers", "notices", "0700000001", "--json").json()["notices"] is False
    assert "no notices" in shop("customers", "notices", "0700000001").out
    assert shop("customers", "notices", "0700000001", "--on").code == Exit.DONE
    assert shop("customers", "notices", "nobody-at-all", "--off").code == Exit.NOBODY
    abouts = {about for _, what, about, _ in shop.deeds() if what == "customers notices"}
    assert not any("700000001" in about for about in abouts)
