"""`EngineContract`: what every `Engine` promises, as tests for yours."""

from __future__ import annotations

from settlesim.testing.engine_event_contract import EngineEventContract
from settlesim.testing.engine_lifetime_contract import EngineLifetimeContract

__all__ = ["EngineContract"]


class EngineContract(EngineEventContract, EngineLifetimeContract):
    """What every `settlesim.engines.Engine` promises, as tests for yours.

    A subclass defines `open_engine`, and has a name that pytest collects::

        class TestEmbedded(EngineContract):
            @asynccontextmanager
            async def open_engine(self, folder, chart, *, policy, max_failures, works):
                with SqliteStore(folder / "store.db") as store:
                    queue = FifoQueue(
                        store, chart.name, policy=policy, max_failures=max_failures
                    )
                    worker = Worker(chart, store, queue, concurrency=10, backoff=0.01)
                    async with EmbeddedEngine(worker, works=works) as engine:
                        yield engine

    Optional promises (`settlesim.engines.Promise`) are tested on engines that make them. Of the
    others it is tested that they refuse the call, or what they do instead.

    Attributes
    ----------
    patience : float
        Seconds for which a test waits until an event is settled.
    """
