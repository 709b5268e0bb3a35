"""What a process of the product says of itself: its Prometheus text, read into numbers."""

import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "wifibilling_"
_LINE = re.compile(r"(\w+)\{([^}]*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Told:
    """Series by name (without the prefix) and labels (without the environment)."""

    series: Mapping[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """One series; 0 if it is not there."""
        return self.series.get((name, frozenset(labels.items())), 0.0)

    def since(self, before: "Told") -> "Told":
        """What was counted since then."""
        return Told({key: value - before.series.get(key, 0.0) for key, value in self.series.items()})

    def below_s(self, share: float, name: str, **labels: str) -> float | None:
        """The upper bound of the bucket that holds this share of a histogram of seconds; None if it is empty."""
        wanted = frozenset(labels.items())
        buckets = []
        for (series, given), count in self.series.items():
            bound = dict(given).get("le")
            if series == f"{name}_bucket" and bound is not None and given - {("le", bound)} == wanted:
                buckets.append((float(bound), count))
        total = self.value(f"{name}_count", **labels)
        return next((bound for bound, count in sorted(buckets) if count >= share * total), None) if total else None


def read(text: str) -> Told:
    """Parse the text format; comments are left out."""
    series = {}
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            labels = frozenset(label for label in _LABEL.findall(found[2]) if label[0] != "environment")
            series[(found[1].removeprefix(PREFIX), labels)] = float(found[3])
    return Told(series)


def scrape(port: int) -> Told:
    """What the process with this metrics port says now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return read(answer.read().decode())
