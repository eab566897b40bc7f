"""A scenario that makes no sense, or a schedule that it does not follow."""

from __future__ import annotations

from collections.abc import Sequence

from settlesim.errors.base import SettlesimError

__all__ = ["ReplayDivergedError", "SimulationError"]


class SimulationError(SettlesimError):
    """A scenario makes no sense, or can not be simulated; `reason` says why."""

    where: str
    reason: str

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}", where=where, reason=reason)


class ReplayDivergedError(SimulationError):
    """A schedule names a step that is not enabled there."""

    position: int
    """Which step it is, from 1."""
    step: str
    enabled: tuple[str, ...]

    def __init__(self, *, position: int, step: str, enabled: Sequence[str]) -> None:
        possible = f"possible: {', '.join(enabled)}" if enabled else "nothing more can happen"
        super().__init__(
            where=f"step {position} of the schedule",
            reason=f"{step} can not happen here; {possible}",
        )
        self.position = position
        self.step = step
        self.enabled = tuple(enabled)
        self._facts = {"position": position, "step": step, "enabled": self.enabled, **self._facts}
