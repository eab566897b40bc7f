"""queue_lab: choices, what makes no sense of them, and the endings that follow."""

from __future__ import annotations

import asyncio
import json
from itertools import product
from typing import Any

import pytest

from settlesim.chart import Chart
from settlesim.errors import SimulationError, UnboundFunctionError
from settlesim.gallery import append_log, counter, donut, order, signup
from settlesim.sim import DISCIPLINES, PROTECTIONS, Faults, Scenario, Verdict, explore
from settlesim.view.svg.page import with_variables
from settlesim.widgets import QueueLab, queue_lab
from settlesim.widgets.race.queue_lab_choices import code_of, events_of, starts_of
from tests.view.test_escaping import MOSTLY_AT_NIGHT, chart_of
from tests.widgets.race.test_race_panel import tags


def press(lab: QueueLab, kind: str, **fields: Any) -> None:
    """Send what the page sends when somebody chooses something."""
    lab.receive({"kind": kind, **fields})


def verdict(lab: QueueLab) -> Verdict:
    found = lab.exploration
    assert found is not None
    return found.verdict


# --- choosing -----------------------------------------------------------------------------


def test_a_lab_begins_with_the_first_events_and_no_queue() -> None:
    """Two events of the chart, two workers, `direct`."""
    lab = queue_lab(order)
    assert lab.parts["choices"]["events"] == ["PAY", "CANCEL"]
    assert lab.scenario == Scenario(order, ["PAY", "CANCEL"], queue="direct")
    assert lab.parts["options"]["events"] == ["PAY", "CANCEL", "SHIP"]
    assert [each["name"] for each in lab.parts["options"]["disciplines"]] == list(DISCIPLINES)


def test_bars_and_verdict_follow_the_choices() -> None:
    """What stands there is what `explore` finds of the same scenario."""
    lab = queue_lab(order, ["PAY", "SHIP"])
    for queue, protections in (("standard", ()), ("standard", ("cas",)), ("fifo_group", ())):
        lab.choose(queue=queue, protections=protections)
        expected = explore(Scenario(order, ["PAY", "SHIP"], queue=queue, protections=protections))
        assert verdict(lab) is expected.verdict
        assert len(lab.parts["bars"]["labels"]) == len(expected.endings)
        assert lab.parts["bars"]["verdict"]["word"] == expected.verdict.value.upper()


def test_everything_can_be_chosen_on_the_page() -> None:
    """Events, order, numbers, discipline, protections, faults."""
    lab = queue_lab(order, ["PAY"])
    press(lab, "add", event="SHIP")
    press(lab, "add", event="CANCEL")
    press(lab, "earlier", index=2)
    press(lab, "drop", index=0)
    assert lab.choices.events == ("CANCEL", "SHIP")
    press(lab, "choose", name="queue", value="standard")
    press(lab, "choose", name="workers", value=3)
    press(lab, "choose", name="keys", value=2)
    press(lab, "choose", name="start", value="paid")
    press(lab, "choose", name="criterion", value="serializable")
    press(lab, "choose", name="max_receives", value=2)
    press(lab, "protect", name="idempotent", on=True)
    press(lab, "protect", name="cas", on=True)
    press(lab, "fault", name="crashes", value=1)
    assert lab.errors == []
    assert lab.problems == {}
    assert lab.scenario == Scenario(
        order,
        ["CANCEL", "SHIP"],
        3,
        "standard",
        keys=2,
        start="paid",
        criterion="serializable",
        max_receives=2,
        protections=["cas", "idempotent"],
        faults={"crashes": 1},
    )
    press(lab, "protect", name="cas", on=False)
    press(lab, "choose", name="max_receives", value=None)
    assert lab.choices.protections == ("idempotent",)
    assert lab.choices.max_receives is None


