"""`FifoQueue` and `StandardQueue`: queues in a store, in the terms of SQS."""

from __future__ import annotations

from hashlib import sha256

from settlesim.argument_checks import check_count
from settlesim.chart import Chart
from settlesim.errors import InvalidValueError, shorten
from settlesim.store.messages import MessageRow
from settlesim.store.sql import SqlStore
from settlesim.store.sql_queue import MAX_RECEIVES, Policy, SqlQueue

__all__ = ["FifoQueue", "StandardQueue"]


class FifoQueue(SqlQueue):
    """A queue in a store, in the terms of SQS FIFO.

    Messages of one group are received in the order in which they were accepted. While one of
    them is in flight, or held back after a failure, its group is blocked; other groups go on.
    So one `receive` returns at most one message of each group. The group whose head has been
    visible longest comes first.

    Threads and processes may share a queue through their stores. A store's `commit` consumes a
    message by its receipt: deleting the message and saving what it changed are one write.

    Parameters
    ----------
    store : a SqliteStore or a MemoryStore; the queue is kept in it
    name : of the queue, usually the name of the chart that its messages are for
    visibility_timeout : seconds for which a received message is hidden from others, up to
        43,200; then it is redelivered. Its receipt is valid until somebody receives it again.
    max_receives
        After how many receptions without a result a message goes to the dead letters; None for
        no limit. A reception has no result if the message is neither deleted, released nor
        failed, for example because the consumer died.
    max_failures : after how many calls of `fail` a message goes to the dead letters
    deduplication_window : seconds for which a deduplication id is known after its message was
        accepted, and again after it was deleted; it is also known as long as the message waits
    deduplication_scope
        Whether an id counts within its ``"message_group"`` or within the whole ``"queue"``
        (SQS: DeduplicationScope, whose default is the queue).
    policy
        What follows a dead letter: with ``"skip"`` its group continues; with ``"halt"`` its group
        is parked, and later messages wait in order until `resume`.
    chart
        The chart that the messages are for, whose timers send into this queue. A queue that is
        given the `Chart` itself knows its events, and `send` refuses others; one that is given
        only its name, or None for the queue's name, accepts every message.

    Raises
    ------
    InvalidValueError
        A setting is out of its range.
    TypeError
        `store` is not a store that has queues.

    Notes
    -----
    Settings belong to the object, not to the store: two processes that open one queue with
    different settings each go by their own.

    Time is the store's: seconds since the epoch, which all processes and reboots share. A
    step of the clock can make a message receivable sooner or later, but never out of order. A
    message that is hidden for more than twelve hours from now, because the clock was ahead, is
    hidden for one visibility time-out instead.

    Examples
    --------
    >>> from settlesim import FifoQueue, MemoryStore
    >>> queue = FifoQueue(MemoryStore(), "orders")
    >>> queue.send({"event": "PAY"}, "order-1"), queue.send({"event": "SHIP"}, "order-1")
    (1, 2)
    >>> (first,) = queue.receive(10)
    >>> first.body
    {'event': 'PAY'}
    >>> queue.receive(10)
    ()
    >>> queue.delete(first.receipt)
    >>> [message.body for message in queue.receive(10)]
    [{'event': 'SHIP'}]

    >>> from settlesim.gallery import order
    >>> FifoQueue(MemoryStore(), "order", chart=order).send({"event": "PYA"}, "order-1")
    Traceback (most recent call last):
    settlesim.errors.InvalidEventError: event 'PYA' was not sent: chart 'order' has no transition \
for 'PYA'; did you mean 'PAY'? force=True sends it anyway
    """

    ordered = True

    def _choose(self, receivable: list[int]) -> list[int]:
        return receivable


class StandardQueue(SqlQueue):
    """A queue in a store, in the terms of SQS standard queues.

    Every message is delivered at least once, sometimes twice, in any order, and messages of
    one group concurrently. Deduplication ids are ignored. A receipt stays valid: every consumer
    that received a message may delete it, and deleting it again is not an error. A failure counts
    only if nobody has received the message since. Even so, a slow consumer may apply a message
    after another one has failed it; if that dead letter is redriven later, the event's mark shows
    that it is a duplicate. Many systems run on such queues; use `FifoQueue` for events that have
    to stay in order.

    Nothing is random: `seed` decides the order, so a run can be repeated.

    Parameters
    ----------
    store, name
        As of `FifoQueue`.
    seed : decides the order of the ten messages that have been receivable longest
    copy_every : about every n-th message is immediately delivered once more, as a distributed
        broker sometimes does; None for never
    visibility_timeout, max_receives, max_failures, policy, chart
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

    ordered = False

    def __init__(
        self,
        store: SqlStore,
        name: str,
        *,
        seed: int = 0,
        copy_every: int | None = None,
        visibility_timeout: float = 30.0,
        max_receives: int | None = MAX_RECEIVES,
        max_failures: int = 3,
        policy: Policy = "skip",
        chart: Chart | str | None = None,
    ) -> None:
        if type(seed) is not int:
            reason = f"is {shorten(seed, 40)}; a whole number is needed"
            raise InvalidValueError(where="seed", reason=reason)
        if copy_every is not None:
            check_count(copy_every, where="copy_every")
        super().__init__(
            store,
            name,
            visibility_timeout=visibility_timeout,
            max_receives=max_receives,
            max_failures=max_failures,
            policy=policy,
            chart=chart,
        )
        self.seed = seed
        self.copy_every = copy_every

    def _choose(self, receivable: list[int]) -> list[int]:
        return sorted(receivable, key=lambda number: self._pseudo_random("order", number))

    def _visible_at(self, message: MessageRow, now: float, seconds: float) -> float:
        copies = self.copy_every is not None and message.receives == 0
        if copies and self._pseudo_random("copy", message.id) % (self.copy_every or 1) == 0:
            return now
        return now + seconds

    def _pseudo_random(self, what: str, number: int) -> int:
        text = f"{self.seed}:{what}:{self.name}:{number}"
        return int.from_bytes(sha256(text.encode()).digest()[:8])
