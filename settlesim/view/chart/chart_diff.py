"""``chart.diff(other).draw()``: both charts in one picture, with what is new, gone and changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.chart import Chart
from settlesim.chart.diff import ChartDiff
from settlesim.chart.edge_pairs import EdgePair, edge_groups
from settlesim.display import DiagramOptions
from settlesim.errors import RenderError
from settlesim.machine.sketch import Arc, LabelRow, LabelText, Sketch, Vertex
from settlesim.machine.sketcher import text_rows
from settlesim.view.chart.chart_sketch import plain_sketch
from settlesim.view.chart.description import shortened_list
from settlesim.view.chart.drawing import Drawing, Options
from settlesim.view.chart.frame import ChartFrame, frame_chart
from settlesim.view.chart.highlights import MARK_SIGNS, MARK_WORDS, Highlight, Mark
from settlesim.view.svg.palette import follows_page, palette_of
from settlesim.view.svg.picture import Picture, format_of

__all__ = ["draw_diff"]

_MAX_LINES: Final = 4
"""How many changes of one state, or of the chart as a whole, are written out."""


@display.draw.register
@takes_options(DiagramOptions)
def draw_diff(
    value: ChartDiff,
    target: str | os.PathLike[str] | None = None,
    **options: Unpack[DiagramOptions],
) -> Picture:
    """Return the picture of a diff; with `target`, also write it to a file.

    It shows the states and transitions of both charts. What is new has a plus sign, what is gone a
    minus sign and text that is struck through, what is changed a tilde; colours only repeat that.
    If the diff knows the instances of a store, each state has their number.

    Parameters
    ----------
    target : a file's path, whose suffix is the format: svg, png
    format, theme, legend, title, scale, renderer, timeout, direction, width
        As `settlesim.view.draw`; the legend is shown, and the title is the diff's heading.

    Raises
    ------
    RenderError
        As `settlesim.view.draw`, and for a format that is neither svg nor png.
    """
    given: DiagramOptions = {"legend": True, "title": value.heading, **options}
    chosen = Options(**given, bundle=False)
    wanted = chosen.wanted(target)
    merged = _Merged.of(value)
    layout = Drawing(
        "", value.new, merged.sketch, kept={}, leaves=(), path=(), options=chosen
    ).layout
    frame = ChartFrame(
        palette_of(chosen.theme), chosen.title, chosen.legend, _alternative(value), _notes(value)
    )

    def paint() -> str:
        return frame_chart(merged.sketch, layout, merged.highlight, frame)

    made = Picture(
        frame.alternative,
        {"svg": paint},
        scale=chosen.scale,
        follows_page=follows_page(chosen.theme),
    )
    if target is not None:
        made.save(target, wanted)
    else:
        made.render(format_of(wanted or "svg"))
    return made


@display.mimebundle.register
def _(value: ChartDiff) -> dict[str, Any]:
    text = str(value)
    try:
        return {**draw_diff(value)._repr_mimebundle_(), "text/plain": text}
    except RenderError as error:
        return {"text/plain": f"{text}\n(not drawn: {error})"}


def _alternative(diff: ChartDiff) -> str:
    parts = [f"Diff of {diff.heading}"]
    names = [
        *dict.fromkeys([*(n.name for n in diff.new.states), *(n.name for n in diff.old.states)])
    ]
    for status, word in (("added", "new"), ("removed", "gone"), ("changed", "changed")):
        found = [name for name in names if diff.status(name) == status]
        if found:
            parts.append(f"{word}: {shortened_list(found)}")
    return "; ".join(parts) + "."


def _notes(diff: ChartDiff) -> tuple[str, ...]:
    """Return what changes in the chart as a whole, which no state or transition shows."""
    lines = [*_few([str(each) for each in diff if each.state is None])]
    counts = {} if diff.instances is None else diff.instances.by_state
    unknown = [name for name in counts if name not in diff.old and name not in diff.new]
    if unknown:
        number = sum(counts[name].stored for name in unknown)
        lines.append(f"{number:,} stored in states of neither chart: {shortened_list(unknown)}")
    return tuple(lines)


def _few(lines: Sequence[str]) -> tuple[str, ...]:
    if len(lines) <= _MAX_LINES:
        return tuple(lines)
    return (*lines[: _MAX_LINES - 1], f"and {len(lines) - _MAX_LINES + 1} more changes")


@dataclass(frozen=True, slots=True)
class _Merged:
    """One sketch of two charts, and what is marked in it."""

    sketch: Sketch
    highlight: Highlight

    @classmethod
    def of(cls, diff: ChartDiff) -> _Merged:
        old, new = plain_sketch(diff.old), plain_sketch(diff.new)
        vertices, marks = _vertices(diff, old, new)
        arcs: list[Arc] = []
        for arc, mark in _arcs(diff, old, new):
            made = replace(arc, id=f"e{len(arcs)}")
            if mark is not None:
                marks[made.id] = mark
                if made.internal:  # there is no arrow to put a sign on
                    made = replace(made, rows=(_mark_row(mark), *made.rows))
            arcs.append(made)
        return cls(Sketch(vertices, tuple(arcs), new.initial), Highlight(marks=marks))


# --- states -------------------------------------------------------------------------------


def _vertices(
    diff: ChartDiff, old: Sketch, new: Sketch
) -> tuple[dict[str, Vertex], dict[str, Mark]]:
    vertices: dict[str, Vertex] = {}
    marks: dict[str, Mark] = {}
    for name in _names(None, old, new):
        now = new.vertices.get(name)
        made = replace(
            now if now is not None else old.vertices[name],
            id=f"n{len(vertices)}",
            children=_children(name, old, new),
        )
        status = diff.status(name)
        rows = list(made.rows)
        if status != "same":
            marks[made.id] = status
            rows.insert(0, _mark_row(status))
        if status == "changed":
            rows += _changed_rows(diff, name, wide=bool(made.children))
        rows += _count_rows(diff, name)
        vertices[name] = replace(made, rows=tuple(rows))
    return vertices, marks


def _names(parent: str | None, old: Sketch, new: Sketch) -> Iterator[str]:
    """Yield the states of both charts, parents before children."""
    for name in _children(parent, old, new):
        yield name
        yield from _names(name, old, new)


def _children(parent: str | None, old: Sketch, new: Sketch) -> tuple[str, ...]:
    """Return the states within a state in either chart, those of the newer chart first."""
    both = (each for sketch in (new, old) for each in sketch.vertices.values())
    return tuple(dict.fromkeys(each.name for each in both if each.parent == parent))


def _mark_row(mark: Mark) -> LabelRow:
    return LabelRow((LabelText(MARK_WORDS[mark], mark),), MARK_SIGNS[mark])


def _changed_rows(diff: ChartDiff, state: str, *, wide: bool) -> Iterator[LabelRow]:
    """Say within a state what is changed in it, without its name.

    Parameters
    ----------
    wide : whether the lines are followed by a gap, which they need at the left of a group
    """
    of_state = (each for each in diff if each.state == state)
    for line in _few([each.phrase for each in of_state if each.about in ("state", "service")]):
        for row in text_rows(line, "word"):
            text = row.runs[0].text + "\N{NO-BREAK SPACE}" * 4 * wide
            yield LabelRow((LabelText(text, "word"),))


def _count_rows(diff: ChartDiff, state: str) -> Iterator[LabelRow]:
    """Say within a state how many instances are in it."""
    count = None if diff.instances is None else diff.instances.by_state.get(state)
    if count is None:
        return
    if count.stored > count.stranded:
        yield LabelRow((LabelText(f"{count.stored - count.stranded:,} stored", "stored"),))
    if count.stranded:
        yield LabelRow((LabelText(f"{count.stranded:,} stranded", "stranded"),), "alert")
    for after, number in count.moved:
        yield LabelRow((LabelText(f"{number:,} go on in {after}", "stored"),))


# --- transitions --------------------------------------------------------------------------


def _arcs(diff: ChartDiff, old: Sketch, new: Sketch) -> Iterator[tuple[Arc, Mark | None]]:
    of_old, of_new = ({arc.id: arc for arc in each.arcs} for each in (old, new))
    for group in edge_groups(diff.old, diff.new):
        for pair in group.pairs:
            was, now = of_old.get(f"e{pair.old_index}"), of_new.get(f"e{pair.new_index}")
            if was is not None and now is not None and _same_ends(was, now):
                yield _one_arc(was, now, _changed(diff, pair) or group.reordered)
                continue
            if was is not None:
                yield was, "removed"
            if now is not None:
                yield now, "added"


def _same_ends(was: Arc, now: Arc) -> bool:
    return (was.dest, was.more, was.internal) == (now.dest, now.more, now.internal)


def _changed(diff: ChartDiff, pair: EdgePair) -> bool:
    """Whether a transition has other guards, functions or seconds."""
    return pair.edited or _seconds(diff.old, pair.old) != _seconds(diff.new, pair.new)


def _seconds(chart: Chart, edge: Any) -> float | None:
    delays = chart.node(edge.source).after
    return next((each.seconds for each in delays if each.trigger == edge.trigger), None)


def _one_arc(was: Arc, now: Arc, changed: bool) -> tuple[Arc, Mark | None]:
    """Return an arc of both charts; an old label that differs is kept, to be struck through."""
    if not changed:
        return now, None
    if _text(was) == _text(now):
        return now, "changed"
    before = [
        LabelRow(tuple(LabelText(run.text, "was") for run in row.runs))
        for row in was.rows
        if row not in now.rows
    ]
    return replace(now, rows=(*now.rows, *before)), "changed"


def _text(arc: Arc) -> list[str]:
    return [run.text for row in arc.rows for run in row.runs]
