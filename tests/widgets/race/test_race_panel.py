"""RacePanel: what the page sends, and what it is told to show."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from settlesim import Chart, display
from settlesim.errors import ReplayDivergedError, SimulationError
from settlesim.gallery import append_log, counter, donut, order
from settlesim.sim import DISCIPLINES, Kind, Scenario, explore, replay
from settlesim.sim.serial import FEW
from settlesim.view.simulation.words import scenario_words
from settlesim.view.svg.page import with_variables
from settlesim.widgets import RacePanel
from settlesim.widgets.race.bars import bars_part, in_order
from tests.view.test_escaping import MOSTLY_AT_NIGHT, chart_of
from tests.widgets.race.races import clicks, scenarios


def press(panel: RacePanel, kind: str, **fields: Any) -> None:
    """Send what the page sends when somebody presses something."""
    panel.receive({"kind": kind, **fields})


def take(panel: RacePanel, path: str) -> None:
    """Press the buttons of these steps."""
    for step in path.split():
        assert step in buttons(panel)
        press(panel, "take", step=step)


def buttons(panel: RacePanel) -> list[str]:
    """Return the names of the steps that have a button."""
    return [step["name"] for row in panel.parts["rows"] for step in row["steps"]]


def searched(panel: RacePanel) -> RacePanel:
    """Let the endings be found, as showing the panel does."""
    panel.search.start(panel.scenario)
    panel.search.wait()
    return panel


def words(panel: RacePanel) -> str | None:
    """Return the verdict on all endings; None while they are not known."""
    bars = panel.parts["bars"]
    return None if bars is None else bars["verdict"]["word"]


# --- the scheduler ------------------------------------------------------------------------


def test_what_may_happen_next_stands_on_buttons() -> None:
    """At the beginning two handlers may start; each has its words and its short name."""
    panel = RacePanel(clicks())
    assert panel.enabled == ("l1", "l2")
    first = panel.parts["rows"][0]
    assert first["steps"] == [
        {
            "name": "l1",
            "words": "start: load what is stored",
            "label": "PAY: start: load what is stored, step l1",
            "fault": False,
        }
    ]
    assert first["status"] == "to be handled"


def test_direct_is_broken_by_hand() -> None:
    """Load, load, save, save: the second save loses the first."""
    panel = RacePanel(clicks())
    take(panel, "l1 l2 c1 s1 s2")
    assert panel.errors == []
    assert panel.parts["verdict"]["sort"] == "wrong"
    assert panel.verdict == "forbidden: lost update"
    assert panel.path == "l1 l2 c1 s1 s2"
    assert panel.parts["place"]["anomalies"] == ["lost update"]
    assert buttons(panel) == []


@pytest.mark.parametrize("seeds", [range(2), pytest.param(range(2, 30), marks=pytest.mark.nightly)])
@pytest.mark.parametrize("queue", ["fifo_group", "fifo_global"])
def test_fifo_can_not_be_broken_with_any_button(queue: str, seeds: range) -> None:
    """Seeded walks through the buttons, two instances: every end is as FIFO."""
    scenario = Scenario(order, ["PAY", "CANCEL", "SHIP"], 3, queue, keys=2)
    panel = RacePanel(scenario)
    for seed in seeds:
        dice = random.Random(seed)
        press(panel, "go", position=0)
        while names := buttons(panel):
            press(panel, "take", step=dice.choice(names))
        assert panel.verdict == "as FIFO"
    assert panel.errors == []


def test_the_buttons_are_all_that_is_enabled() -> None:
    """At every place of random walks under every discipline, faults included."""
    faulty = [each for each in scenarios() if any(each.faults)]
    assert {each.queue for each in faulty[::2]} == set(DISCIPLINES)
    for scenario in [*faulty[::2], Scenario(append_log(3), ["E1", "E2"], 3, "mutex", keys=2)]:
        panel = RacePanel(scenario, seed=3)
        while panel.enabled:
            assert sorted(buttons(panel)) == sorted(panel.enabled)
            press(panel, "chance")
        assert panel.errors == []
        assert panel.parts["verdict"]["sort"] != "open"


def test_faults_are_among_the_buttons_while_the_budget_lasts() -> None:
    """One crash: there before, and gone afterwards, with the reason."""
    panel = RacePanel(clicks("standard", faults={"crashes": 1}))
    take(panel, "r1")
    faults = [step for row in panel.parts["rows"] for step in row["steps"] if step["fault"]]
    assert [step["name"] for step in faults] == ["k1"]
    take(panel, "k1 r1.2")
    assert "k1.2" not in buttons(panel)
    assert panel.parts["budgets"] == [{"name": "crash", "left": 0, "whole": 1, "why": "used up"}]


def test_a_step_that_is_not_there_says_why() -> None:
    """Pressed on purpose, it changes nothing, and the panel says what is in the way."""
    panel = RacePanel(clicks("fifo_group"))
    take(panel, "r1")
    row = panel.parts["rows"][1]
    assert row["steps"] == []
    assert row["blocked"]["name"] == "r2"
    press(panel, "take", step="r2")
    assert panel.path == "r1"
    assert panel.parts["note"] == (
        "r2 is not there: blocked: the group order-1 has a message in flight, 1 PAY"
    )
    assert panel.note == panel.parts["note"]
    assert "blocked" in panel.parts["said"]["text"]
    assert panel.errors == []
    take(panel, "l1")
    assert panel.note == ""


@pytest.mark.parametrize("step", ["", "r1 r2", "z9", 3, None])
def test_what_is_no_step_is_an_error_in_the_panel(step: Any) -> None:
    """The panel goes on."""
    panel = RacePanel(clicks("standard"))
    press(panel, "take", step=step)
    assert isinstance(panel.errors[0], SimulationError)
    take(panel, "r1")


def test_chance_is_the_same_for_the_same_seed() -> None:
    """Two panels with one seed walk alike."""
    ways = []
    for seed in (4, 4, 5):
        panel = RacePanel(clicks("standard"), seed=seed)
        while panel.enabled:
            press(panel, "chance")
        ways.append(panel.path)
    assert ways[0] == ways[1] != ways[2]


# --- what is there after each step --------------------------------------------------------


def test_effects_are_told_per_instance_in_their_order() -> None:
    """Of each instance alone, however they came; the last step's effect is new, back it is not."""
    panel = RacePanel(Scenario(order, ["PAY", "CANCEL"], 2, "fifo_group", keys=2))
    assert [each["calls"] for each in panel.parts["effects"]] == [[], []]
    take(panel, "r1 l1 r3 l3 c3 c1")
    one, two = panel.parts["effects"]
    assert (one["key"], two["key"]) == ("order-1", "order-2")
    call = {"service": "charge_card", "name": panel.names[0]}
    assert one["calls"] == [{**call, "message": 1, "changed": True}]
    assert [(each["message"], each["changed"]) for each in two["calls"]] == [(3, False)]
    take(panel, "s1 d1 r2 l2 c2")
    services = [each["service"] for each in panel.parts["effects"][0]["calls"]]
    assert services == ["charge_card", "refund_card"]
    press(panel, "go", position=4)
    assert [each["calls"] for each in panel.parts["effects"]] == [[], []]


