"""The verdicts of a search about the properties of its scenario.

Theory of operation
-------------------
Each property is watched by one bit that is kept along a run. For ``always`` and ``never`` it means
that the property has been broken, for ``sometimes`` that what it asks for has happened, for
``eventually`` that something is still owed. Each state sets the bit, clears it or leaves it,
depending on the predicates. A run breaks the property, or is a witness of it, if the bit is set at
its end.

One forward pass over the graph of states, like that of `settlesim.sim.search.count`, gives the
exact number of interleavings that reach each state with and without the bit. It is made only for
properties that some state can break or witness.

The shortest schedule is found by `settlesim.sim.shortest`. If a state alone decides, the schedule
leads to that state; else the search is over a model whose states include the bit.

References
----------
Vardi and Wolper, "An automata-theoretic approach to automatic program verification", LICS 1986.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from settlesim.chart.report import Verdict
from settlesim.sim.drawing import DrawsSchedule
from settlesim.sim.model import Model, State
from settlesim.sim.observer import Observer
from settlesim.sim.properties import Property, PropertyKind, Question
from settlesim.sim.scenario import Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.search import Graph, topological
from settlesim.sim.shortest import ShortestWay, WatchedModel, shortest_to_end, shortest_to_state

__all__ = ["PropertyResult", "judged_properties", "unjudged_properties"]


class _Bits(NamedTuple):
    """What one state does to the bit of a property."""

    judged: bool
    """Whether the state counts: the premise holds, and with ``at_end`` a run may end here."""
    sets: bool
    clears: bool


@dataclass(frozen=True, eq=False)
class PropertyResult(DrawsSchedule):
    """The result for one property of a scenario.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, effect, explore, never
    >>> both = never("label and refund", effect("print_label") & effect("refund_card"))
    >>> scenario = Scenario(order, ["PAY", "SHIP", "CANCEL"], properties=[both])
    >>> [result] = explore(scenario).properties
    >>> print(result)
    refuted: never label and refund; broken in 1,700 of 6,169 interleavings
    >>> print(result.schedule)
    r1 l1 c1 s1 d1 r2 l2 c2 r3 l3 c3
    """

    scenario: Scenario
    about: Property
    verdict: Verdict
    interleavings: int | None
    """The number of interleavings in which it is broken or, for ``sometimes``, in which it happens.
    A lower bound if the search stopped early; None if they were not counted."""
    of: int
    """The number of all interleavings."""
    note: str
    """What a reader of the verdict has to know; empty if there is nothing."""
    vacuous: bool
    """Whether the property was never tested: no state was judged, since its premise never holds."""
    _model: Model = field(repr=False)
    _states: int = field(repr=False)

    @property
    def name(self) -> str:
        """What the property is called."""
        return self.about.name

    @cached_property
    def schedule(self) -> Schedule | None:
        """The shortest counterexample; for ``sometimes`` the shortest witness; None if not found.

        For ``eventually``, and with ``at_end``, the schedule is a whole run. Otherwise it stops at
        the state that decides.
        """
        happens = self.about.kind is PropertyKind.SOMETIMES
        if self.verdict is not (Verdict.PROVED if happens else Verdict.REFUTED):
            return None
        watch = _Watch(self._model, self.about)
        return watch.route(self._states).schedule

    def __str__(self) -> str:
        parts = [f"{self.verdict.value}: {self.about}"]
        happens = self.about.kind is PropertyKind.SOMETIMES
        if self.interleavings and self.verdict is not Verdict.UNDETERMINED:
            verb = "happens" if happens else "broken"
            noun = "interleaving" if self.of == 1 else "interleavings"
            parts.append(f"{verb} in {self.interleavings:,} of {self.of:,} {noun}")
        return "; ".join([*parts, *([self.note] if self.note else [])])

    def __repr__(self) -> str:
        return f"<PropertyResult {self}>"


class _Watch:
    """Evaluates one property on the states of a model."""

    def __init__(self, model: Model, asked: Property) -> None:
        self.property = asked
        self._model = model
        where = f"property {asked.name!r}"
        functions: dict[str, Question] = {where: asked.predicate}
        if asked.when is not None:
            functions[f"{where}, its premise"] = asked.when
        self.atoms = asked.atoms
        functions |= {f"atom {each}": each for each in self.atoms}
        self._own = 1 if asked.when is None else 2
        self._observer = Observer(model, functions)
        self.first = int(asked.kind is PropertyKind.EVENTUALLY and asked.when is None)
        """The bit before the beginning."""
        self.known: dict[int, _Bits] = {}
        self.true_somewhere = 0
        """The atoms that held in some state, one bit each."""

    def bits(self, state: State) -> _Bits:
        """Return what a state does to the bit."""
        answers = self._observer.answers(state)
        if self.property.at_end:
            answers = answers << 1 | self._model.may_end(state)
        found = self.known.get(answers)
        if found is None:
            found = self.known[answers] = self._worked_out(answers)
        return found

    def _worked_out(self, answers: int) -> _Bits:
        asked, counts = self.property, True
        if asked.at_end:
            counts, answers = bool(answers & 1), answers >> 1
        self.true_somewhere |= answers >> self._own
        holds = bool(answers & 1)
        premise = asked.when is None or bool(answers & 2)
        judged = premise and counts
        if asked.kind is PropertyKind.EVENTUALLY:
            return _Bits(judged, asked.when is not None and premise and not holds, holds)
        wrong = not holds if asked.kind is PropertyKind.ALWAYS else holds
        return _Bits(judged, judged and wrong, clears=False)

    def keep(self, bit: int, state: State) -> int:
        """Return the bit after a state, given the bit before it."""
        found = self.bits(state)
        return int((bit or found.sets) and not found.clears)

    def route(self, most: int) -> ShortestWay:
        """Look for the shortest schedule that breaks the property, or witnesses it."""
        if self.property.kind is PropertyKind.EVENTUALLY:
            watched = WatchedModel(self._model, self.keep, self.first)
            return shortest_to_end(watched, lambda state: bool(state[-1]), most)
        look = shortest_to_end if self.property.at_end else shortest_to_state
        return look(self._model, lambda state: self.bits(state).sets, most)

    # --- over a whole graph ---------------------------------------------------------------

    def runs(self, graph: Graph, order: Sequence[int]) -> tuple[int, int]:
        """Return how many runs end without the bit, and how many with it.

        Parameters
        ----------
        order : the explored states, topologically sorted
        """
        edges, offsets, states = graph.edges, graph.offsets, graph.states
        at_end = self.property.at_end
        without, having = [0] * len(states), [0] * len(states)
        (having if self.first else without)[0] = 1
        ends = set(graph.ends)
        totals = [0, 0]
        for index in order:
            clean, marked = without[index], having[index]
            without[index] = having[index] = 0
            bits = self.bits(states[index])
            if at_end and index in ends:  # runs that continue from here are counted at their ends
                totals[bits.sets] += clean + marked
            elif not at_end:
                if bits.clears:
                    clean, marked = clean + marked, 0
                elif bits.sets:
                    clean, marked = 0, clean + marked
                if index in ends:
                    totals[0] += clean
                    totals[1] += marked
            for number in edges[offsets[index] : offsets[index + 1]]:
                without[number] += clean
                having[number] += marked
        return totals[0], totals[1]


def judged_properties(
    model: Model, graph: Graph, doubts: Sequence[str], report: Callable[[str], None]
) -> tuple[PropertyResult, ...]:
    """Judge every property of a model's scenario on the states that a search has found.

    Parameters
    ----------
    doubts : why nothing is proved, although the search was complete
    report : is called with what is done now; may raise KeyboardInterrupt

    Raises
    ------
    SimulationError
        A function of the user raises, or is not pure.
    KeyboardInterrupt
        As `report`.
    """
    order = topological(graph)[0] if model.scenario.properties else ()
    results = []
    for asked in model.scenario.properties:
        report(f"states, judging {asked.name}")
        watch = _Watch(model, asked)
        judged = sets = False
        for state in graph.states:
            bits = watch.bits(state)
            judged, sets = judged or bits.judged, sets or bits.sets
        counted: tuple[int, int] | None = None
        if sets or watch.first:
            report(f"states, counting interleavings for {asked.name}")
            counted = watch.runs(graph, order)
        results.append(_result(watch, model, graph, counted, doubts, judged=judged, sets=sets))
    return tuple(results)


def _result(
    watch: _Watch,
    model: Model,
    graph: Graph,
    counted: tuple[int, int] | None,
    doubts: Sequence[str],
    *,
    judged: bool,
    sets: bool,
) -> PropertyResult:
    """Return the result for one property."""
    asked = watch.property
    certain = not graph.reason and not doubts
    happens = asked.kind is PropertyKind.SOMETIMES
    met = bool(counted and counted[1]) if asked.kind is PropertyKind.EVENTUALLY else sets
    verdict = Verdict.UNDETERMINED
    if met and (not happens or not doubts):
        verdict = Verdict.PROVED if happens else Verdict.REFUTED
    elif not met and certain:
        verdict = Verdict.REFUTED if happens else Verdict.PROVED
    vacuous = certain and not judged and not happens
    clean, marked = counted or (0, 0)
    notes = []
    if vacuous:
        notes.append(f"vacuous: {_untested(asked)}")
    elif certain and not happens and marked and not clean:
        notes.append("no run keeps it")
    if certain:
        notes += _never_true(watch)
    if verdict is Verdict.UNDETERMINED:
        notes += [each for each in (graph.reason, *doubts) if each]
    return PropertyResult(
        model.scenario,
        asked,
        verdict,
        marked if counted is not None else 0,
        clean + marked,
        "; ".join(notes),
        vacuous,
        model,
        len(graph.states),
    )


def _untested(asked: Property) -> str:
    if asked.when is None:
        return "no state was judged"
    where = "at the end of no run" if asked.at_end else "in no state"
    return f"its premise holds {where}"


def _never_true(watch: _Watch) -> list[str]:
    """Name the parts of the predicates that hold in no state: often a name was mistaken."""
    return [
        f"{each} holds in no state"
        for place, each in enumerate(watch.atoms)
        if not watch.true_somewhere >> place & 1
    ]


def unjudged_properties(model: Model, reason: str) -> tuple[PropertyResult, ...]:
    """Return undetermined results for all properties of a scenario, with the reason."""
    return tuple(
        PropertyResult(model.scenario, each, Verdict.UNDETERMINED, None, 0, reason, False, model, 1)
        for each in model.scenario.properties
    )
