"""The changes between two charts, each a value with a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from settlesim.chart.definition import (
    EVENTLESS,
    Delay,
    Invocation,
    Node,
    NodeKind,
    Retry,
    Transition,
)
from settlesim.chart.edge_pairs import EdgeGroup, paired_delays, paired_invocations
from settlesim.chart.renames import likely_renames
from settlesim.chart.report import counted_noun
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import shorten

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["About", "Change", "ChangeKind", "changes_between", "name_words"]

ChangeKind = Literal["removed", "added", "changed"]
About = Literal["chart", "context", "state", "service", "delay", "transition"]

_PLAIN: Final = re.compile(r"[\w.\-:/]+", re.ASCII)
_MAX_JSON: Final = 60
_WHOLE: Final = 1_000  # characters: more than any name has, so names are never cut in the middle


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between two charts."""

    kind: ChangeKind
    about: About
    state: str | None
    """The full name of the state that it concerns; None for the chart as a whole."""
    sentence: str
    """The change in words, without a full stop."""
    renamed_to: str | None = None
    """For a removed state: a new state that looks like it. Only a hint."""
    led_to: tuple[str, ...] | None = None
    """For a removed state: the states to which the newer chart's migration step may take it. Empty
    where only the context decides; None where no step mentions the state."""

    @property
    def phrase(self) -> str:
        """The sentence without the name of its state, for use where the name is shown already."""
        if self.state is None:
            return self.sentence
        name = f"state {name_words(self.state)}"
        return self.sentence.removeprefix(f"{name} ").replace(f" of {name}", "")

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON."""
        return {
            "kind": self.kind,
            "about": self.about,
            "state": self.state,
            "sentence": self.sentence,
            "renamed_to": self.renamed_to,
            "led_to": None if self.led_to is None else list(self.led_to),
        }

    def __str__(self) -> str:
        if self.led_to is not None:
            to = " or ".join(map(name_words, self.led_to))
            says = f"leads to {to}" if to else "decides by the context"
            return f"{self.sentence}; the step {says}"
        if self.renamed_to is None:
            return self.sentence
        return f"{self.sentence}; perhaps it was renamed to {name_words(self.renamed_to)}"


def changes_between(old: Chart, new: Chart, groups: Sequence[EdgeGroup]) -> tuple[Change, ...]:
    """Return every change, sorted by `_rank` and then by position in the charts."""
    found = [*_of_chart(old, new), *_gone_and_new(old, new, groups)]
    of_groups: dict[str, list[EdgeGroup]] = {}
    for group in groups:
        of_groups.setdefault(group.source, []).append(group)
    for node in old.states:
        if node.name in new:
            after = new.node(node.name)
            found.extend(_of_state(old, new, node, after))
            said = _said_triggers(node, after)
            for group in of_groups.get(node.name, ()):
                if (group.old_trigger, group.new_trigger) not in said:
                    found.extend(_of_group(old, new, group))
    return tuple(sorted(found, key=_rank))


def _rank(change: Change) -> tuple[int, int]:
    """Order changes: states with their services and delays, transitions, the chart, its context."""
    of_subject = {"transition": 1, "chart": 2, "context": 3}.get(change.about, 0)
    return of_subject, ("removed", "added", "changed").index(change.kind)


# --- the chart as a whole -----------------------------------------------------------------


def _of_chart(old: Chart, new: Chart) -> Iterator[Change]:
    def changed(sentence: str) -> Change:
        return Change("changed", "chart", None, sentence)

    if old.name != new.name:
        yield changed(
            f"the chart is now called {name_words(new.name)}, no longer {name_words(old.name)}"
        )
    if old.initial != new.initial:
        starts = [name_words(each.initial) for each in (new, old)]
        yield changed(f"a new instance now starts in {starts[0]}, no longer in {starts[1]}")
    if old.on_reject != new.on_reject:
        what = "saved" if new.on_reject == "persist" else "no longer saved"
        yield changed(f"a rejected settlement is now {what} (on_reject={new.on_reject!r})")
    if old.semantics != new.semantics:
        yield changed(f"the semantics are now {new.semantics}, no longer {old.semantics}")
    tags = (("resolved", "resolved"), ("rejected", "rejected"))
    for attribute, words in tags:
        was, now = (sorted(getattr(each.settling_tags, attribute)) for each in (old, new))
        if was != now:
            yield changed(
                f"the settling tags for {words} are now {_names(now)}, no longer {_names(was)}"
            )
    yield from _of_context(old.context, new.context)


def _of_context(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key, value in old.items():
        if key not in new:
            sentence = f"the initial context has no {name_words(key)} any more"
            yield Change("removed", "context", None, sentence)
        elif _json(value) != _json(new[key]):
            sentence = (
                f"{name_words(key)} of the initial context is now {_short(new[key])}, "
                f"no longer {_short(value)}"
            )
            yield Change("changed", "context", None, sentence)
    for key, value in new.items():
        if key not in old:
            sentence = f"the initial context has a new {name_words(key)}: {_short(value)}"
            yield Change("added", "context", None, sentence)


# --- states -------------------------------------------------------------------------------


def _gone_and_new(old: Chart, new: Chart, groups: Sequence[EdgeGroup]) -> Iterator[Change]:
    gone = [node for node in old.states if node.name not in new]
    added = [node for node in new.states if node.name not in old]
    led = _said_by_step(old, new, gone)
    taken = {name for names in led.values() for name in names}
    renames = likely_renames(
        old,
        new,
        [node for node in gone if node.name not in led],
        [node for node in added if node.name not in taken],
    )
    for node in gone:
        name = node.name
        sentence = f"state {name_words(name)} is gone"
        yield Change("removed", "state", name, sentence, renames.get(name), led.get(name))
    for node in added:
        ways = [
            f"{_trigger(new, group.new_trigger or EVENTLESS)} leads to {_dest(pair.new)}"
            for group in groups
            if group.source == node.name
            for pair in group.pairs
            if pair.new is not None
        ]
        more = f": {', '.join(ways)}" if ways else ""
        yield Change("added", "state", node.name, f"state {name_words(node.name)} is new{more}")


def _said_by_step(old: Chart, new: Chart, gone: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """Return the targets that the newer chart's migration step names for removed states."""
    steps = [
        step
        for step in new.migrations
        if (step.source.version, step.to.version) == (old.version, new.version)
    ]
    said = {node.name: step.targets(node.name) for step in steps for node in gone}
    return {name: names for name, names in said.items() if names is not None}


