"""What each role may is what its code asks of AWS, as it went over the wire: nothing is missing, and nothing is more.

Requests to DynamoDB are read by a proxy before the engine, so those of both clients count (boto3, and pydynox on the
hot path); those to other services by botocore's own events. What one run does not meet, but the table of access
patterns has (which tests compare with the wire, port by port), is written down here with its reason.
"""

import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import msgspec
import pytest
from cfnlint.decode import decode_str

from billing.chores import Chores
from billing.run import loops_of
from billing.store import keys as selling
from coa.run import Runner
from deploy.stacks import FOLDER
from radius import vaults, wiring
from radius.domain.identity import MacAddress
from radius.domain.nas import Family
from radius.metrics import InProcess
from radius.outlets import lines_of
from radius.rlm.exit import Rcode
from radius.settings import kept_document
from radius.store import keys as core
from radius.store.open import StoreKind, open_store
from radius.worker import Worker
from tests.contract.values import soon
from tests.fakes.portal import API, DEVICE, PORTAL, ROUTER, SITE, Stand
from tests.fakes.store_proxy import StoreProxy
from tests.fixtures_engine import Engine, new_prefix, settings
from tests.unit.billing.portal.devices import go_online, whose
from tests.unit.billing.portal.test_account import signed_in
from tests.unit.billing.portal.test_vouchers import CODE, printed
from tests.unit.test_roles import BY_WIRE

Right = tuple[str, str]  # an action, and the table or table/index that it is for
PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
OLD = MacAddress("aabbccddeeff")


def rights(requests: Iterable[tuple[str, dict[str, Any]]], prefix: str) -> set[Right]:
    """What IAM asks for these requests (service authorization reference, DynamoDB)."""
    found: set[Right] = set()
    for operation, payload in requests:
        if operation == "TransactWriteItems":
            parts = [(kind, part) for each in payload["TransactItems"] for kind, part in each.items()]
            found |= {(PARTS[kind], part["TableName"]) for kind, part in parts}
        elif operation == "BatchGetItem":
            found |= {(operation, table) for table in payload["RequestItems"]}
        else:
            index = payload.get("IndexName", "")
            found.add((operation, f"{payload['TableName']}/index/{index}" if index else payload["TableName"]))
    return {(f"dynamodb:{action}", table.removeprefix(prefix)) for action, table in found}


