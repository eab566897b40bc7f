"""Dry runs: six planted changes, each told exactly as a naive recount of the store tells it."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, FifoQueue, Interpreter, MemoryStore, TinyStore, migration
from settlesim.chart import Snapshot
from settlesim.chart.strict_json import freeze_object
from settlesim.errors import ChartMismatchError, InvalidValueError
from settlesim.ports import Rewrite, Timer, Timers, Transaction
from settlesim.versions import MigrationPlan, apply_migration, plan_migration, retire, split
from settlesim.versions.apply import definition_of
from tests.settling.driving import settled
from tests.versions.charts import order

RECORD: dict[str, Any] = {
    "name": "order",
    "initial": "open",
    "states": [
        {"name": "open", "tags": ["settled"], "after": {"60": "held", "90": "paid"}},
        {"name": "held", "tags": ["settled"], "after": {"600": "open"}},
        {"name": "paid", "tags": ["settled"]},
        {"name": "box", "tags": ["settled"], "initial": "one", "children": ["one", "two"]},
        {
            "name": "pair",
            "tags": ["settled"],
            "parallel": [
                {"name": "left", "initial": "in", "children": ["in", "out"]},
                {"name": "right", "initial": "up", "children": ["up", "off"]},
            ],
        },
    ],
    "transitions": [
        ["PAY", "open", "paid"],
        ["STOP", "open", "held"],
        ["BOX", "open", "box"],
        ["PAIR", "open", "pair"],
    ],
}
CONFIGURATIONS = [
    ["open"],
    ["held"],
    ["paid"],
    ["box.one"],
    ["box.two"],
    ["pair.left.in", "pair.right.up"],
    ["pair.left.out", "pair.right.off"],
]
DELAYS = {"open": (("open.0", 60.0), ("open.1", 90.0)), "held": (("held.0", 600.0),)}
EVENTS = ["PAY", "STOP", "BOX", "PAIR"]


def chart_of_record(record: dict[str, Any], version: int, *steps: Any) -> Chart:
    """A version of the chart."""
    return Chart.from_dict({**record, "version": version}).with_migrations(*steps)


OLD = chart_of_record(RECORD, 1)


def filled(seed: int = 1, count: int = 300) -> tuple[MemoryStore, FifoQueue]:
    """A store with instances in every state, their timers, waiting messages and dead letters."""
    dice = random.Random(seed)
    store = MemoryStore(now=lambda: 1_000_000.0)
    queue = FifoQueue(store, "order")
    for number in range(count):
        leaves = dice.choice(CONFIGURATIONS)
        context = freeze_object({"items": dice.randrange(2)}, where="context")
        key = f"order-{number:03d}"
        first = Snapshot("order", 1, tuple(leaves), context, 1, fingerprint=OLD.fingerprint)
        timers = tuple(Timer(*each) for each in DELAYS.get(leaves[0], ()))
        store.commit(Transaction(key, first, 0, timers=Timers(timers)))
        if dice.random() < 0.3:
            queue.send({"event": dice.choice(EVENTS), "data": number}, key)
    for message in queue.receive(20):
        queue.fail(message.receipt, "no", final=True)
    return store, queue


# --- a naive recount: from the rows of the store and the record of the chart alone ----------------


def walk(states: list[Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every state of a record by its full name."""
    found: dict[str, dict[str, Any]] = {}
    for state in states:
        state = {"name": state} if isinstance(state, str) else state  # noqa: PLW2901
        found[prefix + state["name"]] = state
        for key in ("children", "parallel"):
            found |= walk(state.get(key, []), f"{prefix}{state['name']}.")
    return found


def can_rest(record: dict[str, Any], leaves: list[str]) -> bool:
    """Whether these are all active leaves of a configuration, each below a settling tag."""
    states = walk(record["states"])
    active: set[str] = set()
    for leaf in leaves:
        parts = leaf.split(".")
        names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        if any(name not in states for name in names):
            return False
        if not any("settled" in states[name].get("tags", []) for name in names):
            return False
        active |= set(names)
    for name in active:
        inside = [each for each in active if each.startswith(f"{name}.")]
        direct = {each for each in inside if "." not in each[len(name) + 1 :]}
        if "parallel" in states[name] and len(direct) != len(states[name]["parallel"]):
            return False
        if "children" in states[name] and len(direct) != 1:
            return False
    return len({leaf.split(".")[0] for leaf in leaves}) == 1


