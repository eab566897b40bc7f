"""Orders of completion: zones allow what some choice of durations allows, and nothing else."""

from __future__ import annotations

from itertools import pairwise, permutations, product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import Chart, Interpreter, MemoryStore, SimulatedClock
from settlesim.sim import Kind, Scenario, Verdict, explore, replay
from settlesim.sim.timing import ANY, EVENT, START, Window, Zone, nanoseconds
from tests.sim.real_runs import DeclinedError

# --- zones --------------------------------------------------------------------------------

Spans = list[tuple[int, int]]
Parents = list[int | None]


def zone_orders(spans: Spans, parents: Parents) -> set[tuple[int, ...]]:
    """The orders of completion that zones allow; an activity starts when its parent completes."""
    found: set[tuple[int, ...]] = set()

    def started(by: int | None) -> list[int]:
        return [each for each, parent in enumerate(parents) if parent == by]

    def go_on(zone: Zone, pending: list[int], order: tuple[int, ...]) -> None:
        if not pending:
            found.add(order)
        most = {(str(each), 1, 1): spans[each][1] for each in pending}
        for each in pending:
            after = zone.passed([((str(each), 1, 1), Window(*spans[each]))], most)
            if after is not None:
                left = [other for other in pending if other != each]
                new = started(each)
                after = after.with_clocks(
                    [(str(n), 1, 1) for n in left], [(str(n), 1, 1) for n in new]
                )
                go_on(after, left + new, (*order, each))

    first = started(None)
    go_on(START.with_clocks([], [(str(each), 1, 1) for each in first]), first, ())
    return found


def brute_orders(spans: Spans, parents: Parents) -> set[tuple[int, ...]]:
    """The same by trying every whole duration; what happens at one time has any order."""
    found = set()
    for durations in product(*(range(least, most + 1) for least, most in spans)):
        ends: list[int] = []
        for each, parent in enumerate(parents):
            ends.append(durations[each] + (0 if parent is None else ends[parent]))
        for order in permutations(range(len(spans))):
            fits = all(ends[a] <= ends[b] for a, b in pairwise(order))
            after = all(
                parent is None or order.index(parent) < order.index(each)
                for each, parent in enumerate(parents)
            )
            if fits and after:
                found.add(order)
    return found


@given(st.data())
@settings(max_examples=60)
def test_zones_allow_the_orders_that_some_durations_allow(data: st.DataObject) -> None:
    """Against every choice of whole durations, for up to four activities that start others."""
    size = data.draw(st.integers(1, 4))
    spans = [
        (least, least + data.draw(st.integers(0, 3)))
        for least in (data.draw(st.integers(0, 4)) for _ in range(size))
    ]
    parents: Parents = [
        data.draw(st.none() | st.integers(0, each - 1)) if each else None for each in range(size)
    ]
    assert zone_orders(spans, parents) == brute_orders(spans, parents)


def test_a_zone_knows_how_old_a_clock_is() -> None:
    """As tight as the other clocks make it; of what has no clock, nothing."""
    zone = START.with_clocks([], [("a", 1, 1), ("b", 1, 1)])
    assert zone.age(("a", 1, 1)) == Window(0, 0)
    after = zone.passed([(("a", 1, 1), Window(2, 5))], {("a", 1, 1): 5, ("b", 1, 1): 4})
    assert after is not None
    assert after.age(("b", 1, 1)) == after.age(EVENT) == Window(2, 4)
    assert after.age(("c", 1, 1)) == ANY
    assert after.passed([(("b", 1, 1), Window(9, 9))], {("b", 1, 1): 4}) is None
    assert nanoseconds(0.1) + nanoseconds(0.2) == nanoseconds(0.3)


# --- one handler --------------------------------------------------------------------------


def sleeping(seconds: float, result: Any = None) -> Any:
    """A service that takes its time."""

    async def service(call: Any) -> Any:
        await call.sleep(seconds)
        return result

    return service


