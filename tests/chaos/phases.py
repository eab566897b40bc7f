"""Where a process is, written down so that it can be read after the process was killed."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["BETWEEN", "PHASES", "Phase", "phase_of"]

PHASES = ("starting", "idle", "received", "loaded", "in service", "committing", "after", "sending")
BETWEEN = ("loaded", "in service")
"""Between load and commit."""

_WIDTH = 16


class Phase:
    """The phase of this process, a few bytes in a file named by its process id."""

    def __init__(self, folder: Path) -> None:
        path = folder / f"phase-{os.getpid()}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)

    def enter(self, phase: str) -> None:
        """Write down that the process is in a phase now."""
        # One call of one size: what a killed process leaves is always a whole word.
        os.pwrite(self._descriptor, phase.ljust(_WIDTH).encode(), 0)


def phase_of(folder: Path, process: int) -> str:
    """Return the phase that a process was in last."""
    path = folder / f"phase-{process}"
    found = path.read_text().strip() if path.exists() else ""
    return found or "starting"
