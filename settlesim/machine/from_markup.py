"""Reads charts from the markup of `transitions`, which ``MarkupMachine`` writes.

Theory of operation
-------------------
Markup is what the constructor of a machine takes, as plain data. So a machine is built from it
and read like any other (`settlesim.machine.from_transitions`): names, scopes and order keep their
meaning. The machine has no model, and callbacks stay names: nothing is imported or run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from transitions import Machine, State, Transition
from transitions.extensions.nesting import HierarchicalMachine, NestedState, NestedTransition
from transitions.extensions.states import Tags

from settlesim.chart.dialect import POSITIONAL, as_list
from settlesim.chart.parser import MAX_NESTING, MAX_NODES, MAX_TRANSITIONS
from settlesim.chart.problems import Problems
from settlesim.errors import shorten
from settlesim.machine.from_transitions import AUTOMATIC, Imported, import_machine
from settlesim.machine.transitions_log import quietly

__all__ = ["MARKUP_KEYS", "chart_from_markup"]

_CALLBACKS: Final = (
    "before_state_change",
    "after_state_change",
    "prepare_event",
    "finalize_event",
    "on_exception",
    "on_final",
)
MARKUP_KEYS: Final = frozenset(
    (
        *_CALLBACKS,
        "auto_transitions",
        "ignore_invalid_triggers",
        "model_attribute",
        "model_override",
        "models",
        "queued",
        "send_event",
    )
)
"""Keys of markup besides ``states``, ``transitions``, ``initial`` and ``name``; no chart has them.
"""

_CHILDREN: Final = ("children", "states", "parallel")
_STATE_KEYS: Final = frozenset(
    (
        *_CHILDREN,
        "final",
        "initial",
        "label",
        "name",
        "on_enter",
        "on_exit",
        "on_final",
        "tags",
        "transitions",
    )
)
_TIMEOUT: Final = frozenset(("timeout", "on_timeout"))
_TRANSITION_KEYS: Final = frozenset((*POSITIONAL, "label"))
_SEPARATORS: Final = ("_", ".", "/", "↦", "->", ">", ":", "-", " ")
_OPTIONAL: Final = frozenset(("ignore_invalid_triggers",))


def chart_from_markup(
    markup: Mapping[str, Any],
    *,
    separator: str | None = None,
    nested: bool | None = None,
    name: str | None = None,
) -> Imported:
    """Read the markup of a machine of `transitions`; nothing in it is run.

    Parameters
    ----------
    markup : what ``MarkupMachine.markup`` returns, or the same read from JSON or YAML
    separator
        Joins parent and child in the names of sources and destinations. Markup does not contain
        it; by default it is the one of ``_``, ``.``, ``/``, ``↦`` and others under which most
        names are known.
    nested
        Whether the machine is hierarchical, so that ``"C_1"`` is a state inside ``"C"``; by
        default it is if a state has children.
    name : the chart's name; that of the machine by default

    Returns
    -------
    imported : the chart, and a sentence for each thing that was left out

    Raises
    ------
    DefinitionError
        Everything that is wrong with the states and transitions.

    Examples
    --------
    >>> found = chart_from_markup(
    ...     {"states": ["off", "on"], "transitions": [["push", "off", "on"]], "initial": "off",
    ...      "name": "lamp", "auto_transitions": False})
    >>> found.chart
    Chart('lamp', version=1, 2 states, 1 transition)
    """
    problems = Problems(name or markup.get("name"))
    reader = _Reader(problems)
    states = reader.states(markup.get("states"), "states", 0)
    transitions = reader.transitions(markup.get("transitions"), "transitions")
    problems.raise_if_any()
    names = dict(_all_names(states))
    if nested is None:
        nested = any(each.get(key) for each, _ in names.values() for key in _CHILDREN)
    if separator is None:
        separator = _likely_separator(names, [*_ends(transitions), *_texts(markup.get("initial"))])
    if nested:
        reader.refuse_separators(names, separator)
    for key in sorted(map(str, set(markup) - MARKUP_KEYS - _KNOWN)):
        reader.left_out.append(f"the key {shorten(key)}: nothing here knows it")
    machine = _machine(markup, states, transitions, nested=nested, separator=separator)
    reader.start(machine, markup.get("initial"))
    if not nested:
        reader.left_out.extend(_maybe_nested(names, separator))
    if markup.get("auto_transitions", True):
        reader.left_out.append(AUTOMATIC)
    callbacks = [as_list(markup.get(key)) for key in _CALLBACKS[:2]]
    if callbacks[0] and list(callbacks[0]) == list(callbacks[1]):
        reader.left_out.append(
            "what after_state_change was: transitions 0.9 writes before_state_change in its place"
        )
    found = import_machine(machine, name=name)
    return Imported(found.chart, tuple(dict.fromkeys([*reader.left_out, *found.left_out])))


_KNOWN: Final = frozenset(("states", "transitions", "initial", "name"))


class _Reader:
    """Checks shapes, and copies everything, since `transitions` changes what it is given."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.left_out: list[str] = []
        self._states = 0
        self._transitions = 0

    def states(self, specs: object, where: str, depth: int) -> list[dict[str, Any]]:
        """Return the states as new mappings."""
        if not isinstance(specs, (list, tuple)):
            self.problems.add(where, f"is {shorten(specs, 60)}; a list of states is needed")
            return []
        self._states += len(specs)
        if self._states > MAX_NODES or depth > MAX_NESTING:
            self.problems.add("chart", f"more than {MAX_NODES} states or {MAX_NESTING} levels")
            self.problems.raise_if_any()
        found: list[dict[str, Any]] = []
        for index, spec in enumerate(specs):
            record = self._state(spec, f"{where}[{index}]", depth)
            if record is None:
                continue
            if any(record["name"] == each["name"] for each in found):
                self.problems.add(where, f"the state {shorten(record['name'])} appears twice")
            else:
                found.append(record)
        return found

    def _state(self, spec: object, where: str, depth: int) -> dict[str, Any] | None:
        record = dict(spec) if isinstance(spec, Mapping) else {"name": spec}
        name = record.get("name")
        if not isinstance(name, str) or not name:
            self.problems.add(where, f"has the name {shorten(name)}; a text is needed")
            return None
        place = f"state {shorten(name)}"
        if not _TIMEOUT.isdisjoint(record):
            self.left_out.append(f"the time-out of {place}: give it 'after'")
        self._unknown(record, _STATE_KEYS | _TIMEOUT | _OPTIONAL, place)
        kept = {key: value for key, value in record.items() if key in _STATE_KEYS}
        for key in _CHILDREN:
            if kept.get(key):
                kept[key] = self.states(kept[key], f"{place} {key}", depth + 1)
        if kept.get("transitions"):
            kept["transitions"] = self.transitions(kept["transitions"], f"{place} transitions")
        return kept

    def transitions(self, specs: object, where: str) -> list[dict[str, Any]]:
        """Return the transitions as new mappings."""
        if not isinstance(specs, (list, tuple, type(None))):
            self.problems.add(where, f"is {shorten(specs, 60)}; a list of transitions is needed")
            return []
        found = []
        self._transitions += len(specs or ())
        if self._transitions > MAX_TRANSITIONS:
            self.problems.add("chart", f"more than {MAX_TRANSITIONS} transitions")
            self.problems.raise_if_any()
        for index, given in enumerate(specs or ()):
            place, spec = f"{where}[{index}]", given
            if isinstance(given, (list, tuple)) and 3 <= len(given) <= len(POSITIONAL):
                spec = dict(zip(POSITIONAL, given, strict=False))
            if not isinstance(spec, Mapping) or not {"trigger", "source", "dest"} <= set(spec):
                self.problems.add(
                    place, f"is {shorten(spec, 60)}; trigger, source and dest are needed"
                )
                continue
            self._unknown(spec, _TRANSITION_KEYS, f"transition {shorten(spec['trigger'])}")
            kept = {key: value for key, value in spec.items() if key in _TRANSITION_KEYS}
            flaw = self._flaw(kept)
            if flaw:
                self.problems.add(place, flaw)
            else:
                found.append(kept)
        return found

    def _flaw(self, spec: Mapping[str, Any]) -> str | None:
        sources = as_list(spec["source"])
        if not isinstance(spec["trigger"], str):
            return f"has the trigger {shorten(spec['trigger'])}; a text is needed"
        if not sources or not all(isinstance(each, str) and each for each in sources):
            return f"has the source {shorten(spec['source'])}; names of states are needed"
        if spec["dest"] is not None and not isinstance(spec["dest"], str):
            return f"has the dest {shorten(spec['dest'])}; the name of a state is needed"
        return None

    def _unknown(self, spec: Mapping[str, Any], known: frozenset[str], place: str) -> None:
        self.left_out.extend(
            f"the key {shorten(key)} of {place}: nothing here knows it"
            for key in sorted(map(str, set(spec) - known))
        )

    def refuse_separators(self, names: Mapping[str, Any], separator: str) -> None:
        """Refuse what `transitions` cannot build: a separator inside a name with children."""
        for name, (record, parts) in names.items():
            if separator in parts[-1] and len(record) > 1:
                self.problems.add(
                    f"state {shorten(name)}",
                    f"has the separator {separator!r} in its name: say what joins parent "
                    "and child with separator=",
                )
        self.problems.raise_if_any()

    def start(self, machine: Machine, initial: Any) -> None:
        """Set the initial state; refuse an unknown one, which `transitions` would add."""
        for leaf in _texts(initial):
            try:
                machine.get_state(leaf)
            except (ValueError, KeyError, AttributeError):
                self.problems.unknown("initial", "state", leaf, list(machine.states))
        self.problems.raise_if_any()
        if initial:
            machine.initial = initial


