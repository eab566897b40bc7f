"""ChartPanel: what the page sends, and what it is told to show."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest

from settlesim import Chart, Interpreter, MemoryStore, SimulatedClock, TinyStore
from settlesim.errors import (
    ChartMismatchError,
    InvalidEventError,
    InvalidValueError,
    UnboundFunctionError,
)
from settlesim.gallery import count, donut, order, signup
from settlesim.widgets import ChartPanel

CARD = '{"card": "4242"}'


def press(panel: ChartPanel, kind: str, **fields: Any) -> None:
    """Send what the page sends when somebody presses something."""
    panel.receive({"kind": kind, **fields})


def now(panel: ChartPanel) -> dict[str, Any]:
    found: dict[str, Any] = panel.parts["now"]
    return found


def told(panel: ChartPanel) -> list[str]:
    return [entry["text"] for entry in panel.parts["entries"]]


def test_a_new_panel_shows_where_a_new_instance_is() -> None:
    """The initial state is active, its events may be sent, nothing is in the store."""
    panel = order.panel()
    assert now(panel)["active"] == ["new"]
    assert now(panel)["enabled"] == [["PAY", ["e0"]], ["CANCEL", ["e1"]]]
    assert panel.parts["options"]["events"] == ["PAY", "CANCEL", "SHIP"]
    assert panel.parts["record"]["saved"] is False
    assert told(panel) == ["new instance"]


def test_a_pressed_event_settles_and_is_saved() -> None:
    """Configuration, path, context with its change, record and list follow."""
    panel = order.panel()
    press(panel, "send", event="PAY", data=CARD)
    assert panel.errors == []
    assert now(panel)["active"] == ["paid"]
    assert [step["edges"] for step in now(panel)["steps"]] == [["e0"], ["e4"]]
    assert now(panel)["outcome"] == "resolved"
    changed = [row for row in panel.parts["context"] if row["kind"] != "same"]
    assert changed == [
        {"key": "charge", "value": '"charge of 20"', "kind": "changed", "was": "null"}
    ]
    record = json.loads(panel.parts["record"]["text"])
    assert record["key"] == "order-1"
    assert record["revision"] == 1
    assert panel.store.load("order-1") == panel.settlements[-1].after


def test_an_event_that_is_not_accepted_is_refused_unless_it_is_sent_on_purpose() -> None:
    """Sent on purpose, it is ignored, and the panel says what would be taken."""
    panel = order.panel()
    press(panel, "send", event="SHIP")
    assert isinstance(panel.errors[0], InvalidValueError)
    assert list(panel.settlements) == []
    press(panel, "send", event="SHIP", forced=True)
    assert panel.settlements[-1].outcome.name == "IGNORED"
    assert told(panel)[-1] == "nothing takes it in new, which takes PAY, CANCEL"
    assert panel.parts["error"] is None


def test_a_guard_that_says_no_is_named_as_the_reason() -> None:
    """The event has an arrow there, but it was ignored."""
    panel = signup.panel()
    panel.fire("SIGN_UP")
    panel.fire("VERIFY", {"code": "wrong"})
    assert told(panel)[-1] == "its guard said no in waiting; nothing was saved"


def test_a_rejected_event_leaves_the_instance_and_shows_the_way() -> None:
    """The path leads to the node that rejected; what is active is what is saved."""
    panel = order.panel()
    panel.fire("PAY", {"card": "declined"})
    assert now(panel)["active"] == ["new"]
    assert now(panel)["steps"][-1]["active"] == ["declined"]
    assert "the bank declined the card" in told(panel)[-1]
    assert panel.parts["record"]["saved"] is False


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 500])
def test_data_that_is_no_json_is_an_error_in_the_panel(text: str) -> None:
    """Nothing is sent."""
    panel = order.panel()
    press(panel, "send", event="PAY", data=text)
    assert len(panel.errors) == 1
    assert panel.parts["error"]["text"]
    assert now(panel)["active"] == ["new"]


def test_data_given_at_first_is_in_the_form_and_what_was_sent_stays_there() -> None:
    """The form's text is kept in Python, so that a reload of the page keeps it."""
    panel = order.panel(data={"PAY": {"card": "1"}})
    assert panel.parts["options"]["data"] == [["PAY", '{"card":"1"}']]
    press(panel, "send", event="PAY", data=CARD)
    assert panel.parts["options"]["data"] == [["PAY", CARD]]


