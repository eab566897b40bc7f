"""`Model`: a scenario as states and moves.

Theory of operation
-------------------
The state of the model is a flat tuple of whole numbers::

    (phase of message 1, ..., phase of message M, queue, shared of instance 1, ..., of K)

A *phase* stands for everything about one message: its status, how often it was received,
and where each of its deliveries is in its program. The *shared* part stands for one instance as it
is stored, with its effects and what the protections and monitors record with it. The *queue*
number packs the status of every message, the number of busy workers and the faults that are left
into bit fields, so a step changes it by an addition.

A step changes the phase of one message and the shared part of its instance. What it does depends
only on these two; whether it is possible may also depend on the queue number: a receive on the
discipline, a fault on what is left of its budget. So the moves are worked out once for each such
pair, by the plain code of `settlesim.sim.moves`, and looked up from then on: the search itself
never sees a chart.

A message reads little of its instance: the state only when a handler loads it, and never the
anomalies seen so far, or the effects of other messages. So the rules are applied once for all
instances that differ in nothing else (`Moves.reduced`), and what a move changes is then changed in
each of them.

Workers have no names. Only the number of busy ones counts, so schedules that differ only in which
worker does what are the same schedule.

References
----------
Ip and Dill, "Better verification through symmetry", FMSD 1996 (interchangeable workers).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar, NamedTuple, TypeAlias

from settlesim.chart.strict_json import encode
from settlesim.errors import SimulationError, shorten
from settlesim.runtime.interpreter import SERVICE_TIMEOUT
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.disciplines import DEAD, DELETED, DISCIPLINES, IN_FLIGHT, UNSENT, VISIBLE
from settlesim.sim.monitors import MONITORS
from settlesim.sim.moves import MessagePhase, Moves, Shared
from settlesim.sim.scenario import Faults, Scenario
from settlesim.sim.services import Services
from settlesim.sim.terms import Step
from settlesim.sim.two_versions import TwoVersionChart

__all__ = ["EndingIdentity", "Model", "State", "table_for"]

State: TypeAlias = tuple[int, ...]
Triple: TypeAlias = tuple[int, int, int]
"""New phase, change of the queue number, new shared part."""
_Move: TypeAlias = tuple[Step, int, int, int]
"""Step, new phase, change of the queue number, new reduced instance."""


class EndingIdentity(NamedTuple):
    """What identifies an ending, as numbers and texts."""

    states: tuple[int, ...]
    effects: tuple[tuple[tuple[str, int], ...], ...]
    """Per instance, in order: service and message, from 0."""
    dead: tuple[int, ...]
    excluded: tuple[int, ...] = ()
    """The events that a policy has kept out."""


class Gate(NamedTuple):
    """What a queue number allows."""

    receivable: tuple[int, ...]
    """The messages that may be received now."""
    active: tuple[tuple[int, int], ...]
    """The messages that may have other moves, each with the position of its instance in the
    state."""
    table: list[dict[int, tuple[Triple, ...]] | None]
    """Moves by phase, then by shared part."""
    mask: int
    """A bit for each kind of fault that is left."""
    ends: bool
    """Whether a run may end here."""


def table_for(scenario: Scenario) -> CompiledChart:
    """Return a table for the scenario's chart, results and failures."""
    chart, old = scenario.chart, scenario.old
    if old is not None:
        return TwoVersionChart(
            chart,
            old,
            scenario.results,
            (Services(chart), Services(old)),
            failures=scenario.faults.service_failures,
            service_timeout=SERVICE_TIMEOUT,
            assumptions=scenario.assumptions,
        )
    return CompiledChart(
        chart,
        scenario.results,
        Services(chart),
        failures=scenario.faults.service_failures,
        service_timeout=SERVICE_TIMEOUT,
        assumptions=scenario.assumptions,
    )


