"""Intervals of Clopper and Pearson against published values and exact binomial tails."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim.sim.proportions import clopper_pearson


@pytest.mark.parametrize(
    ("count", "runs", "least", "most"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_intervals_are_those_of_a_published_table(
    count: int, runs: int, least: float, most: float
) -> None:
    """Newcombe, Statistics in Medicine 17, 1998, table I, method 5, at 95 %."""
    found = clopper_pearson(count, runs)
    assert (round(found.least, 4), round(found.most, 4)) == (least, most)


@pytest.mark.parametrize("runs", [1, 7, 200, 5_000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_without_any_or_with_all_the_bound_has_a_formula(runs: int, confidence: float) -> None:
    """No success: the upper bound solves (1 - p)^n = (1 - confidence) / 2."""
    bound = ((1 - confidence) / 2) ** (1 / runs)
    none, every = clopper_pearson(0, runs, confidence), clopper_pearson(runs, runs, confidence)
    assert none.least == 0.0
    assert every.most == 1.0
    assert math.isclose(none.most, 1 - bound, rel_tol=1e-9)
    assert math.isclose(every.least, bound, rel_tol=1e-9)


def tail(count: int, runs: int, p: Fraction) -> Fraction:
    """The exact probability of at least so many."""
    return sum(
        (math.comb(runs, k) * p**k * (1 - p) ** (runs - k) for k in range(count, runs + 1)),
        Fraction(0),
    )


@given(st.integers(1, 40), st.data())
@settings(max_examples=40)
def test_at_a_bound_an_exact_tail_is_half_of_what_is_left(runs: int, data: st.DataObject) -> None:
    """The definition, in fractions."""
    count = data.draw(st.integers(0, runs))
    confidence = data.draw(st.sampled_from([0.5, 0.9, 0.95, 0.999]))
    found = clopper_pearson(count, runs, confidence)
    half = (1 - confidence) / 2
    if count:
        assert math.isclose(tail(count, runs, Fraction(found.least)), half, rel_tol=1e-9)
    if count < runs:
        below = 1 - tail(count + 1, runs, Fraction(found.most))
        assert math.isclose(below, half, rel_tol=1e-9)
    assert found.least <= count / runs <= found.most
