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
    """Give a callback for the progress of the block, or None where nobody is to be told.

    Parameters
    ----------
    progress
        True for a bar, which appears after half a second and is gone after the block: below
        the cell where a person looks at a notebook, else on `stream` if that is a terminal,
        else nowhere. False for none. A function is called instead.
    stream : where a terminal is looked for; None for standard error
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
    # A program without a console has no stream. A notebook that is run without anybody looking
    # gets nothing: its outputs are compared.
    terminal = not notebook and kernel_shell() is None and stream is not None and stream.isatty()
    if not notebook and not terminal:
        return None
    from settlesim.progress.bars import NotebookBar, TerminalBar

    return NotebookBar() if notebook else TerminalBar(stream)
