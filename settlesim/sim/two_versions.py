"""`TwoVersionChart`: the programs of a chart and of the earlier version that it takes over from.

Which worker does what
----------------------
A worker of the earlier version continues from states that its own version saved. It cannot continue
from a state that the later version saved, and releases the message. A worker of the later version
carries a state of the earlier one to its own version by the migration steps of its chart, as
`settlesim.versions` does. All events were sent before the take-over, so the steps also rename or
drop the event. If no step leads on, the instance is stranded.

Timers
------
Each delay of either version has a position, those of the earlier version first. The save that
carries an instance to the later version carries its timers. A running timer moves to the position
of the corresponding delay, with its remaining time. A timer whose message was sent stays at its
position, since the message refers to that, and `RunningTimer.becomes` says which delay it belongs
to now. A timer that no step mentions is kept by the store and never comes; then nothing is proved.

Numbers of states are even for the later version and odd for the earlier one. The number of a node
stands for its version, its number in that version, and the timers that were carried before it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.errors import ChartMismatchError
from settlesim.sim.compiled import CompiledChart, Perform
from settlesim.sim.program_nodes import DelayStart, ProgramNodeKind, TableNode
from settlesim.sim.timing import nanoseconds
from settlesim.versions import Carried, chain_of

__all__ = ["TwoVersionChart"]

_FRESH: Final = -1
"""The state of an instance that no version has saved."""


class _CarriedTimers(NamedTuple):
    """What becomes of an instance's timers when it is carried to the later version."""

    moved: tuple[tuple[int, int], ...] = ()
    """The positions of the timers that continue: before and after."""
    begun: tuple[tuple[int, int], ...] = ()
    """The positions of the delays that start then, with their nanoseconds."""
    lost: tuple[str, ...] = ()
    """The ids of delays of the earlier version that no step mentions."""


_NOTHING: Final = _CarriedTimers()


class _Place(NamedTuple):
    """A node of a program of one of the versions."""

    of_old: bool
    """Whether it is of the earlier version."""
    number: int
    """Its number in the table of its version."""
    carried: _CarriedTimers = _NOTHING
    """What a save below it does to the timers of the earlier version."""


