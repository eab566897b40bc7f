"""The indexes of a store, each on the tables that it is derived from."""

from __future__ import annotations

from settlesim.store.database import Database
from settlesim.store.queues.deduplication import Deduplication
from settlesim.store.queues.queueing import Queues
from settlesim.store.rules.instances import Instances
from settlesim.store.rules.marks import Marks
from settlesim.store.rules.settlements import Settlements
from settlesim.store.rules.timers import DurableTimers

__all__ = ["Indexes"]


class Indexes:
    """What the rules find documents by, kept up to date by the database.

    Parameters
    ----------
    database : whose tables they are
    source : how an error names the store
    history : how many settlements of each instance are kept
    mark_window : seconds for which the id of a settled event is remembered
    """

    def __init__(
        self, database: Database, *, source: str, history: int, mark_window: float
    ) -> None:
        self.source = source
        self.instances = Instances(source)
        self.settlements = Settlements(source, history)
        self.marks = Marks(source, mark_window)
        self.queues = Queues(source)
        self.deduplication = Deduplication(source)
        self.timers = DurableTimers(source)
        for index in (
            self.instances,
            self.settlements,
            self.marks,
            self.queues,
            self.deduplication,
            self.timers,
        ):
            database.add_index(index.tables, index)
