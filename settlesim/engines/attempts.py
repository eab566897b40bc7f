"""Retries of an event, for engines whose broker does not count failures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from settlesim.chart.secrets import hidden_error
from settlesim.errors import error_message
from settlesim.runtime.blame import Blame, blame_of
from settlesim.runtime.driver import Settled

__all__ = ["MAX_BACKOFF", "FailedEvent", "error_text", "settle_with_attempts"]

MAX_BACKOFF: Final = 60.0
"""The longest pause between two attempts, in seconds."""
_ERRORS: Final = 10
"""How many errors are kept."""


class FailedEvent(NamedTuple):
    """An event that could not be settled."""

    errors: tuple[str, ...]
    """The last few errors, the oldest first."""
    failures: int
    """How many attempts failed."""


def error_text(error: BaseException, *, secret: bool = False) -> str:
    """Return an error as dead letters have it; with `secret`, without its message."""
    if secret:
        error = hidden_error(error)
    return f"{type(error).__name__}: {error_message(error)}"


async def settle_with_attempts(
    attempt: Callable[[], Awaitable[Settled]],
    *,
    max_failures: int,
    backoff: float,
    pause: Callable[[float], Awaitable[object]],
    passes: tuple[type[Exception], ...] = (),
    secret: bool = False,
) -> Settled | FailedEvent:
    """Retry an event until it is settled or has failed too often.

    Parameters
    ----------
    attempt : settles the event, from the same state each time
    backoff : seconds before the second attempt, twice as long before each further one
    pause : waits between attempts, by the engine's own means
    passes : errors of the engine itself, which are raised and not counted
    secret : whether messages of errors are hidden

    Raises
    ------
    StoreError
        The event is not to blame: it can be settled later.
    """
    errors: list[str] = []
    while True:
        try:
            return await attempt()
        except passes:
            raise
        except Exception as error:
            if blame_of(error) is not Blame.EVENT:
                raise
            errors.append(error_text(error, secret=secret))
        if len(errors) >= max_failures:
            return FailedEvent(tuple(errors[-_ERRORS:]), len(errors))
        await pause(min(backoff * 2.0 ** (len(errors) - 1), MAX_BACKOFF))
