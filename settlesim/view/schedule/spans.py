"""The frames of a schedule read as spans: deliveries, services, values, and how long each lasts.

Frames say what is there after each step; a picture shows how long it was there. Positions
are those of the frames: 0 is the beginning, step n leads to frame n.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from settlesim.sim.contexts import fields_words, leaf_words, telling_fields
from settlesim.sim.terms import DeliveryView, Frame, InstanceView, Kind

__all__ = [
    "HARMLESS",
    "HandlerSpan",
    "ServiceSpan",
    "Tracks",
    "Value",
    "Wait",
    "first_difference",
    "tracks_of",
]

HARMLESS = frozenset({"head-of-line blocking"})
"""Anomalies that make nothing wrong, as the price of order; they have no flag."""
_LOSING = {None, Kind.CRASH}
_COMPLETING = {Kind.CALL, Kind.DELAY}
_KEEPING = {None, Kind.EFFECT, Kind.EXPIRE, Kind.DUPLICATE}
"""Steps after which the services of a handler run as before."""
_SAVING = {Kind.SAVE, Kind.SKIP, Kind.CONFLICT}


@dataclass(frozen=True, slots=True)
class ServiceSpan:
    """One run of a service, on the lane of the worker that waits for it."""

    service: str
    message: int
    lane: int
    begin: int
    end: int
    """The step at which it comes back, or where its delivery ends."""
    how: Literal["done", "failed", "lost", "running"]


@dataclass(slots=True)
class HandlerSpan:
    """One delivery on its worker's lane."""

    message: int
    delivery: int
    lane: int
    begin: int
    end: int
    over: bool = False
    """Whether it ended; otherwise it goes on beyond the last frame."""
    steps: list[tuple[int, Kind]] = field(default_factory=list)
    windows: list[tuple[int, int | None]] = field(default_factory=list)
    """From a load to the step that saves or decides not to; None if there is no such step yet."""
    zombie: int | None = None
    """The step at which a newer receipt supersedes its receipt."""
    expired: int | None = None
    """The step from which its receipt is no longer valid, by a time-out or a newer receipt."""
    calls: list[ServiceSpan] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Value:
    """What the store held for a key from one save to the next."""

    key: str
    words: str
    begin: int
    end: int | None
    """The step that replaced it; None if it stays."""
    message: int | None
    """The message whose handler saved it; None at the beginning."""
    overwritten: bool
    """Whether a handler replaced it that had loaded an older value, and never saw this one."""
    configuration: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a message has one status."""

    message: int
    status: str
    begin: int
    end: int
    over: bool
    """Whether it ended; otherwise it lasts beyond the last frame."""


@dataclass(frozen=True, slots=True)
class Tracks:
    """Everything that is drawn of a schedule."""

    works: tuple[HandlerSpan, ...]
    values: tuple[Value, ...]
    waits: tuple[Wait, ...]
    expired: tuple[tuple[int, int, int], ...]
    """Expired receipts: the message, the step of the time-out, and the end of the delivery."""
    flag: int | None
    """The first step with an anomaly that is not harmless."""


def tracks_of(frames: Sequence[Frame], *, own_lanes: bool = False) -> Tracks:
    """Read frames as spans.

    Parameters
    ----------
    own_lanes : whether every event has a lane of its own, as it has without a queue
    """
    works = tuple(_works(frames, own_lanes))
    flags = [index for index, frame in enumerate(frames) if {*frame.anomalies} - HARMLESS]
    return Tracks(
        works=works,
        values=tuple(_values(frames)),
        waits=tuple(_waits(frames)),
        expired=tuple(_expired(frames, works)),
        flag=flags[0] if flags else None,
    )


def first_difference(one: Sequence[Frame], other: Sequence[Frame]) -> int | None:
    """Return the first frame at which two replays differ in their step; None if there is none."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left.step != right.step:
            return index
    short = min(len(one), len(other))
    return short if len(one) != len(other) else None


# --- deliveries ---------------------------------------------------------------------------


def _works(frames: Sequence[Frame], own_lanes: bool) -> Iterator[HandlerSpan]:
    """Yield deliveries in the order in which they begin."""
    going: dict[tuple[int, int], HandlerSpan] = {}
    before: dict[tuple[int, int], DeliveryView] = {}
    found: list[HandlerSpan] = []
    for index, frame in enumerate(frames):
        now = {(each.message, each.delivery): each for each in frame.deliveries}
        for which, view in now.items():
            if which not in going:
                lane = view.message if own_lanes else view.lane
                going[which] = HandlerSpan(view.message, view.delivery, lane, index, index)
                found.append(going[which])
        if frame.step is not None:
            handler = frame.step.handler
            led = (which for which, view in before.items() if view.leader == handler)
            work = going.get(handler) or going.get(next(led, handler))
            if work is not None:
                work.steps.append((index, frame.step.kind))
        for which, work in list(going.items()):
            work.end = index
            _calls(work, index, before.get(which), now.get(which), frame)
            if which not in now:
                work.over = True
                del going[which]
            elif work.zombie is None and _receives(frame, work.message) > work.delivery:
                work.zombie = index
        before = now
    for work in found:
        work.windows.extend(_windows(work))
        passed = (index for index, kind in work.steps if kind is Kind.EXPIRE)
        work.expired = next(passed, work.zombie)
        yield work


