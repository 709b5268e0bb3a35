"""What stands around the functions: network, RADIUS nodes, copies of the tables, and the edge before the portal."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from cfnlint.decode import decode_str

from billing.backup.archive import ALL_TABLES
from billing.backup.rewind import DRILL
from billing.cli.app import build
from billing.portal.lambda_function import EDGE_KEY, VIEWER
from coa.families import WAYS
from deploy import stacks
from deploy.on_aws import downing, templates
from deploy.ports import Ports
from radius.cloudwatch import NAMESPACE
from radius.health import DEFAULT_PORT
from radius.settings import FILE_VARIABLE, Settings

EC2, BALANCING = "AWS::EC2::", "AWS::ElasticLoadBalancingV2::"
RADIUS_PORTS = {Ports().auth, Ports().acct, Ports().auth_rotated, Ports().acct_rotated}
ROOT = Path(__file__).parents[2]


def stack(name: str) -> dict[str, Any]:
    found = dict(decode_str((stacks.FOLDER / name).read_text())[0])
    return dict(found["Resources"])


def of(name: str, kind: str) -> dict[str, dict[str, Any]]:
    return {key: each["Properties"] for key, each in stack(name).items() if each["Type"] == kind}


def opened(rules: list[dict[str, Any]], protocol: str) -> set[int]:
    """Every port that these rules open."""
    ranges = [range(rule["FromPort"], rule["ToPort"] + 1) for rule in rules if rule["IpProtocol"] == protocol]
    return {port for each in ranges for port in each}


# -- nodes ----------------------------------------------------------------------------------------------------------


def test_every_listener_leads_to_nodes_whose_health_is_asked() -> None:
    groups = of("radius.yaml", f"{BALANCING}TargetGroup")
    listeners = of("radius.yaml", f"{BALANCING}Listener")
    led: dict[int, str] = {}
    for listener in listeners.values():
        (action,) = listener["DefaultActions"]
        group = groups[action["TargetGroupArn"]["Ref"]]
        assert (listener["Protocol"], listener["Port"]) == ("UDP", group["Port"])
        led[listener["Port"]] = action["TargetGroupArn"]["Ref"]
        asked = (group["HealthCheckProtocol"], group["HealthCheckPort"], group["HealthCheckPath"])
        assert asked == ("HTTP", str(DEFAULT_PORT), "/health"), "UDP has no health check of its own"
        told = {each["Key"]: each["Value"] for each in group["TargetGroupAttributes"]}
        assert told["stickiness.type"] == "source_ip", "the rounds of an EAP log-in go to one node"
        drain = int(told["deregistration_delay.timeout_seconds"])
        assert drain > group["HealthCheckIntervalSeconds"] * group["UnhealthyThresholdCount"]
    assert set(led) == RADIUS_PORTS
    for service in of("radius.yaml", "AWS::ECS::Service").values():
        balanced = {each["ContainerPort"]: each["TargetGroupArn"]["Ref"] for each in service["LoadBalancers"]}
        assert balanced == led


def test_nothing_is_open_but_radius_and_who_asks_for_health() -> None:
    groups = of("radius.yaml", f"{EC2}SecurityGroup")
    outside = groups["BalancerGroup"]["SecurityGroupIngress"]
    assert (opened(outside, "udp"), opened(outside, "tcp")) == (RADIUS_PORTS, set())
    ways = list(of("radius.yaml", f"{EC2}SecurityGroupIngress").values())
    assert all("CidrIp" not in way for way in ways), "nodes and their disk hear only each other and the load balancer"
    nodes = [way for way in ways if way["GroupId"]["Fn::GetAtt"][0] == "NodeGroup"]
    assert (opened(nodes, "udp"), opened(nodes, "tcp")) == (RADIUS_PORTS, {DEFAULT_PORT})
    for name, group in groups.items():
        leaves = group["SecurityGroupEgress"]
        assert leaves, f"{name}: without a rule everything may leave"
        assert all(rule["IpProtocol"] != "-1" for rule in leaves)
    assert opened(groups["NodeGroup"]["SecurityGroupEgress"], "udp") == set()


def test_an_address_leads_to_one_zone_and_stays() -> None:
    (balancer,) = of("radius.yaml", f"{BALANCING}LoadBalancer").values()
    told = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert told["load_balancing.cross_zone.enabled"] == "false"
    addresses = {mapping["AllocationId"]["Ref"] for mapping in balancer["SubnetMappings"]}
    assert addresses == {"RadiusAllocationA", "RadiusAllocationB"}
    assert len({mapping["SubnetId"]["Ref"] for mapping in balancer["SubnetMappings"]}) == 2
    zones = [
        service["NetworkConfiguration"]["AwsvpcConfiguration"]["Subnets"]
        for service in of("radius.yaml", "AWS::ECS::Service").values()
    ]
    assert sorted(json.dumps(each) for each in zones) == ['[{"Ref": "PrivateSubnetA"}]', '[{"Ref": "PrivateSubnetB"}]']


def test_what_routers_know_and_spools_lie_on_is_in_a_part_that_down_keeps() -> None:
    """An address or a disk in a part that goes would stay in the account, and the next `up` would make another."""
    root = templates.load(templates.TEMPLATE)["Resources"]
    remains = stack("remains.yaml")
    assert "Remains" in downing.kept_parts()
    assert {each["Type"] for each in remains.values()} == {f"{EC2}EIP", "AWS::EFS::FileSystem"}
    assert all(each["DeletionPolicy"] == each["UpdateReplacePolicy"] == "Retain" for each in remains.values())
    for path in set(templates.parts({"Resources": root}).values()) - {stacks.FOLDER / "remains.yaml"}:
        kept = templates.load(path)["Resources"].values()
        assert not [each for each in kept if each["Type"] in (f"{EC2}EIP", "AWS::EFS::FileSystem")], path.name
    for part, names in (("Network", ("CoaAllocation",)), ("Nodes", ("RadiusAllocation",))):
        given = root[part]["Properties"]["Parameters"]
        for name in (f"{each}{zone}" for each in names for zone in "AB"):
            assert given[name] == {"Fn::GetAtt": ["Remains", f"Outputs.{name}"]}
    outputs = decode_str((stacks.FOLDER / "remains.yaml").read_text())[0]["Outputs"]
    for name, each in outputs.items():
        if "Allocation" in name:
            assert each["Value"] == {"Fn::GetAtt": [name.replace("Allocation", "Address"), "AllocationId"]}


def test_a_spool_outlives_its_node() -> None:
    (task,) = of("radius.yaml", "AWS::ECS::TaskDefinition").values()
    (volume,) = task["Volumes"]
    assert volume["EFSVolumeConfiguration"]["FilesystemId"] == {"Ref": "DiskId"}
    given = templates.load(templates.TEMPLATE)["Resources"]["Nodes"]["Properties"]["Parameters"]
    assert given["DiskId"] == {"Fn::GetAtt": ["Remains", "Outputs.DiskId"]}
    assert volume["EFSVolumeConfiguration"]["TransitEncryption"] == "ENABLED"
    (container,) = task["ContainerDefinitions"]
    (mount,) = container["MountPoints"]
    dockerfile = (ROOT / "deploy/image/Dockerfile").read_text()
    assert f'"--shared", "{mount["ContainerPath"]}"' in dockerfile
    (point,) = of("radius.yaml", "AWS::EFS::AccessPoint").values()
    user = f"{point['PosixUser']['Uid']}:{point['PosixUser']['Gid']}"
    assert f"USER {user}\n" in dockerfile
    assert container["User"] == user
    assert len(of("radius.yaml", "AWS::EFS::MountTarget")) == 2
    assert container["StopTimeout"] <= 120, "as long as Fargate waits"


def test_what_a_node_is_told_is_a_setting_and_no_secret() -> None:
    (task,) = of("radius.yaml", "AWS::ECS::TaskDefinition").values()
    said = [each["Fn::If"][1] if "Fn::If" in each else each for each in task["ContainerDefinitions"][0]["Environment"]]
    told = {each["Name"]: each["Value"] for each in said}
    assert set(told) <= {"ENVIRONMENT", FILE_VARIABLE} | {
        f"WIFIBILLING_{field.upper()}" for field in Settings.model_fields
    }
    assert told["WIFIBILLING_STORE_KIND"] == "dynamodb"
    assert told["WIFIBILLING_CLOUDWATCH"] == "true"


def test_nodes_come_and_go_with_the_packets_of_their_zone() -> None:
    policies = of("radius.yaml", "AWS::ApplicationAutoScaling::ScalingPolicy")
    targets = of("radius.yaml", "AWS::ApplicationAutoScaling::ScalableTarget")
    zones = set()
    for policy in policies.values():
        service = re.findall(r"\$\{(\w+)\.Name\}", str(targets[policy["ScalingTargetId"]["Ref"]]["ResourceId"]))
        metrics = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]["Metrics"]
        by_id = {each["Id"]: each for each in metrics}
        assert [each["Id"] for each in metrics if each["ReturnData"]] == ["each"]
        assert set(re.findall(r"[a-z]+", by_id["each"]["Expression"])) == {"packets", "nodes"}
        dims = {each["Name"]: each["Value"] for each in by_id["packets"]["MetricStat"]["Metric"]["Dimensions"]}
        zones.add((service[0], dims["AvailabilityZone"]["Fn::Select"][0]))
        counted = {each["Name"]: each["Value"] for each in by_id["nodes"]["MetricStat"]["Metric"]["Dimensions"]}
        assert counted["ServiceName"] == {"Fn::GetAtt": [service[0], "Name"]}
    assert zones == {("NodesA", 0), ("NodesB", 1)}


def test_a_role_of_a_node_reaches_what_it_needs_and_no_money() -> None:
    statements = [
        statement
        for role in of("radius.yaml", "AWS::IAM::Role").values()
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]
    assert "BillingTable" not in json.dumps(statements)
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions)
        if statement["Resource"] == "*":
            assert actions in (["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"])
    (sends,) = [each for each in statements if each["Action"] == "cloudwatch:PutMetricData"]
    assert sends["Condition"] == {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}


# -- network --------------------------------------------------------------------------------------------------------


def test_coa_leaves_by_addresses_that_stay_and_that_routers_are_told() -> None:
    gateways = of("network.yaml", f"{EC2}NatGateway")
    addresses = {gateway["AllocationId"]["Ref"] for gateway in gateways.values()}
    assert addresses == {"CoaAllocationA", "CoaAllocationB"}
    outputs = decode_str((stacks.FOLDER / "remains.yaml").read_text())[0]["Outputs"]
    told = {each["Ref"] for each in outputs["CoaAddresses"]["Value"]["Fn::Join"][1]}
    assert told == {name.replace("Allocation", "Address") for name in addresses}
    routes = of("network.yaml", f"{EC2}Route").values()
    of_tables = {each["RouteTableId"]["Ref"]: each for each in routes}
    for association in of("network.yaml", f"{EC2}SubnetRouteTableAssociation").values():
        private = association["SubnetId"]["Ref"].startswith("Private")
        assert ("NatGatewayId" in of_tables[association["RouteTableId"]["Ref"]]) is private
    variables = decode_str((stacks.FOLDER / "api.yaml").read_text())[0]["Globals"]["Function"]["Environment"]
    assert variables["Variables"]["WIFIBILLING_COA_ADDRESSES"] == {"Ref": "CoaAddresses"}


def test_coa_may_speak_to_the_ports_of_every_family_and_nobody_to_it() -> None:
    (group,) = of("network.yaml", f"{EC2}SecurityGroup").values()
    assert opened(group["SecurityGroupEgress"], "udp") == {port for way in WAYS.values() for port in way.ports}
    assert opened(group["SecurityGroupEgress"], "tcp") == {443}
    assert "SecurityGroupIngress" not in group


def test_each_zone_has_its_own_way_out() -> None:
    subnets = of("network.yaml", f"{EC2}Subnet")
    zones = {name: each["AvailabilityZone"]["Fn::Select"][0] for name, each in subnets.items()}
    blocks = [each["CidrBlock"]["Fn::Select"][0] for each in subnets.values()]
    assert len(set(blocks)) == len(blocks)
    assert zones == {"PublicA": 0, "PublicB": 1, "PrivateA": 0, "PrivateB": 1}
    for name, gateway in of("network.yaml", f"{EC2}NatGateway").items():
        assert gateway["SubnetId"]["Ref"][-1] == name[-1]
        (route,) = [
            each for each in of("network.yaml", f"{EC2}Route").values() if each.get("NatGatewayId") == {"Ref": name}
        ]
        assert route["RouteTableId"]["Ref"][-1] == name[-1]


# -- copies ---------------------------------------------------------------------------------------------------------


def test_every_table_has_a_copy_in_another_region() -> None:
    (selection,) = of("backup.yaml", "AWS::Backup::BackupSelection").values()
    copied = {each["Ref"] for each in selection["BackupSelection"]["Resources"]}
    assert copied == {f"{table.name}Arn" for table in ALL_TABLES}
    (plan,) = of("backup.yaml", "AWS::Backup::BackupPlan").values()
    (rule,) = plan["BackupPlan"]["BackupPlanRule"]
    assert [each["DestinationBackupVaultArn"] for each in rule["CopyActions"]] == [{"Ref": "CopyVaultArn"}]
    given = templates.load(templates.TEMPLATE)["Resources"]["Backup"]["Properties"]["Parameters"]
    for name in copied:
        condition, restored, made = given[name]["Fn::If"]
        assert (condition, made) == ("IsRestored", {"Fn::GetAtt": ["Data", f"Outputs.{name}"]})
        assert restored["Fn::Sub"].endswith(f":table/${{ServingPrefix}}{name.removesuffix('Arn')}"), "those that serve"
    for name in ("backup.yaml", "vault.yaml"):
        assert all(
            each["DeletionPolicy"] == "Retain" for each in stack(name).values() if each["Type"].endswith("BackupVault")
        )


def test_after_a_rewind_no_part_looks_at_the_tables_of_before() -> None:
    """`ServingPrefix` names those of a restore. Who is told of the prefix alone would watch tables nobody writes to."""
    root = templates.load(templates.TEMPLATE)["Resources"]
    serving = {"Fn::If": ["IsRestored", {"Ref": "ServingPrefix"}, {"Ref": "TablePrefix"}]}
    given = {name: each["Properties"].get("Parameters", {}) for name, each in root.items()}
    told = {name: each["TablePrefix"] for name, each in given.items() if "TablePrefix" in each and name != "Data"}
    assert set(told) == {"Functions", "Nodes", "Drill", "Audit"}
    assert all(each == serving for each in told.values())
    for name, parameters in given.items():
        for key, each in parameters.items():
            if re.fullmatch(r"\w+Table(Arn)?", key):
                assert each["Fn::If"][0] == "IsRestored", (name, key)


# -- the edge -------------------------------------------------------------------------------------------------------

CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


def edge() -> dict[str, Any]:
    (distribution,) = of("edge.yaml", "AWS::CloudFront::Distribution").values()
    return dict(distribution["DistributionConfig"])


def test_nothing_of_a_person_is_kept_at_the_edge() -> None:
    """What is kept is what the portal itself calls public for ever, and pages that are nobody's."""
    told = edge()
    assert told["DefaultCacheBehavior"]["CachePolicyId"] == CACHING_DISABLED
    assert told["DefaultCacheBehavior"]["TargetOriginId"] == "api"
    kept = {each["PathPattern"]: each for each in told["CacheBehaviors"] if each["CachePolicyId"] != CACHING_DISABLED}
    assert set(kept) == {"/static/*", "/logo/*", "/status/*"}
    assert all(
        "OriginRequestPolicyId" not in each and each["AllowedMethods"] == ["GET", "HEAD"] for each in kept.values()
    )
    render = (ROOT / "billing/portal/pages/render.py").read_text()
    assert render.count("public, max-age=") == 2, "one for /static/, one for /logo/"
    assert "Logging" not in told, "paths hold tokens"


