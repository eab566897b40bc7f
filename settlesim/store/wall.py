"""The one place where a store learns what time it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["wall_clock"]

wall_clock: Final[Callable[[], float]] = time.time
"""Seconds since the epoch: what all processes share, and what a reboot does not reset."""
