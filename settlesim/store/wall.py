"""The clock that a store uses by default."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["wall_clock"]

wall_clock: Final[Callable[[], float]] = time.time
"""Seconds since the epoch, which all processes share and no reboot resets."""
