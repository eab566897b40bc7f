"""The breadth-first search: explores every state once, then counts interleavings.

Theory of operation
-------------------
`search` goes breadth first over the states of a `Model` and keeps, for every state, the
numbers of its successors. Every step uses up something that does not come back (a position in a
program, a fault, a save that a refused handler has not seen), so the graph has no cycles.

`count` then makes one forward pass over the graph, without enumerating a single interleaving. The
number of interleavings that lead to a state is the sum over its predecessors. So is its probability
under a scheduler that takes each enabled step with equal probability, with each predecessor's
share divided by the number of steps enabled there. Both are exact: probabilities are whole
numbers over one common denominator, L to the power of the length of the longest path, where L is
the least common multiple of the out-degrees. After k steps a numerator still has the factor L to
the power of the remaining length, so every division is without remainder.

A budget of faults means *at most*. If only a fault can still happen (the queue delivers a deleted
message again), the run may also end, and the scheduler takes that choice like any other step. Such
a state is an end and has successors.

If every step leads from one breadth-first layer to the next, the order of discovery is already
topological. If not (a redelivered message makes runs of different lengths), Kahn's algorithm finds
a topological order, in as many rounds as the longest path has states.

References
----------
Clarke, Grumberg, Peled, Model Checking, 1999, chapter 6 (breadth first, states stored).
Kahn, "Topological sorting of large networks", CACM 5(11), 1962.
Baier, Katoen, Principles of Model Checking, 2008, section 10.1 (Markov chains).
"""

from __future__ import annotations

import gc
import math
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from operator import sub
from typing import Final

from settlesim.chart.report import counted_noun
from settlesim.progress import Reporter
from settlesim.sim.model import Model, State
from settlesim.sim.symmetry import AlikeModel

__all__ = ["INTERRUPTED", "Count", "Graph", "count", "new_graph", "search", "topological"]

INTERRUPTED: Final = "it was interrupted"

_REPORT = 65_536  # states between two reports of progress


@dataclass(eq=False, slots=True)
class Graph:
    """The states that were found, and the steps between them."""

    states: list[State]
    """In the order of discovery."""
    edges: array[int]
    """The successors of each explored state, one state after another, as positions in `states`."""
    offsets: array[int]
    """Where in `edges` the successors of each explored state begin; then the length of `edges`."""
    ends: array[int]
    """The positions of the states in which a run may end, ascending."""
    layered: bool
    """Whether every step leads from one layer to the next."""
    layer_starts: list[int]
    """Where in `states` each layer starts, up to the current one."""
    layer_end: int
    """Where in `states` the current layer ends."""
    reason: str
    """Why the search stopped early; empty if it did not."""

    @property
    def looked_at(self) -> int:
        """How many states were explored; they are the first ones."""
        return len(self.offsets) - 1

    def goes_on(self, index: int) -> bool:
        """Whether an explored state has a successor."""
        return self.offsets[index] < self.offsets[index + 1]

    def steps_of(self, index: int) -> int:
        """Return how many steps lead from an explored state."""
        return self.offsets[index + 1] - self.offsets[index]

    def interrupt(self) -> None:
        """Note that the search was interrupted, and drop the state that is explored in part."""
        self.reason = INTERRUPTED
        del self.edges[self.offsets[-1] :]
        while self.ends and self.ends[-1] >= self.looked_at:
            self.ends.pop()


def new_graph(model: Model | AlikeModel) -> Graph:
    """Return the graph of a model before any state is explored."""
    return Graph([model.start], array("I"), array("Q", [0]), array("I"), True, [], 0, "")


@dataclass(frozen=True, slots=True)
class Count:
    """How many interleavings lead to an end, and with which probability."""

    interleavings: int
    probability: Fraction


def search(
    model: Model | AlikeModel,
    limit: int,
    reporter: Reporter | None = None,
    graph: Graph | None = None,
) -> Graph:
    """Find every state, up to about `limit` of them.

    An interrupt (Ctrl-C, or a reporter that is cancelled) ends the search; the graph so far is
    returned, with that as its `reason`.

    Parameters
    ----------
    graph : the result of a search with a lower limit, which is continued; None for a new one
    """
    reporter = reporter or Reporter()
    graph = new_graph(model) if graph is None else graph
    try:
        graph.reason = ""
        numbers = {state: number for number, state in enumerate(graph.states)}
        with _no_collector(), model.services_together():
            while graph.looked_at < len(graph.states) <= limit:
                until = min(limit, len(graph.states) + _REPORT)
                if isinstance(model, Model) and model.one_message:
                    _expand(model, graph, numbers, until)
                else:
                    _expand_together(model, graph, numbers, until)
                reporter.report(len(graph.states), limit, "states found")
        if graph.looked_at < len(graph.states):
            graph.reason = f"there are more than {counted_noun(limit, 'state')}"
    except KeyboardInterrupt:
        graph.interrupt()
    return graph


