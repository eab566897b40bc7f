"""The progress of a long computation: reported, shown while it runs, and cancelled from outside.

The computation reports at fixed counts, so its reports are the same on every machine; only the
visible bar depends on time.
"""

from settlesim.progress.live import show_progress
from settlesim.progress.reporter import (
    Cancelled,
    Progress,
    ProgressCallback,
    Reporter,
    StopFlag,
)

__all__ = [
    "Cancelled",
    "Progress",
    "ProgressCallback",
    "Reporter",
    "StopFlag",
    "show_progress",
]
