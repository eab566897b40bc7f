"""Models of `transitions` whose methods become functions of a chart."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from transitions import EventData, Machine
from transitions.extensions.asyncio import AsyncMachine
from transitions.extensions.nesting import HierarchicalMachine

from settlesim import Chart, Event, read_chart
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import DefinitionError, FunctionFailedError
from settlesim.machine import import_machine
from settlesim.machine.fired import Fired
from settlesim.machine.program import program_of


def fire(
    chart: Chart, configuration: tuple[str, ...], event: str, data: Any = None, **context: Any
) -> Fired | None:
    """Bring one event to a chart; `context` is laid over its first one."""
    start = freeze_object({**chart.context, **context}, where="context")
    return program_of(chart).fire(configuration, start, event, Event(event, data))


def machine_of_states(*transitions: Any, cls: type[Machine] = Machine, **options: Any) -> Machine:
    """Return a machine of the states a and b without a model."""
    options = {"states": ["a", "b"], "initial": "a", **options}
    return cls(None, transitions=list(transitions), auto_transitions=False, **options)


# --- a whole class --------------------------------------------------------------------------


class Basket:
    """A model as people write them: methods take what the trigger was called with."""

    state: str
    trigger: Callable[..., Any]
    limit = 3

    def __init__(self) -> None:
        self.items: list[str] = []
        self.total = 0
        self.log = ""

    def add(self, item: str, price: int = 1) -> None:
        self.items.append(item)
        self.total += price
        self._note(item)

    def drop(self, *args: Any, **options: Any) -> None:
        self.total -= 1
        self.items.pop()

    def _note(self, text: str) -> None:
        self.log = f"{self.log}{text[:1]}"

    @property
    def is_full(self) -> bool:
        return len(self.items) >= self.limit

    def has_items(self, *args: Any, **options: Any) -> list[str] | bool:
        return bool(self.items)

    def on_enter_paid(self, *args: Any, **options: Any) -> None:
        self._note("paid" if self.is_paid() else "?")  # type: ignore[attr-defined]

    def reset(self, *args: Any, **options: Any) -> None:
        self.items, self.total = [], 0


BASKET: list[Any] = [
    {"trigger": "add", "source": "cart", "dest": None, "unless": "is_full", "before": "add"},
    {"trigger": "add", "source": "cart", "dest": "full"},
    {"trigger": "drop", "source": ["cart", "full"], "dest": "cart", "conditions": "has_items",
     "after": "drop"},
    {"trigger": "pay", "source": "*", "dest": "paid", "conditions": ["has_items"]},
    {"trigger": "again", "source": "paid", "dest": "cart", "before": "reset"},
]  # fmt: skip


def basket_machine(model: object) -> Machine:
    return Machine(
        model, ["cart", "full", "paid"], "cart", [dict(each) for each in BASKET],
        auto_transitions=False, ignore_invalid_triggers=True,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_a_model_and_its_chart_keep_the_same_data(seed: int) -> None:
    """Over random events: the state, and every attribute that was declared."""
    choose = random.Random(seed)
    model = Basket()
    attributes = ["items", "total", "log"]
    found = import_machine(basket_machine(model), model=model, attributes=attributes)
    assert found.left_out == ()
    chart = found.chart
    configuration, context = chart.initial_configuration, dict(chart.context)
    for _ in range(40):
        event = choose.choice(["add", "add", "drop", "pay", "again"])
        data = {"item": choose.choice("xyz"), "price": 2} if event == "add" else None
        model.trigger(event, **(data or {}))
        fired = fire(chart, configuration, event, data, **context)
        if fired is not None:
            configuration, context = fired.configuration, dict(fired.context)
        assert configuration == (model.state,)
        assert context == {name: getattr(model, name) for name in attributes}


def test_one_name_in_the_place_of_a_list_is_refused() -> None:
    """Its letters are no attributes."""
    model = Basket()
    with pytest.raises(DefinitionError, match="attributes: is 'items'; a list of names, or a"):
        read_chart(basket_machine(model), model=model, attributes="items")


def test_the_model_itself_is_left_as_it_is() -> None:
    """Each call has an object of its own, made without the constructor."""
    model = Basket()
    chart = read_chart(basket_machine(model), model=model, attributes=["items", "total", "log"])
    fired = fire(chart, ("cart",), "add", ["tea", 5])
    assert fired is not None
    assert fired.context == {"items": ["tea"], "total": 5, "log": "t"}
    assert (model.items, model.total, model.state) == ([], 0, "cart")


def test_attributes_may_have_other_names_in_the_context() -> None:
    """Their first values are those of the model."""
    model = Basket()
    model.total = 7
    keys = {"items": "goods", "total": "sum", "log": "log"}
    chart = read_chart(basket_machine(model), model=model, attributes=keys)
    assert chart.context == {"goods": [], "sum": 7, "log": ""}
    fired = fire(chart, ("cart",), "add", "tea")
    assert fired is not None
    assert (fired.context["goods"], fired.context["sum"]) == (["tea"], 8)


# --- what methods take ------------------------------------------------------------------------


class Door:
    """A model whose methods take EventData."""

    opened = 0

    def count(self, event: EventData) -> None:
        self.opened += event.kwargs.get("by", len(list(event.args)))

    def knows(self, event: EventData) -> bool:
        state: Any = event.state
        return (event.event.name, state.name) == ("go", "a") and event.model is self


def test_methods_that_take_event_data_get_it() -> None:
    """With the event, the state, the model and what was sent."""
    go = {"trigger": "go", "source": "a", "dest": "b", "conditions": "knows", "before": "count"}
    chart = read_chart(machine_of_states(go, send_event=True), model=Door(), attributes=["opened"])
    for data, opened in (({"by": 5}, 5), ([1, 2], 2), ("x", 1), (None, 0)):
        fired = fire(chart, ("a",), "go", data)
        assert fired is not None
        assert fired.context["opened"] == opened


def plain(event: EventData) -> None:
    """Count in a function of its own."""
    event.model.opened += 10  # type: ignore[attr-defined]


def test_functions_and_bound_methods_are_wrapped_too() -> None:
    """As a machine may have them in place of names."""
    door = Door()
    go = {"trigger": "go", "source": "a", "dest": "b", "before": [door.count, plain]}
    machine = machine_of_states(go, send_event=True)
    fired = fire(read_chart(machine, model=door, attributes=["opened"]), ("a",), "go", ["x"])
    assert fired is not None
    assert (fired.context["opened"], door.opened) == (11, 0)


class Lamp(enum.Enum):
    OFF = 1
    ON = 2


class Room:
    """A model that looks at its state."""

    seen = ""

    def look(self) -> None:
        state = self.state  # type: ignore[attr-defined]
        self.seen = f"{state} {self.is_ON()}"  # type: ignore[attr-defined]


def test_a_method_may_look_at_the_state() -> None:
    """A name or a member, and `is_<state>`; before and after the change."""
    for when, seen in (("before", "Lamp.OFF False"), ("after", "Lamp.ON True")):
        go = {"trigger": "go", "source": Lamp.OFF, "dest": Lamp.ON, when: "look"}
        machine = machine_of_states(go, states=Lamp, initial=Lamp.OFF)
        fired = fire(read_chart(machine, model=Room(), attributes=["seen"]), ("OFF",), "go")
        assert fired is not None
        assert fired.context["seen"] == seen


def test_a_method_of_a_nested_machine_sees_all_regions() -> None:
    """As the machine has them."""

    class Where:
        seen: Any = ""

        def look(self) -> None:
            self.seen = [self.state, self.is_p_l()]  # type: ignore[attr-defined]

    states: Any = [{"name": "p", "parallel": ["l", {"name": "r", "children": ["1", "2"]}]}]
    go = {"trigger": "go", "source": "p_r", "dest": "p_r_1", "after": "look"}
    machine = machine_of_states(go, states=states, initial="p", cls=HierarchicalMachine)
    chart = read_chart(machine, model=Where(), attributes=["seen"])
    fired = fire(chart, ("p.l", "p.r"), "go")
    assert fired is not None
    assert fired.context["seen"] == [["p_l", "p_r_1"], True]


def test_callbacks_that_a_machine_finds_by_itself_are_found() -> None:
    """`on_enter_<state>` of a class, also where the machine has no model yet."""

    class Noting:
        seen = ""

        def on_enter_b(self) -> None:
            self.seen += "b"

    chart = read_chart(machine_of_states(["go", "a", "b"]), model=Noting, attributes=["seen"])
    assert chart.node("b").on_enter == ("on_enter_b",)
    fired = fire(chart, ("a",), "go")
    assert fired is not None
    assert fired.context["seen"] == "b"


def test_a_machine_may_be_its_own_model() -> None:
    """A subclass of Machine with methods."""

    class Own(Machine):
        count = 0

        def step(self) -> None:
            self.count += 1

    machine = Own(
        states=["a"], initial="a", auto_transitions=False,
        transitions=[{"trigger": "go", "source": "a", "dest": "a", "after": "step"}],
    )  # fmt: skip
    fired = fire(read_chart(machine, model=machine, attributes=["count"]), ("a",), "go")
    assert fired is not None
    assert fired.context["count"] == 1


# --- first values -----------------------------------------------------------------------------


def test_a_class_gives_its_defaults() -> None:
    """Those of a dataclass too; what has none needs an instance."""

    @dataclass
    class Data:
        items: list[str] = field(default_factory=list)
        size: int = 4

    machine = machine_of_states(["go", "a", "b"])
    assert read_chart(machine, model=Data, attributes=["items", "size"]).context == {
        "items": [],
        "size": 4,
    }
    with pytest.raises(DefinitionError, match="the model has no 'total' yet: give an instance"):
        read_chart(machine, model=Basket, attributes=["total"])


def test_a_first_value_that_json_cannot_carry_is_refused() -> None:
    """By its key."""
    model = Basket()
    model.items = {"x"}  # type: ignore[assignment]
    with pytest.raises(DefinitionError, match=r"context\['items'\]"):
        read_chart(basket_machine(model), model=model, attributes=["items"])


# --- what has to be written -------------------------------------------------------------------


class Shop:
    """A model with everything that a context cannot carry."""

    def __init__(self) -> None:
        self.gateway = Door()
        self.total = 0

    def charge(self, event: EventData) -> None:
        self._pay(event)

    def _pay(self, event: EventData) -> None:
        self.gateway.count(event)

    def ship(self, event: EventData) -> None:
        self.go()  # type: ignore[attr-defined]

    def ask(self, event: EventData) -> bool:
        transition: Any = event.transition
        return bool(transition.dest == "b")

    async def wait(self, event: EventData) -> None:
        """Wait."""

    def fine(self, event: EventData) -> None:
        self.total += 1


def test_each_method_that_cannot_be_wrapped_is_named_with_what_to_write() -> None:
    """One line each; the others are bound."""
    shop = Shop()
    go = {
        "trigger": "go", "source": "a", "dest": "b", "conditions": "ask",
        "before": ["charge", "fine", "missing", "wait"], "after": ["ship", shop.gateway.count],
    }  # fmt: skip
    machine = machine_of_states(go, send_event=True, cls=AsyncMachine)
    found = import_machine(machine, model=shop, attributes=["total"])
    changes = "(context, event), which returns a mapping of changes"
    assert found.left_out == (
        "method 'ask' reads event.transition, which a chart does not have: do without; or bind "
        "ask(context, event), which returns True or False",
        "method 'charge' uses self.gateway, which is not among the attributes: add it; or bind "
        f"charge{changes}",
        f"method 'missing' is no method of Shop: write it there; or bind missing{changes}",
        f"method 'wait' is asynchronous: make it a service with 'invoke'; or bind wait{changes}",
        "method 'ship' triggers 'go': say that with a transition in 'always'; or bind "
        f"ship{changes}",
        f"function 'count' belongs to an object of Door: make it a service; or bind count{changes}",
    )
    assert list(found.chart.functions) == ["fine"]


class Sly:
    """A model whose source does not show what it does."""

    total = 0

    def sets(self) -> None:
        setattr(self, "more", 1)  # noqa: B010

    def moves(self) -> None:
        setattr(self, "state", "b")  # noqa: B010

    def gets(self) -> None:
        getattr(self, "more")  # noqa: B009

    def triggers(self) -> None:
        getattr(self, "go")()  # noqa: B009

    def counts(self) -> bool:
        self.total += 1
        return True

    def neither(self) -> str:
        return "yes"


@pytest.mark.parametrize(
    ("where", "name", "fact"),
    [
        ("before", "sets", "sets self.more, which is not among the attributes"),
        ("before", "moves", "sets self.state, which is not among the attributes"),
        ("before", "gets", "uses self.more, which is not among the attributes"),
        ("before", "triggers", "triggers 'go': a chart says that with a transition in 'always'"),
        ("conditions", "counts", "changes the model, and a guard only asks: do that in prepare"),
    ],
)
def test_what_only_a_call_shows_is_said_by_the_call(where: str, name: str, fact: str) -> None:
    """Nothing is lost in silence."""
    machine = machine_of_states({"trigger": "go", "source": "a", "dest": "b", where: name})
    chart = read_chart(machine, model=Sly(), attributes=["total"])
    with pytest.raises(FunctionFailedError) as caught:
        fire(chart, ("a",), "go")
    assert fact in str(caught.value)


def test_a_condition_that_is_neither_true_nor_false_never_lets_a_transition_fire() -> None:
    """`transitions` compares it with True in `conditions`, and with False in `unless`."""
    for key in ("conditions", "unless"):
        machine = machine_of_states({"trigger": "go", "source": "a", "dest": "b", key: "neither"})
        model: Any = Sly()
        machine.add_model(model)
        assert model.go() is False
        assert fire(read_chart(machine, model=model, attributes=["total"]), ("a",), "go") is None
    both = {"trigger": "go", "source": "a", "dest": "b", "conditions": "neither"}
    machine = machine_of_states(both, {**both, "conditions": None, "unless": "neither"})
    chart = read_chart(machine, model=Sly(), attributes=["total"])
    with pytest.raises(FunctionFailedError, match="returned 'yes', which is neither true nor"):
        fire(chart, ("a",), "go")


def test_functions_without_a_model_are_called_as_they_are() -> None:
    """A partial, a lambda, a built-in."""
    go = ["go", "a", "b", [partial(max, 0), lambda *_: True]]
    chart = read_chart(machine_of_states(go), model=Sly())
    assert fire(chart, ("a",), "go", [1]) is not None
    assert fire(chart, ("a",), "go", [-1]) is None
