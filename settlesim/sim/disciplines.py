"""Which messages may be received now: one rule per queue discipline.

Rules
-----
A message keeps its place in arrival order when it becomes visible again. A rule sees only the
status and the key of every message; whether a worker is free is checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

__all__ = [
    "DEAD",
    "DELETED",
    "DISCIPLINES",
    "IN_FLIGHT",
    "REFUSED",
    "STATUSES",
    "UNSENT",
    "VISIBLE",
    "Discipline",
]

VISIBLE: Final = 0
IN_FLIGHT: Final = 1
DELETED: Final = 2
DEAD: Final = 3
UNSENT: Final = 4
"""The message of a timer that is not due, or of an event that has not arrived."""
REFUSED: Final = 5
"""An event that was not accepted when it arrived."""
STATUSES: Final = ("visible", "in flight", "deleted", "dead", "not sent", "refused")
"""The names of the statuses, by number."""

Rule = Callable[[Sequence[int], Sequence[int]], "list[int]"]


class Discipline(NamedTuple):
    """One queue discipline."""

    rule: Rule
    """Takes the status and the instance's number of each message; returns the positions of those
    that may be received."""
    meaning: str
    """What is ordered, and what is exclusive."""
    found_as: str
    """Which systems behave like it."""


def _any_visible(statuses: Sequence[int], keys: Sequence[int]) -> list[int]:
    return [index for index, status in enumerate(statuses) if status == VISIBLE]


def _oldest_visible(statuses: Sequence[int], keys: Sequence[int]) -> list[int]:
    return _any_visible(statuses, keys)[:1]


def _one_per_key(statuses: Sequence[int], keys: Sequence[int]) -> list[int]:
    busy = [key for status, key in zip(statuses, keys, strict=True) if status == IN_FLIGHT]
    return [each for each in _any_visible(statuses, keys) if keys[each] not in busy]


def _one_at_all(statuses: Sequence[int], keys: Sequence[int]) -> list[int]:
    left = [index for index, status in enumerate(statuses) if status in {VISIBLE, IN_FLIGHT}]
    return [index for index in left[:1] if statuses[index] == VISIBLE]


def _oldest_of_key(statuses: Sequence[int], keys: Sequence[int]) -> list[int]:
    oldest: dict[int, int] = {}
    for index, status in enumerate(statuses):
        if status in {VISIBLE, IN_FLIGHT}:
            oldest.setdefault(keys[index], index)
    return [index for index in oldest.values() if statuses[index] == VISIBLE]


DISCIPLINES: Final[Mapping[str, Discipline]] = {
    "direct": Discipline(
        _any_visible,
        "no queue: every handler starts at once",
        "HTTP requests, function calls, timers",
    ),
    "standard": Discipline(
        _any_visible,
        "any message, to any free worker",
        "SQS standard queues, SNS to functions, most task queues",
    ),
    "fifo_dispatch": Discipline(
        _oldest_visible,
        "handed out in order, handled concurrently",
        "a RabbitMQ queue with several consumers, a FIFO queue in front of a thread pool",
    ),
    "mutex": Discipline(
        _one_per_key,
        "one handler per instance, in any order",
        "a lock or a lease per instance",
    ),
    "fifo_global": Discipline(
        _one_at_all,
        "one after the other, over all instances",
        "one consumer, a Kafka topic of one partition",
    ),
    "fifo_group": Discipline(
        _oldest_of_key,
        "one after the other for each instance, instances concurrently",
        "SQS FIFO message groups, Kafka partitions by key, actors, Restate virtual objects",
    ),
}
"""Every queue discipline by name, from no order at all to order per instance."""
