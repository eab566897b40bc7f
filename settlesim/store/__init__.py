"""Where instances are kept between events, and messages wait."""

from settlesim.ports import DurableTimer, Mark
from settlesim.store.checks import check_key, check_transaction
from settlesim.store.queues import FifoQueue, StandardQueue
from settlesim.store.sqlite import MemoryStore, SqliteStore
from settlesim.store.suffixes import open_store
from settlesim.store.tinydb import TinyStore
from settlesim.store.values import (
    DeadLetter,
    ParkedGroup,
    PastSettlement,
    QueueStatus,
    StoredInstance,
)
from settlesim.store.verify import StoreReport, verify_store

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
    "StoreReport",
    "StoredInstance",
    "TinyStore",
    "check_key",
    "check_transaction",
    "open_store",
    "verify_store",
]
