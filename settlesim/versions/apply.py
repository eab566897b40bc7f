"""`apply_migration` and `retire`: migrate all instances to a chart's version, while workers run.

Theory of operation
-------------------
An instance and its timers are rewritten in one write of the store, by compare-and-set on the
state that was read. So the instance is of one version or the other, whenever a process is killed.
If a worker has settled it meanwhile, the rewrite is refused, and the instance is read again. Its
revision stays the same, since no event was applied. Messages are left as they are: they are
migrated when they are handled, because only then nobody else can have them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from settlesim.chart import Chart, chart_to_json
from settlesim.chart.report import counted_noun
from settlesim.errors import ChartMismatchError, InvalidValueError, shorten
from settlesim.machine.program import is_over
from settlesim.ports import (
    ChartDefinition,
    ChartQueue,
    ChartStore,
    QueueStore,
    Rewrite,
    Timer,
    Timers,
)
from settlesim.progress import ProgressCallback, Reporter, StopFlag
from settlesim.versions.chain import Carried, Chain, chain_of
from settlesim.versions.plan import EXAMPLES, example_keys, known_charts, stored_instances

__all__ = ["Applied", "Retirement", "apply_migration", "definition_of", "retire"]

_BATCH: Final = 100
"""How many instances are rewritten in one write, during which other writers wait."""


def definition_of(chart: Chart) -> ChartDefinition:
    """Return a chart as a store keeps it."""
    found: ChartDefinition | None = chart.cache.get("chart_definition")
    if found is None:
        text = chart_to_json(chart)
        found = ChartDefinition(chart.name, chart.version, chart.fingerprint, text)
        chart.cache["chart_definition"] = found
    return found


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply_migration` did."""

    chart: str
    version: int
    migrated: int
    """How many instances were migrated to the version."""
    failed: tuple[tuple[str, tuple[str, ...]], ...]
    """The reasons why instances were left as they were, each with the keys of these instances."""

    @property
    def ok(self) -> bool:
        """Whether no instance of an earlier version is left."""
        return not self.failed

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "chart": self.chart,
            "version": self.version,
            "ok": self.ok,
            "migrated": self.migrated,
            "failed": [
                {"reason": reason, "count": len(keys), "keys": list(keys[:EXAMPLES])}
                for reason, keys in self.failed
            ],
        }

    def __str__(self) -> str:
        done = counted_noun(self.migrated, "instance")
        lines = [f"{self.chart} version {self.version}: {done} migrated"]
        for reason, keys in self.failed:
            lines.append(f"FAILED  {counted_noun(len(keys), 'instance')}: {reason}")
            lines.append(f"        {example_keys(keys)}")
        return "\n".join(lines)


def apply_migration(
    chart: Chart,
    store: ChartStore,
    *,
    batch: int = _BATCH,
    progress: ProgressCallback | None = None,
    stop: StopFlag | None = None,
) -> Applied:
    """Migrate every instance of an earlier version to a chart's version.

    Workers of all versions may run meanwhile. The migration may be stopped at any moment and
    started again: what was written stays. An instance that cannot be migrated is left as it is.

    Parameters
    ----------
    batch : how many instances are rewritten in one write
    progress, stop : as of `settlesim.progress.Reporter`

    Raises
    ------
    LeastVersionError
        The store wants a later version of the chart.
    StoreError
        The store cannot be read or written; what was written before stays.
    Cancelled
        `stop` was set.
    """
    store.check_version(chart.name, chart.version)
    work = _Rewriter(chart, store)
    reporter = Reporter(progress, stop)
    changed = True
    while changed:  # until a pass over the store finds nothing more to do
        work.failed.clear()
        changed = False
        total = work.migrated + sum(
            count
            for version, count in store.instance_versions(chart.name).items()
            if version < chart.version
        )
        keys = (each.key for each in stored_instances(store, chart.name, before=chart.version))
        while page := list(islice(keys, batch)):
            changed = work.rewrite(page) or changed
            reporter.report(work.migrated, max(total, work.migrated), "instances")
    failed = tuple((reason, tuple(sorted(keys))) for reason, keys in sorted(work.failed.items()))
    return Applied(chart.name, chart.version, work.migrated, failed)


