"""Reads charts from machines of `transitions`; what cannot be carried over is reported.

What is carried over
--------------------
States with their nesting, regions, tags and labels; transitions with their triggers,
internal and reflexive ones included; the initial state; the callbacks of the machine that run
around transitions; and the **names** of callbacks and conditions. A condition ``is_<state>``
becomes the guard ``In(state)``. The functions themselves take other arguments in
`transitions`: bind functions ``(context, event)`` to the names, or give the model, whose
methods are then wrapped (`settlesim.machine.model_methods`). Dots join the names of parent and
child, whatever the separator of the machine.

What this module does not do
----------------------------
It changes no machine and calls no function. It repairs nothing: a destination that is no
state, which `transitions` notices only when it is triggered, is a `DefinitionError` here.

Notes
-----
A machine raises on an event that its state has no transition for, unless it ignores all
invalid triggers; in a chart such an event is IGNORED. Neither the queue of a machine nor the
states of its models are part of a chart: an instance takes one event at a time.
"""

from __future__ import annotations

import enum
import inspect
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from transitions import Machine, State, Transition
from transitions.extensions.nesting import HierarchicalMachine, NestedState
from transitions.extensions.states import Error, Volatile

from settlesim.chart import Chart, read_chart
from settlesim.chart.event import event_name
from settlesim.errors import DefinitionError, Problem, shorten
from settlesim.machine.callback_names import CallbackNames
from settlesim.machine.declarations import Declared, Path, differences
from settlesim.machine.machine import NestedSettleMachine, SettleMachine
from settlesim.machine.model_methods import Attributes, ModelMethods

__all__ = ["AUTOMATIC", "Imported", "LeftOutWarning", "import_machine", "is_machine"]

AUTOMATIC: Final = "the automatic transitions (to_<state>): declare the ones that are meant"
"""The sentence on automatic transitions that were left out."""
_MAX_LINES: Final = 20
_NOT_CARRIED: Final = ("finalize_event", "on_exception")


class LeftOutWarning(UserWarning):
    """A machine was read as a chart, and not all of it could be carried over."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A chart that was read from a machine, and what was left out."""

    chart: Chart
    left_out: tuple[str, ...]
    """A sentence for each thing that was left out."""


def is_machine(value: object) -> TypeGuard[Machine]:
    """Whether this is a machine of `transitions`, of whatever class."""
    return isinstance(value, Machine)


def import_machine(
    machine: Machine,
    *,
    name: str | None = None,
    automatic: bool | None = None,
    model: object = None,
    attributes: Attributes | None = None,
) -> Imported:
    """Read a chart from a machine of `transitions`, and report what was left out.

    Parameters
    ----------
    machine
        Flat, nested, with graph, locked or asynchronous; it is not changed. A machine that
        was made from a chart gives that chart.
    name : the chart's name; that of the machine by default
    automatic
        Whether its automatic transitions (``to_<state>``) become transitions of the chart. By
        default they are left out, and reported; False leaves them out without a report.
    model
        An instance, or its class, whose methods become functions of the chart.
    attributes
        The attributes of the model that are kept in the context, as names, or as a mapping from
        names to keys of the context. Their initial values are those of the model.

    Raises
    ------
    DefinitionError
        What a chart refuses: a destination that is no state, a dot in a state's name,
        regions that reach into each other.

    Examples
    --------
    >>> from transitions import Machine
    >>> machine = Machine(states=["off", "on"], transitions=[["push", "off", "on"]], initial="off")
    >>> found = import_machine(machine, name="lamp")
    >>> found.chart
    Chart('lamp', version=1, 2 states, 1 transition)
    >>> found.left_out
    ('the automatic transitions (to_<state>): declare the ones that are meant',)
    """
    if isinstance(machine, (SettleMachine, NestedSettleMachine)) and machine.chart is not None:
        return Imported(machine.chart, ())
    methods = None if model is None else ModelMethods(machine, model, attributes)
    name = name or machine.name.removesuffix(": ") or "chart"
    return _Reader(machine, name, automatic, methods).read()


@read_chart.register
def _(
    source: Machine,
    *,
    automatic: bool | None = None,
    model: object = None,
    attributes: Attributes | None = None,
) -> Chart:
    found = import_machine(source, automatic=automatic, model=model, attributes=attributes)
    if found.left_out:
        more = len(found.left_out) - _MAX_LINES
        lines = list(found.left_out[:_MAX_LINES])
        lines += [f"... and {more} more: see import_machine"] * (more > 0)
        text = "\n".join(f"  - {each}" for each in lines)
        # Two frames up: the dispatcher is between the caller and this function.
        warnings.warn(f"left out of the chart:\n{text}", LeftOutWarning, stacklevel=3)
    return found.chart


def _plain(name: Any) -> Any:
    return name.name if isinstance(name, enum.Enum) else name


