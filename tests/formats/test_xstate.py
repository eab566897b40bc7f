"""XState configurations become the charts that they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from settlesim import Scenario, explore, import_chart
from tests.formats.generated_xstate import generate
from tests.formats.lines import edge_lines, state_lines
from tests.formats.xstate_cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_configuration_becomes_the_chart_that_it_means(case: Case) -> None:
    """Transitions, states and losses are those that were written down."""
    found = import_chart(case.config)
    assert edge_lines(found.chart) == case.edges
    if case.states is not None:
        assert state_lines(found.chart) == case.states
    assert {loss.kind: len(loss.places) for loss in found.losses} == case.lost


@pytest.mark.parametrize(
    "first",
    [0, 60]
    + [
        pytest.param(first, marks=pytest.mark.nightly)
        for first in range(0, 200, 20)
        if first not in {0, 60}
    ],
)
def test_generated_configurations_have_the_transitions_that_they_were_made_with(first: int) -> None:
    """Two hundred of them: targets in every notation, both versions; they are checked and drawn."""
    for seed in range(first, first + 20):
        made = generate(seed)
        found = import_chart(made.config, format="xstate4" if made.version == 4 else None)
        assert sorted(edge_lines(found.chart)) == sorted(made.edges), seed
        assert found.format == f"XState v{made.version} JSON"
        report = found.chart.check(limit=200)
        assert report.run_states > 0
        assert found.chart.draw(format="mermaid").mermaid.startswith("stateDiagram-v2")
        if seed % 20 == 0:
            assert found.chart.draw().svg.startswith("<svg")


def test_the_reader_tells_the_versions_apart() -> None:
    """By the keys of v4, which stand in every generated configuration of it."""
    versions = {import_chart(generate(seed).config).format for seed in range(20)}
    assert versions == {"XState v4 JSON", "XState v5 JSON"}


def _answer(name: str, role: str) -> Callable[..., Any]:
    async def serve(call: Any) -> str:
        return name

    answers: dict[str, Callable[..., Any]] = {
        "guard": lambda context, event: name != "hasItems",
        "assign": lambda context, event: {name: True},
        "service": serve,
    }
    return answers[role]


@pytest.mark.parametrize("seed", range(0, 24, 4))
def test_generated_configurations_are_simulated_and_shown_live(seed: int) -> None:
    """One event in the simulator, and in a panel; the chart checks as the panel runs."""
    chart = import_chart(generate(seed).config).chart
    bound = chart.bind({name: _answer(name, role) for name, role in chart.roles.items()})
    events = [each.trigger for each in chart.transitions if each.trigger]
    if not events:
        return
    found = explore(
        Scenario(bound, events[:1], queue="fifo_group", workers=1, max_receives=1), limit=100
    )
    assert found.states > 0
    panel = bound.panel(manual=True)
    panel.send(events[0])
    assert "<svg" in panel._repr_mimebundle_()["text/html"]