def test_events_are_not_more_than_a_dozen() -> None:
    """More are not added; the page says so by switching the buttons off."""
    lab = queue_lab(order, ["PAY"])
    for _ in range(20):
        press(lab, "add", event="PAY")
    assert len(lab.choices.events) == lab.parts["options"]["most"] == 12
    lab.close()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("add", {"event": "NOTHING"}),
        ("add", {"event": 3}),
        ("drop", {"index": 9}),
        ("drop", {"index": None}),
        ("earlier", {"index": -1}),
        ("choose", {"name": "limit", "value": 3}),
        ("choose", {"name": None, "value": 3}),
        ("protect", {"name": "prayer", "on": True}),
        ("fault", {"name": "floods", "value": 1}),
        ("ending", {"index": 0}),
        ("earlier", {}),
    ],
)
def test_a_message_that_makes_no_sense_is_an_error_in_the_lab(
    kind: str, fields: dict[str, Any]
) -> None:
    """The choices stay as they are."""
    lab = queue_lab(order)
    before = lab.choices
    press(lab, kind, **fields)
    assert len(lab.errors) == 1
    assert lab.choices == before


def test_events_carry_their_data() -> None:
    """A card that is declined makes PAY rejected in every instance."""
    lab = queue_lab(order, ["PAY"], data={"PAY": {"card": "declined"}}, keys=2)
    found = lab.exploration
    assert found is not None
    assert [each.key for each in found.scenario.events] == ["order-1", "order-2"]
    assert {ending.label for ending in found.endings} == {"new; new"}


def test_services_may_be_given_as_results() -> None:
    """A chart whose services are not bound can be tried all the same."""
    bare = Chart.from_dict(order.to_dict())
    with pytest.raises(UnboundFunctionError):
        queue_lab(bare)
    names = ("keep_charge", "keep_label", "drop_charge")
    bound = bare.bind({name: order.functions[name] for name in names})
    results = {"charge_card": {"charge": "1"}, "print_label": {"label": 1}, "refund_card": None}
    assert verdict(queue_lab(bound, results=results)) is Verdict.REFUTED


# --- what makes no sense ------------------------------------------------------------------


def test_what_makes_no_sense_says_so_at_its_place() -> None:
    """Every choice for itself, all at once; nothing is raised, and nothing is shown."""
    lab = queue_lab(order, queue="standard")
    assert verdict(lab) is Verdict.REFUTED
    lab.choose(faults={"expiries": 1, "crashes": 1}, protections=["fence", "cas"], max_receives=2)
    press(lab, "choose", name="queue", value="direct")
    assert lab.errors == []
    assert set(lab.parts["problems"]) == {"expiries", "fence", "max_receives"}
    assert "need a queue" in lab.parts["problems"]["expiries"]
    assert lab.scenario is None
    assert lab.exploration is None
    assert lab.parts["bars"] is None
    assert lab.parts["code"] is None
    press(lab, "choose", name="queue", value="mutex")
    assert lab.problems == {}
    assert lab.exploration is not None


@pytest.mark.parametrize("value", [None, 0, -1, 1.5, "two", "", True, 10**9, [], {}])
@pytest.mark.parametrize("name", ["workers", "keys", "max_receives"])
def test_a_number_that_is_none_says_so_at_its_place(name: str, value: Any) -> None:
    """Whatever the page sends; an empty field for the dead letters means never."""
    lab = queue_lab(order, queue="standard")
    press(lab, "choose", name=name, value=value)
    assert lab.errors == []
    expected = set() if name == "max_receives" and value is None else {name}
    assert set(lab.parts["problems"]) == expected
    json.dumps(lab.parts)


def test_a_value_that_json_can_not_carry_is_shown_as_text() -> None:
    """From a cell anything may come; the page gets its name."""
    lab = queue_lab(order, queue="standard", workers=object())  # type: ignore[arg-type]
    assert set(lab.problems) == {"workers"}
    assert "object" in lab.parts["choices"]["workers"]
    json.dumps(lab.parts)


@pytest.mark.parametrize("value", ["nonsense", None, 3, ["direct"]])
@pytest.mark.parametrize("name", ["queue", "criterion"])
def test_a_name_that_is_unknown_says_so_at_its_place(name: str, value: Any) -> None:
    """The discipline's or the criterion's."""
    lab = queue_lab(order, queue="standard")
    press(lab, "choose", name=name, value=value)
    assert lab.errors == []
    assert set(lab.parts["problems"]) == {name}


