"""`plan_migration`: what a migration of a store would do, without writing anything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from settlesim.chart import Chart, Snapshot, read_chart
from settlesim.chart.report import counted_noun
from settlesim.errors import (
    ChartEditedError,
    ChartMismatchError,
    MigrationError,
    SettlesimError,
    shorten,
)
from settlesim.ports import ChartQueue, ChartStore, StoredSnapshot
from settlesim.progress import ProgressCallback, Reporter, StopFlag
from settlesim.versions.chain import Chain, chain_of

__all__ = [
    "EXAMPLES",
    "FailureKind",
    "MigrationFailure",
    "MigrationLoss",
    "MigrationPlan",
    "PathCount",
    "example_keys",
    "known_charts",
    "plan_migration",
    "stored_instances",
]

FailureKind = Literal["stranded", "no step", "edited", "later version", "step failed"]

_PAGE: Final = 1_000
EXAMPLES: Final = 3
"""How many keys are named; the others are counted."""
_KINDS: Final[Mapping[FailureKind, str]] = {
    "stranded": "would be stranded",
    "no step": "without a step to a later version",
    "edited": "saved by another definition of the same version",
    "later version": "saved by a later version",
    "step failed": "for which a step fails",
}


@dataclass(frozen=True, slots=True)
class PathCount:
    """Instances with the same configurations before and after the migration."""

    version: int
    """The version that saved them."""
    before: tuple[str, ...]
    after: tuple[str, ...]
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return {
            "version": self.version,
            "from": list(self.before),
            "to": list(self.after),
            "count": self.count,
        }


@dataclass(frozen=True, slots=True)
class MigrationFailure:
    """Instances that cannot be migrated to the chart, for one reason."""

    kind: FailureKind
    reason: str
    keys: tuple[str, ...]
    """All of them, sorted."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, with some of the keys."""
        return {
            "kind": self.kind,
            "reason": self.reason,
            "count": len(self.keys),
            "keys": list(self.keys[:EXAMPLES]),
        }


@dataclass(frozen=True, slots=True)
class MigrationLoss:
    """Messages or timers that the chart does not know, and that no step names."""

    what: Literal["message", "dead letter", "timer"]
    name: str
    """The name of the event, or the id of the delay."""
    keys: tuple[str, ...]
    """The keys of the instances, one for each message or timer, sorted."""
    edited: int = 0
    """How many messages were sent under another definition of their version, edited since."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON, with some of the keys."""
        return {
            "what": self.what,
            "name": self.name,
            "count": len(self.keys),
            "keys": list(self.keys[:EXAMPLES]),
            "edited": self.edited,
        }