def shop(charge: Any = None, **invoke: Any) -> Chart:
    """A charge, given up after ten seconds."""
    states: list[Any] = [
        {"name": "new", "tags": ["settled"]},
        {
            "name": "charging",
            "invoke": {"src": "charge", "on_done": "paid", "on_error": "new", **invoke},
            "after": {"10": "gave_up"},
        },
        {"name": "paid", "tags": ["settled"]},
        {"name": "gave_up", "tags": ["settled"]},
    ]
    chart = Chart(states, [["PAY", "new", "charging"]], "new", name="shop")
    return chart.bind({"charge": charge or sleeping(30)})


def loan() -> Chart:
    """Two services in two regions; who comes last decides."""

    def region(name: str) -> dict[str, Any]:
        asks = {"src": name, "on_done": {"dest": f"check.{name}.answered", "assign": f"by_{name}"}}
        return {
            "name": name,
            "initial": "asking",
            "children": [
                {"name": "asking", "invoke": asks},
                {"name": "answered", "final": True},
            ],
        }

    def by(name: str) -> Any:
        return lambda context, event: {"last": name}

    return Chart(
        [
            {"name": "draft", "tags": ["settled"]},
            {  # type: ignore[list-item]
                "name": "check",
                "on_done": "deciding",
                "parallel": [region("bank"), region("fraud")],
            },
            {"name": "deciding", "always": [{"dest": "granted", "conditions": "late"}, "refused"]},
            {"name": "granted", "final": True},
            {"name": "refused", "final": True},
        ],
        [["APPLY", "draft", "check"]],
        "draft",
        name="loan",
        context={"last": None},
    ).bind(
        {
            "bank": sleeping(3),
            "fraud": sleeping(1),
            "by_bank": by("bank"),
            "by_fraud": by("fraud"),
            "late": lambda context, event: context["last"] == "bank",
        }
    )


def labels(chart: Chart, events: list[Any], **options: Any) -> set[str]:
    """What a proved scenario under a FIFO queue may end in."""
    found = explore(Scenario(chart, events, queue="fifo_group", **options))
    assert found.verdict is Verdict.PROVED, found.note
    return {each.label.partition(" ")[0] for each in found.endings}


def test_a_delay_may_pass_before_or_after_a_service() -> None:
    """By default nothing is known of time; with what is known, one of the two is left."""
    assert labels(shop(), ["PAY"]) == {"paid", "gave_up"}
    assert labels(shop(), ["PAY"], timing="simulated") == {"gave_up"}
    assert labels(shop(sleeping(1)), ["PAY"], timing="simulated") == {"paid"}
    assert labels(shop(), ["PAY"], durations={"charge": (2, 9)}) == {"paid"}
    assert labels(shop(), ["PAY"], durations={"charge": (2, 10)}) == {"paid", "gave_up"}
    assert labels(shop(), ["PAY"], durations={"charge": 30}) == {"gave_up"}


def test_services_of_two_regions_come_back_in_any_order() -> None:
    """Unless it is known how long they take."""
    assert labels(loan(), ["APPLY"]) == {"granted", "refused"}
    assert labels(loan(), ["APPLY"], timing="simulated") == {"granted"}
    known = {"bank": (2, 4), "fraud": (5, 6)}
    assert labels(loan(), ["APPLY"], durations=known) == {"refused"}
    known = {"bank": (2, 4), "fraud": (4, 6)}
    assert labels(loan(), ["APPLY"], durations=known) == {"granted", "refused"}
    assert labels(loan(), ["APPLY"], timing="simulated", durations={"fraud": 5}) == {"refused"}


def test_the_steps_of_services_that_run_together_have_names_of_their_own() -> None:
    """Numbered in the order of their start, and read again from text."""
    scenario = Scenario(loan(), ["APPLY"], queue="fifo_group")
    first = replay(scenario, "r1 l1 c1 c1 s1 d1")
    second = replay(scenario, "r1 l1 c1:2 c1 s1 d1")
    assert first.ending is not None
    assert second.ending is not None
    assert (first.ending.store[0][1], second.ending.store[0][1]) == (("refused",), ("granted",))
    assert [frame.text for frame in second.frames[3:5]] == [
        "APPLY: fraud is done",
        "APPLY: bank is done",
    ]
    assert second.frames[2].deliveries[0].service == "bank + fraud"


