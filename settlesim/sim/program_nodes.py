"""The nodes of programs: what one event does to an instance in one state, step by step."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from settlesim.chart.outcome import Outcome
from settlesim.sim.terms import Kind

__all__ = ["Branch", "DelayStart", "ProgramNodeKind", "TableNode", "merged"]


class ProgramNodeKind(enum.Enum):
    """What a program does next."""

    WAIT = "wait"
    """Services and delays run; one of the `TableNode.branches` is next."""
    SAVE = "save"
    """The instance is saved in `TableNode.state`."""
    SKIP = "skip"
    """The event is ignored or rejected, and there is nothing to save."""
    ERROR = "error"
    """The event reaches no settled state; `TableNode.text` says why."""
    STRANDED = "stranded"
    """The later of two versions cannot continue from the instance; `TableNode.text` says why."""
    UNKNOWN = "unknown"
    """What comes next is not known; `TableNode.text` says why."""


class Branch(NamedTuple):
    """One thing that may happen next in a program."""

    kind: Kind
    """CALL, EFFECT, FAIL, TIMEOUT or DELAY."""
    after: int = -1
    """The number of the node after it."""
    service: str = ""
    """Empty for a delay, and for the deadline of the event."""
    activity: str = ""
    """The id of the invocation or of the delay."""
    number: int = 0
    """How often the activity has been started for this event, from 1."""
    attempt: int = 1
    """How often the service has been called since this start, from 1; more than 1 for a retry."""
    effect: bool = False
    """Whether the service has its effect on the world outside."""
    works: bool = True
    """For a CALL: whether the service returns rather than raises."""
    text: str = ""
    """For a failure: which error, if the scenario names it. For a delay: what passes."""
    late: bool = False
    """For a FAIL: the service does not come back when it should, and will fail later. For a CALL:
    it fails now, which was counted as a failure before."""


class DelayStart(NamedTuple):
    """A delay of a settled state that starts with a save."""

    delay: int
    """Its position in `CompiledChart.timers`."""
    least: int = 0
    """The least time that it still runs, in nanoseconds; 0 if time is not known."""
    most: int = 0
    """The most time that it still runs."""


class TableNode(NamedTuple):
    """One node of a program."""

    kind: ProgramNodeKind
    branches: tuple[Branch, ...] = ()
    """What may happen next, in a fixed order."""
    state: int = -1
    """For a save: the state that is saved."""
    outcome: Outcome | None = None
    text: str = ""
    """For an ERROR, STRANDED or UNKNOWN node: the reason."""
    failures: int = 0
    """For an error: how many failures from outside led to it."""
    only_start: bool = False
    """For a save: whether only the start of a new instance is saved, since the event was ignored or
    rejected."""
    started: tuple[DelayStart, ...] = ()
    """For a save: the delays that start with it."""
    kept: tuple[int, ...] = ()
    """For a save: the delays whose states were not left; positions in `CompiledChart.timers`."""
    moved: tuple[tuple[int, int], ...] = ()
    """For a save that carries an instance to another version: the positions of the timers that
    continue, before and after."""


def merged(nodes: Sequence[TableNode], branches: Sequence[Branch]) -> tuple[Branch, ...]:
    """Return branches, leaving out each failure whose consequence another branch has already.

    So a time-out is left out if the program continues as after an error, and a failure from outside
    if it continues as where the service fails by itself.

    Parameters
    ----------
    nodes : all nodes of the table, by number
    """
    found: list[Branch] = []
    for branch in branches:
        same = (
            other
            for other in found
            if (branch.kind.is_fault or branch.late)
            and (other.activity, other.effect) == (branch.activity, branch.effect)
            and not (other.kind is Kind.CALL and other.works)
        )
        if not any(
            _alike(nodes, branch.after, other.after, strict=other.kind is not Kind.CALL)
            for other in same
        ):
            found.append(branch)
    return tuple(found)


def _alike(nodes: Sequence[TableNode], one: int, other: int, *, strict: bool) -> bool:
    """Whether two programs do the same, apart from the texts of their errors.

    Parameters
    ----------
    strict : whether errors also have to agree in whether failures from outside led to them
    """
    pairs, seen = [(one, other)], set()
    while pairs:
        pair = pairs.pop()
        if pair[0] == pair[1] or pair in seen:
            continue
        seen.add(pair)
        first, second = nodes[pair[0]], nodes[pair[1]]
        if first.kind is ProgramNodeKind.ERROR is second.kind:
            if strict and bool(first.failures) is not bool(second.failures):
                return False
            continue
        if _bare(first) != _bare(second):
            return False
        pairs += [(a.after, b.after) for a, b in zip(first.branches, second.branches, strict=True)]
    return True


def _bare(node: TableNode) -> TableNode:
    """Return a node without the numbers of the nodes below it."""
    return node._replace(branches=tuple(each._replace(after=-1) for each in node.branches))
