"""Steps of batches and arrivals in plain words: those that concern several messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from settlesim.sim.disciplines import DEAD, DELETED, REFUSED, VISIBLE
from settlesim.sim.model import Model, State
from settlesim.sim.policies import EXCLUDED_WORDS
from settlesim.sim.terms import Kind, Step

__all__ = ["arrival_text", "batch_text", "joined"]


def joined(names: Sequence[str]) -> str:
    """Return names with commas, and *and* before the last."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def arrival_text(
    model: Model, names: Sequence[str], step: Step, states: tuple[State, State]
) -> str:
    """Say what an event that arrives does to others, or what the policy does with it."""
    was, now = (
        {each for number in state[model.size + 1 :] for each in model.shared[number].excluded}
        for state in states
    )
    name = names[step.message - 1]
    word = EXCLUDED_WORDS[model.scenario.while_running]
    new = sorted(now - was)
    if not new:
        return f"{name}: it arrives"
    if step.message - 1 in new:
        return f"{name}: it arrives, and is {word}"
    verb = "is" if len(new) == 1 else "are"
    return f"{name}: it arrives, and {joined([names[each] for each in new])} {verb} {word}"


def batch_text(
    model: Model, names: Sequence[str], step: Step, states: tuple[State, State]
) -> str | None:
    """Say what a step does to a batch; None for a step that concerns only one message."""
    before, after = ([model.phases[number] for number in state[: model.size]] for state in states)
    changed = {
        new.message: new.status
        for old, new in zip(before, after, strict=True)
        if (old.status, old.receives) != (new.status, new.receives)
    }
    if step.kind is Kind.RECEIVE and len(changed) > 1:
        return f"{joined([names[each] for each in changed])} are received together"
    batch = _batch(model, step, states[0])
    if len(batch) < 2 or step.kind not in _OF_BATCH:
        return None
    what = _OF_BATCH[step.kind]
    told = [what] if what else []
    told += _told({each: changed[each] for each in batch if each in changed}, names)
    head = f"{names[step.message - 1]}: " if step.kind is Kind.CRASH else ""
    return head + "; ".join(told or ["the batch ends too late: nothing is deleted"])


_OF_BATCH = {
    Kind.DELETE: "",
    Kind.CRASH: "the worker crashes with its batch",
    Kind.EXPIRE: "the visibility time-out of the batch passes",
}


def _batch(model: Model, step: Step, state: State) -> list[int]:
    """Return the messages of the batch that a step belongs to."""
    leader = (step.message - 1, step.delivery)
    phases = (model.phases[number] for number in state[: model.size])
    return [
        phase.message for phase in phases if any(each.batch == leader for each in phase.deliveries)
    ]


def _told(changed: dict[int, int], names: Sequence[str]) -> Iterator[str]:
    """Say what has become of messages, status by status."""
    words = {
        DELETED: "deleted",
        VISIBLE: "visible again",
        DEAD: "put into the dead letters",
        REFUSED: "refused",
    }
    for status, word in words.items():
        own = [names[each] for each, now in changed.items() if now == status]
        if own:
            yield f"{joined(own)} {'is' if len(own) == 1 else 'are'} {word}"