def test_a_page_remains_when_the_portal_does_not_answer() -> None:
    told = edge()
    for error in told["CustomErrorResponses"]:
        assert error["ResponseCode"] == error["ErrorCode"], "M-Pesa and scripts must still see that it failed"
        assert error["ErrorCachingMinTTL"] <= 10
        page = ROOT / "deploy/edge" / error["ResponsePagePath"].lstrip("/")
        assert page.exists()
        behavior = next(each for each in told["CacheBehaviors"] if error["ResponsePagePath"].startswith("/status/"))
        assert behavior
    assert {error["ErrorCode"] for error in told["CustomErrorResponses"]} == {502, 503, 504}
    status = next(each for each in told["CacheBehaviors"] if each["PathPattern"] == "/status/*")
    assert status["TargetOriginId"] == "pages"


@pytest.mark.parametrize("page", sorted((ROOT / "deploy/edge/status").glob("*.html")), ids=lambda page: page.name)
def test_a_page_of_the_edge_stands_alone_in_both_languages(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"https?://|<script|<link|<img", text)
    assert 'lang="en"' in text
    assert 'lang="sw"' in text
    assert len(text) < 4_000


def test_the_bucket_is_cloudfronts_alone_and_who_asks_is_told_with_a_proof() -> None:
    (policy,) = of("edge.yaml", "AWS::S3::BucketPolicy").values()
    allowed = [each for each in policy["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudfront.amazonaws.com"}]
    assert "distribution/${Edge}" in json.dumps(allowed)
    origins = {each["Id"]: each for each in edge()["Origins"]}
    assert "OriginAccessControlId" in origins["pages"]
    (header,) = origins["api"]["OriginCustomHeaders"]
    assert header["HeaderName"] == EDGE_KEY
    assert "resolve:secretsmanager:" in json.dumps(header["HeaderValue"])
    (function,) = of("edge.yaml", "AWS::CloudFront::Function").values()
    assert f"'{VIEWER}'" in function["FunctionCode"]
    to_api = [
        edge()["DefaultCacheBehavior"],
        *(each for each in edge()["CacheBehaviors"] if each["TargetOriginId"] == "api"),
    ]
    assert all(each["FunctionAssociations"] for each in to_api), "else a caller could name an address itself"


