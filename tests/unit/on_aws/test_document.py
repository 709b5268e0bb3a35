"""The document of settings: what `deploy/aws prepare` refuses, what it keeps, and that the stack asks for that."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.on_aws import document, prepare, templates
from deploy.on_aws.document import Document
from deploy.on_aws.stage import Stage
from deploy.options import ROOT
from deploy.refusal import Refusal
from tests.fakes.aws import Aws, Params

GATEWAY = """
log_level = "WARN"

[billing]
brand = "Kilifi WiFi"

[sms.sender]
kind = "africas_talking"
username = "kilifi"
key_ref = "secretsmanager:wifi-billing-trial/sms-key"

[mail]
host = "smtp.example.co.ke"
sender = "wifi@example.co.ke"
user = "wifi"
password_ref = "secretsmanager:wifi-billing-trial/mail-password"

[[incidents.on_call]]
name = "Amina"
phone = "0700000091"
"""
ANSWERS = {
    "PortalUrl": "https://wifi.example.co.ke", "MpesaShortcode": "174379", "CriticalEmail": "a@example.co.ke",
    "CriticalPhone": "+254712345678", "AlertEmail": "b@example.co.ke", "RunbookUrl": "https://example.co.ke",
    "mpesa-passkey": "p", "mpesa-consumer-key": "k", "mpesa-consumer-secret": "s",
}  # fmt: skip
OTHERS = {"sms-key": "of the gateway", "mail-password": "of the server"}


class Account:
    """SSM and Secrets Manager of one account, behind boto3's own clients."""

    def __init__(self) -> None:
        self.versions: dict[str, list[str]] = {}
        self.secrets: dict[str, str] = {}
        self.aws = Aws(lambda *_: [])
        self.aws.answers |= {
            "GetParameter": self._get,
            "PutParameter": self._put,
            "DescribeSecret": lambda asked: {"Name": asked["SecretId"]},
            "CreateSecret": self._create,
        }
        real = self.aws.call
        self.aws.call = lambda *given: real(*given) if self._is_there(*given) else self._missing(*given)  # type: ignore[method-assign]

    def client(self, service: str) -> Any:
        return self.aws.client(service, "af-south-1")

    def _is_there(self, _region: str, model: Any, context: Params) -> bool:
        asked = context["asked"]
        if model.name == "GetParameter":
            return asked["Name"] in self.versions
        return model.name != "DescribeSecret" or asked["SecretId"] in self.secrets

    def _missing(self, _region: str, model: Any, _context: Params) -> Any:
        code = "ParameterNotFound" if model.name == "GetParameter" else "ResourceNotFoundException"

        class Http:
            status_code = 400

        return Http(), {"Error": {"Code": code, "Message": "not there"}, "ResponseMetadata": {}}

    def _get(self, asked: Params) -> Params:
        found = self.versions[asked["Name"]]
        return {"Parameter": {"Name": asked["Name"], "Value": found[-1], "Version": len(found)}}

    def _put(self, asked: Params) -> Params:
        assert asked["Type"] == "String"
        self.versions.setdefault(asked["Name"], []).append(asked["Value"])
        return {"Version": len(self.versions[asked["Name"]])}

    def _create(self, asked: Params) -> Params:
        self.secrets[asked["Name"]] = asked["SecretString"]
        return {"Name": asked["Name"]}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def stage(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(Stage, "client", lambda _, service: account.client(service))
    monkeypatch.setenv("WIFIBILLING_NONSENSE", "of the machine on which somebody types")
    return Stage("trial", "af-south-1")


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_what_is_fit_names_its_secrets_and_where_sns_sends(stage: Stage, tmp_path: Path) -> None:
    found = document.read(stage, written(tmp_path, GATEWAY))
    assert found == Document(GATEWAY, ("mail-password", "sms-key"))
    by_sns = '[sms.sender]\nkind = "sns"\nregion = "eu-west-1"\n'
    assert document.read(stage, written(tmp_path, by_sns)) == Document(by_sns, (), "eu-west-1")
    assert document.read(stage, written(tmp_path, "\n")) == Document("")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("brand = 1", "brand: is no setting"),
        ("[sms", "is not TOML"),
        ("[notices]\nper_minute = 0", "notices.per_minute: should be greater"),
        ("[[incidents.on_call]]\nname = 'Amina'", "incidents.on_call.0.phone: must be given"),
        ("[sms.sender]\nkind = 'file'\npath = '/tmp/x'", "sms.sender.kind: must not be file"),
        ("[mail]\nhost = 'mx.example.ke'\nport = 25\nsender = 'a@b.ke'", "mail.port not 25"),
        ("[mail]\nhost = 'localhost'\nsender = 'a@b.ke'", "mail.host: must be another machine"),
        (GATEWAY.replace("-trial", ""), "sms.sender.key_ref: must be like secretsmanager:wifi-billing-trial/NAME"),
        ("[incidents]\nstatus_page = '/var/www/index.html'", "incidents.status_page: must be like s3://"),
        ("[alerts]\nsms = []", r"\[alerts\]: is read on a box only"),
        ("table_prefix = 'other-'\nspool_dir = '/x'", "table_prefix: is the stack's to say; spool_dir: is the stack's"),
        ("#" * 8_193, "more than 8,192 bytes"),
    ],
)
def test_what_is_not_fit_is_refused_by_its_field(stage: Stage, tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Refusal, match=says):
        document.read(stage, written(tmp_path, text))


