"""Steps and schedules in plain words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from settlesim.chart.strict_json import FrozenDict
from settlesim.settling.settlement import Elapsed
from settlesim.sim.contexts import leaf_words, rest_words, telling_fields
from settlesim.sim.disciplines import DEAD, DELETED
from settlesim.sim.group_words import arrival_text, batch_text, joined
from settlesim.sim.model import Model, State
from settlesim.sim.moves import DONE
from settlesim.sim.policies import EXCLUDED_WORDS
from settlesim.sim.program_nodes import Branch, ProgramNodeKind, TableNode
from settlesim.sim.scenario import Scenario
from settlesim.sim.serial import Serial
from settlesim.sim.terms import Ending, Frame, InstanceView, Kind, Step

__all__ = ["message_names", "sentence_of", "step_text"]

_Effect: TypeAlias = tuple[str, int]
"""A service, and the message from 1 for which it had an effect."""


def message_names(scenario: Scenario) -> list[str]:
    """Return a distinct name for every message: the event, with key and ordinal if needed."""
    events = scenario.messages
    delays = {
        Elapsed(delay.id).event.name: f"{delay.seconds:g} s in {node.name}"
        for node in scenario.chart.states
        for delay in node.after
    }
    several = len(scenario.instances) > 1
    names = []
    for index, each in enumerate(events):
        event = delays.get(each.event, each.words)
        name = f"{event} of {each.key}" if several else event
        twins = [other for other in events if (other.key, other.event) == (each.key, each.event)]
        if len(twins) > 1:
            number = sum(
                (other.key, other.event) == (each.key, each.event) for other in events[: index + 1]
            )
            name += f" ({_ordinal(number)})"
        names.append(name)
    return names


def _ordinal(number: int) -> str:
    words = {1: "first", 2: "second", 3: "third"}
    suffixes = {1: "st", 2: "nd", 3: "rd"}
    suffix = "th" if number % 100 in {11, 12, 13} else suffixes.get(number % 10, "th")
    return words.get(number, f"{number}{suffix}")


def _saved(model: Model, before: int, after: int) -> str:
    """Name the saved state with the fields that it changes, or all fields if nothing changes."""
    configuration, context = model.table.configuration(after), model.table.context(after)
    old = model.table.context(before)
    changed = [name for name, value in context.items() if name not in old or old[name] != value]
    if not changed and configuration == model.table.configuration(before):
        changed = list(context)
    return rest_words((configuration, context), changed, model.scenario.chart.secret)


def _text(
    model: Model,
    names: Sequence[str],
    step: Step,
    states: tuple[State, State],
    first_revision: int,
) -> str:
    """Say what a step that concerns one message does."""
    before, after = states
    kind, message, number, choice = step
    index = message - 1
    place = model.size + 1 + model.key_of[index]
    shared, kept = model.shared[before[place]], model.shared[after[place]]
    phase, new = model.phases[before[index]], model.phases[after[index]]
    here = leaf_words(model.table.configuration(shared.state))
    program = dict(each[:2] for each in phase.deliveries).get(number, -1)
    node = model.table.node(program) if program >= 0 else None
    branch = _branch_of(node, kind, choice)
    if kind is Kind.RECEIVE:
        what = "is received" if number == 1 else f"is received for the {_ordinal(number)} time"
    elif kind is Kind.LOAD:
        what = f"{here} is loaded, revision {shared.version + first_revision}"
        if (number, DONE) in [each[:2] for each in new.deliveries]:
            stale = index >= model.events and phase.message not in shared.handled
            what += "; its state was left since" if stale else "; the event is in it already"
    elif branch is not None:
        what = _completion(model, branch, (shared.effects, kept.effects))
    elif kind is Kind.SAVE:
        there = _saved(model, shared.state, kept.state)
        what = f"{there} is saved as revision {kept.version + first_revision}"
        if node is not None and node.only_start and node.outcome is not None:
            what = f"is {node.outcome.value}; after its start, {what}"
    elif kind is Kind.SKIP:
        assert node is not None
        assert node.outcome is not None
        what = f"is {node.outcome.value}; nothing is saved"
    elif kind is Kind.DELETE:
        late = new.status == phase.status and new.status != DELETED
        what = "the delete comes too late" if late else "is deleted"
    else:
        what = _other(kind, node)
    if new.status == DEAD != phase.status and not _strands(node):
        what += "; it goes to the dead letters"
    return f"{names[index]}: {what}"


def step_text(
    model: Model,
    names: Sequence[str],
    step: Step,
    states: tuple[State, State],
    first_revision: int,
) -> str:
    """Say what a step does, given the states before and after it."""
    if step.kind is Kind.DEPLOY:
        return _takes_over(model, step.message - 1)
    if step.kind is Kind.ARRIVE:
        return arrival_text(model, names, step, states)
    if model.scenario.batch > 1:
        text = batch_text(model, names, step, states)
        if text is not None:
            return text
    return _text(model, names, step, states, first_revision)


def _takes_over(model: Model, index: int) -> str:
    text = f"version {model.scenario.chart.version} takes over"
    return f"{model.instances[model.key_of[index]]}: {text}" if len(model.instances) > 1 else text


def _strands(node: TableNode | None) -> bool:
    """Whether a program strands its message, since its version cannot continue."""
    return node is not None and node.kind is ProgramNodeKind.STRANDED


def _completion(
    model: Model, branch: Branch, effects: tuple[tuple[int, ...], tuple[int, ...]]
) -> str:
    """Say what completes, fails or passes in a handler."""
    if branch.kind is Kind.EFFECT:
        return f"{branch.service} has its effect, and has not come back"
    if branch.kind is Kind.CALL and not branch.late:
        return f"{branch.service} {_call_ends(model, branch.works, *effects)}"
    if branch.kind is Kind.DELAY:
        verb = "have" if branch.text.endswith(" s") else "has"
        return f"{branch.text} {verb} passed"
    return _failure(branch)


def _call_ends(model: Model, works: bool, before: tuple[int, ...], after: tuple[int, ...]) -> str:
    if not works:
        return "fails by itself"
    repeated = before and after == before and "idempotent" in model.scenario.protections
    return "is done, or was done before" if repeated else "is done"


def _branch_of(node: TableNode | None, kind: Kind, choice: int) -> Branch | None:
    """Return the branch that a step takes; None if the step is not one of a program."""
    branches = [] if node is None else [branch for branch in node.branches if branch.kind is kind]
    return branches[choice - 1] if branches else None


def _failure(branch: Branch) -> str:
    if not branch.service:
        return branch.text
    if branch.kind is Kind.FAIL and branch.late:
        return f"{branch.service} does not come back when it should"
    if branch.kind is not Kind.TIMEOUT:
        return (
            f"{branch.service} fails with {branch.text}"
            if branch.text
            else f"{branch.service} fails"
        )
    late = f"{branch.service} runs out of time"
    return f"{late}, after it has had its effect" if branch.effect else late


def _other(kind: Kind, node: TableNode | None) -> str:
    text = "" if node is None else node.text
    if _strands(node):
        return f"is stranded: {text}; it waits for a worker that can handle it"
    return {
        Kind.CONFLICT: "the save is refused: somebody else was first",
        Kind.RELEASE: f"reaches no settled state ({text})",
        Kind.DUE: "it is due, and its message enters the queue",
        Kind.CRASH: "the worker crashes",
        Kind.EXPIRE: "its visibility time-out passes",
        Kind.DUPLICATE: "the queue delivers it again",
    }[kind]


# --- a whole schedule ---------------------------------------------------------------------


def sentence_of(
    scenario: Scenario, frames: Sequence[Frame], ending: Ending | None, serial: Serial
) -> str:
    """Say in plain words what happened."""
    story = _Story(scenario, frames, ending, serial)
    parts = [*story.together(), *story.told()]
    parts.append("it goes on" if ending is None else story.ends(ending))
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


class _Story:
    """Tells a schedule in words, naming only the fields of contexts that make a difference."""

    def __init__(
        self, scenario: Scenario, frames: Sequence[Frame], ending: Ending | None, serial: Serial
    ) -> None:
        self.scenario = scenario
        self.frames = frames
        self.names = message_names(scenario)
        excluded = () if ending is None else ending.excluded
        self.parts = {
            key: serial.fifo_part(place, excluded) for place, key in enumerate(scenario.instances)
        }
        self.fields: dict[str, list[str]] = {}
        for key, part in self.parts.items():
            held = [] if part is None else [(part.configuration, part.context)]
            held += [
                (each.configuration, each.context)
                for frame in frames
                for each in frame.store
                if each.key == key
            ]
            self.fields[key] = telling_fields(held)

    def rest(self, key: str, configuration: Sequence[str], context: FrozenDict) -> str:
        """Describe the state of an instance so that it differs from its other states."""
        return rest_words((configuration, context), self.fields[key], self.scenario.chart.secret)

    def held(self, view: InstanceView) -> str:
        """Describe what is stored of an instance."""
        return self.rest(view.key, view.configuration, view.context)

    def together(self) -> list[str]:
        """Name the messages of one instance that were handled at the same time."""
        met: dict[int, None] = {}
        for frame in self.frames:
            by_key: dict[str, list[int]] = {}
            for each in frame.deliveries:
                key = frame.key_of(each.message)
                by_key.setdefault(key, []).append(each.message)
            for together in by_key.values():
                if len(set(together)) > 1:
                    met.update(dict.fromkeys(together))
        if not met:
            return []
        who = [self.names[message - 1] for message in sorted(met)]
        return [f"{', '.join(who[:-1])} and {who[-1]} were handled concurrently"]

    def told(self) -> list[str]:
        """Tell the faults and the anomalies, in the order in which they occurred."""
        parts = []
        saved: list[tuple[int, int]] = []
        for before, frame in pairwise(self.frames):
            step = frame.step
            assert step is not None  # only the first frame has none
            if step.kind is Kind.SAVE:
                saved.append(step.handler)
            name = self.names[step.message - 1]
            if step.kind.is_fault or step.kind in _TOLD:
                parts.append(_fault(frame, name, was_saved=step.handler in saved))
            parts += [self.anomaly(each, before, frame) for each in frame.anomalies]
            if _is_without_effect(frame, name) and "ignored out of order" not in frame.anomalies:
                skipped = frame.text.partition(";")[0].replace(": is ", " was ", 1)
                parts.append(f"{skipped}, having loaded {self.loaded(before, step)}")
        return [each for each in parts if each]

    def loaded(self, before: Frame, step: Step) -> str:
        """Describe what the handler of a step had loaded."""
        key = self.scenario.messages[step.message - 1].key
        own = next((each for each in before.deliveries if each[:2] == step.handler), None)
        found = (
            each
            for frame in self.frames
            for each in frame.store
            if own is not None and each.key == key and each.revision == own.loaded
        )
        view = next(found, None)
        return "nothing" if view is None else self.held(view)

    def anomaly(self, anomaly: str, before: Frame, frame: Frame) -> str:
        """Say what an anomaly was in this schedule."""
        step = frame.step
        assert step is not None
        name = self.names[step.message - 1]
        key = frame.key_of(step.message)
        old = next(each for each in before.store if each.key == key)
        new = next(each for each in frame.store if each.key == key)
        there, here, loaded = self.held(new), self.held(old), self.loaded(before, step)
        texts = {
            "lost update": f"{name}, which had loaded {loaded}, overwrote {here} "
            f"(revision {old.revision}) with {there}",
            "stale read": "",  # its consequences, which are told, say more
            "dirty read": f"{name} loaded {here}, which is not settled",
            "reordering": f"{name} was saved after a later event",
            "duplicate apply": f"{name} was applied twice",
            "duplicate effect": f"{frame.effects[-1][1] if frame.effects else ''} ran twice for "
            f"{name}",
            "zombie write": f"the save of {name} came from a handler that had lost its message",
            "gap after dead letter": f"{name} was handled although an earlier event is a dead "
            "letter",
            "head-of-line blocking": f"later events had to wait for {name}",
            "ignored out of order": f"{name} was handled out of order, and ignored in {loaded}",
            "partly cancelled": f"{self._cancelled(before, frame)} had a part of its work done",
        }
        return texts[anomaly]

    def _cancelled(self, before: Frame, frame: Frame) -> str:
        """Name the events that a step has cancelled, or the one whose handler continues."""
        kept = {each.message: each.status for each in before.messages}
        words = set(EXCLUDED_WORDS.values())
        new = [
            self.names[each.message - 1]
            for each in frame.messages
            if each.status in words and kept.get(each.message) not in words
        ]
        assert frame.step is not None
        return joined(new or [self.names[frame.step.message - 1]])

    def ends(self, ending: Ending) -> str:
        """Say what the ending is, and what it would be in arrival order."""
        found, wanted = self._found_and_wanted(ending, self._services)
        if ending.fifo:
            return f"it ends in {found}, as in arrival order"
        if ending.fifo is None or wanted is None:
            return f"it ends in {found}; where arrival order leads is not known"
        if found == wanted:  # they differ only in which event called which service
            found, wanted = self._found_and_wanted(ending, self._services_of_events)
        return f"it ends in {found}; in arrival order it would be {wanted}"

    def _found_and_wanted(
        self, ending: Ending, services: Callable[[Iterable[_Effect]], list[str]]
    ) -> tuple[str, str | None]:
        """Describe the endings of all instances, and those in arrival order; None if unknown."""
        events = self.scenario.messages
        found, wanted = [], []
        for key, leaves, context in ending.store:
            effects = services(each[1:] for each in ending.effects if each[0] == key)
            dead = [each for each in ending.dead if events[each - 1].key == key]
            left = [each for each in ending.excluded if events[each - 1].key == key]
            named = self.named(key, self.rest(key, leaves, context), effects, dead)
            found.append(named + self.without(left))
            part = self.parts[key]
            if part is not None:
                rest = self.rest(key, part.configuration, part.context)
                wanted.append(self.named(key, rest, services(part.effects), part.dead))
        return "; ".join(found), "; ".join(wanted) if len(wanted) == len(found) else None

    @staticmethod
    def _services(effects: Iterable[_Effect]) -> list[str]:
        return [service for service, _ in effects]

    def _services_of_events(self, effects: Iterable[_Effect]) -> list[str]:
        return [f"{service} of {self.names[message - 1]}" for service, message in effects]

    def without(self, excluded: Sequence[int]) -> str:
        """Say which events of an instance a policy has kept out."""
        if not excluded:
            return ""
        names = joined([self.names[each - 1] for each in excluded])
        return f", with {names} {EXCLUDED_WORDS[self.scenario.while_running]}"

    def named(self, key: str, rest: str, services: Sequence[str], dead: Sequence[int]) -> str:
        """Describe the ending of one instance, with its key only if there are several."""
        text = f"{key}: {rest}" if len(self.parts) > 1 else rest
        if services:
            text += f" after {', '.join(services)}"
        if dead:
            letters = "as dead letter" if len(dead) == 1 else "as dead letters"
            if self.scenario.old is not None:
                letters = "stranded" if self.scenario.max_receives is None else "put aside"
            text += f", with {', '.join(self.names[each - 1] for each in dead)} {letters}"
        return text


_TOLD: Final = frozenset(
    {
        Kind.CONFLICT,
        Kind.RELEASE,
        Kind.EFFECT,
        Kind.DELAY,
        Kind.DUE,
        Kind.DEPLOY,
        Kind.ARRIVE,
    }
)


def _is_without_effect(frame: Frame, name: str) -> bool:
    """Whether an event was ignored or rejected, whether or not a start before it was saved."""
    assert frame.step is not None
    told = (f"{name}: is ignored;", f"{name}: is rejected;")
    return frame.step.kind is Kind.SKIP or frame.text.startswith(told)


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
    if step.kind is Kind.DEPLOY:
        return frame.text
    if step.kind is Kind.ARRIVE:  # an arrival is told only if it had consequences
        text = frame.text.replace(": it arrives", " arrived", 1)
        return text.replace(" is ", " was ").replace(" are ", " were ") if "," in text else ""
    what = frame.text.removeprefix(f"{name}: ")
    if step.kind is Kind.DUE:
        return f"{name} passed"
    if step.kind in {Kind.FAIL, Kind.TIMEOUT, Kind.DELAY, Kind.EFFECT}:
        return f"for {name} {what}"
    return f"{name} {what}"
