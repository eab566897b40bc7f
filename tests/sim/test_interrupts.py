"""Ctrl-C at any moment of an exploration: what is known by then is given."""

from __future__ import annotations

import gc
from collections.abc import Callable

import pytest

from settlesim.gallery import append_log, counter, order
from settlesim.sim import Exploration, Scenario, Verdict, effect, explore, never
from settlesim.sim.model import table_for
from settlesim.sim.search_choice import why_not_swept
from tests.sim.interrupts import interrupt_at_line, lines_run

MODULES = [f"settlesim.sim.{name}" for name in ("explore", "search_choice", "search", "sweep")]
WORK = ["_Work.find_endings", "_Work.walk", "_Work.judge", "_Work.compare"]
FEW = 40

both = never("label and refund", effect("print_label") & effect("refund_card"))
EXPLORATIONS: dict[str, tuple[Scenario, int]] = {
    "counted": (Scenario(counter(), ["INC", "INC"], queue="direct"), 10_000),
    "continued": (Scenario(order, ["PAY", "CANCEL"], properties=[both]), 10_000),
    "swept": (Scenario(append_log(2), ["E1", "E2"]), 10_000),
    "stopped by its limit": (Scenario(order, ["PAY", "CANCEL"]), FEW - 10),
}


def interrupted(run: Callable[[], Exploration], work: list[str], nth: int = 1) -> list[Exploration]:
    """Interrupt an exploration before each line that it runs, or each n-th, one after another."""
    found = []
    for line in lines_run(run, MODULES, work)[::nth]:
        with interrupt_at_line(line, work):
            found.append(run())
        gc.enable()  # the line may have been the one that does it
    assert len(found) > 40
    return found


@pytest.mark.parametrize("name", EXPLORATIONS)
def test_an_interrupt_at_any_line_gives_what_is_known(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers are never more than there is, and nothing is proved."""
    if name == "swept" and why_not_swept():
        pytest.skip(why_not_swept())
    monkeypatch.setattr("settlesim.sim.search_choice.FEW_STATES", FEW)
    scenario, limit = EXPLORATIONS[name]
    whole = explore(scenario, 10_000)
    counts = {(each.label, each.effects): each.interleavings for each in whole.endings}
    assert whole.complete
    kept = 0
    table = table_for(scenario)
    nth = {"counted": 1, "swept": 4}.get(name, 2)  # that takes a tenth of a second each time

    def run() -> Exploration:
        return explore(scenario, limit, progress=False, table=table)

    for found in interrupted(run, WORK, nth):
        assert (found.complete, found.reason) == (False, "it was interrupted")
        assert found.verdict is not Verdict.PROVED
        assert found.states <= whole.states
        assert found.transitions <= whole.transitions
        for ending in found.endings:
            assert ending.interleavings <= counts[ending.label, ending.effects]
        kept += found.states >= min(limit, FEW, whole.states)
    assert kept > 20, "what the first search found was lost"


def test_an_interrupt_at_any_line_keeps_the_instances_that_were_explored() -> None:
    """A proof of all needs each of them; a refutation of one is enough."""
    scenario = Scenario(order, ["PAY"], keys=2, queue="fifo_group")

    table = table_for(scenario)

    def run() -> Exploration:
        return explore(scenario, progress=False, by_instance=True, table=table)

    assert run().verdict is Verdict.PROVED
    for found in interrupted(run, ["_explored_alone", *WORK]):
        assert found.verdict is Verdict.UNDETERMINED
        assert "it was interrupted" in found.note
