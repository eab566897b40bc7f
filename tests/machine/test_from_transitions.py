"""Charts from machines of `transitions`: what can be carried over is, the rest is named."""

from __future__ import annotations

import enum
import pickle
import warnings
from functools import partial
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transitions import Machine, State
from transitions.extensions import (
    GraphMachine,
    HierarchicalGraphMachine,
    HierarchicalMachine,
    LockedHierarchicalMachine,
    LockedMachine,
)
from transitions.extensions.asyncio import AsyncMachine, HierarchicalAsyncMachine
from transitions.extensions.nesting import NestedState
from transitions.extensions.states import (  # type: ignore[attr-defined]
    Error,
    Retry,
    Tags,
    Timeout,
    Volatile,
    add_state_features,
)

from settlesim import Chart, Event, NestedSettleMachine, SettleMachine, read_chart
from settlesim.chart import NodeKind
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import DefinitionError
from settlesim.machine import LeftOutWarning, import_machine, machine_of
from settlesim.machine.program import Program
from tests.strategies_charts import GUARDS, TRIGGERS, charts, flat_charts

_EMPTY = freeze_object({}, where="context")
_AUTO = "the automatic transitions (to_<state>): declare the ones that are meant"


class _Light(enum.Enum):
    RED = 1
    GREEN = 2


class _DotState(NestedState):
    separator = "."


class _DotMachine(HierarchicalMachine):
    state_cls = _DotState


def is_ready(*args: object) -> bool:
    """Condition."""
    return True


def note(*args: object) -> None:
    """Callback."""


async def fetch(*args: object) -> None:
    """Asynchronous callback."""


def quiet(cls: type[Machine] = Machine, **options: Any) -> Machine:
    """Return a machine without a model and without automatic transitions."""
    options.setdefault("initial", "a")
    if issubclass(cls, GraphMachine):
        options.setdefault("graph_engine", "graphviz")
    return cls(None, auto_transitions=False, **options)


def ways(chart: Chart) -> list[tuple[str, str, str | None]]:
    """Return trigger, source and destination of every transition."""
    return [(each.trigger, each.source, each.dest) for each in chart.transitions]


NESTED: list[Any] = [
    "a",
    {
        "name": "p",
        "initial": "x",
        "on_enter": "hello",
        "children": [
            "x",
            {"name": "y", "initial": "1", "children": ["1", "2"]},
            {"name": "q", "parallel": ["l", "r"]},
        ],
        "transitions": [["GO", "x", "y"], ["GO", "y_1", "y_2"], ["ALL", "*", "q"]],
    },
]


# --- every kind of machine ----------------------------------------------------------------


@given(charts())
@settings(max_examples=30)
def test_a_machine_made_from_a_chart_gives_that_chart(chart: Chart) -> None:
    """Nothing is left out, and no warning is issued."""
    machine = machine_of(chart)
    found = import_machine(machine)
    assert found.chart is chart
    assert found.left_out == ()
    assert read_chart(machine) is chart


@pytest.mark.parametrize("cls", [Machine, GraphMachine, LockedMachine, AsyncMachine, SettleMachine])
def test_flat_machines_of_every_kind_are_read(cls: type[Machine]) -> None:
    """States, triggers, reflexive and internal transitions; underscores are part of a name."""
    machine = quiet(
        cls,
        states=["a", {"name": "b_1", "final": True}],
        transitions=[["GO", "a", "b_1"], ["R", "a", "="], ["I", "a", None]],
        name="lamp",
    )
    found = import_machine(machine)
    assert found.left_out == ()
    assert ways(found.chart) == [("GO", "a", "b_1"), ("R", "a", "a"), ("I", "a", None)]
    assert found.chart.node("b_1").kind is NodeKind.FINAL
    assert (found.chart.name, found.chart.initial) == ("lamp", "a")
    assert read_chart(machine) == found.chart


@pytest.mark.parametrize(
    "cls",
    [
        HierarchicalMachine,
        HierarchicalGraphMachine,
        LockedHierarchicalMachine,
        HierarchicalAsyncMachine,
    ],
)
def test_nested_machines_of_every_kind_are_read(cls: type[Machine]) -> None:
    """The separator becomes a dot; transitions inside states come first, as they are tried."""
    machine = quiet(cls, states=NESTED, transitions=[["IN", "a", "p_y"], ["OUT", "p_q_l", None]])
    found = import_machine(machine)
    chart = found.chart
    assert [node.name for node in chart.states] == [
        *("a", "p", "p.x", "p.y", "p.y.1", "p.y.2", "p.q", "p.q.l", "p.q.r")
    ]
    assert ways(chart) == [
        ("GO", "p.x", "p.y"),
        ("GO", "p.y.1", "p.y.2"),
        ("ALL", "p.x", "p.q"),
        ("ALL", "p.y", "p.q"),
        ("ALL", "p.q", "p.q"),
        ("IN", "a", "p.y"),
        ("OUT", "p.q.l", None),
    ]
    assert chart.node("p").initial == "p.x"
    assert chart.node("p.q").kind is NodeKind.PARALLEL
    assert chart.node("p").on_enter == ("hello",)
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith("the functions 'hello': they take what the trigger was")


