"""Charts that change while their instances live: steps between versions, and what they come to."""

from settlesim.chart.migration import Migration, Split, split
from settlesim.versions.chain import Carried, Chain, chain_of
from settlesim.versions.steps import migration

__all__ = [
    "Carried",
    "Chain",
    "Migration",
    "Split",
    "chain_of",
    "migration",
    "split",
]
