"""Chooses the search for a model.

Rules
-----
1. A model with few states is searched breadth first, which is over before a compiled search has
   started.
2. If a larger model has four or more equal events whose order makes no difference, states that
   differ only in which of them is which are explored once (`settlesim.sim.symmetry`).
3. Otherwise a large model is swept (`settlesim.sim.sweep`) if numba is installed, every step makes
   the rank of a state larger and changes one message, and there are no properties, which need all
   states. If runs to the same state differ in length, as they do with faults, there are so many
   moves to learn that a sweep only saves memory. Then it is used if the limit is above 2 million
   states.
4. Otherwise the breadth-first search (`settlesim.sim.search`) is continued.
5. Before a large search continues, its progress reports how large it is predicted to be.

All searches find the same states, and the same exact number of interleavings and probability of
every ending. If the limit of states stops them, they have found different parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from settlesim.progress import Reporter
from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.models import model_of
from settlesim.sim.prediction import Prediction, predicted
from settlesim.sim.ranks import NoRankError
from settlesim.sim.scenario import Scenario
from settlesim.sim.search import INTERRUPTED, Graph, count, new_graph, search
from settlesim.sim.search_result import SearchResult
from settlesim.sim.symmetry import ENOUGH, AlikeModel, equal_events, exchanges

__all__ = ["FEW_STATES", "all_states", "predict", "search_endings", "why_not_swept"]

FEW_STATES: Final = 50_000
"""Up to this number of states only the breadth-first search is used."""
_MANY: Final = 2_000_000
"""Up to this number of states a gigabyte of memory is enough for the breadth-first search."""


def why_not_swept() -> str:
    """Return why a sweep cannot run in this process; empty if it can."""
    try:
        import numba
        import numpy  # noqa: F401  (the sweep needs both)
    except ImportError as error:
        return f"the sweep needs numba, as settlesim[fast] installs it ({error})"
    return "numba's compiler is switched off" if numba.config.DISABLE_JIT else ""


def _why_not(model: Model, graph: Graph, limit: int) -> str:
    """Return why a model is not swept, as far as is known beforehand; empty if it may be.

    Parameters
    ----------
    graph : what the breadth-first search has found
    limit : about how many states may be found
    """
    if model.scenario.properties:
        return "its properties are judged in every state"
    if not model.one_message:
        return "a step changes several messages"
    if not graph.layered and limit <= _MANY:
        return f"runs differ in length, and the limit is {limit:,} states"
    return why_not_swept()


def search_endings(
    model: Model, limit: int, reporter: Reporter, few: int | None = None
) -> SearchResult:
    """Find all endings of a model, by the most suitable search.

    After an interrupt the result holds what was found until then.

    Parameters
    ----------
    limit : about how many states may be found
    few : up to how many states only the breadth-first search is used; None for `FEW_STATES`
    """
    graph = new_graph(model)
    try:
        return _searched(model, graph, limit, reporter, FEW_STATES if few is None else few)
    except KeyboardInterrupt:
        graph.interrupt()
        return _result(graph, _at_least(model, graph), INTERRUPTED)


def _searched(model: Model, graph: Graph, limit: int, reporter: Reporter, few: int) -> SearchResult:
    """Find all endings; `graph` is filled meanwhile, and remains usable after an interrupt."""
    search(model, min(limit, few), _UpTo(limit, reporter), graph)
    if not graph.reason:
        return _counted(model, graph, reporter, f"at most {few:,} states")
    if graph.reason == INTERRUPTED or limit <= few:
        return _counted(model, graph, reporter, f"the limit is {limit:,} states")
    groups = equal_events(model)
    if exchanges(groups) >= ENOUGH:
        return _searched_alike(model, AlikeModel(model, groups), limit, reporter)
    why = _why_not(model, graph, limit)
    reporter = _Foretelling(reporter, predicted(model, graph, swept=not why), limit)
    reporter.report(len(graph.states), limit, "states found")
    if not why:
        from settlesim.sim.sweep import sweep

        try:
            return sweep(model, limit, reporter)
        except NoRankError as error:
            why = str(error)
    return _counted(model, search(model, limit, reporter, graph), reporter, why)


def _searched_alike(
    model: Model, alike: AlikeModel, limit: int, reporter: Reporter
) -> SearchResult:
    """Find all endings by exploring one state of each set of alike ones."""
    graph = search(alike, limit, reporter)
    numbers = [alike.number_alike(state) for state in graph.states]
    totals: dict[EndingIdentity, tuple[int, Fraction]] = {}
    for index, each in count(graph).items():
        endings = alike.endings_alike(model.outcome(graph.states[index]))
        for outcome in endings:
            ways, chance = totals.get(outcome, (0, Fraction(0)))
            ways += each.interleavings // len(endings)
            totals[outcome] = ways, chance + each.probability / len(endings)
    steps = (numbers[at] * graph.steps_of(at) for at in range(graph.looked_at))
    return SearchResult(
        sum(numbers),
        sum(steps),
        totals,
        graph.reason,
        f"breadth first, in Python: {len(numbers):,} states stand for all that are alike",
        standing=len(numbers),
    )


def predict(scenario: Scenario) -> Prediction:
    """Predict how large the search of `explore` will be, without running it to the end.

    Examples
    --------
    >>> from settlesim.gallery import counter
    >>> print(predict(Scenario(counter(), ["INC", "INC"])))
    48 states, 1 s, 1 MB
    """
    model = model_of(scenario)
    alike = exchanges(equal_events(model))
    graph = search(model, FEW_STATES)
    if alike >= ENOUGH:
        return predicted(model, graph, swept=False, alike=alike)
    return predicted(model, graph, swept=not _why_not(model, graph, _MANY))


class _UpTo(Reporter):
    """Reports to another reporter, with the limit of the whole search."""

    def __init__(self, limit: int, reporter: Reporter) -> None:
        super().__init__()
        self._limit = limit
        self._reporter = reporter

    def report(self, done: int, expected: int | None = None, text: str = "") -> None:
        """Forward progress."""
        self._reporter.report(done, self._limit, text)


class _Foretelling(Reporter):
    """Reports to another reporter, with the predicted size of the search."""

    def __init__(self, reporter: Reporter, prediction: Prediction, limit: int) -> None:
        super().__init__()
        self._reporter = reporter
        self._prediction = prediction
        self._limit = limit

    def report(self, done: int, expected: int | None = None, text: str = "") -> None:
        """Forward progress, with the prediction."""
        most = min(self._prediction.states, self._limit)
        more = ", above the limit" if self._prediction.states > self._limit else ""
        words = f"{text} ({self._prediction} expected{more})"
        self._reporter.report(done, max(done, most), words)


def _counted(model: Model, graph: Graph, reporter: Reporter, why: str) -> SearchResult:
    """Count the interleavings in the graph of a breadth-first search."""
    states = len(graph.states)
    if graph.reason != INTERRUPTED:
        reporter.report(states, states, "states, counting interleavings")
    return _result(graph, _totals(model, graph), why)


def _result(
    graph: Graph, totals: dict[EndingIdentity, tuple[int, Fraction]], why: str
) -> SearchResult:
    return SearchResult(
        len(graph.states),
        len(graph.edges),
        totals,
        graph.reason,
        f"breadth first, in Python: {why}",
        graph=graph,
    )


def _totals(model: Model, graph: Graph) -> dict[EndingIdentity, tuple[int, Fraction]]:
    """Sum up the counts of all ends with the same outcome."""
    totals: dict[EndingIdentity, tuple[int, Fraction]] = {}
    for index, each in count(graph).items():
        outcome = model.outcome(graph.states[index])
        ways, chance = totals.get(outcome, (0, Fraction(0)))
        totals[outcome] = (ways + each.interleavings, chance + each.probability)
    return totals


def _at_least(model: Model, graph: Graph) -> dict[EndingIdentity, tuple[int, Fraction]]:
    """Return the outcomes without counting: at least one interleaving leads to each end."""
    totals: dict[EndingIdentity, tuple[int, Fraction]] = {}
    for index in graph.ends:
        outcome = model.outcome(graph.states[index])
        totals[outcome] = (totals.get(outcome, (0,))[0] + 1, Fraction(0))
    return totals


def all_states(
    model: Model, result: SearchResult, reporter: Reporter | None = None
) -> Iterator[list[State]]:
    """Repeat a search and yield the states that it found, in parts.

    Raises
    ------
    KeyboardInterrupt
        It was interrupted.
    """
    found = result.standing or result.states
    most = found if not result.reason else found - 1
    if result.standing:
        alike = AlikeModel(model, equal_events(model))
        graph = search(alike, most, reporter)
        if graph.reason == INTERRUPTED:
            raise KeyboardInterrupt
        yield from map(alike.all_alike, graph.states[:found])
    elif result.longest_program:
        from settlesim.sim.sweep import swept_states

        yield from swept_states(model, most, result.longest_program, reporter)
    else:
        graph = search(model, most, reporter)
        if graph.reason == INTERRUPTED:
            raise KeyboardInterrupt
        yield graph.states[: result.states]
