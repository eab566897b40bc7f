"""The inner loop of the sweep, in the subset of Python that `numba` compiles.

An *open* state, one that was found and is not explored yet, is a row of a pool. The rows of one
rank form a linked list, and a hash table (slots with linear probing) finds a row by its content.
After a state was explored, its row is free for another state. Its slot remains, and is skipped like
any slot whose row has other content, until the table is refilled.

The machine code is cached beside this file, or in numba's own folder if that is not writable, so it
is compiled once for each version and machine.

References
----------
Knuth, The Art of Computer Programming, volume 3, 1998, section 6.4 (linear probing).
Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the mixer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import numba
import numpy as np

__all__ = [
    "CHANGE_BITS",
    "DEGREE",
    "ENDS_FULL",
    "FINISHED",
    "GATE",
    "MASK_BITS",
    "MISSING",
    "MOVES_FULL",
    "PAUSE",
    "POOL_FULL",
    "RANKS_FULL",
    "RECEIVE",
    "SHARED_BITS",
    "SLOTS_FULL",
    "Array",
    "Counters",
    "Hash",
    "Pool",
    "Room",
    "Tables",
    "chain",
    "expand",
    "fill_slots",
    "insert",
    "lookup",
]

Array: TypeAlias = Any
"""A numpy array; its type and dimensions are documented at each use."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(function: _Function) -> _Function:
    return cast("_Function", numba.njit(cache=True, nogil=True)(function))


class Counters:
    """Positions in the array of counters that a sweep and its inner loop share."""

    USED: Final = 0
    """Rows that have been used so far, including those that are free again."""
    FREE: Final = 1
    """The first free row, -1 for none; `Pool.after` has the next."""
    FREE_ROWS: Final = 2
    """Rows that are free again."""
    SLOTS: Final = 3
    """Slots that are taken."""
    STATES: Final = 4
    STEPS: Final = 5
    ENDS: Final = 6
    """Rows in the buffer of ends."""
    LOOKED_AT: Final = 7
    MISSING: Final = 8
    """Keys in the buffer of missing moves and gates."""
    NUMBER: Final = 9
    """How many counters there are."""


class Pool(NamedTuple):
    """The open states."""

    rows: Array
    """int32, [row, column]: a state, which is phases, gate, shared parts; then the remainders of
    the number of interleavings that lead to it, and those of their probability."""
    after: Array
    """int32, [row]: the next row of its rank, or the next free one."""
    slots: Array
    """int64, their number is a power of 2: the row in the lower half, bits of its hash in the upper
    half; -1 if empty."""
    heads: Array
    """int32, [rank]: the first row of each rank, -1 if there is none."""
    counters: Array
    """int64, see `Counters`."""


class Hash(NamedTuple):
    """A map from non-negative whole numbers to non-negative whole numbers."""

    keys: Array
    """int64, their number is a power of 2; -1 if empty."""
    values: Array
    """int64."""


class Tables(NamedTuple):
    """The known gates and moves, see `settlesim.sim.sweep_tables`."""

    instance_place: Array
    """int32, [message]: the column of a row with the shared part of its instance."""
    gate_spans: Array
    """int32, [gate, 2]: where its messages begin in `gate_messages`, and how many of them may be
    received. After these come the messages that may have other moves, up to the next gate's."""
    gate_messages: Array
    """int32."""
    gate_masks: Array
    """int32, [gate]: a bit for each kind of fault that is left."""
    gate_ends: Array
    """bool, [gate]: whether a run may end here."""
    gate_after: Hash
    """From a gate and a change to the gate afterwards."""
    moves: Hash
    """From a phase, a shared part and a mask to a row of `move_spans`."""
    move_spans: Array
    """int32, [number, 2]: where the moves begin in `move_parts`, and how many there are."""
    move_parts: Array
    """int32, [move, 4]: phase afterwards, change, shared part afterwards, rise of the rank."""
    primes: Array
    """int64, [prime]: the primes for interleavings, then those for probabilities."""
    ways: int
    """How many of the primes are for interleavings."""
    inverses: Array
    """int64, [degree, prime]: the inverse of the degree modulo the prime."""


class Room(NamedTuple):
    """Working memory."""

    moves: Array
    """int32, [move, 6]: message, phase, gate, column of the shared part, shared part, rise."""
    state: Array
    """int32, [column]: a state."""
    share: Array
    """int64, [prime]: what a state hands on to each state after it."""
    missing: Array
    """int64, [number]: the keys of missing moves, and those of missing gates, with `GATE` set."""
    degrees: Array
    """bool, [rank, degree]: which numbers of choices occurred."""


FINISHED: Final = 0
PAUSE: Final = 1
"""It is time to report progress and to check the limit."""
MISSING: Final = 2
"""A move or a gate is not known yet."""
POOL_FULL: Final = 3
SLOTS_FULL: Final = 4
ENDS_FULL: Final = 5
RANKS_FULL: Final = 6
MOVES_FULL: Final = 7
DEGREE: Final = 8
"""More choices than `Tables.inverses` has."""

