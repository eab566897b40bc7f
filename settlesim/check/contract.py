"""The settling contract: proved, or refuted with the shortest run that breaks it.

The contract
------------
From every settled configuration that can be reached, for every event that it accepts, every
valuation of the guards and every outcome of the services, a settled configuration is reached
within bounds. `settlesim.check.runs` builds the graph of everything that can happen; this module
examines the graph and the chart.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Final

from settlesim import display
from settlesim.chart import Chart, NodeKind, TransitionKind
from settlesim.chart.definition import ANY_EVENT
from settlesim.chart.report import CODES, Finding, Report, Severity, Verdict
from settlesim.chart.retry import longest_waits
from settlesim.chart.validation import ancestors, describe
from settlesim.check.loops import Loop, find_loops, longest_run
from settlesim.check.migrations import frozen_findings, migration_findings
from settlesim.check.runs import ChartRuns, RunPhase, all_runs, names
from settlesim.errors import shorten
from settlesim.progress import ProgressCallback, Reporter, StopFlag, show_progress
from settlesim.settling.settling import MAX_MICROSTEPS

__all__ = ["check_chart"]

_DEADLINE: Final = 300.0  # the interpreter's default, in seconds
_IN_LIMBO: Final = (
    "nothing is pending here and no settling tag is on it: tag it, or give it an invoke, an after "
    "or an always"
)
_IN_LIMBO_AT_START: Final = (
    "the start of a new instance stops here, and no settling tag is on the state: tag it, or give "
    "it a transition"
)


@display.check.register
def check_chart(
    chart: Chart,
    *,
    limit: int | None = None,
    known: Iterable[Chart] = (),
    progress: ProgressCallback | bool = True,
    stop: StopFlag | None = None,
) -> Report:
    """Prove or refute that every event ends in a settled configuration.

    If the chart has `migrations`, every settled configuration, event and delay of the versions
    where they begin is checked as well. No service runs and no function of the chart is called, so
    none has to be bound.

    Parameters
    ----------
    limit : how many run states to explore; beyond it the verdict is UNDETERMINED
    known : frozen versions of the chart; a migration step has to begin at each earlier one
    progress
        True for a bar, which appears after half a second in a notebook or terminal; or a function
        that is called with each `settlesim.progress.Progress`.
    stop : a flag that ends the check, such as a `threading.Event` that another thread sets

    Returns
    -------
    report : PROVED without errors and loops, REFUTED with errors

    Raises
    ------
    Cancelled
        `stop` was set.
    """
    with show_progress(progress) as callback:
        return _checked(chart, limit, tuple(known), Reporter(callback, stop))


def _checked(
    chart: Chart, limit: int | None, known: tuple[Chart, ...], reporter: Reporter
) -> Report:
    found = all_runs(chart, limit=limit, reporter=reporter)
    loops = find_loops(found)
    longest = None if loops else longest_run(found)
    findings = [
        *_limbo(found),
        *_failures(found),
        *(_loop(found, loop) for loop in loops),
        *_too_long(chart, longest),
        *_unreachable(found),
        *_never_fired(found),
        *_tags(chart),
        *_initial(chart),
        *_delays(chart),
        *_retries(chart),
        *(_differences(chart) if chart.semantics == "transitions" else ()),
        *migration_findings(chart, limit=limit),
        *frozen_findings(chart, known),
    ]
    if not found.complete:
        findings.append(Finding("SET901", f"chart {shorten(chart.name)}", found.cut))
    order = {name: index for index, name in enumerate(CODES)}
    findings.sort(key=lambda each: order[each.code])
    return Report(
        chart.name,
        chart.version,
        _verdict(findings, loops, found),
        tuple(findings),
        *_rests(found),
        len(found.hops),
        sum(map(len, found.hops.values())),
        longest if found.complete else None,
    )


def _rests(found: ChartRuns) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Return the configurations that are saved, and those that are only rejected.

    A state without a tag, in which a new instance takes its first event, is in neither: no
    instance is ever saved there.
    """
    chart = found.chart
    settled: dict[tuple[str, ...], None] = {}
    rejected: dict[tuple[str, ...], None] = {}
    for place in found.hops:
        configuration = place.position.configuration
        kinds = {chart.rest_of(leaf) for leaf in configuration}
        if place.phase is not RunPhase.REST or None in kinds:
            continue
        dropped = "rejected" in kinds and chart.on_reject == "discard"
        (rejected if dropped else settled)[configuration] = None
    return tuple(settled), tuple(rejected)


