"""The one thread in which a panel's code runs.

JupyterLab with ipykernel 7 handles the messages of a widget in threads of its own
("subshells"), also while a cell runs; a service that was started there would belong to
another event loop than the notebook's. So a message is passed on to the loop in which the
panel was made. Where there was none (a plain program, a test) a lock keeps messages apart.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Home"]


class Home:
    """The thread and the event loop in which this was made."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._lock = threading.RLock()
        self.loop: asyncio.AbstractEventLoop | None
        try:
            self.loop = asyncio.get_running_loop()
        except RuntimeError:
            self.loop = None

    def run(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call the function at home: at once if this is it, or there as soon as it is free."""
        loop = self.loop
        if loop is None or loop.is_closed():
            with self._lock:
                function(*arguments)
        elif threading.get_ident() == self._thread:
            function(*arguments)
        else:
            loop.call_soon_threadsafe(function, *arguments)
