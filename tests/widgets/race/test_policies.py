"""Batches, and events that arrive, in the panels."""

from __future__ import annotations

from typing import Any

from settlesim.gallery import order
from settlesim.sim import Scenario, explore
from settlesim.widgets import RacePanel, queue_lab


def row(panel: RacePanel, message: int) -> dict[str, Any]:
    """Return what the page shows of a message."""
    [found] = [each for each in panel.parts["rows"] if each["message"] == message]
    return dict(found)


def test_an_event_that_has_not_arrived_stands_on_a_button() -> None:
    """After its step it is there, and has done what the policy says."""
    scenario = Scenario(order, ["PAY", "CANCEL"], queue="fifo_group", while_running="interrupt")
    panel = RacePanel(scenario, charts=False)
    assert panel.enabled == ("n1",)
    assert row(panel, 1)["status"] == "not sent"
    for step in ("n1", "r1", "l1", "n2"):
        panel.take(step)
    assert [row(panel, each)["status"] for each in (1, 2)] == ["cancelled", "waits in the queue"]


def test_a_batch_stands_on_buttons_for_each_number_of_messages() -> None:
    """One worker has it in hand, and its messages follow each other there."""
    panel = RacePanel(Scenario(order, ["PAY", "SHIP"], queue="fifo_group", batch=2), charts=False)
    steps = row(panel, 1)["steps"]
    assert [each["words"] for each in steps] == ["receive", "receive, a batch of 2"]
    for step in ("r1:2", "l1", "c1", "s1", "l2"):
        panel.take(step)
    busy = [each for each in panel.parts["workers"] if each["message"] is not None]
    assert [(each["title"], each["message"]) for each in busy] == [("worker 1", 2)]


def test_batches_and_policies_are_choices_of_a_lab() -> None:
    """They are explored as a scenario with them is, and are part of the code."""
    lab = queue_lab(order, ["PAY", "CANCEL"], queue="fifo_group")
    lab.on_choose("while_running", "reject")
    same = Scenario(order, ["PAY", "CANCEL"], queue="fifo_group", while_running="reject")
    assert lab.exploration is not None
    assert str(lab.exploration) == str(explore(same))
    assert 'while_running="reject"' in lab.parts["code"]
    lab.choose(while_running="enqueue", batch=2, batch_failures="partial")
    same = Scenario(order, ["PAY", "CANCEL"], queue="fifo_group", batch=2, batch_failures="partial")
    assert lab.exploration is not None
    assert str(lab.exploration) == str(explore(same))
    assert 'batch=2, batch_failures="partial"' in lab.parts["code"]


def test_batches_that_make_no_sense_say_so_where_they_were_chosen() -> None:
    """Each place tells what is wrong with it, and what is needed."""
    lab = queue_lab(order, ["PAY"], queue="standard", batch=2, while_running="hope")
    assert list(lab.problems) == ["batch", "while_running"]
    assert "fifo_group" in lab.problems["batch"]
    lab = queue_lab(order, ["PAY"], queue="fifo_group", batch=2, while_running="reject")
    assert list(lab.problems) == ["all"]
    lab = queue_lab(order, ["PAY"], queue="fifo_group", batch_failures="partial")
    assert list(lab.problems) == ["all"]
    assert "batch=2" in lab.problems["all"]