def recount(store: MemoryStore, record: dict[str, Any]) -> dict[str, Any]:
    """What a naive program says of the store under a record."""
    rows = store.database.rows
    stranded = {
        key
        for key, configuration in rows("SELECT key, configuration FROM instances")
        if not can_rest(record, json.loads(configuration))
    }
    states = walk(record["states"])
    old_seconds = {id_: seconds for each in DELAYS.values() for id_, seconds in each}
    timers: Counter[tuple[str, str]] = Counter()
    for key, delay in rows("SELECT key, delay FROM timers"):
        state = delay.rpartition(".")[0]
        seconds = [float(each) for each in states.get(state, {}).get("after", {})]
        if key not in stranded and old_seconds.get(delay) not in seconds:
            timers[delay, key] += 1
    known = {trigger for trigger, *_ in record["transitions"]}
    lost: Counter[tuple[str, str, str]] = Counter()
    for table, what in (("messages", "message"), ("dead_letters", "dead letter")):
        for group, body in rows(f"SELECT group_id, body FROM {table}"):
            event = json.loads(body).get("event")
            if event is not None and event not in known:
                lost[what, event, group] += 1
    return {"stranded": stranded, "timers": timers, "messages": lost}


def told(plan: MigrationPlan) -> dict[str, Any]:
    """The same of a plan."""
    timers: Counter[tuple[str, str]] = Counter()
    lost: Counter[tuple[str, str, str]] = Counter()
    for loss in plan.losses:
        for key in loss.keys:
            if loss.what == "timer":
                timers[loss.name, key] += 1
            else:
                lost[loss.what, loss.name, key] += 1
    return {"stranded": set(plan.stranded), "timers": timers, "messages": lost}


# --- the planted changes --------------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The record after a change."""
    record = copy.deepcopy(RECORD)
    change(record)
    return record


def remove_held(record: dict[str, Any]) -> None:
    """A state is gone, and what leads to it."""
    record["states"] = [each for each in record["states"] if each["name"] != "held"]
    record["states"][0]["after"] = {"60": "paid", "90": "paid"}
    record["transitions"][1] = ["STOP", "open", "paid"]


def rename_paid(record: dict[str, Any]) -> None:
    """A state has another name."""
    record["states"][2]["name"] = "charged"
    record["states"][0]["after"]["90"] = "charged"
    record["transitions"][0] = ["PAY", "open", "charged"]


def split_held(record: dict[str, Any]) -> None:
    """A state has become two."""
    record["states"][1]["name"] = "cart"
    record["states"].append({"name": "cancelled", "tags": ["settled"]})
    record["states"][0]["after"]["60"] = "cart"
    record["transitions"][1] = ["STOP", "open", "cancelled"]


def rename_pay(record: dict[str, Any]) -> None:
    """An event has another name."""
    record["transitions"][0] = ["CHARGE", "open", "paid"]


def change_delays(record: dict[str, Any]) -> None:
    """A delay is shorter, and one is gone."""
    record["states"][0]["after"] = {"30": "held", "90": "paid"}
    del record["states"][1]["after"]


def add_region(record: dict[str, Any]) -> None:
    """A parallel state has one region more."""
    third = {"name": "third", "initial": "idle", "children": ["idle"]}
    record["states"][4]["parallel"].append(third)


OF_PAIR = {
    tuple(leaves): [*leaves, "pair.third.idle"] for leaves in CONFIGURATIONS if len(leaves) == 2
}
PLANTED: dict[str, tuple[Callable[[dict[str, Any]], None], dict[str, Any]]] = {
    "a state removed": (remove_held, {"states": {"held": "open"}, "delays": {"held.0": None}}),
    "a state renamed": (rename_paid, {"states": {"paid": "charged"}}),
    "a state split": (
        split_held,
        {
            "states": {
                "held": split(
                    lambda context: "cart" if context["items"] else "cancelled",
                    "cart",
                    "cancelled",
                )
            },
            "delays": {"held.0": "cart.0"},
        },
    ),
    "an event renamed": (rename_pay, {"events": {"PAY": "CHARGE"}}),
    "a delay shortened and one removed": (
        change_delays,
        {"delays": {"open.0": "open.0", "held.0": None}},
    ),
    "a region added": (add_region, {"states": OF_PAIR}),
}


