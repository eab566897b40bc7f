"""How far a long computation is: reported, shown while it runs, and cancelled from outside.

The computation reports by counts, so it is the same on every machine; only the bar that people
see looks at the time.
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
