"""Charts with ``semantics="scxml"`` do what XState 5 does with the same charts.

The oracle is XState itself, in Node: ``npm install xstate@5`` in a folder that the environment
variable SETTLESIM_XSTATE names. Without it, what it did before is compared.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.machine.xstate_charts import (
    CHARTS,
    RECORDED,
    Trace,
    cases,
    difference,
    digest,
    in_xstate,
    xstate_in_node,
)

Made = list[tuple[dict[str, Any], Trace]]


PARTS = [range(80), pytest.param(range(80, CHARTS), marks=pytest.mark.nightly)]


@pytest.fixture(scope="module", params=PARTS, ids=repr)
def part(request: pytest.FixtureRequest) -> range:
    """Which of the charts."""
    found: range = request.param
    return found


@pytest.fixture(scope="module")
def made(part: range) -> Made:
    """Charts as XState takes them, each with what our engine did."""
    return cases(part)


@pytest.fixture(scope="module")
def recorded(part: range) -> list[str]:
    """What XState did with them once."""
    lines: list[str] = json.loads(RECORDED.read_text())
    assert len(lines) == CHARTS
    return lines[part.start : part.stop]


def test_every_step_is_the_one_that_xstate_was_recorded_to_do(
    part: range, made: Made, recorded: list[str]
) -> None:
    """The same configuration, context and services, after each event, answer and delay."""
    wrong = [
        seed
        for seed, (_, trace), line in zip(part, made, recorded, strict=True)
        if digest(trace, trace.steps) != line
    ]
    assert wrong == []


def xstate(made: Made) -> Any:
    """Where XState is after each step of each chart."""
    return in_xstate(*xstate_in_node(), made)


def test_every_step_is_the_one_that_xstate_does(made: Made, recorded: list[str]) -> None:
    """As above, and what is recorded is what XState does."""
    found = xstate(made)
    pairs = list(zip(made, found, strict=True))
    differs = [difference(trace, theirs) for (_, trace), theirs in pairs]
    assert [each for each in differs if each] == []
    assert [digest(trace, theirs) for (_, trace), theirs in pairs] == recorded


def test_the_generated_charts_have_everything_and_are_mostly_compared_whole(made: Made) -> None:
    """A comparison of nothing would hold as well."""
    text = json.dumps([config for config, _ in made])
    for word in ("history", "parallel", "always", "after", "invoke", "onDone", "final", "reenter"):
        assert text.count(f'"{word}"') > 20, word
    assert text.count('"*"') > 20
    assert sum(trace.explained is None for _, trace in made) > 0.8 * len(made)
    assert sum(len(trace.steps) for _, trace in made) > 20 * len(made)
    services = {tuple(step["services"]) for _, trace in made for step in trace.steps}
    assert max(map(len, services)) > 1


@pytest.mark.nightly
def test_two_thousand_charts_do_what_xstate_does() -> None:
    """The same, with charts that nobody has looked at."""
    many = cases(range(CHARTS, CHARTS + 2000))
    differs = [difference(trace, each) for (_, trace), each in zip(many, xstate(many), strict=True)]
    assert [each for each in differs if each] == []
