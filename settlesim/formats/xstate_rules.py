"""Where the rules of XState 5 differ from those of SCXML, which a chart follows.

Three rules differ:

1. In XState, a transition from one region to another does not leave the parallel state around them.
2. If a region of a parallel state takes an event, XState ignores the transitions of the parallel
   state, and of states around it, on that event. In SCXML both fire unless they are in conflict:
   the outer one has to be without a target.
3. In XState, a transition from inside a state to its history state may enter states that it has not
   left, so their entry actions run again.
"""

from __future__ import annotations

from settlesim.formats.draft import Draft, Route
from settlesim.formats.losses import Losses

__all__ = ["note_other_rules"]


def note_other_rules(root: Draft, losses: Losses) -> None:
    """Report every transition that one of the three rules may affect."""
    for draft in root.every():
        for route in draft.all_routes():
            place = f"{draft.path} on {route.event or 'nothing'}"
            if any(_crosses(draft, target) for target in route.targets):
                losses.add("region to region", place)
            if any(_is_history_around(draft, target) for target in route.targets):
                losses.add("history from inside", place)
    for draft in root.every():
        if draft.kind == "parallel":
            _note_order(draft, losses)


def _crosses(source: Draft, target: Draft) -> bool:
    """Whether a transition goes from one region of a parallel state to another."""
    above = [target, *target.above()]
    for region in (source, *source.above()):
        around = region.parent
        if around is not None and around in above and around is not target:
            return around.kind == "parallel" and region not in above
    return False


def _is_history_around(source: Draft, target: Draft) -> bool:
    """Whether a transition goes to the history state of a state around its source."""
    around = target.parent
    if target.kind != "history" or around is None:
        return False
    if around.parent is None and target.initial is None:
        return False  # the root is never left, so this always stands for its initial state
    return source.is_inside(around)


def _note_order(parallel: Draft, losses: Losses) -> None:
    inside = {
        route.event
        for region in parallel.children
        for draft in region.every()
        for route in draft.routes
    }
    for draft in (parallel, *parallel.above()):
        for route in draft.routes:
            if not route.targets and _may_be(route, inside):
                losses.add("region order", f"{draft.path} on {route.event}")


def _may_be(route: Route, events: set[str]) -> bool:
    return route.event in events or "*" in route.event or any("*" in event for event in events)
