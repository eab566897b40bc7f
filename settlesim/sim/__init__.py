"""Every interleaving of concurrent handlers: counted, judged, replayed.

`Scenario` says what may happen, `explore` covers every schedule of it, `replay` follows one.
"""

from settlesim.chart.report import Verdict
from settlesim.sim.assumptions import TIMINGS, ServiceError
from settlesim.sim.compare import (
    FAULT_ROWS,
    Comparison,
    GridCell,
    ProtectionGrid,
    compare,
    compare_batch_failures,
    compare_policies,
    protection_grid,
)
from settlesim.sim.disciplines import DISCIPLINES, Discipline
from settlesim.sim.distributions import Distribution
from settlesim.sim.explore import Exploration, explore
from settlesim.sim.find import FoundSchedule, find
from settlesim.sim.monitors import MONITORS, Monitor
from settlesim.sim.observation import EffectView, Observation, Vocabulary
from settlesim.sim.policies import BATCH_FAILURES, POLICIES
from settlesim.sim.predicate_text import parse_predicate
from settlesim.sim.predicates import (
    Predicate,
    context_is,
    dead_letter,
    effect,
    ended,
    in_state,
    waiting,
)
from settlesim.sim.prediction import Prediction
from settlesim.sim.promela import to_promela
from settlesim.sim.properties import (
    Property,
    PropertyKind,
    always,
    eventually,
    never,
    sometimes,
)
from settlesim.sim.property_results import PropertyResult
from settlesim.sim.proportions import Interval, clopper_pearson
from settlesim.sim.pytest_text import to_pytest
from settlesim.sim.replays import Replay, replay
from settlesim.sim.sampling import Sample, random_walk, sample
from settlesim.sim.scenario import PROTECTIONS, Arrival, Faults, Scenario
from settlesim.sim.schedule import Schedule
from settlesim.sim.search_choice import predict
from settlesim.sim.terms import (
    Criterion,
    DeliveryView,
    Ending,
    Frame,
    InstanceView,
    Kind,
    MessageView,
    Step,
)
from settlesim.sim.timed_walk import TIMES

__all__ = [
    "BATCH_FAILURES",
    "DISCIPLINES",
    "FAULT_ROWS",
    "MONITORS",
    "POLICIES",
    "PROTECTIONS",
    "TIMES",
    "TIMINGS",
    "Arrival",
    "Comparison",
    "Criterion",
    "DeliveryView",
    "Discipline",
    "Distribution",
    "EffectView",
    "Ending",
    "Exploration",
    "Faults",
    "FoundSchedule",
    "Frame",
    "GridCell",
    "InstanceView",
    "Interval",
    "Kind",
    "MessageView",
    "Monitor",
    "Observation",
    "Predicate",
    "Prediction",
    "Property",
    "PropertyKind",
    "PropertyResult",
    "ProtectionGrid",
    "Replay",
    "Sample",
    "Scenario",
    "Schedule",
    "ServiceError",
    "Step",
    "Verdict",
    "Vocabulary",
    "always",
    "clopper_pearson",
    "compare",
    "compare_batch_failures",
    "compare_policies",
    "context_is",
    "dead_letter",
    "effect",
    "ended",
    "eventually",
    "explore",
    "find",
    "in_state",
    "never",
    "parse_predicate",
    "predict",
    "protection_grid",
    "random_walk",
    "replay",
    "sample",
    "sometimes",
    "to_promela",
    "to_pytest",
    "waiting",
]
