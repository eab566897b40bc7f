"""`explore`: every interleaving of a scenario, and what it proves.

Rules
-----
1. *PROVED*: the search is complete and every ending is allowed by the criterion.
2. *REFUTED*: an ending was found that is not allowed, complete or not.
3. *UNDETERMINED*: anything else. A search that stopped early is never a proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from importlib.metadata import version
from typing import Any, Final

from settlesim import display
from settlesim.chart.values import encode
from settlesim.engine.table import Table
from settlesim.errors import SimulationError
from settlesim.sim.model import Model, Outcome, State
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.search import count, search
from settlesim.sim.serial import Serial
from settlesim.sim.shortest import shortest
from settlesim.sim.values import Criterion, Ending, Verdict

__all__ = ["LIMIT", "Exploration", "ending_of", "explore"]

LIMIT: Final = 2_000_000
"""How many states are looked at unless something else is said."""


@dataclass(frozen=True, eq=False)
class Exploration:
    """Everything that a scenario can come to.

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
    """How many states there are."""
    transitions: int
    """How many steps lead from a state to the next."""
    complete: bool
    """Whether every state was looked at; where not, all counts are lower bounds."""
    reason: str
    """Why the search stopped early; empty where it is complete."""
    _model: Model = field(repr=False)
    _serial: Serial = field(repr=False)

    @property
    def outcomes(self) -> tuple[Ending, ...]:
        """The endings, under their other name."""
        return self.endings

    @property
    def interleavings(self) -> int:
        """How many interleavings there are, exactly."""
        return sum(ending.interleavings for ending in self.endings)

    @property
    def gaps(self) -> str:
        """What could not be worked out, and why; empty where all was."""
        return "; ".join(each for each in (self.reason, self._serial.reason) if each)

    @property
    def note(self) -> str:
        """What has to be known about the result; empty where there is nothing.

        The `gaps`, and the services that failed by themselves, with their errors.
        """
        failing = [
            f"{service} fails by itself ({error})" for service, error in self._model.moves.failing
        ]
        return "; ".join(each for each in (self.gaps, *failing) if each)

    # --- the verdict ----------------------------------------------------------------------

    def allowed(self, ending: Ending) -> bool | None:
        """Whether the scenario's criterion allows an ending; None where that is not known."""
        fifo = self.scenario.criterion is Criterion.FIFO
        return ending.fifo if fifo else ending.serializable

    @property
    def verdict(self) -> Verdict:
        """Whether only endings can be reached that the scenario's criterion allows."""
        answers = [self.allowed(ending) for ending in self.endings]
        if False in answers:
            return Verdict.REFUTED
        if self.complete and None not in answers:
            return Verdict.PROVED
        return Verdict.UNDETERMINED

    @property
    def holds(self) -> Criterion | None:
        """The strongest criterion that was proved; None where none was."""
        if not self.complete:
            return None
        if all(ending.fifo for ending in self.endings):
            return Criterion.FIFO
        if all(ending.serializable for ending in self.endings):
            return Criterion.SERIALIZABLE
        return None

    @cached_property
    def counterexample(self) -> Schedule | None:
        """The shortest way to an ending that is not allowed; None where none was found.

        Shortest by faults, then by switches between handlers, then by steps.
        """
        if self.verdict is not Verdict.REFUTED:
            return None
        fifo = self.scenario.criterion is Criterion.FIFO

        def is_wrong(outcome: Outcome) -> bool:
            if fifo:
                return not self._serial.is_fifo(outcome)
            return self._serial.is_serializable(outcome) is False

        return shortest(self._model, is_wrong)

    def way_to(self, ending: Ending) -> Schedule:
        """Return the shortest way to one of the endings."""
        key = _identity(ending)
        found = shortest(
            self._model, lambda each: _identity(ending_of(self._model, self._serial, each)) == key
        )
        if found is None:
            raise KeyError(f"{ending.label} is no ending of this scenario")
        return found

    # --- the certificate ------------------------------------------------------------------

    @cached_property
    def certificate(self) -> Mapping[str, Any]:
        """What was searched and found, to be compared with somebody else's run.

        ``sha256`` is over the sorted states, each encoded by what it means and not by how
        it was numbered, so that it is the same in every process. The search runs again to
        get it: states are not kept.
        """
        graph = search(self._model, self.states - 1 if not self.complete else self.states)
        if len(graph.states) < self.states:  # an interrupt: half a checksum would be kept
            raise SimulationError(where="certificate", reason=f"was not finished: {graph.reason}")
        digests = sorted(_digests(self._model, graph.states[: self.states]))
        return {
            "settlesim": version("settlesim"),
            "scenario": self.scenario.to_dict(),
            "complete": self.complete,
            "states": self.states,
            "transitions": self.transitions,
            "interleavings": self.interleavings,
            "endings": len(self.endings),
            "verdict": self.verdict.value,
            "sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
        }

    # --- showing --------------------------------------------------------------------------

    def draw(self, target: object = None, **options: Any) -> Any:
        """Return the picture of the endings, or write it to the file `target`."""
        return display.draw(self, target, **options)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return display.mimebundle(self)

    def __str__(self) -> str:
        more = "" if self.complete else f" ({self.reason}: lower bounds)"
        counts = (
            (len(self.endings), "ending"),
            (self.interleavings, "interleaving"),
            (self.states, "state"),
        )
        words = (f"{count:,} {noun}{'s' if count != 1 else ''}" for count, noun in counts)
        return f"{self.verdict.value}: {', '.join(words)}{more}"

    def __repr__(self) -> str:
        return f"<Exploration {self.scenario!r}: {self}>"


