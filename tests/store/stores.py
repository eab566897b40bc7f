"""The stores in SQLite, fresh for each test, with a time that only tests move."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from settlesim.store import MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore
from settlesim.testing import ManualTime

__all__ = ["FACTORIES", "Access", "Factory", "memory", "reopened", "sqlite"]


class Access(Protocol):
    """The stores under test share one state; each call gives a way to it."""

    def __call__(self) -> SqlStore: ...


Factory: TypeAlias = Callable[..., contextlib.AbstractContextManager[Access]]
"""Takes a `ManualTime` and the keyword arguments of the stores."""


@contextlib.contextmanager
def memory(now: ManualTime | None = None, **options: Any) -> Iterator[Access]:
    """One memory store."""
    store = MemoryStore(now or ManualTime(), **options)
    yield lambda: store


@contextlib.contextmanager
def sqlite(now: ManualTime | None = None, **options: Any) -> Iterator[Access]:
    """One SqliteStore that stays open."""
    time = now or ManualTime()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        path = Path(folder, "store.db")
        store = opened.enter_context(SqliteStore(path, now=time, **options))
        yield lambda: store


@contextlib.contextmanager
def reopened(now: ManualTime | None = None, **options: Any) -> Iterator[Access]:
    """A file that is opened anew for each call, while the others are open still."""
    time = now or ManualTime()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        path = Path(folder, "store.db")
        yield lambda: opened.enter_context(SqliteStore(path, now=time, **options))


FACTORIES: dict[str, Factory] = {"memory": memory, "sqlite": sqlite, "reopened": reopened}