def test_queue_store_and_workers_follow_with_what_changed() -> None:
    """A save changes the store and its worker; the other worker holds what is old by now."""
    panel = RacePanel(clicks("standard"))
    take(panel, "r1 l1 r2 l2 c1")
    one, two = panel.parts["workers"]
    assert (one["doing"], one["holds"], one["loaded"]) == (
        "is about to save", "paid", "new, revision 0",
    )  # fmt: skip
    assert (one["changed"], two["changed"]) == (True, False)
    take(panel, "s1")
    [store] = panel.parts["store"]
    assert store["state"] == {"value": "paid", "changed": True}
    assert store["revision"] == {"value": "1", "changed": True}
    changed = [row["name"] for row in store["context"] if row["changed"]]
    assert changed == ["charge"]
    one, two = panel.parts["workers"]
    assert two["stale"] is True
    assert (one["changed"], two["changed"]) == (True, False)
    assert [row["changed"] for row in panel.parts["rows"]] == [False, False]
    take(panel, "d1")
    assert panel.parts["store"][0]["changed"] is False
    assert panel.parts["rows"][0]["status"] == "done"
    assert panel.parts["rows"][0]["changed"] is True
    assert panel.parts["workers"][0]["doing"] == "idle"


def test_at_the_beginning_nothing_has_changed() -> None:
    """There is no step before."""
    panel = RacePanel(clicks("standard"))
    marks = [*panel.parts["rows"], *panel.parts["store"], *panel.parts["workers"]]
    assert not any(each["changed"] for each in marks)