# --- be the service -----------------------------------------------------------------------


def test_in_manual_mode_a_service_waits_for_the_person() -> None:
    """It is named on its node, with its time-out, and no time passes by itself."""
    panel = order.panel(manual=True)
    press(panel, "send", event="PAY", data=CARD)
    assert now(panel)["status"] == "manual"
    assert now(panel)["rate"] == 0
    assert now(panel)["running"] == [
        {
            "id": "charging.0",
            "name": "charge_card",
            "service": True,
            "node": "charging",
            "elapsed": 0.0,
            "limit": 30.0,
            "input": None,
        }
    ]
    assert repr(panel) == (
        "<ChartPanel order: 'order-1' handles PAY in charging, waits for charge_card>"
    )
    press(panel, "done", id="charging.0", value='{"charge": "mine"}')
    assert now(panel)["active"] == ["paid"]
    assert panel.settlements[-1].after.context["charge"] == "mine"


def test_error_and_time_out_are_one_press_away() -> None:
    """Both take the way of ``on_error``, and the reason says which it was."""
    panel = order.panel(manual=True)
    press(panel, "send", event="PAY", data=CARD)
    press(panel, "error", id="charging.0", message="no power")
    assert panel.settlements[-1].reason == "charge_card: Error: no power"
    press(panel, "send", event="PAY", data=CARD)
    press(panel, "out", id="charging.0")
    reason = "charge_card: TimeoutError: did not end within 30 seconds"
    assert panel.settlements[-1].reason == reason
    assert panel.settlements[-1].calls[0].seconds == 30.0


def test_time_passes_to_what_is_due_first() -> None:
    """A delay passes, a time-out comes, each at its time on the simulated clock."""
    panel = donut.panel(manual=True)
    press(panel, "send", event="BAKE")
    press(panel, "error", id="making.mixing.dry.sifting.0")
    press(panel, "wait", seconds=2)
    press(panel, "done", id="making.mixing.wet.whisking.0")
    assert now(panel)["time"] == 2.0
    assert [each["elapsed"] for each in now(panel)["running"]] == [2.0]
    press(panel, "wait")
    assert now(panel)["time"] == 6.0
    assert [each["name"] for each in now(panel)["running"]] == ["fry"]
    press(panel, "wait", seconds=60)
    assert now(panel)["steps"][-1]["active"] == ["burnt"]
    assert panel.settlements[-1].outcome.name == "REJECTED"
    assert panel.settlements[-1].calls[-1].status.value == "timeout"


def test_an_event_takes_no_longer_than_an_event_may() -> None:
    """The deadline of the interpreter holds for the person as well."""
    slow = Chart(
        name="slow",
        initial="a",
        states=[
            {"name": "a", "tags": ["settled"]},
            {"name": "b", "after": {"1000": "a"}},
        ],
        transitions=[["GO", "a", "b"]],
    )
    panel = slow.panel(manual=True)
    panel.fire("GO")
    press(panel, "wait")
    assert type(panel.errors[0]).__name__ == "DeadlineExceededError"
    assert now(panel)["active"] == ["a"]


@pytest.mark.parametrize(
    "message",
    [
        {"kind": "done", "id": "charging.0"},
        {"kind": "error", "id": "charging.0"},
        {"kind": "out", "id": "charging.0"},
        {"kind": "wait"},
    ],
)
def test_an_answer_that_comes_too_late_is_an_error_in_the_panel(message: dict[str, Any]) -> None:
    """Two panels may answer the same service; the second finds nothing that waits."""
    panel = order.panel(manual=True)
    panel.receive(message)
    assert isinstance(panel.errors[0], InvalidValueError)
    panel.fire("PAY")
    panel.receive({**message, "kind": "done", "id": "other.0"})
    assert len(panel.errors) == 2
    assert now(panel)["status"] == "manual"


def test_an_event_can_be_given_up() -> None:
    """The instance is as it was, and takes the next event."""
    panel = order.panel(manual=True)
    panel.fire("PAY")
    press(panel, "stop")
    press(panel, "stop")
    assert told(panel)[-1] == "PAY given up; nothing was saved"
    assert now(panel)["enabled"] == [["PAY", ["e0"]], ["CANCEL", ["e1"]]]


