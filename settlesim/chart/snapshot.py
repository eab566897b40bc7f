"""What is saved of an instance between two events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from settlesim.chart.strict_json import FrozenDict, freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError, shorten

__all__ = ["Snapshot", "check_key", "key_flaw"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One settled instance: where it rests, what it knows, how often it was saved."""

    chart: str
    """The chart's name."""
    version: int
    """The chart's version."""
    configuration: tuple[str, ...]
    """The active leaves, full names in document order."""
    context: FrozenDict
    """The extended state, strict JSON, immutable."""
    revision: int = 0
    """How often the instance was saved; 0 for one that never was."""

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain JSON; `from_dict` reads it back."""
        return {
            "chart": self.chart,
            "version": self.version,
            "revision": self.revision,
            "configuration": list(self.configuration),
            "context": self.context,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, source: str = "snapshot") -> Snapshot:
        """Read what `to_dict` wrote; further keys are left alone.

        Raises
        ------
        StoreDamagedError
            A field that is missing or of another type.
        InvalidValueError
            A context that strict JSON cannot carry.
        """
        flaw = _flaw(record)
        if flaw:
            raise StoreDamagedError(path=source, reason=flaw)
        return cls(
            chart=record["chart"],
            version=record["version"],
            configuration=tuple(record["configuration"]),
            context=freeze_object(record["context"], where=f"context of {source}"),
            revision=record["revision"],
        )


_KINDS: Final = (
    ("chart", str),
    ("version", int),
    ("revision", int),
    ("configuration", list),
    ("context", dict),
)


def _flaw(record: object) -> str | None:
    if type(record) is not dict and not isinstance(record, Mapping):
        return f"the record is of type {type(record).__name__}, not dict"
    for name, kind in _KINDS:
        if name not in record:
            return f"the record has no {name!r}"
        value = record[name]
        if type(value) is not kind and (not isinstance(value, kind) or isinstance(value, bool)):
            return f"{name!r} is of type {type(value).__name__}, not {kind.__name__}"
    if record["revision"] < 0:
        return f"revision {record['revision']} is negative"
    leaves = record["configuration"]
    if not leaves:
        return "'configuration' is no list of node names"
    for leaf in leaves:
        if not isinstance(leaf, str):
            return "'configuration' is no list of node names"
    return None


def key_flaw(key: object) -> str | None:
    """Say what is wrong with the key of an instance, or None."""
    if type(key) is not str:
        return f"is {shorten(key, 60)} of type {type(key).__name__}; a key is text"
    if not key:
        return "is empty; a key is text with at least one character"
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            return f"has a lone surrogate in {shorten(key, 60)}; a key is text that UTF-8 can carry"
    return None


def check_key(key: object) -> None:
    """Refuse what is no key of an instance.

    Raises
    ------
    InvalidValueError
        Not a string, an empty one, or one with a lone surrogate.
    """
    if type(key) is str and key and key.isascii():
        return  # as most are
    flaw = key_flaw(key)
    if flaw is not None:
        raise InvalidValueError(where="key", reason=flaw)