def explore(
    scenario: Scenario,
    limit: int = LIMIT,
    progress: Callable[[int], None] | None = None,
    *,
    table: Table | None = None,
) -> Exploration:
    """Look at every interleaving of a scenario.

    Parameters
    ----------
    scenario
        What is simulated.
    limit : about how many states may be found before the search stops
    progress : is told now and then how many states were found
    table : the programs of the chart, where several scenarios share them

    Returns
    -------
    exploration
        Also after Ctrl-C: then it holds what is known, and is not complete.

    Raises
    ------
    SimulationError
        An event comes to no settled node and would come back for ever.
    """
    model = Model(scenario, table)
    graph = search(model, limit, progress)
    totals: dict[Outcome, list[Any]] = {}
    for index, each in count(graph).items():
        total = totals.setdefault(model.outcome(graph.states[index]), [0, Fraction(0)])
        total[0] += each.interleavings
        total[1] += each.probability
    serial = Serial(model)
    endings = [ending_of(model, serial, outcome, *total) for outcome, total in totals.items()]
    endings.sort(key=lambda ending: (-ending.interleavings, _identity(ending)))
    return Exploration(
        scenario,
        tuple(endings),
        len(graph.states),
        len(graph.edges),
        not graph.reason,
        graph.reason,
        model,
        serial,
    )


def ending_of(
    model: Model,
    serial: Serial,
    outcome: Outcome,
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
    )


def _identity(ending: Ending) -> str:
    """Return what an ending is, as text that sorts alike in every process."""
    store = [
        [key, list(leaves), dict(sorted(context.items()))] for key, leaves, context in ending.store
    ]
    return encode([store, [list(each) for each in ending.effects], list(ending.dead)])


def _digests(model: Model, states: list[State]) -> list[bytes]:
    def digest(text: str) -> bytes:
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]

    size = model.size
    phases = [digest(model.phase_text(number)) for number in range(len(model.phases))]
    shared = [digest(model.shared_text(number)) for number in range(len(model.shared))]
    return [
        hashlib.sha256(
            b"".join(
                [
                    *[phases[number] for number in state[:size]],
                    digest(str(state[size])),
                    *[shared[number] for number in state[size + 1 :]],
                ]
            )
        ).digest()[:16]
        for state in states
    ]
