"""`SqlQueue`: what a FIFO queue and a standard queue in a store have in common, as SQL."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import Any, Final, Literal, get_args

from settlesim.argument_checks import MAX_NAME, check_count, check_seconds, check_text
from settlesim.chart import Chart
from settlesim.chart.strict_json import JSONValue
from settlesim.errors import InvalidValueError, error_message, shorten
from settlesim.ports import (
    MAX_VISIBILITY,
    ChartVersion,
    DurableTimer,
    Message,
    WaitingMessage,
)
from settlesim.store.checks import check_message, refuse_unknown_event
from settlesim.store.database import Execute
from settlesim.store.entries import DeadLetter, ParkedGroup, QueueStatus
from settlesim.store.messages import (
    DEDUPLICATION_WINDOW,
    Deduplication,
    Mailbox,
    MessageRow,
    letter_of,
    letters,
    message_of,
)
from settlesim.store.receipts import Receipt, read_receipt
from settlesim.store.sql import SqlStore, hex_list

__all__ = ["MAX_RECEIVES", "Policy", "SqlQueue"]

Policy = Literal["skip", "halt"]
DeduplicationScope = Literal["message_group", "queue"]

MAX_RECEIVES: Final = 10
"""How many receptions of a message may end without a result."""
_MOST_TIMERS: Final = 1000
"""How many timers' messages one transaction sends at most."""
_MAX_TEXT: Final = 1000
"""Characters of an error's text that are kept with a message."""
_WINDOW: Final = 10
"""How many of the longest receivable messages a standard queue reorders, at least."""


