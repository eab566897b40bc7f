"""Endings as bars: `outcomes` for one exploration or sample, `draw_comparison` for several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from settlesim import display
from settlesim.display import Theme
from settlesim.errors import RenderError
from settlesim.sim.compare import Comparison
from settlesim.sim.explore import Exploration
from settlesim.sim.sampling import Sample
from settlesim.view.endings.painter import paint_endings
from settlesim.view.endings.rows import EndingColumn, panel_of, sample_panel, table_of, table_words
from settlesim.view.simulation.words import conditions_words, events_words, scenario_words
from settlesim.view.svg.card import Look
from settlesim.view.svg.picture import Picture

__all__ = ["draw_comparison", "outcomes"]

LIMIT: Final = 12
"""How many endings have a row of their own."""
_INSTANCES: Final = 4
"""How many instances have a panel, where each was explored alone."""


@display.draw.register(Exploration)
@display.draw.register(Sample)
def outcomes(
    value: Exploration | Sample,
    target: str | os.PathLike[str] | None = None,
    *,
    limit: int = LIMIT,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Return a scenario's endings as a bar chart; with `target`, also write it to a file.

    The length of a bar is the share of interleavings with this ending. If the shares span more
    than three powers of ten, the scale is logarithmic, and the picture says so. The shares of a
    sample are estimates: they are rounded, no counts are shown, and endings that were not met may
    exist. If each instance was explored alone, the first few instances have a panel each.

    Parameters
    ----------
    target : a file's path, whose suffix is the format: svg, png
    limit : how many endings are shown, > 0; the rest are only counted
    format : the format of `target`, where its suffix does not say it
    theme : ``"page"``, ``"light"`` or ``"dark"``; None for that of `settlesim.options`
    title : a line above; None for the conditions of the scenario
    scale : pixels of a PNG per unit, in (0, 20]; None for 2, less for a large picture

    Raises
    ------
    RenderError
        An option is wrong, or the file cannot be written.
    """
    look = Look(format, theme, title, scale)
    words = f"{events_words(value.scenario)}: {scenario_words(value.scenario)}"
    if isinstance(value, Exploration) and value.instances:
        shown = value.instances[:_INSTANCES]
        panels = [panel_of(each.scenario.instances[0], each) for each in shown]
        if len({tuple(each.words for each in panel.scenario.events) for panel in panels}) == 1:
            panels = [panel.without_keys() for panel in panels]  # equal endings share a row
        more = len(value.scenario.instances) - len(shown)
        words += "; each instance alone, with the whole budget" + (
            f", and {more} more" if more else ""
        )
        return _picture(panels, look, target=target, limit=limit, title=words)
    if isinstance(value, Sample) and value.times:
        times = ", ".join(f"{name} {each}" for name, each in value.times.items())
        words += f"; measured with {times}"
    panel = sample_panel(words, value) if isinstance(value, Sample) else panel_of(words, value)
    return _picture([panel], look, target=target, limit=limit, title=words)


@display.draw.register
def draw_comparison(
    value: Comparison,
    target: str | os.PathLike[str] | None = None,
    *,
    limit: int = LIMIT,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Return a scenario's endings under each discipline, policy or rule, side by side.

    All panels have the same rows and the same scale.

    Parameters
    ----------
    target : as `outcomes`
    limit : as `outcomes`
    format : as `outcomes`
    theme : as `outcomes`
    title : a line above; None for one that says what is compared
    scale : as `outcomes`

    Raises
    ------
    RenderError
        As `outcomes`.
    """
    look = Look(format, theme, title, scale)
    found = value.explorations
    if not found:
        raise RenderError("this comparison has no explorations; nothing can be drawn")
    words = (
        f"{events_words(found[0].scenario)}, {conditions_words(found[0].scenario, value.varied)}"
    )
    panels = [panel_of(name, each) for name, each in zip(value.names, found, strict=True)]
    return _picture(panels, look, target=target, limit=limit, title=f"{words}: where it can end")


@display.mimebundle.register(Exploration)
@display.mimebundle.register(Comparison)
@display.mimebundle.register(Sample)
def _(value: Exploration | Comparison | Sample) -> dict[str, Any]:
    try:
        found: Picture = display.draw(value)
        return found._repr_mimebundle_()
    except RenderError as error:
        return {"text/plain": f"{value!r}, not drawn: {error}"}


def _picture(
    panels: Sequence[EndingColumn],
    look: Look,
    *,
    target: str | os.PathLike[str] | None,
    limit: int,
    title: str,
) -> Picture:
    if limit < 1:
        raise RenderError(f"limit is {limit!r}; a number > 0 is needed")
    table = table_of(panels, limit)
    title = look.title if look.title is not None else title
    words = table_words(table, panels)
    alt = words if words.startswith(f"{title}:") or not title else f"{title}. {words}"

    def make() -> ET.Element:
        return paint_endings(table, panels, look.palette, title=title, alt=alt)

    return look.picture(alt, make, target)
