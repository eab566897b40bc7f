"""XState configurations become the charts that they mean."""

from __future__ import annotations

import pytest

from settlesim import import_chart
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
