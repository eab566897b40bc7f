"""`restate_or_embedded`: Restate where a server answers, and the embedded engine elsewhere."""

from __future__ import annotations

import os
import socket

from settlesim.chart import Chart
from settlesim.engines.embedded import EmbeddedEngine
from settlesim.engines.protocol import Engine
from settlesim.errors import MissingExtraError, StoreUnavailableError
from settlesim.runtime import Worker
from settlesim.store.queues import FifoQueue
from settlesim.store.sqlite import MemoryStore

__all__ = ["restate_or_embedded"]


async def restate_or_embedded(chart: Chart, *, service: str | None = None) -> Engine:
    """Return an engine for a chart, whether or not a Restate server answers.

    Where ``settlesim[restate]`` is installed and a server answers at ``RESTATE_INGRESS_URL`` and
    ``RESTATE_ADMIN_URL``, or without these on this machine, the engine is a `RestateEngine` whose
    handlers this process serves on a free port. Elsewhere it is an `EmbeddedEngine` in memory.

    Parameters
    ----------
    chart : with all its functions bound
    service : name of the Restate service; None for the chart's name

    Raises
    ------
    UnboundFunctionError
        Functions that the chart names are not bound.

    Examples
    --------
    >>> import asyncio
    >>> from settlesim.gallery import order
    >>> engine = asyncio.run(restate_or_embedded(order))
    >>> engine.name in ("embedded", "restate")
    True
    """
    try:
        from settlesim.engines.restate import RestateClient, RestateEngine
    except MissingExtraError:
        return _embedded(chart)
    client = RestateClient(
        os.environ.get("RESTATE_INGRESS_URL", "http://127.0.0.1:8080"),
        os.environ.get("RESTATE_ADMIN_URL", "http://127.0.0.1:9070"),
    )
    try:
        await client.check()
    except StoreUnavailableError:
        return _embedded(chart)
    finally:
        await client.close()
    return RestateEngine(chart, client, bind=f"127.0.0.1:{_free_port()}", service=service)


def _embedded(chart: Chart) -> Engine:
    store = MemoryStore()
    return EmbeddedEngine(Worker(chart, store, FifoQueue(store, chart.name)))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
