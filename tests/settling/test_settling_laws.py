"""What holds for every chart: settling is deterministic, and a reload changes nothing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim.chart import Chart, Snapshot
from settlesim.chart.outcome import Outcome
from settlesim.errors import SettleError
from settlesim.machine.program import program_of
from settlesim.settling import Settlement, Settling
from settlesim.settling.settlement import Pending, PendingDelay
from tests.examples import scaled
from tests.settling.driving import reload
from tests.strategies_charts import FUNCTIONS, TRIGGERS, charts

EVENTS = st.lists(st.sampled_from([*TRIGGERS, "UNKNOWN", None]), min_size=1, max_size=5)
"""None starts the instance, where it does not exist."""
ANSWERS = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30)
MAX_MICROSTEPS = 60


def run(
    chart: Chart, snapshot: Snapshot | None, event: str | None, answers: list[tuple[int, bool]]
) -> Settlement | SettleError | None:
    """Settle with answers in any order; None where they do not suffice."""
    turns = iter(answers)
    try:
        settling = Settling(chart, snapshot, event, key="k", max_microsteps=MAX_MICROSTEPS)
        while settling.settlement is None:
            turn = next(turns, None)
            if turn is None:
                return None
            pick, good = turn
            choices: list[Pending | PendingDelay] = [*settling.pending, *settling.delays]
            index = pick % len(choices)
            if index >= len(settling.pending):
                settling.elapsed(choices[index].id)
            elif good:
                settling.done(choices[index].id, {"n": pick})
            else:
                settling.failed(choices[index].id, OSError("no"))
        return settling.settlement
    except SettleError as error:
        return error


def told(result: Settlement | SettleError | None) -> Any:
    """What can be compared of a result."""
    return (type(result), str(result)) if isinstance(result, SettleError) else result


@settings(max_examples=scaled(30))
@given(charts(bound=True), EVENTS, ANSWERS)
def test_settling_is_deterministic_and_a_reload_changes_nothing(
    chart: Chart, events: list[str | None], answers: list[tuple[int, bool]]
) -> None:
    """The same answers give the same settlements, with or without JSON text in between."""
    one: Snapshot | None = None
    two: Snapshot | None = None
    for event in events:
        first = run(chart, one, event, answers)
        second = run(chart, reload(two), event, answers)
        assert told(first) == told(second)
        for result in (first, second):
            if isinstance(result, Settlement) and result.saved:
                one, two = (result.after, two) if result is first else (one, result.after)
        assert one == two


@settings(max_examples=scaled(30))
@given(charts(bound=True), EVENTS, ANSWERS)
def test_a_session_ends_at_rest_and_tells_its_whole_way(
    chart: Chart, events: list[str | None], answers: list[tuple[int, bool]]
) -> None:
    """Every settlement is legal and at rest, its microsteps join, and IGNORED is as before."""
    snapshot: Snapshot | None = None
    program = program_of(chart)
    for event in events:
        result = run(chart, snapshot, event, answers)
        if not isinstance(result, Settlement):
            continue
        assert (result.start is None) is (snapshot is not None)
        if result.start is not None and result.start.worked:
            assert None not in program.rest_kinds(result.start.configuration)
        if result.only_start_saved:
            assert result.start is not None
            assert result.start.worked
            assert result.outcome in {Outcome.IGNORED, Outcome.REJECTED}
            assert result.after.revision == 1
            snapshot = result.after
            continue
        if result.outcome is Outcome.IGNORED:
            assert result.after is result.before
            assert (result.microsteps, result.calls) == ((), ())
            continue
        configuration = result.after.configuration
        assert program.is_legal(configuration)
        assert program.rests(configuration)
        way = [result.before.configuration, *(step.after for step in result.microsteps)]
        assert [step.before for step in result.microsteps] == way[:-1]
        assert way[-1] == configuration
        assert not result.microsteps or result.microsteps[-1].context == result.after.context
        persisted = result.outcome is not Outcome.REJECTED or chart.on_reject == "persist"
        assert result.after.revision == result.before.revision + persisted
        assert result.saved is persisted
        if persisted:
            snapshot = result.after
            assert program.may_begin(configuration)


@settings(max_examples=scaled(20))
@given(charts(), ANSWERS)
def test_a_chart_read_from_its_own_json_settles_alike(
    chart: Chart, answers: list[tuple[int, bool]]
) -> None:
    """Functions aside, a chart is its JSON."""
    bound = chart.bind({name: FUNCTIONS[name] for name in chart.roles})
    again = Chart.from_dict(chart.to_dict()).bind({name: FUNCTIONS[name] for name in chart.roles})
    for event in TRIGGERS:
        assert told(run(bound, None, event, answers)) == told(run(again, None, event, answers))


_SCRIPT = """
from settlesim import Settling
from settlesim.gallery import CHARTS
for chart in CHARTS.values():
    print(chart.check().to_dict(), chart.settling_graph().to_dict())
    for event in sorted({edge.trigger for edge in chart.transitions}):
        settling = Settling(chart, None, event)
        while settling.settlement is None:
            if settling.pending:
                settling.failed(settling.pending[-1].id, ValueError("no"))
            else:
                settling.elapsed(settling.delays[0].id)
        print(settling.settlement.microsteps, settling.settlement.calls)
"""


def test_two_hash_seeds_give_the_same_bytes() -> None:
    """No set or hash decides an order."""
    digests = set()
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert len(done.stdout) > 1_000
        digests.add(hashlib.sha256(done.stdout).hexdigest())
    assert len(digests) == 1
