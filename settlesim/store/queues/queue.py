"""What both kinds of queue do: all but the order in which messages come up."""

from __future__ import annotations

from collections.abc import Iterable

from settlesim.chart.values import JSONValue
from settlesim.errors import InvalidValueError, shorten
from settlesim.ports import Message
from settlesim.store.checks import check_count, check_message, check_seconds
from settlesim.store.database import Changes, StrictDocument
from settlesim.store.documents import MESSAGES
from settlesim.store.queues.messages import MAX_ERRORS, Mail, good_message
from settlesim.store.queues.receipts import Receipt, read_receipt
from settlesim.store.queues.upkeep import MAX_VISIBILITY, QueueUpkeep
from settlesim.store.queues.values import error_text, message_of

__all__ = ["DatabaseQueue"]


class DatabaseQueue(QueueUpkeep):
    """A queue in a store; `FifoQueue` and `StandardQueue` say which message comes up."""

    # --- sending --------------------------------------------------------------------------

    def send(self, body: JSONValue, group_id: str, deduplication_id: str | None = None) -> int:
        """Accept a message; it is on the disk when this returns.

        Returns
        -------
        id : of the message; of the earlier one where `deduplication_id` is known

        Raises
        ------
        DeduplicationError
            The deduplication id is known with another body; nothing was sent.
        InvalidValueError
            A body that is no strict JSON, or an id that is no text of at most 1,000
            characters; nothing was sent.
        StoreError
            The store could not write; nothing was sent.
        """
        return self.send_many([(body, group_id, deduplication_id)])[0]

    def send_many(
        self, messages: Iterable[tuple[JSONValue, str] | tuple[JSONValue, str, str | None]]
    ) -> tuple[int, ...]:
        """Accept several messages in one write, all of them or none; raises as `send`.

        Parameters
        ----------
        messages : body, group id and, where there is one, deduplication id of each

        Returns
        -------
        ids : as from `send`, in order
        """
        found = [(*each, None)[:3] for each in messages]
        for body, group_id, deduplication_id in found:
            check_message(body, group_id, deduplication_id)
        if not found:
            return ()
        with self._database.writing() as changes:
            mail = Mail(self._indexes, changes, self._database.now())
            return tuple(self._accept(mail, *each) for each in found)

    def _accept(
        self, mail: Mail, body: JSONValue, group_id: str, deduplication_id: str | None
    ) -> int:
        window = self.deduplication_window
        return mail.accept(self.name, body, group_id, deduplication_id, window=window)

    # --- receiving ------------------------------------------------------------------------

    def receive(
        self, max_messages: int = 1, visibility_timeout: float | None = None
    ) -> tuple[Message, ...]:
        """Return messages that may be handled now, and hide them from others for a while.

        Where nothing may be handled, nothing is written and nobody else is kept waiting.

        Parameters
        ----------
        visibility_timeout : seconds; None for the queue's own

        Raises
        ------
        InvalidValueError
            No whole number of messages from 1, or no number of seconds up to twelve hours.
        StoreError
            The store could not read or write.
        """
        check_count(max_messages, where="max_messages")
        hidden = self.visibility_timeout if visibility_timeout is None else visibility_timeout
        check_seconds(hidden, where="visibility_timeout", most=MAX_VISIBILITY)
        with self._database.reading():
            if not self._next(self._database.now(), 1):
                return ()
        while True:
            # A power cut may undo this: then the message only comes again sooner.
            with self._database.writing(durable=False) as changes:
                taken, buried = self._take(changes, max_messages, hidden)
            if taken or not buried:
                return taken

    def _next(self, now: float, most: int) -> list[int]:
        """Return the messages that come up now, in order."""
        raise NotImplementedError

    def _visible_at(self, number: int, receives: int, now: float, hidden: float) -> float:
        """Return until when a message that is received is hidden."""
        return now + hidden

    def _take(self, changes: Changes, most: int, hidden: float) -> tuple[tuple[Message, ...], bool]:
        """Receive what comes up; say also whether some of it was put aside instead."""
        now = self._database.now()
        mail = Mail(self._indexes, changes, now)
        found: list[Message] = []
        buried = False
        for number in self._next(now, most):
            message = changes.get(MESSAGES, number)
            assert message is not None  # the index has it
            receives = message["receives"] + 1
            tried = receives - 1 - message.get("pardoned", 0)
            if self.max_receives is not None and tried >= self.max_receives:
                mail.bury(
                    number,
                    message,
                    reason=f"it was received {tried} times and not deleted",
                    halt=self._halts,
                )
                buried = True
                continue
            until = self._visible_at(number, receives, now, hidden)
            new = {**message, "visible_at": until, "receives": receives, "in_flight": True}
            changes.put(MESSAGES, number, StrictDocument(new))
            receipt = Receipt(self.name, number, receives, self.standard)
            found.append(message_of(receipt, new, source=self._indexes.source))
        return tuple(found), buried

    # --- after a reception ----------------------------------------------------------------

    def delete(self, receipt: str) -> None:
        """Remove a message that was handled.

        Raises
        ------
        ReceiptExpiredError
            Somebody else may have it by now, or it is deleted already.
        InvalidValueError
            No receipt, or one of another queue.
        StoreError
            The store could not write.
        """
        found = self._receipt(receipt)
        with self._database.writing() as changes:
            Mail(self._indexes, changes, self._database.now()).consume(found)

    def change_visibility(self, receipt: str, seconds: float) -> None:
        """Hide a received message from now on for `seconds`; 0 gives it back at once.

        Raises
        ------
        ReceiptExpiredError, InvalidValueError, StoreError
            As `delete`; also for more than twelve hours.
        """
        found = self._receipt(receipt)
        check_seconds(seconds, where="visibility_timeout", most=MAX_VISIBILITY)
        with self._database.writing(durable=False) as changes:
            now = self._database.now()
            message = good_message(changes, found, now)
            if message is not None:
                new = {**message, "visible_at": now + seconds, "in_flight": seconds > 0}
                changes.put(MESSAGES, found.message, StrictDocument(new))

    def fail(
        self,
        receipt: str,
        error: BaseException | str,
        retry_in: float = 0.0,
        *,
        final: bool = False,
    ) -> bool:
        """Give a received message back because it could not be handled.

        It keeps its place. When it failed `max_failures` times, it goes to the dead letters;
        then its group goes on, or is parked, as the queue's policy says.

        Parameters
        ----------
        error : its text is kept with the message
        retry_in : seconds for which it is held back, and its group with it
        final
            It can never be handled: it goes to the dead letters at once.

        Returns
        -------
        dead : whether it went to the dead letters

        Raises
        ------
        ReceiptExpiredError, InvalidValueError, StoreError
            As `delete`.
        """
        found = self._receipt(receipt)
        check_seconds(retry_in, where="retry_in", most=MAX_VISIBILITY)
        with self._database.writing() as changes:
            now = self._database.now()
            message = good_message(changes, found, now)
            if message is None or message["receives"] != found.receives:
                return False  # of a standard queue: the later reception decides
            errors = [*message.get("errors", ()), error_text(error)][-MAX_ERRORS:]
            failures = message["failures"] + 1
            new = {**message, "failures": failures, "errors": errors, "in_flight": False}
            if final or failures >= self.max_failures:
                reason = f"it failed {failures} times" if failures > 1 else "it failed"
                mail = Mail(self._indexes, changes, now)
                mail.bury(found.message, new, reason=reason, halt=self._halts)
                return True
            changes.put(MESSAGES, found.message, {**new, "visible_at": now + retry_in})
            return False

    def _receipt(self, text: object) -> Receipt:
        receipt = read_receipt(text)
        if receipt.queue != self.name or receipt.standard != self.standard:
            reason = f"{shorten(text, 60)} is not of {type(self).__name__} {self.name!r}"
            raise InvalidValueError(where="receipt", reason=reason)
        return receipt
