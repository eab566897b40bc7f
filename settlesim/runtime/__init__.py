"""Load, settle, commit: the interpreter and its clocks."""

from settlesim.runtime.clock import RealClock, SimulatedClock
from settlesim.runtime.interpreter import Interpreter, ServiceCall

__all__ = ["Interpreter", "RealClock", "ServiceCall", "SimulatedClock"]
