"""The positions of the rows and columns of a lane diagram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from settlesim.sim.terms import Frame, Kind
from settlesim.view.fonts import text_width
from settlesim.view.schedule.flags import FLAG_ROW, Flag, place_flags
from settlesim.view.schedule.spans import Tracks, tracks_of
from settlesim.view.simulation.judgement import Sort
from settlesim.view.svg.card import MARGIN, WIDTH
from settlesim.view.svg.text_fitting import widest

__all__ = ["BAR", "Grid", "Strip", "grid_of"]

BAR: Final = 22.0
"""The height of a delivery's bar."""
_TRACK: Final = 27.0
_FLAG: Final = 34.0
_LABEL: Final = 17.0
_UNDER: Final = 17.0
_CALL: Final = 30.0
_VALUE: Final = 26.0
_GAP: Final = 16.0
_IDLE: Final = 20.0
_NARROW: Final = 36.0
_WIDE: Final = 78.0

_NOTED: Final = {
    Kind.EFFECT,
    Kind.DELAY,
    Kind.CRASH,
    Kind.CONFLICT,
    Kind.SKIP,
    Kind.FAIL,
    Kind.TIMEOUT,
    Kind.RELEASE,
}


@dataclass(frozen=True)
class Strip:
    """One schedule, ready to be drawn."""

    frames: Sequence[Frame]
    title: str
    sentence: str = ""
    sort: Sort | None = None
    """How its ending is judged; None where it does not end."""
    at: int | None = None
    """The step that is shown as now; of later steps only the names are shown. None for all."""
    mark: tuple[int, str] | None = None
    """A step to point at, and what to say there, besides anomalies."""
    queued: bool = True
    """Whether there is a queue; otherwise every event has a handler, which can start any time."""
    workers: int = 1
    """The number of workers, where there is a queue; the picture names those that are idle."""
    prefix: str = ""
    """The beginning of all ids, if several strips stand in one picture."""

    @property
    def messages(self) -> dict[int, tuple[str, str]]:
        """Key and event of every message."""
        found = (each for frame in self.frames for each in frame.messages)
        return {each.message: (each.key, each.event) for each in found}


@dataclass(frozen=True)
class Grid:
    """The positions of everything, in the coordinates of the strip."""

    tracks: Tracks
    shown: int
    """The last step that is shown."""
    steps: int
    gutter: float
    dx: float
    right: float
    """The right edge: the end of the last column, with room for the names of the last values."""
    flags: float
    """The foot of the flags."""
    marks: float
    """The foot of the mark, which stands above the flags."""
    messages: dict[int, float]
    """The middle of a message's row."""
    bars: dict[int, float]
    """The top of the deliveries on a lane."""
    idle: tuple[str, float] | None
    """The words for the idle workers, and their base line."""
    flag_places: tuple[Flag, ...]
    calls: dict[int, float]
    """The line of the services that a lane calls."""
    values: dict[str, float]
    """The top of a key's row."""
    rules: tuple[float, ...]
    """The lines between the sections."""
    names: float
    """The base line of the names of the steps."""

    def x(self, index: int) -> float:
        """Return the middle of a step's column; 0 is the beginning."""
        return _middle(self.gutter, self.dx, index)

    @property
    def now(self) -> float:
        """The right end of everything that has not ended yet."""
        if self.shown == self.steps:
            return self.right
        return self.x(self.shown) + self.dx / 2 if self.shown else self.gutter + 2

    @property
    def value_height(self) -> float:
        """The height of a value of the store."""
        return _VALUE


def _middle(gutter: float, dx: float, index: int) -> float:
    return gutter + max(index - 0.5, 0.0) * dx


def _right(tracks: Tracks, steps: int, gutter: float, dx: float) -> float:
    end = gutter + max(steps, 1) * dx
    last = [value for value in tracks.values if value.end is None]
    names = (
        _middle(gutter, dx, value.begin) + min(text_width(value.words, 12, bold=True), 150.0) + 18
        for value in last
    )
    return max(end + 10, *names, end)


