"""Hypothesis profiles: ``ci`` where the environment variable CI is set, else ``dev``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadline in either, and none for making examples: a busy machine is no fault of the code.
settings.register_profile("base", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", settings.get_profile("base"))
settings.register_profile("ci", settings.get_profile("base"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
