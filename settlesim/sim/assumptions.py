"""What a scenario assumes about time and errors: `timing`, `durations` and `errors`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from settlesim.errors import error_message, shorten

__all__ = ["TIMINGS", "Assumptions", "ServiceError", "read_durations", "read_errors"]

TIMINGS: Final[Mapping[str, str]] = {
    "any": "services and delays of one handler complete in any order",
    "simulated": "services take the time of their call.sleep, delays the time that the chart says",
}
"""Every assumption about time, with its meaning."""


class ServiceError(NamedTuple):
    """An error that a service may raise, as a chart sees it."""

    type: str
    """The name of its class."""
    message: str = ""
    timeout: bool = False
    """Whether it is a TimeoutError: the service may have had its effect nevertheless."""

    @property
    def words(self) -> str:
        """The error as text for people."""
        return f"{self.type}: {self.message}" if self.message else self.type

    def exception(self) -> Exception:
        """Return an exception that looks the same to a chart as the error."""
        base: type[Exception] = TimeoutError if self.timeout else Exception
        kind: type[Exception] = type(self.type, (base,), {})
        return kind(self.message) if self.message else kind()


class Assumptions(NamedTuple):
    """What is known about time and errors."""

    timing: str = "any"
    durations: Mapping[str, tuple[float, float]] = {}
    """By service: the least and the most seconds that it takes."""
    errors: Mapping[str, tuple[ServiceError, ...]] = {}
    """By service: every error that it may raise."""
    timers: int = 1
    """How often each delay of a settled state may pass, per instance."""

    @property
    def known(self) -> bool:
        """Whether anything is known about time."""
        return self.timing != "any" or bool(self.durations)


def read_durations(value: object) -> dict[str, tuple[float, float]] | str:
    """Return durations by service, or the reason why `value` is refused."""
    if not isinstance(value, Mapping):
        return f"is {shorten(value)}; a mapping from services to (least, most) seconds is needed"
    found = {}
    for name, window in value.items():
        pair = (window, window) if isinstance(window, (int, float)) else window
        good = (
            isinstance(pair, Sequence)
            and len(pair) == 2
            and all(type(each) in {int, float} and math.isfinite(each) for each in pair)
            and 0 <= pair[0] <= pair[1]
        )
        if not good:
            return (
                f"of {name!r} is {shorten(window)}; seconds are needed, or (least, most) "
                "with 0 <= least <= most"
            )
        found[name] = (float(pair[0]), float(pair[1]))
    return found


def read_errors(value: object) -> dict[str, tuple[ServiceError, ...]] | str:
    """Return errors by service, or the reason why `value` is refused."""
    if not isinstance(value, Mapping):
        return f"is {shorten(value)}; a mapping from services to lists of exceptions is needed"
    found = {}
    for name, errors in value.items():
        if isinstance(errors, (str, Mapping)) or not isinstance(errors, Iterable):
            return f"of {name!r} is {shorten(errors)}; a list of exceptions is needed"
        listed = list(errors)
        read = [_error(each) for each in listed]
        for given, error in zip(listed, read, strict=True):
            if error is None:
                return (
                    f"of {name!r} has {shorten(given)}; an exception is needed, such as "
                    'ValueError("no"), or a mapping with "type" and "message"'
                )
        found[name] = tuple(dict.fromkeys(each for each in read if each is not None))
    return found


def _error(value: Any) -> ServiceError | None:
    if isinstance(value, ServiceError):  # `Scenario.replace` passes what was read before
        return value
    if isinstance(value, type) and issubclass(value, Exception):
        return ServiceError(value.__name__, "", issubclass(value, TimeoutError))
    if isinstance(value, Exception):
        kind = error_message(type(value).__name__)
        return ServiceError(kind, error_message(value), isinstance(value, TimeoutError))
    if isinstance(value, Mapping) and set(value) <= {"type", "message", "timeout"}:
        name, message = value.get("type"), value.get("message", "")
        timeout = value.get("timeout", name == "TimeoutError")
        if isinstance(name, str) and name and isinstance(message, str):
            return ServiceError(name, message, timeout is True)
    return None