def _likely_separator(names: Mapping[str, Any], ends: list[Any]) -> str:
    """Return the separator under which most sources and destinations are known."""
    paths = [parts for _, parts in names.values()]

    def known(separator: str) -> int:
        full = {separator.join(parts) for parts in paths}
        return sum(each in full for each in ends)

    return max(_SEPARATORS, key=known)  # the first of several that are equally good


def _ends(transitions: list[dict[str, Any]]) -> Iterator[Any]:
    for each in transitions:
        yield from as_list(each["source"])
        yield each["dest"]


def _texts(names: object) -> Iterator[Any]:
    if isinstance(names, (list, tuple)):
        for each in names:
            yield from _texts(each)
    elif names is not None:
        yield names


def _all_names(
    states: list[dict[str, Any]], scope: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[dict[str, Any], tuple[str, ...]]]]:
    for record in states:
        path = (*scope, record["name"])
        yield ".".join(path), (record, path)
        for key in _CHILDREN:
            yield from _all_names(record.get(key) or [], path)


def _maybe_nested(names: Mapping[str, Any], separator: str) -> Iterator[str]:
    for name in names:
        parent = name.rpartition(separator)[0]
        if parent in names:
            yield (
                f"whether {shorten(name)} is a state inside {shorten(parent)}: no state has "
                "children, so it is read as one beside it; nested=True reads it as inside"
            )
            return


