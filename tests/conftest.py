"""Shared fixtures, and the profiles of Hypothesis: `ci` (default) takes seconds and is the same each time.

HYPOTHESIS_PROFILE=long looks for new trouble.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.named import references

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "ci", max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW, print_blob=True
)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

pytest_plugins = ["tests.fixtures_engine"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m abuse` runs what the scope of penetration tests names, wherever it is."""
    page = Path(__file__).parents[1] / "deploy" / "runbooks" / "penetration-scope.md"
    named = set(references(page.read_text()))
    for item in items:
        if item.nodeid.partition("[")[0] in named or item.nodeid.startswith("tests/abuse/"):
            item.add_marker(pytest.mark.abuse)