def test_a_service_that_is_known_to_take_longer_than_its_time_out_runs_out_of_time() -> None:
    """That costs none of the service failures; one that may take longer does either."""
    chart = shop(timeout=5)
    assert labels(chart, ["PAY"], durations={"charge": 6}) == {"new"}
    assert labels(chart, ["PAY"], durations={"charge": (4, 6)}) == {"paid", "new"}
    assert labels(chart, ["PAY"], timing="simulated") == {"new"}
    assert labels(chart, ["PAY"], durations={"charge": 4}) == {"paid"}


def test_a_failure_that_is_used_up_lets_no_other_service_take_longer() -> None:
    """Where slow is done, quick was done before, or is the one that fails: broken is not, then."""

    def region(name: str, on_error: str) -> dict[str, Any]:
        ways = {
            "on_done": {"dest": f"{name}_end", "assign": f"{name}_done"},
            "on_error": {"dest": on_error, "assign": f"{name}_failed"},
        }
        asking = {"name": f"{name}_asking", "invoke": {"src": name, **ways}}
        children = [asking, {"name": f"{name}_end", "final": True}]
        return {"name": name, "initial": f"{name}_asking", "children": children}

    def noted(word: str) -> Any:
        return lambda context, event: {"log": [*context["log"], word]}

    names = ["slow", "quick", "broken"]
    words = [f"{name}_{how}" for name in names for how in ("done", "failed")]
    regions = [region(name, "end" if name == "broken" else f"{name}_end") for name in names]
    chart = Chart(
        [
            {"name": "new", "tags": ["settled"]},
            {"name": "asking", "parallel": regions, "on_done": "end"},  # type: ignore[list-item]
            {"name": "end", "tags": ["settled"]},
        ],
        [["GO", "new", "asking"]],
        "new",
        context={"log": []},
    ).bind({word: noted(word) for word in words})
    found = explore(
        Scenario(
            chart,
            ["GO"],
            results=dict.fromkeys(names),
            durations={"slow": 5, "quick": 1, "broken": (3, 9)},
            faults={"service_failures": 1},
            errors={name: [ValueError("no")] for name in names},
        )
    )
    logs = {tuple(each.store[0][2]["log"]) for each in found.endings}
    assert ("broken_failed",) in logs
    assert ("quick_done", "slow_done", "broken_failed") in logs
    assert ("slow_done", "quick_failed", "broken_done") in logs
    assert ("slow_done", "broken_failed") not in logs


def waiting(seconds: str) -> Chart:
    """One delay within an event."""
    return Chart(
        [
            {"name": "new", "tags": ["settled"]},
            {"name": "waiting", "after": {seconds: "done"}},
            {"name": "done", "tags": ["settled"]},
        ],
        [["GO", "new", "waiting"]],
        "new",
    )


def test_a_deadline_that_passes_for_certain_is_an_error() -> None:
    """As of the interpreter: its 300 seconds are over before the delay is."""
    chart = waiting("301")
    found = explore(Scenario(chart, ["GO"], queue="fifo_group", max_receives=1))
    assert [(each.label, each.dead) for each in found.endings] == [("new", (1,))]
    interpreter = Interpreter(chart, MemoryStore(), clock=SimulatedClock())
    with pytest.raises(Exception, match="deadline") as caught:
        interpreter.settle_sync("k", "GO")
    assert str(caught.value) in replay(found.scenario, "r1 l1 g1").frames[-1].text


