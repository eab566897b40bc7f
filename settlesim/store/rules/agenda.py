"""A priority queue in which an entry can be moved and taken out."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Agenda"]

K = TypeVar("K")
Order: TypeAlias = tuple[Any, ...]

_SLACK = 64


class Agenda(Generic[K]):
    """Keys sorted by an order, the least one at hand; each key stands in it once.

    Entries that were moved or taken out stay in the heap until they come to its top, or
    until they are more than half of it: so every change costs the logarithm of the size.

    Orders are tuples that are never equal for two keys.
    """

    __slots__ = ("_heap", "_orders")

    def __init__(self) -> None:
        self._orders: dict[K, Order] = {}
        self._heap: list[tuple[Order, K]] = []

    def __len__(self) -> int:
        return len(self._orders)

    def set(self, key: K, order: Order) -> None:
        """Put the key in its place."""
        if self._orders.get(key) == order:
            return
        self._orders[key] = order
        heappush(self._heap, (order, key))
        if len(self._heap) > 2 * len(self._orders) + _SLACK:
            self._heap = [(order, key) for key, order in self._orders.items()]
            heapify(self._heap)

    def discard(self, key: K) -> None:
        """Take the key out; one that is not there is no error."""
        self._orders.pop(key, None)

    def first(self) -> tuple[Order, K] | None:
        """Return the least entry, or None where there is none."""
        while self._heap:
            order, key = self._heap[0]
            if self._orders.get(key) == order:
                return order, key
            heappop(self._heap)
        return None

    def upto(self, limit: float, most: int) -> list[K]:
        """Return the keys, in order, whose order begins with `limit` or less."""
        taken: list[tuple[Order, K]] = []
        while len(taken) < most:
            entry = self.first()
            if entry is None or entry[0][0] > limit:
                break
            heappop(self._heap)
            # A key that was moved away and back again stands in the heap twice.
            if not taken or taken[-1] != entry:
                taken.append(entry)
        for entry in taken:
            heappush(self._heap, entry)
        return [key for _, key in taken]
