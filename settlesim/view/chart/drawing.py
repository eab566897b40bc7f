"""From a sketch to a picture: what all diagrams have in common."""

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
from settlesim.view.chart.reduced_sketch import bundled
from settlesim.view.fonts import uncovered
from settlesim.view.graphviz.layout import Layout, layout_of
from settlesim.view.graphviz.render import TIMEOUT, render
from settlesim.view.svg.page import LEAST_SCALE
from settlesim.view.svg.palette import follows_page, palette_of
from settlesim.view.svg.picture import Picture, format_of
from settlesim.view.svg.png import check_scale, warn_of_glyphs

__all__ = ["CELL", "Drawing", "Options"]

CELL: Final = 900.0
"""The width of a notebook's cell, in pixels, if the window has about 1,300."""
_DIRECTIONS: Final = ("LR", "TB")
_WIDEST: Final = 100_000
_FRAME: Final = 44.0
"""By how much a picture is wider than its layout."""


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
    direction: Direction | None = None
    width: float = CELL
    bundle: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.width <= _WIDEST:
            raise RenderError(f"width is {self.width!r}; pixels in (0, {_WIDEST:,}] are needed")
        if self.direction is not None and self.direction not in _DIRECTIONS:
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
    """A cache of the DOT texts of this sketch."""
    leaves: tuple[str, ...]
    """The names of the active vertices."""
    path: tuple[str, ...]
    """The ids of the arcs just taken, in order."""
    options: Options

    def picture(self, target: str | os.PathLike[str] | None = None) -> Picture:
        """Return the picture; with `target`, also write it to a file.

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
            made.render(wanted or "svg")  # raises here, not when a notebook displays the picture
        return made

    def _picture(self) -> Picture:
        titles = {arc.id: arc_title(arc) for arc in self.sketch.arcs}
        steps = [titles[id_] for id_ in self.path]
        alt = alternative(self.what, self.sketch, self.leaves, steps)
        palette = palette_of(self.options.theme)
        makers: dict[str, Callable[[], str | bytes]] = {
            "svg": lambda: frame_chart(
                self.shown,
                self.layout,
                self.highlight,
                ChartFrame(palette, self.options.title, self.options.legend, alt),
            ),
            "pdf": self._pdf,
            "dot": lambda: self._dot(self.options.direction or "LR", labels=True),
            "mermaid": lambda: mermaid_of(
                self.sketch, self.highlight, palette, self.options.direction or "LR"
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
    def shown(self) -> Sketch:
        """What is painted: the sketch, with bundled arrows if the options say so."""
        return bundled(self.sketch) if self.options.bundle else self.sketch

    @property
    def layout(self) -> Layout:
        """The positions of everything that is painted."""
        return self._turned[1]

    @cached_property
    def _turned(self) -> tuple[Direction, Layout]:
        """The direction and the layout.

        Unless a direction is asked for, it is left to right; or top to bottom, if text would be
        too small at the options' width otherwise, and the picture becomes narrower.
        """
        chosen = self.options.direction
        if chosen is not None:
            return chosen, self._laid_out(chosen)
        across = self._laid_out("LR")
        if (across.width + _FRAME) * LEAST_SCALE <= self.options.width:
            return "LR", across
        try:
            down = self._laid_out("TB")
        except RenderError:  # the other direction works
            return "LR", across
        return ("TB", down) if down.width < across.width else ("LR", across)

    def _laid_out(self, direction: Direction) -> Layout:
        """Lay it out; without labels on the arrows if Graphviz fails with them."""
        try:
            return self._layout(direction, labels=True)
        except LayoutTimeoutError:
            raise
        except RenderError:
            return self._layout(direction, labels=False)

    def _layout(self, direction: Direction, *, labels: bool) -> Layout:
        key = f"source {direction} {labels} {self.options.bundle}"
        if key not in self.kept:
            self.kept[key] = self._source(direction, labels)
        layout = layout_of(self._render(self.kept[key], "json"))
        places = {*layout.boxes, *layout.lines}
        wanted = [vertex.id for vertex in self.shown.vertices.values()]
        wanted += [arc.id for arc in self.shown.arcs if not arc.internal]
        wanted += [id_ for arc in self.shown.arcs for id_ in arc.branches]
        missing = [id_ for id_ in wanted if id_ not in places]
        if missing:
            parts = "1 part" if len(missing) == 1 else f"{len(missing)} parts"
            raise RenderError(f"Graphviz left out {parts} of the chart")
        return layout

    def _source(self, direction: Direction, labels: bool) -> str:
        graph = self._graph(direction)
        graph.signs = True
        return str(graph.digraph(self.shown, labels=labels).source)

    def _graph(self, direction: Direction) -> Any:
        machine = machine_of(self.chart)
        graph: Any = machine.graph_cls(machine)
        graph.direction = direction
        return graph

    def _dot(self, direction: Direction, *, labels: bool) -> str:
        graph = self._graph(direction)
        graph.colours = palette_of(self.options.theme)
        graph.taken = self.path
        for name in self.highlight.active:
            graph.set_node_style(name, "active")
        return str(graph.digraph(self.shown, title=self.options.title, labels=labels).source)

    def _pdf(self) -> bytes:
        texts = (run.text for rows in self._rows() for row in rows for run in row.runs)
        missing = sorted({each for text in texts for each in uncovered(text)})
        if missing:
            warn_of_glyphs(
                missing, "PDF", "our font does not have them, and Graphviz is given no other one"
            )
        direction = self._turned[0]
        try:
            self._layout(direction, labels=True)
            labels = True
        except LayoutTimeoutError:
            raise
        except RenderError:
            labels = False
        return self._render(self._dot(direction, labels=labels), "pdf")

    def _rows(self) -> Iterator[tuple[LabelRow, ...]]:
        yield from (arc.rows for arc in self.sketch.arcs)
        yield from (vertex.rows for vertex in self.sketch.vertices.values())

    def _render(self, source: str, kind: Literal["json", "pdf"]) -> bytes:
        return render(source, kind, renderer=self.options.renderer, timeout=self.options.timeout)
