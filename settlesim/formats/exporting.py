"""`export_chart`: writes a chart in another format, and reports what that cannot carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from settlesim.chart import Chart
from settlesim.errors import DefinitionError, Problem, ReadError, shorten
from settlesim.formats.losses import Loss, Losses
from settlesim.formats.to_mermaid import chart_to_mermaid
from settlesim.formats.to_scxml import chart_to_scxml
from settlesim.formats.to_xstate import chart_to_xstate

__all__ = ["EXPORTS", "ExportFormat", "ExportedChart", "export_chart"]

ExportFormat = Literal["settlesim", "xstate", "scxml", "mermaid"]


@dataclass(frozen=True, slots=True)
class ExportedChart:
    """The text of a chart in another format, and what was left out."""

    text: str
    format: ExportFormat
    losses: tuple[Loss, ...]
    """What the format cannot carry, by kind; kinds that matter come first."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence for each kind of loss that matters."""
        return tuple(str(loss) for loss in self.losses if loss.matters)


def export_chart(
    chart: Chart,
    format: ExportFormat,  # noqa: A002
    *,
    strict: bool = False,
) -> ExportedChart:
    """Write a chart in another format.

    Parameters
    ----------
    format : ``"settlesim"``, ``"xstate"`` (v5), ``"scxml"`` or ``"mermaid"``
    strict : whether everything that would be left out is an error

    Raises
    ------
    DefinitionError
        `strict`, and the format cannot carry everything.

    Examples
    --------
    >>> from settlesim import Chart
    >>> chart = Chart(["off", "on"], [["PUSH", "off", "on"]], "off", name="lamp")
    >>> print(export_chart(chart, "xstate").text)
    {
      "id": "lamp",
      "initial": "off",
      "states": {
        "off": {
          "on": {
            "PUSH": [
              {
                "target": "on"
              }
            ]
          }
        },
        "on": {}
      }
    }
    """
    if format not in EXPORTS:
        raise ReadError(
            source="export_chart",
            reason=f"format is {shorten(format)}; known are {', '.join(EXPORTS)}",
        )
    losses = Losses()
    text = _WRITERS[format](chart, losses)
    found = ExportedChart(text, format, losses.listed())
    if strict and found.left_out:
        problems = tuple(Problem(format, f"would be left out: {each}") for each in found.left_out)
        raise DefinitionError(problems=problems, chart=chart.name)
    return found


EXPORTS: Final[Mapping[ExportFormat, str]] = {
    "settlesim": ".json",
    "xstate": ".xstate.json",
    "scxml": ".scxml",
    "mermaid": ".mmd",
}
"""Every format that can be written, with the suffix of its files."""


def _pretty(record: object) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_WRITERS: Final[Mapping[ExportFormat, Callable[[Chart, Losses], str]]] = {
    "settlesim": lambda chart, losses: _pretty(chart.to_dict()),
    "xstate": lambda chart, losses: _pretty(chart_to_xstate(chart, losses)),
    "scxml": chart_to_scxml,
    "mermaid": chart_to_mermaid,
}
