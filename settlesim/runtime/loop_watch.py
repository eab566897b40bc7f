"""Which service holds the event loop, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

__all__ = ["LoopWatch"]


class LoopWatch:
    """Reports services that block the event loop, for example by ``time.sleep``.

    Parameters
    ----------
    now : returns the time in seconds
    limit : seconds for which a service may hold the loop
    tell : is called with the service's name and the seconds once it has released the loop
    """

    def __init__(
        self, now: Callable[[], float], limit: float, tell: Callable[[str, float], object]
    ) -> None:
        self._now = now
        self._limit = limit
        self._tell = tell
        self.holder: tuple[str, float] | None = None
        """The service that holds the loop now, and since when; any thread may read it."""

    @contextmanager
    def holding(self, service: str) -> Iterator[None]:
        """Note that a service holds the loop within the block."""
        began = self._now()
        self.holder = service, began
        try:
            yield
        finally:
            self.holder = None
            seconds = self._now() - began
            if seconds > self._limit:
                self._tell(service, seconds)

    def watched(
        self, coroutine: Coroutine[Any, Any, Any], service: str
    ) -> Coroutine[Any, Any, Any]:
        """Return a coroutine that runs this one, with each step inside `holding`."""
        return _Watched(coroutine, self, service)


class _Watched(Coroutine[Any, Any, Any]):
    def __init__(self, coroutine: Coroutine[Any, Any, Any], watch: LoopWatch, service: str) -> None:
        self._coroutine = coroutine
        self._watch = watch
        self._service = service

    def __await__(self) -> Generator[Any, Any, Any]:
        raise NotImplementedError("it is run by `send`")

    def send(self, value: Any) -> Any:
        with self._watch.holding(self._service):
            return self._coroutine.send(value)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
    ) -> Any:
        with self._watch.holding(self._service):
            return self._coroutine.throw(kind)

    def close(self) -> None:
        self._coroutine.close()
