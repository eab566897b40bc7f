"""Guards and assigns that look at the active states, and ``In(state)``."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from settlesim import Chart, Settlement, Settling, Snapshot
from settlesim.chart import Event
from settlesim.chart.functions import takes_active
from settlesim.errors import DefinitionError, UnboundFunctionError
from settlesim.machine.program import program_of
from settlesim.widgets.chart.trace import trace

REGIONS: list[Any] = [
    "idle",
    {
        "name": "car",
        "tags": ["settled"],
        "parallel": [
            {"name": "door", "initial": "open", "children": ["open", "shut"]},
            {"name": "motor", "initial": "off", "children": ["off", "on"]},
        ],
    },
]


def car(conditions: object, **more: Any) -> Chart:
    """A motor that starts under `conditions`, beside a door."""
    return Chart(
        REGIONS,
        [
            ["SHUT", "car.door.open", "car.door.shut"],
            {"trigger": "START", "source": "car.motor.off", "dest": "car.motor.on"}  # type: ignore[list-item]
            | {"conditions": conditions, **more},
        ],
        "car",
    )


def settled(chart: Chart, snapshot: Snapshot | None, event: str) -> Settlement:
    """Bring one event to its end."""
    settlement = Settling(chart, snapshot, event).settlement
    assert settlement is not None
    return settlement


def starts(chart: Chart, *before: str) -> bool:
    """Whether START turns the motor on after some events."""
    snapshot: Snapshot | None = None
    for event in (*before, "START"):
        snapshot = settled(chart, snapshot, event).after
    assert snapshot is not None
    return "car.motor.on" in snapshot.configuration


def test_in_holds_where_the_state_is_active() -> None:
    """Of another region, and without any function."""
    chart = car("In(car.door.shut)")
    assert not starts(chart)
    assert starts(chart, "SHUT")


def test_in_holds_for_a_state_around_what_is_active() -> None:
    """As `In` of SCXML; and `unless` turns it round."""
    assert starts(car("In(car)"))
    assert starts(car("In(car.door)"))
    assert not starts(car([], unless="In(car.door)"))
    assert not starts(car("In(idle)"))


def test_in_works_in_flat_charts() -> None:
    """For the source itself it always holds."""
    states: list[Any] = [{"name": name, "tags": ["settled"]} for name in "ab"]
    chart = Chart(states, [["GO", "a", "b", "In(a)"], ["GO", "b", "a", "In(a)"]], "a")
    first = settled(chart, None, "GO").after
    assert first is not None
    assert first.configuration == ("b",)
    assert settled(chart, first, "GO").outcome.name == "IGNORED"


def test_in_is_part_of_the_chart_and_no_function() -> None:
    """It survives JSON and pickle; nothing has to be bound, and nothing can be."""
    chart = car("In(car.door.shut)")
    assert dict(chart.roles) == {}
    assert Chart.from_dict(chart.to_dict()) == chart
    assert starts(pickle.loads(pickle.dumps(chart)), "SHUT")
    with pytest.raises(DefinitionError, match=r"unknown function 'In\(car.door.shut\)'"):
        chart.bind({"In(car.door.shut)": lambda context, event: True})


def test_in_of_no_state_is_refused_with_the_nearest_name() -> None:
    """When the chart is made, not when the guard is asked."""
    with pytest.raises(DefinitionError, match=r"unknown state 'car.door.shat'; did you mean 'car."):
        car("In(car.door.shat)")


def test_in_is_only_a_guard() -> None:
    """It changes nothing and calls nothing."""
    with pytest.raises(DefinitionError, match=r"is used as assign: In\(\) is a guard"):
        Chart(["a"], [{"trigger": "GO", "source": "a", "dest": "a", "assign": "In(a)"}], "a")


def is_shut(context: Any, event: Event, active: tuple[str, ...]) -> bool:
    """A guard that looks at the active states."""
    return "car.door.shut" in active


def test_a_guard_with_a_parameter_active_is_given_all_active_states() -> None:
    """In document order, parents first; without it nothing changes."""
    seen: list[tuple[str, ...]] = []

    def look(context: Any, event: Event, active: tuple[str, ...]) -> bool:
        seen.append(active)
        return True

    assert starts(car("look").bind({"look": look}), "SHUT")
    assert seen == [("car", "car.door", "car.door.shut", "car.motor", "car.motor.off")]
    chart = car("is_shut").bind({"is_shut": is_shut})
    assert not starts(chart)
    assert starts(chart, "SHUT")


def test_an_assign_sees_the_states_as_they_are_when_it_runs() -> None:
    """Before the transition, when the source was left, and when the destination is entered."""

    def noting(key: str) -> Callable[..., Any]:
        return lambda context, event, active: {key: active[-1]}

    chart = Chart(
        [{"name": "a", "on_exit": "left"}, {"name": "b", "on_enter": "entered"}],
        [{"trigger": "GO", "source": "a", "dest": "b", "before": "before", "after": "after"}],
        "a",
    )
    names = ("before", "left", "entered", "after")
    program = program_of(chart.bind({name: noting(name) for name in names}))
    fired = program.fire(("a",), chart.context, "GO", Event("GO"))
    assert fired is not None
    assert dict(fired.context) == {"before": "a", "left": "a", "entered": "b", "after": "b"}


def test_the_start_tells_assigns_what_is_entered() -> None:
    """Every state of the first configuration."""
    chart = Chart([{"name": "a", "tags": ["settled"], "on_enter": "note"}], initial="a")
    bound = chart.bind({"note": lambda context, event, active: {"in": list(active)}})
    assert dict(program_of(bound).start(Event("start")).context) == {"in": ["a"]}


def test_parameters_of_other_names_are_left_to_their_defaults() -> None:
    """A default that holds a value of a loop is not written over."""
    limit = ("no", "states")
    assert not takes_active(lambda context, event, limit=limit: limit)
    assert takes_active(lambda context, event, *, active: active)
    assert takes_active(functools.partial(is_shut))
    assert not takes_active(print)
    with pytest.raises(DefinitionError, match="a guard is called with"):
        car("two").bind({"two": lambda context, event, one, two: True})


def test_a_decorated_guard_is_given_the_active_states() -> None:
    """Its wrapper passes on what it does not know."""

    @functools.wraps(is_shut)
    def wrapped(*args: Any, **options: Any) -> bool:
        return is_shut(*args, **options)

    assert starts(car("is_shut").bind({"is_shut": wrapped}), "SHUT")


def test_an_unbound_guard_is_still_named() -> None:
    """`In` beside it makes no difference."""
    with pytest.raises(UnboundFunctionError, match="is_open: is named in"):
        starts(car(["In(car)", "is_open"]))


def test_a_trace_asks_such_a_guard_again() -> None:
    """The panel shows what it said."""
    chart = car("is_shut").bind({"is_shut": is_shut})
    told = trace(settled(chart, None, "START"), chart)
    assert [asked.answer for attempt in told.attempts for asked in attempt.guards] == [False]
    assert not told.differs
