"""Random machines of `transitions`, and the same events given to them and to their charts."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from transitions import EventData, Machine, MachineError, State, Transition
from transitions.extensions.nesting import HierarchicalMachine, NestedState, NestedTransition
from transitions.extensions.states import Tags

from settlesim import Chart, Event, Settling, Snapshot
from settlesim.errors import DefinitionError
from settlesim.machine import Imported, import_machine

GUARDS = ("g0", "g1", "g2")
CALLBACKS = ("c0", "c1", "c2", "c3")
TRIGGERS = ("A", "B", "C", "to_a")
NAMES = ("a", "b", "c", "d")


class Order(enum.StrEnum):
    """Triggers that are texts."""

    GO = "go"


class FlatState(Tags, State):
    """A state with tags."""


class InnerState(Tags, NestedState):
    """A nested state with tags."""


class _CountingMixin:
    """Counts what fires: of several regions the trigger returns the answer of the last."""

    def execute(self, event_data: EventData) -> bool:
        fired: bool = super().execute(event_data)  # type: ignore[misc]
        model: Any = event_data.model
        model.fired += fired
        return fired


class CountedTransition(_CountingMixin, Transition):
    """A transition that is counted."""


class CountedNestedTransition(_CountingMixin, NestedTransition):
    """A nested transition that is counted."""


class FlatMachine(Machine):
    """A flat machine with tags."""

    state_cls = FlatState
    transition_cls = CountedTransition


class NestedMachine(HierarchicalMachine):
    """A nested machine with tags."""

    state_cls = InnerState
    transition_cls = CountedNestedTransition


class Model:
    """Notes every callback; a guard says what the event says."""

    state: Any

    def __init__(self) -> None:
        self.fired = 0
        self.log: list[str] = []
        self.says: dict[str, bool] = {}

    def __getattr__(self, name: str) -> Any:
        if name in CALLBACKS:
            return lambda: self.log.append(name)
        if name in GUARDS:
            return lambda: self.says[name]
        raise AttributeError(name)


class Maker:
    """Draws one machine."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.nested = self.random.random() < 0.75
        self.scoped = self.random.random() < 0.6
        self.calls = self.random.random() < 0.7
        self.budget = 14

    def machine(self) -> Machine:
        """Return it, without a model."""
        states = self.states(0)
        paths = list(_paths(states))
        options: dict[str, Any] = {
            "auto_transitions": self.random.random() < 0.15,
            "ignore_invalid_triggers": True,
        }
        if self.calls and self.random.random() < 0.3:
            options |= {key: self.some(CALLBACKS) for key in _AROUND if self.random.random() < 0.5}
        machine_type = NestedMachine if self.nested else FlatMachine
        return machine_type(
            None,
            states,
            self.random.choice(paths if self.random.random() < 0.3 else list(_tops(states))),
            [self.transition(paths, paths) for _ in range(self.random.randint(2, 9))],
            **options,
        )

    # --- states -----------------------------------------------------------------------------

    def states(self, depth: int) -> list[dict[str, Any]]:
        """Return states of one level."""
        names = list(NAMES)
        if depth:  # some names return on the levels below
            names = [f"{name}{depth}" if self.random.random() < 0.8 else name for name in NAMES]
        return [self.state(name, depth) for name in names[: self.random.randint(2, 3)]]

    def state(self, name: str, depth: int) -> dict[str, Any]:
        """Return one state with what is inside."""
        self.budget -= 1
        spec: dict[str, Any] = {"name": name, "tags": ["settled"]}
        if self.calls:
            for key in ("on_enter", "on_exit", *(["on_final"] if self.nested else [])):
                if self.random.random() < 0.3:
                    spec[key] = self.some(CALLBACKS)
        if not self.nested or depth == 3 or self.budget < 0 or self.random.random() < 0.5:
            if self.random.random() < 0.1:
                spec["final"] = True
            return spec
        children = self.states(depth + 1)
        locals_ = [each["name"] for each in children]
        if self.random.random() < 0.4:
            spec["parallel"] = children
        else:
            spec["children"] = children
            if self.random.random() < 0.8:
                spec["initial"] = self.random.choice([*locals_, False])
        if self.scoped and self.random.random() < 0.6:
            inside = list(_paths(children))
            spec["transitions"] = [
                self.transition(inside, locals_) for _ in range(self.random.randint(1, 3))
            ]
        return spec

    # --- transitions ------------------------------------------------------------------------

    def transition(self, paths: list[str], tops: list[str]) -> dict[str, Any]:
        """Return one transition between states of one scope."""
        draw = self.random.random()
        source: Any = self.random.choice(paths)
        if draw < 0.05:
            source = "*"
        elif draw < 0.15:
            source = self.random.sample(paths, min(2, len(paths)))
        dest = self.random.choice([*paths, *tops, "=", None] if draw < 0.5 else paths)
        spec: dict[str, Any] = {"trigger": self.trigger(), "source": source, "dest": dest}
        if self.random.random() < 0.4:
            spec["conditions"] = self.some((*GUARDS, "is_a", "is_b"))
        if self.random.random() < 0.2:
            spec["unless"] = self.some(GUARDS)
        if self.calls:
            for key in ("before", "after", "prepare"):
                if self.random.random() < (0.1 if key == "prepare" else 0.3):
                    spec[key] = self.some(CALLBACKS)
        return spec

    def trigger(self) -> Any:
        """Return a trigger; mostly of the few that meet each other."""
        draw = self.random.random()
        return "" if draw < 0.03 else Order.GO if draw < 0.1 else self.random.choice(TRIGGERS)

    def some(self, names: tuple[str, ...]) -> list[str]:
        """Return one name or two."""
        return self.random.sample(names, self.random.randint(1, 2))


