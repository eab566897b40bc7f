"""Scenarios: values that refuse what makes no sense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from settlesim import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import InvalidValueError, SimulationError
from settlesim.gallery import append_log, counter, order, signup
from settlesim.gallery.order import CardDeclinedError
from settlesim.sim import (
    Arrival,
    Criterion,
    Faults,
    Scenario,
    Verdict,
    explore,
    program_tables,
    random_walk,
    replay,
)
from settlesim.sim.promela import to_promela

_EMPTY = freeze_object({}, where="context")

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("faults['expiries']: they need a queue", {"queue": "direct", "faults": {"expiries": 1}}),
    ("faults['duplicates']: they need a", {"queue": "direct", "faults": {"duplicates": 1}}),
    ("fence needs the receipts", {"queue": "direct", "protections": ["fence"]}),
    ("inbox needs messages", {"queue": "direct", "protections": ["inbox"]}),
    ("atomic needs messages", {"queue": "direct", "protections": ["atomic"]}),
    ("max_receives: needs a queue", {"queue": "direct", "max_receives": 2}),
    ("delivers none of its own", {"queue": "fifo_group", "faults": {"duplicates": 1}}),
    ("delivers none of its own", {"queue": "fifo_global", "faults": {"duplicates": 1}}),
    ("delivers none of its own", {"queue": "fifo_dispatch", "faults": {"duplicates": 1}}),
    ("did you mean 'standard'", {"queue": "standart"}),
    ("unknown name 3", {"queue": 3}),
    ("unknown name []", {"queue": []}),
    ("results: is 5; a mapping", {"results": 5}),
    ("results: is ['charge_card']; a mapping", {"results": ["charge_card"]}),
    ("timing: unknown name 'simulate'; did you mean 'simulated'", {"timing": "simulate"}),
    ("timing: unknown name 5", {"timing": 5}),
    ("durations: is 3; a mapping from services", {"durations": 3}),
    ("durations: unknown name 'charge'; did you mean", {"durations": {"charge": 1}}),
    ("of 'charge_card' is (3, 1); seconds are needed", {"durations": {"charge_card": (3, 1)}}),
    ("of 'charge_card' is -1; seconds", {"durations": {"charge_card": -1}}),
    ("of 'charge_card' is 'no'; seconds", {"durations": {"charge_card": "no"}}),
    ("of 'charge_card' is nan", {"durations": {"charge_card": float("nan")}}),
    ("of 'charge_card' is 'no'; a list of exceptions", {"errors": {"charge_card": "no"}}),
    ("of 'charge_card' has 'no'; an exception is", {"errors": {"charge_card": ["no"]}}),
    ("errors: unknown name 'bank'", {"errors": {"bank": []}}),
    ("errors: say what services raise, and not how", {"errors": {"charge_card": [OSError()]}}),
    ("timers: is -1; a whole number from 0", {"timers": -1}),
    ("start: it rests in charging, which is not settled here", {"start": "charging"}),
    ("start: it rests in printing", {"start": Snapshot("order", 1, ("printing",), _EMPTY, 1)}),
    ("stays with the chart", {"start": Snapshot("other", 1, ("new",), _EMPTY, 1)}),
    ("did you mean 'idempotent'", {"protections": ["idempotence"]}),
    ("a list of names is needed", {"protections": "cas"}),
    ("did you mean 'crashes'", {"faults": {"crash": 1}}),
    ("a whole number from 0", {"faults": {"crashes": -1}}),
    ("a mapping by name", {"faults": 3}),
    ("did you mean 'lost update'", {"monitors": ["lost updates"]}),
    ("did you mean 'fifo'", {"criterion": "fifo "}),
    ("a whole number from 1", {"workers": 0}),
    ("a whole number from 1", {"workers": True}),
    ("a whole number from 1", {"max_receives": 0}),
    ("a whole number from 1", {"keys": 0}),
    ("a list of one event or more", {"events": []}),
    ("a list of one event or more", {"events": "PAY"}),
    ("'E', (key, 'E')", {"events": [3]}),
    ("the key ''", {"events": [("", "PAY")]}),
    ("is a reserved name", {"events": ["done.x"]}),
    ("cannot be sent", {"events": [("k", "PAY", {1})]}),
    ("have keys already", {"events": [("k", "PAY")], "keys": 2}),
    ("1000 is the limit", {"events": ["PAY"] * 501, "keys": 2}),
    ("did you mean 'charge_card'", {"results": {"charge_cart": 1}}),
    ("did you mean 'new'", {"start": "news"}),
    ("a Snapshot or", {"start": 3}),
    ("a Chart is needed", {"chart": "order"}),
]


@pytest.mark.parametrize(("reason", "parts"), REFUSED, ids=lambda value: str(value)[:60])
def test_what_makes_no_sense_is_refused_with_the_reason(reason: str, parts: dict[str, Any]) -> None:
    """A scenario that cannot be, or a name that is not there, never gets to a search."""
    with pytest.raises(SimulationError) as caught:
        Scenario(**{"chart": order, "events": ["PAY"], **parts})
    assert reason in str(caught.value)


def test_failures_of_services_need_a_service() -> None:
    """A chart without services has none that could fail."""
    with pytest.raises(SimulationError, match="has no service"):
        Scenario(counter(0), ["INC"], faults={"service_failures": 1})


def test_results_are_strict_json() -> None:
    """What a service returns has to be what a store can keep."""
    with pytest.raises(InvalidValueError):
        Scenario(order, ["PAY"], results={"charge_card": float("nan")})


def test_events_get_the_keys_that_they_lack() -> None:
    """A lone event is for the first instance; `keys` gives all of them to each."""
    assert Scenario(order, ["PAY", ("x", "SHIP")]).events == (
        Arrival("order-1", "PAY"),
        Arrival("x", "SHIP"),
    )
    twice = Scenario(order, ["PAY", "SHIP"], keys=2)
    assert [each.key for each in twice.events] == ["order-1", "order-1", "order-2", "order-2"]
    assert twice.instances == ("order-1", "order-2")


def test_names_are_kept_in_one_order() -> None:
    """So that equal scenarios are equal."""
    one = Scenario(order, ["PAY"], protections=["inbox", "cas"], criterion="serializable")
    assert one.protections == ("cas", "inbox")
    assert one.criterion is Criterion.SERIALIZABLE
    assert one == Scenario(
        order, ("PAY",), protections=("cas", "inbox"), criterion=Criterion.SERIALIZABLE
    )


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(order, ["PAY", ("x", "SHIP", {"a": [1]})], start="paid", max_receives=3),
        Scenario(order, ["PAY"], keys=3, faults=Faults(1, 2, 0, 1), protections=["fence"]),
        Scenario(signup, ["SIGN_UP"], results={"send_email": {"code": "1"}}, monitors="all"),
    ],
    ids=repr,
)
def test_a_scenario_goes_through_json_and_is_the_same(scenario: Scenario) -> None:
    """`from_dict` reads what `to_dict` writes; the caller binds the functions again."""
    record = json.loads(json.dumps(scenario.to_dict()))
    again = Scenario.from_dict(record, scenario.chart.functions)
    assert again == scenario
    assert hash(again) == hash(scenario)
    assert len({scenario, again}) == 1
    assert again.replace(workers=3) != scenario
    assert scenario.replace(workers=3).keys == scenario.keys
    assert scenario != "scenario"


def test_unknown_keys_of_a_record_are_refused() -> None:
    """With the nearest known one."""
    record = Scenario(order, ["PAY"]).to_dict()
    with pytest.raises(SimulationError, match="did you mean 'workers'"):
        Scenario.from_dict({**record, "worker": 3})
    with pytest.raises(SimulationError, match="'chart' and 'events'"):
        Scenario.from_dict({"events": []})


def test_instances_may_begin_where_they_are_said_to() -> None:
    """A node's name, or a whole snapshot; a place where the chart cannot rest is refused."""
    found = explore(Scenario(order, ["SHIP"], start="paid"))
    assert found.endings[0].store[0][1] == ("shipped",)
    context = freeze_object({"amount": 1, "charge": "c", "label": None}, where="context")
    begun = Snapshot("order", 1, ("paid",), context, 7)
    found = explore(Scenario(order, ["SHIP"], start=begun))
    assert found.endings[0].store[0][2]["label"] == "label for c"


