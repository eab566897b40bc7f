"""Guards joined by and, or, not, as the lists of names that a transition of a chart can ask.

A chart's transition may fire if all of its `conditions` and none of its `unless` hold. So a
guard is brought into disjunctive normal form, and each alternative becomes a transition of
its own, in order: the first whose guards hold fires, and all of them do the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Final

from settlesim.errors import ReadError

__all__ = ["ALWAYS", "Alternatives", "all_of", "any_of", "named", "negated"]

Clause = tuple[tuple[str, ...], tuple[str, ...]]
"""Names that have to hold, and names that must not."""
Alternatives = tuple[Clause, ...]

ALWAYS: Final[Alternatives] = (((), ()),)
_MAX_CLAUSES: Final = 64


def named(name: str) -> Alternatives:
    """Return the guard of this name."""
    return (((name,), ()),)


def any_of(guards: Sequence[Alternatives]) -> Alternatives:
    """Return the guard that holds if one of these does."""
    return _bounded([clause for guard in guards for clause in guard])


def all_of(guards: Sequence[Alternatives]) -> Alternatives:
    """Return the guard that holds if all of these do."""
    found: Alternatives = ALWAYS
    for guard in guards:
        found = _bounded([_joined(left, right) for left, right in product(found, guard)])
    return found


def negated(guard: Alternatives) -> Alternatives:
    """Return the guard that holds if this one does not (De Morgan)."""
    return all_of(
        [
            any_of([(((), (name,)),) for name in conditions] + [named(name) for name in unless])
            for conditions, unless in guard
        ]
    )


def _joined(left: Clause, right: Clause) -> Clause:
    return (
        tuple(dict.fromkeys(left[0] + right[0])),
        tuple(dict.fromkeys(left[1] + right[1])),
    )


def _bounded(clauses: list[Clause]) -> Alternatives:
    found = tuple(dict.fromkeys(clauses))
    if len(found) > _MAX_CLAUSES:
        raise ReadError(
            source="a guard",
            reason=f"has more than {_MAX_CLAUSES} alternatives when it is written out: give the "
            "whole of it one name",
        )
    return found
