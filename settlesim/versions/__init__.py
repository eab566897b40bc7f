"""Charts that change while their instances live: steps between versions, and their effects."""

from settlesim.chart.migration import Migration, Split, split
from settlesim.versions.apply import Applied, Retirement, apply_migration, definition_of, retire
from settlesim.versions.chain import Carried, Chain, chain_of
from settlesim.versions.frozen import freeze_chart, frozen_charts
from settlesim.versions.instance_counts import count_instances
from settlesim.versions.plan import (
    MigrationFailure,
    MigrationLoss,
    MigrationPlan,
    PathCount,
    known_charts,
    plan_migration,
)
from settlesim.versions.rehearsal import (
    Rehearsal,
    RehearsalDifference,
    RehearsedEvent,
    rehearse,
)
from settlesim.versions.steps import migration

__all__ = [
    "Applied",
    "Carried",
    "Chain",
    "Migration",
    "MigrationFailure",
    "MigrationLoss",
    "MigrationPlan",
    "PathCount",
    "Rehearsal",
    "RehearsalDifference",
    "RehearsedEvent",
    "Retirement",
    "Split",
    "apply_migration",
    "chain_of",
    "count_instances",
    "definition_of",
    "freeze_chart",
    "frozen_charts",
    "known_charts",
    "migration",
    "plan_migration",
    "rehearse",
    "retire",
    "split",
]
