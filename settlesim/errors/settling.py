"""What the chart and the event together come to, when it is no settled node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from settlesim.errors.base import SettlesimError, names_of, rebuild, shorten

if TYPE_CHECKING:
    from settlesim.engine.settlement import Settlement

__all__ = [
    "DeadlineExceededError",
    "FunctionFailedError",
    "MicrostepLimitError",
    "RejectedError",
    "ServiceFailedError",
    "SettleError",
    "StalledError",
]


class SettleError(SettlesimError):
    """One event could not be brought to a settled node; the instance is as it was."""


class FunctionFailedError(SettleError):
    """A guard or an assign raised, or returned what it may not return."""

    function: str
    role: str
    reason: str

    def __init__(self, *, function: str, role: str, reason: str) -> None:
        super().__init__(
            f"{role} {shorten(function)} {reason}", function=function, role=role, reason=reason
        )


class ServiceFailedError(SettleError):
    """A service failed or ran out of time, and its node has no enabled ``on_error``."""

    service: str
    invocation: str
    reason: str

    def __init__(self, *, service: str, invocation: str, reason: str) -> None:
        super().__init__(
            f"service {shorten(service)} {reason}, and no on_error of invocation "
            f"{shorten(invocation)} takes it: add on_error to the node",
            service=service,
            invocation=invocation,
            reason=reason,
        )


class StalledError(SettleError):
    """The run came to rest where nothing is pending and no settling tag is."""

    configuration: tuple[str, ...]
    path: tuple[str, ...]

    def __init__(self, *, configuration: Sequence[str], path: Sequence[str] = ()) -> None:
        super().__init__(
            f"stalled in {names_of(configuration)}: nothing is pending there and no settling tag "
            "is on it. Tag the node, or give it a way on.",
            configuration=tuple(configuration),
            path=tuple(path),
        )


class MicrostepLimitError(SettleError):
    """One event took more microsteps than allowed."""

    limit: int
    cycle: tuple[str, ...]

    def __init__(self, *, limit: int, cycle: Sequence[str]) -> None:
        round_trip = " -> ".join(cycle) if cycle else "no repeated configuration"
        super().__init__(
            f"more than {limit} microsteps for one event; the last ones go round in: {round_trip}. "
            "Give the loop a guard that ends it.",
            limit=limit,
            cycle=tuple(cycle),
        )


class DeadlineExceededError(SettleError):
    """One event took longer than the total deadline."""

    seconds: float
    configuration: tuple[str, ...]

    def __init__(self, *, seconds: float, configuration: Sequence[str]) -> None:
        super().__init__(
            f"not settled after {seconds:g} seconds, still in {names_of(configuration)}: "
            "raise the deadline, or give the services a timeout.",
            seconds=seconds,
            configuration=tuple(configuration),
        )


class RejectedError(SettleError):
    """Raised by ``settlement.raise_if_rejected()``; carries the settlement."""

    settlement: Settlement

    def __init__(self, *, settlement: Settlement) -> None:
        where = ", ".join(settlement.after.configuration)
        super().__init__(
            f"event {shorten(settlement.event.name)} of {shorten(settlement.key)} "
            f"was rejected in {where}" + (f": {settlement.reason}" if settlement.reason else ""),
            settlement=settlement,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # without the chart: its functions may be such as pickle can not carry
        facts = {"settlement": replace(self.settlement, chart=None)}
        return rebuild, (type(self), str(self), facts)
