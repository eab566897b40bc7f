"""Writes a scenario as a test: source text that asserts that a defect is there, or is not."""

from __future__ import annotations

import ast
import re
from keyword import iskeyword
from typing import TYPE_CHECKING

from settlesim.chart.strict_json import thaw
from settlesim.errors import SimulationError, shorten
from settlesim.sim.replays import replay
from settlesim.sim.scenario import Faults, Scenario

if TYPE_CHECKING:
    from settlesim.sim.schedule import Schedule

__all__ = ["to_pytest"]

_PLACE = re.compile(r"([\w.]+):((\w+)(?:\([\w\s,=.'\"-]*\))?)")


def to_pytest(scenario: Scenario, schedule: Schedule | str | None, chart: str) -> str:
    """Return the source text of a test for one schedule, or for all.

    Parameters
    ----------
    schedule
        With a schedule of the scenario, as a value or text, the test pins the present behaviour: it
        replays the schedule and checks its ending. With None the test asserts that there is no
        defect: it explores the scenario, and fails until the criterion and all properties are
        proved.
    chart : where the test imports the chart from: ``package.module:name`` or ``...:name(3)``

    Raises
    ------
    ReplayDivergedError
        A step of the schedule is not enabled in the scenario.
    SimulationError
        The schedule is not a whole run, `chart` has another form, the scenario cannot be written as
        source text, or a property uses a Python function.
    """
    place = _place(chart)
    if scenario.old is not None:
        reason = "has two versions of its chart, and a test is written for one"
        raise SimulationError(where="scenario", reason=reason)
    lines = _absence(scenario, place) if schedule is None else _presence(scenario, schedule, place)
    return "\n".join(lines) + "\n"


def _place(chart: str) -> re.Match[str]:
    """Parse where the test imports the chart from."""
    place = _PLACE.fullmatch(chart)
    names = [] if place is None else [*place[1].split("."), place[3]]
    if place is None or not all(each.isidentifier() and not iskeyword(each) for each in names):
        raise SimulationError(
            where="chart", reason=f"is {shorten(chart)}; 'package.module:name' is needed"
        )
    return place


def _presence(scenario: Scenario, schedule: Schedule | str, place: re.Match[str]) -> list[str]:
    """Return a test that replays a schedule."""
    played = replay(scenario, schedule)
    if played.ending is None:
        raise SimulationError(
            where="schedule",
            reason=f"does not go to the end: {played.frames[-1].enabled[0].name} may follow",
        )
    module, expression, name = place.groups()
    ending = played.ending
    store = [(key, leaves, thaw(context)) for key, leaves, context in ending.store]
    return [
        f"from {module} import {name}",
        "from settlesim.sim import Scenario, replay",
        "",
        "",
        f"def {_function_name(scenario, ending.fifo)}() -> None:",
        f"    {_docstring(played.sentence)}",
        "    scenario = Scenario(",
        f"        {expression},",
        *(f"        {line}," for line in _arguments(scenario)),
        "    )",
        f"    played = replay(scenario, {str(schedule)!r})",
        "    ending = played.ending",
        "    assert ending is not None",
        f"    assert list(ending.store) == {store!r}",
        f"    assert ending.effects == {ending.effects!r}",
        f"    assert ending.dead == {ending.dead!r}",
        f"    assert ending.fifo is {ending.fifo}",
        f"    assert played.anomalies == {played.anomalies!r}",
    ]


def _absence(scenario: Scenario, place: re.Match[str]) -> list[str]:
    """Return a test that explores the scenario."""
    module, expression, name = place.groups()
    asked = _properties(scenario)
    names = sorted({"Scenario", "Verdict", "explore", *_made_by(asked)}, key=_ruff_order)
    lines = [
        f"from {module} import {name}",
        f"from settlesim.sim import {', '.join(names)}",
        "",
        "",
        f"def {_function_name(scenario, right=True)}() -> None:",
        '    """No schedule ends wrong."""',
        "    scenario = Scenario(",
        f"        {expression},",
        *(f"        {line}," for line in _arguments(scenario)),
        *([f"        properties=[{', '.join(asked)}],"] if asked else []),
        "    )",
        "    found = explore(scenario)",
        '    assert found.verdict is Verdict.PROVED, f"{found}: {found.counterexample}"',
    ]
    if asked:
        lines += [
            "    for result in found.properties:",
            '        assert result.verdict is Verdict.PROVED, f"{result}: {result.schedule}"',
        ]
    return lines


def _properties(scenario: Scenario) -> list[str]:
    """Return the properties as source text."""
    for each in scenario.properties:
        if each.reads_revision:
            reason = "is asked by a function of Python, which has no source text here"
            raise SimulationError(where=f"property {each.name!r}", reason=reason)
    return [repr(each) for each in scenario.properties]


def _made_by(asked: list[str]) -> set[str]:
    """Return the functions that the source text of properties calls."""
    nodes = (node for text in asked for node in ast.walk(ast.parse(text)))
    return {
        node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }


def _ruff_order(name: str) -> tuple[bool, str]:
    return name[0].islower(), name


def _docstring(text: str) -> str:
    return f'r"""{text}"""' if '"' not in text and "\\" not in text else repr(text)


def _function_name(scenario: Scenario, right: bool | None) -> str:
    # ASCII, since Unicode's \w matches characters that no Python name may contain
    words = [
        re.sub(r"\W+", "_", each.words, flags=re.ASCII).strip("_").lower()
        for each in scenario.events[:4]
    ]
    middle = "_and_".join(word or "event" for word in words)
    return f"test_{middle}_{'end_right' if right else 'go_wrong'}"


def _arguments(scenario: Scenario) -> list[str]:
    """Return the arguments that differ from the defaults, as source text."""
    events = [
        (each.key, None if each.starts else each.event, thaw(each.data)) for each in scenario.events
    ]
    found = [f"{events!r}", f"workers={scenario.workers}", f"queue={scenario.queue!r}"]
    if scenario.protections:
        found.append(f"protections={scenario.protections!r}")
    faults = {name: n for name, n in scenario.faults._asdict().items() if n}
    if scenario.faults != Faults():
        found.append(f"faults={faults!r}")
    if scenario.max_receives is not None:
        found.append(f"max_receives={scenario.max_receives}")
    found += [f"{name}={value!r}" for name, value in scenario.policies.items()]
    if scenario.results is not None:
        found.append(f"results={thaw(scenario.results)!r}")
    found += _assumptions(scenario)
    start = scenario.start
    if start is not None:
        leaves = start.configuration
        if len(leaves) != 1 or start.context != scenario.chart.context:
            raise SimulationError(
                where="start", reason="only a node can be written into a test, no whole snapshot"
            )
        found.append(f"start={leaves[0]!r}")
    return found


def _assumptions(scenario: Scenario) -> list[str]:
    """Return the scenario's assumptions about time and errors, as source text."""
    record = scenario.to_dict()
    found = [f"{name}={record[name]!r}" for name in ("durations", "errors") if record[name]]
    if scenario.timing != "any":
        found.append(f"timing={scenario.timing!r}")
    if len(scenario.messages) > len(scenario.events):
        found.append(f"timers={scenario.timers}")
    return found
