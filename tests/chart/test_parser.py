"""The dialect: everything that a graph machine of `transitions` accepts, and our own keys."""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings

from settlesim import Chart, Event
from settlesim.chart import EVENTLESS, Delay, Invocation, NodeKind, Transition, TransitionKind
from settlesim.chart.parser import MAX_NESTING
from settlesim.chart.strict_json import FrozenDict, FrozenList
from settlesim.errors import DefinitionError
from tests.strategies_charts import chart_records


class _Light(enum.Enum):
    RED = "red"
    GREEN = "green"


class _Inner(enum.Enum):
    X = 1
    Y = 2


class _Nested(enum.Enum):
    A = 1
    B = _Inner
    C = {"tags": ["settled"], "final": True}  # noqa: RUF012 -- the dialect's own way


def is_ready(context: FrozenDict, event: Event) -> bool:
    """Guard."""
    return True


def count(context: FrozenDict, event: Event) -> Mapping[str, Any]:
    """Assign."""
    return {"n": 1}


async def work(call: Any) -> None:
    """Service."""


def _ways(chart: Chart) -> list[tuple[str, str, str | None]]:
    return [(each.trigger, each.source, each.dest) for each in chart.transitions]


# --- states -------------------------------------------------------------------------------


def test_states_are_names_dicts_and_enum_members() -> None:
    """All three may stand in one list."""
    chart = Chart(["a", {"name": "b"}, _Light.RED, {"name": _Light.GREEN}], initial="a")
    assert [node.name for node in chart.states] == ["a", "b", "RED", "GREEN"]
    assert all(node.kind is NodeKind.ATOMIC and node.is_leaf for node in chart.states)


def test_an_enum_is_a_list_of_states() -> None:
    """Its members are meant wherever they stand."""
    chart = Chart(_Light, [["GO", _Light.RED, _Light.GREEN]], _Light.RED)
    assert chart.initial == "RED"
    assert _ways(chart) == [("GO", "RED", "GREEN")]


def test_the_value_of_an_enum_member_may_say_what_is_inside() -> None:
    """An enum for its children, a dict for its keys."""
    chart = Chart(_Nested, initial="A")
    assert [node.name for node in chart.states] == ["A", "B", "B.X", "B.Y", "C"]
    assert chart.node("C").tags == ("settled",)
    assert chart.node("C").kind is NodeKind.FINAL


@pytest.mark.parametrize("key", ["children", "states"])
def test_children_make_a_compound_node(key: str) -> None:
    """Names join by dots, parents stand before children."""
    inner = {"name": "p", key: ["x", {"name": "y_1", "final": True}], "initial": "y_1"}
    chart = Chart([inner, "q"], initial="p")  # type: ignore[list-item]
    node = chart.node("p")
    assert (node.kind, node.children, node.initial) == (
        NodeKind.COMPOUND,
        ("p.x", "p.y_1"),
        "p.y_1",
    )
    assert [each.name for each in chart.states] == ["p", "p.x", "p.y_1", "q"]
    assert (chart.node("p.x").parent, chart.node("p.x").local_name) == ("p", "x")
    assert chart.initial_configuration == ("p.y_1",)


def test_the_initial_child_may_be_named_in_full_or_be_an_enum_member() -> None:
    """What leads to one child is understood."""
    for initial in ("RED", "p.RED", _Light.RED):
        chart = Chart([{"name": "p", "children": _Light, "initial": initial}], initial="p")
        assert chart.node("p").initial == "p.RED"


def test_a_compound_node_without_initial_child_is_entered_by_its_own_name() -> None:
    """It rests on itself, as in `transitions`."""
    chart = Chart([{"name": "p", "children": ["x"]}], initial="p")
    assert chart.node("p").initial is None
    assert chart.initial_configuration == ("p",)


@pytest.mark.parametrize(
    "spec",
    [
        {"parallel": ["x", "y"]},
        {"children": ["x", "y"], "initial": ["x", "y"]},
        {"parallel": ["x", "y"], "initial": ("x", "y")},
    ],
)
def test_parallel_and_a_list_as_initial_make_a_parallel_node(spec: dict[str, Any]) -> None:
    """All regions are entered, in document order."""
    chart = Chart([{"name": "p", **spec}], initial="p")  # type: ignore[list-item]
    assert chart.node("p").kind is NodeKind.PARALLEL
    assert chart.node("p").initial is None
    assert chart.initial_configuration == ("p.x", "p.y")
    assert chart.active(("p.x", "p.y")) == ("p", "p.x", "p.y")


