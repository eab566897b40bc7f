"""Reads a chart from whatever a person has: a mapping, JSON, a file, a module.

Machines of `transitions` are read by a function that `settlesim.machine.from_transitions`
registers, charts in other formats by one that `settlesim.formats` registers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from functools import singledispatch
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from settlesim.argument_checks import nearest
from settlesim.chart.chart import Chart
from settlesim.chart.dialect import CHART_KEYS
from settlesim.chart.strict_json import encode
from settlesim.errors import ReadError, SettlesimError, error_message, shorten

__all__ = [
    "MAX_FILE_BYTES",
    "chart_from_attribute",
    "chart_to_json",
    "other_formats",
    "read_chart",
]

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""How large a chart's JSON may be."""


@singledispatch
def read_chart(
    source: object,
    *,
    automatic: bool | None = None,
    model: object = None,
    attributes: Mapping[str, str] | Iterable[str] | None = None,
) -> Chart:
    """Read a chart.

    Parameters
    ----------
    source
        A `Chart`, a mapping, a text, the path of a file, a ``module:attribute`` that holds any
        of these, or a machine of `transitions`. The format of a mapping, text or file is
        detected: settlesim's own JSON, or one of those of `settlesim.formats.import_chart`, which
        also takes options and reports what was left out.
    automatic
        For a machine: whether its automatic transitions (``to_<state>``) become transitions of
        the chart. By default they are left out with a warning; False leaves them out without one.
    model
        For a machine: an instance of its model, or the class, whose methods become guards and
        assigns of the chart.
    attributes
        For a model: the attributes that are kept in the context, as names, or as a mapping from
        names to keys of the context. Their initial values are those of the model.

    Raises
    ------
    ReadError
        The source is none of these, or cannot be opened.
    DefinitionError
        The chart in it is wrong.
    """
    raise ReadError(
        source=shorten(source, 60),
        reason="is no chart: a Chart, a mapping, a text, a file's path, a module:attribute or "
        "a transitions machine can be read",
    )


@read_chart.register
def _(source: Chart) -> Chart:
    return source


@read_chart.register
def _(source: Mapping) -> Chart:  # type: ignore[type-arg]
    return _from_mapping(source)


@read_chart.register
def _(source: os.PathLike) -> Chart:  # type: ignore[type-arg]
    return _from_other(Path(os.fsdecode(source)))


@read_chart.register
def _(source: str) -> Chart:
    if "\n" in source or source.lstrip().startswith(("{", "[", "<")):
        return _from_other(source)
    if ":" in source and not source.endswith(".json") and not os.path.exists(source):
        return chart_from_attribute(source)
    return _from_other(Path(source))


@singledispatch
def other_formats(source: object) -> Chart | None:
    """Read a mapping, a text or a file, whatever format its chart has.

    Returns
    -------
    chart : None for a mapping in settlesim's own format
    """
    if "settlesim._public" in sys.modules:
        return None
    import_module("settlesim._public")  # the formats are in a layer above, and register themselves
    return other_formats(source)


def _from_mapping(record: Mapping[Any, Any]) -> Chart:
    ours = isinstance(record.get("states"), (list, tuple)) and set(record) <= set(CHART_KEYS)
    found = None if ours else other_formats(record)
    return Chart.from_dict(record) if found is None else found


def _from_other(source: str | Path) -> Chart:
    found = other_formats(source)
    assert found is not None  # a text or a file is read, or an error says why not
    return found


def chart_from_attribute(source: str) -> Chart:
    """Import ``module:attribute`` and read what it holds.

    Raises
    ------
    ReadError
        The module cannot be imported, or has no such attribute.
    """
    module_name, _, path = source.partition(":")
    try:
        value: Any = import_module(module_name)
        for part in path.split("."):
            value = getattr(value, part)
    except AttributeError as error:
        close = nearest(error.name, dir(error.obj)) if error.name else None
        hint = f"; did you mean {close!r}?" if close else ""
        raise ReadError(
            source=shorten(source),
            reason=f"cannot be imported: {shorten(error_message(error), 200)}{hint}",
        ) from error
    except SettlesimError as error:  # every line of it helps
        raise ReadError(source=shorten(source), reason=f"cannot be imported: {error}") from error
    except Exception as error:
        raise ReadError(
            source=shorten(source),
            reason=f"cannot be imported: {type(error).__name__}: "
            f"{shorten(error_message(error), 200)}",
        ) from error
    if isinstance(value, str):
        raise ReadError(source=shorten(source), reason="is a text, not a chart")
    return read_chart(value)


def chart_to_json(chart: Chart) -> str:
    """Return the chart as one line of JSON; `read_chart` reads it back."""
    return encode(chart.to_dict())
