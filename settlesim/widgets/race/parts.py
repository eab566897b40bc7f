"""A walk as plain JSON for the page: queue, store and workers, with what has changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from settlesim.chart import Chart
from settlesim.chart.strict_json import thaw
from settlesim.display import Direction
from settlesim.errors import RenderError, SettlesimError
from settlesim.sim import (
    DISCIPLINES,
    DeliveryView,
    Frame,
    InstanceView,
    Kind,
    MessageView,
    Scenario,
    Step,
)
from settlesim.view.simulation.words import events_words, scenario_words
from settlesim.widgets.base.live_svg import live_picture
from settlesim.widgets.race.walk import ScheduleWalk
from settlesim.widgets.race.words import blocked, hands, step_words

__all__ = [
    "about_of",
    "charts_of",
    "effects_of",
    "lanes_of",
    "rows_of",
    "store_of",
    "worker_pictures",
    "workers_of",
]

_LONGEST: Final = 400
_DIRECTIONS: Final[tuple[Direction, ...]] = ("TB", "LR")
_LARGEST: Final = 60
"""The most states of a chart that is drawn once for each worker."""
_LANES: Final = 4
"""How many workers have a chart of their own."""
_KEYS: Final = 2
"""How many instances have a chart of their own."""


# --- what is the same after every step ----------------------------------------------------


def about_of(scenario: Scenario) -> dict[str, Any]:
    """Return what a scenario is, and under which disciplines it can be played."""
    return {
        "events": events_words(scenario),
        "conditions": scenario_words(scenario),
        "hands": hands(scenario),
        "queue": scenario.queue,
        "disciplines": [
            {"name": name, "meaning": each.meaning, "problem": _problem(scenario, name)}
            for name, each in DISCIPLINES.items()
        ],
    }


def _problem(scenario: Scenario, queue: str) -> str:
    """Say why a scenario is not possible under a discipline; empty if it is."""
    try:
        scenario.replace(queue=queue)
    except SettlesimError as error:
        return str(error)
    return ""


def worker_pictures(chart: Chart) -> dict[str, Any] | None:
    """Return the picture of a chart; None where it is too large to stand once for each worker."""
    if len(chart.states) > _LARGEST:
        return None
    try:
        found = [live_picture(chart, direction) for direction in _DIRECTIONS]
    except RenderError:
        return None  # the words say it too
    narrow = min(found, key=lambda each: each.width)  # several stand side by side
    return {"svg": narrow.svg, "nodes": narrow.nodes}


# --- messages, and what may come next -----------------------------------------------------


def rows_of(walk: ScheduleWalk, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for every message: where it is, what may come next, or why nothing may."""
    frame, before = walk.frame, walk.before
    was = {} if before is None else {each.message: each for each in before.messages}
    return [
        {
            "message": each.message,
            "name": names[each.message - 1],
            "key": each.key,
            "status": _status(walk, each),
            "changed": before is not None and was.get(each.message) != each,
            "steps": [
                _step(walk, step, names) for step in frame.enabled if step.message == each.message
            ],
            "blocked": _blocked(walk, each, names),
        }
        for each in frame.messages
    ] + _timers_of(walk, names)