def test_a_start_made_by_hand_may_have_a_plain_context() -> None:
    """It is frozen; what strict JSON cannot carry is refused."""
    context = {"amount": 5, "charge": None, "label": None}
    scenario = Scenario(order, ["PAY"], start=Snapshot("order", 1, ("new",), context, 1))  # type: ignore[arg-type]
    [ending] = explore(scenario).endings
    assert ending.store[0][2]["charge"] == "charge of 5"
    bad = Snapshot("order", 1, ("new",), {"amount": {1, 2}}, 1)  # type: ignore[arg-type]
    with pytest.raises(SimulationError, match=r"start: .*amount"):
        Scenario(order, ["PAY"], start=bad)


@pytest.mark.parametrize("start", [{}, 3, [], {"chart": "order"}])
def test_a_start_that_is_no_snapshot_is_refused(start: Any) -> None:
    """No store is damaged by it."""
    record = {**Scenario(order, ["PAY"]).to_dict(), "start": start}
    with pytest.raises(SimulationError, match="start: is no snapshot"):
        Scenario.from_dict(record, order.functions)


def test_an_event_that_the_chart_does_not_know_is_ignored_and_told() -> None:
    """As by the interpreter, also where a scenario is changed; with the nearest known name."""
    [told] = Scenario(order, ["PAY", "PAYY"]).unknown_events
    assert told == ("chart 'order' has no event 'PAYY', which is ignored; did you mean 'PAY'?")
    found = explore(Scenario(order, ["PAY"]).replace(chart=counter()))
    assert found.verdict is Verdict.PROVED
    assert found.note == "chart 'counter' has no event 'PAY', which is ignored; known are INC"
    assert [each.label for each in found.endings] == ["resting"]


