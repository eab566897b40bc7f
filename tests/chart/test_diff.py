"""What changes from one chart to another, in words."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings

from settlesim import Chart, gallery, migration
from settlesim.chart.edge_pairs import edge_groups
from settlesim.versions import split
from tests.examples import scaled
from tests.strategies_charts import charts

Record = dict[str, Any]
Edit = Callable[[Record], object]

ORDER: Record = {
    "name": "order",
    "version": 1,
    "initial": "open",
    "context": {"n": 1, "items": [{"a": None}]},
    "on_reject": "discard",
    "settling_tags": {"resolved": ["settled", "resolve"], "rejected": ["reject"]},
    "states": [
        {"name": "open", "tags": ["settled"], "after": {"60": "gone", "90": "paid"}, "label": "o"},
        {
            "name": "paying",
            "invoke": [
                {"src": "charge", "input": {"b": 1}, "on_done": "paid", "on_error": "open"},
                {"src": "tell", "on_done": "paid"},
            ],
        },
        {"name": "paid", "tags": ["settled", "info"], "on_enter": ["stamp"], "on_exit": ["wipe"]},
        {"name": "gone", "final": True, "on_final": ["close"]},
        {
            "name": "box",
            "tags": ["settled"],
            "initial": "low",
            "children": [{"name": "low"}, {"name": "high"}, {"name": "end", "final": True}],
            "on_done": "paid",
        },
        {
            "name": "both",
            "tags": ["settled"],
            "parallel": [
                {"name": "left", "initial": "a", "children": ["a", "b"]},
                {"name": "right", "initial": "a", "children": ["a", "b"]},
            ],
        },
    ],
    "transitions": [
        {"trigger": "PAY", "source": "open", "dest": "paying", "conditions": ["ok"]},
        {"trigger": "PAY", "source": "open", "dest": "paid", "unless": ["rich"], "label": "p"},
        {"trigger": "NOTE", "source": "open", "dest": None, "assign": ["note"]},
        {"trigger": "PACK", "source": "paid", "dest": "box"},
        {"trigger": "UP", "source": "box.low", "dest": "box.high"},
        {"trigger": "BOTH", "source": "paid", "dest": "both"},
        {"trigger": "", "source": "box.high", "dest": "box.end", "conditions": ["full"]},
    ],
}


def edited(*edits: Edit) -> Chart:
    """Return the order chart with its record edited."""
    record = copy.deepcopy(ORDER)
    for edit in edits:
        edit(record)
    return Chart.from_dict(record)


def sentences(*edits: Edit) -> list[str]:
    """Return what the diff says of edits."""
    return [str(change) for change in edited().diff(edited(*edits))]


def state(record: Record, name: str) -> Record:
    """Return one root state of a record."""
    return next(each for each in record["states"] if each["name"] == name)


MEANING: dict[str, tuple[Edit, list[str]]] = {
    "name": (
        lambda r: r.update(name="orders"),
        ["the chart is now called orders, no longer order"],
    ),
    "initial": (
        lambda r: r.update(initial="paid"),
        ["a new instance now starts in paid, no longer in open"],
    ),
    "context value": (
        lambda r: r["context"].update(n=1.0),
        ["n of the initial context is now 1.0, no longer 1"],
    ),
    "context true for one": (
        lambda r: r["context"].update(n=True),
        ["n of the initial context is now true, no longer 1"],
    ),
    "context key gone": (
        lambda r: r["context"].pop("items"),
        ["the initial context has no items any more"],
    ),
    "context key new": (
        lambda r: r["context"].update({"a b": {}}),
        ["the initial context has a new 'a b': {}"],
    ),
    "on_reject": (
        lambda r: r.update(on_reject="persist"),
        ["a rejected settlement is now saved (on_reject='persist')"],
    ),
    "settling tags": (
        lambda r: r["settling_tags"].update(resolved=["settled"]),
        ["the settling tags for resolved are now settled, no longer resolve, settled"],
    ),
    "state new": (
        lambda r: r["states"].append({"name": "review", "tags": ["settled"], "always": "paid"}),
        ["state review is new: the eventless transition leads to paid"],
    ),
    "region new": (
        lambda r: state(r, "both")["parallel"].append("third"),
        ["state both.third is new"],
    ),
    "kind": (
        lambda r: state(r, "gone").update(final=False, on_final=[]),
        [
            "state gone is now atomic, no longer final",
            "state gone no longer runs close when it is final",
        ],
    ),
    "initial child": (
        lambda r: state(r, "box").update(initial="high"),
        ["state box now starts in box.high, no longer in box.low"],
    ),
    "no initial child": (
        lambda r: state(r, "box").pop("initial"),
        ["state box now starts in no child, no longer in box.low", "state box is now settled"],
    ),
    "order of regions": (
        lambda r: state(r, "both")["parallel"].reverse(),
        ["the regions of state both are now in the order both.right, both.left"],
    ),
    "settling tag": (
        lambda r: state(r, "open").update(tags=[], after={}),
        [
            "the delay of 60 s, to gone, of state open is gone",
            "the delay of 90 s, to paid, of state open is gone",
            "state open loses the tag settled and is no longer settled",
        ],
    ),
    "settling tag of a parent": (
        lambda r: state(r, "box").update(tags=["reject"]),
        [
            "state box loses the tag settled and gets the tag reject",
            "state box.low is now rejected",
            "state box.high is now rejected",
            "state box.end is now rejected",
        ],
    ),
    "other tag": (
        lambda r: state(r, "paid").update(tags=["settled", "told"]),
        ["state paid loses the tag info and gets the tag told"],
    ),
    "on_enter": (
        lambda r: state(r, "paid").update(on_enter=["stamp", "log"]),
        ["state paid now runs stamp, log, no longer stamp on entry"],
    ),
    "on_exit": (
        lambda r: state(r, "paid").update(on_exit=[]),
        ["state paid no longer runs wipe on exit"],
    ),
    "on_final": (
        lambda r: state(r, "gone").update(on_final=["shut"]),
        ["state gone now runs shut, no longer close when it is final"],
    ),
    "service": (
        lambda r: state(r, "paying")["invoke"][0].update(src="bill"),
        ["state paying now calls bill, no longer charge"],
    ),
    "service gone": (
        lambda r: state(r, "paying")["invoke"].pop(0),
        ["state paying no longer calls charge"],
    ),
    "service new": (
        lambda r: state(r, "paying")["invoke"].insert(0, {"src": "ask", "on_done": "open"}),
        ["state paying now calls ask", "ask done of paying now leads to open"],
    ),
    "order of services": (
        lambda r: state(r, "paying")["invoke"].reverse(),
        ["the services of state paying are now in the order tell, charge"],
    ),
    "input": (
        lambda r: state(r, "paying")["invoke"][0].update(input={"b": 2}),
        ['charge of state paying now has the input {"b": 2}, no longer {"b": 1}'],
    ),
    "timeout": (
        lambda r: state(r, "paying")["invoke"][0].update(timeout=2.5),
        ["charge of state paying may now take 2.5 s, no longer the default time"],
    ),
    "effect": (
        lambda r: state(r, "paying")["invoke"][0].update(effect=False),
        ["charge of state paying now counts as a service without effect"],
    ),
    "on_done of a service": (
        lambda r: state(r, "paying")["invoke"][1].update(on_done="open"),
        ["tell done of paying now leads to open, no longer to paid"],
    ),
    "on_error of a service": (
        lambda r: state(r, "paying")["invoke"][0].update(on_error=[]),
        ["charge failed of paying no longer leads to open"],
    ),
    "delay edited": (
        lambda r: state(r, "open").update(after={"30": "gone", "90": "paid"}),
        ["a delay of state open is now 30 s, no longer 60 s"],
    ),
    "delay gone": (
        lambda r: state(r, "open").update(after={"90": "paid"}),
        ["the delay of 60 s, to gone, of state open is gone"],
    ),
    "delay new": (
        lambda r: state(r, "paid").update(after={"5": {"dest": "gone", "conditions": ["ok"]}}),
        ["state paid has a new delay of 5 s, to gone if ok"],
    ),
    "order of delays": (
        lambda r: state(r, "open").update(after={"90": "paid", "60": "gone"}),
        ["the delays of state open are now in the order 90 s, 60 s"],
    ),
    "delay leads elsewhere": (
        lambda r: state(r, "open").update(after={"60": "paid", "90": "paid"}),
        ["after 60 s of open now leads to paid, no longer to gone"],
    ),
    "on_done of a state": (
        lambda r: state(r, "box").update(on_done="open"),
        ["the end of box now leads to open, no longer to paid"],
    ),
    "transition new": (
        lambda r: r["transitions"].append(["SHUT", "paid", "gone"]),
        ["SHUT of paid now leads to gone"],
    ),
    "transition gone": (
        lambda r: r["transitions"].pop(3),
        ["PACK of paid no longer leads to box"],
    ),
    "trigger": (
        lambda r: r["transitions"][3].update(trigger="WRAP"),
        ["PACK of paid no longer leads to box", "WRAP of paid now leads to box"],
    ),
    "source": (
        lambda r: r["transitions"][3].update(source="open"),
        ["PACK of paid no longer leads to box", "PACK of open now leads to box"],
    ),
    "dest": (
        lambda r: r["transitions"][3].update(dest="gone"),
        ["PACK of paid now leads to gone, no longer to box"],
    ),
    "internal": (
        lambda r: r["transitions"][2].update(dest="="),
        ["NOTE of open now leads to open, no longer to itself, internally"],
    ),
    "conditions": (
        lambda r: r["transitions"][6].update(conditions=["heavy", "full"]),
        [
            "the eventless transition of box.high now requires heavy and full, no longer full",
        ],
    ),
    "unless": (
        lambda r: r["transitions"][1].pop("unless"),
        ["PAY of open if not rich, to paid no longer requires not rich"],
    ),
    "order of transitions": (
        lambda r: r["transitions"].insert(0, r["transitions"].pop(1)),
        ["PAY of open now asks in another order: paid if not rich, then paying if ok"],
    ),
    "prepare": (
        lambda r: r["transitions"][3].update(prepare=["f"]),
        ["PACK of paid now runs f before its guards"],
    ),
    "before": (
        lambda r: r["transitions"][3].update(before=["f"]),
        ["PACK of paid now runs f before the state is left"],
    ),
    "assign": (
        lambda r: r["transitions"][2].update(assign=["note", "f"]),
        ["NOTE of open now runs note, f, no longer note"],
    ),
    "after": (
        lambda r: r["transitions"][3].update(after=["f"]),
        ["PACK of paid now runs f at its end"],
    ),
}
"""One edit of every key that changes what a chart does, and the sentences that tell it."""

NO_MEANING: dict[str, Edit] = {
    "version": lambda r: r.update(version=2),
    "label of a state": lambda r: state(r, "open").update(label="open now"),
    "label of a transition": lambda r: r["transitions"][1].pop("label"),
    "order of keys": lambda r: r.update(dict(sorted(r.items(), reverse=True))),
    "order of keys in the context": lambda r: r.update(
        context=dict(reversed(r["context"].items()))
    ),
    "order of tags": lambda r: state(r, "paid")["tags"].reverse(),
    "order of settling tags": lambda r: r["settling_tags"]["resolved"].reverse(),
    "order of states": lambda r: r["states"].reverse(),
    "order of triggers": lambda r: r["transitions"].insert(0, r["transitions"].pop(4)),
}


@pytest.mark.parametrize("name", MEANING)
def test_every_change_of_meaning_is_told(name: str) -> None:
    """One edit, its sentences, and none besides."""
    edit, expected = MEANING[name]
    assert sentences(edit) == expected


@pytest.mark.parametrize("name", NO_MEANING)
def test_what_changes_no_meaning_is_not_told(name: str) -> None:
    """Labels, the version, and orders that nothing depends on."""
    diff = edited().diff(edited(NO_MEANING[name]))
    assert not diff
    assert str(diff).endswith("the same meaning")


@pytest.mark.parametrize("name", [*MEANING, *NO_MEANING])
def test_the_fingerprint_changes_with_what_is_told(name: str) -> None:
    """And with nothing else: an edited chart is refused with sentences, never without.

    The chart's name stands beside the fingerprint.
    """
    edit = MEANING[name][0] if name in MEANING else NO_MEANING[name]
    counts = name in MEANING and name != "name"
    assert (edited(edit).fingerprint != edited().fingerprint) is counts


def test_a_renamed_state_is_recognised_as_a_hint() -> None:
    """A state that is gone, and a new one with the same transitions."""

    def rename(record: Record) -> None:
        state(record, "paid")["name"] = "settled_up"
        text = json.dumps(record).replace('"paid"', '"settled_up"')
        record.update(json.loads(text))

    diff = edited().diff(edited(rename))
    assert diff.renames == {"paid": "settled_up"}
    assert str(diff.changes[0]) == "state paid is gone; perhaps it was renamed to settled_up"
    assert "charge done of paying now leads to settled_up, no longer to paid" in str(diff)


def test_a_state_that_moved_is_recognised_as_a_hint() -> None:
    """Its full name changes with the state around it."""
    states: list[Any] = [
        {"name": "open", "tags": ["settled"]},
        {"name": "ready", "tags": ["settled"]},
    ]
    old = Chart(states, [["GO", "open", "ready"]], "open")
    new = Chart(
        [states[0], {"name": "work", "initial": "ready", "children": [states[1]]}],
        [["GO", "open", "work.ready"]],
        "open",
    )
    assert old.diff(new).renames == {"ready": "work.ready"}


def test_what_a_step_says_of_a_state_is_no_guess_any_more() -> None:
    """The new chart's own step wins over the likeness, also for the state that it leads to."""
    tags = {"tags": ["settled"]}
    old = Chart([{"name": name, **tags} for name in ("a", "small", "held")], [], "a")  # type: ignore[misc]
    new = Chart([{"name": name, **tags} for name in ("a", "smaller", "big")], [], "a", version=2)  # type: ignore[misc]
    assert old.diff(new).renames["small"] == "smaller"

    def removed(**states: Any) -> list[str]:
        diff = old.diff(new.with_migrations(migration(old, states=states)))
        assert not set(states) & set(diff.renames)
        assert not set(states.values()) & set(diff.renames.values())
        return [str(each) for each in diff if each.kind == "removed"]

    assert removed(small="big")[0] == "state small is gone; the step leads to big"
    assert removed(held="smaller", small=split(lambda _: "a", "a", "big")) == [
        "state small is gone; the step leads to a or big",
        "state held is gone; the step leads to smaller",
    ]
    assert removed(small=lambda _: "a")[0] == "state small is gone; the step decides by the context"


