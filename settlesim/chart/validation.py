"""What has to hold between the parts of a chart.

Rules
-----
1. Every source, destination, initial node is a node of the chart.
2. A final node is the end: no transitions, services or delays of its own.
3. A node where the chart may rest runs no service, and is resolved or rejected, not both.
4. Regions of a parallel node are entered together and do not reach into each other: a
   transition into one region, between two regions, or out of one region under a trigger
   that another region has as well, is refused. `transitions` would run each of them to a
   configuration that SCXML 1.0 (section 3.13, conflict resolution) does not allow.
5. One name is one kind of function: guard, assign or service.
6. A guard ``In(state)`` asks for a state of the chart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from settlesim.chart.definition import (
    EVENTLESS,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
)
from settlesim.chart.functions import asked_state
from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = ["ancestors", "check_nodes", "check_parallel", "check_roles", "resolve", "roles"]


def ancestors(name: str) -> list[str]:
    """Return the node's name and those of all nodes around it, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def describe(transition: Transition) -> str:
    """Name a transition in an error message."""
    trigger = shorten(transition.trigger) if transition.trigger != EVENTLESS else "eventless"
    dest = "itself, internally" if transition.dest is None else shorten(transition.dest)
    return f"transition {trigger} from {shorten(transition.source)} to {dest}"


def resolve(
    transition: Transition, nodes: Mapping[str, Node], problems: Problems, *, siblings: bool
) -> Transition:
    """Return the transition with its destination in full.

    Parameters
    ----------
    siblings : whether a destination that is no full name may be a sibling of the source
    """
    where = describe(transition)
    if transition.source not in nodes:
        problems.unknown(where, "source", transition.source, nodes)
        return transition
    dest = transition.dest
    if dest is None or dest in nodes:
        return transition
    if siblings:
        parent = nodes[transition.source].parent
        sibling = f"{parent}.{dest}"
        if parent is not None and sibling in nodes:
            return replace(transition, dest=sibling)
    problems.unknown(where, "destination", dest, nodes)
    return transition


def check_nodes(
    nodes: Mapping[str, Node],
    transitions: Iterable[Transition],
    tags: SettlingTags,
    problems: Problems,
) -> None:
    """Check rules 2 and 3."""
    resolved, rejected = frozenset(tags.resolved), frozenset(tags.rejected)
    for node in nodes.values():
        where = f"state {shorten(node.name)}"
        mine = frozenset(node.tags)
        if mine & resolved and mine & rejected:
            problems.add(where, "is tagged both as resolved and as rejected; one is possible")
        if node.invoke:
            settled = [name for name in ancestors(node.name) if tags.all & set(nodes[name].tags)]
            if settled:
                problems.add(
                    where,
                    f"runs a service, and {shorten(settled[0])} is tagged as settled: a chart does "
                    "not rest while a service runs. Move the service to a node of its own.",
                )
        if node.kind is NodeKind.FINAL and (node.invoke or node.after):
            problems.add(where, "is final, and a final node runs no services or delays")
        if node.on_done and node.kind not in {NodeKind.COMPOUND, NodeKind.PARALLEL}:
            problems.add(
                where,
                "has on_done but no children; a service's on_done stands inside invoke",
            )
    for transition in transitions:
        source = nodes.get(transition.source)
        if source is not None and source.kind is NodeKind.FINAL:
            problems.add(describe(transition), "starts in a final node, which is the end")


def _regions(name: str, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return, for every parallel node around `name`, the region that holds it."""
    chain = ancestors(name)
    return {
        parent: child
        for child, parent in pairwise(chain)
        if nodes[parent].kind is NodeKind.PARALLEL
    }


def check_parallel(
    nodes: Mapping[str, Node], transitions: Sequence[Transition], problems: Problems
) -> None:
    """Check rule 4."""
    if not any(node.kind is NodeKind.PARALLEL for node in nodes.values()):
        return
    takers: dict[tuple[str, str], set[str]] = defaultdict(set)
    leaving: list[tuple[Transition, str, str]] = []
    for transition in transitions:
        if transition.source not in nodes:
            continue
        here = _regions(transition.source, nodes)
        for parallel, region in here.items():
            takers[parallel, transition.trigger].add(region)
        if transition.dest is not None and transition.dest in nodes:
            there = _regions(transition.dest, nodes)
            _check_reach(transition, here, there, problems)
            leaving.extend(
                (transition, parallel, region)
                for parallel, region in here.items()
                if parallel not in there
            )
    first_two = {key: sorted(regions)[:2] for key, regions in takers.items()}
    for transition, parallel, region in leaving:
        for other in [r for r in first_two[parallel, transition.trigger] if r != region][:1]:
            problems.add(
                describe(transition),
                f"leaves the parallel node {shorten(parallel)} while region {shorten(other)} "
                "takes the same trigger: give one of them another trigger",
            )


def _check_reach(
    transition: Transition, here: Mapping[str, str], there: Mapping[str, str], problems: Problems
) -> None:
    """Refuse a transition that enters one region alone, or goes from one into another."""
    for parallel, region in there.items():
        if parallel not in here:
            problems.add(
                describe(transition),
                f"enters only the region {shorten(region)} of the parallel node "
                f"{shorten(parallel)}: go to {shorten(parallel)}",
            )
        elif here[parallel] != region:
            problems.add(
                describe(transition),
                f"goes from region {shorten(here[parallel])} to region {shorten(region)} of "
                f"the parallel node {shorten(parallel)}: regions do not reach into each other",
            )


def roles(nodes: Iterable[Node], transitions: Iterable[Transition]) -> dict[str, str]:
    """Return every function name with its role, in document order; the first role wins.

    ``In(state)`` is no function, and is not among them.
    """
    found: dict[str, str] = {}
    for name, role in _uses(nodes, transitions):
        if asked_state(name) is None:
            found.setdefault(name, role)
    return found


def check_roles(
    nodes: Mapping[str, Node], transitions: Iterable[Transition], problems: Problems
) -> None:
    """Check rules 5 and 6."""
    found: dict[str, str] = {}
    for name, role in _uses(nodes.values(), transitions):
        state = asked_state(name)
        if state is not None:
            where = f"function {shorten(name)}"
            if role != "guard":
                problems.add(where, f"is used as {role}: In() is a guard")
            elif state not in nodes:
                problems.unknown(where, "state", state, nodes)
            continue
        first = found.setdefault(name, role)
        if first != role:
            problems.add(
                f"function {shorten(name)}",
                f"is used as {first} and as {role}; give them two names",
            )
            found[name] = role


def _uses(nodes: Iterable[Node], transitions: Iterable[Transition]) -> Iterable[tuple[str, str]]:
    for node in nodes:
        for invocation in node.invoke:
            yield invocation.src, "service"
        for name in node.on_enter + node.on_exit + node.on_final:
            yield name, "assign"
    for transition in transitions:
        for name in transition.guards:
            yield name, "guard"
        for name in transition.assigns:
            yield name, "assign"
