"""`migration`: makes a step from a version of a chart to a later one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from settlesim.chart import Chart, read_chart
from settlesim.chart.migration import Migration, Names, Split, Target
from settlesim.chart.problems import Problems
from settlesim.errors import shorten

__all__ = ["migration"]


def migration(
    chart_from: Chart | Mapping[str, Any] | str | os.PathLike[str],
    chart_to: Chart | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    *,
    states: Mapping[Any, Any] | None = None,
    context: Callable[[dict[str, Any]], Mapping[str, Any]] | None = None,
    events: Mapping[str, str | None] | None = None,
    delays: Mapping[str, str | None] | None = None,
) -> Migration:
    """Return a step from a version of a chart to a later one.

    Its functions have to be pure: strict JSON in, strict JSON out, and the same result for the
    same input. A name that is in no mapping stays as it is.

    Parameters
    ----------
    chart_from : the earlier version, or what `read_chart` reads as one, such as the path of a
        file that ``settlesim freeze`` wrote
    chart_to : the later version; None for the chart that takes the step
    states
        The target of a state and of all states within it: the name of a state; a list of names
        if several become active together; or `split` or a function of the context before the
        step, which returns a name or a list of names. A key that is a tuple of names stands for
        that whole configuration and takes precedence. A target is entered, so a compound one
        leads to its initial state.
    context : is called with the context, and returns the whole new one
    events : the new name of an event that may still wait in a queue; None to drop it
    delays : the new id of a delay, which keeps its due time; None to drop it

    Returns
    -------
    step : for ``Chart(..., migrations=[step])`` or ``chart.with_migrations(step)``, which check
        its names

    Raises
    ------
    DefinitionError
        An argument is not a mapping, or a target is neither a name, names nor a function.
    ReadError
        A chart cannot be read.

    Examples
    --------
    >>> from settlesim import Chart, migration
    >>> old = Chart([{"name": "open", "tags": ["settled"]}, {"name": "paid", "tags": ["settled"]}],
    ...             [["PAY", "open", "paid"]], "open", name="bill")
    >>> new = Chart([{"name": "open", "tags": ["settled"]}, {"name": "done", "tags": ["settled"]}],
    ...             [["PAY", "open", "done"]], "open", name="bill", version=2,
    ...             migrations=[migration(old, states={"paid": "done"})])
    >>> new.migrations[0].name
    'the step from version 1 to 2'
    """
    source = read_chart(chart_from)
    target = None if chart_to is None else read_chart(chart_to)
    problems = Problems(source.name)
    for name, given in (("states", states), ("events", events), ("delays", delays)):
        if given is not None and not isinstance(given, Mapping):
            problems.add(name, f"is {shorten(given, 60)}; a mapping from old to new is needed")
    problems.raise_if_any()
    found = {
        _key(key, problems): _target(key, value, problems) for key, value in (states or {}).items()
    }
    for name, mapping in (("events", events or {}), ("delays", delays or {})):
        for old, new in mapping.items():
            if new is not None and not isinstance(new, str):
                reason = f"is {shorten(new, 60)}; a new name, or None to drop it, is needed"
                problems.add(f"{name}[{shorten(old, 40)}]", reason)
    problems.raise_if_any()
    return Migration(source, target, found, context, dict(events or {}), dict(delays or {}))


def _key(key: object, problems: Problems) -> Names:
    if isinstance(key, str):
        return key
    if isinstance(key, tuple) and key and all(isinstance(each, str) for each in key):
        return key
    problems.add("states", f"has the key {shorten(key, 60)}; a name or a tuple of names is needed")
    return ""


def _target(key: object, target: Any, problems: Problems) -> Target:
    if isinstance(target, (str, Split)):
        return target
    if callable(target):
        function: Callable[[dict[str, Any]], str | Sequence[str]] = target
        return function
    if isinstance(target, Sequence) and target and all(isinstance(each, str) for each in target):
        return tuple(target)
    reason = f"is {shorten(target, 60)}; a name, a list of names, split(...) or a function of the "
    problems.add(f"states[{shorten(key, 40)}]", f"{reason}context is needed")
    return ""
