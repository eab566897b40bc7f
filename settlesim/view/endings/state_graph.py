"""`state_graph`: every state of a small scenario, and which endings it can still reach."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from xml.etree import ElementTree as ET

from settlesim.chart.strict_json import encode
from settlesim.display import Theme
from settlesim.errors import RenderError
from settlesim.machine.labels import FONT, plain_label
from settlesim.sim.explore import Exploration
from settlesim.sim.model import State
from settlesim.sim.models import model_of
from settlesim.sim.replays import replay
from settlesim.sim.schedule import Schedule
from settlesim.sim.terms import Ending, Frame, Kind, Step
from settlesim.view.fonts import text_width
from settlesim.view.graphviz.layout import Layout, Point, layout_of
from settlesim.view.graphviz.render import TIMEOUT, render
from settlesim.view.simulation.judgement import MEANINGS, paint_sort, sort_of
from settlesim.view.simulation.key import (
    Sign,
    badge_sign,
    key_height,
    line_sign,
    paint_key,
    sort_signs,
    step_signs,
)
from settlesim.view.simulation.words import Label, events_words, labels_of, plural, scenario_words
from settlesim.view.svg.card import MARGIN, Look, new_card, title_height
from settlesim.view.svg.palette import Palette
from settlesim.view.svg.picture import Picture
from settlesim.view.svg.shapes import add, circle, curve, group, number, polygon, stroke
from settlesim.view.svg.shapes import text as write
from settlesim.view.svg.text_fitting import cut

__all__ = ["MOST", "state_graph"]

MOST: Final = 150
"""A graph of more states cannot be read."""
_SMALL: Final = 11.0
_NAME: Final = 170.0
_END: Final = 22.0
"""Where the name of an ending begins, right of its sign."""

Outlook = Literal["safe", "open", "lost"]

_MEANINGS: Final[dict[Outlook, str]] = {
    "safe": "only the right ending is left",
    "open": "right and wrong endings are left",
    "lost": "no right ending is left",
}


@dataclass
class _Graph:
    """The states in order of discovery, the steps between them, and the endings within reach."""

    states: dict[State, int] = field(default_factory=dict)
    paths: list[tuple[Step, ...]] = field(default_factory=list)
    steps: list[tuple[int, Step, int]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    endings: dict[int, Ending] = field(default_factory=dict)
    """The endings of the states without further steps."""
    right: dict[int, bool] = field(default_factory=dict)
    """For the same states: whether the scenario's criterion allows the ending."""
    names: dict[int, Label] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)
    """For the same states: the first state with the same ending, which is drawn for all of them."""
    outlooks: list[Outlook] = field(default_factory=list)

    def drawn_for(self, at: int) -> int:
        """Return the state that is drawn for a state: itself, or one with the same ending."""
        return self.drawn.get(at, at)


def state_graph(
    value: Exploration,
    target: str | os.PathLike[str] | None = None,
    *,
    limit: int = MOST,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
    renderer: str | None = None,
    timeout: float = TIMEOUT,
) -> Picture:
    """Return all states of a small scenario, layer by layer, with the steps between them.

    A diamond is a state from which no right ending can be reached: the step that leads to the
    first diamond is the one that went wrong. Last states with the same ending are drawn as one.

    Parameters
    ----------
    value
        An exploration of at most `limit` states.
    target : a file's path, whose suffix is the format: svg, png
    limit : the largest number of states that is drawn
    format : the format of `target`, where its suffix does not say it
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    title : a line above; None for the conditions of the scenario
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture
    renderer : as `settlesim.view.draw`
    timeout : seconds after which the layout is stopped

    Raises
    ------
    RenderError
        There are too many states, an option is wrong, or the file cannot be written.
    LayoutTimeoutError
        The layout took too long.
    RendererMissingError
        Nothing that lays out graphs is installed.
    """
    look = Look(format, theme, title, scale)
    if not value.complete or value.states > limit:
        least = "" if value.complete else "more than "
        raise RenderError(
            f"this scenario has {least}{value.states:,} states; a graph of more than {limit:,} "
            "cannot be read. Take fewer events, workers or faults, or draw the endings."
        )
    found = _search(value)
    if title is None:
        title = f"{events_words(value.scenario)}: {scenario_words(value.scenario)}"
    layout = layout_of(render(_source(found), "json", renderer=renderer, timeout=timeout))
    kinds = {each: found.outlooks.count(each) for each in _MEANINGS}
    alt = (
        f"{title}: {plural(len(found.states), 'state')}, {plural(len(found.steps), 'step')}, "
        f"{plural(len(found.endings), 'last state')} with {_endings_words(found)}. "
        + "; ".join(f"{plural(n, 'state')}: {_MEANINGS[each]}" for each, n in kinds.items() if n)
        + "."
    )
    return look.picture(alt, lambda: _compose(found, layout, look.palette, title, alt), target)


