"""What a chart names as secret stays in the store, and is shown nowhere."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from settlesim import Chart, FifoQueue, Interpreter, MemoryStore, TinyStore, Worker
from settlesim.chart.secrets import HIDDEN, hide, hide_in_snapshot

CARD = "4242-4242"


async def charge(call: Any) -> dict[str, Any]:
    return {"card_number": call.context["card_number"], "paid": True}


async def refuse(call: Any) -> None:
    raise RuntimeError(f"no money on {call.context['card_number']}")


def keep(context: dict[str, Any], event: Any) -> dict[str, Any]:
    return {"card_number": event.data["card_number"]}


def shop() -> Chart:
    return Chart(
        name="shop",
        secret=["card_number"],
        context={"card_number": None},
        initial="open",
        states=[
            {"name": "open", "tags": ["settled"]},
            {"name": "charging", "invoke": {"src": "charge", "on_done": "refusing"}},
            {
                "name": "refusing",
                "invoke": {"src": "refuse", "on_done": "open", "on_error": "open"},
            },
        ],
        transitions=[{"trigger": "PAY", "source": "open", "dest": "charging", "assign": "keep"}],
    ).bind({"charge": charge, "refuse": refuse, "keep": keep})


def test_values_are_hidden_at_any_depth() -> None:
    """By the name of their field; the rest is as it was."""
    value = {"a": [{"pin": 1, "b": 2}], "pin": {"pin": 3}}
    assert hide(value, ("pin",)) == {"a": [{"pin": HIDDEN, "b": 2}], "pin": HIDDEN}
    assert hide(value, ()) is value
    assert value["pin"] == {"pin": 3}


def test_a_chart_keeps_its_secrets_in_its_definition() -> None:
    """They are read back, and a chart without them does not mention them."""
    assert Chart.from_dict(shop().to_dict()).secret == ("card_number",)
    assert "secret" not in Chart(["a"], [], "a").to_dict()


@pytest.mark.parametrize("kind", ["memory", "tiny"])
def test_the_list_of_settlements_hides_them(kind: str, tmp_path: Any) -> None:
    """The event's data, results, errors and snapshot; the instance itself has the value."""
    store: Any = MemoryStore() if kind == "memory" else TinyStore(tmp_path / "s.json")
    interpreter = Interpreter(shop(), store)
    interpreter.settle_sync("a", "PAY", {"card_number": CARD})
    found = store.load("a")
    assert found is not None
    assert found.context["card_number"] == CARD
    assert hide_in_snapshot(found, ("card_number",)).context["card_number"] == HIDDEN
    (past,) = store.settlements("a")
    assert CARD not in repr(past)
    assert past.record["event"]["data"] == {"card_number": HIDDEN}
    assert past.record["calls"][1]["error"] == "RuntimeError"
    assert past.snapshot.context == {"card_number": HIDDEN}


def test_the_log_does_not_say_them(caplog: pytest.LogCaptureFixture) -> None:
    """What a worker tells of an event."""
    store = MemoryStore()
    queue = FifoQueue(store, "shop")
    queue.send({"event": "PAY", "data": {"card_number": CARD}}, "a")
    with caplog.at_level(logging.DEBUG):
        Worker(shop(), store, queue).run_sync(until_empty=True)
    assert caplog.records
    assert all(CARD not in repr(vars(record)) for record in caplog.records)


def test_panels_do_not_show_them() -> None:
    """The context, the event's data, the record, and what an assign returned."""
    from settlesim.widgets import ChartPanel, StepPanel

    chart = shop()
    settlement = Interpreter(chart, MemoryStore()).settle_sync("a", "PAY", {"card_number": CARD})
    with StepPanel(settlement) as steps:
        shown = repr(steps.parts) + repr(steps.twin())
        assert CARD not in shown
        assert HIDDEN in shown
    with ChartPanel(chart) as panel:
        panel.receive({"kind": "send", "event": "PAY", "data": f'{{"card_number": "{CARD}"}}'})
        shown = repr({name: part for name, part in panel.parts.items() if name != "options"})
        assert CARD not in shown
        assert HIDDEN in shown
