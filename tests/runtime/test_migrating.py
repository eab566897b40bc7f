"""Instances of earlier versions under an interpreter and a worker of the newest one."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from settlesim import (
    Chart,
    FifoQueue,
    Interpreter,
    MemoryStore,
    SimulatedClock,
    SqliteStore,
    TinyStore,
    Worker,
    migration,
)
from settlesim.chart import Snapshot
from settlesim.errors import (
    ChartEditedError,
    ChartMismatchError,
    InvalidValueError,
    LeastVersionError,
    MigrationError,
)
from settlesim.ports import ChartDefinition, Rewrite, Timer, Timers, Transaction
from settlesim.versions import apply_migration
from tests.runtime.working import Stage
from tests.settling.driving import settled
from tests.versions.charts import NEW, OLD, OLDEST, order, snapshot_of


def save(store: Any, key: str, snapshot: Snapshot, *timers: Timer) -> Snapshot:
    """Save an instance as if its version had brought it there."""
    first = Snapshot(
        snapshot.chart,
        snapshot.version,
        snapshot.configuration,
        snapshot.context,
        1,
        fingerprint=snapshot.fingerprint,
    )
    store.commit(Transaction(key, first, 0, timers=Timers(timers) if timers else None))
    return first


def stage_of(chart: Chart) -> Stage:
    """A stage whose workers have a chart."""
    return Stage(chart)


def loaded(store: Any, key: str = "k") -> Snapshot:
    """The instance, which is there."""
    found = store.load(key)
    assert found is not None
    return found  # type: ignore[no-any-return]


def pass_by(stage: Stage, seconds: float) -> None:
    """Let time pass."""
    asyncio.run(stage.clock.sleep(seconds))


# --- the interpreter ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "sqlite", "tinydb"])
def test_an_instance_is_migrated_when_its_next_event_is_settled(kind: str, tmp_path: Path) -> None:
    """In the same write; until then it stays as it is, however often it is read."""
    opened: dict[str, Any] = {
        "memory": MemoryStore,
        "sqlite": lambda: SqliteStore(tmp_path / "s.db"),
        "tinydb": lambda: TinyStore(tmp_path / "s.json"),
    }
    with opened[kind]() as store:
        before = save(store, "k", snapshot_of(OLDEST, "held", total=5))
        interpreter = Interpreter(NEW, store)
        assert list(interpreter.accepts("k")) == ["CHARGE"]
        assert interpreter.settle_sync("k", "STOP").outcome.value == "ignored"
        assert interpreter.load("k") == loaded(store) == before
        settlement = interpreter.settle_sync("k", "CHARGE")
        assert settlement.before == snapshot_of(NEW, "cart", revision=1, total={"amount": 5})
        assert loaded(store) == settlement.after
        assert settlement.after == snapshot_of(
            NEW, "charged", revision=2, total={"amount": 5}, log=["CHARGE"]
        )
        assert [each.definition.version for each in store.charts("order")] == [3]


def test_a_version_from_which_no_step_leads_is_refused_with_what_is_missing() -> None:
    """The instance is as it was."""
    store = MemoryStore()
    before = save(store, "k", snapshot_of(OLDEST, "open", total=0))
    interpreter = Interpreter(OLD.with_migrations(), store)
    with pytest.raises(MigrationError, match=r"no step leads on from version 1 .*add migration\("):
        interpreter.settle_sync("k", "STOP")
    assert loaded(store) == before


def test_a_later_version_and_another_chart_are_refused() -> None:
    """No program can know what is not there yet."""
    store = MemoryStore()
    save(store, "k", snapshot_of(NEW, "cart", total={}))
    save(store, "other", snapshot_of(Chart(["a"], [], "a", name="other"), "a"))
    interpreter = Interpreter(OLD, store)
    with pytest.raises(ChartMismatchError, match="up to version 2: deploy the newer one"):
        interpreter.settle_sync("k", "STOP")
    with pytest.raises(ChartMismatchError, match="stays with the chart that it began with"):
        interpreter.settle_sync("other", "STOP")


# --- charts that were edited ----------------------------------------------------------------------


def edited(*states: str, **more: Any) -> Chart:
    """A chart of one version."""
    names = [settled(name) for name in states]
    return order(1, names, [["PAY", states[0], states[-1]]], **more)


def test_an_edit_without_a_new_version_is_refused_in_words() -> None:
    """The store knows the definition that saved the instance."""
    store = MemoryStore()
    Interpreter(edited("open", "paid"), store).settle_sync("k", "PAY")
    before = loaded(store)
    interpreter = Interpreter(edited("open", "charged"), store)
    with pytest.raises(ChartEditedError) as caught:
        interpreter.settle_sync("k", "PAY")
    assert "version 1 was edited without a new version" in str(caught.value)
    assert "state paid is gone" in str(caught.value)
    assert "PAY of open now leads to charged" in str(caught.value)
    assert loaded(store) == before


def test_an_edit_is_taken_and_told_once_where_that_is_wanted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A notebook defines its chart again and again; where it cannot rest it is refused still."""
    store = MemoryStore()
    Interpreter(edited("open", "paid"), store).settle_sync("k", "PAY")
    Interpreter(edited("open", "paid"), store).settle_sync("l", "PAY")
    chart = edited("open", "more", "paid")
    interpreter = Interpreter(chart, store, on_edited="warn")
    with caplog.at_level(logging.WARNING, "settlesim.versions"):
        for key in ("k", "l"):
            assert interpreter.accepts(key) == {}
    (told,) = [each.getMessage() for each in caplog.records]
    assert "state more is new" in told
    gone = Interpreter(edited("open", "charged"), store, on_edited="warn")
    with pytest.raises(ChartMismatchError, match="this chart cannot be in paid"):
        gone.settle_sync("k", "PAY")
    with pytest.raises(InvalidValueError, match="possible: 'refuse', 'warn'"):
        Interpreter(chart, store, on_edited="never")  # type: ignore[arg-type]


