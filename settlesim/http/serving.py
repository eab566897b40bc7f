"""`serve_app`: an application on a port, until a signal ends it in an orderly way."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette

from settlesim.engines import EmbeddedEngine

__all__ = ["listening_socket", "serve_app"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a socket on which a server can listen; port 0 is any that is free.

    Raises
    ------
    OSError
        The port is in use, or the host is none of this machine.
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
    engine: EmbeddedEngine,
    listener: socket.socket,
    *,
    grace: float,
    started: Callable[[], object],
    stopping: Callable[[], object] = lambda: None,
) -> None:
    """Serve until SIGINT or SIGTERM; a second one ends the process immediately.

    Waits and streams end at the first signal, requests in work and services have `grace` seconds,
    and what was accepted and not settled is in the store.

    Parameters
    ----------
    started : is called when requests are answered
    stopping : is called when the server begins to end

    Raises
    ------
    StoreError
        The worker has ended, since the store is damaged.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=max(1, round(grace)),
        lifespan="on",
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
        if not watcher.done():
            watcher.cancel()
        done, _ = await asyncio.wait([watcher])
        for each in done:
            if not each.cancelled():
                each.result()
