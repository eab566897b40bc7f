"""`Chart`: the definition of a durable statechart, as immutable data."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, Literal, NoReturn

from settlesim import display
from settlesim.chart.definition import (
    DEFAULT_TAGS,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
)
from settlesim.chart.event import name_flaw
from settlesim.chart.parsing import Parser
from settlesim.chart.problems import Problems
from settlesim.chart.validation import (
    ancestors,
    check_nodes,
    check_parallel,
    check_roles,
    resolve,
    roles,
)
from settlesim.chart.values import FrozenDict, freeze_object
from settlesim.chart.writing import chart_to_dict
from settlesim.errors import InvalidValueError, UnboundFunctionError, shorten

__all__ = ["Chart", "OnReject"]

OnReject = Literal["discard", "persist"]
"""What happens to a rejected settlement: it is dropped, or saved like any other."""

_MAX_VERSION: Final = 2**53 - 1  # what every reader of JSON takes for a whole number

_ON_REJECT: Final[tuple[OnReject, ...]] = ("discard", "persist")
_KEYS: Final = (
    "name",
    "version",
    "initial",
    "context",
    "on_reject",
    "settling_tags",
    "states",
    "transitions",
)


class Chart:
    """A statechart with the places where it may rest.

    Parameters
    ----------
    states
        What a ``GraphMachine`` of `transitions` accepts: names, dicts, enum members, with
        ``children``, ``parallel``, ``initial``, ``final``, ``on_enter``, ``on_exit``; and
        per state ``tags``, ``invoke``, ``after``, ``always`` and ``on_done``.
    transitions
        ``[trigger, source, dest]`` lists or dicts, with ``"*"`` and ``"="``; without a
        trigger a transition is eventless. ``assign`` names what changes the context.
    initial
        The node in which a new instance starts.
    name : text, the first part of a service's idempotency key
    context : strict JSON object, what a new instance starts with
    version : whole number, 1 or more
    on_reject : ``"discard"`` or ``"persist"``
    settling_tags : which tags say that a node is a place to rest

    Raises
    ------
    DefinitionError
        Everything that is wrong with the definition, with the nearest known names.

    Examples
    --------
    >>> chart = Chart(
    ...     states=[{"name": "off", "tags": ["settled"]}, {"name": "on", "tags": ["settled"]}],
    ...     transitions=[["PUSH", "off", "on"], ["PUSH", "on", "off"]],
    ...     initial="off",
    ... )
    >>> [node.name for node in chart.states]
    ['off', 'on']
    """

    __slots__ = (
        "__weakref__",
        "_nodes",
        "cache",
        "context",
        "edges",
        "functions",
        "initial",
        "initial_configuration",
        "name",
        "on_reject",
        "roles",
        "settling_tags",
        "states",
        "transitions",
        "version",
    )

    _nodes: Mapping[str, Node]
    name: str
    version: int
    initial: str
    context: FrozenDict
    on_reject: OnReject
    settling_tags: SettlingTags
    states: tuple[Node, ...]
    """All nodes in document order, parents before children."""
    transitions: tuple[Transition, ...]
    """The transitions of the definition: external and eventless ones."""
    edges: tuple[Transition, ...]
    """`transitions`, then those of services, delays and ``on_done`` in document order."""
    functions: Mapping[str, Callable[..., Any]]
    """The functions that are bound, by name."""
    roles: Mapping[str, str]
    """Every function that the chart names, with its role: guard, assign or service."""
    initial_configuration: tuple[str, ...]
    """The leaves in which a new instance starts."""
    cache: dict[str, Any]
    """What the layers above have made of this chart; no part of its value."""

    def __init__(
        self,
        states: object,
        transitions: object = (),
        initial: object = None,
        *,
        name: str = "chart",
        context: Mapping[str, Any] | None = None,
        version: int = 1,
        on_reject: OnReject = "discard",
        settling_tags: SettlingTags | Mapping[str, Any] = DEFAULT_TAGS,
    ) -> None:
        problems = Problems(name)
        parser = Parser(problems)
        if not parser.parse(states, transitions):
            problems.raise_if_any()
        tags = _settling_tags(settling_tags, problems)
        self._set("name", _name(name, problems))
        self._set("version", _version(version, problems))
        self._set("on_reject", _on_reject(on_reject, problems))
        self._set("settling_tags", tags)
        self._set("context", _context(context, problems))
        nodes, explicit, edges = _connect(parser, tags, problems)
        start = _initial(initial, nodes, problems)
        problems.raise_if_any()
        self._set("initial", start)
        self._set("cache", {})
        self._set("_nodes", MappingProxyType(nodes))
        self._set("states", tuple(nodes.values()))
        self._set("transitions", explicit)
        self._set("edges", edges)
        self._set("roles", MappingProxyType(roles(nodes.values(), edges)))
        self._set("functions", MappingProxyType(dict(parser.functions)))
        self._set("initial_configuration", self.enter(start))

    # --- reading and writing --------------------------------------------------------------

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Chart:
        """Read a mapping such as `to_dict` writes.

        Raises
        ------
        DefinitionError
            Everything that is wrong with it, unknown keys included.
        """
        if not isinstance(record, Mapping):
            problems = Problems()
            problems.add("chart", f"is {shorten(record, 60)}; a mapping with 'states' is needed")
            problems.raise_if_any()
        problems = Problems(record.get("name"))
        for key in record:
            if key not in _KEYS:
                problems.unknown("chart", "key", key, _KEYS)
        if "states" not in record:
            problems.add("chart", "has no 'states'")
        problems.raise_if_any()
        return cls(**record)

    def to_dict(self) -> dict[str, Any]:
        """Return the chart as plain JSON, without its functions."""
        return chart_to_dict(self)

    # --- functions ------------------------------------------------------------------------

    def bind(self, functions: Mapping[str, Callable[..., Any]]) -> Chart:
        """Return this chart with functions bound to the names it uses.

        Parameters
        ----------
        functions
            By name. A guard is ``(context, event) -> bool``, an assign ``(context, event) ->``
            mapping of changes, a service ``async (call) -> JSON``.

        Raises
        ------
        DefinitionError
            A name that the chart does not use, or a value that can not be called.
        """
        problems = Problems(self.name)
        if not isinstance(functions, Mapping):
            problems.add("bind", f"is given {shorten(functions)}; a mapping by name is needed")
            problems.raise_if_any()
        for name, function in functions.items():
            if name not in self.roles:
                problems.unknown("bind", "function", name, self.roles)
            elif not callable(function):
                problems.add(f"bind {shorten(name)}", f"is {shorten(function)}, not a function")
        problems.raise_if_any()
        bound = object.__new__(Chart)
        for slot in self.__slots__[1:]:
            bound._set(slot, getattr(self, slot))
        bound._set("functions", MappingProxyType({**self.functions, **functions}))
        bound._set("cache", {})
        return bound

    def require(self, *wanted: str) -> None:
        """Refuse to run while functions of the wanted roles are not bound.

        Raises
        ------
        UnboundFunctionError
            Names every function that is missing.
        """
        missing = [
            name
            for name, role in self.roles.items()
            if role in wanted and name not in self.functions
        ]
        if missing:
            raise UnboundFunctionError(chart=self.name, names=missing)

    # --- nodes ----------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """Return the node with this full name; KeyError where there is none."""
        return self._nodes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def enter(self, name: str) -> tuple[str, ...]:
        """Return the leaves that are active after the node `name` was entered."""
        node = self._nodes[name]
        if node.kind is NodeKind.PARALLEL:
            return tuple(leaf for child in node.children for leaf in self.enter(child))
        return self.enter(node.initial) if node.initial is not None else (name,)

    def active(self, configuration: Iterable[str]) -> tuple[str, ...]:
        """Return every active node, parents before children, in document order."""
        found = {name for leaf in configuration for name in ancestors(leaf)}
        return tuple(node.name for node in self.states if node.name in found)

    def rest_of(self, leaf: str) -> Literal["resolved", "rejected", "final"] | None:
        """Say what makes a leaf a place to rest; None where nothing does.

        The nearest tagged node counts, the leaf itself first; a final leaf rests untagged.
        """
        for name in ancestors(leaf):
            tags = self._nodes[name].tags
            if any(tag in self.settling_tags.rejected for tag in tags):
                return "rejected"
            if any(tag in self.settling_tags.resolved for tag in tags):
                break
        else:
            return "final" if self._nodes[leaf].kind is NodeKind.FINAL else None
        return "final" if self._nodes[leaf].kind is NodeKind.FINAL else "resolved"

    def is_initial(self, configuration: tuple[str, ...]) -> bool:
        """Whether this is where a new instance starts."""
        return configuration == self.initial_configuration

    # --- showing and checking -------------------------------------------------------------

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of the chart, or write it to the file `target`.

        The options are those of `settlesim.view.draw`.
        """
        return display.draw(self, target, **options)

    def check(self, **options: Any) -> Any:
        """Prove or refute that every event ends in a settled configuration.

        Returns
        -------
        report : `settlesim.engine.checking.Report`
        """
        return display.check(self, **options)

    def settling_graph(self, **options: Any) -> Any:
        """Return the graph of the settled configurations and the ways between them."""
        return display.settling_graph(self, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __repr__(self) -> str:
        return (
            f"Chart({self.name!r}, version={self.version}, {len(self.states)} nodes, "
            f"{len(self.edges)} transitions)"
        )

    # --- a value --------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Chart):
            return NotImplemented
        return self.to_dict() == other.to_dict() and dict(self.functions) == dict(other.functions)

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.initial, len(self.states), len(self.edges)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.to_dict(), dict(self.functions))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Chart is immutable: {name!r} can not be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Chart is immutable: {name!r} can not be deleted")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _rebuild(record: Mapping[str, Any], functions: Mapping[str, Callable[..., Any]]) -> Chart:
    return Chart.from_dict(record).bind(functions)