def test_instances_without_a_fingerprint_are_taken_as_they_are_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stores were written before there were any; the next save has one."""
    store = MemoryStore()
    chart = edited("open", "paid")
    for key in ("k", "l"):
        save(store, key, snapshot_of(chart, "open", fingerprint=False))
    interpreter = Interpreter(chart, store)
    with caplog.at_level(logging.WARNING, "settlesim.versions"):
        for key in ("k", "l"):
            interpreter.settle_sync(key, "PAY")
    assert [each.getMessage()[:62] for each in caplog.records] == [
        "instance 'k' was saved before fingerprints were: it is taken a"
    ]
    assert loaded(store).fingerprint == chart.fingerprint


def test_a_message_that_was_sent_under_another_definition_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For a new key there is no instance that would be refused; the event means another thing."""
    stage = stage_of(edited("open", "paid"))
    Interpreter(stage.chart, stage.store).start_sync("k")
    for key in ("k", "l", "m"):
        stage.queue.send({"event": "PAY"}, key)
    stage.store.delete("k", 1)
    worker = Worker(edited("open", "charged"), stage.store, stage.queue, clock=stage.clock)
    with caplog.at_level(logging.WARNING, "settlesim.versions"):
        worker.run_sync(until_empty=True)
    (told,) = [each.getMessage() for each in caplog.records]
    assert told.startswith(
        "message 1 for instance 'k' was sent under another definition of order version 1"
    )
    assert "state paid is gone" in told
    assert [loaded(stage.store, key).configuration for key in "klm"] == [("charged",)] * 3


def test_a_timer_that_no_step_names_is_kept_where_the_later_chart_has_no_delay_at_all() -> None:
    """By the next event as by a migration of all: a later step may name it."""
    stay = {"trigger": "LOOK", "source": "open", "dest": None}
    old = order(1, [settled("open", after={"60": "paid"}), settled("paid")], [stay])
    new = order(2, [settled("open"), settled("paid")], [stay], migration(old))
    store = MemoryStore()
    for key in ("k", "l"):
        Interpreter(old, store).settle_sync(key, "LOOK")
    before = {key: store.timers(key) for key in ("k", "l")}
    Interpreter(new, store).settle_sync("k", "LOOK")
    assert apply_migration(new, store).migrated == 1
    assert [loaded(store, key).version for key in ("k", "l")] == [2, 2]
    assert {key: store.timers(key) for key in ("k", "l")} == before
    assert [len(each) for each in before.values()] == [1, 1]


# --- new instances, and the least version ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "tinydb"])
def test_a_new_instance_starts_in_the_newest_version_that_the_store_has_seen(
    kind: str, tmp_path: Path
) -> None:
    """A program of an earlier one refuses to start it, and runs its own ones on."""
    store: Any = MemoryStore() if kind == "memory" else TinyStore(tmp_path / "s.json")
    old = Interpreter(OLDEST, store)
    old.settle_sync("k", "STOP")
    Interpreter(OLD, store).start_sync("new")
    with pytest.raises(ChartMismatchError, match="the store has seen version 2, in which new"):
        old.settle_sync("later", "STOP")
    definition = ChartDefinition("order", 1, OLDEST.fingerprint, "{}")
    first = snapshot_of(OLDEST, "open", revision=1, total=0)
    with pytest.raises(ChartMismatchError, match="the store has seen version 2"):
        store.commit(Transaction("later", first, 0, definition=definition))
    assert old.settle_sync("k", "PAY").after.configuration == ("paid",)
    assert store.keys() == ["k", "new"]


