"""Where instances are kept between events, and messages wait: in memory, or in a TinyDB file."""

from settlesim.store.fifo import FifoQueue
from settlesim.store.marks import Mark
from settlesim.store.memory import MemoryDatabase, MemoryStore
from settlesim.store.queue_values import DeadLetter, ParkedGroup, QueueStatus
from settlesim.store.settlements import PastSettlement
from settlesim.store.standard import StandardQueue
from settlesim.store.timers import DurableTimer
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
