"""`lanes`: one schedule as a space-time diagram; `side_by_side`: two of them compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from settlesim import display
from settlesim.display import Theme
from settlesim.errors import RenderError
from settlesim.sim.replays import Replay
from settlesim.sim.terms import Frame, Kind, Step
from settlesim.view.schedule.rows_and_columns import Strip
from settlesim.view.schedule.spans import first_difference
from settlesim.view.schedule.strips import draw_strips
from settlesim.view.simulation.judgement import sort_of
from settlesim.view.simulation.words import scenario_words
from settlesim.view.svg.card import Look
from settlesim.view.svg.picture import Picture

__all__ = ["lanes", "side_by_side"]


@display.draw.register
def lanes(
    value: Replay,
    target: str | os.PathLike[str] | None = None,
    *,
    at: int | None = None,
    notes: bool = True,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Return one schedule as a space-time diagram; with `target`, also write it to a file.

    The rows are the queue, the workers, the services and the store; the columns are the steps. A
    flag marks the first step with an anomaly.

    Parameters
    ----------
    target : a file's path, whose suffix is the format: svg, png
    at : the step that is shown as now, from 0, without what comes after it; None for all steps
    notes : whether a sentence and the key stand below; the text alternative has both anyway
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
    strip = _strip(value, at=at)
    return draw_strips([strip], look, target, title=strip.title, notes=notes)


def side_by_side(
    one: Replay,
    other: Replay,
    target: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002
    theme: Theme | None = None,
    title: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Return two schedules, one below the other; the step where they part is marked in both.

    Parameters
    ----------
    one, other
        Two replays with the same beginning, such as under two queue disciplines.
    target : as `lanes`
    format : as `lanes`
    theme : as `lanes`
    title : a line above both; each has the conditions of its scenario as a heading
    scale : as `lanes`

    Raises
    ------
    RenderError
        As `lanes`.
    """
    look = Look(format, theme, title, scale)
    at = first_difference(one.frames, other.frames)
    strips = [
        _strip(
            mine,
            mark=None if at is None else _mark(mine.frames, yours.frames, at),
            prefix=f"strip-{number}-",
        )
        for number, mine, yours in ((1, one, other), (2, other, one))
    ]
    return draw_strips(strips, look, target)


@display.mimebundle.register
def _(value: Replay) -> dict[str, Any]:
    try:
        return lanes(value)._repr_mimebundle_()
    except RenderError as error:
        return {"text/plain": f"{value!r}, not drawn: {error}"}


def _strip(
    value: Replay, *, at: int | None = None, mark: tuple[int, str] | None = None, prefix: str = ""
) -> Strip:
    return Strip(
        frames=value.frames,
        title=scenario_words(value.scenario),
        sentence=value.sentence,
        sort=None if value.ending is None else sort_of(value.ending),
        at=at,
        mark=mark,
        queued=value.scenario.queue != "direct",
        workers=value.scenario.workers,
        prefix=prefix,
    )


def _mark(mine: Sequence[Frame], yours: Sequence[Frame], at: int) -> tuple[int, str]:
    """Say how `mine` parts from `yours` at a step: what it does, and what it cannot do."""
    here = mine[at].step if at < len(mine) else None
    there = yours[at].step if at < len(yours) else None
    words = "parts here: nothing more" if here is None else f"parts here: {here.name}"
    before = mine[min(at, len(mine)) - 1]
    if there is not None and there not in before.enabled:
        event = _event(before, there)
        words += f"; {_IMPOSSIBLE.get(there.kind, '{} cannot do the same').format(event)}"
    return min(at, len(mine) - 1), words


_IMPOSSIBLE: Final = {
    Kind.RECEIVE: "{} cannot be received yet",
    Kind.LOAD: "the handler of {} cannot load here",
    Kind.CALL: "no service of {} can be done here",
    Kind.EFFECT: "no service of {} can have its effect here",
    Kind.DELAY: "no delay of {} can pass here",
    Kind.TIMEOUT: "no service of {} can run out of time here",
    Kind.FAIL: "no service of {} can fail here",
    Kind.SAVE: "{} cannot be saved here",
    Kind.SKIP: "{} is not ignored or rejected here",
    Kind.RELEASE: "{} is not released here",
    Kind.CONFLICT: "no save of {} is refused here",
    Kind.DELETE: "{} cannot be deleted here",
    Kind.CRASH: "the worker of {} cannot crash here",
    Kind.EXPIRE: "no time-out of {} can pass here",
    Kind.DUE: "{} cannot be due here",
    Kind.DEPLOY: "the later version cannot take over at {} here",
    Kind.DUPLICATE: "{} cannot be delivered twice here",
    Kind.ARRIVE: "{} cannot arrive here",
}
"""What is impossible in this schedule, by the kind of step that the other one takes."""


def _event(frame: Frame, step: Step) -> str:
    found = (each.event for each in frame.messages if each.message == step.message)
    return f"{step.message} {next(found, '')}".rstrip()
