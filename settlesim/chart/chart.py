"""`Chart`: the definition of a durable statechart, as immutable data."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart.definition import (
    DEFAULT_TAGS,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
)
from settlesim.chart.dialect import CHART_KEYS, check_keys
from settlesim.chart.diff import ChartDiff, InstanceCounts, diff_charts
from settlesim.chart.fingerprint import fingerprint_of
from settlesim.chart.functions import check_functions
from settlesim.chart.heading import (
    OnReject,
    Semantics,
    read_context,
    read_initial,
    read_name,
    read_on_reject,
    read_provenance,
    read_secret,
    read_semantics,
    read_settling_tags,
    read_version,
)
from settlesim.chart.migration import Migration, check_steps
from settlesim.chart.notation import StatesNotation, TransitionNotation
from settlesim.chart.parser import Parser
from settlesim.chart.problems import Problems
from settlesim.chart.report import counted_noun
from settlesim.chart.strict_json import FrozenDict
from settlesim.chart.structure import Structure
from settlesim.chart.validation import (
    ancestors,
    check_nodes,
    check_parallel,
    check_roles,
    check_scxml,
    refuse_scxml,
    resolve,
    resolve_default,
    roles,
)
from settlesim.chart.writer import chart_to_dict
from settlesim.display import ChartPanelOptions, ChartPictureOptions
from settlesim.errors import UnboundFunctionError, shorten
from settlesim.progress import ProgressCallback, StopFlag

if TYPE_CHECKING:
    from settlesim.chart.report import Report
    from settlesim.chart.settling_graph import SettlingGraph
    from settlesim.display import ChartPanel, Picture

__all__ = ["Chart", "OnReject", "Semantics"]


class Chart:
    """A statechart with its settled states.

    Parameters
    ----------
    states
        What a ``GraphMachine`` of `transitions` accepts: names, enum members, dicts (the keys
        are those of `settlesim.chart.notation.StateDict`), with
        ``children``, ``parallel``, ``initial``, ``final``, ``on_enter``, ``on_exit``; and
        per state ``tags``, ``invoke``, ``after``, ``always`` and ``on_done``.
    transitions
        ``[trigger, source, dest]`` lists or dicts, with ``"*"`` and ``"="``; without a
        trigger a transition is eventless. ``assign`` names what changes the context.
    initial
        The state in which a new instance starts.
    name : text, the first part of a service's idempotency key
    context : strict JSON object, what a new instance starts with
    version : whole number, 1 or more
    on_reject : ``"discard"`` or ``"persist"``
    settling_tags : which tags say that a state is settled
    semantics
        Whose rules say which transitions fire: ``"transitions"``, those of the library, or
        ``"scxml"``, those of SCXML 1.0.
    secret
        Names of fields whose values are hidden in pages, logs, pictures and lists of settlements:
        fields of the context, of event data and of results of services, however deep.
    migrations
        Steps from earlier versions, made by `settlesim.migration`: one for each version that
        stored instances may still have.

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
        "migrations",
        "name",
        "on_reject",
        "provenance",
        "roles",
        "secret",
        "semantics",
        "settling_tags",
        "states",
        "structure",
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
    semantics: Semantics
    secret: tuple[str, ...]
    """Names of fields whose values are not shown."""
    provenance: FrozenDict
    """What the chart was read from, and what was left out; ignored by comparisons."""
    states: tuple[Node, ...]
    """All states in document order, parents before children."""
    transitions: tuple[Transition, ...]
    """The transitions of the definition: external and eventless ones."""
    edges: tuple[Transition, ...]
    """`transitions`, then those of services, delays and ``on_done`` in document order."""
    functions: Mapping[str, Callable[..., Any]]
    """The bound functions, by name."""
    roles: Mapping[str, str]
    """Every function that the chart names, with its role: guard, assign or service."""
    initial_configuration: tuple[str, ...]
    """The leaves in which a new instance starts."""
    migrations: tuple[Migration, ...]
    """The steps that lead here from earlier versions, sorted by the version where they begin; not
    part of the definition."""
    structure: Structure
    """Which states transitions leave and enter with the semantics of SCXML."""
    cache: dict[str, Any]
    """What the layers above have derived from this chart; ignored by comparisons."""

    def __init__(
        self,
        states: StatesNotation,
        transitions: Sequence[TransitionNotation] | None = (),
        initial: str | enum.Enum | Sequence[str | enum.Enum] | None = None,
        *,
        name: str = "chart",
        context: Mapping[str, Any] | None = None,
        version: int = 1,
        on_reject: OnReject = "discard",
        settling_tags: SettlingTags | Mapping[str, Any] = DEFAULT_TAGS,
        semantics: Semantics = "transitions",
        secret: Sequence[str] = (),
        migrations: Iterable[Migration] = (),
    ) -> None:
        self._read(
            Problems(name),
            states=states,
            transitions=transitions,
            initial=initial,
            name=name,
            context=context,
            version=version,
            on_reject=on_reject,
            settling_tags=settling_tags,
            semantics=semantics,
            secret=secret,
        )
        if migrations != ():
            self._take_steps(migrations)

    def _read(
        self,
        problems: Problems,
        *,
        states: object = None,
        transitions: object = (),
        initial: object = None,
        name: object = "chart",
        context: object = None,
        version: object = 1,
        on_reject: object = "discard",
        settling_tags: object = DEFAULT_TAGS,
        semantics: object = "transitions",
        secret: object = (),
        provenance: object = None,
    ) -> None:
        """Read and set everything; raise all problems, including those noted before."""
        rules = read_semantics(semantics, problems)
        parser = Parser(problems, scxml=rules == "scxml")
        if not parser.parse(states, transitions):
            problems.raise_if_any()
        tags = read_settling_tags(settling_tags, problems)
        self._set("name", read_name(name, problems))
        self._set("version", read_version(version, problems))
        self._set("on_reject", read_on_reject(on_reject, problems))
        self._set("settling_tags", tags)
        self._set("semantics", rules)
        self._set("secret", read_secret(secret, problems))
        self._set("context", read_context(context, problems))
        self._set("provenance", read_provenance(provenance, problems))
        if not parser.nodes:
            problems.raise_if_any()  # without states, no name can be resolved
        nodes, explicit, edges = _connect(parser, tags, rules, problems)
        found = roles(nodes.values(), edges)
        start = read_initial(
            parser.name_of(initial, "initial"), nodes, problems, scxml=rules == "scxml"
        )
        check_functions(parser.functions, found, "function", problems)
        problems.raise_if_any()
        self._set("initial", start)
        self._set("cache", {})
        self._set("_nodes", MappingProxyType(nodes))
        self._set("states", tuple(nodes.values()))
        self._set("transitions", explicit)
        self._set("edges", edges)
        self._set("roles", MappingProxyType(found))
        self._set("functions", MappingProxyType(dict(parser.functions)))
        self._set("structure", Structure(nodes))
        self._set("initial_configuration", self.enter(start))
        self._set("migrations", ())
        if rules == "scxml":
            self._set("initial_configuration", self.structure.initial_configuration(start))

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
        check_keys(record, CHART_KEYS, "chart", problems)
        chart = cls.__new__(cls)
        chart._read(problems, **{key: record[key] for key in CHART_KEYS if key in record})
        return chart

    def to_dict(self) -> dict[str, Any]:
        """Return the chart as plain JSON, without its functions."""
        return chart_to_dict(self)

    # --- functions ------------------------------------------------------------------------

    def bind(self, functions: Mapping[str, Callable[..., Any]]) -> Chart:
        """Return a copy of the chart with functions bound to the names it uses.

        Parameters
        ----------
        functions
            By name. A guard is ``(context, event) -> bool``, an assign ``(context, event) ->``
            mapping of changes, a service ``async (call) -> JSON``. A guard or an assign with
            a parameter ``active`` is given the names of all active states as well.

        Raises
        ------
        DefinitionError
            A name that the chart does not use, or a value that cannot be called like that.
        """
        problems = Problems(self.name)
        if not isinstance(functions, Mapping):
            problems.add("bind", f"is given {shorten(functions)}; a mapping by name is needed")
            problems.raise_if_any()
        for name in functions:
            if name not in self.roles:
                problems.unknown("bind", "function", name, self.roles)
        check_functions(functions, self.roles, "bind", problems)
        problems.raise_if_any()
        bound = self._copy()
        bound._set("functions", MappingProxyType({**self.functions, **functions}))
        return bound

    # --- charts made of this one ----------------------------------------------------------

    def replace(
        self,
        *,
        states: StatesNotation | None = None,
        transitions: Sequence[TransitionNotation] | None = None,
        initial: str | enum.Enum | Sequence[str | enum.Enum] | None = None,
        name: str | None = None,
        context: Mapping[str, Any] | None = None,
        version: int | None = None,
        on_reject: OnReject | None = None,
        settling_tags: SettlingTags | Mapping[str, Any] | None = None,
        semantics: Semantics | None = None,
        secret: Sequence[str] | None = None,
    ) -> Chart:
        """Return a copy of the chart with some parts replaced; None keeps a part.

        Functions stay bound to the names that the copy still uses. Migration steps are not
        copied.

        Parameters
        ----------
        states, transitions, initial, name, context, version
            As `Chart` takes them.
        on_reject, settling_tags, semantics, secret
            As `Chart` takes them.

        Raises
        ------
        DefinitionError
            Everything that is wrong with the new chart.

        Examples
        --------
        >>> lamp = Chart(["off", "on"], [["PUSH", "off", "on"]], "off", name="lamp")
        >>> lamp.replace(version=2, initial="on")
        Chart('lamp', version=2, 2 states, 1 transition)
        """
        given = {
            "states": states,
            "transitions": transitions,
            "initial": initial,
            "name": name,
            "context": context,
            "version": version,
            "on_reject": on_reject,
            "settling_tags": settling_tags,
            "semantics": semantics,
            "secret": secret,
        }
        changes = {key: value for key, value in given.items() if value is not None}
        made = Chart.from_dict({**self.to_dict(), **changes})
        kept = {key: value for key, value in self.functions.items() if key in made.roles}
        return made.bind({**kept, **made.functions})

    def tagged(self, *states: str, tag: str | None = None) -> Chart:
        """Return a copy of the chart with a tag on some states.

        Parameters
        ----------
        states : full names
        tag
            By default the chart's first tag for settled states: ``settled``, unless the chart
            names its own.

        Raises
        ------
        DefinitionError
            A name is no state of the chart, or a state cannot have the tag.

        Examples
        --------
        >>> lamp = Chart(["off", "on"], [["PUSH", "off", "on"], ["PUSH", "on", "off"]], "off")
        >>> lamp.tagged("off", "on").check().verdict.name
        'PROVED'
        """
        problems = Problems(self.name)
        for name in states:
            if name not in self:
                problems.unknown("tagged", "state", name, self._nodes)
        if tag is None:
            tag = next(iter(self.settling_tags.resolved), "settled")
        problems.raise_if_any()

        def marked(records: list[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
            found = []
            for record in records:
                full, own = prefix + record["name"], dict(record)
                if full in states and tag not in record.get("tags", ()):
                    own["tags"] = [*record.get("tags", ()), tag]
                for key in ("children", "parallel"):
                    if key in record:
                        own[key] = marked(record[key], f"{full}.")
                found.append(own)
            return found

        changed: list[Any] = marked(self.to_dict()["states"], "")
        return self.replace(states=changed)

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

    # --- versions -------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Identifies this definition: 16 hexadecimal digits.

        Name, version, labels, the order of keys and the functions themselves do not count.
        """
        found: str | None = self.cache.get("fingerprint")
        if found is None:
            found = self.cache["fingerprint"] = fingerprint_of(self)
        return found

    def with_migrations(self, *migrations: Migration) -> Chart:
        """Return a copy of the chart with the steps that lead to it from earlier versions.

        Raises
        ------
        DefinitionError
            Names that the charts of a step do not have; two steps from one version; a chain of
            steps that does not lead to this version.
        """
        made = self._copy()
        made._take_steps(migrations)
        return made

    def _take_steps(self, migrations: object) -> None:
        problems = Problems(self.name)
        plain = self._copy()
        plain._set("migrations", ())
        steps = check_steps(self, plain, migrations, problems)
        problems.raise_if_any()
        self._set("migrations", steps)

    def _copy(self) -> Chart:
        """Return a copy with an empty cache, so that one of its parts can be set."""
        made = object.__new__(Chart)
        for slot in self.__slots__[1:]:
            made._set(slot, getattr(self, slot))
        made._set("cache", {})
        return made

    # --- states ----------------------------------------------------------------------------

    def node(self, name: str) -> Node:
        """Return the state with this full name; KeyError where there is none."""
        return self._nodes[name]

    def __contains__(self, name: object) -> bool:
        return name in self._nodes

    def enter(self, name: str) -> tuple[str, ...]:
        """Return the leaves that are active after the state `name` was entered."""
        node = self._nodes[name]
        if self.semantics == "scxml":
            return self.structure.entered(name)
        if node.kind is NodeKind.PARALLEL:
            return tuple(leaf for child in node.children for leaf in self.enter(child))
        return self.enter(node.initial) if node.initial is not None else (name,)

    def active(self, configuration: Iterable[str]) -> tuple[str, ...]:
        """Return every active state, parents before children, in document order."""
        found = {name for leaf in configuration for name in ancestors(leaf)}
        return tuple(node.name for node in self.states if node.name in found)

    def rest_of(self, leaf: str) -> Literal["resolved", "rejected", "final"] | None:
        """Say how a leaf is settled; None where it is not.

        The nearest state with a settling tag decides, starting with the leaf itself; a final leaf
        needs no tag.
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

    @takes_options(ChartPictureOptions)
    def draw(
        self,
        target: str | os.PathLike[str] | None = None,
        **options: Unpack[ChartPictureOptions],
    ) -> Picture:
        """Return the picture of the chart, and write it to the file `target` where that is given.

        Parameters
        ----------
        target : a file's path; its suffix is the format: svg, png, pdf, dot, mmd
        configuration
            What is active: the names of leaves, or a snapshot. A state with children stands for
            what is entered with it.
        path : the transitions just taken, in order: positions in ``chart.edges``
        title : a line above the chart
        legend : whether the signs that occur are explained below; False by default
        theme : ``"page"``, ``"light"`` or ``"dark"``; by default that of `settlesim.options`
        direction
            ``"LR"`` from left to right, ``"TB"`` from top to bottom; None, the default, for left to
            right, or top to bottom where only that keeps the text readable at `width`.
        width
            Pixels available to the picture, 900 by default; text is never smaller than 9 pixels.
        bundle
            Whether transitions of a kind between the same two states share an arrow, as they do
            by default.
        collapse : names of states whose inside is not shown
        format : of the file, if its suffix does not tell
        scale : pixels of a PNG per unit, in (0, 20]; 2 by default, less for a large picture
        renderer
            None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
        timeout : seconds after which the layout is stopped; 20 by default

        Raises
        ------
        RenderError
            An option is wrong, the chart cannot be laid out, or the file cannot be written.
        """
        picture: Picture = display.draw(self, target, **options)
        return picture

    @takes_options(ChartPanelOptions)
    def panel(self, **options: Unpack[ChartPanelOptions]) -> ChartPanel:
        """Return a live view of one instance: fire events, answer its services, look back.

        Parameters
        ----------
        store : where the instance is kept; in memory by default
        key : names the instance; by default the chart's name and ``-1``
        data : the initial data in the form of each event, by event name
        answers : your initial answer for each service, by service name
        speed
            Seconds of service time in one real second, 1 by default; ``"at once"`` for runs that
            take no time.
        manual : whether services wait for your answers; False by default
        clock : the clock on which services take their time; `speed` is not used then
        direction
            ``"LR"`` or ``"TB"``; None for left to right, or top-down where only that fits `width`.
        width : pixels available to the chart in the cell, 900 by default

        Raises
        ------
        MissingExtraError
            The ``lab`` extra is not installed.
        """
        panel: ChartPanel = display.panel(self, **options)
        return panel

    def check(
        self,
        *,
        limit: int | None = None,
        known: Iterable[Chart] = (),
        progress: ProgressCallback | bool = True,
        stop: StopFlag | None = None,
    ) -> Report:
        """Prove or refute that every event ends in a settled configuration.

        If the chart has `migrations`, every settled configuration, event and delay of the versions
        where they begin is checked as well.

        Parameters
        ----------
        limit : how many run states to explore; beyond it the verdict is UNDETERMINED
        known : frozen versions of the chart; a migration step has to begin at each earlier one
        progress
            True for a bar, which appears after half a second in a notebook or terminal; or a
            function that is called with each `settlesim.progress.Progress`.
        stop : a flag that ends the check, such as a `threading.Event` that another thread sets

        Raises
        ------
        Cancelled
            `stop` was set.
        """
        report: Report = display.check(
            self, **_given(limit=limit), known=known, progress=progress, stop=stop
        )
        return report

    def settling_graph(self, *, limit: int | None = None) -> SettlingGraph:
        """Return the graph of the settled configurations and the runs between them.

        Parameters
        ----------
        limit : how many run states to explore; beyond it the graph is incomplete
        """
        graph: SettlingGraph = display.settling_graph(self, **_given(limit=limit))
        return graph

    def diff(self, other: Chart, *, store: object = None) -> ChartDiff:
        """Return what changes from this chart to another: in words, and as one picture.

        Bound functions, labels and the version do not count.

        Parameters
        ----------
        store
            A store with instances of this chart. They are counted by state, and so are those that
            the other chart cannot resume, see `ChartDiff.instances`. Nothing is written.

        Raises
        ------
        StoreError
            The store cannot be read.
        """
        if not isinstance(other, Chart):
            raise TypeError(f"a chart is compared with a chart, not with {shorten(other, 60)}")
        found = diff_charts(self, other)
        return found if store is None else found.with_instances(_counted(found, store))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __repr__(self) -> str:
        return (
            f"Chart({self.name!r}, version={self.version}, "
            f"{counted_noun(len(self.states), 'state')}, "
            f"{counted_noun(len(self.edges), 'transition')})"
        )

    # --- a value --------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Chart):
            return NotImplemented
        mine, theirs = self.to_dict(), other.to_dict()
        for record in (mine, theirs):
            record.pop("provenance", None)
        return (
            mine == theirs
            and dict(self.functions) == dict(other.functions)
            and self.migrations == other.migrations
        )

    def __hash__(self) -> int:
        return hash((self.name, self.version, self.initial, len(self.states), len(self.edges)))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.to_dict(), dict(self.functions), self.migrations)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Chart is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Chart is immutable: {name!r} cannot be deleted")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def _counted(diff: ChartDiff, store: object) -> InstanceCounts:
    counts: InstanceCounts = display.count_instances(diff, store)
    return counts


def _given(**options: int | None) -> dict[str, int]:
    """Leave out what was not given: the layer above has the default."""
    return {key: value for key, value in options.items() if value is not None}


def _rebuild(
    record: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
    migrations: tuple[Migration, ...] = (),
) -> Chart:
    chart = Chart.from_dict(record).bind(functions)
    return chart.with_migrations(*migrations) if migrations else chart


def _connect(
    parser: Parser, tags: SettlingTags, semantics: Semantics, problems: Problems
) -> tuple[dict[str, Node], tuple[Transition, ...], tuple[Transition, ...]]:
    """Resolve every destination and check the whole; return states, transitions and edges."""
    nodes = {
        name: resolve_default(node, parser.nodes, problems) if node.default else node
        for name, node in parser.nodes.items()
    }
    explicit = tuple(
        resolve(each, nodes, problems, siblings=each.trigger == "") for each in parser.transitions
    )
    resolved = {name: _resolve_node(node, nodes, problems) for name, node in nodes.items()}
    edges = explicit + tuple(edge for node in resolved.values() for edge in _reserved(node))
    check_nodes(resolved, edges, tags, problems)
    if semantics == "scxml":
        check_scxml(resolved, edges, problems)
    else:
        refuse_scxml(resolved.values(), edges, problems)
        check_parallel(resolved, edges, problems)
    check_roles(resolved, edges, problems)
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
