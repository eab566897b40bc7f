"""Panels on instances that another version or definition of the chart has saved."""

from __future__ import annotations

from settlesim import Chart, Interpreter, MemoryStore, Settling
from settlesim.ports import Timer
from settlesim.widgets.chart.instance import Stage
from settlesim.widgets.chart.records import commit
from tests.runtime.test_migrating import save
from tests.settling.driving import settled
from tests.versions.charts import NEW, OLDEST, order, snapshot_of


def fire(stage: Stage, event: str) -> None:
    """Settle an event as a panel does, without services."""
    settlement = Settling(stage.chart, stage.snapshot, event, key=stage.key).settlement
    assert settlement is not None
    commit(stage.store, settlement)


def test_a_panel_shows_an_instance_in_the_words_of_its_chart_and_saves_it_so() -> None:
    """Looking changes nothing; the next event migrates it, with its timers."""
    store = MemoryStore()
    before = save(store, "k", snapshot_of(OLDEST, "open", total=1), Timer("open.0", 60.0))
    stage = Stage(NEW, store, "k")
    assert stage.snapshot == snapshot_of(NEW, "waiting", revision=1, total={"amount": 1})
    assert store.load("k") == before
    fire(stage, "CHARGE")
    found = store.load("k")
    assert found is not None
    assert (found.version, found.configuration) == (3, ("charged",))
    assert store.timers("k") == ()


def edited(*names: str) -> Chart:
    """A chart of one version, as a notebook defines it again and again."""
    return order(1, [settled(name) for name in names], [["GO", names[0], names[-1]]])


def test_a_panel_goes_on_from_an_instance_of_an_edited_chart() -> None:
    """Its past is shown, and the next save has the new fingerprint."""
    store = MemoryStore()
    Interpreter(edited("a", "b"), store).start_sync("k")
    stage = Stage(edited("a", "more", "b"), store, "k")
    assert [each.text for each in stage.entries] != ["found at revision 1"]
    fire(stage, "GO")
    found = store.load("k")
    assert found is not None
    assert (found.revision, found.configuration) == (2, ("b",))
    assert found.fingerprint == stage.chart.fingerprint
