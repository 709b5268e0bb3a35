"""What `deploy/aws` refuses before it asks AWS for anything, and what it makes of its templates."""

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.on_aws import change, downing, package, prepare, scaling, templates, upping
from deploy.on_aws.stage import TABLES, Stage
from deploy.on_aws.window import NAIROBI
from deploy.options import ROOT
from deploy.refusal import Refusal
from tests.fakes.aws import Aws, Params

REGION = "af-south-1"


def test_names_of_production_are_those_of_the_guide_and_others_stand_beside() -> None:
    prod, trial = Stage("prod", REGION), Stage("trial", REGION)
    assert prod.stack == "wifi-billing-prod"
    assert prod.functions == ("AuthLambda", "PaymentLambda", "SessionLambda", "CoA_Lambda")
    assert "WiFiBilling-HighErrorRate" in prod.alarms
    assert not {*prod.functions, *prod.tables, *prod.alarms} & {*trial.functions, *trial.tables, *trial.alarms}
    assert prod.secret("data-key") != trial.secret("data-key")
    assert prod.own["Environment"] == "production"


@pytest.mark.parametrize("name", ["", "Prod", "a-b", "x" * 21, "1st"])
def test_a_stage_that_cannot_be_named_so(name: str) -> None:
    with pytest.raises(Refusal, match="--stage"):
        Stage(name, REGION)


def test_no_region_is_guessed() -> None:
    with pytest.raises(Refusal, match="AWS_REGION"):
        Stage("staging", "")


@pytest.mark.parametrize(
    ("function", "at_once", "granted", "says"),
    [
        ("payment", 5, 5, ""),
        ("payment", 6, 5, "M-Pesa answers 5 requests a minute"),
        ("payment", 60, 60, ""),
        ("payment", 2, 5, "needs 3 at once"),
        ("session", 1, 5, "needs 2 at once"),
        ("auth", 100, 5, ""),
    ],
)
def test_what_m_pesa_cannot_follow_is_not_scaled(function: str, at_once: int, granted: int, says: str) -> None:
    if not says:
        scaling.check(function, at_once, granted)
        return
    with pytest.raises(Refusal, match=says):
        scaling.check(function, at_once, granted)


def test_what_down_keeps_needs_nothing_of_what_goes() -> None:
    root = templates.load(templates.TEMPLATE)
    kept = downing.kept_parts()
    assert {"Data", "Audit", "Remains"} <= kept
    assert not kept & {"Functions", "Monitoring"}
    rest = templates.only(root, kept)
    assert set(rest["Resources"]) == kept
    assert {"TablePrefix", "StageSuffix"} <= set(rest["Parameters"])
    assert not {"MpesaShortcode", "PortalUrl"} & set(rest["Parameters"])
    assert "ApiUrl" not in rest["Outputs"]
    assert "RadiusAddressA" in rest["Outputs"], "routers know it"


def test_the_protected_load_balancer_goes_with_its_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    nested, balancer = templates.NESTED, downing.BALANCER
    arn = "arn:aws:elasticloadbalancing:af-south-1:1:loadbalancer/net/wifi-billing-radius-trial/1"
    there = {"wifi-billing-trial": [(nested, "nodes"), (nested, "data")], "nodes": [(balancer, arn)], "data": []}

    def resources(asked: Params) -> Params:
        also = {
            "LogicalResourceId": "X",
            "ResourceStatus": "CREATE_COMPLETE",
            "LastUpdatedTimestamp": datetime.now(UTC),
        }
        found = [{"ResourceType": kind, "PhysicalResourceId": name, **also} for kind, name in there[asked["StackName"]]]
        return {"StackResourceSummaries": found}

    aws = Aws(lambda *_: [])
    aws.answers |= {"ListStackResources": resources, "ModifyLoadBalancerAttributes": lambda _: {}}
    monkeypatch.setattr(Stage, "client", lambda stage, service: aws.client(service, stage.region))
    downing.unprotect(Stage("trial", REGION))
    assert aws.asked("ModifyLoadBalancerAttributes") == [
        {"LoadBalancerArn": arn, "Attributes": [{"Key": "deletion_protection.enabled", "Value": "false"}]}
    ]