def _receives(frame: Frame, message: int) -> int:
    return next((each.receives for each in frame.messages if each.message == message), 0)


def _windows(work: HandlerSpan) -> Iterator[tuple[int, int | None]]:
    begin: int | None = None
    for index, kind in work.steps:
        if kind is Kind.LOAD:
            begin = index
        elif kind in _SAVING and begin is not None:
            yield begin, index
            begin = None
    if begin is not None:
        yield begin, work.end if work.over else None


def _calls(
    work: HandlerSpan,
    index: int,
    before: DeliveryView | None,
    now: DeliveryView | None,
    frame: Frame,
) -> None:
    """Note the service that began, came back or was lost at this step of a delivery."""
    own = frame.step is not None and frame.step.handler == (work.message, work.delivery)
    kind = frame.step.kind if own and frame.step is not None else None
    if before is not None and before.service is not None:
        ended = now is None or kind not in _KEEPING
        how: Literal["done", "failed", "lost", "running"] = "running"
        if ended:
            how = "done" if kind in _COMPLETING else "lost" if kind in _LOSING else "failed"
        last = work.calls.pop()
        work.calls.append(
            ServiceSpan(last.service, last.message, last.lane, last.begin, index, how)
        )
        if not ended:
            return
    if now is not None and now.service is not None:
        work.calls.append(
            ServiceSpan(now.service, work.message, work.lane, index, index, "running")
        )


def _expired(
    frames: Sequence[Frame], works: Sequence[HandlerSpan]
) -> Iterator[tuple[int, int, int]]:
    for index, frame in enumerate(frames):
        if frame.step is None or frame.step.kind is not Kind.EXPIRE:
            continue
        for work in works:
            if (
                frame.step.handler == (work.message, work.delivery)
                and work.begin <= index <= work.end
            ):
                yield work.message, index, work.end


# --- messages and the store ---------------------------------------------------------------


def _waits(frames: Sequence[Frame]) -> Iterator[Wait]:
    """Yield the statuses of every message, message by message."""
    ids = list(dict.fromkeys(each.message for frame in frames for each in frame.messages))
    for message in ids:
        status, begin = "", 0
        for index, frame in enumerate(frames):
            now = next((each.status for each in frame.messages if each.message == message), "")
            if now != status:
                if status:
                    yield Wait(message, status, begin, index, over=True)
                status, begin = now, index
        if status:
            yield Wait(message, status, begin, len(frames) - 1, over=False)


def _values(frames: Sequence[Frame]) -> Iterator[Value]:
    """Yield what was stored, key by key in the order in which the keys appear."""
    for key in dict.fromkeys(each.key for frame in frames for each in frame.store):
        views = [
            (index, each) for index, frame in enumerate(frames)
            for each in frame.store if each.key == key
        ]  # fmt: skip
        changes = [
            (index, each) for place, (index, each) in enumerate(views)
            if place == 0 or each[1:] != views[place - 1][1][1:]
        ]  # fmt: skip
        words = _value_words([each for _, each in changes])
        for place, (index, view) in enumerate(changes):
            last = place + 1 == len(changes)
            end = None if last else changes[place + 1][0]
            step = frames[index].step
            yield Value(
                key=key,
                words=words[place],
                begin=index,
                end=end,
                message=step.message if step is not None else None,
                overwritten=end is not None and _unseen(frames, view, end),
                configuration=view.configuration,
            )


def _unseen(frames: Sequence[Frame], view: InstanceView, index: int) -> bool:
    """Whether the handler that saves at a step had loaded an older revision than `view`."""
    step = frames[index].step
    if step is None:
        return False
    own = (each for each in frames[index - 1].deliveries if each[:2] == step.handler)
    loaded = next((each.loaded for each in own), None)
    return loaded is not None and loaded < view.revision


def _value_words(views: Sequence[InstanceView]) -> list[str]:
    """Say what was stored: the leaves, and fields of the context where only these differ."""
    leaves = [leaf_words(each.configuration) for each in views]
    fields = telling_fields([(each.configuration, each.context) for each in views])
    if not fields:
        return leaves
    told = [fields_words(each.context, fields) for each in views]
    if len(set(leaves)) == 1:
        return told
    return [f"{leaf} {more}".rstrip() for leaf, more in zip(leaves, told, strict=True)]