@pytest.mark.parametrize(("change", "mappings"), PLANTED.values(), ids=PLANTED)
def test_a_planted_change_is_told_exactly_and_mended_by_its_step(
    change: Callable[[dict[str, Any]], None], mappings: dict[str, Any]
) -> None:
    """With a step that says nothing, then with one that says what changed; nothing is written."""
    record = changed(change)
    store, queue = filled()
    naive = recount(store, record)
    before = store.database.rows("SELECT * FROM instances ORDER BY key")
    silent = plan_migration(chart_of_record(record, 2, migration(OLD)), store, queue)
    assert told(silent) == naive
    assert not silent.ok
    assert any(naive.values())
    without = plan_migration(chart_of_record(record, 2), store, queue)
    assert set(without.stranded) == naive["stranded"]
    edited = plan_migration(chart_of_record(record, 1), store, queue)
    assert set(edited.stranded) == naive["stranded"]
    assert store.database.rows("SELECT * FROM instances ORDER BY key") == before
    chart = chart_of_record(record, 2, migration(OLD, **mappings))
    assert chart.check().errors == ()
    plan = plan_migration(chart, store, queue)
    assert plan.ok
    assert (plan.total, plan.migrated) == (300, 300)
    timers = {each.token: each for each in queue.chart_timers()}
    assert apply_migration(chart, store).migrated == 300
    assert recount(store, record)["stranded"] == set()
    for each in queue.chart_timers():
        if each.token in timers:
            assert each.due == timers[each.token].due
    assert plan_migration(chart, store, queue).current == 300


# --- what else a plan tells -----------------------------------------------------------------------


def test_a_plan_counts_paths_and_failures_with_three_keys() -> None:
    """As text, and as JSON with the numbers."""

    def fail(context: dict[str, Any]) -> dict[str, Any]:
        return {"share": 1 / context["items"]}

    record = changed(rename_paid)
    step = migration(OLD, states={"paid": "charged"}, context=fail)
    store, queue = filled()
    reports: list[Any] = []
    chart = chart_of_record(record, 2, step)
    plan = plan_migration(chart, store, queue, progress=reports.append)
    assert [(each.done, each.expected) for each in reports] == [(0, 300)]
    (failure,) = plan.failures
    assert failure.kind == "step failed"
    assert len(failure.keys) + plan.migrated == plan.total == 300
    found = json.loads(json.dumps(plan.to_dict()))
    assert (found["ok"], found["instances"], found["stranded"]) == (False, 300, 0)
    assert found["failures"][0]["count"] == len(failure.keys)
    assert len(found["failures"][0]["keys"]) == 3
    assert sum(each["count"] for each in found["paths"]) == plan.migrated
    text = str(plan)
    assert f"300 instances, 0 of this version, {plan.migrated} to migrate" in text
    assert "instances for which a step fails: the step from version 1 to 2 failed in" in text
    assert f"and {len(failure.keys) - 3} more" in text


def test_instances_of_later_versions_and_edited_charts_are_told() -> None:
    """A program that is too old, and one whose chart was edited."""
    store, queue = filled(count=5)
    chart = chart_of_record(changed(rename_pay), 2, migration(OLD, events={"PAY": "CHARGE"}))
    apply_migration(chart, store)
    (failure,) = plan_migration(OLD, store, queue).failures
    assert (failure.kind, len(failure.keys)) == ("later version", 5)
    edit = copy.deepcopy(RECORD)
    edit["context"] = {"items": 0}
    edited = chart_of_record(edit, 2)
    (failure,) = plan_migration(edited, store, queue).failures
    assert (failure.kind, len(failure.keys)) == ("edited", 5)
    assert "the initial context has a new items: 0" in failure.reason


