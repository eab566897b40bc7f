"""How many stored instances are in which state, and how many a newer chart would strand."""

from __future__ import annotations

from collections.abc import Iterator

from settlesim import display
from settlesim.chart import Chart, Snapshot
from settlesim.chart.diff import ChartDiff, InstanceCounts, InstanceFate
from settlesim.errors import ChartMismatchError
from settlesim.machine.program import flaw_of_rest
from settlesim.ports import Store
from settlesim.versions.chain import Chain, chain_of

__all__ = ["count_instances"]


@display.count_instances.register
def count_instances(diff: ChartDiff, store: Store) -> InstanceCounts:
    """Count the instances of the older chart's name, whatever version saved them.

    An instance is stranded if the newer chart cannot resume it: after the steps from the
    instance's version if there are any, otherwise in the states where it is.

    Raises
    ------
    StoreError
        The store cannot be read.
    """
    return InstanceCounts.of(_fates(diff.old, diff.new, store))


def _fates(old: Chart, new: Chart, store: Store) -> Iterator[InstanceFate]:
    chain = chain_of(new)
    for key in sorted(store.keys()):
        snapshot = store.load(key)
        if snapshot is not None and snapshot.chart == old.name:
            yield _fate(chain, snapshot)


def _fate(chain: Chain, snapshot: Snapshot) -> InstanceFate:
    leaves = snapshot.configuration
    if chain.path(snapshot.version) and snapshot.chart == chain.chart.name:
        try:
            after = chain.carry(snapshot, edited=True).snapshot.configuration
        except ChartMismatchError:
            return InstanceFate(leaves, leaves)
        return InstanceFate(leaves, after=None if after == leaves else after)
    if flaw_of_rest(chain.program, leaves) is None:
        return InstanceFate(leaves)
    chart = chain.chart
    alone = tuple(leaf for leaf in leaves if leaf not in chart or chart.rest_of(leaf) is None)
    return InstanceFate(leaves, alone or leaves)
