"""From a sketch to a picture: the part that every diagram has in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from settlesim.chart import Chart
from settlesim.display import Direction, Theme
from settlesim.errors import LayoutTimeoutError, RenderError
from settlesim.machine.builder import machine_of
from settlesim.machine.sketch import LabelRow, Sketch
from settlesim.view.chart.description import alternative, arc_title
from settlesim.view.chart.frame import ChartFrame, frame_chart
from settlesim.view.chart.highlights import Highlight
from settlesim.view.chart.mermaid import mermaid_of
from settlesim.view.fonts import uncovered
from settlesim.view.graphviz.layout import Layout, layout_of
from settlesim.view.graphviz.render import TIMEOUT, render
from settlesim.view.svg.palette import follows_page, palette_of
from settlesim.view.svg.picture import Picture, format_of
from settlesim.view.svg.png import check_scale, warn_of_glyphs

__all__ = ["Drawing", "Options"]

_DIRECTIONS: Final = ("LR", "TB")


@dataclass(frozen=True, slots=True)
class Options:
    """The options that every diagram takes; `settlesim.view.draw` says what they mean."""

    format: str | None = None
    theme: Theme | None = None
    legend: bool = False
    title: str | None = None
    scale: float | None = None
    renderer: str | None = None
    timeout: float = TIMEOUT
    direction: Direction = "LR"

    def __post_init__(self) -> None:
        if self.direction not in _DIRECTIONS:
            raise RenderError(f"direction is {self.direction!r}; 'LR' or 'TB' is needed")
        check_scale(self.scale)
        palette_of(self.theme)

    def wanted(self, target: str | os.PathLike[str] | None) -> str | None:
        """Return the format that is asked for, by name or by the suffix of `target`."""
        if self.format is not None:
            return format_of(self.format)
        if target is None:
            return None
        return format_of(os.path.splitext(os.fspath(target))[1] or os.fspath(target))


@dataclass(frozen=True)
class Drawing:
    """A sketch with what is highlighted in it, on its way to a picture."""

    what: str
    """How the text alternative introduces the picture."""
    chart: Chart
    """The chart whose machine makes the DOT text."""
    sketch: Sketch
    kept: dict[str, Any]
    """What was made once for this sketch, by name."""
    leaves: tuple[str, ...]
    """The names of the active vertices."""
    path: tuple[str, ...]
    """The ids of the arcs just taken, in order."""
    options: Options

    def picture(self, target: str | os.PathLike[str] | None = None) -> Picture:
        """Return the picture, and write it to `target` where that is given.

        Raises
        ------
        RenderError
            It cannot be laid out, or the file cannot be written.
        """
        wanted = self.options.wanted(target)
        made = self._picture()
        if target is not None:
            made.save(target, wanted)
        else:
            made.render(wanted or "svg")  # an error shows here, and not when a notebook prints
        return made

    def _picture(self) -> Picture:
        titles = {arc.id: arc_title(arc) for arc in self.sketch.arcs}
        steps = [titles[id_] for id_ in self.path]
        alt = alternative(self.what, self.sketch, self.leaves, steps)
        palette = palette_of(self.options.theme)
        makers: dict[str, Callable[[], str | bytes]] = {
            "svg": lambda: frame_chart(
                self.sketch,
                self.layout,
                self.highlight,
                ChartFrame(palette, self.options.title, self.options.legend, alt),
            ),
            "pdf": self._pdf,
            "dot": lambda: self._dot(labels=True),
            "mermaid": lambda: mermaid_of(
                self.sketch, self.highlight, palette, self.options.direction
            ),
        }
        return Picture(
            alt,
            makers,
            scale=self.options.scale,
            follows_page=follows_page(self.options.theme),
        )

    @cached_property
    def highlight(self) -> Highlight:
        """What is active, with everything around it."""
        names = (name for leaf in self.leaves for name in self.sketch.above(leaf))
        return Highlight(frozenset(names), self.path)

    @cached_property
    def layout(self) -> Layout:
        """Where everything is; without labels on the arrows where it does not work with them."""
        try:
            return self._layout(labels=True)
        except LayoutTimeoutError:
            raise
        except RenderError:
            return self._layout(labels=False)

    def _layout(self, *, labels: bool) -> Layout:
        key = f"source {self.options.direction} {labels}"
        if key not in self.kept:
            self.kept[key] = self._source(labels)
        layout = layout_of(self._render(self.kept[key], "json"))
        places = {*layout.boxes, *layout.lines}
        wanted = [vertex.id for vertex in self.sketch.vertices.values()]
        wanted += [arc.id for arc in self.sketch.arcs if not arc.internal]
        wanted += [id_ for arc in self.sketch.arcs for id_ in arc.branches]
        missing = [id_ for id_ in wanted if id_ not in places]
        if missing:
            raise RenderError(f"Graphviz left out {len(missing)} parts of the chart")
        return layout

    def _source(self, labels: bool) -> str:
        graph = self._graph()
        graph.signs = True
        return str(graph.digraph(self.sketch, labels=labels).source)

    def _graph(self) -> Any:
        machine = machine_of(self.chart)
        graph: Any = machine.graph_cls(machine)
        graph.direction = self.options.direction
        return graph

    def _dot(self, *, labels: bool) -> str:
        graph = self._graph()
        graph.colours = palette_of(self.options.theme)
        graph.taken = self.path
        for name in self.highlight.active:
            graph.set_node_style(name, "active")
        return str(graph.digraph(self.sketch, title=self.options.title, labels=labels).source)

    def _pdf(self) -> bytes:
        texts = (run.text for rows in self._rows() for row in rows for run in row.runs)
        missing = sorted({each for text in texts for each in uncovered(text)})
        if missing:
            warn_of_glyphs(
                missing, "PDF", "our font has not got them, and Graphviz is given no other one"
            )
        try:
            self._layout(labels=True)
            labels = True
        except LayoutTimeoutError:
            raise
        except RenderError:
            labels = False
        return self._render(self._dot(labels=labels), "pdf")

    def _rows(self) -> Iterator[tuple[LabelRow, ...]]:
        yield from (arc.rows for arc in self.sketch.arcs)
        yield from (vertex.rows for vertex in self.sketch.vertices.values())

    def _render(self, source: str, kind: Literal["json", "pdf"]) -> bytes:
        return render(source, kind, renderer=self.options.renderer, timeout=self.options.timeout)
