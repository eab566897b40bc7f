"""Where instances are kept between events, and messages wait: in memory, or in a TinyDB file."""

from settlesim.store.memory import MemoryDatabase, MemoryStore
from settlesim.store.queues.fifo import FifoQueue
from settlesim.store.queues.standard import StandardQueue
from settlesim.store.queues.values import DeadLetter, ParkedGroup, QueueStatus
from settlesim.store.rules.marks import Mark
from settlesim.store.rules.settlements import PastSettlement
from settlesim.store.rules.timers import DurableTimer
from settlesim.store.tiny import TinyStore

__all__ = [
    "DeadLetter",
    "DurableTimer",
    "FifoQueue",
    "Mark",
    "MemoryDatabase",
    "MemoryStore",
    "ParkedGroup",
    "PastSettlement",
    "QueueStatus",
    "StandardQueue",
    "TinyStore",
]
