"""The structural cases of the SCION test framework: how many configurations are right.

The suite is the npm package ``@scion-scxml/test-framework`` (Apache License 2.0); nothing of it
is in this repository. Get it with ``npm pack @scion-scxml/test-framework``, unpack it, and run

    python -m benchmarks.scxml package/test

A case is an SCXML document with the configuration that each of a few events leads to. The
structural ones are those without executable content, conditions, data or sent events.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from settlesim.chart import Chart
from settlesim.errors import SettlesimError
from settlesim.settling.settling import Settling

CODE: Final = frozenset(
    (
        "assign",
        "cancel",
        "data",
        "datamodel",
        "foreach",
        "if",
        "invoke",
        "log",
        "param",
        "raise",
        "script",
        "send",
    )
)
_STATES: Final = ("state", "parallel", "final", "history")


class _Document:
    """Reads the SCXML of a structural case; ids become paths below one root state."""

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root
        self.paths: dict[str, str] = {}
        self._ids: dict[ElementTree.Element, str] = {}
        self._name(root, "root")

    def _name(self, element: ElementTree.Element, path: str) -> None:
        for number, child in enumerate(_states(element)):
            id_ = child.get("id") or f"_{number}"
            own = f"{path}.{id_.replace('.', '_')}"  # a dot joins parent and child here
            self._ids[child] = self.paths[id_] = own
            self._name(child, own)

    def chart(self) -> Chart:
        """Return the chart of the document."""
        transitions: list[Any] = []
        root: Any = self._state(self._root, "root", transitions)
        return Chart([root], transitions, "root", semantics="scxml")

    def _state(
        self, element: ElementTree.Element, path: str, transitions: list[dict[str, Any]]
    ) -> dict[str, Any]:
        record: dict[str, Any] = {"name": path.rpartition(".")[2]}
        kind = _tag(element)
        if kind == "history":
            (default,) = _children(element, "transition")
            targets = self._targets(default.get("target"))
            return {**record, "history": element.get("type", "shallow"), "default": targets}
        for each in _children(element, "transition"):
            transitions.extend(self._transitions(each, path))
        if kind == "final":
            return {**record, "final": True}
        record["tags"] = ["settled"]
        children = [self._state(each, self._ids[each], transitions) for each in _states(element)]
        if children:
            record["parallel" if kind == "parallel" else "children"] = children
            initial = element.get("initial")
            for each in _children(element, "initial"):
                initial = _children(each, "transition")[0].get("target")
            if initial and kind != "parallel":
                record["initial"] = self._targets(initial)
        return record

    def _transitions(self, element: ElementTree.Element, source: str) -> Iterator[dict[str, Any]]:
        targets = self._targets(element.get("target"))
        internal = element.get("type") == "internal" and bool(targets)
        spec: dict[str, Any] = {"source": source, "dest": targets or None}
        if internal and all(each.startswith(f"{source}.") for each in targets):
            spec["internal"] = True
        for event in (element.get("event") or "").split() or [""]:
            # the descriptor a matches the events a and a.b (SCXML 1.0, section 3.12.1)
            plain = event in {"", "*"} or event.endswith(".*")
            yield {**spec, "trigger": event if plain else f"{event}.*"}

    def _targets(self, ids: str | None) -> list[str]:
        return [self.paths[each] for each in (ids or "").split()]


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _children(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [each for each in element if _tag(each) == tag]


def _states(element: ElementTree.Element) -> list[ElementTree.Element]:
    return [each for each in element if _tag(each) in _STATES]


def is_structural(root: ElementTree.Element) -> bool:
    """Whether a document has neither executable content nor conditions nor data."""
    return not any(_tag(each) in CODE or each.get("cond") for each in root.iter())


def run(root: ElementTree.Element, script: Mapping[str, Any]) -> str:
    """Return an empty text if every configuration is right, otherwise what was wrong."""
    document = _Document(root)
    try:
        chart = document.chart()
    except SettlesimError as error:
        return f"refused: {error}"
    ids = {path: id_ for id_, path in document.paths.items()}
    settlement = Settling(chart, None, None).settlement
    assert settlement is not None  # nothing is pending: no case has a service
    found = [_ids(settlement.after.configuration, ids)]
    wanted = [sorted(script["initialConfiguration"])]
    for step in script["events"]:
        settlement = Settling(chart, settlement.after, step["event"]["name"]).settlement
        assert settlement is not None
        found.append(_ids(settlement.after.configuration, ids))
        wanted.append(sorted(step["nextConfiguration"]))
    wrong = [(one, other) for one, other in zip(found, wanted, strict=True) if one != other]
    return f"wrong: {wrong[0][0]}, not {wrong[0][1]}" if wrong else ""


def _ids(configuration: Sequence[str], ids: Mapping[str, str]) -> list[str]:
    return sorted(ids[each] for each in configuration)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=Path, help="the folder 'test' of the package")
    suite = parser.parse_args().suite
    right: Counter[str] = Counter()
    all_: Counter[str] = Counter()
    bad: list[str] = []
    for path in sorted(suite.rglob("*.scxml")):
        script = path.with_suffix(".json")
        root = ElementTree.parse(path).getroot()
        if "w3c" in str(path) or not script.exists() or not is_structural(root):
            continue
        group = path.parent.name
        result = run(root, json.loads(script.read_text()))
        all_[group] += 1
        right[group] += not result
        if result:
            bad.append(f"{group}/{path.stem}: {result}")
    print("| group | cases | right |\n|---|---|---|")
    for group in all_:
        print(f"| {group} | {all_[group]} | {right[group]} |")
    print(f"| all | {all_.total()} | {right.total()} |")
    for line in bad:
        print(line)


if __name__ == "__main__":
    main()
