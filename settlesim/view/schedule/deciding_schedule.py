"""The schedule that decides a property, or that `find` has found, as a space-time diagram."""

from __future__ import annotations

import os
from typing import Any, Unpack

from settlesim import display
from settlesim.argument_checks import takes_options
from settlesim.display import ReplayOptions
from settlesim.errors import RenderError
from settlesim.sim.find import FoundSchedule
from settlesim.sim.property_results import PropertyResult
from settlesim.sim.replays import replay
from settlesim.view.schedule.space_time import lanes
from settlesim.view.simulation.words import scenario_words
from settlesim.view.svg.picture import Picture

__all__ = ["draw_deciding_schedule"]


@display.draw.register(PropertyResult)
@display.draw.register(FoundSchedule)
@takes_options(ReplayOptions)
def draw_deciding_schedule(
    value: PropertyResult | FoundSchedule,
    target: str | os.PathLike[str] | None = None,
    **options: Unpack[ReplayOptions],
) -> Picture:
    """Return the schedule that decides a property, or that was found, as `lanes` draws it.

    Parameters
    ----------
    target : a file's path, whose suffix is the format: svg, png
    at, notes, format, theme, title, scale
        As `lanes`; the title says what was decided, by default.

    Raises
    ------
    RenderError
        There is no such schedule, or as `lanes`.
    """
    if value.schedule is None:
        raise RenderError(f"there is no schedule to be drawn: {value}")
    if options.get("title") is None:
        options["title"] = f"{_claim(value)}: {scenario_words(value.scenario)}"
    return lanes(replay(value.scenario, value.schedule), target, **options)


def _claim(value: PropertyResult | FoundSchedule) -> str:
    if isinstance(value, FoundSchedule):
        return "The shortest schedule to it"
    return f"{value.verdict.value.upper()} {value.about}"


@display.mimebundle.register(PropertyResult)
@display.mimebundle.register(FoundSchedule)
def _(value: PropertyResult | FoundSchedule) -> dict[str, Any]:
    if value.schedule is None:
        return {"text/plain": str(value)}
    try:
        return draw_deciding_schedule(value)._repr_mimebundle_()
    except RenderError as error:
        return {"text/plain": f"{value}, not drawn: {error}"}
