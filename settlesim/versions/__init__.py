"""Charts that change while their instances live: steps between versions, and what they come to."""

from settlesim.chart.migration import Migration, Split, split
from settlesim.versions.chain import Carried, Chain, chain_of
from settlesim.versions.instance_counts import count_instances
from settlesim.versions.rehearsal import (
    Rehearsal,
    RehearsalDifference,
    RehearsedEvent,
    rehearse,
)
from settlesim.versions.steps import migration

__all__ = [
    "Carried",
    "Chain",
    "Migration",
    "Rehearsal",
    "RehearsalDifference",
    "RehearsedEvent",
    "Split",
    "chain_of",
    "count_instances",
    "migration",
    "rehearse",
    "split",
]