def test_it_is_kept_as_a_version_that_the_stack_is_told(stage: Stage, account: Account, tmp_path: Path) -> None:
    checked = document.read(stage, written(tmp_path, GATEWAY))
    with pytest.raises(Refusal, match="missing: mail-password, sms-key"):
        prepare.prepare(stage, ANSWERS, None, checked)
    assert account.versions == {}, "nothing is kept whose secrets nobody told"
    changed = prepare.prepare(stage, ANSWERS | OTHERS, None, checked)
    assert {"parameters", *OTHERS} <= set(changed)
    assert account.secrets["wifi-billing-trial/sms-key"] == "of the gateway"
    assert prepare.needed(stage)["SettingsVersion"] == "1"
    assert prepare.settings_reference(stage) == "ssm:/wifi-billing-trial/settings:1"

    assert prepare.prepare(stage, {}, None, checked) == [], "the same is no other version"
    other = document.read(stage, written(tmp_path, GATEWAY.replace("Kilifi", "Lamu")))
    assert prepare.prepare(stage, {}, None, other) == ["parameters"]
    assert prepare.prepare(stage, {}, None) == [], "what is not told stays"
    assert prepare.needed(stage)["SettingsVersion"] == "2"
    assert account.versions["/wifi-billing-trial/settings"][0] == GATEWAY, "a function that goes back finds its own"

    assert prepare.prepare(stage, {}, None, Document("")) == ["parameters"]
    assert prepare.settings_reference(stage) == ""


def test_functions_and_nodes_are_told_what_is_kept() -> None:
    said = f"ssm:{Stage('trial', 'af-south-1').settings}:".replace("-trial", "${StageSuffix}")
    for name in ("api.yaml", "radius.yaml"):
        template = templates.load(ROOT / "deploy" / "stacks" / name)
        assert f'"{said}${{SettingsVersion}}"' in json.dumps(template)
    root = templates.load(templates.TEMPLATE)["Resources"]
    for part in ("Functions", "Nodes"):
        assert root[part]["Properties"]["Parameters"]["SettingsVersion"] == {"Ref": "SettingsVersion"}
    functions = templates.load(ROOT / "deploy" / "stacks" / "api.yaml")["Resources"].values()
    made = [each["Properties"] for each in functions if each["Type"] == "AWS::Serverless::Function"]
    assert [each["AutoPublishAliasAllProperties"] for each in made] == [True] * 4, "another document is another version"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CriticalPhone", "0712"),  # the part that subscribes it says how
        ("PortalUrl", "ftp://x"),  # the root says how
        ("MpesaEnvironment", "live"),
        ("AlertEmail", "nobody"),
        ("MpesaShortcode", "12"),
        ("CertificateArn", "mine"),
    ],
)
def test_a_value_that_a_template_would_refuse_is_not_kept(
    stage: Stage, account: Account, name: str, value: str
) -> None:
    with pytest.raises(Refusal, match=rf"^{name}: {value} is not like "):
        prepare.prepare(stage, ANSWERS | {name: value}, None)
    assert (account.versions, account.secrets) == ({}, {})


def test_what_may_be_left_out_may_be_empty(stage: Stage) -> None:
    assert "parameters" in prepare.prepare(stage, ANSWERS | {"EdgeCertificateArn": "", "CopyVaultArn": ""}, None)
