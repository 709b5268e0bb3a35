"""The stack, deployed to an emulator by the operator's own command, and used: a payment, a session, the way back.

The emulator's CloudFormation sets neither point-in-time recovery nor TTL: `tests/unit/test_stacks.py` reads them.
"""

import importlib
import json
import os
import shutil
import time
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from billing.store.open import open_billing
from billing.store.tables import TABLES as SELLING
from deploy.on_aws import asking, change, enhancing, package, prepare, scaling, templates, versions, watching
from deploy.on_aws.stage import Stage
from deploy.refusal import Refusal
from radius.domain.identity import NasId
from radius.domain.nas import Family, Router, Site
from radius.rlm.exit import Rcode
from radius.settings import load
from radius.store.tables import TABLES as CORE
from radius.store.tables import definition
from radius.wiring import build_core, build_node
from tests.contract.billing.values import PACKAGE
from tests.contract.values import soon
from tests.emulator.lab import ANSWERS, KEYS, PORTAL, REGION, Emulator
from tests.fakes.portal import SITE
from tests.unit.rlm.test_edge import login, packet
from tests.unit.services.wired import PASSWORD

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]  # the first run makes two venvs
STAGE = "staging"
PAGE = f"s3://wifi-billing-artifacts-000000000000-{REGION}/status/index.html"  # there is no edge in this stack
PHONE = "0712345678"
long = pytest.mark.skipif(
    "LONG" not in os.environ, reason="takes a minute: LONG=1 .venv/bin/python -P -m pytest tests/emulator"
)
MINUTES = 3
BUSY = "Worker init failed: "  # the emulator gave a function no more time to start; with a cause behind it is another
WORKERS = {
    "SessionLambda": "radius.lambda_function",
    "CoA_Lambda": "coa.lambda_function",
    "PaymentLambda": "billing.lambda_function",
}


class Up:
    """A stage that is up."""

    def __init__(self, emulator: Emulator, first: package.Package, stage: str) -> None:
        self.emulator, self.first = emulator, first
        self.stage = Stage(stage, REGION, emulator.url)
        self.api = asking.base(self.stage).removeprefix(emulator.url)


def put_up(emulator: Emulator, first: package.Package, stage: str) -> Up:
    """By the two commands of the README."""
    answers = emulator.folder / "answers.toml"
    answers.write_text("".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in ANSWERS.items()))
    settings = emulator.folder / "settings.toml"
    settings.write_text(f'[billing]\nbrand = "Kilifi WiFi"\n[incidents]\nstatus_page = "{PAGE}"\n')
    told = emulator.aws("prepare", "--stage", stage, "--from", str(answers), "--settings", str(settings))
    assert told.returncode == 0, told.stderr
    done = emulator.aws("up", "--stage", stage, "--package", str(first.path))
    assert done.returncode == 0, done.stderr + done.stdout + emulator.log.read_text()[-4000:]
    made = Up(emulator, first, stage)
    started = made.stage.client("events").list_rules(NamePrefix="wifi-billing-")["Rules"]
    rules = [each for each in started if each["Name"].endswith(made.stage.suffix)]
    assert [each["ScheduleExpression"] for each in rules] == ["rate(1 minute)"] * len(WORKERS)
    for each in rules:  # they would be at work all the time, on a machine that has two cores
        made.stage.client("events").disable_rule(Name=each["Name"])
    return made


@pytest.fixture(scope="module")
def up(emulator: Emulator, here: package.Package) -> Iterator[Up]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        yield put_up(emulator, here, STAGE)


def test_tables_are_as_the_code_declares_them(up: Up) -> None:
    dynamodb = up.stage.client("dynamodb")
    for table in (*CORE, *SELLING):
        found = dynamodb.describe_table(TableName=up.stage.prefix + table.name)["Table"]
        wanted = definition(table, up.stage.prefix)
        assert found["KeySchema"] == wanted["KeySchema"]
        indexes = {each["IndexName"]: each["KeySchema"] for each in found.get("GlobalSecondaryIndexes", [])}
        assert indexes == {each["IndexName"]: each["KeySchema"] for each in wanted.get("GlobalSecondaryIndexes", [])}
        assert found["DeletionProtectionEnabled"]