def _trigger_text(trigger: object) -> Any:
    """Return the name of a trigger: a text, unless it was declared with something else."""
    return event_name(trigger)


def _in(path: Path) -> str:
    return f"In({'.'.join(path)})"


def _is_inside(path: Path, scope: Path) -> bool:
    return len(path) > len(scope) and path[: len(scope)] == scope


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(shorten(each) for each in names)


class _Reader:
    """Reads one machine; what it cannot carry over goes to `left_out`."""

    def __init__(
        self, machine: Machine, name: str, automatic: bool | None, methods: ModelMethods | None
    ) -> None:
        self.machine = machine
        self.name = name
        self.automatic = automatic
        self.methods = methods
        self.left_out: list[str] = []
        self.problems: list[Problem] = []
        self.states = dict(_walk(machine.states))
        self.scopes = list(self._scopes())
        triggers = {_trigger_text(each) for _, events in self.scopes for each in events}
        is_method = None if methods is None else methods.has
        self.functions = CallbackNames(machine, triggers, self.left_out, is_method)
        self.separator: str | None = None
        if isinstance(machine, HierarchicalMachine):
            self.separator = machine.state_cls.separator
        self.empty = next(
            name
            for name in ("unnamed", *(f"unnamed_{i}" for i in range(len(triggers))))
            if name not in triggers
        )
        """The chart's name for the empty trigger, which in a machine is an event like others."""

    def read(self) -> Imported:
        """Return the chart with what was left out."""
        self._refuse_dots()
        declared = self._declared()
        specs: list[Any] = [
            self._state((name,), state) for name, state in self.machine.states.items()
        ]
        transitions: list[Any] = self._transitions(declared)
        self._features()
        for key in _NOT_CARRIED:
            if getattr(self.machine, key):
                self.left_out.append(f"{key} of the machine: a chart has no callback for that")
        initial = self._initial()
        if self.problems:
            raise DefinitionError(problems=tuple(self.problems), chart=self.name)
        context = {} if self.methods is None else self.methods.context()
        chart = Chart(specs, transitions, initial, name=self.name, context=context)
        self._check_start(chart)
        self.left_out.extend(differences(declared, self.states))
        if self.methods is None:
            self.left_out.extend(self.functions.sentences())
        else:
            chart = self._bound(chart, self.methods)
        return Imported(chart, tuple(dict.fromkeys(self.left_out)))

    def _is_method(self, name: str) -> bool:
        return self.methods is not None and self.methods.has(name)

    def _bound(self, chart: Chart, methods: ModelMethods) -> Chart:
        """Bind the model's methods; for each that cannot be, report what has to be written."""
        functions = {}
        for name, callback in self.functions.callbacks.items():
            uses = self.functions.uses.get(name, ())
            found = methods.wrap(name, callback, chart.roles.get(name, "assign"), uses)
            if isinstance(found, str):
                self.left_out.append(found)
            elif name in chart.roles:
                functions[name] = found
        return chart.bind(functions)

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

    def _state(self, path: Path, state: State) -> dict[str, Any]:
        where = f"state {shorten('.'.join(path))}"
        spec: dict[str, Any] = {"name": path[-1]}
        for key in ("tags", "label"):
            value = getattr(state, key, None)
            if value:
                spec[key] = value
        tags = spec.get("tags")
        if isinstance(tags, str) and not tags.isidentifier():
            self.left_out.append(
                f"that the tags of {where} are the text {shorten(tags)}: in the chart it is one "
                "tag, write a list"
            )
        for key in ("on_enter", "on_exit", "on_final"):
            callbacks = [*(getattr(state, key, None) or ()), *self._own_callback(key, path, state)]
            names = self.functions.names(callbacks, f"{key} of {where}")
            if names:
                spec[key] = names
        inside = getattr(state, "states", None)
        if len(path) == 1 and (state.final or inside) and self.machine.on_final:
            names = self.functions.names(self.machine.on_final, "on_final of the machine")
            spec["on_final"] = [*spec.get("on_final", ()), *names]
        if not inside:
            return {**spec, "final": bool(state.final)}
        return {**spec, **self._inside(path, state, where)}

    def _own_callback(self, key: str, path: Path, state: State) -> Iterator[str]:
        """Return the method ``on_enter_<state>`` of the model, which a machine finds by itself."""
        name = f"{key}_{(self.separator or '').join(path)}"
        dynamic = key in self.machine.state_cls.dynamic_methods
        if dynamic and self._is_method(name) and name not in getattr(state, key):
            yield name

    def _inside(self, path: Path, state: Any, where: str) -> dict[str, Any]:
        """Return the children of a state, and the ones that are entered with it."""
        if state.final:
            self.left_out.append(f"the mark final of {where}: it is so when all inside it is")
        initial = state.initial or []
        names = [_plain(each) for each in (initial if isinstance(initial, list) else [initial])]
        order = list(state.states)
        if len(names) > 1 and set(names) == set(order):
            order = names  # regions are entered in the order of `initial`
        spec: dict[str, Any] = {}
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
            self.left_out.append(
                "the errors of dead ends: tag such states, or give them a transition"
            )
        for name in dict.fromkeys(each for _, state in states for each in _foreign(type(state))):
            self.left_out.append(f"what the class {name} of the states does: bind it as callbacks")

    # --- transitions ----------------------------------------------------------------------

    def _scopes(self) -> Iterator[tuple[Path, Mapping[Any, Any]]]:
        """Yield the transitions of every scope; inner scopes come first, as they are tried."""
        for path, state in sorted(self.states.items(), key=lambda item: -len(item[0])):
            if isinstance(state, NestedState):
                yield path, state.events
        yield (), self.machine.events

    def _declared(self) -> list[Declared]:
        """Return what can fire; automatic transitions and dead ones are left out."""
        found: list[Declared] = []
        ends: dict[str, None] = {}
        for scope, events in self.scopes:
            for trigger, event in events.items():
                mine = [
                    Declared(
                        scope,
                        self._trigger(trigger),
                        self._full(scope, each.source),
                        None if each.dest is None else self._full(scope, each.dest),
                        each,
                    )
                    for source in event.transitions.values()
                    for each in self._without_automatic(scope, _trigger_text(trigger), source)
                ]
                for each in mine if not scope else self._known_inside(scope, trigger, mine):
                    state = self.states.get(each.source)
                    if state is not None and state.final and not getattr(state, "states", None):
                        ends[".".join(each.source)] = None
                    else:
                        found.append(each)
        if ends:
            self.left_out.append(f"the ways out of {_quoted(ends)}: a final state is the end")
        return found

    def _trigger(self, trigger: object) -> str:
        text = _trigger_text(trigger)
        if not isinstance(text, str):
            self._refuse(f"trigger {shorten(trigger)}", "is no text; an event has a name")
        if text == "":
            self.left_out.append(f"the empty trigger: in the chart it is the event {self.empty!r}")
            return self.empty
        return str(text)

    def _full(self, scope: Path, name: str) -> Path:
        return (*scope, *(name.split(self.separator) if self.separator else (name,)))

    def _without_automatic(
        self, scope: Path, trigger: Any, transitions: Iterable[Transition]
    ) -> Iterator[Transition]:
        """Leave out the automatic transition; a second one like it must have been declared."""
        seen = scope != () or not self.machine.auto_transitions or bool(self.automatic)
        for each in transitions:
            if seen or not self._is_automatic(trigger, each):
                yield each
                continue
            seen = True
            if self.automatic is None:
                self.left_out.append(AUTOMATIC)

    def _is_automatic(self, trigger: Any, transition: Transition) -> bool:
        attribute = self.machine.model_attribute
        prefix = "to_" if attribute == "state" else f"to_{attribute}_"
        return (
            trigger in {f"to_{transition.dest}", f"{prefix}{transition.dest}"}
            and not (self.separator and self.separator in transition.source)
            and not (transition.conditions or transition.prepare)
            and not (transition.before or transition.after or getattr(transition, "label", None))
        )

    def _known_inside(
        self, scope: Path, trigger: object, mine: list[Declared]
    ) -> Iterator[Declared]:
        """Leave out transitions that never fire and refuse those that fail, by names as written."""
        inside = shorten(".".join(scope))
        where = f"transition {shorten(_trigger_text(trigger))} inside {inside}"
        never: list[Transition] = []
        for each in mine:
            if each.source not in self.states:
                if each.source[len(scope) :] in self.states:
                    never.append(each.transition)
                else:
                    self._unknown(where, "source", each.transition.source, scope)
            elif each.dest is not None and each.dest not in self.states:
                self._unknown(where, "destination", each.transition.dest, scope)
            else:
                yield each
        if never:
            sources = {each.source for each in never}
            inner = sum(_is_inside(path, scope) for path in self.states)
            star = len(sources) == inner and all(each.dest == each.source for each in never)
            written = "'*' to '='" if star else _quoted(sorted(sources))
            self.left_out.append(
                f"{where} from {written}, which never fires in the machine: names inside a state "
                "begin below it; declare it outside"
            )

    def _unknown(self, where: str, what: str, name: Any, scope: Path) -> None:
        known = [path[len(scope) :] for path in self.states if _is_inside(path, scope)]
        self.problems.append(
            Problem(
                where,
                f"unknown {what} {shorten(name)}; names inside a state begin below it, and known "
                f"are {_quoted('.'.join(each) for each in known)}",
            )
        )

    def _transitions(self, declared: Iterable[Declared]) -> list[dict[str, Any]]:
        specs = []
        prepared: set[tuple[Path, str, Path]] = set()
        for each in declared:
            spec = self._transition(each)
            key = (each.scope, each.trigger, each.source)
            if key not in prepared:  # the machine prepares once, before the first of them
                prepared.add(key)
                spec["prepare"] = [*self._around("prepare_event"), *spec.get("prepare", ())]
            specs.append({name: value for name, value in spec.items() if value != []})
            if spec.get("prepare") and (spec.get("conditions") or spec.get("unless")):
                self.left_out.append(
                    f"what {_quoted(spec['prepare'])} (prepare) changes when no guard holds: "
                    "an ignored event changes nothing in a chart"
                )
        return specs

    def _around(self, key: str) -> list[str]:
        return self.functions.names(getattr(self.machine, key), f"{key} of the machine")

    def _transition(self, each: Declared) -> dict[str, Any]:
        transition = each.transition
        source = ".".join(each.source)
        where = f"transition {shorten(each.trigger)} from {shorten(source)}"
        spec: dict[str, Any] = {
            "trigger": each.trigger,
            "source": source,
            "dest": None if each.dest is None else ".".join(each.dest),
        }
        spec |= self._guards(transition, where)
        for key in ("prepare", "before", "after"):
            spec[key] = self.functions.names(getattr(transition, key), f"{key} of {where}")
        spec["before"] = [*self._around("before_state_change"), *spec["before"]]
        spec["after"] = [*spec["after"], *self._around("after_state_change")]
        label = getattr(transition, "label", None)
        return spec if label is None else {**spec, "label": label}

    def _guards(self, transition: Transition, where: str) -> dict[str, list[str]]:
        """Return the guards; conditions on the active state become ``In(state)``."""
        guards: dict[str, list[str]] = {"conditions": [], "unless": []}
        for each in transition.conditions:
            key = "conditions" if each.target else "unless"
            path = self._asked_state(each.func)
            state: Any = None if path is None else self.states[path]
            if path is None or (key == "unless" and state.states and not state.initial):
                guards[key] += self.functions.guard_names([each.func], key, where)
            elif not getattr(state, "states", None):
                guards[key].append(_in(path))
            elif key == "conditions":  # it holds where nothing inside is active
                guards[key].append(_in(path))
                guards["unless"] += [_in((*path, child)) for child in state.states]
            # Otherwise it always holds, since something inside is always active.
        return guards

    def _asked_state(self, condition: object) -> Path | None:
        """Return the state of a condition ``is_<state>`` that the machine puts on a model."""
        attribute = self.machine.model_attribute
        prefix = "is_" if attribute == "state" else f"is_{attribute}_"
        if not isinstance(condition, str) or not condition.startswith(prefix):
            return None
        owners = [type(model) for model in self.machine.models]
        if self._is_method(condition) or any(hasattr(owner, condition) for owner in owners):
            return None  # a model's own method is not overwritten
        name = condition.removeprefix(prefix)
        path = tuple(name.split("_")) if self.separator == "_" else (name,)
        return path if path in self.states else None

    # --- the start ------------------------------------------------------------------------

    def _initial(self) -> str | None:
        initial = self.machine.initial
        if initial is None:
            return None
        shared = _shared(*(self._full((), leaf) for leaf in _leaves(initial)))
        if not shared:
            self._refuse(
                "initial", "the machine starts in several states at once, and none is around them"
            )
        return ".".join(shared)

    def _check_start(self, chart: Chart) -> None:
        """Refuse a list as initial unless entering one state leads to exactly these leaves."""
        named = [".".join(self._full((), leaf)) for leaf in _leaves(self.machine.initial)]
        leaves = {leaf for name in named for leaf in chart.enter(name)}
        if leaves != set(chart.initial_configuration):
            self._refuse(
                "initial",
                f"the machine starts in {_quoted(named)}, and entering {shorten(chart.initial)} "
                f"leads to {_quoted(chart.initial_configuration)}",
            )
        entering = [
            name for name in chart.active(chart.initial_configuration) if chart.node(name).on_enter
        ]
        if entering:
            self.left_out.append(
                f"that on_enter of {_quoted(entering)} does not run at the start: in a chart it "
                "does, as whenever it is entered"
            )


def _walk(states: Mapping[str, State], scope: Path = ()) -> Iterator[tuple[Path, State]]:
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


def _shared(*paths: Iterable[str]) -> Path:
    """Return the common beginning of paths."""
    found = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        found.append(parts[0])
    return tuple(found)


def _foreign(cls: type) -> Iterator[str]:
    """Yield the names of foreign classes with methods from which a class of states inherits."""
    for base in cls.__mro__[:-1]:
        if base.__module__.partition(".")[0] not in {"transitions", "settlesim"} and any(
            inspect.isfunction(each) for each in vars(base).values()
        ):
            yield base.__name__
