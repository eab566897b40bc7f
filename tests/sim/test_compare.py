"""Disciplines side by side, and the grid that shows what is necessary."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from settlesim import Chart
from settlesim.errors import SimulationError
from settlesim.gallery import append_log, counter, order
from settlesim.progress import Progress
from settlesim.sim import (
    DISCIPLINES,
    ProtectionGrid,
    Scenario,
    Verdict,
    compare,
    explore,
    protection_grid,
)
from tests.sim.interrupts import interrupt_at

EVENTS = {"ship": ["PAY", "SHIP"], "refund": ["PAY", "CANCEL"], "cancel": ["PAY", "CANCEL", "SHIP"]}


LONG = pytest.param("cancel", marks=pytest.mark.nightly)


@pytest.fixture(scope="module", params=["ship", "refund", LONG], ids=str)
def grid(request: pytest.FixtureRequest) -> ProtectionGrid:
    """The grid of the order chart for some of its events."""
    return protection_grid(order, EVENTS[request.param])


def test_nothing_without_fifo_reaches_exactly_the_right_ending(grid: ProtectionGrid) -> None:
    """Not with compare-and-set, an inbox and idempotent effects together."""
    for row in grid.rows:
        for column in grid.columns:
            if "F" not in column:
                assert not grid[row, column].right
                assert grid[row, column].endings > 1
    assert not grid.commute
    assert "do not commute" in grid.summary


def test_fifo_alone_is_enough_without_faults(grid: ProtectionGrid) -> None:
    """And only without."""
    for column in grid.columns:
        assert grid["none", column].right == ("F" in column)
    for row in ("crash", "expiry", "both"):
        assert not grid[row, "F---"].right


def test_with_faults_fifo_needs_idempotent_effects_and_cas(grid: ProtectionGrid) -> None:
    """The chart itself refuses repeats, so the inbox makes no difference."""
    for column in grid.columns:
        for row in ("expiry", "both"):
            assert grid[row, column].right == (column[0] + column[1] + column[3] == "FCE")
        assert grid["crash", column].right == (column[0] + column[3] == "FE")


def test_the_cells_tell_how_they_fail(grid: ProtectionGrid) -> None:
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
    grid = protection_grid(counter(), ["INC", "INC"], fault_rows={"none": {}})
    assert grid.commute
    assert grid["none", "-C--"].right
    assert not grid["none", "----"].right
    assert "commute" in grid.summary
    assert "-C--" in grid.summary


def test_disciplines_are_compared_side_by_side() -> None:
    """Only one at a time in order reaches one ending."""
    found = compare(order, ["PAY", "SHIP"])
    assert found.names == tuple(DISCIPLINES)
    right = [queue for queue in found.names if len(found[queue].endings) == 1]
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
        protection_grid(order, ["PAY"], queue="mutex")  # type: ignore[call-arg]
    with pytest.raises(SimulationError, match="a mapping by name"):
        protection_grid(order, ["PAY"], fault_rows={})


@pytest.mark.parametrize("rows", [["none"], "none", 3, {}])
def test_rows_are_a_mapping(rows: Any) -> None:
    """From their names to budgets."""
    with pytest.raises(SimulationError, match=r"fault_rows: .* a mapping by name"):
        protection_grid(order, ["PAY"], fault_rows=rows)


def test_what_a_comparison_varies_can_not_be_given() -> None:
    """Nor can disciplines be one name."""
    with pytest.raises(SimulationError, match="queue: is what is varied"):
        compare(order, ["PAY"], queue="mutex")  # type: ignore[call-arg]
    for names in ("mutex", 3):
        with pytest.raises(SimulationError, match="a list of names"):
            compare(order, ["PAY"], names)  # type: ignore[arg-type]


# --- Ctrl-C -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["search", "_forward", "_of_instance", "table_for"])
def test_one_interrupt_ends_the_whole_comparison(place: str) -> None:
    """What was explored is returned, and what was not started is undetermined."""
    with interrupt_at(place, 1 if place == "table_for" else 3):
        found = compare(order, ["PAY", "SHIP"])
    assert found.names == tuple(DISCIPLINES)
    verdicts = [each.verdict for each in found.explorations]
    done = [each.complete for each in found.explorations]
    number = done.index(False)
    assert number < 3
    assert not any(done[number:])
    rest = found.explorations[number + 1 :]
    assert {each.verdict for each in rest} == {Verdict.UNDETERMINED}
    assert {each.reason for each in rest} == {"it was not started: an earlier one was interrupted"}
    assert Verdict.PROVED not in verdicts


@pytest.mark.parametrize("reports", [0, 1, 2, 3])
def test_a_flag_ends_the_whole_comparison(reports: int) -> None:
    """As an interrupt does, whether it is set before, between or within the disciplines."""
    stop = threading.Event()
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if len(told) == reports:
            stop.set()

    if not reports:
        stop.set()
    found = compare(order, ["PAY", "SHIP"], progress=tell, stop=stop)
    assert len(told) == reports
    first, *rest = found.explorations
    assert (first.complete, first.reason) == (False, "it was interrupted")
    assert {each.reason for each in rest} == {"it was not started: an earlier one was interrupted"}


def test_a_comparison_tells_which_discipline_it_is_at() -> None:
    """What is counted are the disciplines; the text has the states of the current one."""
    told: list[Progress] = []
    compare(order, ["PAY", "SHIP"], ["mutex", "fifo_group"], progress=told.append)
    assert {each.expected for each in told} == {2}
    assert [each.done for each in told] == [0, 0, 0, 1, 1, 1]
    assert told[0].text == "mutex"
    assert told[1].text.startswith("mutex: ")
    assert told[1].text.endswith(" states found")
    assert told[-1].text.endswith(" states, counting interleavings")


def test_a_grid_tells_its_cells_and_is_stopped_by_a_flag() -> None:
    """It counts the cells."""
    stop = threading.Event()
    told: list[Progress] = []

    def tell(progress: Progress) -> None:
        told.append(progress)
        if progress.done == 17:
            stop.set()

    grid = protection_grid(order, ["PAY", "SHIP"], progress=tell, stop=stop)
    cells = [cell for row in grid.cells for cell in row]
    assert {each.expected for each in told} == {64}
    assert all(cell.exploration.complete for cell in cells[:17])
    assert cells[17].reason == "it was interrupted"
    assert all(cell.reason.startswith("it was not started") for cell in cells[18:])


@pytest.mark.parametrize("function", [compare, protection_grid])
def test_progress_that_cannot_be_told_is_refused(function: Any) -> None:
    """As `explore` does."""
    with pytest.raises(SimulationError, match="progress: is 3; a function, True or False"):
        function(order, ["PAY"], progress=3)


def test_one_interrupt_ends_the_whole_grid() -> None:
    """The cells before it are as they would be, those after it undetermined."""
    rows = {"none": {}, "crash": {"crashes": 1}}
    whole = protection_grid(order, ["PAY", "SHIP"], fault_rows=rows)
    with interrupt_at("search", 20):
        grid = protection_grid(order, ["PAY", "SHIP"], fault_rows=rows)
    cells = [cell for row in grid.cells for cell in row]
    same = [cell for row in whole.cells for cell in row]
    assert len(cells) == len(same) == 32
    for cell, other in zip(cells[:19], same[:19], strict=True):
        assert cell.exploration.endings == other.exploration.endings
    assert {cell.exploration.verdict for cell in cells[19:]} == {Verdict.UNDETERMINED}
    assert cells[19].reason == "it was interrupted"
    assert cells[20].reason.startswith("it was not started")
    assert cells[20].counterexample is None
    assert "cells are undetermined" in grid.summary
    assert "?" in str(grid)


# --- what is not known --------------------------------------------------------------------


def test_a_grid_of_which_nothing_is_known_claims_nothing() -> None:
    """Neither that the events commute, nor that they do not, nor what is certain."""
    events = [f"E{i}" for i in range(1, 5)]
    chart = append_log(4).bind({"append": lambda context, event: {"log": ["same"]}})
    rows = {"none": {}, "crash": {"crashes": 1}}
    grid = protection_grid(chart, events, limit=20, fault_rows=rows)
    assert {cell.exploration.verdict for row in grid.cells for cell in row} == {
        Verdict.UNDETERMINED
    }
    assert grid.commute is None
    assert grid.summary == (
        "Whether these events commute was not found out. "
        "Whether one can do without FIFO was not found out."
    )


def test_whether_events_commute_is_searched_within_the_limit() -> None:
    """Two endings say no; one ending of a search that stopped early says nothing."""
    events = [f"E{i}" for i in range(1, 5)]
    assert (
        protection_grid(append_log(4), events, limit=20, fault_rows={"none": {}}).commute is False
    )
    assert protection_grid(counter(), ["INC"] * 3, limit=5, fault_rows={"none": {}}).commute is None
    assert protection_grid(counter(), ["INC"] * 3, fault_rows={"none": {}}).commute is True


def test_a_grid_with_undetermined_cells_says_how_many() -> None:
    """What is refuted without FIFO is refuted all the same."""
    events = [f"E{i}" for i in range(1, 5)]
    grid = protection_grid(append_log(4), events, limit=20, fault_rows={"none": {}})
    assert {grid["none", column].exploration.verdict for column in grid.columns} == {
        Verdict.REFUTED,
        Verdict.UNDETERMINED,
    }
    assert "?" in str(grid)


# --- events that reach no settled state -----------------------------------------------------


def stuck() -> Chart:
    """WORK before START stalls; in order both are fine."""
    return Chart(
        [
            {"name": "idle", "tags": ["settled"]},
            "nowhere",
            {"name": "ready", "tags": ["settled"]},
            {"name": "worked", "tags": ["settled"]},
        ],
        [["START", "idle", "ready"], ["WORK", "idle", "nowhere"], ["WORK", "ready", "worked"]],
        "idle",
        name="stuck",
    )


def test_an_event_that_only_fails_out_of_order_leaves_the_other_disciplines() -> None:
    """Under FIFO it never comes there; the others are left out with the reason."""
    found = compare(stuck(), ["START", "WORK"])
    assert "fifo_group" in found.names
    assert found["fifo_group"].verdict is Verdict.PROVED
    assert "Give max_receives" in found.left_out["standard"]
    assert "for ever" not in found.left_out["standard"]
    assert compare(stuck(), ["START", "WORK"], max_receives=2).left_out.keys() == {"direct"}
    with pytest.raises(SimulationError, match="Give max_receives"):
        compare(stuck(), ["START", "WORK"], ["standard"])
    named = compare(stuck(), ["START", "WORK"], ["standard", "fifo_group"])
    assert named.names == ("fifo_group",)


def test_an_event_that_only_fails_out_of_order_is_a_cell_with_the_reason() -> None:
    """The grid has every cell all the same."""
    grid = protection_grid(stuck(), ["START", "WORK"])
    assert grid["none", "F---"].right
    cell = grid["none", "----"]
    assert (cell.right, cell.endings, cell.counterexample) == (False, 0, None)
    assert "reaches no settled state" in cell.reason
    assert cell.exploration.verdict is Verdict.UNDETERMINED
    assert grid.commute is None
    assert "not found out" in grid.summary


def test_an_order_that_the_queue_does_not_allow_refuses_nothing() -> None:
    """Under FIFO the event never stalls; only whether an ending is serializable is not known."""
    found = explore(
        Scenario(stuck(), ["START", "WORK"], queue="fifo_group", faults={"expiries": 1})
    )
    assert found.complete
    assert found.verdict is Verdict.REFUTED
    assert {(each.label, each.fifo, each.serializable) for each in found.endings} == {
        ("worked", True, True),
        ("ready", False, None),
    }
    assert found.note.startswith("in a serial order event WORK reaches no settled state")
    assert found.note.endswith("only arrival order was compared")


def test_one_interrupt_of_searches_that_stop_early_ends_the_grid_too() -> None:
    """While ends are counted, or while walks look for some."""
    for place in ("_totals", "met"):
        with interrupt_at(place, 2):
            grid = protection_grid(order, ["PAY", "SHIP"], limit=20)
        cells = [cell for row in grid.cells for cell in row]
        assert cells[1].reason == "it was interrupted"
        assert {cell.reason for cell in cells[2:]} == {
            "it was not started: an earlier one was interrupted"
        }


def test_the_summary_claims_only_what_every_row_bears_out() -> None:
    """Compare-and-set alone is right for two increments without faults, and not with a crash."""
    rows = {"none": {}, "crash": {"crashes": 1}}
    grid = protection_grid(counter(), ["INC", "INC"], fault_rows=rows)
    assert grid["none", "-C--"].right
    assert not grid["crash", "-C--"].right
    words = grid.summary.removesuffix(".").split("with ")[-1].split(", ")
    assert "-CI-" in words
    assert all(grid[row, column].right for column in words for row in grid.rows)
