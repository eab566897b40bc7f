"""Options for reading a document: settling tags, lengths of delays, inputs of services."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from settlesim.argument_checks import nearest
from settlesim.chart.dialect import MAX_SECONDS
from settlesim.errors import ReadError, shorten
from settlesim.formats.recognition import FormatName

__all__ = ["OVERLAY_KEYS", "ReaderOptions", "read_overlay"]

OVERLAY_KEYS: Final = ("settled", "rejected", "delays", "inputs", "name")


@dataclass(frozen=True, slots=True)
class ReaderOptions:
    """Options that complete a document, and options of the reader."""

    settled: tuple[str, ...] | None = None
    """States that are tagged ``settled``; None for the rule if the document has no such tags."""
    rejected: tuple[str, ...] = ()
    """States that are tagged ``reject``."""
    delays: Mapping[str, float] = field(default_factory=dict)
    """Seconds by the name of a delay."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Inputs by the name or id of a service."""
    name: str | None = None
    """The chart's name; the document's by default."""
    file_name: str | None = None
    """The file's name: the chart's name if nothing else gives it one."""
    format: FormatName | None = None
    """The document's format; None to detect it."""
    strict: bool = False
    """Whether everything that would be left out is an error."""


def read_overlay(record: Mapping[str, Any], *, source: str) -> ReaderOptions:
    """Read a mapping of options, from the file beside a document or from a function's arguments.

    Raises
    ------
    ReadError
        An unknown key, or a value of the wrong shape.
    """
    for key in record:
        if key not in OVERLAY_KEYS:
            close = nearest(key, OVERLAY_KEYS)
            hint = f"did you mean {close!r}?" if close else f"known are {', '.join(OVERLAY_KEYS)}"
            raise ReadError(source=source, reason=f"unknown key {shorten(key)}; {hint}")
    settled = record.get("settled")
    return ReaderOptions(
        settled=None if settled is None else _names(settled, source, "settled"),
        rejected=_names(record.get("rejected") or (), source, "rejected"),
        delays=_delays(record.get("delays") or {}, source),
        inputs=_mapping(record.get("inputs") or {}, source, "inputs"),
        name=_name(record.get("name"), source),
    )


def _name(value: object, source: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ReadError(source=source, reason=f"name is {shorten(value)}; a text is needed")


def _names(value: object, source: str, key: str) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        names = tuple(value)
        if all(isinstance(each, str) for each in names):
            return names
    raise ReadError(source=source, reason=f"{key} is {shorten(value)}; a list of names is needed")


def _mapping(value: object, source: str, key: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(each, str) for each in value):
        return value
    raise ReadError(source=source, reason=f"{key} is {shorten(value)}; a mapping is needed")


def _delays(value: object, source: str) -> Mapping[str, float]:
    found = _mapping(value, source, "delays")
    for name, seconds in found.items():
        number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if not number or not math.isfinite(seconds) or not 0 < seconds <= MAX_SECONDS:
            raise ReadError(
                source=source,
                reason=f"the delay {shorten(name)} is {shorten(seconds)}; a number of seconds in "
                f"(0, {MAX_SECONDS:g}] is needed",
            )
    return found