def test_a_hand_made_nested_settle_machine_is_read() -> None:
    """Its separator is a dot already, and its states have tags."""
    states = ["a", {"name": "p", "children": [{"name": "x_1", "tags": ["settled"]}]}]
    machine = quiet(NestedSettleMachine, states=states, transitions=[["GO", "a", "p.x_1"]])
    chart = read_chart(machine)
    assert ways(chart) == [("GO", "a", "p.x_1")]
    assert chart.node("p.x_1").tags == ("settled",)
    assert read_chart(quiet(_DotMachine, states=["a", {"name": "p", "children": ["x"]}])) == Chart(
        ["a", {"name": "p", "children": ["x"]}], initial="a"
    )


def test_a_machine_is_not_changed() -> None:
    """Its pickle is the same before and after."""
    machine = quiet(HierarchicalMachine, states=NESTED, transitions=[["IN", "a", "p_y", "c"]])
    before = pickle.dumps(machine)
    import_machine(machine)
    assert pickle.dumps(machine) == before


# --- names and values ---------------------------------------------------------------------


def test_enum_states_and_triggers_are_read_by_name() -> None:
    """Flat and nested."""
    for cls in (Machine, HierarchicalMachine):
        machine = quiet(
            cls,
            states=_Light,
            initial=_Light.RED,
            transitions=[[_Light.GREEN, _Light.RED, _Light.GREEN]],
        )
        chart = import_machine(machine).chart
        assert ways(chart) == [("GREEN", "RED", "GREEN")]
        assert chart.initial == "RED"


class _Order(enum.StrEnum):
    START = "start"


def test_triggers_that_are_texts_are_read_by_value() -> None:
    """As the machine answers to them."""
    model = _Model()
    machine = quiet(states=["a", "b"], transitions=[[_Order.START, "a", "b"]])
    machine.add_model(model)
    assert machine.events["start"].trigger(model)
    assert ways(import_machine(machine).chart) == [("start", "a", "b")]


def test_the_empty_trigger_is_an_event_with_a_name() -> None:
    """In a chart of ours it is eventless; a machine waits for it."""
    machine = quiet(states=["a", "b"], transitions=[["", "a", "b"], ["unnamed", "b", "a"]])
    found = import_machine(machine)
    assert ways(found.chart) == [("unnamed_0", "a", "b"), ("unnamed", "b", "a")]
    assert found.left_out == ("the empty trigger: in the chart it is the event 'unnamed_0'",)
    with pytest.raises(DefinitionError, match="trigger None: is no text"):
        import_machine(quiet(states=["a"], transitions=[[None, "a", "a"]]))


# --- conditions that ask for the active state ------------------------------------------------


def test_a_condition_that_asks_for_the_state_becomes_in() -> None:
    """`is_loaded` is put on models by the machine: nothing has to be bound."""
    states = ["a", {"name": "p", "parallel": ["l", {"name": "r", "children": ["1", "2"]}]}]
    go = ["GO", "a", "p", ["is_a"], ["is_p_r_1"]]
    found = import_machine(quiet(HierarchicalMachine, states=states, transitions=[go]))
    (transition,) = found.chart.transitions
    assert (transition.conditions, transition.unless) == (("In(a)",), ("In(p.r.1)",))
    assert found.left_out == ()
    flat = quiet(
        states=["a_b"], initial="a_b", model_attribute="mode",
        transitions=[["GO", "a_b", "a_b", ["is_mode_a_b", "is_a_b"]]],
    )  # fmt: skip
    assert import_machine(flat).chart.transitions[0].conditions == (
        "In(a.b)".replace(".", "_"),
        "is_a_b",
    )


def test_a_state_with_children_is_asked_for_without_them() -> None:
    """To `transitions` a machine is in a state only where nothing inside is active."""
    states: list[Any] = [
        {"name": "p", "initial": "x", "children": ["x"]},
        {"name": "q", "children": ["y"]},
    ]
    ask = [["ON", "p", "q", ["is_p"], ["is_p"]], ["OFF", "q", "p", [], ["is_q"]]]
    found = import_machine(quiet(HierarchicalMachine, states=states, transitions=ask, initial="p"))
    on, off = found.chart.transitions
    assert (on.conditions, on.unless) == (("In(p)",), ("In(p.x)",))
    assert (off.conditions, off.unless) == ((), ("is_q",))
    assert found.left_out[0].startswith("the functions 'is_q'")


def test_a_method_of_the_model_is_not_taken_for_the_machines_own() -> None:
    """`transitions` does not write over it."""

    class Own(_Model):
        def is_a(self) -> bool:
            return False

    machine = quiet(states=["a"], transitions=[["GO", "a", "a", "is_a"]])
    machine.add_model(Own())
    assert import_machine(machine).chart.transitions[0].conditions == ("is_a",)