def test_errors_are_values() -> None:
    """By class, message, and whether it is a time-out; as instances, classes or plain JSON."""
    faults = {"service_failures": 1}
    given = [CardDeclinedError("no"), OSError, TimeoutError(), {"type": "Odd", "message": "x"}]
    scenario = Scenario(order, ["PAY"], faults=faults, errors={"charge_card": given})
    assert [error.words for error in scenario.errors["charge_card"]] == [
        "CardDeclinedError: no",
        "OSError",
        "TimeoutError",
        "Odd: x",
    ]
    again = Scenario.from_dict(scenario.to_dict(), order.functions)
    assert again == scenario
    assert again.errors == scenario.errors


def test_what_is_assumed_of_time_is_part_of_the_value() -> None:
    """Written, read again, compared, and changed."""
    scenario = Scenario(order, ["PAY"], durations={"charge_card": (2, 4), "print_label": 1})
    assert dict(scenario.durations) == {"charge_card": (2.0, 4.0), "print_label": (1.0, 1.0)}
    assert Scenario.from_dict(scenario.to_dict(), order.functions) == scenario
    assert scenario.replace(timing="simulated") != scenario
    assert "charge_card=2..4s" in repr(scenario)
    assert "simulated" in repr(scenario.replace(timing="simulated"))


def test_a_chart_with_too_many_states_for_promela_is_refused_on_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A short has 16 bits; the limit is met while the programs are made, not after all of them."""
    assert program_tables._MAX_NODES < 1 << 15
    monkeypatch.setattr(program_tables, "_MAX_NODES", 1_000)
    events = [f"E{index}" for index in range(1, 31)]
    with pytest.raises(SimulationError, match=r"more than 1000 (states|nodes)"):
        to_promela(Scenario(append_log(30, 0), events))


@pytest.mark.parametrize(
    "call", [explore, lambda each: replay(each, "r1"), lambda each: random_walk(each, 1)]
)
def test_what_is_no_scenario_is_refused(call: Any) -> None:
    """By everything that takes one."""
    with pytest.raises(SimulationError, match="scenario: is 'order'; a Scenario is needed"):
        call("order")