def test_a_second_event_waits_for_the_first() -> None:
    """One instance, one event at a time; nothing is dropped in silence."""
    panel = order.panel(manual=True)
    panel.fire("PAY")
    press(panel, "send", event="CANCEL", forced=True)
    assert "'PAY' is on its way" in panel.parts["error"]["text"]
    press(panel, "done", id="charging.0", value='{"charge": 1}')
    assert now(panel)["active"] == ["paid"]


def test_a_chart_without_its_services_can_be_played() -> None:
    """The person is every service that is not bound."""
    sketch = Chart.from_dict(order.to_dict()).bind(
        {name: order.functions[name] for name in ("keep_charge", "keep_label", "drop_charge")}
    )
    panel = sketch.panel()
    assert panel.parts["options"]["unbound"] == ["charge_card", "print_label", "refund_card"]
    press(panel, "manual", manual=False)
    assert panel.parts["options"]["manual"] is True
    panel.fire("PAY")
    panel.done("charge_card", {"charge": 1})
    assert now(panel)["active"] == ["paid"]


def test_guards_and_assigns_have_to_be_bound() -> None:
    """They are part of the engine's run, not of the world outside."""
    with pytest.raises(UnboundFunctionError, match="keep_charge"):
        Chart.from_dict(order.to_dict()).panel()


# --- running by itself --------------------------------------------------------------------


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_a_run_is_shown_while_it_happens() -> None:
    """The service is named while it runs; then the new settled state is active."""

    async def main() -> None:
        panel = count.panel(speed=1000)
        panel.fire("COUNT")
        press(panel, "send", event="COUNT")
        assert now(panel)["status"] == "running"
        assert now(panel)["active"] == ["counting_even"]
        assert [each["name"] for each in now(panel)["running"]] == ["wait"]
        assert now(panel)["rate"] == 1000
        assert now(panel)["enabled"] == []
        settlement = await panel.settled()
        assert settlement is panel.settlements[-1]
        assert now(panel)["status"] == "rest"
        assert panel.settlements[-1].after.context == {"count": 2}

    run(main())


def test_at_once_a_run_takes_no_time() -> None:
    """The clock is a simulated one; calls have the seconds that they would have taken."""

    async def main() -> None:
        panel = donut.panel(speed="at once")
        panel.fire("BAKE")
        await panel.settled()
        assert now(panel)["active"] == ["ready", "ready.plain"]
        assert [call.seconds for call in panel.settlements[-1].calls] == [2.0, 3.0, 4.0]

    run(main())


def test_the_speed_can_be_changed_while_it_runs() -> None:
    """A run that would take hours is through at once."""

    async def main() -> None:
        panel = count.panel(speed=0.01)
        panel.fire("COUNT")
        panel.fire("COUNT")
        press(panel, "speed", speed=1000)
        assert now(panel)["rate"] == 1000
        await panel.settled()
        assert panel.settlements[-1].after.context == {"count": 2}
        press(panel, "speed", speed="at once")
        assert panel.parts["options"]["speed"] == "at once"

    run(main())


@pytest.mark.parametrize("speed", [0, -1, 1e9, "fast", None])
def test_a_speed_that_is_none_is_refused(speed: Any) -> None:
    """The error says what is possible."""
    with pytest.raises(InvalidValueError, match=r"a number from 0\.01 on or 'at once'"):
        order.panel(speed=speed)


def test_the_speed_that_was_asked_for_can_be_chosen() -> None:
    """Beside those that every panel offers."""
    options = order.panel(speed=5).parts["options"]
    assert options["speeds"] == [0.25, 1.0, 3.0, 5.0, 10.0, "at once"]
    assert options["speed"] == 5.0
    own_clock = order.panel(clock=SimulatedClock()).parts["options"]
    assert own_clock["speeds"] == []


def test_closing_a_panel_leaves_no_task() -> None:
    """The event on its way is given up, and its tasks end."""

    async def main() -> None:
        panel = count.panel(speed=0.01)
        panel.fire("COUNT")
        panel.fire("COUNT")
        await asyncio.sleep(0)
        panel.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert repr(panel) == "<ChartPanel count: 'count-1', closed>"

    run(main())


def test_a_panel_that_is_closed_leaves_the_event_to_the_other() -> None:
    """Somebody still looks at it."""
    store = MemoryStore()
    first, second = order.panel(store=store, manual=True), order.panel(store=store)
    first.fire("PAY")
    first.close()
    assert now(second)["status"] == "manual"
    second.done("charge_card", {"charge": 1})
    assert now(second)["active"] == ["paid"]