def test_tags_and_labels_are_kept() -> None:
    """Of states with tags, and of transitions of a graph machine."""

    @add_state_features(Tags)
    class Tagged(GraphMachine):
        pass

    machine = quiet(
        Tagged,
        states=[{"name": "a", "tags": ["settled"]}, "b"],
        transitions=[{"trigger": "GO", "source": "a", "dest": "b", "label": "go on"}],
    )
    found = import_machine(machine)
    assert found.left_out == ()
    assert found.chart.node("a").tags == ("settled",)
    assert found.chart.transitions[0].label == "go on"


def test_tags_that_are_a_text_are_one_tag() -> None:
    """In `transitions` every part of the text is a tag: that is worth a word if it has parts."""

    @add_state_features(Tags)
    class Tagged(Machine):
        pass

    machine = quiet(
        Tagged, states=[{"name": "a", "tags": "settled"}, {"name": "b", "tags": "x, y"}]
    )
    found = import_machine(machine)
    assert found.chart.node("a").tags == ("settled",)
    assert found.left_out == (
        "that the tags of state 'b' are the text 'x, y': in the chart it is one tag, write a list",
    )


def test_callbacks_and_conditions_are_carried_over_by_name() -> None:
    """The functions have another signature: they have to be bound anew."""
    machine = quiet(
        HierarchicalMachine,
        states=[
            {"name": "a", "on_exit": ["bye", note]},
            {"name": "b", "on_enter": note, "on_final": "end", "final": True},
        ],
        transitions=[
            {
                "trigger": "GO",
                "source": "a",
                "dest": "b",
                "conditions": [is_ready, "is_open"],
                "unless": "is_late",
                "prepare": "look",
                "before": "lift",
                "after": "put",
            }
        ],
        send_event=True,
    )
    found = import_machine(machine)
    chart = found.chart
    (transition,) = chart.transitions
    assert chart.node("a").on_exit == ("bye", "note")
    assert (chart.node("b").on_enter, chart.node("b").on_final) == (("note",), ("end",))
    assert (transition.conditions, transition.unless) == (("is_ready", "is_open"), ("is_late",))
    assert (transition.prepare, transition.before, transition.after) == (
        *(("look",), ("lift",), ("put",)),
    )
    assert dict(chart.functions) == {}
    assert found.left_out[1:] == (
        "the functions 'bye', 'note', 'end', 'is_ready', 'is_open', 'is_late', 'look', 'lift', "
        "'put': they take EventData; bind functions (context, event) to these names",
    )


def test_functions_without_a_name_get_one() -> None:
    """A condition is never dropped: without it the transition would always fire."""
    once = partial(is_ready, 1)
    machine = quiet(
        states=["a"],
        transitions=[
            ["GO", "a", "a", [lambda: True, once]],
            ["ON", "a", "a", once, None, partial(note)],
        ],
    )
    found = import_machine(machine)
    first, second = found.chart.transitions
    assert first.conditions == ("unnamed_1", "unnamed_2")
    assert (second.conditions, second.before) == (("unnamed_2",), ("unnamed_3",))
    assert found.left_out[:3] == (
        "the name of a function in conditions of transition 'GO' from 'a': in the chart it is "
        "'unnamed_1'",
        "the name of a function in conditions of transition 'GO' from 'a': in the chart it is "
        "'unnamed_2'",
        "the name of a function in before of transition 'ON' from 'a': in the chart it is "
        "'unnamed_3'",
    )


class _Model:
    """A model with methods, which is equal to nothing and has no hash."""

    __hash__ = None  # type: ignore[assignment]
    state: str | list[str]

    def note(self) -> None:
        """Callback."""

    async def wait(self) -> None:
        """Asynchronous callback."""


class _Call:
    """A callable that has a name and no hash."""

    __name__ = "call"
    __hash__ = None  # type: ignore[assignment]

    def __call__(self, *args: object) -> None:
        """Do nothing."""


def test_two_functions_of_one_name_get_two_names() -> None:
    """The same method, taken twice, has one."""
    one, other, call = _Model(), _Model(), _Call()
    states = [{"name": "a", "on_enter": [one.note, other.note, call], "on_exit": [one.note, call]}]
    found = import_machine(quiet(states=states))
    assert found.chart.node("a").on_enter == ("note", "note_1", "call")
    assert found.chart.node("a").on_exit == ("note", "call")
    assert found.left_out[0] == (
        "the name of a function in on_enter of state 'a': in the chart it is 'note_1'"
    )


def test_a_function_that_asks_and_acts_gets_a_second_name() -> None:
    """In a chart one name is a guard or an assign; with the model both are bound."""

    class Asking(_Model):
        def look(self) -> bool:
            return True

    go = {"trigger": "GO", "source": "a", "dest": "a", "conditions": "look", "before": "look"}
    machine = quiet(states=["a"], transitions=[go, {**go, "after": "look"}])
    found = import_machine(machine)
    first, second = found.chart.transitions
    assert (first.conditions, first.before) == (("look",), ("look_assign",))
    assert (second.before, second.after) == (("look_assign",), ("look_assign",))
    assert found.left_out[0] == (
        "the name of 'look' in before of transition 'GO' from 'a': in the chart it is "
        "'look_assign', for a guard and an assign have two names"
    )
    assert set(import_machine(machine, model=Asking).chart.functions) == {"look", "look_assign"}


