"""The compiled chart does what the interpreter does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Chart, Event, Interpreter, MemoryStore, SimulatedClock
from settlesim.chart.outcome import Outcome
from settlesim.chart.strict_json import encode
from settlesim.errors import ChartMismatchError, SettleError, UnboundFunctionError
from settlesim.gallery import append_log, counter, donut, order, signup
from settlesim.sim import Kind
from settlesim.sim.assumptions import Assumptions
from settlesim.sim.compiled import CompiledChart
from settlesim.sim.program_nodes import Branch, ProgramNodeKind
from settlesim.sim.services import Services
from tests.examples import scaled
from tests.strategies_charts import TRIGGERS, charts

SIMULATED = Assumptions(timing="simulated")


def leaf(table: CompiledChart, state: int, event: str, data: Any = None) -> tuple[Any, list[str]]:
    """Follow a program without failures, what was started first comes back first.

    Return its end and the services on the way.
    """
    node = table.node(table.program(state, event, data))
    services = []
    while node.kind is ProgramNodeKind.WAIT:
        services += [node.branches[0].service] if node.branches[0].service else []
        node = table.node(node.branches[0].after)
    return node, services


def branch(node: Any, kind: Kind) -> Branch | None:
    """Return the only way of a kind; None where there is none."""
    found = [each for each in node.branches if each.kind is kind]
    assert len(found) < 2
    return found[0] if found else None


def after(table: CompiledChart, node: Any, kind: Kind) -> Any:
    """Return the node after the only way of a kind."""
    found = branch(node, kind)
    assert found is not None
    return table.node(found.after)


@given(charts(bound=True), st.lists(st.sampled_from(TRIGGERS), min_size=1, max_size=4))
@settings(max_examples=scaled(10))
def test_the_table_does_what_the_interpreter_does(chart: Chart, events: list[str]) -> None:
    """Configuration, context, outcome and error, event after event, for any chart."""
    interpreter = Interpreter(chart, MemoryStore(), clock=SimulatedClock())
    table = CompiledChart(chart, perform=Services(chart), assumptions=SIMULATED)
    state = table.start()
    for event in events:
        node, services = leaf(table, state, event)
        if node.kind is ProgramNodeKind.ERROR:
            with pytest.raises(SettleError) as caught:
                interpreter.settle_sync("k", event)
            assert node.text == str(caught.value)
            continue
        settlement = interpreter.settle_sync("k", event)
        assert node.outcome is settlement.outcome
        assert (node.kind is ProgramNodeKind.SAVE) is settlement.saved
        done = [call.service for call in settlement.calls if call.status.value != "cancelled"]
        assert services == done
        if settlement.saved:
            state = node.state
            assert table.configuration(state) == settlement.after.configuration
            assert encode(table.context(state)) == encode(settlement.after.context)


@pytest.mark.parametrize(
    ("chart", "events"),
    [
        (order, ["SHIP", "PAY", "PAY", "SHIP"]),
        (signup, ["SIGN_UP", "RESEND", "RESEND", "RESEND", "VERIFY", "EXPIRE"]),
        (donut, ["GLAZE", "BAKE", "GLAZE", "EAT"]),
        (counter(2), ["INC", "INC"]),
        (append_log(2), ["E1", "E2", "E1"]),
    ],
    ids=lambda value: value.name if isinstance(value, Chart) else "",
)
def test_the_gallery_runs_in_the_table(chart: Chart, events: list[str]) -> None:
    """With services that take time, on a simulated clock."""
    interpreter = Interpreter(chart, MemoryStore(), clock=SimulatedClock())
    table = CompiledChart(chart, perform=Services(chart), assumptions=SIMULATED)
    state = table.start()
    for event in events:
        node, _ = leaf(table, state, event)
        settlement = interpreter.settle_sync("k", event)
        assert node.outcome is settlement.outcome
        if settlement.saved:
            state = node.state
            assert encode(table.context(state)) == encode(settlement.after.context)


def test_an_event_may_carry_data() -> None:
    """A declined card is rejected; equal data is the same program."""
    table = CompiledChart(order, perform=Services(order))
    node, services = leaf(table, table.start(), "PAY", {"card": "declined"})
    assert (node.kind, node.outcome, services) == (
        ProgramNodeKind.SKIP,
        Outcome.REJECTED,
        ["charge_card"],
    )
    first = table.node(table.program(table.start(), "PAY", {"card": "declined"}))
    [call] = first.branches
    assert (call.works, call.effect) == (False, False)


def test_results_stand_for_services_that_are_not_run() -> None:
    """So nobody's real service has to run, or be bound."""

    async def never(call: Any) -> None:
        raise AssertionError("it was run")

    chart = order.bind({"charge_card": never})
    results = {"charge_card": {"charge": "mine"}, "print_label": {"label": 1}, "refund_card": None}
    table = CompiledChart(chart, results=results)
    node, _ = leaf(table, table.start(), "PAY")
    assert table.context(node.state)["charge"] == "mine"
    with pytest.raises(UnboundFunctionError, match="refund_card"):
        CompiledChart(chart, results={"charge_card": 1, "print_label": 2})