def _endings_words(found: _Graph) -> str:
    """Name the endings, each with its judgement."""
    parts = [
        f"{found.names[at][0]} ({found.names[at][1]}), {MEANINGS[sort_of(ending)]}"
        for at, ending in found.endings.items()
        if found.drawn_for(at) == at
    ]
    return f"{plural(len(parts), 'ending')}: {'; '.join(parts)}"


def _search(value: Exploration) -> _Graph:
    """Walk through all states, breadth first."""
    model = model_of(value.scenario)
    found = _Graph(states={model.start: 0}, paths=[()])
    for state, at in _growing(found.states):
        for step, after in model.successors(state):
            if after not in found.states:
                found.states[after] = len(found.paths)
                found.paths.append((*found.paths[at], step))
            found.steps.append((at, step, found.states[after]))
    for at, path in enumerate(found.paths):
        played = replay(value.scenario, Schedule(path))
        found.frames.append(played.frames[-1])
        if played.ending is not None:
            found.endings[at] = played.ending
            found.right[at] = value.allowed(played.ending) is True
    events = [each.words for each in value.scenario.messages]
    _name(found, events)
    found.outlooks = _outlooks(found)
    return found


def _name(found: _Graph, events: Sequence[str]) -> None:
    """Name the endings; of states with the same ending, only the first is drawn."""
    firsts: dict[str, int] = {}
    for at, each in found.endings.items():
        lying = [[key, *leaves, encode(context)] for key, leaves, context in each.store]
        identity = repr((lying, each.effects, each.dead, each.excluded))
        found.drawn[at] = firsts.setdefault(identity, at)
    endings = [found.endings[at] for at in firsts.values()]
    labels = dict(zip(firsts.values(), labels_of(endings, events), strict=True))
    found.names = {at: labels[first] for at, first in found.drawn.items()}


def _growing(states: dict[State, int]) -> Iterable[tuple[State, int]]:
    """Yield the states, including those that are added meanwhile."""
    done = 0
    while done < len(states):
        for state, at in list(states.items())[done:]:
            done += 1
            yield state, at


def _outlooks(found: _Graph) -> list[Outlook]:
    """Return for each state which endings are left."""
    left: list[set[bool]] = [set() for _ in found.paths]
    for at, right in found.right.items():
        left[at].add(right)
    changed = True
    while changed:
        changed = False
        for source, _, dest in reversed(found.steps):
            if not left[dest] <= left[source]:
                left[source] |= left[dest]
                changed = True
    names: dict[tuple[bool, ...], Outlook] = {(True,): "safe", (False,): "lost"}
    return [names.get(tuple(sorted(each)), "open") for each in left]


def _step_words(found: _Graph, source: int, step: Step, dest: int) -> str:
    """Name a step, with what it saves or which service has its effect."""
    before, after = found.frames[source], found.frames[dest]
    if step.kind is Kind.SAVE:
        was = {each.key: each.configuration for each in before.store}
        now = [each for each in after.store if was.get(each.key) != each.configuration]
        words = ", ".join(" + ".join(each.configuration) for each in now)
        return f"{step.name} {words}".rstrip()
    if step.kind in {Kind.CALL, Kind.EFFECT} and len(after.effects) > len(before.effects):
        return f"{step.name} {after.effects[-1][1]}"
    return step.name


def _source(found: _Graph) -> str:
    import graphviz

    graph = graphviz.Digraph(
        graph_attr={"rankdir": "TB", "nodesep": "0.3", "ranksep": "0.12", "fontname": FONT},
        node_attr={"shape": "circle", "fixedsize": "true", "width": "0.2", "label": ""},
        edge_attr={"fontname": FONT, "fontsize": "11", "arrowsize": "0.6"},
    )
    for at in range(len(found.paths)):
        if found.drawn_for(at) != at:
            continue
        size = {}
        if at in found.endings:  # room for its name, beside the sign
            wide = (_END + _name_width(found.names[at]) + 6) / 72
            size = {"shape": "box", "width": f"{wide:.3f}", "height": "0.45"}
        graph.node(f"state{at}", id=f"state{at}", **size)
    for place, (source, step, dest) in enumerate(found.steps):
        words = cut(_step_words(found, source, step, dest), _SMALL, 90)
        graph.edge(
            f"state{source}",
            f"state{found.drawn_for(dest)}",
            id=f"step{place}",
            label=plain_label(f" {words} "),
        )
    return str(graph.source)