def _idle(strip: Strip, tracks: Tracks) -> str:
    """Name the idle workers; empty where there are none."""
    busy = len({work.lane for work in tracks.works})
    if not strip.queued or strip.workers <= busy:
        return ""
    if strip.workers == busy + 1:
        return f"worker {strip.workers}: idle"
    return f"workers {busy + 1} to {strip.workers}: idle"


def _gutter(strip: Strip, tracks: Tracks) -> float:
    """Return the width of the column of names."""
    pills = widest((f"{m} {event}" for m, (_, event) in strip.messages.items()), 11, bold=True)
    keys = [*(key for key, _ in strip.messages.values()), *(each.key for each in tracks.values)]
    return max(126.0, min(widest(keys, 11) + 8, 84.0) + min(pills, 70.0) + 34)


def _message_rows(strip: Strip, y: float) -> tuple[dict[int, float], float]:
    """Return the rows of the messages, key by key, and where they end."""
    rows: dict[int, float] = {}
    for key in dict.fromkeys(key for key, _ in strip.messages.values()):
        for message in (each for each, (own, _) in strip.messages.items() if own == key):
            rows[message] = y + _TRACK / 2
            y += _TRACK
        y += 6
    return rows, y


def _bar_rows(tracks: Tracks, y: float) -> tuple[dict[int, float], float]:
    """Return the rows of the workers, with room below for words where there are any."""
    rows: dict[int, float] = {}
    for lane in sorted({work.lane for work in tracks.works}):
        own = [work for work in tracks.works if work.lane == lane]
        under = any(work.zombie is not None for work in own) or any(
            kind in _NOTED for work in own for _, kind in work.steps
        )
        rows[lane] = y + _LABEL
        y += _LABEL + BAR + (_UNDER if under else 4)
    return rows, y


def grid_of(strip: Strip, *, columns: int | None = None) -> Grid:
    """Lay out a strip; `columns` gives strips of different length the same scale.

    The layout has room for all frames, however many are shown, so that a sequence of pictures
    does not jump.
    """
    own = not strip.queued
    tracks = tracks_of(strip.frames, own_lanes=own)
    steps = len(strip.frames) - 1
    gutter = _gutter(strip, tracks)
    room = (WIDTH - 2 * MARGIN - gutter - 10) / max(columns or steps, 1)
    dx = min(max(room, _NARROW), _WIDE)
    right = _right(tracks, steps, gutter, dx)
    placed = place_flags(strip.frames, tracks.flag, partial(_middle, gutter, dx), right)
    flags = _FLAG + FLAG_ROW * max(each.row for each in placed) if placed else 0.0
    marks = flags + (_FLAG if strip.mark is not None else 0.0)
    messages, y = _message_rows(strip, max(marks, 6.0))
    rules = [y]
    bars, y = _bar_rows(tracks, y + _GAP / 2)
    idle = _idle(strip, tracks)
    if idle:
        y += _IDLE
    y += 6
    rules.append(y)
    lanes = sorted({call.lane for work in tracks.works for call in work.calls})
    calls = {lane: y + 10 + place * _CALL for place, lane in enumerate(lanes)}
    if lanes:
        y += len(lanes) * _CALL + _GAP / 2
        rules.append(y)
    y += _GAP
    keys = list(dict.fromkeys(each.key for each in tracks.values))
    values = {key: y + place * (_VALUE + 8) for place, key in enumerate(keys)}
    y += len(keys) * (_VALUE + 8)
    rules.append(y + 2)
    shown = steps if strip.at is None else strip.at
    return Grid(
        tracks=tracks if shown == steps else tracks_of(strip.frames[: shown + 1], own_lanes=own),
        shown=shown,
        steps=steps,
        gutter=gutter,
        dx=dx,
        right=right,
        flags=max(marks - 16, 0.0),
        marks=max(marks - 16 - flags, 0.0),
        messages=messages,
        bars=bars,
        idle=(idle, rules[1] - 10) if idle else None,
        flag_places=tuple(placed),
        calls=calls,
        values=values,
        rules=tuple(rules),
        names=y + 20,
    )