def test_a_store_refuses_versions_below_its_least_one_at_the_start() -> None:
    """With the command that shows what would be stranded."""
    store = MemoryStore()
    store.require_version("order", 2)
    with pytest.raises(LeastVersionError, match=r"`settlesim find --store .* --chart order`"):
        Interpreter(OLDEST, store)
    Interpreter(OLD, store)
    store.require_version("order", 0)
    Interpreter(OLDEST, store)


# --- workers, messages and timers -----------------------------------------------------------------


def test_events_under_their_old_names_are_settled_under_their_new_ones() -> None:
    """In the order in which they were accepted; those that are dropped are consumed."""
    stage = stage_of(NEW)
    save(stage.store, "k", snapshot_of(OLDEST, "open", total=1))
    stage.queue.send({"event": "STOP"}, "k")
    stage.queue.send({"event": "PAY"}, "other")
    save(stage.store, "l", snapshot_of(OLDEST, "held", total=1))
    stage.queue.send({"event": "PAY", "data": 7}, "l", "id-1")
    stage.run()
    assert loaded(stage.store, "k").configuration == ("cancelled",)
    assert loaded(stage.store, "l").configuration == ("charged",)
    assert loaded(stage.store, "other").configuration == ("charged",)
    assert stage.records.fields("event", "outcome") == [
        ("STOP", "resolved"),
        ("CHARGE", "resolved"),
        ("CHARGE", "resolved"),
    ]


def test_a_dropped_event_is_consumed_and_does_nothing() -> None:
    """It does not even migrate the instance."""
    states = {"held": "open", "paid": "open"}
    step = migration(OLDEST, states=states, events={"PAY": None}, delays={"open.0": None})
    stage = stage_of(order(2, [settled("open")], [["PAY2", "open", "open"]], step))
    before = save(stage.store, "k", snapshot_of(OLDEST, "open"), Timer("open.0", 60.0))
    stage.queue.send({"event": "PAY"}, "k")
    stage.run()
    assert stage.outcomes() == ["dropped"]
    assert loaded(stage.store) == before
    pass_by(stage, 60)
    stage.run()
    assert stage.outcomes() == ["dropped", "dropped"]
    assert stage.store.timers("k") == ()


def test_a_delay_under_another_id_fires_at_its_old_time() -> None:
    """Its timer was started by the first version, and waits for the third one."""
    stage = stage_of(NEW)
    save(stage.store, "k", snapshot_of(OLDEST, "open", total=1), Timer("open.0", 60.0))
    pass_by(stage, 59)
    stage.run()
    assert loaded(stage.store).version == 1
    pass_by(stage, 1)
    stage.run()
    found = loaded(stage.store)
    assert (found.version, found.configuration) == (3, ("cart",))
    assert stage.store.timers("k") == ()


def test_a_timer_whose_message_waits_keeps_its_token_when_its_delay_is_renamed() -> None:
    """The message has the old id: it is told by the token."""
    stage = stage_of(NEW)
    before = save(stage.store, "k", snapshot_of(OLDEST, "open", total=1), Timer("open.0", 60.0))
    pass_by(stage, 60)
    assert stage.queue.release_timers() == 1
    after = snapshot_of(NEW, "waiting", revision=1, total={"amount": 1})
    timers = Timers((), ("waiting.1",), (("open.0", "waiting.1"),))
    assert stage.store.rewrite([Rewrite("k", before, after, timers=timers)]) == ()
    stage.run()
    assert loaded(stage.store).configuration == ("cart",)


def test_an_event_that_stays_keeps_old_timers_and_starts_new_ones() -> None:
    """A delay that no earlier version had begins with the migration."""
    chart = NEW.with_migrations(*NEW.migrations)
    record = chart.to_dict()
    record["transitions"].append({"trigger": "LOOK", "source": "waiting", "dest": None})
    steps = OLD.migrations[0], NEW.migrations[1]
    old = migration(OLD, states=dict(steps[1].states), context=steps[1].context)
    stage = stage_of(Chart.from_dict(record).bind(chart.functions).with_migrations(old))
    save(stage.store, "k", snapshot_of(OLDEST, "open", total=1), Timer("open.0", 60.0))
    due = stage.store.timers("k")[0].due
    pass_by(stage, 10)
    stage.queue.send({"event": "LOOK"}, "k")
    stage.run()
    found = {each.delay: each.due for each in stage.store.timers("k")}
    assert found == {"waiting.1": due, "waiting.0": stage.clock.now() + 30}


