"""A trace as frames for the page: one for the beginning, each microstep, and the end."""

from __future__ import annotations

from typing import Any

from settlesim.chart import EVENTLESS, Chart, Transition
from settlesim.chart.outcome import Outcome
from settlesim.chart.secrets import hide
from settlesim.chart.trigger_words import trigger_words
from settlesim.errors import SettlesimError, error_message
from settlesim.settling import Settlement
from settlesim.settling.settlement import event_words
from settlesim.settling.settling import Settling
from settlesim.widgets.chart.page_state import changes, in_words, text_of
from settlesim.widgets.chart.trace import Asked, Attempt, Trace, candidates

__all__ = ["frames_of"]


def frames_of(chart: Chart, value: Settling | Settlement, trace: Trace) -> list[dict[str, Any]]:
    """Return the frames of an event, oldest first, as plain JSON."""
    before = value.before
    what = event_words(value.event)
    told = "a new instance" if before.revision == 0 else f"revision {before.revision}"
    frames = [_frame("begin", f"before {what}", before.configuration, chart, note=f"{told} in ")]
    frames[0]["note"] += in_words(before.configuration)
    frames[0]["context"] = changes(before.context, before.context, chart.secret)
    for attempt in trace.attempts:
        found = _attempt(chart, attempt)
        if found is not None:
            frames.append(found)
    frames.append(_end(chart, value, trace))
    for number, frame in enumerate(frames):
        frame["number"] = number
    return frames


def _frame(
    kind: str, title: str, configuration: tuple[str, ...], chart: Chart, **more: Any
) -> dict[str, Any]:
    return {
        "kind": kind,
        "title": title,
        "active": list(chart.active(configuration)),
        "where": in_words(configuration),
        "edges": [],
        "data": None,
        "candidates": [],
        "ran": [],
        "starts": [],
        "context": [],
        "note": "",
        **more,
    }


def _attempt(chart: Chart, attempt: Attempt) -> dict[str, Any] | None:
    """Return the frame of an attempt; None if there is nothing to say about it."""
    possible = candidates(chart, attempt)
    fired = attempt.fired
    if attempt.trigger == "start":
        if not attempt.assigns and attempt.error is None:
            return None
    elif fired is None and attempt.error is None and attempt.trigger == EVENTLESS and not possible:
        return None
    after = fired.configuration if fired is not None else attempt.configuration
    context = fired.context if fired is not None else attempt.context
    title = "enter the first states" if attempt.trigger == "start" else _title(chart, attempt)
    data = hide(attempt.event.data, _secret(chart, attempt)) if attempt.trigger else None
    frame = _frame("step" if fired else "no step", title, after, chart)
    frame["edges"] = [f"e{edge}" for edge in fired.edges] if fired else []
    frame["data"] = None if data is None else text_of(data)
    frame["candidates"] = [_candidate(edge, index, attempt) for index, edge in possible]
    frame["ran"] = [_ran(chart, asked, attempt) for asked in attempt.assigns]
    frame["context"] = changes(attempt.context, context, chart.secret)
    frame["starts"] = [
        each.src for name in (fired.entered if fired else ()) for each in chart.node(name).invoke
    ]
    frame["note"] = _note(attempt, possible)
    return frame


def _secret(chart: Chart, attempt: Attempt) -> tuple[str, ...]:
    """Return the fields of an event's data to hide; an error's message may contain a secret."""
    failed = chart.secret and attempt.event.name.startswith("error.")
    return (*chart.secret, "message") if failed else chart.secret


def _title(chart: Chart, attempt: Attempt) -> str:
    if attempt.trigger == EVENTLESS:
        return "at once (no event)"
    return trigger_words(chart, attempt.trigger)


def _note(attempt: Attempt, possible: list[tuple[int, Transition]]) -> str:
    if attempt.error is not None:
        return f"{type(attempt.error).__name__}: {attempt.error}"
    if attempt.fired is not None:
        return ""
    if not possible:
        return f"no transition for it leads out of {in_words(attempt.configuration)}"
    return "no transition is enabled: guards said no"


