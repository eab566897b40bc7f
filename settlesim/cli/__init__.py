"""The command line: draw, check, settle and simulate charts, send events and work on them.

The commands are imported by `main`, when it is ready for Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settlesim.cli.running import Program

    program: Program

__all__ = ["main", "program"]


def main() -> None:
    """Run the command line; the entry point of the ``settlesim`` script."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        _run()  # Ctrl-C is ignored, as for a job in the background
        return
    try:
        # Imports have nothing to clean up, and a library might take an interrupt for its own.
        signal.signal(signal.SIGINT, _end)
        importlib.import_module("settlesim.cli.commands")
        signal.signal(signal.SIGINT, _interrupt)
        _run()
    except KeyboardInterrupt:  # in the moments when no command runs
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, _end)  # what is left is the end of the interpreter


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # With the usual handler asyncio would put its own in its place, which only cancels the
    # task: a guard that does not return, or a service that does not wait, would go on.
    raise KeyboardInterrupt


def _run() -> None:
    from settlesim.cli.commands import program
    from settlesim.cli.output import use_utf8, visible

    use_utf8()
    # Also for a traceback, which is printed after the end of this function.
    sys.stdout, sys.stderr = visible(sys.stdout), visible(sys.stderr)
    program()


def __getattr__(name: str) -> Any:
    if name == "program":
        from settlesim.cli.commands import program

        return program
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
