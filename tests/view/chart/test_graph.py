"""The Graph classes stay what `transitions` makes of them, for machines without a chart too."""

from __future__ import annotations

import enum
import re

import graphviz
import pytest
from transitions.extensions.states import Timeout, add_state_features

from settlesim import Chart, NestedSettleMachine, SettleMachine
from settlesim.gallery import count, donut
from settlesim.machine import machine_of
from settlesim.machine.graph import SettleGraph
from settlesim.view.graphviz.render import render


def nodes_of(graph: graphviz.Digraph) -> dict[str, str]:
    """Return the line of every node and cluster by what its label says."""
    found = {}
    for line in graph.source.splitlines():
        label = re.search(r'POINT-SIZE="14"[^>]*><B>([^<]*)</B>', line)
        if label:
            found[label[1]] = line
    return found


def edges_of(graph: graphviz.Digraph) -> list[str]:
    return [line for line in graph.source.splitlines() if "->" in line and "edge start" not in line]


@pytest.fixture
def door() -> SettleMachine:
    return SettleMachine(
        states=["open", {"name": "shut", "tags": ["settled"]}, {"name": "gone", "final": True}],
        transitions=[
            ["close", "open", "shut"],
            {"trigger": "open_it", "source": "shut", "dest": "open", "conditions": "has_key"},
            ["knock", "shut", None],
            ["burn", "*", "gone"],
        ],
        initial="open",
        auto_transitions=False,
    )


def test_machine_without_a_chart_is_drawn(door: SettleMachine) -> None:
    """get_graph gives a Digraph with every state and transition, and tags as shapes."""
    graph = door.get_graph()
    assert isinstance(graph, graphviz.Digraph)
    assert set(nodes_of(graph)) == {"open", "shut", "gone"}
    assert "settled" in nodes_of(graph)["shut"]
    assert "peripheries=2" in nodes_of(graph)["gone"]
    assert len(edges_of(graph)) == 5
    assert render(graph.source, "svg").startswith(b"<?xml")


def test_active_state_follows_the_model(door: SettleMachine) -> None:
    """A graph shows where its model is when it is asked for."""
    assert " active" in nodes_of(door.get_graph())["open"]
    door.close()
    assert " active" not in nodes_of(door.get_graph())["open"]
    assert " active" in nodes_of(door.get_graph())["shut"]


def test_guards_are_shown_as_the_machine_says(door: SettleMachine) -> None:
    """show_conditions means what it means in transitions."""
    assert "has_key" not in door.get_graph().source
    door.show_conditions = True
    assert "[has_key]" in door.get_graph().source


def test_title_is_text(door: SettleMachine) -> None:
    """A title cannot be markup."""
    assert "label=<&lt;b&gt;door&lt;/b&gt;>" in door.get_graph(title="<b>door</b>").source


def test_region_of_interest_is_where_the_model_may_go(door: SettleMachine) -> None:
    """show_roi works with internal transitions, which fails in transitions itself."""
    door.close()
    graph = door.get_graph(show_roi=True)
    assert set(nodes_of(graph)) == {"open", "shut", "gone"}
    door.set_state("gone")
    assert "shut" not in nodes_of(door.get_graph(show_roi=True))


def test_own_style_is_used_and_can_be_reset(door: SettleMachine) -> None:
    """set_node_style takes a style of the machine; reset_styling takes it away."""
    door.style_attributes = {"node": {"mine": {"fillcolor": "pink"}}}
    graph = SettleGraph(door)
    graph.set_node_style("shut", "mine")
    assert "fillcolor=pink" in nodes_of(graph.get_graph())["shut"]
    graph.reset_styling()
    assert "pink" not in graph.get_graph().source


def test_previous_transition_is_marked(door: SettleMachine) -> None:
    """set_previous_transition marks the arrow and where it began."""
    graph = SettleGraph(door)
    graph.set_previous_transition("open", "shut")
    drawn = graph.get_graph()
    assert [line for line in edges_of(drawn) if "taken" in line] == [edges_of(drawn)[0]]
    assert " previous" in nodes_of(drawn)["open"]


