"""Parses text into plain data, within limits, before any reader looks at it."""

from __future__ import annotations

from typing import Any, Final

from settlesim.chart.strict_json import decode
from settlesim.errors import MissingExtraError, ReadError

__all__ = ["MAX_DEPTH", "MAX_FOREIGN_BYTES", "read_json", "read_yaml", "refuse_deep"]

MAX_FOREIGN_BYTES: Final = 1024 * 1024
"""How large a file of another format may be."""
MAX_DEPTH: Final = 64
"""How deep states, and the elements of a document, may nest."""
_MAX_CONTAINERS: Final = 3 * MAX_DEPTH  # a state in XState JSON is two levels, transitions more
_MAX_VALUES: Final = 1_000_000


def read_json(text: str, *, source: str) -> Any:
    """Read one JSON text, strictly and within the limits.

    Raises
    ------
    ReadError
        No strict JSON, or beyond the limits.
    """
    found = decode(text.removeprefix("\ufeff"), source=source)
    refuse_deep(found, source=source)
    return found


def read_yaml(text: str, *, source: str) -> Any:
    """Read one YAML document without building objects, and without aliases.

    Raises
    ------
    ReadError
        No YAML, an alias (a few of them can stand for gigabytes), or beyond the limits.
    MissingExtraError
        PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError(extra="formats", feature="reading YAML", module="yaml") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise ReadError(
                    source=source,
                    reason=f"has an alias (*{event.anchor}) in line {line}: write out what it "
                    "stands for, since aliases can grow without bound",
                )
        found = yaml.load(text, Loader=loader)
    except RecursionError:
        raise ReadError(source=source, reason="the YAML is nested too deeply") from None
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise ReadError(source=source, reason=f"no YAML: {words[:300]}") from None
    except ValueError as error:  # an impossible date or number
        raise ReadError(source=source, reason=f"no YAML: {error}") from None
    refuse_deep(found, source=source)
    return found


def refuse_deep(value: Any, *, source: str) -> None:
    """Refuse data that is nested too deeply or has too many values.

    Raises
    ------
    ReadError
        It is beyond the limits.
    """
    waiting = [(value, 1)]
    seen = 0
    while waiting:
        each, depth = waiting.pop()
        seen += 1
        if depth > _MAX_CONTAINERS or seen > _MAX_VALUES:
            raise ReadError(
                source=source,
                reason=f"is nested deeper than {MAX_DEPTH} states"
                if depth > _MAX_CONTAINERS
                else f"has more than {_MAX_VALUES} values",
            )
        if isinstance(each, dict):
            waiting.extend((item, depth + 1) for item in each.values())
        elif isinstance(each, list):
            waiting.extend((item, depth + 1) for item in each)
