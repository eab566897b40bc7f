"""The tables of the sweep: gates and moves as arrays, worked out when the inner loop needs them.

A state of the sweep has the number of a *gate* where a state of the model has its queue number,
so that every part is a small number. A *change* stands for one of the few numbers that steps add to
queue numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from settlesim.sim.model import Model
from settlesim.sim.ranks import NoRankError, Ranks
from settlesim.sim.sweep_kernels import (
    CHANGE_BITS,
    GATE,
    MASK_BITS,
    RECEIVE,
    SHARED_BITS,
    Array,
    Hash,
    Tables,
    insert,
    lookup,
)

__all__ = ["SweepTables", "longer"]

_MASK: int = (1 << MASK_BITS) - 1
_CHANGE: int = (1 << CHANGE_BITS) - 1


def longer(array: Array, length: int, fill: int = 0) -> Array:
    """Return an array with room for `length` rows; the same one if it has that already."""
    if length <= len(array):
        return array
    found = np.full((max(length, 2 * len(array)), *array.shape[1:]), fill, array.dtype)
    found[: len(array)] = array
    return found


class _Map:
    """A `Hash` that grows as needed."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = Hash(np.full(1 << 12, -1, np.int64), np.zeros(1 << 12, np.int64))

    def __contains__(self, key: int) -> bool:
        return lookup(*self.hash, key) >= 0

    def add(self, key: int, value: int) -> None:
        self.size += 1
        if 2 * self.size > len(self.hash.keys):
            before = self.hash
            length = 2 * len(before.keys)
            self.hash = Hash(np.full(length, -1, np.int64), np.zeros(length, np.int64))
            for index in np.nonzero(before.keys >= 0)[0]:
                insert(*self.hash, before.keys[index], before.values[index])
        insert(*self.hash, key, value)


class SweepTables:
    """The tables of one sweep.

    Parameters
    ----------
    model
        Works out gates and moves.
    ranks : compute the rise of every move
    ways, chances : the primes modulo which interleavings and probabilities are counted
    """

    def __init__(self, model: Model, ranks: Ranks, ways: list[int], chances: list[int]) -> None:
        self._model = model
        self._ranks = ranks
        self._ways = len(ways)
        self._primes = ways + chances
        self.queues: list[int] = []
        """The queue number of each gate."""
        self._gates: dict[int, int] = {}
        self._changes: dict[int, int] = {0: 0}
        self._change_of = [0]
        self._gate_after = _Map()
        self._moves = _Map()
        self._spans: Array = np.zeros((64, 2), np.int32)
        self._messages: Array = np.zeros(256, np.int32)
        self._masks: Array = np.zeros(64, np.int32)
        self._ends: Array = np.zeros(64, np.bool_)
        self._move_spans: Array = np.zeros((1 << 12, 2), np.int32)
        self._parts: Array = np.zeros((1 << 12, 4), np.int32)
        self._part_number = 0
        self._places = np.array([model.size + 1 + key for key in model.key_of], np.int32)
        self.need_degree(32)

    def gate(self, queue: int) -> int:
        """Return the number of a gate."""
        found = self._gates.get(queue)
        if found is not None:
            return found
        number = self._gates[queue] = len(self.queues)
        self.queues.append(queue)
        gate = self._model.gate(queue)
        messages = [*gate.receivable, *(message for message, _ in gate.active)]
        self._spans = longer(self._spans, number + 2)
        begin = int(self._spans[number, 0])
        end = begin + len(messages)
        self._messages = longer(self._messages, end)
        self._messages[begin:end] = messages
        self._spans[number, 1] = len(gate.receivable)
        self._spans[number + 1, 0] = end
        self._masks = longer(self._masks, number + 1)
        self._masks[number] = gate.mask
        self._ends = longer(self._ends, number + 1)
        self._ends[number] = gate.ends
        return number

    def learn(self, keys: Array) -> None:
        """Work out the missing moves and gates of the inner loop.

        Raises
        ------
        LongerProgramError
            A program is longer than the ranks assume.
        NoRankError
            A move does not make the rank larger, or there are too many parts for the keys.
        """
        for key in dict.fromkeys(keys.tolist()):
            if key & GATE:
                self._learn_gate(key & ~GATE)
            elif key not in self._moves:
                self._learn_moves(key)

    def _learn_gate(self, key: int) -> None:
        if key not in self._gate_after:
            queue = self.queues[key >> CHANGE_BITS] + self._change_of[key & _CHANGE]
            self._gate_after.add(key, self.gate(queue))

    def _learn_moves(self, key: int) -> None:
        mask = key & _MASK
        shared = key >> MASK_BITS & (1 << SHARED_BITS) - 1
        phase = key >> MASK_BITS + SHARED_BITS
        model = self._model
        before = model.phases[phase], model.shared[shared]
        rows = []
        for step, (new, change, kept) in model.worked_out(
            phase, shared, -1 if mask == RECEIVE else mask
        ):
            rise = self._ranks.of_move(step, before, (model.phases[new], model.shared[kept]))
            rows.append((new, self._change(change), kept, rise))
        if max(len(model.phases), len(model.shared)) >= 1 << SHARED_BITS - 2:
            raise NoRankError("there are too many different parts of states")
        begin, number = self._part_number, self._moves.size
        self._part_number += len(rows)
        self._parts = longer(self._parts, self._part_number)
        if rows:
            self._parts[begin : self._part_number] = rows
        self._move_spans = longer(self._move_spans, number + 1)
        self._move_spans[number] = begin, len(rows)
        self._moves.add(key, number)

    def _change(self, change: int) -> int:
        found = self._changes.get(change)
        if found is None:
            found = self._changes[change] = len(self._change_of)
            self._change_of.append(change)
        return found

    def need_degree(self, degree: int) -> None:
        """Compute the inverses of all degrees up to `degree`."""
        whole = [[pow(max(each, 1), -1, p) for p in self._primes] for each in range(degree + 1)]
        self._inverses = np.array(whole, np.int64).reshape(degree + 1, len(self._primes))

    def arrays(self) -> Tables:
        """Return the tables as they are now."""
        return Tables(
            self._places,
            self._spans,
            self._messages,
            self._masks,
            self._ends,
            self._gate_after.hash,
            self._moves.hash,
            self._move_spans,
            self._parts,
            np.array(self._primes, np.int64),
            self._ways,
            self._inverses,
        )

    def state(self, row: Any) -> tuple[int, ...]:
        """Return the state of the model that a row stands for."""
        parts = row.tolist()
        parts[self._model.size] = self.queues[parts[self._model.size]]
        return tuple(parts)
