"""`explore`: every interleaving of a scenario, and what it proves.

Rules
-----
1. *PROVED*: the search is complete and every ending is allowed by the criterion.
2. *REFUTED*: an ending was found that is not allowed, whether or not the search is complete.
3. *UNDETERMINED*: anything else. A search that stopped early is never a proof.
4. Where all instances together exceed the limit of states, each is explored alone: see
   `settlesim.sim.instances`.
5. A search goes breadth first, so one that stopped early has seen hardly any ending. Random walks,
   which are the same in every run, then look for some; the endings that they meet can be reached.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from settlesim.chart.report import Verdict
from settlesim.chart.strict_json import encode
from settlesim.errors import SimulationError, shorten
from settlesim.progress import ProgressCallback, Reporter, StopFlag, show_progress
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.contexts import telling_fields, with_history
from settlesim.sim.drawing import DrawsEndings
from settlesim.sim.instances import (
    failures_reach,
    instances_alone,
    lifted,
    may_be_taken_apart,
)
from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.models import model_of
from settlesim.sim.property_results import (
    PropertyResult,
    judged_properties,
    unjudged_properties,
)
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.search import INTERRUPTED, Graph, search
from settlesim.sim.search_choice import all_states, search_endings
from settlesim.sim.search_result import NOTHING, SearchResult
from settlesim.sim.serial import FEW, MOST, Serial
from settlesim.sim.shortest import shortest
from settlesim.sim.terms import Criterion, Ending
from settlesim.sim.walks import Met, met

__all__ = [
    "LIMIT",
    "Exploration",
    "check_progress",
    "ending_of",
    "explore",
    "told_apart",
    "unexplored",
]

LIMIT: Final = 2_000_000
"""How many states are explored by default."""


@dataclass(frozen=True, eq=False)
class Exploration(DrawsEndings):
    """Every ending of a scenario, with a verdict.

    Notes
    -----
    The exploration covers every order of the steps of different handlers, and every order in which
    services and delays that run at the same time in one handler complete. With `timing` or
    `durations` the scenario restricts the latter to the orders that are possible in time.

    What a service does to the world is part of an ending only if the chart says that it has
    an effect. In the gallery the service of ``counter()`` has none, so its endings differ only in
    the count; that of ``counter(effect=True)`` has one, so running it twice for one event gives
    another ending than running it once.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> exploration = explore(Scenario(counter(), ["INC", "INC"]))
    >>> [(ending.store[0][2]["count"], ending.interleavings) for ending in exploration.endings]
    [(1, 200), (2, 52)]
    >>> exploration.verdict
    <Verdict.REFUTED: 'refuted'>
    >>> print(exploration.counterexample)
    r1 l1 c1 r2 l2 c2 s2 d2 s1 d1
    """

    scenario: Scenario
    endings: tuple[Ending, ...]
    """Every ending, the one with the most interleavings first."""
    states: int
    """How many states were found."""
    transitions: int
    """How many steps between states were found."""
    complete: bool
    """Whether every state was explored; if not, all counts are lower bounds."""
    reason: str
    """Why the search stopped early; empty if it is complete."""
    _model: Model = field(repr=False)
    _serial: Serial = field(repr=False)
    _walked: Mapping[EndingIdentity, Schedule] = field(repr=False, default_factory=dict)
    """Schedules to the outcomes that only walks have met."""
    _doubts: tuple[str, ...] = field(repr=False, default=())
    """Why nothing is proved although the search was complete."""
    properties: tuple[PropertyResult, ...] = ()
    """The results for the scenario's own properties, in their order."""
    instances: tuple[Exploration, ...] = field(repr=False, default=())
    """Each instance alone, with all workers and the whole budget of faults. Empty if all instances
    were explored together, or if there is only one."""
    _coupled: str = field(repr=False, default="")
    """Why a proof for each instance alone is no proof for all together; empty if it is."""
    _result: SearchResult = field(repr=False, default=NOTHING)
    """What the search has found."""

    @property
    def search(self) -> str:
        """Which search explored the states, and why; all searches find the same."""
        return self._result.search

    @property
    def outcomes(self) -> tuple[Ending, ...]:
        """Another name for `endings`."""
        return self.endings

    @property
    def interleavings(self) -> int:
        """The exact number of interleavings; a lower bound if the search is incomplete."""
        return sum(ending.interleavings for ending in self.endings)

    @property
    def gaps(self) -> str:
        """What could not be worked out, and why; empty if everything was."""
        walked = ""
        if self._walked:
            walked = "random walks met endings, and a schedule to one may not be the shortest"
        alone = [each.gaps for each in self.instances if each.verdict is Verdict.UNDETERMINED]
        reasons = dict.fromkeys(
            (self.reason, walked, *self._doubts, self._serial.reason, self._coupled, *alone)
        )
        return "; ".join(each for each in reasons if each)

    @property
    def note(self) -> str:
        """What a reader of the result has to know; empty if there is nothing.

        That is the `gaps`, the events that the chart does not know, and the services and events
        that fail without a fault of the scenario, with their errors.
        """
        failing = [
            f"{who} fails by itself ({error})"
            for who, error in dict.fromkeys(
                each for found in (self, *self.instances) for each in found._model.moves.failing
            )
        ]
        parts = (self.gaps, *self.scenario.unknown_events, *failing)
        return "; ".join(each for each in parts if each)

    # --- the verdict ----------------------------------------------------------------------

    def allowed(self, ending: Ending) -> bool | None:
        """Whether the scenario's criterion allows an ending; None if that is not known."""
        fifo = self.scenario.criterion is Criterion.FIFO
        return ending.fifo if fifo else ending.serializable

    @property
    def verdict(self) -> Verdict:
        """Whether the scenario's criterion allows every ending that can be reached."""
        answers = [self.allowed(ending) for ending in self.endings]
        if False in answers:
            return Verdict.REFUTED
        if self.complete and None not in answers and not self._doubts:
            return Verdict.PROVED
        if not self.instances:
            return Verdict.UNDETERMINED
        alone = [each.verdict for each in self.instances]
        if Verdict.REFUTED in alone:
            return Verdict.REFUTED
        whole = len(alone) == len(self.scenario.instances) and not self._coupled
        proved = whole and set(alone) == {Verdict.PROVED}
        return Verdict.PROVED if proved else Verdict.UNDETERMINED

    @property
    def holds(self) -> Criterion | None:
        """The strongest criterion that was proved; None if none was."""
        if self.instances:
            return self.scenario.criterion if self.verdict is Verdict.PROVED else None
        if not self.complete or self._doubts:
            return None
        if all(ending.fifo for ending in self.endings):
            return Criterion.FIFO
        if all(ending.serializable for ending in self.endings):
            return Criterion.SERIALIZABLE
        return None

    @cached_property
    def counterexample(self) -> Schedule | None:
        """The shortest schedule to an ending that is not allowed; None if none was found.

        Fewest faults come first, then fewest switches between handlers, then fewest steps. After a
        search that stopped early it may be a schedule that a random walk took, which need not be
        the shortest.
        """
        if self.verdict is not Verdict.REFUTED:
            return None
        fifo = self.scenario.criterion is Criterion.FIFO

        def is_wrong(outcome: EndingIdentity) -> bool:
            judged = self._serial.is_fifo if fifo else self._serial.is_serializable
            return judged(outcome) is False

        if False not in map(self.allowed, self.endings):
            return self._counterexample_of_an_instance()
        return self._shortest(is_wrong)

    def _counterexample_of_an_instance(self) -> Schedule | None:
        """Return the shortest counterexample of one instance, as a schedule of all instances."""
        ways = [
            (each.counterexample, place)
            for place, each in enumerate(self.instances)
            if each.counterexample is not None
        ]
        way, place = min(ways, key=lambda each: (each[0].faults, each[0].switches, len(each[0])))
        return lifted(self._model, place, way)

    def way_to(self, ending: Ending) -> Schedule:
        """Return the shortest schedule to one of the endings; see `counterexample`.

        Raises
        ------
        KeyError
            The scenario does not have this ending, or it was not found.
        """
        key = _identity(ending)

        def is_this(outcome: EndingIdentity) -> bool:
            return _identity(ending_of(self._model, self._serial, outcome)) == key

        found = self._shortest(is_this)
        if found is None:
            raise KeyError(f"{ending.label} is no ending of this scenario")
        return found

    def _shortest(self, wanted: Callable[[EndingIdentity], bool]) -> Schedule | None:
        """Return the shortest schedule to a wanted ending, or one that a walk took."""
        with show_progress() as callback:
            found = shortest(self._model, wanted, self.states, Reporter(callback))
        if found is not None:
            return found
        walked = [way for outcome, way in self._walked.items() if wanted(outcome)]
        return min(walked, key=lambda way: (way.faults, way.switches, len(way)), default=None)

    def result_of(self, name: str) -> PropertyResult:
        """Return the result for one of the scenario's properties.

        Raises
        ------
        KeyError
            The scenario has no property of that name.
        """
        for each in self.properties:
            if each.name == name:
                return each
        names = ", ".join(repr(each.name) for each in self.properties) or "none"
        raise KeyError(f"there is no property {name!r}; known are {names}")

    # --- the certificate ------------------------------------------------------------------

    @cached_property
    def certificate(self) -> Mapping[str, Any]:
        """What was searched and found, as a record that can be compared with another run's.

        ``sha256`` is over the sorted states, each encoded by its content rather than by its number,
        so it is the same in every process. To compute it the search runs again, since states are
        not kept.
        """
        if self.instances:
            return self._certificate(
                [bytes.fromhex(each.certificate["sha256"]) for each in self.instances]
            )
        try:
            digests_of = _Digests(self._model).of
            with show_progress() as callback:
                found = all_states(self._model, self._result, Reporter(callback))
                digests = sorted(each for part in found for each in digests_of(part))
        except KeyboardInterrupt:  # else half a checksum would be cached
            reason = f"was not finished: {INTERRUPTED}"
            raise SimulationError(where="certificate", reason=reason) from None
        return self._certificate(digests)

    def _certificate(self, digests: Sequence[bytes]) -> Mapping[str, Any]:
        return {
            "settlesim": version("settlesim"),
            "scenario": self.scenario.to_dict(),
            "complete": self.complete,
            "states": self.states,
            "transitions": self.transitions,
            "interleavings": self.interleavings,
            "endings": len(self.endings),
            "verdict": self.verdict.value,
            "properties": {each.name: each.verdict.value for each in self.properties},
            "sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
        }

    # --- showing --------------------------------------------------------------------------

    def __str__(self) -> str:
        if self.instances:
            return self._told_by_instance()
        more = "" if self.complete else f" ({self.reason}: lower bounds)"
        counts = (
            (len(self.endings), "ending"),
            (self.interleavings, "interleaving"),
            (self.states, "state"),
        )
        words = [f"{count:,} {noun}{'s' if count != 1 else ''}" for count, noun in counts]
        if self.verdict is Verdict.PROVED and len(self.endings) > 1:
            words[0] += ", both allowed" if len(self.endings) == 2 else ", all allowed"
        return f"{self.verdict.value}: {', '.join(words)}{more}"

    def _told_by_instance(self) -> str:
        endings = sum(len(each.endings) for each in self.instances)
        states = sum(each.states for each in self.instances)
        number = len(self.instances)
        return (
            f"{self.verdict.value}: {number} instance{'s' if number != 1 else ''}, each alone with "
            f"the whole budget: {endings:,} ending{'s' if endings != 1 else ''} of theirs, "
            f"{states:,} states"
        )

    def __repr__(self) -> str:
        return f"<Exploration {self.scenario!r}: {self}>"