class Town(Stand):
    """A portal and its workers over the engine, by the proxy, as on AWS: singly written, fenced by an epoch."""

    def __init__(self, engine: Engine, proxy: StoreProxy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.prefix, self._proxy = new_prefix(), proxy
        chosen = settings(f"http://127.0.0.1:{proxy.port}", StoreKind.DYNAMODB, self.prefix)
        self.chosen = chosen.__class__(**{**vars(chosen), "fenced": True})
        store = open_store(self.chosen)
        store.create_tables()
        super().__init__(folder, store, monkeypatch)

    def asked(self) -> set[Right]:
        """Since the last time."""
        found = rights(list(self._proxy.requests), self.prefix)
        self._proxy.requests.clear()
        return found


@pytest.fixture
def town(engine: Engine, proxy: StoreProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    made = Town(engine, proxy, tmp_path, monkeypatch)
    made.buy()
    made.callback()
    go_online(made, OLD)
    yield made
    made.close()


def sells(town: Town) -> None:
    """What customers do by the portal, and the worker after them."""
    token = signed_in(town)
    bearer = {"Authorization": f"Bearer {token}"}
    town.ask("GET", f"{API}/me", headers=bearer)
    town.ask("POST", f"{API}/me/devices/remove", json={"device": DEVICE}, headers=bearer)
    printed(town)
    town.redeem(CODE, device="02:00:00:00:00:01")
    town.notice()
    tab = town.browser()
    tab.open(f"{PORTAL}/w/{SITE}")
    town.get(f"/sites/{SITE}/packages")
    chores = Chores(town.billing, town.metrics, town.logger.logger, lambda: town.monotonic)
    for _ in range(2):
        town.now += 90_000
        for loop in loops_of(chores):
            loop.work(town.now)
    counted = InProcess()
    counted.count("AccessAccepts")
    lines_of(counted, "portal", town.core.store.tallies).tell()


def sweeps(town: Town) -> None:
    """A router began anew: its sessions have ended."""
    town.core.store.routers.boot(ROUTER, int(time.time()), soon())
    town.asked()
    worker = Worker(town.core, InProcess(), town.logger)
    worker.round()
    worker.round()


def listens(town: Town) -> None:
    """A node's hooks let somebody in and count, its thread tells of itself, its worker sweeps."""
    folder = town.core.settings.state_dir
    customer = town.core.provision.customer(["0712999999"], "a-long-password", int(time.time()))
    town.core.provision.grant(customer, "standard.1", int(time.time()), "g1")
    path = folder / "node.toml"
    path.write_text(f'state_dir = "{folder}"\nlog_path = "{folder}/node.log"\nmetrics_port = 0\n')
    town.asked()
    with patch.object(wiring, "open_store", lambda _: open_store(town.chosen)):
        node = wiring.build_node(path)  # a process of its own
    try:
        _lets_in_and_counts(node)
    finally:
        node.close()
    before = town._proxy.requests[:]
    sweeps(town)
    town._proxy.requests[:0] = before


def _lets_in_and_counts(node: wiring.NodeApp) -> None:
    node._keeper.round()
    packet = (
        ("User-Name", "0712999999"),
        ("User-Password", "a-long-password"),
        ("Calling-Station-Id", "02:00:00:00:00:99"),
        ("Acct-Session-Id", "81c00099"),
        ("Message-Authenticator", "0x00"),
        ("Packet-Src-IP-Address", "10.8.0.2"),
        ("Tmp-String-0", ROUTER),
        ("Tmp-String-2", "A"),
    )
    code, said = node.edge.authorize(packet, "r1")
    assert code == Rcode.UPDATED
    ((name, _, token),) = said["request"]
    assert node.edge.post_auth(((name, token), *packet), "r1")[0] == Rcode.UPDATED
    for status, seconds in (("Start", 0), ("Interim-Update", 60), ("Stop", 120)):
        told = (("Acct-Status-Type", status), ("Acct-Session-Time", str(seconds)), ("Acct-Input-Octets", "9"))
        assert node.edge.accounting((*told, *packet), "r2")[0] == Rcode.OK
    node._keeper.round()


def enforces(town: Town) -> None:
    """A customer is to be cut, and nobody saw what its router needs for that: nothing is sent, a person is told."""
    present = whose(town, OLD)
    assert present is not None
    router = next(each for each in town.core.store.routers.routers(soon()) if each.id == ROUTER)
    changed = msgspec.structs.replace(router, family=Family.COOVA, coa_address="127.0.0.1", version=router.version + 1)
    town.core.store.routers.put_router(changed, soon())
    town.core.provision.block(present.id, "unpaid", int(time.time()))
    town.asked()
    runner = Runner(town.core, InProcess(), town.logger, hears=False)
    stop = threading.Event()
    watcher = threading.Thread(target=lambda: _set_when(stop, town, "Enforcement needs a person"))
    watcher.start()
    runner.run(stop)
    runner.close(1)
    watcher.join()


def _set_when(stop: threading.Event, town: Town, message: str) -> None:
    end = time.monotonic() + 60
    while message not in town.log_path.read_text() and time.monotonic() < end:
        time.sleep(0.05)
    stop.set()


STACK_OF = {"NodeRole": "radius.yaml"}

# -- what the templates allow ------------------------------------------------------------------------------------------


def declared(accesses: Iterable[Any]) -> set[Right]:
    """What the table of access patterns has; a transaction puts, deletes and checks."""
    found: set[Right] = set()
    for each in accesses:
        actions = ("PutItem", "DeleteItem") if each.operation == "TransactWriteItems" else (each.operation,)
        where = f"{each.table}/index/{each.by_index}" if each.by_index else each.table
        found |= {(f"dynamodb:{action}", where) for action in actions}
    return found | {("dynamodb:ConditionCheckItem", core.CONFIG)}  # the epoch (`radius.store.fence`)


def statements(role: str) -> list[tuple[set[str], list[str]]]:
    """Actions and resources, as text after the account."""
    template = dict(decode_str((FOLDER / STACK_OF.get(role, "api.yaml")).read_text())[0])
    (policy,) = template["Resources"][role]["Properties"]["Policies"]
    found = []
    for given in policy["PolicyDocument"]["Statement"]:
        each = given["Fn::If"][1] if "Fn::If" in given else given
        assert each["Effect"] == "Allow"
        actions, places = (part if isinstance(part, list) else [part] for part in (each["Action"], each["Resource"]))
        found.append(
            (set(actions), [place.get("Fn::Sub", "") if isinstance(place, dict) else place for place in places])
        )
    return found


def allowed(role: str) -> set[Right]:
    """What a role may do with tables."""
    return {
        (action, place.partition("table/${TablePrefix}")[2])
        for actions, places in statements(role)
        for action in actions
        for place in places
        if action.startswith("dynamodb:")
    }


_EPOCH = ("dynamodb:PutItem", core.CONFIG)  # whoever writes first claims the tables
_TOGETHER = ("dynamodb:BatchGetItem", core.USERS)  # several threads read at once
UNMET: Mapping[str, set[Right]] = {
    "SessionRole": {_EPOCH, _TOGETHER},
    "CoaRole": {_EPOCH, _TOGETHER},
    "NodeRole": {_TOGETHER},
    "SellingRole": {
        _TOGETHER,
        ("dynamodb:PutItem", core.CONFIG),  # a router that joins: its record, its tunnel, its login page
        ("dynamodb:DeleteItem", core.CONFIG),  # Tunnels.drop_tunnel
        ("dynamodb:GetItem", core.CONFIG),  # terms that this instance does not know yet
        ("dynamodb:DeleteItem", selling.BILLING),  # Postings.release: a person is forgotten
    },
}
RUNS = [("SellingRole", sells), ("SessionRole", sweeps), ("CoaRole", enforces), ("NodeRole", listens)]


def test_roles_whose_rights_are_compared_nowhere_else_run_here() -> None:
    assert {role for role, _ in RUNS} == BY_WIRE


@pytest.mark.parametrize(("role", "run"), RUNS, ids=[role for role, _ in RUNS])
def test_a_role_may_do_with_tables_what_its_code_does_and_nothing_else(role: str, run: Any, town: Town) -> None:
    town.asked()
    run(town)
    met = town.asked()
    rooms = (*core.ACCESS, *selling.ACCESS) if role == "SellingRole" else core.ACCESS
    assert met - allowed(role) == set(), "missing"
    assert allowed(role) - met == UNMET[role], "more, or explained and not so"
    assert UNMET[role] <= declared(rooms) | {_EPOCH}


# -- everything else ---------------------------------------------------------------------------------------------------


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Right]:
    """Requests to other services, answered with a secret."""
    found: list[Right] = []
    session = boto3.Session(region_name="af-south-1", aws_access_key_id="x", aws_secret_access_key="x")

    def answer(model: Any, params: Mapping[str, Any], **_: Any) -> Any:
        service = {"secretsmanager": "secretsmanager", "ssm": "ssm"}[model.service_model.service_name]
        asked = json.loads(params["body"])
        found.append((f"{service}:{model.name}", asked.get("SecretId") or asked.get("Name")))

        class Http:
            status_code = 200

        return Http(), {"SecretString": "s", "Parameter": {"Value": "s"}}

    session.events.register("before-call", answer)
    monkeypatch.setattr(boto3, "client", session.client)
    return found


def test_secrets_are_those_that_a_role_may_read(heard: list[Right]) -> None:
    template = dict(decode_str((FOLDER / "api.yaml").read_text())[0])
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    texts = {name: json.dumps(each) for name, each in variables.items() if name.endswith("_REF")}
    references = {name: re.findall(r'"(secretsmanager:[^"]+)"', text)[0] for name, text in texts.items()}
    for name, reference in references.items():
        assert vaults.fetch(name, reference.replace("${StageSuffix}", "")) == "s"
    asked = [place for action, place in heard if action == "secretsmanager:GetSecretValue"]
    assert len(asked) == len(heard) == len(references) >= 5

    def reads(role: str) -> list[str]:
        places = [
            place
            for actions, several in statements(role)
            if "secretsmanager:GetSecretValue" in actions
            for place in several
        ]
        patterns = [place.partition(":secret:")[2].replace("${StageSuffix}", "") for place in places]
        return [name for name in asked if any(fnmatchcase(f"{name}-AbCdEf", pattern) for pattern in patterns)]

    assert reads("SellingRole") == asked, "AWS adds six characters to a secret's name"
    assert reads("SessionRole") == reads("CoaRole") == reads("NodeRole") == ["wifi-billing/data-key"]


@pytest.mark.parametrize("role", [role for role, _ in RUNS])
def test_a_role_may_read_the_document_of_settings_and_no_other_parameter(
    role: str, heard: list[Right], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = re.findall(r"ssm:/[^\"]+", (FOLDER / STACK_OF.get(role, "api.yaml")).read_text())[0]
    monkeypatch.setenv("WIFIBILLING_SETTINGS", said.replace("${StageSuffix}", "").replace("${SettingsVersion}", "3"))
    kept_document.__globals__["_document"].cache_clear()
    assert kept_document() == kept_document() == "s"
    ((action, name),) = heard
    allows = [(actions, places) for actions, places in statements(role) if any("ssm" in each for each in actions)]
    (place,) = allows[0][1]
    assert [actions for actions, _ in allows] == [{action}] == [{"ssm:GetParameter"}]
    # The version is a selector: IAM knows the parameter only
    assert f"{place.partition(':parameter')[2].replace('${StageSuffix}', '')}:3" == name


def test_only_the_functions_that_sell_send_and_only_to_phones_and_only_where_it_was_set() -> None:
    template = dict(decode_str((FOLDER / "api.yaml").read_text())[0])
    policies = {
        name: each for name, each in template["Resources"].items()
        if "sns:" in json.dumps(each) and each["Type"].startswith("AWS::IAM")
    }  # fmt: skip
    ((_, policy),) = policies.items()
    assert (policy["Condition"], policy["Properties"]["Roles"]) == ("SendsBySns", [{"Ref": "SellingRole"}])
    allow, deny = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (allow["Effect"], allow["Action"], deny["Effect"]) == ("Allow", "sns:Publish", "Deny")
    assert allow["Condition"] == {"StringEquals": {"aws:RequestedRegion": {"Ref": "SmsRegion"}}}
    assert deny["Resource"] == {"Fn::Sub": "arn:${AWS::Partition}:sns:*:*:*"}, "a topic is no phone"