def _connect(
    parser: Parser, tags: SettlingTags, problems: Problems
) -> tuple[dict[str, Node], tuple[Transition, ...], tuple[Transition, ...]]:
    """Resolve every destination, check the whole; return nodes, transitions and edges."""
    nodes = parser.nodes
    explicit = tuple(
        resolve(each, nodes, problems, siblings=each.trigger == "") for each in parser.transitions
    )
    resolved = {name: _resolve_node(node, nodes, problems) for name, node in nodes.items()}
    edges = explicit + tuple(edge for node in resolved.values() for edge in _reserved(node))
    check_nodes(resolved, edges, tags, problems)
    check_parallel(resolved, edges, problems)
    check_roles(resolved.values(), edges, problems)
    return resolved, explicit, edges


def _resolve_node(node: Node, nodes: Mapping[str, Node], problems: Problems) -> Node:
    if not (node.invoke or node.after or node.on_done):
        return node

    def full(transitions: tuple[Transition, ...]) -> tuple[Transition, ...]:
        return tuple(resolve(each, nodes, problems, siblings=True) for each in transitions)

    invoke = tuple(
        replace(each, on_done=full(each.on_done), on_error=full(each.on_error))
        for each in node.invoke
    )
    after = tuple(replace(each, transitions=full(each.transitions)) for each in node.after)
    return replace(node, invoke=invoke, after=after, on_done=full(node.on_done))