def explore(
    scenario: Scenario,
    limit: int = LIMIT,
    progress: ProgressCallback | bool = True,
    *,
    by_instance: bool | None = None,
    stop: StopFlag | None = None,
    table: CompiledChart | None = None,
) -> Exploration:
    """Explore every interleaving of the handlers of a scenario.

    Parameters
    ----------
    scenario
        What is simulated.
    limit : about how many states may be found before the search stops
    progress
        True for a bar in a notebook or a terminal, which appears if the search takes long; False
        for none; or a function that is called with each `settlesim.progress.Progress`.
    by_instance
        True to explore instances one after another, each alone with all workers and the whole
        budget; False for all together; None to do so only if all together reach the limit. A
        verdict by instance also holds for all together; see `Exploration.instances`.
    stop
        A flag, such as a `threading.Event`. When another thread sets it, the search ends as it does
        by Ctrl-C.
    table : the programs of the chart, if several scenarios share them

    Returns
    -------
    exploration
        Also after Ctrl-C or `stop`: then it holds what is known, and is not complete. If the limit
        was reached first, random walks look for some endings; a wrong one refutes.

    Raises
    ------
    SimulationError
        An event reaches no settled state and, without `max_receives`, would be redelivered without
        end; a service waits for the world outside; or an argument is wrong.
    """
    if type(limit) is not int or limit < 1:
        raise SimulationError(
            where="limit", reason=f"is {shorten(limit)}; a whole number, 1 or more, is needed"
        )
    check_progress(progress)
    with show_progress(progress) as callback:
        reporter = Reporter(callback, stop)
        model = model_of(scenario, table)
        several = len(model.instances) > 1 and may_be_taken_apart(scenario)
        if by_instance and several:
            return _explored_by_instance(unexplored(scenario, "", model=model), limit, reporter)
        found = _explored(model, limit, reporter)[0]
        beyond = several and by_instance is None and found.reason not in {"", INTERRUPTED}
        if beyond and found.verdict is Verdict.UNDETERMINED:
            return _explored_by_instance(found, limit, reporter)
        return found


