"""The root template and its parts, as they are uploaded: paths of files become addresses in the bucket."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from cfnlint.api import ManualArgs, lint
from cfnlint.decode import decode_str

from deploy.on_aws.package import Package
from deploy.on_aws.stage import Stage
from deploy.options import ROOT
from deploy.refusal import Refusal

TEMPLATE = ROOT / "deploy" / "template.yaml"
NESTED = "AWS::CloudFormation::Stack"
ITS_PARTS_ARE_FILES = "W3002"  # what `upload` is for

Template = dict[str, Any]


class Uploaded(NamedTuple):
    """Where the root template is, and what it says."""

    url: str
    template: Template


def load(path: Path) -> Template:
    """A template as plain data: CloudFormation's short tags become their long names.

    Raises:
        Refusal: not a template; with the line.
    """
    template, problems = decode_str(path.read_text())
    if problems or template is None:
        raise Refusal(f"{path}: {problems[0].message if problems else 'no template'}")
    return dict(json.loads(json.dumps(template)))


def check(region: str) -> None:
    """Let CloudFormation's schema look at all of them.

    Raises:
        Refusal: with the first finding.
    """
    for path in (TEMPLATE, *parts(load(TEMPLATE)).values()):
        for found in lint(path.read_text(), config=ManualArgs(regions=[region])):
            if not (path == TEMPLATE and found.rule.id == ITS_PARTS_ARE_FILES):
                raise Refusal(f"{path.name}:{found.linenumber}: {found.rule.id} {found.message}")


def parts(template: Template) -> dict[str, Path]:
    """Files of the nested stacks, by logical id."""
    return {
        name: TEMPLATE.parent / each["Properties"]["TemplateURL"]
        for name, each in template["Resources"].items()
        if each["Type"] == NESTED
    }


def upload(stage: Stage, package: Package | None, keep: frozenset[str] | None = None) -> Uploaded:
    """Upload package, parts and root; `keep` leaves out every other part and what is said of it.

    Without a package there must be no functions in what is kept.
    """
    code = {}
    if package is not None:
        code = {"Bucket": stage.bucket, "Key": f"packages/{package.sha256}.zip"}
        _put_once(stage, code["Key"], package.path.read_bytes)
    root = load(TEMPLATE)
    if keep is not None:
        root = only(root, keep)
    for name, path in parts(root).items():
        part = load(path)
        if "CodeUri" in part.get("Globals", {}).get("Function", {}):
            part["Globals"]["Function"]["CodeUri"] = code
            part["Parameters"].pop("CodeUri", None)
        root["Resources"][name]["Properties"]["TemplateURL"] = _put_template(stage, part)
    return Uploaded(_put_template(stage, root), root)


def only(root: Template, keep: frozenset[str]) -> Template:
    """The root with these parts alone, and with the parameters and outputs that belong to them.

    Raises:
        Refusal: what stays needs what goes.
    """
    resources = {name: each for name, each in root["Resources"].items() if name in keep}
    asked, known = _asked([resources, root.get("Conditions", {})]), set(root["Resources"])
    if needed := (asked & known) - keep:
        raise Refusal(f"{', '.join(sorted(needed))} is needed by what stays")
    parameters = {name: each for name, each in root["Parameters"].items() if name in asked}
    outputs = {name: each for name, each in root.get("Outputs", {}).items() if not _asked(each) & (known - keep)}
    return {**root, "Resources": resources, "Parameters": parameters, "Outputs": outputs}


def _asked(value: Any) -> set[str]:
    """Names of all that is referred to in it."""
    if isinstance(value, list):
        return set().union(*map(_asked, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_asked, value.values()))
    if "Ref" in value:
        found.add(value["Ref"])
    if isinstance(value.get("Fn::GetAtt"), list):
        found.add(value["Fn::GetAtt"][0])
    if "Fn::Sub" in value:
        text = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        found |= set(re.findall(r"\$\{(\w+)", text))
    return found


def _put_template(stage: Stage, template: Template) -> str:
    body = json.dumps(template, separators=(",", ":")).encode()
    key = f"templates/{hashlib.sha256(body).hexdigest()}.json"
    _put_once(stage, key, lambda: body)
    if stage.endpoint:
        return f"{stage.endpoint}/{stage.bucket}/{key}"
    return f"https://{stage.bucket}.s3.{stage.region}.amazonaws.com/{key}"


def _put_once(stage: Stage, key: str, body: Any) -> None:
    s3 = stage.client("s3")
    try:
        s3.head_object(Bucket=stage.bucket, Key=key)
    except ClientError as refused:
        if refused.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
        s3.put_object(Bucket=stage.bucket, Key=key, Body=body())
