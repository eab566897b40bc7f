"""Charts as machines of `transitions`, which no other package here imports."""

from settlesim.machine.builder import machine_of
from settlesim.machine.from_markup import chart_from_markup
from settlesim.machine.from_transitions import Imported, LeftOutWarning, import_machine
from settlesim.machine.machine import NestedSettleMachine, SettleMachine
from settlesim.machine.state_objects import state_of_object

__all__ = [
    "Imported",
    "LeftOutWarning",
    "NestedSettleMachine",
    "SettleMachine",
    "chart_from_markup",
    "import_machine",
    "machine_of",
    "state_of_object",
]
