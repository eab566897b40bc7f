"""A chart that is written in another format and read again is the chart that it was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from settlesim import Chart, export_chart, import_chart
from settlesim.formats.exporting import ExportFormat
from tests.examples import scaled
from tests.formats.common import common_to_mermaid, common_to_scxml, common_to_xstate
from tests.strategies_charts import chart_records, scxml_records


def _again(text: str) -> Chart:
    found = import_chart(text, settled=())
    assert {loss.kind for loss in found.losses if loss.matters} <= {
        "region to region",  # kept, and named since XState has another rule for it
        "region order",
        "history from inside",
    }
    return found.chart


@settings(max_examples=scaled(30))
@given(scxml_records(resting=True) | chart_records(resting=True))
def test_xstate_keeps_what_both_can_say(record: dict[str, Any]) -> None:
    """Ours to XState to ours is identity there, and nothing more is lost the second time."""
    chart = common_to_xstate(Chart.from_dict(record))
    made = export_chart(chart, "xstate", strict=True)
    assert _again(made.text) == chart


@settings(max_examples=scaled(30))
@given(scxml_records(resting=True) | chart_records(resting=True))
def test_mermaid_keeps_what_it_draws(record: dict[str, Any]) -> None:
    """Ours to Mermaid to ours is identity there, services and delays included."""
    chart = common_to_mermaid(Chart.from_dict(record))
    made = export_chart(chart, "mermaid", strict=True)
    assert _again(made.text) == chart


@settings(max_examples=scaled(30))
@given(scxml_records(resting=True) | chart_records(resting=True))
def test_scxml_keeps_what_both_can_say(record: dict[str, Any]) -> None:
    """Ours to SCXML to ours is identity there: services, delays, history and functions too."""
    chart = common_to_scxml(Chart.from_dict(record))
    made = export_chart(chart, "scxml", strict=True)
    assert _again(made.text) == chart


IN_STATE: dict[str, Any] = {
    "name": "m",
    "initial": "p",
    "semantics": "scxml",
    "states": [
        {
            "name": "p",
            "parallel": [
                {"name": "q", "children": [{"name": "a"}, {"name": "b"}], "initial": "a"},
                {"name": "r", "children": [{"name": "c"}, {"name": "d"}], "initial": "c"},
            ],
        }
    ],
    "transitions": [
        {"trigger": "E", "source": "p.q.a", "dest": "p.q.b", "conditions": ["In(p.r.c)", "g"]},
        {"trigger": "F", "source": "p.q.a", "dest": "p.q.b", "unless": ["In(p.r.d)"]},
    ],
}


@pytest.mark.parametrize("format_", ["settlesim", "xstate", "scxml", "mermaid"])
def test_a_guard_that_asks_for_a_state_is_kept(format_: ExportFormat) -> None:
    """Each format says it in its own way."""
    chart = Chart.from_dict(IN_STATE)
    made = export_chart(chart, format_, strict=True)
    assert _again(made.text) == chart
