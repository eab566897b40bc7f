"""Steps between versions: what a chart takes, what it refuses, and where a step leads."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, Settling, migration
from settlesim.chart import Snapshot, chart_to_json
from settlesim.errors import DefinitionError, MigrationError
from settlesim.versions import chain_of, split
from tests.settling.driving import settled
from tests.versions.charts import NEW, OLD, OLDEST, order, snapshot_of


def carried(chart: Chart, snapshot: Any, timers: tuple[str, ...] = ()) -> Any:
    """Where the steps of a chart lead an instance."""
    return chain_of(chart).carry(snapshot, key="k", timers=timers)


# --- where steps lead ---------------------------------------------------------------------------


def test_a_state_that_was_renamed_keeps_context_and_revision() -> None:
    """Nothing has happened to the instance."""
    found = carried(OLD, snapshot_of(OLDEST, "paid", total=7)).snapshot
    assert found == snapshot_of(OLD, "charged", total=7)


def test_a_chain_of_steps_leads_from_any_version() -> None:
    """The chart that a step begins with may have steps of its own."""
    assert chain_of(NEW).versions == (1, 2)
    found = carried(NEW, snapshot_of(OLDEST, "paid", total=7)).snapshot
    assert found == snapshot_of(NEW, "charged", total={"amount": 7})


def test_a_split_is_decided_by_the_context_before_the_step() -> None:
    """Here the total is a number, and an object afterwards."""
    for total, state in ((0, "cancelled"), (5, "cart")):
        found = carried(NEW, snapshot_of(OLDEST, "held", total=total)).snapshot
        assert (found.configuration, found.context) == ((state,), {"total": {"amount": total}})


BOX = [settled("box", children=["one", "two"], initial="one")]


@pytest.mark.parametrize(
    ("states", "old", "new"),
    [
        ({"box": "case"}, "box.two", ("case.two",)),
        ({"box": "case", "box.two": "case.last"}, "box.two", ("case.last",)),
        ({"box": "flat"}, "box.two", ("flat",)),
        ({"box.one": "case"}, "box.one", ("case.first",)),
        ({"box": lambda context: context["to"]}, "box.two", ("case.last",)),
        ({"box": ["pair"]}, "box.one", ("pair.left.in", "pair.right.up")),
        ({("box.two",): "flat", "box": "case"}, "box.two", ("flat",)),
        (
            {"box.two": ["pair.right.off", "pair.left.in"]},
            "box.two",
            ("pair.left.in", "pair.right.off"),
        ),
    ],
)
def test_a_state_stands_for_all_within_it(
    states: dict[Any, Any], old: str, new: tuple[str, ...]
) -> None:
    """The innermost one that is named counts; a target is entered."""
    before = order(1, BOX, [])
    regions = [
        {"name": "left", "initial": "in", "children": ["in"]},
        {"name": "right", "initial": "up", "children": ["up", "off"]},
    ]
    after = order(
        2,
        [
            settled("case", children=["first", "two", "last"], initial="first"),
            settled("flat"),
            settled("pair", parallel=regions),
        ],
        [],
        migration(before, states=states),
    )
    found = carried(after, snapshot_of(before, old, to=["case.last"])).snapshot
    assert found.configuration == new


def test_a_region_that_was_added_is_named_by_the_whole_configuration() -> None:
    """Without a step that says where it begins, the instance cannot go on."""
    left = {"name": "left", "initial": "in", "children": ["in", "out"]}
    right = {"name": "right", "initial": "up", "children": ["up", "off"]}
    before = order(1, [settled("pair", parallel=[left])], [])

    def after(**mappings: Any) -> Chart:
        states = [settled("pair", parallel=[left, right])]
        return order(2, states, [], migration(before, **mappings))

    whole = {("pair.left.out",): ["pair.left.out", "pair.right.off"]}
    snapshot = snapshot_of(before, "pair.left.out")
    found = carried(after(states=whole), snapshot).snapshot
    assert found.configuration == ("pair.left.out", "pair.right.off")
    with pytest.raises(MigrationError, match=r"'pair.left.out' cannot be active together"):
        carried(after(), snapshot)


def history_chart(version: int, *children: Any, step: Any = None, **states: Any) -> Chart:
    """A chart with a box, and what is beside it; the box may be left and entered again."""
    return Chart(
        [
            {"name": "box", "tags": ["settled"], "initial": "one", "children": list(children)},
            settled("out"),  # type: ignore[list-item]
            *(settled(name, **more) for name, more in states.items()),  # type: ignore[list-item]
        ],
        [["OUT", "box", "out"], ["BACK", "out", "box.h" if "h" in str(children) else "box"]],
        "box",
        name="box",
        version=version,
        semantics="scxml",
        migrations=[] if step is None else [step],
    )


PAST = {"name": "h", "history": "shallow"}


@pytest.mark.parametrize(
    ("children", "more", "states", "remembered", "back"),
    [
        ((PAST, "one", "three"), {}, {"box.two": "box.three"}, {"box.h": ["box.three"]}, "three"),
        ((PAST, "one"), {"two": {}}, {"box.two": "two"}, {}, "one"),
        ((PAST, "one"), {}, {}, {}, "one"),
        (("h", "one", "two"), {}, {}, {}, "h"),
        (("one", "two"), {}, {}, {}, "one"),
    ],
    ids=["renamed", "moved out", "gone", "no history state any more", "no such state any more"],
)
def test_history_states_are_carried_or_forget(
    children: tuple[Any, ...],
    more: dict[str, Any],
    states: dict[str, Any],
    remembered: dict[str, Any],
    back: str,
) -> None:
    """What the later chart cannot remember there is forgotten, and the instance goes on."""
    before = history_chart(1, PAST, "one", "two")
    after = history_chart(2, *children, step=migration(before, states=states), **more)
    record = {**snapshot_of(before, "out").to_dict(), "history_states": {"box.h": ["box.two"]}}
    found = carried(after, Snapshot.from_dict(record)).snapshot
    assert found.history_states == remembered
    settlement = Settling(after, found, "BACK").settlement
    assert settlement is not None
    assert settlement.after.configuration == (f"box.{back}",)


# --- delays and events --------------------------------------------------------------------------


def test_a_delay_is_told_by_its_state_and_its_seconds() -> None:
    """So a delay that is put before it does not take its timers; a new one begins."""
    found = carried(NEW, snapshot_of(OLDEST, "open", total=1), ("open.0",))
    assert found.renamed == (("open.0", "waiting.1"),)
    assert found.started == {"waiting.0": 30.0}
    assert (found.dropped, found.lost) == ((), ())


def test_a_delay_that_is_gone_is_lost_unless_a_step_names_it() -> None:
    """One that is shortened is another one, until it is named."""
    before = order(1, [settled("open", after={"60": "held"}), settled("held")], [])

    def after(**mappings: Any) -> Any:
        states = [settled("open", after={"30": "held"}), settled("held")]
        chart = order(2, states, [], migration(before, **mappings))
        return carried(chart, snapshot_of(before, "open"), ("open.0",))

    assert after().lost == ("open.0",)
    assert after(delays={"open.0": None}).dropped == ("open.0",)
    assert after().started == {}  # the timer stays under the id that the new delay has
    named = after(delays={"open.0": "open.0"})
    assert (named.lost, named.dropped, named.renamed, named.started) == ((), (), (), {})


def test_a_lost_delay_whose_id_another_one_gets_is_refused() -> None:
    """Neither of the two timers may stand for the other."""
    before = order(1, [settled("open", after={"10": "held", "20": "held"}), settled("held")], [])
    states = [settled("open", after={"5": "held", "10": "held"}), settled("held")]
    chart = order(2, states, [], migration(before))
    with pytest.raises(MigrationError, match=r"no step says what became of delay 'open\.1' of ver"):
        carried(chart, snapshot_of(before, "open"), ("open.0", "open.1"))


def test_of_two_delays_that_become_one_the_first_goes_on() -> None:
    """Whether a step names them, or they have the same length in two states."""
    regions = [
        {"name": "left", "initial": "in", "children": [{"name": "in", "after": {"60": "held"}}]},
        {"name": "right", "initial": "up", "children": [{"name": "up", "after": {"60": "held"}}]},
    ]
    pair = {"name": "pair", "tags": ["settled"], "parallel": regions}
    before = order(1, [pair, settled("held")], [])
    states = [settled("one", after={"60": "held"}), settled("held")]
    chart = order(2, states, [], migration(before, states={"pair": "one"}))
    snapshot = snapshot_of(before, "pair.left.in", "pair.right.up")
    timers = ("pair.right.up.0", "pair.left.in.0")
    found = carried(chart, snapshot, timers)
    assert found.renamed == (("pair.left.in.0", "one.0"),)
    assert (found.dropped, found.lost, found.started) == (("pair.right.up.0",), (), {})

    before = order(1, [settled("open", after={"60": "held", "90": "held"}), settled("held")], [])
    states = [settled("open", after={"90": "held"}), settled("held")]
    chart = order(2, states, [], migration(before, delays={"open.1": "open.0", "open.0": "open.0"}))
    found = carried(chart, snapshot_of(before, "open"), ("open.0", "open.1"))
    assert (found.renamed, found.dropped, found.started) == ((), ("open.1",), {})


def test_an_event_is_followed_from_the_version_in_whose_words_it_is() -> None:
    """Where nobody knows that, an old name is told by not being a new one."""
    chain = chain_of(NEW)
    assert [chain.event("PAY", version) for version in (1, 2, 3, None)] == [
        "CHARGE",
        "PAY",
        "CHARGE",
        "CHARGE",
    ]
    assert chain.event("STOP", None) == "STOP"
    dropping = order(
        2,
        [settled("open")],
        [],
        migration(OLDEST, states={"held": "open", "paid": "open"}, events={"PAY": None}),
    )
    assert chain_of(dropping).event("PAY", 1) is None


def test_an_event_whose_name_has_another_meaning_now_is_told_by_its_version() -> None:
    """Two events may have changed their names with each other."""
    before = order(1, [settled("a")], [["X", "a", "a"], ["Y", "a", "a"]])
    after = order(
        2,
        [settled("a")],
        [["X", "a", "a"], ["Y", "a", "a"]],
        migration(before, events={"X": "Y", "Y": "X"}),
    )
    chain = chain_of(after)
    assert [chain.event("X", version) for version in (1, 2, None)] == ["Y", "X", "X"]


# --- refusals -----------------------------------------------------------------------------------


async def waiting(context: Any) -> Any:
    """Return the context, later."""
    return context


@pytest.mark.parametrize(
    ("mappings", "reason"),
    [
        ({"states": {"payed": "open"}}, r"states: unknown state 'payed'; did you mean 'paid'"),
        ({"states": {"paid": "chraged"}}, r"states\['paid'\]: unknown state 'chraged'; did you"),
        ({"states": {"paid": split(lambda context: "", "charged", "x")}}, "unknown state 'x'"),
        ({"states": {"paid": split(lambda context: "")}}, "names no target"),
        ({"states": {"paid": lambda: "charged"}}, r"takes \(\); it is called with \(context\)"),
        ({"context": lambda one, two: {}}, r"context: takes \(one, two\)"),
        ({"context": waiting}, "context: is asynchronous, and a step does not wait"),
        ({"states": {"paid": waiting}}, r"states\['paid'\]: is asynchronous"),
        ({"events": {"PAID": "CHARGE"}}, "events: unknown event 'PAID'; known are 'PAY'"),
        ({"events": {"PAY": "CHARG"}}, "unknown event 'CHARG'; did you mean 'CHARGE'"),
        ({"delays": {"open.1": None}}, "unknown delay 'open.1'; did you mean 'open.0'"),
        ({"delays": {"open.0": "open.7"}}, "unknown delay 'open.7'"),
    ],
)
def test_names_that_the_charts_do_not_have_are_refused(
    mappings: dict[str, Any], reason: str
) -> None:
    """When the chart takes the step, so that nothing runs with it."""
    with pytest.raises(DefinitionError, match=reason):
        OLD.with_migrations(migration(OLDEST, **mappings))


@pytest.mark.parametrize(
    ("mappings", "reason"),
    [
        ({"states": ["paid"]}, "states: is .*a mapping from old to new is needed"),
        ({"states": {"paid": 7}}, r"states\['paid'\]: is 7; a name, a list of names"),
        ({"states": {("paid", 7): "open"}}, "a name or a tuple of names is needed"),
        ({"events": {"PAY": 7}}, r"events\['PAY'\]: is 7; a new name, or None"),
        ({"delays": 7}, "delays: is 7"),
    ],
)
def test_what_is_no_mapping_of_names_is_refused(mappings: dict[str, Any], reason: str) -> None:
    """Before there is a step."""
    with pytest.raises(DefinitionError, match=reason):
        migration(OLDEST, **mappings)


def test_a_chain_that_does_not_lead_to_the_chart_is_refused() -> None:
    """Each time with what is missing."""
    other = Chart(["a"], [], "a", name="other")
    fourth = order(4, [settled("waiting")], [])
    edited = order(2, [settled("open"), settled("charged")], [])
    for steps, reason in (
        ([migration(other)], "leads from chart 'other' to 'order'"),
        ([migration(NEW)], "leads from version 3 to 3; a step leads to a later version"),
        (
            [migration(OLD, fourth)],
            "from version 2 to 4; a step leads to a later version, at most 3",
        ),
        ([migration(OLDEST, OLD)], "leads to version 2 and none from there on to 3"),
        ([migration(OLD), migration(OLD)], "two steps lead from version 2"),
        ([migration(OLDEST, edited), migration(OLD)], "the step to version 2 and the step from it"),
        ([migration(OLD, order(3, [settled("x")], []))], "leads to another version 3 than this"),
        ([OLD], "migration.* makes a step"),
    ):
        with pytest.raises(DefinitionError, match=reason):
            NEW.with_migrations(*steps)
    with pytest.raises(DefinitionError, match="a list of migration"):
        Chart(["a"], [], "a", migrations=migration(OLD))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mappings", "context", "reason"),
    [
        (
            {"states": {"paid": lambda context: "nowhere"}},
            {},
            "leads to 'nowhere', which version 2",
        ),
        ({"states": {"paid": lambda context: 7}}, {}, "says 7 for 'paid'; a name of a state"),
        ({"states": {"paid": split(lambda context: "open", "held")}}, {}, "possible: 'held'"),
        ({"context": lambda context: 7}, {}, "the new context is 7; a dict"),
        ({"context": lambda context: {"x": {1, 2}}}, {}, "set"),
        ({"context": lambda context: context["x"]}, {}, "failed in context with \"KeyError: 'x'"),
        ({}, {}, "state 'paid' is not in version 2"),
    ],
)
def test_an_instance_that_a_step_cannot_carry_is_named_with_the_step(
    mappings: dict[str, Any], context: dict[str, Any], reason: str
) -> None:
    """And nothing is between two versions."""
    chart = order(2, [settled("open"), settled("held")], [], migration(OLDEST, **mappings))
    if "states" not in mappings and "context" in mappings:
        chart = chart.with_migrations(migration(OLDEST, states={"paid": "open"}, **mappings))
    with pytest.raises(MigrationError, match="instance 'k' was saved by order version 1") as caught:
        carried(chart, snapshot_of(OLDEST, "paid", **context))
    assert reason in str(caught.value)


def test_a_step_cannot_change_the_context_that_it_is_given() -> None:
    """It gets a copy, so the instance that was stored stays as it is."""

    def spoil(context: dict[str, Any]) -> dict[str, Any]:
        context["list"].append(1)
        return context

    chart = order(
        2,
        [settled("open"), settled("held")],
        [],
        migration(OLDEST, states={"paid": "open"}, context=spoil),
    )
    snapshot = snapshot_of(OLDEST, "paid", list=[0])
    assert carried(chart, snapshot).snapshot.context == {"list": [0, 1]}
    assert snapshot.context == {"list": [0]}


# --- a chart with steps is a chart ----------------------------------------------------------------


def steps_of_old() -> Chart:
    """A chart with functions that pickle."""
    return order(
        2,
        [settled("open"), settled("charged")],
        [],
        migration(OLDEST, states={"paid": "charged", "held": "open"}),
    )


def test_steps_are_part_of_a_charts_equality_and_not_of_its_definition() -> None:
    """They are kept by bind and by pickle."""
    chart = steps_of_old()
    plain = chart.with_migrations()
    assert chart != plain
    assert chart == steps_of_old()
    assert (chart.to_dict(), chart.fingerprint) == (plain.to_dict(), plain.fingerprint)
    assert chart.bind({}).migrations == chart.migrations
    assert pickle.loads(pickle.dumps(chart)) == chart


def test_charts_of_many_versions_are_compared_and_pickled() -> None:
    """Each step is looked at once, although each version has the steps of those before it."""
    chart = order(1, [settled("s1")], [])
    for version in range(2, 41):
        step = migration(chart, states={f"s{version - 1}": f"s{version}"})
        chart = order(version, [settled(f"s{version}")], [], step)
    again = pickle.loads(pickle.dumps(chart))
    assert again == chart
    assert len(again.migrations) == 39
    assert carried(again, snapshot_of(chart.migrations[0].source, "s1")).snapshot.version == 40


def test_old_versions_are_read_from_files(tmp_path: Path) -> None:
    """As a frozen chart stands beside the code."""
    (tmp_path / "order.v1.json").write_text(chart_to_json(OLDEST))
    step = migration(
        tmp_path / "order.v1.json", states={"paid": "charged"}, events={"PAY": "CHARGE"}
    )
    assert step.source.fingerprint == OLDEST.fingerprint
    found = carried(OLD.with_migrations(step), snapshot_of(OLDEST, "paid"))
    assert found.snapshot.configuration == ("charged",)
