"""Large charts: folded states, shared arrows, a direction that fits."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from settlesim.chart import Chart
from settlesim.display import Direction
from settlesim.errors import RenderError
from settlesim.gallery import CHARTS, donut, order
from settlesim.machine.sketch import Arc, Sketch
from settlesim.view.chart.chart_sketch import chart_sketch, plain_sketch
from settlesim.view.chart.reduced_sketch import bundled, folded
from tests.strategies_charts import charts
from tests.view.chart.test_diagram import SVG, by_id, with_class


def texts(element: ET.Element) -> list[str]:
    return [each.text or "" for each in element.iter(f"{SVG}text")]


def size(svg: str) -> tuple[float, float]:
    root = ET.fromstring(svg)
    return float(root.attrib["width"]), float(root.attrib["height"])


# --- bundles ------------------------------------------------------------------------------

PARALLEL = Chart(
    name="parallel",
    initial="a",
    states=[
        {"name": "a", "tags": "settled"},
        {"name": "b", "tags": "settled", "after": {"5": "a"}},
    ],
    transitions=[
        ["GO", "a", "b"],
        ["BACK", "b", "a"],
        {"trigger": "RUN", "source": "a", "dest": "b", "assign": "note"},
        ["LOOK", "a", "a"],
        ["STAY", "a", None],
    ],
)


def arrows(svg: str) -> int:
    groups = ET.fromstring(svg).iter(f"{SVG}g")
    return sum("edge" in each.get("class", "").split() and each.find(f"{SVG}path") is not None
               for each in groups)  # fmt: skip


def test_transitions_between_the_same_two_states_share_an_arrow() -> None:
    """Those of a kind; their labels stand below each other in the chart's order."""
    svg = PARALLEL.draw().svg
    assert arrows(svg) == 5  # the start, GO and RUN, BACK, LOOK, the delay
    assert texts(by_id(svg)["e0_label"]) == ["GO", "RUN", "/ note"]
    assert arrows(PARALLEL.draw(bundle=False).svg) == 6


def test_every_transition_of_a_bundle_has_its_id_and_its_words() -> None:
    """The first one gives its id to the arrow, the others have their lines."""
    found = by_id(PARALLEL.draw().svg)
    assert {f"e{index}" for index in range(len(PARALLEL.edges))} <= set(found)
    title = found["e0"].find(f"{SVG}title")
    assert title is not None
    assert title.text == "GO: a to b; RUN / note: a to b"
    assert texts(found["e2"]) == ["RUN", "/ note"]


def test_only_the_transition_that_was_taken_is_marked_in_a_bundle() -> None:
    """The arrow is the path, and one of its labels is underlined."""
    found = by_id(PARALLEL.draw(path=[2]).svg)
    assert "taken" in found["e0"].attrib["class"].split()
    lines = found["e0_label"].iter(f"{SVG}text")
    assert [each.text for each in lines if each.get("text-decoration")] == ["RUN", "/ note"]


@given(charts())
def test_a_bundle_loses_no_transition(chart: Chart) -> None:
    """Every transition is in one arrow, with its ends, its kind and all its text."""
    sketch = plain_sketch(chart)
    members = [each for arc in bundled(sketch).arcs for each in arc.bundle or (arc,)]
    assert sorted(members, key=lambda arc: arc.id) == sorted(sketch.arcs, key=lambda arc: arc.id)
    for arc in bundled(sketch).arcs:
        assert {(each.source, each.dest, each.kind) for each in arc.bundle} <= {
            (arc.source, arc.dest, arc.kind)
        }
        assert [row.runs for row in arc.rows] == [
            row.runs for each in arc.bundle or (arc,) for row in each.rows
        ]


# --- folded states ------------------------------------------------------------------------


