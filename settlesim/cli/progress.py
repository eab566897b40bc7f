"""A bar on standard error for long searches, where that is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Final, TextIO

import click

from settlesim.cli.output import unfiltered

__all__ = ["Progress"]

_LONG: Final = 100_000  # states: about a second


class Progress:
    """Shows how many states were found, from the moment on that there are many.

    Parameters
    ----------
    limit : how many states are looked for at most
    stream : where the bar is shown if it is a terminal; None for standard error
    """

    def __init__(self, limit: int, stream: TextIO | None = None) -> None:
        self._limit = limit
        self._stream = unfiltered(sys.stderr) if stream is None else stream
        self._shown = 0
        self._bar: Any = None

    def __call__(self, found: int) -> None:
        """Take notice that so many states were found."""
        if found < _LONG or not self._stream.isatty():
            return
        if self._bar is None:
            self._bar = click.progressbar(
                length=self._limit,
                label="States",
                file=self._stream,
                show_eta=False,
                show_percent=False,
                show_pos=True,
            ).__enter__()
        self._bar.update(found - self._shown)
        self._shown = found

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)
