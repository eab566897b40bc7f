"""From a machine of `transitions` to a chart: what can be carried over is, the rest is named.

What is carried over
--------------------
States with their nesting, regions, tags and labels; transitions with their triggers,
internal and reflexive ones included; the initial state; and the **names** of callbacks and
conditions. The functions themselves take other arguments in `transitions`: bind functions
``(context, event)`` to the names. A state's name is joined by dots, whatever the machine
joins by.

What does this module not do
----------------------------
It changes no machine and calls no function. It repairs nothing: a destination that is no
state, which `transitions` finds when it is triggered, is a `DefinitionError` here.

Notes
-----
A machine raises on an event that its state has no transition for, unless it ignores all
invalid triggers; to a chart such an event is IGNORED.
"""

from __future__ import annotations

import enum
import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from transitions import Machine, State, Transition
from transitions.extensions.nesting import HierarchicalMachine, NestedState
from transitions.extensions.states import Error, Volatile

from settlesim.chart import Chart, read_chart
from settlesim.errors import DefinitionError, Problem, shorten
from settlesim.machine.callback_names import CallbackNames
from settlesim.machine.machine import NestedSettleMachine, SettleMachine

__all__ = ["Imported", "LeftOutWarning", "import_machine"]

_AUTO: Final = "the automatic transitions (to_<state>): declare the ones that are meant"
_MAX_LINES: Final = 20
_MACHINE_CALLBACKS: Final = (
    "prepare_event",
    "before_state_change",
    "after_state_change",
    "finalize_event",
    "on_exception",
    "on_final",
)

_Path = tuple[str, ...]


class LeftOutWarning(UserWarning):
    """A machine was read as a chart, and not all of it could be carried over."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A chart that was read from a machine, and what of the machine is not in it."""

    chart: Chart
    left_out: tuple[str, ...]
    """A sentence for each thing that the chart does not have; empty where it has all."""


def import_machine(machine: Machine, *, name: str | None = None) -> Imported:
    """Read a chart from a machine of `transitions`, and say what it can not carry.

    Parameters
    ----------
    machine
        Flat, nested, with graph, locked or asynchronous; it is not changed. A machine that
        was made from a chart gives that chart.
    name : the chart's name; that of the machine by default

    Raises
    ------
    DefinitionError
        What a chart refuses: a destination that is no state, a dot in a state's name, tags
        that are no list, regions that reach into each other.

    Examples
    --------
    >>> from transitions import Machine
    >>> machine = Machine(states=["off", "on"], transitions=[["push", "off", "on"]], initial="off")
    >>> found = import_machine(machine, name="lamp")
    >>> found.chart
    Chart('lamp', version=1, 2 nodes, 1 transitions)
    >>> found.left_out
    ('the automatic transitions (to_<state>): declare the ones that are meant',)
    """
    if isinstance(machine, (SettleMachine, NestedSettleMachine)) and machine.chart is not None:
        return Imported(machine.chart, ())
    return _Reader(machine, name or machine.name.removesuffix(": ") or "chart").read()


@read_chart.register
def _(source: Machine) -> Chart:
    found = import_machine(source)
    lost = [each for each in found.left_out if each != _AUTO]
    if lost:
        more = len(lost) - _MAX_LINES
        lines = lost[:_MAX_LINES] + [f"... and {more} more: see import_machine"] * (more > 0)
        text = "\n".join(f"  - {each}" for each in lines)
        # Two frames up: between the caller and this function stands the dispatcher.
        warnings.warn(f"left out of the chart:\n{text}", LeftOutWarning, stacklevel=3)
    return found.chart


def _plain(name: Any) -> Any:
    return name.name if isinstance(name, enum.Enum) else name


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(shorten(each) for each in names)