class TwoVersionChart(CompiledChart):
    """The programs of two versions of a chart.

    Parameters
    ----------
    chart : the later version, with the migration steps that lead to it
    old : the earlier version
    performs : run the services of the later and of the earlier version
    options : as `CompiledChart`, for both versions
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
        self._places: list[_Place] = []
        self._place_numbers: dict[_Place, int] = {}

    # --- states ---------------------------------------------------------------------------

    def start(self, snapshot: Snapshot | None = None, *, by_message: bool = False) -> int:
        """Return the state of a new instance, or of one that the earlier version saved."""
        return _FRESH if snapshot is None else 2 * self._old.start(snapshot) + 1

    def configuration(self, state: int) -> tuple[str, ...]:
        """Return the active leaves of a state; for a new instance, the initial ones."""
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
        """Return the state: unlike for one version, a new instance remains a state of its own."""
        return state

    def may_begin(self, state: int) -> bool:
        """Whether an event may find an instance in this state."""
        if state == _FRESH:
            return True
        return self._old.may_begin(state // 2) if state % 2 else super().may_begin(state // 2)

    def state_text(self, state: int) -> str:
        """Return text that identifies the state, the same in every process."""
        if state == _FRESH:
            return "fresh"
        if state % 2:
            return f"old {self._old.state_text(state // 2)}"
        return super().state_text(state // 2)

    # --- timers ---------------------------------------------------------------------------

    @property
    def timers(self) -> tuple[str, ...]:
        """The ids of the delays of both versions, by position."""
        return self._old.durable + self.durable

    def timers_of(self, snapshot: Snapshot) -> tuple[tuple[int, float], ...]:
        """Return the positions of the timers that run for a snapshot of the earlier version.

        Each comes with its seconds.
        """
        return self._old.timers_of(snapshot)

    def _place_of(self, delay: str) -> int:
        """Return the position of a delay of the later version."""
        return len(self._old.durable) + self.durable.index(delay)

    def _carried_timers(self, carried: Carried, running: Collection[str]) -> _CarriedTimers:
        """Return what becomes of the running timers when an instance is carried."""
        names = dict(carried.renamed)
        ended = {*carried.dropped, *carried.lost}
        moved = [(id_, names.get(id_, id_)) for id_ in running if id_ not in ended]
        timed = self.assumptions.known
        return _CarriedTimers(
            tuple(
                (self._old.durable.index(before), self._place_of(after))
                for before, after in moved
                if after in self.durable
            ),
            tuple(
                (self._place_of(id_), nanoseconds(seconds) if timed else 0)
                for id_, seconds in carried.started.items()
                if id_ in self.durable
            ),
            carried.lost,
        )

    # --- programs -------------------------------------------------------------------------

    def program_by(
        self,
        state: int,
        event: str,
        data: JSONValue = None,
        *,
        by_old: bool = False,
        running: Collection[int] = (),
    ) -> int:
        """Return the first node of what `event` does to an instance in `state`.

        Parameters
        ----------
        by_old : whether a worker of the earlier version handles it
        running : the positions of the timers that run or whose messages were sent
        """
        if by_old:
            if self._is_later(state):
                return self._released()
            return self._number(_Place(True, self._old.program(self._local(state), event, data)))
        name = self._chain.event(event, self._old.chart.version)
        if state % 2 == 0 or state == _FRESH:
            local = super().start() if state == _FRESH else state // 2
            return self._by_new(local, name, data)
        carried = self._carry(state, running)
        if isinstance(carried, int):
            return carried
        timers = self._carried_timers(carried, self._ids(running))
        return self._by_new(self._state(carried.snapshot), name, data, timers)

    def program_of_timer(
        self,
        state: int,
        place: int,
        *,
        by_old: bool,
        running: Collection[int],
        becomes: int,
        stale: bool,
    ) -> int | None:
        """Return the first node of what the message of a timer does.

        Parameters
        ----------
        place : the position of the timer
        by_old, running : as in `program_by`
        becomes : the position of the later version's delay that it belongs to now; -1 if unchanged
        stale : whether the timer has been ended since

        Returns
        -------
        number : the number of the node; None if the message is only deleted
        """
        if by_old:
            if self._is_later(state):
                return self._released()
            if stale:
                return None
            delay = self._old.durable[place]
            number = self._old.program_of_delay(self._local(state), delay)
            return self._number(_Place(True, number))
        if state % 2 == 0 or state == _FRESH:
            if stale:
                return None
            delay = self.timers[place if becomes < 0 else becomes]
            return self._number(_Place(False, self.program_of_delay(state // 2, delay)))
        carried = self._carry(state, running)
        if isinstance(carried, int):
            return carried
        if stale:
            return None
        return self._by_delay(carried, self._old.durable[place], running)

    def _by_delay(self, carried: Carried, delay: str, running: Collection[int]) -> int:
        """Return the first node of what a delay of the earlier version does after carrying."""
        if delay in carried.dropped:
            return self._skipped()
        after = dict(carried.renamed).get(delay, delay)
        if delay in carried.lost or after not in self.durable:
            return self._stranded(f"no step says what became of the delay {delay}")
        number = self.program_of_delay(self._state(carried.snapshot), after)
        timers = self._carried_timers(carried, self._ids(running))
        return self._number(_Place(False, number, timers))

    def _by_new(
        self, state: int, event: str | None, data: JSONValue, timers: _CarriedTimers = _NOTHING
    ) -> int:
        if event is None:  # a step drops it
            return self._skipped()
        return self._number(_Place(False, super().program(state, event, data), timers))

    def _is_later(self, state: int) -> bool:
        """Whether the later version has saved this state."""
        return state != _FRESH and state % 2 == 0

    def _local(self, state: int) -> int:
        """Return the earlier version's own number of a state."""
        return self._old.start() if state == _FRESH else state // 2

    def _ids(self, running: Collection[int]) -> list[str]:
        """Return the ids of the earlier version's delays among these positions."""
        return [self._old.durable[place] for place in running if place < len(self._old.durable)]

    def _carry(self, state: int, running: Collection[int]) -> Carried | int:
        """Carry a state of the earlier version; if no step leads on, return a leaf's number."""
        saved = self._old._states[state // 2]
        assert saved is not None  # an instance that was never saved is `_FRESH`
        try:
            return self._chain.carry(saved, timers=self._ids(running))
        except ChartMismatchError as error:
            return self._stranded(error.reason.partition(" (steps begin")[0])

    # --- leaves that a single version does not have -----------------------------------------

    def _stranded(self, text: str) -> int:
        leaf = TableNode(ProgramNodeKind.STRANDED, text=text)
        return self._number(_Place(False, self._intern(leaf)))

    def _skipped(self) -> int:
        leaf = TableNode(ProgramNodeKind.SKIP, outcome=Outcome.IGNORED)
        return self._number(_Place(False, self._intern(leaf)))

    def _released(self) -> int:
        versions = self._old.chart.version, self.chart.version
        text = "version {} cannot go on from version {}".format(*versions)
        leaf = TableNode(ProgramNodeKind.ERROR, text=text, failures=1)
        return self._number(_Place(True, self._old._intern(leaf)))

    # --- nodes ------------------------------------------------------------------------------

    def _number(self, place: _Place) -> int:
        number = self._place_numbers.get(place)
        if number is None:
            number = self._place_numbers[place] = len(self._places)
            self._places.append(place)
        return number

    def node(self, number: int) -> TableNode:
        """Return a node of a program."""
        of_old, local, carried = self._places[number]
        found = self._old.node(local) if of_old else super().node(local)
        if found.kind is ProgramNodeKind.SAVE:
            return found._replace(state=2 * found.state + of_old, **self._saved(found, number))
        branches = (
            each._replace(after=self._number(_Place(of_old, each.after, carried)))
            for each in found.branches
        )
        return found._replace(branches=tuple(branches))

    def _saved(self, node: TableNode, number: int) -> dict[str, Any]:
        """Return the fields of a save node about timers, with positions of both versions."""
        of_old, _, carried = self._places[number]
        offset = 0 if of_old else len(self._old.durable)
        kept = tuple(offset + place for place in node.kept)
        begun = {place: ns for place, ns in carried.begun if place in kept}
        started = [each._replace(delay=offset + each.delay) for each in node.started]
        return {
            "kept": tuple(place for place in kept if place not in begun),
            "started": (*(DelayStart(place, ns, ns) for place, ns in begun.items()), *started),
            "moved": tuple(each for each in carried.moved if each[1] in kept),
        }

    def node_text(self, number: int) -> str:
        """Return a digest of everything below a node, the same in every process."""
        of_old, local, carried = self._places[number]
        if of_old:
            return f"old {self._old.node_text(local)}"
        text = super().node_text(local)
        return text if carried == _NOTHING else f"{text} {carried.moved} {carried.begun}"

    def errors(self, number: int) -> tuple[tuple[str, str], ...]:
        """Return the services that fail by themselves at a node, with their errors."""
        of_old, local, _ = self._places[number]
        return self._old.errors(local) if of_old else super().errors(local)

    def doubts(self, number: int) -> tuple[str, ...]:
        """Return why a program proves nothing; `number` is its first node."""
        of_old, local, carried = self._places[number]
        found = self._old.doubts(local) if of_old else super().doubts(local)
        version = self._old.chart.version
        return (
            *found,
            *(
                f"no step says what became of the delay {each} of version {version}, so its timer "
                "is kept and never comes"
                for each in carried.lost
            ),
        )


def _known(results: Mapping[str, JSONValue] | None, chart: Chart) -> dict[str, JSONValue]:
    """Return the results of the services that a version has."""
    return {name: value for name, value in (results or {}).items() if name in chart.roles}
