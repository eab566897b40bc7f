"""StepPanel: an event told again, microstep by microstep."""

from __future__ import annotations

from typing import Any

import pytest
from ipywidgets import IntSlider
from traitlets import TraitError, link

from settlesim import Chart, Event, Settlement, Settling
from settlesim.errors import FunctionFailedError, InvalidValueError
from settlesim.gallery import count, donut, order, signup
from settlesim.widgets import StepPanel


def titles(panel: StepPanel) -> list[str]:
    return [frame["title"] for frame in panel.frames]


def settled(chart: Chart, *answers: Any, event: str, data: Any = None) -> Settling:
    """Return a session at its end; an answer is a value, or an exception for a failure."""
    settling = Settling(chart, None, Event(event, data))
    for answer in answers:
        pending = settling.pending[0]
        if isinstance(answer, Exception):
            settling.failed(pending.id, answer)
        else:
            settling.done(pending.id, answer)
    return settling


def test_every_microstep_is_a_frame() -> None:
    """The beginning before them, the end after them."""
    panel = StepPanel(settled(order, {"charge": 1}, event="PAY"))
    assert titles(panel) == ["before PAY", "PAY", "charge_card done", "RESOLVED"]
    assert [frame["where"] for frame in panel.frames] == ["new", "charging", "paid", "paid"]
    assert [frame["edges"] for frame in panel.frames] == [[], ["e0"], ["e4"], []]
    assert panel.frames[1]["starts"] == ["charge_card"]
    assert panel.frames[2]["ran"] == [
        {"name": "keep_charge", "place": "", "result": '{"charge": 1}'}
    ]
    assert panel.frames[-1]["note"] == (
        "paid is tagged settled. Stable, and no service runs: settled. Saved as revision 1."
    )


def test_going_forward_and_back_stops_at_the_ends() -> None:
    """By message and by call; the page is told where it is."""
    panel = StepPanel(settled(order, {"charge": 1}, event="PAY"))
    assert panel.parts["at"] == 0
    panel.step(-1)
    assert panel.parts["at"] == 0
    panel.step()
    panel.receive({"kind": "go", "to": 99})
    assert panel.parts["at"] == 3
    assert repr(panel) == "<StepPanel PAY of order, 3 of 3: RESOLVED>"


def guarded(first: bool, second: bool) -> Chart:
    """Return a chart in which GO may lead to two nodes."""
    return Chart(
        name="guarded",
        initial="a",
        states=[{"name": name, "tags": ["settled"]} for name in "abc"],
        transitions=[
            {"trigger": "GO", "source": "a", "dest": "b", "conditions": "one", "unless": "two"},
            {"trigger": "GO", "source": "a", "dest": "c"},
            {"trigger": "GO", "source": "a", "dest": "a"},
        ],
    ).bind({"one": lambda context, event: first, "two": lambda context, event: second})


@pytest.mark.parametrize(
    ("first", "second", "verdicts", "answers"),
    [
        (True, False, ["fires", "not reached", "not reached"], ["true", "false"]),
        (True, True, ["guard says no", "fires", "not reached"], ["true", "true"]),
        (False, True, ["guard says no", "fires", "not reached"], ["false", "not asked"]),
    ],
)
def test_it_says_what_was_enabled_and_what_each_guard_said(
    first: bool, second: bool, verdicts: list[str], answers: list[str]
) -> None:
    """The first transition whose guards hold fires; the ones after it are not reached."""
    panel = StepPanel(Settling(guarded(first, second), None, "GO"))
    candidates = panel.frames[1]["candidates"]
    assert [each["verdict"] for each in candidates] == verdicts
    assert [guard["answer"] for guard in candidates[0]["guards"]] == answers
    assert [guard["wanted"] for guard in candidates[0]["guards"]] == [True, False]


def test_an_ignored_event_says_why() -> None:
    """Because of its guard, or because no transition is there."""
    waiting = settled(signup, {"code": "c"}, event="SIGN_UP").settlement
    assert waiting is not None
    panel = StepPanel(Settling(signup, waiting.after, Event("VERIFY", {"code": "x"})))
    assert titles(panel) == ["before VERIFY", "VERIFY", "IGNORED"]
    assert panel.frames[1]["note"] == "no transition is enabled: guards said no"
    panel = StepPanel(Settling(signup, waiting.after, "SIGN_UP"))
    assert panel.frames[1]["note"] == "no transition for it leads out of waiting"


def test_eventless_and_finished_are_steps_of_their_own() -> None:
    """With the words that the pictures use."""
    panel = StepPanel(
        Settling(
            Chart(
                name="x",
                initial="a",
                context={"n": 0},
                states=[
                    {"name": "a", "tags": ["settled"]},
                    {"name": "b", "always": {"dest": "c", "assign": "more"}, "on_exit": "more"},
                    {"name": "c", "final": True, "on_enter": "more"},
                ],
                transitions=[["GO", "a", "b"]],
            ).bind({"more": lambda context, event: {"n": context["n"] + 1}}),
            None,
            "GO",
        )
    )
    assert titles(panel) == ["before GO", "GO", "at once (no event)", "DONE"]
    assert len(panel.frames[2]["ran"]) == 3
    assert panel.frames[2]["context"][0]["value"] == "3"
    assert "c is final" in panel.frames[-1]["note"]