def test_a_state_keeps_tags_label_and_callbacks() -> None:
    """A tag that appears twice counts once; one callback is a list of one."""
    spec = {
        "name": "a",
        "tags": ["settled", _Light.RED, "settled"],
        "label": "An a",
        "on_enter": ["one", "two"],
        "on_exit": "three",
        "on_final": count,
        "ignore_invalid_triggers": True,
    }
    node = Chart([spec], initial="a").node("a")  # type: ignore[list-item]
    assert node.tags == ("settled", "RED")
    assert node.label == "An a"
    assert (node.on_enter, node.on_exit, node.on_final) == (("one", "two"), ("three",), ("count",))


# --- transitions --------------------------------------------------------------------------


def test_a_transition_is_a_list_or_a_dict() -> None:
    """The positions of a list are those of `transitions`."""
    chart = Chart(
        ["a", "b"],
        [
            ["GO", "a", "b", "c", ["u", "v"], "before", "after", "prepare"],
            {"trigger": "GO", "source": "b", "dest": "a", "assign": "count", "label": "back"},
        ],
        "a",
    )
    first, second = chart.transitions
    assert first == Transition(
        "GO", "a", "b", ("c",), ("u", "v"), ("prepare",), ("before",), (), ("after",)
    )
    assert first.guards == ("c", "u", "v")
    assert first.assigns == ("prepare", "before", "after")
    assert (second.assign, second.label, second.kind) == (
        ("count",),
        "back",
        TransitionKind.EXTERNAL,
    )


def test_star_is_every_state_that_is_not_final() -> None:
    """A final state has no way out, so it is not meant."""
    chart = Chart(["a", "b", {"name": "f", "final": True}], [["END", "*", "f"]], "a")
    assert _ways(chart) == [("END", "a", "f"), ("END", "b", "f")]


def test_star_stands_for_the_top_level_and_with_equals_for_all_levels() -> None:
    """As in `transitions`: a parent's transition holds for its children already."""
    states: list[Any] = ["a", {"name": "p", "children": ["x"], "initial": "x"}]
    chart = Chart(states, [["R", "*", "a"], ["S", "*", "="], ["S2", "*", "="]], "a")
    assert _ways(chart)[:5] == [
        ("R", "a", "a"),
        ("R", "p", "a"),
        ("S", "a", "a"),
        ("S", "p", "p"),
        ("S", "p.x", "p.x"),
    ]


def test_equals_is_reflexive_and_none_is_internal() -> None:
    """For each of several sources."""
    chart = Chart(["a", "b"], [["R", ["a", "b"], "="], ["I", ("a",), None]], "a")
    assert _ways(chart) == [("R", "a", "a"), ("R", "b", "b"), ("I", "a", None)]


def test_transitions_inside_a_state_use_local_names() -> None:
    """Sources and destinations are children; a star is all of them."""
    inside = {
        "name": "p",
        "children": ["x", {"name": "y", "children": ["z"]}],
        "transitions": [
            ["GO", "x", "y"],
            ["UP", "y.z", "x"],
            ["R", "*", "x"],
            ["S", "*", "="],
            ["I", "x", None],
        ],
    }
    assert _ways(Chart([inside], initial="p")) == [  # type: ignore[list-item]
        ("GO", "p.x", "p.y"),
        ("UP", "p.y.z", "p.x"),
        ("R", "p.x", "p.x"),
        ("R", "p.y", "p.x"),
        ("S", "p.x", "p.x"),
        ("S", "p.y", "p.y"),
        ("S", "p.y.z", "p.y.z"),
        ("I", "p.x", None),
    ]


@pytest.mark.parametrize("trigger", [None, ""])
def test_a_transition_without_trigger_is_eventless(trigger: object) -> None:
    """It fires as soon as its guards hold."""
    chart = Chart(["a", "b"], [[trigger, "a", "b"], {"source": "b", "dest": "a"}], "a")
    assert [each.trigger for each in chart.transitions] == [EVENTLESS, EVENTLESS]
    assert chart.transitions[0].kind is TransitionKind.EVENTLESS


# --- what settlesim adds ------------------------------------------------------------------