@pytest.mark.parametrize("value", ["charging", "nowhere", 7])
def test_a_start_that_is_none_says_so(value: Any) -> None:
    """In its place, or as the reason why nothing can be explored."""
    lab = queue_lab(order, queue="standard")
    press(lab, "choose", name="start", value=value)
    assert lab.errors == []
    assert lab.exploration is None
    assert "start" in lab.problems or "start" in str(lab.search.state.error)


def test_no_events_are_one_problem_and_not_ten() -> None:
    """Without an event nothing else can be judged."""
    lab = queue_lab(order, ["PAY"], faults={"crashes": 1})
    press(lab, "drop", index=0)
    assert set(lab.problems) == {"events"}
    assert "makes no sense: events" in repr(lab)


def test_no_combination_raises() -> None:
    """Every discipline with every protection and fault: endings, or a reason at its place."""
    lab = queue_lab(counter(), ["INC", "INC"])
    for queue, protection, fault, most in product(
        DISCIPLINES, PROTECTIONS, Faults._fields, (None, 2)
    ):
        lab.choose(
            queue=queue,
            protections=[protection],
            faults={**dict.fromkeys(Faults._fields, 0), fault: 1},
            max_receives=most,
        )
        assert (lab.scenario is None) == bool(lab.problems)
        assert set(lab.problems) <= {protection, fault, "max_receives"}
    assert lab.errors == []


def test_a_chart_that_can_not_be_explored_says_why() -> None:
    """An event that comes back for ever: the simulator's words stand where bars would."""
    states: list[Any] = [{"name": "a", "tags": ["settled"]}, {"name": "stuck"}]
    lab = queue_lab(Chart(states, [["GO", "a", "stuck"]], "a", name="poison"), queue="standard")
    assert lab.exploration is None
    assert "max_receives" in lab.parts["search"]["error"]
    assert "max_receives" in repr(lab)
    lab.choose(max_receives=1)
    assert lab.exploration is not None


def test_an_unknown_choice_is_the_caller_s_mistake() -> None:
    """In a cell it is raised, with what is known."""
    with pytest.raises(TypeError, match=r"queue_lab\(\) has no option 'colour'; it has .*keys"):
        queue_lab(order, colour="red")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"choose\(\) has no option 'wokers'; .*'workers'"):
        queue_lab(order).choose(wokers=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="a Chart is needed"):
        queue_lab("order")  # type: ignore[arg-type]


# --- searching ----------------------------------------------------------------------------


def large() -> QueueLab:
    """Return a lab whose search takes seconds."""
    names = ["E1", "E2", "E3", "E4", "E5"]
    return queue_lab(
        append_log(5), names, queue="standard", workers=5, faults={"crashes": 3}, limit=2_000_000
    )


def test_a_search_can_be_stopped_and_is_no_proof_then() -> None:
    """UNDETERMINED with what is known; the kernel was free all the time."""

    async def main() -> QueueLab:
        lab = large()
        lab._begin()
        assert lab.parts["search"]["status"] == "running"
        press(lab, "stop")
        assert lab.parts["search"]["status"] == "stopping"
        while lab.search.state.status != "done":
            await asyncio.sleep(0)
        return lab

    lab = asyncio.run(main())
    assert lab.parts["bars"]["verdict"]["word"] == "UNDETERMINED"
    assert "no ending yet, which is no proof" in lab.parts["bars"]["verdict"]["text"]
    assert lab.parts["bars"]["svg"] is None
    assert lab.parts["search"]["found"] > 0
    assert lab.errors == []


def test_a_stopped_search_may_begin_again() -> None:
    """The button is there where it was stopped, and only there."""
    lab = large()
    lab._begin()
    press(lab, "stop")
    lab.search.wait()
    assert lab.parts["search"]["stopped"] is True
    press(lab, "explore")
    assert lab.parts["search"]["status"] in {"running", "done"}
    lab.choose(queue="fifo_group", faults={"crashes": 0})
    assert lab.exploration is not None
    assert lab.parts["search"]["stopped"] is False
    lab.close()


def test_another_choice_gives_up_the_search() -> None:
    """Only what is chosen now is shown."""
    lab = large()
    lab._begin()
    lab.choose(queue="fifo_group", faults={"crashes": 0})
    assert verdict(lab) is Verdict.PROVED
    assert lab.scenario is not None
    assert lab.scenario.queue == "fifo_group"