# --- errors -------------------------------------------------------------------------------


def broken(**functions: Any) -> Chart:
    """Return a chart whose functions fail as they are told."""
    chart = Chart(
        name="broken",
        initial="a",
        states=[
            {"name": "a", "tags": ["settled"]},
            {"name": "b", "invoke": {"src": "service", "on_done": {"dest": "a", "assign": "keep"}}},
        ],
        transitions=[
            {"trigger": "GO", "source": "a", "dest": "b", "conditions": "guard"},
            ["STAY", "a", "a"],
        ],
    )

    async def service(call: Any) -> None:
        """Do nothing."""

    given: dict[str, Any] = {
        "service": service,
        "keep": lambda context, event: {},
        "guard": lambda context, event: True,
    }
    return chart.bind({**given, **functions})


async def _fails(call: Any) -> None:
    raise LookupError("the service is broken")


def _raises(context: Any, event: Any) -> Any:
    raise LookupError("broken")


@pytest.mark.parametrize("name", ["guard", "keep", "service"])
def test_an_error_of_user_code_is_shown_and_the_panel_goes_on(name: str) -> None:
    """With the traceback into the user's function; the instance is as it was."""
    panel = broken(**{name: _fails if name == "service" else _raises}).panel()
    press(panel, "send", event="GO")
    shown = panel.parts["error"]
    assert shown["doing"] == "GO"
    assert "broken" in shown["text"]
    assert ("_fails" if name == "service" else "_raises") in shown["traceback"]
    assert "LookupError" in shown["traceback"]
    assert panel.parts["entries"][-1]["kind"] == "failed"
    assert now(panel)["active"] == ["a"]
    press(panel, "send", event="STAY")
    assert panel.parts["error"] is None
    assert panel.settlements[-1].outcome.name == "RESOLVED"


def test_an_error_in_a_task_is_not_lost() -> None:
    """It comes from the event loop, and is shown all the same."""

    async def main() -> None:
        panel = broken(service=_fails).panel()
        press(panel, "send", event="GO")
        await panel.settled()
        assert "the service is broken" in panel.parts["error"]["text"]
        assert now(panel)["active"] == ["a"]

    run(main())


def test_a_save_that_comes_second_is_a_conflict() -> None:
    """Another worker saved the instance while the event was on its way."""
    store = MemoryStore()
    panel = order.panel(store=store, manual=True)
    panel.fire("PAY")
    Interpreter(order, store, clock=SimulatedClock()).settle_sync("order-1", "CANCEL")
    panel.done("charge_card", {"charge": 1})
    assert panel.parts["error"]["kind"] == "VersionConflictError"
    panel.cell_ended()
    press(panel, "send", event="SHIP", forced=True)
    assert now(panel)["active"] == ["cancelled"]


def test_an_event_with_a_reserved_name_is_refused() -> None:
    """By the program's call as an error, from the page as an error in the panel."""
    panel = order.panel()
    with pytest.raises(InvalidEventError):
        panel.fire("done.invoke.charging.0")
    press(panel, "send", event="done.invoke.charging.0", forced=True)
    assert isinstance(panel.errors[0], InvalidEventError)


def test_a_chart_is_needed() -> None:
    """The error names what was given."""
    with pytest.raises(TypeError, match="a Chart is needed"):
        ChartPanel("order")  # type: ignore[arg-type]


# --- time travel and instances ------------------------------------------------------------


def paid_and_shipped() -> ChartPanel:
    panel: ChartPanel = order.panel()
    panel.fire("PAY", {"card": "1"})
    panel.fire("SHIP")
    return panel


def test_a_click_on_a_settlement_shows_what_was_then() -> None:
    """Chart, path, context and record of then; no event can be sent from there."""
    panel = paid_and_shipped()
    press(panel, "look", number=2)
    assert now(panel)["status"] == "past"
    assert now(panel)["active"] == ["paid"]
    assert now(panel)["enabled"] == []
    assert {row["key"]: row["value"] for row in panel.parts["context"]}["label"] == "null"
    assert json.loads(panel.parts["record"]["text"])["revision"] == 1
    press(panel, "look")
    assert now(panel)["active"] == ["shipped"]
    press(panel, "look", number=77)
    assert now(panel)["status"] == "rest"


