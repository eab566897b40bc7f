"""Disciplines side by side, and the grid that shows what is necessary."""

from __future__ import annotations

import pytest

from settlesim.errors import SimulationError
from settlesim.gallery import append_log, counter, order
from settlesim.sim import DISCIPLINES, Necessity, Scenario, compare, explore, necessity

EVENTS = {"ship": ["PAY", "SHIP"], "refund": ["PAY", "REFUND"], "cancel": ["PAY", "CANCEL", "SHIP"]}


@pytest.fixture(scope="module", params=EVENTS, ids=str)
def grid(request: pytest.FixtureRequest) -> Necessity:
    """The grid of the order chart for some of its events."""
    return necessity(order, EVENTS[request.param])


def test_nothing_without_fifo_reaches_exactly_the_right_ending(grid: Necessity) -> None:
    """Not with compare-and-set, an inbox and idempotent effects together."""
    for row in grid.rows:
        for column in grid.columns:
            if "F" not in column:
                assert not grid[row, column].right
                assert grid[row, column].endings > 1
    assert not grid.commute
    assert "do not commute" in grid.summary


def test_fifo_alone_is_enough_without_faults(grid: Necessity) -> None:
    """And only without."""
    for column in grid.columns:
        assert grid["none", column].right == ("F" in column)
    for row in ("crash", "expiry", "both"):
        assert not grid[row, "F---"].right


def test_with_faults_fifo_needs_idempotent_effects_and_cas(grid: Necessity) -> None:
    """The chart itself refuses repeats, so the inbox makes no difference."""
    for column in grid.columns:
        for row in ("expiry", "both"):
            assert grid[row, column].right == (column[0] + column[1] + column[3] == "FCE")
        assert grid["crash", column].right == (column[0] + column[3] == "FE")


def test_the_cells_tell_how_they_fail(grid: Necessity) -> None:
    """The shortest counterexample of a cell costs no more faults than its row allows."""
    cell = grid["both", "F---"]
    assert cell.fifo
    assert cell.protections == ()
    assert cell.counterexample is not None
    assert cell.counterexample.faults == 1
    assert grid["both", "FCIE"].counterexample is None
    assert sum(cell.faults) == 2
    assert "27" in str(grid) or "*" in str(grid)


@pytest.mark.parametrize("protection", ["cas", "fence"])
@pytest.mark.parametrize("inbox", [True, False])
def test_a_chart_that_takes_repeats_needs_an_inbox_too(protection: str, inbox: bool) -> None:
    """FIFO, idempotent effects, and CAS or fencing: enough with an inbox, not without."""
    scenario = Scenario(
        append_log(2, effect=True),
        ["E1", "E2"],
        queue="fifo_group",
        protections=[protection, "idempotent", *(["inbox"] if inbox else [])],
        faults={"crashes": 1, "expiries": 1},
    )
    assert (len(explore(scenario).endings) == 1) is inbox


def test_fencing_does_as_well_as_compare_and_set() -> None:
    """Where the chart refuses repeats, with crashes and expiries."""
    scenario = Scenario(
        order,
        ["PAY", "SHIP"],
        queue="fifo_group",
        protections=["fence", "idempotent"],
        faults={"crashes": 1, "expiries": 1},
    )
    assert len(explore(scenario).endings) == 1


def test_events_that_commute_say_so() -> None:
    """A counter needs no order: compare-and-set is enough for it."""
    grid = necessity(counter(), ["INC", "INC"], fault_rows={"none": {}})
    assert grid.commute
    assert grid["none", "-C--"].right
    assert not grid["none", "----"].right
    assert "commute" in grid.summary
    assert "-C--" in grid.summary


def test_disciplines_are_compared_side_by_side() -> None:
    """Only one at a time in order reaches one ending."""
    found = compare(order, ["PAY", "SHIP"])
    assert found.disciplines == tuple(DISCIPLINES)
    right = [queue for queue in found.disciplines if len(found[queue].endings) == 1]
    assert right == ["fifo_global", "fifo_group"]
    assert found.left_out == {}
    assert len(str(found).splitlines()) == 6


def test_disciplines_that_make_no_sense_are_left_out_with_the_reason() -> None:
    """Unless they were asked for."""
    found = compare(order, ["PAY"], faults={"expiries": 1})
    assert list(found.left_out) == ["direct"]
    assert "need a queue" in found.left_out["direct"]
    with pytest.raises(KeyError, match="need a queue"):
        found["direct"]
    with pytest.raises(SimulationError, match="need a queue"):
        compare(order, ["PAY"], ["direct"], faults={"expiries": 1})
    with pytest.raises(SimulationError, match="unknown name"):
        compare(order, ["PAY"], ["fifo"])
    with pytest.raises(SimulationError, match="name one or more"):
        compare(order, ["PAY"], [])


def test_what_the_grid_varies_can_not_be_given() -> None:
    """Nor rows that are none."""
    with pytest.raises(SimulationError, match="leave it out"):
        necessity(order, ["PAY"], queue="mutex")
    with pytest.raises(SimulationError, match="a mapping by name"):
        necessity(order, ["PAY"], fault_rows={})


def test_the_summary_claims_only_what_every_row_bears_out() -> None:
    """Compare-and-set alone is right for two increments without faults, and not with a crash."""
    grid = necessity(counter(), ["INC", "INC"])
    assert grid["none", "-C--"].right
    assert not grid["crash", "-C--"].right
    words = grid.summary.removesuffix(".").split("with ")[-1].split(", ")
    assert "-CI-" in words
    assert all(grid[row, column].right for column in words for row in grid.rows)
