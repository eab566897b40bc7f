"""Which states of a chart that others wrote are settled.

A document says it with tags, a person with a list of names. Where nobody says it, a rule
proposes: a state in which nothing happens by itself is one where the chart may rest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from settlesim.chart import DEFAULT_TAGS
from settlesim.chart.problems import nearest
from settlesim.errors import ReadError, shorten
from settlesim.formats.draft import Draft

__all__ = ["find_draft", "has_settling_tags", "settle_by_name", "settle_by_rule"]

SETTLED: Final = DEFAULT_TAGS.resolved[0]
REJECTED: Final = DEFAULT_TAGS.rejected[0]


def has_settling_tags(root: Draft) -> bool:
    """Whether the document itself tags a state as settled or rejected."""
    return any(not DEFAULT_TAGS.all.isdisjoint(draft.tags) for draft in root.every())


def settle_by_rule(root: Draft) -> list[str]:
    """Tag every leaf in which nothing happens by itself; return their full names.

    Nothing happens by itself where neither the leaf nor a state around it runs a service, and
    the leaf has neither an eventless transition nor a delay.
    """
    found = []
    for draft in root.every():
        if draft.children or draft.kind in ("final", "history") or not draft.name:
            continue
        if draft.invoke or draft.always or draft.after:
            continue
        if any(around.invoke for around in draft.above()):
            continue
        draft.tags.append(SETTLED)
        found.append(draft.name)
    return found


def settle_by_name(root: Draft, names: Iterable[str], tag: str) -> list[str]:
    """Tag the states that a person named; return their full names.

    Raises
    ------
    ReadError
        A name that no state has, or several have.
    """
    found = []
    for name in names:
        draft = find_draft(root, name)
        if tag not in draft.tags:
            draft.tags.append(tag)
        found.append(draft.name)
    return found


def find_draft(root: Draft, name: str) -> Draft:
    """Return the state with this full name, path in the document, or own name.

    Raises
    ------
    ReadError
        A name that no state has, or several have.
    """
    drafts = [draft for draft in root.every() if draft.name and draft.kind != "history"]
    for draft in drafts:
        if name in {draft.name, draft.path}:
            return draft
    ends = [draft for draft in drafts if name == draft.key or draft.name.endswith(f".{name}")]
    if len(ends) == 1:
        return ends[0]
    known = [draft.name for draft in drafts]
    if ends:
        shown = ", ".join(draft.name for draft in ends[:5])
        reason = f"{shorten(name)} is ambiguous: {shown}; write one of these"
    else:
        close = nearest(name, known)
        hint = f"did you mean {close!r}?" if close else f"it has {', '.join(known[:8])}"
        reason = f"has no state {shorten(name)}; {hint}"
    raise ReadError(source="settled", reason=reason)
