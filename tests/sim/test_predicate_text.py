"""Predicates as text: what is read, what is refused, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.errors import SimulationError
from settlesim.sim import (
    Predicate,
    Vocabulary,
    context_is,
    dead_letter,
    effect,
    ended,
    in_state,
    parse_predicate,
    waiting,
)

NAMES = Vocabulary(
    states=("new", "paid", "in review", "both", "dead"),
    services=("charge_card", "both"),
    events=("PAY", "a & b"),
    keys=("order-1", "x:y"),
    fields=("count",),
)
PAID, CHARGED = in_state("paid"), effect("charge_card")


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ("paid", PAID),
        ("paid & charge_card", PAID & CHARGED),
        ("paid | new & charge_card", PAID | in_state("new") & CHARGED),
        ("(paid | new) & charge_card", (PAID | in_state("new")) & CHARGED),
        ("~paid & !charge_card", ~PAID & ~CHARGED),
        ("!(paid & ~new)", ~(PAID & ~in_state("new"))),
        ("charge_card>=2", effect("charge_card", 2)),
        ("charge_card@order-1 >= 2", effect("charge_card", 2, "order-1")),
        ('paid@"x:y"', in_state("paid", "x:y")),
        ('"in review"', in_state("in review")),
        ("state:both | effect:both", in_state("both") | effect("both")),
        ("dead:PAY", dead_letter("PAY")),
        ('waiting:"a & b"', waiting("a & b")),
        ("waiting", waiting()),
        ("waiting@order-1 & ended", waiting(None, "order-1") & ended()),
        ("context:count==3", context_is("count", 3)),
        ('context:count@order-1=="a b"', context_is("count", "a b", "order-1")),
        ("context:count==null", context_is("count", None)),
    ],
)
def test_text_is_read_as_a_predicate(text: str, predicate: Predicate) -> None:
    """By the precedence of & over |, with names of the scenario."""
    assert parse_predicate(text, NAMES) == predicate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a name is missing at its end"),
        ("paid &", "a name is missing at its end"),
        ("& paid", "a name is missing before '&'"),
        ("paid new", "'new' is not expected here"),
        ("(paid", "a closing parenthesis is missing"),
        ("paid)", "')' is not expected here"),
        ("payd", "did you mean 'paid'?"),
        ("state:payd", "did you mean 'paid'?"),
        ("effect:charge_cart", "did you mean 'charge_card'?"),
        ("dead:PAI", "did you mean 'PAY'?"),
        ("paid@order-2", "did you mean 'order-1'?"),
        ("both", "may be state:both or effect:both; say which"),
        ("dead", "may be dead or state:dead; say which"),
        ("charge_card>=0", "is no number of times"),
        ("charge_card>=x", "is no number of times"),
        ("context:count", "has to be compared"),
        ("context:count==", "a JSON value is missing"),
        ("context:count==three", "is no JSON value"),
        ("paid > 3", "is nothing that can stand here"),
        ('"in review', "is nothing that can stand here"),
        ("~" * 60 + "paid", "more than 50"),
        ("(" * 60 + "paid", "more than 50"),
    ],
)
def test_what_is_no_predicate_says_why(text: str, words: str) -> None:
    """And names the nearest word that is known."""
    with pytest.raises(SimulationError) as error:
        parse_predicate(text, NAMES)
    assert words in error.value.reason
    assert error.value.where.startswith("predicate")


ATOMS = st.one_of(
    st.builds(in_state, st.sampled_from(NAMES.states), st.sampled_from([None, *NAMES.keys])),
    st.builds(effect, st.sampled_from(NAMES.services), st.integers(1, 9)),
    st.builds(dead_letter, st.sampled_from(NAMES.events)),
    st.builds(waiting, st.sampled_from([None, *NAMES.events])),
    st.builds(context_is, st.text(min_size=1), st.none() | st.booleans() | st.text()),
    st.builds(ended),
)  # fmt: skip
PREDICATES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=8,
)


@given(PREDICATES)
def test_text_and_source_give_a_predicate_that_says_the_same(predicate: Predicate) -> None:
    """Its text is a fixed point of reading and writing, and so is its source."""
    again = parse_predicate(str(predicate), NAMES)
    assert str(again) == str(predicate)
    assert set(again.atoms()) == set(predicate.atoms())
    assert repr(eval(repr(predicate))) == repr(predicate)
