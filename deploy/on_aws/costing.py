"""What a month costs: a calculator over what the code was measured to ask for, and a price list with its date.

It knows no discount, no free tier but that of traffic, no support plan, no SMS and no tax. Prices are those of
us-east-1; another Region has a factor, which is an assumption until its own list is put in `prices.json`.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from billing.alarms import ALARMS, COMPOSITES
from billing.metrics import catalogue
from deploy.on_aws.prepare import MADE, TOLD
from deploy.on_aws.templates import load
from deploy.options import ROOT
from deploy.refusal import Refusal
from radius.cloudwatch import series

PRICES = Path(__file__).parent / "prices.json"
STACKS = ROOT / "deploy" / "stacks"
FACTORS = {"us-east-1": 1.0, "eu-west-1": 1.1, "af-south-1": 1.3}  # assumed, but for us-east-1

DAYS, HOURS = 30, 720
MILLION, GB = 1e6, 1e9
MEASURED = {  # README, "Benchmarks": store units of one of each
    "log_in": (1, 1),  # read, write
    "interim": (0, 1),
    "purchase": (10, 36),
}
CLOSING = (1, 2)  # a session's end: the aggregate and the record of it; by the design, not measured alone
PAGES = 6  # requests of one purchase: page, checkout, what became of it three times, callback
PAGE_S, PAGE_BYTES = 0.15, 30_000
LOG_BYTES = 600  # of one line: a packet, a request
ROW_BYTES = 1_500  # of what stays of one session or payment
POLLS_PER_S = 2  # of each function that a schedule starts: what is due, assumed
PACKET_BYTES = 350
DISK_GB = 1.0  # of spools: stored, and written and read in a month; assumed
KMS_PER_DAY = 20_000  # DynamoDB keeps a table's key for minutes


class Site(NamedTuple):
    """What is to be paid for. `sessions`: log-ins of a customer a day; `online_h`: how long one lasts."""

    customers: int = 1_000
    sessions: float = 2.0
    online_h: float = 2.0
    interim_s: int = 300
    payments: float = 0.5  # of a customer a day
    packages: int = 6
    nodes: int = 2
    months_kept: int = 24


class Hosts(NamedTuple):
    """What the templates make around the functions; `vcpu` and `gb` are a node's."""

    gateways: int
    addresses: int  # of the gateways
    vcpu: float
    gb: float
    node_addresses: int  # of the load balancer


class Line(NamedTuple):
    """A part of the sum: `dollars` a month."""

    what: str
    how_much: str
    dollars: float


def prices() -> dict[str, Any]:
    """The price list."""
    return dict(json.loads(PRICES.read_text()))


def factor(region: str) -> float:
    """How much dearer a Region is than the price list. Raises Refusal for one that nobody has looked at."""
    if region not in FACTORS:
        raise Refusal(f"no factor for {region}: one of {', '.join(FACTORS)}, or your own with --factor")
    return FACTORS[region]


def lines(site: Site, times: float = 1.0) -> list[Line]:
    """Every part, dearest first.

    Raises:
        Refusal: of something there is less than none, or no time between two interim updates.
    """
    if bad := [name for name, each in site._asdict().items() if each < (1 if name == "interim_s" else 0)]:
        raise Refusal(f"must not be so small: {', '.join(bad)}")
    if times <= 0:
        raise Refusal("the factor must be more than 0")
    price = prices()
    found = [*_store(site, price), *_functions(site, price), *_watching(site, price), *_nodes(site, price)]
    return sorted((each._replace(dollars=each.dollars * times) for each in found), key=lambda each: -each.dollars)


def units(site: Site) -> tuple[float, float]:
    """Read and write units of a month, without those of polls."""
    days = site.customers * DAYS
    log_ins, payments = site.sessions * days, site.payments * days
    interims = log_ins * site.online_h * 3_600 / site.interim_s
    parts = [(log_ins, MEASURED["log_in"]), (interims, MEASURED["interim"]), (payments, MEASURED["purchase"])]
    parts.append((log_ins, CLOSING))
    return sum(count * each[0] for count, each in parts), sum(count * each[1] for count, each in parts)


def scheduled() -> tuple[int, float]:
    """How many functions a schedule starts each minute, and the memory of one in GB: the template says so."""
    template = load(STACKS / "api.yaml")
    functions = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    started = [each for each in functions if "Events" in each["Properties"]]
    return len(started), template["Globals"]["Function"]["MemorySize"] / 1_024


def hosts() -> Hosts:
    """Gateways, addresses and the size of a node: the templates say so."""
    of = {name: load(STACKS / f"{name}.yaml")["Resources"] for name in ("network", "remains", "radius")}
    gateways = sum(each["Type"] == "AWS::EC2::NatGateway" for each in of["network"].values())
    addresses = [each for each in of["remains"].values() if each["Type"] == "AWS::EC2::EIP"]
    nodes = sum("Condition" in each for each in addresses)
    (task,) = (each["Properties"] for each in of["radius"].values() if each["Type"] == "AWS::ECS::TaskDefinition")
    return Hosts(gateways, len(addresses) - nodes, int(task["Cpu"]) / 1_024, int(task["Memory"]) / 1_024, nodes)