# -- the drill ------------------------------------------------------------------------------------------------------


def test_a_drill_is_a_command_that_exists_and_may_delete_only_its_own_tables() -> None:
    (task,) = of("drill.yaml", "AWS::ECS::TaskDefinition").values()
    (container,) = task["ContainerDefinitions"]
    assert container["EntryPoint"][-2:] == ["-m", "billing.cli"]
    command: Any = typer.main.get_command(build())
    words = list(container["Command"])
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert command.make_context("drill", words).params["as_json"], "the alarm reads its document"
    role = of("drill.yaml", "AWS::IAM::Role")["DrillRole"]
    for statement in role["Policies"][0]["PolicyDocument"]["Statement"]:
        if "dynamodb:DeleteTable" in statement["Action"]:
            (resource,) = statement["Resource"]
            assert resource["Fn::Sub"].endswith(f"table/{DRILL}*")
        else:
            assert not any(each.startswith("dynamodb:Delete") for each in statement["Action"])


def test_a_drill_that_goes_wrong_or_does_not_take_place_is_an_alarm() -> None:
    (alarm,) = of("drill.yaml", "AWS::CloudWatch::Alarm").values()
    (heard,) = of("drill.yaml", "AWS::Logs::MetricFilter").values()
    (metric,) = heard["MetricTransformations"]
    assert (metric["MetricNamespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert alarm["TreatMissingData"] == "breaching"
    days = alarm["EvaluationPeriods"] * alarm["Period"] // 86_400
    (schedule,) = of("drill.yaml", "AWS::Scheduler::Schedule").values()
    assert int(re.findall(r"rate\((\d+) days\)", schedule["ScheduleExpression"])[0]) < days <= 7, (
        "CloudWatch looks no further"
    )
    wanted = heard["FilterPattern"].strip('"').replace('\\"', '"')
    assert wanted in json.dumps({"prefix": "x", "good": True, "findings": []}, indent=2)
    assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlertTopicArn"}]