def _explored_by_instance(found: Exploration, limit: int, reporter: Reporter) -> Exploration:
    """Explore every instance alone."""
    alone: list[Exploration] = []
    try:
        coupled = _explored_alone(found, limit, reporter, alone)
    except KeyboardInterrupt:
        coupled = INTERRUPTED
    return replace(found, instances=tuple(alone), _coupled=coupled)


def _explored_alone(
    found: Exploration, limit: int, reporter: Reporter, alone: list[Exploration]
) -> str:
    """Append the exploration of each instance to `alone`; return why it says nothing about all."""
    scenario, table = found.scenario, found._model.table
    fifo, coupled = scenario.criterion is Criterion.FIFO, ""
    for part in instances_alone(scenario):
        model = model_of(part, table)
        exploration, graph = _explored(model, limit, reporter)
        alone.append(exploration)
        if exploration.verdict is Verdict.PROVED and not failures_reach(
            model, graph or search(model, limit), exploration._serial, fifo=fifo
        ):
            coupled = (
                f"an ending of {part.instances[0]} needs more failing services one after another "
                "than it took, and all instances share them"
            )
        if exploration.reason == INTERRUPTED or exploration.verdict is Verdict.REFUTED:
            break
    return coupled


def check_progress(progress: object) -> None:
    """Refuse a `progress` that is neither a function nor a bool.

    Raises
    ------
    SimulationError
    """
    if not isinstance(progress, bool) and not callable(progress):
        reason = f"is {shorten(progress)}; a function, True or False is needed"
        raise SimulationError(where="progress", reason=reason)