def _store(site: Site, price: dict[str, Any]) -> list[Line]:
    reads, writes = units(site)
    polls = scheduled()[0] * POLLS_PER_S * 86_400 * DAYS
    rows = site.customers * DAYS * (site.sessions + site.payments) * site.months_kept
    gb = rows * ROW_BYTES / GB
    return [
        Line("DynamoDB: writes", f"{writes:,.0f} units", writes / MILLION * price["dynamodb_write_units_million"]),
        Line(
            "DynamoDB: reads",
            f"{reads:,.0f} units, and {polls:,.0f} of polls",
            (reads + polls) / MILLION * price["dynamodb_read_units_million"],
        ),
        Line(
            "DynamoDB: storage and its continuous backup",
            f"{gb:.2f} GB after {site.months_kept} months",
            gb * (price["dynamodb_gb_month"] + price["dynamodb_pitr_gb_month"]),
        ),
        Line(
            "CloudTrail: who wrote to the books",
            "a copy of each write to them",
            site.payments * site.customers * DAYS * 8 / MILLION * price["cloudtrail_data_events_million"],
        ),
        Line(
            "Key and secrets",
            f"1 and {len(MADE) + len(TOLD)}",
            price["kms_key_month"]
            + KMS_PER_DAY * DAYS / MILLION * price["kms_requests_million"]
            + (len(MADE) + len(TOLD)) * price["secret_month"],
        ),
    ]


def _functions(site: Site, price: dict[str, Any]) -> list[Line]:
    requests = site.payments * site.customers * DAYS * PAGES
    started, gb = scheduled()
    always_s = started * 86_400 * DAYS  # one of each is always at work
    out_gb = max(0.0, requests * PAGE_BYTES / GB - price["transfer_out_free_gb"])
    asked = requests + started * 1_440 * DAYS
    around = hosts()
    return [
        Line("API", f"{requests:,.0f} requests", requests / MILLION * price["http_api_requests_million"]),
        Line(
            "Lambda: what a schedule starts",
            f"{started} always at work, {gb * always_s:,.0f} GB-s",
            gb * always_s * price["lambda_gb_second"],
        ),
        Line(
            "Lambda: pages and callbacks",
            f"{gb * requests * PAGE_S:,.0f} GB-s",
            gb * requests * PAGE_S * price["lambda_gb_second"] + asked / MILLION * price["lambda_requests_million"],
        ),
        Line("Traffic out", f"{out_gb:.1f} GB above what is free", out_gb * price["transfer_out_gb"]),
        Line(
            "NAT: what goes out to routers",
            f"{around.gateways} zones, 1 GB",
            HOURS * (around.gateways * price["nat_hour"] + around.addresses * price["public_address_hour"])
            + price["nat_gb"],
        ),
    ]


def _watching(site: Site, price: dict[str, Any]) -> list[Line]:
    several = series(catalogue([f"p{number}" for number in range(site.packages)]))
    watched = sum(len(alarm.figure.parts) + len(alarm.figure.whole) for alarm in ALARMS)
    alarms = watched * price["cloudwatch_alarm_metric_month"] + len(COMPOSITES) * price["cloudwatch_composite_month"]
    packets = site.customers * DAYS * site.sessions * (3 + site.online_h * 3_600 / site.interim_s)
    gb = (packets + site.customers * DAYS * site.payments * PAGES) * LOG_BYTES / GB
    return [
        Line("CloudWatch: metrics", f"{several} series", several * price["cloudwatch_metric_month"]),
        Line("CloudWatch: alarms", f"over {watched} metrics, {len(COMPOSITES)} composite", alarms),
        Line("CloudWatch: dashboard", "1", price["cloudwatch_dashboard_month"]),
        Line("CloudWatch: logs", f"{gb:.2f} GB", gb * price["cloudwatch_logs_gb"]),
    ]


def _nodes(site: Site, price: dict[str, Any]) -> list[Line]:
    if not site.nodes:
        return []
    packets = site.customers * DAYS * site.sessions * (2 + site.online_h * 3_600 / site.interim_s)
    capacity = max(1.0, packets * PACKET_BYTES / GB / HOURS)  # a GB an hour is one unit
    around = hosts()
    node = around.vcpu * price["fargate_vcpu_hour"] + around.gb * price["fargate_gb_hour"]
    addresses = around.node_addresses * price["public_address_hour"]
    balancer = price["nlb_hour"] + capacity * price["nlb_capacity_hour"]
    disk = price["efs_gb_month"] + price["efs_read_gb"] + price["efs_write_gb"]
    return [
        Line("RADIUS: load balancer", f"1, UDP, {around.node_addresses} addresses", HOURS * (balancer + addresses)),
        Line(
            "RADIUS: nodes",
            f"{site.nodes} of {around.vcpu:g} vCPU and {around.gb:g} GB",
            site.nodes * HOURS * node,
        ),
        Line("RADIUS: the disk of spools", f"{DISK_GB:g} GB", DISK_GB * disk),
    ]
