"""What a chart and another format both can say: the part of a chart that a round trip keeps."""

from __future__ import annotations

from typing import Any

from settlesim import Chart

__all__ = ["common_to_mermaid", "common_to_xstate"]


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


def common_to_mermaid(chart: Chart) -> Chart:
    """Return what Mermaid has words for: no data, nothing that leaves nothing, ids for names."""
    record = common_to_xstate(chart).to_dict()
    record.pop("context")
    ids = {node.name: node.name.replace(".", "_") for node in chart.states}
    full = {
        node.name: ".".join(ids[name] for name in reversed(_above(node.name)))
        for node in chart.states
    }
    order = {name: index for index, name in enumerate(full)}
    moves = sorted(record["transitions"], key=lambda each: order[each["source"]])
    moves.sort(key=lambda each: each["trigger"] != "")
    record["transitions"] = [
        {**each, "source": full[each["source"]]} for each in _arrows(moves, full)
    ]
    record["states"] = [_drawn(each, "", ids, full) for each in record["states"]]
    return Chart.from_dict({**record, "initial": full[record["initial"]]})


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _arrows(records: list[dict[str, Any]], full: dict[str, str]) -> list[dict[str, Any]]:
    return [{**each, "dest": full[each["dest"]]} for each in records if each["dest"] is not None]


def _drawn(
    record: dict[str, Any], prefix: str, ids: dict[str, str], full: dict[str, str]
) -> dict[str, Any]:
    name = f"{prefix}{record['name']}"
    found = {**record, "name": ids[name]}
    found["tags"] = [tag for tag in record.get("tags", []) if tag != "info"]
    if "initial" in found:
        found["initial"] = ids[f"{name}.{found['initial']}"]
    for key in ("children", "parallel"):
        if key in found:
            found[key] = [_drawn(each, f"{name}.", ids, full) for each in found[key]]
    found["invoke"] = [
        {"src": each["src"]} | {key: _arrows(each[key], full) for key in ("on_done", "on_error")}
        for each in record.get("invoke", [])
    ]
    delays = {key: _arrows(each, full) for key, each in record.get("after", {}).items()}
    found["after"] = {key: each for key, each in delays.items() if each}
    found["on_done"] = _arrows(record.get("on_done", []), full)
    return found


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