def _explored(model: Model, limit: int, reporter: Reporter) -> tuple[Exploration, Graph | None]:
    """Return the exploration, and the graph if the search kept one."""
    work = _Work(model, limit, reporter)
    for part in (work.find_endings, work.walk, work.judge, work.compare):
        try:
            part()
        except KeyboardInterrupt:
            work.reason = INTERRUPTED
    return work.exploration(), work.found.graph


class _Work:
    """The exploration of a model, part after part.

    An interrupt ends the current part and sets `reason`. What was found is kept, and the later
    parts do only what `reason` allows.
    """

    def __init__(self, model: Model, limit: int, reporter: Reporter) -> None:
        self._model = model
        self._limit = limit
        self._reporter = reporter
        self.found = NOTHING
        self.reason = NOTHING.reason
        self._walked: dict[EndingIdentity, Met] = {}
        self._properties = unjudged_properties(model, INTERRUPTED)
        self._serial = Serial(model, FEW)
        self._endings: tuple[Ending, ...] | None = None

    def find_endings(self) -> None:
        """Search for the endings."""
        self.found = search_endings(self._model, self._limit, self._reporter)
        self.reason = self.found.reason

    def walk(self) -> None:
        """Look for endings that a search that stopped early has missed."""
        if self.reason not in {"", INTERRUPTED}:
            self._report("states, looking for endings by random walks")
            self._walked = {
                each: way for each, way in met(self._model).items() if each not in self.found.totals
            }

    def judge(self) -> None:
        """Judge the scenario's properties; after an interrupt nothing is known about them."""
        graph = self.found.graph
        if graph is not None and self.reason != INTERRUPTED:
            doubts = self._doubts
            self._properties = judged_properties(self._model, graph, doubts, self._report)

    def compare(self) -> None:
        """Compare the endings with those of serial runs."""
        serializable = self._model.scenario.criterion is Criterion.SERIALIZABLE
        self._serial = Serial(self._model, MOST if serializable or not self.reason else FEW)
        self._endings = _endings(self._model, self._serial, self._reached)

    def exploration(self) -> Exploration:
        """Return what was found."""
        if self._endings is None:
            self._serial.stop(INTERRUPTED)
            self._endings = _endings(self._model, self._serial, self._reached)
        return Exploration(
            self._model.scenario,
            self._endings,
            self.found.states,
            self.found.transitions,
            not self.reason,
            self.reason,
            self._model,
            self._serial,
            {each: way.schedule for each, way in self._walked.items()},
            self._doubts,
            self._properties,
            _result=replace(self.found, totals={}, graph=None),
        )

    @property
    def _reached(self) -> dict[EndingIdentity, tuple[int, Fraction]]:
        walked = {each: (way.interleavings, way.probability) for each, way in self._walked.items()}
        return self.found.totals | walked

    @property
    def _doubts(self) -> tuple[str, ...]:
        return (*self._model.moves.gaps, *self._model.moves.doubts)

    def _report(self, text: str) -> None:
        self._reporter.report(self.found.states, self.found.states, text)


