"""Every error that settlesim raises, sorted by who has to act.

::

    SettlesimError
    ├── DefinitionError             the chart's author: raised while a chart is built or bound
    │   └── UnboundFunctionError
    ├── ReadError                   the caller: a source that is no chart
    ├── InvalidValueError           the caller: a value that strict JSON cannot carry
    ├── InvalidEventError           the sender: a name that no external event may have
    ├── SettleError                 the chart and the event together
    │   ├── FunctionFailedError
    │   ├── ServiceFailedError
    │   ├── StalledError
    │   ├── MicrostepLimitError
    │   ├── DeadlineExceededError
    │   └── RejectedError
    ├── StoreError                  the store
    │   ├── VersionConflictError    another worker was first: load again
    │   ├── ReceiptExpiredError     the consumer was too slow: the message is in other hands
    │   ├── EventRepeatedError      the event was settled before: only consume its message
    │   ├── DeduplicationError      the sender: one id for two different messages
    │   ├── ChartMismatchError
    │   ├── StoreDamagedError
    │   └── StoreUnavailableError   the environment: disk, permissions, lock, newer format
    ├── SimulationError             the caller: a scenario that makes no sense
    │   └── ReplayDivergedError     a schedule that the scenario does not follow
    ├── RenderError                 the picture
    │   ├── LayoutTimeoutError
    │   └── RendererMissingError
    └── MissingExtraError           the environment: also an ImportError

Facts are keyword arguments and attributes; the message says the fact with its
values, what was possible, and what to do. Every error pickles.
"""

from settlesim.errors.base import SettlesimError, shorten
from settlesim.errors.definition import (
    DefinitionError,
    InvalidEventError,
    InvalidValueError,
    Problem,
    ReadError,
    UnboundFunctionError,
)
from settlesim.errors.settling import (
    DeadlineExceededError,
    FunctionFailedError,
    MicrostepLimitError,
    RejectedError,
    ServiceFailedError,
    SettleError,
    StalledError,
)
from settlesim.errors.showing import (
    LayoutTimeoutError,
    MissingExtraError,
    RendererMissingError,
    RenderError,
)
from settlesim.errors.simulating import ReplayDivergedError, SimulationError
from settlesim.errors.storing import (
    ChartMismatchError,
    DeduplicationError,
    EventRepeatedError,
    ReceiptExpiredError,
    StoreDamagedError,
    StoreError,
    StoreUnavailableError,
    VersionConflictError,
)

__all__ = [
    "ChartMismatchError",
    "DeadlineExceededError",
    "DeduplicationError",
    "DefinitionError",
    "EventRepeatedError",
    "FunctionFailedError",
    "InvalidEventError",
    "InvalidValueError",
    "LayoutTimeoutError",
    "MicrostepLimitError",
    "MissingExtraError",
    "Problem",
    "ReadError",
    "ReceiptExpiredError",
    "RejectedError",
    "RenderError",
    "RendererMissingError",
    "ReplayDivergedError",
    "ServiceFailedError",
    "SettleError",
    "SettlesimError",
    "SimulationError",
    "StalledError",
    "StoreDamagedError",
    "StoreError",
    "StoreUnavailableError",
    "UnboundFunctionError",
    "VersionConflictError",
    "shorten",
]

for _each in __all__:  # tracebacks name the module from which they are imported
    globals()[_each].__module__ = __name__