def test_sending_an_event_comes_back_to_now() -> None:
    """Nothing is ever changed in the past."""
    panel = paid_and_shipped()
    press(panel, "look", number=1)
    panel.fire("PAY")
    assert now(panel)["status"] == "rest"
    assert told(panel)[-1].startswith("nothing takes it in shipped")


def test_a_new_instance_is_forked_from_the_past() -> None:
    """It goes on from there under a key of its own; the old one stays as it is."""
    panel = paid_and_shipped()
    press(panel, "look", number=2)
    press(panel, "fork")
    assert panel.key == "order-1-1"
    assert told(panel) == ["forked from order-1 at revision 1"]
    press(panel, "send", event="CANCEL")
    assert now(panel)["active"] == ["refunded"]
    assert panel.store.load("order-1").configuration == ("shipped",)  # type: ignore[union-attr]
    assert panel.parts["options"]["keys"] == ["order-1", "order-1-1"]
    press(panel, "instance", key="order-1")
    assert now(panel)["active"] == ["shipped"]
    assert len(panel.settlements) == 2


def test_a_fork_of_what_was_never_saved_is_a_new_instance() -> None:
    """There is nothing to be copied."""
    panel = order.panel()
    press(panel, "fork")
    assert panel.key == "order-1-1"
    assert panel.store.keys() == []


def test_a_new_instance_is_one_press_away() -> None:
    """At the chart's beginning, under a key that no instance has; the old one stays."""
    panel = paid_and_shipped()
    order.panel(store=panel.store, key="order-2").fire("CANCEL")
    assert now(panel)["enabled"] == []
    press(panel, "new")
    assert panel.key == "order-3"
    assert now(panel)["active"] == ["new"]
    assert not now(panel)["saved"]
    press(panel, "instance", key="order-1")
    assert now(panel)["active"] == ["shipped"]


def test_the_headline_names_the_event_once() -> None:
    """And what came last on its way, where that is something else."""
    panel = donut.panel(manual=True)
    panel.fire("BAKE")
    assert now(panel)["headline"].startswith("BAKE is on its way, now in making.mixing")
    panel.done("sift")
    assert now(panel)["headline"].startswith("BAKE is on its way: sift done, now in making.mixing")


def test_an_empty_key_is_refused() -> None:
    """The panel stays with its instance."""
    panel = order.panel()
    press(panel, "instance", key="")
    assert isinstance(panel.errors[0], InvalidValueError)
    assert panel.key == "order-1"


def test_two_panels_on_one_key_stay_in_step() -> None:
    """What one does, the other shows: events, services, outcome, errors."""
    store = MemoryStore()
    first, second = order.panel(store=store), order.panel(store=store, manual=True)
    second.fire("PAY")
    assert now(first)["status"] == "manual"
    press(first, "done", id="charging.0", value='{"charge": 7}')
    assert now(first) == now(second)
    assert first.parts["entries"] == second.parts["entries"]
    first.fire("SHIP")
    assert now(second)["active"] == ["shipped"]


def test_what_another_cell_saved_is_found_after_it() -> None:
    """The panel looks into the store when a cell has run."""
    store = MemoryStore()
    panel = order.panel(store=store)
    assert panel.widget is not None
    Interpreter(order, store, clock=SimulatedClock()).settle_sync("order-1", "CANCEL")
    panel.cell_ended()
    assert now(panel)["active"] == ["cancelled"]
    assert told(panel)[-1] == "revision 1, saved elsewhere"
    panel.cell_ended()
    assert len(told(panel)) == 2
    panel.close()


def test_a_store_that_is_closed_is_an_error_once(tmp_path: Any) -> None:
    """Not again after every cell; nothing is raised into the cell."""
    with TinyStore(tmp_path / "store.json") as store:
        panel = order.panel(store=store)
        assert panel.widget is not None
    panel.cell_ended()
    panel.cell_ended()
    assert [type(each).__name__ for each in panel.errors] == ["StoreUnavailableError"]
    press(panel, "send", event="PAY")
    assert len(panel.errors) == 2
    panel.close()


def test_an_instance_in_a_file_is_found_and_continued(tmp_path: Any) -> None:
    """The record is the one in the file."""
    with TinyStore(tmp_path / "store.json") as store:
        order.panel(store=store, key="o7").fire("PAY", {"card": "1"})
        panel = order.panel(store=store, key="o7")
        panel.fire("SHIP")
        assert store.db is not None
        (stored,) = store.db.table("instances").all()
        shown = json.loads(panel.parts["record"]["text"])
        assert shown == {name: stored[name] for name in shown}


