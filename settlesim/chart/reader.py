"""Reads a chart from whatever a person has: a mapping, JSON, a file, a module.

A machine of `transitions` is read too; `settlesim.machine.from_transitions` registers that.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from functools import singledispatch
from pathlib import Path
from typing import Any, Final

from settlesim.chart.chart import Chart
from settlesim.chart.strict_json import decode, encode
from settlesim.errors import ReadError, shorten

__all__ = [
    "MAX_FILE_BYTES",
    "chart_from_attribute",
    "chart_from_file",
    "chart_to_json",
    "read_chart",
]

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""How large a chart's JSON may be."""


@singledispatch
def read_chart(source: object, *, automatic: bool | None = None) -> Chart:
    """Read a chart.

    Parameters
    ----------
    source
        A `Chart`, a mapping, JSON text (it begins with a brace), the path of a JSON file, a
        ``module:attribute`` that holds any of these, or a machine of `transitions`.
    automatic
        Of a machine: whether its automatic transitions (``to_<state>``) become transitions of
        the chart. By default they are left out, and that is said; with False it is not said.

    Raises
    ------
    ReadError
        The source is none of these, or can not be opened.
    DefinitionError
        The chart in it is wrong.
    """
    raise ReadError(
        source=shorten(source, 60),
        reason="is no chart: a Chart, a mapping, JSON text, a file's path, a module:attribute or "
        "a transitions machine can be read",
    )


@read_chart.register
def _(source: Chart) -> Chart:
    return source


@read_chart.register
def _(source: Mapping) -> Chart:  # type: ignore[type-arg]
    return Chart.from_dict(source)


@read_chart.register
def _(source: os.PathLike) -> Chart:  # type: ignore[type-arg]
    return chart_from_file(Path(os.fsdecode(source)))


@read_chart.register
def _(source: str) -> Chart:
    if source.lstrip().startswith(("{", "[")):
        return _from_text(source.encode("utf-8", "surrogatepass"), "JSON text")
    if ":" in source and not source.endswith(".json") and not os.path.exists(source):
        return chart_from_attribute(source)
    return chart_from_file(Path(source))


def chart_from_file(path: Path) -> Chart:
    """Read a JSON file.

    Raises
    ------
    ReadError
        There is no such file, it is too large, or it is no JSON object.
    DefinitionError
        The chart in it is wrong.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ReadError(source=shorten(str(path)), reason=f"cannot be read: {reason}") from None
    return _from_text(text, str(path))


def _from_text(text: bytes, source: str) -> Chart:
    if len(text) > MAX_FILE_BYTES:
        raise ReadError(source=source, reason=f"is larger than {MAX_FILE_BYTES} bytes")
    record = decode(text, source=source)
    if not isinstance(record, dict):
        raise ReadError(source=source, reason="holds no JSON object; a chart is one")
    return Chart.from_dict(record)


def chart_from_attribute(source: str) -> Chart:
    """Import ``module:attribute`` and read what it holds.

    Raises
    ------
    ReadError
        The module can not be imported, or has no such attribute.
    """
    module_name, _, path = source.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
        for part in path.split("."):
            value = getattr(value, part)
    except Exception as error:
        raise ReadError(
            source=shorten(source),
            reason=f"cannot be imported: {type(error).__name__}: {shorten(str(error), 200)}",
        ) from error
    if isinstance(value, str):
        raise ReadError(source=shorten(source), reason="is a text, not a chart")
    return read_chart(value)


def chart_to_json(chart: Chart) -> str:
    """Return the chart as one line of JSON; `read_chart` reads it back."""
    return encode(chart.to_dict())
