"""Steps and schedules in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from settlesim.sim.disciplines import DEAD, DELETED
from settlesim.sim.model import Model, State
from settlesim.sim.moves import DONE
from settlesim.sim.scenario import Scenario
from settlesim.sim.serial import Serial
from settlesim.sim.values import Ending, Frame, Kind

__all__ = ["names_of", "sentence_of", "step_text"]


def names_of(scenario: Scenario) -> list[str]:
    """Return a name for every message: the event, with what is needed to tell it apart."""
    events = scenario.events
    several = len(scenario.instances) > 1
    names = []
    for index, each in enumerate(events):
        name = f"{each.event} of {each.key}" if several else each.event
        twins = [other for other in events if (other.key, other.event) == (each.key, each.event)]
        if len(twins) > 1:
            number = sum(
                (other.key, other.event) == (each.key, each.event) for other in events[: index + 1]
            )
            name += f" ({_ordinal(number)})"
        names.append(name)
    return names


def _ordinal(number: int) -> str:
    special = {1: "first", 2: "second", 3: "third"}
    return special.get(number, f"{number}th")


def _leaves(configuration: Sequence[str]) -> str:
    return " + ".join(configuration)


def step_text(
    model: Model,
    names: Sequence[str],
    step: tuple[Kind, int, int],
    states: tuple[State, State],
    first_revision: int,
) -> str:
    """Say what a step does, given the states before and after it."""
    before, after = states
    kind, message, number = step
    index = message - 1
    place = model.size + 1 + model.key_of[index]
    shared, kept = model.shared[before[place]], model.shared[after[place]]
    phase, new = model.phases[before[index]], model.phases[after[index]]
    here = _leaves(model.table.configuration(shared.state))
    program = dict(each[:2] for each in phase.deliveries).get(number, -1)
    node = model.table.node(program) if program >= 0 else None
    service = "" if node is None else node.service
    if kind is Kind.RECEIVE:
        what = "is received" if number == 1 else f"is received for the {_ordinal(number)} time"
    elif kind is Kind.LOAD:
        what = f"{here} is loaded, revision {shared.version + first_revision}"
        done = (number, DONE) in [each[:2] for each in new.deliveries]
        what += "; the event is in it already" if done else ""
    elif kind is Kind.CALL:
        assert node is not None
        what = f"{service} {_call_ends(model, node.works, shared.effects, kept.effects)}"
    elif kind is Kind.SAVE:
        there = _leaves(model.table.configuration(kept.state))
        what = f"{there} is saved as revision {kept.version + first_revision}"
    elif kind is Kind.SKIP:
        assert node is not None
        assert node.outcome is not None
        what = f"is {node.outcome.value}; nothing is saved"
    elif kind is Kind.CONFLICT:
        what = "the save is refused: somebody else was first"
    elif kind is Kind.DELETE:
        late = new.status == phase.status and new.status != DELETED
        what = "the delete comes too late" if late else "is deleted"
    else:
        what = _other(kind, service, "" if node is None else node.text)
    if new.status == DEAD != phase.status:
        what += "; it goes to the dead letters"
    return f"{names[index]}: {what}"


def _call_ends(model: Model, works: bool, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    if not works:
        return "fails by itself"
    repeated = before and after == before and "idempotent" in model.scenario.protections
    return "is done, or was done before" if repeated else "is done"


def _other(kind: Kind, service: str, text: str) -> str:
    return {
        Kind.FAIL: f"{service} fails",
        Kind.TIMEOUT: f"{service} runs out of time",
        Kind.GIVE_BACK: f"comes to no settled node ({text})",
        Kind.CRASH: "the worker crashes",
        Kind.EXPIRE: "its visibility time-out passes",
        Kind.DUPLICATE: "the queue delivers it again",
    }[kind]


# --- a whole schedule ---------------------------------------------------------------------


def sentence_of(
    scenario: Scenario, frames: Sequence[Frame], ending: Ending | None, serial: Serial
) -> str:
    """Say in plain words what happened."""
    names = names_of(scenario)
    parts = [*_at_once(frames, names), *_told(frames, names)]
    if ending is None:
        parts.append("it goes on")
    else:
        parts.append(_ends(scenario, ending, serial))
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _at_once(frames: Sequence[Frame], names: Sequence[str]) -> list[str]:
    """Name the messages of one instance that were handled at the same time."""
    met: dict[int, None] = {}
    for frame in frames:
        by_key: dict[str, list[int]] = {}
        for each in frame.deliveries:
            key = frame.messages[each.message - 1].key
            by_key.setdefault(key, []).append(each.message)
        for together in by_key.values():
            if len(set(together)) > 1:
                met.update(dict.fromkeys(together))
    if not met:
        return []
    who = [names[message - 1] for message in sorted(met)]
    return [f"{', '.join(who[:-1])} and {who[-1]} were handled at once"]


def _told(frames: Sequence[Frame], names: Sequence[str]) -> list[str]:
    """Tell the faults and the anomalies, in the order in which they came."""
    parts = []
    saved: list[tuple[int, int]] = []
    for before, frame in pairwise(frames):
        step = frame.step
        assert step is not None  # only the first frame has none
        if step.kind is Kind.SAVE:
            saved.append(step[1:])
        name = names[step.message - 1]
        if step.kind.is_fault or step.kind in {Kind.CONFLICT, Kind.GIVE_BACK}:
            parts.append(_fault(frame, name, was_saved=step[1:] in saved))
        parts += [_anomaly(each, before, frame, names) for each in frame.anomalies]
        if step.kind is Kind.SKIP and "ignored out of order" not in frame.anomalies:
            parts.append(frame.text.partition(";")[0].replace(":", "", 1))
    return [each for each in parts if each]


def _fault(frame: Frame, name: str, *, was_saved: bool) -> str:
    step = frame.step
    assert step is not None
    if step.kind is Kind.CRASH:
        when = "after its save, before its delete" if was_saved else "before it had saved anything"
        return f"the worker of {name} crashed {when}"
    if step.kind is Kind.EXPIRE:
        return f"the visibility time-out of {name} passed while it was handled"
    if step.kind is Kind.DUPLICATE:
        return f"the queue delivered {name} a second time"
    if step.kind is Kind.CONFLICT:
        return f"the save of {name} was refused"
    return frame.text.replace(":", "", 1)


def _anomaly(anomaly: str, before: Frame, frame: Frame, names: Sequence[str]) -> str:
    step = frame.step
    assert step is not None
    name = names[step.message - 1]
    key = frame.messages[step.message - 1].key
    old = next(each for each in before.store if each.key == key)
    new = next(each for each in frame.store if each.key == key)
    there, here = _leaves(new.configuration), _leaves(old.configuration)
    texts = {
        "lost update": f"{name} overwrote {here} (revision {old.revision}) with {there}",
        "stale read": "",  # what it leads to says more
        "dirty read": f"{name} loaded {here}, which is not settled",
        "reordering": f"{name} was saved after a later event",
        "duplicate apply": f"{name} was applied twice",
        "duplicate effect": f"{frame.effects[-1][1] if frame.effects else ''} ran twice for {name}",
        "zombie write": f"the save of {name} came from a handler that had lost its message",
        "gap after dead letter": f"{name} was handled although an earlier event is a dead letter",
        "head-of-line blocking": f"later events had to wait for {name}",
        "ignored out of order": f"{name} was ignored in {here}, out of order",
    }
    return texts[anomaly]


def _ends(scenario: Scenario, ending: Ending, serial: Serial) -> str:
    text = f"it ends in {ending.label}"
    if ending.effects:
        text += f" after {', '.join(effect[1] for effect in ending.effects)}"
    if ending.dead:
        names = names_of(scenario)
        text += f", with {', '.join(names[each - 1] for each in ending.dead)} as dead letter"
    if ending.fifo:
        return f"{text}, as in order of arrival"
    if ending.fifo is None:
        return f"{text}; where order of arrival leads is not known"
    return f"{text}; in order of arrival it would be {serial.fifo_label()}"