def test_a_worker_without_its_receipt_is_marked() -> None:
    """After a time-out the message is somebody else's."""
    panel = RacePanel(clicks("standard", faults={"expiries": 1}))
    take(panel, "r1 l1 e1 r1.2")
    assert [each["good"] for each in panel.parts["workers"]] == [False, True]
    assert panel.parts["workers"][1]["name"] == "PAY again"
    assert panel.parts["rows"][0]["status"] == "in flight, receive 2"


def test_a_handler_that_crashes_without_a_queue_loses_its_event() -> None:
    """Nothing would bring it again, and the row says so."""
    panel = RacePanel(clicks(faults={"crashes": 1}))
    take(panel, "l1 k1 l2 s2")
    assert [row["status"] for row in panel.parts["rows"]] == ["lost", "done"]


def test_charts_show_the_store_and_each_worker_by_itself() -> None:
    """The node whose service runs, and what would be saved, before it is stored."""
    panel = RacePanel(clicks("standard"))
    take(panel, "r1 l1 r2 l2")
    store, one, two = panel.parts["charts"]
    assert store["active"] == ["new"]
    assert one["active"] == ["charging"]
    assert "charge_card runs" in one["words"]
    assert two["active"] == ["cancelled"]
    nodes = panel.parts["chart"]["nodes"]
    assert all(name in nodes for each in (store, one, two) for name in each["active"])


def test_without_a_queue_handlers_work_and_not_workers() -> None:
    """As in the pictures: a worker waits for messages, and here nothing is waited for."""
    for queue, hands in (("direct", "handler"), ("standard", "worker")):
        panel = RacePanel(clicks(queue, faults={"crashes": 1}))
        take(panel, "l1" if queue == "direct" else "r1 l1")
        assert panel.parts["about"]["hands"] == hands
        assert [each["title"] for each in panel.parts["workers"]] == [f"{hands} 1", f"{hands} 2"]
        assert panel.parts["charts"][1]["title"] == f"{hands} 1: 1 PAY"
        steps = [step["words"] for step in panel.parts["rows"][0]["steps"]]
        assert f"{hands} 1 crashes" in steps


def test_a_nested_chart_lights_the_node_of_the_service() -> None:
    """With everything around it."""
    scenario = Scenario(donut, ["MAKE"]) if "MAKE" in _events(donut) else None
    event = _events(donut)[0]
    panel = RacePanel(scenario or Scenario(donut, [event]))
    take(panel, "r1 l1")
    active = panel.parts["charts"][1]["active"]
    assert active
    assert all(name in panel.parts["chart"]["nodes"] for name in active)


def _events(chart: Any) -> list[str]:
    return [edge.trigger for edge in chart.transitions if edge.trigger]


def test_a_chart_that_is_too_large_is_left_to_words() -> None:
    """No picture for each worker; everything else is there."""
    chart = counter(80)
    panel = RacePanel(Scenario(chart, ["INC", "INC"]))
    assert panel.parts["chart"] is None
    assert len(panel.parts["charts"]) == 3