def _of_state(old: Chart, new: Chart, was: Node, now: Node) -> Iterator[Change]:
    name = was.name
    subject = f"state {name_words(name)}"

    def changed(sentence: str) -> Change:
        return Change("changed", "state", name, sentence)

    if was.kind is not now.kind:
        yield changed(f"{subject} is now {_kind(now)}, no longer {_kind(was)}")
    starts = [each.initial_states or (each.initial,) for each in (was, now)]
    if starts[0] != starts[1] and NodeKind.COMPOUND is was.kind is now.kind:
        inside = [" and ".join(map(name_words, filter(None, each))) for each in reversed(starts)]
        inside = [each or "no child" for each in inside]
        yield changed(f"{subject} now starts in {inside[0]}, no longer in {inside[1]}")
    yield from map(changed, _history_sentences(was, now, subject))
    yield from _of_regions(was, now, subject)
    yield from _of_tags(old, new, was, now)
    for attribute, where in (
        ("on_enter", "on entry"),
        ("on_exit", "on exit"),
        ("on_final", "when it is final"),
    ):
        runs = [", ".join(map(name_words, getattr(node, attribute))) for node in (was, now)]
        sentence = _verb(subject, "runs", runs[0], runs[1], where)
        if sentence:
            yield changed(sentence)
    yield from _of_services(was, now)
    yield from _of_delays(was, now)


def _history_sentences(was: Node, now: Node, subject: str) -> Iterator[str]:
    if was.history is None or now.history is None:
        return
    if was.history != now.history:
        yield f"{subject} is now {now.history} history, no longer {was.history}"
    if was.default != now.default:
        defaults = [_names(each.default) for each in (now, was)]
        yield f"{subject} now stands for {defaults[0]} at first, no longer for {defaults[1]}"


def _of_regions(was: Node, now: Node, subject: str) -> Iterator[Change]:
    if not (was.kind is now.kind is NodeKind.PARALLEL):
        return
    common = [child for child in was.children if child in now.children]
    order = [child for child in now.children if child in common]
    if common != order:
        sentence = f"the regions of {subject} are now in the order {_names(order)}"
        yield Change("changed", "state", was.name, sentence)


def _of_tags(old: Chart, new: Chart, was: Node, now: Node) -> Iterator[Change]:
    lost = sorted(set(was.tags) - set(now.tags))
    got = sorted(set(now.tags) - set(was.tags))
    parts = []
    if lost:
        parts.append(f"loses the {_plural('tag', lost)} {_names(lost)}")
    if got:
        parts.append(f"gets the {_plural('tag', got)} {_names(got)}")
    rest = _rest(old, was), _rest(new, now)
    if rest[0] != rest[1] and not (was.kind is not now.kind and "final" in rest):
        if rest[1] is None:
            parts.append(f"is no longer {rest[0]}")
        else:
            parts.append(f"is now {rest[1]}")
    if parts:
        listed = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
        sentence = f"state {name_words(was.name)} {listed}"
        yield Change("changed", "state", was.name, sentence)


