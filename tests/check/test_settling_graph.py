"""The settling graph: places of rest, and every way between them as one edge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settlesim.chart import Chart
from settlesim.chart.settling_graph import SettlingEdge
from settlesim.check.settling_graph import settling_graph_of
from settlesim.gallery import CHARTS, count, donut, order, signup
from tests.settling.driving import chart_of, settled


def short(edge: SettlingEdge) -> str:
    """An edge in one line: services that failed carry an exclamation mark."""
    services = "".join(f" {name}{'!' * failed}" for name, failed in edge.services)
    guards = "".join(f" [{name}]" if said else f" [not {name}]" for name, said in edge.guards)
    return f"{'+'.join(edge.source)} {edge.event}{guards}{services} > {'+'.join(edge.target)}"


EXPECTED = {
    "count": (
        count,
        ["idle COUNT > even", "even COUNT wait! > even", "even COUNT wait wait > even"],
    ),
    "signup": (
        signup,
        [
            "new SIGN_UP send_email > waiting",
            "new SIGN_UP send_email! > undeliverable",
            "waiting RESEND [may_send_again] send_email > waiting",
            "waiting RESEND [may_send_again] send_email! > undeliverable",
            "waiting VERIFY [code_matches] > verified",
            "waiting EXPIRE > expired",
        ],
    ),
    "order": (
        order,
        [
            "new PAY charge_card > paid",
            "new PAY charge_card! > declined",
            "new CANCEL > cancelled",
            "paid SHIP print_label > shipped",
            "paid SHIP print_label! > paid",
            "paid CANCEL refund_card > refunded",
            "paid CANCEL refund_card! > paid",
        ],
    ),
    "donut": (
        donut,
        [
            "ordered BAKE sift whisk fry! > burnt",
            "ordered BAKE sift whisk fry > ready.plain",
            "ordered BAKE sift whisk! fry > ready.plain",
            "ready.plain GLAZE > ready.glazed",
            "ready.plain EAT > eaten",
            "ready.glazed EAT > eaten",
        ],
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_gallery_graphs_are_the_known_ones(name: str) -> None:
    """Services are collapsed into the edge; one edge with, one without a failure."""
    chart, edges = EXPECTED[name]
    graph = settling_graph_of(chart)
    assert [short(edge) for edge in graph.edges] == edges
    assert graph.start == (chart.initial_configuration,)
    assert graph.chart is chart


def test_edges_name_the_transitions_on_the_way() -> None:
    """They are positions in ``chart.edges``, in the order in which they fire."""
    (first, *_) = settling_graph_of(order).edges
    assert [order.edges[index].trigger for index in first.edges] == [
        "PAY",
        "done.invoke.charging.0",
    ]


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_a_graph_is_plain_json(chart: Chart) -> None:
    """It comes back from JSON text as it went in."""
    record = settling_graph_of(chart).to_dict()
    assert json.loads(json.dumps(record)) == record
    assert record["chart"] == chart.name
    assert [len(edge) for edge in record["edges"]] == [5] * len(record["edges"])


def test_a_start_may_lead_to_several_places() -> None:
    """A new instance takes its first event where its start comes to rest."""
    boot = {"name": "boot", "invoke": {"src": "work", "on_done": "good", "on_error": "poor"}}
    graph = settling_graph_of(chart_of([boot, settled("good"), settled("poor")]))
    assert graph.start == graph.nodes == (("good",), ("poor",))
    assert graph.edges == ()


def test_a_way_that_stalls_is_no_edge_and_a_cut_graph_is_what_was_found() -> None:
    """Only ways from rest to rest are drawn."""
    chart = chart_of([settled("a"), "limbo", settled("b")], [["X", "a", "limbo"], ["Y", "a", "b"]])
    assert [short(edge) for edge in settling_graph_of(chart).edges] == ["a Y > b"]
    assert settling_graph_of(chart, limit=2).edges == ()


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_the_graph_agrees_with_the_report(chart: Chart) -> None:
    """Its nodes are what is saved, what is rejected, and where a new instance starts."""
    report: Any = chart.check()
    graph = chart.settling_graph()
    assert set(graph.nodes) == {*report.settled, *report.rejected, *graph.start}


def test_a_graph_and_a_report_show_themselves() -> None:
    """With a text for those who see no picture."""
    assert settling_graph_of(count).draw() is not None
    assert "text/plain" in settling_graph_of(count)._repr_mimebundle_()
    assert "text/plain" in count.check()._repr_mimebundle_()
