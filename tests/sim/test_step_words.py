"""Sentences and labels: what a reader needs in order to see the difference, and no more."""

from __future__ import annotations

import pytest

from settlesim import Chart
from settlesim.chart.strict_json import freeze_object
from settlesim.gallery import append_log, counter, order
from settlesim.sim import Replay, Scenario, explore, replay, sample
from settlesim.sim.contexts import field_words, rest_words, telling_fields
from settlesim.sim.step_words import message_names


def told(scenario: Scenario, schedule: str | None = None) -> Replay:
    way = schedule or explore(scenario).counterexample
    assert way is not None
    return replay(scenario, way)


def test_a_lost_update_names_what_was_loaded_and_what_was_overwritten() -> None:
    """Leaves that differ need no context."""
    clicks = Scenario(order, ["PAY", "CANCEL"])
    assert told(clicks, "r1 l1 r2 l2 c1 s1 d1 s2 d2").sentence == (
        "PAY and CANCEL were handled concurrently; CANCEL, which had loaded new, overwrote paid "
        "(revision 1) with cancelled; it ends in cancelled after charge_card; in arrival order "
        "it would be refunded after charge_card, refund_card."
    )


def test_a_difference_of_the_context_only_is_named() -> None:
    """A counter rests always in one leaf: the sentence says its count, and what it should be."""
    sentence = told(Scenario(counter(), ["INC", "INC"])).sentence
    assert "which had loaded resting (count=0), overwrote resting (count=1)" in sentence
    assert sentence.endswith(
        "it ends in resting (count=1); in arrival order it would be resting (count=2)."
    )


def test_endings_are_labelled_by_what_tells_them_apart() -> None:
    """The context where the leaves are the same, also from an ending that is never reached."""
    assert [each.label for each in explore(Scenario(counter(), ["INC", "INC"])).endings] == [
        "resting (count=1)",
        "resting (count=2)",
    ]
    twice = Scenario(counter(), ["INC"], protections=["cas"], queue="mutex", faults={"crashes": 1})
    assert {each.label for each in explore(twice).endings} == {
        "resting (count=1)",
        "resting (count=2)",
    }
    alone = explore(Scenario(counter(), ["INC"], queue="fifo_group"))
    assert [each.label for each in alone.endings] == ["resting"]
    walks = sample(Scenario(counter(), ["INC", "INC"]), 50, seed=1)
    assert {each.label for each in walks.endings} == {"resting (count=1)", "resting (count=2)"}


def test_effects_in_another_order_are_told_apart_by_their_events() -> None:
    """Otherwise the sentence would name the same ending twice."""

    async def look_up(call: object) -> None:
        return None

    chart = Chart(
        states=[
            {"name": "open", "tags": ["settled"]},
            {"name": "searching", "invoke": {"src": look_up, "on_done": "open"}},
        ],
        transitions=[["ASK", "open", "searching"]],
        initial="open",
    )
    played = told(Scenario(chart, ["ASK", "ASK"], queue="direct"), "l2 c2 s2 l1 c1 s1")
    assert played.sentence.endswith(
        "it ends in open after look_up of ASK (second), look_up of ASK (first); in arrival order "
        "it would be open after look_up of ASK (first), look_up of ASK (second)."
    )


def test_a_replay_says_the_context_where_it_ends_otherwise_than_in_order() -> None:
    """Its ending has no others beside it, but the right one to be told from."""
    played = told(Scenario(append_log(2), ["E1", "E2"]), "r2 l2 c2 s2 d2 r1 l1 c1 s1 d1")
    assert played.ending is not None
    assert played.ending.label == "log (log=E2 E1)"
    assert "in arrival order it would be log (log=E1 E2)" in played.sentence


def test_instances_are_named_where_there_are_several() -> None:
    """Each with where it ends."""
    two = Scenario(order, [("a", "PAY"), ("b", "CANCEL")], queue="fifo_group")
    played = told(two, "r1 l1 c1 s1 d1 r2 l2 s2 d2")
    expected = "It ends in a: paid after charge_card; b: cancelled, as in arrival order."
    assert played.sentence == expected


def test_an_event_that_is_ignored_is_told_with_what_its_handler_had_loaded() -> None:
    """In order or not: who reads it sees why no transition was taken."""
    pair = Scenario(order, ["PAY", "SHIP"])
    early = told(pair, "r1 l1 r2 l2 c1 s1 d1 i2 d2").sentence
    assert "SHIP was ignored, having loaded new" in early
    late = told(pair, "r2 l2 i2 d2 r1 l1 c1 s1 d1").sentence
    assert "SHIP was handled out of order, and ignored in new" in late


@pytest.mark.parametrize(("schedule", "words"), [("r1 l1 f1 i1 d1", "for PAY charge_card fails")])
def test_a_failing_service_is_told_with_its_event(schedule: str, words: str) -> None:
    """As a sentence of its own."""
    played = told(
        Scenario(order, ["PAY"], queue="fifo_group", faults={"service_failures": 1}), schedule
    )
    assert played.sentence.startswith(f"{words[0].upper()}{words[1:]}; ")


def test_a_save_says_what_it_changes_of_the_context() -> None:
    """And all of it where it changes nothing, as after a lost update."""
    played = told(Scenario(counter(), ["INC", "INC"]), "r1 l1 c1 r2 l2 c2 s2 d2 s1 d1")
    texts = [frame.text for frame in played.frames if frame.step and frame.step.name[0] == "s"]
    assert texts == [
        "INC (second): resting (count=1) is saved as revision 1",
        "INC (first): resting (count=1) is saved as revision 2",
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "empty"),
        (["a", 1], "a 1"),
        (True, "True"),
        ("x" * 99, "x" * 57 + "..."),
        (None, "None"),
    ],
)
def test_a_field_is_said_in_few_characters(value: object, words: str) -> None:
    """A long value is cut."""
    assert field_words(value) == words


def test_only_fields_that_differ_are_told() -> None:
    """None where the leaves are enough."""
    one, two = (freeze_object({"n": n, "same": 0}, where="context") for n in (1, 2))
    assert telling_fields([(("a",), one), (("a",), two)]) == ["n"]
    assert telling_fields([(("a",), one), (("b",), two)]) == []
    assert telling_fields([(("a",), one), (("a",), one)]) == []
    assert rest_words((("a", "b"), one), ["n"]) == "a + b (n=1)"
    assert rest_words(((), one), []) == "nothing"


def test_equal_events_are_told_apart_by_ordinals() -> None:
    """As they are written in English, also beyond twenty."""
    names = message_names(Scenario(counter(), ["INC"] * 22))
    wanted = {2: "second", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 22: "22nd"}
    assert {number: names[number - 1] for number in wanted} == {
        number: f"INC ({ordinal})" for number, ordinal in wanted.items()
    }
