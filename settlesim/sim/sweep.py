"""The sweep: explores states in the order of their ranks, counts them, and forgets them.

Theory of operation
-------------------
Every step makes the rank of a state larger (`settlesim.sim.ranks`). So once all states of one rank
have been explored, none of them can be met again: there is no set of visited states, and memory
holds only the open ones. When a state's turn comes, all its predecessors have been explored, so
interleavings and probabilities are summed up during the sweep and no step has to be stored.

Both are counted modulo primes below 2^31, as many as exact values need, and combined by the Chinese
remainder theorem at the end. A run meets each rank at most once. So a probability is a whole number
over W, the product over the ranks of the least common multiple of the numbers of choices there. And
there are at most as many interleavings as the product over the ranks of the largest number of
choices, since the inverse of that product is the least probability that one can have. Both bounds
are known when the sweep is over. If it had too few primes for them, it is repeated with enough.

The inner loop is compiled by numba (`settlesim.sim.sweep_kernels`). It stops when it needs a move
that it does not know; each move is worked out once.

References
----------
Christensen, Kristensen, Mailund, "A sweep-line method for state space exploration", TACAS 2001.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from operator import le
from typing import Final

import numpy as np

from settlesim.chart.report import counted_noun
from settlesim.progress import Reporter
from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.ranks import LongerProgramError, Ranks
from settlesim.sim.residues import from_remainders, primes_for
from settlesim.sim.search import INTERRUPTED
from settlesim.sim.search_result import SearchResult
from settlesim.sim.sweep_kernels import (
    DEGREE,
    ENDS_FULL,
    FINISHED,
    MISSING,
    MOVES_FULL,
    PAUSE,
    POOL_FULL,
    RANKS_FULL,
    SLOTS_FULL,
    Array,
    Counters,
    Pool,
    Room,
    chain,
    expand,
    fill_slots,
)
from settlesim.sim.sweep_tables import SweepTables, longer

__all__ = ["sweep", "swept_states"]

_REPORT: Final = 1 << 17
"""States between two reports of progress."""
_ROWS: Final = 1 << 12
_RANKS: Final = 1 << 8
_BUFFER: Final = 1 << 12
"""How many ends, and how many missing keys, the inner loop collects before it returns."""


def sweep(model: Model, limit: int, reporter: Reporter | None = None) -> SearchResult:
    """Find every state, up to about `limit` of them, and count the interleavings of every ending.

    Parameters
    ----------
    model
        What is searched.
    limit : about how many states may be found
    reporter : is told how many were found; an interrupt ends the sweep

    Returns
    -------
    result
        If the sweep stopped early, all its numbers are lower bounds.

    Raises
    ------
    NoRankError
        A step does not make the rank larger; such a model needs `settlesim.sim.search`.
    """
    return _with_enough(model, limit, reporter or Reporter()).result()


def swept_states(
    model: Model, most: int, longest: int, reporter: Reporter | None = None
) -> Iterator[list[State]]:
    """Sweep again without counting, and yield the states that are found, in parts.

    Parameters
    ----------
    most : the number of states after which the sweep stops
    longest : the length of the longest program, from `SearchResult.longest_program`

    Raises
    ------
    KeyboardInterrupt
        It was interrupted.
    """
    reporter = reporter or Reporter()
    ranks = Ranks(model, longest)
    one = _Sweep(model, ranks, (0, 0), limit=most, reporter=reporter)
    yield from one.states()


def _with_enough(model: Model, limit: int, reporter: Reporter) -> _Sweep:
    """Sweep until no program was longer than assumed, and the primes were enough."""
    longest, bits = 0, _BITS
    while True:
        ranks = Ranks(model, longest)
        one = _Sweep(model, ranks, bits, limit=limit, reporter=reporter)
        try:
            one.run()
        except LongerProgramError as error:
            longest = error.steps
            continue
        if one.reason == INTERRUPTED or all(map(le, one.bits, bits)):
            return one
        bits = one.bits


_BITS: Final = 80, 140
"""How many bits of interleavings and of probabilities the first sweep has primes for."""


class _Sweep:
    """One sweep with given ranks and primes."""

    def __init__(
        self,
        model: Model,
        ranks: Ranks,
        bits: tuple[int, int],
        *,
        limit: int,
        reporter: Reporter,
    ) -> None:
        self._model = model
        self.longest = ranks.longest
        self._ways, self._chances = primes_for(bits[0]), primes_for(bits[1])
        self._limit = limit
        self._reporter = reporter
        self.reason = ""
        self._tables = SweepTables(model, ranks, self._ways, self._chances)
        self._arrays = self._tables.arrays()
        self._width = width = len(model.start)
        number = len(self._ways) + len(self._chances)
        self._pool = Pool(
            np.zeros((_ROWS, width + number), np.int32),
            np.zeros(_ROWS, np.int32),
            np.zeros(4 * _ROWS, np.int64),
            np.full(_RANKS, -1, np.int32),
            np.zeros(Counters.NUMBER, np.int64),
        )
        self._room = Room(
            np.zeros((32, 6), np.int32),
            np.zeros(width, np.int32),
            np.zeros(number, np.int64),
            np.zeros(_BUFFER, np.int64),
            np.zeros((_RANKS, 33), np.bool_),
        )
        self._ends: Array = np.zeros((_BUFFER, width + number), np.int32)
        self._sums: dict[EndingIdentity, Array] = {}
        self._open_start()

    def _open_start(self) -> None:
        start = list(self._model.start)
        start[self._model.size] = self._tables.gate(start[self._model.size])
        self._arrays = self._tables.arrays()
        pool = self._pool
        pool.rows[0] = 1
        pool.rows[0, : self._width] = start
        pool.after[0] = -1
        pool.heads[0] = 0
        pool.counters[Counters.USED] = pool.counters[Counters.STATES] = 1
        pool.counters[Counters.FREE] = -1
        fill_slots(pool, self._width)

    # --- running --------------------------------------------------------------------------

    def run(self) -> None:
        """Sweep over all ranks; an interrupt or too many states end it and set `reason`."""
        try:
            with self._model.services_together():
                for rank in self._ranks():
                    self._look_at(rank)
            self._take_ends()
        except KeyboardInterrupt:
            self.reason = INTERRUPTED
            self._take_ends()

    def states(self) -> Iterator[list[State]]:
        """Run, and yield the states that are found, each once."""
        for rank in self._ranks():
            yield from self._states_of(rank)
            self._look_at(rank)
        if self.reason:
            for later in range(rank + 1, len(self._pool.heads)):
                yield from self._states_of(later)

    def _ranks(self) -> Iterator[int]:
        """Yield the ranks, until there are no more states or the sweep has a reason to stop."""
        rank = 0
        while not self.reason and rank < len(self._pool.heads):
            yield rank
            rank += 1

    def _states_of(self, rank: int) -> Iterator[list[State]]:
        rows = chain(self._pool, rank, self._width)
        for begin in range(0, len(rows), _ROWS):
            yield [self._tables.state(row) for row in rows[begin : begin + _ROWS]]

    def _look_at(self, rank: int) -> None:
        """Explore all states of one rank."""
        counters = self._pool.counters
        while not self.reason:
            pause = int(counters[Counters.LOOKED_AT]) // _REPORT * _REPORT + _REPORT
            why = expand(rank, self._pool, self._arrays, self._room, self._ends, self._limit, pause)
            if why == FINISHED:
                return
            self._help(why)

    def _help(self, why: int) -> None:
        """Do what the inner loop has stopped for."""
        pool, room = self._pool, self._room
        counters = pool.counters
        if why == MISSING:
            number = int(counters[Counters.MISSING])
            self._tables.learn(room.missing[:number])
            counters[Counters.MISSING] = 0
            self._arrays = self._tables.arrays()
        elif why == PAUSE:
            self._pause()
        elif why == POOL_FULL:
            rows = len(pool.rows) + max(len(pool.rows) // 2, len(room.moves))
            self._pool = pool._replace(
                rows=_resized(pool.rows, rows), after=_resized(pool.after, rows)
            )
        elif why == SLOTS_FULL:
            self._refill()
        elif why == ENDS_FULL:
            self._take_ends()
        elif why == RANKS_FULL:
            heads = longer(pool.heads, len(pool.heads) + 1, -1)
            self._pool = pool._replace(heads=heads)
            self._room = room._replace(degrees=longer(room.degrees, len(heads)))
        elif why == MOVES_FULL:
            self._room = room._replace(moves=longer(room.moves, len(room.moves) + 1))
        elif why == DEGREE:
            degree = 2 * len(self._arrays.inverses)
            self._tables.need_degree(degree)
            self._arrays = self._tables.arrays()
            degrees: Array = np.zeros((len(room.degrees), degree + 1), np.bool_)
            degrees[:, : room.degrees.shape[1]] = room.degrees
            self._room = room._replace(degrees=degrees)

    def _refill(self) -> None:
        """Refill the slots with only the open states, in a larger table if there are many."""
        pool = self._pool
        live = int(pool.counters[Counters.USED] - pool.counters[Counters.FREE_ROWS])
        length = len(pool.slots)
        while length < 4 * (live + len(self._room.moves)):
            length *= 2
        if length != len(pool.slots):
            self._pool = pool._replace(slots=np.zeros(length, np.int64))
        fill_slots(self._pool, self._width)

    def _pause(self) -> None:
        states = int(self._pool.counters[Counters.STATES])
        if states > self._limit:
            self.reason = f"there are more than {counted_noun(self._limit, 'state')}"
        self._reporter.report(states, max(states, self._limit), "states found")

    # --- ends -----------------------------------------------------------------------------

    def _take_ends(self) -> None:
        """Add the counts in the buffer of ends to their endings, and empty the buffer."""
        number = int(self._pool.counters[Counters.ENDS])
        self._pool.counters[Counters.ENDS] = 0
        for row in self._ends[:number]:
            outcome = self._model.outcome(self._tables.state(row[: self._width]))
            counts = row[self._width :].astype(np.int64)
            sums = self._sums.get(outcome)
            self._sums[outcome] = counts if sums is None else sums + counts

    @property
    def _whole(self) -> int:
        """The common denominator of all probabilities."""
        found = 1
        for degrees in self._room.degrees:
            found *= math.lcm(*[max(1, int(each)) for each in np.nonzero(degrees)[0]])
        return found

    @property
    def bits(self) -> tuple[int, int]:
        """How many bits the interleavings and the common denominator have at most."""
        most = 1
        for degrees in self._room.degrees:
            most *= max([1, *map(int, np.nonzero(degrees)[0])])
        return most.bit_length(), self._whole.bit_length()

    def result(self) -> SearchResult:
        """Return what was found."""
        whole, first = self._whole, len(self._ways)
        totals = {}
        for outcome, sums in self._sums.items():
            counts = sums.tolist()
            part = from_remainders([whole * each for each in counts[first:]], self._chances)
            totals[outcome] = from_remainders(counts[:first], self._ways), Fraction(part, whole)
        counters = self._pool.counters
        return SearchResult(
            states=int(counters[Counters.STATES]),
            transitions=int(counters[Counters.STEPS]),
            totals=totals,
            reason=self.reason,
            search="swept by rank, compiled by numba",
            longest_program=self.longest,
        )


def _resized(array: Array, rows: int) -> Array:
    found = np.zeros((rows, *array.shape[1:]), array.dtype)
    found[: len(array)] = array
    return found
