"""Data in, data out: the machine, one event to its settled node, and the checked contract."""

from settlesim.engine.checking import check_chart
from settlesim.engine.machine import NestedSettleMachine, SettleMachine, machine_of
from settlesim.engine.report import Finding, Report, Severity, Verdict
from settlesim.engine.settlement import Call, CallStatus, Microstep, Outcome, Settlement
from settlesim.engine.settling import Settling
from settlesim.engine.settling_graph import SettlingEdge, SettlingGraph, settling_graph_of

__all__ = [
    "Call",
    "CallStatus",
    "Finding",
    "Microstep",
    "NestedSettleMachine",
    "Outcome",
    "Report",
    "SettleMachine",
    "Settlement",
    "Settling",
    "SettlingEdge",
    "SettlingGraph",
    "Severity",
    "Verdict",
    "check_chart",
    "machine_of",
    "settling_graph_of",
]
