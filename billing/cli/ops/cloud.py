"""AWS, as the pages of `ops` ask it: clients, names of what the stacks made, figures, questions to logs.

One call that fails is one line of a page (`page.looked`); `refusal` says it in words.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from billing.alarms import Series
from billing.store.tables import TABLES as SELLING
from radius.domain.errors import Unavailable
from radius.metrics import NAMESPACE
from radius.settings import Settings
from radius.store.tables import TABLES as CORE

GLOBAL = "us-east-1"  # where Cost Explorer, CloudFront's figures and its certificates are
HOUR_S, DAY_S = 3_600, 86_400
FUNCTIONS: Mapping[str, str] = {  # logical id -> name, before the suffix of the stage (deploy/stacks/api.yaml)
    "AuthLambda": "AuthLambda",
    "PaymentLambda": "PaymentLambda",
    "SessionLambda": "SessionLambda",
    "CoALambda": "CoA_Lambda",
}
TABLES = tuple(table.name for table in (*CORE, *SELLING))
QUERIES_MAX = 500  # of GetMetricData
ANSWER_S, POLL_S = 60, 1.0  # of a question to logs
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
_BUSY = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException"}
)


class Asked(NamedTuple):
    """One series, and which statistic of it: Sum, Maximum, Average, p95."""

    series: Series
    stat: str = "Sum"


def new_client(service: str, region: str) -> Any:
    """A client that is patient for a while: people wait for the page."""
    config = Config(retries={"total_max_attempts": 3, "mode": "standard"}, connect_timeout=5, read_timeout=20)
    session: Any = boto3.session.Session(region_name=region)  # its types know services by literals
    return session.client(service, config=config)


def pause(seconds: float) -> None:
    """Wait for an answer that AWS makes meanwhile."""
    time.sleep(seconds)


class Cloud:
    """The account of a site, with the rights of whoever runs this. `suffix`: the stage's, as the stacks were told."""

    def __init__(
        self, settings: Settings, now: int, suffix: str | None = None, settings_file: Path | None = None
    ) -> None:
        self.settings, self.settings_file = settings, settings_file
        self.now = now
        self.suffix = _suffix_of(settings.environment) if suffix is None else suffix
        self._clients: dict[tuple[str, str], Any] = {}

    def client(self, service: str, region: str = "") -> Any:
        """A client of a service."""
        key = (service, region or self.settings.region)
        if key not in self._clients:
            self._clients[key] = new_client(*key)
        return self._clients[key]

    def close(self) -> None:
        """Close what was opened."""
        for client in self._clients.values():
            client.close()

    def function(self, logical: str) -> str:
        """The name of a function of the stack."""
        return FUNCTIONS[logical] + self.suffix

    def table(self, name: str) -> str:
        """The full name of a table."""
        return self.settings.table_prefix + name

    @cached_property
    def api(self) -> str:
        """The id of the API before the portal. Raises Unavailable where there is none."""
        wanted = f"wifi-billing{self.suffix}"
        for page in self.client("apigatewayv2").get_paginator("get_apis").paginate():
            for api in page["Items"]:
                if api["Name"] == wanted:
                    return str(api["ApiId"])
        raise Unavailable(f"there is no API {wanted} in {self.settings.region}")

    def instant(self, ago_s: int = 0) -> datetime:
        """So many seconds ago."""
        return datetime.fromtimestamp(self.now - ago_s, UTC)

    def figures(self, asked: Sequence[Asked], back_s: int, period_s: int, region: str = "") -> list[list[float]]:
        """The values of each series, a period each, in no order; [] where there is no data. Raises Unavailable."""
        found: defaultdict[str, list[float]] = defaultdict(list)
        end = self.now // period_s * period_s
        since, until = (datetime.fromtimestamp(at, UTC) for at in (end - back_s, end))
        pages = self.client("cloudwatch", region).get_paginator("get_metric_data")
        for start in range(0, len(asked), QUERIES_MAX):
            queries = [self._query(start + at, each, period_s) for at, each in enumerate(asked[start:][:QUERIES_MAX])]
            for page in pages.paginate(MetricDataQueries=queries, StartTime=since, EndTime=until):
                for result in page["MetricDataResults"]:
                    if result["StatusCode"] not in {"Complete", "PartialData"}:
                        raise Unavailable(f"CloudWatch gave no figures: {result['StatusCode']}")
                    found[result["Id"]] += result["Values"]
        return [found[f"q{at}"] for at in range(len(asked))]

    def sums(self, asked: Sequence[Asked], back_s: int, period_s: int = HOUR_S) -> list[float]:
        """The sum of each."""
        return [sum(values) for values in self.figures(asked, back_s, period_s)]

    def _query(self, number: int, asked: Asked, period_s: int) -> dict[str, Any]:
        series = asked.series
        ours = (("Environment", self.settings.environment),) if series.namespace == NAMESPACE else ()
        dims = [{"Name": name, "Value": value} for name, value in (*ours, *series.dims)]
        metric = {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dims}
        return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": period_s, "Stat": asked.stat}}

    def insights(self, groups: Sequence[str], query: str, back_s: int) -> Iterator[dict[str, str]]:
        """Rows of a Logs Insights query. Raises Unavailable where it comes to nothing within a minute."""
        logs = self.client("logs")
        asked = logs.start_query(
            logGroupNames=list(groups), startTime=self.now - back_s, endTime=self.now, queryString=query
        )["queryId"]
        for _ in range(int(ANSWER_S / POLL_S)):
            answer = logs.get_query_results(queryId=asked)
            if answer["status"] not in {"Scheduled", "Running", "Unknown"}:
                break
            pause(POLL_S)
        if answer["status"] != "Complete":
            raise Unavailable(f"CloudWatch Logs did not come to an end: {answer['status']}")
        for row in answer["results"]:
            yield {cell["field"]: cell["value"] for cell in row}


def _suffix_of(environment: str) -> str:
    return "" if environment == "production" else f"-{environment}"


def on_aws(settings: Settings) -> bool:
    """Whether the site runs there: else the engine of this box is its store."""
    return settings.store_kind == "dynamodb"


def code_of(error: ClientError) -> str:
    """AWS's word for what went wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def refusal(error: ClientError | BotoCoreError) -> tuple[str, str]:
    """What AWS said instead of an answer, and what to do about it."""
    if isinstance(error, NoCredentialsError):
        return "no credentials", "Give whoever runs this a role or a profile (AWS_PROFILE)."
    if not isinstance(error, ClientError):
        return f"{type(error).__name__}: {error}", "Is the network up, and does the Region have that service?"
    code, operation = code_of(error), error.operation_name
    if code in _DENIED:
        return f"{operation} is denied", f"Allow {operation} to whoever runs this."
    if code in _BUSY:
        return f"{operation} is throttled", "Run it again in some minutes."
    return f"{operation}: {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": "), "See the message."