# --- painted ------------------------------------------------------------------------------


def _compose(found: _Graph, layout: Layout, palette: Palette, title: str, alt: str) -> ET.Element:
    inner = max(layout.width, 710.0)
    width = inner + 2 * MARGIN
    top = MARGIN + (title_height(title, width) + 6 if title else 0)
    signs = list(_signs(found))
    height = top + layout.height + 18 + key_height(signs, inner) + MARGIN
    root = new_card(width, height, alt, palette, title)
    body = add(root, "g", class_="states", transform=f"translate({number(MARGIN)} {number(top)})")
    for place in range(len(found.steps)):
        _arrow(body, found, layout, place, palette)
    for at in range(len(found.paths)):
        _state(body, found, layout, at, palette)
    paint_key(root, signs, (MARGIN, top + layout.height + 18), inner, palette)
    return root


def _arrow(parent: ET.Element, found: _Graph, layout: Layout, place: int, palette: Palette) -> None:
    """Paint a step; one after which no right ending is left stands out."""
    source, step, dest = found.steps[place]
    line = layout.lines.get(f"step{place}")
    if line is None:
        return
    fatal = found.outlooks[source] != "lost" and found.outlooks[dest] == "lost"
    colour = palette.active if fatal else palette.line
    if step.kind.is_fault and not fatal:
        colour = palette.rejected
    words = _step_words(found, source, step, dest)
    classes = f"step {step.kind.name.lower()}{' fatal' if fatal else ''}"
    made = group(parent, f"step-{place}", classes, words)
    dash = {"stroke_dasharray": "4 3"} if step.kind.is_fault else {}
    stroke(made, curve(line.points), colour, 2.6 if fatal else 1.1, **dash)
    if line.head:
        polygon(made, line.head, fill=colour)
    if line.spots:
        spot = line.spots[0]
        shown = cut(words, _SMALL, 90)
        at = (line.middle or spot.x + spot.width / 2, spot.y)
        ink = palette.active_text if fatal else palette.quiet
        face = {"font_weight": "bold"} if fatal else {}
        write(made, at, shown, _SMALL, ink, text_anchor="middle", **face)


def _mark(parent: ET.Element, x: float, y: float, outlook: Outlook, palette: Palette) -> None:
    if outlook == "safe":
        circle(parent, x, y, 6, fill=palette.resolved)
    elif outlook == "lost":
        corners = [(x, y - 7), (x + 7, y), (x, y + 7), (x - 7, y)]
        polygon(parent, corners, fill=palette.rejected)
    else:
        circle(parent, x, y, 5.5, fill=palette.paper, stroke=palette.line, stroke_width=1.6)


def _state(parent: ET.Element, found: _Graph, layout: Layout, at: int, palette: Palette) -> None:
    box = layout.boxes.get(f"state{at}")
    if box is None:
        return
    x, y = box.x + box.width / 2, box.y + box.height / 2
    outlook = found.outlooks[at]
    path = " ".join(step.name for step in found.paths[at]) or "the beginning"
    last = " last" if at in found.endings else ""
    made = group(parent, f"state-{at}", f"state {outlook}{last}", f"{path}: {_MEANINGS[outlook]}")
    if at not in found.endings:
        _mark(made, x, y, outlook, palette)
        return
    paint_sort(made, (box.x + 9, y), sort_of(found.endings[at]), palette)
    rest, ran = found.names[at]
    shown = cut(rest, 12, _NAME, bold=True)
    write(made, (box.x + _END, y - 1), shown, 12, palette.ink, font_weight="bold")
    write(made, (box.x + _END, y + 12), cut(ran, _SMALL, _NAME), _SMALL, palette.quiet)


def _name_width(name: Label) -> float:
    wide = max(text_width(name[0], 12, bold=True), text_width(name[1], _SMALL))
    return min(wide, _NAME)


def _signs(found: _Graph) -> Iterator[Sign]:
    """Yield what occurs: outlooks, arrows, badges of endings, letters."""

    def painter(outlook: Outlook) -> Callable[[ET.Element, Point, Palette], None]:
        return lambda parent, at, palette: _mark(parent, *at, outlook, palette)

    for outlook, words in _MEANINGS.items():
        if outlook in found.outlooks:
            yield badge_sign(words, painter(outlook))
    if {"lost"} < set(found.outlooks):
        yield line_sign("the step that made it wrong", "active", 2.6)
    steps = {step for _, step, _ in found.steps}
    if any(step.kind.is_fault for step in steps):
        yield line_sign("a fault", "rejected", 1.1, "4 3")
    yield from sort_signs({sort_of(each) for each in found.endings.values()}, "ending: ")
    yield from step_signs(steps)
