"""The notebook cell that runs now, if this is a kernel and a front end named the cell.

A front end for people (JupyterLab, Notebook 7) sends the id of the cell with every request to
run it. What runs notebooks without anybody looking (nbclient, nbconvert, nbval) sends none.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["cell_id", "kernel_shell"]


def kernel_shell() -> Any:
    """Return the IPython shell of this process if it belongs to a kernel, or None."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if getattr(shell, "kernel", None) is not None else None


def cell_id() -> str | None:
    """Return the id of the cell that runs now; None where there is none or nobody named it."""
    shell = kernel_shell()
    if shell is None:
        return None
    metadata = shell.kernel.get_parent("shell").get("metadata", {})
    found = metadata.get("cellId")
    return found if isinstance(found, str) else None