def _timers_of(walk: ScheduleWalk, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for every timer that runs: its message is in no queue yet."""
    return [
        {
            "message": step.message,
            "name": names[step.message - 1],
            "key": walk.scenario.messages[step.message - 1].key,
            "status": "timer runs",
            "changed": False,
            "steps": [_step(walk, step, names)],
            "blocked": None,
        }
        for step in walk.frame.enabled
        if step.kind is Kind.DUE
    ]


def _status(walk: ScheduleWalk, message: MessageView) -> str:
    if walk.scenario.queue == "direct":
        return _without_queue(walk, message)
    words = {"visible": "waits in the queue", "deleted": "done", "dead": "dead letter"}
    text = words.get(message.status, message.status)
    return f"{text}, receive {message.receives}" if message.receives > 1 else text


def _without_queue(walk: ScheduleWalk, message: MessageView) -> str:
    own = [each for each in walk.shown if each.message == message.message]
    if message.status == "deleted":
        return "lost" if own and own[-1].kind in {Kind.CRASH, Kind.RELEASE} else "done"
    words = {"visible": "to be handled", "in flight": "being handled"}
    return words.get(message.status, message.status)


def _step(walk: ScheduleWalk, step: Step, names: Sequence[str]) -> dict[str, Any]:
    words = step_words(walk.frame, step, hands(walk.scenario))
    return {
        "name": step.name,
        "words": words,
        "label": f"{names[step.message - 1]}: {words}, step {step.name}",
        "fault": step.kind.is_fault,
    }


def _blocked(
    walk: ScheduleWalk, message: MessageView, names: Sequence[str]
) -> dict[str, str] | None:
    why = blocked(walk.scenario, walk.frame, message.message, names)
    if not why:
        return None
    kind = Kind.LOAD if walk.scenario.queue == "direct" else Kind.RECEIVE
    step = Step(kind, message.message, message.receives + 1)
    return {"name": step.name, "words": step_words(walk.frame, step), "why": why}


# --- the store ----------------------------------------------------------------------------


def store_of(walk: ScheduleWalk) -> list[dict[str, Any]]:
    """Return what the store holds, and what the last step has changed in it."""
    before = {} if walk.before is None else {each.key: each for each in walk.before.store}
    return [_instance(each, before.get(each.key, each)) for each in walk.frame.store]


def _instance(now: InstanceView, was: InstanceView) -> dict[str, Any]:
    return {
        "key": now.key,
        "state": {
            "value": " + ".join(now.configuration),
            "changed": now.configuration != was.configuration,
        },
        "revision": {"value": str(now.revision), "changed": now.revision != was.revision},
        "context": [
            {
                "name": name,
                "value": _text(value),
                "changed": name not in was.context or _text(was.context[name]) != _text(value),
            }
            for name, value in now.context.items()
        ],
        "changed": now != was,
    }


def _text(value: Any) -> str:
    text = json.dumps(thaw(value), ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


# --- effects ------------------------------------------------------------------------------


def effects_of(walk: ScheduleWalk, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the effects of every instance so far, in their order; new ones are marked."""
    before = walk.frame.effects if walk.before is None else walk.before.effects
    found = []
    for instance in walk.frame.store:
        known = sum(key == instance.key for key, _, _ in before)
        own = [each for each in walk.frame.effects if each[0] == instance.key]
        calls = [
            {
                "service": service,
                "message": message,
                "name": names[message - 1],
                "changed": number >= known,
            }
            for number, (_, service, message) in enumerate(own)
        ]
        found.append({"key": instance.key, "calls": calls})
    return found


# --- workers ------------------------------------------------------------------------------


def lanes_of(walk: ScheduleWalk) -> range:
    """Return the numbers of the workers that are used in this schedule, or could be needed."""
    needed = len(walk.scenario.events)
    if walk.scenario.queue != "direct":
        needed = min(needed, walk.scenario.workers)
    busy = [each.lane for frame in walk.replay.frames for each in frame.deliveries]
    return range(1, max([needed, *busy]) + 1)


def workers_of(walk: ScheduleWalk, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what every worker works on, and what the last step has changed."""
    own = {each.lane: each for each in walk.frame.deliveries}
    was = {} if walk.before is None else {each.lane: each for each in walk.before.deliveries}
    first = walk.before is None
    return [
        _worker(walk, lane, own.get(lane), names, not first and own.get(lane) != was.get(lane))
        for lane in lanes_of(walk)
    ]


def _worker(
    walk: ScheduleWalk, lane: int, own: DeliveryView | None, names: Sequence[str], changed: bool
) -> dict[str, Any]:
    title = f"{hands(walk.scenario)} {lane}"
    found: dict[str, Any] = {"title": title, "message": None, "changed": changed, "good": True}
    if own is None:
        return {**found, "doing": "idle", "loaded": "", "holds": ""}
    loaded = loaded_by(walk, own)
    return {
        **found,
        "message": own.message,
        "name": names[own.message - 1] + (" again" if own.delivery > 1 else ""),
        "doing": _doing(own),
        "loaded": "" if loaded is None else f"{_rest(loaded)}, revision {own.loaded}",
        "stale": loaded is not None and _is_stale(walk.frame, loaded),
        "holds": " + ".join(own.inside),
        "good": own.owner,
    }


def _doing(own: DeliveryView) -> str:
    if own.service is not None:
        return f"waits for {own.service}"
    if own.loaded is None:
        return "has received it"
    return "is about to save" if own.inside else "is about to finish"


def _rest(view: InstanceView) -> str:
    return " + ".join(view.configuration)


def _is_stale(frame: Frame, loaded: InstanceView) -> bool:
    """Whether the store has another revision by now."""
    return any(each.key == loaded.key and each.revision != loaded.revision for each in frame.store)


def loaded_by(walk: ScheduleWalk, own: DeliveryView) -> InstanceView | None:
    """Return the instance as a handler has loaded it; None before it has."""
    if own.loaded is None:
        return None
    key = walk.scenario.messages[own.message - 1].key
    load = Step(Kind.LOAD, own.message, own.delivery)
    frames = walk.replay.frames[: walk.at + 1]
    found = next((frame for frame in reversed(frames) if frame.step == load), None)
    if found is None:
        return None
    return next(each for each in found.store if each.key == key)


# --- charts -------------------------------------------------------------------------------


def charts_of(walk: ScheduleWalk, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is active on the chart of every instance in the store, and of every worker."""
    frame, chart = walk.frame, walk.scenario.chart
    found = [
        {
            "title": f"store: {each.key}" if len(frame.store) > 1 else "store",
            "words": f"{_rest(each)}, revision {each.revision}",
            "active": list(chart.active(each.configuration)),
            "idle": False,
        }
        for each in frame.store[:_KEYS]
    ]
    own = {each.lane: each for each in frame.deliveries}
    for lane in list(lanes_of(walk))[:_LANES]:
        found.append(_chart(walk, lane, own.get(lane), names))
    return found


def _chart(
    walk: ScheduleWalk, lane: int, own: DeliveryView | None, names: Sequence[str]
) -> dict[str, Any]:
    title = f"{hands(walk.scenario)} {lane}"
    if own is None:
        return {"title": title, "words": "idle", "active": [], "idle": True}
    title += f": {own.message} {names[own.message - 1]}"
    loaded = loaded_by(walk, own)
    if loaded is None:
        return {"title": title, "words": "nothing loaded yet", "active": [], "idle": True}
    leaves = own.inside or loaded.configuration
    words = f"loaded {_rest(loaded)}, revision {own.loaded}"
    if own.service is not None:
        words += f"; {own.service} runs"
    elif own.inside:
        words += f"; would save {' + '.join(own.inside)}"
    return {
        "title": title,
        "words": words,
        "active": list(walk.scenario.chart.active(leaves)),
        "idle": False,
    }
