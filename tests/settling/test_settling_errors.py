"""How one event fails: clear errors, and a session that is over."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from settlesim.chart import Chart, Event
from settlesim.errors import (
    FunctionFailedError,
    InvalidEventError,
    MicrostepLimitError,
    ServiceFailedError,
    SettleError,
    StalledError,
    UnboundFunctionError,
)
from settlesim.settling import CallStatus, Settling
from tests.settling.driving import chart_of, finished, no, settled, work


def busy_chart(**invoke: Any) -> Chart:
    """A chart that runs one service between two rests."""
    spec = {"src": work, "on_done": "rest", **invoke}
    return chart_of([settled("a"), {"name": "busy", "invoke": spec}, settled()], [GO])


GO = ["GO", "a", "busy"]


# --- events -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["done.invoke.busy.0", "error.invoke.busy.0", "after.busy.0", "done.state.a", "done."]
)
def test_reserved_events_can_not_be_forged(name: str) -> None:
    """Only the engine itself sends done.*, error.* and after.*."""
    for event in (name, Event(name)):
        with pytest.raises(InvalidEventError, match="is a reserved name"):
            Settling(busy_chart(on_error="a"), None, event)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201, 42, None])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    """Empty, too long, control characters, no text."""
    with pytest.raises(InvalidEventError):
        Settling(busy_chart(on_error="a"), None, Event(name))


def too_deep() -> Any:
    """Containers nested one level deeper than allowed."""
    value: Any = 1
    for _ in range(65):
        value = [value]
    return value


NO_JSON = [
    (math.nan, "nan"),
    (math.inf, "inf"),
    ((1,), "type tuple"),
    ({1}, "type set"),
    ({1: 2}, "JSON keys are strings"),
    ("\ud800", "lone surrogate"),
    ("x" * 262_144, "262146 bytes"),
    (too_deep(), "deeper than 64 levels"),
    (b"x", "type bytes"),
]


@pytest.mark.parametrize(("value", "reason"), NO_JSON, ids=[reason for _, reason in NO_JSON])
def test_what_strict_json_can_not_carry_is_refused_everywhere(value: Any, reason: str) -> None:
    """As event data, as what an assign changes, as a service's result; the session is over."""
    chart = busy_chart(on_error="a")
    with pytest.raises(InvalidEventError, match=reason):
        Settling(chart, None, Event("GO", value))

    def bad(context: Any, event: Event) -> Any:
        return {"x": value}

    assigning = chart_of([settled("a")], [{**AT_A, "assign": bad}])
    # One more level: the limit is met by what is inside.
    with pytest.raises(FunctionFailedError, match="assign 'bad' returned no mapping of changes"):
        Settling(assigning, None, "GO")
    settling = Settling(chart, None, "GO")
    with pytest.raises(FunctionFailedError, match=f"service 'work' the result.*{reason}"):
        settling.done("busy.0", value)
    with pytest.raises(SettleError, match="has ended with an error"):
        settling.done("busy.0", 1)
    assert settling.pending == ()


AT_A = {"trigger": "GO", "source": "a", "dest": "="}


# --- guards and assigns -------------------------------------------------------------------


def raises(context: Any, event: Event) -> Any:
    """A function that fails."""
    raise ValueError("bad luck")


async def _later() -> None: ...


def waits(context: Any, event: Event) -> Any:
    """A function that turns out to be asynchronous when it is called."""
    return _later()


def mutates(context: Any, event: Event) -> Any:
    """A function that changes what it is given."""
    context["x"] = 1


def mutates_deep(context: Any, event: Event) -> Any:
    """A function that changes what is inside."""
    context["list"].append(1)


def mutates_event(context: Any, event: Event) -> Any:
    """A function that changes the event."""
    event.data["x"] = 1


def returns_list(context: Any, event: Event) -> Any:
    """A function that returns no mapping."""
    return [1]


