"""`StandardQueue`: at least once and in any order, to show what goes wrong without order."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from settlesim.chart.values import JSONValue
from settlesim.errors import InvalidValueError, shorten
from settlesim.store.base import DatabaseStore
from settlesim.store.checks import check_count
from settlesim.store.queues.messages import Mail
from settlesim.store.queues.queue import DatabaseQueue

__all__ = ["StandardQueue"]

_WINDOW: Final = 10
"""From how many messages that are up the next one is chosen."""


class StandardQueue(DatabaseQueue):
    """A queue in a store, in the terms of SQS standard queues.

    Every message is delivered at least once, sometimes twice, in any order, and messages of
    one group side by side. Deduplication ids are not looked at. A receipt stays good: whoever
    received a message may delete it, and a message that is gone is deleted without complaint.
    A failure counts only if nobody received the message since; even so a slow consumer may
    still apply a message that another one gave up, and its mark then shows a copy that is
    brought back. This is what many systems run on; for events that have to be in order use
    `FifoQueue`.

    Nothing is random: `seed` decides the order, so that a run can be repeated.

    Parameters
    ----------
    seed : chooses among the first ten messages that are up
    copy_every : about every how-manieth message is delivered once more at once, as a broker
        of several machines does now and then; None for none
    store, name, visibility_timeout, max_receives, max_failures, policy, chart
        As of `FifoQueue`; with ``policy="halt"`` only the message itself is put aside.

    Raises
    ------
    InvalidValueError, TypeError
        As `FifoQueue`.

    Examples
    --------
    >>> from settlesim import MemoryStore, StandardQueue
    >>> queue = StandardQueue(MemoryStore(), "orders")
    >>> [queue.send(event, "order-1") for event in ("PAY", "PACK", "SHIP")]
    [1, 2, 3]
    >>> [message.body for message in queue.receive(10)]
    ['PACK', 'SHIP', 'PAY']
    """

    standard = True

    def __init__(
        self,
        store: DatabaseStore,
        name: str,
        *,
        seed: int = 0,
        copy_every: int | None = None,
        **settings: Any,
    ) -> None:
        if type(seed) is not int:
            reason = f"is {shorten(seed, 40)}; a whole number is needed"
            raise InvalidValueError(where="seed", reason=reason)
        if copy_every is not None:
            check_count(copy_every, where="copy_every")
        super().__init__(store, name, **settings)
        self.seed = seed
        self.copy_every = copy_every

    def _accept(
        self, mail: Mail, body: JSONValue, group_id: str, deduplication_id: str | None
    ) -> int:
        # The id is not given on, so nobody remembers it.
        return mail.accept(self.name, body, group_id, standard=True)

    def _next(self, now: float, most: int) -> list[int]:
        up = self._lanes.heads(now, max(_WINDOW, most))
        return sorted(up, key=lambda number: self._lot("order", number))[:most]

    def _visible_at(self, number: int, receives: int, now: float, hidden: float) -> float:
        if self.copy_every is None or receives > 1:
            return now + hidden
        return now if self._lot("copy", number) % self.copy_every == 0 else now + hidden

    def _lot(self, what: str, number: int) -> int:
        text = f"{self.seed}:{what}:{self.name}:{number}"
        return int.from_bytes(sha256(text.encode()).digest()[:8])