def test_always_gives_eventless_transitions() -> None:
    """A name, a dict, or a list of both."""
    chart = Chart(
        [
            {"name": "a", "always": [{"dest": "b", "conditions": "c"}, "="]},
            {"name": "b", "always": "a"},
        ],
        initial="a",
    )
    assert _ways(chart) == [("", "a", "b"), ("", "a", "a"), ("", "b", "a")]
    assert chart.transitions[0].conditions == ("c",)


def test_invoke_starts_services_with_reserved_triggers() -> None:
    """A name, a dict, a function, or a list of them; ids count up."""
    chart = Chart(
        [
            {
                "name": "a",
                "invoke": [
                    {
                        "src": "fetch",
                        "input": {"url": ["x"]},
                        "on_done": ["b", {"dest": None, "assign": "count"}],
                        "on_error": {"dest": "=", "label": "again"},
                        "timeout": 2,
                    },
                    work,
                ],
            },
            {"name": "b", "invoke": "fetch"},
        ],
        initial="a",
    )
    first, second = chart.node("a").invoke
    assert (first.id, second.id) == ("a.0", "a.1")
    assert (first.done_trigger, first.error_trigger) == ("done.invoke.a.0", "error.invoke.a.0")
    assert first.timeout == 2.0
    assert type(first.input["url"]) is FrozenList
    assert [each.dest for each in first.on_done] == ["b", None]
    assert first.on_error[0].dest == "a"
    assert [each.kind for each in (*first.on_done, *first.on_error)] == [
        TransitionKind.DONE,
        TransitionKind.DONE,
        TransitionKind.ERROR,
    ]
    assert second == Invocation("a.1", "work")
    assert chart.node("b").invoke[0].src == "fetch"
    assert chart.functions == {"work": work}
    assert chart.edges == first.on_done + first.on_error


def test_after_opens_ways_out_after_seconds() -> None:
    """Keys are numbers, or texts as JSON has them."""
    chart = Chart([{"name": "a", "after": {1.5: "b", "60": ["a", "b"]}}, "b"], initial="a")
    first, second = chart.node("a").after
    assert (first.id, first.seconds, first.trigger) == ("a.0", 1.5, "after.a.0")
    assert first == Delay("a.0", 1.5, (Transition("after.a.0", "a", "b"),))
    assert second.seconds == 60.0
    assert [each.dest for each in second.transitions] == ["a", "b"]
    assert second.transitions[0].kind is TransitionKind.AFTER


def test_on_done_of_a_compound_node_fires_when_it_is_finished() -> None:
    """Its trigger is reserved."""
    chart = Chart(
        [{"name": "p", "children": [{"name": "f", "final": True}], "on_done": "q"}, "q"],
        initial="p",
    )
    assert chart.node("p").on_done == (Transition("done.state.p", "p", "q"),)
    assert chart.edges[0].kind is TransitionKind.FINISHED


def test_a_destination_of_a_nested_node_may_be_a_sibling() -> None:
    """In always, after, invoke and on_done; a full name goes first."""
    inner = [
        {"name": "x", "always": "y", "after": {"1": "q"}},
        {"name": "y", "invoke": {"src": "w", "on_done": "x", "on_error": "p.x"}},
    ]
    chart = Chart([{"name": "p", "children": inner}, "q"], initial="p")  # type: ignore[list-item]
    assert _ways(chart) == [("", "p.x", "p.y")]
    assert [each.dest for each in chart.edges] == ["p.y", "q", "p.x", "p.x"]


def test_functions_may_stand_in_the_chart_itself() -> None:
    """They are named by their name and bound; the same one may stand twice."""
    chart = Chart(
        ["a"],
        [{"trigger": "GO", "source": "a", "dest": "=", "conditions": is_ready, "assign": [count]}]
        * 2,
        "a",
    )
    assert chart.transitions[0].conditions == ("is_ready",)
    assert dict(chart.functions) == {"is_ready": is_ready, "count": count}
    assert dict(chart.roles) == {"is_ready": "guard", "count": "assign"}


@settings(max_examples=30)
@given(chart_records())
def test_building_a_chart_changes_nothing_of_the_caller(record: dict[str, Any]) -> None:
    """The caller's dicts and lists are read, not taken."""
    before = copy.deepcopy(record)
    Chart.from_dict(record)
    assert record == before