def test_an_edit_of_an_earlier_version_is_told_as_the_edit() -> None:
    """Its step renames the state, so that the state's absence from the new chart is no reason."""
    store, queue = filled(count=5)
    edit = copy.deepcopy(RECORD)
    edit["context"] = {"items": 0}
    step = migration(chart_of_record(edit, 1), states={"paid": "charged"}, events={"PAY": "STOP"})
    failures = plan_migration(chart_of_record(changed(rename_paid), 2, step), store, queue).failures
    assert [(each.kind, len(each.keys)) for each in failures] == [("edited", 5)]


# --- applying -------------------------------------------------------------------------------------

NEW = chart_of_record(
    changed(rename_paid), 2, migration(OLD, states={"paid": "charged"}, events={"PAY": "STOP"})
)


class Busy(MemoryStore):
    """A store in which a worker of the old version is often first."""

    turns = 0

    def rewrite(self, rewrites: Any, definition: Any = None) -> tuple[str, ...]:
        """Settle something before every second write."""
        self.turns += 1
        if self.turns % 2:
            first = rewrites[0]
            before = self.load(first.key)
            assert before is not None
            after = Snapshot(
                "order",
                1,
                ("held",),
                before.context,
                before.revision + 1,
                fingerprint=before.fingerprint,
            )
            self.commit(Transaction(first.key, after, before.revision, timers=Timers()))
        return super().rewrite(rewrites, definition)


def test_an_instance_that_a_worker_settles_meanwhile_is_looked_at_again() -> None:
    """Its event is not lost, and in the end it is migrated."""
    store = Busy(now=lambda: 1_000_000.0)
    filled_store, _ = filled(count=40)
    for key in filled_store.keys():  # noqa: SIM118  # a store is no mapping
        first = filled_store.load(key)
        assert first is not None
        store.commit(Transaction(key, first, 0))
    applied = apply_migration(NEW, store, batch=7)
    assert applied.ok
    assert store.instance_versions("order") == {2: 40}
    assert Counter(store.load(key).revision for key in store.keys())[2] > 1  # type: ignore[union-attr]  # noqa: SIM118


def test_what_cannot_be_carried_is_left_and_told() -> None:
    """The others are migrated; to begin again changes nothing."""
    store, _ = filled()
    chart = chart_of_record(changed(rename_paid), 2, migration(OLD))
    stranded = recount(store, changed(rename_paid))["stranded"]
    for migrated in (300 - len(stranded), 0):
        applied = apply_migration(chart, store)
        assert not applied.ok
        assert applied.migrated == migrated
        ((reason, keys),) = applied.failed
        assert reason == "state 'paid' is not in version 2"
        assert set(keys) == stranded
    assert "FAILED" in str(applied)
    assert applied.to_dict()["failed"][0]["count"] == len(stranded)


def test_a_tinydb_store_is_migrated_too(tmp_path: Path) -> None:
    """Whole, with what else is in its file."""
    with TinyStore(tmp_path / "s.json") as store:
        for number, leaves in enumerate(CONFIGURATIONS[:3]):
            context = freeze_object({"n": number}, where="context")
            first = Snapshot("order", 1, tuple(leaves), context, 1, fingerprint=OLD.fingerprint)
            store.commit(Transaction(f"k{number}", first, 0))
        plan = plan_migration(NEW, store)
        assert (plan.ok, plan.migrated) == (True, 3)
        assert apply_migration(NEW, store).migrated == 3
        assert [store.load(key).configuration for key in store.keys()] == [  # type: ignore[union-attr]  # noqa: SIM118
            ("open",),
            ("held",),
            ("charged",),
        ]
        assert retire(NEW, store, version=1).ok
        assert store.least_version("order") == 2


# --- retiring -------------------------------------------------------------------------------------


def test_a_version_is_retired_when_nothing_of_it_is_left() -> None:
    """In instances, timers, messages and dead letters; then the store refuses it."""
    store, queue = filled()
    left = retire(NEW, store, queue, version=1)
    assert not left.ok
    assert len(left.instances) == 300
    assert len(left.messages) + len(left.dead_letters) == queue.status().depth + 20
    assert left.timers
    assert set(left.timers) <= set(left.instances)
    assert store.least_version("order") == 0
    apply_migration(NEW, store)
    left = retire(NEW, store, queue, version=1)
    assert (left.instances, left.timers) == ((), ())
    assert "something below version 2 is left\nLEFT  " in str(left)
    assert len(left.dead_letters) == left.to_dict()["left"]["dead letter"]["count"] == 20
    queue.redrive()
    while messages := queue.receive(10):
        for message in messages:
            queue.delete(message.receipt)
    found = retire(NEW, store, queue, version=1)
    assert found.ok
    assert "nothing below version 2 is left" in str(found)
    assert store.least_version("order") == 2
    queue.send({"event": "STOP"}, "order-001")
    assert retire(NEW, store, queue, version=1).ok


