"""`FifoQueue`: messages of one group in order, one at a time; groups side by side."""

from __future__ import annotations

from settlesim.store.queues.queue import DatabaseQueue

__all__ = ["FifoQueue"]


class FifoQueue(DatabaseQueue):
    """A queue in a store, in the terms of SQS FIFO.

    Messages of one group come up in the order in which they were accepted. While one of them
    is in flight, or held back after a failure, its group is blocked; other groups go on. So
    one `receive` has at most one message of each group. The group whose head has been
    visible longest comes first.

    Threads and processes may share a queue through their stores. A store's `commit` consumes
    a message by its receipt, so that the message and what it changed are one write.

    Parameters
    ----------
    store : a MemoryStore or a TinyStore; the queue is kept in it
    name : of the queue, most simply the name of the chart that its messages are for
    visibility_timeout : seconds for which a received message is hidden from others, up to
        43,200; then it comes up again, and its receipt is no longer good
    max_receives
        How often a message may be received without being deleted, until it goes to the dead
        letters; None for no limit. A consumer that dies counts here, so a limit takes a fault
        of the machine for one of the message.
    max_failures : after how many calls of `fail` a message goes to the dead letters
    deduplication_window : seconds for which a deduplication id is known after its message was
        accepted, and again after it was deleted; while the message waits, it is known anyway
    policy
        What follows a dead letter: with ``"skip"`` its group goes on; with ``"halt"`` its group
        is parked, and later messages wait in order until `resume`.
    chart : the chart whose timers send into this queue; None for the one of the queue's name

    Raises
    ------
    InvalidValueError
        A setting that is out of its range.
    TypeError
        The first argument is no store that has queues.

    Notes
    -----
    Settings belong to the object, not to the store: two processes that open one queue with
    different settings each go by their own.

    Time is the store's: seconds since the epoch, which all processes and reboots share. A
    step of the clock can make a message come up sooner or later, never out of order.

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
    """

    def _next(self, now: float, most: int) -> list[int]:
        return self._lanes.heads(now, most)