# --- what is refused ----------------------------------------------------------------------


def problems_of(states: Any, transitions: Any = (), **keys: Any) -> list[str]:
    """Return what is wrong, one text for each problem."""
    with pytest.raises(DefinitionError) as caught:
        Chart(states, transitions, **{"initial": "a", **keys})
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("states", "problem"),
    [
        (None, "chart: has no 'states'"),
        ([], "states: is empty; a chart has at least one state"),
        ((), "states: is empty; a chart has at least one state"),
        ("a", "states: is 'a'; a list of states is needed"),
        (int, "states: is <class 'int'>; a list of states is needed"),
        ([5], "states[0]: the name is of type int; a name is text"),
        ([{}], "states[0]: the name is of type NoneType; a name is text"),
        (["x" * 201], "states[0]: the name has 201 characters; 200 is the limit"),
        (["a.b"], "states[0]: the name 'a.b' is not free: dots join parent and child"),
        (["*"], "states[0]: the name '*' is not free: it means other states"),
        (["="], "states[0]: the name '=' is not free: it means other states"),
        (["a", {"name": "a"}], "states[1]: the state 'a' appears twice"),
        (
            [{"name": "p", "children": ["a", "a"]}],
            "state 'p' children[1]: the state 'p.a' appears twice",
        ),
        ([{"name": "a", "finall": True}], "state 'a': unknown key 'finall'; did you mean 'final'?"),
        ([{"name": "a", "final": "yes"}], "state 'a': final is 'yes'; true or false is needed"),
        (
            [{"name": "a", "children": ["x"], "parallel": ["y"]}],
            "state 'a': has both 'children' and 'parallel'; one is possible",
        ),
        (
            [{"name": "a", "final": True, "children": ["x"]}],
            "state 'a': is final and has children; a final state is a leaf",
        ),
        ([{"name": "a", "initial": "x"}], "state 'a': has an initial child but no children"),
        (
            [{"name": "a", "children": ["x", "y"], "initial": "z"}],
            "state 'a' initial: unknown child 'z'; known are 'x', 'y'",
        ),
        (
            [{"name": "a", "children": ["x", "y"], "initial": ["x"]}],
            "state 'a': a list as initial makes a parallel state: it names all children, in order",
        ),
        (
            [{"name": "a", "parallel": ["x", "y"], "initial": "x"}],
            "state 'a': is parallel and has an initial child; all are entered",
        ),
        (
            [{"name": "a", "tags": {"settled": True}}],
            "state 'a': tags are {'settled': True}; a list of names is needed, such as ['settled']",
        ),
        ([{"name": "a", "tags": [5]}], "state 'a': the tag 5 is of type int; a name is text"),
        ([{"name": "a", "label": ""}], "state 'a': the label is empty"),
        ([{"name": "a", "invoke": {}}], "state 'a' invoke[0]: src has to name one service"),
        (
            [{"name": "a", "invoke": {"src": ["x", "y"]}}],
            "state 'a' invoke[0]: src has to name one service",
        ),
        (
            [{"name": "a", "invoke": {"src": "x", "onDone": "a"}}],
            "state 'a' invoke[0]: unknown key 'onDone'; did you mean 'on_done'?",
        ),
        (
            [{"name": "a", "invoke": {"src": "x", "timeout": 0}}],
            "state 'a' invoke[0] timeout: 0 is no number of seconds in (0, 1e+09]",
        ),
        (
            [{"name": "a", "invoke": {"src": "x", "input": {"k": {1}}}}],
            "state 'a' invoke[0] input['k']: has {1} of type set; strict JSON carries only dict, "
            "list, str, int, float, bool and None",
        ),
        (
            [{"name": "a", "after": 5}],
            "state 'a': after is 5; a mapping of seconds to destinations is needed, such as "
            "{10: 'b'}",
        ),
        (
            [{"name": "a", "invoke": {"src": "x", "timeout": "5"}}],
            "state 'a' invoke[0] timeout: '5' is no number of seconds in (0, 1e+09]",
        ),
        (
            [{"name": "a", "after": {"1": "a", "1.0": "a"}}],
            "state 'a': after 1 seconds appears twice",
        ),
        ([{"name": "a", "after": {"1": []}}], "state 'a' after 1: leads nowhere; name a state"),
        (
            [{"name": "a", "always": 5}],
            "state 'a' always: dest is 5; the name of a state is needed",
        ),
        (
            [{"name": "a", "always": {"zzz": "a"}}],
            "state 'a' always: unknown key 'zzz'; known are after, assign, before, conditions, "
            "dest, internal, label, prepare, unless",
        ),
        (
            [{"name": "a", "on_enter": 5}],
            "state 'a' on_enter: the function name 5 is of type int; a name is text",
        ),
        (
            [{"name": "a", "transitions": 5}],
            "state 'a' transitions: is 5; a list of transitions is needed",
        ),
    ],
)
def test_what_no_state_may_be_is_named(states: object, problem: str) -> None:
    """The problem says the place, the fact, and what is possible."""
    assert problem in problems_of(states)


