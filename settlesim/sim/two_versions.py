"""`TwoVersionChart`: the programs of a chart and of the earlier version that it takes over from.

Which worker does what
----------------------
A worker of the earlier version goes on from what that version saved, as ever. From what the later
one saved it cannot: it releases the message. A worker of the later version carries what the
earlier one saved to its own version by the steps of its chart, as `settlesim.versions` does, and
renames or drops the event by them: every event was sent before it took over. Where no step leads
on, the instance is stranded.

Numbers of states and nodes are even for the later version and odd for the earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.errors import ChartMismatchError
from settlesim.sim.compiled import CompiledChart, Perform
from settlesim.sim.program_nodes import ProgramNodeKind, TableNode
from settlesim.versions import chain_of

__all__ = ["TwoVersionChart"]

_FRESH: Final = -1
"""The state of an instance that no version has saved."""


class TwoVersionChart(CompiledChart):
    """The programs of two versions of a chart.

    Parameters
    ----------
    chart : the later version, with the steps that lead to it
    old : the earlier version
    performs : what runs the services of either version, the later one's first
    options : as of `CompiledChart`, for both
    """

    def __init__(
        self,
        chart: Chart,
        old: Chart,
        results: Mapping[str, JSONValue] | None = None,
        performs: tuple[Perform | None, Perform | None] = (None, None),
        **options: Any,
    ) -> None:
        super().__init__(chart, _known(results, chart), performs[0], **options)
        self._old = CompiledChart(old, _known(results, old), performs[1], **options)
        self._chain = chain_of(chart)

    # --- states ---------------------------------------------------------------------------

    def start(self, snapshot: Snapshot | None = None) -> int:
        """Return the state of an instance that is new, or that the earlier version saved."""
        return _FRESH if snapshot is None else 2 * self._old.start(snapshot) + 1

    def configuration(self, state: int) -> tuple[str, ...]:
        """Return the active leaves of a state; of a new instance, where it begins."""
        if state == _FRESH:
            return self.chart.initial_configuration
        if state % 2:
            return self._old.configuration(state // 2)
        return super().configuration(state // 2)

    def context(self, state: int) -> FrozenDict:
        """Return the context of a state."""
        if state == _FRESH:
            return self.chart.context
        return self._old.context(state // 2) if state % 2 else super().context(state // 2)

    def history(self, state: int) -> FrozenDict:
        """Return what the history states remember in a state, by their names."""
        if state == _FRESH:
            return FrozenDict()
        return self._old.history(state // 2) if state % 2 else super().history(state // 2)

    def as_saved(self, state: int) -> int:
        """Return the state, as an ending knows it."""
        return state

    def may_begin(self, state: int) -> bool:
        """Whether an event may find an instance in this state."""
        if state == _FRESH:
            return True
        return self._old.may_begin(state // 2) if state % 2 else super().may_begin(state // 2)

    def state_text(self, state: int) -> str:
        """Return what the state is, as text that is the same in every process."""
        if state == _FRESH:
            return "fresh"
        if state % 2:
            return f"old {self._old.state_text(state // 2)}"
        return super().state_text(state // 2)

    # --- programs -------------------------------------------------------------------------

    def program(
        self, state: int, event: str, data: JSONValue = None, *, by_old: bool = False
    ) -> int:
        """Return the first node of what `event` does to an instance in `state`.

        Parameters
        ----------
        by_old : whether a worker of the earlier version has it
        """
        if by_old:
            return self._by_old(state, event, data)
        name = self._chain.event(event, self._old.chart.version)
        if state == _FRESH or not state % 2:
            return self._new(super().start() if state == _FRESH else state // 2, name, data)
        saved = self._old._states[state // 2]
        assert saved is not None  # an instance that was never saved is `_FRESH`
        try:
            carried = self._chain.carry(saved).snapshot
        except ChartMismatchError as error:
            text = error.reason.partition(" (steps begin")[0]
            leaf = TableNode(ProgramNodeKind.STRANDED, text=text)
            return 2 * self._intern(leaf)
        return self._new(self._state(carried), name, data)

    def _new(self, state: int, event: str | None, data: JSONValue) -> int:
        if event is None:  # a step drops it
            return 2 * self._intern(TableNode(ProgramNodeKind.SKIP, outcome=Outcome.IGNORED))
        return 2 * super().program(state, event, data)

    def _by_old(self, state: int, event: str, data: JSONValue) -> int:
        old = self._old
        if state != _FRESH and not state % 2:
            text = f"version {old.chart.version} cannot go on from version {self.chart.version}"
            return 2 * old._intern(TableNode(ProgramNodeKind.ERROR, text=text, failures=1)) + 1
        local = old.start() if state == _FRESH else state // 2
        return 2 * old.program(local, event, data) + 1

    def node(self, number: int) -> TableNode:
        """Return a node of a program."""
        of_old = number % 2
        found = self._old.node(number // 2) if of_old else super().node(number // 2)
        if found.kind is ProgramNodeKind.SAVE:
            return found._replace(state=2 * found.state + of_old)
        branches = (each._replace(after=2 * each.after + of_old) for each in found.branches)
        return found._replace(branches=tuple(branches))

    def node_text(self, number: int) -> str:
        """Return a digest of everything below a node, the same in every process."""
        if number % 2:
            return f"old {self._old.node_text(number // 2)}"
        return super().node_text(number // 2)

    def errors(self, number: int) -> tuple[tuple[str, str], ...]:
        """Return the services that fail by themselves at a node, with their errors."""
        return self._old.errors(number // 2) if number % 2 else super().errors(number // 2)

    def doubts(self, number: int) -> tuple[str, ...]:
        """Return why nothing is proved where a program runs; `number` is its first node."""
        return self._old.doubts(number // 2) if number % 2 else super().doubts(number // 2)


def _known(results: Mapping[str, JSONValue] | None, chart: Chart) -> dict[str, JSONValue]:
    """Return the results of the services that a version has."""
    return {name: value for name, value in (results or {}).items() if name in chart.roles}