# --- the start ----------------------------------------------------------------------------

PARALLEL: list[Any] = [
    "z",
    {"name": "p", "parallel": ["l", {"name": "r", "initial": "1", "children": ["1", "2"]}]},
]


@pytest.mark.parametrize("initial", ["p", ["p_l", "p_r_1"], ["p_l", ["p_r"]], ["p_r_1", "p_l"]])
def test_a_start_in_all_regions_is_a_start_in_the_parallel_node(initial: object) -> None:
    """The machine holds nested lists, the chart one node."""
    chart = read_chart(quiet(HierarchicalMachine, states=PARALLEL, initial=initial))
    assert chart.initial == "p"
    assert chart.initial_configuration == ("p.l", "p.r.1")


def test_a_start_deep_inside_is_kept() -> None:
    """The name of the initial state is written with dots."""
    states: Any = [{"name": "p", "children": [{"name": "r", "children": ["1", "2"]}]}]
    assert read_chart(quiet(HierarchicalMachine, states=states, initial="p_r_2")).initial == "p.r.2"


def test_a_start_in_one_region_alone_is_refused() -> None:
    """The machine leaves the other regions out, which is no configuration of a chart."""
    machine = quiet(HierarchicalMachine, states=PARALLEL[1:], initial="p_r_2")
    with pytest.raises(DefinitionError, match="in one region of the parallel state 'p'"):
        import_machine(machine)


@pytest.mark.parametrize(
    ("initial", "fact"),
    [
        (["z", "p_l"], "starts in several states at once, and none is around them"),
        (["p_l", "p_r_2"], "starts in 'p.l', 'p.r.2', and entering 'p' leads to 'p.l', 'p.r.1'"),
    ],
)
def test_a_start_that_no_state_leads_to_is_refused(initial: object, fact: str) -> None:
    """A chart starts by entering one node."""
    machine = quiet(HierarchicalMachine, states=PARALLEL, initial=initial)
    with pytest.raises(DefinitionError, match=fact):
        import_machine(machine)


def test_a_machine_without_start_is_refused() -> None:
    """A chart has one."""
    with pytest.raises(DefinitionError, match="initial: is missing"):
        import_machine(quiet(states=["a"], initial=None))


def test_regions_in_the_order_of_initial() -> None:
    """In `transitions` the list says in which order regions are entered."""
    state = {"name": "p", "children": ["l", "r"], "initial": ["r", "l"]}
    chart = read_chart(quiet(HierarchicalMachine, states=[state], initial="p"))
    assert chart.initial_configuration == ("p.r", "p.l")


def test_regions_that_are_not_all_entered_are_refused() -> None:
    """A chart has no region that sleeps."""
    state = {"name": "p", "children": ["l", "m", "r"], "initial": ["l", "r"]}
    machine = quiet(HierarchicalMachine, states=[state], initial="p")
    with pytest.raises(DefinitionError, match="names all children, in order"):
        import_machine(machine)


def test_a_list_of_one_initial_child_is_that_child() -> None:
    """As `transitions` takes it."""
    state = {"name": "p", "children": ["l", "r"], "initial": ["r"]}
    chart = read_chart(quiet(HierarchicalMachine, states=[state], initial="p"))
    assert chart.node("p").kind is NodeKind.COMPOUND
    assert chart.initial_configuration == ("p.r",)


# --- what is refused ----------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Machine, HierarchicalMachine])
def test_a_dot_in_a_name_is_refused(cls: type[Machine]) -> None:
    """The error names the state and says what to do."""
    with pytest.raises(DefinitionError) as caught:
        import_machine(quiet(cls, states=["a", "b.c"]), name="lamp")
    assert str(caught.value) == (
        "chart 'lamp' has 1 problem:\n"
        "  - state 'b.c': has a dot in its name, and in a chart dots join parent and child: "
        "rename it"
    )


@pytest.mark.parametrize(
    ("transition", "fact"),
    [
        (["GO", "a", "bb"], "unknown destination 'bb'"),
        (["GO", "aa", "a"], "unknown source 'aa'; did you mean 'a'"),
        (["done.x", "a", "a"], "is a reserved name"),
    ],
)
def test_what_transitions_would_find_late_is_found(transition: list[str], fact: str) -> None:
    """A name that is no state, a trigger that no event may have."""
    with pytest.raises(DefinitionError, match=fact):
        import_machine(quiet(states=["a"], transitions=[transition]))


# --- what is left out ---------------------------------------------------------------------


