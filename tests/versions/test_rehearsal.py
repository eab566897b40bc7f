"""Remembered settlements run again on a newer chart: what is told, and what is only counted."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import (
    Chart,
    FifoQueue,
    Interpreter,
    MemoryStore,
    SimulatedClock,
    TinyStore,
    Worker,
    migration,
    rehearse,
)
from settlesim.errors import SettleError, SettlesimError, UnboundFunctionError
from settlesim.gallery import donut, order
from settlesim.runtime.event_messages import event_body
from settlesim.versions.rehearsal import NO_ANSWERS, NO_EVENT, NO_STATE, Rehearsal
from tests.strategies_charts import TRIGGERS, charts

Record = dict[str, Any]


def edited(chart: Chart, **keys: Any) -> tuple[Record, Any]:
    """Return the chart's record as version 2, and what reads it with the chart's functions."""
    record = copy.deepcopy(chart.to_dict()) | {"version": chart.version + 1} | keys

    def read(*migrations: Any, **more: Any) -> Chart:
        made = Chart.from_dict(record)
        functions = {**chart.functions, **more}
        bound = made.bind({name: functions[name] for name in made.roles if name in functions})
        return bound.with_migrations(*migrations) if migrations else bound

    return record, read


def state(record: Record, name: str) -> Record:
    """Return one root state of a record."""
    return next(each for each in record["states"] if each["name"] == name)


def store_of_orders(history: int = 10, *, answers: bool = True) -> MemoryStore:
    """Twelve orders: all were paid, a third was shipped, two cards were declined."""
    clock = SimulatedClock()
    store = MemoryStore(clock.now, history=history)
    queue = FifoQueue(store, "order")
    for number in range(12):
        key = f"o{number:02}"
        if number in {3, 7}:
            queue.send(event_body("PAY", {"card": "declined"}), key)
        queue.send(event_body("PAY"), key)
        if number % 3 == 0:
            queue.send(event_body("SHIP"), key)
    Worker(order, store, queue, clock=clock, record_answers=answers).run_sync(until_empty=True)
    return store


def kinds(found: Rehearsal) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """Return the differences by their sentences."""
    return {
        each.sentence: (each.settlements, each.instances, each.keys) for each in found.differences
    }


def test_the_same_chart_does_what_it_did() -> None:
    """Services, failures and rejections included; nothing is called or written."""
    store = store_of_orders()
    before = [each.to_dict() for each in store.settlements_since()]
    found = rehearse(order, store)
    assert (found.same, found.differences, dict(found.skipped)) == (18, (), {})
    assert str(found) == (
        "order version 1: 18 settlements run again, 18 do what they did, 0 do something else"
    )
    assert [each.to_dict() for each in store.settlements_since()] == before


def test_one_settlement_is_told_in_the_singular() -> None:
    """As is one that does something else."""
    assert str(Rehearsal("order", 2, 1, (), {})) == (
        "order version 2: 1 settlement run again, 1 does what it did, 0 do something else"
    )


def test_another_end_is_told_by_kind_with_three_keys() -> None:
    """And how many instances there are of each."""
    record, read = edited(order)
    record["states"].append({"name": "review", "tags": ["settled"]})
    state(record, "charging")["invoke"][0]["on_done"][0]["dest"] = "review"
    found = rehearse(read(), store_of_orders())
    assert kinds(found) == {
        "PAY now ends in review instead of paid": (12, 12, ("o00", "o01", "o02"))
    }
    assert str(found).splitlines() == [
        "order version 2: 18 settlements run again, 6 do what they did, 12 do something else",
        "- 12 instances: PAY now ends in review instead of paid (o00, o01, o02, ...)",
    ]
    assert json.loads(json.dumps(found.to_dict()))["differences"][0]["instances"] == 12


def test_a_guard_that_says_no_is_told() -> None:
    """The event is ignored now; where it was rejected before, it is not asked any more."""
    record, read = edited(order)
    record["transitions"][2]["conditions"] = ["in_stock"]
    found = rehearse(read(in_stock=lambda context, event: False), store_of_orders())
    assert kinds(found) == {
        "SHIP is now ignored in paid; it ended in shipped": (4, 4, ("o00", "o03", "o06"))
    }


def test_an_outcome_that_changes_is_told() -> None:
    """A declined card leads to a settled state now."""
    record, read = edited(order)
    state(record, "declined")["tags"] = ["settled"]
    found = rehearse(read(), store_of_orders())
    assert kinds(found) == {
        "PAY now ends in declined; it was rejected in declined": (2, 2, ("o03", "o07"))
    }


def test_a_service_that_was_never_asked_has_no_answer() -> None:
    """It is told which one is missing, and where the instance came to until then."""
    record, read = edited(order)
    record["states"].append(
        {"name": "checking", "invoke": {"src": "check_fraud", "on_done": "paid"}}
    )
    state(record, "charging")["invoke"][0]["on_done"][0]["dest"] = "checking"
    found = rehearse(read(), store_of_orders())
    sentence = "PAY now calls check_fraud, of which no answer is remembered; it ended in paid"
    assert kinds(found) == {sentence: (12, 12, ("o00", "o01", "o02"))}
    assert found.differences[0].example.new_configuration == ("checking",)


def test_a_service_that_is_left_out_is_told() -> None:
    """The end is the same, the services are not."""
    record, read = edited(order)
    record["transitions"][2]["dest"] = "shipped"
    found = rehearse(read(), store_of_orders())
    assert kinds(found) == {
        "SHIP still ends in shipped, but no longer calls print_label": (
            4,
            4,
            ("o00", "o03", "o06"),
        )
    }


def test_another_context_is_told_by_its_keys() -> None:
    """With the same end and the same services."""
    record, read = edited(order)
    state(record, "charging")["invoke"][0]["on_done"][0]["assign"] = ["keep_total"]

    def keep_total(context: Mapping[str, Any], event: Any) -> dict[str, Any]:
        return {"charge": event.data["charge"], "total": 20}

    found = rehearse(read(keep_total=keep_total), store_of_orders())
    assert kinds(found) == {
        "PAY still ends in paid, with another context: total": (12, 12, ("o00", "o01", "o02"))
    }


def test_an_error_of_the_new_chart_is_told() -> None:
    """It would be a dead letter."""
    record, read = edited(order)
    record["states"].append("limbo")
    record["transitions"][2]["dest"] = "limbo"
    found = rehearse(read(), store_of_orders())
    (sentence,) = kinds(found)
    assert sentence.startswith("SHIP now fails: ")
    assert "limbo" in sentence


def test_what_is_stranded_is_told_with_the_reason() -> None:
    """Without a step, the state before is not in the chart; with one, all goes on."""
    text = json.dumps(order.to_dict()).replace('"paid"', '"charged"')
    record = json.loads(text) | {"version": 2}
    renamed = Chart.from_dict(record).bind(dict(order.functions))
    found = kinds(rehearse(renamed, store_of_orders()))
    assert found == {
        "PAY now ends in charged instead of paid": (12, 12, ("o00", "o01", "o02")),
        "SHIP now cannot go on from paid: state 'paid' is not in version 2; it ended in shipped": (
            4,
            4,
            ("o00", "o03", "o06"),
        ),
    }
    step = migration(order, states={"paid": "charged"})
    assert rehearse(renamed.with_migrations(step), store_of_orders()).differences == ()


def test_a_renamed_event_is_followed_and_a_dropped_one_told() -> None:
    """By the steps, as for messages that wait."""
    text = json.dumps(order.to_dict()).replace('"SHIP"', '"SEND"')
    renamed = Chart.from_dict(json.loads(text) | {"version": 2}).bind(dict(order.functions))
    followed = renamed.with_migrations(migration(order, events={"SHIP": "SEND"}))
    assert rehearse(followed, store_of_orders()).differences == ()
    dropped = renamed.with_migrations(migration(order, events={"SHIP": None}))
    assert list(kinds(rehearse(dropped, store_of_orders()))) == [
        "SHIP is now dropped by a step; it ended in shipped"
    ]


def test_what_is_not_remembered_is_counted_with_the_reason() -> None:
    """Old settlements, and answers that the interpreter was told not to keep."""
    assert dict(rehearse(order, store_of_orders(history=1)).skipped) == {NO_STATE: 4}
    secret = rehearse(order, store_of_orders(answers=False))
    assert dict(secret.skipped) == {NO_ANSWERS: 18}
    assert "not run again: 18, the answers of its services are not remembered" in str(secret)


def test_an_event_that_was_too_large_to_remember_is_counted() -> None:
    """Its record has only its name."""
    store = MemoryStore(now=lambda: 1.0)
    interpreter = Interpreter(order, store, clock=SimulatedClock())
    interpreter.settle_sync("o1", "PAY")
    with store.database._lock:
        store.database.write(
            lambda execute: execute(
                "UPDATE settlements SET record = ?",
                (json.dumps({"event": {"name": "PAY"}, "outcome": "resolved", "cut": True}),),
            )
        )
    assert dict(rehearse(order, store).skipped) == {NO_EVENT: 1}


def test_delays_and_starts_run_again() -> None:
    """Delays that passed within an event, and those of a state in which the instance rested."""
    store = MemoryStore(now=lambda: 1.0)
    interpreter = Interpreter(donut, store, clock=SimulatedClock())
    for number in range(3):
        interpreter.start_sync(f"d{number}")
        interpreter.settle_sync(f"d{number}", "BAKE")
    resting = Chart(
        [
            {"name": "open", "tags": ["settled"], "after": {60: "late"}},
            {"name": "late", "final": 1 > 0},
        ],
        [],
        "open",
        name="waiting",
    )
    waiting = Interpreter(resting, store, clock=SimulatedClock())
    waiting.start_sync("w")
    asyncio.run(waiting.elapsed("w", "open.0"))
    for chart, count in ((donut, 6), (resting, 2)):
        found = rehearse(chart, store)
        assert (found.same, found.differences, dict(found.skipped)) == (count, (), {})


def test_settlements_of_other_charts_are_left_alone() -> None:
    """A store may have several."""
    found = rehearse(donut, store_of_orders())
    assert (found.settlements, dict(found.skipped)) == (0, {})


def test_only_guards_and_assigns_have_to_be_bound() -> None:
    """No service runs."""
    plain = Chart.from_dict(order.to_dict())
    with pytest.raises(UnboundFunctionError, match="keep_charge"):
        rehearse(plain, store_of_orders())
    assigns = {
        name: each for name, each in order.functions.items() if name.endswith(("charge", "label"))
    }
    assigns.pop("print_label")
    assert rehearse(plain.bind(assigns), store_of_orders()).same == 18


def test_one_of_each_kind_is_drawn_before_and_after() -> None:
    """The path that it took, and the one that it takes now."""
    record, read = edited(order)
    record["states"].append({"name": "review", "tags": ["settled"]})
    state(record, "charging")["invoke"][0]["on_done"][0]["dest"] = "review"
    (found,) = rehearse(read(), store_of_orders(), old=order).differences
    assert found.draw().alt.endswith(
        "now in review; path PAY: new to charging, done / keep_charge: charging to review."
    )
    assert found.example.draw_before().alt.endswith(
        "now in paid; path PAY: new to charging, done / keep_charge: charging to paid."
    )
    shown = found._repr_mimebundle_()
    assert "o00: PAY now ends in review instead of paid" in shown["text/html"]
    assert shown["text/plain"] == str(found)


def test_the_store_knows_the_chart_that_settled(tmp_path: Path) -> None:
    """A TinyDB file does too; where nobody knows it, there is no picture of before."""
    record, read = edited(order)
    record["transitions"][2]["dest"] = "cancelled"
    for store in (MemoryStore(now=lambda: 1.0), TinyStore(tmp_path / "s.json")):
        interpreter = Interpreter(order, store, clock=SimulatedClock())
        interpreter.settle_sync("o1", "PAY")
        interpreter.settle_sync("o1", "SHIP")
        (found,) = rehearse(read(), store).differences
        assert found.example.old_chart == Chart.from_dict(order.to_dict())
    unknown = dataclasses.replace(found.example, old_chart=None)
    with pytest.raises(SettlesimError, match="give it as `old`"):
        unknown.draw_before()


@settings(max_examples=25, deadline=None)
@given(
    charts(bound=True),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(TRIGGERS)), max_size=8),
)
def test_whatever_happened_happens_again_on_the_same_chart(
    chart: Chart, events: list[tuple[str, str]]
) -> None:
    """A remembered settlement has all that its end depends on."""
    store = MemoryStore(now=lambda: 1.0, history=100)
    interpreter = Interpreter(chart, store, clock=SimulatedClock(), max_microsteps=60)
    settled = 0
    for key, event in events:
        try:
            settled += interpreter.settle_sync(key, event).saved
        except SettleError:
            continue
    found = rehearse(chart, store)
    assert (found.same, found.differences, dict(found.skipped)) == (settled, (), {})
