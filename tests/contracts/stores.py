"""The stores that the contract suites run on, with a time that only tests move."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from settlesim.store import MemoryStore, SqliteStore
from settlesim.store.sql import SqlStore

__all__ = ["FACTORIES", "Access", "Factory", "Time", "memory", "reopened", "sqlite"]


class Time:
    """Seconds since the epoch, as the test says."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def step(self, seconds: float) -> None:
        """Let time pass, or the clock jump."""
        self.seconds += seconds


class Access(Protocol):
    """The stores under test share one state; each call gives a way to it."""

    def __call__(self) -> SqlStore: ...


Factory: TypeAlias = Callable[..., contextlib.AbstractContextManager[Access]]
"""Takes a `Time` and the keyword arguments of the stores."""


@contextlib.contextmanager
def memory(now: Time | None = None, **options: Any) -> Iterator[Access]:
    """One memory store."""
    store = MemoryStore(now or Time(), **options)
    yield lambda: store


@contextlib.contextmanager
def sqlite(now: Time | None = None, **options: Any) -> Iterator[Access]:
    """One SqliteStore that stays open."""
    time = now or Time()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        path = Path(folder, "store.db")
        store = opened.enter_context(SqliteStore(path, now=time, **options))
        yield lambda: store


@contextlib.contextmanager
def reopened(now: Time | None = None, **options: Any) -> Iterator[Access]:
    """A file that is opened anew for each call, while the others are open still."""
    time = now or Time()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as opened:
        path = Path(folder, "store.db")
        yield lambda: opened.enter_context(SqliteStore(path, now=time, **options))


FACTORIES: dict[str, Factory] = {"memory": memory, "sqlite": sqlite, "reopened": reopened}