def test_automatic_transitions_are_left_out_and_named_once() -> None:
    """An event that the machine took and the chart ignores is a loss; who wants them says so."""
    for machine in (
        Machine(None, ["a", "b"], "a", [["GO", "a", "b"]]),
        Machine(None, ["a", "b"], "a", [["GO", "a", "b"]], model_attribute="mode"),
        HierarchicalMachine(None, ["a", "b"], "a", [["GO", "a", "b"]]),
        GraphMachine(None, ["a", "b"], "a", [["GO", "a", "b"]], graph_engine="graphviz"),
    ):
        found = import_machine(machine)
        assert found.left_out == (_AUTO,)
        assert ways(found.chart) == [("GO", "a", "b")]
        with pytest.warns(LeftOutWarning, match="the automatic transitions"):
            assert read_chart(machine) == found.chart
        assert read_chart(machine, automatic=False) == found.chart
        assert len(ways(read_chart(machine, automatic=True))) == 5
    nested = HierarchicalMachine(None, NESTED, "a")
    assert {trigger for trigger, _, _ in ways(import_machine(nested).chart)} == {"GO", "ALL"}


def test_a_transition_that_only_looks_automatic_is_kept() -> None:
    """It has a condition, or the machine makes none."""
    machine = Machine(None, ["a", "b"], "a", [["to_b", "a", "b", "is_open"]])
    assert ways(import_machine(machine).chart) == [("to_b", "a", "b")]
    machine = quiet(states=["a", "b"], transitions=[["to_b", "a", "b"]])
    assert import_machine(machine).left_out == ()


def test_a_declared_transition_to_a_state_is_kept_beside_the_automatic_one() -> None:
    """Flat and nested; the automatic one from elsewhere is still left out."""
    for cls in (Machine, HierarchicalMachine):
        machine = cls(None, ["a", "b"], "a", [["to_b", "a", "b"]])
        found = import_machine(machine)
        assert ways(found.chart) == [("to_b", "a", "b")]
        assert found.left_out == (_AUTO,)
    machine = HierarchicalMachine(None, ["a", {"name": "p", "children": ["x", "y"]}], "a")
    machine.add_transition("to_a", "p_x", "a")
    assert ways(import_machine(machine).chart) == [("to_a", "p.x", "a")]


def test_callbacks_of_the_machine_become_those_of_its_transitions() -> None:
    """In the order of `transitions`; the event is prepared once, before the first candidate."""
    machine = quiet(
        states=["a", {"name": "b", "final": True}],
        transitions=[
            ["GO", "a", "b", "is_open", None, "lift", "put", "look"],
            ["GO", "a", "a"],
        ],
        prepare_event="every",
        before_state_change="leave",
        after_state_change="arrive",
        on_final="end",
    )
    chart = import_machine(machine).chart
    first, second = chart.transitions
    assert (first.prepare, first.before, first.after) == (
        *(("every", "look"), ("leave", "lift"), ("put", "arrive")),
    )
    assert (second.prepare, second.before, second.after) == ((), ("leave",), ("arrive",))
    assert chart.node("b").on_final == ("end",)


def test_what_a_machine_does_and_no_chart_can_is_named() -> None:
    """One sentence each; a queue, models and ignored triggers are no loss."""
    machine = quiet(
        states=["a"],
        finalize_event=note,
        on_exception=note,
        queued=True,
        ignore_invalid_triggers=True,
    )
    machine.add_model([_Model(), _Model()])
    assert import_machine(machine).left_out == (
        "finalize_event of the machine: a chart has no callback for that",
        "on_exception of the machine: a chart has no callback for that",
    )


def test_what_prepare_changes_for_an_ignored_event_is_named() -> None:
    """In a chart an event that no transition takes changes nothing."""
    machine = quiet(
        states=["a"], transitions=[["GO", "a", "a", "is_open", None, None, None, "look"]]
    )
    assert import_machine(machine).left_out[0] == (
        "what 'look' (prepare) changes when no guard holds: an ignored event changes nothing in a "
        "chart"
    )


class _Loud(State):
    def enter(self, event_data: object) -> None:
        """Shout."""


class _Plain(Tags):
    pass


def test_the_features_of_states_are_named() -> None:
    """Time-outs, retries, volatile objects, errors, and classes of other people."""

    @add_state_features(_Loud, Timeout, Volatile, Retry, Error, _Plain)
    class Featured(Machine):
        pass

    machine = quiet(
        Featured,
        states=[
            {"name": "a", "timeout": 5, "on_timeout": "late", "accepted": True},
            {"name": "b", "retries": 3, "on_failure": "fail"},
        ],
    )
    found = import_machine(machine)
    assert found.left_out == (
        "the time-out of state 'a': give it 'after'",
        "the retries of state 'b': count them in the context",
        "the volatile objects of the states: keep data in the context",
        "the errors of dead ends: tag such states, or give them a transition",
        "what the class _Loud of the states does: bind it as callbacks",
    )
    assert found.chart.node("a").tags == ("accepted",)


def test_ways_out_of_final_states_are_left_out() -> None:
    """A star makes them easily."""
    states = ["a", {"name": "b", "final": True}, {"name": "c", "final": True}]
    found = import_machine(quiet(states=states, transitions=[["END", "*", "b"]]))
    assert found.left_out == ("the ways out of 'b', 'c': a final state is the end",)
    assert ways(found.chart) == [("END", "a", "b")]