def test_a_nested_run_is_told_in_the_order_in_which_it_went() -> None:
    """Services side by side, a delay, a time-out: the same answers in the same order."""
    panel = donut.panel(manual=True)
    panel.fire("BAKE")
    panel.failed("sift", "no flour")
    panel.wait(2)
    panel.done("whisk")
    panel.wait()
    panel.wait()
    settlement = panel.settlements[-1]
    assert settlement.calls[-1].status.value == "timeout"
    steps = settlement.panel()
    assert titles(steps) == [
        "before BAKE", "BAKE", "sift failed", "whisk done", "after 6 s", "making.mixing finished",
        "fry failed", "REJECTED",
    ]  # fmt: skip
    assert "another way" not in steps.frames[-1]["note"]
    assert "not saved" in steps.frames[-1]["note"]


def test_an_error_is_told_where_it_happened() -> None:
    """With the function that raised; the instance is as it was."""
    settling = Settling(order, None, "PAY")
    with pytest.raises(FunctionFailedError):
        settling.done("charging.0", {})
    panel = StepPanel(settling)
    assert titles(panel) == ["before PAY", "PAY", "charge_card done", "error"]
    assert panel.frames[2]["ran"][0]["result"] == "raised KeyError: 'charge'"
    assert "keep_charge" in panel.frames[3]["note"]
    assert panel.frames[3]["where"] == "new"


def test_of_an_event_on_its_way_the_person_is_the_service() -> None:
    """Done, error, out of time, a delay that passes; then it is stepped on."""
    panel = StepPanel(Settling(donut, None, "BAKE"))
    assert titles(panel)[-1] == "waits"
    assert panel.parts["at"] == 2
    panel.receive({"kind": "error", "id": "making.mixing.dry.sifting.0", "message": "no"})
    panel.receive({"kind": "out", "id": "making.mixing.dry.sifting_by_hand.0"})
    panel.receive({"kind": "done", "id": "making.mixing.wet.whisking.0", "value": '"cream"'})
    assert panel.parts["now"]["running"][0]["name"] == "fry"
    panel.receive({"kind": "out", "id": "making.frying.0"})
    assert panel.errors == []
    assert titles(panel)[-1] == "REJECTED"
    assert panel.frames[3]["data"] is None
    assert panel.frames[4]["data"] == '"cream"'
    panel.receive({"kind": "done", "id": "making.frying.0"})
    assert isinstance(panel.errors[0], InvalidValueError)


def test_an_answer_that_ends_in_an_error_is_shown_and_told() -> None:
    """In the error pane, and as the last frame."""
    panel = StepPanel(Settling(order, None, "PAY"))
    panel.receive({"kind": "done", "id": "charging.0", "value": "{}"})
    assert panel.parts["error"]["kind"] == "FunctionFailedError"
    assert titles(panel)[-1] == "error"


def test_after_an_error_another_answer_can_be_given() -> None:
    """The event is run again with the answers until then, as often as it takes."""
    panel = StepPanel(Settling(order, None, "PAY"))
    wrong = {"kind": "done", "id": "charging.0", "value": ""}
    for _ in range(2):
        panel.receive(wrong)
        assert [each["name"] for each in panel.parts["now"]["running"]] == ["charge_card"]
        assert "Another answer can be given." in panel.frames[-1]["note"]
    panel.receive({**wrong, "value": '{"charge": "c-1"}'})
    assert titles(panel) == ["before PAY", "PAY", "charge_card done", "RESOLVED"]
    assert panel.parts["error"] is None
    assert panel.parts["now"]["running"] == []
    panel.receive(wrong)
    assert isinstance(panel.errors[-1], InvalidValueError)


def test_after_an_error_the_other_answers_are_kept() -> None:
    """Of two services only the one whose answer was wrong is asked again."""

    def keep(context: Any, event: Any) -> dict[str, Any]:
        return {"kept": event.data["kept"]}

    def service(name: str, dest: str) -> dict[str, Any]:
        return {"src": name, "on_done": {"dest": dest, "assign": "keep"}}

    chart = Chart(
        [
            {"name": "new", "tags": ["settled"]},
            {"name": "first", "invoke": service("one", "second")},  # type: ignore[list-item]
            {"name": "second", "invoke": service("two", "over")},  # type: ignore[list-item]
            {"name": "over", "tags": ["settled"]},
        ],
        [["GO", "new", "first"]],
        "new",
        context={"kept": None},
    ).bind({"keep": keep})
    panel = StepPanel(Settling(chart, None, "GO"))
    panel.receive({"kind": "done", "id": "first.0", "value": '{"kept": 1}'})
    panel.receive({"kind": "done", "id": "second.0"})
    assert [each["name"] for each in panel.parts["now"]["running"]] == ["two"]
    panel.receive({"kind": "done", "id": "second.0", "value": '{"kept": 2}'})
    assert titles(panel)[-1] == "RESOLVED"
    assert panel.frames[-1]["context"][0] | {"key": ""} == {
        "key": "", "value": "2", "kind": "changed", "was": "null",
    }  # fmt: skip