def test_a_migration_that_fails_is_held_back_and_not_counted() -> None:
    """The chart's author has to mend a step; the event waits, and others go on."""

    def fail(context: dict[str, Any]) -> dict[str, Any]:
        return {"total": context["total"] / 0 if context["total"] == 13 else 1}

    step = migration(OLDEST, states={"paid": "charged"}, events={"PAY": "CHARGE"}, context=fail)
    stage = Stage(OLD.with_migrations(step), max_failures=1, max_receives=3)
    before = save(stage.store, "bad", snapshot_of(OLDEST, "open", total=13))
    save(stage.store, "good", snapshot_of(OLDEST, "open", total=1))
    for key in ("bad", "good"):
        stage.queue.send({"event": "PAY"}, key)
    with pytest.raises(MigrationError, match=r"'bad' .* failed in context with .ZeroDivision"):
        stage.run()
    assert loaded(stage.store, "bad") == before
    assert loaded(stage.store, "good").configuration == ("charged",)
    assert stage.queue.status().dead_letters == 0


def test_workers_of_two_versions_share_a_queue() -> None:
    """What the later one has saved the earlier one leaves alone, and all new instances."""
    old, new = Stage(OLDEST), Stage(OLD)
    new.store, new.queue, new.clock = old.store, old.queue, old.clock
    for key in ("a", "b"):
        save(old.store, key, snapshot_of(OLDEST, "open", total=0))
    old.queue.send({"event": "STOP"}, "a")
    old.run()
    assert loaded(old.store, "a").version == 1
    new.queue.send({"event": "STOP"}, "b")
    new.run()
    assert loaded(old.store, "b").version == 2
    old.queue.send({"event": "PAY"}, "b")
    with pytest.raises(ChartMismatchError, match="'b' was saved by order version 2"):
        old.run()
    old.queue.send({"event": "PAY"}, "a")
    old.queue.send({"event": "PAY"}, "c")
    with pytest.raises(ChartMismatchError):
        old.run()
    assert loaded(old.store, "a").configuration == ("paid",)
    assert old.store.load("c") is None
    new.run()
    for key in ("b", "c"):
        assert loaded(old.store, key).configuration == ("charged",)
    old.queue.send({"event": "PAY"}, "d")
    with pytest.raises(ChartMismatchError, match=r"'d' .* has seen version 2, in which new"):
        old.run()


def test_an_event_that_only_a_later_version_knows_is_left_to_its_workers() -> None:
    """A new sender may meet an old instance and an old worker, which would ignore the event."""
    old, new = Stage(OLDEST), Stage(OLD)
    new.store, new.queue, new.clock = old.store, old.queue, old.clock
    save(old.store, "a", snapshot_of(OLDEST, "open", total=0))
    old.queue.send({"event": "TYPO"}, "a")
    old.run()  # nobody else could know it
    assert old.outcomes() == ["ignored"]
    Interpreter(OLD, old.store).start_sync("other")
    old.queue.send({"event": "CHARGE"}, "a")
    with pytest.raises(ChartMismatchError, match=r"'a' .* no event 'CHARGE', .* seen version 2"):
        old.run()
    new.run()
    assert loaded(old.store, "a").configuration == ("charged",)


def test_a_delay_whose_length_changed_keeps_its_timer_where_no_step_names_it() -> None:
    """The check asks for a step; without one neither the event nor the timer is lost."""
    clock = SimulatedClock()
    for how in ("an event", "apply_migration"):
        store = MemoryStore(clock.now)
        queue = FifoQueue(store, "wait")
        old = waiting_chart(1, {"60": "done"})
        new = waiting_chart(2, {"30": "done"}).with_migrations(migration(old))
        queue.send({"event": "STAY"}, "k")
        Worker(old, store, queue, clock=clock).run_sync(until_empty=True)
        (timer,) = store.timers("k")
        if how == "an event":
            queue.send({"event": "STAY"}, "k")
            Worker(new, store, queue, clock=clock).run_sync(until_empty=True)
        else:
            assert apply_migration(new, store).ok
        found = store.load("k")
        assert found is not None
        assert found.version == 2, how
        assert store.timers("k") == (timer,), how
        assert queue.status().dead_letters == 0, how


def waiting_chart(version: int, after: Any) -> Chart:
    """A chart that waits, with an event that leaves nothing."""
    return Chart(
        [{"name": "wait", "tags": ["settled"], "after": after}, {"name": "done", "final": True}],
        [["STAY", "wait", None]],
        "wait",
        name="wait",
        version=version,
    )
