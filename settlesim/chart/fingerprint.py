"""The fingerprint of a chart: a short text that changes if the meaning of stored instances does.

Everything in the definition counts, except the chart's name and version, which are kept beside
the fingerprint; labels, provenance and `secret`; the order of keys, tags, sibling states and
unrelated transitions; and the code behind the names of functions. The regions of a parallel state
and the delays of a state are identified by their positions, so their order counts.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from settlesim.chart.writer import chart_to_dict

if TYPE_CHECKING:
    from settlesim.chart.chart import Chart

__all__ = ["fingerprint_of", "meaning_of"]

_OTHER: Final = ("name", "version", "secret", "provenance")
_DIGITS: Final = 16


def fingerprint_of(chart: Chart) -> str:
    """Return 16 hexadecimal digits, the beginning of the SHA-256 of what the chart means."""
    text = json.dumps(meaning_of(chart), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:_DIGITS]


def meaning_of(chart: Chart) -> dict[str, Any]:
    """Return the parts of the chart's definition that count, in a canonical order."""
    record = {key: value for key, value in chart_to_dict(chart).items() if key not in _OTHER}
    tags = {kind: sorted(names) for kind, names in record["settling_tags"].items()}
    states = sorted(map(_state, record["states"]), key=_name)
    # In SCXML several triggers may match one event, so the order of all transitions of a state
    # counts, not only of those with the same trigger.
    by = _source if "semantics" in record else _trigger_and_source
    transitions = sorted(map(_unlabelled, record["transitions"]), key=by)
    return {**record, "settling_tags": tags, "states": states, "transitions": transitions}


def _state(state: dict[str, Any]) -> dict[str, Any]:
    found = _unlabelled(state)
    for key in ("children", "parallel"):
        if key in found:
            found[key] = list(map(_state, found[key]))
    if "children" in found:
        found["children"].sort(key=_name)
    if "tags" in found:
        found["tags"] = sorted(found["tags"])
    if "on_done" in found:
        found["on_done"] = list(map(_unlabelled, found["on_done"]))
    if "invoke" in found:
        found["invoke"] = [
            {**each, **{key: list(map(_unlabelled, each[key])) for key in ("on_done", "on_error")}}
            for each in found["invoke"]
        ]
    if "after" in found:
        found["after"] = [
            [seconds, list(map(_unlabelled, targets))]
            for seconds, targets in found["after"].items()
        ]
    return found


def _unlabelled(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "label"}


def _name(state: dict[str, Any]) -> str:
    return str(state["name"])


def _source(transition: dict[str, Any]) -> str:
    return str(transition["source"])


def _trigger_and_source(transition: dict[str, Any]) -> tuple[str, str]:
    return transition["trigger"], transition["source"]
