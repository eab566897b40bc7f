"""Data in, data out: the machine, one event to its settled node, and the checked contract."""

from settlesim.engine.building import machine_of
from settlesim.engine.checking import check_chart
from settlesim.engine.importing import Imported, LeftOutWarning, import_machine
from settlesim.engine.machine import NestedSettleMachine, SettleMachine
from settlesim.engine.report import Finding, Report, Severity, Verdict
from settlesim.engine.settlement import (
    Call,
    CallStatus,
    Elapsed,
    Microstep,
    Outcome,
    PendingDelay,
    Settlement,
)
from settlesim.engine.settling import Settling
from settlesim.engine.settling_graph import SettlingEdge, SettlingGraph, settling_graph_of

__all__ = [
    "Call",
    "CallStatus",
    "Elapsed",
    "Finding",
    "Imported",
    "LeftOutWarning",
    "Microstep",
    "NestedSettleMachine",
    "Outcome",
    "PendingDelay",
    "Report",
    "SettleMachine",
    "Settlement",
    "Settling",
    "SettlingEdge",
    "SettlingGraph",
    "Severity",
    "Verdict",
    "check_chart",
    "import_machine",
    "machine_of",
    "settling_graph_of",
]