def test_a_final_state_with_children_loses_its_mark_and_not_its_ways() -> None:
    """In a chart it is final when what is inside it is."""
    states = ["a", {"name": "p", "final": True, "children": ["x"]}]
    machine = quiet(HierarchicalMachine, states=states, transitions=[["GO", "p", "a"]])
    found = import_machine(machine)
    assert found.left_out == ("the mark final of state 'p': it is so when all inside it is",)
    assert ways(found.chart) == [("GO", "p", "a")]


def test_a_callback_that_triggers_is_left_out() -> None:
    """A chart goes on by itself with an eventless transition."""
    states = [{"name": "a", "on_enter": ["GO", "to_b", "note"]}, "b"]
    found = import_machine(Machine(None, states, "a", [["GO", "a", "b"]]))
    assert found.chart.node("a").on_enter == ("note",)
    assert found.left_out[1:3] == (
        "on_enter of state 'a' triggers 'GO': say it with a transition in 'always'",
        "on_enter of state 'a' triggers 'to_b': say it with a transition in 'always'",
    )


def test_asynchronous_callbacks_are_named() -> None:
    """Given as functions, or by the name of a model's method."""
    machine = quiet(AsyncMachine, states=[{"name": "a", "on_enter": [fetch, "wait", "note"]}])
    machine.add_model(_Model())
    found = import_machine(machine)
    assert found.left_out[-1] == (
        "that 'fetch', 'wait' may wait: in a chart only a service does (invoke)"
    )


def _after(machine: Any, state: str | list[str]) -> object:
    """Return where GO leads the machine."""
    model = _Model()
    model.state = state
    machine.trigger_event(model, "GO")
    return model.state


def _after_in_chart(machine: Any, *configuration: str) -> tuple[str, ...]:
    """Return where GO leads the chart."""
    fired = Program(import_machine(machine).chart).fire(configuration, _EMPTY, "GO", Event("GO"))
    assert fired is not None
    return fired.configuration


def test_an_order_that_differs_is_named() -> None:
    """`transitions` tries inner declarations first, the chart inner sources."""
    inner = {"name": "p", "children": [{"name": "x", "children": ["1"]}, "y"]}
    inner["transitions"] = [["GO", "x", "y"]]
    machine = quiet(HierarchicalMachine, states=["a", inner], transitions=[["GO", "p_x_1", "a"]])
    (sentence,) = import_machine(machine).left_out
    assert sentence.startswith(
        "the order of trigger 'GO': it is declared inside 'p' and outside of it for 'p.x.1'"
    )
    assert _after(machine, "p_x_1") == "p_y"
    assert _after_in_chart(machine, "p.x.1") == ("a",)


def test_an_order_that_differs_between_regions_is_named() -> None:
    """A region with an inner declaration keeps the outer one from the other region."""
    left = {"name": "l", "children": ["1", "2"], "transitions": [["GO", "1", "2"]]}
    right = {"name": "r", "children": ["1", "2"]}
    states = ["a", {"name": "p", "parallel": [left, right]}]
    machine = quiet(HierarchicalMachine, states=states, transitions=[["GO", "p_r_1", "p_r_2"]])
    (sentence,) = import_machine(machine).left_out
    assert "inside 'p.l' and outside of it for 'p.r.1'" in sentence
    assert _after(machine, ["p_l_1", "p_r_1"]) == ["p_l_2", "p_r_1"]
    assert _after_in_chart(machine, "p.l.1", "p.r.1") == ("p.l.2", "p.r.2")


def test_an_order_that_is_the_same_is_not_named() -> None:
    """An outer source, a state beside, and a trigger of two regions."""
    left = {"name": "l", "children": ["1", "2"], "transitions": [["GO", "1", "2"]]}
    right = {"name": "r", "children": ["1", "2"], "transitions": [["GO", "1", "2"]]}
    states = ["a", {"name": "p", "parallel": [left, right]}]
    machine = quiet(HierarchicalMachine, states=states, transitions=[["GO", ["a", "p"], "a"]])
    assert import_machine(machine).left_out == ()
    assert _after(machine, ["p_l_1", "p_r_1"]) == ["p_l_2", "p_r_2"]
    assert _after_in_chart(machine, "p.l.1", "p.r.1") == ("p.l.2", "p.r.2")
    assert _after(machine, ["p_l_2", "p_r_1"]) == ["p_l_2", "p_r_2"]
    assert _after_in_chart(machine, "p.l.2", "p.r.1") == ("p.l.2", "p.r.2")


# --- the warning --------------------------------------------------------------------------


def test_reading_warns_once_at_the_callers_line() -> None:
    """Everything in one warning."""
    machine = quiet(states=["a"], finalize_event=note, on_exception=note)
    with pytest.warns(LeftOutWarning) as caught:
        read_chart(machine)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert str(caught[0].message) == (
        "left out of the chart:\n"
        "  - finalize_event of the machine: a chart has no callback for that\n"
        "  - on_exception of the machine: a chart has no callback for that"
    )