class _Rewriter:
    """Rewrites instances in a chart's version, and collects those that cannot be migrated."""

    def __init__(self, chart: Chart, store: ChartStore) -> None:
        self.chart = chart
        self.chain: Chain = chain_of(chart)
        self.store = store
        self.known = known_charts(store, chart.name)
        self.timers = store.timers if isinstance(store, QueueStore) else None
        self.migrated = 0
        self.failed: dict[str, list[str]] = defaultdict(list)

    def rewrite(self, keys: Sequence[str]) -> bool:
        """Rewrite instances; return whether any was to be rewritten, even if it has changed."""
        rewrites = [each for key in keys if (each := self._rewrite(key)) is not None]
        if not rewrites:
            return False
        left = self.store.rewrite(rewrites, definition_of(self.chart))
        self.migrated += len(rewrites) - len(left)
        return True

    def _rewrite(self, key: str) -> Rewrite | None:
        # Read the state before the timers: a timer that is found then was started by the
        # settlement that was read, or by a later one, and in that case the rewrite is refused.
        before = self.store.load(key)
        if before is None or (before.chart, before.version) == (
            self.chart.name,
            self.chart.version,
        ):
            return None
        read = self.timers if self.chain.has_timers else None
        running = () if read is None else read(key)
        ids = [each.delay for each in running]
        try:
            carried = self.chain.carry(before, key=key, timers=ids, known=lambda: self.known)
        except ChartMismatchError as error:
            self.failed[error.reason].append(key)
            return None
        timers = None if self.timers is None else self._timers(carried, ids)
        over = is_over(self.chain.program, carried.snapshot.configuration)
        runs_on = timers is not None and bool(timers.kept or timers.started)
        return Rewrite(key, before, carried.snapshot, over and not runs_on, timers)

    def _timers(self, carried: Carried, ids: Sequence[str]) -> Timers | None:
        if not (ids or carried.started):
            return None
        names = dict(carried.renamed)
        kept = tuple(names.get(id_, id_) for id_ in ids if id_ not in carried.dropped)
        started = tuple(Timer(id_, seconds) for id_, seconds in carried.started.items())
        return Timers(started, kept, carried.renamed)


# --- retirement -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is left of the earlier versions of a chart."""

    chart: str
    least: int
    """The version below which nothing should be left."""
    instances: tuple[str, ...]
    """The keys of instances that an earlier version saved last, sorted."""
    timers: tuple[str, ...]
    """The keys of instances with timers of an earlier version, sorted."""
    messages: tuple[str, ...]
    """The keys for which messages wait in an earlier version, sorted."""
    dead_letters: tuple[str, ...]
    """The keys of dead letters in an earlier version, sorted."""

    @property
    def ok(self) -> bool:
        """Whether nothing is left."""
        return not (self.instances or self.timers or self.messages or self.dead_letters)

    def _left(self) -> dict[str, tuple[str, ...]]:
        return {
            "instance": self.instances,
            "timer": self.timers,
            "message": self.messages,
            "dead letter": self.dead_letters,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, with some of the keys."""
        left = {
            what: {"count": len(keys), "keys": list(keys[:EXAMPLES])}
            for what, keys in self._left().items()
        }
        return {"chart": self.chart, "least": self.least, "ok": self.ok, "left": left}

    def __str__(self) -> str:
        if self.ok:
            return (
                f"{self.chart}: nothing below version {self.least} is left, and the store refuses "
                "earlier versions from now on"
            )
        lines = [f"{self.chart}: something below version {self.least} is left"]
        for what, keys in self._left().items():
            if keys:
                lines.append(f"LEFT  {counted_noun(len(keys), what)}: {example_keys(keys)}")
        return "\n".join(lines)


def retire(
    chart: Chart, store: ChartStore, queue: ChartQueue | None = None, *, version: int
) -> Retirement:
    """Prove that nothing of a version or an earlier one is left; then refuse these versions.

    If nothing is left, `store.require_version` ensures that it stays so, and the steps from these
    versions may be removed from the chart.

    Parameters
    ----------
    queue : the chart's queue, if it has one
    version : the latest version to retire, below the chart's own

    Returns
    -------
    retirement : what is left; if that is nothing, the store refuses these versions from now on

    Raises
    ------
    InvalidValueError
        The version is not a whole number from 1, or not before the chart's own.
    StoreError
        The store cannot be read or written.
    """
    if type(version) is not int or not 1 <= version < chart.version:
        reason = f"is {shorten(version, 40)}; a version before {chart.version}, the chart's own, "
        raise InvalidValueError(where="version", reason=f"{reason}is needed")
    least = version + 1
    found = _left_below(least, chart, store, queue)
    before = store.least_version(chart.name)
    if not found.ok or before >= least:
        return found
    store.require_version(chart.name, least)
    # A program of an earlier version may have started an instance after the first look. From now
    # on none can, so the second look is final.
    found = _left_below(least, chart, store, queue)
    if not found.ok:
        store.require_version(chart.name, before)
    return found


def _left_below(
    least: int, chart: Chart, store: ChartStore, queue: ChartQueue | None
) -> Retirement:
    """Return what is left of the versions below `least`."""
    earlier = {each for each in store.instance_versions(chart.name) if each < least}
    instances = [
        each.key
        for each in stored_instances(store, chart.name, before=least)
        if each.snapshot.version in earlier
    ]
    chain = chain_of(chart)
    timers: list[str] = []
    messages: dict[bool, list[str]] = {False: [], True: []}
    if queue is not None:
        old = set(instances)
        timers = [each.key for each in queue.chart_timers() if each.key in old]
        for message in queue.waiting_messages():
            body = message.body
            name = body.get("event") if isinstance(body, dict) else None
            unknown = isinstance(name, str) and not chain.knows(name)
            if unknown if message.version is None else message.version < least:
                messages[message.dead].append(message.group_id)
    return Retirement(
        chart.name,
        least,
        *(tuple(sorted(each)) for each in (instances, timers, messages[False], messages[True])),
    )