def test_charts_may_be_left_out() -> None:
    """For a short panel; nothing of them is sent."""
    panel = RacePanel(clicks(), charts=False, path="l1")
    assert panel.parts["chart"] is None
    assert panel.parts["charts"] == []
    press(panel, "queue", name="standard")
    assert panel.parts["chart"] is None
    assert panel.errors == []


# --- forth and back -----------------------------------------------------------------------


def test_back_and_step_walk_the_path() -> None:
    """What is taken back is kept, until another step is taken."""
    panel = RacePanel(clicks(), path="l1 l2 c1 s1 s2", at=0)
    assert panel.parts["place"]["last"] == 5
    press(panel, "step")
    press(panel, "step")
    assert panel.path == "l1 l2"
    press(panel, "back")
    assert panel.path == "l1"
    press(panel, "go", position=5)
    assert panel.verdict == "forbidden: lost update"
    press(panel, "go", position=1)
    take(panel, "c1")
    assert panel.parts["path"]["whole"] == "l1 c1"


def test_step_takes_what_is_the_only_thing_that_may_happen() -> None:
    """Where there is a choice, it takes nothing."""
    panel = RacePanel(clicks("fifo_group"))
    for _ in range(3):
        press(panel, "step")
    assert panel.path == "r1 l1 c1"
    free = RacePanel(clicks())
    press(free, "step")
    assert free.path == ""


def test_step_takes_no_fault() -> None:
    """A message that may be delivered again is not, unless one presses that button."""
    scenario = Scenario(order, ["PAY"], queue="standard", faults={"duplicates": 1})
    panel = RacePanel(scenario, path="r1 l1 c1 s1 d1")
    assert panel.enabled == ("u1",)
    press(panel, "step")
    assert panel.path == "r1 l1 c1 s1 d1"
    take(panel, "u1")


@pytest.mark.parametrize("position", ["2", None, 1.5, True])
def test_a_position_that_is_no_number_is_an_error_in_the_panel(position: Any) -> None:
    """Nothing else happens."""
    panel = RacePanel(clicks(), path="l1 l2")
    press(panel, "go", position=position)
    assert isinstance(panel.errors[0], SimulationError)
    assert panel.path == "l1 l2"


# --- jumps --------------------------------------------------------------------------------


def test_a_pasted_path_is_walked() -> None:
    """Also with the call of `replay` around it."""
    panel = RacePanel(clicks())
    press(panel, "paste", text="  l1 l2 c1 s1 s2 ")
    assert panel.verdict == "forbidden: lost update"
    press(panel, "paste", text='replay(clicks, "l1 c1")')
    assert panel.path == "l1 c1"


def test_a_pasted_path_of_other_letters_is_told_what_they_mean() -> None:
    """Every letter with its word."""
    panel = RacePanel(clicks())
    press(panel, "paste", text="z1")
    told = panel.parts["note"]
    assert "z1" in told
    assert "r receive, l load, c call" in told
    assert all(f"{kind.value} {kind.name.lower().split('_')[0]}" in told for kind in Kind)


def test_a_pasted_path_that_is_not_possible_is_walked_as_far_as_it_goes() -> None:
    """The note names the step, and why it is not there."""
    panel = RacePanel(clicks("fifo_group"))
    press(panel, "paste", text="r1 l1 r2 l2")
    assert panel.path == "r1 l1"
    assert panel.parts["note"] == (
        "step 3, r2 is not there: blocked: the group order-1 has a message in flight, 1 PAY"
    )
    assert panel.errors == []


def test_what_is_no_path_changes_nothing_and_says_so() -> None:
    """The note has the simulator's words."""
    panel = RacePanel(clicks(), path="l1")
    press(panel, "paste", text="l2 <script>")
    assert panel.path == "l1"
    assert "is no step" in panel.parts["note"]
    press(panel, "paste", text=7)
    assert isinstance(panel.errors[0], SimulationError)