class SqlQueue(ABC):
    """The base of `FifoQueue` and `StandardQueue`, which decide what is received next."""

    ordered: bool
    """Whether messages of one group are received in order, one at a time."""

    def __init__(
        self,
        store: SqlStore,
        name: str,
        *,
        visibility_timeout: float = 30.0,
        max_receives: int | None = MAX_RECEIVES,
        max_failures: int = 3,
        deduplication_window: float = DEDUPLICATION_WINDOW,
        deduplication_scope: DeduplicationScope = "message_group",
        policy: Policy = "skip",
        chart: Chart | str | None = None,
    ) -> None:
        given: object = store  # not every caller checks types
        if not isinstance(given, SqlStore):
            raise TypeError(
                f"{type(self).__name__}({shorten(store, 40)}, ...): a queue needs a SqliteStore or "
                "a MemoryStore, where one write covers a message and the state that it leads to"
            )
        check_text(name, where="the name of a queue", most=MAX_NAME)
        check_seconds(visibility_timeout, where="visibility_timeout", most=MAX_VISIBILITY)
        check_seconds(deduplication_window, where="deduplication_window")
        check_count(max_failures, where="max_failures")
        if max_receives is not None:
            check_count(max_receives, where="max_receives")
        _check_choice(policy, Policy, where="policy")
        _check_choice(deduplication_scope, DeduplicationScope, where="deduplication_scope")
        self.store = store
        self.name = name
        self.visibility_timeout = visibility_timeout
        self.max_receives = max_receives
        self.max_failures = max_failures
        self.deduplication_window = deduplication_window
        self.deduplication_scope: DeduplicationScope = deduplication_scope
        self.policy: Policy = policy
        self.known_chart = chart if isinstance(chart, Chart) else None
        """The chart whose events this queue accepts; None if it accepts every message."""
        self.chart = name if chart is None else chart.name if isinstance(chart, Chart) else chart
        """The name of the chart whose timers send into this queue."""
        self._deduplication = Deduplication(
            deduplication_window, per_group=deduplication_scope == "message_group"
        )
        store.deduplication[name] = self._deduplication

    @property
    def _halts(self) -> bool:
        return self.policy == "halt" and self.ordered

    # --- sending ------------------------------------------------------------------------------

    def send(
        self,
        body: JSONValue,
        group_id: str,
        deduplication_id: str | None = None,
        *,
        force: bool = False,
    ) -> int:
        """Accept a message; it is on disk when this returns.

        Parameters
        ----------
        body : strict JSON; for a worker ``{"event": NAME, "data": JSON}`` or ``{"start": true}``
        group_id : the key of the instance
        deduplication_id : the same for every duplicate of this event
        force
            Whether a queue that knows its chart accepts an event for which the chart has no
            transition.

        Returns
        -------
        id : of the message; of the earlier one if `deduplication_id` is known

        Raises
        ------
        DeduplicationError
            The deduplication id is known with another body; nothing was sent.
        InvalidEventError
            The queue knows its chart, which has no transition for the event; nothing was sent.
        InvalidValueError
            The body is not strict JSON, or an id is not a text of 1 to 1,000 characters;
            nothing was sent.
        StoreError
            The store could not write; nothing was sent.
        """
        return self.send_many([(body, group_id, deduplication_id)], force=force)[0]

    def send_many(
        self,
        messages: Iterable[tuple[JSONValue, str] | tuple[JSONValue, str, str | None]],
        *,
        force: bool = False,
    ) -> tuple[int, ...]:
        """Accept several messages in one write, all of them or none; raises as `send`.

        Parameters
        ----------
        messages : body, group id and, optionally, deduplication id of each
        force : as in `send`, for all of them

        Returns
        -------
        ids : as from `send`, in order
        """
        found = [(*each, None)[:3] for each in messages]
        for body, group_id, deduplication_id in found:
            check_message(body, group_id, deduplication_id)
            if self.known_chart is not None and not force:
                refuse_unknown_event(body, self.known_chart)
        if not found:
            return ()

        def send(execute: Execute) -> tuple[int, ...]:
            mailbox = Mailbox(execute, self.store.now())
            return tuple(self._accept(mailbox, *each) for each in found)

        return self.store.database.write(send)

    def _accept(
        self, mailbox: Mailbox, body: JSONValue, group_id: str, deduplication_id: str | None
    ) -> int:
        return mailbox.accept(
            self.name,
            body,
            group_id,
            deduplication_id if self.ordered else None,
            ordered=self.ordered,
            deduplication=self._deduplication,
        )

    # --- receiving ----------------------------------------------------------------------------

    def receive(
        self,
        max_messages: int = 1,
        visibility_timeout: float | None = None,
        *,
        chart_version: ChartVersion | None = None,
    ) -> tuple[Message, ...]:
        """Return messages that may be handled now, and hide them from others.

        If there is nothing to receive, nothing is written, and no writer has to wait.

        Parameters
        ----------
        visibility_timeout : seconds; None for the queue's own
        chart_version
            The chart version of the consumer. A group is left to others if its instance was
            saved by a version that the consumer neither has nor can migrate, or if it has no
            instance and the store has seen a later version. None for all groups.

        Raises
        ------
        InvalidValueError
            `max_messages` is not a whole number from 1, or `visibility_timeout` is not a number
            of seconds up to twelve hours.
        StoreError
            The store could not read or write.
        """
        check_count(max_messages, where="max_messages")
        seconds = self.visibility_timeout if visibility_timeout is None else visibility_timeout
        check_seconds(seconds, where="visibility_timeout", most=MAX_VISIBILITY)

        def take(execute: Execute) -> tuple[tuple[Message, ...], bool]:
            return self._take(execute, max_messages, seconds, chart_version)

        if not self._is_anything_due(chart_version):
            return ()
        while True:
            # A power cut may undo this: then the message is only received again sooner.
            taken, buried = self.store.database.write(take, durable=False)
            if taken or not buried:
                return taken

    def _is_anything_due(self, chart_version: ChartVersion | None) -> bool:
        """Return whether a reception would find a message, or a clock step to undo."""
        now = self.store.now()
        rows = self.store.database.rows(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM heads WHERE queue = ? AND visible_at <= ?"
            f"{_and_ours(chart_version)}) OR EXISTS"
            " (SELECT 1 FROM heads WHERE queue = ? AND visible_at > ?)",
            (self.name, now, *_version_values(chart_version), self.name, now + MAX_VISIBILITY),
        )
        return bool(rows)

    def _take(
        self,
        execute: Execute,
        most: int,
        seconds: float,
        chart_version: ChartVersion | None,
    ) -> tuple[tuple[Message, ...], bool]:
        """Receive the next messages; return also whether any was put aside instead."""
        now = self.store.now()
        mailbox = Mailbox(execute, now)
        if self._has_clock_step(execute, now):
            mailbox.undo_clock_steps(self.name, now + MAX_VISIBILITY, seconds)
        found: list[Message] = []
        buried = False
        for number in self._next(execute, now, most, chart_version)[:most]:
            message = mailbox.get(number)
            assert message is not None  # `heads` has it
            unanswered = message.receives - message.answered
            if self.max_receives is not None and unanswered >= self.max_receives:
                times = "once" if unanswered == 1 else f"{unanswered} times"
                reason = f"it was received {times} without a result"
                mailbox.bury(message, reason=reason, halt=self._halts)
                buried = True
                continue
            message = mailbox.take(message, self._visible_at(message, now, seconds))
            receipt = Receipt(self.name, number, message.receives, self.ordered)
            found.append(message_of(receipt, message, source=self.store.source))
        return tuple(found), buried

    def _next(
        self, execute: Execute, now: float, most: int, chart_version: ChartVersion | None
    ) -> list[int]:
        """Return the ids of the messages that are received next, in order."""
        most = max(most, _WINDOW)
        ours = _and_ours(chart_version)
        select = f"SELECT message, sent_at, visible_at FROM heads WHERE queue = ?{ours}"
        values = (self.name, *_version_values(chart_version))
        # Messages that were never hidden are ordered by id, since the clock may have stepped
        # between their sends; the others by the time when they became visible again.
        fresh = execute(f"{select} AND visible_at = 0 ORDER BY message LIMIT ?", (*values, most))
        again = execute(
            f"{select} AND visible_at > 0 AND visible_at <= ? ORDER BY visible_at, message LIMIT ?",
            (*values, now, most),
        )
        return self._choose(_merged(fresh.fetchall(), again.fetchall()))

    @abstractmethod
    def _choose(self, receivable: list[int]) -> list[int]:
        """Return ids of messages in the order in which they are received.

        Parameters
        ----------
        receivable : the ids, longest receivable first
        """

    def _visible_at(self, message: MessageRow, now: float, seconds: float) -> float:
        """Return the time until which a received message is hidden."""
        return now + seconds

    def _has_clock_step(self, execute: Execute, now: float) -> bool:
        """Return whether a message is hidden for longer than possible: the clock was ahead."""
        return bool(
            execute(
                "SELECT 1 FROM heads WHERE queue = ? AND visible_at > ? LIMIT 1",
                (self.name, now + MAX_VISIBILITY),
            ).fetchone()
        )

    # --- after a reception ----------------------------------------------------------------------

    def delete(self, receipt: str) -> None:
        """Remove a message that was handled.

        Raises
        ------
        ReceiptExpiredError
            The message was received again or released, or is gone.
        InvalidValueError
            The text is not a receipt, or is one of another queue.
        StoreError
            The store could not write.
        """
        found = self._receipt(receipt)
        self.store.database.write(lambda execute: Mailbox(execute, self.store.now()).consume(found))

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Hide a received message from now on for `seconds`; 0 releases it to others.

        Raises
        ------
        ReceiptExpiredError, InvalidValueError, StoreError
            As `delete`; also if `seconds` is more than twelve hours.
        """
        check_seconds(seconds, where="visibility_timeout", most=MAX_VISIBILITY)
        self._hide(receipt, seconds, release=not seconds)

    def release(self, receipt: str, retry_in: float = 0.0) -> None:
        """Make a received message visible to others again, without counting anything against it.

        Parameters
        ----------
        retry_in : seconds for which it is held back, and its group with it

        Raises
        ------
        ReceiptExpiredError, InvalidValueError, StoreError
            As `change_visibility`.
        """
        check_seconds(retry_in, where="retry_in", most=MAX_VISIBILITY)
        self._hide(receipt, retry_in, release=True)

    def _hide(self, text: str, seconds: float, *, release: bool) -> None:
        receipt = self._receipt(text)

        def hide(execute: Execute) -> None:
            now = self.store.now()
            mailbox = Mailbox(execute, now)
            message = mailbox.received(receipt)
            if message is None:
                return
            if release:
                answered = message.answered + 1
                mailbox.change(message, visible_at=now + seconds, in_flight=0, answered=answered)
            else:
                mailbox.change(message, visible_at=now + seconds)

        self.store.database.write(hide, durable=False)

    def fail(
        self,
        receipt: str,
        error: BaseException | str,
        retry_in: float = 0.0,
        *,
        final: bool = False,
    ) -> bool:
        """Release a received message because it could not be handled, and count that.

        The message keeps its position. After `max_failures` failures it goes to the dead letters;
        then its group continues or is parked, depending on the queue's policy.

        Parameters
        ----------
        error : its text is kept with the message
        retry_in : seconds for which the message is held back, and its group with it
        final
            Whether the message can never be handled, and goes to the dead letters now.

        Returns
        -------
        dead : whether the message went to the dead letters

        Raises
        ------
        ReceiptExpiredError, InvalidValueError, StoreError
            As `delete`.
        """
        found = self._receipt(receipt)
        check_seconds(retry_in, where="retry_in", most=MAX_VISIBILITY)

        def fail(execute: Execute) -> bool:
            mailbox = Mailbox(execute, self.store.now())
            message = mailbox.received(found)
            if message is None or message.receives != found.receives:
                return False  # of a standard queue: the later reception decides
            message = mailbox.fail(message, _error_text(error), retry_in=retry_in)
            if not final and message.failures < self.max_failures:
                return False
            times = message.failures
            reason = f"it failed {times} times" if times > 1 else "it failed"
            mailbox.bury(message, reason=reason, halt=self._halts)
            return True

        return self.store.database.write(fail)

    def _receipt(self, text: object) -> Receipt:
        receipt = read_receipt(text)
        if receipt.queue != self.name or receipt.ordered != self.ordered:
            reason = f"{shorten(text, 60)} is not of {type(self).__name__} {self.name!r}"
            raise InvalidValueError(where="receipt", reason=reason)
        return receipt

    # --- queries --------------------------------------------------------------------------------

    def status(self) -> QueueStatus:
        """Count what waits in the queue and what was put aside.

        Raises
        ------
        StoreError
            The store could not read.
        """

        def look(execute: Execute) -> QueueStatus:
            def one(statement: str, *values: Any) -> Any:
                return execute(statement, values).fetchone()[0]

            now, name = self.store.now(), self.name
            oldest = execute(
                "SELECT sent_at FROM messages WHERE queue = ? ORDER BY id LIMIT 1", (name,)
            ).fetchone()
            versions = execute(
                "SELECT chart, instances.version, count(*) FROM messages JOIN instances"
                " ON key = group_id WHERE queue = ? GROUP BY 1, 2 ORDER BY 1, 2",
                (name,),
            ).fetchall()
            return QueueStatus(
                depth=one("SELECT count(*) FROM messages WHERE queue = ?", name),
                oldest=None if oldest is None else max(now - oldest[0], 0.0),
                in_flight=one(
                    "SELECT count(*) FROM messages"
                    " WHERE queue = ? AND in_flight = 1 AND visible_at > ?",
                    name,
                    now,
                ),
                dead_letters=one("SELECT count(*) FROM dead_letters WHERE queue = ?", name),
                parked=one("SELECT count(*) FROM parked WHERE queue = ?", name),
                timers=one("SELECT count(*) FROM timers WHERE chart = ? AND sent = 0", self.chart),
                overdue=one(
                    "SELECT count(*) FROM timers WHERE chart = ? AND sent = 0 AND due <= ?",
                    self.chart,
                    now,
                ),
                versions={f"{chart} {version}": count for chart, version, count in versions},
            )

        return self.store.database.read(look)

    def next_change(
        self,
        *,
        chart_version: ChartVersion | None = None,
        delays: Collection[str] | None = None,
    ) -> float | None:
        """Return in how many seconds the next message becomes receivable by itself.

        Parameters
        ----------
        chart_version : as of `receive`
        delays : as of `release_timers`

        Returns
        -------
        seconds : 0 if a message is receivable now. None if no message is hidden or held back and
            no timer runs, so that only a message that is sent or a group that is resumed can
            bring work.

        Raises
        ------
        StoreError
            The store could not read.
        """

        def look(execute: Execute) -> float | None:
            now = self.store.now()
            if self._has_clock_step(execute, now):
                return 0.0
            times = [
                *execute(
                    f"SELECT min(visible_at) FROM heads WHERE queue = ?{_and_ours(chart_version)}",
                    (self.name, *_version_values(chart_version)),
                ).fetchone(),
                *execute(
                    f"SELECT min(due) FROM timers WHERE chart = ? AND sent = 0{_and_named(delays)}",
                    (self.chart, *_delay_values(delays)),
                ).fetchone(),
            ]
            return min((max(time - now, 0.0) for time in times if time is not None), default=None)

        return self.store.database.read(look)

    def waiting_messages(self) -> tuple[WaitingMessage, ...]:
        """Return all messages and dead letters, in the order in which they were accepted.

        Raises
        ------
        StoreError
            The store could not read.
        """
        rows = self.store.database.rows(
            "SELECT id, group_id, body, version, 0, fingerprint FROM messages WHERE queue = ?1"
            " UNION ALL SELECT id, group_id, body, version, 1, fingerprint FROM dead_letters"
            " WHERE queue = ?1 ORDER BY id",
            (self.name,),
        )
        return tuple(
            WaitingMessage(number, group, json.loads(body), version, bool(dead), fingerprint)
            for number, group, body, version, dead, fingerprint in rows
        )

    def chart_timers(self) -> tuple[DurableTimer, ...]:
        """Return the timers of the chart's instances, sorted by key, oldest first.

        Raises
        ------
        StoreError
            The store could not read.
        """
        rows = self.store.database.rows(
            "SELECT key, delay, token, due, sent FROM timers WHERE chart = ? ORDER BY key, token",
            (self.chart,),
        )
        return tuple(
            DurableTimer(key, delay, token, due, bool(sent))
            for key, delay, token, due, sent in rows
        )

    def waiting(self, group_id: str) -> int:
        """Return how many messages a group has, including those in flight.

        Raises
        ------
        StoreError
            The store could not read.
        """
        ((count,),) = self.store.database.rows(
            "SELECT count(*) FROM messages WHERE queue = ? AND group_id = ?",
            (self.name, group_id),
        )
        return int(count)

    def left(
        self, groups: Collection[str] = (), *, chart_version: ChartVersion | None = None
    ) -> tuple[int, int]:
        """Count the messages outside parked groups, and those of them outside `groups` too.

        Both numbers are read in one transaction.

        Parameters
        ----------
        groups : the ids of groups that the second number leaves out
        chart_version : as of `receive`; the second number also leaves out groups of others

        Returns
        -------
        left : messages outside parked groups, including those in flight
        others : how many of them belong to no group that is left out

        Raises
        ------
        StoreError
            The store could not read.
        """
        foreign = "0" if chart_version is None else _foreign(chart_version)
        ((left, others),) = self.store.database.rows(
            "SELECT count(*), count(*) FILTER (WHERE NOT (hex(group_id) IN"
            f" (SELECT value FROM json_each(?)) OR {foreign}))"
            " FROM messages WHERE queue = ? AND NOT (ordered = 1 AND EXISTS (SELECT 1 FROM parked"
            " WHERE parked.queue = messages.queue AND parked.group_id = messages.group_id))",
            (hex_list(sorted(groups)), *_version_values(chart_version), self.name),
        )
        return left, others

    def dead_letters(self, *, after: int = 0, limit: int | None = None) -> tuple[DeadLetter, ...]:
        """Return the messages that were put aside, in the order in which they were accepted.

        Parameters
        ----------
        after : the `id` of the last one of the previous page
        limit : how many are returned at most; None for all

        Raises
        ------
        StoreError
            The store could not read.
        """
        rows = self.store.database.read(
            lambda execute: letters(execute, self.name, after=after, limit=limit)
        )
        return tuple(letter_of(row, source=self.store.source) for row in rows)

    def parked(self) -> tuple[ParkedGroup, ...]:
        """Return the parked groups, the longest parked first.

        Raises
        ------
        StoreError
            The store could not read.
        """
        rows = self.store.database.rows(
            "SELECT group_id, since, reason, (SELECT count(*) FROM messages"
            " WHERE messages.queue = parked.queue AND messages.group_id = parked.group_id)"
            " FROM parked WHERE queue = ? ORDER BY since, group_id",
            (self.name,),
        )
        return tuple(ParkedGroup(*row) for row in rows)

    # --- redriving and resuming -----------------------------------------------------------------

    def redrive(
        self, ids: Iterable[int] | None = None, *, group_id: str | None = None
    ) -> tuple[int, ...]:
        """Put dead letters back into the queue, in order, and reset their failures.

        With the policy ``"halt"`` each goes to its old position, before all that was sent after
        it; then call `resume` for its group. With ``"skip"`` later messages may have overtaken it,
        so it goes to the end, as a new message.

        Parameters
        ----------
        ids : of the dead letters; None for all of them
        group_id : only those of this group; None for all groups

        Returns
        -------
        ids : the ids that they have now

        Raises
        ------
        InvalidValueError
            No dead letter has one of the ids.
        StoreError
            The store could not write; nothing was changed.
        """
        wanted = None if ids is None else list(ids)
        for number in wanted or ():
            if type(number) is not int:
                reason = f"has no dead letter {shorten(number, 40)}"
                raise InvalidValueError(where=f"queue {self.name!r}", reason=reason)
        wanted = None if wanted is None else sorted(set(wanted))
        if group_id is not None:
            check_text(group_id, where="group_id")

        def redrive(execute: Execute) -> tuple[int, ...]:
            found = [MessageRow(*row[:-2]) for row in letters(execute, self.name, wanted)]
            known = {letter.id for letter in found}
            for number in wanted or ():
                if number not in known:
                    reason = f"has no dead letter {shorten(number, 40)}"
                    raise InvalidValueError(where=f"queue {self.name!r}", reason=reason)
            mailbox = Mailbox(execute, self.store.now())
            return tuple(
                mailbox.redrive(letter, in_place=self._halts, deduplication=self._deduplication)
                for letter in found
                if group_id in (None, letter.group_id)
            )

        return self.store.database.write(redrive)

    def resume(self, group_id: str) -> bool:
        """Resume a parked group.

        Returns
        -------
        parked : whether it was parked

        Raises
        ------
        StoreError
            The store could not write; nothing was changed.
        """
        check_text(group_id, where="group_id")
        return self.store.database.write(
            lambda execute: Mailbox(execute, self.store.now()).resume(self.name, group_id)
        )

    # --- timers ---------------------------------------------------------------------------------

    def release_timers(self, delays: Collection[str] | None = None) -> int:
        """Send the messages of timers that are due, each exactly once.

        Such a message goes to the group of its instance; its body is an object with `timer`,
        the id of the chart's delay, and `token`, the `DurableTimer`'s. If nothing is due,
        nothing is written.

        Parameters
        ----------
        delays : ids of the chart's delays; timers of other delays are kept. None for all.

        Returns
        -------
        count : how many were sent, at most 1,000 at a time

        Raises
        ------
        StoreError
            The store could not read or write; nothing was sent.
        """

        def due(execute: Execute) -> list[tuple[int, str, str]]:
            return execute(
                "SELECT token, key, delay FROM timers"
                f" WHERE chart = ? AND sent = 0 AND due <= ?{_and_named(delays)}"
                " ORDER BY due, token LIMIT ?",
                (self.chart, self.store.now(), *_delay_values(delays), _MOST_TIMERS),
            ).fetchall()

        def send(execute: Execute) -> int:
            mailbox = Mailbox(execute, self.store.now())
            found = due(execute)
            for token, key, delay in found:
                execute("UPDATE timers SET sent = 1 WHERE token = ?", (token,))
                mailbox.accept(
                    self.name,
                    {"timer": delay, "token": token},
                    key,
                    ordered=self.ordered,
                    deduplication=self._deduplication,
                    timer=token,
                )
            return len(found)

        return self.store.database.write(send) if self.store.database.read(due) else 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store!r}, {self.name!r})"


def _check_choice(value: object, choices: Any, *, where: str) -> None:
    if value not in get_args(choices):
        possible = ", ".join(map(repr, get_args(choices)))
        reason = f"is {shorten(value, 40)}; possible: {possible}"
        raise InvalidValueError(where=where, reason=reason)


def _merged(
    fresh: list[tuple[int, float, float]], again: list[tuple[int, float, float]]
) -> list[int]:
    """Merge two lists of messages, longest receivable first, and return the ids.

    Parameters
    ----------
    fresh : id, time of sending, and 0, of messages that were never hidden, in order
    again : id, time of sending, and time of becoming visible again, of the others, in order
    """
    found: list[int] = []
    fresh, again = fresh[::-1], again[::-1]
    while fresh and again:
        (sent, sent_at, _), (seen, _, visible_at) = fresh[-1], again[-1]
        found.append((fresh if (sent_at, sent) < (visible_at, seen) else again).pop()[0])
    return [*found, *(message for message, _, _ in [*fresh[::-1], *again[::-1]])]


def _foreign(chart_version: ChartVersion) -> str:
    """Return the SQL condition for groups that are left to others.

    Its parameters are `_version_values`. Either the instance exists in none of the consumer's
    versions, or it does not exist and the store has seen a later version, in which it will start.
    """
    versions = ", ".join("?" * (1 + len(chart_version.migrates)))
    return (
        "(NOT EXISTS (SELECT 1 FROM instances WHERE key = group_id AND chart = ?"
        f" AND instances.version IN ({versions})) AND (EXISTS (SELECT 1 FROM instances"
        " WHERE key = group_id) OR EXISTS (SELECT 1 FROM charts WHERE chart = ?"
        " AND charts.version > ?)))"
    )


def _version_values(chart_version: ChartVersion | None) -> tuple[str | int, ...]:
    if chart_version is None:
        return ()
    chart, version, migrates = chart_version
    return chart, version, *migrates, chart, version


def _and_ours(chart_version: ChartVersion | None) -> str:
    return "" if chart_version is None else f" AND NOT {_foreign(chart_version)}"


def _and_named(delays: Collection[str] | None) -> str:
    return "" if delays is None else " AND hex(delay) IN (SELECT value FROM json_each(?))"


def _delay_values(delays: Collection[str] | None) -> tuple[str, ...]:
    return () if delays is None else (hex_list(sorted(delays)),)


def _error_text(error: BaseException | str) -> str:
    """Return the error's text, cut to the limit, as strict JSON can carry it."""
    kind = "" if isinstance(error, str) else f"{type(error).__name__}: "
    return f"{kind}{error_message(error)}"[:_MAX_TEXT]