def unexplored(
    scenario: Scenario,
    reason: str,
    table: CompiledChart | None = None,
    *,
    model: Model | None = None,
) -> Exploration:
    """Return the exploration of a scenario that was not explored, for this reason."""
    model = model_of(scenario, table) if model is None else model
    return Exploration(
        scenario,
        (),
        1,
        0,
        False,
        reason,
        model,
        Serial(model),
        properties=unjudged_properties(model, reason),
    )


def _endings(
    model: Model, serial: Serial, totals: Mapping[EndingIdentity, tuple[int, Fraction]]
) -> tuple[Ending, ...]:
    endings = told_apart(
        [ending_of(model, serial, outcome, *total) for outcome, total in totals.items()], serial
    )
    endings.sort(key=lambda ending: (-ending.interleavings, _identity(ending)))
    return tuple(endings)


def ending_of(
    model: Model,
    serial: Serial,
    outcome: EndingIdentity,
    interleavings: int = 1,
    probability: Fraction = Fraction(1),
) -> Ending:
    """Return an ending as a value."""
    table = model.table
    return Ending(
        store=tuple(
            (key, table.configuration(state), table.context(state))
            for key, state in zip(model.instances, outcome.states, strict=True)
        ),
        effects=tuple(
            (key, service, message + 1)
            for key, effects in zip(model.instances, outcome.effects, strict=True)
            for service, message in effects
        ),
        dead=tuple(message + 1 for message in outcome.dead),
        interleavings=interleavings,
        probability=probability,
        fifo=serial.is_fifo(outcome),
        serializable=serial.is_serializable(outcome),
        history=tuple(map(table.history, outcome.states)),
        excluded=tuple(message + 1 for message in outcome.excluded),
        secret=model.scenario.chart.secret,
    )


def told_apart(endings: Iterable[Ending], serial: Serial) -> list[Ending]:
    """Return the endings with the fields that tell them apart (`Ending.telling`)."""
    found = list(endings)
    fields: dict[str, None] = {}
    for place in range(len(found[0].store) if found else 0):
        rests = [each.rests[place][1:] for each in found]
        for excluded in dict.fromkeys(each.excluded for each in found):
            right = serial.fifo_part(place, excluded)
            if right is not None:
                fields_there = with_history(right.context, right.history)
                rests.insert(0, (right.configuration, fields_there))
        fields.update(dict.fromkeys(telling_fields(rests)))
    return [replace(each, telling=tuple(fields)) for each in found]


def _identity(ending: Ending) -> str:
    """Return text that identifies an ending, and that sorts alike in every process."""
    store = [
        [key, list(leaves), dict(sorted(fields.items()))] for key, leaves, fields in ending.rests
    ]
    excluded = [list(ending.excluded)] if ending.excluded else []
    effects = [list(each) for each in ending.effects]
    return encode([store, effects, list(ending.dead), *excluded])


class _Digests:
    """Digests of states, by their content rather than by their numbers."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._phases: list[bytes] = []
        self._shared: list[bytes] = []
        self._queues: dict[int, bytes] = {}

    def of(self, states: list[State]) -> list[bytes]:
        """Return the digests of states, 16 bytes each."""
        model, size = self._model, self._model.size
        phases, shared, queues = self._phases, self._shared, self._queues
        numbers = range(len(phases), len(model.phases))
        phases += [_digest(model.phase_text(number)) for number in numbers]
        numbers = range(len(shared), len(model.shared))
        shared += [_digest(model.shared_text(number)) for number in numbers]
        found = []
        for state in states:
            queue = state[size]
            if queue not in queues:
                queues[queue] = _digest(str(queue))
            parts = [phases[number] for number in state[:size]]
            parts += [queues[queue], *(shared[number] for number in state[size + 1 :])]
            found.append(hashlib.sha256(b"".join(parts)).digest()[:16])
        return found


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
