"""What may become of a message within one transaction: accepted, consumed, put aside.

The rules of a queue, apart from who is next (`lanes`) and from the settings of one queue
object (`fifo`, `standard`). They run inside a `writing` block and only there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from settlesim.chart.values import JSONValue, freeze
from settlesim.errors import DeduplicationError, ReceiptExpiredError, VersionConflictError
from settlesim.store.database import Changes, Document, Reader, StrictDocument
from settlesim.store.documents import (
    DEAD_LETTERS,
    DEDUPLICATION,
    MESSAGES,
    PARKED,
    TIMERS,
)
from settlesim.store.queues.deduplication import Known, digest_of
from settlesim.store.queues.receipts import Receipt
from settlesim.store.rules.indexes import Indexes

__all__ = ["MAX_ERRORS", "Mail", "good_message"]

MAX_ERRORS: Final = 10
"""How many error texts a message carries, the latest ones."""

_PRUNED_EACH: Final = 2


class _Sent(NamedTuple):
    """A deduplication id of this transaction, which the index does not know yet."""

    digest: str
    message: int


def good_message(reader: Reader, receipt: Receipt, now: float) -> Document | None:
    """Return the message that a receipt is for.

    Returns
    -------
    message : None where a standard queue has lost it to another receipt

    Raises
    ------
    ReceiptExpiredError
        Somebody else may have it by now.
    """
    message = reader.get(MESSAGES, receipt.message)
    if message is not None and message["queue"] != receipt.queue:
        message = None
    if receipt.standard:
        return message
    if message is None:
        reason = "its message is not in the queue any more"
    elif message["receives"] != receipt.receives:
        reason = f"its message was received again (reception {message['receives']})"
    elif not message["in_flight"]:
        reason = "its message was given back"
    elif message["visible_at"] <= now:
        ago = now - message["visible_at"]
        reason = f"its visibility time-out ended {ago:.3g} seconds ago"
    else:
        return message
    raise ReceiptExpiredError(queue=receipt.queue, receipt=str(receipt), reason=reason)


class Mail:
    """All that happens to messages in one transaction.

    Parameters
    ----------
    indexes : the store's indexes
    changes : the transaction
    now : seconds since the epoch
    """

    def __init__(self, indexes: Indexes, changes: Changes, now: float) -> None:
        self._indexes = indexes
        self._changes = changes
        self._now = now
        # What the indexes do not know yet: ids of this transaction, and documents renewed.
        self._sent: dict[tuple[str, str, str], _Sent] = {}
        self._renewed: set[int] = set()

    def accept(
        self,
        queue: str,
        body: JSONValue,
        group_id: str,
        deduplication_id: str | None = None,
        *,
        standard: bool = False,
        window: float | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> int:
        """Put a message into a queue, unless its deduplication id is known.

        Parameters
        ----------
        standard : it has a lane of its own
        window : seconds for which the id is remembered; None for the queue's own
        more : further fields of its document

        Returns
        -------
        id : of the message; of the earlier one where the id is known

        Raises
        ------
        DeduplicationError
            The id is known with another body.
        """
        body = freeze(body, where="body")
        digest = "" if deduplication_id is None else digest_of(body)
        name = queue, group_id, deduplication_id or ""
        known = None if deduplication_id is None else self._known(*name)
        if known is not None:
            if known.digest != digest:
                raise DeduplicationError(
                    queue=queue, group_id=group_id, deduplication_id=deduplication_id or ""
                )
            return known.message
        document = {
            "queue": queue,
            "group": group_id,
            "standard": standard,
            "sent_at": self._now,
            "visible_at": 0.0,  # at any time, also after a step back of the clock
            "receives": 0,
            "failures": 0,
            "in_flight": False,
            "deduplication_id": deduplication_id,
            # What the index looks at stands before it, so that it need not be read for that.
            "body": body,
            **(more or {}),
        }
        number = self._changes.insert(MESSAGES, StrictDocument(document))
        if deduplication_id is not None:
            span = self._indexes.queues.window(queue) if window is None else window
            self._sent[name] = _Sent(digest, number)
            self._remember(name, digest, number, span)
        return number

    def _known(self, queue: str, group_id: str, deduplication_id: str) -> Known | _Sent | None:
        name = queue, group_id, deduplication_id
        if name in self._sent:
            return self._sent[name]
        known = self._indexes.deduplication.find(name)
        if known is None:
            return None
        waits = self._indexes.queues.holds(queue, known.message)
        return known if waits or known.until > self._now else None

    def _remember(self, name: tuple[str, str, str], digest: str, message: int, span: float) -> None:
        queue, group_id, deduplication_id = name
        document = StrictDocument(
            queue=queue,
            group=group_id,
            id=deduplication_id,
            digest=digest,
            message=message,
            until=self._now + span,
            window=span,
        )
        old = self._indexes.deduplication.find(name)
        if old is None:
            self._changes.insert(DEDUPLICATION, document)
        else:
            self._changes.put(DEDUPLICATION, old.number, document)
            self._renewed.add(old.number)
        for known in self._indexes.deduplication.over(self._now, _PRUNED_EACH):
            self._forget_or_renew(known)

    def _forget_or_renew(self, known: Known) -> None:
        """Forget an id whose time is over, unless its message still waits."""
        document = self._changes.get(DEDUPLICATION, known.number)
        if document is None or known.number in self._renewed:
            return
        if self._indexes.queues.holds(document["queue"], known.message):
            # Not over while the message waits; looked at again after another window.
            until = self._now + max(known.window, 1.0)
            self._changes.put(DEDUPLICATION, known.number, {**document, "until": until})
        else:
            self._changes.remove(DEDUPLICATION, known.number)

    def _renew(self, number: int, message: Document) -> None:
        """Let the window of a message's deduplication id begin anew: it leaves the queue."""
        if message["deduplication_id"] is None:
            return
        name = message["queue"], message["group"], message["deduplication_id"]
        known = self._indexes.deduplication.find(name)
        if known is not None and known.message == number:
            self._remember(name, known.digest, number, known.window)

    def _reclaim(self, number: int, message: Document, before: int) -> None:
        """Let a message that comes back have its deduplication id again, unless it is taken.

        Parameters
        ----------
        before : the id that it had
        """
        if message["deduplication_id"] is None:
            return
        name = message["queue"], message["group"], message["deduplication_id"]
        known = self._known(*name)
        if known is None or known.message == before:
            digest = digest_of(message["body"])
            self._sent[name] = _Sent(digest, number)
            self._remember(name, digest, number, self._indexes.queues.window(name[0]))

    def consume(self, receipt: Receipt, *, fires: bool = False) -> Document | None:
        """Remove a message that was handled, and the timer that it was for.

        Parameters
        ----------
        fires
            If it is a timer's, its instance changes by that.

        Returns
        -------
        message : None where a standard queue has lost it to another receipt

        Raises
        ------
        ReceiptExpiredError
            Somebody else may have it by now.
        VersionConflictError
            It fires a timer that was ended: the instance is in a later stay of its node.
        """
        message = good_message(self._changes, receipt, self._now)
        if message is None:
            return None
        self._changes.remove(MESSAGES, receipt.message)
        if "timer" in message:
            if fires and self._changes.get(TIMERS, message["timer"]) is None:
                key = message["group"]
                found = self._indexes.instances.find(self._changes, key)[1]
                actual = 0 if found is None else found.revision
                raise VersionConflictError(key=key, expected=actual, actual=actual)
            self._changes.remove(TIMERS, message["timer"])
        self._renew(receipt.message, message)
        return message

    def bury(self, number: int, message: Document, *, reason: str, halt: bool) -> None:
        """Move a message to the dead letters, and park its group where `halt` says so."""
        self._changes.remove(MESSAGES, number)
        letter = {**message, "in_flight": False, "at": self._now, "reason": reason}
        self._changes.put(DEAD_LETTERS, number, letter)
        self._renew(number, message)
        if halt and message["group"] not in self._indexes.queues[message["queue"]].parked:
            document = {
                "queue": message["queue"],
                "group": message["group"],
                "since": self._now,
                "reason": reason,
            }
            self._changes.insert(PARKED, document)

    def dig_up(self, number: int, letter: Document, *, in_place: bool) -> int:
        """Put a dead letter back into its queue, and forget its failures.

        Parameters
        ----------
        in_place
            Where it was, before all that was sent after it; otherwise at the end.

        Returns
        -------
        id : the same where it is in place, otherwise a new one
        """
        self._changes.remove(DEAD_LETTERS, number)
        message = {
            name: value
            for name, value in letter.items()
            if name not in {"at", "reason", "errors", "pardoned"}
        }
        message |= {"failures": 0, "visible_at": 0.0}
        if in_place:
            # The count of receptions goes on, so that no receipt becomes good again.
            message["pardoned"] = message["receives"]
            self._changes.put(MESSAGES, number, message)
            self._reclaim(number, message, number)
            return number
        # The event is still the one that it was: its services get the keys that they had.
        first = message.get("first_id", number)
        message |= {"sent_at": self._now, "receives": 0, "first_id": first}
        new = self._changes.insert(MESSAGES, message)
        self._reclaim(new, message, number)
        return new
