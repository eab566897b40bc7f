"""What can happen to a message within one transaction: it is accepted, received, put aside.

These are the rules of a queue in SQL; the settings of a queue object are in `queues`. Every
change to the messages of a group calls `_update_head`, which rewrites the group's row of `heads`:
its message with the least id, and when that one may be received. A group that is parked, or has
a message in flight, is not receivable. In a standard queue every message has a row of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from settlesim.chart.strict_json import JSONValue, encode, freeze
from settlesim.errors import (
    DeduplicationError,
    InvalidValueError,
    ReceiptExpiredError,
    StoreDamagedError,
    VersionConflictError,
)
from settlesim.ports import Message, digest_of
from settlesim.store.database import Execute
from settlesim.store.entries import DeadLetter
from settlesim.store.receipts import Receipt

__all__ = [
    "DEDUPLICATION_WINDOW",
    "Deduplication",
    "Mailbox",
    "MessageRow",
    "letter_of",
    "letters",
    "message_of",
]

DEDUPLICATION_WINDOW: Final = 300.0
"""Seconds for which a deduplication id is remembered, as in SQS."""
_MAX_ERRORS: Final = 10
"""How many error texts a message keeps, the latest ones."""
_PRUNED_EACH: Final = 2
"""How many expired deduplication ids are checked whenever one is added."""
_COLUMNS: Final = (
    "id, queue, group_id, ordered, body, deduplication_id, sent_at, visible_at, in_flight, "
    "receives, answered, failures, errors, timer, first_id, version, fingerprint"
)


class MessageRow(NamedTuple):
    """A row of the table of messages; a dead letter begins with the same columns."""

    id: int
    queue: str
    group_id: str
    ordered: int
    body: str
    deduplication_id: str | None
    sent_at: float
    visible_at: float
    in_flight: int
    receives: int
    answered: int
    failures: int
    errors: str
    timer: int | None
    first_id: int | None
    version: int | None
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Deduplication:
    """How a queue remembers deduplication ids."""

    seconds: float = DEDUPLICATION_WINDOW
    """How long an id is known after its message was accepted, and again after it left the queue."""
    per_group: bool = True
    """Whether an id counts within one message group, or within the whole queue."""

    def scope(self, group_id: str) -> str:
        """Return the scope of the ids of this group; empty for the whole queue."""
        return group_id if self.per_group else ""


class Mailbox:
    """Changes messages within one transaction.

    Parameters
    ----------
    execute : runs SQL in the transaction
    now : seconds since the epoch
    """

    def __init__(self, execute: Execute, now: float) -> None:
        self._execute = execute
        self._now = now

    # --- sending ------------------------------------------------------------------------------

    def accept(
        self,
        queue: str,
        body: JSONValue,
        group_id: str,
        deduplication_id: str | None = None,
        *,
        ordered: bool = True,
        deduplication: Deduplication,
        timer: int | None = None,
    ) -> int:
        """Put a message into a queue, unless its deduplication id is known.

        Returns
        -------
        id : of the message; of the earlier one if the deduplication id is known

        Raises
        ------
        DeduplicationError
            The id is known with another body.
        """
        if deduplication_id is not None:
            known = self._known(queue, deduplication.scope(group_id), deduplication_id)
            if known is not None:
                digest, earlier = known
                if digest != digest_of(body):
                    raise DeduplicationError(
                        queue=queue, group_id=group_id, deduplication_id=deduplication_id
                    )
                return earlier
        number = self._execute(
            "INSERT INTO messages(queue, group_id, ordered, body, deduplication_id, sent_at,"
            " visible_at, in_flight, receives, answered, failures, errors, timer, version,"
            " fingerprint) VALUES(?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, '[]', ?, ?, ?)",
            (
                *(queue, group_id, ordered, encode(body), deduplication_id, self._now, timer),
                *self._chart_version(queue, group_id),
            ),
        ).lastrowid
        assert number is not None
        self._update_head(number, queue, group_id, ordered=ordered)
        if deduplication_id is not None:
            name = queue, deduplication.scope(group_id), deduplication_id
            self._remember(name, number, body, deduplication.seconds)
        return number

    def _chart_version(self, queue: str, group_id: str) -> tuple[int | None, str | None]:
        """Return the version and the fingerprint of the chart for a message; None if unknown.

        They are those of the instance. For a new key they are those of the newest version that
        the store has seen, in its latest definition.
        """
        found: tuple[int, str | None] | None = self._execute(
            "SELECT version, fingerprint FROM instances WHERE key = ?", (group_id,)
        ).fetchone()
        if found is None:
            found = self._execute(
                "SELECT version, fingerprint FROM charts WHERE chart = ?"
                " ORDER BY version DESC, since DESC, fingerprint LIMIT 1",
                (queue,),
            ).fetchone()
        return (None, None) if found is None else found

    def _known(self, queue: str, scope: str, deduplication_id: str) -> tuple[str, int] | None:
        """Return digest and id of the message that used a deduplication id, if it is known."""
        found: tuple[str, int] | None = self._execute(
            "SELECT digest, message FROM deduplication AS known"
            " WHERE queue = ? AND scope = ? AND id = ? AND (until > ? OR EXISTS"
            " (SELECT 1 FROM messages WHERE id = message AND queue = known.queue))",
            (queue, scope, deduplication_id, self._now),
        ).fetchone()
        return found

    def _remember(
        self, name: tuple[str, str, str], message: int, body: JSONValue, seconds: float
    ) -> None:
        """Remember that a message used an id; `name` is queue, scope and id."""
        self._execute(
            "INSERT OR REPLACE INTO deduplication VALUES(?, ?, ?, ?, ?, ?, ?)",
            (*name, digest_of(body), message, self._now + seconds, seconds),
        )
        self._forget_old_ids()

    def _forget_old_ids(self) -> None:
        """Forget some expired ids; those of messages that still wait are kept."""
        over = self._execute(
            "SELECT queue, scope, id, message, seconds FROM deduplication"
            " WHERE until <= ? ORDER BY until LIMIT ?",
            (self._now, _PRUNED_EACH),
        ).fetchall()
        for queue, scope, deduplication_id, message, seconds in over:
            name = queue, scope, deduplication_id
            waits = "SELECT 1 FROM messages WHERE id = ? AND queue = ?"
            if self._execute(waits, (message, queue)).fetchone():
                # To be checked again after another window.
                self._execute(
                    "UPDATE deduplication SET until = ? WHERE queue = ? AND scope = ? AND id = ?",
                    (self._now + max(seconds, 1.0), *name),
                )
            else:
                self._execute(
                    "DELETE FROM deduplication WHERE queue = ? AND scope = ? AND id = ?", name
                )

    def _renew_id(self, message: MessageRow) -> None:
        """Restart the window of a message's deduplication id, since it leaves the queue."""
        if message.deduplication_id is not None:
            self._execute(
                "UPDATE deduplication SET until = ? + seconds"
                " WHERE queue = ? AND scope IN (?, '') AND id = ? AND message = ?",
                (
                    self._now,
                    message.queue,
                    message.group_id,
                    message.deduplication_id,
                    message.id,
                ),
            )

    # --- receiving ----------------------------------------------------------------------------

    def get(self, message: int) -> MessageRow | None:
        """Return a message, or None if it is no longer in its queue."""
        found = self._execute(f"SELECT {_COLUMNS} FROM messages WHERE id = ?", (message,))
        found.row_factory = _as_row
        row: MessageRow | None = found.fetchone()
        return row

    def take(self, message: MessageRow, visible_at: float) -> MessageRow:
        """Count a reception, hide the message, and return it as it is now."""
        self.change(message, visible_at=visible_at, in_flight=1, receives=message.receives + 1)
        return message._replace(visible_at=visible_at, in_flight=1, receives=message.receives + 1)

    def change(self, message: MessageRow, **columns: Any) -> None:
        """Update columns of a message."""
        names = ", ".join(f"{name} = ?" for name in columns)
        self._execute(f"UPDATE messages SET {names} WHERE id = ?", (*columns.values(), message.id))
        self._update_head(
            message.id, message.queue, message.group_id, ordered=bool(message.ordered)
        )

    def received(self, receipt: Receipt) -> MessageRow | None:
        """Return the message that a receipt is for.

        A receipt stays valid until the message is received again or released, even after its
        visibility time-out.

        Returns
        -------
        message : None if it was in a standard queue and was deleted with another receipt

        Raises
        ------
        ReceiptExpiredError
            The message was received again or released, or is gone.
        """
        message = self.get(receipt.message)
        if message is not None and message.queue != receipt.queue:
            message = None
        if not receipt.ordered:
            return message
        if message is None:
            reason = "its message is not in the queue any more"
        elif message.receives != receipt.receives:
            reason = f"its message was received again (reception {message.receives})"
        elif not message.in_flight:
            reason = "its message was released"
        else:
            return message
        raise ReceiptExpiredError(queue=receipt.queue, receipt=str(receipt), reason=reason)

    def consume(self, receipt: Receipt, *, fires: bool = False) -> MessageRow | None:
        """Remove a message that was handled, and the timer that it was for.

        Parameters
        ----------
        fires : whether the instance changes, so that the timer of the message fires

        Returns
        -------
        message : as of `received`

        Raises
        ------
        ReceiptExpiredError
            As `received`.
        VersionConflictError
            The timer was ended: the instance has left its state since, and may have re-entered it.
        """
        message = self.received(receipt)
        if message is None:
            return None
        self._remove(message)
        if message.timer is not None:
            ended = self._execute("DELETE FROM timers WHERE token = ?", (message.timer,))
            if fires and not ended.rowcount:
                found = self._execute(
                    "SELECT revision FROM instances WHERE key = ?", (message.group_id,)
                ).fetchone()
                actual = 0 if found is None else found[0]
                raise VersionConflictError(key=message.group_id, expected=actual, actual=actual)
        self._renew_id(message)
        return message

    def fail(self, message: MessageRow, error: str, *, retry_in: float) -> MessageRow:
        """Count a failure, release the message, and return it as it is now."""
        errors = json.dumps([*json.loads(message.errors), error][-_MAX_ERRORS:])
        columns: dict[str, Any] = {
            "failures": message.failures + 1,
            "errors": errors,
            "in_flight": 0,
            "answered": message.answered + 1,
            "visible_at": self._now + retry_in,
        }
        self.change(message, **columns)
        return message._replace(**columns)

    # --- dead letters ---------------------------------------------------------------------------

    def bury(self, message: MessageRow, *, reason: str, halt: bool) -> None:
        """Move a message to the dead letters; if `halt` is set, park its group too."""
        if halt:
            self._execute(
                "INSERT OR IGNORE INTO parked VALUES(?, ?, ?, ?)",
                (message.queue, message.group_id, self._now, reason),
            )
        letter = message._replace(in_flight=0)
        marks = ", ".join("?" * (len(letter) + 2))
        self._execute(
            f"INSERT INTO dead_letters({_COLUMNS}, died_at, reason) VALUES({marks})",
            (*letter, self._now, reason),
        )
        self._remove(message)
        self._renew_id(message)

    def redrive(self, letter: MessageRow, *, in_place: bool, deduplication: Deduplication) -> int:
        """Put a dead letter back into its queue, and forget its failures.

        Parameters
        ----------
        in_place
            Whether it goes to its old position, before all that was sent after it; otherwise it
            goes to the end.

        Returns
        -------
        id : the old one if `in_place` is set, otherwise a new one
        """
        self._execute("DELETE FROM dead_letters WHERE id = ?", (letter.id,))
        message = letter._replace(failures=0, errors="[]", visible_at=0.0)
        # If the id stays, so does the count of receptions: no old receipt becomes valid again.
        if in_place:
            message = message._replace(answered=letter.receives)
            values: tuple[Any, ...] = tuple(message)
        else:
            # It is still the same event, so its services get the same idempotency keys as before.
            first = letter.id if letter.first_id is None else letter.first_id
            message = message._replace(sent_at=self._now, receives=0, answered=0, first_id=first)
            values = (None, *message[1:])
        marks = ", ".join("?" * len(values))
        number = self._execute(
            f"INSERT INTO messages({_COLUMNS}) VALUES({marks})", values
        ).lastrowid
        assert number is not None
        self._update_head(number, message.queue, message.group_id, ordered=bool(message.ordered))
        if message.deduplication_id is not None:
            self._reclaim_id(message._replace(id=number), letter.id, deduplication)
        return number

    def _reclaim_id(self, message: MessageRow, before: int, deduplication: Deduplication) -> None:
        """Restore the deduplication id of a redriven message, unless another one has it now."""
        assert message.deduplication_id is not None
        scope = deduplication.scope(message.group_id)
        known = self._known(message.queue, scope, message.deduplication_id)
        if known is None or known[1] == before:
            name = message.queue, scope, message.deduplication_id
            self._remember(name, message.id, json.loads(message.body), deduplication.seconds)

    def resume(self, queue: str, group_id: str) -> bool:
        """Resume a parked group; return whether it was parked."""
        found = self._execute(
            "DELETE FROM parked WHERE queue = ? AND group_id = ?", (queue, group_id)
        )
        self._update_head(0, queue, group_id, ordered=True)
        return found.rowcount > 0

    # --- heads ----------------------------------------------------------------------------------

    def _remove(self, message: MessageRow) -> None:
        self._execute("DELETE FROM messages WHERE id = ?", (message.id,))
        self._update_head(
            message.id, message.queue, message.group_id, ordered=bool(message.ordered)
        )

    def _update_head(self, number: int, queue: str, group_id: str, *, ordered: bool) -> None:
        """Rewrite the row of `heads` for a group, or for a message of a standard queue."""
        name = f"={group_id}" if ordered else f"#{number}"
        head = self._head(number, queue, group_id, ordered=ordered)
        if head is None:
            self._execute("DELETE FROM heads WHERE queue = ? AND name = ?", (queue, name))
            return
        message, sent_at, visible_at = head
        self._execute(
            "INSERT OR REPLACE INTO heads VALUES(?, ?, ?, ?, ?, ?)",
            (queue, name, group_id, message, sent_at, visible_at),
        )

    def _head(
        self, number: int, queue: str, group_id: str, *, ordered: bool
    ) -> tuple[int, float, float] | None:
        """Return id, time of sending and time of visibility of the next message, if any."""
        found: tuple[int, float, float] | None
        if not ordered:
            found = self._execute(
                "SELECT id, sent_at, visible_at FROM messages WHERE id = ?", (number,)
            ).fetchone()
            return found
        found = self._execute(
            "SELECT id, sent_at, visible_at FROM messages"
            " WHERE queue = ?1 AND group_id = ?2 AND ordered = 1 AND NOT EXISTS"
            " (SELECT 1 FROM parked WHERE queue = ?1 AND group_id = ?2) ORDER BY id LIMIT 1",
            (queue, group_id),
        ).fetchone()
        if found is None:
            return None
        message, sent_at, visible_at = found
        # A later message may be in flight if the head was redriven to its old position.
        (held,) = self._execute(
            "SELECT max(visible_at) FROM messages"
            " WHERE queue = ? AND group_id = ? AND ordered = 1 AND in_flight = 1",
            (queue, group_id),
        ).fetchone()
        return message, sent_at, max(visible_at, held or 0.0)

    def undo_clock_steps(self, queue: str, latest: float, seconds: float) -> None:
        """Limit how long messages stay hidden that were hidden while the clock was ahead.

        Parameters
        ----------
        latest : until when a message can be hidden at most, in seconds since the epoch
        seconds : how long a message that is hidden beyond that stays hidden from now on
        """
        found = self._execute(
            f"SELECT {_COLUMNS} FROM messages WHERE queue = ? AND visible_at > ?", (queue, latest)
        )
        found.row_factory = _as_row
        for message in found.fetchall():
            self.change(message, visible_at=self._now + seconds)


