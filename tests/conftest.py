"""Hypothesis profiles: ``ci`` where the environment variable CI is set, else ``dev``."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadline in either: a busy machine is no fault of the code.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
