"""A fingerprint changes with what a chart means, and with nothing else."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim.chart import Chart
from settlesim.chart.dialect import CHART_KEYS, INVOKE_KEYS, STATE_KEYS, TARGET_KEYS
from tests.documents import ROOT
from tests.examples import scaled
from tests.strategies_charts import FUNCTIONS, chart_records

TARGET = {
    "dest": "done",
    "conditions": ["yes"],
    "unless": ["no"],
    "prepare": ["p"],
    "before": ["b"],
    "assign": ["a"],
    "after": ["f"],
    "label": "a label",
}
RECORD: dict[str, Any] = {
    "name": "all",
    "version": 3,
    "initial": "open",
    "context": {"n": 1, "label": "of the context", "deep": {"x": 1, "y": 2}},
    "on_reject": "discard",
    "settling_tags": {"resolved": ["settled", "resolve"], "rejected": ["reject"]},
    "semantics": "transitions",
    "states": [
        {
            "name": "open",
            "tags": ["settled", "info"],
            "label": "Open",
            "on_enter": ["e"],
            "on_exit": ["x"],
            "after": {"60": [{**TARGET, "assign": ["t"]}], "90": "done"},
        },
        {
            "name": "busy",
            "invoke": [
                {
                    "src": "work",
                    "input": {"a": 1, "label": "of the input"},
                    "timeout": 5,
                    "effect": True,
                    "on_done": [{**TARGET, "assign": ["d"]}, {"dest": "open"}],
                    "on_error": [{"dest": "open"}],
                }
            ],
        },
        {"name": "done", "final": True, "on_final": ["l"]},
        {
            "name": "box",
            "tags": ["settled"],
            "initial": "one",
            "children": [{"name": "one"}, {"name": "two"}, {"name": "end", "final": True}],
            "on_done": [{"dest": "open"}],
        },
        {
            "name": "pair",
            "tags": ["settled"],
            "parallel": [
                {"name": "left", "initial": "in", "children": [{"name": "in"}, {"name": "out"}]},
                {"name": "right", "initial": "up", "children": [{"name": "up"}, {"name": "off"}]},
            ],
        },
        {"name": "odd", "tags": ["settled"]},
    ],
    "transitions": [
        {"trigger": "GO", "source": "open", **TARGET},
        {"trigger": "GO", "source": "open", "dest": "busy"},
        {"trigger": "BOX", "source": "open", "dest": "box"},
        {"trigger": "", "source": "busy", "dest": "odd", "conditions": ["yes"]},
    ],
}


def fingerprint(record: dict[str, Any]) -> str:
    """The fingerprint of a chart."""
    return Chart.from_dict(record).fingerprint


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The record after a change."""
    record = copy.deepcopy(RECORD)
    change(record)
    return record


def put(*path: Any) -> Callable[[dict[str, Any]], object]:
    """Put the last one where the others lead."""
    *way, last, value = path

    def change(record: Any) -> None:
        for part in way:
            record = record[part]
        record[last] = value

    return change


def swap(*path: Any) -> Callable[[dict[str, Any]], object]:
    """Turn a list, or the order of the keys of an object, around."""
    *way, last = path

    def change(record: Any) -> None:
        for part in way:
            record = record[part]
        found = record[last]
        turned = reversed(found.items()) if isinstance(found, dict) else reversed(found)
        record[last] = type(found)(turned)

    return change


