"""What one microstep did, as a value."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from settlesim.chart.strict_json import FrozenDict

__all__ = ["NO_HISTORY", "Fired", "History"]

History: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""Each history state's name with the full names of the states it stands for, in document order."""

NO_HISTORY: Final[History] = ()


class Fired(NamedTuple):
    """What one trigger did."""

    configuration: tuple[str, ...]
    """The active leaves afterwards, in document order."""
    context: FrozenDict
    edges: tuple[int, ...]
    """Positions in ``chart.edges``, in the order in which they fired."""
    exited: tuple[str, ...]
    entered: tuple[str, ...]
    history: History = NO_HISTORY
    """What history states stand for afterwards."""
