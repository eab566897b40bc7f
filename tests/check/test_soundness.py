"""What the check proves holds in real runs, and what it refutes is shown by one."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Any

from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart import Chart, Event, Snapshot
from settlesim.chart.report import Verdict
from settlesim.chart.strict_json import encode
from settlesim.check.contract import check_chart
from settlesim.check.runs import Hop, RunPhase, RunState, all_runs
from settlesim.errors import ServiceFailedError, SettleError, StalledError
from settlesim.settling import Settlement, Settling
from settlesim.settling.settlement import PendingDelay
from tests.settling.driving import chart_of, settled
from tests.strategies_charts import ASSIGNS, TRIGGERS, charts

EVENTS = st.sampled_from([*TRIGGERS, None])
"""None starts the instance, where it does not exist."""


def tabled(name: str, seed: int) -> Any:
    """A guard that answers from a table: of its name, the event and the context."""

    def guard(context: Any, event: Event) -> bool:
        question = f"{seed} {name} {event.name} {encode(context)}"
        return bool(zlib.crc32(question.encode()) >> 7 & 1)

    return guard


def tabled_chart(chart: Chart, seed: int) -> Chart:
    """The chart with tabled guards, and assigns that count."""
    functions = {
        name: tabled(name, seed) if role == "guard" else ASSIGNS.get(name, ASSIGNS["count"])
        for name, role in chart.roles.items()
        if role != "service"
    }
    return chart.bind(functions)


def run(
    chart: Chart, snapshot: Snapshot | None, event: str | None, data: st.DataObject
) -> Settlement:
    """Settle one event; Hypothesis chooses who comes back next, and how."""
    settling = Settling(chart, snapshot, event)
    while settling.settlement is None:
        delays: dict[str, PendingDelay] = {}
        for delay in settling.delays:  # of one node, the shortest passes first
            node = delay.id.rpartition(".")[0]
            if node not in delays or delay.seconds < delays[node].seconds:
                delays[node] = delay
        turn = data.draw(st.integers(0, len(settling.pending) + len(delays) - 1))
        if turn >= len(settling.pending):
            settling.elapsed(list(delays.values())[turn - len(settling.pending)].id)
        elif data.draw(st.booleans()):
            settling.done(settling.pending[turn].id, None)
        else:
            settling.failed(settling.pending[turn].id, "no")
    return settling.settlement


@given(charts(), st.integers(0, 99), st.lists(EVENTS, max_size=5), st.data())
def test_a_proved_chart_never_fails_to_settle(
    chart: Chart, seed: int, events: list[str | None], data: st.DataObject
) -> None:
    """No stall, no endless run, no unhandled failure, and no more microsteps than said."""
    report = check_chart(chart, limit=3_000)
    note(report.verdict.name)
    if report.verdict is not Verdict.PROVED:
        return
    assert report.longest is not None
    real = tabled_chart(chart, seed)
    snapshot: Snapshot | None = None
    for event in events:
        settlement = run(real, snapshot, event, data)
        assert len(settlement.microsteps) <= report.longest
        if settlement.saved:
            snapshot = settlement.after
            assert snapshot.configuration in report.settled


class Script:
    """Guards that say what the hops of one path say."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], bool] = {}

    def bind(self, chart: Chart) -> Chart:
        """Return the chart with its guards on this script; assigns change nothing."""

        def guard(name: str) -> Any:
            return lambda context, event: self.answers.get((name, event.name), True)

        def keep(context: Any, event: Event) -> None:
            return None

        return chart.bind(
            {
                name: guard(name) if role == "guard" else keep
                for name, role in chart.roles.items()
                if role != "service"
            }
        )


def hops_to(found: Any, place: RunState) -> list[tuple[RunState, Hop]]:
    """The shortest way to a place, hop by hop."""
    way = []
    while place in found.parents:
        place, hop = found.parents[place]
        way.append((place, hop))
    return way[::-1]


CHARTS = [
    chart_of([settled("a"), "b"], [["GO", "a", "b"]]),
    chart_of(
        [settled("a"), {"name": "b", "invoke": {"src": "s", "on_done": "c", "on_error": "a"}}, "c"],
        [["GO", "a", "b"]],
    ),
    chart_of(
        [settled("a"), {"name": "b", "invoke": {"src": "s", "on_done": "a"}}], [["GO", "a", "b"]]
    ),
    chart_of(
        [settled("a"), {"name": "b", "after": {"1": {"dest": "a", "conditions": "g"}}}],
        [{"trigger": "GO", "source": "a", "dest": "b", "unless": "h"}],
    ),
    chart_of([{"name": "a", "always": "b"}, "b", settled("c")]),
]


def test_a_refuted_chart_really_fails_on_the_way_that_was_found() -> None:
    """SET101 and SET103 are replayed, hop by hop, on the real session."""
    seen: Counter[type[SettleError]] = Counter()
    for chart in CHARTS:
        found = all_runs(chart)
        ends = [p for p in found.hops if p.phase in {RunPhase.STALLED, RunPhase.FAILED}]
        assert ends
        for end in ends:
            error = replay(chart, hops_to(found, end))
            expected = StalledError if end.phase is RunPhase.STALLED else ServiceFailedError
            assert type(error) is expected
            seen[type(error)] += 1
    assert set(seen) == {StalledError, ServiceFailedError}


def replay(chart: Chart, way: list[tuple[RunState, Hop]]) -> SettleError | None:
    """Walk a way of the exploration with a real session; return the error that ends it."""
    script = Script()
    for _, hop in way:
        for question, value in hop.answers:
            script.answers[question] = value
    real = script.bind(chart)
    settling: Settling | None = None
    snapshot: Snapshot | None = None
    try:
        if all(place.phase is not RunPhase.REST for place, _ in way):
            settling = Settling(real, None, "GO")  # it fails before its first event
        for place, hop in way:
            if hop.event is not None:
                if settling is not None:
                    assert settling.settlement is not None
                    snapshot = settling.settlement.after
                settling = Settling(real, snapshot, hop.event)
            elif place.phase is RunPhase.WAIT:
                assert settling is not None
                answer(settling, place, hop)
    except SettleError as error:
        return error
    return None


def answer(settling: Settling, place: RunState, hop: Hop) -> None:
    """Give the session the completion that a hop stands for."""
    ended = set(place.position.invocations) - set(hop.to.position.invocations)
    if not ended:
        settling.elapsed(settling.delays[0].id)
    elif hop.failed:
        settling.failed(ended.pop(), "no")
    else:
        settling.done(ended.pop(), None)
