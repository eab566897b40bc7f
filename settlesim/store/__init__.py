"""Where instances are kept between events, and messages wait."""

from settlesim.ports import DurableTimer, Mark
from settlesim.store.checks import check_key, check_transaction
from settlesim.store.queues import FifoQueue, StandardQueue
from settlesim.store.sqlite import MemoryStore, SqliteStore
from settlesim.store.tinydb import TinyStore
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
    "TinyStore",
    "check_key",
    "check_transaction",
]