RECEIVE: Final = 31
"""The mask of a receive."""
GATE: Final = 1 << 62
MASK_BITS: Final = 5
SHARED_BITS: Final = 30
CHANGE_BITS: Final = 24
_AHEAD: Final = 256
"""How many further rows are searched for missing keys once one is missing."""


@_compiled
def mixed(place: int, value: int) -> Any:
    """Return a hash of 64 bits for a value in a column; the hash of a state is the sum of these."""
    x = np.uint64(value) + np.uint64(place + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_compiled
def lookup(keys: Array, values: Array, key: int) -> int:
    """Return the value of a key, -1 if there is none."""
    last = len(keys) - 1
    place = np.int64(mixed(0, key) & np.uint64(last))
    while keys[place] >= 0:
        if keys[place] == key:
            value: int = values[place]
            return value
        place = (place + 1) & last
    return -1


@_compiled
def insert(keys: Array, values: Array, key: int, value: int) -> None:
    """Add a key, which must not be there yet; the table must have room."""
    last = len(keys) - 1
    place = np.int64(mixed(0, key) & np.uint64(last))
    while keys[place] >= 0:
        place = (place + 1) & last
    keys[place] = key
    values[place] = value


@_compiled
def state_hash(state: Array, width: int) -> Any:
    """Return the hash of a state, the first `width` columns of a row."""
    found = np.uint64(0)
    for place in range(width):
        found += mixed(place, state[place])
    return found


@_compiled
def slot_entry(hashed: Any, row: int) -> Any:
    """Return the entry of a slot for a row."""
    return np.int64(hashed >> np.uint64(33)) << 32 | row


@_compiled
def fill_slots(pool: Pool, width: int) -> None:
    """Refill the slots with only the open states, which have `width` columns."""
    pool.slots[:] = -1
    last = len(pool.slots) - 1
    taken = 0
    for rank in range(len(pool.heads)):
        row = pool.heads[rank]
        while row >= 0:
            hashed = state_hash(pool.rows[row], width)
            slot = np.int64(hashed & np.uint64(last))
            while pool.slots[slot] >= 0:
                slot = (slot + 1) & last
            pool.slots[slot] = slot_entry(hashed, row)
            taken += 1
            row = pool.after[row]
    pool.counters[3] = taken


@_compiled
def chain(pool: Pool, rank: int, width: int) -> Array:
    """Return the open states of a rank, without their counts."""
    number = 0
    row = pool.heads[rank]
    while row >= 0:
        number += 1
        row = pool.after[row]
    found: Array = np.empty((number, width), np.int32)
    row = pool.heads[rank]
    for index in range(number):
        found[index] = pool.rows[row, :width]
        row = pool.after[row]
    return found


@_compiled
def note_missing(room: Room, counters: Array, key: int) -> None:
    """Note a missing key if the buffer has room; otherwise it will be noted in a later round."""
    if counters[8] < len(room.missing):
        room.missing[counters[8]] = key
        counters[8] += 1


@_compiled
def moves_of(row: int, pool: Pool, tables: Tables, room: Room) -> int:
    """Write the moves of a state into `room`; return how many, or -1 if some are not known.

    If there are more than `room` holds, only those that fit are written, but all are counted.
    """
    rows, counters = pool.rows, pool.counters
    gate = rows[row, len(tables.instance_place)]
    first, receives = tables.gate_spans[gate, 0], tables.gate_spans[gate, 1]
    last = tables.gate_spans[gate + 1, 0]
    known = True
    found = 0
    for index in range(first, last):
        message = tables.gate_messages[index]
        mask = RECEIVE if index < first + receives else tables.gate_masks[gate]
        place = tables.instance_place[message]
        key: Any = (
            np.int64(rows[row, message]) << SHARED_BITS | rows[row, place]
        ) << MASK_BITS | mask
        number = lookup(tables.moves.keys, tables.moves.values, key)
        if number < 0:
            note_missing(room, counters, key)
            known = False
            continue
        begin = tables.move_spans[number, 0]
        for move in range(begin, begin + tables.move_spans[number, 1]):
            change = tables.move_parts[move, 1]
            after: Any = np.int64(gate)
            if change:
                key = np.int64(gate) << CHANGE_BITS | change
                after = lookup(tables.gate_after.keys, tables.gate_after.values, key)
                if after < 0:
                    note_missing(room, counters, GATE | key)
                    known = False
                    continue
            if found < len(room.moves):
                room.moves[found, 0] = message
                room.moves[found, 1] = tables.move_parts[move, 0]
                room.moves[found, 2] = after
                room.moves[found, 3] = place
                room.moves[found, 4] = tables.move_parts[move, 2]
                room.moves[found, 5] = tables.move_parts[move, 3]
            found += 1
    return found if known else -1


@_compiled
def reach(hashed: Any, rank: int, pool: Pool, tables: Tables, room: Room) -> None:
    """Add the share in `room` to the state in `room`, which is opened if it is not open yet."""
    state, share, rows = room.state, room.share, pool.rows
    slots, counters, primes = pool.slots, pool.counters, tables.primes
    width = len(state)
    last = len(slots) - 1
    slot = np.int64(hashed & np.uint64(last))
    tag = slot_entry(hashed, 0)
    while slots[slot] >= 0:
        if slots[slot] & ~0xFFFFFFFF == tag:
            other = slots[slot] & 0xFFFFFFFF
            same = True
            for place in range(width):
                if rows[other, place] != state[place]:
                    same = False
                    break
            if same:
                for index in range(len(share)):
                    value = np.int64(rows[other, width + index]) + share[index]
                    rows[other, width + index] = (
                        value - primes[index] if value >= primes[index] else value
                    )
                return
        slot = (slot + 1) & last
    new = counters[1]
    if new < 0:
        new = counters[0]
        counters[0] += 1
    else:
        counters[1] = pool.after[new]
        counters[2] -= 1
    slots[slot] = tag | new
    counters[3] += 1
    counters[4] += 1
    for place in range(width):
        rows[new, place] = state[place]
    for index in range(len(share)):
        rows[new, width + index] = share[index]
    pool.after[new] = pool.heads[rank]
    pool.heads[rank] = new


@_compiled
def divide(row: int, degree: int, pool: Pool, tables: Tables, room: Room) -> None:
    """Write into `room` what a row hands on to each state after it.

    That is the whole number of interleavings, and the probability divided by the degree.
    """
    width, ways = len(room.state), tables.ways
    for index in range(ways):
        room.share[index] = pool.rows[row, width + index]
    for index in range(ways, len(room.share)):
        whole = np.int64(pool.rows[row, width + index])
        room.share[index] = whole * tables.inverses[degree, index] % tables.primes[index]


@_compiled
def look_ahead(row: int, pool: Pool, tables: Tables, room: Room) -> None:
    """Note the missing keys of the next rows as well, so that the loop stops less often."""
    for _ in range(_AHEAD):
        if row < 0 or pool.counters[8] == len(room.missing):
            return
        moves_of(row, pool, tables, room)
        row = pool.after[row]


@_compiled
def expand(  # noqa: C901, PLR0912, PLR0917  (compiled: no keywords)
    rank: int, pool: Pool, tables: Tables, room: Room, ends: Array, most: int, pause: int
) -> int:
    """Explore the states of a rank, and open their successors.

    Parameters
    ----------
    ends : int32, [end, column]: rows in which a run may end, with their shares as counts
    most : how many states may be found
    pause : how many states may be explored in all before the loop pauses

    Returns
    -------
    why
        One of the constants above: why the loop stopped. In any case each state is either explored
        completely or still open.
    """
    counters, state = pool.counters, room.state
    gate_place, width = len(tables.instance_place), len(state)
    row = pool.heads[rank]
    while row >= 0:
        if counters[7] >= pause or counters[4] > most:
            return PAUSE
        found = moves_of(row, pool, tables, room)
        if found < 0:
            look_ahead(pool.after[row], pool, tables, room)
            return MISSING
        if found > len(room.moves):
            return MOVES_FULL
        if len(pool.rows) - counters[0] + counters[2] < found:
            return POOL_FULL
        if 2 * (counters[3] + found) > len(pool.slots):
            return SLOTS_FULL
        is_end = tables.gate_ends[pool.rows[row, gate_place]]
        degree = found + (1 if is_end and found else 0)
        if degree >= len(tables.inverses):
            return DEGREE
        if is_end and counters[6] == len(ends):
            return ENDS_FULL
        for index in range(found):
            if rank + room.moves[index, 5] >= len(pool.heads):
                return RANKS_FULL
        divide(row, degree, pool, tables, room)
        room.degrees[rank, degree] = True
        if is_end:
            ends[counters[6]] = pool.rows[row]
            for index in range(len(room.share)):
                ends[counters[6], width + index] = room.share[index]
            counters[6] += 1
        state[:] = pool.rows[row, :width]
        here = state_hash(state, width)
        for index in range(found):
            message, place = room.moves[index, 0], room.moves[index, 3]
            phase, gate, shared = state[message], state[gate_place], state[place]
            hashed = here - mixed(message, phase) - mixed(gate_place, gate) - mixed(place, shared)
            state[message] = room.moves[index, 1]
            state[gate_place] = room.moves[index, 2]
            state[place] = room.moves[index, 4]
            hashed += mixed(message, state[message]) + mixed(place, state[place])
            hashed += mixed(gate_place, state[gate_place])
            reach(hashed, rank + room.moves[index, 5], pool, tables, room)
            state[message], state[gate_place], state[place] = phase, gate, shared
        counters[5] += found
        counters[7] += 1
        after = pool.after[row]
        pool.after[row] = counters[1]
        counters[1] = row
        counters[2] += 1
        pool.heads[rank] = after
        row = after
    return FINISHED
