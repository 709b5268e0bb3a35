"""Profiles: `ci` (default) takes seconds; HYPOTHESIS_PROFILE=long looks for hours' worth of trouble in minutes."""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]

settings.register_profile("ci", max_examples=150, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.register_profile("long", max_examples=5_000, deadline=None, suppress_health_check=_SLOW, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