def test_nested_machine_is_drawn_with_clusters() -> None:
    """Children stand in clusters, regions are dashed, and lists of states are active."""
    machine = NestedSettleMachine(
        states=[
            "off",
            {
                "name": "on",
                "parallel": [
                    {"name": "l", "children": ["a", "b"], "initial": "a"},
                    {"name": "r", "children": ["a", "b"], "initial": "b"},
                ],
            },
        ],
        transitions=[["start", "off", "on"], ["go", "on.l.a", "on.l.b"], ["again", "on", "on"]],
        initial="off",
        auto_transitions=False,
    )
    machine.start()
    graph = machine.get_graph()
    assert set(machine.state) == {"on.l.a", "on.r.b"}
    assert graph.source.count("subgraph cluster_") == 3
    assert graph.source.count("rounded,filled,dashed") == 2
    assert graph.source.count(" active") == 2
    assert len(edges_of(graph)) == 3
    assert render(graph.source, "svg").startswith(b"<?xml")


def test_states_may_be_an_enum() -> None:
    """An enum's members are drawn by name, and marked as active."""

    class Light(enum.Enum):
        RED = 1
        GREEN = 2

    machine = SettleMachine(
        states=Light, transitions=[["go", Light.RED, Light.GREEN]], initial=Light.RED
    )
    assert " active" in nodes_of(machine.get_graph())["RED"]


@pytest.mark.parametrize("chart", [count, donut], ids=str)
def test_machine_of_a_chart_shows_services(chart: object) -> None:
    """What transitions does not know comes from the chart; ids are those of its edges."""
    machine = machine_of(chart)  # type: ignore[arg-type]
    source = machine.get_combined_graph().source
    assert "<I>wait</I>" in source or "<I>whisk</I>" in source
    ids = re.findall(r" id=(e\d+)", source)
    assert ids == [f"e{index}" for index in range(len(chart.edges))]  # type: ignore[attr-defined]


def test_transition_added_to_the_machine_of_a_chart_is_drawn() -> None:
    """It has the next free id."""
    from settlesim.chart import Chart

    machine = machine_of(Chart(["a", "b"], [["GO", "a", "b"]], "a"))
    machine.add_transition("BACK", "b", "a")
    assert re.findall(r" id=(e\d+)", machine.get_combined_graph().source) == ["e0", "e1"]


def test_region_of_interest_of_a_nested_machine_has_what_is_entered_with_it() -> None:
    """A destination with children is shown with the one that is entered first."""
    machine = NestedSettleMachine(
        states=["out", {"name": "box", "initial": "a", "children": ["a", "b"]}, "far"],
        transitions=[["go", "out", "box"], ["on", "box.b", "far"]],
        initial="out",
    )
    shown = nodes_of(machine.get_graph(show_roi=True))
    assert {"out", "box", "a"} <= set(shown)
    assert "far" not in shown


def test_a_removed_transition_is_not_drawn(door: SettleMachine) -> None:
    """The graph is that of the machine now."""
    before = len(edges_of(door.get_graph()))
    door.remove_transition("close")
    assert len(edges_of(door.get_graph())) == before - 1


def test_two_services_of_one_node_are_told_apart() -> None:
    """With one the arrow says done; with two it says which, and long names keep their limit."""
    chart = Chart(
        states=[
            {"name": "rest", "tags": ["settled"]},
            {
                "name": "busy",
                "invoke": [
                    {"src": "first", "on_done": "rest", "on_error": "rest"},
                    {"src": "second_" * 12, "timeout": 3, "on_done": "rest", "on_error": "rest"},
                ],
            },
        ],
        transitions=[["GO", "rest", "busy"]],
        initial="rest",
    )
    source = machine_of(chart).get_graph().source
    assert "first done" in source
    assert "first error" in source
    assert "3 s" in source


def test_a_time_limit_of_a_state_feature_is_shown() -> None:
    """Of a machine without a chart the markup's ``timeout`` is a line of the state."""

    @add_state_features(Timeout)
    class Limited(SettleMachine):
        """A machine whose states have a time limit."""

    machine = Limited(
        states=["a", {"name": "b", "timeout": 5, "on_timeout": "late"}],
        initial="a",
        show_state_attributes=True,
    )
    assert "timeout 5 s" in machine.get_graph().source