def test_no_states_are_one_problem() -> None:
    """Nothing else is told that follows from it."""
    assert problems_of([], [["GO", "a", "b"]], initial=None) == [
        "states: is empty; a chart has at least one state"
    ]


@pytest.mark.parametrize(
    "after", [{"delay": 10, "dest": "b"}, {"delay": 10, "target": "b"}, [{"delay": 10, "to": "b"}]]
)
def test_a_delay_in_another_shape_is_one_problem_that_shows_ours(after: object) -> None:
    """Seconds are keys; nothing is said of a 'dest' that is no number."""
    (problem,) = problems_of([{"name": "a", "after": after}, "b"])
    assert problem.endswith("a mapping of seconds to destinations is needed, such as {10: 'b'}")


_TRANSITION = {"trigger": "GO", "source": "a", "dest": "a"}


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("guard", "g", "conditions"),
        ("guards", "g", "conditions"),
        ("cond", "g", "conditions"),
        ("condition", "g", "conditions"),
        ("target", "a", "dest"),
        ("to", "a", "dest"),
        ("from", "a", "source"),
        ("event", "GO", "trigger"),
        ("on", "GO", "trigger"),
        ("action", "f", "assign"),
        ("actions", "f", "assign"),
        ("Target", "a", "dest"),
    ],
)
def test_words_of_other_statecharts_are_known_in_a_transition(
    key: str, value: str, meant: str
) -> None:
    """SCXML's and XState's word leads to ours, before the one that looks most like it."""
    assert problems_of(["a"], [{**_TRANSITION, key: value}]) == [
        f"transitions[0]: unknown key {key!r}; did you mean {meant!r}?"
    ]


@pytest.mark.parametrize(
    ("key", "value", "meant"),
    [
        ("entry", "f", "on_enter"),
        ("onentry", "f", "on_enter"),
        ("exit", "f", "on_exit"),
        ("type", "final", "final"),
        ("type", "parallel", "parallel"),
        ("on", {"GO": "a"}, "transitions"),
    ],
)
def test_words_of_other_statecharts_are_known_in_a_state(
    key: str, value: object, meant: str
) -> None:
    """What a type means depends on its value."""
    assert problems_of([{"name": "a", key: value}]) == [
        f"state 'a': unknown key {key!r}; did you mean {meant!r}?"
    ]


def test_a_word_that_means_nothing_here_is_answered_with_all_keys() -> None:
    """A choice node has no counterpart; a history state has."""
    (problem,) = problems_of([{"name": "a", "type": "choice"}])
    assert "unknown key 'type'; known are after, always, children," in problem
    (problem,) = problems_of([{"name": "a", "type": "history"}])
    assert "unknown key 'type'; did you mean 'history'?" in problem


@pytest.mark.parametrize("seconds", ["x", "nan", "inf", -1, 0, True, None, 10**400, 2e9, "1e999"])
def test_a_delay_needs_a_finite_number_of_seconds(seconds: object) -> None:
    """More than nothing, at most 31 years."""
    found = problems_of([{"name": "a", "after": {seconds: "a"}}])
    assert len(found) == 1
    assert found[0].startswith("state 'a' after: ")
    assert found[0].endswith("is no number of seconds in (0, 1e+09]")


