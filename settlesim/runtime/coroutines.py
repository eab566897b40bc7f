"""Starts a coroutine by hand, so that one which never waits needs no timer."""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any

__all__ = ["resume"]


@types.coroutine
def resume(coroutine: Coroutine[Any, Any, Any], waits_for: object) -> Generator[Any, Any, Any]:
    """Go on with a coroutine that was started by ``send(None)`` and yielded `waits_for`.

    It goes on in the task that awaits this, which has to be the one that started it: what
    it yields, is sent and thrown passes through unchanged (PEP 380).
    """
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # cancellation too is the coroutine's to see
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, sent)
        try:
            waits_for = step()
        except StopIteration as stop:
            return stop.value
