"""Ctrl-C at a certain place, without a signal and without waiting."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Line", "interrupt_at", "interrupt_at_line", "lines_run"]


@contextmanager
def interrupt_at(function: str, time: int = 1) -> Iterator[None]:
    """Raise KeyboardInterrupt where a function of the package is called for the n-th time.

    A method is named with its class, if another one has its name.
    """
    calls = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        code = frame.f_code
        names = {code.co_name, code.co_qualname}
        if event == "call" and function in names and "settlesim" in code.co_filename:
            calls += 1
            if calls == time:
                raise KeyboardInterrupt

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert calls >= time, f"{function} was called {calls} times"


Line = tuple[str, int]
"""The name of a module, and the number of a line of it."""


@contextmanager
def _traced(
    modules: Collection[str], within: Collection[str], tell: Callable[[Line], object]
) -> Iterator[None]:
    """Tell every line of some modules that is about to run within calls of some functions."""

    def of_line(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            tell((frame.f_globals["__name__"], frame.f_lineno))
        return of_line

    def of_call(frame: FrameType, event: str, argument: object) -> Any:
        watched = frame.f_globals.get("__name__") in modules
        return of_line if watched and _is_within(frame, within) else None

    before = sys.gettrace()
    sys.settrace(of_call)
    try:
        yield
    finally:
        sys.settrace(before)


def _is_within(frame: FrameType | None, functions: Collection[str]) -> bool:
    while frame is not None:
        if frame.f_code.co_qualname in functions:
            return True
        frame = frame.f_back
    return False


def lines_run(
    run: Callable[[], object], modules: Collection[str], within: Collection[str]
) -> list[Line]:
    """Return the lines that are run, each once, in the order of their first time."""
    found: dict[Line, None] = {}
    with _traced(modules, within, found.setdefault):
        run()
    return list(found)


@contextmanager
def interrupt_at_line(at: Line, within: Collection[str]) -> Iterator[None]:
    """Raise KeyboardInterrupt before a line runs for the first time."""
    waiting = [at]

    def tell(line: Line) -> None:
        if line in waiting:
            waiting.clear()
            raise KeyboardInterrupt

    with _traced({at[0]}, within, tell):
        yield
    assert not waiting, f"{at} was not run"