def test_the_path_can_be_copied_into_replay() -> None:
    """What the panel shows is what `replay` takes."""
    panel = RacePanel(clicks("standard"), seed=2)
    while panel.enabled:
        press(panel, "chance")
    assert replay(panel.scenario, panel.parts["path"]["shown"]).ending == panel.ending


def test_jump_to_the_shortest_counterexample() -> None:
    """The schedule that `explore` finds."""
    panel = searched(RacePanel(clicks()))
    assert panel.parts["bars"]["refuted"] is True
    press(panel, "shortest")
    assert panel.path == str(explore(clicks()).counterexample)
    assert panel.ending is not None
    assert not panel.ending.fifo


def test_jump_to_any_ending_by_its_bar() -> None:
    """Each bar leads to its own ending, and the line marks that bar."""
    panel = searched(RacePanel(Scenario(append_log(3), ["E1", "E2", "E3"], queue="direct")))
    found = panel.search.state.exploration
    assert found is not None
    endings = in_order(found)
    assert len(endings) == 15
    for index, wanted in enumerate(endings):
        press(panel, "ending", index=index)
        assert panel.ending is not None
        assert panel.ending.store == wanted.store
        assert panel.parts["verdict"]["bar"] == index
    assert panel.errors == []


def test_the_rows_of_the_list_are_those_of_the_endings() -> None:
    """Twelve, in the same order, each with the name and the count of its ending; more are told."""
    source = Scenario(append_log(3), ["E1", "E2", "E3"], queue="direct")
    panel = searched(RacePanel(source))
    found = panel.search.state.exploration
    assert found is not None
    bars = panel.parts["bars"]
    assert len(bars["rows"]) == 12
    assert bars["more"].startswith("and 3 more endings, together ")
    for row, ending in zip(bars["rows"], in_order(found), strict=False):
        assert row["rest"].startswith(ending.label)
        assert row["count"] == f"{ending.interleavings:,}"
        assert (row["sort"] == "right") is ending.fifo
    assert all(0 < row["length"] <= 1 for row in bars["rows"])


@pytest.mark.parametrize("index", [-1, 99, "0", None, True])
def test_a_bar_that_is_none_is_an_error_in_the_panel(index: Any) -> None:
    """The schedule stays."""
    panel = searched(RacePanel(clicks()))
    press(panel, "ending", index=index)
    assert isinstance(panel.errors[0], SimulationError)
    assert panel.path == ""


def test_the_same_under_another_discipline() -> None:
    """The prefix goes as far as it can, and the panel says what stops it."""
    panel = RacePanel(clicks(), path="l1 l2 c1 s1 s2")
    press(panel, "queue", name="standard")
    assert panel.path == "r1 l1 r2 l2 c1 s1 d1 s2 d2"
    assert panel.verdict == "forbidden: lost update"
    assert panel.parts["note"] == "Under standard the same steps are possible."
    press(panel, "queue", name="fifo_group")
    assert panel.path == "r1 l1"
    assert panel.parts["note"].endswith(
        "r2 is not there: blocked: the group order-1 has a message in flight, 1 PAY"
    )
    assert panel.parts["about"]["queue"] == "fifo_group"


def test_the_endings_follow_the_discipline() -> None:
    """What was found under another one is no longer shown."""
    panel = searched(RacePanel(clicks()))
    assert words(panel) == "REFUTED"
    press(panel, "queue", name="fifo_group")
    assert words(panel) is None
    searched(panel)
    assert words(panel) == "PROVED"


def test_a_discipline_that_makes_no_sense_says_so() -> None:
    """Under `direct` no receipt can expire: the choice is marked, and changes nothing."""
    panel = RacePanel(clicks("standard", faults={"expiries": 1}))
    marked = {each["name"]: each["problem"] for each in panel.parts["about"]["disciplines"]}
    assert [name for name, problem in marked.items() if problem] == ["direct"]
    press(panel, "queue", name="direct")
    assert "they need a queue" in panel.parts["note"]
    press(panel, "queue", name="nonsense")
    assert "unknown name" in panel.parts["note"]
    assert panel.scenario.queue == "standard"