STATE, INVOKE = ("states", 0), ("states", 1, "invoke", 0)
WAYS = {
    "of a transition": ("transitions", 0),
    "of a service": (*INVOKE, "on_done", 0),
    "of a delay": (*STATE, "after", "60", 0),
}
TARGET_CHANGES: dict[str, Any] = {
    "dest": "odd",
    "conditions": ["yes", "maybe"],
    "unless": ["never"],
    "prepare": ["p2"],
    "before": ["b2"],
    "assign": ["a2"],
    "after": ["f2"],
}
SEMANTIC: dict[str, Callable[[dict[str, Any]], object]] = {
    "chart initial": put("initial", "odd"),
    "chart context": put("context", "n", 2),
    "chart context, a float for an int": put("context", "n", 1.0),
    "chart context, a key that is called label": put("context", "label", "another"),
    "chart on_reject": put("on_reject", "persist"),
    "chart settling_tags": put("settling_tags", "rejected", ["reject", "no"]),
    "chart states": lambda record: record["states"].append({"name": "new"}),
    "chart transitions": lambda record: record["transitions"].pop(),
    "state name": put("states", 4, "name", "two_of"),
    "state tags": put(*STATE, "tags", ["settled"]),
    "state final": lambda record: record["states"][5].update(final=True, tags=[]),
    "state on_enter": put(*STATE, "on_enter", ["e2"]),
    "state on_exit": put(*STATE, "on_exit", ["x2"]),
    "state on_final": put("states", 2, "on_final", []),
    "state after": put(*STATE, "after", {"61": "done", "90": "done"}),
    "state after, the order, by which delays are named": swap(*STATE, "after"),
    "state always": put("states", 5, "always", "open"),
    "state on_done": put("states", 3, "on_done", 0, "dest", "odd"),
    "state initial": put("states", 3, "initial", "two"),
    "state children": lambda record: record["states"][3]["children"].append({"name": "three"}),
    "state states": put("states", 5, "states", [{"name": "inner"}]),
    "state parallel": lambda record: record["states"][4]["parallel"].append({"name": "third"}),
    "state parallel, the order of the regions": swap("states", 4, "parallel"),
    "state transitions": put("states", 3, "transitions", [["NEXT", "one", "two"]]),
    "state invoke": put("states", 1, "invoke", []),
    "invoke src": put(*INVOKE, "src", "work2"),
    "invoke input": put(*INVOKE, "input", "a", 2),
    "invoke input, a key that is called label": put(*INVOKE, "input", "label", "another"),
    "invoke timeout": put(*INVOKE, "timeout", 6),
    "invoke retry": put(*INVOKE, "retry", {"attempts": 3}),
    "invoke effect": put(*INVOKE, "effect", False),
    "invoke on_done": swap(*INVOKE, "on_done"),
    "invoke on_error": put(*INVOKE, "on_error", []),
    "transition trigger": put("transitions", 2, "trigger", "BOX2"),
    "transition source": put("transitions", 2, "source", "odd"),
    "the order of the transitions of one trigger": lambda record: record["transitions"].insert(
        0, record["transitions"].pop(1)
    ),
    **{
        f"target {key} {where}": put(*way, key, value)
        for where, way in WAYS.items()
        for key, value in TARGET_CHANGES.items()
    },
}
SCXML: dict[str, Any] = {
    "name": "all",
    "semantics": "scxml",
    "initial": "off",
    "states": [
        {"name": "off", "tags": ["settled"]},
        {
            "name": "on",
            "tags": ["settled"],
            "initial": "low",
            "children": [
                {"name": "low"},
                {"name": "high"},
                {"name": "last", "history": "shallow", "default": "low", "label": "Last"},
            ],
        },
    ],
    "transitions": [
        {"trigger": "PUSH", "source": "off", "dest": "on.last"},
        {"trigger": "UP", "source": "on", "dest": "on.high"},
        {"trigger": "UP.FAR", "source": "on", "dest": "on.low"},
    ],
}
SCXML_SEMANTIC: dict[str, Callable[[dict[str, Any]], object]] = {
    "state history": put("states", 1, "children", 2, "history", "deep"),
    "state default": put("states", 1, "children", 2, "default", "high"),
    "target internal": put("transitions", 1, "internal", True),
    "the order of transitions of a state, of which one may be for a prefix": swap("transitions"),
}
OTHERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "chart name": put("name", "other"),
    "chart version": put("version", 4),
    "chart semantics": lambda record: record.pop("semantics"),
    "chart secret": put("secret", ["n"]),
    "chart provenance": put("provenance", {"format": "asl"}),
    "state label": put(*STATE, "label", "Another"),
    "state ignore_invalid_triggers": put(*STATE, "ignore_invalid_triggers", True),
    "the order of tags": swap(*STATE, "tags"),
    "the order of settling tags": swap("settling_tags", "resolved"),
    "the order of states": swap("states"),
    "the order of children": swap("states", 3, "children"),
    "the order of keys of a state": swap("states", 0),
    "the order of keys of the context": swap("context"),
    "the order of keys within the context": swap("context", "deep"),
    "the order of unrelated transitions": lambda record: record["transitions"].insert(
        0, record["transitions"].pop()
    ),
    "seconds as another number": put(*INVOKE, "timeout", 5.0),
    **{f"target label {where}": put(*way, "label", "another") for where, way in WAYS.items()},
}


