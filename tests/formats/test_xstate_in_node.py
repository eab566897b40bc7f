"""The hand-written configurations do in our engine what they do in XState 5 itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.formats.xstate_cases import CASES
from tests.formats.xstate_shapes import Shape, difference, digest, in_xstate, shapes_of
from tests.machine.xstate_charts import xstate_in_node

RECORDED = Path(__file__).with_name("xstate_shapes_recorded.json")
"""What XState did: by case the number of steps and a digest of where they ended."""

REFUSED = {
    "id with a dot": "XState looks for #x.y in the state #x",
    "in no state": "XState looks for it when it asks the guard",
    "guard that is no name": "XState cannot ask a number",
    "root without initial": "XState wants an initial state; the reader takes the first",
    "compound without initial": "XState wants an initial state; the reader takes the first",
    "a definition, as JSON.stringify(machine) gives it": "createMachine takes no definition",
    "v4: a definition with a delay, a guard and a service": "createMachine takes no definition",
    "v5: a definition with a delay and an end": "createMachine takes no definition",
}
"""Cases that XState cannot run, and why."""

NAMED = {
    "from one region to another": "region to region",
    "a parallel state with an event of its regions": "region order",
    "history of a state around": "history from inside",
    "built-in actions": "built-in action",
    "one name as guard and as action": "renamed function",
    "initial as an object": "initial transition",
}
"""Cases in which the chart does something else, and the loss that the reader names."""

COMPARED = [case for case in CASES if case.name not in REFUSED | NAMED]


@pytest.fixture(scope="module")
def shapes() -> list[Shape]:
    """Every case, a few times, as our engine runs it."""
    return [shape for case in CASES for shape in shapes_of(case)]


@pytest.fixture(scope="module")
def differences(shapes: list[Shape]) -> dict[str, list[str]]:
    """What differs in XState, by case."""
    node, folder = xstate_in_node()
    found: dict[str, list[str]] = {case.name: [] for case in CASES}
    for shape, theirs in zip(shapes, in_xstate(node, folder, shapes), strict=True):
        differs = difference(shape, theirs)
        if differs:
            found[shape.name].append(differs)
    return found


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.name)
def test_a_configuration_does_what_it_does_in_xstate(
    case: Any, differences: dict[str, list[str]]
) -> None:
    """The same states, context and services after every event, answer and delay."""
    assert differences[case.name] == []


def test_what_is_not_compared_is_refused_by_xstate_or_named_by_the_reader(
    differences: dict[str, list[str]],
) -> None:
    """So no case is on these lists that could be compared."""
    lost = {case.name: case.lost for case in CASES}
    for name in REFUSED:
        assert all(each.startswith("XState refuses it: ") for each in differences[name])
        assert differences[name]
    for name, kind in NAMED.items():
        assert kind in lost[name]
        assert any(not each.startswith("XState refuses it") for each in differences[name]), name


def test_every_step_is_the_one_that_xstate_was_recorded_to_do(shapes: list[Shape]) -> None:
    """Where there is no Node as well."""
    steps: dict[str, list[Any]] = {case.name: [] for case in COMPARED}
    for shape in shapes:
        if shape.name in steps:
            steps[shape.name].append(shape.steps)
    assert {name: digest(each) for name, each in steps.items()} == json.loads(RECORDED.read_text())


def test_the_runs_have_everything(shapes: list[Shape]) -> None:
    """A comparison of nothing would hold as well."""
    words = [word for shape in shapes for word in shape.script]
    for kind in ("send", "done", "error", "after"):
        assert sum(word[0] == kind for word in words) > 20, kind
    assert sum(word[0] == "done" and word[1] is not None for word in words) > 20
    assert {shape.name for shape in shapes} == {case.name for case in CASES}
    every = [step for shape in shapes for step in shape.steps]
    steps = [step for step in every if not step["failed"]]
    assert len(steps) < len(every)
    assert any(step["services"] for step in steps)
    logged = [result for step in steps for _, result in step["context"]["log"]]
    assert 1 in logged
    assert {"of": [1, 2]} in logged