def _as_row(_: sqlite3.Cursor, values: tuple[Any, ...]) -> MessageRow:
    return MessageRow(*values)


def letters(
    execute: Execute,
    queue: str,
    ids: Iterable[int] | None = None,
    *,
    event: tuple[str, str] | None = None,
    after: int = 0,
    limit: int | None = None,
) -> list[Any]:
    """Return the rows of a queue's dead letters, in the order in which they were accepted.

    Parameters
    ----------
    ids : only these; None for all
    event : only those with this group id and deduplication id
    after : only those with a greater id
    limit : how many are returned at most; None for all
    """
    conditions: dict[str, tuple[Any, ...]] = {"queue = ?": (queue,), "id > ?": (after,)}
    if ids is not None:
        chosen = json.dumps(sorted(set(ids)))
        conditions["id IN (SELECT value FROM json_each(?))"] = (chosen,)
    if event is not None:
        conditions["group_id = ? AND deduplication_id = ?"] = event
    values = [value for each in conditions.values() for value in each]
    return execute(
        f"SELECT {_COLUMNS}, died_at, reason FROM dead_letters"
        f" WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?",
        (*values, -1 if limit is None else limit),
    ).fetchall()


def _body(row: MessageRow, source: str) -> JSONValue:
    try:
        return freeze(json.loads(row.body), where="body")
    except (ValueError, InvalidValueError) as error:
        reason = f"the body of message {row.id}: {error}"
        raise StoreDamagedError(path=source, reason=reason) from error


