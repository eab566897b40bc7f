"""How large a search will be is told before it begins."""

from __future__ import annotations

import pytest

from settlesim.gallery import append_log, counter
from settlesim.progress import Progress
from settlesim.sim import Scenario, explore, predict


def log(number: int, services: int, workers: int) -> Scenario:
    return Scenario(
        append_log(number, services), [f"E{n}" for n in range(1, number + 1)], workers=workers
    )


def test_a_small_search_is_known_exactly() -> None:
    """It is over before anything has to be guessed."""
    scenario = Scenario(counter(), ["INC", "INC"])
    prediction = predict(scenario)
    assert prediction.exact
    assert prediction.states == explore(scenario).states


@pytest.mark.parametrize(
    ("size", "states"), [((5, 1, 3), 157_596), ((5, 3, 2), 77_136), ((5, 1, 5), 349_184)]
)
def test_a_prediction_is_of_the_right_order(size: tuple[int, int, int], states: int) -> None:
    """Between half and twice of what Spin and TLC count."""
    prediction = predict(log(*size))
    assert not prediction.exact
    assert states / 2 < prediction.states < states * 2
    assert str(prediction).startswith("about ")
    assert prediction.bytes > prediction.states


def test_a_prediction_is_always_the_same() -> None:
    """Its walks are drawn by a fixed sequence."""
    assert predict(log(5, 1, 3)) == predict(log(5, 1, 3))


def test_progress_says_how_large_a_search_will_be_and_whether_the_limit_is_below() -> None:
    """From the moment on at which it turns out to be no small one."""
    told: list[Progress] = []
    explore(log(5, 1, 3), limit=60_000, progress=told.append)
    before = [each for each in told if each.done < 50_000]
    assert all("expected" not in each.text for each in before)
    foretold = next(each for each in told if "expected" in each.text)
    assert foretold.text.startswith("states found (about ")
    assert foretold.text.endswith("MB expected, above the limit)")
    assert foretold.expected == 60_000