@pytest.mark.parametrize("role", ["conditions", "unless", "prepare", "before", "assign", "after"])
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (raises, "raised ValueError: bad luck"),
        (waits, "is asynchronous"),
        (mutates, "raised TypeError: this value is read-only"),
        (mutates_deep, "raised TypeError: this value is read-only"),
        (mutates_event, "raised TypeError: this value is read-only"),
    ],
)
def test_a_function_that_fails_is_named(function: Any, reason: str, role: str) -> None:
    """Guards and assigns are synchronous, do not raise and change nothing they are given."""
    chart = chart_of([settled("a")], [{**AT_A, role: function}], context={"list": []})
    with pytest.raises(FunctionFailedError, match=reason) as info:
        Settling(chart, None, Event("GO", {}))
    assert info.value.function == function.__name__
    assert info.value.role == ("guard" if role in {"conditions", "unless"} else "assign")


def test_an_assign_returns_a_mapping_or_nothing() -> None:
    """None changes nothing, a list is refused."""
    with pytest.raises(FunctionFailedError, match="returned no mapping of changes"):
        Settling(chart_of([settled("a")], [{**AT_A, "assign": returns_list}]), None, "GO")


def test_a_guard_that_raises_in_the_second_region_leaves_the_first_where_it_was() -> None:
    """What one trigger does is done whole or not at all."""
    regions = [
        {"name": name, "initial": "x", "children": [settled("x"), settled("y")]} for name in "lr"
    ]
    chart = chart_of(
        [{"name": "p", "parallel": regions}],
        [
            ["GO", "p.l.x", "p.l.y"],
            {"trigger": "GO", "source": "p.r.x", "dest": "p.r.y", "conditions": raises},
            ["OTHER", "p.l.x", "p.l.y"],
        ],
    )
    with pytest.raises(FunctionFailedError):
        Settling(chart, None, "GO")
    assert finished(chart, "OTHER").after.configuration == ("p.l.y", "p.r.x")


def test_functions_that_are_not_bound_are_named_when_they_are_called() -> None:
    """A chart can be stepped as far as its functions go."""
    chart = chart_of(
        [settled("a")],
        [{**AT_A, "conditions": "missing"}, ["OTHER", "a", None]],
    )
    assert finished(chart, "OTHER").after.configuration == ("a",)
    with pytest.raises(UnboundFunctionError, match="missing"):
        Settling(chart, None, "GO")
    with pytest.raises(UnboundFunctionError, match="on_start"):
        Settling(chart_of([settled("a", on_enter="on_start")]), None, "GO")


def test_an_interrupt_in_a_guard_ends_the_session() -> None:
    """KeyboardInterrupt passes through, and nothing goes on half-way."""

    def interrupt(context: Any, event: Event) -> Any:
        raise KeyboardInterrupt

    chart = busy_chart(on_done={"dest": "rest", "conditions": interrupt}, on_error="rest")
    settling = Settling(chart, None, "GO")
    with pytest.raises(KeyboardInterrupt):
        settling.done("busy.0")
    with pytest.raises(SettleError, match="has ended with an error") as info:
        settling.failed("busy.0", "late")
    assert isinstance(info.value.__cause__, KeyboardInterrupt)


# --- services -----------------------------------------------------------------------------


def test_a_failure_without_on_error_ends_the_session() -> None:
    """ServiceFailedError names service and invocation; every later answer is refused."""
    settling = Settling(busy_chart(), None, "GO")
    cause = OSError("no disk")
    with pytest.raises(ServiceFailedError, match="failed with OSError: no disk") as info:
        settling.failed("busy.0", cause)
    assert (info.value.service, info.value.invocation) == ("work", "busy.0")
    assert info.value.__cause__ is cause
    for answer in (settling.done, settling.failed):
        with pytest.raises(SettleError, match="has ended with an error"):
            answer("busy.0", "x")
    with pytest.raises(SettleError, match="has ended with an error"):
        settling.elapsed("busy.0")
    assert (settling.pending, settling.delays, settling.settlement) == ((), (), None)


