"""The parent's side of the layout process: start, ask, stop."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import queue
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Final

from settlesim.errors import LayoutTimeoutError, RenderError
from settlesim.progress import Reporter, show_progress
from settlesim.view.fonts import fontconfig_file

__all__ = ["Child", "ChildDiedError"]

START_TIMEOUT: Final = 60.0
"""Seconds within which pygraphviz has to be imported; a layout's own limit begins after that."""

_PROGRAM: Final = Path(__file__).with_name("_child.py")

_Answer = tuple[bool, bytes] | None
"""Whether it is a picture, and the bytes; None where the pipe was closed."""


class ChildDiedError(Exception):
    """The process ended without an answer."""


def _read(pipe: IO[bytes], answers: queue.SimpleQueue[_Answer]) -> None:
    """Pass on every answer; runs in a thread, because reads of pipes have no limit on Windows."""
    with contextlib.suppress(OSError, ValueError):
        while len(head := pipe.read(5)) == 5:
            ok, length = struct.unpack(">BI", head)
            body = pipe.read(length)
            if len(body) < length:
                break
            answers.put((bool(ok), body))
    answers.put(None)


class Child:
    """A process that lays out graphs, started when one is asked for; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._config = ""
        atexit.register(self.stop)

    @property
    def pid(self) -> int | None:
        """The identifier of the running process."""
        return self._process.pid if self._process is not None else None

    def ask(self, dot: str, kind: str, timeout: float) -> bytes:
        """Return the picture of `dot`.

        Raises
        ------
        LayoutTimeoutError
            No answer within `timeout` seconds; the process was stopped.
        ChildDiedError
            The process ended by itself.
        RenderError
            Graphviz or Python refused.
        """
        request = json.dumps({"dot": dot, "format": kind}).encode()
        with self._lock:
            if not self._is_usable():
                self._stop()
                self._start()
            assert self._process is not None
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(struct.pack(">I", len(request)) + request)
                self._process.stdin.flush()
            except OSError:
                raise self._died() from None
            ok, body = self._answer(timeout)
        if not ok:
            said = body.decode("utf-8", "replace").strip().partition("\n")[0]
            raise RenderError(f"Graphviz could not draw it: {said}")
        return body

    def _is_usable(self) -> bool:
        """Whether the process runs, and the fonts that it measures with are still there."""
        running = self._process is not None and self._process.poll() is None
        return running and os.path.exists(self._config)

    def _start(self) -> None:
        if not sys.executable:
            raise RenderError("this Python has no executable to start the layout process with")
        self._answers = queue.SimpleQueue()
        self._config = fontconfig_file()
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "FONTCONFIG_FILE": self._config},
        )
        assert self._process.stdout is not None
        threading.Thread(
            target=_read,
            args=(self._process.stdout, self._answers),
            name="settlesim-layout",
            daemon=True,
        ).start()
        ok, body = self._answer(START_TIMEOUT, "starting the layout process, seconds")
        if not ok:
            self._stop()
            said = body.decode("utf-8", "replace")
            raise RenderError(f"pygraphviz cannot be imported: {said}")

    def _answer(self, timeout: float, doing: str = "layout, seconds") -> tuple[bool, bytes]:
        try:
            with show_progress() as callback:
                answer = self._next(timeout, Reporter(callback), doing)
        except queue.Empty:
            self._stop()
            raise LayoutTimeoutError(seconds=timeout) from None
        except BaseException:  # an interrupt: the next request would read this one's answer
            self._stop()
            raise
        if answer is None:
            raise self._died()
        return answer

    def _next(self, timeout: float, reporter: Reporter, doing: str) -> _Answer:
        """Return the next answer, and report each second of waiting for it."""
        for second in range(math.ceil(timeout)):
            with contextlib.suppress(queue.Empty):
                return self._answers.get(timeout=min(1.0, timeout - second))
            reporter.report(second + 1, math.ceil(timeout), doing)
        raise queue.Empty

    def _died(self) -> ChildDiedError:
        process = self._process
        self._stop()
        return ChildDiedError(f"exit {process.returncode if process is not None else None}")

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError, ValueError):
                if pipe is not None:
                    pipe.close()

    def stop(self) -> None:
        """End the process; the next picture starts another one."""
        with self._lock:
            self._stop()

    def disown(self) -> None:
        """Forget the process without ending it, in a fork of its parent."""
        atexit.unregister(self.stop)
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
            self._process = None