@pytest.mark.parametrize(
    ("transition", "problem"),
    [
        (5, "transitions[0]: is 5; a list or a dict is needed"),
        ("GO", "transitions[0]: is 'GO'; a list or a dict is needed"),
        (
            ["GO", "a"],
            "transitions[0]: has 2 parts; a list is [trigger, source, dest] and, after them, "
            "conditions, unless, before, after, prepare",
        ),
        (["GO", "a", "a", *"123456"], "transitions[0]: has 9 parts; a list is [trigger, source,"),
        (
            {"trigger": "GO", "source": "a"},
            "transitions[0]: needs 'source' and 'dest' (None for an internal transition)",
        ),
        (
            {"trigger": "GO", "source": "a", "dest": "a", "condition": "c"},
            "transitions[0]: unknown key 'condition'; did you mean 'conditions'?",
        ),
        (["GO", "a", 5], "transitions[0]: dest is 5; the name of a state is needed"),
        (["GO", 5, "a"], "transitions[0]: source is 5; the name of a state is needed"),
        ([5, "a", "a"], "transitions[0]: the trigger is of type int; a name is text"),
        (
            ["done.invoke.a.0", "a", "a"],
            "transitions[0]: the trigger 'done.invoke.a.0' is a reserved name: done.*, error.* "
            "and after.* come from invoke, after and on_done of a state",
        ),
        (["error.x", "a", "a"], "transitions[0]: the trigger 'error.x' is a reserved name"),
        (["after.x", "a", "a"], "transitions[0]: the trigger 'after.x' is a reserved name"),
        (
            ["GO", "a", "a", lambda: True],
            "transitions[0] conditions: a function without a name cannot stand in a chart: name "
            "it and bind it",
        ),
        (["GO", "a", "a", partial(count)], "transitions[0] conditions: a function without a name"),
    ],
)
def test_what_no_transition_may_be_is_named(transition: object, problem: str) -> None:
    """The problem says the place, the fact, and what is possible."""
    found = problems_of(["a"], [transition])
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize("transitions", [5, "GO", {"trigger": "GO"}, {1}])
def test_transitions_are_a_list(transitions: object) -> None:
    """A lone dict is no list."""
    assert problems_of(["a"], transitions)[0].startswith("transitions: is ")


def test_no_transitions_at_all_may_be_none() -> None:
    """As in `transitions`."""
    assert Chart(["a"], None, "a").transitions == ()


def test_two_functions_of_one_name_are_refused() -> None:
    """The chart would not know which one is meant."""

    def make(number: int) -> Any:
        def same(context: FrozenDict, event: Event) -> Mapping[str, Any]:
            return {"n": number}

        return same

    found = problems_of([{"name": "a", "on_enter": make(1), "on_exit": make(2)}])
    assert found == ["state 'a' on_exit: two different functions are called 'same'"]


def test_nodes_nest_as_deep_as_the_limit_and_no_deeper() -> None:
    """The limit itself is allowed."""

    def nest(levels: int) -> dict[str, Any]:
        spec: dict[str, Any] = {"name": "a"}
        for _ in range(levels - 1):
            spec = {"name": "a", "children": [spec]}
        return spec

    assert len(Chart([nest(MAX_NESTING)], initial="a").states) == MAX_NESTING  # type: ignore[list-item]
    assert problems_of([nest(MAX_NESTING + 1)]) == [
        f"chart: states nest deeper than {MAX_NESTING} levels"
    ]
    assert problems_of([nest(100_000)]) == [f"chart: states nest deeper than {MAX_NESTING} levels"]


@pytest.mark.parametrize("source", [None, []])
def test_a_transition_without_a_source_is_a_problem(source: Any) -> None:
    """It would vanish without a word."""
    with pytest.raises(DefinitionError, match="has no source"):
        Chart(["a"], [{"trigger": "GO", "source": source, "dest": "a"}], "a")


@pytest.mark.parametrize("nothing", [None, False, "", []])
def test_an_initial_that_is_false_is_no_initial_child(nothing: object) -> None:
    """As `transitions` has it, in which people write False."""
    spec = {"name": "p", "children": ["x", "y"], "initial": nothing}
    assert Chart([spec], (), "p") == Chart([{"name": "p", "children": ["x", "y"]}], (), "p")  # type: ignore[list-item]
    assert Chart([{"name": "a", "initial": nothing}], (), "a") == Chart(["a"], (), "a")  # type: ignore[list-item]


def test_tags_as_a_text_are_one_tag() -> None:
    """Where one name is possible, a list of names is too, and the other way round."""
    chart = Chart([{"name": "a", "tags": "settled"}], (), "a")
    assert chart.node("a").tags == ("settled",)