# --- what it is made from, and what it shows of itself ------------------------------------


def test_an_exploration_comes_with_its_endings() -> None:
    """Nothing is searched again."""
    panel = RacePanel(explore(clicks()))
    assert panel.search.state.status == "done"
    assert len(panel.parts["bars"]["rows"]) == 4
    press(panel, "shortest")
    assert panel.verdict == "not in arrival order"  # which FIFO does not allow


def test_an_end_of_many_events_is_judged_by_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for many events in every order; what a search has found says more."""
    assert FEW < 13_700  # of seven events
    monkeypatch.setattr("settlesim.widgets.race.walk.FEW", 300)  # less than 326, of five
    events = [f"E{number}" for number in range(1, 6)]
    scenario = Scenario(append_log(5, 0), events, 1, "mutex", criterion="serializable")
    path = " ".join(f"r{number} l{number} s{number} d{number}" for number in (2, 1, 3, 4, 5))
    assert replay(scenario, path).ending.serializable  # type: ignore[union-attr]
    panel = RacePanel(scenario, path=path)
    assert panel.parts["verdict"]["text"].startswith(
        "whether another order gives this ending is not known"
    )
    assert RacePanel(explore(scenario), path=path).verdict == "not in arrival order"


def test_a_scenario_and_an_exploration_show_themselves_live() -> None:
    """`display.panel` knows both."""
    assert isinstance(display.panel(clicks()), RacePanel)
    assert isinstance(display.panel(explore(clicks())), RacePanel)


def test_anything_else_is_refused() -> None:
    """A chart is no scenario, and a path that is not possible is not shortened."""
    with pytest.raises(TypeError, match="a Scenario or an Exploration is needed"):
        RacePanel(order)  # type: ignore[arg-type]
    with pytest.raises(ReplayDivergedError):
        RacePanel(clicks("fifo_group"), path="r2")
    with pytest.raises(SimulationError, match="is no step"):
        RacePanel(clicks(), path="hello")


def test_the_static_twin_is_the_lanes_and_a_line_of_text() -> None:
    """The same bytes every time, whatever was searched."""
    bundles = []
    for wait in (False, True):
        panel = RacePanel(clicks(), path="l1 l2 c1 s1 s2", at=3)
        if wait:
            searched(panel)
        bundles.append(panel._repr_mimebundle_())
    assert bundles[0] == bundles[1]
    picture = replay(clicks(), "l1 l2 c1 s1 s2").draw(at=3)
    assert with_variables(picture.svg) in bundles[0]["text/html"]
    assert bundles[0]["text/plain"] == (
        f"<RacePanel PAY, CANCEL: {scenario_words(clicks())}: step 3 of l1 l2 c1 s1 s2, it goes on>"
    )


def test_a_closed_panel_does_nothing_more() -> None:
    """No search, no message."""
    panel = RacePanel(clicks())
    panel.search.start(panel.scenario)
    panel.close()
    assert panel.search.state.status == "none"
    press(panel, "take", step="l1")
    assert panel.path == ""


def test_a_shown_panel_looks_for_the_endings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Showing it begins the search, and a change of the discipline another."""
    monkeypatch.setenv("SETTLESIM_PANELS", "live")
    with RacePanel(clicks()) as panel:
        assert panel.search.state.status == "none"
        bundle = panel._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in bundle
        panel.search.wait()
        assert panel.widget.bars["verdict"]["word"] == "REFUTED"
        press(panel, "queue", name="mutex")
        panel.search.wait()
        assert panel.widget.about["queue"] == "mutex"
        assert panel.widget.search["status"] == "done"
        press(panel, "stop")
        press(panel, "explore")
        panel.search.wait()
        assert panel.errors == []


