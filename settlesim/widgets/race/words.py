"""Words for steps to take, for why a step is not enabled, and for how an ending is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from settlesim.errors import ReplayDivergedError
from settlesim.sim import Ending, Frame, Kind, Scenario, Schedule, Step
from settlesim.view.schedule.spans import HARMLESS
from settlesim.widgets.race.walk import ScheduleWalk

__all__ = ["FAULTS", "LETTERS", "absent", "blocked", "budgets", "hands", "judged", "step_words"]

FAULTS: Final[dict[str, tuple[str, frozenset[str], str]]] = {
    "crashes": ("crash", frozenset({"k"}), "nobody is at work who could crash"),
    "expiries": ("time-out of a receipt", frozenset({"e"}), "no receipt is out that could expire"),
    "duplicates": ("duplicate", frozenset({"u"}), "nothing was deleted yet that could come again"),
    "service_failures": (
        "failing service",
        frozenset({"f", "t"}),
        "no service runs that could fail",
    ),
}
"""By the names of `Faults`: the noun, the letters of its steps, why none may be enabled."""

_WORDS: Final[dict[str, str]] = {
    "r": "receive",
    "l": "load what is stored",
    "c": "{service} comes back",
    "a": "{service} passes",
    "q": "its delay has passed",
    "f": "{service} fails",
    "t": "{service} runs out of time",
    "s": "save {inside}",
    "i": "nothing to save: go on",
    "g": "no settled state: release it",
    "x": "try to save: refused",
    "d": "delete it from the queue",
    "k": "{who} {lane} crashes",
    "e": "the time-out of its receipt passes",
    "u": "the queue delivers it again",
    "v": "the later version takes over",
    "n": "it arrives",
}

LETTERS: Final = ", ".join(f"{kind.value} {kind.name.lower().replace('_', ' ')}" for kind in Kind)
"""What the letters of a path stand for."""


def hands(scenario: Scenario) -> str:
    """Return the noun for what works on a message: a worker or, without a queue, a handler."""
    return "handler" if scenario.queue == "direct" else "worker"


def step_words(frame: Frame, step: Step, who: str = "worker") -> str:
    """Return a step that may come after a frame as something to do, in words.

    Parameters
    ----------
    who : the noun for what works on a message
    """
    own = next((each for each in frame.deliveries if each[:2] == step.handler), None)
    words = _WORDS.get(step.kind.value, step.kind.name.lower().replace("_", " "))
    service, inside, lane = "the service", "", 1
    if own is not None:
        service, inside, lane = own.service or service, " + ".join(own.inside), own.lane
    if step.kind is Kind.RECEIVE and step.delivery > 1:
        words = "receive again"
    if step.kind is Kind.RECEIVE and step.choice > 1:
        words += f", a batch of {step.choice}"
    if step.kind is Kind.LOAD and own is None:  # without a queue nothing comes before
        words = f"start: {words}"
    # not str.format: a service may be called {inside}
    words = words.replace("{who} {lane}", f"{who} {lane}")
    for name, value in {"service": service, "inside": inside}.items():
        head, found, tail = words.partition("{" + name + "}")
        if found:
            return f"{head}{value}{tail}".rstrip()
    return words


# --- why not ------------------------------------------------------------------------------


def blocked(scenario: Scenario, frame: Frame, message: int, names: Sequence[str]) -> str:
    """Say why a message that is visible cannot be received; empty if it can.

    Parameters
    ----------
    message : its number, from 1
    names : the names of all messages
    """
    own = frame.message(message)
    if own.status != "visible" or _receivable(frame, message):
        return ""
    return _order(scenario, frame, message, names) or _hands(scenario, frame)


def _receivable(frame: Frame, message: int) -> bool:
    begins = {Kind.RECEIVE, Kind.LOAD}
    new = frame.message(message).receives + 1
    return any(
        step.message == message and step.delivery == new and step.kind in begins
        for step in frame.enabled
    )


def _order(scenario: Scenario, frame: Frame, message: int, names: Sequence[str]) -> str:
    """Say why the queue discipline does not deliver a message now; empty if it would."""
    own = frame.message(message)
    earlier = frame.messages[: frame.messages.index(own)]
    if scenario.queue == "mutex":
        held = [each for each in frame.messages if each.key == own.key]
        busy = [each.message for each in held if each.status == "in flight"]
        return f"blocked: {_name(busy[0], names)} holds the lock of {own.key}" if busy else ""
    if scenario.queue == "fifo_group":
        ahead = [each for each in earlier if each.key == own.key]
        where = f"the group {own.key}"
    elif scenario.queue == "fifo_global":
        ahead, where = list(earlier), "the queue"
    elif scenario.queue == "fifo_dispatch":
        ahead, where = [each for each in earlier if each.status == "visible"], "the queue"
    else:
        return ""
    first = next((each for each in ahead if each.status in {"visible", "in flight"}), None)
    if first is None:
        return ""
    if first.status == "in flight":
        return f"blocked: {where} has a message in flight, {_name(first.message, names)}"
    return f"blocked: {_name(first.message, names)} is older, and {where} hands out in order"


def _hands(scenario: Scenario, frame: Frame) -> str:
    count = scenario.workers
    busy = len(frame.deliveries)
    if busy < count:
        return "blocked"
    return "no free hands: " + (
        "the worker is busy" if count == 1 else f"all {count} workers are busy"
    )


def _name(message: int, names: Sequence[str]) -> str:
    return f"{message} {names[message - 1]}"


def absent(walk: ScheduleWalk, error: ReplayDivergedError, names: Sequence[str]) -> str:
    """Say which step is not enabled at the position of a walk, and why."""
    [step] = Schedule.parse(error.step).steps
    text = f"{error.step} is not there"
    if any(each.message == step.message for each in walk.frame.messages):
        why = blocked(walk.scenario, walk.frame, step.message, names)
        if why:
            return f"{text}: {why}"
    possible = ", ".join(error.enabled)
    return f"{text}; possible: {possible}" if possible else f"{text}: nothing more can happen"


def budgets(walk: ScheduleWalk) -> list[dict[str, Any]]:
    """Return how often each fault of the scenario may still happen, and why it cannot now."""
    found = []
    for name, (word, letters, absent) in FAULTS.items():
        whole = getattr(walk.scenario.faults, name)
        if not whole:
            continue
        used = sum(step.kind.value in letters for step in walk.shown)
        left = whole - used
        now = any(step.kind.value in letters for step in walk.frame.enabled)
        why = "" if now else absent if left else "used up"
        found.append({"name": word, "left": left, "whole": whole, "why": why})
    return found


# --- verdicts -----------------------------------------------------------------------------


def judged(walk: ScheduleWalk, known: Ending | None = None) -> dict[str, str]:
    """Say how the ending is judged, with the names of the anomalies so far.

    Parameters
    ----------
    known : the same ending, if a search has found and judged it
    """
    anomalies = walk.anomalies
    ending = walk.ending
    if ending is not None and ending.serializable is None:
        ending = known or ending
    if ending is None:
        said = f"so far: {', '.join(anomalies)}" if anomalies else "nothing has gone wrong so far"
        return {"sort": "open", "word": "it goes on", "text": said}
    return _judged(ending, anomalies, bool(walk.frame.enabled))


def _judged(ending: Ending, anomalies: Sequence[str], more: bool) -> dict[str, str]:
    passed = f"on the way: {', '.join(anomalies)}" if anomalies else ""
    if ending.fifo:
        sort, word, text = "right", "as FIFO", "it ends as in arrival order"
    elif ending.serializable:
        sort, word = "serial", "not in arrival order"
        text = "serializable: it ends as handling one after another, in another order"
    elif ending.serializable is None:
        sort, word = "unknown", "not as FIFO"
        text = "whether another order gives this ending is not known"
    else:
        harm = [name for name in anomalies if name not in HARMLESS]
        sort, word = "wrong", f"forbidden: {', '.join(harm)}" if harm else "forbidden"
        text, passed = "no serial order gives this ending", ""
    parts = [text, passed, "a fault may come nevertheless" if more else ""]
    return {"sort": sort, "word": word, "text": "; ".join(each for each in parts if each)}
