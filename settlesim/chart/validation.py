"""Checks of a chart as a whole, after each part was read by itself.

Rules
-----
1. Every source, destination and initial state is a state of the chart.
2. A final state is the end: no transitions, services or delays of its own.
3. A state where the chart may rest runs no service, and is resolved or rejected, not both.
4. Regions of a parallel state are entered together and do not reach into each other: a
   transition into one region, between two regions, or out of one region under a trigger
   that another region has as well, is refused. `transitions` would run each of them to a
   configuration that SCXML 1.0 (section 3.13, conflict resolution) does not allow.
   With ``semantics="scxml"`` the conflict rule of that section decides, and none of it is refused.
5. One name is one kind of function: guard, assign or service.
6. ``In(state)`` is a guard, and names a state of the chart; ``Error(type)`` is a guard, too.
7. History states, several destinations and ``internal`` belong to ``semantics="scxml"``, which
   has no ``prepare``. Several states are named together only where they are in different regions
   of a parallel state (SCXML 1.0, sections 3.5, 3.6, 3.10 and 3.11).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from settlesim.chart.definition import (
    EVENTLESS,
    Node,
    NodeKind,
    SettlingTags,
    Transition,
)
from settlesim.chart.functions import asked_error, asked_state
from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = [
    "ancestors",
    "check_nodes",
    "check_parallel",
    "check_roles",
    "check_scxml",
    "refuse_scxml",
    "resolve",
    "resolve_default",
    "roles",
]


def ancestors(name: str) -> list[str]:
    """Return the state's name and those of all states around it, innermost first."""
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def describe(transition: Transition) -> str:
    """Name a transition in an error message."""
    trigger = shorten(transition.trigger) if transition.trigger != EVENTLESS else "eventless"
    dest = " and ".join(map(shorten, transition.dests[:3])) or "itself, internally"
    if len(transition.dests) > 3:
        dest += f" and {len(transition.dests) - 3} more"
    return f"transition {trigger} from {shorten(transition.source)} to {dest}"


def resolve(
    transition: Transition, nodes: Mapping[str, Node], problems: Problems, *, siblings: bool
) -> Transition:
    """Return the transition with the full names of its destinations.

    Parameters
    ----------
    siblings : whether a destination that is no full name may be a sibling of the source
    """
    where = describe(transition)
    if transition.source not in nodes:
        problems.unknown(where, "source", transition.source, nodes)
        return transition
    if all(dest in nodes for dest in transition.dests):
        return transition
    parent = nodes[transition.source].parent if siblings else None
    found = []
    for dest in transition.dests:
        sibling = f"{parent}.{dest}"
        if dest not in nodes and parent is not None and sibling in nodes:
            found.append(sibling)
            continue
        found.append(dest)
        if dest not in nodes:
            problems.unknown(where, "destination", dest, nodes)
    return replace(transition, dest=found[0], more=tuple(found[1:]))


def resolve_default(node: Node, nodes: Mapping[str, Node], problems: Problems) -> Node:
    """Return a history state with the full names of its default."""
    prefix = f"{node.parent}."
    found = []
    for name in node.default:
        full = prefix + name if prefix + name in nodes else name
        if node.parent is None or (full in nodes and full.startswith(prefix)):
            found.append(full)
        else:
            inside = [each.removeprefix(prefix) for each in nodes if each.startswith(prefix)]
            where = f"state {shorten(node.name)} default"
            problems.unknown(where, f"state inside {shorten(node.parent)}", name, inside)
    return replace(node, default=tuple(found))


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
                    "not rest while a service runs. Move the service to a state of its own.",
                )
        if node.kind is NodeKind.FINAL and (node.invoke or node.after):
            problems.add(where, "is final, and a final state runs no services or delays")
        if node.on_done and node.kind not in {NodeKind.COMPOUND, NodeKind.PARALLEL}:
            problems.add(
                where,
                "has on_done but no children; a service's on_done stands inside invoke",
            )
    for transition in transitions:
        source = nodes.get(transition.source)
        if source is not None and source.kind is NodeKind.FINAL:
            problems.add(describe(transition), "starts in a final state, which is the end")
        if source is not None and source.kind is NodeKind.HISTORY:
            problems.add(
                describe(transition),
                "starts in a history state, which is never active; its default says what is "
                "entered first",
            )


