"""Pairs the transitions, services and delays of one chart with those of another.

Rules
-----
States are matched by their full names, services of a state by name, delays of a state by seconds.
Services and delays that are left over count as edited, and are paired in order. Transitions are
grouped by source and trigger; in a group, equal ones are paired first, then those with the same
destination, then the rest in order.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from settlesim.chart.definition import Delay, Invocation, Node, Transition

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["EdgeGroup", "EdgePair", "edge_groups", "paired_delays", "paired_invocations"]

_T = TypeVar("_T")
Pair = tuple[_T | None, _T | None]


@dataclass(frozen=True, slots=True)
class EdgePair:
    """A transition of the old chart and its counterpart in the new one."""

    old: Transition | None
    """None where the transition is new."""
    new: Transition | None
    """None where the transition is gone."""
    old_index: int | None = None
    """The position in the old chart's ``edges``."""
    new_index: int | None = None
    """The position in the new chart's ``edges``."""

    @property
    def edited(self) -> bool:
        """Whether both charts have the transition, with other guards or functions."""
        if self.old is None or self.new is None:
            return False
        was, now = (_plain(replace(each, dest=None, more=())) for each in (self.old, self.new))
        return was != now


@dataclass(frozen=True, slots=True)
class EdgeGroup:
    """All transitions of both charts that share a source and a trigger."""

    source: str
    old_trigger: str | None
    """None where only the new chart has the trigger. It differs from `new_trigger` where a service
    or a delay has another position."""
    new_trigger: str | None
    pairs: tuple[EdgePair, ...]
    """In the order of the new chart, then those that are gone."""
    reordered: bool
    """Whether the transitions that both charts have are tried in another order."""


def edge_groups(old: Chart, new: Chart) -> tuple[EdgeGroup, ...]:
    """Pair the transitions of two charts.

    Returns
    -------
    groups
        In the order of the new chart's transitions, then those of the old chart that are left.
        Every transition of either chart is in one pair.
    """
    by_old, by_new = _by_trigger(old), _by_trigger(new)
    partner = dict(_paired_triggers(old, new))  # new trigger -> old trigger, of services and delays
    found = []
    for (source, trigger), edges in by_new.items():
        before = partner.get(trigger, trigger)
        was = [] if before is None else by_old.pop((source, before), [])
        found.append(_group(source, before, trigger, was, edges))
    for (source, trigger), edges in by_old.items():
        found.append(_group(source, trigger, None, edges, []))
    return tuple(found)


def paired_invocations(old: Node | None, new: Node | None) -> list[Pair[Invocation]]:
    """Pair the services of a state in two charts."""
    return _pairs(old.invoke if old else (), new.invoke if new else (), _source_of)


def paired_delays(old: Node | None, new: Node | None) -> list[Pair[Delay]]:
    """Pair the delays of a state in two charts."""
    return _pairs(old.after if old else (), new.after if new else (), _seconds_of)


def _source_of(invocation: Invocation) -> str:
    return invocation.src


def _seconds_of(delay: Delay) -> float:
    return delay.seconds


def _pairs(old: Sequence[_T], new: Sequence[_T], *keys: Callable[[_T], Hashable]) -> list[Pair[_T]]:
    """Pair items by each key in turn, then what is left in order.

    The pairs come in the order of `new`; items that only `old` has follow.
    """
    partner: dict[int, int] = {}
    left = list(range(len(old)))
    rest = list(range(len(new)))
    for key in (*keys, None):
        waiting: dict[Hashable, list[int]] = {}
        for index in left:
            waiting.setdefault(key(old[index]) if key else None, []).append(index)
        for index in rest:
            same = waiting.get(key(new[index]) if key else None)
            if same:
                partner[index] = same.pop(0)
        left = [index for index in left if index not in partner.values()]
        rest = [index for index in rest if index not in partner]
    pairs: list[Pair[_T]] = [
        (old[partner[index]] if index in partner else None, item) for index, item in enumerate(new)
    ]
    return pairs + [(old[index], None) for index in left]


_Edge = tuple[int, Transition]


def _by_trigger(chart: Chart) -> dict[tuple[str, str], list[_Edge]]:
    found: dict[tuple[str, str], list[_Edge]] = {}
    for index, edge in enumerate(chart.edges):
        found.setdefault((edge.source, edge.trigger), []).append((index, edge))
    return found


def _paired_triggers(old: Chart, new: Chart) -> Iterable[tuple[str, str | None]]:
    """Yield the reserved triggers of each service and delay: the new one, and the old one or None.

    They contain positions, which differ where a service or a delay has moved.
    """
    for node in new.states:
        before = old.node(node.name) if node.name in old else None
        for was, now in paired_invocations(before, node):
            if now is not None:
                yield now.done_trigger, was.done_trigger if was else None
                yield now.error_trigger, was.error_trigger if was else None
        for delay, later in paired_delays(before, node):
            if later is not None:
                yield later.trigger, delay.trigger if delay else None


def _plain(edge: Transition) -> Transition:
    """Return a transition without its trigger, which its group shares, and its label."""
    return replace(edge, trigger="", label=None)


def _all_of(edge: _Edge) -> Transition:
    return _plain(edge[1])


def _dest_of(edge: _Edge) -> tuple[str, ...]:
    return edge[1].dests


def _group(
    source: str,
    old_trigger: str | None,
    new_trigger: str | None,
    old: list[_Edge],
    new: list[_Edge],
) -> EdgeGroup:
    pairs = []
    for was, now in _pairs(old, new, _all_of, _dest_of):
        (old_index, old_edge), (new_index, new_edge) = was or (None, None), now or (None, None)
        pairs.append(EdgePair(old_edge, new_edge, old_index, new_index))
    order = [
        pair.old_index
        for pair in pairs
        if pair.old_index is not None and pair.new_index is not None
    ]
    return EdgeGroup(
        source,
        old_trigger if old else None,
        new_trigger if new else None,
        tuple(pairs),
        order != sorted(order),
    )
