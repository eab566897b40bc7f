"""Engines: what runs a durable chart. One protocol, an adapter for each.

`Engine` is what callers need of one: send an event, wait for what it came to, read instances,
follow their settlements, and deal with dead letters. `EmbeddedEngine` is the library's own store
and worker. An adapter is a driver of services for `settlesim.runtime.driver.settle`, the one
function that takes an event to a transaction; `settlesim.testing.EngineContract` is the suite
that each of them passes.
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