def test_folded_state_shows_nothing_inside() -> None:
    """It says how much there is, and where an arrow comes from."""
    picture = donut.draw(collapse=["making"], legend=True)
    shown = {
        (each.find(f"{SVG}title") or ET.Element("x")).text
        for each in ET.fromstring(picture.svg).iter(f"{SVG}g")
    }
    assert not any((title or "").startswith("making.") for title in shown)
    words = texts(ET.fromstring(picture.svg))
    assert "7 states inside, 2 settled" in words
    assert "in frying" in words
    assert "states inside, not shown" in words


def test_instance_inside_of_a_folded_state_is_in_that_state() -> None:
    """Active leaves are shown as what they are folded into, once."""
    picture = donut.draw(collapse="making", configuration="making")
    [place] = with_class(picture.svg, "active")
    assert by_id(picture.svg)[place].find(f"{SVG}title") is not None
    assert "now in making." in picture.alt


def inside(sketch: Sketch, name: str, folds: set[str]) -> bool:
    return any(each in folds for each in [*sketch.above(name)][1:])


@given(charts())
def test_folding_keeps_every_arrow_between_what_is_shown(chart: Chart) -> None:
    """Naively: an arrow goes with both of its ends, unless both are in the same fold."""
    whole = plain_sketch(chart)
    inner = [name for name, vertex in whole.vertices.items() if vertex.children]
    folds = set(inner[:1] + inner[2:3])
    found = folded(whole, folds)
    outermost = {each for each in folds if not inside(whole, each, folds)}
    expected_names = {name for name in whole.vertices if not inside(whole, name, folds)}
    assert set(found.vertices) == expected_names

    def shown(name: str) -> str:
        return next((each for each in whole.above(name) if each in outermost), name)

    def is_kept(arc: Arc) -> bool:
        ends = [arc.source, arc.dest, *arc.more]
        if all(end in found.vertices for end in ends):
            return True
        return len({shown(end) for end in ends}) > 1

    assert [arc.id for arc in found.arcs] == [arc.id for arc in whole.arcs if is_kept(arc)]
    for arc in found.arcs:
        assert {arc.source, arc.dest, *arc.more} <= set(found.vertices)


@pytest.mark.parametrize(
    ("collapse", "message"),
    [
        (["makin"], "'makin', which is no state; did you mean 'making'?"),
        (["nowhere at all"], "which is no state; possible are making, making.mixing"),
        (["ordered"], "'ordered', which has no states inside"),
        ([3], "collapse names 3, which is no state"),
    ],
)
def test_what_cannot_be_folded_is_refused(collapse: Any, message: str) -> None:
    """With the nearest name."""
    with pytest.raises(RenderError) as caught:
        donut.draw(collapse=collapse)
    assert message in str(caught.value)


@pytest.mark.parametrize("suffix", ["dot", "mermaid", "pdf"])
def test_folded_chart_has_every_format(suffix: str) -> None:
    """Nothing inside is in the text of another format."""
    body = donut.draw(collapse=["making"]).render(suffix)
    assert isinstance(body, bytes) or ("making" in body and "sifting" not in body)


# --- direction and width ------------------------------------------------------------------


def chain(length: int) -> Chart:
    """A chart that is wide from left to right."""
    names = [f"station_{index}" for index in range(length)]
    return Chart(names, [["GO", one, other] for one, other in pairwise(names)], names[0])


def test_wide_chart_turns_top_down_where_its_text_could_not_be_read() -> None:
    """At the width of a cell, or at the one that is asked for; a direction is obeyed."""
    short, long = chain(3), chain(12)
    assert size(short.draw().svg) == size(short.draw(direction="LR").svg)
    assert size(long.draw().svg) == size(long.draw(direction="TB").svg)
    assert size(long.draw(width=4_000).svg) == size(long.draw(direction="LR").svg)
    assert size(short.draw(width=200).svg) == size(short.draw(direction="TB").svg)