def test_the_past_of_an_instance_is_in_its_store(tmp_path: Any) -> None:
    """Time travel goes on in another process: what others settled is there, and where it was."""
    with TinyStore(tmp_path / "store.json") as store:
        interpreter = Interpreter(order, store, clock=SimulatedClock())
        interpreter.settle_sync("o7", "PAY", {"card": "1"})
        order.panel(store=store, key="o7").fire("SHIP")
    with TinyStore(tmp_path / "store.json") as store:
        panel = order.panel(store=store, key="o7")
        assert [each["text"] for each in panel.parts["entries"]] == [
            "PAY RESOLVED: new \u2192 charging \u2192 paid; saved as revision 1",
            "SHIP DONE: paid \u2192 printing \u2192 shipped; saved as revision 2",
        ]
        press(panel, "look", number=1)
        assert panel.parts["now"]["active"] == ["paid"]
        assert json.loads(panel.parts["record"]["text"])["revision"] == 1


def test_an_instance_of_another_chart_is_refused() -> None:
    """As the interpreter refuses it."""
    store = MemoryStore()
    count.panel(store=store, key="x").fire("COUNT")
    with pytest.raises(ChartMismatchError):
        order.panel(store=store, key="x")


# --- the static twin ----------------------------------------------------------------------


def test_the_twin_says_where_it_is_and_which_way_it_took() -> None:
    """Picture and text are the same every time."""
    panel = paid_and_shipped()
    bundle = panel._repr_mimebundle_()
    assert bundle == paid_and_shipped()._repr_mimebundle_()
    assert bundle["text/plain"] == (
        "<ChartPanel order: 'order-1' in shipped at revision 2, takes no event>"
    )
    assert "now in shipped; path SHIP: paid to printing" in bundle["text/html"]


def test_the_twin_of_an_event_on_its_way_shows_the_service_node() -> None:
    """A reader without a kernel sees what is waited for."""
    panel = order.panel(manual=True)
    panel.fire("PAY")
    assert "now in charging; path PAY: new to charging" in panel._repr_mimebundle_()["text/html"]


# --- starts -------------------------------------------------------------------------------


def hello() -> Chart:
    """A chart that starts with a service."""

    async def greet(call: Any) -> str:
        return "hello"

    return Chart(
        [
            {"name": "boot", "invoke": {"src": "greet", "on_done": "open", "on_error": "open"}},
            {"name": "open", "tags": ["settled"]},
            {"name": "shut", "tags": ["settled"]},
        ],
        [["GO", "open", "shut"], ["BACK", "shut", "open"]],
        "boot",
        name="hello",
    ).bind({"greet": greet})


def test_an_instance_is_started_from_the_page() -> None:
    """It is saved where it comes to rest; a second start is ignored."""
    panel = hello().panel()
    press(panel, "start")
    assert panel.errors == []
    assert now(panel)["active"] == ["open"]
    assert told(panel)[-1] == "boot \N{RIGHTWARDS ARROW} open; saved as revision 1"
    assert now(panel)["headline"].startswith("start RESOLVED: ")
    press(panel, "start")
    assert panel.settlements[-1].start is None
    assert told(panel)[-1] == "the instance exists already, in open"
    store = panel.store.load(panel.key)
    assert store is not None
    assert store.revision == 1


def test_a_start_waits_for_the_person_who_is_the_service() -> None:
    """As an event; meanwhile nothing else may be sent."""
    panel = hello().panel(manual=True)
    panel.start()
    assert now(panel)["headline"].startswith("start is on its way, now in boot")
    with pytest.raises(InvalidValueError, match="the start has to wait: 'start' is on its way"):
        panel.start()
    panel.done("greet")
    assert now(panel)["active"] == ["open"]


def test_a_panel_tells_that_only_the_start_was_saved() -> None:
    """The event was ignored; the instance is where its start came to rest."""
    panel = hello().panel()
    press(panel, "send", event="BACK", forced=True)
    assert now(panel)["active"] == ["open"]
    assert told(panel)[-1] == (
        "nothing takes it in open, which takes GO; the start was saved as revision 1"
    )
    idle = count.panel()
    idle.start()
    assert told(idle)[-1].startswith("an event starts it in idle, which is not settled")