@pytest.mark.parametrize("version", [2, 3, 0, -1, True, "1"])
def test_only_versions_before_the_charts_own_are_retired(version: Any) -> None:
    """The chart itself would be refused from then on."""
    store = MemoryStore()
    with pytest.raises(InvalidValueError, match=r"version is .*; a version before 2"):
        retire(NEW, store, version=version)
    assert store.least_version("order") == 0


class Raced(MemoryStore):
    """A store in which an instance is started just before a version is required."""

    def require_version(self, name: str, version: int) -> None:
        """Start an instance first."""
        if version == 2:
            Interpreter(OLD, self).start_sync("late")
        super().require_version(name, version)


def test_an_instance_that_starts_while_its_version_is_retired_is_not_locked_out() -> None:
    """It is found by the second look, and the requirement is taken back."""
    store = Raced()
    assert retire(NEW, store, version=1).instances == ("late",)
    assert store.least_version("order") == 0
    assert Interpreter(OLD, store).load("late") is not None


def test_no_instance_starts_in_a_retired_version(tmp_path: Path) -> None:
    """Not even by a program that was there before, where no later version has saved anything."""
    opened = Snapshot("order", 1, ("open",), freeze_object({}, where="context"), 1)
    for store in (MemoryStore(), TinyStore(tmp_path / "s.json")):
        with store:
            old = Interpreter(OLD, store)
            assert retire(NEW, store, version=1).ok
            with pytest.raises(ChartMismatchError, match="seen version 2, in which new instances"):
                old.start_sync("late")
            transaction = Transaction("late", opened, 0, definition=definition_of(OLD))
            with pytest.raises(ChartMismatchError, match="seen version 2, in which new instances"):
                store.commit(transaction)
            assert store.load("late") is None


def test_a_message_of_which_nobody_knows_the_version_counts_by_its_name() -> None:
    """It was sent before messages had versions, or before the store had seen any."""
    store = MemoryStore()
    queue = FifoQueue(store, "order")
    queue.send({"event": "STOP"}, "k")
    assert retire(NEW, store, queue, version=1).ok
    queue.send({"event": "PAY2"}, "k")
    assert retire(NEW, store, queue, version=1).messages == ("k",)


def test_a_rewrite_is_for_the_state_that_was_read() -> None:
    """Another revision, another state, or an instance that is gone is left alone."""
    store, _ = filled(count=2)
    before = store.load("order-000")
    assert before is not None
    other = Snapshot("order", 1, before.configuration, freeze_object({}, where="context"), 1)
    for wrong in (other, replace(before, revision=2)):
        same = Rewrite("order-000", wrong, wrong)
        assert store.rewrite([same, Rewrite("gone", before, before)]) == ("order-000", "gone")
    assert store.load("order-000") == before


def test_a_lost_message_that_an_edit_has_orphaned_is_told() -> None:
    """The version that it was sent under is the chart's own, and had its event then."""

    def shop(*triggers: str) -> Chart:
        return order(1, [settled("open")], [[each, "open", "open"] for each in triggers])

    store = MemoryStore()
    queue = FifoQueue(store, "order")
    for chart, key in ((shop("PAY", "MORE"), "k"), (shop("PAY"), "l")):
        Interpreter(chart, store).start_sync(key)
    for key in ("k", "l", "k"):
        queue.send({"event": "MORE"}, key)
    plan = plan_migration(shop("PAY"), store, queue)
    (loss,) = plan.losses
    assert (loss.name, loss.keys, loss.edited) == ("MORE", ("k", "k", "l"), 2)
    assert loss.to_dict()["edited"] == 2
    assert "2 of them were sent under another definition of the same version" in str(plan)
