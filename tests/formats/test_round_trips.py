"""A chart that is written in another format and read again is the chart that it was."""

from __future__ import annotations

import warnings
from typing import Any

from hypothesis import given, settings

from settlesim import Chart, export_chart, import_chart
from tests.formats.common import common_to_mermaid, common_to_xstate
from tests.strategies_charts import chart_records


def _again(chart: Chart, text: str) -> Chart:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return import_chart(text, settled=(), strict=True).chart


@settings(max_examples=200)
@given(chart_records(resting=True))
def test_xstate_keeps_what_both_can_say(record: dict[str, Any]) -> None:
    """Ours to XState to ours is identity there, and nothing more is lost the second time."""
    chart = common_to_xstate(Chart.from_dict(record))
    made = export_chart(chart, "xstate", strict=True)
    assert _again(chart, made.text) == chart


@settings(max_examples=200)
@given(chart_records(resting=True))
def test_mermaid_keeps_what_it_draws(record: dict[str, Any]) -> None:
    """Ours to Mermaid to ours is identity there, services and delays included."""
    chart = common_to_mermaid(Chart.from_dict(record))
    made = export_chart(chart, "mermaid", strict=True)
    assert _again(chart, made.text) == chart
