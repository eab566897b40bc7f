"""What a chart says beside its states and transitions: name, version, context and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from settlesim.chart.definition import DEFAULT_TAGS, Node, NodeKind, SettlingTags
from settlesim.chart.event import name_flaw
from settlesim.chart.problems import Problems
from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError, shorten

__all__ = [
    "OnReject",
    "Semantics",
    "read_context",
    "read_initial",
    "read_name",
    "read_on_reject",
    "read_provenance",
    "read_secret",
    "read_semantics",
    "read_settling_tags",
    "read_version",
]

OnReject = Literal["discard", "persist"]
"""What happens to a rejected settlement: it is dropped, or saved like any other."""

Semantics = Literal["transitions", "scxml"]
"""Whose rules say which transitions fire: those of the library `transitions`, or of SCXML 1.0."""

_MAX_VERSION: Final = 2**53 - 1  # the largest integer that every JSON reader keeps exact
_SEMANTICS: Final[tuple[Semantics, ...]] = ("transitions", "scxml")
_ON_REJECT: Final[tuple[OnReject, ...]] = ("discard", "persist")


def read_name(name: object, problems: Problems) -> str:
    """Return the name of the chart."""
    flaw = name_flaw(name)
    if flaw:
        problems.add("name", f"the chart's name {flaw}")
        return "chart"
    return str(name)


def read_initial(
    initial: object, nodes: Mapping[str, Node], problems: Problems, *, scxml: bool = False
) -> str:
    """Return the name of the state in which a new instance starts.

    Parameters
    ----------
    scxml : whether the first state is the default (SCXML 1.0, section 3.2)
    """
    start = initial
    if start is None and scxml:
        start = next((each.name for each in nodes.values() if each.history is None), "")
    if start is None:
        problems.add("initial", "is missing; the state in which a new instance starts is needed")
    elif not isinstance(start, str):
        problems.add("initial", f"is {shorten(start)}; the name of one state is needed")
    elif start not in nodes:
        problems.unknown("initial", "state", start, nodes)
    elif nodes[start].kind is NodeKind.HISTORY:
        problems.add("initial", f"{shorten(start)} is a history state, which is never active")
    elif not scxml:
        _refuse_a_region(start, nodes, problems)
    return start if isinstance(start, str) else ""


def _refuse_a_region(start: str, nodes: Mapping[str, Node], problems: Problems) -> None:
    """Note a start inside one region: `transitions` would leave the others out."""
    region: str = start
    while region in nodes:
        parent = nodes[region].parent
        if parent is None:
            return
        if nodes[parent].kind is NodeKind.PARALLEL:
            problems.add(
                "initial",
                f"{shorten(start)} is in one region of the parallel state {shorten(parent)}, and "
                f"all are entered: start in {shorten(parent)}",
            )
        region = parent


def read_version(version: object, problems: Problems) -> int:
    """Return the version."""
    if type(version) is int and 1 <= version <= _MAX_VERSION:
        return version
    problems.add(
        "version", f"is {shorten(version)}; a whole number from 1 to {_MAX_VERSION} is needed"
    )
    return 1


def read_on_reject(on_reject: object, problems: Problems) -> OnReject:
    """Return what happens to a rejected settlement."""
    for known in _ON_REJECT:
        if on_reject == known:
            return known
    problems.add("on_reject", f"is {shorten(on_reject)}; 'discard' or 'persist' is needed")
    return "discard"


def read_secret(secret: object, problems: Problems) -> tuple[str, ...]:
    """Return the names of the fields whose values are not shown."""
    if isinstance(secret, (list, tuple)) and all(type(name) is str and name for name in secret):
        return tuple(dict.fromkeys(secret))
    problems.add("secret", f"is {shorten(secret)}; a list of the names of context fields is needed")
    return ()


def read_semantics(semantics: object, problems: Problems) -> Semantics:
    """Return whose rules say which transitions fire."""
    for known in _SEMANTICS:
        if semantics == known:
            return known
    problems.add("semantics", f"is {shorten(semantics)}; 'transitions' or 'scxml' is needed")
    return "transitions"


def read_context(context: object, problems: Problems) -> FrozenDict:
    """Return the initial context, frozen."""
    try:
        return freeze_object({} if context is None else context, where="context")
    except InvalidValueError as error:
        problems.add(error.where, error.reason)
        return freeze_object({}, where="context")


def read_provenance(provenance: object, problems: Problems) -> FrozenDict:
    """Return what the chart was read from, frozen."""
    try:
        return freeze_object({} if provenance is None else provenance, where="provenance")
    except InvalidValueError as error:
        problems.add(error.where, error.reason)
        return freeze_object({}, where="provenance")


def read_settling_tags(tags: object, problems: Problems) -> SettlingTags:
    """Return which tags say that a state is settled."""
    if isinstance(tags, SettlingTags):
        tags = {"resolved": tags.resolved, "rejected": tags.rejected}
    if isinstance(tags, Mapping) and set(tags) <= {"resolved", "rejected"}:
        lists = {key: tags.get(key, ()) for key in ("resolved", "rejected")}
        if all(
            isinstance(names, (list, tuple)) and not any(map(name_flaw, names))
            for names in lists.values()
        ):
            found = SettlingTags(tuple(lists["resolved"]), tuple(lists["rejected"]))
            if not set(found.resolved) & set(found.rejected):
                return found
    problems.add(
        "settling_tags",
        f"is {shorten(tags)}; {{'resolved': [names], 'rejected': [names]}} without a common "
        "name is needed",
    )
    return DEFAULT_TAGS