def _verdict(findings: list[Finding], loops: list[Loop], found: ChartRuns) -> Verdict:
    if any(each.severity is Severity.ERROR for each in findings):
        return Verdict.REFUTED
    late = any(each.code == "SET208" for each in findings)
    return Verdict.UNDETERMINED if loops or late or not found.complete else Verdict.PROVED


# --- what refutes the contract ------------------------------------------------------------


def _limbo(found: ChartRuns) -> Iterator[Finding]:
    seen: set[tuple[bool, tuple[str, ...]]] = set()
    for place in found.hops:
        configuration = place.position.configuration
        if place.phase is not RunPhase.STALLED or (place.starting, configuration) in seen:
            continue
        seen.add((place.starting, configuration))
        bare = [leaf for leaf in configuration if found.chart.rest_of(leaf) is None]
        yield Finding(
            "SET105" if place.starting else "SET101",
            f"state {shorten(bare[0])}",
            _IN_LIMBO_AT_START if place.starting else _IN_LIMBO,
            found.path(place),
            (bare[0],),
        )


def _failures(found: ChartRuns) -> Iterator[Finding]:
    seen: set[str] = set()
    for place in found.hops:
        if place.phase is not RunPhase.FAILED:
            continue
        before, hop = found.parents[place]
        gone = set(before.position.invocations) - set(place.position.invocations)
        invocation = gone.pop()
        if invocation in seen:
            continue
        seen.add(invocation)
        node = found.chart.node(invocation.rpartition(".")[0])
        handlers = next(each.on_error for each in node.invoke if each.id == invocation)
        why = "all guards of its on_error may be false" if handlers else "it has no on_error"
        yield Finding(
            "SET103",
            f"state {shorten(node.name)}",
            f"service {shorten(hop.service)} may fail, and {why}",
            found.path(place),
            (node.name,),
        )


def _loop(found: ChartRuns, loop: Loop) -> Finding:
    way = " -> ".join(names(place.position.configuration) for place in loop.places)
    if loop.endless:
        leaves = (leaf for place in loop.places for leaf in place.position.configuration)
        return Finding(
            "SET102",
            f"states {way}",
            "nothing ends this cycle: give one of its transitions a guard",
            found.path(loop.places[0]),
            tuple(dict.fromkeys(leaves)),
        )
    return Finding(
        "SET202",
        f"states {way}",
        "this loop ends only by what a guard or a service answers",
        found.path(loop.places[0]),
    )


def _too_long(chart: Chart, longest: int | None) -> Iterator[Finding]:
    if longest is not None and longest > MAX_MICROSTEPS:
        yield Finding(
            "SET104",
            f"chart {shorten(chart.name)}",
            f"one event may take {longest} microsteps; {MAX_MICROSTEPS} are allowed",
        )


# --- what is probably a mistake -----------------------------------------------------------


def _reached(found: ChartRuns) -> set[str]:
    return {
        name
        for place in found.hops
        for leaf in place.position.configuration
        for name in ancestors(leaf)
    }


def _unreachable(found: ChartRuns) -> Iterator[Finding]:
    if not found.complete:
        return
    reached = _reached(found)
    for node in found.chart.states:
        if node.kind is NodeKind.HISTORY:
            continue  # it is never active
        if node.name not in reached and (node.parent is None or node.parent in reached):
            yield Finding("SET201", f"state {shorten(node.name)}", "no run ever enters it")


def _never_fired(found: ChartRuns) -> Iterator[Finding]:
    if not found.complete:
        return
    chart = found.chart
    fired = {edge for hops in found.hops.values() for hop in hops for edge in hop.edges}
    reached = _reached(found)
    resting = {
        name
        for place in found.hops
        if place.phase is RunPhase.REST
        for leaf in place.position.configuration
        for name in ancestors(leaf)
    }
    open_ways: dict[tuple[str, str], int] = {}
    for index, edge in enumerate(chart.edges):
        first = open_ways.get((edge.source, edge.trigger))
        if not edge.guards:
            open_ways.setdefault((edge.source, edge.trigger), index)
        if index in fired or edge.source not in reached:
            continue
        where = describe(edge)
        if first is not None:
            yield Finding(
                "SET203", where, f"the earlier {describe(chart.edges[first])} has no guard and wins"
            )
        elif edge.kind is TransitionKind.EXTERNAL and edge.source not in resting:
            yield Finding(
                "SET206",
                where,
                "an event arrives only when the chart is settled, and in this state it never is",
            )
        else:
            yield Finding("SET209", where, "no run makes it fire")


