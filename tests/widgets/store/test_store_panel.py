"""StorePanel: what is in a store and its queues while others work on them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ipywidgets import Dropdown
from traitlets import link

from settlesim import Chart, FifoQueue, MemoryStore, SimulatedClock, Worker
from settlesim.gallery import count, order
from settlesim.widgets import StorePanel


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def work(store: MemoryStore, chart: Chart, *events: tuple[str, str, Any], **options: Any) -> None:
    """Send events, and settle all that can be settled."""
    queue = FifoQueue(store, chart.name, max_failures=1, **options)
    for key, name, data in events:
        queue.send({"event": name, "data": data}, key)
    Worker(chart, store, queue, clock=SimulatedClock()).run_sync(until_empty=True)


def test_instances_are_listed_and_one_is_drawn(store: MemoryStore) -> None:
    """The first one, until another one is chosen."""
    work(store, order, ("o1", "PAY", None), ("o2", "CANCEL", None))
    with StorePanel(store, order) as panel:
        rows = panel.parts["instances"]["rows"]
        assert [(row["key"], row["where"], row["final"]) for row in rows] == [
            ("o1", "paid", False),
            ("o2", "cancelled", True),
        ]
        chosen = panel.parts["chosen"]
        assert (chosen["key"], chosen["active"]) == ("o1", ["paid"])
        assert [step["active"] for step in chosen["steps"]] == [["charging"], ["paid"]]
        assert panel.parts["picture"]["svg"].startswith("<svg")
        panel.receive({"kind": "choose", "key": "o2"})
        assert panel.parts["chosen"]["where"] == "cancelled"
        panel.receive({"kind": "only", "state": "paid"})
        assert [row["key"] for row in panel.parts["instances"]["rows"]] == ["o1"]
        assert panel.errors == []


def test_a_chart_that_the_panel_does_not_have_is_told_in_words(store: MemoryStore) -> None:
    """The instance is listed all the same."""
    work(store, count, ("c1", "COUNT", None))
    with StorePanel(store, order) as panel:
        assert panel.parts["chosen"]["where"] == "even"
        assert "count version 1 is none of the panel's charts" in panel.parts["picture"]["why"]


def test_what_waits_and_what_could_not_be_settled_is_shown(store: MemoryStore) -> None:
    """A dead letter is put back, a parked instance resumed."""
    queue = FifoQueue(store, "order", policy="halt")
    queue.send("no event", "o1")
    work(store, order, ("o1", "PAY", None), policy="halt")
    with StorePanel(store, order) as panel:
        (shown,) = panel.parts["queues"]
        assert (shown["waiting"], shown["dead_letters"]) == (1, 1)
        (letter,) = shown["letters"]
        assert (letter["key"], letter["body"]) == ("o1", '"no event"')
        assert shown["parked"][0]["group_id"] == "o1"
        panel.receive({"kind": "retry", "queue": "order", "letter": letter["id"]})
        assert panel.parts["queues"][0]["dead_letters"] == 0
        panel.receive({"kind": "resume", "queue": "order", "key": "o1"})
        assert panel.parts["queues"][0]["parked"] == []


def test_it_follows_what_others_do(store: MemoryStore) -> None:
    """In a running loop by itself; otherwise after each cell."""

    async def main() -> None:
        with StorePanel(store, order, poll=0.001) as panel:
            assert panel.parts["chosen"] is None
            work(store, order, ("o1", "PAY", None))
            while panel.parts["chosen"] is None:
                await asyncio.sleep(0.001)
            assert panel.parts["chosen"]["where"] == "paid"

    asyncio.run(main())
    with StorePanel(store, order) as panel:
        work(store, order, ("o1", "SHIP", None))
        panel.cell_ended()
        assert panel.parts["chosen"]["where"] == "shipped"


def test_secrets_are_not_shown(store: MemoryStore) -> None:
    """Neither in contexts, nor in events and dead letters."""

    def bad(context: dict[str, Any], event: Any) -> bool:
        raise ValueError(f"pin {context['pin']}")

    chart = Chart(
        ["open"],
        [
            {"trigger": "SET", "source": "open", "dest": "open", "assign": "keep"},
            {"trigger": "BAD", "source": "open", "dest": "open", "conditions": "bad"},
        ],
        "open",
        name="shop",
        context={"pin": None},
        secret=["pin"],
        settling_tags={"resolved": ["settled"], "rejected": ["reject"]},
    )
    record = chart.to_dict()
    record["states"][0]["tags"] = ["settled"]
    bound = Chart.from_dict(record).bind(
        {"keep": lambda context, event: {"pin": event.data["pin"]}, "bad": bad}
    )
    work(store, bound, ("a", "SET", {"pin": "4711"}), ("a", "BAD", {"pin": "4711"}))
    with StorePanel(store, bound) as panel:
        assert panel.parts["queues"][0]["dead_letters"] == 1
        assert "***" in repr(panel.parts["chosen"]["context"])
        assert "4711" not in repr(panel.parts) + repr(panel.twin())


def test_the_twin_has_tables_and_the_chart(store: MemoryStore) -> None:
    """Names are text in it."""
    work(store, order, ("<b>o1</b>", "PAY", None))
    with StorePanel(store, order) as panel:
        html = panel.twin()
        assert "&lt;b&gt;o1&lt;/b&gt;" in html
        assert "<b>o1" not in html
        assert "<svg" in html
        assert "1 instance, <b>o1</b> in paid" in repr(panel)


@pytest.mark.parametrize("arguments", [(None,), (MemoryStore(), None)])
def test_other_things_are_refused(arguments: tuple[Any, ...]) -> None:
    """A store with queues is needed, and charts."""
    with pytest.raises(TypeError, match="SqliteStore or a MemoryStore"):
        StorePanel(*arguments)


def test_a_menu_chooses_the_instance(store: MemoryStore) -> None:
    """`key` can be linked both ways; snapshot, configuration and context follow it."""
    work(store, order, ("o1", "PAY", None), ("o2", "CANCEL", None))
    with StorePanel(store, order) as panel:
        menu = Dropdown(options=["o1", "o2"])
        link((panel, "key"), (menu, "value"))
        seen: list[Any] = []
        panel.observe(lambda change: seen.append(change["new"]), "configuration")
        menu.value = "o2"
        assert (panel.key, seen) == ("o2", [("cancelled",)])
        work(store, order, ("o1", "SHIP", None))
        panel.receive({"kind": "choose", "key": "o1"})
        assert (menu.value, seen[-1]) == ("o1", ("shipped",))
        assert panel.snapshot == store.load("o1")
        assert panel.context["label"] is not None