def test_a_service_runs_once_for_each_place_where_it_is_called() -> None:
    """However often the program is asked for, and with failures looked at or not."""
    calls: list[Event] = []

    async def charge(call: Any) -> dict[str, str]:
        calls.append(call.event)
        return {"charge": "once"}

    chart = order.bind({"charge_card": charge})
    table = CompiledChart(chart, perform=Services(chart), failures=2)
    for _ in range(3):
        table.program(table.start(), "PAY")
    assert len(calls) == 1


def test_failures_branch_only_as_often_as_they_may_happen() -> None:
    """The failed call of an order leads to a rejection; without failures it has no branch."""
    table = CompiledChart(order, perform=Services(order), failures=1)
    call = table.node(table.program(table.start(), "PAY"))
    assert after(table, call, Kind.FAIL).outcome is Outcome.REJECTED
    table = CompiledChart(order, perform=Services(order))
    assert branch(table.node(table.program(table.start(), "PAY")), Kind.FAIL) is None


def test_equal_programs_are_one_program() -> None:
    """From two states in which an event does the same."""
    table = CompiledChart(order, perform=Services(order))
    paid, _ = leaf(table, table.start(), "PAY")
    assert table.program(table.start(), "NOTHING") == table.program(paid.state, "PAY")


def test_a_new_instance_whose_beginning_does_something_is_a_state_of_its_own() -> None:
    """One that was saved where it begins does not begin again."""

    async def greet(call: Any) -> None:
        """Do nothing."""

    chart = Chart(
        [
            {"name": "hello", "invoke": {"src": "greet", "on_done": "rest"}},
            {"name": "rest", "tags": ["settled"]},
        ],
        [["GO", "rest", "hello"]],
        "hello",
    ).bind({"greet": greet})
    table = CompiledChart(chart, perform=Services(chart))
    new = table.start()
    assert leaf(table, new, "GO")[1] == ["greet", "greet"]
    assert table.configuration(new) == ("hello",)
    assert table.as_saved(new) != new
    saved = CompiledChart(
        order, results=dict.fromkeys(("charge_card", "refund_card", "print_label"))
    )
    assert saved.as_saved(saved.start()) == saved.start()


def test_a_start_where_the_chart_can_not_rest_is_refused() -> None:
    """As the interpreter refuses such a snapshot."""
    store = MemoryStore()
    snapshot = Interpreter(counter(), store, clock=SimulatedClock()).settle_sync("k", "INC").after
    with pytest.raises(ChartMismatchError):
        CompiledChart(order, perform=Services(order)).start(snapshot)


def test_texts_tell_nodes_apart() -> None:
    """Different programs have different digests, equal ones the same in another table."""
    one, two = (CompiledChart(order, perform=Services(order)) for _ in range(2))
    first, second = (one.program(one.start(), event) for event in ("PAY", "CANCEL"))
    assert one.node_text(first) != one.node_text(second)
    two.program(two.start(), "CANCEL")  # another order, so other numbers
    assert two.node_text(two.program(two.start(), "PAY")) == one.node_text(first)


# --- failures from outside ----------------------------------------------------------------


def failing(on_error: Any, **functions: Any) -> Chart:
    """GO runs a service that may fail."""

    async def work(call: Any) -> None:
        """Do nothing."""

    return Chart(
        [
            {"name": "a", "tags": ["settled"]},
            {"name": "busy", "invoke": {"src": "work", "on_done": "b", "on_error": on_error}},
            {"name": "b", "tags": ["settled"]},
            {"name": "c", "tags": ["settled"]},
        ],
        [["GO", "a", "busy"]],
        "a",
        context={"error": None, "tries": 0},
    ).bind({"work": work, **functions})


