"""`Chain`: all steps that lead to a chart, and how they migrate one instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from settlesim.chart import Chart, Snapshot
from settlesim.chart.event import has_transition
from settlesim.chart.migration import NO_CONTEXT, Migration, StepError, delays_of
from settlesim.errors import ChartEditedError, ChartMismatchError, MigrationError, shorten
from settlesim.machine.program import flaw_of_rest, program_of

__all__ = ["Carried", "Chain", "chain_of"]

_TOLD: Final = 10
"""How many changes of an edited chart an error lists."""
_KEPT: Final = 10_000
"""For how many configurations the target is remembered."""


@dataclass(frozen=True, slots=True)
class Carried:
    """An instance in the chart's version, and its timers."""

    snapshot: Snapshot
    """At the same revision as before, since no event was applied."""
    version: int
    """The version that saved it."""
    renamed: tuple[tuple[str, str], ...] = ()
    """The timers whose delays have other ids now: the old one and the new one."""
    dropped: tuple[str, ...] = ()
    """The timers whose delays a step drops by name, or that would get the id of another timer."""
    lost: tuple[str, ...] = ()
    """The timers whose delays no step names, and the later chart does not have."""
    started: Mapping[str, float] = field(default_factory=dict)
    """The delays of the active states for which no timer runs, by id in seconds: they start with
    the migration."""


