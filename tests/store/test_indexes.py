"""An index that was told every change is as one that is told everything anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.store.database import Document, Index, Reader
from settlesim.store.documents import DEAD_LETTERS, DEDUPLICATION, MARKS, MESSAGES, PARKED, TIMERS
from settlesim.store.queues.deduplication import Deduplication
from settlesim.store.queues.queueing import Queues
from settlesim.store.rules.marks import Marks
from settlesim.store.rules.timers import DurableTimers

QUEUES, GROUPS, TIMES = ["q", "r"], ["a", "b"], [0.0, 1.0, 2.0]

MESSAGE = st.fixed_dictionaries(
    {
        "queue": st.sampled_from(QUEUES),
        "group": st.sampled_from(GROUPS),
        "standard": st.sampled_from([False, False, True]),
        "sent_at": st.just(0.0),
        "visible_at": st.sampled_from(TIMES),
        "receives": st.just(0),
        "failures": st.just(0),
        "in_flight": st.booleans(),
    }
)
LETTER = MESSAGE.map(lambda message: {**message, "at": 0.0, "reason": "it failed"})
LANES = [(queue, group) for queue in QUEUES for group in GROUPS]

QUEUE_STEP = (
    st.tuples(st.just(MESSAGES), st.integers(1, 6), st.none() | MESSAGE)
    | st.tuples(st.just(DEAD_LETTERS), st.integers(1, 3), st.none() | LETTER)
    | st.builds(
        lambda lane, there: (
            PARKED,
            LANES.index(lane) + 1,
            {"queue": lane[0], "group": lane[1], "since": 0.0, "reason": "no"} if there else None,
        ),
        st.sampled_from(LANES),
        st.booleans(),
    )
)


def queues_seen(index: Queues) -> Any:
    return [
        (
            index[name].heads(time, 9),
            index[name].next_at(),
            index[name].oldest(),
            index[name].flying(time),
            sorted(index[name].dead),
            index[name].parked,
            [index[name].length(group) for group in GROUPS],
        )
        for name in QUEUES
        for time in TIMES
    ] + [index.names()]


def told(index: Index, steps: list[tuple[str, int, Document | None]]) -> None:
    for table, number, document in steps:
        index.update(table, number, document)


def told_anew(index: Index, steps: list[tuple[str, int, Document | None]]) -> None:
    last = {(table, number): document for table, number, document in steps}
    index.clear()
    told(index, [(*name, last[name]) for name in sorted(last) if last[name] is not None])


@given(st.lists(QUEUE_STEP, max_size=30))
def test_queues_keep_up_with_any_changes(steps: list[tuple[str, int, Document | None]]) -> None:
    """Also where a message changes its queue or group, as only a hand would make it."""
    index, fresh = Queues("here"), Queues("here")
    told(index, steps)
    told_anew(fresh, steps)
    assert queues_seen(index) == queues_seen(fresh)
    told_anew(index, steps)
    assert queues_seen(index) == queues_seen(fresh)


class Documents(Reader):
    """The documents that the steps leave."""

    def __init__(self, steps: list[tuple[str, int, Document | None]]) -> None:
        self.last = {(table, number): document for table, number, document in steps}

    def get(self, table: str, id: int) -> Document | None:  # noqa: A002
        return self.last.get((table, id))

    def ids(self, table: str) -> list[int]:
        return sorted(number for name, number in self.last if name == table)


def ids_seen(index: Deduplication, reader: Reader) -> Any:
    names = [("q", group, event) for group in GROUPS for event in "xy"]
    over = sorted(known.number for known in index.over(1.0, 9))
    return [index.find(name) for name in names], over


def marks_seen(index: Marks, reader: Reader) -> Any:
    return [index.find(reader, group, event, 1.0) for group in GROUPS for event in "xy"]


def timers_seen(index: DurableTimers, reader: Reader) -> Any:
    found = [index.find(reader, group) for group in GROUPS]
    charts = [(index.due(c, t, 9), index.next_at(c), index.running(c)) for c in "qr" for t in TIMES]
    return found, charts


def named(number: int) -> tuple[str, str]:
    """Each id has a name of its own, as the rules see to it."""
    return GROUPS[number % 2], "xy"[number // 2]


KINDS: dict[str, tuple[Callable[[], Any], Callable[[int, float, int], Any], Any]] = {
    DEDUPLICATION: (
        lambda: Deduplication("here"),
        lambda number, time, other: {
            "queue": "q",
            "group": named(number)[0],
            "id": named(number)[1],
            "digest": str(other),
            "message": other,
            "until": time,
            "window": 1.0,
        },
        ids_seen,
    ),
    MARKS: (
        lambda: Marks("here", 1.0),
        lambda number, time, other: {
            "key": named(number)[0],
            "id": named(number)[1],
            "revision": other,
            "outcome": None,
            "until": time,
        },
        marks_seen,
    ),
    TIMERS: (
        lambda: DurableTimers("here"),
        lambda number, time, other: {
            "key": named(number)[0],
            "delay": named(number)[1],
            "chart": "qr"[other % 2],
            "due": time,
            "state": ["running", "sent"][other // 2 % 2],
        },
        timers_seen,
    ),
}


@pytest.mark.parametrize("table", KINDS)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.sampled_from(TIMES), st.integers(0, 3), st.sampled_from([1, 1, 0])
        ),
        max_size=20,
    )
)
def test_other_indexes_keep_up_with_any_changes(
    table: str, changes: list[tuple[int, float, int, int]]
) -> None:
    """Documents that come, change and go, in any order."""
    make, document, seen = KINDS[table]
    steps: list[tuple[str, int, Document | None]] = [
        (table, number, document(number, time, other) if there else None)
        for number, time, other, there in changes
    ]
    index, fresh, reader = make(), make(), Documents(steps)
    told(index, steps)
    told_anew(fresh, steps)
    assert seen(index, reader) == seen(fresh, reader)


@pytest.mark.parametrize("table", KINDS)
def test_two_documents_of_one_name_do_no_harm(table: str) -> None:
    """Only a hand would write them; the later one counts, and both can go."""
    make, document, seen = KINDS[table]
    index = make()
    for number in (7, 8):
        index.update(table, number, document(1, 2.0, 0))
    for number in (8, 7, 7):
        index.update(table, number, None)
    assert seen(index, Documents([])) == seen(make(), Documents([]))