def test_a_long_warning_is_cut() -> None:
    """All of it is in ``import_machine(machine).left_out``."""
    states = [{"name": f"s{index}", "on_enter": "GO"} for index in range(30)]
    machine = quiet(states=states, transitions=[["GO", "s0", "s1"]], initial="s0")
    with pytest.warns(LeftOutWarning, match=r"\.\.\. and 10 more: see import_machine"):
        read_chart(machine)
    assert len(import_machine(machine).left_out) == 30


def test_a_machine_in_a_module_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """``module:attribute`` may hold a machine."""
    module = ModuleType("settlesim_test_machine")
    module.machine = quiet(states=["a"])  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, module.__name__, module)
    assert read_chart("settlesim_test_machine:machine") == Chart(["a"], initial="a")


# --- behaviour ----------------------------------------------------------------------------


def _machine_of_flat(chart: Chart, functions: dict[str, Any]) -> Any:
    """Build the plain machine that a user would have written."""
    return Machine(
        None,
        [node.name for node in chart.states],
        chart.initial,
        [
            {
                "trigger": each.trigger,
                "source": each.source,
                "dest": each.dest,
                "conditions": [functions[name] for name in each.conditions],
                "unless": [functions[name] for name in each.unless],
            }
            for each in chart.transitions
        ],
        auto_transitions=False,
        ignore_invalid_triggers=True,
    )


def yes() -> bool:
    """Hold."""
    return True


def no() -> bool:
    """Fail."""
    return False


@given(flat_charts(), st.lists(st.sampled_from(TRIGGERS), max_size=8))
def test_a_machine_and_its_chart_walk_the_same_way(chart: Chart, triggers: list[str]) -> None:
    """A run of triggers leads both through the same states."""
    machine = _machine_of_flat(chart, {"yes": yes, "no": no})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LeftOutWarning)
        read = read_chart(machine)
    assert read.transitions == tuple(
        sorted(chart.transitions, key=lambda each: _place(machine, each.trigger, each.source))
    )
    program = Program(read.bind({name: GUARDS[name] for name in read.roles}))
    model = _Model()
    machine.add_model(model)
    configuration = read.initial_configuration
    for trigger in triggers:
        if trigger in machine.events:
            fired = program.fire(configuration, _EMPTY, trigger, Event(trigger))
            moved = machine.events[trigger].trigger(model)
            assert moved == (fired is not None)
            configuration = configuration if fired is None else fired.configuration
        assert configuration == (model.state,)


def _place(machine: Any, trigger: str, source: str) -> tuple[int, int]:
    event = machine.events[trigger]
    return list(machine.events).index(trigger), list(event.transitions).index(source)


@given(charts(nested=True))
@settings(max_examples=30)
def test_a_nested_machine_reads_as_the_transitions_of_its_chart(chart: Chart) -> None:
    """Built by hand with another separator, it has the same nodes and ways."""

    def spec(name: str) -> dict[str, Any]:
        node = chart.node(name)
        record: dict[str, Any] = {"name": node.local_name, "final": node.kind is NodeKind.FINAL}
        if node.children:
            parallel = node.kind is NodeKind.PARALLEL and len(node.children) > 1
            record["parallel" if parallel else "children"] = [spec(each) for each in node.children]
            if node.initial is not None:
                record["initial"] = chart.node(node.initial).local_name
        return record

    machine = quiet(
        _SlashMachine,
        states=[spec(node.name) for node in chart.states if node.parent is None],
        transitions=[
            [each.trigger, each.source.replace(".", "/"), each.dest and each.dest.replace(".", "/")]
            for each in chart.transitions
        ],
        initial=chart.initial,
    )
    read = import_machine(machine).chart
    assert [node.name for node in read.states] == [node.name for node in chart.states]
    expected = [(trigger or "unnamed", *rest) for trigger, *rest in ways(chart)]
    assert sorted(ways(read), key=repr) == sorted(expected, key=repr)


class _SlashState(NestedState):
    separator = "/"


class _SlashMachine(HierarchicalMachine):
    state_cls = _SlashState


# --- declared inside a state -----------------------------------------------------------------


def test_what_never_fires_inside_a_state_is_left_out_in_the_words_that_were_written() -> None:
    """`transitions` looks for full names below the state, and finds nothing."""
    inside = [{"trigger": "again", "source": "*", "dest": "="}, ["go", "a_b", "c"]]
    star = {"name": "a", "initial": "b", "children": ["b", "c"], "transitions": inside}
    machine = quiet(HierarchicalMachine, states=[star])
    found = import_machine(machine)
    assert found.chart.transitions == ()
    end = (
        "which never fires in the machine: names inside a state begin below it; declare it outside"
    )
    assert found.left_out == (
        f"transition 'again' inside 'a' from '*' to '=', {end}",
        f"transition 'go' inside 'a' from 'a_b', {end}",
    )


