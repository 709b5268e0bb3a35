"""The calculator of costs: from the measured constants, in the right direction, and with a date on its prices."""

import re

import pytest

from deploy.on_aws import costing, templates
from deploy.on_aws.costing import Site
from deploy.options import ROOT
from deploy.refusal import Refusal


def test_it_asks_for_what_was_measured() -> None:
    """The benchmarks in the README are where these numbers stand for people."""
    readme = (ROOT / "README.md").read_text().replace("\n", " ")
    assert re.search(r"a purchase costs 36 write units .* and 10 read units", readme)
    assert costing.MEASURED["purchase"] == (10, 36)
    assert "a log-in of a known name 1 read and 1 write unit, an ordinary interim update no read and 1 write" in readme
    assert costing.MEASURED["log_in"] == (1, 1)
    assert costing.MEASURED["interim"] == (0, 1)


def test_interims_are_what_writes_grow_with() -> None:
    """A thousand always online with interims of five minutes write 8.6 million units a month, $5.40."""
    always = Site(customers=1_000, sessions=1, online_h=24, interim_s=300, payments=0)
    _, writes = costing.units(always)
    assert 8_640_000 <= writes <= 8_640_000 + 1_000 * 30 * 3
    line = next(each for each in costing.lines(always) if each.what == "DynamoDB: writes")
    assert line.dollars == pytest.approx(5.4, abs=0.1)
    assert costing.units(always._replace(interim_s=600))[1] < writes * 0.51


def test_purchases_cost_what_they_write() -> None:
    without, with_one = costing.units(Site(payments=0)), costing.units(Site(payments=1))
    assert with_one[1] - without[1] == 1_000 * 30 * 36
    assert with_one[0] - without[0] == 1_000 * 30 * 10


@pytest.mark.parametrize(
    ("field", "more"), [("customers", 2_000), ("sessions", 4.0), ("online_h", 8.0), ("payments", 2.0), ("nodes", 4)]
)
def test_more_is_never_cheaper(field: str, more: float) -> None:
    def total(site: Site) -> float:
        return sum(line.dollars for line in costing.lines(site))

    assert total(Site()._replace(**{field: more})) > total(Site())


def test_functions_that_are_always_at_work_are_told_of() -> None:
    """Three schedules of a minute at 512 MB are most of a small site's bill."""
    assert costing.scheduled() == (3, 0.5)
    line = next(each for each in costing.lines(Site()) if each.what == "Lambda: what a schedule starts")
    assert line.dollars == pytest.approx(3 * 30 * 86_400 * 0.5 * costing.prices()["lambda_gb_second"])


def test_a_region_is_a_factor_that_says_what_it_is() -> None:
    assert costing.factor("us-east-1") == 1
    dear = sum(line.dollars for line in costing.lines(Site(), costing.factor("af-south-1")))
    assert dear == pytest.approx(1.3 * sum(line.dollars for line in costing.lines(Site())))
    with pytest.raises(Refusal, match="no factor"):
        costing.factor("mars-north-1")


def test_every_price_is_used_and_dated() -> None:
    listed = costing.prices()
    assert re.fullmatch(r"20\d\d-\d\d", listed["date"])
    source = (ROOT / "deploy/on_aws/costing.py").read_text()
    unused = {name for name in listed if f'"{name}"' not in source} - {"date", "region", "currency"}
    assert not unused


def test_hosts_are_those_of_the_templates() -> None:
    """What a stage has at every hour is its bill; a number that is written twice is wrong after the next change."""
    network, radius = (templates.load(costing.STACKS / name)["Resources"] for name in ("network.yaml", "radius.yaml"))
    task = next(each["Properties"] for each in radius.values() if each["Type"] == "AWS::ECS::TaskDefinition")
    balancer = next(each["Properties"] for each in radius.values() if each["Type"].endswith("::LoadBalancer"))
    around, price = costing.hosts(), costing.prices()
    assert (around.vcpu * 1_024, around.gb * 1_024) == (int(task["Cpu"]), int(task["Memory"]))
    assert around.gateways == sum(each["Type"].endswith("NatGateway") for each in network.values()) == around.addresses
    assert around.node_addresses == len(balancer["SubnetMappings"])
    found = {line.what: line.dollars for line in costing.lines(Site())}
    node = around.vcpu * price["fargate_vcpu_hour"] + around.gb * price["fargate_gb_hour"]
    assert found["RADIUS: nodes"] == pytest.approx(2 * 720 * node)
    assert found["NAT: what goes out to routers"] > around.gateways * 720 * price["nat_hour"]
    assert found["RADIUS: the disk of spools"] > 0


def test_the_readme_has_the_sum_that_the_command_gives() -> None:
    found = costing.lines(Site(), costing.factor("af-south-1"))

    def dollars(*begins: str) -> str:
        return f"{sum(line.dollars for line in found if line.what.startswith(begins)):.0f}"

    readme = " ".join((ROOT / "README.md").read_text().split())
    said = re.findall(
        r"of the (\d+) dollars that `cost` gives for 1,000 customers in af-south-1, (\d+) are RADIUS nodes, their load"
        r" balancer and disk, (\d+) two NAT gateways, (\d+) three functions that are always at work, (\d+) the writes",
        readme,
    )
    parts = (dollars("RADIUS"), dollars("NAT"), dollars("Lambda: what a"), dollars("DynamoDB: writes"))
    assert said == [(dollars(""), *parts)]


@pytest.mark.parametrize(
    ("site", "says"),
    [
        (Site(interim_s=0), "interim_s"),
        (Site(customers=-5), "customers"),
        (Site(nodes=-1), "nodes"),
        (Site(payments=-0.1, online_h=-1), "online_h, payments"),
    ],
)
def test_less_than_nothing_has_no_price(site: Site, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        costing.lines(site)


@pytest.mark.parametrize("times", [0.0, -1.0])
def test_a_factor_of_nothing_is_none(times: float) -> None:
    with pytest.raises(Refusal, match="factor"):
        costing.lines(Site(), times)