def _rest(chart: Chart, node: Node) -> str | None:
    """Say in one word how a state is settled when no child of it is active; None if it is not."""
    if node.children and (node.kind is NodeKind.PARALLEL or node.initial is not None):
        return None
    return {"resolved": "settled", "rejected": "rejected", "final": "final", None: None}[
        chart.rest_of(node.name)
    ]


# --- services and delays ------------------------------------------------------------------


def _of_services(was: Node, now: Node) -> Iterator[Change]:
    name = name_words(was.name)

    def change(kind: ChangeKind, sentence: str) -> Change:
        return Change(kind, "service", was.name, sentence)

    pairs = paired_invocations(was, now)
    for before, after in pairs:
        if before is None and after is not None:
            yield change("added", f"state {name} now calls {name_words(after.src)}")
        elif after is None and before is not None:
            yield change("removed", f"state {name} no longer calls {name_words(before.src)}")
        elif before is not None and after is not None:
            for sentence in _service_sentences(name, before, after):
                yield change("changed", sentence)
    both = [(before, after) for before, after in pairs if before and after]
    if _swapped([before.id for before, _ in both], [each.id for each in was.invoke]):
        order = _names([each.src for each in now.invoke])
        yield change("changed", f"the services of state {name} are now in the order {order}")


def _service_sentences(name: str, was: Invocation, now: Invocation) -> Iterator[str]:
    if was.src != now.src:
        yield f"state {name} now calls {name_words(now.src)}, no longer {name_words(was.src)}"
    service = f"{name_words(now.src)} of state {name}"
    if _json(was.input) != _json(now.input):
        yield f"{service} now has the input {_short(now.input)}, no longer {_short(was.input)}"
    if was.timeout != now.timeout:
        limits = [
            "the default time" if each.timeout is None else _seconds(each.timeout)
            for each in (now, was)
        ]
        yield f"{service} may now take {limits[0]}, no longer {limits[1]}"
    if was.effect != now.effect:
        yield f"{service} now counts as a service {'with' if now.effect else 'without'} effect"
    if was.retry != now.retry:
        retries = [_retries(each) for each in (now, was)]
        yield f"{service} is now retried {retries[0]}, no longer {retries[1]}"


def _retries(invocation: Invocation) -> str:
    """Say when a service is called again."""
    return ", then ".join(map(_retry, invocation.retry)) or "never"


def _retry(retry: Retry) -> str:
    errors = f" after {' or '.join(map(name_words, retry.errors))}" if retry.errors else ""
    most = "" if retry.max_seconds is None else f", at most {_seconds(retry.max_seconds)}"
    chance = f", {retry.jitter:g} of it by chance (seed {retry.seed})" if retry.jitter else ""
    wait = f"{_seconds(retry.seconds)} times {retry.factor:g} each time{most}{chance}"
    return f"up to {counted_noun(retry.attempts, 'call')}{errors}, {wait}"


def _of_delays(was: Node, now: Node) -> Iterator[Change]:
    name = name_words(was.name)

    def change(kind: ChangeKind, sentence: str) -> Change:
        return Change(kind, "delay", was.name, sentence)

    pairs = paired_delays(was, now)
    for before, after in pairs:
        if before is None and after is not None:
            yield change("added", f"state {name} has a new delay of {_delay(after)}")
        elif after is None and before is not None:
            yield change("removed", f"the delay of {_delay(before)}, of state {name} is gone")
        elif before is not None and after is not None and before.seconds != after.seconds:
            seconds = _seconds(after.seconds), _seconds(before.seconds)
            yield change(
                "changed", f"a delay of state {name} is now {seconds[0]}, no longer {seconds[1]}"
            )
    both = [(before, after) for before, after in pairs if before and after]
    if _swapped([before.id for before, _ in both], [each.id for each in was.after]):
        order = ", ".join(_seconds(each.seconds) for each in now.after)
        sentence = f"the delays of state {name} are now in the order {order}"
        yield Change("changed", "state", was.name, sentence)


def _said_triggers(was: Node, now: Node) -> set[tuple[str | None, str | None]]:
    """Return the triggers whose transitions a sentence on their service or delay covers already."""
    said: set[tuple[str | None, str | None]] = set()
    for before, after in paired_invocations(was, now):
        if before is not None and after is None:
            said |= {(before.done_trigger, None), (before.error_trigger, None)}
    for delay, later in paired_delays(was, now):
        if delay is not None and later is None:
            said.add((delay.trigger, None))
        elif delay is None and later is not None:
            said.add((None, later.trigger))
    return said


def _delay(delay: Delay) -> str:
    return f"{_seconds(delay.seconds)}, to {' or '.join(map(_dest, delay.transitions))}"


def _swapped(ids: list[str], document: list[str]) -> bool:
    """Whether the services or delays that both charts have are in a different order now."""
    return ids != sorted(ids, key=document.index)


