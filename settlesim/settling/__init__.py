"""One event on its way to a settled state, without any input or output."""

from settlesim.chart.outcome import Outcome
from settlesim.settling.settlement import (
    Call,
    CallStatus,
    Elapsed,
    InstanceStart,
    Microstep,
    PendingDelay,
    Settlement,
)
from settlesim.settling.settling import Settling

__all__ = [
    "Call",
    "CallStatus",
    "Elapsed",
    "InstanceStart",
    "Microstep",
    "Outcome",
    "PendingDelay",
    "Settlement",
    "Settling",
]