class Chain:
    """The steps that lead to a chart from earlier versions.

    Parameters
    ----------
    chart : with its `migrations`
    """

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.program = program_of(chart)
        self._steps = {step.source.version: step for step in chart.migrations}
        self.charts = {step.source.version: step.source for step in chart.migrations}
        """The earlier versions that are known."""
        self.versions = tuple(sorted(self._steps))
        """The versions whose instances can be migrated."""
        self._paths = {version: self._path(version) for version in self._steps}
        self._seconds = delays_of(chart)
        self._fixed: dict[tuple[int, tuple[str, ...]], tuple[str, ...]] = {}

        self.delays = frozenset(self._seconds) | {
            id_
            for step in chart.migrations
            for id_ in delays_of(step.source)
            if _leads_on(self.path(step.source.version), id_)
        }
        """The ids of the chart's delays, and of those of earlier versions that lead to one of them
        or are dropped by name."""
        self.has_timers = bool(self._seconds) or any(
            delays_of(step.source) for step in chart.migrations
        )
        """Whether an instance of any version may have timers, even those that no step names."""

    def path(self, version: int) -> tuple[Migration, ...]:
        """Return the steps from a version to the chart, in order; empty if there are none."""
        return self._paths.get(version, ())

    def _path(self, version: int) -> tuple[Migration, ...]:
        found: list[Migration] = []
        while version in self._steps:
            found.append(self._steps[version])
            version = found[-1].to.version
        return tuple(found)

    # --- one instance -------------------------------------------------------------------------

    def carry(
        self,
        snapshot: Snapshot,
        *,
        key: str = "",
        timers: Iterable[str] = (),
        known: Callable[[], Mapping[str, Chart]] = dict,
        edited: bool = False,
    ) -> Carried:
        """Migrate an instance to the chart's version; one of that version stays as it is.

        Parameters
        ----------
        timers : the ids of the delays that run for it
        known
            Returns charts by their fingerprints, to say in words what was edited.
        edited
            Whether an instance is accepted if its chart was edited without a new version.

        Raises
        ------
        ChartMismatchError
            Another chart or a later version saved it.
        ChartEditedError
            The same version saved it, and had another definition.
        MigrationError
            There is no step from its version, a step failed, or the instance would end in states
            where the chart cannot rest.
        """
        self._check_known(snapshot, key, known, edited)
        if snapshot.version == self.chart.version:
            return Carried(replace(snapshot, fingerprint=self.chart.fingerprint), snapshot.version)
        path = self.path(snapshot.version)
        try:
            return self._carry(snapshot, path, tuple(timers))
        except StepError as error:
            raise MigrationError(
                key=key, **self._ends(snapshot), reason=str(error), stranded=error.stranded
            ) from error

    def _carry(
        self, snapshot: Snapshot, path: tuple[Migration, ...], timers: tuple[str, ...]
    ) -> Carried:
        configuration, context = snapshot.configuration, snapshot.context
        history = snapshot.history_states
        now: dict[str, str | None] = {each: each for each in timers}
        lost: list[str] = []
        fixed = self._fixed.get((snapshot.version, configuration))
        for step in path:
            for timer, delay in now.items():
                if delay is not None and timer not in lost:
                    try:
                        now[timer] = step.delay(delay, context)
                    except (KeyError, StopIteration):
                        lost.append(timer)
            history = step.carry_history(history, context)
            if fixed is None:
                configuration = step.carry(configuration, context)
            context = step.carry_context(context)
        configuration = self._rest(configuration, snapshot, path) if fixed is None else fixed
        ids, merged = _without_duplicates(
            {old: new for old, new in now.items() if new is not None and old not in lost}
        )
        for each in lost:  # it keeps its id, for a worker that knows the delay
            if each in ids.values():
                raise StepError(
                    f"no step says what became of delay {shorten(each, 60)} of version "
                    f"{snapshot.version}, and another one has that id now"
                )
        return Carried(
            Snapshot(
                self.chart.name,
                self.chart.version,
                configuration,
                context,
                snapshot.revision,
                fingerprint=self.chart.fingerprint,
                history_states=history,
            ),
            snapshot.version,
            tuple((old, new) for old, new in ids.items() if old != new),
            (*(old for old, new in now.items() if new is None), *merged),
            tuple(lost),
            self._started(configuration, (*ids.values(), *lost)),
        )

    def _rest(
        self, configuration: tuple[str, ...], snapshot: Snapshot, path: tuple[Migration, ...]
    ) -> tuple[str, ...]:
        """Return the configuration if the chart can rest there.

        Raises
        ------
        StepError
        """
        flaw = self.flaw(configuration)
        if flaw is not None:
            raise StepError(flaw, stranded=True)
        if len(self._fixed) < _KEPT and _is_fixed(snapshot.configuration, path):
            self._fixed[snapshot.version, snapshot.configuration] = configuration
        return configuration

    def flaw(self, configuration: tuple[str, ...]) -> str | None:
        """Return why an instance cannot rest in a configuration of the chart; None if it can."""
        return flaw_of_rest(self.program, configuration)

    def _started(self, configuration: tuple[str, ...], running: Iterable[str]) -> dict[str, float]:
        """Return the delays of active states for which no timer runs."""
        if not self._seconds:
            return {}
        active = self.program.active(configuration)
        known = set(running)
        return {
            id_: seconds
            for id_, seconds in self._seconds.items()
            if id_ not in known and id_.rpartition(".")[0] in active
        }

    def _check_known(
        self,
        snapshot: Snapshot,
        key: str,
        known: Callable[[], Mapping[str, Chart]],
        edited: bool,
    ) -> None:
        """Refuse an instance that the steps do not cover."""
        chart, version = self.chart, snapshot.version
        if snapshot.chart != chart.name:
            reason = "an instance stays with the chart that it began with"
            raise self._error(ChartMismatchError, snapshot, key, reason)
        if version > chart.version:
            reason = (
                f"this program knows the chart up to version {chart.version}: deploy the newer one"
            )
            raise self._error(ChartMismatchError, snapshot, key, reason)
        if version != chart.version and version not in self._steps:
            begin = ", ".join(map(str, self.versions)) or "none"
            reason = (
                f"no step leads on from version {version} (steps begin at: {begin}); "
                f"add migration(<version {version}>, ...) to the chart's migrations"
            )
            raise self._error(MigrationError, snapshot, key, reason)
        if edited or not self.is_edited(version, snapshot.fingerprint):
            return
        reason = self.edit(version, snapshot.fingerprint, known())
        raise self._error(
            ChartEditedError,
            snapshot,
            key,
            f"{reason}. Take the edit back, or give the chart a new version and a step; while you "
            'develop, on_edited="warn" (--on-edited warn) goes on from it',
        )

    def definition(self, version: int | None) -> Chart | None:
        """Return the chart of a version, or None if it is not known."""
        if version == self.chart.version:
            return self.chart
        return None if version is None else self.charts.get(version)

    def is_edited(self, version: int | None, fingerprint: str | None) -> bool:
        """Return whether a known version had another definition; False if that is unknown."""
        now = self.definition(version)
        return now is not None and fingerprint not in (None, now.fingerprint)

    def edit(self, version: int, fingerprint: str | None, known: Mapping[str, Chart]) -> str:
        """Describe how the definition that a version had differs from the known one.

        Parameters
        ----------
        fingerprint : of the definition that it had
        known : charts by their fingerprints
        """
        now = self.chart if version == self.chart.version else self.charts[version]
        text = (
            f"version {version} was edited without a new version (fingerprint "
            f"{fingerprint}, now {now.fingerprint})"
        )
        before = known.get(fingerprint or "")
        changes = [] if before is None else [each.sentence for each in before.diff(now)]
        more = f"; and {len(changes) - _TOLD} more" if len(changes) > _TOLD else ""
        return f"{text}: {'; '.join(changes[:_TOLD])}{more}" if changes else text

    def _error(
        self, kind: type[ChartMismatchError], snapshot: Snapshot, key: str, reason: str
    ) -> ChartMismatchError:
        return kind(key=key, **self._ends(snapshot), reason=reason)

    def _ends(self, snapshot: Snapshot) -> dict[str, str]:
        return {
            "stored": f"{snapshot.chart} version {snapshot.version}",
            "current": f"{self.chart.name} version {self.chart.version}",
        }

    # --- messages -------------------------------------------------------------------------------

    def event(self, name: str, version: int | None = None) -> str | None:
        """Return the current name of an event that waits in a queue.

        Parameters
        ----------
        version : the version for which it was sent; None if unknown

        Returns
        -------
        name : unchanged if no step renames it; None if a step drops it
        """
        if version is not None and version in self._steps:
            return self._follow(name, version)
        if self.knows(name):
            return name
        for earlier in reversed(self.versions):  # an old sender, or an old message
            if name in self._steps[earlier].events:
                return self._follow(name, earlier)
        return name

    def _follow(self, name: str, version: int) -> str | None:
        found: str | None = name
        for step in self.path(version):
            if found is not None:
                found = step.events.get(found, found)
        return found

    def knows(self, event: str) -> bool:
        """Return whether the chart has a transition for an event."""
        return has_transition(self.chart, event)