# --- transitions --------------------------------------------------------------------------


def _of_group(old: Chart, new: Chart, group: EdgeGroup) -> Iterator[Change]:
    """Yield the changes to one group of transitions, of a state that both charts have."""
    if group.new_trigger is None:
        head = f"{_trigger(old, group.old_trigger or EVENTLESS)} of {name_words(group.source)}"
    else:
        head = f"{_trigger(new, group.new_trigger)} of {name_words(group.source)}"
    alone = sum(pair.old is not None for pair in group.pairs) <= 1
    alone = alone and sum(pair.new is not None for pair in group.pairs) <= 1

    def change(kind: ChangeKind, sentence: str) -> Change:
        return Change(kind, "transition", group.source, sentence)

    for pair in group.pairs:
        if pair.old is None and pair.new is not None:
            yield change("added", f"{head} now leads to {_dest(pair.new)}{_functions(pair.new)}")
        elif pair.new is None and pair.old is not None:
            yield change("removed", f"{head} no longer leads to {_dest(pair.old)}")
        elif pair.old is not None and pair.new is not None:
            subject = (
                head if alone else f"{head}{_if(pair.old)}, to {_dest(pair.new, guards=False)}"
            )
            for sentence in _edge_sentences(subject, pair.old, pair.new):
                yield change("changed", sentence)
    if group.reordered:
        order = ", then ".join(_dest(pair.new) for pair in group.pairs if pair.new is not None)
        yield change("changed", f"{head} now asks in another order: {order}")


def _edge_sentences(subject: str, was: Transition, now: Transition) -> Iterator[str]:
    if was.dests != now.dests:
        dests = [_dest(each, guards=False) for each in (now, was)]
        yield f"{subject} now leads to {dests[0]}, no longer to {dests[1]}"
    if was.internal != now.internal:
        yield f"{subject} now {'stays in' if now.internal else 'leaves'} its source"
    guards = _verb(subject, "requires", _guards(was), _guards(now))
    if guards:
        yield guards
    for attribute, where in (
        ("prepare", "before its guards"),
        ("before", "before the state is left"),
        ("assign", ""),
        ("after", "at its end"),
    ):
        runs = [", ".join(map(name_words, getattr(edge, attribute))) for edge in (was, now)]
        sentence = _verb(subject, "runs", runs[0], runs[1], where)
        if sentence:
            yield sentence


def _guards(edge: Transition) -> str:
    wanted = [
        *map(name_words, edge.conditions),
        *(f"not {name_words(name)}" for name in edge.unless),
    ]
    return " and ".join(wanted)


def _if(edge: Transition) -> str:
    return f" if {_guards(edge)}" if edge.guards else ""


def _functions(edge: Transition) -> str:
    return f" and runs {_names(edge.assigns)}" if edge.assigns else ""


def _dest(edge: Transition | None, *, guards: bool = True) -> str:
    if edge is None:
        return "nothing"
    dest = " and ".join(map(name_words, edge.dests)) or "itself, internally"
    return f"{dest}{_if(edge)}" if guards else dest


def _trigger(chart: Chart, trigger: str) -> str:
    """Name a trigger, without the name of its state."""
    if trigger == EVENTLESS:
        return "the eventless transition"
    for node in chart.states:
        for invocation in node.invoke:
            if trigger == invocation.done_trigger:
                return f"{name_words(invocation.src)} done"
            if trigger == invocation.error_trigger:
                return f"{name_words(invocation.src)} failed"
        for delay in node.after:
            if trigger == delay.trigger:
                return f"after {_seconds(delay.seconds)}"
    return "the end" if trigger.startswith("done.state.") else name_words(trigger)


# --- words --------------------------------------------------------------------------------


def _verb(subject: str, verb: str, old: str, new: str, where: str = "") -> str | None:
    """Say what a subject does now and did before; None where it is the same."""
    if old == new:
        return None
    tail = f" {where}" if where else ""
    if not old:
        return f"{subject} now {verb} {new}{tail}"
    if not new:
        return f"{subject} no longer {verb} {old}{tail}"
    return f"{subject} now {verb} {new}, no longer {old}{tail}"


def name_words(name: str) -> str:
    """Return a name as it is where it reads as one word, else in quotes."""
    return name if _PLAIN.fullmatch(name) else shorten(name, _WHOLE)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(name_words, names)) or "none"


def _plural(noun: str, items: Sequence[object]) -> str:
    return noun if len(items) == 1 else f"{noun}s"


def _kind(node: Node) -> str:
    return node.kind.value


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s"


def _json(value: JSONValue) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _short(value: JSONValue) -> str:
    text = _json(value)
    half = (_MAX_JSON - 3) // 2
    return text if len(text) <= _MAX_JSON else f"{text[:half]}...{text[-half:]}"
