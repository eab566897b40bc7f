"""For your own tests: helpers for charts, and contract suites for stores, queues and engines.

`ChartTester` settles the events of a chart in memory and counts what they reach (`ChartCoverage`).

A contract suite is a class of pytest tests. A subclass says how a store, or a queue in it, is
opened, and pytest runs the rest:

- `StoreContract` for a `settlesim.ports.Store`,
- `ChartStoreContract` for one that is also a `settlesim.ports.ChartStore`,
- `QueueStoreContract` for a `settlesim.ports.QueueStore`,
- `QueueContract` for a `settlesim.ports.Queue` that keeps its groups in order,
- `ChartQueueContract` for one that is also a `settlesim.ports.ChartQueue`,
- `EngineContract` for a `settlesim.engines.Engine`.

The tests call only the methods of the ports, so a class passes or fails by its behaviour, not by
its base classes. They need pytest and Hypothesis: ``pip install settlesim[testing]``.

Examples
--------
>>> from settlesim.store import SqliteStore
>>> from settlesim.testing import StoreContract
>>> class TestSqliteStore(StoreContract):
...     def open_store(self, folder, now):
...         return SqliteStore(folder / "store.db", now=now)
"""

import importlib

from settlesim.errors import MissingExtraError

for _module in ("pytest", "hypothesis"):
    try:
        importlib.import_module(_module)
    except ModuleNotFoundError as _error:
        if _error.name != _module:
            raise
        raise MissingExtraError(
            extra="testing", feature="settlesim.testing", module=_module
        ) from None

import pytest  # noqa: E402

# This makes failing assertions of a suite show their values, as those of a test module do.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{_name}"
        for _name in (
            "engine_event_contract",
            "engine_lifetime_contract",
            "chart_store_contract",
            "openers",
            "queue_contract",
            "queue_machine",
            "queue_store_contract",
            "store_contract",
            "store_machine",
        )
    )
)

from settlesim.testing.chart_coverage import ChartCoverage  # noqa: E402
from settlesim.testing.chart_store_contract import (  # noqa: E402
    ChartQueueContract,
    ChartStoreContract,
)
from settlesim.testing.chart_tester import ChartTester  # noqa: E402
from settlesim.testing.engine_chart import Work, engine_chart  # noqa: E402
from settlesim.testing.engine_contract import EngineContract  # noqa: E402
from settlesim.testing.manual_time import ManualTime  # noqa: E402
from settlesim.testing.openers import Opened, QueueBench, QueueOpener, StoreOpener  # noqa: E402
from settlesim.testing.queue_contract import QueueContract  # noqa: E402
from settlesim.testing.queue_machine import QueueMachine  # noqa: E402
from settlesim.testing.queue_model import QueueModel  # noqa: E402
from settlesim.testing.queue_store_contract import QueueStoreContract  # noqa: E402
from settlesim.testing.store_contract import StoreContract  # noqa: E402
from settlesim.testing.store_machine import StoreMachine  # noqa: E402

__all__ = [
    "ChartCoverage",
    "ChartQueueContract",
    "ChartStoreContract",
    "ChartTester",
    "EngineContract",
    "ManualTime",
    "Opened",
    "QueueBench",
    "QueueContract",
    "QueueMachine",
    "QueueModel",
    "QueueOpener",
    "QueueStoreContract",
    "StoreContract",
    "StoreMachine",
    "StoreOpener",
    "Work",
    "engine_chart",
]