@pytest.mark.parametrize("timing", ["any", "simulated"])
def test_a_delay_that_ends_at_the_deadline_may_come_first_or_never(timing: Any) -> None:
    """The two moments are one, so both are explored; a little less is always in time."""
    options: dict[str, Any] = {"queue": "fifo_group", "max_receives": 1, "timing": timing}
    found = explore(Scenario(waiting("300"), ["GO"], **options))
    assert {(each.label, each.dead) for each in found.endings} == {("done", ()), ("new", (1,))}
    assert found.verdict is Verdict.PROVED
    assert found.endings[0].fifo
    found = explore(Scenario(waiting("299.9"), ["GO"], **options))
    assert [(each.label, each.dead) for each in found.endings] == [("done", ())]


def test_an_effect_at_the_deadline_is_had_or_not() -> None:
    """The service ends at the very moment: its effect, its answer and the deadline have any order.

    A service that may take longer may be too late, and that is no failure of it.
    """
    states: list[Any] = [
        {"name": "new", "tags": ["settled"]},
        {"name": "charging", "invoke": {"src": "charge", "on_done": "paid", "timeout": 500}},
        {"name": "paid", "tags": ["settled"]},
    ]
    chart = Chart(states, [["PAY", "new", "charging"]], "new").bind({"charge": sleeping(300)})

    def endings(**options: Any) -> set[tuple[str, int]]:
        found = explore(
            Scenario(chart, ["PAY"], queue="fifo_group", max_receives=1, workers=1, **options)
        )
        assert found.verdict is Verdict.PROVED
        return {(each.label, len(each.effects)) for each in found.endings}

    assert endings(timing="simulated") == {("paid", 1), ("new", 1), ("new", 0)}
    assert endings(durations={"charge": (10, 299)}) == {("paid", 1)}
    assert endings(durations={"charge": (10, 400)}) == {("paid", 1), ("new", 1), ("new", 0)}
    assert endings(durations={"charge": (310, 400)}) == {("new", 0)}
    assert endings() == {("paid", 1)}, "a deadline beyond all that is known is a failure"


def test_the_deadline_may_pass_where_services_fail_by_running_out_of_time() -> None:
    """Six time-outs of sixty seconds are more than an event has."""
    chart = shop(on_error="charging").bind({"charge": sleeping(0)})
    faults = {"service_failures": 6}
    found = explore(
        Scenario(chart, ["PAY"], queue="fifo_group", faults=faults, max_receives=1, workers=1)
    )
    assert (1,) in {each.dead for each in found.endings}


# --- errors -------------------------------------------------------------------------------


def asks_for_the_type() -> Chart:
    """On an error, its type decides."""

    async def bank(call: Any) -> int:
        return 1

    states: list[Any] = [
        {"name": "new", "tags": ["settled"]},
        {
            "name": "asking",
            "invoke": {
                "src": "bank",
                "on_done": "paid",
                "on_error": [{"dest": "blocked", "conditions": "declined"}, "new"],
            },
        },
        {"name": "paid", "tags": ["settled"]},
        {"name": "blocked", "final": True},
    ]
    return Chart(states, [["PAY", "new", "asking"]], "new").bind(
        {"bank": bank, "declined": lambda context, event: event.data["type"] == "DeclinedError"}
    )


FAILURE = {"service_failures": 1}


def test_an_error_that_a_chart_looks_at_has_to_be_named() -> None:
    """Otherwise nothing is proved, and the note says why."""
    found = explore(Scenario(asks_for_the_type(), ["PAY"], queue="fifo_group", faults=FAILURE))
    assert found.verdict is Verdict.UNDETERMINED
    assert found.holds is None
    assert found.complete
    assert found.note.startswith("declined looks at the error of a service")
    errors = {"bank": [DeclinedError("no"), OSError()]}
    chart = asks_for_the_type()
    assert labels(chart, ["PAY"], faults=FAILURE, errors=errors) == {"paid", "blocked", "new"}
    assert labels(chart, ["PAY"], faults=FAILURE, errors={"bank": [OSError()]}) == {"paid", "new"}
    assert labels(chart, ["PAY"], faults=FAILURE, errors={"bank": []}) == {"paid", "new"}


def test_a_chart_that_does_not_look_at_errors_needs_no_names() -> None:
    """Any error is as good as another."""
    assert labels(shop(sleeping(1)), ["PAY"], faults=FAILURE, timing="simulated") == {
        "paid",
        "new",
        "gave_up",  # the service runs out of time, and the delay passes before
    }


