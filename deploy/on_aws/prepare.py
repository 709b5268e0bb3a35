"""What only the operator knows: the stage's parameters and its secrets, asked for once and kept in the account.

Parameters are kept in SSM, secrets in Secrets Manager. Keys that nobody needs to know are made here, at random, and are
never made twice: a second data key would leave everything unreadable that the first one sealed.
"""

import json
import re
import secrets
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deploy.on_aws import document
from deploy.on_aws.document import Document
from deploy.on_aws.stage import Stage
from deploy.on_aws.templates import TEMPLATE, load, parts
from deploy.refusal import Refusal
from radius.secrets import KEY_BYTES

MADE: Mapping[str, Callable[[], str]] = {
    "data-key": lambda: b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
    "mpesa-callback-secret": lambda: secrets.token_hex(16),  # a path segment
    "edge-key": lambda: secrets.token_hex(32),  # by which the portal knows CloudFront, where there is one
}
TOLD = ("mpesa-passkey", "mpesa-consumer-key", "mpesa-consumer-secret")

Ask = Callable[[str, str, bool], str]  # name, what it is, whether it is a secret


def prepare(stage: Stage, answers: Mapping[str, str], ask: Ask | None, settings: Document | None = None) -> list[str]:
    """Keep what is given in `answers` and ask for what is missing; what was made or changed, by name.

    `settings` brings secrets of its own, which are told like M-Pesa's. None: they stay as they are.

    Raises:
        Refusal: something is missing and nobody can be asked, a name that nobody knows, or a value that a template
            would refuse; nothing is kept then.
    """
    known = _parameters(stage)
    confidential = (*TOLD, *(settings.secrets if settings else ()))
    if unknown := set(answers) - set(known) - set(confidential):
        raise Refusal(f"nobody knows {', '.join(sorted(unknown))}")
    there = parameters(stage)
    told = {name: answers.get(name, there.get(name)) for name in known}
    missing = [name for name, value in told.items() if value is None and "Default" not in known[name]]
    secrets_missing = [name for name in confidential if name not in answers and not _has(stage, name)]
    if ask is None and (missing or secrets_missing):
        raise Refusal(f"missing: {', '.join((*missing, *secrets_missing))}")
    for name in missing:
        assert ask is not None
        told[name] = ask(name, known[name].get("Description", ""), False)
    _check({name: value for name, value in told.items() if value is not None}, known)
    changed = []
    if settings is not None:
        told |= {"SettingsVersion": document.keep(stage, settings.text) if settings.text else ""}
        told |= {"SmsRegion": settings.sms_region}
    fresh = {name: value for name, value in told.items() if value is not None}
    if fresh != there:
        stage.client("ssm").put_parameter(
            Name=_name(stage), Value=json.dumps(fresh, sort_keys=True), Type="String", Overwrite=True
        )
        changed.append("parameters")
    for name in confidential:
        if name in answers or name in secrets_missing:
            _tell(stage, name, answers[name] if name in answers else ask(name, "", True))  # type: ignore[misc]
            changed.append(name)
    for name, make in MADE.items():
        if not _has(stage, name):
            stage.client("secretsmanager").create_secret(Name=stage.secret(name), SecretString=make())
            changed.append(name)
    return changed


def answers_of(path: Path) -> dict[str, str]:
    """A TOML file of names and texts, for who cannot be asked. Raises Refusal for one that is not."""
    try:
        found = tomllib.loads(path.read_text())
    except (OSError, ValueError) as bad:
        raise Refusal(f"{path}: {bad}") from None
    return {name: ",".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in found.items()}


def parameters(stage: Stage) -> dict[str, str]:
    """What was told of this stage; empty before anything was."""
    ssm = stage.client("ssm")
    try:
        found = json.loads(ssm.get_parameter(Name=_name(stage))["Parameter"]["Value"])
    except ssm.exceptions.ParameterNotFound:
        return {}
    return dict(found)


def settings_reference(stage: Stage) -> str:
    """Where processes of the stage find its settings; empty without any."""
    version = parameters(stage).get("SettingsVersion")
    return f"ssm:{stage.settings}:{version}" if version else ""


def serving_prefix(stage: Stage) -> str:
    """Before the names of the tables that serve: the stage's own, or those of a restore."""
    return parameters(stage).get("ServingPrefix") or stage.prefix


def needed(stage: Stage) -> dict[str, str]:
    """All parameters of the root template for this stage.

    Raises:
        Refusal: nothing was told yet, or the template now asks for more.
    """
    told = parameters(stage)
    known = _parameters(stage)
    missing = [name for name, each in known.items() if name not in told and "Default" not in each]
    secret = [name for name in (*TOLD, *MADE) if not _has(stage, name)]
    if missing or secret:
        raise Refusal(f"not told yet: {', '.join((*missing, *secret))}: deploy/aws prepare --stage {stage.name}")
    return {name: value for name, value in told.items() if name in known} | stage.own


def _parameters(stage: Stage) -> dict[str, Any]:
    return {name: each for name, each in load(TEMPLATE)["Parameters"].items() if name not in stage.own}


@cache
def _asked_by_parts() -> dict[str, list[dict[str, Any]]]:
    """What parts want of a parameter of the root that they are given as it is."""
    root = load(TEMPLATE)
    found: dict[str, list[dict[str, Any]]] = {}
    for part, path in parts(root).items():
        wanted = load(path)["Parameters"]
        for key, given in root["Resources"][part]["Properties"].get("Parameters", {}).items():
            if isinstance(given, dict) and "Ref" in given:
                found.setdefault(given["Ref"], []).append(wanted[key])
    return found


def _check(told: Mapping[str, str], known: Mapping[str, Any]) -> None:
    if unfit := [name for name, value in told.items() if not _fits(name, value, known[name])]:
        raise Refusal("; ".join(f"{name}: {told[name]} is not like {_wanted(name, known[name])}" for name in unfit))


def _fits(name: str, value: str, own: dict[str, Any]) -> bool:
    """Whether templates take it. What may be left out is never looked at where it was."""
    if value == own.get("Default"):
        return True
    return all(
        re.fullmatch(each.get("AllowedPattern", "(?s:.*)"), value) and value in each.get("AllowedValues", [value])
        for each in (own, *_asked_by_parts().get(name, ()))
    )


def _wanted(name: str, own: dict[str, Any]) -> str:
    words = [
        " or ".join(map(str, each["AllowedValues"])) if "AllowedValues" in each else each["AllowedPattern"]
        for each in (own, *_asked_by_parts().get(name, ()))
        if {"AllowedValues", "AllowedPattern"} & set(each)
    ]
    return ", ".join(dict.fromkeys(words))


def _name(stage: Stage) -> str:
    return f"/wifi-billing/{stage.name}/parameters"


def _has(stage: Stage, name: str) -> bool:
    client = stage.client("secretsmanager")
    try:
        client.describe_secret(SecretId=stage.secret(name))
    except client.exceptions.ResourceNotFoundException:
        return False
    return True


def _tell(stage: Stage, name: str, value: str) -> None:
    client = stage.client("secretsmanager")
    try:
        client.create_secret(Name=stage.secret(name), SecretString=value)
    except ClientError as there:
        if there.response["Error"]["Code"] != "ResourceExistsException":
            raise
        client.put_secret_value(SecretId=stage.secret(name), SecretString=value)
