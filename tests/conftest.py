"""Shared fixtures, and the profiles of Hypothesis: `ci` (default) takes seconds and is the same each time.

HYPOTHESIS_PROFILE=long looks for new trouble.
"""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile(
    "ci", max_examples=150, deadline=None, derandomize=True, suppress_health_check=_SLOW, print_blob=True
)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

pytest_plugins = ["tests.fixtures_engine"]
