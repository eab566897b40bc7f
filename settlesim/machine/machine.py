"""`SettleMachine`: a ``GraphMachine`` of `transitions` that runs a chart at core speed.

Theory of operation
-------------------
A `SettleMachine` is a ``GraphMachine`` (its nested sister a ``HierarchicalGraphMachine``):
a configuration of your own, ``get_graph()`` and markup work as they do there. Three things
differ. A transition does no graph bookkeeping; a graph is built when one is asked for.
States take ``tags``. And the machine of a chart holds **all** of the chart: eventless
transitions, service results and delays are transitions under reserved triggers.

Nothing is registered per instance. An `Instance` is a light object with a state and a
context; `transitions` moves it, and it remembers which transitions fired.

What this module does not do
----------------------------
It awaits nothing. Services run outside of `transitions`, between two triggers: an
``AsyncMachine`` would swallow cancellation and let a second event cancel a running service.

Notes
-----
Only `settlesim.machine` imports `transitions`. The hooks that are used: ``state_cls``,
``transition_cls``, ``_init_graphviz_engine``, ``_get_graph``, ``Event.trigger`` and
``HierarchicalMachine.trigger_event``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from transitions import EventData, State
from transitions.core import listify
from transitions.extensions import GraphMachine, HierarchicalGraphMachine
from transitions.extensions.diagrams import NestedGraphTransition, TransitionGraphSupport
from transitions.extensions.nesting import NestedState
from transitions.extensions.states import Tags

from settlesim.chart import Chart, Event
from settlesim.chart.strict_json import FrozenDict
from settlesim.machine.graph import NestedSettleGraph, SettleGraph

if TYPE_CHECKING:
    _Base = GraphMachine
else:
    _Base = object

__all__ = ["ATTRIBUTE", "Instance", "NestedSettleMachine", "SettleMachine"]


ATTRIBUTE: Final = "_settlesim_state"
"""Where a chart's machine keeps the state. An event may be called ``state``, and
`transitions` takes no trigger with the name of its attribute; this name is reserved."""


class Instance:
    """The light object that a machine moves; it is never registered as a model."""

    __slots__ = (ATTRIBUTE, "context", "entered", "event", "exited", "fired")

    _settlesim_state: str | list[str]

    def __init__(self, state: str | list[str], context: FrozenDict, event: Event) -> None:
        self._settlesim_state = state
        self.context = context
        self.event = event
        self.fired: list[str] = []
        """The ``edge`` of every transition that fired, in order."""
        self.exited: list[str] = []
        self.entered: list[str] = []

    @property
    def state(self) -> str | list[str]:
        """The leaf, or the nested lists that `transitions` makes of parallel ones."""
        return self._settlesim_state


# --- states -------------------------------------------------------------------------------


def _tag_list(tags: object) -> list[str]:
    """Return a new list of tags; a text is one tag, though `transitions` would accept its parts."""
    if isinstance(tags, str):
        return [tags]
    return list(tags) if isinstance(tags, Iterable) else []


class SettleState(Tags, State):
    """A state with tags; at module level, so that its machine pickles."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["tags"] = _tag_list(kwargs.get("tags", ()))
        super().__init__(*args, **kwargs)


class NestedSettleState(Tags, NestedState):
    """A nested state with tags that tells an `Instance` when it is entered and left.

    A dot joins parent and child, so that a name may hold an underscore.
    """

    separator = "."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["tags"] = _tag_list(kwargs.get("tags", ()))
        super().__init__(*args, **kwargs)

    def enter(self, event_data: EventData) -> None:
        """Enter the state."""
        if type(event_data.model) is Instance:
            event_data.model.entered.append(self.name)
        super().enter(event_data)

    def exit(self, event_data: EventData) -> None:
        """Leave the state."""
        if type(event_data.model) is Instance:
            event_data.model.exited.append(self.name)
        super().exit(event_data)


# --- transitions --------------------------------------------------------------------------


