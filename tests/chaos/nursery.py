"""Starts processes that are going to be killed, quickly: by forks of one that has all imports.

`Nursery` is used by the tests; ``python -m tests.chaos.start`` is the process that forks, one for
all nurseries of a test run. It has no threads, so that its forks are safe, and when the tests go
away it kills its children.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.chaos.charts import FOLDER
from tests.documents import ROOT

__all__ = ["PATIENCE", "Nursery", "log_of", "main"]

PATIENCE = 120.0
"""Seconds for what has to come at last; nothing is measured by it."""

LIFETIME = 3600
"""Seconds after which a child ends itself, if everybody else has forgotten it."""

ROLES = "tests.chaos.roles"
"""Where the roles are of which no module is said."""


def log_of(folder: Path) -> str:
    """Return the end of what the processes wrote, for a run that failed."""
    path = folder / "log"
    return path.read_text()[-4000:] if path.exists() else ""


class _Forker:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.start"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **order: Any) -> Any:
        """Give an order, and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that forks has ended"
        return json.loads(line)

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


@functools.cache
def _forker() -> _Forker:
    found = _Forker()
    atexit.register(found.close)
    return found


class Nursery:
    """Starts processes for one test, and lets none of them outlive it.

    Parameters
    ----------
    folder : where they work, and write the file ``log``
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._alive: set[int] = set()

    def start(self, role: str, *, module: str = ROLES, log: str = "log", **options: Any) -> int:
        """Start a process and return its id.

        Parameters
        ----------
        role : a name in the module's ``ROLES``
        module : its ``prepare`` is called before the fork, if there is one
        log : the name of the file for what it prints
        options : for the function
        """
        order = {"role": role, "module": module, "log": str(self.folder / log)}
        process = int(_forker().ask(do="start", **order, folder=str(self.folder), options=options))
        self._alive.add(process)
        return process

    def wait(self, process: int, seconds: float) -> int | None:
        """Return how a process ended, as `os.waitstatus_to_exitcode`; None where it did not."""
        ended = _forker().ask(do="wait", process=process, seconds=seconds)
        if ended is None:
            return None
        self._alive.discard(process)
        return int(ended)

    def kill(self, process: int) -> int:
        """Kill a process that cannot do anything about it, and return how it ended.

        That is not by the kill where it had ended before.
        """
        os.kill(process, signal.SIGKILL)  # not reaped yet, so the id is still its own
        ended = self.wait(process, 60.0)
        assert ended is not None, "a process survives SIGKILL"
        return ended

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in list(self._alive):
            self.kill(process)


# --- the process that forks --------------------------------------------------------------------


def _child(order: dict[str, Any]) -> None:
    """Be a process with a role, to its end."""
    status = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for descriptor, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(descriptor, target)
        signal.alarm(LIFETIME)
        os.environ[FOLDER] = order["folder"]
        roles = importlib.import_module(order["module"]).ROLES
        roles[order["role"]](Path(order["folder"]), **order["options"])
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _wait(process: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        time.sleep(0.002)


def main() -> None:
    """Start processes and wait for them, as the lines of the standard input say."""
    # For a child that is told to end before its role has set a handler of its own.
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    alive: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        answer: int | None
        if order["do"] == "start":
            module = importlib.import_module(order["module"])
            prepare = getattr(module, "prepare", None)
            if prepare is not None:
                prepare(**order["options"])
            answer = os.fork()
            if answer == 0:
                _child(order)
            alive.add(answer)
        else:
            answer = _wait(order["process"], order["seconds"])
            if answer is not None:
                alive.discard(order["process"])
        print(json.dumps(answer), flush=True)
    for process in alive:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
