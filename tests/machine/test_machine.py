"""The machine: a ``GraphMachine`` of `transitions` that keeps no graphs and takes tags."""

from __future__ import annotations

import inspect
import pickle
from collections import Counter
from copy import deepcopy
from typing import Any

import graphviz
import pytest
from transitions import Machine
from transitions.extensions import GraphMachine, HierarchicalGraphMachine, HierarchicalMachine
from transitions.extensions.markup import MarkupMachine
from transitions.extensions.nesting import NestedState

from settlesim.machine.machine import NestedSettleMachine, SettleMachine

TRANSITIONS: list[Any] = [
    ["buy", "cart", "paying"],
    {"trigger": "pay", "source": "paying", "dest": "paid", "conditions": "has_funds"},
    {"trigger": "pay", "source": "paying", "dest": "cart", "unless": "has_funds", "after": "tell"},
]
REGION_TRANSITIONS: list[Any] = [
    ["start", "idle", "order"],
    ["pay", "order.pay.open", "order.pay.done"],
    ["pack", "order.ship.open", "order.ship.packed"],
    ["ship", ["order.ship.open", "order.ship.packed"], "order.ship.done"],
    ["check", "order.pay.open", "="],
]
ARGUMENTS = {
    name: parameter.default
    for name, parameter in inspect.signature(GraphMachine.__init__).parameters.items()
    if parameter.default is not inspect.Parameter.empty
}


def states(**paid: Any) -> list[Any]:
    """Three states; made anew, for `transitions` writes into what it is given."""
    return ["cart", {"name": "paying", "on_enter": "bill"}, {"name": "paid", **paid}]


def regions() -> list[Any]:
    """Return two regions beside an idle state."""
    done = {"name": "done", "final": True}
    pay = {"name": "pay", "initial": "open", "children": ["open", dict(done)]}
    ship = {"name": "ship", "initial": "open", "children": ["open", "packed", dict(done)]}
    return ["idle", {"name": "order", "parallel": [pay, ship]}]


class Order:
    """A model with callbacks of its own, at module level so that it pickles."""

    state: Any
    get_graph: Any
    trigger: Any

    def __init__(self, funds: bool = True) -> None:
        self.funds = funds
        self.log: list[str] = []

    def bill(self) -> None:
        self.log.append("billed")

    def has_funds(self) -> bool:
        return self.funds

    def tell(self) -> None:
        self.log.append("told")


class Light:
    """An object that no machine has ever seen; it has room for its state only."""

    __slots__ = ("state",)

    def __init__(self, state: Any) -> None:
        self.state = state


