"""How many stored instances are in which state, and who would be stranded."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Chart, Interpreter, MemoryStore, SimulatedClock, Snapshot, migration
from settlesim.chart.diff import InstanceCount
from settlesim.chart.strict_json import freeze_object
from settlesim.ports import Transaction
from settlesim.store import TinyStore


def chart(*states: Any, version: int = 1, name: str = "order", **more: Any) -> Chart:
    """Return a chart of settled states; the first one is the initial one."""
    made: list[Any] = [
        each if isinstance(each, dict) else {"name": each, "tags": ["settled"]} for each in states
    ]
    return Chart(made, [], made[0]["name"], name=name, version=version, **more)


def put(store: Any, configuration: tuple[str, ...], count: int, saved_by: Chart) -> None:
    """Save instances in a configuration."""
    for number in range(count):
        key = f"{saved_by.name}-{saved_by.version}-{'+'.join(configuration)}-{number}"
        context = freeze_object({"n": number}, where="context")
        snapshot = Snapshot(saved_by.name, saved_by.version, configuration, context, 1)
        store.commit(Transaction(key, snapshot, 0))


OLD = chart("open", "paid", "on_hold")
NEW = chart("open", "review", {"name": "paid"}, version=2)


def test_a_state_that_is_gone_or_not_settled_any_more_strands() -> None:
    """Each instance is in the state where it is stored."""
    store = MemoryStore(now=lambda: 1.0)
    put(store, ("open",), 5, OLD)
    put(store, ("paid",), 3, OLD)
    put(store, ("on_hold",), 2, OLD)
    put(store, ("review",), 1, NEW)
    put(store, ("paid",), 7, chart("paid", name="other"))
    counts = OLD.diff(NEW, store=store).instances
    assert counts is not None
    assert (counts.total, counts.stranded) == (11, 5)
    assert counts.by_state == {
        "on_hold": InstanceCount(2, 2),
        "open": InstanceCount(5, 0),
        "paid": InstanceCount(3, 3),
        "review": InstanceCount(1, 0),
    }


def test_steps_are_followed() -> None:
    """Who is carried on is not stranded; a step that fails for some strands these."""
    store = MemoryStore(now=lambda: 1.0)
    put(store, ("on_hold",), 4, OLD)

    def where(context: dict[str, Any]) -> str:
        if context["n"] == 3:
            raise ValueError("no way on")
        return "review"

    whole = NEW.with_migrations(migration(OLD, states={"on_hold": "review", "paid": "review"}))
    partly = NEW.with_migrations(migration(OLD, states={"on_hold": where, "paid": "review"}))
    found = [OLD.diff(each, store=store).instances for each in (NEW, whole, partly)]
    assert [each.stranded for each in found if each] == [4, 0, 1]
    moved = [each.by_state["on_hold"].moved for each in found if each]
    assert moved == [(), (("review", 4),), (("review", 3),)]


def test_a_region_that_is_added_strands_whole_configurations() -> None:
    """No leaf alone is to blame, so all are."""
    both = {"name": "both", "tags": ["settled"], "parallel": [{"name": "a"}, {"name": "b"}]}
    old = chart("open", both)
    third = {**both, "parallel": [*both["parallel"], {"name": "c"}]}
    new = chart("open", third, version=2)
    store = MemoryStore(now=lambda: 1.0)
    put(store, ("both.a", "both.b"), 2, old)
    counts = old.diff(new, store=store).instances
    assert counts is not None
    assert (counts.total, counts.stranded) == (2, 2)
    assert counts.by_state == {"both.a": InstanceCount(2, 2), "both.b": InstanceCount(2, 2)}


def test_a_store_without_queues_is_counted_too(tmp_path: Any) -> None:
    """A TinyDB file."""
    store = TinyStore(tmp_path / "s.json")
    Interpreter(OLD, store, clock=SimulatedClock()).start_sync("o1")
    assert OLD.diff(NEW, store=store).heading.endswith("none of 1 instance stranded")


STATES = ("open", "paid", "on_hold", "review")


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(STATES), max_size=20),
    st.sets(st.sampled_from(STATES)),
    st.sets(st.sampled_from(STATES)),
)
def test_the_counts_are_those_of_a_naive_recount(
    stored: list[str], kept: set[str], tagged: set[str]
) -> None:
    """Whatever the new chart keeps, and keeps as settled."""
    old = chart(*STATES)
    states = [{"name": name, "tags": ["settled"] * (name in tagged)} for name in sorted(kept)]
    new = chart({"name": "begin", "tags": ["settled"]}, *states, version=2)
    store = MemoryStore(now=lambda: 1.0)
    for number, name in enumerate(stored):
        context = freeze_object({}, where="context")
        store.commit(Transaction(f"k{number}", Snapshot("order", 1, (name,), context, 1), 0))
    counts = old.diff(new, store=store).instances
    assert counts is not None
    good = kept & tagged
    assert counts.total == len(stored)
    assert counts.stranded == sum(name not in good for name in stored)
    for name in set(stored):
        wanted = stored.count(name)
        assert counts.by_state[name] == InstanceCount(wanted, 0 if name in good else wanted)