@pytest.mark.parametrize("chart", CHARTS.values(), ids=str)
@pytest.mark.parametrize("width", [500, 900])
def test_text_of_the_gallery_has_nine_pixels_where_one_of_the_directions_fits(
    chart: Chart, width: float
) -> None:
    """The smallest text has ten units."""
    directions: tuple[Direction, ...] = ("LR", "TB")
    possible = [size(chart.draw(direction=each).svg)[0] for each in directions]
    found = size(chart.draw(width=width).svg)[0]
    assert found in possible
    if min(possible) * 0.9 <= width:
        assert found * 0.9 <= width


@pytest.mark.parametrize("width", [0, -5, float("nan"), 1e9])
def test_width_that_is_none_is_refused(width: float) -> None:
    """It is a number of pixels."""
    with pytest.raises(RenderError, match="pixels in"):
        order.draw(width=width)


# --- what the check refutes ---------------------------------------------------------------

LEAKY = Chart(
    name="leaky",
    states=[
        {"name": "open", "tags": ["settled"]},
        {"name": "asking", "invoke": {"src": "ask", "on_done": "waiting"}},
        {"name": "waiting"},
        {"name": "left", "always": "right"},
        {"name": "right", "always": "left"},
    ],
    transitions=[
        ["ASK", "open", "asking"],
        ["ANSWER", "waiting", "open"],
        ["SPIN", "open", "left"],
    ],
    initial="open",
)


def test_what_the_check_refutes_is_marked() -> None:
    """In a word on each state, in the legend, and in the text alternative."""
    picture = LEAKY.draw(legend=True)
    found = by_id(picture.svg)
    assert texts(found["n1"]) == ["asking", "ask", "failure unhandled"]
    assert texts(found["n2"]) == ["waiting", "stops untagged"]
    assert texts(found["n3"]) == ["left", "never stops"]
    assert "refuted by check in asking, waiting, left, right" in picture.alt
    assert "refuted by check: an event may end unsettled" in texts(ET.fromstring(picture.svg))


def test_a_chart_that_holds_has_no_mark() -> None:
    """And one without any settled state has no contract to break."""
    for chart in (*CHARTS.values(), Chart(["a", "b"], [["GO", "a", "b"]], "a")):
        roles = {
            run.role
            for vertex in chart_sketch(chart).vertices.values()
            for row in vertex.rows
            for run in row.runs
        }
        assert "refuted" not in roles


def test_a_start_that_stops_untagged_is_marked() -> None:
    """A new instance has worked, and may not rest there."""
    states = [{"name": "a", "on_enter": "note"}, {"name": "b", "tags": "settled"}]
    chart = Chart.from_dict({"states": states, "transitions": [["GO", "a", "b"]], "initial": "a"})
    assert "starts untagged" in texts(by_id(chart.draw().svg)["n0"])


# --- transitions that stay ----------------------------------------------------------------


def test_transition_that_stays_says_so_where_it_stands() -> None:
    """In its state, in the tooltip, in the legend; a self-transition is another sign."""
    svg = PARALLEL.draw(legend=True).svg
    found = by_id(svg)
    assert texts(found["e4"]) == ["STAY", "stays"]
    title = found["e4"].find(f"{SVG}title")
    assert title is not None
    assert title.text == "STAY stays: a is neither left nor entered"
    legend = texts(ET.fromstring(svg))
    assert "the state is neither left nor entered" in legend
    assert "self-transition: left and entered again" in legend


def test_self_transition_and_its_twin_that_stays_differ_in_the_settling_graph() -> None:
    """One is an arrow, the other a line in its state."""
    graph = PARALLEL.settling_graph()
    found = by_id(graph.draw().svg)
    events = {edge.event: f"e{index}" for index, edge in enumerate(graph.edges)}
    assert "internal" in found[events["STAY"]].attrib["class"].split()
    assert texts(found[events["STAY"]]) == ["STAY", "stays"]
    assert found[events["LOOK"]].find(f"{SVG}path") is not None
