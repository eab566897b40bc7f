"""All that ``import settlesim`` gives. To import this registers pictures, checks and panels."""

import settlesim.check  # registers `chart.check` and `chart.settling_graph`
from settlesim import gallery, widgets
from settlesim.chart import (
    Chart,
    Event,
    SettlingTags,
    Snapshot,
    chart_to_json,
    read_chart,
)
from settlesim.chart.diff import ChartDiff
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import Report, Verdict
from settlesim.chart.settling_graph import SettlingGraph
from settlesim.errors import SettlesimError
from settlesim.formats import ExportedChart, ImportedChart, export_chart, import_chart
from settlesim.machine import NestedSettleMachine, SettleMachine
from settlesim.ports import Clock, Message, Queue, Store, Transaction
from settlesim.runtime import Interpreter, RealClock, ServiceCall, SimulatedClock, Worker
from settlesim.settling import Call, Microstep, Settlement, Settling
from settlesim.sim import Scenario, compare, explore, replay
from settlesim.store import FifoQueue, MemoryStore, SqliteStore, StandardQueue, TinyStore
from settlesim.versions import Rehearsal, migration, rehearse
from settlesim.view import Picture, options

__all__ = [
    "Call",
    "Chart",
    "ChartDiff",
    "Clock",
    "Event",
    "ExportedChart",
    "FifoQueue",
    "ImportedChart",
    "Interpreter",
    "MemoryStore",
    "Message",
    "Microstep",
    "NestedSettleMachine",
    "Outcome",
    "Picture",
    "Queue",
    "RealClock",
    "Rehearsal",
    "Report",
    "Scenario",
    "ServiceCall",
    "SettleMachine",
    "Settlement",
    "SettlesimError",
    "Settling",
    "SettlingGraph",
    "SettlingTags",
    "SimulatedClock",
    "Snapshot",
    "SqliteStore",
    "StandardQueue",
    "Store",
    "TinyStore",
    "Transaction",
    "Verdict",
    "Worker",
    "chart_to_json",
    "compare",
    "explore",
    "export_chart",
    "gallery",
    "import_chart",
    "migration",
    "options",
    "read_chart",
    "rehearse",
    "replay",
    "widgets",
]
