"""The command line: draw, check, settle and simulate charts, send events and work on them.

`main` imports the command after it has set its handler for Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settlesim.cli.command_group import CommandGroup

    program: CommandGroup

__all__ = ["main", "program"]


def main() -> None:
    """Run the command line; the entry point of the ``settlesim`` script."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        _run()  # Ctrl-C is ignored, as for a background job
        return
    try:
        # Ctrl-C during the imports ends the process: there is nothing to clean up, and a library
        # might swallow a KeyboardInterrupt.
        signal.signal(signal.SIGINT, _end)
        importlib.import_module("settlesim.cli.commands").program.load(sys.argv[1:])
        signal.signal(signal.SIGINT, _interrupt)
        _run()
    except KeyboardInterrupt:  # while no command runs
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, _end)  # only the interpreter's shutdown is left


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # asyncio.run replaces Python's own handler by one that only cancels the task. A guard that
    # never returns, or a service that never awaits, would then run on.
    raise KeyboardInterrupt


def _run() -> None:
    from settlesim.cli.commands import program
    from settlesim.cli.output import use_utf8, visible

    use_utf8()
    # Never restored: a traceback is printed after this function has ended.
    sys.stdout, sys.stderr = visible(sys.stdout), visible(sys.stderr)
    program()


def __getattr__(name: str) -> Any:
    if name == "program":
        from settlesim.cli.commands import program

        return program
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