class Model:
    """The states and moves of one scenario.

    Parameters
    ----------
    scenario
        What is simulated.
    table : the programs of its chart; scenarios of one chart may share them

    Raises
    ------
    SimulationError
        `scenario` is not a `Scenario`.
    """

    one_message: ClassVar[bool] = True
    """Whether every step changes only one message; the tables of moves need that."""
    status_bits: ClassVar[int] = 2
    """How many bits of the queue number hold the status of an event."""

    def __init__(self, scenario: Scenario, table: CompiledChart | None = None) -> None:
        if not isinstance(scenario, Scenario):
            raise SimulationError(
                where="scenario", reason=f"is {shorten(scenario)}; a Scenario is needed"
            )
        self.scenario = scenario
        self.table = table_for(scenario) if table is None else table
        self.instances = scenario.instances
        self.key_of = tuple(self.instances.index(each.key) for each in scenario.messages)
        self.events = len(scenario.events)
        """How many of the messages are events; those of timers come after them."""
        self.size = len(scenario.messages)
        self._rule = DISCIPLINES[scenario.queue].rule
        self.moves = self.rules()
        self._lay_out()
        self.phases: list[MessagePhase] = []
        self._phase_numbers: dict[MessagePhase, int] = {}
        self._weights: list[int] = []
        self._may_load: list[bool] = []
        self.receives: list[dict[int, Triple]] = []
        self.shared: list[Shared] = []
        self._shared_numbers: dict[Shared, int] = {}
        self._tables: dict[int, list[dict[int, tuple[Triple, ...]] | None]] = {}
        self._reduced: list[Shared] = []
        """What rules read of instances: by its number, in the tables below."""
        self._reduced_numbers: dict[Shared, int] = {}
        self._reduced_of: dict[tuple[int, int, bool], int] = {}
        """By shared part, message, and whether a handler may load."""
        self._moves: dict[tuple[int, int, int], list[_Move]] = {}
        """By phase, reduced instance, and mask."""
        self._extended: dict[tuple[int, int, int], int] = {}
        """The new shared part, by the one before, and the reduced instances before and after."""
        self._names: dict[tuple[int, int, int], list[tuple[Step, Triple]]] = {}
        self.gates: dict[int, Gate] = {}
        self.start = self._start()

    def rules(self) -> Moves:
        """Return the rules that say which moves a message has."""
        return Moves(self.scenario, self.table, self.key_of)

    def _lay_out(self) -> None:
        """Give every part of the queue number its bits."""
        scenario = self.scenario
        busy_bits = max(scenario.workers, self.size).bit_length()
        self._busy_mask = (1 << busy_bits) - 1
        self._budgets: list[tuple[int, int]] = []
        position = busy_bits
        for budget in scenario.faults:
            bits = budget.bit_length()
            self._budgets.append((position, (1 << bits) - 1))
            position += bits
        self._status_at = position
        self._timers_at = position + self.status_bits * self.events
        places = (self.events + 1) * self.moves.width
        self._timer_bits = 3 + places.bit_length()
        """The width of a timer's message: three bits for its status, then its queue position."""
        self._units = [1 << shift for shift, _ in self._budgets]

    def _begun(self) -> int:
        """Return the state of an instance at the beginning."""
        begun = self.scenario.start
        if any(each.starts for each in self.scenario.events):
            return self.table.start(begun, by_message=True)
        return self.table.start(begun)

    def _start(self) -> State:
        state = self._begun()
        whole = [MessagePhase(index, self.first_status(index), 0, ()) for index in range(self.size)]
        phases = [self.number_of_phase(each) for each in whole]
        queue = sum(
            number << shift
            for number, (shift, _) in zip(self.scenario.faults, self._budgets, strict=True)
        )
        queue += sum(map(self._bits, whole))
        timers = self.moves.timers_at_first(self.scenario.start)
        shared = [
            self.number_of_shared(Shared(key, state, timers=timers))
            for key in range(len(self.instances))
        ]
        return (*phases, queue, *shared)

    def first_status(self, message: int) -> int:
        """Return the status of a message at the beginning."""
        return VISIBLE if message < self.events else UNSENT

    def services_together(self) -> AbstractContextManager[None]:
        """Return a context in which services share one event loop, which makes them cheaper."""
        perform = self.table.perform
        return perform.together() if isinstance(perform, Services) else nullcontext()

    # --- numbers for parts ----------------------------------------------------------------

    def number_of_phase(self, phase: MessagePhase) -> int:
        """Return the number that stands for a phase."""
        number = self._phase_numbers.get(phase)
        if number is None:
            number = self._phase_numbers[phase] = len(self.phases)
            self.phases.append(phase)
            self._weights.append(self._bits(phase) + self.handlers_of(phase))
            self._may_load.append(self.moves.may_load(phase))
            self.receives.append({})
            for mask, table in self._tables.items():
                table.append({} if self._may_move(phase, mask) else None)
        return number

    def weight(self, phase: int) -> int:
        """Return what a phase adds to the queue number."""
        return self._weights[phase]

    def handlers_of(self, phase: MessagePhase) -> int:
        """Return how many workers a message keeps busy."""
        return len(phase.deliveries)

    def _bits(self, phase: MessagePhase) -> int:
        """Return the part of the queue number that belongs to a message."""
        timer = phase.message - self.events
        if timer < 0:
            return phase.status << self._status_at + self.status_bits * phase.message
        return phase.status + 8 * phase.place << self._timers_at + self._timer_bits * timer

    def number_of_shared(self, shared: Shared) -> int:
        """Return the number that stands for an instance."""
        number = self._shared_numbers.get(shared)
        if number is None:
            number = self._shared_numbers[shared] = len(self.shared)
            self.shared.append(shared)
        return number

    def _may_move(self, phase: MessagePhase, mask: int) -> bool:
        return (
            bool(phase.deliveries)
            or phase.message in self.moves.firsts
            or phase.status == UNSENT
            or (phase.status == DELETED and bool(mask & 4))
        )

    def _table(self, mask: int) -> list[dict[int, tuple[Triple, ...]] | None]:
        table = self._tables.get(mask)
        if table is None:
            table = self._tables[mask] = [
                {} if self._may_move(phase, mask) else None for phase in self.phases
            ]
        return table

    # --- the queue number -----------------------------------------------------------------

    def statuses(self, queue: int) -> list[int]:
        """Return the status of every message."""
        bits, mask = self.status_bits, (1 << self.status_bits) - 1
        found = [queue >> self._status_at + bits * index & mask for index in range(self.events)]
        if self.size > self.events:
            queue >>= self._timers_at
            timers = range(self.size - self.events)
            found += [queue >> self._timer_bits * index & 7 for index in timers]
        return found

    def in_order(self, queue: int) -> list[int]:
        """Return the messages that were sent, in the order of the queue."""
        found = [((index, 1, 0), index) for index in range(self.events)]
        for index in range(self.events, self.size):
            shift = self._timers_at + self._timer_bits * (index - self.events)
            if queue >> shift & 7 != UNSENT:
                place = (queue >> shift & (1 << self._timer_bits) - 1) >> 3
                found.append(((place // self.moves.width, 0, place % self.moves.width), index))
        return [index for _, index in sorted(found)]

    def _receivable(self, queue: int, statuses: list[int]) -> tuple[int, ...]:
        """Return the messages that the discipline hands out now."""
        if self.size == self.events:
            return tuple(self._rule(statuses, self.key_of))
        order = self.in_order(queue)
        ordered = [statuses[index] for index in order]
        chosen = self._rule(ordered, [self.key_of[index] for index in order])
        return tuple(order[place] for place in chosen)

    def gate(self, queue: int) -> Gate:
        """Return what a queue number allows, working it out on first use."""
        found = self.gates.get(queue)
        if found is None:
            found = self.gates[queue] = self._make_gate(queue)
        return found

    def _make_gate(self, queue: int) -> Gate:
        scenario = self.scenario
        statuses = self.statuses(queue)
        mask = sum(
            bool(queue >> shift & field) << index
            for index, (shift, field) in enumerate(self._budgets)
        )
        free = scenario.queue == "direct" or queue & self._busy_mask < scenario.workers
        receivable = self._receivable(queue, statuses) if free else ()
        everyone = bool(scenario.faults.expiries or scenario.faults.duplicates)
        active = tuple(
            (index, self.size + 1 + self.key_of[index])
            for index, status in enumerate(statuses)
            if everyone or status in {IN_FLIGHT, UNSENT} or index in self.moves.firsts
        )
        ends = not receivable and not queue & self._busy_mask
        return Gate(receivable, active, self._table(mask), mask, ends)

    # --- moves ----------------------------------------------------------------------------

    def received(self, phase: int, shared: int) -> Triple:
        """Work out, and remember, what a receive does."""
        ((_, found),) = self.worked_out(phase, shared, -1)
        self.receives[phase][shared] = found
        return found

    def moved(self, phase: int, shared: int, gate: Gate) -> tuple[Triple, ...]:
        """Work out, and remember, what a message may do next."""
        place = gate.table[phase]
        assert place is not None  # the search skips phases without moves
        found = tuple([triple for _, triple in self.worked_out(phase, shared, gate.mask)])
        place[shared] = found
        return found

    def worked_out(self, phase: int, shared: int, mask: int) -> list[tuple[Step, Triple]]:
        """Work out the moves of a message with their steps; a mask of -1 asks for a receive."""
        before = self._number_of_reduced(phase, shared)
        moves = self._moves.get((phase, before, mask))
        if moves is None:
            moves = self._by_rules(phase, before, mask)
            self._moves[phase, before, mask] = moves  # only when it is whole: see `named`
        return [
            (step, (new, change, shared if after == before else self._kept(shared, before, after)))
            for step, new, change, after in moves
        ]

    def _by_rules(self, phase: int, reduced: int, mask: int) -> list[_Move]:
        """Apply the rules to a message and the reduced instance."""
        parts = self.phases[phase], self._reduced[reduced]
        moves = [self.moves.receive(*parts)] if mask < 0 else self.moves.of(*parts, mask)
        found = []
        for step, after, kept in moves:
            new = self.number_of_phase(after)
            change = self._weights[new] - self._weights[phase] - self._cost(step)
            found.append((step, new, change, self._number_reduced(kept)))
        return found

    def _number_of_reduced(self, phase: int, shared: int) -> int:
        """Return the number of what the rules for a message read of an instance."""
        message, loads = self.phases[phase].message, self._may_load[phase]
        number = self._reduced_of.get((shared, message, loads))
        if number is None:
            reduced = self.moves.reduced(message, self.shared[shared], with_state=loads)
            number = self._reduced_of[shared, message, loads] = self._number_reduced(reduced)
        return number

    def _number_reduced(self, reduced: Shared) -> int:
        number = self._reduced_numbers.get(reduced)
        if number is None:
            number = self._reduced_numbers[reduced] = len(self._reduced)
            self._reduced.append(reduced)
        return number

    def _kept(self, shared: int, before: int, after: int) -> int:
        """Return the number of an instance after a move that changed the reduced instance."""
        number = self._extended.get((shared, before, after))
        if number is None:
            reduced = self._reduced[before], self._reduced[after]
            kept = self.moves.extended(self.shared[shared], *reduced)
            number = self._extended[shared, before, after] = self.number_of_shared(kept)
        return number

    def _cost(self, step: Step) -> int:
        fault = self.moves.fault_of(step.kind)
        return 0 if fault is None else self._units[fault]

    def may_end(self, state: State) -> bool:
        """Whether a run may end here, although a fault could still happen."""
        return self.gate(state[self.size]).ends

    def failures(self, state: State) -> int:
        """Return how many service failures of the budget were used."""
        shift, field = self._budgets[Faults._fields.index("service_failures")]
        return self.scenario.faults.service_failures - (state[self.size] >> shift & field)

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return every step that is enabled, with the state after it, in the search's order.

        This is for schedules; the search itself looks the moves up without their steps.
        """
        size = self.size
        gate = self.gate(state[size])
        found = []
        for index in gate.receivable:
            phase, shared = state[index], state[size + 1 + self.key_of[index]]
            found += self._after(state, index, self.named(phase, shared, -1))
        for index, place in gate.active:
            named = self.named(state[index], state[place], gate.mask)
            found += self._after(state, index, named)
        return found

    def named(self, phase: int, shared: int, mask: int) -> list[tuple[Step, Triple]]:
        """Return the moves of a message with their steps; a mask of -1 asks for a receive."""
        key = (phase, shared, mask)
        found = self._names.get(key)
        if found is None:
            found = self.worked_out(phase, shared, mask)
            self._names[key] = found  # only when it is whole, since an interrupt may come before
        return found

    def _after(
        self, state: State, index: int, named: list[tuple[Step, Triple]]
    ) -> list[tuple[Step, State]]:
        found = []
        parts = list(state)
        for step, (new, change, shared) in named:
            parts[index] = new
            parts[self.size] = state[self.size] + change
            parts[self.size + 1 + self.key_of[index]] = shared
            found.append((step, tuple(parts)))
        return found

    # --- endings --------------------------------------------------------------------------

    def outcome(self, state: State) -> EndingIdentity:
        """Return what identifies the ending in a state."""
        shared = [self.shared[number] for number in state[self.size + 1 :]]
        calls = self.moves.calls
        return EndingIdentity(
            tuple(self.table.as_saved(each.state) for each in shared),
            tuple(tuple((calls[n].service, calls[n].message) for n in s.effects) for s in shared),
            tuple(i for i, status in enumerate(self.statuses(state[self.size])) if status == DEAD),
            tuple(sorted(i for each in shared for i in each.excluded)),
        )

    # --- content --------------------------------------------------------------------------

    def phase_text(self, number: int) -> str:
        """Return text that identifies a phase, the same in every process."""
        phase = self.phases[number]
        deliveries = [
            [
                each.number,
                self.moves.node_text(each.node),
                each.version,
                *([] if each.batch is None else [list(each.batch)]),
            ]
            for each in phase.deliveries
        ]
        place = [phase.place] if phase.message >= self.events else []
        return encode([phase.message, phase.status, phase.receives, deliveries, *place])

    def shared_text(self, number: int) -> str:
        """Return text that identifies a shared part, the same in every process."""
        shared = self.shared[number]
        names = [name for name, each in MONITORS.items() if shared.seen & each.bit]
        effects = [list(self.moves.calls[each]) for each in shared.effects]
        rest: list[Sequence[object]] = [shared.handled, shared.saved, shared.dead]
        state = self.table.state_text(shared.state)
        return encode(
            [
                shared.key,
                state,
                shared.version,
                [list(each) for each in rest],
                effects,
                names,
                *([shared.deployed] if self.moves.firsts else []),
                *([list(shared.excluded)] if shared.excluded else []),
                *(
                    [[each.parts() for each in shared.timers], shared.received]
                    if shared.timers
                    else []
                ),
            ]
        )