def test_data_that_is_deleted_is_also_that_which_serves_after_a_rewind(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("trial", REGION)
    deleted: list[str] = []
    aws = Aws(lambda *_: [])
    aws.answers |= {
        "ListStackResources": lambda _: {"StackResourceSummaries": []},
        "DeleteStack": lambda _: {},
        "UpdateTable": lambda _: {},
        "DeleteTable": lambda asked: deleted.append(asked["TableName"]) or {},  # type: ignore[func-returns-value]
    }
    monkeypatch.setattr(Stage, "client", lambda place, service: aws.client(service, place.region))
    monkeypatch.setattr(prepare, "serving_prefix", lambda _: "again-")
    monkeypatch.setattr(downing, "back_up", lambda _stage, _now, prefix: [prefix])
    monkeypatch.setattr(change, "wait_gone", lambda *_: None)
    assert downing.delete_data(stage, stage.stack, stage.stack, 0) == [stage.prefix, "again-"]
    assert set(deleted) == {*stage.tables, *("again-" + name for name in TABLES)}


def test_a_part_that_is_needed_cannot_go() -> None:
    root = templates.load(templates.TEMPLATE)
    with pytest.raises(Refusal, match=r"Data.* needed by what stays"):
        templates.only(root, frozenset({"Functions"}))


class Production(Stage):
    """A stage without a cloud: what would be kept in its bucket is here."""

    def __init__(self, announcements: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__("prod", REGION)
        self._announcements = announcements

    def kept(self, kind: str) -> list[tuple[str, Any]]:
        return [(kind, each) for each in self._announcements]


NOON = 1_795_597_200.0  # a Wednesday in 2026, 12:00 in Nairobi


@pytest.fixture
def clone(monkeypatch: pytest.MonkeyPatch) -> str:
    head = "c" * 40
    monkeypatch.setattr(upping, "commit", lambda: (head, False))
    monkeypatch.setattr(upping, "_on", lambda _: None)
    return head


@pytest.mark.usefixtures("clone")
def test_production_is_refused_with_every_reason() -> None:
    with pytest.raises(Refusal, match=r"staging has nothing.*in Nairobi.*48 hours.*--now REASON"):
        upping.allow(Production(), None, NOON, "", 3_600)


@pytest.mark.usefixtures("clone")
def test_an_emergency_is_let_through_and_what_it_broke_is_kept() -> None:
    reason = upping.allow(Production(), None, NOON, "M-Pesa changed its certificate", 3_600)
    assert reason.startswith("M-Pesa changed its certificate (although: ")
    assert "in Nairobi" in reason


NIGHT = datetime(2026, 11, 24, 2, 30, tzinfo=NAIROBI)
TOLD = {"made": (NIGHT - timedelta(hours=49)).isoformat(), "planned": NIGHT.isoformat()}


def zipped(folder: Path, **other: bytes) -> package.Package:
    """Our own code as `build` packs it; `other` in place of a file's own, by its name in `radius`."""
    path, names = folder / "a.zip", [file for each in package.OURS for file in (ROOT / each).rglob("*")]
    files = {file.relative_to(ROOT).as_posix(): file for file in names if file.is_file()}
    changed = {f"radius/{name}.py": body for name, body in other.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files.items():
            if package._is_kept(name):
                archive.writestr(name, changed.pop(name, file.read_bytes()))
        for name, body in changed.items():
            archive.writestr(name, body)
        archive.writestr("a_wheel/__init__.py", b"not ours")
    return package.read(path)


def test_a_package_of_another_commit_and_a_short_hour_need_a_reason(
    clone: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(upping, "_on", lambda _: clone)
    prod, now = Production((TOLD,)), NIGHT.timestamp()
    assert upping.allow(prod, zipped(tmp_path), now, "", 3_600) == ""
    with pytest.raises(Refusal, match=r"not of this commit: radius/log\.py"):
        upping.allow(prod, zipped(tmp_path, log=b"old = 1"), now, "", 3_600)
    with pytest.raises(Refusal, match=r"not of this commit: radius/gone\.py"):
        upping.allow(prod, zipped(tmp_path, gone=b"old = 1"), now, "", 3_600)
    with pytest.raises(Refusal, match="for 0 minutes, not 60"):
        upping.allow(prod, None, now, "", 0)
    assert "(although: alarms are looked at for 0" in upping.allow(prod, None, now, "in haste", 0)


@pytest.mark.usefixtures("clone")
def test_other_stages_have_no_rules() -> None:
    assert upping.allow(Stage("staging", REGION), None, NOON, "", 0) == ""
