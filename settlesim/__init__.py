"""Durable statecharts that run until they settle on a tagged node.

`transitions` decides where an event leads; settlesim decides when we have arrived.

Words that two fields use
-------------------------
============  =================================================  ===========================
word          here                                               the other one is called
============  =================================================  ===========================
event         a named input of a chart (SCXML)                   message (queue), choice
                                                                 (scheduler)
state         a node of the chart; all of an instance is its     model state (simulator),
              snapshot                                           context (extended state)
step          microstep: transitions that fire together          step of a schedule
stable        nothing goes on by itself (SCXML)                  settled: stable, no service
                                                                 runs, and a tag says so
invocation    a service started by entering a node (SCXML)       call: one run of it
transition    an edge of the chart                               ``transitions``: the library
time-out      seconds, as a float, on the interpreter's clock
============  =================================================  ===========================
"""

from importlib.metadata import version as _version

from settlesim import gallery, widgets
from settlesim.chart import (
    Chart,
    Event,
    SettlingTags,
    Snapshot,
    chart_to_json,
    read_chart,
)
from settlesim.chart.outcome import Outcome
from settlesim.chart.report import Report, Verdict
from settlesim.chart.settling_graph import SettlingGraph
from settlesim.errors import SettlesimError
from settlesim.machine import NestedSettleMachine, SettleMachine
from settlesim.ports import Clock, Message, Queue, Store, Transaction
from settlesim.runtime import Interpreter, RealClock, ServiceCall, SimulatedClock, Worker
from settlesim.settling import Call, Microstep, Settlement, Settling
from settlesim.sim import Scenario, compare, explore, replay
from settlesim.store import FifoQueue, MemoryStore, SqliteStore, StandardQueue, TinyStore
from settlesim.view import Picture

__all__ = [
    "Call",
    "Chart",
    "Clock",
    "Event",
    "FifoQueue",
    "Interpreter",
    "MemoryStore",
    "Message",
    "Microstep",
    "NestedSettleMachine",
    "Outcome",
    "Picture",
    "Queue",
    "RealClock",
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
    "gallery",
    "read_chart",
    "replay",
    "widgets",
]

__version__ = _version("settlesim")
