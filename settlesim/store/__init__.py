"""Where instances are kept between events, and messages wait: in SQLite, or in memory."""

from settlesim.ports import DurableTimer, Mark
from settlesim.store.queues import FifoQueue, StandardQueue
from settlesim.store.sqlite import MemoryStore, SqliteStore
from settlesim.store.values import (
    DeadLetter,
    ParkedGroup,
    PastSettlement,
    QueueStatus,
    StoredInstance,
)

__all__ = [
    "DeadLetter",
    "DurableTimer",
    "FifoQueue",
    "Mark",
    "MemoryStore",
    "ParkedGroup",
    "PastSettlement",
    "QueueStatus",
    "SqliteStore",
    "StandardQueue",
    "StoredInstance",
]
