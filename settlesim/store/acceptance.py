"""Events with an id: accept each of them only once, and find out where it is now."""

from __future__ import annotations

import json
from typing import NamedTuple

from settlesim.chart.strict_json import JSONValue
from settlesim.errors import DeduplicationError, UnexpectedRevisionError
from settlesim.ports import Mark, digest_of
from settlesim.store.checks import check_message
from settlesim.store.database import Execute
from settlesim.store.entries import DeadLetter
from settlesim.store.messages import Mailbox, letter_of, letters
from settlesim.store.queues import FifoQueue

__all__ = ["Acceptance", "WaitingEvent", "accept_event", "dead_since", "where_is"]


class Acceptance(NamedTuple):
    """What became of an event that was sent."""

    new: bool
    """Whether it was accepted now; False if an event with this id was accepted before."""
    ahead: int
    """How many events of the instance wait before it; 0 if it is not waiting."""


class WaitingEvent(NamedTuple):
    """An event that waits in its queue or is being handled."""

    ahead: int
    """How many events of the instance wait before it."""
    errors: tuple[str, ...]
    """The errors of its failed attempts, oldest first."""


def accept_event(
    queue: FifoQueue,
    body: JSONValue,
    key: str,
    event_id: str,
    *,
    mark: str,
    expected: int | None = None,
) -> Acceptance:
    """Accept an event unless its id is known; it is on disk when this returns.

    Parameters
    ----------
    mark : the id under which the store remembers the event once it is settled
    expected : the event is accepted only if it will be applied to this revision; None for any

    Raises
    ------
    DeduplicationError
        The id was used for another event; nothing was sent.
    UnexpectedRevisionError
        The instance is at another revision, or other events wait; nothing was sent.
    InvalidValueError, StoreError
        As `FifoQueue.send`.
    """
    check_message(body, key, event_id)

    def accept(execute: Execute) -> Acceptance:
        if (known := _mark(execute, queue, key, mark)) is not None:
            if known.digest not in (None, digest_of(body)):
                raise DeduplicationError(queue=queue.name, group_id=key, deduplication_id=event_id)
            return Acceptance(False, 0)
        (last,) = execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'messages'"
        ).fetchone()
        number = Mailbox(execute, queue.store.now()).accept(
            queue.name,
            body,
            key,
            event_id,
            deduplication=queue.store.deduplication[queue.name],
        )
        ahead = _ahead(execute, queue, key, number)
        if number <= last:
            return Acceptance(False, ahead)
        if expected is not None:
            _compare(execute, key, expected, ahead)
        return Acceptance(True, ahead)

    return queue.store.database.write(accept)


def _compare(execute: Execute, key: str, expected: int, waiting: int) -> None:
    row = execute("SELECT revision FROM instances WHERE key = ?", (key,)).fetchone()
    actual = 0 if row is None else row[0]
    if actual != expected or waiting:
        raise UnexpectedRevisionError(key=key, expected=expected, actual=actual, waiting=waiting)


def _ahead(execute: Execute, queue: FifoQueue, key: str, number: int) -> int:
    (count,) = execute(
        "SELECT count(*) FROM messages WHERE queue = ? AND group_id = ? AND id < ?",
        (queue.name, key, number),
    ).fetchone()
    return int(count)


def _mark(execute: Execute, queue: FifoQueue, key: str, mark: str) -> Mark | None:
    row = execute(
        "SELECT key, id, revision, outcome, digest, until FROM marks"
        " WHERE key = ? AND id = ? AND until > ?",
        (key, mark, queue.store.now()),
    ).fetchone()
    return None if row is None else Mark(*row)


def where_is(
    queue: FifoQueue, key: str, event_id: str, *, mark: str
) -> WaitingEvent | Mark | DeadLetter | None:
    """Find an event by its id: it waits, was settled, or is a dead letter.

    Returns
    -------
    found : None if the store does not know the event, or no longer, because its mark has expired

    Raises
    ------
    StoreError
        The store could not read.
    """

    def look(execute: Execute) -> WaitingEvent | Mark | DeadLetter | None:
        name = (queue.name, key, event_id)
        row = execute(
            "SELECT id, errors FROM messages"
            " WHERE queue = ? AND group_id = ? AND deduplication_id = ? ORDER BY id LIMIT 1",
            name,
        ).fetchone()
        if row is not None:
            return WaitingEvent(_ahead(execute, queue, key, row[0]), tuple(json.loads(row[1])))
        if (known := _mark(execute, queue, key, mark)) is not None:
            return known
        found = letters(execute, queue.name, event=(key, event_id))
        return letter_of(found[-1], source=queue.store.source) if found else None

    return queue.store.database.read(look)


def dead_since(queue: FifoQueue, at: float) -> tuple[set[str], float]:
    """Return the groups with dead letters since `at`, and the time of the latest; `at` if none."""
    rows = queue.store.database.rows(
        "SELECT group_id, died_at FROM dead_letters WHERE queue = ? AND died_at >= ?",
        (queue.name, at),
    )
    return {group for group, _ in rows}, max((died for _, died in rows), default=at)