def _regions(name: str, nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return, for every parallel state around `name`, the region that holds it."""
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
                f"leaves the parallel state {shorten(parallel)} while region {shorten(other)} "
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
                f"enters only the region {shorten(region)} of the parallel state "
                f"{shorten(parallel)}: go to {shorten(parallel)}",
            )
        elif here[parallel] != region:
            problems.add(
                describe(transition),
                f"goes from region {shorten(here[parallel])} to region {shorten(region)} of "
                f"the parallel state {shorten(parallel)}: regions do not reach into each other",
            )


# --- semantics="scxml" ----------------------------------------------------------------------

_ONLY_SCXML = "needs semantics='scxml': the rules of the library transitions do not know it"


def refuse_scxml(
    nodes: Iterable[Node], transitions: Iterable[Transition], problems: Problems
) -> None:
    """Refuse what only charts with the semantics of SCXML have (rule 7)."""
    for node in nodes:
        if node.kind is NodeKind.HISTORY:
            problems.add(f"state {shorten(node.name)}", f"is a history state, which {_ONLY_SCXML}")
    for transition in transitions:
        if transition.more:
            problems.add(describe(transition), f"has several destinations, which {_ONLY_SCXML}")
        if transition.internal:
            problems.add(describe(transition), f"is marked internal, which {_ONLY_SCXML}")


def check_scxml(
    nodes: Mapping[str, Node], transitions: Iterable[Transition], problems: Problems
) -> None:
    """Check rule 7 for a chart with the semantics of SCXML."""
    for node in nodes.values():
        where = f"state {shorten(node.name)}"
        _check_together(node.initial_states, nodes, f"{where} initial", problems)
        if node.kind is NodeKind.HISTORY:
            _check_history(node, nodes, where, problems)
        first = None if node.initial is None else nodes[node.initial]
        if first is not None and first.history and not first.default:
            problems.add(
                f"state {shorten(first.name)}",
                "is entered first and remembers nothing then: give it a default",
            )
    for transition in transitions:
        _check_together(transition.dests, nodes, describe(transition), problems)
        if transition.prepare:
            problems.add(
                describe(transition),
                "has 'prepare', which semantics='scxml' does not: guards are asked before "
                "anything runs. Use 'assign'",
            )
        if transition.internal and transition.dest is None:
            problems.add(
                describe(transition), "is marked internal and has no destination; leave one out"
            )


def _check_history(node: Node, nodes: Mapping[str, Node], where: str, problems: Problems) -> None:
    """Check where a history state is, and what it stands for at first."""
    if node.parent is None:
        problems.add(
            where,
            "is a history state outside of all others, and would never remember anything: "
            "put it into the state that is left and entered again",
        )
    _check_together(node.default, nodes, f"{where} default", problems)
    for name in [each for each in node.default if each in nodes]:
        if nodes[name].kind is NodeKind.HISTORY:
            problems.add(f"{where} default", f"{shorten(name)} is a history state itself")


def _check_together(
    names: Sequence[str], nodes: Mapping[str, Node], where: str, problems: Problems
) -> None:
    """Refuse states that cannot be entered together."""
    known = [name for name in names if name in nodes]
    for one, other in combinations(known, 2):
        common = next((name for name in ancestors(one) if name in set(ancestors(other))), None)
        inside = [_without_history(each, nodes) for each in (one, other)]
        if (
            common is None
            or common in inside
            or common in {one, other}
            or nodes[common].kind is not NodeKind.PARALLEL
        ):
            problems.add(
                where,
                f"{shorten(one)} and {shorten(other)} cannot be entered together: only states in "
                "different regions of a parallel state can",
            )
            return


def _without_history(name: str, nodes: Mapping[str, Node]) -> str:
    """Return the state around a history state, and any other state itself."""
    node = nodes[name]
    return node.parent if node.kind is NodeKind.HISTORY and node.parent is not None else name


def roles(nodes: Iterable[Node], transitions: Iterable[Transition]) -> dict[str, str]:
    """Return every function name with its role, in document order; the first role wins.

    ``In(state)`` and ``Error(type)`` need no function, and are left out.
    """
    found: dict[str, str] = {}
    for name, role in _uses(nodes, transitions):
        if asked_state(name) is None and asked_error(name) is None:
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
        error = asked_error(name)
        if error is not None:
            where = f"function {shorten(name)}"
            if role != "guard":
                problems.add(where, f"is used as {role}: Error() is a guard")
            elif not error:
                problems.add(where, "names no type of error, as Error(TimeoutError) does")
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