@pytest.mark.parametrize(
    ("transition", "fact"),
    [
        (["go", "x", "a"], "unknown destination 'a'"),
        (["go", "z", "x"], "unknown source 'z'"),
    ],
)
def test_an_unknown_name_inside_a_state_is_refused_as_it_was_written(
    transition: list[str], fact: str
) -> None:
    """With what is known there."""
    states = ["a", {"name": "p", "children": ["x", "y"], "transitions": [transition]}]
    with pytest.raises(DefinitionError) as caught:
        import_machine(quiet(HierarchicalMachine, states=states))
    assert str(caught.value.problems[0]) == (
        f"transition 'go' inside 'p': {fact}; names inside a state begin below it, and known are "
        "'x', 'y'"
    )


def _two_levels(**x: Any) -> Any:
    """Declared inside p, between states inside x."""
    inner = {"name": "x", "initial": "1", "children": ["1", "2"], **x}
    outer = {"name": "p", "initial": "x", "children": [inner]}
    outer["transitions"] = [["GO", "x_1", "x_2"]]
    return quiet(HierarchicalMachine, states=[outer], initial="p")


def test_a_state_that_only_the_machine_leaves_and_enters_is_named() -> None:
    """Where nobody can see it, nothing is said."""
    assert import_machine(_two_levels()).left_out == ()
    sentence = import_machine(_two_levels(on_exit="bye")).left_out[0]
    assert sentence == (
        "that transition 'GO' inside 'p' from 'x.1' to 'x.2' leaves 'p.x' in the machine and "
        "enters it again: in the chart it stays; declare it inside 'p.x'"
    )
    said: list[str] = []
    model = _Model()
    model.bye = lambda: said.append("bye")  # type: ignore[attr-defined]
    machine = _two_levels(on_exit="bye")
    machine.add_model(model)
    machine.trigger_event(model, "GO")
    assert said == ["bye"]


def test_regions_that_only_the_machine_loses_are_named() -> None:
    """It ends in one region of two."""
    regions = [{"name": name, "initial": "1", "children": ["1", "2"]} for name in "lr"]
    outer: dict[str, Any] = {"name": "p", "initial": "x"}
    outer["children"] = [{"name": "x", "parallel": regions}]
    outer["transitions"] = [["GO", "x_l_1", "x_l_2"]]
    machine = quiet(HierarchicalMachine, states=[outer], initial="p")
    (sentence,) = import_machine(machine).left_out
    assert "takes the machine out of the other regions of 'p.x'" in sentence
    assert _after(machine, ["p_x_l_1", "p_x_r_1"]) == "p_x_l_2"
    assert _after_in_chart(machine, "p.x.l.1", "p.x.r.1") == ("p.x.l.2", "p.x.r.1")


def test_one_name_on_two_levels_is_named() -> None:
    """`transitions` mixes them up."""
    inner = {"name": "p", "initial": "1", "children": ["1", "2"]}
    outer = {
        "name": "p",
        "initial": "p",
        "children": [inner],
        "transitions": [["GO", "p_1", "p_2"]],
    }
    found = import_machine(quiet(HierarchicalMachine, states=[outer], initial="p"))
    assert "'p' is the name of two states" in found.left_out[0]


def test_what_is_declared_inside_regions_and_may_fire_twice_is_named() -> None:
    """The machine tries it once per region."""
    regions = [{"name": name, "initial": "1", "children": ["1", "2", "3"]} for name in "lr"]
    ways_ = [["GO", "l_1", "l_2"], ["GO", "l_2", "l_3"]]
    state = {"name": "p", "parallel": regions, "transitions": ways_}
    machine = quiet(HierarchicalMachine, states=[state], initial="p")
    (sentence,) = import_machine(machine).left_out
    assert sentence.startswith("that the machine tries trigger 'GO', declared inside 'p', once for")
    assert _after(machine, ["p_l_1", "p_r_1"]) == ["p_l_3", "p_r_1"]
    assert _after_in_chart(machine, "p.l.1", "p.r.1") == ("p.l.2", "p.r.1")
    once = {"name": "p", "parallel": regions, "transitions": ways_[:1]}
    assert import_machine(quiet(HierarchicalMachine, states=[once], initial="p")).left_out == ()


def test_a_last_region_that_alone_makes_the_machine_final_is_named() -> None:
    """In `transitions` 0.9 it decides for all, or the machine fails."""
    regions: list[Any] = ["l", {"name": "r", "initial": "1", "children": ["1"]}]
    regions[1]["children"].append({"name": "2", "final": True})
    machine = quiet(HierarchicalMachine, states=[{"name": "p", "parallel": regions}], initial="p")
    (sentence,) = import_machine(machine).left_out
    assert sentence.startswith("that the machine takes 'p' for final, or fails, when its last")


def test_callbacks_of_the_first_states_are_named() -> None:
    """A new instance enters them; `transitions` does not."""
    found = import_machine(quiet(states=[{"name": "a", "on_enter": "hello"}]))
    assert found.left_out[0] == (
        "that on_enter of 'a' does not run at the start: in a chart it does, as whenever it is "
        "entered"
    )