class Finals:
    """Counts what becomes final."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def note(self, name: str) -> Any:
        return lambda: self.seen.update([name])


def order_machine(model: Any = "self", **options: Any) -> SettleMachine:
    """The flat machine of these tests."""
    options = {
        "states": states(tags=["ok"]),
        "transitions": TRANSITIONS,
        "initial": "cart",
        **options,
    }
    return SettleMachine(model, **options)


def region_machine(**options: Any) -> NestedSettleMachine:
    """The parallel machine of these tests, in both of its regions."""
    made = NestedSettleMachine(
        states=regions(), transitions=REGION_TRANSITIONS, initial="idle", **options
    )
    made.trigger("start")
    return made


# --- it is a graph machine ----------------------------------------------------------------------


def test_settle_machine_is_a_graph_machine() -> None:
    """What takes a ``GraphMachine`` takes a `SettleMachine`, and so for the nested one."""
    assert issubclass(SettleMachine, GraphMachine)
    assert issubclass(NestedSettleMachine, HierarchicalGraphMachine)
    assert issubclass(NestedSettleMachine, HierarchicalMachine)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_every_argument_of_the_graph_machine_is_taken(name: str) -> None:
    """The constructor is the whole constructor: each argument can be passed by name."""
    for machine in (SettleMachine, NestedSettleMachine):
        assert machine(**{name: ARGUMENTS[name]}).get_graph()


def test_an_existing_configuration_runs_unchanged() -> None:
    """String callbacks, conditions and methods of the model work as with ``Machine``."""
    trails = []
    for machine in (Machine, SettleMachine, NestedSettleMachine):
        rich, poor = Order(), Order(funds=False)
        machine([rich, poor], states=states(), transitions=TRANSITIONS, initial="cart")
        for model in (rich, poor):
            model.trigger("buy")
            model.trigger("pay")
        trails.append((rich.state, rich.log, poor.state, poor.log))
    assert trails == [("paid", ["billed"], "cart", ["billed", "told"])] * 3


def test_markup_round_trips() -> None:
    """The markup of a machine makes an equal machine."""
    markup = order_machine().markup
    again = SettleMachine(markup=deepcopy(markup)).markup
    assert again["states"] == markup["states"]
    assert again["transitions"] == markup["transitions"]
    assert isinstance(order_machine(), MarkupMachine)


@pytest.mark.parametrize("engine", ["mermaid", "graphviz"])
def test_another_graph_engine_may_be_chosen(engine: str) -> None:
    """``graph_engine`` is the default, not a constant."""
    assert "paying" in order_machine(graph_engine=engine).get_graph().source


# --- graphs -------------------------------------------------------------------------------------


def test_get_graph_returns_a_digraph_that_shows_the_state() -> None:
    """``get_graph`` is as in ``GraphMachine``, and follows the model."""
    model = Order()
    order_machine(model)
    before = model.get_graph()
    model.trigger("buy")
    assert isinstance(before, graphviz.Digraph)
    assert before.source != model.get_graph().source


def test_a_machine_without_a_model_draws_itself() -> None:
    """A graph needs no model; then no state is active."""
    assert "paying" in order_machine(None).get_graph().source


def test_no_graph_is_kept_for_a_model() -> None:
    """Models come, move, are drawn and go; nothing of them stays in the machine."""
    machine = order_machine(None)
    for _ in range(3):
        model = Order()
        machine.add_model(model)
        model.trigger("buy")
        model.get_graph()
        machine.remove_model(model)
    assert (machine.models, machine.model_graphs) == ([], {})


def test_a_model_that_was_removed_can_be_added_again() -> None:
    """Removing a model takes ``get_graph`` off it."""
    machine, model = order_machine(None), Order()
    for _ in range(2):
        machine.add_model(model)
        machine.remove_model(model)
        assert not hasattr(model, "get_graph")


def test_two_machines_share_a_model_and_the_first_draws_it() -> None:
    """As with ``trigger``, the machine that came first keeps the name."""
    model = Order()
    first = order_machine(model, title="first")
    second = order_machine(model, title="second", model_attribute="mood")
    assert "first" in model.get_graph().source
    assert "second" in second.get_graph().source
    second.remove_model(model)
    assert "first" in model.get_graph().source
    first.remove_model(model)
    assert not hasattr(model, "get_graph")


def test_a_get_graph_of_the_model_itself_is_refused() -> None:
    """What the user wrote is never replaced, as in ``GraphMachine``."""

    class Drawn:
        def get_graph(self) -> str:
            return "mine"

    model = Drawn()
    with pytest.raises(AttributeError, match="already has a get_graph"):
        order_machine(model)
    assert model.get_graph() == "mine"


# --- light objects ------------------------------------------------------------------------------


def test_an_unregistered_object_runs_on_a_flat_machine() -> None:
    """An event moves an object with no more than a state, and registers nothing."""
    machine = SettleMachine(
        None, states=["cart", "paid"], transitions=[["buy", "cart", "paid"]], initial="cart"
    )
    light = Light("cart")
    assert machine.events["buy"].trigger(light)
    assert (light.state, machine.models) == ("paid", [])


def test_an_unregistered_object_runs_on_a_nested_machine() -> None:
    """The nested machine moves it in its regions."""
    machine = region_machine()
    light = Light("idle")
    assert machine.trigger_event(light, "start")
    assert machine.trigger_event(light, "pay")
    assert light.state == ["order.pay.done", "order.ship.open"]


# --- tags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [SettleMachine, NestedSettleMachine])
def test_tags_are_asked_for_by_name(machine: type[SettleMachine]) -> None:
    """``is_<tag>`` of a state answers for its tags, and only for whole ones."""
    state: Any = machine(states=states(tags=["ok"]), initial="cart").get_state("paid")
    assert (state.tags, state.is_ok, state.is_o, state.is_other) == (["ok"], True, False, False)


@pytest.mark.parametrize("machine", [SettleMachine, NestedSettleMachine])
def test_tags_as_a_text_are_one_tag(machine: type[SettleMachine]) -> None:
    """In `transitions` a text answers yes to each of its parts."""
    state: Any = machine(states=[{"name": "paid", "tags": "settled"}], initial="paid").states[
        "paid"
    ]
    assert state.is_settled
    assert not state.is_set


def test_tags_of_a_configuration_are_copied() -> None:
    """The machine does not hold on to the list of the user."""
    tags = ["ok"]
    machine = SettleMachine(states=[{"name": "paid", "tags": tags}], initial="paid")
    tags.append("later")
    state: Any = machine.get_state("paid")
    assert not state.is_later


# --- pickles ------------------------------------------------------------------------------------


def test_a_flat_machine_pickles_with_its_model() -> None:
    """State, tags and ``get_graph`` survive, and the copy goes on by itself."""
    model = Order()
    machine = order_machine(model)
    model.trigger("buy")
    again: SettleMachine = pickle.loads(pickle.dumps(machine))
    copy: Any = again.models[0]
    copy.trigger("pay")
    state: Any = again.get_state(copy.state)
    assert (copy.state, state.is_ok, model.state) == ("paid", True, "paying")
    assert "paying" in copy.get_graph().source


def test_a_nested_machine_pickles_in_its_regions() -> None:
    """A parallel configuration survives, and the copy goes on by itself."""
    machine: Any = region_machine()
    again = pickle.loads(pickle.dumps(machine))
    again.trigger("pay")
    assert again.state == ["order.pay.done", "order.ship.open"]
    assert machine.state == ["order.pay.open", "order.ship.open"]
    assert again.get_graph().source


# --- nesting ------------------------------------------------------------------------------------


def test_the_dot_is_no_matter_of_other_machines() -> None:
    """The separator is that of our state class; `transitions` keeps its own."""
    assert NestedSettleMachine.state_cls.separator == "."
    assert NestedState.separator == "_"
    other = HierarchicalMachine(states=[{"name": "a", "children": ["b"]}], initial="a_b")
    ours: Any = NestedSettleMachine(
        states=[{"name": "a_b", "children": ["c_d"]}], initial="a_b.c_d"
    )
    assert (other.initial, ours.state) == ("a_b", "a_b.c_d")


def final_machine(finals: Finals) -> NestedSettleMachine:
    """The parallel machine; it notes when the order and when all of it is final."""
    machine = region_machine(on_final=finals.note("machine"))
    machine.get_state("order").add_callback("final", finals.note("order"))
    return machine


@pytest.mark.parametrize("events", [("pay", "ship"), ("ship", "pay")], ids=" then ".join)
def test_a_parallel_state_is_final_when_its_last_region_is(events: tuple[str, str]) -> None:
    """``on_final`` comes once, after both regions, whichever is final first."""
    finals = Finals()
    machine = final_machine(finals)
    machine.trigger(events[0])
    assert finals.seen == Counter()
    machine.trigger(events[1])
    assert finals.seen == Counter(order=1, machine=1)


@pytest.mark.parametrize(("first", "then"), [("ship", "check"), ("pay", "pack")])
def test_a_step_in_one_region_leaves_a_final_one_alone(first: str, then: str) -> None:
    """A region that is final already makes nothing final again."""
    finals = Finals()
    machine = final_machine(finals)
    machine.trigger(first)
    machine.trigger(then)
    assert finals.seen == Counter()
