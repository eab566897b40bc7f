"""Settlements as server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

from settlesim.engines import Engine
from settlesim.errors import StoreError
from settlesim.http.resources import instance_resource, settlement_resource

__all__ = ["first_of", "settlement_events"]

T = TypeVar("T")

_PAGE: Final = 100


async def first_of(work: Awaitable[T], closing: asyncio.Event, default: T) -> T:
    """Return what `work` returns, or the default as soon as the server closes."""
    task = asyncio.ensure_future(work)
    closed = asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait([task, closed], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else default
    finally:
        for each in (task, closed):
            each.cancel()


async def settlement_events(
    engine: Engine,
    key: str | None,
    *,
    cursor: int | None,
    limit: int | None,
    ping: float,
    closing: asyncio.Event,
    opened: Callable[[int], None],
) -> AsyncIterator[str]:
    """Yield the current state of an instance, then each settlement.

    Parameters
    ----------
    key : None for the settlements of all instances, without a state
    cursor : the last settlement that the client has seen; None for the latest
    limit : after how many events the stream ends; None for never
    ping : seconds of silence after which a comment is sent
    opened : is called with +1 at the beginning, and with -1 at the end
    """
    opened(1)
    try:
        latest = await engine.latest(key)
        cursor = latest if cursor is None else cursor
        yield "retry: 1000\n\n"
        left = limit
        if key is not None:
            instance = await engine.load(key)
            state = None if instance is None else instance_resource(engine.chart, instance)
            yield _event("state", {"key": key, "latest": latest, "machine": state}, cursor)
            left = None if left is None else left - 1
        while not closing.is_set() and (left is None or left > 0):
            size = _PAGE if left is None else min(left, _PAGE)
            try:
                found = await first_of(
                    engine.settlements(key, cursor=cursor, wait=ping, limit=size), closing, ()
                )
            except StoreError:
                return  # the client connects again, and gets the error then
            for past in found:
                cursor = past.number
                yield _event("settled", settlement_resource(engine.chart, past), cursor)
            left = None if left is None else left - len(found)
            if not found:
                if limit is not None:
                    return
                yield ": ping\n\n"
    finally:
        opened(-1)


def _event(kind: str, data: Any, number: int) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {number}\nevent: {kind}\ndata: {text}\n\n"