def _tags(chart: Chart) -> Iterator[Finding]:
    known = sorted(chart.settling_tags.all)
    for node in chart.states:
        for tag in node.tags:
            if tag in chart.settling_tags.all:
                continue
            close = difflib.get_close_matches(tag.casefold(), known, n=1, cutoff=0.75)
            if close:
                yield Finding(
                    "SET204",
                    f"state {shorten(node.name)}",
                    f"the tag {shorten(tag)} is no settling tag; did you mean {close[0]!r}?",
                )


def _initial(chart: Chart) -> Iterator[Finding]:
    bare = [leaf for leaf in chart.initial_configuration if chart.rest_of(leaf) is None]
    active = chart.active(bare)
    nodes = [chart.node(name) for name in active]
    pending = any(node.invoke or node.after or node.on_enter for node in nodes) or any(
        edge.kind is TransitionKind.EVENTLESS and edge.source in active for edge in chart.edges
    )
    if bare and not pending:
        yield Finding(
            "SET205",
            f"state {shorten(bare[0])}",
            "a new instance starts in a state without a settling tag; it is never saved there",
        )


def _is_settled(chart: Chart, node: str) -> bool:
    """Whether the state or one around it has a settling tag."""
    return any(chart.settling_tags.all.intersection(chart.node(n).tags) for n in ancestors(node))


def _delays(chart: Chart) -> Iterator[Finding]:
    for node in chart.states:
        for delay in node.after:
            if _is_settled(chart, node.name):
                yield Finding(
                    "SET207",
                    f"state {shorten(node.name)}",
                    f"after {delay.seconds:g} s passes while the instance is stored: a worker lets "
                    "it pass, an Interpreter alone does not",
                )
            elif delay.seconds > _DEADLINE:
                yield Finding(
                    "SET208",
                    f"state {shorten(node.name)}",
                    f"after {delay.seconds:g} s is beyond the deadline of one event, "
                    f"{_DEADLINE:g} s",
                )


def _retries(chart: Chart) -> Iterator[Finding]:
    for node in chart.states:
        for invocation in node.invoke:
            waits = sum(sum(longest_waits(retry)) for retry in invocation.retry)
            if waits > _DEADLINE:
                yield Finding(
                    "SET208",
                    f"state {shorten(node.name)}",
                    f"the retries of service {shorten(invocation.src)} wait for {waits:g} s, which "
                    f"is beyond the deadline of one event, {_DEADLINE:g} s",
                )


# --- where SCXML differs ------------------------------------------------------------------


def _differences(chart: Chart) -> Iterator[Finding]:
    for edge in chart.edges:
        if edge.dest is not None and edge.dest.startswith(f"{edge.source}."):
            yield Finding(
                "SET301", describe(edge), "the source stays active while its child is entered"
            )
    for node in chart.states:
        if node.kind is NodeKind.COMPOUND and node.initial is None:
            yield Finding(
                "SET302",
                f"state {shorten(node.name)}",
                "has no initial child: entered by its own name, it is active without a child",
            )
        if (
            node.on_done
            and any(chart.node(each).kind is NodeKind.COMPOUND for each in node.children)
            and node.kind is NodeKind.COMPOUND
        ):
            yield Finding(
                "SET304",
                f"state {shorten(node.name)}",
                "on_done fires when every active leaf inside is final, however deep",
            )
    events = {edge.trigger for edge in chart.edges if edge.kind is TransitionKind.EXTERNAL}
    for event in sorted(events):
        if event == ANY_EVENT or event.endswith(f".{ANY_EVENT}"):
            yield Finding(
                "SET303",
                f"event {shorten(event)}",
                "is the name of one event; with semantics='scxml' it would match others",
            )
        wider = next((each for each in ancestors(event)[:0:-1] if each in events), None)
        if wider is not None:
            yield Finding(
                "SET303",
                f"event {shorten(event)}",
                f"does not trigger the transitions of {shorten(wider)}: only equal names match",
            )
