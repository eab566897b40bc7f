"""The notebook cell that runs now, if this is a kernel and a front end named the cell.

An interactive front end (JupyterLab, Notebook 7) sends the id of the cell with every request to
run it. Tools that run notebooks unattended (nbclient, nbconvert, nbval) send none.
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
    """Return the id of the cell that runs now; None if no front end has sent one."""
    shell = kernel_shell()
    if shell is None:
        return None
    metadata = shell.kernel.get_parent("shell").get("metadata", {})
    found = metadata.get("cellId")
    return found if isinstance(found, str) else None