def message_of(receipt: Receipt, row: MessageRow, *, source: str) -> Message:
    """Return the message that a consumer gets with one reception.

    Raises
    ------
    StoreDamagedError
        Its body is not strict JSON.
    """
    return Message(
        queue=receipt.queue,
        id=row.id,
        first_id=row.id if row.first_id is None else row.first_id,
        group_id=row.group_id,
        body=_body(row, source),
        deduplication_id=row.deduplication_id,
        receipt=str(receipt),
        receives=receipt.receives,
        failures=row.failures,
        sent_at=row.sent_at,
        version=row.version,
        fingerprint=row.fingerprint,
    )


def letter_of(values: tuple[Any, ...], *, source: str) -> DeadLetter:
    """Return the dead letter in a row; raises as `message_of`."""
    *columns, died_at, reason = values
    row = MessageRow(*columns)
    try:
        errors = tuple(freeze(json.loads(row.errors), where="errors"))
    except (TypeError, ValueError, InvalidValueError) as error:
        reason = f"the errors of message {row.id}: {error}"
        raise StoreDamagedError(path=source, reason=reason) from error
    return DeadLetter(
        queue=row.queue,
        id=row.id,
        group_id=row.group_id,
        body=_body(row, source),
        deduplication_id=row.deduplication_id,
        sent_at=row.sent_at,
        receives=row.receives,
        failures=row.failures,
        errors=errors,
        at=died_at,
        reason=reason,
        version=row.version,
        fingerprint=row.fingerprint,
    )