def test_answers_given_at_first_are_in_the_fields() -> None:
    """By service, as JSON text; what is no JSON is refused."""
    panel = StepPanel(Settling(order, None, "PAY"), answers={"charge_card": {"charge": "c-1"}})
    assert panel.parts["answers"] == [["charge_card", '{"charge":"c-1"}']]
    with pytest.raises(InvalidValueError, match="answer of 'charge_card'"):
        StepPanel(Settling(order, None, "PAY"), answers={"charge_card": {1, 2}})


def test_the_context_is_told_where_it_waits_and_where_it_failed() -> None:
    """As the instance has it then: unchanged after an error."""
    panel = StepPanel(Settling(order, None, "PAY"))
    rows = [("amount", "20", "same"), ("charge", "null", "same"), ("label", "null", "same")]
    for title in ("waits", "error"):
        assert titles(panel)[-1] == title
        told = [(each["key"], each["value"], each["kind"]) for each in panel.frames[-1]["context"]]
        assert told == rows
        panel.receive({"kind": "done", "id": "charging.0", "value": "{}"})


def test_a_guard_that_changes_its_mind_is_told() -> None:
    """Run again it goes another way; the panel does not pretend that it did not."""
    answers = iter([True, False, False, False])
    chart = guarded(True, False).bind({"one": lambda context, event: next(answers)})
    settlement = Settling(chart, None, "GO").settlement
    assert settlement is not None
    assert "another way" in StepPanel(settlement).frames[-1]["note"]


def test_a_settlement_without_its_chart_needs_one() -> None:
    """It is refused, or told with the chart that is given."""
    found = Settling(count, None, "COUNT").settlement
    assert found is not None
    bare = Settlement(
        found.outcome, found.key, found.event, found.before, found.after, found.microsteps
    )
    with pytest.raises(InvalidValueError, match="without its chart"):
        StepPanel(bare)
    assert titles(StepPanel(bare, chart=count))[-1] == "RESOLVED"
    with pytest.raises(TypeError, match="a Settling or a Settlement is needed"):
        StepPanel("COUNT")  # type: ignore[arg-type]


def test_the_twin_is_a_table_of_all_steps_with_the_picture() -> None:
    """Every name is escaped."""
    chart = Chart(
        name="x",
        initial="<i>",
        states=[{"name": "<i>", "tags": ["settled"]}],
        transitions=[["<b>", "<i>", "<i>"]],
    )
    bundle = StepPanel(Settling(chart, None, "<b>"))._repr_mimebundle_()
    assert "before &lt;b&gt;" in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
    assert "</svg>" in bundle["text/html"]
    assert bundle["text/plain"] == "<StepPanel <b> of x, 0 of 2: before <b>>"


def test_a_start_is_told_step_by_step() -> None:
    """Without an event, and before one that is ignored; the end says what is saved."""
    tagged = [{"name": name, "tags": ["settled"]} for name in ("open", "shut")]
    ways = [["GO", "open", "shut"], ["BACK", "shut", "open"]]
    chart = Chart([{"name": "boot", "always": "open"}, *tagged], ways, "boot")  # type: ignore[list-item]
    for event, last in (
        (None, "Saved as revision 1."),
        ("BACK", "The event was not taken. What the start did before it is saved as revision 1"),
    ):
        settlement = Settling(chart, None, event).settlement
        assert settlement is not None
        frames = StepPanel(settlement).frames
        assert frames[0]["title"] == f"before {event or 'start'}"
        assert "at once (no event)" in [frame["title"] for frame in frames]
        assert last in frames[-1]["note"]


def finished_order() -> Settlement:
    settling = Settling(order, None, "PAY")
    settling.done("charging.0", {"charge": "c"})
    assert settling.settlement is not None
    return settling.settlement


def test_a_slider_moves_the_steps_and_two_panels_move_together() -> None:
    """`at` can be linked both ways; observers hear of the configuration that is shown."""
    settlement = finished_order()
    one, two, slider = settlement.panel(), settlement.panel(), IntSlider(max=10)
    link((one, "at"), (slider, "value"))
    link((one, "at"), (two, "at"))
    seen: list[Any] = []
    one.observe(lambda change: seen.append(change["new"]), "configuration")
    slider.value = 1
    assert (one.at, two.at, one.configuration) == (1, 1, ("charging",))
    two.step()
    assert (one.at, slider.value) == (2, 2)
    assert seen == [("charging",), ("paid",)]


def test_the_settlement_can_be_observed_and_not_be_set() -> None:
    """It is there once the last service has answered."""
    panel = StepPanel(Settling(order, None, "PAY"))
    seen: list[Any] = []
    panel.observe(lambda change: seen.append(change["new"].outcome.name), "settlement")
    assert panel.settlement is None
    panel.receive({"kind": "done", "id": "charging.0", "value": '{"charge": "c"}'})
    assert seen == ["RESOLVED"]
    with pytest.raises(TraitError, match="read-only"):
        panel.settlement = None
