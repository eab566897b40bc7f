"""What a chart and another format both can say: the part of a chart that a round trip keeps."""

from __future__ import annotations

from typing import Any

from settlesim import Chart
from settlesim.chart import NodeKind

__all__ = ["common_to_mermaid", "common_to_scxml", "common_to_xstate"]

_Record = dict[str, Any]


def common_to_xstate(chart: Chart) -> Chart:
    """Return the chart without what XState has no word for, in the order that it keeps."""
    return _Common(chart).chart()


def common_to_mermaid(chart: Chart) -> Chart:
    """Return what Mermaid draws: no data, no history, one target, ids for names."""
    return _Drawn(chart).chart()


def common_to_scxml(chart: Chart) -> Chart:
    """Return what SCXML has words for: a default for every history state, events by prefix."""
    return _Elements(chart).chart()


class _Common:
    """Takes what another format cannot say out of a chart's mapping."""

    drawn = False

    def __init__(self, chart: Chart) -> None:
        self.whole = chart
        self.record = chart.to_dict()
        self.order = {node.name: index for index, node in enumerate(chart.states)}

    def chart(self) -> Chart:
        record = self.record
        for key in ("version", "on_reject", "settling_tags", "secret", "provenance"):
            record.pop(key, None)
        moves = self.routes(record["transitions"])
        moves = [each for each in self.ordered(moves) if self.keeps(each, moves)]
        moves.sort(key=lambda each: each["trigger"] != "")  # eventless ones are the states' own
        record["transitions"] = moves
        record["states"] = [self.state(each, "") for each in record["states"]]
        record["initial"] = self.initial()
        record["semantics"] = "scxml"
        return Chart.from_dict(record)

    def initial(self) -> str:
        return self.whole.initial.split(".")[0]

    def ordered(self, moves: list[_Record]) -> list[_Record]:
        """Sort by state and, in it, by the first place of each event."""
        first: dict[tuple[str, str], int] = {}
        for index, each in enumerate(moves):
            first.setdefault((each["source"], each["trigger"]), index)
        return sorted(
            moves,
            key=lambda each: (
                self.order[each["source"]],
                first[each["source"], each["trigger"]],
            ),
        )

    def keeps(self, move: _Record, moves: list[_Record]) -> bool:
        """Whether a wildcard stands alone in its state: XState has an order of its own."""
        beside = {each["trigger"] for each in moves if each["source"] == move["source"]} - {""}
        return "*" not in move["trigger"] or len(beside) == 1

    def state(self, record: _Record, prefix: str) -> _Record:
        name = f"{prefix}{record['name']}"
        found = {key: each for key, each in record.items() if key not in {"label", "on_final"}}
        for key in ("children", "parallel"):
            if key in found:
                found[key] = [self.state(each, f"{name}.") for each in found[key]]
        if "history" in found:
            return found
        if isinstance(found.get("initial"), list):
            del found["initial"]
        found["invoke"] = [
            {
                "src": each["src"],
                "input": each["input"],
                "on_done": self.routes(each["on_done"], name),
                "on_error": self.routes(each["on_error"], name),
            }
            for each in found.get("invoke", [])
        ]
        delays = {key: self.routes(each, name) for key, each in found.get("after", {}).items()}
        found["after"] = {key: each for key, each in delays.items() if each}
        found["on_done"] = self.routes(found.get("on_done", []), name)
        return found

    def routes(self, records: list[_Record], source: str | None = None) -> list[_Record]:
        return [self.route(each, source or each["source"]) for each in records]

    def route(self, record: _Record, source: str) -> _Record:
        left_out = {"label", "prepare", "after", "before", "assign", "internal"}
        found = {key: each for key, each in record.items() if key not in left_out}
        for key in ("conditions", "unless"):
            if key in found:
                found[key] = list(dict.fromkeys(found[key]))
        actions = record.get("before", []) + record.get("assign", [])
        dests = [each for each in [record["dest"]] if each is not None]
        dests = record["dest"] if isinstance(record["dest"], list) else dests
        inside = all(each == source or each.startswith(f"{source}.") for each in dests)
        if record.get("internal") and inside:
            if self.whole.node(source).is_leaf:
                found["dest"] = None
            else:
                found["internal"] = True
        return found | ({"assign": actions} if actions else {})


def _full(chart: Chart, name: str) -> str:
    """Return a state's path of names that hold for the whole diagram."""
    parts = name.split(".")
    above = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return ".".join(_id(each) for each in above)


def _id(name: str) -> str:
    return name if "." not in name else f"s_{name.replace('.', '_')}"


class _Drawn(_Common):
    """The same for Mermaid, where names hold for the whole diagram, and all are arrows."""

    def chart(self) -> Chart:
        self.record.pop("context")
        return super().chart()

    def ordered(self, moves: list[_Record]) -> list[_Record]:
        """Sort by state alone: arrows keep their order."""
        found = sorted(moves, key=lambda each: self.order[each["was"]])
        return [{key: each[key] for key in each if key != "was"} for each in found]

    def keeps(self, move: _Record, moves: list[_Record]) -> bool:
        return True

    def state(self, record: _Record, prefix: str) -> _Record:
        name = f"{prefix}{record['name']}"
        found = super().state(record, prefix)
        if "history" in found:
            return found
        found["name"] = _id(name)
        found["tags"] = [tag for tag in found.get("tags", []) if tag != "info"]
        for key in ("children", "parallel"):
            if key in found:
                found[key] = [each for each in found[key] if "history" not in each]
        if len(found.get("parallel", ())) == 1:
            found["children"] = found.pop("parallel")
            found["initial"] = found["children"][0]["name"]
        elif "initial" in found:
            found["initial"] = _id(f"{name}.{found['initial']}")
        for each in found["invoke"]:
            del each["input"]
        return found

    def routes(self, records: list[_Record], source: str | None = None) -> list[_Record]:
        found = []
        for record in records:
            where = source or record["source"]
            each = self.route(record, where)
            dest = each["dest"]
            if not isinstance(dest, str) or "internal" in each:
                continue
            if self.whole.node(dest).history is not None:
                continue
            more = {} if source else {"source": _full(self.whole, where), "was": where}
            found.append({**each, **more, "dest": _full(self.whole, dest)})
        return found


class _Elements(_Common):
    """The same for SCXML, which keeps the order of transitions and takes events by prefix."""

    def initial(self) -> str:
        return self.whole.initial

    def ordered(self, moves: list[_Record]) -> list[_Record]:
        found = sorted(moves, key=lambda each: self.order[each["source"]])
        names = {"A.b": "A_b", "A.*": "D.*"}
        return [{**each, "trigger": names.get(each["trigger"], each["trigger"])} for each in found]

    def keeps(self, move: _Record, moves: list[_Record]) -> bool:
        return True

    def state(self, record: _Record, prefix: str) -> _Record:
        name = f"{prefix}{record['name']}"
        found = super().state(record, prefix)
        node = self.whole.node(name)
        if node.history is not None and not node.default and node.parent is not None:
            parent = self.whole.node(node.parent)
            starts = parent.initial_states or (parent.initial,)
            if parent.initial is None:
                starts = tuple(
                    child for child in parent.children if not self.whole.node(child).history
                )
            found["default"] = list(starts)
        if node.initial_states:
            found["initial"] = list(node.initial_states)
        return found

    def route(self, record: _Record, source: str) -> _Record:
        found = super().route(record, source)
        node = self.whole.node(source)
        dests = found["dest"] if isinstance(found["dest"], list) else [found["dest"]]
        if found.get("internal") and (source in dests or node.kind is NodeKind.PARALLEL):
            del found["internal"]
        return found
