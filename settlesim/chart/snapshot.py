"""What is saved of an instance between two events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Final

from settlesim.chart.strict_json import FrozenDict, JSONValue, freeze_object
from settlesim.errors import InvalidValueError, StoreDamagedError, shorten

__all__ = ["Snapshot", "check_key", "history_flaw", "key_flaw"]

_NO_HISTORY: Final = freeze_object({}, where="history_states")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One settled instance: its active states, its context, its revision."""

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
    _: KW_ONLY
    fingerprint: str | None = None
    """Identifies the chart's definition, beyond its name and version; None if unknown."""
    history_states: FrozenDict = field(default_factory=lambda: _NO_HISTORY)
    """What the chart's history states remember (SCXML 1.0, section 3.10): for each one, by name,
    the list of full names of the states that it stands for."""

    def to_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain JSON; `from_dict` reads it back.

        The keys `fingerprint` and `history_states` are left out where there is nothing in them.
        """
        record: dict[str, Any] = {
            "chart": self.chart,
            "version": self.version,
            "revision": self.revision,
            "configuration": list(self.configuration),
            "context": self.context,
        }
        if self.fingerprint is not None:
            record["fingerprint"] = self.fingerprint
        if self.history_states:
            record["history_states"] = self.history_states
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], *, source: str = "snapshot") -> Snapshot:
        """Read what `to_dict` wrote; other keys are ignored.

        Raises
        ------
        StoreDamagedError
            A field that is missing or of another type; only `fingerprint` and
            `history_states` may be missing.
        InvalidValueError
            A context or history states that strict JSON cannot carry.
        """
        flaw = _flaw(record)
        if flaw:
            raise StoreDamagedError(path=source, reason=flaw)
        history = record.get("history_states")
        return cls(
            chart=record["chart"],
            version=record["version"],
            configuration=tuple(record["configuration"]),
            context=freeze_object(record["context"], where=f"context of {source}"),
            revision=record["revision"],
            fingerprint=record.get("fingerprint"),
            history_states=freeze_object(history, where=f"history_states of {source}")
            if history
            else _NO_HISTORY,
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
        return "'configuration' is no list of state names"
    for leaf in leaves:
        if not isinstance(leaf, str):
            return "'configuration' is no list of state names"
    fingerprint = record.get("fingerprint")
    if fingerprint is not None and (type(fingerprint) is not str or not fingerprint):
        return f"'fingerprint' is {shorten(fingerprint, 40)}, no text"
    states = record.get("history_states")
    flaw = None if states is None else history_flaw(states)
    return None if flaw is None else f"'history_states' {flaw}"


def history_flaw(states: JSONValue) -> str | None:
    """Say what is wrong with the `history_states` of a snapshot, or None."""
    if not isinstance(states, dict):
        return f"is of type {type(states).__name__}, not dict"
    for name, remembered in states.items():
        if not isinstance(name, str):
            return f"has {shorten(name, 40)}; names of history states are needed"
        if not (
            isinstance(remembered, list)
            and remembered
            and all(isinstance(each, str) for each in remembered)
        ):
            return f"has {shorten(remembered, 40)} for {shorten(name)}; a list of names is needed"
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
    """Refuse a value that cannot be the key of an instance.

    Raises
    ------
    InvalidValueError
        Not a string, an empty one, or one with a lone surrogate.
    """
    if type(key) is str and key and key.isascii():
        return  # fast path: most keys are ASCII
    flaw = key_flaw(key)
    if flaw is not None:
        raise InvalidValueError(where="key", reason=flaw)
