"""The sketch of a chart, with marks where the check refutes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from settlesim.chart import Chart
from settlesim.chart.report import Finding
from settlesim.check.contract import check_chart
from settlesim.machine.builder import machine_of
from settlesim.machine.sketch import LabelRow, LabelText, Sketch

__all__ = ["chart_sketch", "plain_sketch"]

_LIMIT: Final = 2_000
"""How many run states the check explores for a picture, in a few hundredths of a second."""
_WORDS: Final = {
    "SET101": "stops untagged",
    "SET102": "never stops",
    "SET103": "failure unhandled",
    "SET105": "starts untagged",
}
"""What is written into a state that the check refutes; its report has longer words."""


def chart_sketch(chart: Chart) -> Sketch:
    """Return the sketch of a chart, with marks on what `Chart.check` refutes; it is made once.

    A chart without any settled state has no contract, and so no marks.
    """
    if "sketch" not in chart.cache:
        plain = plain_sketch(chart)
        settles = any(vertex.rest is not None for vertex in plain.vertices.values())
        errors = check_chart(chart, limit=_LIMIT).errors if settles else ()
        chart.cache["sketch"] = _marked(plain, errors)
    found: Sketch = chart.cache["sketch"]
    return found


def plain_sketch(chart: Chart) -> Sketch:
    """Return the sketch of a chart without marks."""
    machine = machine_of(chart)
    graph: Any = machine.graph_cls(machine)
    found: Sketch = graph.sketch()
    return found


def _marked(sketch: Sketch, errors: Iterable[Finding]) -> Sketch:
    words: dict[str, dict[str, None]] = {}
    for error in errors:
        for name in error.states if error.code in _WORDS else ():
            words.setdefault(name, {})[_WORDS[error.code]] = None
    vertices = dict(sketch.vertices)
    for name, said in words.items():
        rows = (LabelRow((LabelText(each, "refuted"),), "alert") for each in said)
        vertices[name] = replace(vertices[name], rows=(*vertices[name].rows, *rows))
    return replace(sketch, vertices=vertices)
