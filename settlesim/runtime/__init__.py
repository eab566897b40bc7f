"""Load, settle, commit: the interpreter, the worker, and their clocks."""

from settlesim.runtime.clock import RealClock, SimulatedClock
from settlesim.runtime.interpreter import Interpreter
from settlesim.runtime.service_call import ServiceCall
from settlesim.runtime.worker import Worker

__all__ = ["Interpreter", "RealClock", "ServiceCall", "SimulatedClock", "Worker"]
