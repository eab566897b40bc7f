"""Reads states and transitions in the notation of `transitions`.

The parser reads what a ``GraphMachine`` accepts (strings, dicts, lists, enums, ``"*"``, ``"="``,
``children``, ``parallel``, transitions inside a state) and what settlesim adds (``tags``,
``invoke``, ``after``, ``always``, ``on_done``, ``assign``), and writes out every name in full.
It checks shapes only; `settlesim.chart.validation` checks that the names exist.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

from settlesim.chart.definition import (
    EVENTLESS,
    RESERVED_PREFIXES,
    Delay,
    Invocation,
    Node,
    NodeKind,
    Transition,
)
from settlesim.chart.dialect import (
    FUNCTIONS,
    HISTORY_KEYS,
    INVOKE_KEYS,
    MAX_SECONDS,
    NO_SECONDS,
    POSITIONAL,
    STATE_KEYS,
    TARGET_KEYS,
    TRANSITION_KEYS,
    as_list,
    check_keys,
    enum_name,
    flag_of,
    seconds_of,
    state_spec,
)
from settlesim.chart.event import event_name, name_flaw
from settlesim.chart.problems import Problems
from settlesim.chart.retry import read_retry
from settlesim.chart.strict_json import JSONValue, freeze
from settlesim.errors import InvalidValueError, shorten

__all__ = ["MAX_ITEMS", "MAX_NESTING", "MAX_NODES", "MAX_TRANSITIONS", "Parser"]

MAX_NODES: Final = 5_000
"""How many states a chart may have."""
MAX_TRANSITIONS: Final = 20_000
"""How many transitions a chart may have, with ``"*"`` and lists of sources spelled out."""
MAX_NESTING: Final = 32
"""How deep states may nest."""
MAX_ITEMS: Final = 100_000
"""How many tags, functions, services and delays a chart may name in all."""

_INSIDE: Final = ("children", "states", "parallel")


class _TooLargeError(Exception):
    """Ends the reading of a chart that is beyond the limits."""


class Parser:
    """Reads states and transitions; what it finds wrong goes to `problems`.

    Parameters
    ----------
    scxml
        Whether the chart has the semantics of SCXML: a compound state is entered by its first
        child if it names none, and a list as ``initial`` names states that are entered together.
    """

    def __init__(self, problems: Problems, *, scxml: bool = False) -> None:
        self.problems = problems
        self._scxml = scxml
        self.nodes: dict[str, Node] = {}
        self.transitions: list[Transition] = []
        self.functions: dict[str, Callable[..., Any]] = {}
        self._members: dict[int, list[str]] = {}
        self._nested: list[tuple[str, str, object]] = []
        self._all_sources: dict[tuple[str, bool], list[str]] = {}
        self._count = 0
        self._items = 0

    def parse(self, states: object, transitions: object) -> bool:
        """Read a whole chart; False where it is beyond the limits."""
        try:
            if states is None:
                self.problems.add("chart", "has no 'states'")
            else:
                self._note_members(states, "", 0)
                self._states(states, "states", parent=None)
            self._transition_list(transitions, "transitions", scope="")
            for where, scope, specs in self._nested:
                self._transition_list(specs, where, scope=scope)
        except _TooLargeError as error:
            self.problems.add("chart", str(error))
            return False
        return True

    def _take(self, number: int) -> None:
        self._items += number
        if self._items > MAX_ITEMS:
            raise _TooLargeError(f"more than {MAX_ITEMS} tags, functions, services and delays")

    # --- members of enums -----------------------------------------------------------------

    def _note_members(self, specs: object, prefix: str, depth: int) -> None:
        """Note the full name of every enum member that is a state, before any target is read."""
        if depth > MAX_NESTING or not isinstance(specs, (list, tuple, enum.EnumMeta)):
            return
        for spec in map(state_spec, specs):
            member = spec.get("name") if isinstance(spec, Mapping) else spec
            if not isinstance(member, (str, enum.Enum)):
                continue
            name = f"{prefix}{enum_name(member)}"
            if isinstance(member, enum.Enum):
                self._members.setdefault(id(member), []).append(name)
            if isinstance(spec, Mapping):
                for key in _INSIDE:
                    self._note_members(spec.get(key), f"{name}.", depth + 1)

    def name_of(self, member: object, where: str, scope: str = "") -> object:
        """Return the full name of the state that an enum member is; other values as they are.

        As in `transitions`, states directly in the scope take precedence over deeper ones.
        """
        if not isinstance(member, enum.Enum):
            return member
        prefix = f"{scope}." if scope else ""
        found = [name for name in self._members.get(id(member), ()) if name.startswith(prefix)]
        nearest = [name for name in found if "." not in name.removeprefix(prefix)] or found
        if len(nearest) > 1:
            self.problems.add(
                where,
                f"{shorten(member)} is the states {shorten(nearest[0])} and "
                f"{shorten(nearest[1])}: write the name of the one that is meant",
            )
        return nearest[0] if nearest else prefix + member.name

    # --- states ---------------------------------------------------------------------------

    def _states(self, specs: object, where: str, parent: str | None) -> tuple[str, ...]:
        if not isinstance(specs, (list, tuple)):
            if isinstance(specs, enum.EnumMeta):
                specs = list(specs)
            else:
                self.problems.add(where, f"is {shorten(specs, 60)}; a list of states is needed")
                return ()
        if parent is None and not specs:
            self.problems.add(where, "is empty; a chart has at least one state")
        if parent is not None and parent.count(".") + 2 > MAX_NESTING:
            raise _TooLargeError(f"states nest deeper than {MAX_NESTING} levels")
        names = (self._state(spec, f"{where}[{i}]", parent) for i, spec in enumerate(specs))
        return tuple(name for name in names if name is not None)

    def _state(self, spec: object, where: str, parent: str | None) -> str | None:
        spec = state_spec(spec)
        if not isinstance(spec, Mapping):
            spec = {"name": spec}
        local = enum_name(spec.get("name"))
        flaw = name_flaw(local)
        if flaw:
            self.problems.add(where, f"the name {flaw}")
            return None
        assert isinstance(local, str)  # name_flaw has refused everything else
        if "." in local or local in {"*", "="}:
            why = "dots join parent and child" if "." in local else "it means other states"
            self.problems.add(where, f"the name {shorten(local)} is not free: {why}")
            return None
        name = local if parent is None else f"{parent}.{local}"
        check_keys(spec, STATE_KEYS, f"state {shorten(name)}", self.problems)
        if name in self.nodes:
            self.problems.add(where, f"the state {shorten(name)} appears twice")
            return None
        if len(self.nodes) >= MAX_NODES:
            raise _TooLargeError(f"more than {MAX_NODES} states")
        self._node(spec, name, parent)
        return name

    def _node(self, spec: Mapping[str, Any], name: str, parent: str | None) -> None:
        where = f"state {shorten(name)}"
        if spec.get("history") is not None:
            self.nodes[name] = self._history(spec, name, parent, where)
            return
        if spec.get("default") is not None:
            self.problems.add(where, "has a default, which only a history state has")
        self.nodes[name] = Node(name, NodeKind.ATOMIC, parent)  # its position: before its children
        kind, children, initial = self._inside(spec, name, where)
        first = _child_of(name, initial[0]) if initial else None
        self.nodes[name] = Node(
            name=name,
            kind=kind,
            parent=parent,
            children=children,
            initial=first,
            initial_states=() if initial == (first,) else initial,
            tags=self._tags(spec.get("tags"), where),
            invoke=self._invocations(spec.get("invoke"), name, where),
            after=self._delays(spec.get("after"), name, where),
            on_done=self._targets(
                spec.get("on_done"), name, f"done.state.{name}", f"{where} on_done"
            ),
            on_enter=self._function_names(spec.get("on_enter"), f"{where} on_enter"),
            on_exit=self._function_names(spec.get("on_exit"), f"{where} on_exit"),
            on_final=self._function_names(spec.get("on_final"), f"{where} on_final"),
            label=self._label(spec.get("label"), where),
        )
        self.transitions.extend(
            self._targets(spec.get("always"), name, EVENTLESS, f"{where} always")
        )
        if spec.get("transitions"):
            self._nested.append((f"{where} transitions", name, spec["transitions"]))

    def _history(self, spec: Mapping[str, Any], name: str, parent: str | None, where: str) -> Node:
        """Read a history state; its default is looked up when all states are known."""
        check_keys(spec, HISTORY_KEYS, f"history {where}", self.problems)
        history = spec["history"]
        if history not in ("shallow", "deep"):
            self.problems.add(
                where, f"history is {shorten(history)}; 'shallow' or 'deep' is needed"
            )
        default = [enum_name(each) for each in as_list(spec.get("default"))]
        self._take(len(default))
        for each in default:
            if not isinstance(each, str):
                self.problems.add(
                    where, f"default is {shorten(each)}; the name of a state is needed"
                )
        return Node(
            name,
            NodeKind.HISTORY,
            parent,
            label=self._label(spec.get("label"), where),
            history="deep" if history == "deep" else "shallow",
            default=tuple(each for each in default if isinstance(each, str)),
        )

    def _inside(
        self, spec: Mapping[str, Any], name: str, where: str
    ) -> tuple[NodeKind, tuple[str, ...], tuple[str, ...]]:
        """Return kind, children and initial states of a state."""
        lists = [key for key in _INSIDE if spec.get(key)]
        final = flag_of(spec, "final", where, self.problems, default=False)
        if len(lists) > 1:
            self.problems.add(where, f"has both {lists[0]!r} and {lists[1]!r}; one is possible")
        children = self._states(spec[lists[0]], f"{where} {lists[0]}", name) if lists else ()
        if final is True and lists:
            self.problems.add(where, "is final and has children; a final state is a leaf")
        if not lists:
            if spec.get("initial"):
                self.problems.add(where, "has an initial child but no children")
            return (NodeKind.FINAL if final is True else NodeKind.ATOMIC), (), ()
        # As in `transitions`, any false value means no initial child: None, False, "" or [].
        return self._initial(spec.get("initial") or None, lists[0], name, children, where)

    def _initial(
        self, initial: object, key: str, name: str, children: tuple[str, ...], where: str
    ) -> tuple[NodeKind, tuple[str, ...], tuple[str, ...]]:
        if self._scxml and key != "parallel":
            return NodeKind.COMPOUND, children, self._scxml_initial(initial, name, children, where)
        locals_ = tuple(child.rpartition(".")[2] for child in children)
        if isinstance(initial, (list, tuple)):
            given = tuple(enum_name(each) for each in initial)
            if given != locals_:
                self.problems.add(
                    where,
                    "a list as initial makes a parallel state: it names all children, in order",
                )
            return NodeKind.PARALLEL, children, ()
        if key == "parallel":
            if initial is not None:
                self.problems.add(where, "is parallel and has an initial child; all are entered")
            return NodeKind.PARALLEL, children, ()
        initial = enum_name(initial)
        if initial is None:
            return NodeKind.COMPOUND, children, ()
        if initial in locals_:
            return NodeKind.COMPOUND, children, (f"{name}.{initial}",)
        if initial in children:
            return NodeKind.COMPOUND, children, (str(initial),)
        self.problems.unknown(f"{where} initial", "child", initial, locals_)
        return NodeKind.COMPOUND, children, ()

    def _scxml_initial(
        self, initial: object, name: str, children: tuple[str, ...], where: str
    ) -> tuple[str, ...]:
        """Return what is entered with a compound state: the first child if it names nothing."""
        names = []
        for each in map(enum_name, as_list(initial)):
            inside = f"{name}.{each}"
            full = inside if inside in self.nodes else each
            if isinstance(full, str) and full in self.nodes and full.startswith(f"{name}."):
                names.append(full)
            else:
                known = [child.rpartition(".")[2] for child in children]
                self.problems.unknown(f"{where} initial", "state inside", each, known)
        real = [each for each in children if self.nodes[each].kind is not NodeKind.HISTORY]
        if not real:
            self.problems.add(where, "has nothing inside but history states")
        return tuple(names or real[:1])

    def _tags(self, tags: object, where: str) -> tuple[str, ...]:
        if tags is None:
            return ()
        if isinstance(tags, (str, enum.Enum)):
            tags = [tags]
        if not isinstance(tags, (list, tuple)):
            self.problems.add(
                where, f"tags are {shorten(tags)}; a list of names is needed, such as ['settled']"
            )
            return ()
        self._take(len(tags))
        names: dict[str, None] = {}
        for tag in map(enum_name, tags):
            flaw = name_flaw(tag)
            if flaw:
                self.problems.add(where, f"the tag {shorten(tag)} {flaw}")
            else:
                names[str(tag)] = None
        return tuple(names)

    def _label(self, label: object, where: str) -> str | None:
        if label is None:
            return None
        flaw = name_flaw(label)
        if flaw:
            self.problems.add(where, f"the label {flaw}")
            return None
        return str(label)

    # --- services and delays --------------------------------------------------------------

    def _invocations(self, specs: object, name: str, where: str) -> tuple[Invocation, ...]:
        each_spec = as_list(specs)
        self._take(len(each_spec))
        return tuple(
            self._invocation(spec, name, f"{name}.{index}", f"{where} invoke[{index}]")
            for index, spec in enumerate(each_spec)
        )

    def _invocation(self, spec: object, name: str, id_: str, where: str) -> Invocation:
        if not isinstance(spec, Mapping):
            spec = {"src": spec}
        check_keys(spec, INVOKE_KEYS, where, self.problems)
        src = self._function_names(spec.get("src"), f"{where} src")
        if len(src) != 1:
            self.problems.add(where, "src has to name one service")
        timeout = spec.get("timeout")
        return Invocation(
            id=id_,
            src=src[0] if src else "",
            input=self._json(spec.get("input"), f"{where} input"),
            on_done=self._targets(
                spec.get("on_done"), name, f"done.invoke.{id_}", f"{where} on_done"
            ),
            on_error=self._targets(
                spec.get("on_error"), name, f"error.invoke.{id_}", f"{where} on_error"
            ),
            timeout=None if timeout is None else self._seconds(timeout, f"{where} timeout"),
            effect=flag_of(spec, "effect", where, self.problems, default=True),
            retry=read_retry(spec.get("retry"), f"{where} retry", self.problems),
        )

    def _delays(self, specs: object, name: str, where: str) -> tuple[Delay, ...]:
        if specs is None:
            return ()
        if not isinstance(specs, Mapping) or specs.keys() & NO_SECONDS:
            self.problems.add(
                where,
                f"after is {shorten(specs)}; a mapping of seconds to destinations is needed, "
                "such as {10: 'b'}",
            )
            return ()
        self._take(len(specs))
        delays: dict[float, Delay] = {}
        for index, (key, target) in enumerate(specs.items()):
            id_ = f"{name}.{index}"
            seconds = self._seconds(key, f"{where} after", as_text=True)
            if seconds is None:
                continue
            if seconds in delays:
                self.problems.add(where, f"after {seconds:g} seconds appears twice")
            targets = self._targets(target, name, f"after.{id_}", f"{where} after {seconds:g}")
            if not targets:
                self.problems.add(f"{where} after {seconds:g}", "leads nowhere; name a state")
            delays[seconds] = Delay(id_, seconds, targets)
        return tuple(delays.values())

    def _seconds(self, value: object, where: str, *, as_text: bool = False) -> float | None:
        seconds = seconds_of(value, as_text=as_text)
        if seconds is None:
            self.problems.add(
                where, f"{shorten(value)} is no number of seconds in (0, {MAX_SECONDS:g}]"
            )
        return seconds

    def _json(self, value: object, where: str) -> JSONValue:
        try:
            return freeze(value, where=where)
        except InvalidValueError as error:
            self.problems.add(error.where, error.reason)
            return None

    # --- transitions ----------------------------------------------------------------------

    def _targets(
        self, specs: object, source: str, trigger: str, where: str
    ) -> tuple[Transition, ...]:
        """Read a destination, a dict, or a list of either: transitions out of one state."""
        found = []
        for each in as_list(specs):
            spec = each if isinstance(each, Mapping) else {"dest": each}
            check_keys(spec, TARGET_KEYS, where, self.problems)
            dests = self._dests(spec.get("dest"), "", where)
            to = [source if dest == "=" else dest for dest in dests]
            found.append(self._transition(spec, trigger, source, to, where))
        return tuple(found)

    def _dests(self, dests: object, scope: str, where: str) -> list[str]:
        """Return the destinations in full; names of siblings are resolved later."""
        if isinstance(dests, (list, tuple)) and not dests:
            self.problems.add(where, "dest is an empty list; name a state, or None")
        found = []
        for each in as_list(dests):
            dest = self._in_scope(each, scope, where)
            if isinstance(dest, str):
                found.append(dest)
            else:
                self.problems.add(where, f"dest is {shorten(each)}; the name of a state is needed")
        return found

    def _transition_list(self, specs: object, where: str, scope: str) -> None:
        if specs is None:
            return
        if not isinstance(specs, (list, tuple)):
            self.problems.add(where, f"is {shorten(specs, 60)}; a list of transitions is needed")
            return
        for index, spec in enumerate(specs):
            self._one_transition(spec, f"{where}[{index}]", scope)

    def _one_transition(self, spec: object, where: str, scope: str) -> None:
        if isinstance(spec, (list, tuple)):
            if not 3 <= len(spec) <= len(POSITIONAL):
                self.problems.add(
                    where,
                    f"has {len(spec)} parts; a list is [trigger, source, dest] and, after "
                    "them, conditions, unless, before, after, prepare",
                )
                return
            spec = dict(zip(POSITIONAL, spec, strict=False))
        elif not isinstance(spec, Mapping):
            self.problems.add(where, f"is {shorten(spec, 60)}; a list or a dict is needed")
            return
        check_keys(spec, TRANSITION_KEYS, where, self.problems)
        if "source" not in spec or "dest" not in spec:
            self.problems.add(where, "needs 'source' and 'dest' (None for an internal transition)")
            return
        trigger = self._trigger(event_name(spec.get("trigger")), where)
        dests = self._dests(spec["dest"], scope, where)
        for source in self._sources(spec["source"], dests, scope, where):
            to = [source if dest == "=" else dest for dest in dests]
            self.transitions.append(self._transition(spec, trigger, source, to, where))

    def _trigger(self, trigger: object, where: str) -> str:
        if trigger is None or trigger == EVENTLESS:
            return EVENTLESS
        flaw = name_flaw(trigger)
        if flaw:
            self.problems.add(where, f"the trigger {flaw}")
            return EVENTLESS
        name = str(trigger)
        if name.startswith(RESERVED_PREFIXES):
            self.problems.add(
                where,
                f"the trigger {shorten(name)} is a reserved name: done.*, error.* and after.* "
                "come from invoke, after and on_done of a state",
            )
        return name

    def _in_scope(self, name: object, scope: str, where: str) -> object:
        """Return a state's full name; ``"="`` and values that are not names as they are."""
        if isinstance(name, enum.Enum):
            return self.name_of(name, where, scope)
        return f"{scope}.{name}" if scope and isinstance(name, str) and name != "=" else name

    def _sources(self, sources: object, dests: list[str], scope: str, where: str) -> list[str]:
        if sources == "*":
            return self._every_source(scope, deep="=" in dests)
        names = []
        if not as_list(sources):
            self.problems.add(where, "has no source; the name of a state, a list or '*' is needed")
        for source in as_list(sources):
            name = self._in_scope(source, scope, where)
            if isinstance(name, str):
                names.append(name)
            else:
                self.problems.add(
                    where, f"source is {shorten(source)}; the name of a state is needed"
                )
        return names

    def _every_source(self, scope: str, *, deep: bool) -> list[str]:
        """Return the states that ``"*"`` stands for: those of a scope; if `deep`, all inside it."""
        found = self._all_sources.get((scope, deep))
        if found is None:
            prefix = f"{scope}." if scope else ""
            found = self._all_sources[scope, deep] = [
                node.name
                for node in self.nodes.values()
                if node.kind not in {NodeKind.FINAL, NodeKind.HISTORY}
                and (node.name.startswith(prefix) if deep else (node.parent or "") == scope)
            ]
        return found

    def _transition(
        self, spec: Mapping[str, Any], trigger: str, source: str, dests: list[str], where: str
    ) -> Transition:
        self._count += 1
        if self._count > MAX_TRANSITIONS:
            raise _TooLargeError(f"more than {MAX_TRANSITIONS} transitions")
        functions = {
            key: self._function_names(spec[key], f"{where} {key}")
            for key in FUNCTIONS
            if spec.get(key) is not None
        }
        return Transition(
            trigger,
            source,
            dests[0] if dests else None,
            label=self._label(spec.get("label"), where),
            more=tuple(dests[1:]),
            internal=flag_of(spec, "internal", where, self.problems, default=False),
            **functions,
        )

    # --- functions and keys ---------------------------------------------------------------

    def _function_names(self, specs: object, where: str) -> tuple[str, ...]:
        each_spec = as_list(specs)
        self._take(len(each_spec))
        names = []
        for spec in each_spec:
            name = self._callable_name(spec, where) if callable(spec) else spec
            flaw = name_flaw(name)
            if flaw:
                self.problems.add(where, f"the function name {shorten(name)} {flaw}")
            else:
                names.append(str(name))
        return tuple(names)

    def _callable_name(self, function: Callable[..., Any], where: str) -> object:
        name = getattr(function, "__name__", None)
        if not isinstance(name, str) or name == "<lambda>":
            self.problems.add(
                where, "a function without a name cannot stand in a chart: name it and bind it"
            )
            return "unnamed"
        if self.functions.setdefault(name, function) is not function:
            self.problems.add(where, f"two different functions are called {name!r}")
        return name


def _child_of(name: str, inside: str) -> str:
    """Return the child of the state `name` that is `inside` or contains it."""
    return ".".join(inside.split(".")[: name.count(".") + 2])
