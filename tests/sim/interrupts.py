"""Ctrl-C at a certain place, without a signal and without waiting."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["interrupt_at"]


@contextmanager
def interrupt_at(function: str, time: int = 1) -> Iterator[None]:
    """Raise KeyboardInterrupt where a function of the simulator is called for the n-th time."""
    calls = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        code = frame.f_code
        if event == "call" and code.co_name == function and "settlesim" in code.co_filename:
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
