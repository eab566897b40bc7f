"""Where a panel is shown, and the cell that made it.

Theory of operation
-------------------
A front end with widgets (JupyterLab, Notebook 7) sends the id of the cell with every request
to run it. Programs that run notebooks without a viewer (nbclient, nbconvert, nbval) send none;
there only the static twin of a panel is shown, so that the resulting page needs neither a kernel
nor a network.

In JupyterLab, Notebook 7 and Voila the live panel takes the place of its twin (`seat`). In VS
Code and Colab the page has no model of a widget before it has a view; there the output is the
view, with the twin beside it.

``SETTLESIM_PANELS`` overrides this: ``static`` for the twin alone; ``live`` for a front end that
is not recognised; ``view`` where the panel cannot take the place of the twin.

A panel that a cell made is closed when that cell runs again: the panel is replaced, and nobody
could reach the old one to close it.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, TypeAlias
from weakref import WeakSet

from settlesim.errors import MissingExtraError
from settlesim.progress.notebook_cell import cell_id, kernel_shell

__all__ = ["CellWatch", "Closable", "Output", "is_live", "output", "require_widgets", "watch"]

REQUIRED: Final = ("ipywidgets", "anywidget")
_VIEW_HOSTS: Final = ("VSCODE_PID", "VSCODE_CWD", "COLAB_RELEASE_TAG")
"""Environment variables of front ends in which a widget needs a view; these may send no cell id."""
_VIEW_CELLS: Final = "vscode-notebook-cell:"
"""The beginning of such a front end's cell ids, if the kernel is on another machine."""

Output: TypeAlias = Literal["twin", "view", "seat"]
"""The output of a cell: the twin alone; a widget's view; or a twin whose place the panel takes."""


def require_widgets(feature: str) -> None:
    """Check that the packages that a live view needs are installed.

    Raises
    ------
    MissingExtraError
        ipywidgets or anywidget is not installed.
    """
    for module in REQUIRED:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(extra="lab", feature=feature, module=module)


def output() -> Output:
    """Return which output a cell that shows a panel has here."""
    wanted = os.environ.get("SETTLESIM_PANELS")
    if wanted == "static":
        return "twin"
    if wanted == "view":
        return "view"
    found = _recognised()
    return "view" if found == "twin" and wanted == "live" else found


def _recognised() -> Output:
    if kernel_shell() is None:
        return "twin"
    cell = cell_id()
    if any(host in os.environ for host in _VIEW_HOSTS) or (cell or "").startswith(_VIEW_CELLS):
        return "view"
    is_voila = os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
    return "seat" if is_voila or cell is not None else "twin"


def is_live() -> bool:
    """Whether panels are shown live here."""
    return output() != "twin"


class Closable(Protocol):
    """What can be closed, any number of times."""

    def close(self) -> None:
        """End it, and release what it holds."""
        ...

    def cell_ended(self) -> None:
        """Update what is shown, if a cell has changed it."""
        ...


class CellWatch:
    """Closes what an earlier run of a cell made, and tells the rest when a cell has run.

    Parameters
    ----------
    current : returns the id of the cell that runs now
    """

    def __init__(self, current: Callable[[], str | None] = cell_id) -> None:
        self._current = current
        self._made: dict[str, WeakSet[Any]] = {}
        self._everyone: WeakSet[Any] = WeakSet()
        self._shell: Any = None

    def add(self, made: Closable) -> None:
        """Remember what was made, and by which cell."""
        self._everyone.add(made)
        cell = self._current()
        if cell is not None:
            self._made.setdefault(cell, WeakSet()).add(made)
        self._listen()

    def _listen(self) -> None:
        shell = kernel_shell()
        if shell is not None and shell is not self._shell:
            self._shell = shell
            shell.events.register("pre_run_cell", lambda info: self.begins(info.cell_id))
            shell.events.register("post_run_cell", lambda result: self.ended())

    def begins(self, cell: str | None) -> None:
        """Close what an earlier run of this cell made."""
        for made in list(self._made.pop(cell or "", ())):
            made.close()

    def ended(self) -> None:
        """Tell everyone that a cell has run."""
        for made in list(self._everyone):
            made.cell_ended()


watch: Final = CellWatch()
"""The watch of this process."""
