"""`serve_app`: an application on a port, until a signal ends it in an orderly way."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import uvicorn
from starlette.applications import Starlette

from settlesim.engines import Engine

__all__ = ["ServedEngine", "listening_socket", "serve_app"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class ServedEngine(Engine, Protocol):
    """An engine that can end by itself."""

    async def ended(self) -> None:
        """Wait until it no longer works.

        Raises
        ------
        StoreError
            The error that has ended it.
        """
        ...


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket for a server; port 0 stands for any free port.

    Raises
    ------
    OSError
        The port is in use, or the host is not this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError:
        found.close()
        raise
    return found


async def serve_app(
    app: Starlette,
    engine: ServedEngine,
    listener: socket.socket,
    *,
    grace: float,
    started: Callable[[], object],
    stopping: Callable[[], object] = lambda: None,
) -> None:
    """Enter an engine and serve it until SIGINT or SIGTERM; a second one ends the process.

    At the first signal, waits and streams end, and running requests and services have `grace`
    seconds to end; events that are not settled then stay accepted. The start and end of `app` are
    not called.

    Parameters
    ----------
    started : is called when requests are answered
    stopping : is called when the server begins to stop

    Raises
    ------
    StoreError
        The engine cannot be reached, or has ended, for example because its store is damaged.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
        lifespan="off",
    )
    server = uvicorn.Server(config)
    loop, seen = asyncio.get_running_loop(), [0]

    def end() -> None:
        app.state.api.closing.set()
        server.should_exit = True

    def handle_exit(number: int, frame: Any = None) -> None:
        seen[0] += 1
        if seen[0] > 1:
            os._exit(128 + number)
        stopping()
        loop.call_soon_threadsafe(end)

    app.state.stop = end
    vars(server)["handle_exit"] = handle_exit  # uvicorn's own would raise the signal again
    with _handled(handle_exit):
        async with engine:
            await engine.check()
            await _serve(server, engine, listener, started=started, end=end)


@contextmanager
def _handled(handle: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle signals also while the engine starts and stops, before and after uvicorn does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, handle) for each in _SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


async def _serve(
    server: uvicorn.Server,
    engine: ServedEngine,
    listener: socket.socket,
    *,
    started: Callable[[], object],
    end: Callable[[], None],
) -> None:
    """Serve until the server is told to stop, or the engine has ended."""

    async def watch() -> None:
        while not server.started and not server.should_exit:
            await asyncio.sleep(0.01)
        if server.started:
            started()
            try:
                await engine.ended()
            finally:
                end()

    watcher = asyncio.create_task(watch())
    try:
        await server.serve(sockets=[listener])
    finally:
        end()
        if not watcher.done():
            watcher.cancel()
        done, _ = await asyncio.wait([watcher])
        for each in done:
            if not each.cancelled():
                each.result()
