"""Finds new states that look like removed ones: a hint, never more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from settlesim.chart.definition import Node

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["likely_renames"]

_LIKELY: Final = 0.6
_MAX_COMPARED: Final = 10_000  # pairs of states: beyond it nobody reads hints


def likely_renames(
    old: Chart, new: Chart, gone: Sequence[Node], added: Sequence[Node]
) -> dict[str, str]:
    """Return the new name of each state that looks as if it was renamed or moved.

    Two states look alike by what they are (kind, tags, services, delays, functions), by their
    transitions to and from states that both charts have, and by their names. Only pairs whose
    states are each other's single best match are returned.
    """
    if not gone or not added or len(gone) * len(added) > _MAX_COMPARED:
        return {}
    common = {node.name for node in old.states if node.name in new}
    of_old = {node.name: _features(old, node, common) for node in gone}
    of_new = {node.name: _features(new, node, common) for node in added}
    score = {
        (was.name, now.name): _likeness(was, now, of_old[was.name], of_new[now.name])
        for was in gone
        for now in added
    }
    found = {}
    for was in gone:
        best = _single_best({now.name: score[was.name, now.name] for now in added})
        if best and _single_best({each.name: score[each.name, best] for each in gone}) == was.name:
            found[was.name] = best
    return found


def _single_best(scores: dict[str, float]) -> str | None:
    """Return the name with the highest score, if it is likely and no other has the same."""
    highest = max(scores.values())
    names = [name for name, score in scores.items() if score == highest]
    return names[0] if highest >= _LIKELY and len(names) == 1 else None


def _likeness(was: Node, now: Node, old: Collection[str], new: Collection[str]) -> float:
    shared = len(set(old) & set(new)) / len(set(old) | set(new))
    names = SequenceMatcher(None, was.local_name, now.local_name, autojunk=False).ratio()
    return 0.7 * shared + 0.3 * names


def _features(chart: Chart, node: Node, common: Collection[str]) -> set[str]:
    """Return what a state is and does, without names that only one of the charts has."""
    found = {f"kind {node.kind.value}", f"parent {node.parent}"}
    found.update(f"tag {tag}" for tag in node.tags)
    found.update(f"service {each.src}" for each in node.invoke)
    found.update(f"delay {each.seconds}" for each in node.after)
    found.update(f"runs {name}" for name in node.on_enter + node.on_exit + node.on_final)
    for edge in chart.edges:
        trigger = edge.trigger.replace(node.name, "")
        if edge.source == node.name:
            for dest in edge.dests or (None,):
                found.add(f"{trigger} to {dest if dest in common else 'elsewhere'}")
        elif node.name in edge.dests:
            source = edge.source if edge.source in common else "elsewhere"
            found.add(f"{edge.trigger} from {source}")
    return found
