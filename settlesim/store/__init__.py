"""Where instances are kept between events: in memory, or in one TinyDB file."""

from settlesim.store.memory import MemoryStore
from settlesim.store.tiny import TinyStore

__all__ = ["MemoryStore", "TinyStore"]
