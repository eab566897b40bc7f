"""`rehearse`: run remembered settlements again on a newer chart, with the same service results.

Theory of operation
-------------------
A store remembers the last settlements of each instance: the event, how each service ended and in
which order, and the state that was saved. A settlement depends on nothing else, as long as guards
and assigns are functions of context and event. So the state before it is migrated to the newer
chart, the event is applied there, and each service that the chart calls gets the answer that it
gave then. No service runs, and nothing is written.

What is compared: the outcome, the state and the context in which the instance stops, and the
services that were called. Settlements that cannot be run again are counted by reason.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, Unpack

from settlesim.argument_checks import takes_options
from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.changes import name_words
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import counted_noun
from settlesim.chart.strict_json import FrozenDict
from settlesim.display import DiagramOptions
from settlesim.errors import ChartMismatchError, SettleError, SettlesimError, error_message
from settlesim.machine.program import flaw_of_rest
from settlesim.ports import ChartStore, digest_of
from settlesim.progress import ProgressCallback, Reporter
from settlesim.settling.settlement import START_EVENT, CallStatus, Elapsed, Settlement
from settlesim.settling.settling import Settling
from settlesim.store.entries import PastSettlement
from settlesim.versions.chain import Chain, chain_of
from settlesim.versions.plan import known_charts

if TYPE_CHECKING:
    from settlesim.display import Picture

__all__ = ["Rehearsal", "RehearsalDifference", "RehearsedEvent", "SettlementStore", "rehearse"]

_PAGE: Final = 500
_KEYS: Final = 3
"""How many keys are named for each kind of difference."""
_AFTER: Final = "after."

NO_STATE: Final = "the state before it is not remembered"
NO_ANSWERS: Final = "the answers of its services are not remembered"
NO_EVENT: Final = "its event is not remembered"
NO_CHART: Final = "its chart is not known, since it never saved anything"


class SettlementStore(Protocol):
    """A store that remembers settlements."""

    def settlements_since(self, cursor: int = 0, *, limit: int = ...) -> Sequence[PastSettlement]:
        """Return the settlements after `cursor`, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class RehearsedEvent:
    """One remembered settlement, and what became of it on the newer chart."""

    key: str
    number: int
    """The number of the settlement, as `settlesim log` shows it."""
    event: Event
    """The event as it was remembered."""
    old_chart: Chart | None = field(repr=False)
    """The chart that settled it; None if it is not known."""
    old_edges: tuple[int, ...]
    old_configuration: tuple[str, ...]
    """Where the instance was after the settlement."""
    new_chart: Chart = field(repr=False)
    new_edges: tuple[int, ...]
    new_configuration: tuple[str, ...]
    """Where the instance is after the event on the newer chart, or where the run stopped."""

    @takes_options(DiagramOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[DiagramOptions]
    ) -> Picture:
        """Return the picture of what it does on the newer chart.

        Parameters
        ----------
        target : a file's path, whose suffix is the format: svg, png, pdf, dot, mmd
        title, legend, theme, direction, width, format, scale, renderer, timeout
            As `Chart.draw`.

        Raises
        ------
        RenderError
            As `Chart.draw`.
        """
        return self.new_chart.draw(
            target, configuration=self.new_configuration or None, path=self.new_edges, **options
        )

    @takes_options(DiagramOptions)
    def draw_before(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[DiagramOptions]
    ) -> Picture:
        """Return the picture of what it did on the older chart.

        Parameters
        ----------
        target : a file's path, whose suffix is the format: svg, png, pdf, dot, mmd
        title, legend, theme, direction, width, format, scale, renderer, timeout
            As `Chart.draw`.

        Raises
        ------
        SettlesimError
            The older chart is not known.
        """
        if self.old_chart is None:
            raise SettlesimError(
                f"the chart that settled event {self.event.name!r} of {self.key!r} is not known: "
                "give it as `old`"
            )
        return self.old_chart.draw(
            target, configuration=self.old_configuration or None, path=self.old_edges, **options
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return self.draw()._repr_mimebundle_()


@dataclass(frozen=True, slots=True)
class RehearsalDifference:
    """One kind of difference, and how many settlements have it."""

    sentence: str
    settlements: int
    """How many settlements differ like this."""
    instances: int
    keys: tuple[str, ...]
    """The keys of the first instances, at most three."""
    example: RehearsedEvent = field(repr=False)
    """The first of the settlements."""

    @takes_options(DiagramOptions)
    def draw(
        self, target: str | os.PathLike[str] | None = None, **options: Unpack[DiagramOptions]
    ) -> Picture:
        """Return the picture of the example on the newer chart.

        Parameters
        ----------
        target : a file's path, whose suffix is the format: svg, png, pdf, dot, mmd
        title, legend, theme, direction, width, format, scale, renderer, timeout
            As `Chart.draw`; the title is the sentence by default.

        Raises
        ------
        RenderError
            As `Chart.draw`.
        """
        options.setdefault("title", f"{self.example.key}: {self.sentence}")
        return self.example.draw(target, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain JSON."""
        return {
            "sentence": self.sentence,
            "settlements": self.settlements,
            "instances": self.instances,
            "keys": list(self.keys),
            "example": self.example.number,
        }

    def __str__(self) -> str:
        keys = ", ".join(map(name_words, self.keys))
        more = ", ..." if self.instances > len(self.keys) else ""
        return f"{counted_noun(self.instances, 'instance')}: {self.sentence} ({keys}{more})"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {**self.draw()._repr_mimebundle_(), "text/plain": str(self)}


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How the remembered settlements of a store end on a newer chart."""

    chart: str
    version: int
    same: int
    """How many settlements do the same as before."""
    differences: tuple[RehearsalDifference, ...]
    """The most frequent kind first."""
    skipped: Mapping[str, int]
    """How many settlements could not be run again, by reason."""

    @property
    def settlements(self) -> int:
        """How many settlements were run again."""
        return self.same + sum(each.settlements for each in self.differences)

    def __str__(self) -> str:
        again = counted_noun(self.settlements, "settlement")
        head = f"{self.chart} version {self.version}: {again} run again"
        different = self.settlements - self.same
        same = "does what it did" if self.same == 1 else "do what they did"
        does = "does" if different == 1 else "do"
        lines = [f"{head}, {self.same} {same}, {different} {does} something else"]
        lines += [f"- {each}" for each in self.differences]
        lines += [f"not run again: {count}, {reason}" for reason, count in self.skipped.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the rehearsal as plain JSON."""
        return {
            "chart": self.chart,
            "version": self.version,
            "settlements": self.settlements,
            "same": self.same,
            "differences": [each.to_dict() for each in self.differences],
            "skipped": dict(self.skipped),
        }


def rehearse(
    chart: Chart,
    store: SettlementStore,
    *,
    old: Chart | None = None,
    progress: ProgressCallback | None = None,
) -> Rehearsal:
    """Run the remembered settlements of a store again on a chart, without any service.

    Parameters
    ----------
    chart : the newer chart; its guards and assigns have to be bound
    store : only settlements of a chart of this name are run
    old
        The chart that settled them, for pictures; None for what the store or the steps of `chart`
        know.
    progress : is called with the number of settlements that were read

    Raises
    ------
    UnboundFunctionError
        A guard or an assign is not bound.
    StoreError
        The store cannot be read.
    """
    chart.require("guard", "assign")
    rehearsing = _Rehearsing(chain_of(chart), old, _known_charts(chart, store))
    reporter = Reporter(progress)
    for count, past in enumerate(_all(store), 1):
        rehearsing.take(past)
        if count % _PAGE == 0:
            reporter.report(count, None, "settlements")
    return rehearsing.result()


def _known_charts(chart: Chart, store: object) -> dict[str | None, Chart]:
    """Return the chart's definitions that the store, the steps and the caller know."""
    found: dict[str | None, Chart] = {}
    if isinstance(store, ChartStore):
        found.update(known_charts(store, chart.name))
    for known in (*(step.source for step in chart.migrations), chart):
        found[known.fingerprint] = known
    return found


def _all(store: SettlementStore) -> Iterator[PastSettlement]:
    cursor = 0
    while page := store.settlements_since(cursor, limit=_PAGE):
        yield from page
        cursor = page[-1].number


class _NotRunError(Exception):
    """Says why a settlement cannot be run again."""


@dataclass(slots=True)
class _Run:
    """How a settlement ran on the newer chart."""

    settling: Settling | None
    settlement: Settlement | None
    error: str | None = None
    """Why it did not finish, or could not start."""


class _Rehearsing:
    """Runs the settlements of a store again, in their order."""

    def __init__(self, chain: Chain, old: Chart | None, known: Mapping[str | None, Chart]) -> None:
        self._chain = chain
        self._old = old
        self._known = known
        self._states: dict[str, Snapshot] = {}
        """The last saved state of each instance."""
        self._unknown: dict[str, list[PastSettlement]] = {}
        """The events of each instance that were ignored or rejected before it was first saved."""
        self._same = 0
        self._found: dict[str, tuple[RehearsedEvent, dict[str, None], int]] = {}
        self._skipped: dict[str, int] = {}

    def take(self, past: PastSettlement) -> None:
        before = self._states.get(past.key)
        saved = past.snapshot if past.snapshot is not None else before
        if saved is None:
            self._unknown.setdefault(past.key, []).append(past)
            return
        self._states[past.key] = saved
        if saved.chart == self._chain.chart.name:
            for earlier in self._unknown.pop(past.key, ()):
                self._settle(earlier, None)
            self._settle(past, before)
        else:
            self._unknown.pop(past.key, None)

    def _settle(self, past: PastSettlement, before: Snapshot | None) -> None:
        if "outcome" not in past.record:
            return  # not a settlement of an event
        try:
            before = _before(past, before)
            self._compare(past, before, self._run(past, before))
        except _NotRunError as error:
            self._skip(str(error), 1)

    def _skip(self, reason: str, count: int) -> None:
        self._skipped[reason] = self._skipped.get(reason, 0) + count

    def result(self) -> Rehearsal:
        for pasts in self._unknown.values():
            self._skip(NO_CHART, len(pasts))
        differences = [
            RehearsalDifference(sentence, count, len(keys), tuple(keys)[:_KEYS], example)
            for sentence, (example, keys, count) in self._found.items()
        ]
        differences.sort(key=lambda each: (-each.instances, each.sentence))
        chart = self._chain.chart
        skipped = dict(sorted(self._skipped.items()))
        return Rehearsal(chart.name, chart.version, self._same, tuple(differences), skipped)

    # --- running again --------------------------------------------------------------------

    def _run(self, past: PastSettlement, before: Snapshot | None) -> _Run:
        answers = _Answers(past.record)
        version = _version(past, before, self._chain.chart)
        event = self._event(_event(past), version, before)
        if event is _DROPPED:
            return _Run(None, None, "is dropped by a step")
        try:
            carried = None if before is None else self._carry(before)
        except ChartMismatchError as error:
            return _Run(None, None, f"cannot go on from {_leaves(before)}: {error.reason}")
        settling: Settling | None = None
        try:
            settling = Settling(self._chain.program, carried, event, key=past.key)
            while settling.settlement is None:
                if not answers.give(settling):
                    names = ", ".join(name_words(each.service) for each in settling.pending)
                    what = f"calls {names}, of which no answer is remembered"
                    return _Run(settling, None, what if names else "waits for a delay")
        except SettleError as error:
            return _Run(settling, None, f"fails: {error_message(error)}")
        return _Run(settling, settling.settlement)

    def _carry(self, snapshot: Snapshot) -> Snapshot:
        """Return a state in the chart's version, unchanged if there is no step from its version.

        Raises
        ------
        ChartMismatchError
            The chart cannot rest there, or a step failed.
        """
        chain = self._chain
        if chain.path(snapshot.version):
            return chain.carry(snapshot, edited=True).snapshot
        flaw = flaw_of_rest(chain.program, snapshot.configuration)
        if flaw is not None:
            raise ChartMismatchError(
                key="", stored=str(snapshot.version), current=str(chain.chart.version), reason=flaw
            )
        return replace(snapshot, version=chain.chart.version, fingerprint=chain.chart.fingerprint)

    def _event(self, event: Event, version: int, before: Snapshot | None) -> Event | Elapsed | None:
        if event == START_EVENT:
            return None
        if event.name.startswith(_AFTER):
            delay: str | None = event.name.removeprefix(_AFTER)
            context = FrozenDict() if before is None else before.context
            for step in self._chain.path(version):
                try:
                    delay = None if delay is None else step.delay(delay, context)
                except (KeyError, StopIteration):
                    delay = None
            return _DROPPED if delay is None else Elapsed(delay)
        name = self._chain.event(event.name, version)
        return _DROPPED if name is None else replace(event, name=name)

    # --- comparing ------------------------------------------------------------------------

    def _compare(self, past: PastSettlement, before: Snapshot | None, run: _Run) -> None:
        sentence = self._difference(past, before, run)
        if sentence is None:
            self._same += 1
            return
        known = self._found.get(sentence)
        if known is None:
            known = (self._example(past, before, run), {}, 0)
        example, keys, count = known
        keys[past.key] = None
        self._found[sentence] = (example, keys, count + 1)

    def _difference(self, past: PastSettlement, before: Snapshot | None, run: _Run) -> str | None:
        event = _words(_event(past))
        was = _old_end(past, before)
        if run.settlement is None:
            return f"{_now(event, run.error or '')}; it {_past_words(past.outcome, was)}"
        now = run.settlement
        expected = self._expected(past.snapshot)
        leaves = was if expected is None else expected.configuration
        if past.outcome != now.outcome.value:
            return f"{_now(event, _new_words(now))}; it {_past_words(past.outcome, was)}"
        if now.saved and tuple(now.after.configuration) != leaves:
            return f"{event} now ends in {_leaves(now.after)} instead of {_names(was)}"
        asked, calls = _services(past.record), [each.service for each in now.calls]
        other = [f"and now calls {name_words(each)}" for each in _left(calls, asked)]
        other += [f"but no longer calls {name_words(each)}" for each in _left(asked, calls)]
        if other:
            return f"{event} still {_new_words(now)}, {', '.join(other)}"
        if expected is not None and now.saved:
            keys = _other_keys(expected.context, now.after.context)
            if keys:
                return f"{event} still {_new_words(now)}, with another context: {_names(keys)}"
        return None

    def _expected(self, saved: Snapshot | None) -> Snapshot | None:
        """Return the state that was saved, in the chart's version, if it can be there."""
        if saved is None:
            return None
        try:
            return self._carry(saved)
        except ChartMismatchError:
            return None

    def _example(self, past: PastSettlement, before: Snapshot | None, run: _Run) -> RehearsedEvent:
        saved = past.snapshot if past.snapshot is not None else before
        old = self._old
        if old is None and saved is not None:
            old = self._known.get(saved.fingerprint)
        edges = tuple(past.record.get("edges", ()))
        if old is not None and any(edge >= len(old.edges) for edge in edges):
            old = None  # another definition of the same version
        steps = () if run.settling is None else run.settling.microsteps
        new_edges = tuple(edge for step in steps for edge in step.edges)
        leaves = () if run.settling is None else run.settling.configuration
        if run.settlement is not None:
            now = run.settlement
            leaves = (now.after if now.saved else now.before).configuration
        return RehearsedEvent(
            past.key,
            past.number,
            _event(past),
            old,
            edges if old is not None else (),
            _old_end(past, before),
            self._chain.chart,
            new_edges,
            leaves,
        )


_DROPPED: Final = Elapsed("")
"""Stands for an event that a step drops."""


class _Answers:
    """The answers of services and the delays in a record, given again in the same order."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        calls = record.get("calls", ())
        if any("result" not in call for call in calls):
            raise _NotRunError(NO_ANSWERS)
        self._left: list[tuple[str, Any]] = []
        delays = list(record.get("delays", ()))
        for number in range(len(calls) + 1):
            self._left += [("delay", each["id"]) for each in delays if each["after"] == number]
            if number < len(calls) and calls[number]["status"] != CallStatus.CANCELLED.value:
                self._left.append(("call", calls[number]))

    def give(self, settling: Settling) -> bool:
        """Give the first answer that the settling waits for; return whether there was one."""
        for index, (kind, answer) in enumerate(self._left):
            if kind == "delay":
                if any(each.id == answer for each in settling.delays):
                    del self._left[index]
                    settling.elapsed(answer)
                    return True
                continue
            pending = [each for each in settling.pending if each.service == answer["service"]]
            if pending:
                same = [each for each in pending if each.id == answer["invocation"]]
                del self._left[index]
                _answer(settling, (same or pending)[0].id, answer)
                return True
        return False


def _answer(settling: Settling, id_: str, call: Mapping[str, Any]) -> None:
    if call["status"] == CallStatus.DONE.value:
        settling.done(id_, call["result"], seconds=call["seconds"])
        return
    kind, _, message = (call["error"] or "Error").partition(": ")
    error = type(kind, (Exception,), {})(message)  # on_error sees the name of the type
    timeout = call["status"] == CallStatus.TIMEOUT.value
    settling.failed(id_, error, seconds=call["seconds"], timeout=timeout)


# --- what a record says -------------------------------------------------------------------


def _event(past: PastSettlement) -> Event:
    event = past.event
    if not isinstance(event, dict) or "data" not in event or "path" not in past.record:
        raise _NotRunError(NO_EVENT)
    return Event(event["name"], event["data"])


def _before(past: PastSettlement, last: Snapshot | None) -> Snapshot | None:
    """Return the state before a settlement; None for a new instance."""
    expected = past.revision - (past.snapshot is not None)
    if expected == 0:
        return None
    if last is None or last.revision != expected:
        raise _NotRunError(NO_STATE)
    return last


def _version(past: PastSettlement, before: Snapshot | None, chart: Chart) -> int:
    """Return the version in which the event was settled."""
    found = past.snapshot if past.snapshot is not None else before
    return chart.version if found is None else found.version


def _old_end(past: PastSettlement, before: Snapshot | None) -> tuple[str, ...]:
    found = past.snapshot if past.snapshot is not None else before
    if past.outcome == Outcome.REJECTED.value or found is None:
        path = past.record.get("path", ())
        return tuple(path[-1]) if path else ()
    return found.configuration


def _services(record: Mapping[str, Any]) -> list[str]:
    return [call["service"] for call in record.get("calls", ())]


# --- words --------------------------------------------------------------------------------


def _words(event: Event) -> str:
    if event == START_EVENT:
        return "the start"
    if event.name.startswith(_AFTER):
        return f"the delay {name_words(event.name.removeprefix(_AFTER))}"
    return name_words(event.name)


def _now(event: str, words: str) -> str:
    """Return what an event does now, in words."""
    head, rest = words.split(" ", 1)
    return f"{event} is now {rest}" if head == "is" else f"{event} now {words}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(name_words, names))


def _leaves(snapshot: Snapshot | None) -> str:
    return "nowhere" if snapshot is None else _names(snapshot.configuration)


def _new_words(now: Settlement) -> str:
    if now.outcome is Outcome.IGNORED:
        return f"is ignored in {_leaves(now.before)}"
    if now.outcome is Outcome.REJECTED:
        return f"is rejected in {_names(now.path[-1])}"
    return f"ends in {_leaves(now.after)}"


def _past_words(outcome: str | None, leaves: Sequence[str]) -> str:
    words = {Outcome.IGNORED.value: "was ignored in", Outcome.REJECTED.value: "was rejected in"}
    return f"{words.get(outcome or '', 'ended in')} {_names(leaves)}"


def _left(names: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the names that occur more often in the first list than in the second, each once."""
    return [name for name in dict.fromkeys(names) if names.count(name) > others.count(name)]


def _other_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return the keys of two contexts that differ."""
    return [
        key
        for key in dict.fromkeys([*old, *new])
        if key not in old or key not in new or digest_of([old[key]]) != digest_of([new[key]])
    ]
