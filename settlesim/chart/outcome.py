"""How one event ended."""

from __future__ import annotations

import enum

__all__ = ["Outcome"]


class Outcome(enum.Enum):
    """How one event ended."""

    RESOLVED = "resolved"
    """In a settled configuration; saved."""
    REJECTED = "rejected"
    """In a state tagged as rejected; not saved unless the chart says ``on_reject="persist"``. The
    start of a new instance is saved nevertheless, if it did something before the event."""
    DONE = "done"
    """In final leaves only: the instance has finished; saved."""
    IGNORED = "ignored"
    """No transition was enabled for the event; nothing is saved, except a start as above."""
