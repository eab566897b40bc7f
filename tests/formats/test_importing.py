"""What `import_chart` says of a document, beside the chart that it reads."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, ImportedChart, import_chart, read_chart
from settlesim.errors import DefinitionError, ReadError
from settlesim.machine.from_transitions import LeftOutWarning
from tests.formats.lines import tree

ORDER: dict[str, Any] = {
    "id": "order",
    "initial": "cart",
    "states": {
        "cart": {"on": {"PAY": "paying"}},
        "paying": {"invoke": {"src": "charge", "onDone": "paid"}, "after": {"LONG": "cart"}},
        "paid": {"on": {"SHIP": {"target": "shipped", "actions": {"type": "x", "params": {}}}}},
        "shipped": {"type": "final"},
    },
}


def _settled(found: ImportedChart) -> list[str]:
    return [node.name for node in found.chart.states if "settled" in node.tags]


def test_a_rule_proposes_settled_states_and_says_so() -> None:
    """Leaves in which nothing happens by itself; the sentence names them."""
    found = import_chart(ORDER)
    assert _settled(found) == ["cart", "paid"]
    assert found.assumed == (
        "these 2 states have neither service, eventless transition nor delay, so they are "
        "settled: cart, paid",
    )
    assert found.chart.provenance["settled_by_rule"] == ["cart", "paid"]


def test_a_state_inside_one_that_runs_a_service_is_not_settled_by_the_rule() -> None:
    """While the service runs, the chart does not rest."""
    found = import_chart(
        tree(a={"invoke": {"src": "s"}, "initial": "b", "states": {"b": {}}}, c={})
    )
    assert _settled(found) == ["c"]


def test_names_that_are_given_stand_instead_of_the_rule() -> None:
    """A full name, or the last part of one that only one state has."""
    found = import_chart(ORDER, settled=["paid"], rejected=["cart"])
    assert _settled(found) == ["paid"]
    assert found.chart.node("cart").tags == ("reject",)
    assert found.assumed == ()


def test_no_names_at_all_tag_nothing() -> None:
    """An empty list is an answer."""
    assert _settled(import_chart(ORDER, settled=[])) == []


def test_tags_of_the_document_stand_instead_of_the_rule() -> None:
    """One settling tag is enough: its author knows of them."""
    found = import_chart(tree(a={"tags": ["resolve", "x"]}, b={"tags": "y"}))
    assert [node.tags for node in found.chart.states] == [("resolve", "x"), ("y",)]
    assert found.assumed == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("payd", "has no state 'payd'; did you mean 'paid'?"),
        ("x", "'x' is ambiguous: a.x, b.x; write one of these"),
    ],
)
def test_a_name_that_no_state_has_is_refused(name: str, words: str) -> None:
    """With the nearest one, or with all that it may mean."""
    states = {
        key: {"initial": "x", "states": {"x": {}}} if key != "paid" else {} for key in "ab"
    } | {"paid": {}}
    with pytest.raises(ReadError) as caught:
        import_chart({"id": "m", "initial": "a", "states": states}, settled=[name])
    assert caught.value.reason == words


def test_a_loss_is_told_once_by_kind_and_place() -> None:
    """In the sentences, in the warning of `read_chart` and in the chart's provenance."""
    sentence = (
        "1 named delay without a length, at LONG of paying: taken for 1 s; "
        "give `delays={name: seconds}`"
    )
    found = import_chart(ORDER)
    assert found.left_out == (sentence,)
    assert found.chart.provenance["left_out"] == [sentence]
    with pytest.warns(LeftOutWarning, match="1 named delay") as warned:
        read_chart(ORDER)
    assert [each.filename for each in warned] == [__file__]


def test_many_places_of_one_kind_are_counted() -> None:
    """Three of them are named."""
    states = {f"s{index}": {"entry": {"type": "x", "params": {"n": 1}}} for index in range(5)}
    (sentence,) = import_chart(tree(**states)).left_out
    assert sentence == (
        "5 actions with parameters, at x of s0 entry, x of s1 entry, x of s2 entry and 2 more: "
        "bind a function with the values in it"
    )


def test_strict_refuses_what_would_be_left_out() -> None:
    """A description does not matter, a delay without a length does."""
    with pytest.raises(DefinitionError, match="would be left out: 1 named delay"):
        import_chart(ORDER, strict=True)
    assert import_chart(ORDER, strict=True, delays={"LONG": 2.5}).chart.node("paying").after
    assert import_chart(tree(a={"description": "d"}), strict=True).left_out == ()


def test_a_reader_is_told_delays_and_inputs() -> None:
    """A delay's length by its name, an input by the service's name or id."""
    found = import_chart(ORDER, delays={"LONG": 2.5}, inputs={"charge": {"n": 1}}, name="mine")
    (delay,) = found.chart.node("paying").after
    (service,) = found.chart.node("paying").invoke
    assert (delay.seconds, delay.transitions[0].label) == (2.5, "after LONG")
    assert service.input == {"n": 1}
    assert found.chart.name == "mine"


