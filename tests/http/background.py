"""A real server on a port, in a thread of the test's process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from settlesim import Chart, FifoQueue, Worker
from settlesim.engines import EmbeddedEngine
from settlesim.http import create_app
from settlesim.http.serving import listening_socket, serve_app
from settlesim.store.sql import SqlStore

__all__ = ["in_background"]


@contextmanager
def in_background(
    chart: Chart,
    store: SqlStore,
    port: int = 0,
    *,
    kind: type[EmbeddedEngine] = EmbeddedEngine,
    **options: Any,
) -> Iterator[str]:
    """Serve a chart, and give the URL; the end is an orderly one."""
    listener = listening_socket("127.0.0.1", port)
    ready = threading.Event()
    loops: list[Any] = []

    async def main() -> None:
        queue = FifoQueue(store, chart.name, max_failures=1)
        engine = kind(Worker(chart, store, queue, concurrency=10, poll=0.01))
        app = create_app(engine, **options)
        stop = asyncio.Event()
        loops[:] = [asyncio.get_running_loop(), stop]
        serving = asyncio.create_task(serve_app(app, engine, listener, grace=5, started=ready.set))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not serving.done():
            app.state.api.closing.set()
            app.state.stop()
        await serving

    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(30)
        assert not failures, failures
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop, stop = loops
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        listener.close()
    assert not thread.is_alive()
    assert not failures, failures