@dataclass(frozen=True, slots=True)
class MigrationPlan:
    """What a migration of a store to a chart's version would do."""

    chart: str
    version: int
    total: int
    """How many instances of the chart there are."""
    current: int
    """How many of them are of this version already."""
    paths: tuple[PathCount, ...]
    """Where the others go, the most frequent first."""
    failures: tuple[MigrationFailure, ...]
    losses: tuple[MigrationLoss, ...]
    renamed: Mapping[str, int] = field(default_factory=dict)
    """How many messages and timers get another name, by the old and the new one."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many messages and timers a step drops, by their names."""

    @property
    def migrated(self) -> int:
        """How many instances would be migrated to the version."""
        return sum(each.count for each in self.paths)

    @property
    def stranded(self) -> tuple[str, ...]:
        """The keys of the instances in states where the version cannot rest, sorted."""
        found = (each.keys for each in self.failures if each.kind == "stranded")
        return tuple(sorted(key for keys in found for key in keys))

    @property
    def ok(self) -> bool:
        """Whether nothing would fail and nothing would be lost."""
        return not (self.failures or self.losses)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON."""
        return {
            "chart": self.chart,
            "version": self.version,
            "ok": self.ok,
            "instances": self.total,
            "current": self.current,
            "migrated": self.migrated,
            "stranded": len(self.stranded),
            "paths": [each.to_dict() for each in self.paths],
            "failures": [each.to_dict() for each in self.failures],
            "losses": [each.to_dict() for each in self.losses],
            "renamed": dict(self.renamed),
            "dropped": dict(self.dropped),
        }

    def __str__(self) -> str:
        instances = counted_noun(self.total, "instance")
        lines = [
            f"{self.chart} version {self.version}: {instances}, {self.current} of this version, "
            f"{self.migrated} to migrate"
        ]
        for path in self.paths:
            before, after = " + ".join(path.before), " + ".join(path.after)
            lines.append(f"  version {path.version}: {before} -> {after}: {path.count}")
        for what, counts in (("goes on as", self.renamed), ("is dropped", self.dropped)):
            for name, count in counts.items():
                old, _, new = name.partition(" -> ")
                lines.append(f"  {old} {what}{f' {new}' if new else ''}: {count}")
        for failure in self.failures:
            found = counted_noun(len(failure.keys), "instance")
            lines.append(f"FAILS  {found} {_KINDS[failure.kind]}: {failure.reason}")
            lines.append(f"       {example_keys(failure.keys)}")
        for loss in self.losses:
            found = counted_noun(len(loss.keys), loss.what)
            length = " in that length" if loss.what == "timer" else ""
            lacks = f"which version {self.version} does not have{length} and no step names"
            lines.append(f"LOST   {found} of {loss.name}, {lacks}")
            if loss.edited:
                were = "was" if loss.edited == 1 else "were"
                lines.append(
                    f"       {loss.edited} of them {were} sent under another definition of the "
                    "same version, which was edited since"
                )
            lines.append(f"       {example_keys(loss.keys)}")
        return "\n".join(lines)


def example_keys(keys: Sequence[str]) -> str:
    """Return some keys as text, and how many more there are."""
    more = len(keys) - EXAMPLES
    shown = ", ".join(shorten(each, 60) for each in keys[:EXAMPLES])
    return f"{shown} and {more} more" if more > 0 else shown


def plan_migration(
    chart: Chart,
    store: ChartStore,
    queue: ChartQueue | None = None,
    *,
    progress: ProgressCallback | None = None,
    stop: StopFlag | None = None,
) -> MigrationPlan:
    """Return what a migration of a store to a chart's version would do; nothing is written.

    The functions of the steps run for every instance.

    Parameters
    ----------
    queue : its messages and timers are checked too; None for none
    progress, stop : as of `settlesim.progress.Reporter`

    Raises
    ------
    StoreError
        The store cannot be read.
    Cancelled
        `stop` was set.
    """
    builder = _PlanBuilder(chart, store)
    timers: dict[str, list[str]] = defaultdict(list)
    for timer in queue.chart_timers() if queue is not None else ():
        timers[timer.key].append(timer.delay)
    reporter = Reporter(progress, stop)
    total = sum(store.instance_versions(chart.name).values())
    for done, each in enumerate(stored_instances(store, chart.name)):
        if done % _PAGE == 0:
            reporter.report(done, max(total, done), "instances")
        builder.add_instance(each.key, each.snapshot, timers.get(each.key, ()))
    if queue is not None:
        builder.add_messages(queue)
    return builder.plan()


def stored_instances(
    store: ChartStore, chart: str, *, before: int | None = None
) -> Iterator[StoredSnapshot]:
    """Yield the instances of a chart, by version and key, a page at a time.

    Parameters
    ----------
    before : only those of versions before this one; None for all
    """
    for version in store.instance_versions(chart):
        if before is not None and version >= before:
            continue
        after: str | None = None
        while True:
            page = store.find(chart=chart, version=version, after=after, limit=_PAGE)
            yield from page
            if len(page) < _PAGE:
                break
            after = page[-1].key


def known_charts(store: ChartStore, name: str) -> dict[str, Chart]:
    """Return the definitions of a chart that a store knows, by their fingerprints."""
    found: dict[str, Chart] = {}
    for each in store.charts(name):
        try:
            found[each.definition.fingerprint] = read_chart(each.definition.text)
        except SettlesimError:  # written by a version of settlesim that knows other keys
            continue
    return found


class _PlanBuilder:
    """Counts what would happen to instances, messages and timers."""

    def __init__(self, chart: Chart, store: ChartStore) -> None:
        self.chart = chart
        self.chain: Chain = chain_of(chart)
        self.known = known_charts(store, chart.name)
        self.total = self.current = 0
        self.paths: Counter[tuple[int, tuple[str, ...], tuple[str, ...]]] = Counter()
        self.failures: dict[tuple[FailureKind, str], list[str]] = defaultdict(list)
        self.losses: dict[tuple[Any, str], list[str]] = defaultdict(list)
        self.edited: Counter[tuple[Any, str]] = Counter()
        self.renamed: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._own = frozenset(each.id for node in chart.states for each in node.after)

    def add_instance(self, key: str, snapshot: Snapshot, timers: Sequence[str]) -> None:
        """Count what would happen to one instance and its timers."""
        self.total += 1
        try:
            carried = self.chain.carry(snapshot, key=key, timers=timers, known=lambda: self.known)
        except ChartMismatchError as error:
            self._fails(key, snapshot, error)
            return
        lost: Sequence[str] = carried.lost
        if snapshot.version == self.chart.version:
            flaw = self.chain.flaw(snapshot.configuration)
            if flaw is not None:
                self.failures["stranded", flaw].append(key)
                return
            self.current += 1
            lost = [each for each in timers if each not in self._own]
        else:
            after = carried.snapshot.configuration
            self.paths[snapshot.version, snapshot.configuration, after] += 1
        for old, new in carried.renamed:
            self.renamed[f"delay {old} -> {new}"] += 1
        for old in carried.dropped:
            self.dropped[f"delay {old}"] += 1
        for old in lost:
            self.losses["timer", old].append(key)

    def _fails(self, key: str, snapshot: Snapshot, error: ChartMismatchError) -> None:
        flaw = self.chain.flaw(snapshot.configuration)
        kind, reason = _kind_of(error), error.reason
        # An edited chart of an earlier version has a step, which may rename the state.
        has_step = kind == "edited" and snapshot.version != self.chart.version
        if kind in ("no step", "edited") and flaw is not None and not has_step:
            kind, reason = "stranded", flaw
        self.failures[kind, reason].append(key)

    def add_messages(self, queue: ChartQueue) -> None:
        """Count what would happen to the messages of a queue, except those of timers."""
        for message in queue.waiting_messages():
            body = message.body
            if not isinstance(body, dict) or not isinstance(body.get("event"), str):
                continue
            name = body["event"]
            new = self.chain.event(name, message.version)
            if new is None:
                self.dropped[f"event {name}"] += 1
            elif not self.chain.knows(new):
                what = "dead letter" if message.dead else "message"
                self.losses[what, name].append(message.group_id)
                self.edited[what, name] += self.chain.is_edited(
                    message.version, message.fingerprint
                )
            elif new != name:
                self.renamed[f"event {name} -> {new}"] += 1

    def plan(self) -> MigrationPlan:
        """Return what was counted."""
        kinds = list(_KINDS)
        return MigrationPlan(
            self.chart.name,
            self.chart.version,
            self.total,
            self.current,
            tuple(PathCount(*path, count) for path, count in self.paths.most_common()),
            tuple(
                MigrationFailure(kind, reason, tuple(sorted(keys)))
                for (kind, reason), keys in sorted(
                    self.failures.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1])
                )
            ),
            tuple(
                MigrationLoss(what, name, tuple(sorted(keys)), self.edited[what, name])
                for (what, name), keys in sorted(self.losses.items())
            ),
            dict(sorted(self.renamed.items())),
            dict(sorted(self.dropped.items())),
        )


def _kind_of(error: ChartMismatchError) -> FailureKind:
    if isinstance(error, ChartEditedError):
        return "edited"
    if not isinstance(error, MigrationError):
        return "later version"
    if error.__cause__ is None:
        return "no step"
    return "stranded" if error.stranded else "step failed"