_AROUND = ("before_state_change", "after_state_change", "prepare_event")


def _tops(states: list[dict[str, Any]]) -> Iterator[str]:
    for state in states:
        yield state["name"]


def _paths(states: list[dict[str, Any]], prefix: str = "") -> Iterator[str]:
    for state in states:
        yield prefix + state["name"]
        inside = [*state.get("children", ()), *state.get("parallel", ())]
        yield from _paths(inside, f"{prefix}{state['name']}_")


# --- the same events, twice -------------------------------------------------------------------


@dataclass
class Tally:
    """What a comparison found."""

    machines: int = 0
    refused: int = 0
    events: int = 0
    fired: int = 0
    named: int = 0
    """Differences that a sentence of `left_out` is about."""
    unnamed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Seen:
    """What one event did."""

    fired: bool
    configuration: tuple[str, ...]
    log: tuple[str, ...]
    error: str = ""


def compare(seed: int, tally: Tally, *, runs: int = 6, events: int = 8, told: bool = True) -> None:
    """Draw a machine, read it, and send random events to both.

    Parameters
    ----------
    told : whether what was said when the machine was read counts
    """
    maker = Maker(seed)
    try:
        machine = maker.machine()
        found = import_machine(machine)
    except DefinitionError:
        tally.refused += 1
        return
    tally.machines += 1
    if not told:
        found = Imported(found.chart, ())
    chart = found.chart.bind({name: _function(name) for name in found.chart.roles})
    alphabet = sorted(
        {each.trigger for each in chart.transitions}
        | ({f"to_{name}" for name in machine.states} if machine.auto_transitions else set())
    )
    for number in range(runs if alphabet else 0):
        _run(seed, number, events, machine, chart, found, alphabet, tally)


