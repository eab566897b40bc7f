"""Charts as machines of `transitions`: built, imported and sketched. Only this imports it."""

from settlesim.machine.builder import machine_of
from settlesim.machine.from_transitions import Imported, LeftOutWarning, import_machine
from settlesim.machine.machine import NestedSettleMachine, SettleMachine

__all__ = [
    "Imported",
    "LeftOutWarning",
    "NestedSettleMachine",
    "SettleMachine",
    "import_machine",
    "machine_of",
]