def test_two_equal_candidates_give_no_hint() -> None:
    """A guess between twins would be a dice."""
    tags = {"tags": ["settled"]}
    old = Chart([{"name": "a", **tags}, {"name": "xx", **tags}], [], "a")  # type: ignore[list-item]
    new = Chart([{"name": name, **tags} for name in ("a", "xxa", "xxb")], [], "a")  # type: ignore[misc]
    assert old.diff(new).renames == {}


def test_nothing_else_looks_renamed() -> None:
    """Two charts that have nothing in common have no hints."""
    assert gallery.donut.diff(gallery.order).renames == {}


def test_names_that_are_no_words_stand_in_quotes() -> None:
    """A sentence can be read whatever a state is called."""
    old = Chart([{"name": "a", "tags": ["settled"]}, "is gone, and 'more'"], [], "a")
    new = Chart([{"name": "a", "tags": ["settled"]}], [], "a")
    assert [str(each) for each in old.diff(new)] == ["state \"is gone, and 'more'\" is gone"]


def test_a_chart_is_compared_with_a_chart() -> None:
    """Not with its record."""
    with pytest.raises(TypeError, match="compared with a chart"):
        edited().diff(ORDER)  # type: ignore[arg-type]


def test_a_diff_is_json_and_pickles() -> None:
    """A value like every other."""
    diff = edited().diff(edited(MEANING["dest"][0], NO_MEANING["version"]))
    record = json.loads(json.dumps(diff.to_dict()))
    assert record["new"] == {"chart": "order", "version": 2}
    assert record["changes"] == [
        {
            "kind": "changed",
            "about": "transition",
            "state": "paid",
            "sentence": "PACK of paid now leads to gone, no longer to box",
            "renamed_to": None,
            "led_to": None,
        }
    ]
    assert pickle.loads(pickle.dumps(diff)) == diff
    assert repr(diff) == "<ChartDiff order, version 1 to version 2: 1 change>"


