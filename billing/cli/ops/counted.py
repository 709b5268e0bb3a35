"""What the processes of this machine counted since they started, from the pages that Prometheus reads."""

from collections.abc import Iterator
from functools import cached_property
from math import ceil

from prometheus_client.parser import text_string_to_metric_families

from billing.alerting.pages import page
from billing.metrics import catalogue
from radius.metrics import prometheus_name, snake
from radius.settings import Settings

_BUCKET = "_bucket"


class Counted:
    """Reads each page once."""

    def __init__(self, settings: Settings) -> None:
        ports = (
            settings.metrics_port,
            settings.worker_metrics_port,
            settings.coa_metrics_port,
            settings.portal_metrics_port,
            settings.billing_metrics_port,
        )
        self._pages = [text for port in ports if port and (text := page(settings.metrics_bind, port))]
        self._names = {metric.name: prometheus_name(metric) for metric in catalogue()}

    def total(self, metric: str, **dims: str) -> float | None:
        """The sum of its series that have these dimensions; None where no process tells it."""
        values = [value for labels, value in self._samples(metric, "") if _has(labels, dims)]
        return sum(values) if values else None

    def percentile(self, metric: str, percent: int) -> float | None:
        """The bound of the bucket that so many values lie below, in seconds; None without values."""
        below: dict[float, float] = {}
        for labels, count in self._samples(metric, _BUCKET):
            below[float(labels["le"])] = below.get(float(labels["le"]), 0.0) + count
        whole = below.get(float("inf"), 0.0)
        rank = ceil(whole * percent / 100)
        return next((bound for bound in sorted(below) if below[bound] >= rank), None) if whole else None

    def _samples(self, metric: str, suffix: str) -> Iterator[tuple[dict[str, str], float]]:
        name = self._names[metric] + suffix
        return ((labels, value) for said, labels, value in self._all if said == name)

    @cached_property
    def _all(self) -> list[tuple[str, dict[str, str], float]]:
        families = (family for text in self._pages for family in text_string_to_metric_families(text))
        return [(each.name, each.labels, float(each.value)) for family in families for each in family.samples]


def _has(labels: dict[str, str], dims: dict[str, str]) -> bool:
    return all(labels.get(snake(name)) == value for name, value in dims.items())
