"""Charts from the markup of `transitions`: what MarkupMachine writes, and what people write."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from transitions.extensions.markup import HierarchicalMarkupMachine, MarkupMachine
from transitions.extensions.nesting import NestedState

from settlesim import Chart
from settlesim.errors import DefinitionError
from settlesim.machine import chart_from_markup, import_machine
from settlesim.machine.from_transitions import AUTOMATIC

NESTED: list[Any] = [
    {"name": "a", "on_exit": "bye", "tags": ["settled"]},
    {
        "name": "p",
        "initial": "x",
        "on_enter": ["hello"],
        "children": [
            "x",
            {"name": "y", "initial": "1", "children": ["1", {"name": "2", "final": True}]},
            {"name": "q", "parallel": ["l", "r"]},
        ],
        "transitions": [["GO", "x", "y"], {"trigger": "ALL", "source": "x", "dest": "q"}],
    },
]
GO: list[Any] = ["GO", "a", "p_y_2", ["is_ready"], ["is_late"], "lift", "put", "look"]


def markup_of(machine: Any) -> dict[str, Any]:
    """Return the markup as it comes back from a file."""
    record: dict[str, Any] = json.loads(json.dumps(machine.markup))
    return record


def ways(chart: Chart) -> list[tuple[str, str, str | None]]:
    return [(each.trigger, each.source, each.dest) for each in chart.transitions]


def test_markup_reads_as_the_machine_that_wrote_it() -> None:
    """States, names with the separator, callbacks by name, the mark final, the initial state."""

    class Tagged(HierarchicalMarkupMachine):
        pass

    states: Any = deepcopy(NESTED)
    states[0].pop("tags")
    machine = Tagged(
        None, states, "a", [list(GO)], auto_transitions=False, send_event=True, name="lamp"
    )
    found = chart_from_markup(markup_of(machine))
    expected = import_machine(machine)
    assert found == expected
    assert found.chart.name == "lamp"
    assert ("GO", "a", "p.y.2") in ways(found.chart)


def test_flat_markup_keeps_underscores_in_names() -> None:
    """A machine without children is flat, and its names are whole."""
    machine = MarkupMachine(
        None, ["to_do", "done"], "to_do", [["go", "to_do", "done"]], auto_transitions=False
    )
    found = chart_from_markup(markup_of(machine))
    assert ways(found.chart) == [("go", "to_do", "done")]
    assert found.left_out == ()


def test_markup_is_not_changed_and_nothing_is_imported() -> None:
    """`MarkupMachine(markup=...)` takes the models out, and makes them."""
    markup = {
        "states": deepcopy(NESTED),
        "transitions": [list(GO)],
        "initial": "a",
        "models": [{"class-name": "no_such_module.Model", "state": "a"}],
        "auto_transitions": False,
    }
    before = deepcopy(markup)
    assert chart_from_markup(markup).chart.node("a").tags == ("settled",)
    assert markup == before


def test_another_separator_joins_parent_and_child() -> None:
    """It is not in the markup; names may then hold underscores."""

    class DotState(NestedState):
        separator = "/"

    class DotMachine(HierarchicalMarkupMachine):
        state_cls = DotState

    states: list[Any] = ["a", {"name": "my_p", "children": ["x_1"]}]
    machine = DotMachine(None, states, "a", [["GO", "a", "my_p/x_1"]], auto_transitions=False)
    for separator in ("/", None):  # the names of sources and destinations tell it
        chart = chart_from_markup(markup_of(machine), separator=separator).chart
        assert ways(chart) == [("GO", "a", "my_p.x_1")]
    with pytest.raises(DefinitionError, match="has the separator '_' in its name: say what joins"):
        chart_from_markup(markup_of(machine), separator="_")


def test_names_that_join_parent_and_child_make_states_where_that_is_asked_for() -> None:
    """As texts in a list, which a flat machine has as well."""
    markup: dict[str, Any] = {"states": ["C", "C_1", "C_2"], "initial": "C"}
    markup |= {"transitions": [["GO", "C_1", "C_2"]], "auto_transitions": False}
    found = chart_from_markup(markup)
    assert ways(found.chart) == [("GO", "C_1", "C_2")]
    assert found.left_out == (
        "whether 'C_1' is a state inside 'C': no state has children, so it is read as one beside "
        "it; nested=True reads it as inside",
    )
    inside = chart_from_markup(markup, nested=True)
    assert [node.name for node in inside.chart.states] == ["C", "C.1", "C.2"]
    assert (ways(inside.chart), inside.left_out) == ([("GO", "C.1", "C.2")], ())


def test_what_markup_says_and_a_chart_does_not_is_named() -> None:
    """Automatic transitions, time-outs, keys of others, and what the export gets wrong."""
    found = chart_from_markup(
        {
            "states": [{"name": "a", "timeout": "5", "on_timeout": ["late"], "colour": "red"}],
            "transitions": [{"trigger": "GO", "source": "a", "dest": "a", "weight": 3}],
            "initial": "a",
            "before_state_change": ["note"],
            "after_state_change": ["note"],
            "finalize_event": ["end"],
            "comment": "mine",
        }
    )
    assert found.left_out == (
        "the time-out of state 'a': give it 'after'",
        "the key 'colour' of state 'a': nothing here knows it",
        "the key 'weight' of transition 'GO': nothing here knows it",
        "the key 'comment': nothing here knows it",
        AUTOMATIC,
        "what after_state_change was: transitions 0.9 writes before_state_change in its place",
        "finalize_event of the machine: a chart has no callback for that",
        "the functions 'note': they take what the trigger was called with; bind functions "
        "(context, event) to these names",
    )
    assert found.chart.transitions[0].before == ("note",)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"states": None}, "states: is None; a list of states is needed"),
        ({"states": [5]}, "states[0]: has the name 5; a text is needed"),
        ({"states": ["a", "a"]}, "states: the state 'a' appears twice"),
        ({"transitions": [["GO", "a"]]}, "transitions[0]: is ['GO', 'a']; trigger, source and"),
        ({"transitions": [["GO", [], "a"]]}, "transitions[0]: has the source []; names of"),
        ({"transitions": [[5, "a", "a"]]}, "transitions[0]: has the trigger 5; a text is needed"),
        ({"transitions": [["GO", "a", 5]]}, "transitions[0]: has the dest 5; the name of a state"),
        ({"transitions": 5}, "transitions: is 5; a list of transitions is needed"),
        ({"transitions": [["GO", "a", "bb"]]}, "unknown destination 'bb'"),
        ({"initial": "bb"}, "initial: unknown state 'bb'"),
        ({"initial": None}, "initial: is missing"),
        ({"states": ["a"] * 5001}, "chart: more than 5000 states or 32 levels"),
        ({"states": [{"name": "a", "children": [{"name": "x_y", "tags": []}]}]}, "the separator"),
    ],
)
def test_what_no_markup_may_be_is_named(change: dict[str, Any], fact: str) -> None:
    """Nothing is guessed, and `transitions` adds no state for a misspelt initial one."""
    with pytest.raises(DefinitionError) as caught:
        chart_from_markup({"states": ["a"], "initial": "a", **change})
    assert fact in str(caught.value)


def test_deep_markup_ends_in_a_clear_error() -> None:
    """Before anything is built."""
    state: dict[str, Any] = {"name": "a"}
    for _ in range(200):
        state = {"name": "a", "children": [state]}
    with pytest.raises(DefinitionError, match="or 32 levels"):
        chart_from_markup({"states": [state], "initial": "a"})