def test_every_state_has_a_status() -> None:
    """Added, removed, changed in itself, or the same, whatever its transitions and delays do."""
    diff = edited().diff(
        edited(
            MEANING["state new"][0],
            MEANING["other tag"][0],
            MEANING["delay gone"][0],
            MEANING["dest"][0],
            lambda r: state(r, "both")["parallel"][0]["children"].pop(),
        )
    )
    names = ("review", "paid", "open", "both.left.b", "box", "both")
    statuses = [diff.status(name) for name in names]
    assert statuses == ["added", "changed", "same", "removed", "same", "same"]
    with pytest.raises(KeyError):
        diff.status("nowhere")


# --- laws ---------------------------------------------------------------------------------


@settings(max_examples=scaled(20))
@given(charts(), charts())
def test_no_difference_has_no_direction(one: Chart, other: Chart) -> None:
    """There and back there is the same or there is not; a chart does not differ from itself."""
    assert not one.diff(Chart.from_dict(one.to_dict()))
    assert bool(one.diff(other)) == bool(other.diff(one))


@settings(max_examples=scaled(25))
@given(charts(), charts())
def test_what_has_another_fingerprint_has_a_difference(one: Chart, other: Chart) -> None:
    """One and the same idea of what a chart means."""
    if one.name == other.name:
        assert (one.fingerprint != other.fingerprint) is bool(one.diff(other))


