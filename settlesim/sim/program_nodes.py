"""Programs as values: what one event does to an instance in one state, step by step."""

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
    """Ignored or rejected, and no start to keep: there is nothing to save."""
    ERROR = "error"
    """The event comes to no settled state; `TableNode.text` says why."""
    STRANDED = "stranded"
    """The later of two versions cannot go on from the instance; `TableNode.text` says why."""
    UNKNOWN = "unknown"
    """What comes next is not known; `TableNode.text` says why."""


class Branch(NamedTuple):
    """One thing that may happen next in a program."""

    kind: Kind
    """CALL, EFFECT, FAIL, TIMEOUT or DELAY."""
    after: int = -1
    """The node after it."""
    service: str = ""
    """Empty for a delay, and for the deadline of the event."""
    activity: str = ""
    """The id of the invocation or of the delay."""
    number: int = 0
    """The ordinal of this start of it for this event, from 1."""
    attempt: int = 1
    """The ordinal of the call that this is of its start: more than 1 where it is retried."""
    effect: bool = False
    """Whether it has changed the world outside."""
    works: bool = True
    """Of a CALL: whether the service comes back, and does not raise."""
    text: str = ""
    """Which error it is, where the scenario names it; what passes, of a delay."""
    late: bool = False
    """Of a FAIL: the service does not come back when it should, and is going to fail. Of a CALL: it
    fails, and that was counted before."""


class DelayStart(NamedTuple):
    """A delay of a settled state that a settlement starts."""

    delay: int
    """Its position in `CompiledChart.timers`."""
    least: int = 0
    """How long it still runs, in nanoseconds, at least and at most; 0 where nobody reads it."""
    most: int = 0


class TableNode(NamedTuple):
    """One node of a program."""

    kind: ProgramNodeKind
    branches: tuple[Branch, ...] = ()
    """What may happen next, in a fixed order."""
    state: int = -1
    """What is saved."""
    outcome: Outcome | None = None
    text: str = ""
    """The message of an error; why something is not known."""
    failures: int = 0
    """Of an error: how many failures from outside led to it."""
    only_start: bool = False
    """Whether the event was ignored or rejected, and the start of a new instance is saved."""
    started: tuple[DelayStart, ...] = ()
    """Of a save: the delays that run on from here."""
    kept: tuple[int, ...] = ()
    """Of a save: the delays whose states were not left; positions in `CompiledChart.timers`."""
    moved: tuple[tuple[int, int], ...] = ()
    """Of a save that carries an instance to another version: the positions of timers that go on,
    before and after."""


def merged(nodes: Sequence[TableNode], branches: Sequence[Branch]) -> tuple[Branch, ...]:
    """Return branches without the failures after which a program does the same as after another.

    A time-out after which the same follows as after an error is no branch of its own; neither is a
    failure after which the same follows as where the service fails by itself.

    Parameters
    ----------
    nodes : those below
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
    """Whether two programs do the same, but for the words of their errors.

    Parameters
    ----------
    strict : whether it makes a difference that one error is of the chart's own making
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
    """Return a node without the numbers of those below it."""
    return node._replace(branches=tuple(each._replace(after=-1) for each in node.branches))