def _machine(
    markup: Mapping[str, Any],
    states: list[dict[str, Any]],
    transitions: list[dict[str, Any]],
    *,
    nested: bool,
    separator: str,
) -> Machine:
    options = {key: markup[key] for key in (*_CALLBACKS, "send_event", "name") if markup.get(key)}
    machine_type = _nested_type(separator) if nested else _FlatMachine
    problems = Problems(markup.get("name"))
    with quietly:
        try:
            return machine_type(
                None, _plain(states), None, transitions, auto_transitions=False, **options
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            problems.add("chart", f"is no markup that transitions takes: {shorten(str(error))}")
    problems.raise_if_any()
    raise AssertionError("unreachable")


def _plain(states: list[dict[str, Any]]) -> list[Any]:
    """Return states that are only a name as texts, which `transitions` splits at separators."""
    found: list[Any] = []
    for state in states:
        inside = {key: _plain(state[key]) for key in _CHILDREN if state.get(key)}
        found.append({**state, **inside} if len(state) > 1 else state["name"])
    return found


class _LabelledState(Tags, State):
    """A state with all attributes that markup may give it."""

    def __init__(self, *args: Any, label: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label = label


class _LabelledNestedState(Tags, NestedState):
    """A nested state with all attributes that markup may give it."""

    def __init__(self, *args: Any, label: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label = label


class _LabelledTransition(Transition):
    """A transition with a label."""

    def __init__(self, *args: Any, label: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label = label


class _LabelledNestedTransition(NestedTransition):
    """A nested transition with a label."""

    def __init__(self, *args: Any, label: str | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label = label


class _FlatMachine(Machine):
    state_cls = _LabelledState
    transition_cls = _LabelledTransition


def _nested_type(separator: str) -> type[HierarchicalMachine]:
    state_type = type("MarkupState", (_LabelledNestedState,), {"separator": separator})
    return type(
        "MarkupMachine",
        (HierarchicalMachine,),
        {"state_cls": state_type, "transition_cls": _LabelledNestedTransition},
    )