@settings(max_examples=scaled(20))
@given(charts(), charts())
def test_charts_without_a_difference_have_the_same_parts(one: Chart, other: Chart) -> None:
    """What is not told is the same: states, transitions, context."""

    def parts(chart: Chart) -> object:
        edges = sorted(repr(each) for each in chart.edges)
        nodes = [repr((n.name, n.kind, n.initial, n.invoke, n.after, n.tags)) for n in chart.states]
        return chart.initial, chart.context, sorted(nodes), edges

    def without_labels(record: Any) -> Any:
        if isinstance(record, dict):
            return {key: without_labels(value) for key, value in record.items() if key != "label"}
        return [without_labels(each) for each in record] if isinstance(record, list) else record

    if not one.diff(other):
        same = [Chart.from_dict(without_labels(each.to_dict())) for each in (one, other)]
        assert parts(same[0]) == parts(same[1])


@settings(max_examples=scaled(20))
@given(charts(), charts())
def test_every_transition_is_in_one_pair(one: Chart, other: Chart) -> None:
    """None of either chart is lost, none is there twice, whatever moved."""
    pairs = [pair for group in edge_groups(one, other) for pair in group.pairs]
    old = [pair.old for pair in pairs if pair.old is not None]
    new = [pair.new for pair in pairs if pair.new is not None]
    assert sorted(map(repr, old)) == sorted(map(repr, one.edges))
    assert sorted(map(repr, new)) == sorted(map(repr, other.edges))


