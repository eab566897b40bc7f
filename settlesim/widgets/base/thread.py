"""The one thread in which a panel's code runs.

JupyterLab with ipykernel 7 handles the messages of a widget in separate threads ("subshells"),
also while a cell runs; a service started there would belong to a different event loop than the
notebook's. So a message is passed on to the loop in which the panel was made. Without such a
loop (in a plain program or a test) a lock serialises the messages.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["Home"]


class Home:
    """The thread in which it is made, with its event loop: all code of a panel runs there."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.RLock()
        self.loop: asyncio.AbstractEventLoop | None
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call the function in that thread: now if this is it, otherwise once its loop is free."""
        loop = self.loop
        if loop is None or loop.is_closed():
            with self._lock:
                function(*arguments)
        elif threading.get_ident() == self._thread:
            function(*arguments)
        else:
            loop.call_soon_threadsafe(function, *arguments)

    def run_if_free(self, function: Callable[..., None], *arguments: Any) -> None:
        """As `run`, but do nothing while another thread runs code of the panel.

        That thread may be waiting for the caller.
        """
        if self._lock.acquire(blocking=False):
            try:
                self.run(function, *arguments)
            finally:
                self._lock.release()

    def alone(self) -> AbstractContextManager[object]:
        """Return a context in which no other thread runs code of the panel."""
        return self._lock
