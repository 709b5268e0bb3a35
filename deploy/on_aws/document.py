"""The settings of a stage that are no parameter: the document that every function and node reads when it starts.

It is `settings.toml` as on one box: `[sms]`, `[mail]`, `[incidents]`, `[notices]`, `[billing]` and single settings. SSM
keeps it, with its versions; the stack names one of them, so another document is another version of each function,
and a function that goes back has its old one again. Secrets in it are references to this stage's Secrets Manager.
"""

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from billing.duty import S3, load_duty, load_notices
from billing.mail.settings import HERE
from billing.settings import load as load_selling
from billing.sms.settings import FileSettings, SnsSettings
from deploy.on_aws.stage import Stage
from deploy.on_aws.templates import load
from deploy.options import ROOT
from deploy.refusal import Refusal
from radius import settings as settings_module
from radius.settings import PREFIX, TABLES, SettingsError

BYTES_MAX = 8_192  # of an advanced parameter (SSM quotas); up to 4,096 it costs nothing
TABLES_READ = ("billing", "incidents", "mail", "notices", "sms")  # what functions and `deploy/aws run` do by them
OF_A_MACHINE = frozenset({"node_id", "spool_dir", "store_endpoint", "store_file", "log_path"})
SMTP_PORT = 25  # AWS lets nothing out there


class Document(NamedTuple):
    """A checked one. `secrets`: names of those that it refers to; `sms_region`: where SNS sends, or nothing."""

    text: str
    secrets: tuple[str, ...] = ()
    sms_region: str = ""


def read(stage: Stage, path: Path) -> Document:
    """What stands in a file, checked by those who will read it; an empty file means none.

    Raises:
        Refusal: what cannot be used, each problem by its field.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as bad:
        raise Refusal(f"{path}: cannot be read: {bad}") from None
    if not text.strip():
        return Document("")
    try:
        region = _loaded(stage, path)
    except SettingsError as bad:
        raise Refusal(f"{path}: {'; '.join(bad.problems)}") from None
    values = tomllib.loads(text)
    references = dict(_references(values))
    ours = f"secretsmanager:{stage.secret('')}"
    problems = [
        *_elsewhere(values),
        *(f"{name}: must be like {ours}NAME" for name, said in references.items() if not said.startswith(ours)),
    ]
    if len(text.encode()) > BYTES_MAX:
        problems.append(f"has more than {BYTES_MAX:,} bytes")
    if problems:
        raise Refusal(f"{path}: {'; '.join(problems)}")
    return Document(text, tuple(sorted({said.removeprefix(ours) for said in references.values()})), region)


def keep(stage: Stage, text: str) -> str:
    """Keep it where the stack looks; its version. What is there already stays what it is."""
    ssm = stage.client("ssm")
    try:
        found = ssm.get_parameter(Name=stage.settings)["Parameter"]
    except ssm.exceptions.ParameterNotFound:
        found = {}
    if found.get("Value") == text:
        return str(found["Version"])
    made = ssm.put_parameter(Name=stage.settings, Value=text, Type="String", Overwrite=True, Tier="Intelligent-Tiering")
    return str(made["Version"])


def _loaded(stage: Stage, path: Path) -> str:
    """Raises SettingsError; the Region in which SNS sends, or nothing."""
    with _environment(stage):
        settings_module.load(path)
        selling = load_selling(path)
        page = load_duty(path).status_page
        load_notices(path)
    if page and not page.startswith(S3):
        raise SettingsError([f"incidents.status_page: must be like {S3}PagesBucket/status/index.html"])
    sender = selling.sms.sender if selling.sms else None
    if isinstance(sender, FileSettings):
        raise SettingsError(["sms.sender.kind: must not be file: a function's files are nobody's"])
    if selling.mail and (selling.mail.host in HERE or selling.mail.port == SMTP_PORT):
        raise SettingsError([f"mail.host: must be another machine, and mail.port not {SMTP_PORT}, which AWS shuts"])
    return sender.region if isinstance(sender, SnsSettings) else ""


@contextmanager
def _environment(stage: Stage) -> Iterator[None]:
    """That of the stage: what the operator's own says of a box is nothing to it."""
    before = dict(os.environ)
    for name in before:
        if name.upper().startswith(PREFIX) or name.upper() == "ENVIRONMENT":
            del os.environ[name]
    os.environ.update(stage.variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _elsewhere(values: dict[str, Any]) -> Iterator[str]:
    """What would be read by nobody, or not be believed."""
    said = _said_by_stacks() | OF_A_MACHINE
    for name in values:
        if name in TABLES and name not in TABLES_READ:
            yield f"[{name}]: is read on a box only"
        elif name in said:
            yield f"{name}: is the stack's to say"


def _said_by_stacks() -> set[str]:
    functions = load(ROOT / "deploy" / "stacks" / "api.yaml")["Globals"]["Function"]["Environment"]["Variables"]
    return {name.removeprefix(PREFIX).lower() for name in functions}


def _references(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each secret's field and reference."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _references(value, f"{above}{name}.")
        elif name.endswith("_ref"):
            yield f"{above}{name}", str(value)