def _run(
    seed: int,
    number: int,
    events: int,
    machine: Machine,
    chart: Chart,
    found: Imported,
    alphabet: list[str],
    tally: Tally,
) -> None:
    choose = random.Random(f"{seed} {number}")
    model = Model()
    machine.add_model(model)
    started = Settling(chart, None, None).settlement
    assert started is not None
    snapshot: Snapshot | None = started.after
    assert snapshot is not None
    assert _leaves(machine, model.state) == tuple(sorted(snapshot.configuration)), "start"
    for _ in range(events):
        assert snapshot is not None
        event = choose.choice(alphabet)
        says = {name: choose.random() < 0.6 for name in GUARDS}
        before = snapshot
        theirs = _theirs(machine, model, event, says)
        ours, snapshot = _ours(chart, snapshot, event, says)
        tally.events += 1
        tally.fired += ours.fired
        if theirs == ours or _is_ignored(theirs, ours, before.configuration):
            continue
        reason = named(found, before.configuration, event, theirs, ours)
        if reason is None:
            tally.unnamed.append(
                f"seed {seed}, run {number}: {event} {says} in {before.configuration}: "
                f"transitions {theirs}, chart {ours}; said was {found.left_out}"
            )
        tally.named += reason is not None
        break  # from here on they are in different places
    machine.models.clear()


def _is_ignored(theirs: Seen, ours: Seen, before: tuple[str, ...]) -> bool:
    """Whether the machine raised on an event that the chart ignores, and stayed where it was."""
    stayed = theirs.configuration == ours.configuration == tuple(sorted(before))
    return bool(theirs.error) and not ours.fired and stayed


def _function(name: str) -> Any:
    if name in GUARDS:
        return lambda context, event: event.data[name]
    return lambda context, event: {"log": [*context.get("log", ()), name]}


def _leaves(machine: Machine, state: Any) -> tuple[str, ...]:
    if isinstance(state, list):
        return tuple(sorted(leaf for each in state for leaf in _leaves(machine, each)))
    nested = isinstance(machine, HierarchicalMachine)
    return (state.replace("_", ".") if nested else state,)


def _theirs(machine: Machine, model: Model, event: str, says: dict[str, bool]) -> Seen:
    trigger = "" if event == "unnamed" else event
    model.log, model.says, model.fired = [], says, 0
    error = ""
    try:
        if isinstance(machine, HierarchicalMachine):
            machine.trigger_event(model, trigger)
        else:
            machine.events[trigger].trigger(model)
    except MachineError:
        pass
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    log = tuple(model.log) if model.fired or error else ()
    return Seen(model.fired > 0, _leaves(machine, model.state), log, error)


def _ours(
    chart: Chart, snapshot: Snapshot, event: str, says: dict[str, bool]
) -> tuple[Seen, Snapshot]:
    settlement = Settling(chart, snapshot, Event(event, dict(says))).settlement
    assert settlement is not None
    after = settlement.after
    assert after is not None
    log = tuple(after.context.get("log", ()))[len(snapshot.context.get("log", ())) :]
    fired = settlement.outcome.name != "IGNORED"
    return Seen(fired, tuple(sorted(after.configuration)), log), after


def named(
    found: Imported, configuration: tuple[str, ...], event: str, theirs: Seen, ours: Seen
) -> str | None:
    """Return the sentence that told of this difference; None if there is none."""
    active = found.chart.active(configuration)
    for sentence in found.left_out:
        about = f" trigger {event!r}" in sentence or f" transition {event!r} " in sentence
        if about and sentence.startswith(("the order of", "that ", "what the machine does")):
            return sentence
        if sentence.startswith("the automatic transitions") and event.startswith("to_"):
            return sentence
        if sentence.startswith("the ways out of") and any(
            repr(leaf) in sentence for leaf in configuration
        ):
            return sentence
        last_region = "for final, or fails, when its last region" in sentence
        around = any(repr(name) in sentence for name in {*active, *_around(theirs.configuration)})
        same = theirs.configuration == ours.configuration
        if last_region and around and (theirs.error or same):
            return sentence
    return None


def _around(configuration: tuple[str, ...]) -> Iterator[str]:
    for leaf in configuration:
        parts = leaf.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))