def _reserved(node: Node) -> Iterable[Transition]:
    for invocation in node.invoke:
        yield from invocation.on_done
        yield from invocation.on_error
    for delay in node.after:
        yield from delay.transitions
    yield from node.on_done


def _name(name: object, problems: Problems) -> str:
    flaw = name_flaw(name)
    if flaw:
        problems.add("name", f"the chart's name {flaw}")
        return "chart"
    return str(name)


def _initial(initial: object, nodes: Mapping[str, Node], problems: Problems) -> str:
    start = initial.name if isinstance(initial, enum.Enum) else initial
    if start is None:
        problems.add("initial", "is missing; the node in which a new instance starts is needed")
    elif not isinstance(start, str):
        problems.add("initial", f"is {shorten(start)}; the name of one state is needed")
    elif start not in nodes:
        problems.unknown("initial", "state", start, nodes)
    return start if isinstance(start, str) else ""


def _version(version: object, problems: Problems) -> int:
    if type(version) is int and 1 <= version <= _MAX_VERSION:
        return version
    problems.add(
        "version", f"is {shorten(version)}; a whole number from 1 to {_MAX_VERSION} is needed"
    )
    return 1


def _on_reject(on_reject: object, problems: Problems) -> OnReject:
    for known in _ON_REJECT:
        if on_reject == known:
            return known
    problems.add("on_reject", f"is {shorten(on_reject)}; 'discard' or 'persist' is needed")
    return "discard"


def _context(context: object, problems: Problems) -> FrozenDict:
    try:
        return freeze_object({} if context is None else context, where="context")
    except InvalidValueError as error:
        problems.add(error.where, error.reason)
        return freeze_object({}, where="context")


def _settling_tags(tags: object, problems: Problems) -> SettlingTags:
    if isinstance(tags, SettlingTags):
        tags = {"resolved": tags.resolved, "rejected": tags.rejected}
    if isinstance(tags, Mapping) and set(tags) <= {"resolved", "rejected"}:
        lists = {key: tags.get(key, ()) for key in ("resolved", "rejected")}
        if all(
            isinstance(names, (list, tuple)) and not any(map(name_flaw, names))
            for names in lists.values()
        ):
            found = SettlingTags(tuple(lists["resolved"]), tuple(lists["rejected"]))
            if not set(found.resolved) & set(found.rejected):
                return found
    problems.add(
        "settling_tags",
        f"is {shorten(tags)}; {{'resolved': [names], 'rejected': [names]}} without a common "
        "name is needed",
    )
    return DEFAULT_TAGS
