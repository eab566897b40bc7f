"""Every interleaving of concurrent handlers: counted, judged, replayed.

`Scenario` says what may happen, `explore` looks at all of it, `replay` at one way.
"""

from settlesim.sim.compare import FAULT_ROWS, Cell, Comparison, Necessity, compare, necessity
from settlesim.sim.disciplines import DISCIPLINES, Discipline
from settlesim.sim.explore import Exploration, explore
from settlesim.sim.monitors import MONITORS, Monitor
from settlesim.sim.replaying import Replay, replay
from settlesim.sim.sampling import Sample, run, sample
from settlesim.sim.scenario import PROTECTIONS, Faults, Message, Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.values import (
    Criterion,
    DeliveryView,
    Ending,
    Frame,
    InstanceView,
    Kind,
    MessageView,
    Step,
    Verdict,
)

__all__ = [
    "DISCIPLINES",
    "FAULT_ROWS",
    "MONITORS",
    "PROTECTIONS",
    "Cell",
    "Comparison",
    "Criterion",
    "DeliveryView",
    "Discipline",
    "Ending",
    "Exploration",
    "Faults",
    "Frame",
    "InstanceView",
    "Kind",
    "Message",
    "MessageView",
    "Monitor",
    "Necessity",
    "Replay",
    "Sample",
    "Scenario",
    "Schedule",
    "Step",
    "Verdict",
    "compare",
    "explore",
    "necessity",
    "replay",
    "run",
    "sample",
]