@pytest.mark.parametrize("change", SEMANTIC.values(), ids=SEMANTIC)
def test_what_means_something_changes_the_fingerprint(
    change: Callable[[dict[str, Any]], object],
) -> None:
    """Each key, in each place where it may stand."""
    assert fingerprint(changed(change)) != fingerprint(RECORD)


@pytest.mark.parametrize("change", SCXML_SEMANTIC.values(), ids=SCXML_SEMANTIC)
def test_what_means_something_in_scxml_changes_the_fingerprint(
    change: Callable[[dict[str, Any]], object],
) -> None:
    """The keys that only a chart with those semantics has."""
    record = copy.deepcopy(SCXML)
    change(record)
    assert fingerprint(record) != fingerprint(SCXML)


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_what_means_nothing_leaves_the_fingerprint_alone(
    change: Callable[[dict[str, Any]], object],
) -> None:
    """Labels, orders, and what is kept beside it."""
    record = changed(change)
    assert fingerprint(record) == fingerprint(RECORD)
    assert not Chart.from_dict(RECORD).diff(Chart.from_dict({**record, "name": "all"}))


def test_the_lists_above_have_every_key_of_a_chart() -> None:
    """A new key of the definition has to be put into one of them."""
    changes = {**SEMANTIC, **SCXML_SEMANTIC, **OTHERS}
    named = {" ".join(name.split(",")[0].split()[:2]) for name in changes}
    wanted = {
        *(f"chart {key}" for key in CHART_KEYS),
        *(f"state {key}" for key in STATE_KEYS),
        *(f"invoke {key}" for key in INVOKE_KEYS),
        *(f"target {key}" for key in TARGET_KEYS),
        "transition trigger",
        "transition source",
    }
    assert wanted - named == set()


def test_the_semantics_count() -> None:
    """The same states and transitions may lead elsewhere."""
    flat = {"states": ["a", "b"], "transitions": [["GO", "a", "b"]], "initial": "a"}
    assert fingerprint({**flat, "semantics": "scxml"}) != fingerprint(flat)


def test_functions_do_not_count() -> None:
    """Only their names do."""
    record = {**RECORD, "states": RECORD["states"]}
    chart = Chart.from_dict(record)
    assert chart.bind({"yes": lambda context, event: True}).fingerprint == chart.fingerprint


@settings(max_examples=scaled(20))
@given(chart_records(), st.randoms(use_true_random=False))
def test_a_chart_that_was_written_and_read_has_the_fingerprint_that_it_had(
    record: dict[str, Any], dice: Any
) -> None:
    """Also in another order of keys, and with functions."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, list):
            return [shuffled(each) for each in value]
        if not isinstance(value, dict):
            return value
        seconds = all(key.replace(".", "").isdigit() for key in value)
        items = [(key, shuffled(each)) for key, each in value.items()]
        if not seconds:
            dice.shuffle(items)
        return dict(items)

    chart = Chart.from_dict(record)
    assert Chart.from_dict(shuffled(chart.to_dict())).fingerprint == chart.fingerprint
    bound = chart.bind({name: FUNCTIONS[name] for name in chart.roles})
    assert bound.fingerprint == chart.fingerprint


SCRIPT = """
from tests.chart.test_fingerprint import RECORD, fingerprint
from settlesim.gallery import CHARTS
print(fingerprint(RECORD), [chart.fingerprint for chart in CHARTS.values()])
"""


def test_fingerprints_are_equal_in_every_process() -> None:
    """Whatever the seed of Python's hashes is."""
    told = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(told) == 1
    assert fingerprint(RECORD) in next(iter(told))


def test_the_fingerprint_of_a_chart_is_kept_for_ever() -> None:
    """Stores hold it, so it may not change with a version of settlesim."""
    chart = Chart(["a", "b"], [["GO", "a", "b"]], "a")
    assert chart.fingerprint == "b0e23cab39e412ab"
