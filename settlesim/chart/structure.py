"""Which states a transition leaves and enters (SCXML 1.0, appendix D, "Algorithm").

Everything here follows from the definition and from what history states remember. Nothing is
executed, no guard is asked, and no set is iterated: the same input always has the same result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from settlesim.chart.definition import Node, NodeKind, Transition
from settlesim.chart.validation import ancestors

__all__ = ["NO_HISTORY", "HistoryStates", "Structure"]

HistoryStates: TypeAlias = Mapping[str, Sequence[str]]
"""The states that each history state stands for, by its name."""

NO_HISTORY: Final[HistoryStates] = {}


class Structure:
    """The tree of a chart's states, in document order.

    The functions are named after those of the algorithm in appendix D; they take transitions and
    configurations, and return full names.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self.order: Mapping[str, int] = {name: index for index, name in enumerate(nodes)}
        """The position of every state in the document."""
        self._last = dict(self.order)  # by state: the position of the last state inside it
        for name in reversed(list(nodes)):
            parent = nodes[name].parent
            if parent is not None:
                self._last[parent] = max(self._last[parent], self._last[name])
        self.has_history = any(node.kind is NodeKind.HISTORY for node in nodes.values())

    def in_order(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names without duplicates, in document order."""
        return tuple(sorted(dict.fromkeys(names), key=self.order.__getitem__))

    def regions(self, name: str) -> tuple[str, ...]:
        """Return the children of a state that can be active."""
        return tuple(
            child
            for child in self._nodes[name].children
            if self._nodes[child].kind is not NodeKind.HISTORY
        )

    def leaves(self, active: Collection[str]) -> tuple[str, ...]:
        """Return the active states that have no active child, in document order."""
        parents = {self._nodes[name].parent for name in active}
        return self.in_order(name for name in active if name not in parents)

    # --- starting -------------------------------------------------------------------------

    def entered(self, name: str) -> tuple[str, ...]:
        """Return the leaves at or below a state that are active when it has been entered."""
        entering = _Entering(self, self._nodes, NO_HISTORY)
        entering.add_down(name)
        return self.leaves(entering.found)

    def initial_configuration(self, name: str) -> tuple[str, ...]:
        """Return the leaves that are active in a new instance that starts in `name`."""
        entering = _Entering(self, self._nodes, NO_HISTORY)
        entering.add_down(name)
        entering.add_up(name, None)
        return self.leaves(entering.found)

    # --- one transition -------------------------------------------------------------------

    def effective_targets(self, names: Iterable[str], history: HistoryStates) -> tuple[str, ...]:
        """Return destinations, with history states replaced by the states they stand for."""
        found: dict[str, None] = {}
        for name in names:
            node = self._nodes[name]
            stands_for = self.remembered(node, history) if node.history else (name,)
            found |= dict.fromkeys(stands_for)
        return tuple(found)

    def domain(self, transition: Transition, history: HistoryStates) -> str | None:
        """Return the state inside which a transition happens; None for the whole chart."""
        source = transition.source
        targets = self.effective_targets(transition.dests, history)
        if transition.internal and all(
            target == source or _is_inside(target, source) for target in targets
        ):
            return source
        for name in ancestors(source)[1:]:
            if self._nodes[name].kind is NodeKind.COMPOUND and all(
                _is_inside(target, name) for target in targets
            ):
                return name
        return None

    def exit_set(
        self, transition: Transition, active: tuple[str, ...], history: HistoryStates
    ) -> tuple[str, ...]:
        """Return the active states that one transition leaves.

        `active` has to be in document order, and so is the result.
        """
        if transition.dest is None:
            return ()
        domain = self.domain(transition, history)
        if domain is None:
            return active
        place = self.order.__getitem__
        first = bisect_right(active, self.order[domain], key=place)
        return active[first : bisect_right(active, self._last[domain], key=place)]

    # --- several together -----------------------------------------------------------------

    def entry_set(
        self, transitions: Iterable[Transition], history: HistoryStates
    ) -> tuple[str, ...]:
        """Return the states that transitions enter together, in document order."""
        entering = _Entering(self, self._nodes, history)
        for transition in transitions:
            if transition.dest is None:
                continue
            domain = self.domain(transition, history)
            entering.stays = domain
            for name in transition.dests:
                entering.add_down(name)
            for name in self.effective_targets(transition.dests, history):
                entering.add_up(name, domain)
            if domain is not None and self._nodes[domain].kind is NodeKind.PARALLEL:
                entering.add_regions(domain)  # all were left, and the parallel state stays
        return self.in_order(entering.found)

    def remember(
        self, left: Iterable[str], active: Collection[str], history: HistoryStates
    ) -> HistoryStates:
        """Return what history states stand for after states were left."""
        if not self.has_history:
            return history
        found = dict(history)
        for name in left:
            for child in self._nodes[name].children:
                node = self._nodes[child]
                if node.history == "shallow":
                    found[child] = self.in_order(
                        each for each in active if self._nodes[each].parent == name
                    )
                elif node.history == "deep":
                    found[child] = tuple(
                        leaf for leaf in self.leaves(active) if _is_inside(leaf, name)
                    )
        return {name: found[name] for name in self.in_order(found)}

    def can_remember(self, name: str, states: Sequence[str]) -> bool:
        """Whether a state is a history state that can stand for these states."""
        node = self._nodes.get(name)
        if node is None or node.history is None:
            return False
        parent = str(node.parent)
        if not all(each in self._nodes and _is_inside(each, parent) for each in states):
            return False
        regions = self.regions(parent)
        if node.history == "shallow":
            together = self._nodes[parent].kind is NodeKind.PARALLEL
            return (
                tuple(states) == regions if together else len(states) == 1 and states[0] in regions
            )
        entering = _Entering(self, self._nodes, NO_HISTORY)
        for each in states:
            entering.add_down(each)
        for each in states:
            entering.add_up(each, None)
        inside = tuple(each for each in entering.found if _is_inside(each, parent))
        return self.leaves([parent, *inside]) == tuple(states)

    def finished(self, entered: Sequence[str], active: Collection[str]) -> tuple[str, ...]:
        """Return the compound and parallel states that entering final states has finished.

        A compound state is finished when a final child is entered, a parallel one when all its
        children are in a final state (SCXML 1.0, section 3.7). They come in the order in which
        they finish.

        Parameters
        ----------
        entered : in the order of entry
        active : every state that is active afterwards
        """
        return tuple(name for _, names in self.finishing(entered, active) for name in names)

    def finishing(
        self, entered: Sequence[str], active: Collection[str]
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield every entered state with the states that it finishes; see `finished`."""
        new = set(entered)
        now = {name for name in active if name not in new}
        done: set[str] = set()
        for name in entered:
            now.add(name)
            found = [each for each in self._finished_by(name, now, done) if each not in done]
            done.update(found)
            yield name, tuple(found)

    def _finished_by(self, name: str, now: set[str], done: set[str]) -> Iterator[str]:
        node = self._nodes[name]
        if node.kind is not NodeKind.FINAL or node.parent is None:
            return
        above: str | None = node.parent
        if self._nodes[node.parent].kind is NodeKind.COMPOUND:
            yield node.parent
            above = self._nodes[node.parent].parent
        while (
            above is not None
            and above not in done
            and self._nodes[above].kind is NodeKind.PARALLEL
            and self._is_in_final_state(above, now)
        ):
            yield above
            above = self._nodes[above].parent

    def _is_in_final_state(self, name: str, active: Collection[str]) -> bool:
        node = self._nodes[name]
        if node.kind is NodeKind.COMPOUND:
            return any(
                child in active and self._nodes[child].kind is NodeKind.FINAL
                for child in node.children
            )
        if node.kind is NodeKind.PARALLEL:
            # The last region finishes last, since states are entered in document order: asking it
            # first ends the search early.
            regions = reversed(self.regions(name))
            return all(self._is_in_final_state(child, active) for child in regions)
        return node.kind is NodeKind.FINAL and name in active

    def remembered(self, node: Node, history: HistoryStates) -> Sequence[str]:
        """Return what a history state stands for."""
        if node.name in history:
            return history[node.name]
        if node.default:
            return node.default
        parent = self._nodes[str(node.parent)]
        if parent.kind is NodeKind.PARALLEL:
            return self.regions(parent.name)
        return self.effective_targets(_initial_of(parent), NO_HISTORY)


class _Entering:
    """The states that are entered together, while they are collected."""

    def __init__(
        self, structure: Structure, nodes: Mapping[str, Node], history: HistoryStates
    ) -> None:
        self.found: dict[str, None] = {}
        self._structure = structure
        self._nodes = nodes
        self._history = history
        self.stays: str | None = None
        """The domain of the transition whose states are being added: it is not left, and so not
        entered."""
        self._above: set[str] = set()  # the ancestors of what is found

    def add_down(self, name: str) -> None:
        """Add a state and what is entered with it (``addDescendantStatesToEnter``)."""
        node = self._nodes[name]
        if node.kind is NodeKind.HISTORY:
            targets = self._structure.remembered(node, self._history)
            above = node.parent
        else:
            self._add(name)
            above = name
            if node.kind is NodeKind.PARALLEL:
                self.add_regions(name)
            targets = _initial_of(node) if node.kind is NodeKind.COMPOUND else ()
        for target in targets:
            self.add_down(target)
        for target in self._structure.effective_targets(targets, self._history):
            self.add_up(target, above)

    def add_up(self, name: str, until: str | None) -> None:
        """Add the states around one, below `until` (``addAncestorStatesToEnter``)."""
        for above in ancestors(name)[1:]:
            if above == until or (until is not None and not _is_inside(above, until)):
                return
            self._add(above)
            if self._nodes[above].kind is NodeKind.PARALLEL:
                self.add_regions(above)

    def add_regions(self, name: str) -> None:
        """Add the regions of a parallel state in which nothing is entered yet."""
        for child in self._structure.regions(name):
            if child not in self.found and child not in self._above:
                self.add_down(child)

    def _add(self, name: str) -> None:
        if name not in self.found and name != self.stays:
            self.found[name] = None
            self._above.update(ancestors(name)[1:])


def _initial_of(node: Node) -> tuple[str, ...]:
    if node.initial_states:
        return node.initial_states
    return () if node.initial is None else (node.initial,)


def _is_inside(name: str, other: str) -> bool:
    """Whether a state is below another one."""
    return name.startswith(f"{other}.")
