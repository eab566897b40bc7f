"""Engines run durable charts: one protocol, and an adapter for each engine.

`Engine` is the interface for callers: send an event, wait for its outcome, read instances, follow
their settlements, and deal with dead letters. `EmbeddedEngine` is the library's own store and
worker. Every adapter settles events with `settlesim.runtime.driver.settle`, to which it passes a
driver for services, and is tested by `settlesim.testing.EngineContract`.
"""

from settlesim.engines.embedded import EmbeddedEngine
from settlesim.engines.nearby import restate_or_embedded
from settlesim.engines.promises import PROMISES, PromiseTable
from settlesim.engines.protocol import (
    Accepted,
    DeadEvent,
    Engine,
    EngineStatus,
    EventStage,
    EventStatus,
    NotPromisedError,
    Promise,
)

__all__ = [
    "PROMISES",
    "Accepted",
    "DeadEvent",
    "EmbeddedEngine",
    "Engine",
    "EngineStatus",
    "EventStage",
    "EventStatus",
    "NotPromisedError",
    "Promise",
    "PromiseTable",
    "restate_or_embedded",
]