class _Reader:
    """Reads one machine; what it can not carry over goes to `left_out`."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine = machine
        self.name = name
        self.left_out: list[str] = []
        self.states = dict(_walk(machine.states))
        self.scopes = list(self._scopes())
        self.triggers: dict[str, list[_Path]] = {}
        """Every trigger with the scopes that declare it, the innermost first."""
        for scope, events in self.scopes:
            for trigger in map(_plain, events):
                self.triggers.setdefault(trigger, []).append(scope)
        self.functions = CallbackNames(machine, self.triggers, self.left_out)
        self.separator: str | None = None
        if isinstance(machine, HierarchicalMachine):
            self.separator = machine.state_cls.separator

    def read(self) -> Imported:
        """Return the chart with what was left out."""
        self._refuse_dots()
        specs = [self._state((name,), state) for name, state in self.machine.states.items()]
        transitions = self._transitions()
        self._features()
        self._machine_options()
        initial = self._initial()
        chart = Chart(specs, transitions, initial, name=self.name)
        self._check_start(chart)
        self.left_out.extend(self.functions.sentences())
        return Imported(chart, tuple(dict.fromkeys(self.left_out)))

    def _refuse(self, where: str, message: str) -> None:
        raise DefinitionError(problems=(Problem(where, message),), chart=self.name)

    # --- states ---------------------------------------------------------------------------

    def _refuse_dots(self) -> None:
        for path in self.states:
            if "." in path[-1]:
                self._refuse(
                    f"state {shorten(path[-1])}",
                    "has a dot in its name, and in a chart dots join parent and child: rename it",
                )

    def _state(self, path: _Path, state: State) -> dict[str, Any]:
        where = f"state {shorten('.'.join(path))}"
        spec: dict[str, Any] = {"name": path[-1]}
        for key in ("tags", "label"):
            value = getattr(state, key, None)
            if value:
                spec[key] = value
        for key in ("on_enter", "on_exit", "on_final"):
            names = self.functions.names(getattr(state, key, None) or (), f"{key} of {where}")
            if names:
                spec[key] = names
        if not isinstance(state, NestedState) or not state.states:
            return {**spec, "final": bool(state.final)}
        if state.final:
            self.left_out.append(f"the mark final of {where}: it is so when all inside it is")
        initial = [] if state.initial is None else state.initial
        names = [_plain(each) for each in (initial if isinstance(initial, list) else [initial])]
        order = list(state.states)
        if len(names) > 1 and set(names) == set(order):
            order = names  # regions are entered in the order of `initial`
        spec["children"] = [self._state((*path, name), state.states[name]) for name in order]
        if names:
            spec["initial"] = names if len(names) > 1 else names[0]
        return spec

    def _features(self) -> None:
        states = self.states.items()
        for path, state in states:
            where = f"state {shorten('.'.join(path))}"
            if getattr(state, "timeout", 0):
                self.left_out.append(f"the time-out of {where}: give it 'after'")
            if getattr(state, "retries", 0):
                self.left_out.append(f"the retries of {where}: count them in the context")
        if any(isinstance(state, Volatile) for _, state in states):
            self.left_out.append("the volatile objects of the states: keep data in the context")
        if any(isinstance(state, Error) for _, state in states):
            self.left_out.append("the errors of dead ends: tag such states, or give them a way on")
        for name in dict.fromkeys(each for _, state in states for each in _foreign(type(state))):
            self.left_out.append(f"what the class {name} of the states does")

    # --- transitions ----------------------------------------------------------------------

    def _scopes(self) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
        """Return every place with transitions, the outermost last: inner ones go first."""
        for path, state in sorted(self.states.items(), key=lambda item: -len(item[0])):
            if isinstance(state, NestedState):
                yield path, state.events
        yield (), self.machine.events

    def _transitions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        ends: dict[str, None] = {}
        for scope, events in self.scopes:
            for trigger, event in events.items():
                for transition in (each for out in event.transitions.values() for each in out):
                    source = self._full(scope, transition.source)
                    state = self.states.get(tuple(source.split(".")))
                    if self._is_auto(_plain(trigger), transition):
                        self.left_out.append(_AUTO)
                    elif state is not None and state.final and not getattr(state, "states", None):
                        ends[source] = None
                    else:
                        self._note_order(scope, _plain(trigger), source)
                        found.append(self._transition(scope, _plain(trigger), transition))
        if ends:
            self.left_out.append(f"the ways out of {_quoted(ends)}: a final state is the end")
        return found

    def _full(self, scope: _Path, name: str) -> str:
        return ".".join((*scope, *(name.split(self.separator) if self.separator else (name,))))

    def _is_auto(self, trigger: str, transition: Transition) -> bool:
        dest = transition.dest
        attribute = self.machine.model_attribute
        prefix = "to_" if attribute == "state" else f"to_{attribute}_"
        return (
            self.machine.auto_transitions
            and trigger in {f"to_{dest}", f"{prefix}{dest}"}
            and not (transition.conditions or transition.prepare)
            and not (transition.before or transition.after or getattr(transition, "label", None))
        )

    def _note_order(self, scope: _Path, trigger: str, source: str) -> None:
        """Name where `transitions` lets an inner declaration go before, or alone."""
        for inner in self.triggers[trigger]:
            if len(inner) <= len(scope) or inner[: len(scope)] != scope:
                continue
            path = tuple(source.split("."))
            shared = len(_shared(inner, path))
            below = shared == len(inner) < len(path)
            beside = shared < min(len(inner), len(path)) and self._is_parallel(path[:shared])
            if below or beside:
                self.left_out.append(
                    f"the order of trigger {shorten(trigger)}: it is declared inside "
                    f"{shorten('.'.join(inner))} and outside of it for {shorten(source)}; the "
                    "machine tries the inner declaration first, the chart the innermost source "
                    "of every region"
                )

    def _is_parallel(self, path: _Path) -> bool:
        initial = getattr(self.states.get(path), "initial", None)
        return isinstance(initial, list) and len(initial) > 1

    def _transition(self, scope: _Path, trigger: str, transition: Transition) -> dict[str, Any]:
        source = self._full(scope, transition.source)
        where = f"transition {shorten(trigger)} from {shorten(source)}"
        spec: dict[str, Any] = {
            "trigger": trigger,
            "source": source,
            "dest": None if transition.dest is None else self._full(scope, transition.dest),
        }
        for key, target in (("conditions", True), ("unless", False)):
            conditions = [each.func for each in transition.conditions if each.target is target]
            if conditions:
                spec[key] = self.functions.names(conditions, f"{key} of {where}", guard=True)
        for key in ("prepare", "before", "after"):
            names = self.functions.names(getattr(transition, key), f"{key} of {where}")
            if names:
                spec[key] = names
        label = getattr(transition, "label", None)
        return spec if label is None else {**spec, "label": label}

    # --- the start ------------------------------------------------------------------------

    def _initial(self) -> str | None:
        initial = self.machine.initial
        if initial is None:
            return None
        shared = _shared(*(self._full((), leaf).split(".") for leaf in _leaves(initial)))
        if not shared:
            self._refuse(
                "initial", "the machine starts in several states at once, and none is around them"
            )
        return ".".join(shared)

    def _check_start(self, chart: Chart) -> None:
        """Refuse a list as initial that is not what entering one state leads to."""
        named = [self._full((), leaf) for leaf in _leaves(self.machine.initial)]
        leaves = {leaf for name in named for leaf in chart.enter(name)}
        if leaves != set(chart.initial_configuration):
            self._refuse(
                "initial",
                f"the machine starts in {_quoted(named)}, and entering {shorten(chart.initial)} "
                f"leads to {_quoted(chart.initial_configuration)}",
            )

    # --- the machine ----------------------------------------------------------------------

    def _machine_options(self) -> None:
        machine = self.machine
        for key in _MACHINE_CALLBACKS:
            if getattr(machine, key):
                self.left_out.append(f"{key} of the machine: a chart has no callbacks of its own")
        if machine.has_queue:
            self.left_out.append("the queue of the machine: an instance takes one event at a time")
        if machine.ignore_invalid_triggers is not None:
            self.left_out.append("ignore_invalid_triggers: a chart always ignores them")
        models = sum(1 for each in machine.models if each is not machine)
        if models:
            self.left_out.append(f"{models} model(s): their states and methods stay with them")


def _walk(states: Mapping[str, State], scope: _Path = ()) -> Iterator[tuple[_Path, State]]:
    for name, state in states.items():
        yield (*scope, name), state
        if isinstance(state, NestedState):
            yield from _walk(state.states, (*scope, name))


def _leaves(initial: Any) -> Iterator[str]:
    if isinstance(initial, (list, tuple)):
        for each in initial:
            yield from _leaves(each)
    else:
        yield _plain(initial)


def _shared(*paths: Iterable[str]) -> _Path:
    """Return what all paths begin with."""
    found = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        found.append(parts[0])
    return tuple(found)


def _foreign(cls: type) -> Iterator[str]:
    """Return the classes of other people, with methods, that a state is made of."""
    for base in cls.__mro__[:-1]:
        if base.__module__.partition(".")[0] not in {"transitions", "settlesim"} and any(
            inspect.isfunction(each) for each in vars(base).values()
        ):
            yield base.__name__
