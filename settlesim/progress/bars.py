"""Bars of `tqdm` that appear after half a second and leave nothing behind.

The bar of `tqdm.notebook` leaves an output in the cell and needs ipywidgets, so the bar for
notebooks shows the same numbers in plain HTML.
"""

from __future__ import annotations

import os
from html import escape
from threading import RLock
from typing import Any, Final, TextIO

from tqdm.std import tqdm

from settlesim.progress.reporter import Progress

__all__ = ["NotebookBar", "TerminalBar"]

DELAY: Final = 0.5
"""Seconds after which a bar appears."""
INTERVAL: Final = 0.1
"""Seconds that pass at least between two changes of a bar."""

_COLUMNS: Final = 80
_ROWS: Final = 24


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """What both bars have in common."""

    monitor_interval = 0  # no monitor thread
    _lock = RLock()  # tqdm's default lock also synchronizes processes

    def __init__(self, **options: Any) -> None:
        super().__init__(
            leave=False,
            delay=DELAY,
            mininterval=INTERVAL,
            miniters=0,
            bar_format="{desc} |{bar}| {n_fmt}/{total_fmt}",
            **options,
        )

    def show(self, progress: Progress) -> None:
        """Show progress, unless the last change was too recent."""
        self.total = progress.expected
        self.set_description_str(progress.text, refresh=False)
        self.update(progress.done - self.n)


class TerminalBar(_Bar):
    """A line in a terminal.

    Parameters
    ----------
    stream : the stream of the terminal
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(file=stream, ncols=_columns(stream) - 1, nrows=_ROWS)


def _columns(stream: TextIO) -> int:
    """Return the width of a terminal; a default if it reports none, since tqdm then has no room."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


class NotebookBar(_Bar):
    """An output of a notebook cell, which is emptied at the end."""

    def __init__(self) -> None:
        self._handle: Any = None
        super().__init__(gui=True)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Show the bar below the cell, replacing its last state."""
        from IPython.display import display

        most = "" if self.total is None else f' max="{self.total}" value="{self.n}"'
        of = "" if self.total is None else f" of {self.total:,}"
        text = f"{self.desc}: {self.n:,}{of}"
        bundle = {"text/plain": text, "text/html": f"<progress{most}></progress> {escape(text)}"}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)
        return True

    def close(self) -> None:
        """Empty the output; removing it would remove the cell's other outputs as well."""
        super().close()
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.update({}, raw=True)