def test_the_words_are_the_same_in_every_process() -> None:
    """Under any PYTHONHASHSEED."""
    script = (
        "from settlesim import gallery as g; print(g.donut.diff(g.order), g.order.diff(g.donut))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(said) == 1


def _player(
    *,
    history: str = "deep",
    default: str | None = None,
    dest: object = ("p.l.x", "p.r.y"),
    internal: bool = False,
    retry: object = None,
    initial: str | None = None,
) -> Chart:
    """A chart with all that only the semantics of SCXML have, and a retry."""
    regions = [
        {"name": side, "children": ["x", "y"], "tags": ["settled"], "initial": initial}
        for side in "lr"
    ]
    invoke = {"src": "work", "retry": retry, "on_done": "p", "on_error": "p"}
    go = {"trigger": "T", "source": "p", "dest": dest, "internal": internal}
    return Chart(
        [
            {  # type: ignore[list-item]
                "name": "p",
                "parallel": [
                    {"name": "back", "history": history, "default": default},
                    *regions,
                ],
            },
            {"name": "s", "invoke": invoke},  # type: ignore[list-item]
        ],
        [go, ["S", "p", "s"], ["B", "s", "p.back"]],  # type: ignore[list-item]
        "p",
        semantics="scxml",
    )


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"history": "shallow"}, "state p.back is now shallow history, no longer deep"),
        ({"default": "l"}, "state p.back now stands for p.l at first, no longer for none"),
        (
            {"dest": ["p.l.x", "p.r.x"]},
            "T of p now leads to p.l.x and p.r.x, no longer to p.l.x and p.r.y",
        ),
        ({"dest": "p.l.x"}, "T of p now leads to p.l.x, no longer to p.l.x and p.r.y"),
        ({"internal": True}, "T of p now stays in its source"),
        (
            {"retry": {"attempts": 4, "errors": ["Busy"], "jitter": 1, "max_seconds": 9}},
            "work of state s is now retried up to 4 calls after Busy, 1 s times 2 each time, at "
            "most 9 s, 1 of it by chance (seed 0), no longer never",
        ),
        (
            {"retry": 1},
            "work of state s is now retried up to 1 call, 1 s times 2 each time, no longer never",
        ),
    ],
)
def test_what_only_scxml_and_retries_have_is_told(keys: dict[str, Any], sentence: str) -> None:
    """No change of meaning is left out."""
    assert [str(each) for each in _player().diff(_player(**keys))] == [sentence]
    assert not _player(**keys).diff(_player(**keys))
