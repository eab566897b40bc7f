"""Durable statecharts that run until they settle in a tagged state.

`transitions` decides where an event leads; settlesim decides when we have arrived.

Words that two fields use
-------------------------
============  =================================================  ===========================
word          here                                               the other one is called
============  =================================================  ===========================
event         a named input of a chart (SCXML)                   message (queue), choice
                                                                 (scheduler)
state         a state of the chart; an instance as a whole is a  model state (simulator),
              snapshot                                           context (extended state)
step          microstep: transitions that fire together          step of a schedule
stable        no transition is enabled without an event (SCXML)  settled: stable, no service
                                                                 runs, and a tag says so
invocation    a service started by entering a state (SCXML)      call: one run of it
transition    an edge of the chart                               ``transitions``: the library
time-out      seconds, as a float, on the interpreter's clock
============  =================================================  ===========================
"""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from settlesim._public import *
    from settlesim._public import __all__ as __all__

    __version__: str


def __getattr__(name: str) -> _Any:
    # At the first use of anything, not at once: so the command line, which lives in this
    # package, can be ready for Ctrl-C before it imports what takes time.
    if name == "__version__":
        return _import_module("importlib.metadata").version("settlesim")
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _find_spec(f"{__name__}.{name}") is not None:  # one of our own modules asks for another
        return _import_module(f"{__name__}.{name}")
    public = _import_module("settlesim._public")
    globals().update({each: getattr(public, each) for each in ("__all__", *public.__all__)})
    if name not in globals():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__"), "__version__"})
