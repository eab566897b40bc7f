"""A later version of the chart takes over at any point: harmless, or the schedule that is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from settlesim import (
    Chart,
    FifoQueue,
    Interpreter,
    MemoryStore,
    SimulatedClock,
    Verdict,
    Worker,
    migration,
)
from settlesim.chart.strict_json import encode
from settlesim.errors import MigrationError, SimulationError
from settlesim.gallery import order, order_with_review, signup
from settlesim.sim import Kind, Scenario, explore, replay, to_promela, to_pytest
from settlesim.testing import ManualTime
from settlesim.view.simulation.words import scenario_words


def chart(*names: str, version: int = 1, triggers: tuple[str, ...] = ("PAY", "SHIP")) -> Chart:
    """Return a chart that goes from each state to the next."""
    return Chart(
        [{"name": name, "tags": ["settled"]} for name in names],
        [[trigger, *pair] for trigger, pair in zip(triggers, pairwise(names), strict=False)],
        names[0],
        name="bill",
        version=version,
    )


OLD = chart("new", "paid", "shipped")
NEW = chart("new", "billed", "shipped", version=2)
STEP = migration(OLD, states={"paid": "billed"})
REVIEWED = order_with_review.with_migrations(
    migration(order, states={"paid": "review"}, context=lambda old: {**old, "reviewer": None})
)


def test_a_rollout_with_a_step_is_proved_harmless() -> None:
    """With a FIFO queue, at whatever point the later version takes over."""
    scenario = Scenario(NEW.with_migrations(STEP), ["PAY", "SHIP"], queue="fifo_group", old=OLD)
    found = explore(scenario)
    assert found.verdict is Verdict.PROVED
    assert {each.store[0][1] for each in found.endings} == {("shipped",)}


def test_a_naive_rollout_strands_and_the_schedule_is_shown() -> None:
    """PAY by the earlier version, SHIP by the later one, which has never heard of paid."""
    found = explore(Scenario(NEW, ["PAY", "SHIP"], queue="fifo_group", old=OLD))
    assert found.verdict is Verdict.REFUTED
    assert str(found.counterexample) == "r1 v1 l1 s1 d1 r2 l2 g2"
    played = replay(found.scenario, str(found.counterexample))
    assert [frame.text for frame in played.frames][2::6] == [
        "version 2 takes over",
        "SHIP: is stranded: no step leads on from version 1; it waits for a worker that can "
        "handle it",
    ]
    assert played.sentence.endswith(
        "it ends in paid, with SHIP stranded; in arrival order it would be shipped."
    )
    assert "stranded" in played.draw().svg


def test_a_step_that_leads_nowhere_strands_too() -> None:
    """The reason is that of the steps."""
    found = explore(
        Scenario(NEW.with_migrations(migration(OLD)), ["PAY", "SHIP"], queue="fifo_group", old=OLD)
    )
    assert found.verdict is Verdict.REFUTED
    last = replay(found.scenario, str(found.counterexample)).frames[-1]
    assert "state 'paid' is not in version 2" in last.text


def test_an_old_worker_may_overwrite_what_the_new_one_saved() -> None:
    """Without a queue that keeps the order, and without compare-and-set."""
    new = NEW.with_migrations(STEP)
    scenario = Scenario(new, ["PAY", "PAY"], old=OLD, monitors="all")
    lost = explore(scenario)
    safe = explore(Scenario(new, ["PAY", "PAY"], queue="fifo_group", old=OLD, protections=["cas"]))
    assert {each.store[0][1] for each in lost.endings} == {("paid",), ("billed",)}
    assert safe.verdict is Verdict.PROVED


def test_an_old_worker_leaves_alone_what_the_new_one_saved() -> None:
    """It received its message before the deployment, and loads after it: the message comes back."""
    new = NEW.with_migrations(STEP)
    scenario = Scenario(new, ["PAY", "SHIP"], queue="standard", old=OLD)
    played = replay(scenario, "r2 v1 r1 l1 s1 d1 l2 g2 r2.2 l2.2 s2.2 d2.2")
    texts = [frame.text for frame in played.frames]
    assert "SHIP: reaches no settled state (version 1 cannot go on from version 2)" in texts
    assert played.ending is not None
    assert played.ending.store[0][1] == ("shipped",)


def test_a_renamed_event_is_renamed_and_a_dropped_one_dropped() -> None:
    """By the steps, as for messages that wait."""
    new = chart("new", "paid", "shipped", version=2, triggers=("PAY", "SEND"))
    for events, last in (({"SHIP": "SEND"}, "shipped"), ({"SHIP": None}, "paid")):
        with_step = new.with_migrations(migration(OLD, events=events))
        found = explore(Scenario(with_step, ["PAY", "SHIP"], queue="fifo_group", old=OLD))
        assert found.verdict is Verdict.PROVED
        assert {each.store[0][1] for each in found.endings} == {("shipped",), (last,)}


CASES: list[tuple[Chart, Chart, list[Any]]] = [
    (OLD, NEW, ["PAY", "SHIP"]),
    (OLD, NEW.with_migrations(STEP), ["PAY", "PAY", "SHIP"]),
    (order, REVIEWED, ["PAY", "SHIP"]),
    (order, REVIEWED, ["PAY", "APPROVE", "SHIP"]),
    (order, REVIEWED, [("o", "PAY", {"card": "declined"}), ("o", "PAY"), ("o", "CANCEL")]),
    (order, order_with_review, ["PAY", "CANCEL"]),
    (signup, Chart.from_dict({**signup.to_dict(), "version": 2}).bind(dict(signup.functions))
     .with_migrations(migration(signup)), ["SIGN_UP", "RESEND", "VERIFY"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "events"), CASES)
def test_real_interpreters_end_as_explored(old: Chart, new: Chart, events: list[Any]) -> None:
    """The earlier version settles the first events, the later one the others, at every point."""
    scenario = Scenario(new, events, queue="fifo_group", old=old)
    ends = set()
    for point in range(len(scenario.events) + 1):
        clock = SimulatedClock()
        store = MemoryStore(clock.now)
        for index, (key, event, data) in enumerate(scenario.events):
            interpreter = Interpreter(old if index < point else new, store, clock=clock)
            try:
                interpreter.settle_sync(key, event, data)
            except MigrationError:
                break  # the message waits, and those behind it
        snapshot = store.load(scenario.instances[0])
        assert snapshot is not None
        ends.add((snapshot.configuration, encode(snapshot.context)))
    explored = {(each.store[0][1], encode(each.store[0][2])) for each in explore(scenario).endings}
    assert explored == ends


def test_each_of_several_instances_is_taken_over_at_a_point_of_its_own() -> None:
    """They are independent of each other."""
    new = NEW.with_migrations(STEP)
    scenario = Scenario(new, ["PAY", "SHIP"], queue="fifo_group", keys=2, old=OLD)
    found = explore(scenario)
    assert found.verdict is Verdict.PROVED
    texts = [frame.text for frame in replay(scenario, "v1 v3").frames]
    assert texts[1:] == ["bill-1: version 2 takes over", "bill-2: version 2 takes over"]


def test_a_crash_in_the_middle_of_a_rollout_is_explored() -> None:
    """What the earlier version had is received again, by the later one."""
    scenario = Scenario(
        NEW.with_migrations(STEP),
        ["PAY", "SHIP"],
        queue="fifo_group",
        old=OLD,
        faults={"crashes": 1},
        protections=["cas"],
    )
    assert explore(scenario).verdict is Verdict.PROVED
    played = replay(scenario, "r1 l1 k1 v1 r1.2 l1.2 s1.2 d1.2 r2 l2 s2 d2")
    assert played.ending is not None
    assert played.ending.store[0][1] == ("shipped",)


def test_the_start_is_in_the_words_of_the_earlier_version() -> None:
    """An instance that rests while the deployment comes."""
    stranded = explore(Scenario(NEW, ["SHIP"], queue="fifo_group", old=OLD, start="paid"))
    assert stranded.verdict is Verdict.REFUTED
    new = NEW.with_migrations(STEP)
    assert (
        explore(Scenario(new, ["SHIP"], queue="fifo_group", old=OLD, start="paid")).verdict
        is Verdict.PROVED
    )
    with pytest.raises(SimulationError, match="start"):
        Scenario(new, ["SHIP"], old=OLD, start="billed")


def test_a_scenario_with_two_versions_is_a_value() -> None:
    """It is written, read, compared and said in words; only a plain one becomes Promela."""
    new = NEW.with_migrations(STEP)
    scenario = Scenario(new, ["PAY"], queue="fifo_group", old=OLD)
    assert Scenario.from_dict(scenario.to_dict(), migrations=[STEP]) == scenario
    assert scenario != scenario.replace(old=None)
    assert "version 2 takes over from 1" in repr(scenario)
    assert "version 2 takes over from 1" in scenario_words(scenario)
    with pytest.raises(SimulationError, match="it has a deployment"):
        to_promela(scenario)
    with pytest.raises(SimulationError, match="two versions"):
        to_pytest(scenario, "r1 l1 s1 d1", "somewhere:chart")
    assert not Kind.DEPLOY.is_fault


@pytest.mark.parametrize(
    ("chart_new", "old", "message"),
    [
        (NEW, NEW, "an earlier version of 'bill' than 2 is needed"),
        (NEW, order, "'order' version 1; an earlier version"),
        (NEW, "paid", "a Chart is needed"),
    ],
)
def test_what_is_no_earlier_version_is_refused(chart_new: Chart, old: Any, message: str) -> None:
    """With what it is."""
    with pytest.raises(SimulationError, match=message):
        Scenario(chart_new, ["PAY"], old=old)


# --- timers ---------------------------------------------------------------------------------------


def slow(version: int = 1, *, called: str = "paid", **after: dict[int, str]) -> Chart:
    """Return a chart with delays: seconds and destinations by state; `paid` may be called else."""
    names = ["open", "late", called, "told", "shipped"]
    ways = [("PAY", "open", called), ("PAY", "late", called), ("SHIP", called, "shipped")]
    return Chart(
        [{"name": name, "tags": ["settled"], "after": after.get(name, {})} for name in names],  # type: ignore[misc]
        [*map(list, ways), ["SHIP", "told", "shipped"]],
        "open",
        name="bill",
        version=version,
    )


SLOW = slow(open={60: "late"}, paid={100: "told"})


def billed(
    old: Chart = SLOW, delays: dict[str, str | None] | None = None, **after: dict[int, str]
) -> tuple[Chart, Chart]:
    """Return a chart with the version after it, in which `paid` is called `billed`."""
    step = migration(old, states={"paid": "billed"}, delays=delays)
    return old, slow(2, called="billed", **after).with_migrations(step)


TIMED = {
    "the same": billed(open={60: "late"}, billed={100: "told"}),
    "renamed": billed(delays={"paid.0": "billed.0"}, open={60: "late"}, billed={500: "shipped"}),
    "dropped": billed(delays={"paid.0": None, "open.0": None}),
    "dropped, and another begins": billed(
        delays={"paid.0": None}, open={60: "late"}, billed={30: "shipped"}
    ),
    "begins with the migration": billed(slow(), billed={100: "told"}),
    "of two, the first goes on": billed(
        slow(paid={100: "told", 200: "late"}),
        delays={"paid.0": "billed.0", "paid.1": "billed.0"},
        billed={300: "shipped"},
    ),
}


def play(scenario: Scenario, path: tuple[str, ...]) -> tuple[Any, list[str]]:
    """Let real workers go along a path; return where it ends, and what may come next.

    ``event``: the next event is sent, and all that waits is handled; ``due``: a timer passes, and
    its message waits; ``work``: what waits is handled; ``deploy``: the later version takes over.
    """
    now = ManualTime()
    store = MemoryStore(now)
    queue = FifoQueue(store, scenario.chart.name)
    charts = [scenario.old, scenario.chart]
    events = list(scenario.events)
    key = events[0].key

    def work() -> None:
        chart = charts["deploy" in done]
        assert chart is not None
        Worker(chart, store, queue, clock=SimulatedClock(now())).run_sync(until_empty=True)

    done: list[str] = []
    for step in path:
        done.append(step)
        if step == "event":
            queue.send({"event": events.pop(0).event}, key)
        elif step == "due":
            now.step(max(0.0, min(each.due for each in store.timers(key) if not each.sent) - now()))
            queue.release_timers()
        if step in ("event", "work"):
            work()
    nexts = ["event"] if events else []
    nexts += [] if "deploy" in path else ["deploy"]
    nexts += ["work"] if queue.status().depth else []
    nexts += ["due"] if any(not each.sent for each in store.timers(key)) else []
    if events:
        return None, nexts
    work()
    snapshot = store.load(key)
    assert snapshot is not None
    return snapshot.configuration, nexts


def played(scenario: Scenario) -> set[Any]:
    """Return the endings of every path that real workers can go."""
    ends: set[Any] = set()
    paths: list[tuple[str, ...]] = [()]
    while paths:
        path = paths.pop()
        end, nexts = play(scenario, path)
        ends.add(end)
        paths += [(*path, step) for step in nexts]
    return ends - {None}


@pytest.mark.parametrize("name", TIMED)
def test_real_workers_end_as_explored_with_timers(name: str) -> None:
    """Every order of events, of delays that pass, and of the deployment."""
    old, new = TIMED[name]
    for events in (["PAY"], ["PAY", "SHIP"]):
        scenario = Scenario(new, events, queue="fifo_group", old=old, timers=2, timing="simulated")
        found = explore(scenario)
        assert found.verdict is Verdict.PROVED
        ends = played(scenario)
        assert {each.store[0][1] for each in found.endings} == ends
        at_any_time = explore(scenario.replace(timing="any"))
        assert at_any_time.verdict is Verdict.PROVED
        assert {each.store[0][1] for each in at_any_time.endings} >= ends


def test_a_delay_that_no_step_names_leaves_all_undecided_or_strands() -> None:
    """Its timer is kept and never comes, or its message comes where nobody can handle it."""
    old, new = billed(open={60: "late"}, billed={30: "told"})
    found = explore(Scenario(new, ["PAY", "SHIP"], queue="fifo_group", old=old))
    assert found.verdict is Verdict.REFUTED
    texts = [frame.text for frame in replay(found.scenario, str(found.counterexample)).frames]
    assert any("no step says what became of the delay paid.0" in each for each in texts)
    unsent = explore(Scenario(new, ["SHIP"], queue="fifo_group", old=old, start="paid", timers=0))
    assert unsent.verdict is Verdict.UNDETERMINED


def test_a_timer_keeps_the_time_that_it_has_left() -> None:
    """Renamed, the one of 100 seconds is due before one that begins then and takes 300."""
    old, new = billed(
        slow(paid={100: "told"}, open={60: "late"}),
        delays={"paid.0": "billed.0", "open.0": None},
        billed={500: "told", 300: "late"},
    )
    keep = {"trigger": "NOTE", "source": "billed", "dest": None}
    new = Chart.from_dict(
        {**new.to_dict(), "transitions": [*new.to_dict()["transitions"], keep]}
    ).with_migrations(*(replace(step, target=None) for step in new.migrations))
    scenario = Scenario(
        new, ["NOTE"], queue="fifo_group", old=old, start="paid", timers=1, timing="simulated"
    )
    endings = {each.store[0][1] for each in explore(scenario).endings}
    assert endings == {("paid",), ("billed",), ("told",)}
