"""What a chart and another format both can say: the part of a chart that a round trip keeps."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["common_to_xstate"]


def common_to_xstate(chart: Chart) -> Chart:
    """Return the chart without what XState has no word for, in the order that it keeps."""
    record = chart.to_dict()
    for key in ("version", "on_reject", "settling_tags", "provenance"):
        record.pop(key, None)
    order = {node.name: index for index, node in enumerate(chart.states)}
    record["states"] = [_state(each) for each in record["states"]]
    moves = [_transition(each) for each in record["transitions"]]
    first: dict[tuple[str, str], int] = {}
    for index, each in enumerate(moves):
        first.setdefault((each["source"], each["trigger"]), index)
    moves.sort(key=lambda each: (order[each["source"]], first[each["source"], each["trigger"]]))
    moves.sort(key=lambda each: each["trigger"] != "")  # eventless ones are the states' own
    record["transitions"] = moves
    first_level = chart.initial.split(".")[0]
    return Chart.from_dict({**record, "initial": first_level})


def _state(record: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in record.items() if key not in {"label", "on_final"}}
    for key in ("children", "parallel"):
        if key in found:
            found[key] = [_state(each) for each in found[key]]
    found["invoke"] = [
        {key: _targets(value) if key.startswith("on_") else value for key, value in each.items()
         if key not in {"timeout", "effect"}}
        for each in found.get("invoke", [])
    ]  # fmt: skip
    found["after"] = {key: _targets(value) for key, value in found.get("after", {}).items()}
    found["on_done"] = _targets(found.get("on_done", []))
    return found


def _targets(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_transition(each) for each in records]


def _transition(record: dict[str, Any]) -> dict[str, Any]:
    found = {
        key: value for key, value in record.items() if key not in {"label", "prepare", "after"}
    }
    actions = found.pop("before", []) + found.pop("assign", [])
    for key in ("conditions", "unless"):
        if key in found:
            found[key] = list(dict.fromkeys(found[key]))
    return found | ({"assign": actions} if actions else {})
