"""State objects of `transitions` given to a chart itself."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from transitions import Machine, State
from transitions.extensions.nesting import HierarchicalMachine, NestedState
from transitions.extensions.states import Tags, Timeout

from settlesim import Chart
from settlesim.errors import DefinitionError
from settlesim.machine import import_machine


class TaggedState(Tags, NestedState):
    """A nested state with tags."""


class TimedState(Timeout, State):
    """A state with a time-out."""


class Light(enum.Enum):
    RED = 1


def test_a_list_of_state_objects_is_a_list_of_states() -> None:
    """Names, callbacks by name, and the mark final."""
    chart = Chart([State("a", on_exit="bye"), State("b", on_enter="say", final=True)], (), "a")
    assert chart == Chart(
        [{"name": "a", "on_exit": "bye"}, {"name": "b", "on_enter": "say", "final": True}], (), "a"
    )


def test_functions_of_a_state_object_are_assigns_of_the_chart() -> None:
    """They are bound, and have to take what an assign is called with."""

    def say(context: object, event: object) -> None:
        """Say nothing."""

    assert Chart([State("a", on_enter=say)], (), "a").functions == {"say": say}

    def greet(event: object) -> None:
        """Take one argument."""

    with pytest.raises(DefinitionError, match="an assign is called with"):
        Chart([State("a", on_enter=greet)], (), "a")


def test_nested_state_objects_bring_what_is_inside() -> None:
    """Children, initial child, tags, and transitions that are declared inside."""
    machine = HierarchicalMachine(
        None,
        states=[
            "a",
            {
                "name": "p",
                "initial": "x",
                "children": ["x", {"name": "y", "children": ["1", "2"]}],
                "transitions": [{"trigger": "GO", "source": "x", "dest": "y_2", "unless": "late"}],
            },
        ],
        auto_transitions=False,
        initial="a",
    )
    tagged = TaggedState("t", tags=["settled"])
    objects: list[Any] = [*machine.states.values(), tagged]
    chart = Chart(objects, [["IN", "a", "p"]], "a")
    record = import_machine(machine).chart.to_dict()
    expected = Chart(
        [*record["states"], {"name": "t", "tags": ["settled"]}],
        [*record["transitions"], ["IN", "a", "p"]],
        "a",
    )
    assert {**chart.to_dict(), "transitions": []} == {**expected.to_dict(), "transitions": []}
    assert sorted(map(str, chart.transitions)) == sorted(map(str, expected.transitions))


def test_a_state_object_named_by_an_enum_member_is_found_by_it() -> None:
    """As a machine finds it."""
    chart = Chart([State(Light.RED)], [["GO", Light.RED, Light.RED]], Light.RED)
    assert chart.transitions[0].dest == "RED"


def test_what_a_chart_does_not_know_of_a_state_object_is_refused() -> None:
    """Nothing of it is dropped in silence."""
    with pytest.raises(DefinitionError, match="state 'a': unknown key 'timeout'"):
        Chart([TimedState("a", timeout=5, on_timeout="late")], (), "a")


def test_a_machine_is_no_state() -> None:
    """The error says what it is; `read_chart` reads machines."""
    machine: Any = Machine(None, ["a"], initial="a")
    with pytest.raises(DefinitionError, match="is of type Machine; a name is text"):
        Chart([machine], (), "a")
