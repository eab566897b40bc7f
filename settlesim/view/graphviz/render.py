"""From DOT text to bytes: Graphviz in a process of its own.

Theory of operation
-------------------
pygraphviz contains Graphviz, so nothing else has to be installed. It runs in **one persistent
child process**: the first picture pays for its start, the next ones take milliseconds, and a
layout that takes too long or fails an assertion ends the child and not the notebook's kernel. A
thread reads the child's answers, because only a thread can wait for a pipe with a time limit on
every system. Results are cached.

A ``dot`` of the system is used if ``renderer`` or the environment variable ``SETTLESIM_DOT``
names one, or if pygraphviz is missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import OrderedDict
from importlib.util import find_spec
from typing import Final

from settlesim.errors import LayoutTimeoutError, RendererMissingError, RenderError, shorten
from settlesim.view.fonts import fontconfig_file
from settlesim.view.graphviz.process import Child, ChildDiedError

__all__ = ["TIMEOUT", "render"]

TIMEOUT: Final = 20.0
"""Seconds after which a layout is stopped."""

_KEPT: Final = 128
_KEPT_BYTES: Final = 32 * 1024 * 1024


class _Kept:
    """A bounded cache of what was rendered; the least recently used result is dropped first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[tuple[str, str, str], bytes] = OrderedDict()
        self._size = 0

    def get(self, key: tuple[str, str, str]) -> bytes | None:
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: tuple[str, str, str], body: bytes) -> bytes:
        """Keep `body`, and return what was kept first under this key."""
        with self._lock:
            if key in self._found:
                return self._found[key]
            self._found[key] = body
            self._size += len(body)
            while len(self._found) > _KEPT or self._size > _KEPT_BYTES:
                _, dropped = self._found.popitem(last=False)
                self._size -= len(dropped)
        return body


_kept = _Kept()
_child = Child()


def _forget() -> None:
    """In a forked process, leave the child to the parent, and drop locks that may be held."""
    global _child, _kept
    _child.disown()
    _child, _kept = Child(), _Kept()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def render(dot: str, kind: str, *, renderer: str | None = None, timeout: float = TIMEOUT) -> bytes:
    """Lay out DOT text.

    Parameters
    ----------
    dot : the text of a graph
    kind : one of Graphviz' formats, such as ``svg``, ``pdf``, ``png``, ``json``
    renderer
        None for the best one installed, ``"pygraphviz"``, ``"dot"`` or the path of a ``dot``.
    timeout : seconds

    Raises
    ------
    LayoutTimeoutError
        The layout was stopped; the next one starts in a new process.
    RendererMissingError
        There is no pygraphviz and no ``dot``.
    RenderError
        Graphviz refused the text, or died twice.
    """
    chosen = _renderer(renderer)
    key = (chosen, kind, dot)
    found = _kept.get(key)
    if found is not None:
        return found
    if chosen == "pygraphviz":
        return _kept.put(key, _by_child(dot, kind, timeout))
    return _kept.put(key, _by_program(chosen, dot, kind, timeout))


def _renderer(wanted: str | None) -> str:
    """Return ``"pygraphviz"`` or the path of a program."""
    wanted = wanted or os.environ.get("SETTLESIM_DOT") or None
    if wanted is None or wanted == "pygraphviz":
        if find_spec("pygraphviz") is not None:
            return "pygraphviz"
        program = shutil.which("dot") if wanted is None else None
        tried = ["pygraphviz", "dot"] if wanted is None else ["pygraphviz"]
    else:
        program, tried = shutil.which(wanted), [wanted]
    if program is None:
        raise RendererMissingError(tried=tried)
    return program


def _by_child(dot: str, kind: str, timeout: float) -> bytes:
    try:
        return _child.ask(dot, kind, timeout)
    except ChildDiedError:
        pass  # Graphviz died; perhaps through no fault of this graph, so it is tried once more
    try:
        return _child.ask(dot, kind, timeout)
    except ChildDiedError as error:
        raise RenderError(
            f"the layout process ended ({error}) while it drew this picture, twice: Graphviz "
            "cannot lay it out. Draw a part of it, or use format='mermaid'."
        ) from None


def _by_program(program: str, dot: str, kind: str, timeout: float) -> bytes:
    try:
        done = subprocess.run(
            [program, f"-T{kind}"],
            input=dot.encode(),
            capture_output=True,
            timeout=timeout,
            env={**os.environ, "FONTCONFIG_FILE": fontconfig_file()},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LayoutTimeoutError(seconds=timeout) from None
    except OSError as error:
        raise RenderError(f"{shorten(program)} cannot be run: {error.strerror}") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise RenderError(f"{shorten(program)} could not draw it (exit {done.returncode}): {said}")
    return done.stdout