def test_a_file_beside_the_document_says_the_same(tmp_path: Path) -> None:
    """What is given to the function goes before it."""
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(ORDER))
    overlay = {"settled": ["paid"], "delays": {"LONG": 3}}
    (tmp_path / "machine.settlesim.json").write_text(json.dumps(overlay))
    found = import_chart(path)
    assert _settled(found) == ["paid"]
    assert found.chart.node("paying").after[0].seconds == 3
    assert _settled(import_chart(path, settled=["cart"])) == ["cart"]


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"setled": []}, "unknown key 'setled'; did you mean 'settled'?"),
        ({"settled": 1}, "settled is 1; a list of names is needed"),
        ({"delays": {"LONG": 0}}, "the delay 'LONG' is 0; a number of seconds in (0, 1e+09]"),
        ({"delays": []}, None),
        ({"delays": [1]}, "delays is [1]; a mapping is needed"),
        ({"name": 1}, "name is 1; a text is needed"),
        ([], "holds no JSON object"),
    ],
)
def test_a_file_beside_the_document_that_means_nothing_is_refused(
    tmp_path: Path, overlay: Any, words: str | None
) -> None:
    """It is named, with what is wrong in it."""
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(ORDER))
    beside = tmp_path / "machine.settlesim.json"
    beside.write_text(json.dumps(overlay))
    if words is None:
        import_chart(path)
        return
    with pytest.raises(ReadError) as caught:
        import_chart(path)
    assert caught.value.source == str(beside)
    assert words in caught.value.reason


def test_the_file_names_a_chart_that_has_no_name(tmp_path: Path) -> None:
    """Up to the first dot; the id of the document goes before it."""
    path = tmp_path / "lamp.machine.json"
    path.write_text(json.dumps({"initial": "a", "states": {"a": {}}}))
    assert read_chart(path).name == "lamp"
    path.write_text(json.dumps(tree(a={})))
    assert read_chart(str(path)).name == "m"


def test_version_4_is_told_by_its_keys_or_by_the_caller() -> None:
    """A self-target is internal in v5 and external in v4."""
    config = tree(a={"on": {"E": "a"}})
    assert import_chart(config).format == "XState v5 JSON"
    assert import_chart(config).chart.transitions[0].dest is None
    assert import_chart(config, format="xstate4").chart.transitions[0].dest == "a"
    assert import_chart(config | {"tsTypes": {}}).format == "XState v4 JSON"
    assert import_chart(config | {"tsTypes": {}}, format="xstate5").format == "XState v5 JSON"


def test_where_a_chart_is_from_is_no_part_of_its_value() -> None:
    """But it is written, copied and pickled with it."""
    chart = import_chart(tree(a={})).chart
    plain = {key: value for key, value in chart.to_dict().items() if key != "provenance"}
    assert Chart.from_dict(plain) == chart
    assert Chart.from_dict(chart.to_dict()).provenance == chart.provenance
    assert pickle.loads(pickle.dumps(chart)).provenance == chart.provenance
    assert chart.bind({}).provenance["format"] == "XState v5 JSON"


def test_the_picture_shows_what_the_rule_assumed() -> None:
    """A line in the state, in every format; not where a person said it."""
    assert import_chart(ORDER).chart.draw(format="mermaid").mermaid.count("settled by rule") == 2
    said = import_chart(ORDER, settled=["cart"]).chart
    assert "settled by rule" not in said.draw(format="mermaid").mermaid


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (tree(a={"on": {"E": "bb"}}, b={}), "a on 'E': unknown target 'bb'; did you mean 'b'?"),
        (tree(a={"on": {"E": "#x"}}), "a on 'E': unknown target '#x'"),
        (tree(a={"on": 7}), "a on: is 7; an object is needed"),
        (tree(a={"type": "loop"}), "type is 'loop'; atomic, compound, parallel, final or history"),
        (tree(a={"after": {"-5": "a"}}), "'-5' is no number of milliseconds"),
        (tree(a={"id": "x"}, b={"id": "x"}), "has the id 'x', and so has 'a'"),
        (tree(a={"invoke": 7}), "a invoke: is 7; an object is needed"),
        (tree(a=[]), "a: is []; an object is needed for a state"),
        ({"initial": "x", "states": {"a": {}}}, "initial: unknown state 'x'"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_with_the_place(
    config: dict[str, Any], words: str
) -> None:
    """And with the nearest name where a name is unknown."""
    with pytest.raises(DefinitionError) as caught:
        import_chart(config)
    assert words in str(caught.value)


def test_every_problem_is_reported() -> None:
    """Not only the first."""
    with pytest.raises(DefinitionError) as caught:
        import_chart(tree(a={"on": {"E": "x", "F": "y"}}))
    assert len(caught.value.problems) == 2


def test_a_state_that_gets_another_name_is_told_with_it() -> None:
    """A name that can stay does, and a blank one is shown in quotes."""
    found = import_chart(tree(**{"a.b": {}, "a_b": {}, " ": {}}))
    assert [each.name for each in found.chart.states] == ["a_b_2", "a_b", "state_2"]
    (told,) = [str(each) for each in found.losses]
    assert told == (
        "2 states under other names, at a.b (now a_b_2), ' ' (now state_2): "
        "a dot or another sign has a meaning here"
    )


@pytest.mark.parametrize("text", ["", " "])
def test_an_empty_text_is_no_path(text: str) -> None:
    """The current folder is not what was meant."""
    with pytest.raises(ReadError, match="text: is empty"):
        import_chart(text)
