"""A stage of the product in an account: its names, and the clients that reach it."""

import json
import os
import re
import subprocess
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from billing.alarms import ALARMS, COMPOSITES
from billing.store.tables import TABLES as SELLING
from deploy.options import ROOT
from deploy.refusal import Refusal
from radius.store.tables import TABLES as CORE

PROD = "prod"
FUNCTIONS = {"auth": "AuthLambda", "payment": "PaymentLambda", "session": "SessionLambda", "coa": "CoA_Lambda"}
ALIAS = "live"
TABLES = tuple(table.name for table in (*CORE, *SELLING))
PATIENCE = Config(connect_timeout=10, read_timeout=60, retries={"total_max_attempts": 5, "mode": "standard"})


class Stage:
    """One stage in one Region. Production has the plain names of the operations guide, every other a suffix."""

    def __init__(self, name: str, region: str, endpoint: str | None = None) -> None:
        """`endpoint`: another AWS, an emulator.

        Raises:
            Refusal: a name that CloudFormation would refuse later, or no Region.
        """
        if not re.fullmatch(r"[a-z][a-z0-9]{0,19}", name):
            raise Refusal(f"--stage {name}: must be up to 20 small letters and digits")
        if not region:
            raise Refusal("no Region: --region af-south-1, or AWS_REGION")
        self.name, self.region, self.endpoint = name, region, endpoint

    @property
    def poll_s(self) -> float:
        """Seconds between two questions about something that goes on: AWS counts them, an emulator does not."""
        return 0.1 if self.endpoint else 3.0

    @property
    def is_production(self) -> bool:
        """Whether customers pay here."""
        return self.name == PROD

    @property
    def suffix(self) -> str:
        """Behind names that are one to an account and Region."""
        return "" if self.is_production else f"-{self.name}"

    @property
    def stack(self) -> str:
        """The root stack."""
        return f"wifi-billing-{self.name}"

    @property
    def prefix(self) -> str:
        """Before each table's name."""
        return "wifi-" if self.is_production else f"wifi-{self.name}-"

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table, by its name in DynamoDB."""
        return tuple(self.prefix + name for name in TABLES)

    @property
    def functions(self) -> tuple[str, ...]:
        """The four functions, by their names in Lambda."""
        return tuple(name + self.suffix for name in FUNCTIONS.values())

    @property
    def alarms(self) -> tuple[str, ...]:
        """Every alarm of the list, by its name in CloudWatch; a composite comes last."""
        names = [alarm.name for alarm in ALARMS] + [each.name for each in COMPOSITES]
        return tuple(f"WiFiBilling-{name}{self.suffix}" for name in names)

    @property
    def own(self) -> dict[str, str]:
        """Parameters of the root template that follow from the stage's name."""
        environment = "production" if self.is_production else self.name
        return {"Environment": environment, "StageSuffix": self.suffix, "TablePrefix": self.prefix}

    @property
    def variables(self) -> dict[str, str]:
        """The environment in which `wifibilling` works on this stage's tables."""
        found = {
            "ENVIRONMENT": self.own["Environment"],
            "WIFIBILLING_STORE_KIND": "dynamodb",
            "WIFIBILLING_REGION": self.region,
            "AWS_REGION": self.region,
            "WIFIBILLING_TABLE_PREFIX": self.prefix,
            "WIFIBILLING_KEY_REF": f"secretsmanager:{self.secret('data-key')}",
            "WIFIBILLING_STATE_DIR": str(ROOT / ".build" / self.name),
        }
        if self.endpoint:
            found |= {"WIFIBILLING_STORE_ENDPOINT": self.endpoint, "AWS_ENDPOINT_URL": self.endpoint}
        return found

    def secret(self, name: str) -> str:
        """A secret of this stage, by its name in Secrets Manager."""
        return f"wifi-billing{self.suffix}/{name}"

    @property
    def settings(self) -> str:
        """The document of its settings, by its name in SSM."""
        return f"/wifi-billing{self.suffix}/settings"

    @cached_property
    def account(self) -> str:
        """The account's number, of whoever's credentials these are."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def who(self) -> str:
        """Who is at work, as AWS knows them."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def bucket(self) -> str:
        """Where packages, templates and the history are; one for all stages of the account and Region."""
        return f"wifi-billing-artifacts-{self.account}-{self.region}"

    @cache  # noqa: B019 - a stage lives as long as its command
    def client(self, service: str) -> Any:
        """boto3 has one for each service by its name."""
        return boto3.client(  # type: ignore[call-overload] # a name, not a literal
            service, region_name=self.region, endpoint_url=self.endpoint, config=PATIENCE
        )

    def outputs(self) -> dict[str, str]:
        """Outputs of the root stack. Raises Refusal while there is none."""
        found = self.describe()
        if found is None:
            raise Refusal(f"no stack {self.stack} in {self.region}: deploy/aws up --stage {self.name}")
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}

    def describe(self) -> dict[str, Any] | None:
        """The root stack as CloudFormation describes it; None for none."""
        try:
            found = self.client("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError as refused:
            if "does not exist" in str(refused):
                return None
            raise
        return dict(found[0]) if found and found[0]["StackStatus"] != "DELETE_COMPLETE" else None

    # -- what this tool itself keeps ---------------------------------------------------------------------------

    def keep(self, kind: str, name: str, value: object) -> None:
        """Write a small JSON object of a kind; `kept` gives them back in the order of their names."""
        body = json.dumps(value, indent=1, sort_keys=True).encode()
        self.client("s3").put_object(Bucket=self.bucket, Key=f"{kind}/{self.name}/{name}.json", Body=body)

    def kept(self, kind: str) -> list[tuple[str, Any]]:
        """All objects of a kind, oldest first, each with its key; none before anything was deployed."""
        s3 = self.client("s3")
        found = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{kind}/{self.name}/")
        try:
            keys = sorted(each["Key"] for page in found for each in page.get("Contents", []))
        except s3.exceptions.NoSuchBucket:
            return []
        return [(key, json.loads(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())) for key in keys]

    def forget(self, key: str) -> None:
        """Delete what `kept` has named."""
        self.client("s3").delete_object(Bucket=self.bucket, Key=key)

    def need_bucket(self) -> None:
        """Make the bucket if it is not there: private, encrypted, with versions."""
        s3 = self.client("s3")
        try:
            s3.head_bucket(Bucket=self.bucket)
        except ClientError as refused:
            if refused.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
                raise
        else:
            return
        where = {} if self.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        s3.create_bucket(Bucket=self.bucket, **where)
        shut = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
        )
        s3.put_public_access_block(Bucket=self.bucket, PublicAccessBlockConfiguration=shut)
        s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})


def commit() -> tuple[str, bool]:
    """The commit of this clone, and whether files differ from it. Raises Refusal outside a clone."""
    head = _git("rev-parse", "HEAD")
    return head, bool(_git("status", "--porcelain", "--untracked-files=no"))


def _git(*arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode != 0:
        raise Refusal(f"git does not say which commit this is: {done.stderr.strip()}")
    return done.stdout.strip()