class _QuietMixin(TransitionGraphSupport):
    """A transition without graph bookkeeping, that tells an `Instance` that it fired."""

    def __init__(self, *args: Any, edge: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.edge = edge
        """``e`` and the position in ``chart.edges``; empty without a chart."""

    def execute(self, event_data: EventData) -> bool:
        """Run the transition if its conditions hold."""
        fired = super().execute(event_data)
        if fired and type(event_data.model) is Instance:
            event_data.model.fired.append(self.edge)
        return fired

    def _change_state(self, event_data: EventData) -> None:
        super(TransitionGraphSupport, self)._change_state(event_data)  # skips the graph


class SettleTransition(_QuietMixin):
    """A transition of a flat machine."""


class NestedSettleTransition(_QuietMixin, NestedGraphTransition):
    """A transition of a nested machine."""

    def _final_check(
        self, event_data: EventData, state_tree: dict[str, Any], enter_partials: list[Any]
    ) -> tuple[list[Any], bool]:
        """Return the ``on_final`` callbacks that are due, and whether the scope is final.

        In `transitions` 0.9.3 the last child alone decides whether its parent is final, and a
        machine of which only that child is final fails on its own missing ``scoped_enter``.
        """
        scoped = event_data.machine.scoped
        callbacks: list[Any] = []
        if state_tree:
            check = self._final_check_nested  # type: ignore[attr-defined]  # not in the stubs
            found = [check(each, event_data, state_tree, enter_partials) for each in state_tree]
            callbacks = [callback for each, _ in found for callback in each]
            is_final = all(final for _, final in found)
        else:
            is_final = bool(getattr(scoped, "final", False))
        enter = getattr(scoped, "scoped_enter", None)
        if is_final and (callbacks or any(enter == each.func for each in enter_partials)):
            callbacks.append(partial(event_data.machine.callbacks, scoped.on_final, event_data))
        return callbacks, is_final


# --- machines -----------------------------------------------------------------------------


def _graph_owner(method: object) -> object:
    """Return the machine that made this ``get_graph``; None if it is anything else."""
    owner = getattr(getattr(method, "func", None), "__self__", None)
    return owner if isinstance(owner, GraphMachine) else None


class _LazyGraphMixin(_Base):
    """Makes a graph when one is asked for, and keeps none."""

    chart: Chart | None = None
    """The chart that this machine was built from."""
    graph_type: ClassVar[type]
    transition_attributes = [*GraphMachine.transition_attributes, "edge"]  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("graph_engine", "graphviz")
        super().__init__(*args, **kwargs)

    def _init_graphviz_engine(self, graph_engine: str) -> Any:
        if graph_engine == "graphviz":
            return self.graph_type
        return super()._init_graphviz_engine(graph_engine)

    def _get_graph(
        self,
        model: object,
        title: str | None = None,
        force_new: bool = False,
        show_roi: bool = False,
    ) -> Any:
        graph = self.graph_cls(self)
        state = getattr(model, self.model_attribute, None)
        if state is not None:
            graph.set_node_style(state, "active")
        return graph.get_graph(title=title, roi_state=state if show_roi else None)

    # `super(GraphMachine, self)` below is the method of GraphMachine's base: it skips what
    # GraphMachine adds, which is to rebuild the graphs of all models.

    def add_model(self, model: Any, initial: Any = None) -> None:
        """Register a model; its graph is made when it is asked for."""
        super(GraphMachine, self).add_model(listify(model), initial)
        for each in listify(model):
            self._bind_graph(self if each is self.self_literal else each)

    def _bind_graph(self, model: Any) -> None:
        """Put ``get_graph`` on a model; of several machines the first wins, as for ``trigger``."""
        existing = getattr(model, "get_graph", None)
        if existing is None:
            model.get_graph = partial(self._get_graph, model)
        elif _graph_owner(existing) is None:
            raise AttributeError("Model already has a get_graph attribute; it is not replaced.")

    def remove_model(self, model: Any) -> None:
        """Unregister a model, and remove the method that was put on it."""
        super().remove_model(model)
        for each in listify(model):
            if _graph_owner(getattr(each, "get_graph", None)) is self:
                del each.get_graph

    def get_combined_graph(self, *args: Any, **kwargs: Any) -> Any:
        """Return the graph of the first model; without a model no state is active."""
        return self._get_graph(self.models[0] if self.models else None, *args, **kwargs)

    def add_states(self, *args: Any, **kwargs: Any) -> None:
        """Add states."""
        super(GraphMachine, self).add_states(*args, **kwargs)

    def add_transition(self, *args: Any, **kwargs: Any) -> None:
        """Add a transition from one or more sources."""
        super(GraphMachine, self).add_transition(*args, **kwargs)

    def remove_transition(self, *args: Any, **kwargs: Any) -> None:
        """Remove transitions."""
        super(GraphMachine, self).remove_transition(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.model_graphs = {}


class SettleMachine(_LazyGraphMixin, GraphMachine):
    """A ``GraphMachine`` without graph bookkeeping per transition, with tags.

    The constructor is that of ``GraphMachine``; ``graph_engine`` is ``"graphviz"`` unless
    another is chosen.

    Examples
    --------
    >>> machine = SettleMachine(
    ...     states=["off", {"name": "on", "tags": ["settled"]}],
    ...     transitions=[["push", "off", "on"]],
    ...     initial="off",
    ... )
    >>> machine.push(), machine.state, machine.get_state("on").is_settled
    (True, 'on', True)
    """

    state_cls = SettleState
    transition_cls = SettleTransition
    graph_type = SettleGraph


class NestedSettleMachine(_LazyGraphMixin, HierarchicalGraphMachine):
    """The nested and parallel sister of `SettleMachine`; a dot joins parent and child."""

    state_cls = NestedSettleState
    transition_cls = NestedSettleTransition
    graph_type = NestedSettleGraph