def test_a_failure_whose_on_error_guards_say_no_is_unhandled() -> None:
    """A text as failure has no cause."""
    chart = busy_chart(on_error={"dest": "a", "conditions": no})
    with pytest.raises(ServiceFailedError, match="failed with Error: gone") as info:
        Settling(chart, None, "GO").failed("busy.0", "gone")
    assert info.value.__cause__ is None


class WordlessError(Exception):
    """An exception of which even the text fails."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "timeout", "status", "text", "data"),
    [
        (OSError("x"), False, CallStatus.ERROR, "OSError: x", ["OSError", "x"]),
        (OSError(), False, CallStatus.ERROR, "OSError", ["OSError", ""]),
        ("x", False, CallStatus.ERROR, "Error: x", ["Error", "x"]),
        ("x", True, CallStatus.TIMEOUT, "TimeoutError: x", ["TimeoutError", "x"]),
        (OSError("x"), True, CallStatus.TIMEOUT, "TimeoutError: x", ["TimeoutError", "x"]),
        (
            ValueError("\ud800"),
            False,
            CallStatus.ERROR,
            "ValueError: \\ud800",
            ["ValueError", "\\ud800"],
        ),
        (
            WordlessError(),
            False,
            CallStatus.ERROR,
            "WordlessError: (its text cannot be made: RuntimeError)",
            ["WordlessError", "(its text cannot be made: RuntimeError)"],
        ),
    ],
)
def test_on_error_sees_type_and_message(
    error: Any, timeout: bool, status: CallStatus, text: str, data: list[str]
) -> None:
    """As strict JSON, whatever the exception's text holds; the call says it in one line."""

    def keep(context: Any, event: Event) -> dict[str, Any]:
        return {"data": event.data}

    settling = Settling(busy_chart(on_error={"dest": "a", "assign": keep}), None, "GO")
    settling.failed("busy.0", error, timeout=timeout, seconds=2.5)
    assert settling.settlement is not None
    (call,) = settling.settlement.calls
    assert (call.status, call.error, call.seconds) == (status, text, 2.5)
    assert settling.context["data"] == dict(zip(["type", "message"], data, strict=True))


def test_a_long_error_text_is_cut() -> None:
    """Ten thousand characters are enough."""
    settling = Settling(busy_chart(on_error="a"), None, "GO")
    settling.failed("busy.0", "x" * 300_000)
    assert settling.calls[0].error == "Error: " + "x" * 10_000


def test_a_timeout_without_on_error_says_so() -> None:
    """The reason is the time-out's."""
    with pytest.raises(ServiceFailedError, match="service 'work' too slow, and no on_error"):
        Settling(busy_chart(), None, "GO").failed("busy.0", "too slow", timeout=True)


# --- never at rest ------------------------------------------------------------------------


def test_an_untagged_rest_is_a_stall() -> None:
    """The error names the leaves and the way there."""
    chart = chart_of([settled("a"), "limbo"], [["GO", "a", "limbo"], ["ON", "limbo", "a"]])
    with pytest.raises(StalledError, match="stalled in 'limbo'") as info:
        Settling(chart, None, "GO")
    assert (info.value.configuration, info.value.path) == (("limbo",), ("limbo",))


def test_the_start_may_stall_too() -> None:
    """A new instance that leads itself into limbo never gets to its event."""
    with pytest.raises(StalledError):
        Settling(chart_of([{"name": "a", "always": "limbo"}, "limbo", settled()]), None, "GO")


def test_a_service_or_delay_without_a_way_on_stalls() -> None:
    """on_done guards say no, the last delay's guard says no: nothing is pending then."""
    chart = busy_chart(on_done={"dest": "rest", "conditions": no}, on_error="rest")
    with pytest.raises(StalledError):
        Settling(chart, None, "GO").done("busy.0")
    late = {"name": "busy", "after": {"1": {"dest": "a", "conditions": no}}}
    settling = Settling(chart_of([settled("a"), late], [GO]), None, "GO")
    with pytest.raises(StalledError):
        settling.elapsed("busy.0")


