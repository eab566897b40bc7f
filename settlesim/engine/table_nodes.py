"""What a `Table` is made of: the nodes of its programs."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from settlesim.engine.settlement import Answer, Outcome, Pending

__all__ = ["FAILURE", "NodeKind", "Perform", "TableNode", "merged"]


class NodeKind(enum.Enum):
    """What a program does next."""

    CALL = "call"
    """A service runs."""
    SAVE = "save"
    """The instance is saved in `TableNode.state`."""
    SKIP = "skip"
    """Ignored or rejected: there is nothing to save."""
    ERROR = "error"
    """The event comes to no settled node; `TableNode.text` says why."""


class TableNode(NamedTuple):
    """One node of a program."""

    kind: NodeKind
    service: str = ""
    invocation: str = ""
    """The id of the invocation."""
    number: int = 0
    """The how-manieth start of this invocation for this event, from 1. Of an error: how many
    failures from outside led to it."""
    effect: bool = False
    """Whether the call changes the world outside."""
    works: bool = True
    """Whether the service comes back, and does not raise."""
    done: int = -1
    """The node after the service came back, or raised by itself."""
    error: int | None = None
    """The node after an error from outside; None where none is looked at, or where it leads
    to the same as an error of the service itself."""
    timeout: int | None = None
    """The node after a time-out; None where none is looked at, or where it leads to the same
    as an error."""
    state: int = -1
    """What is saved."""
    outcome: Outcome | None = None
    text: str = ""
    """The message of an error."""


Perform = Callable[[Pending], Answer]
"""Runs a service for the simulator."""

FAILURE: Final = Answer(error=RuntimeError("fails in the simulation"))
"""A failure that the simulation brings about; the other is a time-out."""


def merged(nodes: Sequence[TableNode], call: TableNode) -> TableNode:
    """Return a call without the failures that lead to the same as another way out of it.

    `nodes` has the trees below it.
    """
    error, timeout, done = call.error, call.timeout, call.done
    if timeout is not None and error is not None and _alike(nodes, timeout, error):
        timeout = None
    if not call.works:
        if timeout is not None and _alike(nodes, timeout, done):
            timeout = None
        if error is not None and _alike(nodes, error, done):
            error = None
    return call._replace(error=error, timeout=timeout)


def _alike(nodes: Sequence[TableNode], one: int, other: int) -> bool:
    """Whether two trees do the same, but for the words of their errors."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if one == other:
            continue
        if min(one, other) < 0:
            return False
        first, second = nodes[one], nodes[other]
        if first.kind is NodeKind.ERROR is second.kind:
            if bool(first.number) is not bool(second.number):
                return False
            continue
        if _bare(first) != _bare(second):
            return False
        for left, right in (
            (first.done, second.done),
            (first.error, second.error),
            (first.timeout, second.timeout),
        ):
            pairs.append((-1 if left is None else left, -1 if right is None else right))
    return True


def _bare(node: TableNode) -> TableNode:
    """Return a node without the numbers of those below it."""
    return node._replace(done=-1, error=None, timeout=None)