def test_a_time_out_may_come_after_the_effect() -> None:
    """Where the scenario says that the service may raise a TimeoutError."""
    found = explore(
        Scenario(
            asks_for_the_type(),
            ["PAY"],
            queue="fifo_group",
            faults=FAILURE,
            errors={"bank": [TimeoutError()]},
        )
    )
    assert found.verdict is Verdict.PROVED
    effects = {(each.label, tuple(name for _, name, _ in each.effects)) for each in found.endings}
    assert effects == {("paid", ("bank",)), ("new", ()), ("new", ("bank",))}
    late = next(each for each in found.endings if each.label == "new" and each.effects)
    played = replay(found.scenario, found.way_to(late))
    assert "bank runs out of time, after it has had its effect" in played.sentence


def test_a_failure_that_does_the_same_as_the_service_by_itself_is_counted_once() -> None:
    """Also where neither has an `on_error`, and the message goes to the dead letters."""

    async def broken(call: Any) -> None:
        raise LookupError("always")

    chart = shop(broken, on_error=[])
    chart = Chart.from_dict(
        {**chart.to_dict(), "states": [
            {key: value for key, value in state.items() if key != "after"}
            for state in chart.to_dict()["states"]
        ]}
    ).bind({"charge": broken})  # fmt: skip
    options: dict[str, Any] = {"queue": "fifo_group", "max_receives": 1, "workers": 1}
    plain = explore(Scenario(chart, ["PAY"], **options))
    failing = explore(Scenario(chart, ["PAY"], faults=FAILURE, **options))
    assert plain.interleavings == failing.interleavings == 1


def test_an_answer_with_the_idempotency_key_proves_nothing() -> None:
    """Outside of the simulation the key is another one, and so is what is saved."""

    async def charge(call: Any) -> Any:
        return {"charge": call.idempotency_key}

    found = explore(Scenario(shop(charge), ["PAY"], queue="fifo_group", timing="simulated"))
    assert found.verdict is Verdict.UNDETERMINED
    assert found.note.startswith("charge answers with its idempotency key")
    given = found.scenario.replace(results={"charge": {"charge": "of order 1"}})
    assert explore(given).verdict is Verdict.PROVED


# --- timers -------------------------------------------------------------------------------


def booking(**held: Any) -> Chart:
    """A seat is held for some time."""
    states: list[Any] = [
        {"name": "free", "tags": ["settled"]},
        {"name": "held", "tags": ["settled"], "after": {"900": "expired"}, **held},
        {"name": "bought", "final": True},
        {"name": "expired", "tags": ["settled"]},
    ]
    transitions: list[Any] = [
        ["HOLD", "free", "held"],
        ["HOLD", "held", "="],
        ["LOOK", "held", None],
        ["BUY", "held", "bought"],
        ["HOLD", "expired", "held"],
    ]
    return Chart(states, transitions, "free", name="booking")


def test_a_timer_may_be_due_before_or_after_an_event() -> None:
    """Both are allowed: PROVED, with two endings."""
    found = explore(Scenario(booking(), ["HOLD", "BUY"], queue="fifo_group"))
    assert found.verdict is Verdict.PROVED
    assert {each.label for each in found.endings} == {"bought", "expired"}
    assert str(found).startswith("proved: 2 endings, both allowed")


def test_a_timer_may_be_due_after_everything() -> None:
    """A run may end while it still runs, as a process does that is stopped by then."""
    found = explore(Scenario(booking(), ["HOLD"], queue="fifo_group"))
    assert {each.label for each in found.endings} == {"held", "expired"}
    played = replay(found.scenario, "r1 l1 s1 d1")
    assert played.ending is not None
    assert [step.name for step in played.frames[-1].enabled] == ["q2"]