@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_hostile_names_are_data_and_never_markup(name: str) -> None:
    """Every part is plain JSON, and no picture has an element that a picture may not have."""
    chart = chart_of(name).bind(
        {f"{name} 1": lambda context, event: True, f"{name} 2": lambda context, event: {},
         f"{name} 3": lambda context, event: {}}
    )  # fmt: skip
    scenario = Scenario(chart, [(name, name)], results={f"{name} 4": None})
    panel = searched(RacePanel(scenario, seed=1))
    while panel.enabled:
        press(panel, "chance")
    assert panel.errors == []
    json.dumps(panel.parts)
    pictures = [panel.parts["lanes"], panel.twin()]
    if panel.parts["chart"] is not None:
        pictures.append(panel.parts["chart"]["svg"])
    for svg in pictures:
        assert tags(svg) <= {
            "svg", "g", "title", "rect", "text", "circle", "path", "polygon", "tspan", "ellipse",
            "line", "polyline",
        }  # fmt: skip


def tags(svg: str) -> set[str]:
    """Return the elements of a picture."""
    from xml.etree import ElementTree as ET

    return {each.tag.rpartition("}")[2] for each in ET.fromstring(svg).iter()}


def test_pictures_for_the_page_have_the_colours_of_the_page() -> None:
    """No colour is left that the dark theme could not change, and no text was touched."""
    import re

    chart = order.bind({})
    scenario = Scenario(chart, [('fill="#ffffff"', "PAY"), ('fill="#ffffff"', "CANCEL")])
    panel = searched(RacePanel(scenario, seed=1))
    while panel.enabled:
        press(panel, "chance")
    bars = bars_part(panel.search.state)
    assert bars is not None
    for svg in (panel.parts["lanes"], bars["svg"]):
        colours = set(re.findall(r'<[^<>]* (?:fill|stroke)="(#[^"]*)"', svg))
        assert colours == set()
        assert "var(--ss-ink)" in svg
    assert 'fill="#ffffff"' in re.sub("<[^<>]*>", "", panel.parts["lanes"])


def test_the_style_sheet_has_the_colours_of_the_pictures() -> None:
    """Series and all others, light and dark, are those of the one palette."""
    import re

    from settlesim.view.svg.palette import PALETTES
    from settlesim.widgets.base.assets import style

    found = style("race", "race.css")
    for theme, selector in (("light", r"\.race"), ("dark", r"\.race\.dark")):
        blocks = re.findall(
            rf"^\.settlesim-panel{selector} {{(.*?)}}", found, re.DOTALL | re.MULTILINE
        )
        colours = dict(re.findall(r"--ss-([a-z0-9-]+): (#[0-9a-f]{6})", "".join(blocks)))
        for number, colour in enumerate(PALETTES[theme].series, 1):  # type: ignore[index]
            assert colours[f"series-{number}"] == colour
        assert colours["paper"] == PALETTES[theme].paper  # type: ignore[index]


def test_every_discipline_can_be_entered_from_every_other() -> None:
    """With a race half way, and back again."""
    panel = RacePanel(clicks(), path="l1 l2 c1")
    for queue in [*DISCIPLINES, *reversed([*DISCIPLINES])]:
        press(panel, "queue", name=queue)
        assert panel.scenario.queue == queue
    assert panel.errors == []


def test_a_timer_that_runs_has_a_row_with_its_step() -> None:
    """It is due when somebody presses it; then its message stands in the queue."""
    chart = Chart(
        [
            {"name": "free", "tags": ["settled"]},
            {"name": "held", "tags": ["settled"], "after": {"900": "free"}},
        ],
        [["HOLD", "free", "held"]],
        "free",
    )
    panel = RacePanel(Scenario(chart, ["HOLD"], queue="fifo_group"), path="r1 l1 s1 d1")
    timer = panel.parts["rows"][-1]
    assert (timer["name"], timer["status"]) == ("900 s in held", "timer runs")
    assert [each["name"] for each in timer["steps"]] == ["q2"]
    press(panel, "take", step="q2")
    assert panel.path == "r1 l1 s1 d1 q2"
    assert panel.parts["rows"][-1]["status"] == "waits in the queue"
