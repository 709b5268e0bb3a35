"""An AWS account that answers real botocore clients without a network, and misbehaves on purpose.

botocore checks what is asked against the service's own model; what is answered is checked here against the same model,
so that no test can rest on an answer that AWS does not give. Answers come in small pages, some of them empty.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import boto3
from botocore.model import OperationModel
from botocore.validate import ParamValidator

Params = dict[str, Any]
Answer = Callable[[Params], Params]
Values = Callable[[str, str, dict[str, str], str, int], list[float]]  # namespace, name, dimensions, statistic, period

PAGE = 7  # series of GetMetricData in one answer


ASKED: "dict[tuple[str, str], Aws]" = {}


@cache
def client_of(service: str, region: str) -> Any:
    made = boto3.client(service, region, aws_access_key_id="AKIA", aws_secret_access_key="none")

    def note(params: Params, context: Params, **_: Any) -> None:
        context["asked"] = dict(params)

    def call(model: OperationModel, context: Params, **_: Any) -> tuple[Http, Params]:
        return ASKED[service, region].call(region, model, context)

    made.meta.events.register("before-parameter-build.*.*", note)
    made.meta.events.register("before-call.*.*", call)
    return made


@dataclass
class Http:
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


class Aws:
    """`answers` by operation; `refusals`: the error code that one gets instead."""

    def __init__(self, values: Values) -> None:
        self.answers: dict[str, Answer] = {"GetMetricData": self._metric_data}
        self.refusals: dict[str, str] = {}
        self.calls: list[tuple[str, str, Params]] = []
        self.values = values

    def client(self, service: str, region: str) -> Any:
        """Made once for all tests of a process (it takes tens of milliseconds), and answered by whoever asked last."""
        made = client_of(service, region)
        ASKED[service, region] = self
        return made

    def asked(self, operation: str) -> list[Params]:
        return [params for name, _, params in self.calls if name == operation]

    def call(self, region: str, model: OperationModel, context: Params) -> tuple[Http, Params]:
        name = model.name
        self.calls.append((name, region, context["asked"]))
        code = self.refusals.get(name)
        if code:
            return Http(400), {"Error": {"Code": code, "Message": "as told"}, "ResponseMetadata": {}}
        answer = self.answers[name](context["asked"])
        if model.output_shape is None:
            assert answer == {}, f"{name} answers nothing"
            return Http(200), {"ResponseMetadata": {"HTTPStatusCode": 200}}
        report = ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), f"{name} does not answer that: {report.generate_report()}"
        return Http(200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _metric_data(self, params: Params) -> Params:
        start = int(params.get("NextToken", 0))
        queries = params["MetricDataQueries"]
        results = [self._result(query) for query in queries[start : start + PAGE]]
        more = {"NextToken": str(start + PAGE)} if start + PAGE < len(queries) else {}
        return {"MetricDataResults": results, **more}

    def _result(self, query: Params) -> Params:
        stat = query["MetricStat"]
        metric = stat["Metric"]
        dims = {dim["Name"]: dim["Value"] for dim in metric["Dimensions"]}
        values = self.values(metric["Namespace"], metric["MetricName"], dims, stat["Stat"], stat["Period"])
        times = [datetime(2026, 11, 25)] * len(values)  # noqa: DTZ001 - nobody looks
        return {"Id": query["Id"], "StatusCode": "Complete", "Values": values, "Timestamps": times}