def test_the_message_of_a_timer_stands_before_events_that_were_not_received() -> None:
    """Under a FIFO queue it is handled next; one whose state was left is only deleted."""
    scenario = Scenario(booking(), ["HOLD", "BUY"], queue="fifo_group")
    played = replay(scenario, "r1 l1 s1 d1 q3 r3 l3 s3 d3 r2 l2 i2 d2")
    assert played.ending is not None
    assert played.ending.label == "expired"
    assert [each.event for each in played.frames[5].messages] == ["HOLD", "after.held.0", "BUY"]
    late = replay(scenario, "r1 l1 s1 d1 r2 l2 q3 s2 d2 r3 l3 d3")
    assert late.ending is not None
    assert late.ending.label == "bought"
    assert "its state was left since" in late.frames[-2].text
    with pytest.raises(Exception, match="r3"):
        replay(scenario, "r1 l1 s1 d1 q3 r2")


def test_a_state_that_is_entered_again_starts_its_timer_anew() -> None:
    """The message of the old one is stale then; one that is not left keeps its timer."""
    scenario = Scenario(booking(), ["HOLD", "HOLD"], queue="fifo_group")
    played = replay(scenario, "r1 l1 s1 d1 r2 l2 q3 s2 d2 r3 l3 d3 q4 r4 l4 s4 d4")
    assert played.ending is not None
    assert played.ending.label == "expired"
    kept = Scenario(booking(), ["HOLD", "LOOK"], queue="fifo_group")
    played = replay(kept, "r1 l1 s1 d1 r2 l2 q3 s2 d2 r3 l3 s3 d3")
    assert played.ending is not None
    assert played.ending.label == "expired"


def test_a_timer_that_starts_itself_again_is_not_known_to_its_end() -> None:
    """It may come any number of times; the note says what is missing."""
    chart = booking(after={"900": "held"})
    found = explore(Scenario(chart, ["HOLD"], queue="fifo_group", timers=2))
    assert found.verdict is Verdict.UNDETERMINED
    assert "the delay held.0 may pass more than 2 times: raise timers" in found.note
    assert explore(Scenario(chart, ["HOLD"], timers=0)).verdict is Verdict.UNDETERMINED
    once = explore(Scenario(chart, ["HOLD"], queue="fifo_group", timers=1))
    assert "the delay held.0 may pass more than 1 time: raise timers" in once.note


def test_timers_of_a_start_run_from_the_beginning() -> None:
    """A scenario that begins where an instance waits."""
    found = explore(Scenario(booking(), ["BUY"], start="held", queue="fifo_group"))
    assert found.verdict is Verdict.PROVED
    assert {each.label for each in found.endings} == {"bought", "expired"}


def test_without_a_queue_a_timer_races_with_a_handler() -> None:
    """Its handler may load before the other saves, and overwrite what it saved."""
    found = explore(Scenario(booking(), ["HOLD", "BUY"], queue="direct"))
    assert found.verdict is Verdict.REFUTED
    calm = explore(Scenario(booking(), ["BUY"], start="held", queue="direct"))
    assert {each.label for each in calm.endings} == {"bought", "expired"}


def test_of_timers_that_start_together_the_shorter_is_due_first_where_time_is_known() -> None:
    """By default either may be; a queue is not asked when it was due."""
    chart = booking(after={"900": {"dest": None, "assign": "long"}, "10": "expired"}).bind(
        {"long": lambda context, event: {"long": True}}
    )
    scenario = Scenario(chart, ["HOLD"], queue="fifo_group", workers=1)
    assert any(each.store[0][2] for each in explore(scenario).endings)
    known = explore(scenario.replace(timing="simulated"))
    assert {each.label for each in known.endings} == {"held", "expired"}
    assert not any(each.store[0][2] for each in known.endings)


def test_no_timers_are_explored_for_charts_that_have_none() -> None:
    """So that what was counted before is what is counted now."""
    scenario = Scenario(shop(), ["PAY"])
    assert scenario.messages == tuple(scenario.events)
    assert Kind.DUE not in {step.kind for step in explore(scenario).way_to(
        explore(scenario).endings[0]
    )}  # fmt: skip
