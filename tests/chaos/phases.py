"""Where a process is, written down so that it can be read after the process was killed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["BETWEEN", "PHASES", "Phase", "phase_of"]

PHASES = ("starting", "idle", "received", "loaded", "in service", "committing", "after", "sending")
BETWEEN = ("loaded", "in service")
"""Between load and commit."""

_WIDTH = 16


class Phase:
    """The phase of this process, a few bytes in a file named by its process id.

    While a service runs it is ``"in service"``, whatever the process does beside it.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / f"phase-{os.getpid()}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._serving = 0
        self._phase = "starting"

    def enter(self, phase: str) -> None:
        """Write down that the process is in a phase now."""
        with self._lock:
            self._phase = phase
            self._write()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Write down that a service runs while the block does."""
        with self._lock:
            self._serving += 1
            self._write()
        try:
            yield
        finally:
            with self._lock:
                self._serving -= 1
                self._write()

    def _write(self) -> None:
        phase = "in service" if self._serving else self._phase
        # One call of one size: what a killed process leaves is always a whole word.
        os.pwrite(self._descriptor, phase.ljust(_WIDTH).encode(), 0)


def phase_of(folder: Path, process: int) -> str:
    """Return the phase that a process was in last."""
    path = folder / f"phase-{process}"
    found = path.read_text().strip() if path.exists() else ""
    return found or "starting"
