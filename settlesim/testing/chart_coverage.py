"""Which states and transitions of a chart were reached by tests."""

from __future__ import annotations

import os
from collections.abc import Iterable

from settlesim import display
from settlesim.chart import Chart, Transition
from settlesim.chart.report import counted_noun
from settlesim.chart.trigger_words import trigger_words
from settlesim.chart.validation import ancestors
from settlesim.errors import InvalidValueError
from settlesim.settling import Settlement

__all__ = ["ChartCoverage"]


class ChartCoverage:
    """Collects what settlements of one chart have reached.

    Parameters
    ----------
    chart : a chart; its functions are not called

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.testing import ChartTester
    >>> tester = ChartTester(order)
    >>> _ = tester.settle("CANCEL")
    >>> print(tester.coverage.heading)
    order version 1: 2 of 9 states, 1 of 10 transitions
    """

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self._states: set[str] = set()
        self._transitions: set[int] = set()

    def add(self, settlement: Settlement) -> None:
        """Count what one settlement has entered and taken.

        Raises
        ------
        InvalidValueError
            The settlement belongs to another chart.
        """
        if settlement.chart is None or settlement.chart.fingerprint != self.chart.fingerprint:
            reason = f"belongs to {settlement.chart!r}, not to {self.chart!r}"
            raise InvalidValueError(where="this settlement", reason=reason)
        self.add_reached(settlement.path, settlement.edges)

    def add_reached(self, path: Iterable[Iterable[str]], edges: Iterable[int]) -> None:
        """Count configurations that were active, and transitions that were taken.

        Parameters
        ----------
        path : configurations, each as names of states
        edges : positions in ``chart.edges``
        """
        for configuration in path:
            for name in configuration:
                self._states |= {name, *ancestors(name)}
        self._transitions |= set(edges)

    @property
    def states(self) -> tuple[str, ...]:
        """The states that were active, in the order of the chart."""
        return tuple(node.name for node in self.chart.states if node.name in self._states)

    @property
    def transitions(self) -> tuple[int, ...]:
        """The transitions that were taken: positions in ``chart.edges``, ascending."""
        return tuple(sorted(self._transitions))

    @property
    def missed_states(self) -> tuple[str, ...]:
        """The states that were never active, in the order of the chart."""
        return tuple(node.name for node in self.chart.states if node.name not in self._states)

    @property
    def missed_transitions(self) -> tuple[Transition, ...]:
        """The transitions that were never taken, in the order of the chart."""
        return tuple(
            edge
            for position, edge in enumerate(self.chart.edges)
            if position not in self._transitions
        )

    @property
    def share(self) -> float:
        """The share of states and transitions that were reached, from 0 to 1."""
        there = len(self.chart.states) + len(self.chart.edges)
        return (len(self.states) + len(self._transitions)) / there

    @property
    def heading(self) -> str:
        """What was reached, in one line."""
        chart = self.chart
        states = f"{len(self.states)} of {counted_noun(len(chart.states), 'state')}"
        transitions = f"{len(self._transitions)} of {counted_noun(len(chart.edges), 'transition')}"
        return f"{chart.name} version {chart.version}: {states}, {transitions}"

    def __str__(self) -> str:
        lines = [self.heading]
        lines += [f"  never active: {name}" for name in self.missed_states]
        for edge in self.missed_transitions:
            target = ", ".join(edge.dests) or "no target"
            words = trigger_words(self.chart, edge.trigger)
            lines.append(f"  never taken:  {edge.source} -> {target} on {words}")
        return "\n".join(lines)

    def draw(self, target: str | os.PathLike[str] | None = None) -> object:
        """Return a picture of the chart with what was reached; write it to `target` if given.

        The transitions that were taken are drawn as a path.
        """
        return display.draw(self.chart, target, path=self.transitions, title=self.heading)
