"""Proves that every instance of an earlier version can be migrated, before any is.

Every settled configuration of every version that has a step is followed through the steps; where
a `split` decides, through each of its targets. Only a plain function of the context cannot be
followed: a dry run over the stored instances shows where it leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from settlesim.argument_checks import nearest
from settlesim.chart import Chart
from settlesim.chart.definition import ANY_EVENT
from settlesim.chart.event import external_events
from settlesim.chart.migration import Migration, StepError, delays_of
from settlesim.chart.report import Finding
from settlesim.check.runs import ChartRuns, RunPhase, RunState, all_runs, names
from settlesim.errors import shorten
from settlesim.machine.program import flaw_of_rest, program_of

__all__ = ["frozen_findings", "migration_findings"]

_TOLD = 10


def migration_findings(chart: Chart, *, limit: int | None = None) -> list[Finding]:
    """Return what the migration steps to a chart do not cover, each with a shortest run.

    Parameters
    ----------
    limit : how many run states of each earlier version to visit
    """
    found: list[Finding] = []
    for step in chart.migrations:
        runs = all_runs(step.source, limit=limit)
        rests = _rests(runs)
        found += _configurations(chart, step, runs, rests)
        found += _events(step, runs)
        found += _delays(step, runs, rests)
        if not runs.complete:
            found.append(Finding("SET901", _version(step.source), runs.cut))
    return found


def frozen_findings(chart: Chart, known: Sequence[Chart]) -> list[Finding]:
    """Return where a chart disagrees with its frozen versions.

    Parameters
    ----------
    known : frozen charts; those with other names or later versions are ignored
    """
    found = []
    steps = {step.source.version: step.source for step in chart.migrations}
    for each in known:
        if each.name != chart.name or each.version > chart.version:
            continue
        ours = chart if each.version == chart.version else steps.get(each.version)
        if ours is None:
            reason = (
                f"no migration step leads from it to version {chart.version}: add "
                f"migration(<version {each.version}>, ...) to the chart's migrations"
            )
            found.append(Finding("SET404", _version(each), reason))
        elif ours.fingerprint != each.fingerprint:
            changes = [str(change) for change in each.diff(ours)]
            more = f"; and {len(changes) - _TOLD} more" if len(changes) > _TOLD else ""
            told = "; ".join(changes[:_TOLD]) or "the order of its regions or delays"
            reason = f"it was frozen with another definition: {told}{more}"
            found.append(Finding("SET405", _version(each), reason))
    return found


def _version(chart: Chart) -> str:
    return f"version {chart.version}"


def _rests(runs: ChartRuns) -> dict[tuple[str, ...], RunState]:
    """Return the configurations in which an instance may be saved, with a run state of each."""
    chart, found = runs.chart, dict[tuple[str, ...], RunState]()
    for place in runs.hops:
        configuration = place.position.configuration
        kinds = {chart.rest_of(leaf) for leaf in configuration}
        dropped = "rejected" in kinds and chart.on_reject == "discard"
        if place.phase is RunPhase.REST and None not in kinds and not dropped:
            found.setdefault(configuration, place)
    return found


# --- configurations -----------------------------------------------------------------------------


def _configurations(
    chart: Chart, first: Migration, runs: ChartRuns, rests: dict[tuple[str, ...], RunState]
) -> Iterator[Finding]:
    path = [first]
    steps = {step.source.version: step for step in chart.migrations}
    while path[-1].to.version in steps:
        path.append(steps[path[-1].to.version])
    program = program_of(chart)
    for configuration, place in rests.items():
        where = f"{_version(first.source)} in {names(configuration)}"
        for end in _follow(configuration, path):
            if end is None:
                reason = (
                    "a function of the context chooses the state, so `check` cannot follow it: "
                    "list the states that it may return with split(function, <states>)"
                )
                yield Finding("SET406", where, reason)
                continue
            leaves, words = end
            reason = words[-1] if leaves is None else flaw_of_rest(program, leaves) or ""
            if reason:
                yield Finding("SET401", where, reason, (*runs.path(place), *words))
                break  # one example for each configuration


def _follow(
    configuration: tuple[str, ...], path: Sequence[Migration]
) -> Iterator[tuple[tuple[str, ...] | None, tuple[str, ...]] | None]:
    """Yield where a configuration may lead, with the path in words; None where data decide.

    Where a step fails, the configuration is None, and the last words say why.
    """
    ways: list[tuple[tuple[str, ...], tuple[str, ...]]] = [(configuration, ())]
    for step in path:
        following = []
        for leaves, words in ways:
            try:
                ends = list(step.possible(leaves))
            except StepError as error:
                yield None, (*words, str(error))
                continue
            if None in ends:
                yield None
            for end in ends:
                if end is not None:
                    following.append((end, (*words, f"{step.name} -> {names(end)}")))
        ways = list({leaves: (leaves, words) for leaves, words in reversed(following)}.values())
    yield from ways


# --- events and delays --------------------------------------------------------------------------


def _events(step: Migration, runs: ChartRuns) -> Iterator[Finding]:
    program = program_of(step.to)
    for event in external_events(step.source):
        name = event.removesuffix(f".{ANY_EVENT}")
        if event in step.events or name == ANY_EVENT or program.sources(name):
            continue
        known = external_events(step.to)
        close = nearest(event, known)
        hint = f"events={{{event!r}: {close!r}}}" if close else f"events={{{event!r}: NEW}}"
        reason = (
            f"version {step.to.version} has no such event, and one may wait in a queue: name the "
            f"new one with {hint}, or drop it with None"
        )
        yield Finding(
            "SET402",
            f"event {shorten(event)} of {_version(step.source)}",
            reason,
            _sent(runs, event),
        )


def _sent(runs: ChartRuns, event: str) -> tuple[str, ...]:
    """Return a shortest run in which an event is taken."""
    for place, hops in runs.hops.items():
        for hop in hops:
            if hop.event == event:
                return (*runs.path(place), f"{hop.label} -> {names(hop.to.position.configuration)}")
    return ()


def _delays(
    step: Migration, runs: ChartRuns, rests: dict[tuple[str, ...], RunState]
) -> Iterator[Finding]:
    for id_, seconds in delays_of(step.source).items():
        state = id_.rpartition(".")[0]
        active = (leaves for leaves in rests if state in step.source.active(leaves))
        leaves = next(active, None)
        if leaves is None:
            continue  # no instance is saved while it runs
        try:
            step.delay(id_, None)
        except KeyError:
            if step.depends(state):
                continue
            ids = ", ".join(
                f"{other!r} (after {found:g} s)" for other, found in delays_of(step.to).items()
            )
            reason = (
                f"version {step.to.version} has no delay of {seconds:g} s in that state, and a "
                f"timer may run: name the new one with delays={{{id_!r}: NEW}}, and it keeps its "
                f"due time, or drop it with None; there are {ids or 'none'}"
            )
            where = f"delay {id_!r} (after {seconds:g} s) of {_version(step.source)}"
            yield Finding("SET403", where, reason, runs.path(rests[leaves]))