def _candidate(edge: Transition, index: int, attempt: Attempt) -> dict[str, Any]:
    said = {asked.name: asked.answer for asked in attempt.guards}
    guards = [
        {"name": name, "wanted": wanted, "answer": _answer(said.get(name, "not asked"))}
        for names, wanted in ((edge.conditions, True), (edge.unless, False))
        for name in names
    ]
    fires = attempt.fired is not None and index in attempt.fired.edges
    refused = any(
        each["answer"] != "not asked" and each["answer"] != str(each["wanted"]).lower()
        for each in guards
    )
    verdict = "fires" if fires else "guard says no" if refused else "not reached"
    return {
        "edge": f"e{index}",
        "text": f"{edge.source} \N{RIGHTWARDS ARROW} {' and '.join(edge.dests) or edge.source}",
        "guards": guards,
        "verdict": verdict,
    }


def _answer(value: Any) -> str:
    if isinstance(value, BaseException):
        return f"raised {type(value).__name__}"
    return {True: "true", False: "false"}.get(value, str(value)) if value is not None else "None"


def _ran(chart: Chart, asked: Asked, attempt: Attempt) -> dict[str, str]:
    place = ""
    if attempt.fired is not None:
        own = {name for edge in attempt.fired.edges for name in chart.edges[edge].assigns}
        if asked.name not in own:
            for name in attempt.fired.exited:
                if asked.name in chart.node(name).on_exit:
                    place = f"leaving {name}"
            for name in attempt.fired.entered:
                if asked.name in (*chart.node(name).on_enter, *chart.node(name).on_final):
                    place = f"entering {name}"
    if isinstance(asked.answer, BaseException):
        result = f"raised {type(asked.answer).__name__}: {asked.answer}"
    elif not isinstance(asked.answer, dict):
        result = "changed nothing" if asked.answer is None else f"returned {asked.answer!r}"[:200]
    else:
        result = text_of(hide(asked.answer, chart.secret)) if asked.answer else "changed nothing"
    return {"name": asked.name, "place": place, "result": result}


def _end(chart: Chart, value: Settling | Settlement, trace: Trace) -> dict[str, Any]:
    settlement = value if isinstance(value, Settlement) else value.settlement
    if settlement is not None:
        return _settled(chart, settlement, trace)
    assert isinstance(value, Settling)
    waits = [each.service for each in value.pending]
    waits += [f"{each.seconds:g} s to pass" for each in value.delays]
    if waits:
        note = f"stable, but not settled: it waits for {', '.join(waits)}"
        frame = _frame("waits", "waits", value.configuration, chart, note=note)
        frame["context"] = changes(value.before.context, value.context, chart.secret)
        return frame
    try:
        value.elapsed("")  # raises the error that ended it
    except (SettlesimError, KeyError) as error:
        cause = error.__cause__ or error
        note = f"{type(cause).__name__}: {error_message(cause)}. The instance is as it was."
    frame = _frame("failed", "error", value.before.configuration, chart, note=note)
    frame["context"] = changes(value.before.context, value.before.context, chart.secret)
    return frame


def _settled(chart: Chart, settlement: Settlement, trace: Trace) -> dict[str, Any]:
    last = settlement.path[-1]
    start = settlement.start if settlement.only_start_saved else None
    if start is not None:
        ended = "was rejected" if settlement.outcome is Outcome.REJECTED else "was not taken"
        note = (
            f"The event {ended}. What the start did before it is saved as revision "
            f"{settlement.after.revision}, in {in_words(start.configuration)}."
        )
    elif settlement.outcome is Outcome.IGNORED:
        note = "Nothing took the event. The instance is as it was."
    else:
        note = "; ".join(f"{leaf} {_why(chart, leaf)}" for leaf in last)
        note += ". Stable, and no service runs: settled. "
        note += (
            f"Saved as revision {settlement.after.revision}."
            if settlement.saved
            else "A rejected event is not saved: the instance is as it was."
        )
    if trace.differs:
        note += (
            " (Run again, it went another way: a guard or an assign answers differently "
            "when it is asked twice, so the steps shown are not those that were taken.)"
        )
    kind = settlement.outcome.value
    frame = _frame(kind, settlement.outcome.name, last, chart, note=note)
    frame["context"] = changes(settlement.before.context, settlement.after.context, chart.secret)
    return frame


def _why(chart: Chart, leaf: str) -> str:
    """Say what makes a leaf settled."""
    name: str | None = leaf
    known = chart.settling_tags.all
    while name is not None:
        tags = [tag for tag in chart.node(name).tags if tag in known]
        if tags:
            inside = "" if name == leaf else f" ({name} is)"
            return f"is tagged {', '.join(tags)}{inside}"
        name = chart.node(name).parent
    return "is final"
