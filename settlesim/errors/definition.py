"""What a chart, a value or an event is refused for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from settlesim.errors.base import SettlesimError, shorten

__all__ = [
    "DefinitionError",
    "InvalidEventError",
    "InvalidValueError",
    "Problem",
    "ReadError",
    "UnboundFunctionError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a chart's definition."""

    where: str
    """The place in the definition, such as ``transitions[2].dest``."""

    message: str
    """The fact, what was possible, and the nearest known name where there is one."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class DefinitionError(SettlesimError):
    """A chart's definition is wrong; `problems` lists everything that was found."""

    problems: Sequence[Problem]
    chart: str
    more: int
    """How many further problems were found, beyond those that are listed."""

    def __init__(self, *, problems: Sequence[Problem], chart: str = "chart", more: int = 0) -> None:
        head = f"chart {shorten(chart)} has {len(problems) + more} problem"
        head += ":" if len(problems) + more == 1 else "s:"
        lines = [head, *(f"  - {problem}" for problem in problems)]
        if more:
            lines.append(f"  ... and {more} more")
        super().__init__("\n".join(lines), problems=problems, chart=chart, more=more)


class UnboundFunctionError(DefinitionError):
    """A chart was to run, and functions that it names are not bound."""

    def __init__(
        self, *, problems: Sequence[Problem] = (), chart: str = "chart", names: Sequence[str] = ()
    ) -> None:
        found = tuple(problems) or tuple(
            Problem(
                name,
                "is named in the chart but not bound: bind returns a new chart, so write "
                "chart = chart.bind({...})",
            )
            for name in names
        )
        super().__init__(problems=found, chart=chart)
        self.names = tuple(names)
        self._facts["names"] = self.names


class ReadError(SettlesimError):
    """A source could not be read as a chart or as JSON."""

    source: str
    reason: str

    def __init__(self, *, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}", source=source, reason=reason)


class InvalidValueError(SettlesimError):
    """A value that strict JSON cannot carry (RFC 8259), or that is too large or too deep."""

    where: str
    reason: str

    def __init__(self, *, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}", where=where, reason=reason)


class InvalidEventError(SettlesimError):
    """An event whose name or data no external event may have."""

    name: str
    reason: str

    def __init__(self, *, name: object, reason: str) -> None:
        super().__init__(
            f"event {shorten(name)} {reason}",
            name=name if isinstance(name, str) else shorten(name),
            reason=reason,
        )