def _expand(model: Model, graph: Graph, numbers: dict[State, int], until: int) -> None:  # noqa: C901, PLR0915  (calls cost more)
    """Explore states in the order of discovery until there are more than `until`.

    This is the inner loop. Successors are made in a scratch list, in which three elements are set
    and reset, since that costs less than slicing and joining tuples.
    """
    size = model.size
    states, edges, offsets = graph.states, graph.edges, graph.offsets
    gates, receives = model.gates, model.receives
    find, add_state, add_edge = numbers.get, states.append, edges.append
    found = len(states)
    index = len(offsets) - 1
    layer_end = graph.layer_end
    while index < found <= until:
        if index == layer_end:
            layer_end = graph.layer_end = found
            graph.layer_starts.append(index)
        state = states[index]
        scratch = list(state)
        queue = state[size]
        gate = gates.get(queue) or model.gate(queue)
        table = gate.table
        if gate.ends:
            graph.ends.append(index)
        for message in gate.receivable:
            place = size + 1 + model.key_of[message]
            phase, shared = state[message], state[place]
            move = receives[phase].get(shared) or model.received(phase, shared)
            scratch[message] = move[0]
            scratch[size] = queue + move[1]
            scratch[place] = move[2]
            after = tuple(scratch)
            number = find(after)
            if number is None:
                number = numbers[after] = found
                add_state(after)
                found += 1
            elif number < layer_end:
                graph.layered = False
            add_edge(number)
            scratch[message], scratch[size], scratch[place] = phase, queue, shared
        for message, place in gate.active:
            phase = state[message]
            by_shared = table[phase]
            if by_shared is None:
                continue
            shared = state[place]
            moves = by_shared.get(shared)
            if moves is None:
                moves = model.moved(phase, shared, gate)
            for new, change, kept in moves:
                scratch[message] = new
                scratch[size] = queue + change
                scratch[place] = kept
                after = tuple(scratch)
                number = find(after)
                if number is None:
                    number = numbers[after] = found
                    add_state(after)
                    found += 1
                elif number < layer_end:
                    graph.layered = False
                add_edge(number)
            scratch[message], scratch[size], scratch[place] = phase, queue, shared
        index += 1
        offsets.append(len(edges))


def _expand_together(
    model: Model | AlikeModel, graph: Graph, numbers: dict[State, int], until: int
) -> None:
    """Explore states as `_expand` does, for models in which a step may change several messages."""
    states, edges = graph.states, graph.edges
    index = graph.looked_at
    while index < len(states) <= until:
        if index == graph.layer_end:
            graph.layer_end = len(states)
            graph.layer_starts.append(index)
        state = states[index]
        if model.may_end(state):
            graph.ends.append(index)
        for _, after in model.successors(state):
            number = numbers.get(after)
            if number is None:
                number = numbers[after] = len(states)
                states.append(after)
            elif number < graph.layer_end:
                graph.layered = False
            edges.append(number)
        index += 1
        graph.offsets.append(len(edges))


@contextmanager
def _no_collector() -> Iterator[None]:
    """Pause the garbage collector, which would scan millions of tuples that are all in use."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def count(graph: Graph) -> dict[int, Count]:
    """Count the interleavings of every end that was found, by its position in the states.

    If the search stopped early, the numbers are lower bounds.
    """
    with _no_collector():
        order, longest = topological(graph)
        whole = _factor(graph) ** longest
        ways, chances = _forward(graph, order, whole)
        return {index: Count(ways[index], Fraction(chances[index], whole)) for index in graph.ends}


def _factor(graph: Graph) -> int:
    """Return the least common multiple of the numbers of choices in a state."""
    offsets = graph.offsets
    degrees = set(map(sub, offsets[1:], offsets))
    degrees |= {graph.steps_of(index) + 1 for index in graph.ends}
    return math.lcm(*sorted(degrees - {0}))


def _forward(graph: Graph, order: Sequence[int], whole: int) -> tuple[list[int], list[int]]:
    """Return for every state how many paths lead to it, and its share of `whole`.

    Numbers of states that are no ends are freed as soon as they were passed on.
    """
    edges, offsets = graph.edges, graph.offsets
    ways = [0] * len(graph.states)
    chances = [0] * len(graph.states)
    ways[0], chances[0] = 1, whole
    ends = {index for index in graph.ends if graph.goes_on(index)}
    for index in order:
        first, last = offsets[index], offsets[index + 1]
        if first == last:
            continue
        way = ways[index]
        chance = chances[index] // (last - first + (index in ends))
        for number in edges[first:last]:
            ways[number] += way
            chances[number] += chance
        if index in ends:
            chances[index] = chance
        else:
            ways[index] = chances[index] = 0
    return ways, chances


def topological(graph: Graph) -> tuple[Sequence[int], int]:
    """Return the positions of the explored states in a topological order, and the longest path.

    The length of the path is the number of explored states on it. In each of them one choice is
    made: a step, or the end of the run.
    """
    if graph.layered:
        return range(graph.looked_at), len(graph.layer_starts)
    edges, offsets, looked_at = graph.edges, graph.offsets, graph.looked_at
    waiting = [0] * len(graph.states)
    for number in edges:
        waiting[number] += 1
    order: list[int] = []
    longest = 0
    ready = [0]
    while ready:  # the states to which the longest path has one state more than in the last round
        longest += 1
        order += ready
        following = []
        for index in ready:
            for number in edges[offsets[index] : offsets[index + 1]]:
                waiting[number] -= 1
                if not waiting[number] and number < looked_at:
                    following.append(number)
        ready = following
    assert len(order) == looked_at, "the graph has a cycle"
    return order, longest