def _without_duplicates(ids: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return one timer for each new id, the first by its old id; and the others."""
    kept: dict[str, str] = {}
    for old in sorted(ids, key=_delay_order):
        kept.setdefault(ids[old], old)
    found = {old: new for old, new in ids.items() if kept[new] == old}
    return found, tuple(old for old in ids if old not in found)


def _delay_order(id_: str) -> tuple[str, int]:
    state, _, number = id_.rpartition(".")
    return state, int(number)


def _leads_on(path: tuple[Migration, ...], delay: str) -> bool:
    """Return whether the steps decide about a delay, as far as that is known without a context."""
    for step in path:
        try:
            found = step.delay(delay, None)
        except KeyError:
            return step.depends(delay.rpartition(".")[0])
        if found is None:
            return True
        delay = found
    return True


def _is_fixed(configuration: tuple[str, ...], path: tuple[Migration, ...]) -> bool:
    """Return whether a configuration has the same target for every context."""
    for step in path:
        if not step.is_fixed(configuration):
            return False
        configuration = step.carry(configuration, NO_CONTEXT)
    return True


def chain_of(chart: Chart) -> Chain:
    """Return the chain of a chart, built once."""
    found: Chain | None = chart.cache.get("chain")
    if found is None:
        found = chart.cache["chain"] = Chain(chart)
    return found