def keep(context: dict[str, Any], event: Event) -> dict[str, Any]:
    return {"error": event.data}


def is_late(context: dict[str, Any], event: Event) -> bool:
    return bool(event.data["type"] == "TimeoutError")


def call_of(chart: Chart, failures: int = 1) -> tuple[CompiledChart, Any]:
    table = CompiledChart(chart, perform=Services(chart), failures=failures)
    return table, table.node(table.program(table.start(), "GO"))


@pytest.mark.parametrize(
    ("on_error", "functions"),
    [
        ([{"dest": "b", "conditions": "is_late"}, {"dest": "c"}], {"is_late": is_late}),
        ({"dest": "c", "assign": "keep"}, {"keep": keep}),
        ({"dest": "b", "conditions": "is_late"}, {"is_late": is_late}),
    ],
    ids=["guard", "assign", "no way for an error"],
)
def test_a_time_out_is_a_branch_of_its_own_where_the_chart_tells_it_apart(
    on_error: Any, functions: dict[str, Any]
) -> None:
    """By a guard, by what is kept, or because only one of the two is taken."""
    table, call = call_of(failing(on_error, **functions))
    late, failed = branch(call, Kind.TIMEOUT), branch(call, Kind.FAIL)
    assert late is not None
    assert failed is not None
    assert table.node_text(late.after) != table.node_text(failed.after)


def test_a_time_out_is_what_the_interpreter_makes_of_one() -> None:
    """The same context, but for the hint that is for simulated clocks."""
    table, call = call_of(failing({"dest": "c", "assign": "keep"}, keep=keep))
    ends = [after(table, call, kind) for kind in (Kind.FAIL, Kind.TIMEOUT)]
    kept = [table.context(each.state)["error"] for each in ends]
    assert kept == [
        {"type": "RuntimeError", "message": "fails in the simulation"},
        {"type": "TimeoutError", "message": "did not end within 60 seconds"},
    ]

    async def never(call: Any) -> None:
        await call.sleep(1e6)

    chart = failing({"dest": "c", "assign": "keep"}, keep=keep).bind({"work": never})
    real = Interpreter(chart, MemoryStore(), clock=SimulatedClock(), service_timeout=60.0)
    error = real.settle_sync("k", "GO").after.context["error"]
    assert error["type"] == kept[1]["type"]
    assert error["message"].startswith(kept[1]["message"])


def test_a_chart_that_does_not_tell_them_apart_has_one_failing_branch() -> None:
    """Also where neither has an `on_error`: only the words of the error differ."""
    for on_error in ("c", None):
        _, call = call_of(failing(on_error))
        assert branch(call, Kind.FAIL) is not None
        assert branch(call, Kind.TIMEOUT) is None


def test_a_service_that_fails_by_itself_may_fail_otherwise() -> None:
    """A bank that would decline may not answer at all; where that is the same, it is one."""

    async def declines(call: Any) -> None:
        raise LookupError("no such card")

    told_apart = failing([{"dest": "b", "conditions": "is_late"}, {"dest": "c"}], is_late=is_late)
    _, call = call_of(told_apart.bind({"work": declines}))
    assert [(each.kind, each.works) for each in call.branches] == [
        (Kind.CALL, False),
        (Kind.TIMEOUT, True),
    ]
    table, call = call_of(failing("c").bind({"work": declines}))
    assert [each.kind for each in call.branches] == [Kind.CALL]
    number = table.program(table.start(), "GO")
    assert table.errors(number) == (("work", "LookupError: no such card"),)
    assert table.errors(call.branches[0].after) == ()


def test_many_failures_of_a_service_that_is_tried_again_are_no_explosion() -> None:
    """Each try may fail in two ways, which lead to the same: 30 failures are 31 calls, not 2^30."""
    chart = failing("busy")
    table, call = call_of(chart, failures=30)
    length = 1
    while branch(call, Kind.FAIL) is not None:
        late = branch(call, Kind.TIMEOUT)
        assert late is None or late.text == "the deadline of the event passes"
        call = after(table, call, Kind.FAIL)
        length += 1
    assert length == 31