def test_a_purchase_through_the_api_is_credited_once(up: Up, tmp_path: Path) -> None:
    """Checkout, the push to M-Pesa's double, its callback through API Gateway, and the books afterwards."""
    core = build_core(load(settings_file(up, tmp_path)))
    core.store.routers.put_site(Site(SITE), soon())
    core.store.catalogue.add(PACKAGE.terms, soon())
    billing = open_billing(core.store)
    billing.ports.add(PACKAGE, soon())

    body = {"phone": PHONE, "package": PACKAGE.id, "site": SITE, "device": "AA:BB:CC:DD:EE:01"}
    begun = up.emulator.ask(f"{up.api}/api/v1/checkouts", body, Idempotency_Key="a-key-of-this-page")
    assert begun.status == 202, begun.body
    token = json.loads(begun.body)["token"]
    (prompt,) = up.emulator.daraja.prompts.values()
    assert prompt.url.startswith(f"{PORTAL}/pay/stk/"), "where M-Pesa was told to call"
    up.emulator.daraja.advance(prompt)
    due = up.emulator.daraja.take_due()
    for url, said in due * 2:  # M-Pesa may say it twice
        assert up.emulator.ask(up.api + url.removeprefix(PORTAL), said).status == 200
    stage = json.loads(up.emulator.ask(f"{up.api}/api/v1/payments/{token}").body)["stage"]
    assert stage == "paid"

    checked = up.emulator.aws("run", "--", "ledger", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    core.close()


def test_functions_and_commands_read_the_document_that_prepare_kept(up: Up) -> None:
    """Where it cannot be read, no function starts: those above have answered."""
    for name in up.stage.functions:
        told = up.stage.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")
        assert told["Environment"]["Variables"]["WIFIBILLING_SETTINGS"] == f"ssm:{up.stage.settings}:1"
    opened = up.emulator.aws("run", "--", "incident", "open", "no internet", "--level", "2", "--yes")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    page = up.stage.client("s3").get_object(Bucket=up.stage.bucket, Key="status/index.html")
    assert (page["ContentType"], page["CacheControl"]) == ("text/html; charset=utf-8", "max-age=30")
    assert "We see a problem with the internet" in page["Body"].read().decode()


def test_a_session_through_the_tables(up: Up, tmp_path: Path) -> None:
    """The hooks of a RADIUS node on the stage's tables, from log-in to Stop; SessionLambda then goes through them."""
    app = build_node(settings_file(up, tmp_path))
    core, edge, now = app._core, app.edge, int(time.time())
    core.store.catalogue.add(PACKAGE.terms, soon())
    core.store.routers.put_site(Site(SITE), soon())
    core.provision.router(Router(NasId("kilifi-1"), SITE, Family.MIKROTIK, ("10.8.0.2",)), "a-secret-of-a-router")
    customer = core.provision.customer(["0722000001"], PASSWORD, now, site=SITE)
    core.provision.grant(customer, PACKAGE.terms.id, now, "r0000001")
    core.directory.refresh(now, soon())

    ask = (("User-Name", "0722000001"), ("Tmp-String-0", "kilifi-1"))
    code, lists = edge.authorize(login("0722000001", PASSWORD, *ask), edge.request_id())
    ((name, _, token),) = lists["request"]
    code, _ = edge.post_auth(login("0722000001", PASSWORD, *ask, (name, token)), edge.request_id())
    assert code == Rcode.UPDATED
    for status, second, used in (("Start", 0, (0, 0)), ("Interim-Update", 60, (1, 2)), ("Stop", 90, (3, 4))):
        code, _ = edge.accounting(packet(status, now + second, *ask, used=used, time_s=second), edge.request_id())
        assert code == Rcode.OK, status
    listed = up.emulator.aws("run", "--", "sessions", "list", "--json")
    app.close()
    assert listed.returncode == 0, listed.stderr


def test_what_a_schedule_starts_works_on_the_tables(up: Up) -> None:
    """All three at once, with a time-out that leaves some seconds beside the reserve."""
    client = up.stage.client("lambda")

    def run(name: str, module: str) -> tuple[str, dict[str, Any]]:
        reserve_s = importlib.import_module(module).RESERVE_S
        client.update_function_configuration(FunctionName=name + up.stage.suffix, Timeout=int(reserve_s) + 12)
        client.get_waiter("function_updated_v2").wait(FunctionName=name + up.stage.suffix, WaiterConfig={"Delay": 1})
        strange = client.invoke(FunctionName=name + up.stage.suffix, Payload=b"{}")  # and it is warm now
        assert strange["FunctionError"]
        event = {"source": "aws.events", "detail-type": "Scheduled Event"}
        for _ in range(MINUTES):  # a busy machine is slower than the reserve: the next minute's run has its turn
            reply = client.invoke(FunctionName=name + up.stage.suffix, Payload=json.dumps(event).encode())
            error, said = reply.get("FunctionError", ""), json.loads(reply["Payload"].read())
            if said.get("errorType") != "Sandbox.Timedout" and said.get("errorMessage") != BUSY:
                break
        return error, said

    with ThreadPoolExecutor() as several:
        for error, said in several.map(run, WORKERS, WORKERS.values()):
            assert not error, said
            assert said["ran_s"] >= 0.1
            assert not said.get("failed"), said


@long
def test_a_change_that_cannot_be_made_leaves_all_as_it_was(up: Up) -> None:
    """CloudFormation meets a part that is not there, and goes back."""
    before = versions.live(up.stage)
    with pytest.raises(Refusal, match="UPDATE_ROLLBACK_COMPLETE"):
        deploy_half(up, up.stage)
    assert versions.live(up.stage) == before
    assert up.emulator.ask(f"{up.api}/api/v1/health/live").status == 200


@long
def test_a_version_that_does_not_answer_is_taken_back(up: Up, tmp_path: Path) -> None:
    """It deploys, and no page answers: `up` ends with the version before, and says so in the history."""
    before = versions.live(up.stage)
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(up.first.path) as good, zipfile.ZipFile(broken, "w") as bad:
        for entry in good.infolist():
            body = good.read(entry)
            bad.writestr(entry, b"raise RuntimeError\n" if entry.filename.endswith("lambda_function.py") else body)
    done = up.emulator.aws("up", "--package", str(broken))
    assert done.returncode == 1
    assert "the functions are at the versions before" in done.stderr, done.stderr
    assert versions.live(up.stage) == before
    assert up.emulator.ask(f"{up.api}/api/v1/health/live").status == 200
    assert versions.history(up.stage)[-1].what.startswith("taken back")


@long
def test_a_new_version_and_the_way_back(up: Up, tmp_path: Path) -> None:
    first = versions.live(up.stage)
    newer = tmp_path / "newer.zip"
    shutil.copyfile(up.first.path, newer)
    with zipfile.ZipFile(newer, "a") as fresh:
        fresh.writestr("newer.txt", "newer")
    assert up.emulator.aws("up", "--package", str(newer)).returncode == 0
    second = versions.live(up.stage)
    assert all(int(second[name]) > int(first[name]) for name in first)

    back = up.emulator.aws("rollback", "--reason", "a test")
    assert back.returncode == 0, back.stderr
    assert "verified" in back.stdout
    assert versions.live(up.stage) == first
    told = up.emulator.aws("history").stdout.splitlines()
    assert "rollback" in told[-1]
    assert "a test" in told[-1]
    further = up.emulator.aws("rollback")
    assert further.returncode == 1
    assert "no version before this one that stood" in further.stderr, further.stderr
    again = up.emulator.aws("up", "--package", str(newer))
    assert "set forward" in again.stdout, again.stdout + again.stderr
    assert versions.live(up.stage) == second
    assert up.emulator.aws("rollback").returncode == 0
    assert versions.live(up.stage) == first


def test_thresholds_are_raised_for_a_window_and_put_back(up: Up) -> None:
    def now() -> dict[str, float]:
        found = up.stage.client("cloudwatch").describe_alarms()["MetricAlarms"]
        return {each["AlarmName"]: each["Threshold"] for each in found if "Threshold" in each}

    before = now()
    raised = watching.raise_thresholds(up.stage)
    assert raised
    assert all(now()[name] > before[name] for name in raised)
    assert sorted(watching.restore_thresholds(up.stage)) == sorted(raised)
    assert now() == before
    assert watching.restore_thresholds(up.stage) == []


def test_status_tells_stacks_versions_and_alarms(up: Up) -> None:
    done = up.emulator.aws("status")
    assert "_COMPLETE" in done.stdout
    assert "version " in done.stdout
    assert "wifi-billing-staging" in done.stdout
    assert "alarms are OK" in done.stdout


def test_more_at_once_than_m_pesa_answers_is_refused(up: Up) -> None:
    refused = up.emulator.aws("scale", "payment", "6")
    assert refused.returncode == 1
    assert "M-Pesa answers 5 requests a minute" in refused.stderr
    assert up.emulator.aws("scale", "payment", "4").returncode == 0
    assert scaling.reserved(up.stage)["PaymentLambda-staging"] == 4
    assert up.emulator.aws("scale", "payment", "any").returncode == 0
    assert scaling.reserved(up.stage)["PaymentLambda-staging"] is None


def test_a_closer_look_and_back(up: Up) -> None:
    before = versions.live(up.stage)
    enhancing.on(up.stage, time.time() + 60, None)
    client = up.stage.client("lambda")
    for function in up.stage.functions:
        seen = client.get_function_configuration(FunctionName=function, Qualifier="live")
        assert seen["TracingConfig"]["Mode"] == "Active"
    with pytest.raises(Refusal, match="on already"):
        enhancing.on(up.stage, time.time() + 60, None)
    enhancing.off(up.stage)
    assert versions.live(up.stage) == before
    assert enhancing.is_on_until(up.stage) is None


@long
def test_down_keeps_the_tables_and_up_brings_the_rest_back(up: Up) -> None:
    """On a stage of its own, beside the other: none of them hears of it."""
    other = put_up(up.emulator, up.first, "trial")
    dynamodb, stack = up.stage.client("dynamodb"), other.stage.stack
    done = up.emulator.aws("down", "--stage", "trial")
    assert done.returncode == 0, done.stderr
    assert versions.live(other.stage) == {}
    assert set(other.stage.tables) <= set(dynamodb.list_tables()["TableNames"])
    once = up.emulator.aws("down", "--stage", "trial", "--delete-data", stack)
    assert once.returncode == 1
    assert "every customer, payment and session" in once.stderr
    assert up.emulator.aws("up", "--stage", "trial", "--package", str(up.first.path)).returncode == 0
    assert set(versions.live(other.stage)) == set(other.stage.functions)
    twice = up.emulator.aws("down", "--stage", "trial", "--delete-data", stack, "--really", stack)
    assert twice.returncode == 0, twice.stderr
    there = set(dynamodb.list_tables()["TableNames"])
    assert not set(other.stage.tables) & there
    assert set(up.stage.tables) <= there
    assert len(dynamodb.list_backups(TableName=other.stage.tables[0])["BackupSummaries"]) >= 2


@long
def test_a_first_try_that_fails_is_mended_and_gone_on_with(up: Up) -> None:
    """Tables cannot be taken back, so nothing is: what is in the way goes, and the same command again."""
    stage, answers = Stage("first", REGION, up.emulator.url), up.emulator.folder / "answers.toml"
    assert up.emulator.aws("prepare", "--stage", "first", "--from", str(answers)).returncode == 0
    with pytest.raises(Refusal, match="CREATE_FAILED"):
        deploy_half(up, stage)
    assert set(stage.tables) <= set(stage.client("dynamodb").list_tables()["TableNames"])
    put_up(up.emulator, up.first, "first")
    assert set(versions.live(stage)) == set(stage.functions)


def deploy_half(up: Up, stage: Stage) -> None:
    """CloudFormation is told of a part that is not there."""
    root = templates.upload(stage, up.first).template
    root["Resources"]["Functions"]["Properties"]["TemplateURL"] += ".gone"
    url, cloud = templates._put_template(stage, root), stage.client("cloudformation")
    change.change(cloud, stage.stack, url, prepare.needed(stage), {}, stage.poll_s)


def settings_file(up: Up, folder: Path) -> Path:
    """Settings of a node on the stage's tables."""
    key = up.stage.client("secretsmanager").get_secret_value(SecretId=up.stage.secret("data-key"))["SecretString"]
    (folder / "data.key").write_bytes(b64decode(key))
    (folder / "data.key").chmod(0o600)
    values = {
        "state_dir": str(folder), "store_kind": "dynamodb", "region": REGION, "store_endpoint": up.emulator.url,
        "table_prefix": up.stage.prefix, "log_path": str(folder / "log"), "metrics_port": 0,
        "request_deadline_ms": 5_000, "post_auth_share_ms": 2_000,
    }  # fmt: skip
    path = folder / "settings.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return path