def test_an_eventless_cycle_ends_at_the_limit_and_is_named() -> None:
    """A thousand microsteps are allowed; the error names the states that go round."""
    ring = [{"name": f"r{i}", "always": f"r{(i + 1) % 3}"} for i in range(3)]
    chart = chart_of([settled("a"), *ring], [["GO", "a", "r0"]])
    with pytest.raises(
        MicrostepLimitError, match=r"the last ones repeat: r\d -> r\d -> r\d\."
    ) as info:
        Settling(chart, None, "GO")
    assert info.value.limit == 1_000
    assert sorted(info.value.cycle) == ["r0", "r1", "r2"]


def test_the_limit_is_exact_and_counts_a_way_without_a_cycle() -> None:
    """A chain of n microsteps needs a limit of n."""
    chain = [{"name": f"c{i}", "always": f"c{i + 1}"} for i in range(4)]
    chart = chart_of([settled("a"), *chain, settled("c4")], [["GO", "a", "c0"]])
    settling = Settling(chart, None, "GO", max_microsteps=5)
    assert settling.settlement is not None
    assert len(settling.microsteps) == 5
    with pytest.raises(MicrostepLimitError, match="no repeated configuration"):
        Settling(chart, None, "GO", max_microsteps=4)


@pytest.mark.parametrize("answer", ["no", 1, None, []])
def test_a_guard_says_true_or_false(answer: Any) -> None:
    """Anything else is a mistake, and not a yes or a no."""
    chart = chart_of([settled("a")], [{"trigger": "GO", "source": "a", "dest": "=",
                                      "conditions": "guard"}])  # fmt: skip
    with pytest.raises(FunctionFailedError, match="not True or False"):
        Settling(chart.bind({"guard": lambda context, event: answer}), None, "GO")


def test_an_exception_that_can_not_be_printed_is_named_all_the_same() -> None:
    """A guard's error has a type, even where its text fails."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise ValueError("no text")

    def guard(context: Any, event: Any) -> bool:
        raise MuteError

    chart = chart_of([settled("a")], [{"trigger": "GO", "source": "a", "dest": "=",
                                      "conditions": "guard"}])  # fmt: skip
    with pytest.raises(FunctionFailedError, match="MuteError"):
        Settling(chart.bind({"guard": guard}), None, "GO")


@pytest.mark.parametrize("name", ["state", "trigger", "model", "to_a", "is_a", "may_go", "context"])
def test_an_event_may_be_called_as_transitions_calls_its_own(name: str) -> None:
    """Flat or nested; no name of a machine's or a model's attribute is in the way."""
    flat = chart_of([settled("a"), settled("b")], [[name, "a", "b"]])
    nested = chart_of(
        [{"name": "a", "initial": "x", "children": [settled("x")]}, settled("b")],
        [[name, "a", "b"]],
    )
    for chart in (flat, nested):
        settlement = Settling(chart, None, name).settlement
        assert settlement is not None
        assert settlement.after.configuration == ("b",)
        assert chart.check().ok
        assert chart.draw().svg


def test_a_guard_that_settles_its_own_nested_chart_is_refused() -> None:
    """It would wait for itself for ever."""
    chart = chart_of(
        [{"name": "a", "initial": "x", "children": [settled("x")]}],
        [{"trigger": "GO", "source": "a", "dest": "=", "conditions": "guard"}],
    )

    def guard(context: Any, event: Any) -> bool:
        return Settling(bound, None, "GO").settlement is not None

    bound = chart.bind({"guard": guard})
    with pytest.raises(FunctionFailedError, match="cannot settle that chart"):
        Settling(bound, None, "GO")


def test_a_guard_that_gives_a_future_is_refused() -> None:
    """Not only a coroutine can be waited for."""
    loop = asyncio.new_event_loop()
    future: Any = loop.create_future()
    chart = chart_of([settled("a")], [{"trigger": "GO", "source": "a", "dest": "=",
                                      "conditions": "guard"}])  # fmt: skip
    with pytest.raises(FunctionFailedError, match="asynchronous"):
        Settling(chart.bind({"guard": lambda context, event: future}), None, "GO")
    loop.close()
