"""`replay`: one schedule, step by step, with the whole state after each step.

A replay runs the model with every monitor, so it also names the anomalies of a schedule that was
found without monitors. Monitors only watch; they do not change what may happen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

from settlesim.chart.secrets import hide
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import ReplayDivergedError, SimulationError, shorten
from settlesim.sim.batches import FAILED
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.disciplines import DELETED, IN_FLIGHT, REFUSED, STATUSES
from settlesim.sim.drawing import DrawsSchedule
from settlesim.sim.explore import ending_of, told_apart
from settlesim.sim.model import Model, State
from settlesim.sim.models import model_of
from settlesim.sim.monitors import MONITORS
from settlesim.sim.moves import DONE, START, MessagePhase, Shared
from settlesim.sim.policies import EXCLUDED_WORDS
from settlesim.sim.program_nodes import ProgramNodeKind, TableNode
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.serial import FEW, MOST, Serial
from settlesim.sim.step_words import message_names, sentence_of, step_text
from settlesim.sim.terms import (
    Criterion,
    DeliveryView,
    Ending,
    Frame,
    InstanceView,
    Kind,
    MessageView,
    Step,
)

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, eq=False)
class Replay(DrawsSchedule):
    """A schedule, step by step.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> played = replay(Scenario(counter(), ["INC", "INC"]), "r1 l1 r2 l2 c1 s1 d1 c2 s2 d2")
    >>> played.anomalies
    ('stale read', 'lost update')
    >>> played.ending.store
    (('counter-1', ('resting',), {'count': 1}),)
    """

    scenario: Scenario
    schedule: Schedule
    frames: tuple[Frame, ...]
    """The beginning, then one frame for each step."""
    ending: Ending | None
    """The ending; None if the schedule stops before the end. Its `interleavings` is 1, and its
    `probability` is that of this schedule."""
    _serial: Serial

    @property
    def anomalies(self) -> tuple[str, ...]:
        """The names of all anomalies, each once, in the order in which they occurred."""
        return tuple(dict.fromkeys(name for frame in self.frames for name in frame.anomalies))

    @cached_property
    def sentence(self) -> str:
        """What happened, in plain words."""
        return sentence_of(self.scenario, self.frames, self.ending, self._serial)

    def __repr__(self) -> str:
        return f"<Replay of {self.schedule}: {self.sentence}>"


def replay(
    scenario: Scenario,
    schedule: Schedule | str,
    *,
    table: CompiledChart | None = None,
    judge: int | None = None,
) -> Replay:
    """Follow a schedule.

    Parameters
    ----------
    scenario
        What it is a schedule of.
    schedule : a Schedule, or its text
    table : the programs of its chart; replays of one chart may share them
    judge
        How many serial situations of one instance are explored at most to judge the ending. None
        for a limit that suits the criterion; that may take seconds for 7 events.

    Raises
    ------
    ReplayDivergedError
        A step is not enabled; the message says which, and which ones are.
    SimulationError
        The text is no schedule, or an argument has another type.
    """
    steps = schedule if isinstance(schedule, Schedule) else Schedule.parse(schedule)
    watched = model_of(_watched(scenario), table)
    player = _Player(scenario, watched)
    for position, step in enumerate(steps, 1):
        player.play(step, position)
    if judge is None:
        judge = MOST if scenario.criterion is Criterion.SERIALIZABLE else FEW  # for one ending
    serial = Serial(watched, judge)
    ending = None
    if player.may_end:
        chance = player.probability / (len(player.enabled) + 1)
        found = ending_of(watched, serial, watched.outcome(player.state), 1, chance)
        [ending] = told_apart([found], serial)
    return Replay(scenario, steps, tuple(player.frames), ending, serial)


def _watched(scenario: object) -> Scenario:
    if not isinstance(scenario, Scenario):
        raise SimulationError(
            where="scenario", reason=f"is {shorten(scenario)}; a Scenario is needed"
        )
    return scenario.replace(monitors=tuple(MONITORS))


class _Player:
    """Follows one schedule and records a frame after each step."""

    def __init__(self, scenario: Scenario, model: Model) -> None:
        self.scenario = scenario
        self.model = model
        self.state: State = model.start
        self.probability = Fraction(1)
        self.lanes: dict[tuple[int, int], int] = {}
        self.loaded: dict[tuple[int, int], int] = {}
        self.names = message_names(scenario)
        self.first_revision = 0 if scenario.start is None else scenario.start.revision
        self.after = model.successors(self.state)
        self.frames = [self._frame(None, "the beginning", ())]

    @property
    def enabled(self) -> tuple[Step, ...]:
        return tuple(step for step, _ in self.after)

    @property
    def may_end(self) -> bool:
        return self.model.may_end(self.state)

    def play(self, step: Step, position: int) -> None:
        """Take one step."""
        new = dict(self.after).get(step)
        if new is None:
            raise ReplayDivergedError(
                position=position, step=step.name, enabled=[each.name for each in self.enabled]
            )
        self.probability /= len(self.after) + self.may_end
        before, self.state = self.state, new
        self.after = self.model.successors(new)
        text = step_text(self.model, self.names, step, (before, new), self.first_revision)
        self._follow(new)
        self.frames.append(self._frame(step, text, self._anomalies(before, new)))

    def _anomalies(self, before: State, after: State) -> tuple[str, ...]:
        """Return the anomalies that a step brings, without those that were seen before."""
        shared, place = self.model.shared, self.model.size + 1
        pairs = zip(before[place:], after[place:], strict=True)
        seen = 0
        for old, new in pairs:
            seen |= shared[new].seen & ~shared[old].seen
        return tuple(name for name, each in MONITORS.items() if seen & each.bit)

    def _follow(self, state: State) -> None:
        """Record which lane each handler works on, and what it has loaded."""
        alive = {}
        for phase in self._phases(state):
            for each in phase.deliveries:
                alive[phase.message, each.number] = each
        self.lanes = {who: lane for who, lane in self.lanes.items() if who in alive}
        self.loaded = {who: number for who, number in self.loaded.items() if who in alive}
        for who, each in alive.items():
            leader = each.batch
            if who not in self.lanes and leader is not None and leader != who:
                self.lanes[who] = self.lanes[leader]
            if who not in self.lanes:
                taken = set(self.lanes.values())
                self.lanes[who] = next(n for n in range(1, len(taken) + 2) if n not in taken)
            if each.node >= 0 and who not in self.loaded:
                self.loaded[who] = each.version + self.first_revision

    def _phases(self, state: State) -> list[MessagePhase]:
        return [self.model.phases[number] for number in state[: self.model.size]]

    def _queued(self, state: State) -> list[MessagePhase]:
        """Return the messages that were sent, in the order of the queue."""
        phases = self._phases(state)
        return [phases[index] for index in self.model.in_order(state[self.model.size])]

    def _shown(self, context: FrozenDict) -> FrozenDict:
        secret = self.scenario.chart.secret
        return freeze_object(hide(context, secret), where="context") if secret else context

    def _frame(self, step: Step | None, text: str, anomalies: tuple[str, ...]) -> Frame:
        model, state = self.model, self.state
        shared = [model.shared[number] for number in state[model.size + 1 :]]
        calls = model.moves.calls
        return Frame(
            step=step,
            text=text,
            enabled=self.enabled,
            store=tuple(
                InstanceView(
                    model.instances[each.key],
                    model.table.configuration(each.state),
                    self._shown(model.table.context(each.state)),
                    each.version + self.first_revision,
                )
                for each in shared
            ),
            messages=tuple(
                MessageView(
                    phase.message + 1,
                    self.scenario.messages[phase.message].key,
                    self.scenario.messages[phase.message].words,
                    self._status(phase, shared),
                    phase.receives,
                )
                for phase in self._queued(state)
            ),
            deliveries=self._deliveries(state),
            effects=tuple(
                (model.instances[each.key], calls[n].service, calls[n].message + 1)
                for each in shared
                for n in each.effects
            ),
            anomalies=anomalies,
        )

    def _status(self, phase: MessagePhase, shared: Sequence[Shared]) -> str:
        """Name the status of a message, or what a policy has done with it."""
        out = any(phase.message in each.excluded for each in shared)
        if out and phase.status in {DELETED, REFUSED}:
            return EXCLUDED_WORDS[self.scenario.while_running]
        return STATUSES[phase.status]

    def _deliveries(self, state: State) -> tuple[DeliveryView, ...]:
        """Return what each worker handles; for a batch, the message that is handled now."""
        table = self.model.table
        phases = self._phases(state)
        batches = _batches(phases)
        found = []
        for phase in phases:
            for each in phase.deliveries:
                batch = batches.get(each.batch, [])
                if batch and (phase.message, each.number) != _now(batch):
                    continue
                who = (phase.message, each.number)
                node = table.node(each.node) if each.node >= 0 else None
                waits = node is not None and node.kind is ProgramNodeKind.WAIT
                found.append(
                    DeliveryView(
                        phase.message + 1,
                        each.number,
                        self.lanes[who],
                        self.loaded.get(who),
                        _waits_for(table, node) if node is not None and waits else None,
                        phase.status == IN_FLIGHT and each.number == phase.receives,
                        _inside(table, node),
                        tuple(message + 1 for (message, _), _ in batch),
                        None if each.batch is None else (each.batch[0] + 1, each.batch[1]),
                    )
                )
        return tuple(found)


_Batch: TypeAlias = "list[tuple[tuple[int, int], int]]"
"""The deliveries of a batch: message and number of each, and its node."""


def _batches(phases: Sequence[MessagePhase]) -> dict[tuple[int, int] | None, _Batch]:
    """Return the deliveries of each batch, in their order."""
    found: dict[tuple[int, int] | None, _Batch] = {}
    for phase in phases:
        for each in phase.deliveries:
            if each.batch is not None:
                found.setdefault(each.batch, []).append(((phase.message, each.number), each.node))
    return found


def _now(batch: _Batch) -> tuple[int, int]:
    """Return the delivery of a batch that is handled now, or else was handled last."""
    over = [node in {DONE, FAILED} for _, node in batch]
    failed = [node == FAILED for _, node in batch]
    begun = [at for at, done in enumerate(over) if done]
    if False not in over:
        return batch[-1][0]
    left = over.index(False)
    if any(failed) and begun and batch[left][1] == START:
        return batch[begun[-1]][0]
    return batch[left][0]


def _waits_for(table: CompiledChart, node: TableNode) -> str:
    """Name the services and delays that run."""
    names = {
        (branch.kind is Kind.DELAY, branch.activity): branch.service or branch.text
        for branch in node.branches
        if branch.activity
    }
    return " + ".join(names.values())


def _inside(table: CompiledChart, node: TableNode | None) -> tuple[str, ...]:
    if node is None:
        return ()
    if node.kind is ProgramNodeKind.SAVE:
        return table.configuration(node.state)
    ids = (branch.activity.removesuffix(".retry") for branch in node.branches if branch.activity)
    found = map(table.activities.node_of, ids)
    return tuple(dict.fromkeys(found))