def test_a_closed_lab_searches_no_more() -> None:
    """Nothing is told afterwards."""
    lab = large()
    lab._begin()
    lab.close()
    assert lab.search.state.status == "none"
    press(lab, "explore")
    assert lab.search.state.status == "none"


def test_a_lab_that_is_not_shown_does_not_search() -> None:
    """Choosing costs nothing until somebody looks."""
    lab = large()
    lab.choose(workers=4)
    assert lab.search.state.status == "none"


# --- what it shows ------------------------------------------------------------------------


def test_large_numbers_are_told_in_groups() -> None:
    """As beside the search, so that they can be compared."""
    lab = queue_lab(order, ["PAY", "CANCEL"] * 3, queue="standard", limit=1_000)
    assert lab.exploration is not None
    assert "more than 1,000 states" in lab.parts["bars"]["verdict"]["text"]


def test_a_bar_shows_the_shortest_way_there() -> None:
    """As lanes, with the path to copy."""
    lab = queue_lab(order)
    found = lab.exploration
    assert found is not None
    press(lab, "shortest")
    assert lab.parts["way"]["path"] == str(found.counterexample)
    press(lab, "ending", index=0)
    right = next(each for each in found.endings if each.fifo)  # its bar is the first
    assert lab.parts["way"]["path"] == str(found.way_to(right))
    assert lab.parts["way"]["svg"].startswith("<svg")
    lab.choose(queue="fifo_group")
    assert lab.parts["way"] is None


def test_a_lab_opens_a_race() -> None:
    """With the endings that are known, or with the reason why there is none."""
    lab = queue_lab(order)
    panel = lab.race("l1 l2")
    assert panel.path == "l1 l2"
    assert panel.search.state.exploration is lab.exploration
    lab.choose(faults={"expiries": 1})
    with pytest.raises(SimulationError, match="expiries: they need a queue"):
        lab.race()


@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"queue": "standard", "workers": 3, "faults": {"crashes": 1}, "protections": ["cas"]},
        {"queue": "fifo_group", "max_receives": 2, "criterion": "serializable"},
        {"queue": "mutex", "keys": 2, "start": "paid"},
        {"data": {"PAY": {"card": "declined"}}, "queue": "standard"},
    ],
)
def test_the_code_makes_the_same_scenario(choices: dict[str, Any]) -> None:
    """It can be copied into a cell."""
    lab = queue_lab(order, **choices)
    assert lab.scenario is not None
    names: dict[str, Any] = {"order": order}
    imports, call = lab.parts["code"].splitlines()
    exec(imports, names)
    assert names["explore"] is explore
    names["explore"] = lambda scenario: scenario
    assert eval(call, names) == lab.scenario
    assert "'" not in call  # one kind of quotes
    assert lab.parts["code"] == code_of(lab.scenario, lab.choices.start)


@pytest.mark.parametrize(
    ("name", "called"), [("two_step", "two_step"), ("a b", "chart"), ("if", "chart")]
)
def test_the_code_calls_the_chart_by_its_name_where_it_can(name: str, called: str) -> None:
    """A name that Python does not take is none."""
    chart = Chart(
        [{"name": "it's", "tags": ["settled"]}], [["GO", "it's", "it's"]], "it's", name=name
    )
    lab = queue_lab(chart, ["GO"], start="it's")
    call = f'explore(Scenario({called}, ["GO"], queue="direct", start="it\'s"))'
    assert lab.parts["code"].splitlines()[1] == call


def test_the_static_twin_is_the_bars_and_a_line_of_text() -> None:
    """The same bytes every time; it waits for the search."""
    bundles = [queue_lab(order)._repr_mimebundle_() for _ in range(2)]
    assert bundles[0] == bundles[1]
    expected = explore(Scenario(order, ["PAY", "CANCEL"], queue="direct"))
    assert with_variables(expected.draw().svg) in bundles[0]["text/html"]
    assert bundles[0]["text/plain"] == f"<QueueLab order: PAY, CANCEL; direct: {expected}>"


def test_a_twin_without_endings_is_text_alone() -> None:
    """It says what makes no sense."""
    bundle = queue_lab(order, faults={"expiries": 1})._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "expiries: they need a queue" in bundle["text/plain"]


