"""The bar that people see while they wait, in a terminal or a notebook."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from settlesim.progress.notebook_cell import cell_id, kernel_shell
from settlesim.progress.reporter import ProgressCallback

if TYPE_CHECKING:
    from settlesim.progress.bars import NotebookBar, TerminalBar

__all__ = ["show_progress"]


@contextmanager
def show_progress(
    progress: ProgressCallback | bool = True, *, stream: TextIO | None = None
) -> Iterator[ProgressCallback | None]:
    """Yield a callback for the progress of the block; None if progress is not shown.

    Parameters
    ----------
    progress
        True for a bar, which appears after half a second and disappears after the block. In an
        interactive notebook it is shown below the cell, else on `stream` if that is a terminal,
        else nowhere. False for no bar. A function is yielded as it is.
    stream : the stream that may be a terminal; None for standard error
    """
    if not isinstance(progress, bool):
        yield progress
        return
    bar = _bar(stream) if progress else None
    if bar is None:
        yield None
        return
    try:
        yield bar.show
    finally:
        bar.close()


def _bar(stream: TextIO | None) -> NotebookBar | TerminalBar | None:
    notebook = cell_id() is not None
    stream = sys.stderr if stream is None else stream
    # A program without a console has no stream. A notebook that is run without a front end gets
    # no bar, since its outputs may be compared.
    terminal = not notebook and kernel_shell() is None and stream is not None and stream.isatty()
    if not notebook and not terminal:
        return None
    from settlesim.progress.bars import NotebookBar, TerminalBar

    return NotebookBar() if notebook else TerminalBar(stream)