def test_a_shown_lab_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The widget follows."""
    monkeypatch.setenv("SETTLESIM_PANELS", "live")
    with queue_lab(order) as lab:
        assert "application/vnd.jupyter.widget-view+json" in lab._repr_mimebundle_()
        press(lab, "choose", name="queue", value="fifo_group")
        lab.search.wait()
        assert lab.widget.bars["verdict"]["word"] == "PROVED"
        press(lab, "explore")
        lab.search.wait()
        assert lab.errors == []


def test_where_somebody_looks_a_long_search_holds_up_no_cell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin is text that says that it is still searching; the widget shows the rest."""
    monkeypatch.setenv("SETTLESIM_PANELS", "live")
    with large() as lab:
        bundle = lab._repr_mimebundle_()
        assert "text/html" not in bundle
        assert bundle["text/plain"].endswith("; standard: running>")
        assert lab.search.state.status == "running"


def test_events_and_starts_are_those_of_the_chart() -> None:
    """External events in their order; places to rest that are not final."""
    assert events_of(order) == ("PAY", "CANCEL", "SHIP")
    assert starts_of(order) == ("new", "paid")
    for chart in (signup, donut, counter()):
        for start in starts_of(chart):
            lab = queue_lab(chart, queue="standard", start=start)
            assert lab.problems == {}


@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_hostile_names_are_data_and_never_markup(name: str) -> None:
    """Every part is plain JSON, and no picture has an element that a picture may not have."""
    chart = chart_of(name).bind(
        {f"{name} 1": lambda context, event: True, f"{name} 2": lambda context, event: {},
         f"{name} 3": lambda context, event: {}}
    )  # fmt: skip
    lab = queue_lab(chart, [name, name], results={f"{name} 4": None})
    assert lab.exploration is not None
    press(lab, "ending", index=0)
    assert lab.errors == []
    json.dumps(lab.parts)
    for svg in (lab.parts["bars"]["svg"], lab.parts["way"]["svg"], lab.twin()):
        assert not tags(svg) & {"script", "a", "image", "foreignObject", "style", "use"}


def test_scenario_and_verdict_can_be_observed() -> None:
    """Each choice changes the scenario, and the end of its search the verdict."""
    lab = queue_lab(order, ["PAY", "CANCEL"], queue="direct")
    assert lab.exploration is not None
    assert str(lab.verdict) == str(Verdict.REFUTED)
    seen: list[Any] = []
    lab.observe(lambda change: seen.append(change["new"]), "verdict")
    lab.observe(lambda change: seen.append(change["new"].queue), "scenario")
    lab.choose(queue="fifo_group")
    assert lab.exploration is not None
    assert str(lab.verdict) == str(Verdict.PROVED)
    assert "fifo_group" in seen
    assert seen[-1] is Verdict.PROVED


def test_a_search_that_ends_during_a_choice_is_told_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Observers hear of the scenario first, and the verdict is the last that they hear."""
    lab = queue_lab(order, ["PAY", "CANCEL"], queue="direct")
    assert lab.exploration is not None
    start = lab.search.start

    def start_and_wait(scenario: Scenario) -> None:
        start(scenario)
        run = lab.search._run
        assert run is not None
        run.ended.wait()
        run.thread.join(0.2)  # it has something to tell by now

    monkeypatch.setattr(lab.search, "start", start_and_wait)
    seen: list[Any] = []
    lab.observe(lambda change: seen.append(change["new"]), ["verdict"])
    lab.observe(lambda change: seen.append(change["new"].queue), ["scenario"])
    lab.choose(queue="fifo_group")
    assert lab.exploration is not None
    assert (seen[-2:], lab.verdict) == (["fifo_group", Verdict.PROVED], Verdict.PROVED)


def test_an_observer_may_wait_for_the_search() -> None:
    """It is called while the search reports; neither waits for the other for ever."""
    lab = queue_lab(order, ["PAY", "CANCEL"], queue="direct")
    assert lab.exploration is not None
    seen: list[Any] = []
    lab.observe(lambda change: seen.append(lab.exploration), ["scenario"])
    lab.choose(queue="standard", events=["PAY", "CANCEL", "SHIP"])
    assert [each.scenario.queue for each in seen] == ["standard"]
